/* SPDX-License-Identifier: Apache-2.0 */
/* What requests, the daemon and mcpauthctl will read is made here, from a configuration that is being checked. */
#ifndef MOD_MCP_PREPARE_H
#define MOD_MCP_PREPARE_H

#include "checks.h"

/* The server's name for records, and its scope model; a circle of scopes is a problem. */
void mod_mcp_prepare_server(mod_mcp_checks_t *checks, server_rec *s);
/* What the token cache must know of the lists of all servers and sections. Before any of them are merged. */
void mod_mcp_prepare_digests(const server_rec *main_server);
/* The rate rules' ids: the same over restarts, other ones in another section. */
void mod_mcp_prepare_limits(const mod_mcp_section_t *section);
/* The well-known documents of a server. */
void mod_mcp_prepare_documents(mod_mcp_checks_t *checks, server_rec *s);
/* Everything that is guarded, as the daemon and mcpauthctl are told of it, and the generation that stands for it. */
void mod_mcp_prepare_snapshot(mod_mcp_checks_t *checks);

#endif
