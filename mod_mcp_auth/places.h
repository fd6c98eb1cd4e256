/* SPDX-License-Identifier: Apache-2.0 */
/* The directories that httpd and the daemon share: whether they are there and belong to the right users, and the policy snapshot
 * that the parent writes into one of them. */
#ifndef MOD_MCP_PLACES_H
#define MOD_MCP_PLACES_H

#include "checks.h"

/* MCPAuthStateDir must be out of reach for httpd's children, MCPAuthSpoolDir writable for them and for nobody outside its group.
 */
void mod_mcp_check_places(mod_mcp_checks_t *checks);
/* Writes <StateDir>/policy.json, whole or not at all. A failure is logged; the daemon then goes on with the previous one. */
void mod_mcp_publish_snapshot(server_rec *s, apr_pool_t *ptemp);

#endif
