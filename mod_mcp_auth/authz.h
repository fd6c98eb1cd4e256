/* SPDX-License-Identifier: Apache-2.0 */
/* Require mcp-scope and Require mcp-claim, for <RequireAny> trees and for combining with other modules' rules. Pure: they look at
 * what the gate found out and never touch the answer; without a principal of ours they deny, they never ask for a password. */
#ifndef MOD_MCP_AUTHZ_H
#define MOD_MCP_AUTHZ_H

#include "config.h"

void mod_mcp_authz_register(apr_pool_t *pool);

#endif
