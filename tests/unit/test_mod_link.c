/* SPDX-License-Identifier: Apache-2.0 */
/* The link to a daemon that keeps the rules: every record arrives, in order, nothing is given up before it was acknowledged, and
 * keys are asked for and read. */
#include "test_mod_link.h"

/* ---- the plain life ---- */

static void link_says_hello_first_and_nothing_else_before_resume(void **state)
{
    mcpa_frame_t frame;

    (void)state;
    for (int i = 1; i <= 5; i++) {
        commit(i, 10);
    }
    mod_mcp_spool_acked(spool, 3);
    accept_child();
    expect(&frame, MCPA_FRAME_HELLO);
    assert_memory_equal(frame.instance, mod_mcp_spool_instance(spool), MCPA_INSTANCE_BYTES);
    assert_int_equal(frame.pid, getpid());
    assert_int_equal(frame.next_seq, 4);
    assert_int_equal(frame.policy, 0xabcdef);
    let_work(50);
    (void)hear();
    assert_false(next_frame(&frame));
    say_resume(3);
    expect_records(4, 5);
}

static void link_streams_records_and_gives_them_up_when_acknowledged(void **state)
{
    (void)state;
    connect_and_resume(0);
    for (int i = 1; i <= 3000; i++) {
        commit(i, 100);
    }
    expect_records(1, 3000);
    assert_int_equal(mod_mcp_spool_oldest(spool), 1);
    say_ack(1000);
    let_work(20);
    assert_int_equal(mod_mcp_spool_oldest(spool), 1001);
    say_ack(3000);
    let_work(20);
    assert_int_equal(mod_mcp_spool_oldest(spool), 3001);
    commit(3001, 1);
    expect_records(3001, 3001);
}

static void link_resumes_in_the_middle(void **state)
{
    (void)state;
    for (int i = 1; i <= 500; i++) {
        commit(i, 300);
    }
    connect_and_resume(123);
    assert_int_equal(mod_mcp_spool_oldest(spool), 1);
    expect_records(124, 500);
    assert_int_equal(mod_mcp_spool_oldest(spool), 124);
}

static void link_sends_again_what_was_not_acknowledged_when_the_connection_broke(void **state)
{
    (void)state;
    for (int i = 1; i <= 2500; i++) {
        commit(i, 700);
    }
    connect_and_resume(0);
    expect_records(1, 60);
    say_ack(50);
    let_work(20);
    connect_and_resume(40); /* the daemon may know less than it acknowledged: what is gone is gone */
    expect_records(51, 51 + 500);
}

static void link_dies_in_the_middle_of_a_frame_and_comes_back(void **state)
{
    char memory[64];
    mcpa_out_t out;

    (void)state;
    for (int i = 1; i <= 10; i++) {
        commit(i, 10);
    }
    connect_and_resume(0);
    expect_records(1, 10);
    mcpa_out_init(&out, memory, sizeof(memory));
    assert_int_equal(mcpa_frame_write(&out, &(mcpa_frame_t){ .type = MCPA_FRAME_ACK, .acked = 10 }), MCPA_OK);
    say_bytes(memory, out.len - 1);
    let_work(20);
    assert_int_equal(mod_mcp_spool_oldest(spool), 1);
    connect_and_resume(0);
    expect_records(1, 10);
    /* And one that arrives in pieces is taken when it is whole. */
    for (size_t i = 0; i < out.len; i++) {
        say_bytes(memory + i, 1);
        let_work(6);
        assert_int_equal(mod_mcp_spool_oldest(spool), i + 1 < out.len ? 1 : 11);
    }
}

