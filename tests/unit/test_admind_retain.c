/* SPDX-License-Identifier: Apache-2.0 */
/* Old files of the journal go when their days have passed, and a clock that errs takes nothing away. */
#include "admind_support.h"

#include "audit/shelf.h"

#define DAY  "audit-2026-11-21"
#define HOUR (DAY_US / 24)

static admind_shelf_t *shelf;

static void open_shelf(void)
{
    shelf = admind_shelf_new(test_dir);
    assert_non_null(shelf);
}

static int close_and_drop(void **state)
{
    admind_shelf_free(&shelf);
    return drop_dir(state);
}

static size_t retain(const char *current, int64_t days, int64_t wall_us, int64_t mono_us)
{
    admind_position_t end = { .offset = 0 };

    (void)snprintf(end.file, sizeof(end.file), "%s", current);
    return admind_shelf_retain(shelf, &end, days, wall_us, mono_us);
}

static void old_files_go_in_both_forms_and_the_current_stays(void **state)
{
    (void)state;
    put_file("audit-2026-08-01.jsonl", "a\n", 2);
    put_file("audit-2026-08-01.jsonl.gz", "a\n", 2);
    put_file("audit-2026-08-01.jsonl.damaged", "a\n", 2);
    put_file("audit-2026-08-01.1.jsonl.gz", "a\n", 2);
    put_file("audit-2026-10-21.jsonl", "a\n", 2);
    put_file("audit-2026-10-22.jsonl.gz", "a\n", 2);
    put_file(DAY ".jsonl", "a\n", 2);
    open_shelf();
    assert_int_equal(retain(DAY ".jsonl", 30, NOON_US, 0), 3);
    assert_false(is_there("audit-2026-08-01.jsonl") || is_there("audit-2026-08-01.jsonl.gz") ||
                 is_there("audit-2026-08-01.jsonl.damaged"));
    assert_false(is_there("audit-2026-08-01.1.jsonl.gz") || is_there("audit-2026-10-21.jsonl"));
    assert_true(is_there("audit-2026-10-22.jsonl.gz"));
    admind_shelf_free(&shelf);
    open_shelf();
    assert_int_equal(retain(DAY ".jsonl", 30, NOON_US + 4000 * DAY_US, 0), 1);
    assert_true(is_there(DAY ".jsonl"));
}

static void a_clock_ahead_takes_nothing_away_until_it_stayed_so_for_a_day(void **state)
{
    (void)state;
    put_file("audit-2026-11-20.jsonl", "a\n", 2);
    put_file(DAY ".jsonl", "a\n", 2);
    put_file("audit-2026-11-23.jsonl", "a\n", 2);
    open_shelf();
    assert_int_equal(retain(DAY ".jsonl", 1, NOON_US, 5), 0);
    assert_int_equal(retain("audit-2026-11-23.jsonl", 1, NOON_US + 2 * DAY_US + HOUR, 5 + HOUR), 0);
    /* Back again: as if nothing had been. */
    assert_int_equal(retain("audit-2026-11-23.jsonl", 1, NOON_US + 2 * HOUR, 5 + 2 * HOUR), 0);
    for (int hour = 3; hour < 27;
         hour++) { /* 2026-11-20 is old in twelve hours by any clock; by the clock that is ahead, 21 is too */
        (void)retain("audit-2026-11-23.jsonl", 1, NOON_US + 2 * DAY_US + hour * HOUR, 5 + hour * HOUR);
        assert_int_equal(is_there("audit-2026-11-20.jsonl"), hour < 12);
        assert_true(is_there(DAY ".jsonl"));
    }
    assert_int_equal(retain("audit-2026-11-23.jsonl", 1, NOON_US + 2 * DAY_US + 27 * HOUR, 5 + 27 * HOUR), 1);
    assert_false(is_there(DAY ".jsonl"));
}

static void a_start_with_a_clock_ahead_takes_nothing_away_either(void **state)
{
    struct timespec then[2] = { { NOON_US / 1000000, 0 }, { NOON_US / 1000000, 0 } };

    (void)state;
    put_file("checkpoint.json", "{}", 2);
    put_file(DAY ".jsonl", "a\n", 2);
    put_file(DAY ".1.jsonl", "a\n", 2);
    assert_int_equal(utimensat(AT_FDCWD, in_dir("checkpoint.json"), then, 0), 0);
    open_shelf();
    assert_int_equal(retain(DAY ".1.jsonl", 1, NOON_US + 3 * DAY_US, 77), 0);
    assert_int_equal(retain(DAY ".1.jsonl", 1, NOON_US + 4 * DAY_US, 77 + DAY_US), 1);
}

static void a_clock_that_went_back_keeps_more(void **state)
{
    (void)state;
    put_file("audit-2026-11-10.jsonl", "a\n", 2);
    put_file(DAY ".jsonl", "a\n", 2);
    open_shelf();
    assert_int_equal(retain(DAY ".jsonl", 10, NOON_US - DAY_US, 0), 0);
    assert_int_equal(retain(DAY ".jsonl", 10, NOON_US - 400 * DAY_US, HOUR), 0);
    assert_true(is_there("audit-2026-11-10.jsonl"));
}

/* Once the clock was years ahead, and every file since bears such a day. */
static void files_from_a_day_to_come_go_by_the_age_of_their_last_line(void **state)
{
    struct timespec old[2] = { { NOON_US / 1000000 - 40 * 86400, 0 }, { NOON_US / 1000000 - 40 * 86400, 0 } };
    struct timespec young[2] = { { NOON_US / 1000000 - 86400, 0 }, { NOON_US / 1000000 - 86400, 0 } };

    (void)state;
    put_file("audit-2031-01-01.jsonl.gz", "a\n", 2);
    put_file("audit-2031-01-01.1.jsonl", "a\n", 2);
    put_file("audit-2031-01-01.2.jsonl", "a\n", 2);
    assert_int_equal(utimensat(AT_FDCWD, in_dir("audit-2031-01-01.jsonl.gz"), old, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, in_dir("audit-2031-01-01.1.jsonl"), young, 0), 0);
    open_shelf();
    assert_int_equal(retain("audit-2031-01-01.2.jsonl", 30, NOON_US, 0), 1);
    assert_true(is_there("audit-2031-01-01.1.jsonl"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, close_and_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(old_files_go_in_both_forms_and_the_current_stays),
        TEST(a_clock_ahead_takes_nothing_away_until_it_stayed_so_for_a_day),
        TEST(a_start_with_a_clock_ahead_takes_nothing_away_either),
        TEST(a_clock_that_went_back_keeps_more),
        TEST(files_from_a_day_to_come_go_by_the_age_of_their_last_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
