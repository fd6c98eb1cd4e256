/* SPDX-License-Identifier: Apache-2.0 */
/* The link against a daemon that the test plays: whatever it does (dies, stalls, answers nonsense), every record arrives, in
 * order, and nothing is given up before it was acknowledged; and what a hostile daemon sends costs it the connection, nothing
 * more. */
#include "mod_support.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clock.h"
#include "link.h"
#include "policy/issuer.h"

#define KEY                                                                                                                      \
    "{\"keys\":[{\"kid\":\"%s\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

static const mcpa_issuer_t issuer = { .url = "https://a.example", .key_source = MCPA_KEYS_DISCOVER };
static const mcpa_issuer_t *const issuers[] = { &issuer, NULL };

static mod_mcp_spool_t *spool;
static mod_mcp_keys_t *keys;
static mod_mcp_link_t *child;
static server_rec server;

/* The daemon's side. */
static int listener;
static int peer;
static unsigned char inbox[4 * MCPA_FRAME_MAX_BYTES];
static size_t inbox_len;
static size_t inbox_taken;

static const char *socket_path(void)
{
    return in_test_dir("socket");
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    (void)unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static unsigned our_gauges(void *ctx, struct mcpa_gauge_value *gauges, unsigned max)
{
    assert_true(max >= 1);
    gauges[0] = (mcpa_gauge_value_t){ .id = MCPA_GAUGE_ACTIVE_REQUESTS, .value = *(uint64_t *)ctx };
    return 1;
}

static uint64_t active = 7;

static int setup(void **state)
{
    if (support_setup(state) != 0 || mkdir(in_test_dir("spool"), 0700) != 0 || mkdir(in_test_dir("keys"), 0700) != 0) {
        return 1;
    }
    spool = mod_mcp_spool_new(test_pool, in_test_dir("spool"), 64 * (apr_uint64_t)MCPA_SEGMENT_BYTES);
    keys = mod_mcp_keys_new(test_pool, test_dir, issuers, NULL, 3000);
    child = mod_mcp_link_new(test_pool, &server, socket_path(), 0xabcdef, spool, keys, our_gauges, &active);
    peer = -1;
    listener = listen_at(socket_path());
    inbox_len = inbox_taken = 0;
    return 0;
}

static int teardown(void **state)
{
    if (peer >= 0) {
        close(peer);
    }
    if (listener >= 0) {
        close(listener);
    }
    return support_teardown(state);
}

#define LINK_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static void commit(int64_t number, size_t padding)
{
    static const char path[MCPA_AUDIT_TEXT_MAX_BYTES] = { 'p' };
    mcpa_record_t record;

    mcpa_record_init(&record);
    record.status = number;
    record.path = (mcpa_str_t){ path, padding };
    assert_int_equal(mod_mcp_spool_commit(spool, &record), MCPA_OK);
}

/* ---- playing the daemon ---- */

static int try_accept(void)
{
    if (peer >= 0) {
        close(peer);
    }
    inbox_len = inbox_taken = 0;
    peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return peer >= 0;
}

static void accept_child(void)
{
    for (int i = 0; i < 1000; i++) {
        mod_mcp_link_run(child, 5);
        if (try_accept()) {
            return;
        }
    }
    fail_msg("the child does not connect");
}

static void say_bytes(const void *bytes, size_t len)
{
    assert_int_equal(send(peer, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void say(const mcpa_frame_t *frame)
{
    char memory[MCPA_FRAME_MAX_BYTES];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    assert_int_equal(mcpa_frame_write(&out, frame), MCPA_OK);
    say_bytes(memory, out.len);
}

static void say_resume(uint64_t acked)
{
    mcpa_frame_t frame = { .type = MCPA_FRAME_RESUME, .acked = acked };

    memcpy(frame.instance, mod_mcp_spool_instance(spool), MCPA_INSTANCE_BYTES);
    say(&frame);
}

static void say_ack(uint64_t acked)
{
    say(&(mcpa_frame_t){ .type = MCPA_FRAME_ACK, .acked = acked });
}

/* Takes in what is there; false at the end of the stream. */
static bool hear(void)
{
    ssize_t got;

    memmove(inbox, inbox + inbox_taken, inbox_len - inbox_taken);
    inbox_len -= inbox_taken;
    inbox_taken = 0;
    while (inbox_len < sizeof(inbox) && (got = recv(peer, inbox + inbox_len, sizeof(inbox) - inbox_len, 0)) != 0) {
        if (got < 0) {
            return errno == EAGAIN;
        }
        inbox_len += (size_t)got;
    }
    return inbox_len == sizeof(inbox);
}

static bool next_frame(mcpa_frame_t *frame)
{
    size_t consumed = 0;
    mcpa_status_t status = mcpa_frame_read(frame, &consumed, inbox + inbox_taken, inbox_len - inbox_taken);

    assert_true(status == MCPA_OK || status == MCPA_ENOTFOUND);
    inbox_taken += consumed;
    return status == MCPA_OK;
}

/* Lets the child work until it has said this; other frames (gauges) are passed over. */
static void expect(mcpa_frame_t *frame, mcpa_frame_type_t type)
{
    for (int i = 0; i < 1000; i++) {
        while (next_frame(frame)) {
            if (frame->type == type) {
                return;
            }
            assert_int_equal(frame->type, MCPA_FRAME_GAUGES);
        }
        mod_mcp_link_run(child, 5);
        (void)hear();
    }
    fail_msg("the child does not say it");
}

static void expect_hangup(void)
{
    for (int i = 0; i < 200; i++) {
        mod_mcp_link_run(child, 5);
        if (!hear()) {
            return;
        }
    }
    fail_msg("the child does not hang up");
}

/* Takes records at least up to 'last', which must begin at 'first' and have no holes. */
static void expect_records(uint64_t first, uint64_t last)
{
    while (first <= last) {
        mcpa_frame_t frame;
        mcpa_envelope_t envelope;
        uint32_t count = 0;

        expect(&frame, MCPA_FRAME_RECORDS);
        for (size_t at = 0; at < frame.records_len; at += envelope.total_len) {
            assert_int_equal(
                mcpa_envelope_open(&envelope, frame.records + at, frame.records_len - at, mod_mcp_spool_instance(spool)),
                MCPA_OK);
            assert_int_equal(envelope.seq, first++);
            count++;
        }
        assert_int_equal(count, frame.count);
    }
}

static void let_work(int ms)
{
    apr_int64_t until = mod_mcp_mono_us() + ms * 1000;

    while (mod_mcp_mono_us() < until) {
        mod_mcp_link_run(child, 5);
    }
}

/* A child that was never refused, so that its back-off is short. */
static void renew_child(void)
{
    mod_mcp_link_stop(child);
    /* It may have connected again after a hang-up: that connection is dead, and not the new child's. */
    while (try_accept()) {
    }
    child = mod_mcp_link_new(test_pool, &server, socket_path(), 0xabcdef, spool, keys, our_gauges, &active);
}

static void connect_and_resume(uint64_t acked)
{
    mcpa_frame_t frame;

    accept_child();
    expect(&frame, MCPA_FRAME_HELLO);
    say_resume(acked);
}

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
    for (unsigned i = 67; i <= 200; i++) {
        commit(i, 10);
        expect_records(i, i);
        say_ack(i);
    }
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

/* ---- a daemon that breaks the rules ---- */

static void link_hangs_up_on_whatever_the_protocol_does_not_allow(void **state)
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

    (void)state;
    memcpy(second_resume.instance, id, MCPA_INSTANCE_BYTES);
    memcpy(future_resume.instance, id, MCPA_INSTANCE_BYTES);
    for (int i = 1; i <= 10; i++) {
        commit(i, 10);
    }
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

/* ---- keys ---- */

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
            usleep(500);
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
            usleep(500);
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
        LINK_TEST(link_says_hello_first_and_nothing_else_before_resume),
        LINK_TEST(link_streams_records_and_gives_them_up_when_acknowledged),
        LINK_TEST(link_resumes_in_the_middle),
        LINK_TEST(link_sends_again_what_was_not_acknowledged_when_the_connection_broke),
        LINK_TEST(link_dies_in_the_middle_of_a_frame_and_comes_back),
        LINK_TEST(link_keeps_at_most_a_mebibyte_unacknowledged),
        LINK_TEST(link_keeps_at_most_64_batches_unacknowledged_however_small),
        LINK_TEST(link_reports_gauges_about_once_a_second),
        LINK_TEST(link_slice_ends_in_time_and_idles_cheaply),
        LINK_TEST(link_hangs_up_on_whatever_the_protocol_does_not_allow),
        LINK_TEST(link_survives_a_daemon_that_closes_while_it_writes),
        LINK_TEST(link_waits_longer_and_longer_and_logs_one_line),
        LINK_TEST(link_says_when_it_is_back),
        LINK_TEST(link_with_a_path_no_socket_can_have_keeps_the_spool_going),
        LINK_TEST(link_carries_a_question_and_wakes_the_request_when_the_key_has_come),
        LINK_TEST(link_lost_lets_the_waiting_request_go),
        LINK_TEST(link_reads_the_keys_it_missed_when_it_is_back),
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
