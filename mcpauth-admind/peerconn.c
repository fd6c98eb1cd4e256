/* SPDX-License-Identifier: Apache-2.0 */
#include "peerconn.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define READS_A_ROUND 4

/* ---- out */

static void flush(admind_conn_t *conn)
{
    ssize_t n = send(conn->fd, conn->out, conn->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        admind_conn_doom(conn, NULL);
        return;
    }
    if (n > 0) {
        memmove(conn->out, conn->out + n, conn->out_len - (size_t)n);
        conn->out_len -= (size_t)n;
    }
}

void admind_conn_send(admind_conn_t *conn, const mcpa_frame_t *frame)
{
    mcpa_out_t out;
    size_t before = conn->out_len;

    if (conn->doomed) {
        return;
    }
    mcpa_out_init(&out, (char *)conn->out + conn->out_len, sizeof(conn->out) - conn->out_len);
    if (mcpa_frame_write(&out, frame) != MCPA_OK) {
        admind_conn_doom(conn, "does not read what it is sent");
        return;
    }
    conn->out_len += out.len;
    if (before > 0) {
        return; /* EPOLLOUT is awaited already */
    }
    flush(conn);
    if (!conn->doomed && conn->out_len > 0 && !admind_watch_set(conn->watch, EPOLLIN | EPOLLOUT)) {
        admind_conn_doom(conn, "cannot be watched");
    }
}

/* ---- in */

/* A child that lost its connection comes back before we saw the old one end; anything else is somebody posing as a living child.
 */
