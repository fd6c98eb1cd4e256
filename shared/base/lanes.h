/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen bytes at once, each of the vector's by itself, for texts that every request brings. Of a comparison comes 0xff for
 * true. */
#ifndef MCPA_BASE_LANES_H
#define MCPA_BASE_LANES_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MCPA_LANES 16
typedef unsigned char mcpa_lanes_t __attribute__((vector_size(MCPA_LANES)));
typedef signed char mcpa_signed_lanes_t __attribute__((vector_size(MCPA_LANES)));

/* at: MCPA_LANES bytes, of any alignment. */
static inline mcpa_lanes_t mcpa_lanes_load(const void *at)
{
    mcpa_lanes_t lanes;

    memcpy(&lanes, at, MCPA_LANES);
    return lanes;
}

/* Index of the first lane that is true; MCPA_LANES: none is. */
static inline unsigned mcpa_lanes_first(mcpa_lanes_t lanes)
{
    uint64_t half[2];

    memcpy(half, &lanes, MCPA_LANES);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MCPA_LANES_SKIP(word) ((unsigned)__builtin_ctzll(word) / 8)
#else
#define MCPA_LANES_SKIP(word) ((unsigned)__builtin_clzll(word) / 8)
#endif
    return half[0] != 0 ? MCPA_LANES_SKIP(half[0]) : half[1] != 0 ? 8 + MCPA_LANES_SKIP(half[1]) : MCPA_LANES;
}

static inline bool mcpa_lanes_any(mcpa_lanes_t lanes)
{
    uint64_t half[2];

    memcpy(half, &lanes, MCPA_LANES);
    return (half[0] | half[1]) != 0;
}

#endif
