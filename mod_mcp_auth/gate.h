/* SPDX-License-Identifier: Apache-2.0 */
/* The guard: from a request_rec to a decision, and what follows from it for the request.
 *
 * Where it stands. header_parser comes before every access and authentication phase, so neither "Require all granted" nor
 * "Satisfy Any" nor another module can let a request past it; httpd runs it for a client's request and for internal redirects.
 * Subrequests (SSI, DirectoryIndex) have no header_parser; access_checker is theirs. fixups run for all and last: whatever comes
 * there undecided is decided there, and what was denied, but let in by a rule that overruled access_checker, is denied there.
 * TRACE never gets that far and is caught in translate_name.
 *
 * DirectoryIndex and FallbackResource ask a subrequest and then put its place, but not its headers, upon the request that asked,
 * when all these phases are over. So the handler's hook, before any handler, looks once more whether the headers are those of the
 * section that holds now. */
#ifndef MOD_MCP_GATE_H
#define MOD_MCP_GATE_H

#include "context.h"

/* What was let in and is refused all the same, before the handler or at the answer: the verdict says so from now on, and the log. */
void mod_mcp_gate_refuse(request_rec *r, mod_mcp_verdict_t *verdict, mcpa_reason_t reason);

/* Hooks. */
int mod_mcp_gate_translate(request_rec *r);
int mod_mcp_gate_header_parser(request_rec *r);
int mod_mcp_gate_access_checker(request_rec *r);
int mod_mcp_gate_fixups(request_rec *r);
int mod_mcp_gate_handler(request_rec *r);

#endif
