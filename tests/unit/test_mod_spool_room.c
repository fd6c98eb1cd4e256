/* SPDX-License-Identifier: Apache-2.0 */
/* No room, and writes that fail: what was committed stays, what cannot be committed is counted exactly. */
#include "test_mod_spool.h"

#include <sys/mount.h>
#include <sys/wait.h>

/* ---- no room ---- */

static void spool_stops_at_its_cap_counts_what_it_loses_and_tells_it_when_there_is_room_again(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(3));
    unsigned n = fill(spool);
    found_t found;

    (void)state;
    assert_int_equal(count_files(test_dir), 3);
    for (int i = 0; i < 41; i++) {
        assert_int_equal(commit(spool, i, 1000), MCPA_EFULL);
    }
    assert_int_equal(mod_mcp_spool_lost(spool), 42); /* one ended fill() */
    assert_int_equal(mod_mcp_spool_error(spool), 0);
    assert_int_equal(mod_mcp_spool_newest(spool), n);
    mod_mcp_spool_acked(spool, n);
    usleep(1100000); /* the directory is asked once a second */
    assert_int_equal(commit(spool, 7, 1000), MCPA_OK);
    found = read_all(spool, n);
    assert_int_equal(found.first_seq, n + 1);
    assert_int_equal(found.gaps, 1);
    assert_int_equal(found.gap_lost, 42);
    assert_int_equal(found.requests, 1);
    assert_int_equal(found.last_number, 7);
    assert_int_equal(found.last_seq, n + 2); /* the gap first, then the record */
    assert_int_equal(mod_mcp_spool_lost(spool), 42);
}

static void spool_tells_a_loss_without_waiting_for_the_next_request(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(2));
    unsigned n = fill(spool);
    found_t found;

    (void)state;
    mod_mcp_spool_acked(spool, n);
    usleep(1100000);
    mod_mcp_spool_tend(spool);
    found = read_all(spool, n);
    assert_int_equal(found.gaps, 1);
    assert_int_equal(found.gap_lost, 1);
    mod_mcp_spool_tend(spool);
    assert_int_equal(mod_mcp_spool_newest(spool), n + 1);
}

static void spool_counts_the_segments_of_other_children_against_the_cap(void **state)
{
    mod_mcp_spool_t *one = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(3));
    mod_mcp_spool_t *two = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(3));

    (void)state;
    (void)fill(one);
    assert_int_equal(count_files(test_dir), 3);
    (void)fill(two);
    assert_int_equal(count_files(test_dir), 3);
}

static void spool_on_a_full_disk_uses_what_it_has_and_recovers(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(64));
    unsigned n;

    (void)state;
    atomic_store(&disk_full, 1);
    n = fill(spool);
    assert_true(n > 900);
    assert_int_equal(mod_mcp_spool_error(spool), ENOSPC);
    assert_int_equal(count_files(test_dir), 1); /* nothing half-made stays */
    atomic_store(&disk_full, 0);
    usleep(1100000);
    assert_int_equal(commit(spool, 1, 1000), MCPA_OK);
    assert_int_equal(read_all(spool, 0).gap_lost, 1);
}

static void spool_that_could_not_begin_begins_later(void **state)
{
    mod_mcp_spool_t *spool;
    found_t found;

    (void)state;
    atomic_store(&disk_full, 1);
    spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    assert_non_null(spool);
    assert_int_equal(commit(spool, 1, 10), MCPA_EFULL);
    assert_int_equal(commit(spool, 2, 10), MCPA_EFULL);
    assert_int_equal(read_all(spool, 0).last_seq, 0);
    atomic_store(&disk_full, 0);
    usleep(1100000);
    assert_int_equal(commit(spool, 3, 10), MCPA_OK);
    found = read_all(spool, 0);
    assert_int_equal(found.gap_lost, 2);
    assert_int_equal(found.last_seq, 2);
    assert_int_equal(found.last_number, 3);
}

