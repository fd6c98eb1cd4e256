/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of every issuer in the policy snapshot: when to fetch, what to keep, whom to tell. One fetch at a time an issuer; refresh at four fifths of the
 * lifetime with jitter; back-off on failure; last known good on disk; forced fetches for unknown key ids at most one in 30 s an issuer. */
#ifndef ADMIND_KEYS_H
#define ADMIND_KEYS_H

#include "config.h"
#include "jose/jwks.h"
#include "keys/fetch.h"
#include "loop.h"
#include "policy/snapshot.h"
#include "wire/metric.h"

typedef struct admind_keys admind_keys_t;

/* One issuer as others may see it; strings borrow until the next loop round. */
typedef struct admind_issuer_view {
    const char *issuer;
    mcpa_key_source_t source;
    const mcpa_jwks_t *set;      /* NULL: none yet or too stale (or FILE/SECRET, which the daemon does not hold) */
    int64_t known_since_us;      /* wall clock: when this daemon first saw the issuer in a snapshot */
    int64_t fetched_us;          /* last success, wall clock; 0 never */
    int64_t expires_us;          /* when the set becomes too stale to use; 0 when there is none */
    int64_t next_refresh_us;     /* wall clock; 0: running now, or never (FILE/SECRET) */
    const char *last_error;      /* "" when the last fetch was fine */
    uint64_t refreshes, failures, unknown_kids;
} admind_issuer_view_t;

/* changed: an issuer's published file changed: tell the children. answered: the answer to admind_keys_ask. */
typedef struct admind_keys_events {
    void (*changed)(void *ctx, const char *issuer, uint64_t generation);
    void (*answered)(void *ctx, uint64_t ticket, bool found, uint64_t generation);
    void *ctx;
} admind_keys_events_t;

admind_keys_t *admind_keys_new(admind_loop_t *loop, const admind_config_t *config, admind_fetcher_t *fetcher, mcpa_metrics_t *metrics,
                               const admind_keys_events_t *events);
void admind_keys_free(admind_keys_t **keys); /* questions that still wait get no answer */
/* Takes the issuers of a (new) snapshot: starts fetching new ones, forgets those that left, keeps the rest. Borrowed for the call. */
void admind_keys_policy(admind_keys_t *keys, const mcpa_snapshot_t *snapshot);
/* A child asks for a kid. Answered through events, at once (inside the call) when nothing may be fetched (known kid, budget spent, negative cache) or after
 * the fetch. ticket: the caller's own number. */
void admind_keys_ask(admind_keys_t *keys, mcpa_str_t issuer, mcpa_str_t kid, uint64_t ticket);
size_t admind_keys_count(const admind_keys_t *keys);
bool admind_keys_view(const admind_keys_t *keys, size_t index, admind_issuer_view_t *view);
/* Every issuer the daemon fetches for has usable keys. */
bool admind_keys_ready(const admind_keys_t *keys);
uint64_t admind_keys_generation(const admind_keys_t *keys);

#endif