static void link_keeps_at_most_a_mebibyte_unacknowledged(void **state)
{
    mcpa_frame_t frame;
    uint64_t sent = 0;
    uint64_t last = 0;

    (void)state;
    for (int i = 1; i <= 4000; i++) {
        commit(i, 1000);
    }
    connect_and_resume(0);
    for (int i = 0; i < 100; i++) {
        mod_mcp_link_run(child, 5);
        (void)hear();
        while (next_frame(&frame)) {
            sent += frame.type == MCPA_FRAME_RECORDS ? frame.records_len : 0;
            last += frame.type == MCPA_FRAME_RECORDS ? frame.count : 0;
        }
    }
    assert_in_range(sent, 900 * 1024, 1024 * 1024);
    say_ack(last / 2);
    expect_records(last + 1, last + 60);
}

static void expect_no_records(void)
{
    mcpa_frame_t frame;

    let_work(30);
    (void)hear();
    while (next_frame(&frame)) {
        assert_int_equal(frame.type, MCPA_FRAME_GAUGES);
    }
}

static void link_keeps_at_most_64_batches_unacknowledged_however_small(void **state)
{
    (void)state;
    connect_and_resume(0);
    for (unsigned i = 1; i <= 64; i++) {
        commit(i, 10);
        expect_records(i, i);
    }
    commit(65, 10);
    expect_no_records();
    say_ack(1);
    expect_records(65, 65);
    commit(66, 10);
    expect_no_records();
    /* On a new connection nothing is on its way yet. */
    connect_and_resume(30);
    expect_records(31, 66);
    for (unsigned i = 67; i <= 80; i++) {
        commit(i, 10);
        expect_records(i, i);
        say_ack(i);
    }
}

static void link_sends_what_trickles_in_together(void **state)
{
    apr_int64_t begun_us;
    unsigned batches = 0;
    uint64_t told = 0;
    int records = 0;

    (void)state;
    connect_and_resume(0);
    begun_us = mod_mcp_mono_us();
    while (told < 300) {
        mcpa_frame_t frame;

        if (records < 300) {
            commit(++records, 10);
        }
        let_work(1);
        (void)hear();
        while (next_frame(&frame)) {
            if (frame.type == MCPA_FRAME_RECORDS) {
                batches++;
                told += frame.count;
                say_ack(told);
            }
        }
    }
    /* 100 ms apart, but for the first; one each would be 300. */
    assert_in_range(batches, 1, 2 + (unsigned)((mod_mcp_mono_us() - begun_us) / 100000));
}

static void link_reports_gauges_about_once_a_second(void **state)
{
    mcpa_frame_t frame;
    unsigned seen = 0;

    (void)state;
    commit(1, 100);
    connect_and_resume(0);
    expect_records(1, 1);
    let_work(1500);
    (void)hear();
    inbox_taken = 0; /* from the start of what has arrived since */
    while (next_frame(&frame)) {
        if (frame.type != MCPA_FRAME_GAUGES) {
            continue;
        }
        seen++;
        assert_int_equal(frame.count, 4);
        assert_int_equal(frame.gauges[0].id, MCPA_GAUGE_ACTIVE_REQUESTS);
        assert_int_equal(frame.gauges[0].value, 7);
        assert_int_equal(frame.gauges[1].id, MCPA_GAUGE_SPOOL_BYTES);
        assert_in_range(frame.gauges[1].value, 100, 200);
        assert_int_equal(frame.gauges[2].id, MCPA_GAUGE_LOST);
        assert_int_equal(frame.gauges[3].id, MCPA_GAUGE_KEYS_LOADED);
    }
    assert_in_range(seen, 1, 2);
}

static void link_slice_ends_in_time_and_idles_cheaply(void **state)
{
    apr_int64_t before;
    struct timespec cpu[2];

    (void)state;
    connect_and_resume(0);
    let_work(20);
    before = mod_mcp_mono_us();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu[0]);
    mod_mcp_link_run(child, 300);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu[1]);
    assert_in_range(mod_mcp_mono_us() - before, 300000, 5000000); /* the slice; what is over it is the machine's load */
    assert_true((cpu[1].tv_sec - cpu[0].tv_sec) * 1000000000 + (cpu[1].tv_nsec - cpu[0].tv_nsec) < 50000000);
}

