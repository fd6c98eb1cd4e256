/* SPDX-License-Identifier: Apache-2.0 */
#include "state/siphash.h"

typedef struct lanes {
    uint64_t v0, v1, v2, v3;
} lanes_t;

static inline uint64_t rotate_left(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline uint64_t load(const unsigned char *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 |
           (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

/* Fewer than eight bytes; the length of all stands on top. */
static inline uint64_t load_last(const unsigned char *at, size_t left, size_t len)
{
    uint64_t word = (uint64_t)(len & 0xff) << 56;

    for (size_t i = 0; i < left; i++) {
        word |= (uint64_t)at[i] << (8 * i);
    }
    return word;
}

/* SipRound of the paper's section 2. */
static inline void mix(lanes_t *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 = rotate_left(s->v2, 32);
}

static inline void absorb(lanes_t *s, uint64_t word)
{
    s->v3 ^= word;
    mix(s);
    mix(s);
    s->v0 ^= word;
}

uint64_t mcpa_siphash(const unsigned char key[16], const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    size_t left = len;
    uint64_t k0 = load(key);
    uint64_t k1 = load(key + 8);
    /* The paper's constants. */
    lanes_t s = { k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d), k0 ^ UINT64_C(0x6c7967656e657261),
                  k1 ^ UINT64_C(0x7465646279746573) };

    for (; left >= 8; at += 8, left -= 8) {
        absorb(&s, load(at));
    }
    absorb(&s, load_last(at, left, len));
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++) {
        mix(&s);
    }
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
