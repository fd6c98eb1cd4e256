/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/text.h"

static void writer_places_commas_and_names(void **state)
{
    char memory[256];
    mcpa_out_t out;
    mcpa_jsonw_t w;

    (void)state;
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_z(&w, "a", "x");
    mcpa_jsonw_open_array(&w, "b");
    mcpa_jsonw_int(&w, NULL, INT64_MIN);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_close_object(&w);
    mcpa_jsonw_open_array(&w, NULL);
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_bool(&w, NULL, true);
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_u64(&w, "c", UINT64_MAX);
    mcpa_jsonw_milli(&w, "d", 1234);
    mcpa_jsonw_milli(&w, "e", 7);
    mcpa_jsonw_raw(&w, "f", MCPA_STR("{\"g\":[]}"));
    mcpa_jsonw_bool(&w, "h", false);
    mcpa_jsonw_close_object(&w);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    assert_string_equal(memory, "{\"a\":\"x\",\"b\":[-9223372036854775808,{},[],true],\"c\":18446744073709551615,\"d\":1.234,"
                                "\"e\":0.007,\"f\":{\"g\":[]},\"h\":false}");
}

static void assert_written(mcpa_str_t value, const char *expected)
{
    char memory[256];
    mcpa_out_t out;
    mcpa_jsonw_t w;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_str(&w, NULL, value);
    assert_string_equal(memory, expected);
}

static void writer_escapes_all_that_could_end_a_string_or_a_line(void **state)
{
    (void)state;
    assert_written(MCPA_STR("plain / text"), "\"plain / text\"");
    assert_written(MCPA_STR("a\"b\\c"), "\"a\\\"b\\\\c\"");
    assert_written(MCPA_STR("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    assert_written(MCPA_STR("x\0y\x1f\x7f"), "\"x\\ufffdy\\u001f\\u007f\"");
    assert_written(MCPA_STR("a\xe2\x80\xa8"
                            "b\xe2\x80\xa9"
                            "c\xe2\x80\xaa"),
                   "\"a\\u2028b\\u2029c\xe2\x80\xaa\"");
    assert_written(MCPA_STR("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    assert_written(MCPA_STR_NONE, "\"\"");
}

static void writer_replaces_what_is_not_utf8(void **state)
{
    (void)state;
    assert_written(MCPA_STR("a\xff"
                            "b"),
                   "\"a\\ufffdb\"");
    assert_written(MCPA_STR("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
    assert_written(MCPA_STR("\xe2\x80"), "\"\\ufffd\\ufffd\"");
    assert_written(MCPA_STR("\xc3\x22"), "\"\\ufffd\\\"\"");
}

/* Whatever bytes go in: the text is one line, valid UTF-8, and the strict reader takes it unless it holds U+0000. */
static void writer_output_is_read_back_for_every_pair_of_bytes(void **state)
{
    (void)state;
    for (unsigned pair = 0; pair < 65536; pair++) {
        char value[2] = { (char)(pair >> 8), (char)(pair & 255) };
        char memory[32];
        mcpa_out_t out;
        mcpa_jsonw_t w;
        mcpa_json_t *json = NULL;

        mcpa_out_init(&out, memory, sizeof(memory));
        mcpa_jsonw_init(&w, &out);
        mcpa_jsonw_str(&w, NULL, (mcpa_str_t){ value, 2 });
        assert_int_equal(mcpa_out_status(&out), MCPA_OK);
        assert_true(mcpa_text_is_utf8(mcpa_out_get(&out)));
        assert_true(mcpa_text_is_printable(mcpa_out_get(&out)));
        if (value[0] == 0 || value[1] == 0) {
            continue;
        }
        assert_int_equal(mcpa_json_parse(&json, mcpa_out_get(&out), 1, 1), MCPA_OK);
        if (mcpa_text_is_utf8((mcpa_str_t){ value, 2 })) {
            assert_true(mcpa_str_eq(mcpa_json_string(json), (mcpa_str_t){ value, 2 }));
        }
        mcpa_json_free(&json);
    }
}

static void writer_reports_truncation_and_stays_within_its_room(void **state)
{
    (void)state;
    for (size_t cap = 1; cap < 16; cap++) {
        char *memory = malloc(cap);
        mcpa_out_t out;
        mcpa_jsonw_t w;

        assert_non_null(memory);
        mcpa_out_init(&out, memory, cap);
        mcpa_jsonw_init(&w, &out);
        mcpa_jsonw_open_object(&w, NULL);
        mcpa_jsonw_z(&w, "name", "v\n");
        mcpa_jsonw_close_object(&w);
        /* {"name":"v\n"} is 14 bytes and the NUL */
        assert_int_equal(mcpa_out_status(&out), cap >= 15 ? MCPA_OK : MCPA_ETOOBIG);
        assert_true(strlen(memory) < cap);
        free(memory);
    }
}

/* Visible text is copied many bytes at once: a byte among others is written as it is when it stands alone. */
static void writer_writes_a_byte_the_same_wherever_it_stands(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[21], alone[16], all[64], expected[64];
        mcpa_jsonw_t w;
        mcpa_out_t out;

        text[0] = (char)byte;
        mcpa_out_init(&out, alone, sizeof(alone));
        mcpa_jsonw_init(&w, &out);
        mcpa_jsonw_str(&w, NULL, (mcpa_str_t){ text, 1 });
        for (size_t at = 0; at < sizeof(text); at++) {
            memset(text, ' ', sizeof(text)); /* the least of what may stand as it is */
            text[at] = (char)byte;
            mcpa_out_init(&out, all, sizeof(all));
            mcpa_jsonw_init(&w, &out);
            mcpa_jsonw_str(&w, NULL, (mcpa_str_t){ text, sizeof(text) });
            snprintf(expected, sizeof(expected), "\"%*s%.*s%*s\"", (int)at, "", (int)strlen(alone) - 2, alone + 1, (int)(sizeof(text) - 1 - at), "");
            assert_string_equal(all, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_places_commas_and_names),
        cmocka_unit_test(writer_escapes_all_that_could_end_a_string_or_a_line),
        cmocka_unit_test(writer_replaces_what_is_not_utf8),
        cmocka_unit_test(writer_output_is_read_back_for_every_pair_of_bytes),
        cmocka_unit_test(writer_writes_a_byte_the_same_wherever_it_stands),
        cmocka_unit_test(writer_reports_truncation_and_stays_within_its_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
