/* SPDX-License-Identifier: Apache-2.0 */
/* What the JSON reader must refuse: attacks 10 to 14 of the reference (duplicates, broken Unicode, NUL, depth, size). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <time.h>

#include "base/json.h"

#define PARSE(json, literal) mcpa_json_parse(json, MCPA_STR(literal), 16, 64)

/* Parses, frees, and tells the status. */
static mcpa_status_t status_of(mcpa_str_t text, size_t max_depth, size_t max_values)
{
    mcpa_json_t *json = NULL;
    mcpa_status_t status = mcpa_json_parse(&json, text, max_depth, max_values);

    assert_int_equal(json != NULL, status == MCPA_OK);
    mcpa_json_free(&json);
    return status;
}

#define STATUS(literal) status_of(MCPA_STR(literal), 16, 64)

static void json_rejects_duplicate_members_at_any_depth(void **state)
{
    (void)state;
    assert_int_equal(STATUS("{\"aud\":1,\"aud\":2}"), MCPA_EDUPLICATE);
    assert_int_equal(STATUS("{\"aud\":1,\"aud\":1}"), MCPA_EDUPLICATE);
    assert_int_equal(STATUS("{\"a\":[{\"b\":{\"x\":1,\"y\":2,\"x\":3}}]}"), MCPA_EDUPLICATE);
    assert_int_equal(STATUS("{\"\":1,\"\":2}"), MCPA_EDUPLICATE);
    assert_int_equal(STATUS("{\"a\":1,\"A\":2}"), MCPA_OK);
}

static void json_rejects_duplicates_written_with_escapes(void **state)
{
    (void)state;
    assert_int_equal(STATUS("{\"aud\":1,\"\\u0061ud\":2}"), MCPA_EDUPLICATE);
    assert_int_equal(STATUS("{\"a\\/b\":1,\"a/b\":2}"), MCPA_EDUPLICATE);
    assert_int_equal(STATUS("{\"\\uD83D\\uDE00\":1,\"\xf0\x9f\x98\x80\":2}"), MCPA_EDUPLICATE);
}

static void json_rejects_broken_unicode(void **state)
{
    static const char *const texts[] = { "\"\\ud800\"",      "\"\\udc00\"",      "\"\\ud800\\u0041\"",
                                         "\"\\ud800x\"",     "\"\xed\xa0\x80\"", "\"\xc0\x80\"",
                                         "\"\xff\"",         "\"\x80\"",         "\"\xf4\x90\x80\x80\"",
                                         "\"\\u0000\"",      "{\"\\u0000\":1}",  "\xef\xbb\xbf{}",
                                         "\xfe\xff\"",       "\"a\nb\"",         "\"\x1f\"",
                                         "{\"\xe2\x82\":1}", "\"\\u12\"",        "\"\\x41\"" };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(status_of(mcpa_str(texts[i]), 16, 64), MCPA_EMALFORMED);
    }
}

static void json_rejects_nul_bytes_wherever_they_stand(void **state)
{
    (void)state;
    assert_int_equal(STATUS("{}\0"), MCPA_EMALFORMED);
    assert_int_equal(STATUS("\0{}"), MCPA_EMALFORMED);
    assert_int_equal(STATUS("{\"a\0b\":1}"), MCPA_EMALFORMED);
    assert_int_equal(STATUS("\"a\0b\""), MCPA_EMALFORMED);
    assert_int_equal(STATUS("[1,\0 2]"), MCPA_EMALFORMED);
    assert_int_equal(STATUS("1\0"), MCPA_EMALFORMED);
}

static void json_rejects_what_is_not_exactly_one_value(void **state)
{
    static const char *const texts[] = { "",        " ",        "{",          "}",     "[",        "]",          "{}{}",
                                         "{} x",    "[1,]",     "{\"a\":1,}", "{a:1}", "{\"a\"}",  "{\"a\" 1}",  "['a']",
                                         "[1 2]",   "nul",      "NULL",       "True",  "tru e",    "\"a",        "\"\\",
                                         "[\"\\\"", "{\"a\":}", "[,1]",       "01",    "1.",       ".5",         "+1",
                                         "-",       "1e",       "0x10",       "NaN",   "Infinity", "-Infinity",  "/**/{}",
                                         "{}//x",   "[}",       "{]",         "[1}",   "::::",     "{\"a\":1:2}" };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(status_of(mcpa_str(texts[i]), 16, 64), MCPA_EMALFORMED);
    }
}

static void json_rejects_numbers_out_of_range(void **state)
{
    (void)state;
    assert_int_equal(STATUS("9223372036854775807"), MCPA_OK);
    assert_int_equal(STATUS("9223372036854775808"), MCPA_EMALFORMED);
    assert_int_equal(STATUS("-9223372036854775809"), MCPA_EMALFORMED);
    assert_int_equal(STATUS("1e400"), MCPA_EMALFORMED);
    assert_int_equal(STATUS("-1e400"), MCPA_EMALFORMED);
}

