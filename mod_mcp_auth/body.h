/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a client request, read whole before any handler runs, and then given to the handler as it came. One body a client request, whatever
 * httpd makes of it: a redirect finds what was read for the first. Thread: the request's. */
#ifndef MOD_MCP_BODY_H
#define MOD_MCP_BODY_H

#include "context.h"

/* mcpa_env_t.read_message for r. PASS: *message is new, and its body borrows from the request's pool.
 * BODY_TOO_LARGE: longer than max_body; when its length was told nothing was read. BODY_UNREAD: it did not come whole. Whatever was read is
 * given to the handler all the same, and the rest after it, for a section in Shadow. */
mcpa_reason_t mod_mcp_body_read(request_rec *r, mod_mcp_context_t *context, apr_uint64_t max_body, mcpa_message_t **message);
/* What the handler is told of a body that was read whole: its length. */
void mod_mcp_body_tell(request_rec *r, const mod_mcp_context_t *context);
/* Whether a body comes, or may come. */
bool mod_mcp_body_comes(const request_rec *r);
void mod_mcp_body_register(void);

#endif
