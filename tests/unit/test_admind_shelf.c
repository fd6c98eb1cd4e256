/* SPDX-License-Identifier: Apache-2.0 */
/* Closed files of the journal: compressed without a moment in which one is missing or half there, old ones go when their days
 * have passed, and a clock that errs takes nothing away. */
#include "test_admind_shelf.h"

#include <signal.h>
#include <sys/resource.h>

#include "audit/reader.h"
#include "audit/shelf.h"

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

/* What a reader finds: how many lines, each once and in order. */
static size_t lines_read(void)
{
    admind_reader_t *reader = admind_reader_open(test_dir, NULL, error, sizeof(error));
    size_t n = 0;
    mcpa_str_t line;

    assert_non_null(reader);
    while (admind_reader_next(reader, &line) == MCPA_OK) {
        char want[32];

        (void)snprintf(want, sizeof(want), "line %zu ", n++);
        assert_true(mcpa_str_starts(line, mcpa_str(want)));
    }
    assert_int_equal(admind_reader_next(reader, &line), MCPA_ENOTFOUND);
    admind_reader_close(&reader);
    return n;
}

/* Slices until there is nothing to do for now; returns how long to wait then. */
static int64_t run(const char *checkpoint)
{
    admind_position_t position = at(checkpoint);
    int64_t delay_ms = 0;

    for (int i = 0; delay_ms == 0; i++) {
        assert_true(i < 10000);
        delay_ms = admind_shelf_step(shelf, &position);
    }
    return delay_ms;
}

