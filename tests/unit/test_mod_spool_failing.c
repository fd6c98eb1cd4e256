/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that fails writes: the records of the end of requests that were let in come first, and what is spoiled is left alone. */
#include "test_mod_spool.h"

#include "clock.h"

/* A deadlock ends the program, and with it the test. */
#define PATIENT_S 60
#define OPEN      60 /* promises: more than one segment has slots for */

static mod_mcp_spool_t *with_promises(apr_uint64_t segments, unsigned n)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(segments));

    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(promise(spool), MCPA_OK);
    }
    return spool;
}

/* ---- the room of promised records ---- */

static void promised_records_share_what_is_left_when_a_segment_fails_at_the_cap(void **state)
{
    mod_mcp_spool_t *spool = with_promises(2, OPEN);

    (void)state;
    broken_writes = 1;
    assert_int_equal(commit(spool, 1, 10), MCPA_EFULL);
    assert_int_equal(promise(spool), MCPA_EFULL);
    for (int i = 0; i < OPEN; i++) {
        assert_int_equal(fulfil(spool), MCPA_OK);
    }
    assert_int_equal(mod_mcp_spool_lost(spool), 1);
    assert_int_equal(read_all(spool, 0).requests, 2 * OPEN);
    assert_int_equal(promise(spool), MCPA_OK);
}

static void the_link_makes_room_again_for_what_is_promised(void **state)
{
    mod_mcp_spool_t *spool = with_promises(8, OPEN);

    (void)state;
    atomic_store(&disk_full, true);
    broken_writes = 1;
    assert_int_equal(commit(spool, 1, 10), MCPA_EFULL);
    assert_int_equal(promise(spool), MCPA_EFULL);
    assert_int_equal(mod_mcp_spool_lost(spool), 1);
    atomic_store(&disk_full, false);
    usleep(1100000); /* the directory is asked once a second */
    mod_mcp_spool_tend(spool);
    atomic_store(&disk_full, true);
    for (int i = 0; i < OPEN; i++) {
        assert_int_equal(fulfil_greatest(spool), MCPA_OK);
    }
    assert_int_equal(mod_mcp_spool_lost(spool), 1);
}

static void only_promised_records_have_segments_made_from_a_disk_that_failed_twice_in_a_row(void **state)
{
    mod_mcp_spool_t *spool = with_promises(32, 3);
    apr_int64_t begun_us = mod_mcp_mono_us();
    unsigned files;

    (void)state;
    broken_writes = 2;
    assert_int_equal(commit(spool, 1, 10), MCPA_EIO);
    files = count_files(test_dir);
    if (commit(spool, 2, 10) == MCPA_OK || promise(spool) == MCPA_OK) {
        assert_true(mod_mcp_mono_us() - begun_us > 1000000); /* nothing but a machine that stands still excuses it */
    } else {
        assert_int_equal(count_files(test_dir), files);
        assert_int_equal(mod_mcp_spool_error(spool), EIO);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fulfil(spool), MCPA_OK);
    }
    assert_int_equal(mod_mcp_spool_error(spool), EIO);
}

static void the_link_makes_room_for_promised_records_alone_from_a_disk_that_failed_twice_in_a_row(void **state)
{
    mod_mcp_spool_t *spool = with_promises(32, 3);

    (void)state;
    broken_writes = 2;
    assert_int_equal(commit(spool, 1, 10), MCPA_EIO);
    mod_mcp_spool_tend(spool);
    atomic_store(&disk_full, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fulfil_greatest(spool), MCPA_OK);
    }
}

static void a_disk_that_fails_every_write_costs_few_segments(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(64));
    apr_int64_t begun_us = mod_mcp_mono_us();
    apr_int64_t seconds;

    (void)state;
    broken_writes = 1000000;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(commit(spool, i, 10), MCPA_EIO);
        mod_mcp_spool_tend(spool);
    }
    seconds = (mod_mcp_mono_us() - begun_us) / 1000000;
    assert_true(count_files(test_dir) <= 3 + 3 * seconds);
    assert_int_equal(mod_mcp_spool_lost(spool), 200);
    broken_writes = 0;
    usleep(1100000);
    assert_int_equal(commit(spool, 1, 10), MCPA_OK);
    assert_int_equal(read_all(spool, 0).gap_lost, 200);
}

static void a_promised_record_outlives_a_spare_that_cannot_be_begun(void **state)
{
    mod_mcp_spool_t *spool = with_promises(8, OPEN);

    (void)state;
    broken_begins = 1;
    for (int i = 0; i < OPEN; i++) {
        assert_int_equal(fulfil_greatest(spool), MCPA_OK);
    }
    assert_int_equal(broken_begins, 0);
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
    assert_int_equal(read_all(spool, 0).requests, 2 * OPEN);
}

