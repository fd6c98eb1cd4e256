/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon that breaks the rules, stalls or is not there costs the link: the connection, and nothing more. */
#include "test_mod_link.h"

#include <signal.h>

/* ---- a daemon that breaks the rules ---- */

static void commit_ten(void)
{
    for (int i = 1; i <= 10; i++) {
        commit(i, 10);
    }
}

static void link_hangs_up_on_frames_that_the_protocol_does_not_allow(void **state)
{
    const unsigned char *id = mod_mcp_spool_instance(spool);
    mcpa_frame_t foreign_resume = { .type = MCPA_FRAME_RESUME, .instance = { 1, 2, 3 } };
    mcpa_frame_t second_resume = { .type = MCPA_FRAME_RESUME };
    mcpa_frame_t hello = { .type = MCPA_FRAME_HELLO };
    mcpa_frame_t future_resume = { .type = MCPA_FRAME_RESUME, .acked = 11 };
    const struct {
        const mcpa_frame_t *frame;
        bool resumed;
    } frames[] = {
        { &foreign_resume, false },
        { &future_resume, false },
        { &(mcpa_frame_t){ .type = MCPA_FRAME_ACK }, false },
        { &(mcpa_frame_t){ .type = MCPA_FRAME_KEYS, .issuer = MCPA_STR("https://a.example") }, false },
        { &(mcpa_frame_t){ .type = MCPA_FRAME_KID_DONE }, false },
        { &second_resume, true },
        { &hello, true },
        { &(mcpa_frame_t){ .type = MCPA_FRAME_ACK, .acked = 11 }, true },
        { &(mcpa_frame_t){ .type = MCPA_FRAME_ACK, .acked = UINT64_MAX }, true },
        { &(mcpa_frame_t){ .type = MCPA_FRAME_KEYS, .issuer = MCPA_STR("https://a.example\0x") }, true },
        { &(mcpa_frame_t){ .type = MCPA_FRAME_KID, .issuer = MCPA_STR("i"), .kid = MCPA_STR("k") }, true },
        { &(mcpa_frame_t){ .type = MCPA_FRAME_GAUGES }, true },
        { &(mcpa_frame_t){ .type = MCPA_FRAME_BYE }, true },
    };

    (void)state;
    memcpy(second_resume.instance, id, MCPA_INSTANCE_BYTES);
    memcpy(future_resume.instance, id, MCPA_INSTANCE_BYTES);
    commit_ten();
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        mcpa_frame_t frame;

        renew_child();
        accept_child();
        expect(&frame, MCPA_FRAME_HELLO);
        if (frames[i].resumed) {
            say_resume(0);
            expect_records(1, 10);
        }
        say(frames[i].frame);
        expect_hangup();
        assert_int_equal(mod_mcp_spool_oldest(spool), 1);
    }
    connect_and_resume(0);
    expect_records(1, 10);
}

static const struct {
    size_t len;
    unsigned char bytes[24];
} garbage[] = {
    { 4, { 0, 0, 0, 0 } },                                           /* no frame is so short */
    { 4, { 0xff, 0xff, 0xff, 0xff } },                               /* nor so long */
    { 8, { 4, 0, 0, 0, MCPA_FRAME_ACK, 2, 0, 0 } },                  /* another version */
    { 8, { 4, 0, 0, 0, 200, MCPA_FRAME_VERSION, 0, 0 } },            /* no such type */
    { 8, { 4, 0, 0, 0, MCPA_FRAME_ACK, MCPA_FRAME_VERSION, 0, 0 } }, /* nothing in it */
    { 8, { 4, 0, 0, 0, MCPA_FRAME_BYE, MCPA_FRAME_VERSION, 1, 0 } },
    { 17, { 13, 0, 0, 0, MCPA_FRAME_ACK, MCPA_FRAME_VERSION, 0, 0, 1 } }, /* a byte too many */
    { 16, { 12, 0, 0, 0, MCPA_FRAME_KEYS, MCPA_FRAME_VERSION, 0, 0 } },   /* whose? */
    { 16, "GET / HTTP/1.1\r\n" },
};

static void link_hangs_up_on_what_is_no_frame(void **state)
{
    (void)state;
    commit_ten();
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        renew_child();
        connect_and_resume(0);
        expect_records(1, 10);
        say_bytes(garbage[i].bytes, garbage[i].len);
        expect_hangup();
        assert_int_equal(mod_mcp_spool_oldest(spool), 1);
    }
    connect_and_resume(0);
    expect_records(1, 10);
}

static void link_survives_a_daemon_that_closes_while_it_writes(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_DFL); /* it must not need SIGPIPE to be ignored */
    for (int i = 1; i <= 3000; i++) {
        commit(i, 1000);
    }
    for (int i = 0; i < 5; i++) {
        connect_and_resume(0);
        mod_mcp_link_run(child, 5);
        shutdown(peer, SHUT_RDWR);
        let_work(20);
    }
    connect_and_resume(0);
    expect_records(1, 60);
}

static void link_waits_longer_and_longer_and_logs_one_line(void **state)
{
    unsigned tries = 0;

    (void)state;
    close(listener);
    listener = -1;
    let_work(300);
    assert_int_equal(log_count("MCPA0210"), 1);
    listener = listen_at(socket_path());
    /* Each connection dies at once: 50, 100, 200 ... ms, less the jitter. */
    for (apr_int64_t until = mod_mcp_mono_us() + 2000000; mod_mcp_mono_us() < until;) {
        mod_mcp_link_run(child, 5);
        tries += (unsigned)try_accept();
    }
    assert_in_range(tries, 1, 5);
    assert_int_equal(log_count("MCPA0210"), 1);
}

static void link_says_when_it_is_back(void **state)
{
    (void)state;
    connect_and_resume(0);
    let_work(20);
    assert_string_equal(log_text, "");
    close(peer);
    peer = -1;
    let_work(20);
    assert_int_equal(log_count("MCPA0210"), 1);
    connect_and_resume(0);
    let_work(1000);
    assert_int_equal(log_count("MCPA0211"), 0);
    let_work(1200);
    assert_int_equal(log_count("MCPA0211"), 1);
    assert_int_equal(log_count("MCPA0210"), 1);
}

static void link_with_a_path_no_socket_can_have_keeps_the_spool_going(void **state)
{
    char path[300];
    mod_mcp_link_t *hopeless;

    (void)state;
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    hopeless = mod_mcp_link_new(test_pool, &server, path, 1, spool, keys, NULL, NULL);
    mod_mcp_link_run(hopeless, 20);
    commit(1, 1);
    mod_mcp_link_stop(hopeless);
    assert_int_equal(log_count("MCPA0210"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LINK_TEST(link_hangs_up_on_frames_that_the_protocol_does_not_allow),
        LINK_TEST(link_hangs_up_on_what_is_no_frame),
        LINK_TEST(link_survives_a_daemon_that_closes_while_it_writes),
        LINK_TEST(link_waits_longer_and_longer_and_logs_one_line),
        LINK_TEST(link_says_when_it_is_back),
        LINK_TEST(link_with_a_path_no_socket_can_have_keeps_the_spool_going),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
