/* SPDX-License-Identifier: Apache-2.0 */
#include "headers.h"

#include "apr_lib.h"
#include "apr_strings.h"

#define CLIENT_PREFIX  "clientid:"
#define SUBJECT_PREFIX "sub:"

#define NAME_ENDS ",; \t\v\f\r\n" /* in Connection, to mod_proxy */

static const char *const managed[] = {
    "X-MCP-Subject",
    "X-MCP-Client-ID",
    "X-MCP-Scopes",
    "X-MCP-Issuer",
    "X-MCP-Token-ID",
    /* A server that honours these would run another method than the one that was decided on. */
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
};

/* What a message is decided by, besides its body. Servers must see them as the gate saw them. */
static const char *const deciding[] = {
    "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id", "Last-Event-ID", "Content-Type", "Content-Encoding",
};
#define PARAM_PREFIX "Mcp-Param-"

static char folded(char c)
{
    return c == '_' ? '-' : (char)apr_tolower(c);
}

static bool is_named(const char *name, size_t len, const char *wanted)
{
    size_t at = 0;

    while (at < len && wanted[at] && folded(name[at]) == folded(wanted[at])) {
        at++;
    }
    return at == len && !wanted[at];
}

static bool is_listed(const char *name, size_t len, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_named(name, len, list[i])) {
            return true;
        }
    }
    return false;
}

static bool is_deciding(const char *name, size_t len)
{
    static const size_t prefix = sizeof(PARAM_PREFIX) - 1;

    return is_listed(name, len, deciding, sizeof(deciding) / sizeof(deciding[0])) ||
           (len > prefix && is_named(name, prefix, PARAM_PREFIX));
}

/* Of what a message is decided by only the one spelling that was looked at; CGI and WSGI make the same variable of all. Every
 * header of every request is asked about: most begin otherwise than the managed ones, which all begin with an X. */
static bool is_managed(const char *name, size_t len)
{
    return (folded(name[0]) == 'x' && is_listed(name, len, managed, sizeof(managed) / sizeof(managed[0]))) ||
           (memchr(name, '_', len) && is_deciding(name, len));
}

/* What the upstream must get as the gate leaves it: the identity, and under MCPAuthForwardToken the token. */
static bool must_stay(const char *name, size_t len)
{
    static const char token[] = "Authorization";

    return is_managed(name, len) || is_deciding(name, len) || (len == sizeof(token) - 1 && !ap_cstr_casecmpn(name, token, len));
}

/* A comma list without these names; NULL when there are none in it. For mod_proxy, which drops from the request what
 * Connection names, a semicolon ends a name, too. */
static const char *without_managed(apr_pool_t *pool, const char *list)
{
    char *kept = apr_palloc(pool, strlen(list) + 1), *out = kept;
    bool removed = false;

    while (*list) {
        size_t len;

        list += strspn(list, NAME_ENDS);
        len = strcspn(list, NAME_ENDS);
        if (len && must_stay(list, len)) {
            removed = true;
        } else if (len) {
            if (out != kept) {
                *out++ = ',';
            }
            memcpy(out, list, len);
            out += len;
        }
        list += len;
    }
    *out = '\0';
    return removed ? kept : NULL;
}

/* A subrequest shares its request's table; what is changed for an included part must not change what the page around it sends
 * upstream. */
static void own_headers(request_rec *r)
{
    if (r->main && r->headers_in == r->main->headers_in) {
        r->headers_in = apr_table_copy(r->pool, r->headers_in);
    }
}

void mod_mcp_headers_scrub(request_rec *r)
{
    const apr_array_header_t *all = apr_table_elts(r->headers_in);
    const char *names[64], *connection;
    size_t n = 0;

    for (int i = 0; i < all->nelts; i++) {
        const char *key = APR_ARRAY_IDX(all, i, apr_table_entry_t).key;

        /* A name too many for the list is found in the next round. */
        if (key && is_managed(key, strlen(key)) && n < sizeof(names) / sizeof(names[0])) {
            names[n++] = key;
        }
    }
    connection = apr_table_get(r->headers_in, "Connection");
    if (connection) {
        connection = without_managed(r->pool, connection);
    }
    if (!n && !connection) {
        return;
    }
    own_headers(r);
    for (size_t i = 0; i < n; i++) {
        apr_table_unset(r->headers_in, names[i]);
    }
    if (connection && *connection) {
        apr_table_setn(r->headers_in, "Connection", connection);
    } else if (connection) {
        apr_table_unset(r->headers_in, "Connection");
    }
    if (n == sizeof(names) / sizeof(names[0])) {
        mod_mcp_headers_scrub(r);
    }
}

/* Printable ASCII as it is; everything else, and '%' so that it can be undone, as %XX. */
static const char *encode(apr_pool_t *pool, mcpa_str_t value)
{
    static const char hex[] = "0123456789ABCDEF";
    char *encoded, *out;
    size_t plain = 0;

    while (plain < value.len && value.ptr[plain] >= ' ' && value.ptr[plain] <= '~' && value.ptr[plain] != '%') {
        plain++;
    }
    if (plain == value.len) {
        return apr_pstrmemdup(pool, value.ptr, value.len);
    }
    encoded = out = apr_palloc(pool, 3 * value.len + 1);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if (c < ' ' || c > '~' || c == '%') {
            *out++ = '%';
            *out++ = hex[c >> 4];
            *out++ = hex[c & 15];
        } else {
            *out++ = (char)c;
        }
    }
    *out = '\0';
    return encoded;
}

