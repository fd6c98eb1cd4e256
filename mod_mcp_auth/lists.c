/* SPDX-License-Identifier: Apache-2.0 */
#include "lists.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "apr_strings.h"
#include "http_protocol.h"

#include "base/json.h"
#include "base/limits.h"
#include "clock.h"
#include "lists_impl.h"
#include "mcp/listfilter.h"
#include "policy/challenge.h"
#include "policy/may.h"
#include "watch.h"

APLOG_USE_MODULE(mcp_auth);

#define FIRST_BYTES   4096
#define SCOPE_BYTES   64 /* what a cache scope may add to a message */
#define LINE_EVERY_US (60 * 1000000LL)
#define WITHHELD      "The answer of the server could not be understood, so it is withheld"

/* Added by this handle: its name would be looked up for each request. */
static ap_filter_rec_t *lists_filter;

/* ---- memory */

static apr_status_t free_held(void *memory)
{
    mod_mcp_lists_let_go(memory);
    return APR_SUCCESS;
}

void mod_mcp_lists_let_go(mod_mcp_lists_t *lists)
{
    free(lists->held);
    lists->held = NULL;
    lists->len = lists->cap = 0;
}

bool mod_mcp_lists_hold(mod_mcp_lists_t *lists, mcpa_str_t bytes)
{
    apr_size_t cap = lists->cap ? lists->cap : FIRST_BYTES;
    char *held;

    if (bytes.len > MCPA_LIST_MAX_BYTES - lists->len) {
        return false;
    }
    while (cap - lists->len < bytes.len) {
        cap *= 2;
    }
    if (cap != lists->cap) {
        held = realloc(lists->held, cap);
        if (!held) {
            return false;
        }
        lists->held = held;
        lists->cap = cap;
    }
    memcpy(lists->held + lists->len, bytes.ptr, bytes.len);
    lists->len += bytes.len;
    return true;
}

/* ---- one message */

typedef struct cut {
    const mod_mcp_verdict_t *verdict;
    mcpa_out_t out;
} cut_t;

static bool allowed(void *ctx, mcpa_str_t operation, mcpa_str_t name)
{
    const mod_mcp_verdict_t *verdict = ((const cut_t *)ctx)->verdict;

    return mcpa_may_operate(&verdict->decision, &verdict->policy, operation, name);
}

static void keep(void *ctx, mcpa_str_t bytes)
{
    mcpa_out_str(&((cut_t *)ctx)->out, bytes);
}

char *mod_mcp_lists_cut(const mod_mcp_lists_t *lists, mcpa_str_t message, apr_size_t *len)
{
    cut_t cut = { .verdict = lists->verdict };
    mcpa_list_filter_t filter = { .allowed = allowed,
                                  .keep = keep,
                                  .ctx = &cut,
                                  .add_cache_scope = mcpa_revision_is_modern(lists->verdict->decision.revision) };
    apr_size_t cap = message.len + SCOPE_BYTES;
    char *memory = malloc(cap);

    if (!memory) {
        return NULL;
    }
    mcpa_out_init(&cut.out, memory, cap);
    if (mcpa_list_filter(&filter, message) != MCPA_OK || mcpa_out_status(&cut.out) != MCPA_OK) {
        free(memory);
        return NULL;
    }
    *len = cut.out.len;
    return memory;
}

/* ---- what is withheld */

mcpa_str_t mod_mcp_lists_error(mod_mcp_lists_t *lists, apr_pool_t *pool)
{
    const mcpa_message_t *message = lists->verdict->decision.message;
    bool has_id = message && message->rpc.id.ptr;
    mcpa_out_t out;
    mcpa_jsonw_t w;

    if (lists->error.ptr) { /* once for all events of a stream */
        return lists->error;
    }
    mcpa_out_init(&out, apr_palloc(pool, MCPA_ERROR_MESSAGE_MAX_BYTES), MCPA_ERROR_MESSAGE_MAX_BYTES);
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    if (has_id) {
        mcpa_jsonw_z(&w, "jsonrpc", "2.0");
        mcpa_jsonw_raw(&w, "id", message->rpc.id);
        mcpa_jsonw_open_object(&w, "error");
        mcpa_jsonw_int(&w, "code", HTTP_BAD_GATEWAY);
        mcpa_jsonw_z(&w, "message", WITHHELD);
        mcpa_jsonw_open_object(&w, "data");
    }
    mcpa_jsonw_z(&w, "error", "bad_gateway");
    mcpa_jsonw_z(&w, "message", WITHHELD);
    mcpa_jsonw_close_object(&w);
    if (has_id) {
        mcpa_jsonw_close_object(&w);
        mcpa_jsonw_close_object(&w);
    }
    lists->error = mcpa_out_get(&out);
    return lists->error;
}

