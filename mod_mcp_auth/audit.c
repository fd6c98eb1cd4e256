/* SPDX-License-Identifier: Apache-2.0 */
#include "audit.h"

#include "policy/credential.h"
#include "apr_strings.h"
#include "http_protocol.h"
#include "util_filter.h"

#include "base/crash.h"
#include "base/text.h"
#include "child.h"
#include "headers.h"

#define HASH_BYTES 8 /* of the token's SHA-256: enough to tell tokens apart, useless to guess one */

/* Added by these handles: a name would be looked up for each request. */
static ap_filter_rec_t *count_filter;
static ap_filter_rec_t *record_filter;

typedef struct count {
    apr_off_t bytes;
} count_t;

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

static void count_body(request_rec *r, mod_mcp_context_t *context)
{
    /* Where the length is told nothing is put in between: mod_proxy sends a body on with its length only when nobody else reads
     * it. */
    if (r != context->root || context->body || !apr_table_get(r->headers_in, "Transfer-Encoding")) {
        return;
    }
    context->body = apr_pcalloc(r->pool, sizeof(count_t));
    ap_add_input_filter_handle(count_filter, context->body, r, r->connection);
}

/* The verdict that speaks for the whole: the first refusal of the request itself, else of an included part, else what let it in.
 * Of those that are to be recorded; or of all. */
