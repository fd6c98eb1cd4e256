/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "apr_fnmatch.h"
#include "apr_strings.h"

#include "directives.h"

#define SPOOL_MAX_BYTES     (UINT64_C(1024) * 1024 * 1024)
#define KEY_WAIT_MS         1000
#define TOKEN_CACHE_ENTRIES 16384
#define LIMIT_TABLE_ENTRIES 65536
#define SESSION_ENTRIES     16384
#define MAX_STREAMS         128
#define SESSION_IDLE_NS     (UINT64_C(24) * 3600 * 1000000000)

static mod_mcp_global_t *global;

void mod_mcp_global_reset(apr_pool_t *pconf)
{
    global = apr_pcalloc(pconf, sizeof(*global));
    global->socket.text = "/run/mcpauth/mcpauth.sock";
    global->state_dir.text = "/var/lib/mcpauth";
    global->spool_dir.text = "/var/spool/mcpauth";
    global->spool_max_bytes = SPOOL_MAX_BYTES;
    global->key_wait_ms = KEY_WAIT_MS;
    global->token_cache_entries = TOKEN_CACHE_ENTRIES;
    global->limit_table_entries = LIMIT_TABLE_ENTRIES;
    global->session_table_entries = SESSION_ENTRIES;
    global->session_idle_ns = SESSION_IDLE_NS;
    global->sections = apr_array_make(pconf, 8, sizeof(mod_mcp_section_t *));
    global->issuers = apr_array_make(pconf, 4, sizeof(mod_mcp_issuer_t *));
}

mod_mcp_global_t *mod_mcp_global(void)
{
    return global;
}

void *mod_mcp_server_create(apr_pool_t *pool, server_rec *s __attribute__((unused)))
{
    mod_mcp_server_t *server = apr_pcalloc(pool, sizeof(*server));

    server->pairs = apr_array_make(pool, 0, sizeof(mod_mcp_scope_pair_t));
    return server;
}

void *mod_mcp_server_merge(apr_pool_t *pool, void *base, void *add)
{
    const mod_mcp_server_t *outer = base, *inner = add;
    mod_mcp_server_t *merged = apr_pmemdup(pool, inner, sizeof(*inner));

    if (!inner->mode_set) {
        merged->mode_set = outer->mode_set;
        merged->development = outer->development;
    }
    if (!inner->issuers) {
        merged->issuers = outer->issuers;
    }
    if (!inner->security_txt.text) {
        merged->security_txt = outer->security_txt;
    }
    merged->pairs = apr_array_append(pool, outer->pairs, inner->pairs);
    return merged;
}

void *mod_mcp_dir_create(apr_pool_t *pool, char *path)
{
    mod_mcp_dir_t *dir;

    /* A server's defaults hold nothing of ours; without them a Location's own configuration is used as it is, unmerged. */
    if (!path) {
        return NULL;
    }
    dir = apr_pcalloc(pool, sizeof(*dir));
    dir->policy.identity_headers = true;
    dir->policy.security_headers = true;
    dir->policy.inspect = MCPA_INSPECT_BODY;
    dir->policy.max_body = MCPA_BODY_DEFAULT_BYTES;
    dir->policy.max_streams = MAX_STREAMS;
    return dir;
}

/* Each kind by itself. */
static void merge_lengths(mcpa_lengths_t *lengths, const mcpa_lengths_t *inner)
{
    for (unsigned kind = 0; kind < MCPA_LENGTHS; kind++) {
        if (inner->bytes[kind]) {
            lengths->bytes[kind] = inner->bytes[kind];
        }
    }
}

/* A digest goes along with what it stands for. */
static void take_resource(mcpa_policy_t *policy, const mcpa_policy_t *inner)
{
    policy->resource = inner->resource;
    policy->resource_digest = inner->resource_digest;
}

static void take_audiences(mcpa_policy_t *policy, const mcpa_policy_t *inner)
{
    policy->audiences = inner->audiences;
    policy->audiences_digest = inner->audiences_digest;
}

static void take_issuers(mcpa_policy_t *policy, const mcpa_policy_t *inner)
{
    policy->issuers = inner->issuers;
    policy->issuers_digest = inner->issuers_digest;
    policy->n_issuers = inner->n_issuers;
}

