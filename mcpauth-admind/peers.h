/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of httpd's children: who may connect, the frame protocol (wire/frame.h), and what each child reported. Everything
 * that comes in is checked before it is used; whoever breaks the grammar, sends what it may not or does not read is disconnected,
 * and comes back when it is honest. Processes of the same uid (CGI, PHP) pass the check of the peer's uid: they can forge records
 * of instances of their own, but neither take over a connected instance nor ask for more than one child may. */
#ifndef ADMIND_PEERS_H
#define ADMIND_PEERS_H

#include <sys/types.h>

#include "audit/ingest.h"
#include "loop.h"
#include "wire/frame.h"

#define ADMIND_PEERS_MAX       1024  /* httpd's ServerLimit is seldom a third of it */
#define ADMIND_PEERS_HELLO_MS  5000  /* who connects says HELLO within this time */
#define ADMIND_PEERS_ASKS_MAX  1024  /* questions for keys that wait for an answer, of all children */
#define ADMIND_PEERS_ASKS_EACH 64    /* and of one child; what is over is answered "not found" */
#define ADMIND_PEERS_OUT_BYTES 16384 /* unread answers a child may have */

typedef struct admind_peers admind_peers_t;

typedef struct admind_peers_events {
    /* A child asks for a key: the answer comes through admind_peers_answer, with this ticket. */
    void (*ask)(void *ctx, mcpa_str_t issuer, mcpa_str_t kid, uint64_t ticket);
    /* A child runs with this generation of the configuration. */
    void (*policy)(void *ctx, uint64_t generation);
    void *ctx;
} admind_peers_events_t;

typedef struct admind_peers_options {
    const char *socket;
    uid_t uid; /* who may connect */
    gid_t gid; /* of the socket, where it can be given */
} admind_peers_options_t;

/* Sums (or, of tables that children share, the greatest) of what the linked children reported last. */
typedef struct admind_peers_gauges {
    size_t links;
    uint64_t active_requests, spool_bytes, limit_entries, limit_capacity;
    uint64_t lost_unjournalled; /* records children could not spool and that no gap in the journal tells of yet */
    uint64_t refused;           /* connections turned away since the start: wrong uid, broken grammar, too many */
    int64_t zero_since_us;      /* monotonic: since when no child is linked; 0 when one is */
} admind_peers_gauges_t;

typedef struct admind_peer_view {
    const unsigned char *instance;
    pid_t pid;
    uint64_t acked;
    uint64_t policy;
    int64_t linked_us; /* monotonic */
    uint64_t issuers_with_keys;
} admind_peer_view_t;

/* Binds and listens. NULL: error (cap bytes) says why. */
admind_peers_t *admind_peers_new(admind_loop_t *loop, admind_ingest_t *ingest, const admind_peers_options_t *options,
                                 const admind_peers_events_t *events, char *error, size_t cap);
/* Says BYE to everybody and takes the socket away. */
void admind_peers_free(admind_peers_t **peers);

void admind_peers_ack(admind_peers_t *peers);         /* after a commit: tells each child how far its records are durable */
void admind_peers_disk_failed(admind_peers_t *peers); /* what was sent is not taken; the links stay, for keys */
void admind_peers_disk_mended(admind_peers_t *peers); /* disconnects whose records were not taken: they send them again */
void admind_peers_keys_changed(admind_peers_t *peers, const char *issuer, uint64_t generation);
void admind_peers_answer(admind_peers_t *peers, uint64_t ticket, bool found, uint64_t generation);

bool admind_peers_is_linked(const admind_peers_t *peers, const unsigned char *instance);
void admind_peers_gauges(const admind_peers_t *peers, admind_peers_gauges_t *gauges);
/* false: no such row. */
bool admind_peers_view(const admind_peers_t *peers, size_t index, admind_peer_view_t *view);

#endif
