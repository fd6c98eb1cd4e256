/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that an upstream keeps open, watched while mod_proxy waits for more of them: when the client leaves, or when the token's time is over, the
 * waiting ends and mod_proxy closes its connection to the upstream. httpd itself would notice at the next byte that is to be sent.
 *
 * mod_proxy does not tell which request a connection to an upstream serves. The thread does: it waits for nobody else meanwhile. */
#ifndef MOD_MCP_WATCH_H
#define MOD_MCP_WATCH_H

#include "context.h"

void mod_mcp_watch_register(void);
/* pre_connection: puts itself between mod_proxy and the socket of an upstream. */
int mod_mcp_watch_upstream(conn_rec *c, void *csd);
/* post_read_request, before all others: this thread is at work for somebody else now. */
int mod_mcp_watch_forget(request_rec *r);
/* That r's upstream is not read any more is nobody's fault that the error log should know, and comes as often as clients like: from now on proxies say
 * nothing of r below "crit". */
void mod_mcp_watch_silence(request_rec *r);
/* Before the handler of r, in the thread that runs it. */
void mod_mcp_watch_begin(request_rec *r, const mod_mcp_verdict_t *verdict);

#endif