static void closed_files_are_compressed_and_the_checkpoints_is_not(void **state)
{
    struct timespec times[2] = { { 1000000000, 0 }, { 1000000000, 5000 } };
    size_t n = 0;
    struct stat st;

    (void)state;
    n = put_lines("audit-2026-11-20.jsonl", n, 20000);
    n = put_lines(DAY ".jsonl", n, 0);
    n = put_lines(DAY ".1.jsonl", n, 3);
    n = put_lines(DAY ".2.jsonl", n, 3);
    n = put_lines(DAY ".3.jsonl", n, 3);
    assert_int_equal(utimensat(AT_FDCWD, in_dir("audit-2026-11-20.jsonl"), times, 0), 0);
    open_shelf();
    assert_int_equal(run(""), ADMIND_SHELF_IDLE_MS);
    assert_true(is_there("audit-2026-11-20.jsonl"));
    assert_int_equal(run(DAY ".2.jsonl"), ADMIND_SHELF_IDLE_MS);
    assert_false(is_there("audit-2026-11-20.jsonl"));
    assert_true(is_there(DAY ".jsonl.gz") && is_there(DAY ".1.jsonl.gz"));
    assert_true(is_there(DAY ".2.jsonl") && is_there(DAY ".3.jsonl"));
    assert_false(is_there(DAY ".2.jsonl.gz") || is_there(DAY ".3.jsonl.gz"));
    assert_int_equal(lines_read(), n);
    assert_int_equal(stat(in_dir("audit-2026-11-20.jsonl.gz"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_mtim.tv_sec, 1000000000);
    assert_int_equal(st.st_mtim.tv_nsec, 5000);
    assert_true(st.st_size * 2 < 20000 * 30);
    /* The checkpoint moves on. */
    assert_int_equal(run(DAY ".3.jsonl"), ADMIND_SHELF_IDLE_MS);
    assert_false(is_there(DAY ".2.jsonl"));
    assert_int_equal(lines_read(), n);
}

/* A reader of its own between any two slices, and a shelf that ends there. */
static void at_every_moment_the_journal_is_whole(void **state)
{
    admind_position_t end = at(DAY ".1.jsonl");
    int64_t delay_ms = 0;
    size_t n = 0, stop, slices;

    (void)state;
    n = put_lines(DAY ".jsonl", n, 30000);
    n = put_lines(DAY ".1.jsonl", n, 1);
    for (stop = 0; delay_ms == 0; stop++) {
        open_shelf();
        slices = 0;
        delay_ms = 0;
        while (slices < stop && delay_ms == 0) {
            delay_ms = admind_shelf_step(shelf, &end);
            slices++;
        }
        assert_int_equal(lines_read(), n);
        admind_shelf_free(&shelf);
        assert_int_equal(lines_read(), n);
        assert_false(is_there(".tmp-" DAY ".jsonl.gz"));
    }
    assert_true(stop > 8); /* 0.9 MB: some to compress, some to check */
    assert_false(is_there(DAY ".jsonl"));
}

static void what_a_kill_left_is_removed_and_done_again(void **state)
{
    size_t n = 0;

    (void)state;
    n = put_lines(DAY ".jsonl", n, 100);
    n = put_lines(DAY ".1.jsonl", n, 1);
    put_file(".tmp-" DAY ".jsonl.gz", "half", 4);
    put_file(".tmp-other", "x", 1);
    put_file(DAY ".jsonl.gz", "half", 4); /* killed before the plain one went; not even trusted then */
    open_shelf();
    assert_false(is_there(".tmp-" DAY ".jsonl.gz"));
    assert_true(is_there(".tmp-other"));
    assert_int_equal(lines_read(), n);
    (void)run(DAY ".1.jsonl");
    assert_false(is_there(DAY ".jsonl"));
    assert_int_equal(lines_read(), n);
}

static void a_full_disk_leaves_the_plain_file_and_is_tried_again(void **state)
{
    struct rlimit limit = { 1000, RLIM_INFINITY };
    size_t n = 0;
    int64_t delay_ms;

    (void)state;
    n = put_lines(DAY ".jsonl", n, 30000);
    n = put_lines(DAY ".1.jsonl", n, 1);
    open_shelf();
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    delay_ms = run(DAY ".1.jsonl");
    limit.rlim_cur = RLIM_INFINITY;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_true(delay_ms > ADMIND_SHELF_IDLE_MS);
    assert_false(is_there(".tmp-" DAY ".jsonl.gz") || is_there(DAY ".jsonl.gz"));
    assert_int_equal(lines_read(), n);
    for (int i = 0; i < 3 && is_there(DAY ".jsonl"); i++) {
        (void)run(DAY ".1.jsonl");
    }
    assert_true(is_there(DAY ".jsonl.gz"));
    assert_int_equal(lines_read(), n);
}

static void a_file_that_cannot_be_read_holds_up_no_other(void **state)
{
    int64_t delays[3];

    (void)state;
    assert_int_equal(mkdir(in_dir(DAY ".jsonl"), 0700), 0);
    assert_int_equal(symlink("/etc/passwd", in_dir(DAY ".1.jsonl")), 0);
    put_lines(DAY ".2.jsonl", 0, 10);
    put_lines(DAY ".3.jsonl", 10, 1);
    open_shelf();
    delays[0] = run(DAY ".3.jsonl");
    delays[1] = run(DAY ".3.jsonl");
    delays[2] = run(DAY ".3.jsonl");
    assert_true(delays[1] == 2 * delays[0] && delays[2] == ADMIND_SHELF_IDLE_MS);
    assert_true(is_there(DAY ".2.jsonl.gz"));
    assert_false(is_there(DAY ".1.jsonl.gz"));
}

/* The copy is made; then the plain file changes: the copy must not take its place. */
static void a_copy_that_differs_is_thrown_away(void **state)
{
    admind_position_t end = at(DAY ".1.jsonl");
    int64_t delay_ms = 0;
    FILE *file;

    (void)state;
    put_lines(DAY ".jsonl", 0, 30000);
    put_lines(DAY ".1.jsonl", 30000, 1);
    open_shelf();
    for (int i = 0; i < 7; i++) {
        assert_int_equal(admind_shelf_step(shelf, &end), 0);
    }
    file = fopen(in_dir(DAY ".jsonl"), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -3, SEEK_END), 0);
    assert_int_equal(fputc('#', file), '#');
    assert_int_equal(fclose(file), 0);
    while (delay_ms == 0) {
        delay_ms = admind_shelf_step(shelf, &end);
    }
    assert_true(delay_ms > ADMIND_SHELF_IDLE_MS);
    assert_true(is_there(DAY ".jsonl"));
    assert_false(is_there(DAY ".jsonl.gz") || is_there(".tmp-" DAY ".jsonl.gz"));
}

static void the_journals_need_of_room_comes_first(void **state)
{
    admind_position_t end = at(DAY ".1.jsonl");

    (void)state;
    put_lines(DAY ".jsonl", 0, 30000);
    put_lines(DAY ".1.jsonl", 30000, 1);
    open_shelf();
    assert_int_equal(admind_shelf_step(shelf, &end), 0);
    assert_int_equal(admind_shelf_step(shelf, &end), 0);
    assert_true(is_there(".tmp-" DAY ".jsonl.gz"));
    admind_shelf_yield(shelf);
    assert_false(is_there(".tmp-" DAY ".jsonl.gz"));
    (void)run(DAY ".1.jsonl");
    assert_int_equal(lines_read(), 30001);
}

static void a_file_that_retention_takes_does_not_come_back_compressed(void **state)
{
    admind_position_t end = at(DAY ".jsonl");
    int64_t delay_ms = 0;

    (void)state;
    put_lines("audit-2026-08-01.jsonl", 0, 30000);
    put_file(DAY ".jsonl", "a\n", 2);
    open_shelf();
    for (int i = 0; i < 7; i++) {
        assert_int_equal(admind_shelf_step(shelf, &end), 0);
    }
    assert_int_equal(admind_shelf_retain(shelf, &end, 30, NOON_US, 0), 1);
    while (delay_ms == 0) {
        delay_ms = admind_shelf_step(shelf, &end);
    }
    assert_false(is_there("audit-2026-08-01.jsonl.gz") || is_there(".tmp-audit-2026-08-01.jsonl.gz"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, close_and_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(closed_files_are_compressed_and_the_checkpoints_is_not),
        TEST(at_every_moment_the_journal_is_whole),
        TEST(what_a_kill_left_is_removed_and_done_again),
        TEST(a_full_disk_leaves_the_plain_file_and_is_tried_again),
        TEST(a_file_that_cannot_be_read_holds_up_no_other),
        TEST(a_copy_that_differs_is_thrown_away),
        TEST(the_journals_need_of_room_comes_first),
        TEST(a_file_that_retention_takes_does_not_come_back_compressed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
