/* SPDX-License-Identifier: Apache-2.0 */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peerconn.h"
#include "peersock.h"

#define SWEEP_MS        1000
#define ACCEPTS_A_ROUND 64

static void refuse(admind_peers_t *peers, pid_t pid, const char *why)
{
    uint64_t held;

    peers->refused++;
    if (admind_log_admit(&peers->gate, admind_loop_mono_us(peers->loop), &held)) {
        admind_log(ADMIND_WARNING, "MCPA2401", "socket: process %ld %s; disconnected (%llu more such lines were held back)",
                   (long)pid, why, (unsigned long long)held);
    }
}

/* ---- one connection's life */

static void forget_asks(admind_conn_t *conn)
{
    for (size_t i = 0; i < ADMIND_PEERS_ASKS_MAX && conn->asks > 0; i++) {
        if (conn->peers->asks[i].conn == conn) {
            conn->peers->asks[i].conn = NULL;
            conn->asks--;
        }
    }
}

void admind_conn_doom(admind_conn_t *conn, const char *why)
{
    admind_peers_t *peers = conn->peers;

    if (conn->doomed) {
        return;
    }
    conn->doomed = true;
    if (why != NULL) {
        refuse(peers, conn->pid, why);
    }
    forget_asks(conn);
    if (conn->linked && --peers->links == 0) {
        peers->zero_since_us = admind_loop_mono_us(peers->loop);
    }
    admind_timer_arm(peers->reaper, 0);
}

static void close_conn(admind_conn_t *conn)
{
    admind_peers_t *peers = conn->peers;

    *(conn->prev == NULL ? &peers->conns : &conn->prev->next) = conn->next;
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    peers->count--;
    admind_watch_free(&conn->watch);
    close(conn->fd);
    free(conn);
}

static void reap(void *ctx)
{
    admind_peers_t *peers = ctx;

    for (admind_conn_t *conn = peers->conns; conn != NULL;) {
        admind_conn_t *next = conn->next;

        if (conn->doomed) {
            close_conn(conn);
        }
        conn = next;
    }
}

void admind_conn_linked(admind_conn_t *conn)
{
    conn->linked = true;
    conn->since_us = admind_loop_mono_us(conn->peers->loop);
    conn->peers->links++;
    conn->peers->zero_since_us = 0;
}

admind_conn_t *admind_conn_rival(const admind_conn_t *conn, const unsigned char *instance)
{
    for (admind_conn_t *other = conn->peers->conns; other != NULL; other = other->next) {
        if (other != conn && other->linked && !other->doomed && memcmp(other->instance, instance, MCPA_INSTANCE_BYTES) == 0) {
            return other;
        }
    }
    return NULL;
}

bool admind_conn_ask(admind_conn_t *conn, uint64_t ask, uint64_t *ticket)
{
    admind_peers_t *peers = conn->peers;

    for (size_t i = 0; conn->asks < ADMIND_PEERS_ASKS_EACH && i < ADMIND_PEERS_ASKS_MAX; i++) {
        if (peers->asks[i].conn == NULL) {
            *ticket = ++peers->serial << 16 | i;
            peers->asks[i] = (admind_ask_t){ .conn = conn, .ask = ask, .ticket = *ticket };
            conn->asks++;
            return true;
        }
    }
    return false;
}

static void add_conn(admind_peers_t *peers, int fd, pid_t pid)
{
    admind_conn_t *conn = malloc(sizeof(*conn)); /* not cleared as a whole: its buffers cost memory only when they are used */

    if (conn == NULL) {
        close(fd);
        return;
    }
    memset(conn, 0, offsetof(admind_conn_t, in));
    conn->peers = peers;
    conn->fd = fd;
    conn->pid = pid;
    conn->since_us = admind_loop_mono_us(peers->loop);
    conn->watch = admind_watch_new(peers->loop, fd, EPOLLIN, admind_conn_event, conn);
    if (conn->watch == NULL) {
        close(fd);
        free(conn);
        return;
    }
    conn->next = peers->conns;
    if (conn->next != NULL) {
        conn->next->prev = conn;
    }
    peers->conns = conn;
    peers->count++;
}

