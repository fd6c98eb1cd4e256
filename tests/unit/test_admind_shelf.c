/* SPDX-License-Identifier: Apache-2.0 */
/* Closed files of the journal: old ones go when their days have passed. */
#include "admind_support.h"

#include "audit/shelf.h"

static admind_position_t at(const char *file)
{
    admind_position_t position = { .offset = 0 };

    (void)snprintf(position.file, sizeof(position.file), "%s", file);
    return position;
}

static void old_files_go_and_the_current_stays(void **state)
{
    admind_position_t end = at("audit-2026-11-21.jsonl");

    (void)state;
    put_file("audit-2026-08-01.jsonl", "a\n", 2);
    put_file("audit-2026-08-01.1.jsonl", "a\n", 2);
    put_file("audit-2026-10-22.jsonl", "a\n", 2);
    put_file("audit-2026-10-21.jsonl", "a\n", 2);
    put_file("audit-2026-11-21.jsonl", "a\n", 2);
    assert_int_equal(admind_shelf_retain(test_dir, &end, 30, NOON_US), 3);
    assert_true(is_there("audit-2026-10-22.jsonl"));
    assert_int_equal(admind_shelf_retain(test_dir, &end, 30, NOON_US + 4000 * DAY_US), 1);
    assert_true(is_there("audit-2026-11-21.jsonl"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(old_files_go_and_the_current_stays, make_dir, drop_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
