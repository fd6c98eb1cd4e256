/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, RFC 3720 appendix B.4). Chain by passing the last result; start with 0. */
#ifndef MCPA_WIRE_CRC32C_H
#define MCPA_WIRE_CRC32C_H
#include <stddef.h>
#include <stdint.h>
/* By the CPU's instruction where it has one. */
uint32_t mcpa_crc32c(uint32_t crc, const void *bytes, size_t len);
/* The way of other CPUs; apart so that it can be tested everywhere. */
uint32_t mcpa_crc32c_by_table(uint32_t crc, const void *bytes, size_t len);
#endif
