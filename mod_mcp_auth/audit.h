/* SPDX-License-Identifier: Apache-2.0 */
/* One record for one client request that met a guarded section: allowed, denied, broken off. It is committed to the spool before the last byte of the
 * answer is passed on, so whoever has a whole answer has a record; when the answer broke off, or is none of HTTP's, when httpd logs the request. Bytes are
 * those of the bodies, of the answer's before ranges are cut out of it.
 *
 * Where several sections of one request are audited, the record is that of the first that refused it, else of the first that let it in; a section with
 * MCPAuthAudit Off has no say.
 *
 * With MCPAuthAudit Required there is another one, of the event "decision" and with the same request_id, in the spool before the first handler of
 * such a section runs, and the spool keeps room for the one that follows. One a client request, however many handlers it needs. */
#ifndef MOD_MCP_AUDIT_H
#define MOD_MCP_AUDIT_H

#include "context.h"

void mod_mcp_audit_register(apr_pool_t *pool);
/* Counts the body of a request that does not tell its length, and sees the answer. */
void mod_mcp_audit_insert_filter(request_rec *r);
/* Sees the answer that takes another one's place. */
void mod_mcp_audit_insert_error_filter(request_rec *r);
/* For a subrequest that was judged: the page around it has met no guarded section so far, and is at work already. */
void mod_mcp_audit_watch_page(const request_rec *r);
/* Before a handler that r's verdict lets in, in a section where audit is Required. False: there is no record of it, and the handler must not run. */
bool mod_mcp_audit_promise(request_rec *r, const mod_mcp_verdict_t *verdict) MCPA_MUST_CHECK;
/* log_transaction, before the access log, which may name MCP_DECISION and MCP_REASON. */
int mod_mcp_audit_log(request_rec *r);

#endif
