/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the keys, for keys.c (sets) and keys_await.c (questions) alone. */
#ifndef MOD_MCP_KEYS_IMPL_H
#define MOD_MCP_KEYS_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "asks.h"
#include "keys.h"

#define MOD_MCP_KEYS_NEVER INT64_MAX

typedef struct mod_mcp_keyslot {
    const mcpa_issuer_t *issuer;
    const char *path;       /* of the published file; NULL: fixed by the configuration */
    mcpa_jwks_t *set;       /* NULL: none, or expired */
    apr_uint64_t digest;    /* of set; 0 without one */
    apr_int64_t expires_us; /* wall clock; MOD_MCP_KEYS_NEVER for fixed ones */
    int broken;             /* link's thread: the file was refused, and the log says so */
} mod_mcp_keyslot_t;

struct mod_mcp_keys {
    mod_mcp_keyslot_t *slots;
    unsigned n_slots;
    int wake_fd;
    apr_int64_t wait_us;
    unsigned waiters_max;
    char asked_kid[MCPA_KID_MAX_BYTES]; /* link's thread: what the last next_ask lent */

    /* Written under the mutex, read without it: a hit in the token cache takes no lock. */
    _Atomic apr_uint64_t generation;
    _Atomic apr_int64_t first_expiry_us;

    pthread_mutex_t mutex; /* sets, digests, expiries and everything below; never held over I/O */
    pthread_cond_t answered;
    mod_mcp_asks_t asks;
    unsigned waiters;
    int linked;
};

/* By identity: two declarations of one URL with different sources have different keys. NULL: not one of ours. */
mod_mcp_keyslot_t *mod_mcp_keys_slot(const mod_mcp_keys_t *keys, const mcpa_issuer_t *issuer);
/* Under the mutex: lets go what is past its time. */
void mod_mcp_keys_expire(mod_mcp_keys_t *keys);

static inline void mod_mcp_keys_lock(mod_mcp_keys_t *keys)
{
    (void)pthread_mutex_lock(&keys->mutex);
    mod_mcp_keys_expire(keys);
}

static inline void mod_mcp_keys_unlock(mod_mcp_keys_t *keys)
{
    (void)pthread_mutex_unlock(&keys->mutex);
}

#endif