static void merge_setting(mcpa_policy_t *policy, const mcpa_policy_t *inner, mod_mcp_setting_t setting)
{
    switch (setting) {
    case MOD_MCP_MODE:
        policy->mode = inner->mode;
        break;
    case MOD_MCP_RESOURCE:
        take_resource(policy, inner);
        break;
    case MOD_MCP_AUDIENCE:
        take_audiences(policy, inner);
        break;
    case MOD_MCP_ISSUER:
        take_issuers(policy, inner);
        break;
    case MOD_MCP_SCOPE:
        policy->scopes = inner->scopes;
        break;
    case MOD_MCP_RATE_LIMIT:
        policy->limits = inner->limits;
        policy->n_limits = inner->n_limits;
        break;
    case MOD_MCP_ORIGIN:
        policy->origins = inner->origins;
        break;
    case MOD_MCP_IDENTITY_HEADERS:
        policy->identity_headers = inner->identity_headers;
        break;
    case MOD_MCP_FORWARD_TOKEN:
        policy->forward_token = inner->forward_token;
        break;
    case MOD_MCP_SECURITY_HEADERS:
        policy->security_headers = inner->security_headers;
        break;
    case MOD_MCP_AUDIT:
        policy->audit = inner->audit;
        break;
    case MOD_MCP_INSPECT:
        policy->inspect = inner->inspect;
        break;
    case MOD_MCP_MAX_BODY:
        policy->max_body = inner->max_body;
        break;
    case MOD_MCP_MAX_LENGTH:
        merge_lengths(&policy->lengths, &inner->lengths);
        break;
    case MOD_MCP_PROTOCOL:
        policy->protocols = inner->protocols;
        break;
    case MOD_MCP_STREAM_UNTIL_EXPIRY:
        policy->stream_until_expiry = inner->stream_until_expiry;
        break;
    case MOD_MCP_MAX_STREAMS:
        policy->max_streams = inner->max_streams;
        break;
    case MOD_MCP_OPERATION: /* adds up: merge_operations */
    case MOD_MCP_REQUIRE:
    case MOD_MCP_SETTINGS:
        break;
    }
}

/* The inner section's rules in front of those it stands in. */
static const mcpa_operations_t *merge_operations(apr_pool_t *pool, const mcpa_operations_t *outer, const mcpa_operations_t *inner)
{
    mcpa_operations_t *merged;

    if (!inner || !outer) {
        return inner ? inner : outer;
    }
    merged = apr_pmemdup(pool, inner, sizeof(*inner));
    merged->outer = merge_operations(pool, outer, inner->outer);
    return merged;
}

/* Runs for every request that more than one section matches: pointers only. */
void *mod_mcp_dir_merge(apr_pool_t *pool, void *base, void *add)
{
    const mod_mcp_dir_t *outer = base, *inner = add;
    mod_mcp_dir_t *merged = apr_pmemdup(pool, outer, sizeof(*outer));

    for (unsigned setting = 0; setting < MOD_MCP_SETTINGS; setting++) {
        if (inner->set & (1u << setting)) {
            merge_setting(&merged->policy, &inner->policy, (mod_mcp_setting_t)setting);
        }
    }
    merged->policy.operations = merge_operations(pool, outer->policy.operations, inner->policy.operations);
    merged->set = outer->set | inner->set;
    merged->section = inner->section;
    merged->policy.location = inner->policy.location;
    return merged;
}

mod_mcp_server_t *mod_mcp_server_of(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &mcp_auth_module);
}

const mod_mcp_dir_t *mod_mcp_dir_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &mcp_auth_module);
}

void mod_mcp_policy_fill(mcpa_policy_t *policy, const mod_mcp_dir_t *dir, const server_rec *s)
{
    const mod_mcp_server_t *server = mod_mcp_server_of(s);

    *policy = dir->policy;
    policy->vhost = server->vhost;
    policy->scope_model = server->scope_model;
    policy->generation = global->generation;
    if (!policy->issuers && server->issuers) {
        policy->issuers = (const mcpa_issuer_t *const *)(void *)server->issuers->elts;
        policy->issuers_digest = server->issuers_digest;
        policy->n_issuers = (size_t)server->issuers->nelts;
    }
}