static void spool_on_a_real_file_system_without_room_loses_nothing_it_had(void **state)
{
    pid_t child;
    int status = 0;

    (void)state;
    child = fork();
    if (child == 0) {
        mod_mcp_spool_t *spool;
        unsigned n;

        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("tmpfs", test_dir, "tmpfs", 0, "size=3500k,mode=0700") != 0) {
            _exit(77);
        }
        spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(64));
        n = fill(spool);
        _exit(n > 2500 && n < 3300 && mod_mcp_spool_error(spool) == ENOSPC && count_files(test_dir) == 3 &&
                      read_all(spool, 0).last_seq == n
                  ? 0
                  : 1);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("NOT TESTED: a real full file system needs root and a mount namespace\n");
        skip();
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- broken writes ---- */

static void spool_tries_a_failed_write_once_more_in_the_next_segment(void **state)
{
    apr_pool_t *pool;
    mod_mcp_spool_t *spool;
    found_t found;

    (void)state;
    apr_pool_create(&pool, test_pool);
    spool = mod_mcp_spool_new(pool, test_dir, SEGMENTS(8));
    for (int i = 1; i <= 20; i++) {
        broken_writes = i % 5 == 0;
        torn_bytes = i % 2 == 0 ? 200 : 0;
        assert_int_equal(commit(spool, i, 100 + (size_t)(i % 2) * 800), MCPA_OK);
    }
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
    found = read_all(spool, 0);
    assert_int_equal(found.last_seq, 20);
    assert_int_equal(found.requests, 20);
    apr_pool_destroy(pool);
    found = adopt(test_dir);
    assert_int_equal(found.first_seq, 1);
    assert_int_equal(found.last_seq, 20);
    assert_int_equal(found.requests, 20);
}

static void spool_leaves_a_segment_that_stays_broken(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));

    (void)state;
    assert_int_equal(commit(spool, 1, 100), MCPA_OK);
    stays_broken = true;
    broken_writes = 1;
    for (int i = 2; i <= 50; i++) {
        assert_int_equal(commit(spool, i, 100), MCPA_OK);
    }
    assert_int_equal(count_files(test_dir), 2);
    assert_int_equal(read_all(spool, 0).last_number, 50);
}

static void spool_uses_no_seq_for_a_record_that_was_not_written(void **state)
{
    apr_pool_t *pool;
    mod_mcp_spool_t *spool;
    found_t found;

    (void)state;
    apr_pool_create(&pool, test_pool);
    spool = mod_mcp_spool_new(pool, test_dir, SEGMENTS(32));
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(commit(spool, i, 900), MCPA_OK);
        broken_writes = 2;
        torn_bytes = 300;
        assert_true(commit(spool, 1000, 900) != MCPA_OK);
        broken_writes = 0;
        assert_int_equal(mod_mcp_spool_lost(spool), i);
        usleep(1100000); /* a disk that failed twice in a row is left alone for a second */
    }
    assert_int_equal(commit(spool, 4, 10), MCPA_OK);
    found = read_all(spool, 0);
    assert_int_equal(found.first_seq, 1);
    assert_int_equal(found.requests, 4);
    assert_int_equal(found.gap_lost, 3);
    assert_int_equal(found.last_seq, 4 + found.gaps);
    apr_pool_destroy(pool);
    assert_memory_equal(&(found_t[1]){ adopt(test_dir) }, &found, sizeof(found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(spool_stops_at_its_cap_counts_what_it_loses_and_tells_it_when_there_is_room_again),
        SPOOL_TEST(spool_tells_a_loss_without_waiting_for_the_next_request),
        SPOOL_TEST(spool_counts_the_segments_of_other_children_against_the_cap),
        SPOOL_TEST(spool_on_a_full_disk_uses_what_it_has_and_recovers),
        SPOOL_TEST(spool_that_could_not_begin_begins_later),
        SPOOL_TEST(spool_on_a_real_file_system_without_room_loses_nothing_it_had),
        SPOOL_TEST(spool_tries_a_failed_write_once_more_in_the_next_segment),
        SPOOL_TEST(spool_leaves_a_segment_that_stays_broken),
        SPOOL_TEST(spool_uses_no_seq_for_a_record_that_was_not_written),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
