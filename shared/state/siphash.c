/* SPDX-License-Identifier: Apache-2.0 */
#include "state/siphash.h"

#include "wire/le.h"

static inline uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void rounds(uint64_t v[4], int count)
{
    while (count-- > 0) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

uint64_t mcpa_siphash(const unsigned char key[16], const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t k0 = mcpa_le_get(key, 8);
    uint64_t k1 = mcpa_le_get(key + 8, 8);
    /* The constants of the paper: "somepseudorandomlygeneratedbytes". */
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u };
    uint64_t word;

    for (size_t left = len; left >= 8; left -= 8, at += 8) {
        word = mcpa_le_get(at, 8);
        v[3] ^= word;
        rounds(v, 2);
        v[0] ^= word;
    }
    word = (uint64_t)len << 56 | mcpa_le_get(at, (unsigned)(len % 8));
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
