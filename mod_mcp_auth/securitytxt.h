/* SPDX-License-Identifier: Apache-2.0 */
/* /.well-known/security.txt (RFC 9116): whom to tell of a weakness. Read once, when httpd starts. */
#ifndef MOD_MCP_SECURITYTXT_H
#define MOD_MCP_SECURITYTXT_H

#include "checks.h"

#define MOD_MCP_SECURITYTXT_PATH "/.well-known/security.txt"

/* Reads what this server's line names; problems and warnings are told. */
void mod_mcp_securitytxt_prepare(mod_mcp_checks_t *checks, mod_mcp_server_t *server);
/* Whether it was asked for, and there is one. */
bool mod_mcp_securitytxt_wanted(const request_rec *r);
/* DONE. */
int mod_mcp_securitytxt_serve(request_rec *r);

#endif
