/* SPDX-License-Identifier: Apache-2.0 */
/* Our section of mod_status: counters of all children, and what the child that answers knows of keys and spool. */
#ifndef MOD_MCP_STATUS_H
#define MOD_MCP_STATUS_H

#include "config.h"

/* status_hook of mod_status. */
int mod_mcp_status(request_rec *r, int flags);

#endif
