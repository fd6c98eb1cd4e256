/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of the protocol's older era: bound to the caller when the upstream opens them, forgotten when it ends them. Whether a request may use one is
 * the decision's (policy/stage_session.c). */
#ifndef MOD_MCP_SESSION_H
#define MOD_MCP_SESSION_H

#include "context.h"

/* Before the handler of a request that was let in: takes out what an upstream could take for a session and the gate did not look at, that is the
 * header in the newer era, and its spelling with '_' always. */
void mod_mcp_session_scrub(request_rec *r, const mod_mcp_verdict_t *verdict);

/* Hook insert_filter: watches the answer's head where it may open or end a session. An opened one that cannot be bound to the caller is withheld, and
 * the answer with it. */
void mod_mcp_session_insert_filter(request_rec *r);
void mod_mcp_session_register(void);

#endif