static void json_depth_limit_is_exact(void **state)
{
    (void)state;
    assert_int_equal(status_of(MCPA_STR("[[{\"a\":1}]]"), 3, 64), MCPA_OK);
    assert_int_equal(status_of(MCPA_STR("[[{\"a\":[]}]]"), 3, 64), MCPA_ETOOBIG);
    assert_int_equal(status_of(MCPA_STR("[[],[],[[]]]"), 3, 64), MCPA_OK);
    assert_int_equal(status_of(MCPA_STR("\"[[[[[[\""), 0, 64), MCPA_OK);
    assert_int_equal(status_of(MCPA_STR("\"\\\"[[[[[[\""), 0, 64), MCPA_OK);
    assert_int_equal(status_of(MCPA_STR("[]"), 0, 64), MCPA_ETOOBIG);
}

static void json_value_limit_counts_values_and_not_names(void **state)
{
    static const struct {
        const char *text;
        size_t values;
    } rows[] = { { "1", 1 },
                 { "\"x\"", 1 },
                 { "[]", 1 },
                 { "[1,2,3]", 4 },
                 { "{\"a\":1,\"b\":2}", 3 },
                 { "{\"a\":\"b\",\"c\":{\"d\":[true,null,1.5]}}", 7 },
                 { " [ \"a\" , { \"b\" : \"c:d,e\" } ] ", 4 } };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(status_of(mcpa_str(rows[i].text), 8, rows[i].values), MCPA_OK);
        assert_int_equal(status_of(mcpa_str(rows[i].text), 8, rows[i].values - 1), MCPA_ETOOBIG);
    }
}

/* Stray colons must not talk the count down. */
static void json_value_limit_is_not_fooled_by_stray_colons(void **state)
{
    (void)state;
    assert_int_equal(status_of(MCPA_STR("[::::::::1,1,1,1,1,1]"), 8, 4), MCPA_ETOOBIG);
    assert_int_equal(status_of(MCPA_STR("[\"a\"::::::::,1,1,1,1]"), 8, 4), MCPA_ETOOBIG);
}

static void json_with_a_hundred_thousand_brackets_is_cheap(void **state)
{
    const size_t len = 100000;
    char *text = malloc(len);
    clock_t before = clock();

    (void)state;
    assert_non_null(text);
    for (int round = 0; round < 100; round++) {
        memset(text, round % 2 == 0 ? '[' : '{', len);
        assert_int_equal(status_of((mcpa_str_t){ text, len }, 16, 64), MCPA_ETOOBIG);
        for (size_t i = 0; i + 5 <= len; i += 5) {
            memcpy(text + i, "{\"a\":", 5);
        }
        assert_int_equal(status_of((mcpa_str_t){ text, len }, 16, 64), MCPA_ETOOBIG);
    }
    free(text);
    /* 200 hostile texts; a second is far above what a refusal at the limit costs and far below a full parse of them all. */
    assert_true(clock() - before < CLOCKS_PER_SEC);
}

static void json_getters_answer_null_for_what_is_not_there(void **state)
{
    mcpa_json_t *json = NULL;
    int64_t integer = 5;
    double number = 5;

    (void)state;
    assert_int_equal(PARSE(&json, "{\"s\":\"x\",\"e\":\"\",\"t\":true,\"f\":false,\"n\":null,\"a\":[1,2]}"), MCPA_OK);
    assert_true(mcpa_json_is(json, MCPA_JSON_OBJECT));
    assert_false(mcpa_json_is(NULL, MCPA_JSON_NULL));
    assert_int_equal(mcpa_json_size(json), 6);
    assert_int_equal(mcpa_json_size(mcpa_json_member(json, "a")), 2);
    assert_int_equal(mcpa_json_size(mcpa_json_member(json, "s")), 0);
    assert_int_equal(mcpa_json_size(NULL), 0);
    assert_null(mcpa_json_member(json, "nope"));
    assert_null(mcpa_json_member(NULL, "s"));
    assert_null(mcpa_json_member(mcpa_json_member(json, "a"), "s"));
    assert_null(mcpa_json_at(mcpa_json_member(json, "a"), 2));
    assert_null(mcpa_json_at(json, 0));
    assert_null(mcpa_json_string(mcpa_json_member(json, "n")).ptr);
    assert_null(mcpa_json_string(NULL).ptr);
    assert_non_null(mcpa_json_string(mcpa_json_member(json, "e")).ptr);
    assert_true(mcpa_json_true(mcpa_json_member(json, "t")));
    assert_false(mcpa_json_true(mcpa_json_member(json, "f")));
    assert_false(mcpa_json_true(mcpa_json_member(json, "s"))); /* a string "true" is not true */
    assert_false(mcpa_json_true(NULL));
    assert_false(mcpa_json_integer(mcpa_json_member(json, "s"), &integer));
    assert_false(mcpa_json_number(mcpa_json_member(json, "t"), &number));
    assert_false(mcpa_json_integer(NULL, &integer));
    assert_int_equal(integer, 5);
    mcpa_json_free(&json);
    assert_null(json);
    mcpa_json_free(&json);
}

