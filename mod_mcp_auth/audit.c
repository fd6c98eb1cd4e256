/* SPDX-License-Identifier: Apache-2.0 */
#include "audit.h"

#include "policy/credential.h"
#include "apr_strings.h"
#include "util_filter.h"

#include "base/text.h"
#include "child.h"
#include "headers.h"

#define FILTER_COUNT "MCPAUTH_COUNT"
#define HASH_BYTES   8 /* of the token's SHA-256: enough to tell tokens apart, useless to guess one */

typedef struct count {
    apr_off_t bytes;
} count_t;

/* What one record borrows from while it is written. */
typedef struct buffers {
    char token_hash[2 * HASH_BYTES + 1];
    char scopes[MCPA_SCOPE_TEXT_MAX_BYTES + 1];
} buffers_t;

static apr_status_t filter_count(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode, apr_read_type_e block,
                                 apr_off_t readbytes)
{
    apr_status_t rv = ap_get_brigade(f->next, bb, mode, block, readbytes);
    apr_off_t length = 0;

    if (rv == APR_SUCCESS && mode != AP_MODE_SPECULATIVE && apr_brigade_length(bb, 0, &length) == APR_SUCCESS && length > 0) {
        ((count_t *)f->ctx)->bytes += length;
    }
    return rv;
}

void mod_mcp_audit_register(apr_pool_t *pool __attribute__((unused)))
{
    ap_register_input_filter(FILTER_COUNT, filter_count, NULL, AP_FTYPE_CONTENT_SET);
}

void mod_mcp_audit_insert_filter(request_rec *r)
{
    mod_mcp_context_t *context = mod_mcp_context_find(r);

    /* Where the length is told nothing is put in between: mod_proxy sends a body on with its length only when nobody else reads
     * it. */
    if (!context || r != context->root || context->body || !apr_table_get(r->headers_in, "Transfer-Encoding")) {
        return;
    }
    context->body = apr_pcalloc(r->pool, sizeof(count_t));
    ap_add_input_filter(FILTER_COUNT, context->body, r, r->connection);
}

/* The verdict that speaks for the whole: the first refusal of the request itself, else of an included part, else what let it in.
 */
static const mod_mcp_verdict_t *deciding(const mod_mcp_context_t *context)
{
    const mod_mcp_verdict_t *best = NULL;
    int best_rank = -1;

    for (const mod_mcp_verdict_t *verdict = context->verdicts; verdict; verdict = verdict->older) {
        bool refused = mcpa_reason_row(verdict->reason)->outcome != MCPA_OUTCOME_ALLOW;
        int rank = refused ? 1 + 2 * !verdict->by_subrequest : 0 + 2 * !verdict->by_subrequest;

        if (rank >= best_rank) { /* they come newest first, and the oldest of a rank wins */
            best = verdict;
            best_rank = rank;
        }
    }
    return best;
}

static int64_t body_bytes(const mod_mcp_context_t *context)
{
    const char *length = apr_table_get(context->root->headers_in, "Content-Length");
    uint64_t bytes = 0;

    if (context->body) {
        return ((const count_t *)context->body)->bytes;
    }
    return length && mcpa_text_u64(mcpa_str(length), &bytes) && bytes <= INT64_MAX ? (int64_t)bytes : 0;
}

/* mod_unique_id's, else our own: the same in all records of the request. */
static const char *name_of(mod_mcp_context_t *context)
{
    if (!context->name) {
        context->name = apr_table_get(context->root->subprocess_env, "UNIQUE_ID");
    }
    if (!context->name) {
        char *made = apr_palloc(context->root->pool, MOD_MCP_REQUEST_ID_BYTES);

        mod_mcp_request_id(made);
        context->name = made;
    }
    return context->name;
}

/* What is known when it comes. */
static void fill_request(mcpa_record_t *record, mod_mcp_context_t *context)
{
    const request_rec *r = context->root;

    record->ts = r->request_time;
    record->method = mcpa_str(r->method);
    record->path = mcpa_str(r->parsed_uri.path ? r->parsed_uri.path : r->uri);
    record->ip = mcpa_str(r->useragent_ip);
    record->user_agent = mcpa_str(apr_table_get(r->headers_in, "User-Agent"));
    record->origin = mcpa_str(apr_table_get(r->headers_in, "Origin"));
    record->request_id = mcpa_str(name_of(context));
}

/* What is known when it ends. */
static void fill_end(mcpa_record_t *record, const mod_mcp_context_t *context, const request_rec *last)
{
    record->latency_ms = apr_time_now() - context->root->request_time;
    record->status = last->status;
    record->bytes_in = body_bytes(context);
    record->bytes_out = last->bytes_sent;
}

static void fill_verdict(mcpa_record_t *record, const mod_mcp_verdict_t *verdict, buffers_t *buffers)
{
    const mcpa_decision_t *decision = &verdict->decision;
    mcpa_out_t scopes;

    record->decision = mcpa_str(mod_mcp_outcome_word(verdict));
    record->reason = mcpa_str(mcpa_reason_word(verdict->reason));
    record->location = mcpa_str(verdict->policy.location);
    record->vhost = mcpa_str(verdict->policy.vhost);
    record->auth_method = decision->token.ptr ? MCPA_STR("jwt") : MCPA_STR("none");
    if (decision->has_token_hash) {
        mcpa_hex(buffers->token_hash, decision->token_hash, HASH_BYTES);
        record->token_hash = mcpa_str(buffers->token_hash);
    }
    if (decision->issuer) {
        record->iss = mcpa_str(decision->issuer->url);
    }
    if (decision->authenticated) {
        record->sub = decision->principal.subject;
        record->client_id = decision->principal.client_id;
        record->jti = decision->principal.token_id;
        record->aud = decision->principal.audience;
        mcpa_out_init(&scopes, buffers->scopes, sizeof(buffers->scopes));
        mcpa_scopes_print(&scopes, &decision->principal.scopes);
        record->scope = mcpa_out_get(&scopes);
    }
    if (decision->verify_us) {
        record->verify_ms = decision->verify_us;
    }
    if (decision->cache_use != MCPA_CACHE_UNUSED) {
        record->token_cache = decision->cache_use == MCPA_CACHE_HIT ? MCPA_STR("hit") : MCPA_STR("miss");
    }
}

