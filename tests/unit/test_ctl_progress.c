/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/progress.h"

#define S 1000000

static void bar_tells_part_rate_and_rest(void **state)
{
    char text[CTL_PROGRESS_TEXT_BYTES];

    (void)state;
    ctl_progress_format(text, 500 * S, 1000 * S, 4 * S, 80);
    assert_string_equal(text, "[####################....................]  50%  125 MB/s  0:04 left");
    ctl_progress_format(text, 0, 1000 * S, 4 * S, 80);
    assert_string_equal(text, "[........................................]   0%  0.0 MB/s  --:-- left");
    ctl_progress_format(text, 1 * S, (uint64_t)7201 * S, S, 80);
    assert_string_equal(text, "[........................................]   0%  1.0 MB/s  2:00:00 left");
    ctl_progress_format(text, UINT64_MAX, 1000 * S, 4 * S, 80);
    assert_string_equal(text, "[########################################] 100%  250 MB/s  0:00 left");
    ctl_progress_format(text, 0, 0, 0, 80);
    assert_non_null(strstr(text, "100%"));
}

static void bar_fits_any_terminal(void **state)
{
    char text[CTL_PROGRESS_TEXT_BYTES];

    (void)state;
    for (size_t columns = 0; columns < 400; columns++) {
        for (uint64_t done = 1; done <= 1000; done *= 10) {
            ctl_progress_format(text, done * S, (uint64_t)1000 * S, 3600 * (int64_t)S, columns);
            assert_true(columns == 0 ? text[0] == '\0' : strlen(text) < columns);
        }
    }
}

typedef struct terminal {
    char *text;
    size_t len;
    ctl_progress_t progress;
} terminal_t;

static void draw(terminal_t *terminal, int64_t now_us)
{
    ctl_progress_at(&terminal->progress, 1, 2, now_us);
    fflush(terminal->progress.to);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;

    for (; (text = strstr(text, part)) != NULL; text++) {
        n++;
    }
    return n;
}

static void bar_comes_after_a_second_at_most_ten_times_a_second_and_goes(void **state)
{
    terminal_t t = { 0 };

    (void)state;
    t.progress = (ctl_progress_t){ .to = open_memstream(&t.text, &t.len), .columns = 80, .begun_us = 5 };
    assert_non_null(t.progress.to);
    for (int64_t us = 5; us < S + 5; us += 1000) {
        draw(&t, us);
    }
    assert_int_equal(t.len, 0);
    for (int64_t us = S + 5; us < 2 * S + 5; us += 1000) {
        draw(&t, us);
    }
    assert_int_equal(count(t.text, "50%"), 10);
    assert_null(strchr(t.text, '\n'));
    ctl_progress_hide(&t.progress);
    assert_string_equal(t.text + t.len - 4, "\r\033[K");
    t.len = 0;
    ctl_progress_hide(&t.progress);
    assert_int_equal(t.len, 0);
    draw(&t, 3 * (int64_t)S);
    assert_true(t.progress.visible);
    fclose(t.progress.to);
    free(t.text);
}

static void nothing_is_drawn_where_no_terminal_is(void **state)
{
    ctl_progress_t progress = { .columns = 80 };

    (void)state;
    ctl_progress_at(&progress, 1, 2, (int64_t)9 * S);
    ctl_progress_update(&progress, 1, 2);
    ctl_progress_hide(&progress);
    assert_false(progress.visible);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bar_tells_part_rate_and_rest),
        cmocka_unit_test(bar_fits_any_terminal),
        cmocka_unit_test(bar_comes_after_a_second_at_most_ten_times_a_second_and_goes),
        cmocka_unit_test(nothing_is_drawn_where_no_terminal_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
