/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <time.h>

#include "base/text.h"

static void trim_takes_blanks_and_tabs_and_nothing_else(void **state)
{
    static const char *const rows[][2] = { { "", "" },     { " \t ", "" },         { "a", "a" },        { " a", "a" },
                                           { "a\t", "a" }, { "\t a b \t", "a b" }, { "\na\r", "\na\r" } };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(mcpa_str_eqz(mcpa_text_trim(mcpa_str(rows[i][0])), rows[i][1]));
    }
    assert_null(mcpa_text_trim(MCPA_STR_NONE).ptr);
}

static void next_word_splits_at_spaces_only(void **state)
{
    mcpa_str_t rest = MCPA_STR("  a  b\tc d\0e ");
    mcpa_str_t word = MCPA_STR("untouched");

    (void)state;
    assert_true(mcpa_text_next_word(&rest, &word) && mcpa_str_eqz(word, "a"));
    assert_true(mcpa_text_next_word(&rest, &word) && mcpa_str_eqz(word, "b\tc"));
    assert_true(mcpa_text_next_word(&rest, &word) && mcpa_str_eq(word, MCPA_STR("d\0e")));
    assert_false(mcpa_text_next_word(&rest, &word));
    assert_true(mcpa_str_eq(word, MCPA_STR("d\0e")));
    rest = MCPA_STR_NONE;
    assert_false(mcpa_text_next_word(&rest, &word));
}

static void u64_takes_digits_up_to_the_limit_and_nothing_else(void **state)
{
    static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "1a", "0x1", "18446744073709551616", "99999999999999999999" };
    uint64_t value = 5;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(mcpa_text_u64(mcpa_str(bad[i]), &value));
        assert_int_equal(value, 5);
    }
    assert_true(mcpa_text_u64(MCPA_STR("18446744073709551615"), &value) && value == UINT64_MAX);
    assert_true(mcpa_text_u64(MCPA_STR("007"), &value) && value == 7);
}

static void sizes_have_their_units_and_do_not_overflow(void **state)
{
    uint64_t bytes = 0;

    (void)state;
    assert_true(mcpa_text_size(MCPA_STR("1000"), &bytes) && bytes == 1000);
    assert_true(mcpa_text_size(MCPA_STR("64K"), &bytes) && bytes == 65536);
    assert_true(mcpa_text_size(MCPA_STR("10m"), &bytes) && bytes == 10485760);
    assert_true(mcpa_text_size(MCPA_STR("1g"), &bytes) && bytes == 1073741824);
    assert_false(mcpa_text_size(MCPA_STR("17179869184g"), &bytes)); /* 2^64 */
    assert_false(mcpa_text_size(MCPA_STR("k"), &bytes));
    assert_false(mcpa_text_size(MCPA_STR("1kb"), &bytes));
    assert_false(mcpa_text_size(MCPA_STR("1 k"), &bytes));
    assert_int_equal(bytes, 1073741824);
}

static void durations_have_their_units_and_do_not_overflow(void **state)
{
    int64_t us = 0;

    (void)state;
    assert_true(mcpa_text_duration(MCPA_STR("500ms"), &us) && us == 500000);
    assert_true(mcpa_text_duration(MCPA_STR("10s"), &us) && us == 10000000);
    assert_true(mcpa_text_duration(MCPA_STR("10"), &us) && us == 10000000);
    assert_true(mcpa_text_duration(MCPA_STR("5min"), &us) && us == 300000000);
    assert_true(mcpa_text_duration(MCPA_STR("24h"), &us) && us == INT64_C(86400000000));
    assert_true(mcpa_text_duration(MCPA_STR("90d"), &us) && us == INT64_C(7776000000000));
    assert_false(mcpa_text_duration(MCPA_STR("5m"), &us)); /* minutes or milliseconds? nobody knows */
    assert_false(mcpa_text_duration(MCPA_STR("-1s"), &us));
    assert_false(mcpa_text_duration(MCPA_STR("9223372036855s"), &us));
    assert_false(mcpa_text_duration(MCPA_STR(""), &us));
    assert_int_equal(us, INT64_C(7776000000000));
}

