/* SPDX-License-Identifier: Apache-2.0 */
/* One record for one client request that met a guarded section, committed to the spool when httpd logs the request: whatever
 * happened before, allowed, denied, broken off. Bytes are those of the bodies.
 *
 * With MCPAuthAudit Required there is another one, of the event "decision" and with the same request_id, in the spool before the first handler of
 * such a section runs, and the spool keeps room for the one that follows. One a client request, however many handlers it needs. */
#ifndef MOD_MCP_AUDIT_H
#define MOD_MCP_AUDIT_H

#include "context.h"

void mod_mcp_audit_register(apr_pool_t *pool);
/* Counts the body of a request that does not tell its length. */
void mod_mcp_audit_insert_filter(request_rec *r);
/* Before a handler that r's verdict lets in, in a section where audit is Required. False: there is no record of it, and the handler must not run. */
bool mod_mcp_audit_promise(request_rec *r, const mod_mcp_verdict_t *verdict) MCPA_MUST_CHECK;
/* log_transaction, before the access log, which may name MCP_DECISION and MCP_REASON. */
int mod_mcp_audit_log(request_rec *r);

#endif