/* ---- the listener */

static void on_connect(void *ctx, int listener, uint32_t events)
{
    admind_peers_t *peers = ctx;

    (void)events;
    for (int i = 0; i < ACCEPTS_A_ROUND; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        uid_t uid;
        pid_t pid = 0;

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                peers->paused = true; /* the connection stays in the backlog, and epoll would wake us for it for ever */
                admind_watch_set(peers->watch, 0);
            }
            return;
        }
        if (!admind_unix_peer(fd, &uid, &pid) || uid != peers->options.uid) {
            refuse(peers, pid, "is not of PeerUser");
            close(fd);
        } else if (peers->count >= ADMIND_PEERS_MAX) {
            refuse(peers, pid, "is one connection too many");
            close(fd);
        } else {
            add_conn(peers, fd, pid);
        }
    }
}

static void sweep(void *ctx)
{
    admind_peers_t *peers = ctx;
    int64_t latest = admind_loop_mono_us(peers->loop) - ADMIND_PEERS_HELLO_MS * 1000;

    for (admind_conn_t *conn = peers->conns; conn != NULL; conn = conn->next) {
        if (!conn->linked && conn->since_us < latest) {
            admind_conn_doom(conn, "does not say HELLO in time");
        } else if (conn->behind && !peers->disk_failed) {
            admind_conn_doom(conn, NULL); /* there was no memory for its records: it sends them again */
        }
    }
    if (peers->paused) {
        peers->paused = !admind_watch_set(peers->watch, EPOLLIN);
    }
    admind_timer_arm(peers->sweep, SWEEP_MS);
}

admind_peers_t *admind_peers_new(admind_loop_t *loop, admind_ingest_t *ingest, const admind_peers_options_t *options,
                                 const admind_peers_events_t *events, char *error, size_t cap)
{
    admind_peers_t *peers = calloc(1, sizeof(*peers));

    if (peers == NULL) {
        return NULL;
    }
    peers->loop = loop;
    peers->ingest = ingest;
    peers->options = *options;
    peers->events = *events;
    peers->zero_since_us = admind_loop_mono_us(loop);
    peers->listener = admind_unix_listen(options->socket, options->gid, error, cap);
    if (peers->listener < 0) {
        free(peers);
        return NULL;
    }
    peers->path = strdup(options->socket);
    peers->watch = admind_watch_new(loop, peers->listener, EPOLLIN, on_connect, peers);
    peers->sweep = admind_timer_new(loop, sweep, peers);
    peers->reaper = admind_timer_new(loop, reap, peers);
    if (peers->path == NULL || peers->watch == NULL || peers->sweep == NULL || peers->reaper == NULL) {
        admind_peers_free(&peers);
        return NULL;
    }
    admind_timer_arm(peers->sweep, SWEEP_MS);
    return peers;
}

void admind_peers_free(admind_peers_t **slot)
{
    admind_peers_t *peers = *slot;
    const mcpa_frame_t bye = { .type = MCPA_FRAME_BYE };

    if (peers == NULL) {
        return;
    }
    *slot = NULL;
    while (peers->conns != NULL) {
        if (peers->conns->linked) {
            admind_conn_send(peers->conns, &bye);
        }
        close_conn(peers->conns);
    }
    admind_watch_free(&peers->watch);
    admind_timer_free(&peers->sweep);
    admind_timer_free(&peers->reaper);
    if (peers->path != NULL) {
        unlink(peers->path);
        free(peers->path);
    }
    close(peers->listener);
    free(peers);
}

/* ---- what the daemon tells and asks */