/* Chains are made for each request, their rules are not. */
static bool same_operations(const mcpa_operations_t *a, const mcpa_operations_t *b)
{
    for (; a && b && a->rules == b->rules && a->n_rules == b->n_rules; a = a->outer, b = b->outer) {
    }
    return !a && !b;
}

bool mod_mcp_policy_equal(const mcpa_policy_t *a, const mcpa_policy_t *b)
{
    /* Merging copies pointers, so what came from the same line has the same address. */
    return a->mode == b->mode && a->resource == b->resource && a->audiences == b->audiences && a->issuers == b->issuers &&
           a->scopes == b->scopes && a->scope_model == b->scope_model && a->limits == b->limits && a->n_limits == b->n_limits &&
           a->origins == b->origins && a->audit == b->audit && a->inspect == b->inspect && a->max_body == b->max_body &&
           memcmp(&a->lengths, &b->lengths, sizeof(a->lengths)) == 0 && a->protocols == b->protocols &&
           a->max_streams == b->max_streams && a->stream_until_expiry == b->stream_until_expiry &&
           same_operations(a->operations, b->operations);
}

/* The <Location> or the like that this line stands in; between them may be <IfModule> and its kind. */
static const ap_directive_t *enclosing(const ap_directive_t *line)
{
    static const char *const kinds[] = {
        "<Location", "<LocationMatch", "<Directory", "<DirectoryMatch", "<Proxy", "<ProxyMatch"
    };

    for (line = line->parent; line; line = line->parent) {
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            if (!ap_cstr_casecmp(line->directive, kinds[i])) {
                return line;
            }
        }
    }
    return NULL;
}

mod_mcp_section_t *mod_mcp_section_of(cmd_parms *cmd, mod_mcp_dir_t *dir)
{
    const ap_directive_t *line = enclosing(cmd->directive);
    mod_mcp_section_t *section = dir->section;

    if (section) {
        return section;
    }
    section = apr_pcalloc(cmd->pool, sizeof(*section));
    section->kind = line ? line->directive : "<Location";
    section->path = apr_pstrdup(cmd->pool, cmd->path);
    section->is_pattern = ap_strstr_c(section->kind, "Match") || (line && line->args && line->args[0] == '~') ||
                          (cmd->path && apr_fnmatch_test(cmd->path));
    section->server = cmd->server;
    section->file = cmd->directive->filename;
    section->line = cmd->directive->line_num;
    section->dir = dir;
    dir->section = section;
    dir->policy.location = section->path;
    *(mod_mcp_section_t **)apr_array_push(global->sections) = section;
    return section;
}

/* Both flags everywhere: where a directive may really stand is checked by its function, whose message tells where to move it. */
#define ANYWHERE (RSRC_CONF | ACCESS_CONF)

