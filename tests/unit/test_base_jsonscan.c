/* SPDX-License-Identifier: Apache-2.0 */
/* A string is read sixteen bytes at once and its rest one by one: each byte value means the same at each place, and nothing
 * behind the end is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/jsonscan.h"

#define TEXT_BYTES 52

/* Of a heap block that ends where the text ends, so that a sanitizer sees a read behind it. */
static mcpa_status_t scan(const unsigned char *text, size_t len, mcpa_jsonscan_string_t *string)
{
    char *copy = malloc(len > 0 ? len : 1);
    mcpa_jsonscan_t scan;
    mcpa_status_t status;

    assert_non_null(copy);
    memcpy(copy, text, len);
    mcpa_jsonscan_init(&scan, (mcpa_str_t){ copy, len });
    status = mcpa_jsonscan_string(&scan, string);
    free(copy);
    return status;
}

static void each_byte_means_the_same_at_each_place(void **state)
{
    (void)state;
    for (size_t at = 1; at < TEXT_BYTES - 1; at++) {
        for (unsigned value = 0; value < 256; value++) {
            unsigned char text[TEXT_BYTES];
            mcpa_jsonscan_string_t string = { 0 };
            mcpa_status_t status;

            memset(text, 'n', sizeof(text)); /* so that a backslash before it is an escape */
            text[0] = text[sizeof(text) - 1] = '"';
            text[at] = (unsigned char)value;
            status = scan(text, sizeof(text), &string);
            if (value < 0x20 || value >= 0x80 || (value == '\\' && at == TEXT_BYTES - 2)) {
                assert_int_equal(status, MCPA_EMALFORMED);
                continue;
            }
            assert_int_equal(status, MCPA_OK);
            assert_int_equal(string.raw.len, value == '"' ? at - 1 : TEXT_BYTES - 2);
            assert_int_equal(string.escaped, value == '\\');
        }
    }
}

static void a_string_without_an_end_is_none(void **state)
{
    unsigned char text[TEXT_BYTES];
    mcpa_jsonscan_string_t string;

    (void)state;
    memset(text, 'n', sizeof(text));
    text[0] = '"';
    for (size_t len = 1; len <= sizeof(text); len++) {
        assert_int_equal(scan(text, len, &string), MCPA_EMALFORMED);
    }
}

static void characters_beyond_ascii_stand_anywhere(void **state)
{
    (void)state;
    for (size_t at = 1; at < TEXT_BYTES - 5; at++) {
        unsigned char text[TEXT_BYTES];
        mcpa_jsonscan_string_t string;

        memset(text, 'n', sizeof(text));
        text[0] = text[sizeof(text) - 1] = '"';
        memcpy(text + at, "\xf0\x9f\x94\x92", 4);
        assert_int_equal(scan(text, sizeof(text), &string), MCPA_OK);
        assert_int_equal(string.raw.len, TEXT_BYTES - 2);
        text[at + 3] = 'n';
        assert_int_equal(scan(text, sizeof(text), &string), MCPA_EMALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_means_the_same_at_each_place),
        cmocka_unit_test(a_string_without_an_end_is_none),
        cmocka_unit_test(characters_beyond_ascii_stand_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