/* The server's fault, but as often as a client asks. */
void mod_mcp_lists_log(request_rec *r, const mod_mcp_lists_t *lists, const char *what)
{
    static _Atomic apr_int64_t told_us;
    apr_int64_t now_us = mod_mcp_mono_us(), before_us = atomic_load(&told_us);

    if ((!before_us || now_us - before_us >= LINE_EVERY_US) && atomic_compare_exchange_strong(&told_us, &before_us, now_us)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "MCPA0320: %s: an answer of the server was withheld: %s (told once a minute)",
                      lists->verdict->policy.location, what);
    }
}

/* Nothing of the answer was sent: ours takes its place, with none of its headers. */
static apr_status_t withhold(ap_filter_t *f, mod_mcp_lists_t *lists, apr_bucket_brigade *bb, const char *what)
{
    mcpa_str_t body = mod_mcp_lists_error(lists, f->r->pool);
    request_rec *r = f->r;

    mod_mcp_lists_log(r, lists, what);
    mod_mcp_watch_silence(r);
    mod_mcp_lists_let_go(lists);
    lists->way = MOD_MCP_LISTS_OVER;
    r->status = HTTP_BAD_GATEWAY;
    r->status_line = NULL;
    r->content_encoding = NULL;
    r->content_languages = NULL;
    apr_table_clear(r->headers_out);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)body.len);
    apr_brigade_cleanup(bb);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(body.ptr, body.len, r->pool, f->c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(f->c->bucket_alloc));
    return ap_pass_brigade(f->next, bb);
}

/* ---- a document */

static apr_status_t pass_document(ap_filter_t *f, mod_mcp_lists_t *lists, apr_bucket_brigade *bb)
{
    apr_size_t len = 0;
    char *text = NULL;

    if (lists->len) {
        text = mod_mcp_lists_cut(lists, (mcpa_str_t){ lists->held, lists->len }, &len);
        if (!text) {
            return withhold(f, lists, bb, "no plain JSON-RPC message");
        }
        ap_set_content_length(f->r, (apr_off_t)len);
    }
    mod_mcp_lists_let_go(lists);
    lists->way = MOD_MCP_LISTS_OVER;
    apr_brigade_cleanup(bb);
    if (text) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_heap_create(text, len, free, f->c->bucket_alloc));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(f->c->bucket_alloc));
    return ap_pass_brigade(f->next, bb);
}

/* Flushes wait with what they were to flush. */
static apr_status_t take_document(ap_filter_t *f, mod_mcp_lists_t *lists, apr_bucket_brigade *bb)
{
    for (apr_bucket *e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        const char *data = NULL;
        apr_size_t len = 0;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(e)) {
            return pass_document(f, lists, bb);
        }
        if (AP_BUCKET_IS_ERROR(e)) {
            return withhold(f, lists, bb, "it broke off");
        }
        if (APR_BUCKET_IS_METADATA(e)) {
            continue;
        }
        rv = apr_bucket_read(e, &data, &len, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (len && lists->way == MOD_MCP_LISTS_NOTHING) {
            return withhold(f, lists, bb, "neither JSON nor an event stream, or encoded");
        }
        if (len && !mod_mcp_lists_hold(lists, (mcpa_str_t){ data, len })) {
            return withhold(f, lists, bb, "too long");
        }
    }
    apr_brigade_cleanup(bb);
    return APR_SUCCESS;
}

/* ---- every answer */

/* With parameters or without. */
static bool has_type(const char *type, const char *name)
{
    mcpa_str_t word = { type, type ? strcspn(type, " \t;") : 0 };

    if (!type || !mcpa_str_ieq(word, mcpa_str(name))) {
        return false;
    }
    type += word.len + strspn(type + word.len, " \t");
    return *type == '\0' || *type == ';';
}

