/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of shared/wire. */
#ifndef MCPA_TEST_WIRE_H
#define MCPA_TEST_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* xorshift64*; the same seed gives the same test. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* A copy in a block of exactly that size, so that a sanitizer sees one byte too many. */
static inline unsigned char *exact_copy(const void *bytes, size_t len)
{
    unsigned char *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    return copy;
}

#endif
