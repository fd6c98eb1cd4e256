/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as this child knows them: per issuer an immutable reference-counted set, swapped whole. FILE and SECRET issuers come from the
 * configuration; DISCOVER and URL issuers from the files the daemon publishes. This child never fetches: it reads, and asks the daemon.
 *
 * The contract with the daemon, <StateDir>/keys/<mcpa_issuer_key_file(url)>, one JSON object, replaced atomically:
 *
 *   {"issuer":"<url, as configured>",
 *    "fetched":<Unix seconds of the last good answer of the provider>,
 *    "expires":<Unix seconds; from then on the keys are not used any more>,
 *    "jwks":{"keys":[...]}}                       as mcpa_jwks_print writes it
 *
 * A regular file, no symbolic link, not writable by others, at most MCPA_JWKS_MAX_BYTES and 16 KiB around it. The daemon extends "expires" by writing
 * the file anew at each good refresh, and then sends KEYS. What breaks this contract is logged once and changes nothing: the set in use stays in
 * use until its own "expires". */
#ifndef MOD_MCP_KEYS_H
#define MOD_MCP_KEYS_H

#include "httpd.h"
#include "jose/jwks.h"
#include "policy/policy.h"

typedef struct mod_mcp_keys mod_mcp_keys_t;

/* issuers: every issuer of the configuration, NULL-terminated, as the policies point to them; fixed[i]: the set of a FILE or SECRET issuer
 * (parsed by the parent; its own reference is taken), else NULL. Reads what the daemon has published so far. Freed with the pool. NULL when the
 * system has no random numbers or no mutexes to give. */
mod_mcp_keys_t *mod_mcp_keys_new(apr_pool_t *pool, const char *state_dir, const mcpa_issuer_t *const *issuers, mcpa_jwks_t *const *fixed,
                                 int key_wait_ms);
/* Own reference, or NULL: none yet, or expired. Any thread. */
mcpa_jwks_t *mod_mcp_keys_get(mod_mcp_keys_t *keys, const mcpa_issuer_t *issuer);
/* Changes with every swap and every expiry. A digest of what is in use, not a counter: children with the same keys have the same generation, so the
 * token cache that they share neither mixes nor loses entries. A caller reads it before the keys it goes with. */
apr_uint64_t mod_mcp_keys_generation(mod_mcp_keys_t *keys);
unsigned mod_mcp_keys_loaded(mod_mcp_keys_t *keys); /* issuers with usable keys */
/* A request thread asks for a kid that 'had' (may be NULL) lacks and waits up to MCPAuthKeyWait (0: not at all) after the question was first put, with
 * a cap on waiters (a quarter of the threads, at least 2), a budget of questions and a negative cache (asks.h), so a flood of random kids costs a
 * look-up. While the daemon is not linked nobody waits. Newer set with its own reference, or NULL. */
mcpa_jwks_t *mod_mcp_keys_await(mod_mcp_keys_t *keys, const mcpa_issuer_t *issuer, mcpa_str_t kid, const mcpa_jwks_t *had);

/* The link's side: its thread only. */
/* Next question that was not asked yet; borrows until the next call. 0 when there is none. */
int mod_mcp_keys_next_ask(mod_mcp_keys_t *keys, apr_uint64_t *ask, const char **issuer_url, mcpa_str_t *kid);
void mod_mcp_keys_answered(mod_mcp_keys_t *keys, apr_uint64_t ask, int found); /* wakes the waiters */
void mod_mcp_keys_reload(mod_mcp_keys_t *keys, const char *issuer_url);        /* NULL: all; reads the files again, swaps what changed */
void mod_mcp_keys_link_up(mod_mcp_keys_t *keys);                               /* questions will be answered */
void mod_mcp_keys_link_lost(mod_mcp_keys_t *keys);                             /* nobody will answer: wakes all waiters */
/* A descriptor that becomes readable when there is a question to ask, for poll. */
int mod_mcp_keys_wake_fd(const mod_mcp_keys_t *keys);

#endif
