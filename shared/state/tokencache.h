/* SPDX-License-Identifier: Apache-2.0 */
/* Verified tokens in one block of shared memory, keyed by SHA-256 of the token; a hit spares the signature. Bounded, 4-way sets, seqlock
 * entries: a reader never waits, a torn or evicted entry is a miss, never a wrong answer. An entry counts only for the same configuration and key
 * generation and the same Location's policy (audiences, issuers); exp is checked by the caller on every hit. */
#ifndef MCPA_STATE_TOKENCACHE_H
#define MCPA_STATE_TOKENCACHE_H
#include "base/bytes.h"

#define MCPA_TOKENCACHE_TEXT_BYTES 768 /* strings of one principal; longer ones are simply not cached */

typedef struct mcpa_tokencache mcpa_tokencache_t;

/* What is cached: fixed size, no pointers. text holds the strings one after the other, their lengths in len[]. */
typedef struct mcpa_token_facts {
    int64_t expires_s;   /* exp plus the issuer's skew */
    int64_t not_before_s;
    uint32_t issuer_index; /* in the policy's issuers */
    uint16_t len[6];     /* issuer, subject, client_id, token_id, audience, scopes (joined by SP) */
    uint8_t has;         /* bit i: string i is present */
    char text[MCPA_TOKENCACHE_TEXT_BYTES];
} mcpa_token_facts_t;

/* Identifies what the facts hold for. */
typedef struct mcpa_token_cache_key {
    unsigned char token_hash[32];
    uint64_t policy;       /* of the Location's audiences and issuers, and the configuration generation */
    uint64_t keys;         /* key generation */
} mcpa_token_cache_key_t;

/* Who stores, so that an entry it dies over can be had again. */
typedef struct mcpa_tokencache_writer {
    uint32_t process;                  /* its number; 0: not told */
    bool (*is_gone)(uint32_t process); /* whether no process of ours has this number any more; when in doubt, it has. May be NULL */
} mcpa_tokencache_writer_t;

size_t mcpa_tokencache_bytes(size_t entries);
mcpa_tokencache_t *mcpa_tokencache_init(void *memory, size_t entries);  /* zeroed memory, 64-byte aligned */
mcpa_tokencache_t *mcpa_tokencache_attach(void *memory, size_t bytes);  /* NULL when it is not such a table */
bool mcpa_tokencache_get(mcpa_tokencache_t *cache, const mcpa_token_cache_key_t *key, mcpa_token_facts_t *facts);
/* Drops the fact rather than wait when another writer holds the entry, and when it has expired. Evicts the same token's entry of another key
 * generation first, then what a killed process left half written, then what expired, else what expires next. writer may be NULL. */
void mcpa_tokencache_put(mcpa_tokencache_t *cache, const mcpa_token_cache_key_t *key, const mcpa_token_facts_t *facts, int64_t now_s,
                         const mcpa_tokencache_writer_t *writer);
#endif
