/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/crc32c.h"

#include <pthread.h>

/* The reflected form of 0x1EDC6F41. */
#define POLYNOMIAL 0x82f63b78u

/* Slicing by eight: tables[k][b] is the effect of byte b that stands k bytes before the end of a group of eight. */
static uint32_t tables[8][256];
static pthread_once_t tables_made = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;

        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
        }
        tables[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int slice = 1; slice < 8; slice++) {
            uint32_t before = tables[slice - 1][byte];

            tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xff];
        }
    }
}

uint32_t mcpa_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    (void)pthread_once(&tables_made, make_tables);
    crc = ~crc;
    for (; len >= 8; len -= 8, at += 8) {
        uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);

        crc = tables[7][low & 0xff] ^ tables[6][(low >> 8) & 0xff] ^ tables[5][(low >> 16) & 0xff] ^ tables[4][low >> 24] ^
              tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^ tables[0][at[7]];
    }
    for (; len > 0; len--, at++) {
        crc = (crc >> 8) ^ tables[0][(crc ^ *at) & 0xff];
    }
    return ~crc;
}
