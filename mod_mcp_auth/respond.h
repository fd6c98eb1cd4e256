/* SPDX-License-Identifier: Apache-2.0 */
/* Our own answers: refusals and preflights. */
#ifndef MOD_MCP_RESPOND_H
#define MOD_MCP_RESPOND_H

#include "context.h"
#include "util_filter.h"

/* Answers r as this verdict demands and returns what the hook is to return: DONE after writing it; the status alone for a
 * subrequest, or when an ErrorDocument of this Location is to be shown instead of our body. */
int mod_mcp_respond(request_rec *r, const mod_mcp_verdict_t *verdict);
/* For an output filter that withholds an answer of which nothing was sent yet: ours goes out in the place of bb, with none of its headers. */
apr_status_t mod_mcp_respond_instead(ap_filter_t *f, apr_bucket_brigade *bb, const mod_mcp_verdict_t *verdict);
/* The parts: headers of the answer (into err_headers_out) under 'policy', and the JSON text, NUL-terminated. */
void mod_mcp_respond_headers(request_rec *r, const mod_mcp_verdict_t *verdict, const mcpa_policy_t *policy);
const char *mod_mcp_respond_body(request_rec *r, const mod_mcp_verdict_t *verdict);
/* Writes a complete answer; body NULL: none. For the well-known documents too. Returns DONE. */
int mod_mcp_respond_send(request_rec *r, int status, const char *body);
/* The same for other text than JSON. */
int mod_mcp_respond_text(request_rec *r, int status, const char *type, const char *body);

#endif
