/* SPDX-License-Identifier: Apache-2.0 */
/* For LD_PRELOAD before libapr: its atomic operations, compiled with ThreadSanitizer. httpd's threads hand connections and their
 * pools to each other with these; in a libapr that nobody instrumented the sanitizer sees no order in that, and takes memory of a
 * pool that serves one request after the other for two threads' at once. Same results, sequentially consistent like libapr's own.
 * See thread_parts.py. */
#include <apr_atomic.h>

#define OPERATIONS(type, bits)                                                                                                   \
    type apr_atomic_read##bits(volatile type *word)                                                                              \
    {                                                                                                                            \
        return __atomic_load_n(word, __ATOMIC_SEQ_CST);                                                                          \
    }                                                                                                                            \
    void apr_atomic_set##bits(volatile type *word, type value)                                                                   \
    {                                                                                                                            \
        __atomic_store_n(word, value, __ATOMIC_SEQ_CST);                                                                         \
    }                                                                                                                            \
    type apr_atomic_add##bits(volatile type *word, type value)                                                                   \
    {                                                                                                                            \
        return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);                                                                \
    }                                                                                                                            \
    void apr_atomic_sub##bits(volatile type *word, type value)                                                                   \
    {                                                                                                                            \
        (void)__atomic_fetch_sub(word, value, __ATOMIC_SEQ_CST);                                                                 \
    }                                                                                                                            \
    type apr_atomic_inc##bits(volatile type *word)                                                                               \
    {                                                                                                                            \
        return __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);                                                                    \
    }                                                                                                                            \
    int apr_atomic_dec##bits(volatile type *word)                                                                                \
    {                                                                                                                            \
        return __atomic_sub_fetch(word, 1, __ATOMIC_SEQ_CST) != 0;                                                               \
    }                                                                                                                            \
    type apr_atomic_cas##bits(volatile type *word, type with, type expected)                                                     \
    {                                                                                                                            \
        (void)__atomic_compare_exchange_n(word, &expected, with, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                         \
        return expected;                                                                                                         \
    }                                                                                                                            \
    type apr_atomic_xchg##bits(volatile type *word, type value)                                                                  \
    {                                                                                                                            \
        return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);                                                               \
    }

OPERATIONS(apr_uint32_t, 32)
OPERATIONS(apr_uint64_t, 64)

void *apr_atomic_casptr(volatile void **word, void *with, const void *expected)
{
    void *found = (void *)(uintptr_t)expected;

    (void)__atomic_compare_exchange_n((void *volatile *)word, &found, with, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return found;
}

void *apr_atomic_xchgptr(volatile void **word, void *with)
{
    return __atomic_exchange_n((void *volatile *)word, with, __ATOMIC_SEQ_CST);
}
