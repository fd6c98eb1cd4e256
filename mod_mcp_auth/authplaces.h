/* SPDX-License-Identifier: Apache-2.0 */
/* Where AuthType and ProxyPass stand in the written configuration: each such line with the sections around it, in the order
 * written. Nothing is judged here. In the parent, at a start; all that is found lives as long as the pool and the configuration.
 */
#ifndef MOD_MCP_AUTHPLACES_H
#define MOD_MCP_AUTHPLACES_H

#include "config.h"

typedef enum mod_mcp_authkind {
    MOD_MCP_IN_SERVER,
    MOD_MCP_IN_LOCATION,
    MOD_MCP_IN_DIRECTORY,
    MOD_MCP_IN_PROXY
} mod_mcp_authkind_t;

/* What a line stands in: the innermost section of the kinds above, and what else is around it. */
typedef struct mod_mcp_authplace {
    mod_mcp_authkind_t kind;
    const char *section; /* "<Proxy" */
    const char *path;    /* as written, of a Directory made comparable; of a pattern the pattern */
    bool is_regex, is_glob;
    const ap_regex_t *regex;    /* compiled; NULL: it does not, which httpd refuses */
    const ap_directive_t *host; /* <VirtualHost>; NULL: the main server */
    bool is_if, is_files;       /* somewhere inside <If> or the like, <Files> */
} mod_mcp_authplace_t;

typedef struct mod_mcp_authline {
    mod_mcp_authplace_t place;
    const char *first, *second; /* words behind the directive */
    mod_mcp_authplace_t from;   /* of a ProxyPass: the paths that it is about */
} mod_mcp_authline_t;

typedef struct mod_mcp_authplaces {
    apr_pool_t *pool;
    apr_array_header_t *types, *proxies; /* mod_mcp_authline_t: AuthType; ProxyPass and ProxyPassMatch */
    bool is_not_inherited;               /* a virtual host does without the ProxyPass of the main server */
} mod_mcp_authplaces_t;

/* Overwrites *all. tree: ap_conftree. */
void mod_mcp_authplaces_collect(mod_mcp_authplaces_t *all, apr_pool_t *pool, const ap_directive_t *tree);
/* Directories are compared without trailing slashes, of which httpd adds one, and without what it takes out; other paths as
 * written. */
const char *mod_mcp_authplaces_comparable(apr_pool_t *pool, mod_mcp_authkind_t kind, bool is_regex, const char *path);

#endif
