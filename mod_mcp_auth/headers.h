/* SPDX-License-Identifier: Apache-2.0 */
/* What the upstream is told: identity headers that nobody but us can set, no client's token, and the same facts as environment
 * variables for logs and for handlers inside httpd. */
#ifndef MOD_MCP_HEADERS_H
#define MOD_MCP_HEADERS_H

#include "context.h"

/* Takes out every request header that a reader might take for one of ours ('_' is '-', case does not count), the method
 * overrides, and their names in Connection, where mod_proxy would otherwise drop the true ones on the way out. */
void mod_mcp_headers_scrub(request_rec *r);
/* After a PASS: user, identity headers, environment; Authorization as the section wants it. dir_policy: the flags of where r is
 * now. */
void mod_mcp_headers_inject(request_rec *r, mod_mcp_context_t *context, const mod_mcp_verdict_t *verdict,
                            const mcpa_policy_t *dir_policy);
/* MCP_DECISION and MCP_REASON, for log formats. */
void mod_mcp_headers_set_outcome(request_rec *r, const mod_mcp_verdict_t *verdict);
/* The words joined by single spaces; in pool. */
const char *mod_mcp_scopes_text(apr_pool_t *pool, const mcpa_scopes_t *scopes);
/* "allow", "deny", "limit", "error", or "shadow_deny". */
const char *mod_mcp_outcome_word(const mod_mcp_verdict_t *verdict);

#endif
