/* SPDX-License-Identifier: Apache-2.0 */
/* How many event streams one subject may have open (MCPAuthMaxStreams): each open one has a place in shared memory, from before it is passed on until
 * its request is over, however that ends. Whoever has as many as are allowed is answered 429, and the upstream's connection is closed.
 *
 * A GET that asks for an event stream takes its place before the upstream is asked, and gives it back when the answer is another one. That a POST is
 * answered with a stream shows in the answer's head: a filter sees it before any of it is sent. Thread: the request's. */
#ifndef MOD_MCP_STREAMCAP_H
#define MOD_MCP_STREAMCAP_H

#include "context.h"

void mod_mcp_streamcap_register(void);
/* child_init: what a killed child of the same number held is nobody's. */
void mod_mcp_streamcap_begin(mcpa_streams_t *streams);
/* Before a handler that r's verdict lets in. False: this stream would be one too many, the verdict says so now, and the handler must not run. */
bool mod_mcp_streamcap_admit(request_rec *r, mod_mcp_verdict_t *verdict) MCPA_MUST_CHECK;
/* Hook insert_filter. */
void mod_mcp_streamcap_insert_filter(request_rec *r);
/* Whether the answer of r is an event stream, as far as its head is known. */
bool mod_mcp_is_stream(const request_rec *r);

#endif
