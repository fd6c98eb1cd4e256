/* SPDX-License-Identifier: Apache-2.0 */
/* One record for one client request that met a guarded section, committed to the spool when httpd logs the request: whatever
 * happened before, allowed, denied, broken off. Bytes are those of the bodies. */
#ifndef MOD_MCP_AUDIT_H
#define MOD_MCP_AUDIT_H

#include "context.h"

void mod_mcp_audit_register(apr_pool_t *pool);
/* Counts the body of a request that does not tell its length. */
void mod_mcp_audit_insert_filter(request_rec *r);
/* log_transaction, before the access log, which may name MCP_DECISION and MCP_REASON. */
int mod_mcp_audit_log(request_rec *r);

#endif