static void utf8_rejects_overlong_surrogate_and_out_of_range_forms(void **state)
{
    static const char *const good[] = { "",
                                        "a",
                                        "\xc2\x80",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf" };
    static const char *const bad[] = { "\x80",
                                       "\xbf",
                                       "\xc0\x80",
                                       "\xc1\xbf",
                                       "\xc2",
                                       "\xc2\x41",
                                       "\xe0\x9f\xbf",
                                       "\xe0\xa0",
                                       "\xed\xa0\x80",
                                       "\xed\xbf\xbf",
                                       "\xf0\x8f\xbf\xbf",
                                       "\xf4\x90\x80\x80",
                                       "\xf0\x90\x80",
                                       "\xf5\x80\x80\x80",
                                       "\xff",
                                       "a\xfe",
                                       "\xe1\x80\x41" };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(mcpa_text_is_utf8(mcpa_str(good[i])));
        assert_int_equal(mcpa_text_utf8_next(mcpa_str(good[i])), strlen(good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(mcpa_text_is_utf8(mcpa_str(bad[i])));
    }
}

static void character_classes_match_their_grammars_byte_by_byte(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        mcpa_str_t one = { &byte, 1 };
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        assert_int_equal(mcpa_text_is_token(one), alnum || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL));
        assert_int_equal(mcpa_text_is_token68(one), alnum || (c != 0 && strchr("-._~+/", c) != NULL));
        assert_int_equal(mcpa_text_is_scope_token(one), c > 0x20 && c < 0x7f && c != '"' && c != '\\');
        assert_int_equal(mcpa_text_is_printable(one), c >= 0x20 && c != 0x7f);
    }
    assert_false(mcpa_text_is_token(MCPA_STR("")));
    assert_false(mcpa_text_is_token68(MCPA_STR("")));
    assert_false(mcpa_text_is_scope_token(MCPA_STR("")));
    assert_true(mcpa_text_is_printable(MCPA_STR("")));
}

static void token68_has_its_equal_signs_at_the_end_only(void **state)
{
    (void)state;
    assert_true(mcpa_text_is_token68(MCPA_STR("abc==")));
    assert_false(mcpa_text_is_token68(MCPA_STR("a=c")));
    assert_false(mcpa_text_is_token68(MCPA_STR("==")));
    assert_false(mcpa_text_is_token68(MCPA_STR("abc ")));
    assert_false(mcpa_text_is_token68(MCPA_STR("a,b")));
}

/* Long texts are looked at many bytes at once. */
static void one_byte_anywhere_in_a_long_text_counts(void **state)
{
    char memory[1 + 50];

    (void)state;
    for (size_t len = 1; len <= 50; len++) {
        for (size_t at = 0; at < len; at++) {
            mcpa_str_t text = { memory + len % 2, len }; /* aligned or not */

            for (int c = 0; c < 256; c++) {
                mcpa_str_t one = { text.ptr + at, 1 };
                /* An equal sign may end a text of more than one, and end it only. */
                bool is_end = c == '=' && at == len - 1 && len > 1;

                memset(memory, 'x', sizeof(memory));
                memory[len % 2 + at] = (char)c;
                assert_int_equal(mcpa_text_is_printable(text), mcpa_text_is_printable(one));
                assert_int_equal(mcpa_text_is_token68(text), mcpa_text_is_token68(one) || is_end);
            }
        }
    }
}

static void glob_matches_runs_and_single_bytes(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } rows[] = { { "", "", true },
                 { "", "a", false },
                 { "*", "", true },
                 { "*", "abc", true },
                 { "a*", "abc", true },
                 { "*c", "abc", true },
                 { "a*c", "abbbc", true },
                 { "a*c", "abbbd", false },
                 { "?", "a", true },
                 { "?", "", false },
                 { "a?c", "abc", true },
                 { "**", "x", true },
                 { "*a*b*", "xaybz", true },
                 { "*a*b*", "xbya", false },
                 { "get_*", "get_", true },
                 { "get_*", "Get_x", false },
                 { "*ab", "aab", true },
                 { "*abab", "abaabab", true },
                 { "a*b?d", "axbxbcd", true },
                 { "a", "ab", false } };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(mcpa_text_glob(mcpa_str(rows[i].pattern), mcpa_str(rows[i].text)), rows[i].match);
    }
}

/* With backtracking at every star this would outlive the sun. */
static void glob_with_many_stars_ends_soon(void **state)
{
    char pattern[128], text[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(pattern) - 1; i += 2) {
        memcpy(pattern + i, "*a", 2);
    }
    pattern[sizeof(pattern) - 2] = '*';
    pattern[sizeof(pattern) - 1] = 'b';
    memset(text, 'a', sizeof(text));
    assert_false(mcpa_text_glob((mcpa_str_t){ pattern, sizeof(pattern) }, (mcpa_str_t){ text, sizeof(text) }));
}