/* ---- what is spoiled ---- */

static void no_record_follows_a_gap_record_that_failed(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    mcpa_record_t greatest;
    unsigned n = 0;

    (void)state;
    write_greatest(&greatest);
    while (mod_mcp_spool_backlog_bytes(spool) < MCPA_SEGMENT_BYTES - 10000) {
        assert_int_equal(commit(spool, n++, 1000), MCPA_OK);
    }
    atomic_store(&disk_full, true);
    assert_int_equal(mod_mcp_spool_commit(spool, &greatest), MCPA_EFULL);
    atomic_store(&disk_full, false);
    usleep(1100000); /* the directory is asked once a second */
    broken_writes = 1;
    assert_int_equal(commit(spool, 7, 10), MCPA_OK);
    assert_int_equal(broken_writes, 0);
    assert_int_equal(writes_after_failure, 0);
    assert_int_equal(count_files(test_dir), 2);
    assert_int_equal(commit(spool, 8, 10), MCPA_OK);
    assert_int_equal(read_all(spool, 0).requests, n + 2);
    assert_int_equal(read_all(spool, 0).gap_lost, 1);
}

static void losses_are_told_at_the_end_though_the_last_segment_failed(void **state)
{
    mod_mcp_spool_t *spool;
    apr_pool_t *pool;
    found_t found;

    (void)state;
    apr_pool_create(&pool, test_pool);
    spool = mod_mcp_spool_new(pool, test_dir, SEGMENTS(8));
    assert_int_equal(commit(spool, 1, 10), MCPA_OK);
    broken_writes = 2;
    assert_int_equal(commit(spool, 2, 10), MCPA_EIO);
    apr_pool_destroy(pool);
    found = adopt(test_dir);
    assert_int_equal(found.requests, 1);
    assert_int_equal(found.gap_lost, 1);
}

static void one_failure_at_the_beginning_of_a_segment_loses_nothing(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));

    (void)state;
    for (int i = 0; i < 1500; i++) {
        assert_int_equal(commit(spool, i, 1000), MCPA_OK);
        if (i == 700) {
            mod_mcp_spool_tend(spool);
            assert_int_equal(count_files(test_dir), 2);
            broken_begins = 1;
        }
    }
    assert_int_equal(broken_begins, 0);
    assert_int_equal(read_all(spool, 0).requests, 1500);
}

/* ---- signals ---- */

static mod_mcp_spool_t *interrupted;

static void release_ten(int signal)
{
    (void)signal;
    for (int i = 0; i < 10; i++) {
        mod_mcp_spool_release(interrupted);
    }
}

/* As prefork's child does when it is told to leave: the pools of its requests end in the handler. */
static void a_promise_may_be_released_by_a_signal_handler_in_the_middle_of_a_commit(void **state)
{
    struct sigaction action = { .sa_handler = release_ten };
    unsigned n = 0;

    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    interrupted = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(1));
    while (promise(interrupted) == MCPA_OK) {
        n++;
    }
    assert_true(n > 20);
    alarm(PATIENT_S);
    interruption = SIGUSR1;
    assert_int_equal(fulfil(interrupted), MCPA_OK);
    interruption = 0;
    alarm(0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(promise(interrupted), MCPA_OK);
    }
    for (unsigned i = 0; i < n - 1; i++) {
        assert_int_equal(fulfil_greatest(interrupted), MCPA_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(promised_records_share_what_is_left_when_a_segment_fails_at_the_cap),
        SPOOL_TEST(the_link_makes_room_again_for_what_is_promised),
        SPOOL_TEST(only_promised_records_have_segments_made_from_a_disk_that_failed_twice_in_a_row),
        SPOOL_TEST(the_link_makes_room_for_promised_records_alone_from_a_disk_that_failed_twice_in_a_row),
        SPOOL_TEST(a_disk_that_fails_every_write_costs_few_segments),
        SPOOL_TEST(a_promised_record_outlives_a_spare_that_cannot_be_begun),
        SPOOL_TEST(no_record_follows_a_gap_record_that_failed),
        SPOOL_TEST(losses_are_told_at_the_end_though_the_last_segment_failed),
        SPOOL_TEST(one_failure_at_the_beginning_of_a_segment_loses_nothing),
        SPOOL_TEST(a_promise_may_be_released_by_a_signal_handler_in_the_middle_of_a_commit),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