static bool settle_rival(const admind_conn_t *conn, const unsigned char *instance)
{
    admind_conn_t *rival = admind_conn_rival(conn, instance);
    struct pollfd probe;

    if (rival == NULL) {
        return true;
    }
    probe = (struct pollfd){ .fd = rival->fd, .events = POLLRDHUP };
    if (poll(&probe, 1, 0) == 1 && (probe.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
        admind_conn_doom(rival, NULL);
        return true;
    }
    return false;
}

static void on_hello(admind_conn_t *conn, const mcpa_frame_t *hello)
{
    static const unsigned char nobody[MCPA_INSTANCE_BYTES];
    admind_peers_t *peers = conn->peers;
    mcpa_frame_t resume = { .type = MCPA_FRAME_RESUME };

    if (conn->linked || memcmp(hello->instance, nobody, sizeof(nobody)) == 0) {
        admind_conn_doom(conn, "says HELLO twice or without a name");
        return;
    }
    if (!settle_rival(conn, hello->instance)) {
        admind_conn_doom(conn, "claims the instance of another connection");
        return;
    }
    switch (admind_ingest_begin(peers->ingest, hello->instance, hello->next_seq, admind_loop_wall_us(peers->loop))) {
    case ADMIND_TAKE_HOLE:
        admind_conn_doom(conn, "says HELLO with an impossible number");
        return;
    case ADMIND_TAKE_DISK:
        conn->behind = true;
        break;
    case ADMIND_TAKEN:
        break;
    }
    memcpy(conn->instance, hello->instance, sizeof(conn->instance));
    memcpy(resume.instance, hello->instance, sizeof(resume.instance));
    resume.acked = conn->acked = admind_ingest_durable(peers->ingest, conn->instance);
    conn->policy = hello->policy;
    admind_conn_linked(conn);
    admind_conn_send(conn, &resume);
    peers->events.policy(peers->events.ctx, hello->policy);
}

static void on_records(admind_conn_t *conn, const mcpa_frame_t *frame)
{
    const unsigned char *at = frame->records;
    size_t left = frame->records_len;
    mcpa_envelope_t envelope;

    for (uint32_t i = 0; i < frame->count && !conn->behind; i++) {
        if (mcpa_envelope_open(&envelope, at, left, conn->instance) != MCPA_OK) {
            admind_conn_doom(conn, "sends a broken record");
            return;
        }
        switch (admind_ingest_take(conn->peers->ingest, conn->instance, envelope.seq, envelope.payload, envelope.payload_len,
                                   admind_loop_wall_us(conn->peers->loop))) {
        case ADMIND_TAKE_HOLE:
            admind_conn_doom(conn, "sends records with a hole between them");
            return;
        case ADMIND_TAKE_DISK:
            conn->behind = true;
            break;
        case ADMIND_TAKEN:
            break;
        }
        at += envelope.total_len;
        left -= envelope.total_len;
    }
    if (left > 0 && !conn->behind) {
        admind_conn_doom(conn, "sends bytes behind its records");
    }
}

static void on_gauges(admind_conn_t *conn, const mcpa_frame_t *frame)
{
    for (uint32_t i = 0; i < frame->count; i++) {
        if (frame->gauges[i].id < ADMIND_GAUGE_SLOTS) { /* others: a newer child */
            conn->gauges[frame->gauges[i].id] = frame->gauges[i].value;
        }
    }
}

static void on_kid(admind_conn_t *conn, const mcpa_frame_t *frame)
{
    admind_peers_events_t *events = &conn->peers->events;
    mcpa_frame_t no = { .type = MCPA_FRAME_KID_DONE, .ask = frame->ask };
    uint64_t ticket;

    if (admind_conn_ask(conn, frame->ask, &ticket)) {
        events->ask(events->ctx, frame->issuer, frame->kid, ticket);
    } else {
        admind_conn_send(conn, &no);
    }
}

static void dispatch(admind_conn_t *conn, const mcpa_frame_t *frame)
{
    if (frame->type != MCPA_FRAME_HELLO && !conn->linked) {
        admind_conn_doom(conn, "does not say HELLO first");
        return;
    }
    switch (frame->type) {
    case MCPA_FRAME_HELLO:
        on_hello(conn, frame);
        return;
    case MCPA_FRAME_RECORDS:
        on_records(conn, frame);
        return;
    case MCPA_FRAME_GAUGES:
        on_gauges(conn, frame);
        return;
    case MCPA_FRAME_KID:
        on_kid(conn, frame);
        return;
    case MCPA_FRAME_BYE:
        admind_conn_doom(conn, NULL);
        return;
    default:
        admind_conn_doom(conn, "sends a frame that only the daemon may send");
    }
}

static void take_frames(admind_conn_t *conn)
{
    size_t at = 0;

    while (!conn->doomed) {
        mcpa_frame_t frame;
        size_t used;
        mcpa_status_t status = mcpa_frame_read(&frame, &used, conn->in + at, conn->in_len - at);

        if (status == MCPA_ENOTFOUND) {
            break;
        }
        if (status != MCPA_OK) {
            admind_conn_doom(conn, status == MCPA_EUNSUPPORTED ? "speaks a version of the protocol that is not ours"
                                                               : "sends no frames");
            break;
        }
        dispatch(conn, &frame);
        at += used;
    }
    memmove(conn->in, conn->in + at, conn->in_len - at);
    conn->in_len -= at;
}

/* A few reads a round: what a busy child says goes into one commit, and one that has much to say does not keep the others waiting. The
 * buffer holds the longest frame, so there is room. */
static void take_what_came(admind_conn_t *conn)
{
    for (int i = 0; i < READS_A_ROUND && !conn->doomed; i++) {
        size_t room = sizeof(conn->in) - conn->in_len;
        ssize_t n = recv(conn->fd, conn->in + conn->in_len, room, MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            admind_conn_doom(conn, NULL);
            return;
        }
        if (n < 0) {
            return;
        }
        conn->in_len += (size_t)n;
        take_frames(conn);
        if ((size_t)n < room) {
            return;
        }
    }
}

void admind_conn_event(void *ctx, int fd, uint32_t events)
{
    admind_conn_t *conn = ctx;

    (void)fd;
    if (conn->doomed) {
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        flush(conn);
        if (!conn->doomed && conn->out_len == 0 && !admind_watch_set(conn->watch, EPOLLIN)) {
            admind_conn_doom(conn, "cannot be watched");
        }
    }
    if (conn->doomed || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) {
        return;
    }
    take_what_came(conn);
}
