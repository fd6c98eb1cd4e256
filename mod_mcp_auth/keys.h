/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as this child knows them: per issuer an immutable reference-counted set, swapped whole. FILE and SECRET issuers come from the
 * configuration; DISCOVER and URL issuers from the files the daemon publishes in <StateDir>/keys. */
#ifndef MOD_MCP_KEYS_H
#define MOD_MCP_KEYS_H

#include "httpd.h"
#include "jose/jwks.h"
#include "policy/policy.h"

typedef struct mod_mcp_keys mod_mcp_keys_t;

/* issuers: every issuer of the configuration, NULL-terminated; fixed[i]: the set of a FILE or SECRET issuer (parsed by the parent), else NULL.
 * Reads what the daemon has published so far. max_stale_s: sets fetched longer ago than that are not used (MCPA 24 h). */
mod_mcp_keys_t *mod_mcp_keys_new(apr_pool_t *pool, const char *state_dir, const mcpa_issuer_t *const *issuers, mcpa_jwks_t *const *fixed,
                                 int key_wait_ms);
/* Own reference or NULL. Any thread. */
mcpa_jwks_t *mod_mcp_keys_get(mod_mcp_keys_t *keys, const mcpa_issuer_t *issuer);
apr_uint64_t mod_mcp_keys_generation(mod_mcp_keys_t *keys); /* changes with every swap */
unsigned mod_mcp_keys_loaded(mod_mcp_keys_t *keys);
/* A request thread asks for a kid that 'had' lacks and waits up to MCPAuthKeyWait (0: not at all), with a cap on waiters (a quarter of the threads, at
 * least 2) and a negative cache (256 kids, 30 s), so a flood of random kids costs a look-up. Newer set with its own reference, or NULL. */
mcpa_jwks_t *mod_mcp_keys_await(mod_mcp_keys_t *keys, const mcpa_issuer_t *issuer, mcpa_str_t kid, const mcpa_jwks_t *had);

/* The link's side. */
/* Next question that was not asked yet; borrows until the next call. 0 when there is none. */
int mod_mcp_keys_next_ask(mod_mcp_keys_t *keys, apr_uint64_t *ask, const char **issuer_url, mcpa_str_t *kid);
void mod_mcp_keys_answered(mod_mcp_keys_t *keys, apr_uint64_t ask, int found); /* wakes the waiters */
void mod_mcp_keys_reload(mod_mcp_keys_t *keys, const char *issuer_url);        /* NULL: all; reads the files again, swaps what changed */
void mod_mcp_keys_link_lost(mod_mcp_keys_t *keys);                             /* nobody will answer: wakes all waiters */
/* A descriptor that becomes readable when there is a question to ask, for poll. */
int mod_mcp_keys_wake_fd(const mod_mcp_keys_t *keys);

#endif
