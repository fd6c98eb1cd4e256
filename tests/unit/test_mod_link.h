/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the link share: a child's link against a daemon that the test plays. Included once, by the test program's one source file. */
#ifndef TEST_MOD_LINK_H
#define TEST_MOD_LINK_H

#include "mod_support.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "clock.h"
#include "link.h"
#include "policy/issuer.h"

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

static inline const char *socket_path(void)
{
    return in_test_dir("socket");
}

static inline int listen_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    (void)unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static inline unsigned our_gauges(void *ctx, struct mcpa_gauge_value *gauges, unsigned max)
{
    assert_true(max >= 1);
    gauges[0] = (mcpa_gauge_value_t){ .id = MCPA_GAUGE_ACTIVE_REQUESTS, .value = *(uint64_t *)ctx };
    return 1;
}

static uint64_t active = 7;

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline void commit(int64_t number, size_t padding)
{
    static const char path[MCPA_AUDIT_TEXT_MAX_BYTES] = { 'p' };
    mcpa_record_t record;

    mcpa_record_init(&record);
    record.status = number;
    record.path = (mcpa_str_t){ path, padding };
    assert_int_equal(mod_mcp_spool_commit(spool, &record), MCPA_OK);
}

/* ---- playing the daemon ---- */

static inline int try_accept(void)
{
    if (peer >= 0) {
        close(peer);
    }
    inbox_len = inbox_taken = 0;
    peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return peer >= 0;
}

static inline void accept_child(void)
{
    for (int i = 0; i < 1000; i++) {
        mod_mcp_link_run(child, 5);
        if (try_accept()) {
            return;
        }
    }
    fail_msg("the child does not connect");
}

static inline void say_bytes(const void *bytes, size_t len)
{
    assert_int_equal(send(peer, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void say(const mcpa_frame_t *frame)
{
    char memory[MCPA_FRAME_MAX_BYTES];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    assert_int_equal(mcpa_frame_write(&out, frame), MCPA_OK);
    say_bytes(memory, out.len);
}

static inline void say_resume(uint64_t acked)
{
    mcpa_frame_t frame = { .type = MCPA_FRAME_RESUME, .acked = acked };

    memcpy(frame.instance, mod_mcp_spool_instance(spool), MCPA_INSTANCE_BYTES);
    say(&frame);
}

static inline void say_ack(uint64_t acked)
{
    say(&(mcpa_frame_t){ .type = MCPA_FRAME_ACK, .acked = acked });
}

/* Takes in what is there; false at the end of the stream. */
static inline bool hear(void)
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

static inline bool next_frame(mcpa_frame_t *frame)
{
    size_t consumed = 0;
    mcpa_status_t status = mcpa_frame_read(frame, &consumed, inbox + inbox_taken, inbox_len - inbox_taken);

    assert_true(status == MCPA_OK || status == MCPA_ENOTFOUND);
    inbox_taken += consumed;
    return status == MCPA_OK;
}

/* Lets the child work until it has said this; other frames (gauges) are passed over. */
static inline void expect(mcpa_frame_t *frame, mcpa_frame_type_t type)
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

static inline void expect_hangup(void)
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
static inline void expect_records(uint64_t first, uint64_t last)
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

static inline void let_work(int ms)
{
    apr_int64_t until = mod_mcp_mono_us() + ms * 1000;

    while (mod_mcp_mono_us() < until) {
        mod_mcp_link_run(child, 5);
    }
}

/* A child that was never refused, so that its back-off is short. */
static inline void renew_child(void)
{
    mod_mcp_link_stop(child);
    /* It may have connected again after a hang-up: that connection is dead, and not the new child's. */
    while (try_accept()) {
    }
    child = mod_mcp_link_new(test_pool, &server, socket_path(), 0xabcdef, spool, keys, our_gauges, &active);
}

static inline void connect_and_resume(uint64_t acked)
{
    mcpa_frame_t frame;

    accept_child();
    expect(&frame, MCPA_FRAME_HELLO);
    say_resume(acked);
}

#endif
