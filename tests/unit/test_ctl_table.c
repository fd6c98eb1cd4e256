/* SPDX-License-Identifier: Apache-2.0 */
/* What clients sent is shown, never obeyed: attack by control characters of every kind in a name that an operator looks at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "ctl/ctl.h"

static size_t escape(char *memory, size_t cap, mcpa_str_t text)
{
    mcpa_out_t out;

    mcpa_out_init(&out, memory, cap);
    return ctl_escape(&out, text);
}

static size_t encode(char *bytes, unsigned point)
{
    if (point < 0x80) {
        bytes[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        bytes[0] = (char)(0xc0 | point >> 6);
        bytes[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    bytes[0] = (char)(0xe0 | point >> 12);
    bytes[1] = (char)(0x80 | (point >> 6 & 0x3f));
    bytes[2] = (char)(0x80 | (point & 0x3f));
    return 3;
}

static bool is_harmful(unsigned point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c || point == 0x200e || point == 0x200f ||
           (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

static void every_character_of_three_bytes_is_shown_or_escaped(void **state)
{
    (void)state;
    for (unsigned point = 1; point < 0x10000; point++) {
        char bytes[3], shown[16], wanted[16] = "";
        size_t n, width;

        if (point >= 0xd800 && point < 0xe000) {
            continue; /* surrogates are no characters */
        }
        n = encode(bytes, point);
        width = escape(shown, sizeof(shown), (mcpa_str_t){ bytes, n });
        for (size_t i = 0; i < n; i++) {
            (void)snprintf(wanted + (is_harmful(point) ? 4 : 1) * i, sizeof(wanted) - 4 * i, is_harmful(point) ? "\\x%02x" : "%c",
                           (unsigned)(unsigned char)bytes[i]);
        }
        assert_string_equal(shown, wanted);
        assert_int_equal(width, is_harmful(point) ? 4 * n : 1);
    }
}

static void bytes_that_are_no_character_are_escaped_one_by_one(void **state)
{
    char shown[64];

    (void)state;
    assert_int_equal(escape(shown, sizeof(shown), MCPA_STR("a\xe2\x80")), 9);
    assert_string_equal(shown, "a\\xe2\\x80");
    assert_int_equal(escape(shown, sizeof(shown), MCPA_STR("\xc0\xaf\xff" "z")), 13);
    assert_string_equal(shown, "\\xc0\\xaf\\xffz");
    assert_int_equal(escape(shown, sizeof(shown), MCPA_STR("\xf0\x9f\x94\x92 \xe2\x80\xaegpj.exe")), 21);
    assert_string_equal(shown, "\xf0\x9f\x94\x92 \\xe2\\x80\\xaegpj.exe");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_of_three_bytes_is_shown_or_escaped),
        cmocka_unit_test(bytes_that_are_no_character_are_escaped_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