static void count_outcome(const mod_mcp_runtime_t *runtime, const mod_mcp_verdict_t *verdict)
{
    mod_mcp_counters_t *counters = runtime->shm.counters;

    atomic_fetch_add_explicit(&counters->decisions[verdict->reason], 1, memory_order_relaxed);
    if (verdict->policy.mode == MCPA_MODE_SHADOW && mcpa_reason_row(verdict->reason)->outcome != MCPA_OUTCOME_ALLOW) {
        atomic_fetch_add_explicit(&counters->shadow_denials, 1, memory_order_relaxed);
    }
    if (verdict->decision.cache_use == MCPA_CACHE_HIT) {
        atomic_fetch_add_explicit(&counters->cache_hits, 1, memory_order_relaxed);
    } else if (verdict->decision.cache_use == MCPA_CACHE_MISS) {
        atomic_fetch_add_explicit(&counters->cache_misses, 1, memory_order_relaxed);
    }
}

static void mask_values(char *query, size_t len)
{
    mcpa_str_t rest = { query, len }, value;

    while ((value = mcpa_credential_next_in_query(&rest)).ptr) {
        memset(query + (value.ptr - query), '*', value.len);
    }
}

/* A token in the query is no credential, but it is one somewhere: it must not end up in the access log. */
static void mask_query(request_rec *r)
{
    const char *query = r->the_request ? strchr(r->the_request, '?') : NULL;

    if (query) {
        char *line = apr_pstrdup(r->pool, r->the_request);
        char *at = line + (query - r->the_request) + 1;

        mask_values(at, strcspn(at, " "));
        r->the_request = line;
    }
    if (r->args) {
        r->args = apr_pstrdup(r->pool, r->args);
        mask_values(r->args, strlen(r->args));
    }
}

/* A request that ends without being logged. The spool is gone before pools that outlive the child's. */
static apr_status_t release_promise(void *memory)
{
    mod_mcp_context_t *context = memory;
    const mod_mcp_runtime_t *runtime = mod_mcp_runtime();

    if (context->promise_open && runtime) {
        mod_mcp_spool_release(runtime->spool);
    }
    context->promise_open = false;
    return APR_SUCCESS;
}

bool mod_mcp_audit_promise(request_rec *r, const mod_mcp_verdict_t *verdict)
{
    mod_mcp_context_t *context = mod_mcp_context_get(r);
    const mod_mcp_runtime_t *runtime = mod_mcp_runtime();
    mcpa_record_t record;
    buffers_t buffers;

    if (context->promise_made || context->promise_failed || !runtime) {
        return context->promise_made;
    }
    mcpa_record_init(&record);
    record.event = MCPA_STR("decision");
    fill_request(&record, context);
    fill_verdict(&record, verdict, &buffers);
    if (mod_mcp_spool_promise(runtime->spool, &record) != MCPA_OK) {
        context->promise_failed = true;
        return false;
    }
    context->promise_made = context->promise_open = true;
    apr_pool_cleanup_register(context->root->pool, context, release_promise, apr_pool_cleanup_null);
    return true;
}

/* What cannot be committed is counted by the spool and told by the link. */
static void write_record(mod_mcp_context_t *context, const mod_mcp_runtime_t *runtime, const mcpa_record_t *record)
{
    if (context->promise_open) {
        context->promise_open = false;
        (void)mod_mcp_spool_fulfil(runtime->spool, record);
    } else {
        (void)mod_mcp_spool_commit(runtime->spool, record);
    }
}

int mod_mcp_audit_log(request_rec *r)
{
    mod_mcp_context_t *context = mod_mcp_context_find(r);
    const mod_mcp_runtime_t *runtime = mod_mcp_runtime();
    const mod_mcp_verdict_t *verdict = context ? deciding(context) : NULL;
    request_rec *last = r;
    mcpa_record_t record;
    buffers_t buffers;

    if (!verdict || !runtime || r != context->root) {
        return DECLINED;
    }
    while (last->next) {
        last = last->next;
    }
    count_outcome(runtime, verdict);
    /* What was let in has its words already; in Shadow nobody but the access log may see them. */
    if (verdict->reason != MCPA_REASON_PASS || verdict->policy.mode == MCPA_MODE_SHADOW) {
        mod_mcp_headers_set_outcome(r, verdict);
        mod_mcp_headers_set_outcome(last, verdict);
    }
    mask_query(r);
    if (last != r) {
        mask_query(last);
    }
    if (verdict->policy.audit == MCPA_AUDIT_OFF && !context->promise_made) {
        return DECLINED;
    }
    mcpa_record_init(&record);
    fill_request(&record, context);
    fill_end(&record, context, last);
    fill_verdict(&record, verdict, &buffers);
    write_record(context, runtime, &record);
    return DECLINED;
}