static bool is_plain(const request_rec *r)
{
    const char *encoding = apr_table_get(r->headers_out, "Content-Encoding");

    encoding = encoding ? encoding : r->content_encoding;
    return !encoding || !ap_cstr_casecmp(encoding, "identity");
}

/* What was said of the text as the server wrote it; and that it may be shared, of which nothing is true any more. */
static void forget(request_rec *r)
{
    static const char *const names[] = { "Content-Length", "ETag",        "Content-MD5",    "Accept-Ranges", "Content-Range",
                                         "Digest",         "Repr-Digest", "Content-Digest", "Last-Modified" };
    const char *caching = apr_table_get(r->headers_out, "Cache-Control");

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        apr_table_unset(r->headers_out, names[i]);
    }
    if (caching && !ap_find_token(r->pool, caching, "no-store") && !ap_find_token(r->pool, caching, "no-cache")) {
        apr_table_setn(r->headers_out, "Cache-Control", "private");
    }
}

/* false: this answer is none of our business. */
static bool begin(request_rec *r, mod_mcp_lists_t *lists)
{
    if (lists->accept_encoding) {
        apr_table_setn(r->headers_in, "Accept-Encoding", lists->accept_encoding);
    } else {
        apr_table_unset(r->headers_in, "Accept-Encoding");
    }
    if (r->status < 200 || r->status > 299) {
        return false;
    }
    if (has_type(r->content_type, "text/event-stream")) {
        lists->way = is_plain(r) ? MOD_MCP_LISTS_STREAM : MOD_MCP_LISTS_NOTHING;
    } else if (has_type(r->content_type, "application/json")) {
        lists->way = is_plain(r) ? MOD_MCP_LISTS_DOCUMENT : MOD_MCP_LISTS_NOTHING;
    } else if (lists->is_list) {
        lists->way = MOD_MCP_LISTS_NOTHING;
    } else {
        return false;
    }
    forget(r);
    return true;
}

static apr_status_t filter_lists(ap_filter_t *f, apr_bucket_brigade *bb)
{
    mod_mcp_lists_t *lists = f->ctx;

    if (lists->way == MOD_MCP_LISTS_UNDECIDED && !begin(f->r, lists)) {
        ap_remove_output_filter(f);
        return ap_pass_brigade(f->next, bb);
    }
    switch (lists->way) {
    case MOD_MCP_LISTS_STREAM:
        return mod_mcp_lists_stream(f, lists, bb);
    case MOD_MCP_LISTS_DOCUMENT:
    case MOD_MCP_LISTS_NOTHING:
        return take_document(f, lists, bb);
    default:
        apr_brigade_cleanup(bb);
        return APR_ECONNABORTED; /* so that nobody reads more of it */
    }
}

void mod_mcp_lists_insert_filter(request_rec *r)
{
    const mod_mcp_verdict_t *verdict = r->main ? NULL : mod_mcp_verdict_for_answer(r);
    mod_mcp_lists_t *lists;
    bool is_list;

    if (!verdict || verdict->reason != MCPA_REASON_PASS || verdict->policy.mode != MCPA_MODE_ON ||
        verdict->policy.inspect == MCPA_INSPECT_OFF) {
        return;
    }
    is_list = mcpa_list_filter_wants(verdict->decision.operation);
    if (!is_list && !mcpa_str_eqz(verdict->decision.operation, "GET") && !apr_table_get(r->headers_in, "Last-Event-ID")) {
        return;
    }
    lists = apr_pcalloc(r->pool, sizeof(*lists));
    lists->verdict = verdict;
    lists->is_list = is_list;
    lists->accept_encoding = apr_table_get(r->headers_in, "Accept-Encoding");
    apr_table_setn(r->headers_in, "Accept-Encoding", "identity");
    apr_table_unset(r->headers_in, "Range");
    apr_table_unset(r->headers_in, "If-Range");
    apr_pool_cleanup_register(r->pool, lists, free_held, apr_pool_cleanup_null);
    ap_add_output_filter_handle(lists_filter, lists, r, r->connection);
}

void mod_mcp_lists_register(void)
{
    lists_filter = ap_register_output_filter("MCPAUTH_LISTS", filter_lists, NULL, (ap_filter_type)(AP_FTYPE_CONTENT_SET - 1));
}