/* ---- keys ---- */

#define KEY                                                                                                                      \
    "{\"keys\":[{\"kid\":\"%s\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

static void publish(const char *kid)
{
    char name[70];
    char *path;
    FILE *file;

    mcpa_issuer_key_file(name, issuer.url);
    path = apr_pstrcat(test_pool, test_dir, "/keys/", name, NULL);
    file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "{\"issuer\":\"https://a.example\",\"fetched\":1,\"expires\":9999999999,\"jwks\":" KEY "}", kid);
    assert_int_equal(fclose(file), 0);
}

static void *ask_for_kid(void *found)
{
    mcpa_jwks_t *set = mod_mcp_keys_await(keys, &issuer, MCPA_STR("new"), NULL);

    *(int *)found = set != NULL;
    mcpa_jwks_release(&set);
    return NULL;
}

static void link_carries_a_question_and_wakes_the_request_when_the_key_has_come(void **state)
{
    apr_int64_t before = mod_mcp_mono_us();
    mcpa_frame_t frame;
    pthread_t thread;
    int found = 0;

    (void)state;
    connect_and_resume(0);
    let_work(20);
    assert_int_equal(pthread_create(&thread, NULL, ask_for_kid, &found), 0);
    expect(&frame, MCPA_FRAME_KID);
    assert_true(mcpa_str_eqz(frame.issuer, issuer.url));
    assert_true(mcpa_str_eqz(frame.kid, "new"));
    publish("new");
    say(&(mcpa_frame_t){ .type = MCPA_FRAME_KEYS, .issuer = mcpa_str(issuer.url), .generation = 1 });
    say(&(mcpa_frame_t){ .type = MCPA_FRAME_KID_DONE, .ask = frame.ask, .found = true });
    let_work(20);
    pthread_join(thread, NULL);
    assert_true(found);
    assert_true(mod_mcp_mono_us() - before < 2000000); /* woken, not merely waited to the end */
}

static void link_lost_lets_the_waiting_request_go(void **state)
{
    apr_int64_t before = mod_mcp_mono_us();
    mcpa_frame_t frame;
    pthread_t thread;
    int found = 1;

    (void)state;
    connect_and_resume(0);
    let_work(20);
    assert_int_equal(pthread_create(&thread, NULL, ask_for_kid, &found), 0);
    expect(&frame, MCPA_FRAME_KID);
    close(peer);
    peer = -1;
    let_work(20);
    pthread_join(thread, NULL);
    assert_false(found);
    assert_true(mod_mcp_mono_us() - before < 2000000);
}

static void link_reads_the_keys_it_missed_when_it_is_back(void **state)
{
    mcpa_jwks_t *set;

    (void)state;
    publish("missed");
    connect_and_resume(0);
    let_work(20);
    set = mod_mcp_keys_get(keys, &issuer);
    assert_non_null(set);
    mcpa_jwks_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LINK_TEST(link_says_hello_first_and_nothing_else_before_resume),
        LINK_TEST(link_streams_records_and_gives_them_up_when_acknowledged),
        LINK_TEST(link_resumes_in_the_middle),
        LINK_TEST(link_sends_again_what_was_not_acknowledged_when_the_connection_broke),
        LINK_TEST(link_dies_in_the_middle_of_a_frame_and_comes_back),
        LINK_TEST(link_keeps_at_most_a_mebibyte_unacknowledged),
        LINK_TEST(link_keeps_at_most_64_batches_unacknowledged_however_small),
        LINK_TEST(link_sends_what_trickles_in_together),
        LINK_TEST(link_reports_gauges_about_once_a_second),
        LINK_TEST(link_slice_ends_in_time_and_idles_cheaply),
        LINK_TEST(link_carries_a_question_and_wakes_the_request_when_the_key_has_come),
        LINK_TEST(link_lost_lets_the_waiting_request_go),
        LINK_TEST(link_reads_the_keys_it_missed_when_it_is_back),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
