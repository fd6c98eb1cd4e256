/* SPDX-License-Identifier: Apache-2.0 */
/* The child's connection to the daemon: records out, acknowledgements and key news in. Lives in a thread of its own (child.c); request threads
 * never touch the socket. Connects after privileges were dropped, reconnects with jittered back-off from 50 ms to 2 s, never blocks longer than
 * its slice. It also does the spool's housekeeping, so it must run where there is no daemon, too.
 *
 * One line is logged when the daemon is lost, one when it is back for good, and at most one a minute while records are lost. */
#ifndef MOD_MCP_LINK_H
#define MOD_MCP_LINK_H

#include "httpd.h"
#include "keys.h"
#include "spool.h"
#include "wire/frame.h"

/* Fills gauges about this child, at most max, and returns how many; called from the link's thread about once a second. The link itself reports
 * MCPA_GAUGE_SPOOL_BYTES, _LOST and _KEYS_LOADED. */
typedef unsigned (*mod_mcp_gauges_fn)(void *ctx, struct mcpa_gauge_value *gauges, unsigned max);

typedef struct mod_mcp_link mod_mcp_link_t;

/* gauges may be NULL. The socket's path is copied. */
mod_mcp_link_t *mod_mcp_link_new(apr_pool_t *pool, server_rec *s, const char *socket_path, apr_uint64_t policy_generation, mod_mcp_spool_t *spool,
                                 mod_mcp_keys_t *keys, mod_mcp_gauges_fn gauges, void *gauges_ctx);
/* One slice of work, at most 'slice_ms' long: connect, hello, questions, records until the spool is empty, acks, key news; then poll for the rest of
 * the slice. */
void mod_mcp_link_run(mod_mcp_link_t *link, int slice_ms);
/* Any thread: ends the waiting of a run, so that the link's thread sees at once that the child stops. */
void mod_mcp_link_hurry(mod_mcp_link_t *link);
/* Last flush, at most 500 ms, then BYE and close. Same thread as run, or after its last run. Nothing happens in a run after it. */
void mod_mcp_link_stop(mod_mcp_link_t *link);

#endif
