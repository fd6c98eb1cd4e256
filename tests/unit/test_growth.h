/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests that send a million different things at a table: how many, and what the heap holds. */
#ifndef MCPA_TEST_GROWTH_H
#define MCPA_TEST_GROWTH_H

#include <malloc.h>

#include "test_state.h"

/* MCPAUTH_GROWTH, else a million; under valgrind a fiftieth of it. */
static inline uint64_t growth_count(void)
{
    const char *given = getenv("MCPAUTH_GROWTH");
    uint64_t count = given != NULL ? strtoull(given, NULL, 10) : 1000000;

    assert_true(count >= 1000);
    return is_under_valgrind() ? count / 50 + 1000 : count;
}

/* Bytes that malloc has given out and not got back; 0 where another allocator stands in for it (sanitizers). */
static inline size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* "KIND-NUMBER" as a name that looks random to every hash. */
static inline size_t growth_name(char memory[32], const char *kind, uint64_t number)
{
    int n = snprintf(memory, 32, "%s-%llx", kind, (unsigned long long)(number * UINT64_C(0x9e3779b97f4a7c15)));

    assert_true(n > 0 && n < 32);
    return (size_t)n;
}

#endif
