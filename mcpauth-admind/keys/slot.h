/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of keys/: one issuer's slot, shared by keys.c (policy, questions, views) and refresh.c (fetching). Loop thread only. */
#ifndef ADMIND_SLOT_H
#define ADMIND_SLOT_H

#include "base/limits.h"
#include "keys/budget.h"
#include "keys/keys.h"

#define ADMIND_URL_MAX_BYTES 2048
#define ADMIND_ETAG_MAX_BYTES 256
#define ADMIND_WAITERS_MAX 512 /* questions waiting for one fetch; children ask once a key id, so this is hundreds of children */

typedef struct admind_waiter {
    uint64_t ticket;
    int64_t asked_us; /* monotonic */
    size_t kid_len;
    char *kid;
} admind_waiter_t;

typedef struct admind_slot {
    admind_keys_t *keys;
    char *issuer;
    char *configured_url;     /* of the key set, for MCPA_KEYS_URL */
    mcpa_key_source_t source;
    bool listed;              /* in the snapshot being taken over */
    int64_t known_since_us;   /* wall */

    /* what we have */
    mcpa_jwks_t *set;
    int64_t fetched_us;       /* wall clock of the last success; 0 never */
    char etag[ADMIND_ETAG_MAX_BYTES];
    char found_url[ADMIND_URL_MAX_BYTES]; /* by discovery; "" when it has to be asked */
    int64_t found_us;         /* monotonic */

    /* what runs and when it runs next */
    admind_timer_t *timer;
    admind_fetch_t *fetch;    /* NULL: nothing runs */
    int64_t started_us;       /* monotonic, of the running refresh */
    size_t discovery_try;
    const char *discovery_error; /* what a document that came was refused for; NULL: none came */
    int64_t next_us;          /* monotonic; the scheduled refresh */
    bool wanted;              /* an unknown key id was turned away for lack of budget: fetch as soon as it allows */
    int64_t forced_us;        /* monotonic; the last forced fetch, 0 never */
    unsigned failures_in_row;
    char last_error[256];
    bool stale_told;

    admind_waiter_t *waiters; /* n_waiters of them; room for ADMIND_WAITERS_MAX when not NULL */
    size_t n_waiters;
    admind_absent_t absent;
    uint64_t refreshes, failures, unknown_kids;
} admind_slot_t;

struct admind_keys {
    admind_loop_t *loop;
    admind_fetcher_t *fetcher;
    mcpa_metrics_t *metrics;
    admind_keys_events_t events;
    char *key_dir; /* <StateDir>/keys */
    int64_t key_refresh_us, key_max_stale_us;
    bool insecure_loopback;
    unsigned char hash_key[16];
    uint64_t generation;
    admind_budget_t budget;
    admind_slot_t *slots[MCPA_ISSUERS_MAX];
    size_t count;
};

/* The daemon fetches for this issuer (discovery or URL); files and secrets are httpd's own. */
static inline bool admind_slot_fetches(const admind_slot_t *slot)
{
    return slot->source == MCPA_KEYS_DISCOVER || slot->source == MCPA_KEYS_URL;
}

/* ask.c */
admind_slot_t *admind_slot_find(const admind_keys_t *keys, mcpa_str_t issuer); /* NULL: not in the policy */
uint64_t admind_slot_kid_hash(const admind_slot_t *slot, mcpa_str_t kid);
bool admind_slot_has_kid(const admind_slot_t *slot, mcpa_str_t kid); /* in the set, whether still usable or not */
bool admind_slot_may_force(const admind_slot_t *slot);
void admind_slot_force(admind_slot_t *slot); /* a refresh on the budget's account; nothing may be running */
/* Answers those that wait, after a refresh ended; may start another one for them. */
void admind_slot_answer(admind_slot_t *slot, bool fetched);

/* keys.c */
bool admind_slot_is_usable(const admind_slot_t *slot);
void admind_slot_gauges(const admind_slot_t *slot);
/* Arms the timer for what comes next. */
void admind_slot_arm(admind_slot_t *slot);

/* refresh.c */
void admind_slot_refresh(admind_slot_t *slot); /* nothing may be running */

#endif
