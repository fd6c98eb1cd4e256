/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, RFC 3720 appendix B.4). Chain by passing the last result; start with 0. */
#ifndef MCPA_WIRE_CRC32C_H
#define MCPA_WIRE_CRC32C_H
#include <stddef.h>
#include <stdint.h>
uint32_t mcpa_crc32c(uint32_t crc, const void *bytes, size_t len);
#endif
