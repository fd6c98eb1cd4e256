/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 is what FIPS 180-4 says it is, for every length and in every thread that asks for it first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/sha.h>
#include <pthread.h>

#include "base/digest.h"

static void *hash_abc(void *good)
{
    unsigned char digest[MCPA_SHA256_BYTES], expected[MCPA_SHA256_BYTES];

    (void)SHA256((const unsigned char *)"abc", 3, expected);
    *(bool *)good = mcpa_sha256(digest, MCPA_STR("abc")) && memcmp(digest, expected, sizeof(digest)) == 0;
    return NULL;
}

/* First: nobody has asked before. */
static void the_first_callers_may_come_at_once(void **state)
{
    pthread_t threads[8];
    bool good[8] = { false };

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hash_abc, &good[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(good[i]);
    }
}

static void the_standards_own_example(void **state)
{
    static const unsigned char expected[MCPA_SHA256_BYTES] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                                               0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                                               0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
    unsigned char digest[MCPA_SHA256_BYTES];

    (void)state;
    assert_true(mcpa_sha256(digest, MCPA_STR("abc")));
    assert_memory_equal(digest, expected, sizeof(digest));
}

static void every_length_is_hashed_whole(void **state)
{
    char text[300];
    unsigned char digest[MCPA_SHA256_BYTES], expected[MCPA_SHA256_BYTES];

    (void)state;
    for (size_t len = 0; len <= sizeof(text); len++) {
        memset(text, (int)('a' + len % 26), sizeof(text));
        (void)SHA256((const unsigned char *)text, len, expected);
        assert_true(mcpa_sha256(digest, (mcpa_str_t){ text, len }));
        assert_memory_equal(digest, expected, sizeof(digest));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_callers_may_come_at_once),
        cmocka_unit_test(the_standards_own_example),
        cmocka_unit_test(every_length_is_hashed_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
