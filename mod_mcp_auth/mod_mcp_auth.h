/* SPDX-License-Identifier: Apache-2.0 */
/* What every file of the module needs: httpd's headers, ours, and the module record. */
#ifndef MOD_MCP_AUTH_H
#define MOD_MCP_AUTH_H

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"

#include "policy/decision.h"
#include "policy/snapshot.h"

#define MOD_MCP_NAME    "mod_mcp_auth"
#define MOD_MCP_VERSION "0.1.0"

/* Everything else in the shared object is hidden: two modules with one function name must not meet. */
extern module __attribute__((visibility("default"))) mcp_auth_module;

#endif
