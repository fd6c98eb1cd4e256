/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the module share: the configuration and the state of a request. */
#ifndef MOD_MCP_AUTH_H
#define MOD_MCP_AUTH_H

#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "httpd.h"

#include "policy/decision.h"
#include "policy/snapshot.h"

extern module AP_MODULE_DECLARE_DATA mcp_auth_module;

#endif