const char *mod_mcp_scopes_text(apr_pool_t *pool, const mcpa_scopes_t *scopes)
{
    size_t cap = 1;
    mcpa_out_t out;

    for (size_t i = 0; i < scopes->count; i++) {
        cap += scopes->words[i].len + 1;
    }
    mcpa_out_init(&out, apr_palloc(pool, cap), cap);
    mcpa_scopes_print(&out, scopes);
    return out.ptr;
}

const char *mod_mcp_outcome_word(const mod_mcp_verdict_t *verdict)
{
    mcpa_outcome_t outcome = mcpa_reason_row(verdict->reason)->outcome;

    if (verdict->policy.mode == MCPA_MODE_SHADOW && outcome != MCPA_OUTCOME_ALLOW) {
        return "shadow_deny";
    }
    return mcpa_outcome_word(outcome);
}

void mod_mcp_headers_set_outcome(request_rec *r, const mod_mcp_verdict_t *verdict)
{
    apr_table_setn(r->subprocess_env, "MCP_DECISION", mod_mcp_outcome_word(verdict));
    apr_table_setn(r->subprocess_env, "MCP_REASON", mcpa_reason_word(verdict->reason));
}

/* Those of an earlier decision, or that somebody set who had no business to. */
static void drop_variables(apr_table_t *env)
{
    static const char *const ours[] = { "MCP_SUBJECT", "MCP_CLIENT_ID", "MCP_SCOPES", "MCP_ISSUER", "MCP_TOKEN_ID" };
    const apr_array_header_t *all = apr_table_elts(env);
    bool found = false;

    for (int i = 0; i < all->nelts && !found; i++) {
        const char *key = APR_ARRAY_IDX(all, i, apr_table_entry_t).key;

        found = key && !ap_cstr_casecmpn(key, "MCP_", 4);
    }
    for (size_t i = 0; found && i < sizeof(ours) / sizeof(ours[0]); i++) {
        apr_table_unset(env, ours[i]);
    }
}

static void inject_identity(request_rec *r, const mcpa_principal_t *principal, bool as_headers)
{
    const struct {
        const char *header, *variable;
        mcpa_str_t value;
    } rows[] = {
        { "X-MCP-Subject", "MCP_SUBJECT", principal->subject },
        { "X-MCP-Client-ID", "MCP_CLIENT_ID", principal->client_id },
        { "X-MCP-Scopes", "MCP_SCOPES",
          principal->scopes.count ? mcpa_str(mod_mcp_scopes_text(r->pool, &principal->scopes)) : MCPA_STR_NONE },
        { "X-MCP-Issuer", "MCP_ISSUER", principal->issuer },
        { "X-MCP-Token-ID", "MCP_TOKEN_ID", principal->token_id },
    };

    /* All of them are absent now: the scrub took away whatever the client sent under the headers' names, and what comes behind a
     * body is not merged with them (MCPA0125). */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *value;

        if (rows[i].value.ptr) {
            value = encode(r->pool, rows[i].value);
            apr_table_addn(r->subprocess_env, rows[i].variable, value);
            if (as_headers) {
                apr_table_addn(r->headers_in, rows[i].header, value);
            }
        }
    }
}

/* A client that acts for itself has a name that no user can have: a subject that looks like one is marked as a subject. */
static char *user_name(apr_pool_t *pool, const mcpa_principal_t *principal)
{
    bool is_subject = principal->subject.ptr != NULL;
    mcpa_str_t name = is_subject ? principal->subject : principal->client_id;
    const char *prefix = !is_subject ? CLIENT_PREFIX : mcpa_str_starts(name, MCPA_STR(CLIENT_PREFIX)) ? SUBJECT_PREFIX : "";

    return apr_pstrcat(pool, prefix, apr_pstrmemdup(pool, name.ptr, name.len), NULL);
}

void mod_mcp_headers_inject(request_rec *r, mod_mcp_context_t *context, const mod_mcp_verdict_t *verdict,
                            const mcpa_policy_t *dir_policy)
{
    const mcpa_principal_t *principal = &verdict->decision.principal;

    own_headers(r);
    r->user = user_name(r->pool, principal);
    r->ap_auth_type = (char *)(uintptr_t) "Bearer";
    drop_variables(r->subprocess_env);
    mod_mcp_headers_set_outcome(r, verdict);
    inject_identity(r, principal, dir_policy->identity_headers);
    apr_table_setn(r->headers_in, "X-Request-ID", mod_mcp_correlation(context, NULL));
    if (!dir_policy->forward_token) {
        apr_table_unset(r->headers_in, "Authorization");
    } else if (context->authorization.ptr) {
        apr_table_setn(r->headers_in, "Authorization", context->authorization.ptr);
    }
    r->no_cache = 1;
}