const command_rec mod_mcp_commands[] = {
    /* In sections. */
    AP_INIT_TAKE1("MCPAuth", mod_mcp_set_mode, NULL, ANYWHERE, "On, Off or Shadow (decides and records, changes nothing)"),
    AP_INIT_TAKE1("MCPAuthResource", mod_mcp_set_resource, NULL, ANYWHERE, "the canonical URL of the guarded resource"),
    AP_INIT_ITERATE("MCPAuthAudience", mod_mcp_set_audience, NULL, ANYWHERE, "accepted aud values instead of the resource"),
    AP_INIT_TAKE_ARGV("MCPAuthIssuer", mod_mcp_set_issuer, NULL, ANYWHERE, "URL of a trusted issuer, then key=value words"),
    AP_INIT_ITERATE("MCPAuthScope", mod_mcp_set_scope, NULL, ANYWHERE, "scopes that are all needed here"),
    AP_INIT_TAKE23("MCPAuthRateLimit", mod_mcp_set_rate_limit, NULL, ANYWHERE,
                   "subject, client, address or tool; N/s, N/min, N/hour or N/day; burst=N"),
    AP_INIT_ITERATE("MCPAuthOrigin", mod_mcp_set_origin, NULL, ANYWHERE, "origins of browsers that are let in"),
    AP_INIT_FLAG("MCPAuthIdentityHeaders", mod_mcp_set_identity_headers, NULL, ANYWHERE, "On or Off: X-MCP-* for the upstream"),
    AP_INIT_FLAG("MCPAuthForwardToken", mod_mcp_set_forward_token, NULL, ANYWHERE,
                 "On or Off: the client's token for the upstream"),
    AP_INIT_FLAG("MCPAuthSecurityHeaders", mod_mcp_set_security_headers, NULL, ANYWHERE, "On or Off"),
    AP_INIT_TAKE1("MCPAuthAudit", mod_mcp_set_audit, NULL, ANYWHERE, "On, Off or Required"),
    AP_INIT_TAKE1("MCPAuthInspect", mod_mcp_set_inspect, NULL, ANYWHERE, "Body, Headers or Off: where operations are read from"),
    AP_INIT_TAKE1("MCPAuthMaxBody", mod_mcp_set_max_body, NULL, ANYWHERE, "bytes of the longest message"),
    AP_INIT_TAKE2("MCPAuthMaxLength", mod_mcp_set_max_length, NULL, ANYWHERE,
                  "token, id, method, name or uri, then its greatest length in bytes"),
    AP_INIT_TAKE_ARGV("MCPAuthOperation", mod_mcp_set_operation, NULL, ANYWHERE,
                      "METHOD[:NAME], then the scopes it needs, or granted, or denied"),
    AP_INIT_ITERATE("MCPAuthProtocol", mod_mcp_set_protocol, NULL, ANYWHERE, "revisions of the protocol that are let in"),
    AP_INIT_FLAG("MCPAuthStreamUntilExpiry", mod_mcp_set_stream_until_expiry, NULL, ANYWHERE,
                 "On or Off: a stream ends with the token it was opened with"),
    AP_INIT_TAKE1("MCPAuthMaxStreams", mod_mcp_set_max_streams, NULL, ANYWHERE,
                  "event streams that one subject may have open, or unlimited"),
    /* In servers. */
    AP_INIT_TAKE1("MCPAuthMode", mod_mcp_set_server_mode, NULL, ANYWHERE, "production or development"),
    AP_INIT_ITERATE2("MCPAuthScopeImplies", mod_mcp_set_scope_implies, NULL, ANYWHERE,
                     "a broad scope, then narrow ones it includes"),
    AP_INIT_TAKE2("MCPAuthScopeAlias", mod_mcp_set_scope_alias, NULL, ANYWHERE,
                  "a scope of old tokens, then the one it stands for"),
    AP_INIT_TAKE1("MCPAuthSecurityTxt", mod_mcp_set_security_txt, NULL, ANYWHERE, "file served as /.well-known/security.txt"),
    AP_INIT_TAKE1("MCPAuthKeyWait", mod_mcp_set_key_wait, NULL, ANYWHERE, "milliseconds a request may wait for an unknown key"),
    AP_INIT_TAKE1("MCPAuthSocket", mod_mcp_set_socket, NULL, ANYWHERE, "path of the daemon's socket"),
    AP_INIT_TAKE1("MCPAuthStateDir", mod_mcp_set_state_dir, NULL, ANYWHERE, "directory of the policy snapshot and the keys"),
    AP_INIT_TAKE_ARGV("MCPAuthSpoolDir", mod_mcp_set_spool_dir, NULL, ANYWHERE,
                      "directory of the audit spool; max=SIZE durability=process|sync tmpfs=refuse|allow"),
    AP_INIT_TAKE1("MCPAuthTokenCache", mod_mcp_set_token_cache, NULL, ANYWHERE, "entries in the cache of verified tokens, or 0"),
    AP_INIT_TAKE1("MCPAuthLimitTable", mod_mcp_set_limit_table, NULL, ANYWHERE, "entries in the table of rate limits"),
    AP_INIT_TAKE1("MCPAuthSessionTable", mod_mcp_set_session_table, NULL, ANYWHERE, "sessions that are remembered"),
    AP_INIT_TAKE1("MCPAuthSessionTimeout", mod_mcp_set_session_timeout, NULL, ANYWHERE, "how long a session may be idle"),
    { NULL, { NULL }, NULL, 0, 0, NULL },
};
