/* SPDX-License-Identifier: Apache-2.0 */
/* What every answer from a guarded section carries, whoever made it: CORS for an origin that is let in, the security headers, and
 * word to caches. On success by an output filter that looks at the first brigade, whatever is in it, and goes; nothing is held
 * back, so streams flow. */
#ifndef MOD_MCP_ANSWER_H
#define MOD_MCP_ANSWER_H

#include "context.h"

void mod_mcp_answer_register(apr_pool_t *pool);
/* insert_filter: the answer may be a success. */
void mod_mcp_answer_insert_filter(request_rec *r);
/* insert_error_filter: an error is about to be written, by httpd or by respond.c. A 403 that a Require mcp-* caused becomes ours
 * here. */
void mod_mcp_answer_insert_error_filter(request_rec *r);

#endif
