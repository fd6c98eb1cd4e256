/* SPDX-License-Identifier: Apache-2.0 */
/* A disk on which making a segment hangs: it holds who makes it, everybody else for a short while at the most, and nobody who needs no new segment. */
#include "test_mod_spool.h"

/* A test that waits without end ends the program. */
#define PATIENT_S  120
#define PATIENT_MS 60000
#define OPEN       40 /* promises: one segment has slots for them and for hardly one more */
#define WAITING    60

static mod_mcp_spool_t *spool;

static int hang_setup(void **state)
{
    if (setup(state) != 0) {
        return -1;
    }
    alarm(PATIENT_S);
    spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(2));
    for (int i = 0; i < OPEN; i++) {
        assert_int_equal(promise(spool), MCPA_OK);
    }
    return 0;
}

static int hang_teardown(void **state)
{
    alarm(0);
    return support_teardown(state);
}

#define HANG_TEST(function) cmocka_unit_test_setup_teardown(function, hang_setup, hang_teardown)

static atomic_uint promised;

static void *promise_one(void *unused)
{
    (void)unused;
    atomic_fetch_add(&promised, promise(spool) == MCPA_OK);
    return NULL;
}

static void *promise_four(void *unused)
{
    for (int i = 0; i < 4; i++) {
        (void)promise_one(unused);
    }
    return NULL;
}

static void *tend(void *unused)
{
    (void)unused;
    mod_mcp_spool_tend(spool);
    return NULL;
}

static void hang(pthread_t *thread, void *(*make)(void *))
{
    atomic_store(&promised, 0);
    atomic_store(&making_hangs, true);
    assert_int_equal(pthread_create(thread, NULL, make, NULL), 0);
    for (int ms = 0; ms < PATIENT_MS && !atomic_load(&is_making_hung); ms++) {
        usleep(1000);
    }
    assert_true(atomic_load(&is_making_hung));
}

/* Until one needs a new segment: that one waits. How many went in before it. */
static unsigned promise_until_refused(void)
{
    unsigned n = 0;
    mcpa_status_t status;

    while ((status = promise(spool)) == MCPA_OK) {
        n++;
        assert_true(n < WAITING);
    }
    assert_int_equal(status, MCPA_EIO);
    return n;
}

static void expect_bounded_waits(void)
{
    apr_uint64_t newest;

    (void)promise_until_refused();
    assert_int_equal(mod_mcp_spool_error(spool), ETIMEDOUT);
    newest = mod_mcp_spool_newest(spool);
    for (int i = 0; i < 100; i++) { /* at two seconds each this would never end */
        assert_int_equal(promise(spool), MCPA_EIO);
    }
    for (int i = 0; i < OPEN / 2; i++) {
        assert_int_equal(fulfil(spool), MCPA_OK);
    }
    mod_mcp_spool_release(spool);
    mod_mcp_spool_tend(spool);
    assert_int_equal(mod_mcp_spool_newest(spool), newest + OPEN / 2);
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
}

static void a_request_that_makes_a_segment_holds_the_others_for_a_short_while_at_the_most(void **state)
{
    pthread_t thread;

    (void)state;
    hang(&thread, promise_four);
    expect_bounded_waits();
    atomic_store(&making_hangs, false);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&promised), 4);
    assert_int_equal(promise(spool), MCPA_OK);
}

static void a_link_that_makes_a_segment_holds_requests_for_a_short_while_at_the_most(void **state)
{
    pthread_t thread;

    (void)state;
    hang(&thread, tend);
    expect_bounded_waits();
    atomic_store(&making_hangs, false);
    pthread_join(thread, NULL);
    assert_int_equal(promise(spool), MCPA_OK);
}

static void a_commit_that_waited_in_vain_counts_as_lost(void **state)
{
    pthread_t thread;
    unsigned n = 0;

    (void)state;
    hang(&thread, tend);
    while (commit(spool, n, 1000) == MCPA_OK) {
        n++;
    }
    assert_int_equal(mod_mcp_spool_error(spool), ETIMEDOUT);
    assert_int_equal(mod_mcp_spool_lost(spool), 1);
    atomic_store(&making_hangs, false);
    pthread_join(thread, NULL);
    assert_int_equal(commit(spool, n, 1000), MCPA_OK);
    assert_int_equal(read_all(spool, 0).gap_lost, 1);
}

/* They all wait for the one segment, and it has slots for some of them only. */
static void promises_that_waited_for_the_same_segment_are_all_kept(void **state)
{
    pthread_t thread, waiting[WAITING];

    (void)state;
    hang(&thread, tend);
    for (int i = 0; i < WAITING; i++) {
        assert_int_equal(pthread_create(&waiting[i], NULL, promise_one, NULL), 0);
    }
    usleep(300000); /* for them to wait; were it too short, less would be tested */
    atomic_store(&making_hangs, false);
    pthread_join(thread, NULL);
    for (int i = 0; i < WAITING; i++) {
        pthread_join(waiting[i], NULL);
    }
    print_message("%u of %d promised\n", atomic_load(&promised), WAITING);
    for (unsigned i = 0; i < OPEN + atomic_load(&promised); i++) {
        assert_int_equal(fulfil_greatest(spool), MCPA_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HANG_TEST(a_request_that_makes_a_segment_holds_the_others_for_a_short_while_at_the_most),
        HANG_TEST(a_link_that_makes_a_segment_holds_requests_for_a_short_while_at_the_most),
        HANG_TEST(a_commit_that_waited_in_vain_counts_as_lost),
        HANG_TEST(promises_that_waited_for_the_same_segment_are_all_kept),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
