/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include "apr_strings.h"
#include "util_filter.h"

#include "http_protocol.h"
#include "mod_core.h"
#include "respond.h"

#define EXPOSED "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After, RateLimit, RateLimit-Policy, X-Request-ID"

/* Added by these handles: a name would be looked up for each request. */
static ap_filter_rec_t *answer_filter;
static ap_filter_rec_t *denial_filter;

/* Those of the upstream and of mod_headers are taken out: who is let in is written in one place, and browsers refuse a header
 * that comes twice. */
static const char *const cors[] = {
    "Access-Control-Allow-Origin",  "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers",
    "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",     "Access-Control-Max-Age",
};

static void set_if_empty(request_rec *r, apr_table_t *table, const char *name, const char *value)
{
    if (!apr_table_get(r->headers_out, name) && !apr_table_get(r->err_headers_out, name)) {
        apr_table_setn(table, name, value);
    }
}

/* Whether a comma list has this word. */
static bool lists(const char *list, const char *word)
{
    return list && ap_find_token(NULL, list, word);
}

static void add_vary_origin(const request_rec *r, apr_table_t *table)
{
    if (!lists(apr_table_get(r->headers_out, "Vary"), "Origin") && !lists(apr_table_get(r->err_headers_out, "Vary"), "Origin")) {
        apr_table_mergen(table, "Vary", "Origin");
    }
}

static void complete(request_rec *r, apr_table_t *table, const mod_mcp_verdict_t *verdict)
{
    const mcpa_policy_t *policy = &verdict->policy;
    const char *origin = apr_table_get(r->headers_in, "Origin");

    if (verdict->decision.origin_allowed && origin) {
        apr_table_setn(table, "Access-Control-Allow-Origin", origin);
        if (verdict->reason != MCPA_REASON_PREFLIGHT) {
            apr_table_setn(table, "Access-Control-Expose-Headers", EXPOSED);
        }
    }
    if (policy->origins) {
        add_vary_origin(r, table);
    }
    if (policy->security_headers) {
        set_if_empty(r, table, "X-Content-Type-Options", "nosniff");
        set_if_empty(r, table, "X-Frame-Options", "DENY");
        set_if_empty(r, table, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
        set_if_empty(r, table, "Referrer-Policy", "no-referrer");
        if (!strcmp(ap_http_scheme(r), "https")) {
            set_if_empty(r, table, "Strict-Transport-Security", "max-age=31536000");
        }
    }
    set_if_empty(r, table, "Cache-Control", "private");
    apr_table_unset(r->headers_out, "X-Request-ID");
    apr_table_unset(r->err_headers_out, "X-Request-ID");
    apr_table_setn(table, "X-Request-ID", mod_mcp_correlation(mod_mcp_context_get(r), NULL));
}

/* Most answers have none of them. */
static void drop_cors(apr_table_t *table)
{
    static const char prefix[] = "Access-Control-";
    const apr_array_header_t *all = apr_table_elts(table);
    bool found = false;

    for (int i = 0; i < all->nelts && !found; i++) {
        const char *key = APR_ARRAY_IDX(all, i, apr_table_entry_t).key;

        found = key && !ap_cstr_casecmpn(key, prefix, sizeof(prefix) - 1);
    }
    for (size_t i = 0; found && i < sizeof(cors) / sizeof(cors[0]); i++) {
        apr_table_unset(table, cors[i]);
    }
}

static apr_status_t filter_answer(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    const mod_mcp_verdict_t *verdict = f->ctx;

    drop_cors(r->headers_out);
    drop_cors(r->err_headers_out);
    complete(r, r->headers_out, verdict);
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

void mod_mcp_answer_insert_filter(request_rec *r)
{
    mod_mcp_verdict_t *verdict;

    if (r->main) {
        return;
    }
    verdict = mod_mcp_verdict_for_answer(r);
    if (!verdict || verdict->policy.mode != MCPA_MODE_ON) {
        return;
    }
    /* Said again: DirectoryIndex replaces what the gate set by what its subrequest had. */
    r->no_cache = 1;
    ap_add_output_filter_handle(answer_filter, verdict, r, r->connection);
}

/* Takes the place of httpd's canned page, which comes as one brigade with its end. */
static apr_status_t filter_denial(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    const char *body = f->ctx;
    size_t len = strlen(body);

    apr_brigade_cleanup(bb);
    ap_remove_output_filter(f);
    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)len);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(body, len, r->pool, f->c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(f->c->bucket_alloc));
    return ap_pass_brigade(f->next, bb);
}

/* It was let in by us and refused by a Require mcp-scope or mcp-claim, and the refusal stands: the client is told as by
 * MCPAuthScope. */
static void take_over(request_rec *r, mod_mcp_verdict_t *verdict)
{
    mcpa_policy_t policy = verdict->policy;

    mod_mcp_verdict_refuse(verdict, verdict->needed_scopes ? MCPA_REASON_SCOPE_MISSING : MCPA_REASON_CLAIM_DENIED);
    if (verdict->needed_scopes) {
        policy.scopes = policy.scopes && *policy.scopes ? apr_pstrcat(r->pool, policy.scopes, " ", verdict->needed_scopes, NULL)
                                                        : verdict->needed_scopes;
    }
    mod_mcp_respond_headers(r, verdict, &policy);
    if (!ap_response_code_string(r, ap_index_of_response(HTTP_FORBIDDEN))) {
        ap_add_output_filter_handle(denial_filter, (void *)(uintptr_t)mod_mcp_respond_body(r, verdict), r, r->connection);
    }
}

void mod_mcp_answer_insert_error_filter(request_rec *r)
{
    mod_mcp_verdict_t *verdict = r->main ? NULL : mod_mcp_verdict_for_answer(r);

    if (!verdict || verdict->policy.mode != MCPA_MODE_ON) {
        return;
    }
    if (r->status == HTTP_FORBIDDEN && verdict->reason == MCPA_REASON_PASS && (verdict->needed_scopes || verdict->claim_denied)) {
        take_over(r, verdict);
    }
    complete(r, r->err_headers_out, verdict);
}

void mod_mcp_answer_register(apr_pool_t *pool __attribute__((unused)))
{
    /* Behind mod_headers, mod_expires and all others that work on the answer's headers; before they are written. */
    answer_filter = ap_register_output_filter("MCPAUTH_ANSWER", filter_answer, NULL, (ap_filter_type)(AP_FTYPE_CONTENT_SET + 1));
    denial_filter = ap_register_output_filter("MCPAUTH_DENIAL", filter_denial, NULL, AP_FTYPE_CONTENT_SET);
}
