/* SPDX-License-Identifier: Apache-2.0 */
/* What a child's connection sends to the daemon, as a sequence with a state: the input is a stream of frames in pieces, taken by the daemon's own
 * connection, loop and ingest. Whatever it says, the loop comes to rest, and no more records are durable than were sent. An honest child on another
 * connection is served before and after.
 *
 *   input = piece*     piece = len:u8 bytes[len]     (a piece is one write; "instance" for envelopes is sixteen times 'i') */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "peers.h"

#define PIECES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/mcpauth-fuzz-peer-XXXXXX";
static char socket_path[64], journal_dir[64];
static admind_loop_t *loop;
static admind_timer_t *pause_timer;
static admind_journal_t *journal;
static admind_marks_t *marks;
static admind_ingest_t *ingest;
static admind_peers_t *peers;
static uint64_t told, serial;

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void tell(void *ctx, const mcpa_record_t *record)
{
    (void)ctx;
    (void)record;
    told++;
}

/* Answered at once, as the keys' part would when it knows the answer. */
static void on_ask(void *ctx, mcpa_str_t issuer, mcpa_str_t kid, uint64_t ticket)
{
    (void)ctx;
    must(issuer.len > 0 && issuer.len <= MCPA_CLAIM_MAX_BYTES && kid.len <= MCPA_KID_MAX_BYTES);
    admind_peers_answer(peers, ticket, false, 0);
}

static void on_policy(void *ctx, uint64_t generation)
{
    (void)ctx;
    (void)generation;
}

static void on_pause(void *ctx)
{
    (void)ctx;
    admind_loop_stop(loop);
}

static void after_round(void *ctx)
{
    bool any;

    (void)ctx;
    must(admind_ingest_commit(ingest, &any));
    if (any) {
        admind_peers_ack(peers);
    }
}

static void clean_up(void)
{
    char path[128];

    admind_peers_free(&peers);
    admind_ingest_free(&ingest);
    admind_marks_free(&marks);
    admind_journal_close(&journal);
    admind_timer_free(&pause_timer);
    admind_loop_free(&loop);
    (void)snprintf(path, sizeof(path), "%s/audit-2026-11-21.jsonl", dir);
    (void)unlink(path);
    (void)rmdir(dir);
}

static void set_up(void)
{
    static const admind_position_t start = { "", 0 };
    const admind_peers_events_t events = { on_ask, on_policy, NULL };
    admind_peers_options_t options = { socket_path, geteuid(), (gid_t)-1 };
    char error[256];

    if (loop != NULL) {
        return;
    }
    must(mkdtemp(dir) != NULL);
    (void)snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
    (void)snprintf(journal_dir, sizeof(journal_dir), "%s", dir);
    loop = admind_loop_new();
    pause_timer = admind_timer_new(loop, on_pause, NULL);
    journal = admind_journal_open(journal_dir, UINT64_MAX, error, sizeof(error));
    marks = admind_marks_new(64);
    ingest = admind_ingest_new(journal, marks, tell, NULL);
    must(ingest != NULL && admind_ingest_replay(ingest, &start) == MCPA_OK);
    peers = admind_peers_new(loop, ingest, &options, &events, error, sizeof(error));
    must(peers != NULL && admind_loop_after(loop, after_round, NULL));
    (void)atexit(clean_up);
}

/* A few rounds: everything that was sent is taken. */
static void run(void)
{
    for (int i = 0; i < 3; i++) {
        admind_timer_arm(pause_timer, 0);
        admind_loop_run(loop);
    }
}

static int reach(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    must(fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) == 0);
    run();
    return fd;
}

/* HELLO and one record, both of which must be answered. */
static void be_honest(void)
{
    static const unsigned char payload[] = { 1 };
    unsigned char bytes[256], instance[MCPA_INSTANCE_BYTES] = "honest";
    mcpa_frame_t frame = { .type = MCPA_FRAME_HELLO, .next_seq = 1 };
    int fd = reach();
    mcpa_out_t out;
    size_t used = 0;
    ssize_t n;

    serial++;
    memcpy(instance + 8, &serial, sizeof(serial));
    memcpy(frame.instance, instance, sizeof(instance));
    mcpa_out_init(&out, (char *)bytes, sizeof(bytes));
    must(mcpa_frame_write(&out, &frame) == MCPA_OK);
    memcpy(bytes + out.len + MCPA_FRAME_RECORDS_HEAD_BYTES + MCPA_ENVELOPE_BYTES, payload, sizeof(payload));
    mcpa_envelope_seal(bytes + out.len + MCPA_FRAME_RECORDS_HEAD_BYTES, instance, 1, sizeof(payload));
    mcpa_frame_records_head(bytes + out.len, 1, MCPA_ENVELOPE_BYTES + sizeof(payload));
    n = (ssize_t)(out.len + MCPA_FRAME_RECORDS_HEAD_BYTES + MCPA_ENVELOPE_BYTES + sizeof(payload));
    must(send(fd, bytes, (size_t)n, MSG_NOSIGNAL) == n);
    run();
    n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    must(n > 0 && mcpa_frame_read(&frame, &used, bytes, (size_t)n) == MCPA_OK && frame.type == MCPA_FRAME_RESUME);
    must(mcpa_frame_read(&frame, &used, bytes + used, (size_t)n - used) == MCPA_OK && frame.type == MCPA_FRAME_ACK);
    must(frame.acked == 1);
    (void)close(fd);
    run();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char instance[MCPA_INSTANCE_BYTES];
    uint64_t before;
    int fd;

    set_up();
    memset(instance, 'i', sizeof(instance));
    admind_marks_forget(marks, INT64_MAX);
    fd = reach();
    before = told;
    for (int i = 0; i < PIECES_MAX && size > 1; i++) {
        size_t len = data[0] < size - 1 ? data[0] : size - 1;

        (void)!send(fd, data + 1, len, MSG_NOSIGNAL);
        run();
        data += 1 + len;
        size -= 1 + len;
    }
    must(told - before <= PIECES_MAX * 255 / (MCPA_ENVELOPE_BYTES + 1) + 1);
    be_honest();
    (void)close(fd);
    run();
    return 0;
}
