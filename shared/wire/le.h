/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian integers at any address, in and out. Every byte on disk and on the link goes through these; callers check
 * lengths. */
#ifndef MCPA_WIRE_LE_H
#define MCPA_WIRE_LE_H

#include <stdint.h>

static inline void mcpa_le16_put(unsigned char *at, uint16_t value)
{
    at[0] = (unsigned char)(value & 0xff);
    at[1] = (unsigned char)(value >> 8);
}

static inline void mcpa_le32_put(unsigned char *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (unsigned char)(value >> (8 * i) & 0xff);
    }
}

static inline void mcpa_le64_put(unsigned char *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        at[i] = (unsigned char)(value >> (8 * i) & 0xff);
    }
}

static inline uint16_t mcpa_le16_get(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t mcpa_le32_get(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t mcpa_le64_get(const unsigned char *at)
{
    return (uint64_t)mcpa_le32_get(at) | (uint64_t)mcpa_le32_get(at + 4) << 32;
}

#endif