void admind_peers_ack(admind_peers_t *peers)
{
    for (admind_conn_t *conn = peers->conns; conn != NULL; conn = conn->next) {
        mcpa_frame_t ack = { .type = MCPA_FRAME_ACK };

        if (!conn->linked || conn->doomed) {
            continue;
        }
        ack.acked = admind_ingest_durable(peers->ingest, conn->instance);
        if (ack.acked > conn->acked) {
            conn->acked = ack.acked;
            admind_conn_send(conn, &ack);
        }
    }
}

void admind_peers_disk_failed(admind_peers_t *peers)
{
    peers->disk_failed = true;
    for (admind_conn_t *conn = peers->conns; conn != NULL; conn = conn->next) {
        conn->behind = conn->behind || conn->linked;
    }
}

void admind_peers_disk_mended(admind_peers_t *peers)
{
    peers->disk_failed = false;
    for (admind_conn_t *conn = peers->conns; conn != NULL; conn = conn->next) {
        if (conn->behind) {
            admind_conn_doom(conn, NULL);
        }
    }
}

void admind_peers_keys_changed(admind_peers_t *peers, const char *issuer, uint64_t generation)
{
    const mcpa_frame_t keys = { .type = MCPA_FRAME_KEYS, .generation = generation, .issuer = mcpa_str(issuer) };

    for (admind_conn_t *conn = peers->conns; conn != NULL; conn = conn->next) {
        if (conn->linked) {
            admind_conn_send(conn, &keys);
        }
    }
}

void admind_peers_answer(admind_peers_t *peers, uint64_t ticket, bool found, uint64_t generation)
{
    admind_ask_t *ask = &peers->asks[(ticket & 0xffff) % ADMIND_PEERS_ASKS_MAX];
    mcpa_frame_t done = { .type = MCPA_FRAME_KID_DONE, .ask = ask->ask, .found = found, .generation = generation };
    admind_conn_t *conn = ask->conn;

    if (conn == NULL || ask->ticket != ticket) {
        return; /* the child left meanwhile */
    }
    ask->conn = NULL;
    conn->asks--;
    admind_conn_send(conn, &done);
}

bool admind_peers_is_linked(const admind_peers_t *peers, const unsigned char *instance)
{
    for (const admind_conn_t *conn = peers->conns; conn != NULL; conn = conn->next) {
        if (conn->linked && !conn->doomed && memcmp(conn->instance, instance, MCPA_INSTANCE_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void admind_peers_gauges(const admind_peers_t *peers, admind_peers_gauges_t *gauges)
{
    *gauges = (admind_peers_gauges_t){ .links = peers->links, .refused = peers->refused, .zero_since_us = peers->zero_since_us };
    for (const admind_conn_t *conn = peers->conns; conn != NULL; conn = conn->next) {
        uint64_t journalled;

        if (!conn->linked || conn->doomed) {
            continue;
        }
        journalled = admind_ingest_lost(peers->ingest, conn->instance);
        gauges->active_requests += conn->gauges[MCPA_GAUGE_ACTIVE_REQUESTS];
        gauges->spool_bytes += conn->gauges[MCPA_GAUGE_SPOOL_BYTES];
        gauges->limit_entries = greater(gauges->limit_entries, conn->gauges[MCPA_GAUGE_LIMIT_ENTRIES]);
        gauges->limit_capacity = greater(gauges->limit_capacity, conn->gauges[MCPA_GAUGE_LIMIT_CAPACITY]);
        if (conn->gauges[MCPA_GAUGE_LOST] > journalled) {
            gauges->lost_unjournalled += conn->gauges[MCPA_GAUGE_LOST] - journalled;
        }
    }
}

bool admind_peers_view(const admind_peers_t *peers, size_t index, admind_peer_view_t *view)
{
    for (const admind_conn_t *conn = peers->conns; conn != NULL; conn = conn->next) {
        if (conn->linked && !conn->doomed && index-- == 0) {
            *view = (admind_peer_view_t){ conn->instance, conn->pid, conn->acked, conn->policy, conn->since_us,
                                            conn->gauges[MCPA_GAUGE_KEYS_LOADED] };
            return true;
        }
    }
    return false;
}
