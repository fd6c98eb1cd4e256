/* SPDX-License-Identifier: Apache-2.0 */
/* Which session of the protocol's older era is whose, in one block of memory that processes share: 64-way sets, offsets only, no
 * locks. A live session gives way to its own subject's alone: to one more than a subject may have, or where a set has no other
 * place. It is the one that was not used for longest then. A session is live from its insert until it was idle for idle_ns. What
 * cannot be read whole is nobody's. Layout drawn in sessions.c. */
#ifndef MCPA_STATE_SESSIONS_H
#define MCPA_STATE_SESSIONS_H
#include "base/bytes.h"

#define MCPA_SESSIONS_OWNED_MAX 64 /* of one subject: far more than clients open, far fewer than the table has */

typedef struct mcpa_sessions mcpa_sessions_t; /* the block itself */

/* Who opened it; absent claims are {NULL,0}. */
typedef struct mcpa_session_owner {
    mcpa_str_t issuer, subject, client_id;
} mcpa_session_owner_t;

/* One session of one owner, as the table knows it: keyed hashes, good for that table alone. */
typedef struct mcpa_session_key {
    uint64_t session; /* resource and id: the same for everybody */
    uint64_t binding; /* session and owner */
    uint64_t subject; /* for the count: issuer and subject (or client, where there is no subject), over all clients */
} mcpa_session_key_t;

typedef enum mcpa_session_insert {
    MCPA_SESSION_BOUND,
    MCPA_SESSION_FOREIGN, /* the id is another owner's */
    MCPA_SESSION_FULL     /* this part of the table is full of other subjects' live ones */
} mcpa_session_insert_t;

/* Bytes needed for at least 'entries' sessions; there are twice as many places, so that a newcomer finds one in its set. */
size_t mcpa_sessions_bytes(size_t entries);
/* Lays out zeroed memory of mcpa_sessions_bytes(entries), 64-byte aligned; 'secret' must be random. */
mcpa_sessions_t *mcpa_sessions_init(void *memory, size_t entries, const unsigned char secret[16]);
/* The table in memory laid out before, or NULL when magic, layout version or size are not this program's. */
mcpa_sessions_t *mcpa_sessions_attach(void *memory, size_t bytes);
void mcpa_sessions_key(mcpa_session_key_t *key, const mcpa_sessions_t *table, mcpa_str_t resource, mcpa_str_t id,
                       const mcpa_session_owner_t *owner);

/* All below: any thread, any process; now_ns on a monotonic clock that they share, past its first millisecond. Times are held to
 * 0.1 ms. */

/* Binds it, or renews what was bound the same way. Looks through the whole table for what the subject has: inserts at the same
 * instant may leave him one too many, until his next. */
mcpa_session_insert_t mcpa_sessions_insert(mcpa_sessions_t *table, const mcpa_session_key_t *key, uint64_t now_ns,
                                           uint64_t idle_ns);
/* 0 when there is a place for one more of the subject somewhere, free or his own; else the seconds until the first of the others'
 * ends, if it is not used again. At the worst it looks through the whole table. */
uint32_t mcpa_sessions_full_for_s(const mcpa_sessions_t *table, const mcpa_session_key_t *key, uint64_t now_ns, uint64_t idle_ns);
/* Whether the session is live and this owner's, which is a use of it. */
bool mcpa_sessions_use(mcpa_sessions_t *table, const mcpa_session_key_t *key, uint64_t now_ns, uint64_t idle_ns);
/* Forgets it, if it is this owner's. */
void mcpa_sessions_remove(mcpa_sessions_t *table, const mcpa_session_key_t *key);
/* Live sessions, by a scan, and places; for gauges. */
void mcpa_sessions_stats(const mcpa_sessions_t *table, uint64_t now_ns, uint64_t idle_ns, size_t *live, size_t *capacity);
#endif
