/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"

static void str_tells_absent_from_empty_but_compares_them_equal(void **state)
{
    (void)state;
    assert_null(MCPA_STR_NONE.ptr);
    assert_non_null(MCPA_STR("").ptr);
    assert_true(mcpa_str_eq(MCPA_STR_NONE, MCPA_STR("")));
    assert_false(mcpa_str_eq(MCPA_STR("a"), MCPA_STR("")));
    assert_false(mcpa_str_eq(MCPA_STR("a\0b"), MCPA_STR("a\0c")));
}

static void str_ieq_folds_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(mcpa_str_ieq(MCPA_STR("BeArEr"), MCPA_STR("bearer")));
    assert_false(mcpa_str_ieq(MCPA_STR("bearer"), MCPA_STR("bearer ")));
    assert_false(mcpa_str_ieq(MCPA_STR("@"), MCPA_STR("`")));       /* 0x40 and 0x60 */
    assert_false(mcpa_str_ieq(MCPA_STR("["), MCPA_STR("{")));       /* just after Z and z */
    assert_false(mcpa_str_ieq(MCPA_STR("\xc9"), MCPA_STR("\xe9"))); /* E acute in Latin-1 */
}

static void str_starts_needs_the_whole_prefix(void **state)
{
    (void)state;
    assert_true(mcpa_str_starts(MCPA_STR("abc"), MCPA_STR("ab")));
    assert_true(mcpa_str_starts(MCPA_STR("abc"), MCPA_STR("")));
    assert_false(mcpa_str_starts(MCPA_STR("ab"), MCPA_STR("abc")));
    assert_false(mcpa_str_starts(MCPA_STR("abc"), MCPA_STR("bc")));
}

static void out_fills_its_room_to_the_last_byte(void **state)
{
    char memory[4];
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_out_z(&out, "abc");
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    assert_string_equal(memory, "abc");
}

static void out_writes_a_piece_whole_or_not_at_all_and_stays_truncated(void **state)
{
    char memory[6];
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_out_z(&out, "abc");
    mcpa_out_z(&out, "def");
    assert_int_equal(mcpa_out_status(&out), MCPA_ETOOBIG);
    assert_string_equal(memory, "abc");
    mcpa_out_char(&out, 'x'); /* would fit, but a gap in the text would be worse than its end */
    mcpa_out_printf(&out, "%d", 1);
    assert_string_equal(memory, "abc");
    assert_int_equal(mcpa_out_get(&out).len, 3);
}

static void out_printf_that_does_not_fit_leaves_what_was_there(void **state)
{
    char memory[6];
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_out_printf(&out, "%s", "abc");
    mcpa_out_printf(&out, "%d", 123);
    assert_int_equal(mcpa_out_status(&out), MCPA_ETOOBIG);
    assert_string_equal(memory, "abc");
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_out_printf(&out, "%d", 12345);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    assert_string_equal(memory, "12345");
}

static void out_without_room_is_truncated_from_the_start(void **state)
{
    char untouched = 'u';
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, &untouched, 0);
    mcpa_out_char(&out, 'x');
    mcpa_out_printf(&out, "x");
    assert_int_equal(mcpa_out_status(&out), MCPA_ETOOBIG);
    assert_int_equal(untouched, 'u');
}

static void out_u64_writes_the_extremes(void **state)
{
    char memory[32];
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_out_u64(&out, 0);
    mcpa_out_char(&out, ' ');
    mcpa_out_u64(&out, UINT64_MAX);
    assert_string_equal(memory, "0 18446744073709551615");
}

static void hex_is_lower_case(void **state)
{
    char text[7];

    (void)state;
    mcpa_hex(text, (const unsigned char *)"\x00\xab\xff", 3);
    assert_string_equal(text, "00abff");
}

static void secret_eq_compares_length_and_every_byte(void **state)
{
    (void)state;
    assert_true(mcpa_secret_eq(MCPA_STR("s3cret"), MCPA_STR("s3cret")));
    assert_false(mcpa_secret_eq(MCPA_STR("s3cret"), MCPA_STR("s3creT")));
    assert_false(mcpa_secret_eq(MCPA_STR("s3cret"), MCPA_STR("s3cre")));
    assert_true(mcpa_secret_eq(MCPA_STR_NONE, MCPA_STR("")));
}

static void status_word_is_never_null(void **state)
{
    (void)state;
    for (int i = -1; i <= MCPA_EIO + 1; i++) {
        assert_non_null(mcpa_status_word((mcpa_status_t)i));
    }
    assert_string_equal(mcpa_status_word(MCPA_OK), "ok");
    assert_string_equal(mcpa_status_word((mcpa_status_t)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_tells_absent_from_empty_but_compares_them_equal),
        cmocka_unit_test(str_ieq_folds_ascii_letters_only),
        cmocka_unit_test(str_starts_needs_the_whole_prefix),
        cmocka_unit_test(out_fills_its_room_to_the_last_byte),
        cmocka_unit_test(out_writes_a_piece_whole_or_not_at_all_and_stays_truncated),
        cmocka_unit_test(out_printf_that_does_not_fit_leaves_what_was_there),
        cmocka_unit_test(out_without_room_is_truncated_from_the_start),
        cmocka_unit_test(out_u64_writes_the_extremes),
        cmocka_unit_test(hex_is_lower_case),
        cmocka_unit_test(secret_eq_compares_length_and_every_byte),
        cmocka_unit_test(status_word_is_never_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
