/* SPDX-License-Identifier: Apache-2.0 */
/* What holds in a section together with what encloses it, as far as the written paths tell: for the checks, the policy snapshot
 * and the metadata documents. Requests are decided by httpd's own merge. */
#ifndef MOD_MCP_INHERIT_H
#define MOD_MCP_INHERIT_H

#include "config.h"

/* For requests to 's'; sections of other virtual hosts do not count. */
mod_mcp_dir_t *mod_mcp_inherit(apr_pool_t *pool, const mod_mcp_section_t *section, const server_rec *s);
/* Whether requests to 's' can meet the section. */
bool mod_mcp_section_applies(const mod_mcp_section_t *section, const server_rec *s);
/* Whether a section of the outer path holds for the inner one too; both as written, neither a pattern. */
bool mod_mcp_path_is_below(const char *inner, const char *outer);

#endif