static void json_integer_takes_reals_without_a_fraction_in_range(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } rows[] = { { "1", true, 1 },
                 { "-9223372036854775808", true, INT64_MIN },
                 { "1.7e9", true, 1700000000 },
                 { "-0.0", true, 0 },
                 { "1.5", false, 0 },
                 { "-1.5", false, 0 },
                 { "9.3e18", false, 0 },
                 { "9223372036854775808.0", false, 0 },
                 { "-9223372036854775808.0", true, INT64_MIN },
                 { "1e300", false, 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mcpa_json_t *json = NULL;
        int64_t value = 77;

        assert_int_equal(mcpa_json_parse(&json, mcpa_str(rows[i].text), 1, 1), MCPA_OK);
        assert_int_equal(mcpa_json_integer(json, &value), rows[i].good);
        assert_int_equal(value, rows[i].good ? rows[i].value : 77);
        mcpa_json_free(&json);
    }
}

static void json_pointer_follows_rfc6901(void **state)
{
    static const char *const found[][2] = { { "/foo/0", "bar" },    { "/a~1b", "1" }, { "/m~0n", "8" }, { "/", "0" },
                                            { "/x/y/1/z", "deep" }, { "/c%d", "2" },  { "/~01", "t" } };
    static const char *const missing[] = { "foo",   "/foo/2",          "/foo/-",    "/foo/00", "/foo/+1",
                                           "/nope", "/foo/0/x",        "/a~2b",     "/a~",     "//",
                                           "/foo/", "/foo/9999999999", "/x/y/1/z/", "/fo",     "/fooo" };
    mcpa_json_t *json = NULL;

    (void)state;
    assert_int_equal(PARSE(&json, "{\"foo\":[\"bar\",\"baz\"],\"\":\"0\",\"a/b\":\"1\",\"c%d\":\"2\",\"m~n\":\"8\",\"~1\":\"t\","
                                  "\"x\":{\"y\":[0,{\"z\":\"deep\"}]}}"),
                     MCPA_OK);
    assert_ptr_equal(mcpa_json_pointer(json, MCPA_STR("")), json);
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
        assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_pointer(json, mcpa_str(found[i][0]))), found[i][1]));
    }
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        assert_null(mcpa_json_pointer(json, mcpa_str(missing[i])));
    }
    assert_null(mcpa_json_pointer(json, MCPA_STR("/foo\0")));
    assert_null(mcpa_json_pointer(NULL, MCPA_STR("")));
    mcpa_json_free(&json);
}

static bool collect(void *ctx, mcpa_str_t name, const mcpa_json_t *value)
{
    mcpa_out_t *out = ctx;

    assert_true(mcpa_json_is(value, MCPA_JSON_INTEGER));
    mcpa_out_str(out, name);
    return !mcpa_str_eqz(name, "stop");
}

static void json_each_keeps_document_order_and_stops_when_told(void **state)
{
    mcpa_json_t *json = NULL;
    char memory[32];
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, memory, sizeof(memory));
    assert_int_equal(PARSE(&json, "{\"z\":1,\"a\":2,\"stop\":3,\"b\":4}"), MCPA_OK);
    mcpa_json_each(json, collect, &out);
    assert_string_equal(memory, "zastop");
    mcpa_json_each(NULL, collect, &out);
    mcpa_json_free(&json);
}

static void json_print_is_compact_and_reads_back(void **state)
{
    mcpa_json_t *json = NULL;
    char *text;

    (void)state;
    assert_int_equal(PARSE(&json, " { \"b\" : [ 1 , true , null , \"x\\u0041\" ] } "), MCPA_OK);
    text = mcpa_json_print(json);
    assert_string_equal(text, "{\"b\":[1,true,null,\"xA\"]}");
    free(text);
    mcpa_json_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_rejects_duplicate_members_at_any_depth),
        cmocka_unit_test(json_rejects_duplicates_written_with_escapes),
        cmocka_unit_test(json_rejects_broken_unicode),
        cmocka_unit_test(json_rejects_nul_bytes_wherever_they_stand),
        cmocka_unit_test(json_rejects_what_is_not_exactly_one_value),
        cmocka_unit_test(json_rejects_numbers_out_of_range),
        cmocka_unit_test(json_depth_limit_is_exact),
        cmocka_unit_test(json_value_limit_counts_values_and_not_names),
        cmocka_unit_test(json_value_limit_is_not_fooled_by_stray_colons),
        cmocka_unit_test(json_with_a_hundred_thousand_brackets_is_cheap),
        cmocka_unit_test(json_getters_answer_null_for_what_is_not_there),
        cmocka_unit_test(json_integer_takes_reals_without_a_fraction_in_range),
        cmocka_unit_test(json_pointer_follows_rfc6901),
        cmocka_unit_test(json_each_keeps_document_order_and_stops_when_told),
        cmocka_unit_test(json_print_is_compact_and_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
