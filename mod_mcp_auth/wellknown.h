/* SPDX-License-Identifier: Apache-2.0 */
/* Protected resource metadata (RFC 9728): made at start, served before anything else of httpd looks at the request, so that
 * neither ProxyPass / nor a rewrite nor an access rule stands before a document that is public by nature. */
#ifndef MOD_MCP_WELLKNOWN_H
#define MOD_MCP_WELLKNOWN_H

#include "config.h"

typedef struct mod_mcp_documents mod_mcp_documents_t;

/* The documents of a server: one for each resource of its guarded sections and of the main server's; at the root path too when it
 * is the only one, or the resource is the origin itself. A section in Shadow has its document as well: it tells nothing that is
 * not public, and clients can be tried against it before the guard is on. policies: filled for that server. NULL when there is
 * none. */
mod_mcp_documents_t *mod_mcp_documents_new(apr_pool_t *pool, const mcpa_policy_t *policies, size_t n_policies);
/* quick_handler. Paths are compared as sent: these URLs have one spelling. Below the well-known path, what is no document is a
 * 404. */
int mod_mcp_wellknown_handle(request_rec *r, int lookup);

#endif