static const mod_mcp_verdict_t *deciding(const mod_mcp_context_t *context, bool recorded_only)
{
    const mod_mcp_verdict_t *best = NULL;
    int best_rank = -1;

    for (const mod_mcp_verdict_t *verdict = context->verdicts; verdict; verdict = verdict->older) {
        bool refused = mcpa_reason_row(verdict->reason)->outcome != MCPA_OUTCOME_ALLOW;
        int rank = refused ? 1 + 2 * !verdict->by_subrequest : 0 + 2 * !verdict->by_subrequest;

        if (rank >= best_rank &&
            !(recorded_only &&
              verdict->policy.audit == MCPA_AUDIT_OFF)) { /* they come newest first, and the oldest of a rank wins */
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

/* What is known when it comes. */
static void fill_request(mcpa_record_t *record, mod_mcp_context_t *context)
{
    const request_rec *r = context->root;
    const char *correlation;
    bool is_clients;

    record->ts = r->request_time;
    record->method = mcpa_str(r->method);
    record->path = mcpa_str(r->parsed_uri.path ? r->parsed_uri.path : r->uri);
    record->ip = mcpa_str(r->useragent_ip);
    record->user_agent = mcpa_str(apr_table_get(r->headers_in, "User-Agent"));
    record->origin = mcpa_str(apr_table_get(r->headers_in, "Origin"));
    record->request_id = mcpa_str(mod_mcp_request_name(context));
    correlation = mod_mcp_correlation(context, &is_clients);
    record->correlation_id = is_clients ? mcpa_str(correlation) : MCPA_STR_NONE;
}

/* What is known when it ends. */
static void fill_end(mcpa_record_t *record, const mod_mcp_context_t *context, const request_rec *last, apr_off_t bytes_out)
{
    record->latency_ms = apr_time_now() - context->root->request_time;
    record->status = last->status;
    record->bytes_in = body_bytes(context);
    record->bytes_out = bytes_out;
}

/* pool: of the request. What is made for the record is made there, and not in long buffers on the stack (spool.c says why). */
static void fill_verdict(mcpa_record_t *record, const mod_mcp_verdict_t *verdict, apr_pool_t *pool)
{
    const mcpa_decision_t *decision = &verdict->decision;

    record->decision = mcpa_str(mod_mcp_outcome_word(verdict));
    record->reason = mcpa_str(mcpa_reason_word(verdict->reason));
    record->location = mcpa_str(verdict->policy.location);
    record->vhost = mcpa_str(verdict->policy.vhost);
    record->auth_method = decision->token.ptr ? MCPA_STR("jwt") : MCPA_STR("none");
    if (decision->has_token_hash) {
        char *hex = apr_palloc(pool, 2 * HASH_BYTES + 1);

        mcpa_hex(hex, decision->token_hash, HASH_BYTES);
        record->token_hash = (mcpa_str_t){ hex, 2 * HASH_BYTES };
    }
    if (decision->issuer) {
        record->iss = mcpa_str(decision->issuer->url);
    }
    if (decision->authenticated) {
        record->sub = decision->principal.subject;
        record->client_id = decision->principal.client_id;
        record->jti = decision->principal.token_id;
        record->aud = decision->principal.audience;
        record->scope = mcpa_str(mod_mcp_scopes_text(pool, &decision->principal.scopes));
    }
    /* With MCPAuthInspect Headers there is no message, and the operation is told all the same. */
    if (decision->message || (verdict->policy.inspect == MCPA_INSPECT_HEADERS && mcpa_str_eqz(record->method, "POST"))) {
        record->rpc_method = decision->operation;
        record->rpc_name = decision->operation_name;
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

    if (context->promise_made || context->promise_failed || !runtime) {
        return context->promise_made;
    }
    mcpa_record_init(&record);
    record.event = MCPA_STR("decision");
    fill_request(&record, context);
    fill_verdict(&record, verdict, context->root->pool);
    if (mod_mcp_spool_promise(runtime->spool, &record) != MCPA_OK) {
        context->promise_failed = true;
        return false;
    }
    context->promise_made = context->promise_open = true;
    apr_pool_cleanup_register(context->root->pool, context, release_promise, apr_pool_cleanup_null);
    return true;
}

/* Once, at the first call. last: the request_rec that made the answer. What cannot be committed is counted by the spool and told
 * by the link. */
static void record_end(mod_mcp_context_t *context, const request_rec *last, apr_off_t bytes_out)
{
    const mod_mcp_runtime_t *runtime = mod_mcp_runtime();
    const mod_mcp_verdict_t *verdict = deciding(context, true);
    mcpa_record_t record;

    if (context->recorded || !verdict || !runtime) {
        return;
    }
    context->recorded = true;
    mcpa_record_init(&record);
    fill_request(&record, context);
    fill_end(&record, context, last, bytes_out);
    fill_verdict(&record, verdict, context->root->pool);
    if (context->promise_open) {
        context->promise_open = false;
        (void)mod_mcp_spool_fulfil(runtime->spool, &record);
    } else {
        (void)mod_mcp_spool_commit(runtime->spool, &record);
    }
}

/* What one brigade is to the answer. */
typedef struct part {
    bool is_error;   /* httpd makes another answer of it */
    bool is_open;    /* how long it is turns out when it is sent: the output of a CGI program */
    apr_bucket *eos; /* NULL: there is more to come */
    apr_off_t bytes;
} part_t;

static part_t look_at(const apr_bucket_brigade *bb)
{
    part_t part = { 0 };

    for (apr_bucket *e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb) && !part.eos; e = APR_BUCKET_NEXT(e)) {
        if (AP_BUCKET_IS_ERROR(e)) {
            part.is_error = true;
        } else if (APR_BUCKET_IS_EOS(e)) {
            part.eos = e;
        } else if (e->length == (apr_size_t)-1) {
            part.is_open = true;
        } else {
            part.bytes += (apr_off_t)e->length;
        }
    }
    return part;
}

/* How many bytes tell a client that it has all of the answer; -1: only its end does. */
static apr_off_t told_length(const request_rec *r)
{
    const char *length = apr_table_get(r->headers_out, "Content-Length");
    uint64_t bytes = 0;

    if (r->header_only || r->status == HTTP_NO_CONTENT || r->status == HTTP_NOT_MODIFIED) {
        return 0;
    }
    return length && mcpa_text_u64(mcpa_str(length), &bytes) && bytes <= INT64_MAX ? (apr_off_t)bytes : -1;
}

/* The record stands in the spool before the client can have the whole answer: whoever has one has a record. Sees the body as it
 * will be sent, before httpd puts the header in front and cuts ranges out of it. */
static apr_status_t filter_record(ap_filter_t *f, apr_bucket_brigade *bb)
{
    mod_mcp_context_t *context = f->ctx;
    part_t part = look_at(bb);
    apr_off_t told = told_length(f->r), bytes;
    apr_status_t rv = APR_SUCCESS;

    if (part.is_error) {
        ap_remove_output_filter(f);
        return ap_pass_brigade(f->next, bb);
    }
    if (part.is_open && part.eos && told < 0) {
        apr_bucket_brigade *end = apr_brigade_split(bb, part.eos);

        rv = ap_pass_brigade(f->next, bb);
        bb = end;
        part.bytes = 0;
    }
    /* httpd counts behind us, and counts what an included part sent past us, too. */
    bytes = part.is_open && told >= 0 ? told : f->r->bytes_sent + part.bytes;
    if (!part.eos && (told < 0 || bytes < told)) {
        return ap_pass_brigade(f->next, bb);
    }
    MCPA_CRASH("audit.answering");
    record_end(context, f->r, f->r->header_only ? 0 : bytes);
    MCPA_CRASH("audit.recorded");
    ap_remove_output_filter(f);
    rv = rv == APR_SUCCESS ? ap_pass_brigade(f->next, bb) : rv;
    MCPA_CRASH("audit.answered");
    return rv;
}

static void watch_answer(request_rec *r, mod_mcp_context_t *context)
{
    if (r->main || context->recorded || MCPA_MUTANT("record_after_answer")) {
        return;
    }
    ap_add_output_filter_handle(record_filter, context, r, r->connection);
    context->watched = r;
}

void mod_mcp_audit_insert_filter(request_rec *r)
{
    mod_mcp_context_t *context = mod_mcp_context_find(r);

    if (context) {
        count_body(r, context);
        watch_answer(r, context);
    }
}

void mod_mcp_audit_watch_page(const request_rec *r)
{
    mod_mcp_context_t *context = mod_mcp_context_find(r);
    request_rec *page = r->main;

    while (page && page->main) {
        page = page->main;
    }
    if (page && context && context->watched != page) {
        watch_answer(page, context);
    }
}

void mod_mcp_audit_insert_error_filter(request_rec *r)
{
    mod_mcp_context_t *context = mod_mcp_context_find(r);

    if (context) {
        watch_answer(r, context);
    }
}

void mod_mcp_audit_register(apr_pool_t *pool __attribute__((unused)))
{
    count_filter = ap_register_input_filter("MCPAUTH_COUNT", filter_count, NULL, AP_FTYPE_CONTENT_SET);
    /* Behind all that work on the body, before what httpd makes of it on the wire. */
    record_filter = ap_register_output_filter("MCPAUTH_RECORD", filter_record, NULL, (ap_filter_type)(AP_FTYPE_PROTOCOL - 1));
}

int mod_mcp_audit_log(request_rec *r)
{
    mod_mcp_context_t *context = mod_mcp_context_find(r);
    const mod_mcp_runtime_t *runtime = mod_mcp_runtime();
    const mod_mcp_verdict_t *verdict = context ? deciding(context, false) : NULL;
    request_rec *last = r;

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
    /* An answer that broke off, or went past the filters as that of a protocol switched to does. */
    record_end(context, last, last->bytes_sent);
    return DECLINED;
}
