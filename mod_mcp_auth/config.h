/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as written: one struct for the whole server, one a (virtual) server, one a section such as <Location>. All of
 * it lives in httpd's configuration pool and is constant once the checks (checks.h) are through: nothing at request time writes
 * here.
 *
 * How nested sections merge: per setting, and as a whole. What the inner section sets replaces what the outer one set, lists
 * included; what it does not set is inherited. MCPAuthMaxLength is a setting for each kind of length. Only MCPAuthOperation adds up: the inner
 * section's rules come first, and what an outer one denies stays denied. The order of sections is httpd's: Directory and Proxy before Location, then as
 * written, those of the main server before those of a virtual host. Issuers not set by any section are those of the virtual host,
 * or else of the main server. The label "location" is the innermost section's that has any directive of ours. */
#ifndef MOD_MCP_CONFIG_H
#define MOD_MCP_CONFIG_H

#include "mod_mcp_auth.h"

/* The settings of a section, for the set bits and for where each was written. */
typedef enum mod_mcp_setting {
    MOD_MCP_MODE,
    MOD_MCP_RESOURCE,
    MOD_MCP_AUDIENCE,
    MOD_MCP_ISSUER,
    MOD_MCP_SCOPE,
    MOD_MCP_RATE_LIMIT,
    MOD_MCP_ORIGIN,
    MOD_MCP_IDENTITY_HEADERS,
    MOD_MCP_FORWARD_TOKEN,
    MOD_MCP_SECURITY_HEADERS,
    MOD_MCP_AUDIT,
    MOD_MCP_INSPECT,
    MOD_MCP_MAX_BODY,
    MOD_MCP_MAX_LENGTH,
    MOD_MCP_OPERATION,
    MOD_MCP_PROTOCOL,
    MOD_MCP_STREAM_UNTIL_EXPIRY,
    MOD_MCP_MAX_STREAMS,
    MOD_MCP_REQUIRE, /* a Require mcp-scope or mcp-claim stands here; never merged */
    MOD_MCP_SETTINGS
} mod_mcp_setting_t;

typedef struct mod_mcp_section mod_mcp_section_t;

/* A section's configuration, or the merged one of a request. NULL where no directive of ours stands, so that requests elsewhere
 * cost a pointer. In policy, vhost, scope_model, generation and inherited issuers are filled in by mod_mcp_policy_fill. */
typedef struct mod_mcp_dir {
    mcpa_policy_t policy;
    unsigned set;               /* bit (1u << mod_mcp_setting_t) */
    mod_mcp_section_t *section; /* the innermost */
} mod_mcp_dir_t;

/* A section that has a directive of ours: who it is in messages, and its lists while they grow. */
struct mod_mcp_section {
    const char *kind;   /* "<Location" */
    const char *path;   /* as written */
    bool is_pattern;    /* a regular expression or wildcards */
    server_rec *server; /* the one it was written in */
    const char *file;   /* of its first directive of ours */
    int line;
    const ap_directive_t *where[MOD_MCP_SETTINGS];
    mod_mcp_dir_t *dir;
    apr_array_header_t *audiences, *issuers, *limits, *origins, *operations;
    mod_mcp_dir_t *effective; /* with what encloses it, as far as the file tells; made by the checks for those that are on */
};

/* One MCPAuthIssuer. The words are kept because whether http is allowed is known only when all lines were read. */
typedef struct mod_mcp_issuer {
    mcpa_issuer_t *issuer;
    const char *const *words;
    size_t n_words;
    server_rec *server;
    const char *file;
    int line;
    mcpa_jwks_t *fixed; /* FILE and SECRET: read by the checks */
} mod_mcp_issuer_t;

/* One MCPAuthScopeImplies or MCPAuthScopeAlias. */
typedef struct mod_mcp_scope_pair {
    bool is_alias;
    const char *first, *second;
    const char *file;
    int line;
} mod_mcp_scope_pair_t;

/* A value with the line it was written in. */
typedef struct mod_mcp_single {
    const char *text;
    const char *file;
    int line;
} mod_mcp_single_t;

struct mod_mcp_documents;

typedef struct mod_mcp_server {
    bool mode_set, development;
    apr_array_header_t *issuers; /* const mcpa_issuer_t *, NULL-terminated behind the count; NULL: none written here */
    mod_mcp_single_t security_txt;
    apr_array_header_t *pairs;   /* mod_mcp_scope_pair_t */
    /* Made by the checks. */
    const char *vhost; /* ServerName, for records */
    apr_uint64_t issuers_digest; /* as in mcpa_policy_t */
    mcpa_scope_model_t *scope_model;
    const char *security_text;                 /* what security_txt names; NULL: nothing */
    const struct mod_mcp_documents *documents; /* NULL: no guarded section answers here */
} mod_mcp_server_t;

typedef struct mod_mcp_global {
    mod_mcp_single_t socket, state_dir, spool_dir, key_wait, token_cache, limit_table, session_table, session_timeout;
    apr_uint64_t spool_max_bytes;
    bool spool_sync;         /* durability=sync */
    bool spool_allows_tmpfs; /* tmpfs=allow */
    int key_wait_ms;
    apr_size_t token_cache_entries, limit_table_entries, session_table_entries;
    apr_uint64_t session_idle_ns;
    apr_array_header_t *sections; /* mod_mcp_section_t * in order of appearance */
    apr_array_header_t *issuers;  /* mod_mcp_issuer_t *, equal ones once */
    /* Made by the checks. */
    bool guarded; /* at least one section is On or Shadow */
    apr_uint64_t generation;
    mcpa_snapshot_t snapshot;
} mod_mcp_global_t;

extern const command_rec mod_mcp_commands[];

void *mod_mcp_server_create(apr_pool_t *pool, server_rec *s);
void *mod_mcp_server_merge(apr_pool_t *pool, void *base, void *add);
void *mod_mcp_dir_create(apr_pool_t *pool, char *path);
void *mod_mcp_dir_merge(apr_pool_t *pool, void *base, void *add);

/* A fresh configuration is about to be read. */
void mod_mcp_global_reset(apr_pool_t *pconf);
mod_mcp_global_t *mod_mcp_global(void);

mod_mcp_server_t *mod_mcp_server_of(const server_rec *s);
/* What holds for this request, or NULL. */
const mod_mcp_dir_t *mod_mcp_dir_of(const request_rec *r);
/* The policy of 'dir' for requests to 's': complete with what the server adds. */
void mod_mcp_policy_fill(mcpa_policy_t *policy, const mod_mcp_dir_t *dir, const server_rec *s);
/* Whether both lead to the same decision, so that passing one is passing the other. */
bool mod_mcp_policy_equal(const mcpa_policy_t *a, const mcpa_policy_t *b);

/* For directives: the section this line stands in, registered at its first directive. */
mod_mcp_section_t *mod_mcp_section_of(cmd_parms *cmd, mod_mcp_dir_t *dir);

#endif
