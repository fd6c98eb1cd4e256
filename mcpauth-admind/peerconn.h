/* SPDX-License-Identifier: Apache-2.0 */
/* One child's connection: inside of peers.h, between peers.c (who is connected) and peerconn.c (what is said). */
#ifndef ADMIND_PEERCONN_H
#define ADMIND_PEERCONN_H

#include "log.h"
#include "peers.h"

#define ADMIND_GAUGE_SLOTS 8 /* one more than the greatest mcpa_gauge_t that we know, and room */

typedef struct admind_conn {
    admind_peers_t *peers;
    struct admind_conn *next, *prev;
    admind_watch_t *watch;
    int fd;
    pid_t pid;
    bool linked; /* HELLO was accepted */
    bool behind; /* records were not taken: the journal failed, or there was no memory */
    bool doomed; /* to be closed when the round is over; nothing is read or written any more */
    unsigned char instance[MCPA_INSTANCE_BYTES];
    uint64_t acked, policy;
    int64_t since_us; /* monotonic: connected, then linked */
    unsigned asks;
    uint64_t gauges[ADMIND_GAUGE_SLOTS];
    size_t in_len, out_len;
    unsigned char in[MCPA_FRAME_MAX_BYTES];
    unsigned char out[ADMIND_PEERS_OUT_BYTES];
} admind_conn_t;

typedef struct admind_ask {
    admind_conn_t *conn; /* NULL: free */
    uint64_t ask;        /* the child's own number */
    uint64_t ticket;     /* ours: serial << 16 | slot, so a late answer never meets a new question */
} admind_ask_t;

struct admind_peers {
    admind_loop_t *loop;
    admind_ingest_t *ingest;
    admind_peers_options_t options;
    admind_peers_events_t events;
    char *path;
    int listener;
    admind_watch_t *watch;
    admind_timer_t *sweep;  /* late HELLOs, a paused listener */
    admind_timer_t *reaper; /* closes the doomed */
    admind_conn_t *conns;
    size_t count, links;
    int64_t zero_since_us;
    bool disk_failed;
    bool paused; /* no descriptors left: not accepting for a second */
    uint64_t refused, serial;
    admind_log_gate_t gate;
    admind_ask_t asks[ADMIND_PEERS_ASKS_MAX];
};

/* peerconn.c */
void admind_conn_event(void *conn, int fd, uint32_t events);
void admind_conn_send(admind_conn_t *conn, const mcpa_frame_t *frame);
/* peers.c. why NULL: nothing to report, the child left. */
void admind_conn_doom(admind_conn_t *conn, const char *why);
void admind_conn_linked(admind_conn_t *conn);
/* The other, living connection of this instance; NULL when there is none. */
admind_conn_t *admind_conn_rival(const admind_conn_t *conn, const unsigned char *instance);
/* false: too many; the answer must be "not found" at once. */
bool admind_conn_ask(admind_conn_t *conn, uint64_t ask, uint64_t *ticket);

#endif
