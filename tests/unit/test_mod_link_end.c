/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a link, and a daemon that keeps dying: every record arrives once. */
#include "test_mod_link.h"

#include <stdatomic.h>

/* ---- the end ---- */

static atomic_int daemon_stop;

/* A daemon that acknowledges everything it gets, after a while; how it saw the end: 1 BYE. */
static void *acknowledge_all(void *said_bye)
{
    mcpa_frame_t frame;

    while (!atomic_load(&daemon_stop)) {
        bool open = hear();

        while (next_frame(&frame)) {
            if (frame.type == MCPA_FRAME_RECORDS) {
                mcpa_envelope_t envelope = { 0 };

                for (size_t at = 0; at < frame.records_len; at += envelope.total_len) {
                    assert_int_equal(
                        mcpa_envelope_open(&envelope, frame.records + at, frame.records_len - at, mod_mcp_spool_instance(spool)),
                        MCPA_OK);
                }
                say_ack(envelope.seq);
            } else if (frame.type == MCPA_FRAME_BYE) {
                *(int *)said_bye = 1;
            }
        }
        if (!open) {
            break;
        }
        usleep(1000);
    }
    return NULL;
}

static void link_stop_sends_what_is_left_then_says_bye(void **state)
{
    pthread_t thread;
    int said_bye = 0;

    (void)state;
    connect_and_resume(0);
    let_work(10);
    for (int i = 1; i <= 2000; i++) {
        commit(i, 500);
    }
    atomic_store(&daemon_stop, 0);
    assert_int_equal(pthread_create(&thread, NULL, acknowledge_all, &said_bye), 0);
    mod_mcp_link_stop(child);
    pthread_join(thread, NULL);
    assert_true(said_bye);
    assert_int_equal(mod_mcp_spool_oldest(spool), 2001);
    mod_mcp_link_run(child, 20); /* and does not begin again */
    assert_false(try_accept());
    mod_mcp_link_stop(child);
}

static void link_stop_gives_up_after_half_a_second_on_a_daemon_that_stalls(void **state)
{
    apr_int64_t before;

    (void)state;
    connect_and_resume(0);
    for (int i = 1; i <= 2000; i++) {
        commit(i, 1000);
    }
    before = mod_mcp_mono_us();
    mod_mcp_link_stop(child);
    assert_in_range(mod_mcp_mono_us() - before, 450000, 5000000); /* its 500 ms; what is over them is the machine's load */
    assert_int_equal(mod_mcp_spool_oldest(spool), 1);
}

static void link_stop_without_a_daemon_is_quick(void **state)
{
    apr_int64_t before;

    (void)state;
    close(listener);
    listener = -1;
    commit(1, 1);
    let_work(10);
    before = mod_mcp_mono_us();
    mod_mcp_link_stop(child);
    assert_true(mod_mcp_mono_us() - before < 450000); /* it does not take the time it has for a last flush */
}

/* ---- all at once ---- */

#define TOTAL      20000
#define MAX_DEATHS 7 /* each doubles the back-off */

static void *run_link(void *arg)
{
    const atomic_int *stop = arg;

    while (!atomic_load(stop)) {
        mod_mcp_link_run(child, 20);
    }
    return NULL;
}

static void *commit_all(void *arg)
{
    (void)arg;
    for (int i = 1; i <= TOTAL; i++) {
        commit(i, (size_t)(i * 13 % 900));
        if (i % 100 == 0) {
            usleep(500); /* so that the link is at work between commits, too; nothing is decided by how long */
        }
    }
    return NULL;
}

/* The daemon's journal: what it has synced. It loses connections at every point and what it had read but not journalled. */
static void link_delivers_every_record_once_to_a_daemon_that_keeps_dying(void **state)
{
    atomic_int stop = 0;
    uint64_t journalled = 0;
    unsigned deaths = 0;
    unsigned seed = (unsigned)mod_mcp_mono_us();
    pthread_t runner;
    pthread_t committer;

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    assert_int_equal(pthread_create(&runner, NULL, run_link, &stop), 0);
    assert_int_equal(pthread_create(&committer, NULL, commit_all, NULL), 0);
    for (int idle = 0; journalled < TOTAL && idle < 20000; idle++) {
        mcpa_frame_t frame;

        if (peer < 0 && !try_accept()) {
            usleep(500); /* before it looks again, a bounded number of times; what counts is what was journalled */
            continue;
        }
        if (!hear()) {
            close(peer);
            peer = -1;
            continue;
        }
        while (peer >= 0 && next_frame(&frame)) {
            idle = 0;
            if (frame.type == MCPA_FRAME_HELLO) {
                assert_true(frame.next_seq <= journalled + 1);
                say_resume(journalled);
            }
            if (frame.type == MCPA_FRAME_RECORDS) {
                mcpa_envelope_t envelope;

                for (size_t at = 0; at < frame.records_len; at += envelope.total_len) {
                    assert_int_equal(
                        mcpa_envelope_open(&envelope, frame.records + at, frame.records_len - at, mod_mcp_spool_instance(spool)),
                        MCPA_OK);
                    assert_int_equal(envelope.seq, ++journalled);
                }
                if (rand() % 3 != 0) {
                    say_ack(journalled);
                }
            }
            if (deaths < MAX_DEATHS && rand() % 6 == 0) {
                deaths++;
                close(peer);
                peer = -1;
            }
        }
        usleep(200);
    }
    pthread_join(committer, NULL);
    atomic_store(&stop, 1);
    pthread_join(runner, NULL);
    assert_int_equal(journalled, TOTAL);
    assert_int_equal(deaths, MAX_DEATHS);
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LINK_TEST(link_stop_sends_what_is_left_then_says_bye),
        LINK_TEST(link_stop_gives_up_after_half_a_second_on_a_daemon_that_stalls),
        LINK_TEST(link_stop_without_a_daemon_is_quick),
        LINK_TEST(link_delivers_every_record_once_to_a_daemon_that_keeps_dying),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