static void rfc3339_agrees_with_libc_over_the_centuries(void **state)
{
    char ours[25], libc[32];

    (void)state;
    for (int64_t second = 0; second < INT64_C(253402300800); second += 86400 * 3 + 12345) {
        time_t t = (time_t)second;
        struct tm tm;

        assert_non_null(gmtime_r(&t, &tm));
        assert_true(strftime(libc, sizeof(libc), "%Y-%m-%dT%H:%M:%S.007Z", &tm) > 0);
        mcpa_text_rfc3339(ours, second * 1000000 + 7999);
        assert_string_equal(ours, libc);
    }
}

static void rfc3339_clamps_what_it_cannot_show(void **state)
{
    char text[25];

    (void)state;
    mcpa_text_rfc3339(text, -1);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    mcpa_text_rfc3339(text, INT64_MAX);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    mcpa_text_rfc3339(text, INT64_MIN);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    mcpa_text_rfc3339(text, INT64_C(951782400) * 1000000);
    assert_string_equal(text, "2000-02-29T00:00:00.000Z");
}

static void url_needs_scheme_and_host_and_nothing_dangerous(void **state)
{
    static const char *const good[] = { "https://a",
                                        "http://a/",
                                        "HTTPS://A.example:8443/p?q=1&r=%2F",
                                        "https://[2001:db8::1]:443/x",
                                        "https://a.example/t/%7Bid%7D",
                                        "https://a?x",
                                        "https://mcp.example.com/mcp@1" };
    static const char *const bad[] = { "",
                                       "https://",
                                       "https:///x",
                                       "ftp://a",
                                       "//a",
                                       "https:/a",
                                       "https://u@a/",
                                       "https://u:p@a",
                                       "https://a/#f",
                                       "https://a#",
                                       "https://a b",
                                       "https://a/\t",
                                       "https://a/\"x",
                                       "https://a\\b",
                                       "https://a:",
                                       "https://a:0",
                                       "https://a:65536",
                                       "https://a:x",
                                       "https://a:1:2",
                                       "https://[::1",
                                       "https://[]",
                                       "https://[g]",
                                       "https://%61",
                                       "https://a/%",
                                       "https://a/%4",
                                       "https://a/%zz",
                                       "https://\xc3\xa9",
                                       "https://a/\xc3\xa9",
                                       "https://.a",
                                       "https://a/<x>",
                                       "https://a/[" };
    bool is_https;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(mcpa_text_is_url(mcpa_str(good[i]), &is_https));
        assert_int_equal(is_https, good[i][4] == 's' || good[i][4] == 'S');
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(mcpa_text_is_url(mcpa_str(bad[i]), &is_https));
    }
    assert_false(mcpa_text_is_url(MCPA_STR("https://a\0.example"), &is_https));
}

static void loopback_is_told_by_the_whole_host(void **state)
{
    static const char *const good[] = { "http://localhost:9000/x", "http://LOCALHOST", "http://127.0.0.1",
                                        "http://127.255.3.4:80/", "https://[::1]/" };
    static const char *const bad[] = { "http://localhost.example",
                                       "http://127.0.0.1.example",
                                       "http://128.0.0.1",
                                       "http://127.1",
                                       "http://127.0.0.256",
                                       "http://127.0.0.01",
                                       "http://[::2]",
                                       "http://example/127.0.0.1",
                                       "http://127.0.0",
                                       "http://0x7f.0.0.1",
                                       "http://127.0.0.",
                                       "ftp://localhost",
                                       "http://127.0.0.1@evil.com",
                                       "http://127.00.0.1" };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(mcpa_text_url_is_loopback(mcpa_str(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(mcpa_text_url_is_loopback(mcpa_str(bad[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trim_takes_blanks_and_tabs_and_nothing_else),
        cmocka_unit_test(next_word_splits_at_spaces_only),
        cmocka_unit_test(u64_takes_digits_up_to_the_limit_and_nothing_else),
        cmocka_unit_test(sizes_have_their_units_and_do_not_overflow),
        cmocka_unit_test(durations_have_their_units_and_do_not_overflow),
        cmocka_unit_test(utf8_rejects_overlong_surrogate_and_out_of_range_forms),
        cmocka_unit_test(character_classes_match_their_grammars_byte_by_byte),
        cmocka_unit_test(one_byte_anywhere_in_a_long_text_counts),
        cmocka_unit_test(token68_has_its_equal_signs_at_the_end_only),
        cmocka_unit_test(glob_matches_runs_and_single_bytes),
        cmocka_unit_test(glob_with_many_stars_ends_soon),
        cmocka_unit_test(rfc3339_agrees_with_libc_over_the_centuries),
        cmocka_unit_test(rfc3339_clamps_what_it_cannot_show),
        cmocka_unit_test(url_needs_scheme_and_host_and_nothing_dangerous),
        cmocka_unit_test(loopback_is_told_by_the_whole_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
