/* SPDX-License-Identifier: Apache-2.0 */
/* The one block of memory that all children share: rate limits, the cache of verified tokens, sessions, open streams, counters, losses of records.
 *
 *   head | counters | losses | limits of addresses | limits of identities | verified tokens | sessions | streams
 *
 * each part on its own 64-byte line.
 *
 * Anonymous, so it needs no file and no label, and ends with the parent. It belongs to the process, not to a configuration: a
 * graceful restart keeps it, and children of both generations use the same block, so there is never a second budget. Only when a
 * size in the configuration changes is a new one made; old children then end with the old one. What a child does here is atomic
 * operations on single words; there is no lock that a dying child could hold. */
#ifndef MOD_MCP_SHM_H
#define MOD_MCP_SHM_H

#include <stdatomic.h>

#include "config.h"
#include "losses.h"
#include "state/ratetable.h"
#include "state/sessions.h"
#include "state/streams.h"
#include "state/tokencache.h"

/* Since the server started; every child adds, mod_status reads, nothing orders them. */
typedef struct mod_mcp_counters {
    _Atomic uint64_t decisions[MCPA_REASON_COUNT]; /* final outcome of requests, by reason */
    _Atomic uint64_t shadow_denials;
    _Atomic uint64_t cache_hits, cache_misses;
} mod_mcp_counters_t;

typedef struct mod_mcp_shm {
    mod_mcp_counters_t *counters;
    mod_mcp_losses_t *losses;
    mcpa_ratetable_t *address_limits, *identity_limits;
    mcpa_tokencache_t *cache; /* NULL: MCPAuthTokenCache 0 */
    mcpa_sessions_t *sessions;
    mcpa_streams_t *streams;
    size_t bytes;
} mod_mcp_shm_t;

/* The block of this process, made or found again. false: it cannot be had, the start must be refused; logged. */
bool mod_mcp_shm_attach(mod_mcp_shm_t *shm, server_rec *s);

#endif
