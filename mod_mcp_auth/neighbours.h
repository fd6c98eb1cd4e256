/* SPDX-License-Identifier: Apache-2.0 */
/* Other modules in the same server: one that must be there, and settings of some that would undo what ours does. */
#ifndef MOD_MCP_NEIGHBOURS_H
#define MOD_MCP_NEIGHBOURS_H

#include "checks.h"

void mod_mcp_check_neighbours(mod_mcp_checks_t *checks);

#endif
