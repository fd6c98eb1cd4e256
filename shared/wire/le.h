/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian numbers at any alignment: the byte order of everything on the wire. */
#ifndef MCPA_WIRE_LE_H
#define MCPA_WIRE_LE_H

#include <stdint.h>

static inline void mcpa_le_put(unsigned char *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static inline uint64_t mcpa_le_get(const unsigned char *at, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

#endif
