/* SPDX-License-Identifier: Apache-2.0 */
/* Of an event stream, event by event. Everything goes on with the brigade it came in, but for an event that is not whole yet. */
#include "lists_impl.h"
#include "watch.h"

#include <stdlib.h>

APLOG_USE_MODULE(mcp_auth);

/* Room that is worth keeping for the next event. */
#define KEEP_BYTES 65536

static void emit(void *ctx, mcpa_str_t bytes)
{
    (void)apr_brigade_write(((mod_mcp_lists_t *)ctx)->out, NULL, NULL, bytes.ptr, bytes.len);
}

/* Data that no client takes for an answer: none at all; or what does not look like JSON, where no list was asked for or the event
 * is of another type ("endpoint" of the oldest transport). */
static bool is_no_message(const mod_mcp_lists_t *lists, const mcpa_sse_event_t *read)
{
    size_t n = 0;

    while (n < read->data.len && (read->data.ptr[n] == ' ' || read->data.ptr[n] == '\t' || read->data.ptr[n] == '\n')) {
        n++;
    }
    return n == read->data.len || ((!lists->is_list || !read->is_message) && !strchr("{[\xef", read->data.ptr[n]));
}

/* Where a list was asked for, its error stands for the event. A stream of many answers cannot tell whose this was: clients see
 * nothing of it. */
static void replace(ap_filter_t *f, mod_mcp_lists_t *lists, mcpa_str_t event, bool is_last)
{
    const mcpa_message_t *message = lists->verdict->decision.message;
    bool has_id = lists->is_list && message && message->rpc.id.ptr;

    mod_mcp_lists_log(f->r, lists, "an event that is no plain JSON-RPC message");
    mcpa_sse_write(event, has_id ? mod_mcp_lists_error(lists, f->r->pool) : MCPA_STR_NONE, emit, lists);
    emit(lists, is_last ? MCPA_STR("\n\n") : MCPA_STR(""));
}

/* is_last: the stream ended without its blank line. */
static void take_event(ap_filter_t *f, mod_mcp_lists_t *lists, mcpa_str_t event, bool is_last)
{
    char *memory = malloc(event.len), *text = NULL;
    mcpa_sse_event_t read;
    apr_size_t len = 0;

    if (!memory) {
        replace(f, lists, event, is_last);
        return;
    }
    mcpa_sse_read(&read, event, memory);
    if (read.is_plain && (!read.has_data || is_no_message(lists, &read))) {
        emit(lists, event);
    } else if (read.is_plain && (text = mod_mcp_lists_cut(lists, read.data, &len)) != NULL) {
        if (mcpa_str_eq(read.data, (mcpa_str_t){ text, len })) {
            emit(lists, event);
        } else {
            mcpa_sse_write(event, (mcpa_str_t){ text, len }, emit, lists);
        }
    } else {
        replace(f, lists, event, is_last);
    }
    free(text);
    free(memory);
}

static void end_event(mod_mcp_lists_t *lists)
{
    lists->len = 0;
    if (lists->cap > KEEP_BYTES) {
        mod_mcp_lists_let_go(lists);
    }
}

/* false: an event is too long; nothing more can be told apart. */
static bool take_bytes(ap_filter_t *f, mod_mcp_lists_t *lists, mcpa_str_t bytes)
{
    while (bytes.len > 0) {
        mcpa_sse_part_t part;
        mcpa_str_t taken = { bytes.ptr, mcpa_sse_split(&lists->sse, bytes, &part) };

        if (part == MCPA_SSE_TOO_LONG || ((part == MCPA_SSE_HOLD || lists->len) && !mod_mcp_lists_hold(lists, taken))) {
            return false;
        }
        if (part != MCPA_SSE_HOLD) {
            mcpa_str_t whole = lists->len ? (mcpa_str_t){ lists->held, lists->len } : taken;

            if (part == MCPA_SSE_EVENT) {
                take_event(f, lists, whole, false);
            } else {
                emit(lists, whole);
            }
            end_event(lists);
        }
        bytes = (mcpa_str_t){ bytes.ptr + taken.len, bytes.len - taken.len };
    }
    return true;
}

static apr_status_t pass(ap_filter_t *f, mod_mcp_lists_t *lists)
{
    apr_status_t rv = APR_BRIGADE_EMPTY(lists->out) ? APR_SUCCESS : ap_pass_brigade(f->next, lists->out);

    apr_brigade_cleanup(lists->out);
    return rv;
}

static apr_status_t give_up(ap_filter_t *f, mod_mcp_lists_t *lists)
{
    mod_mcp_watch_silence(f->r);
    replace(f, lists, MCPA_STR_NONE, true);
    mod_mcp_lists_let_go(lists);
    lists->way = MOD_MCP_LISTS_OVER;
    APR_BRIGADE_INSERT_TAIL(lists->out, apr_bucket_eos_create(f->c->bucket_alloc));
    (void)pass(f, lists);
    return APR_ECONNABORTED;
}

/* Metadata keeps its place: a flush flushes what came before it. */
static void take_metadata(ap_filter_t *f, mod_mcp_lists_t *lists, apr_bucket *e)
{
    if (APR_BUCKET_IS_EOS(e) && lists->len) {
        take_event(f, lists, (mcpa_str_t){ lists->held, lists->len }, true);
        mod_mcp_lists_let_go(lists);
    }
    APR_BUCKET_REMOVE(e);
    APR_BRIGADE_INSERT_TAIL(lists->out, e);
}

/* What is not there yet is waited for only after everything before it was sent. */
static apr_status_t read_bucket(ap_filter_t *f, mod_mcp_lists_t *lists, apr_bucket *e, mcpa_str_t *bytes)
{
    apr_status_t rv = apr_bucket_read(e, &bytes->ptr, &bytes->len, APR_NONBLOCK_READ);

    if (APR_STATUS_IS_EAGAIN(rv)) {
        APR_BRIGADE_INSERT_TAIL(lists->out, apr_bucket_flush_create(f->c->bucket_alloc));
        rv = pass(f, lists);
        return rv == APR_SUCCESS ? apr_bucket_read(e, &bytes->ptr, &bytes->len, APR_BLOCK_READ) : rv;
    }
    return rv;
}

apr_status_t mod_mcp_lists_stream(ap_filter_t *f, mod_mcp_lists_t *lists, apr_bucket_brigade *bb)
{
    if (!lists->out) {
        lists->out = apr_brigade_create(f->r->pool, f->c->bucket_alloc);
    }
    while (!APR_BRIGADE_EMPTY(bb)) {
        apr_bucket *e = APR_BRIGADE_FIRST(bb);
        mcpa_str_t bytes = MCPA_STR_NONE;
        apr_status_t rv;

        if (APR_BUCKET_IS_METADATA(e)) {
            take_metadata(f, lists, e);
            continue;
        }
        rv = read_bucket(f, lists, e, &bytes);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (!take_bytes(f, lists, bytes)) {
            apr_brigade_cleanup(bb);
            return give_up(f, lists);
        }
        apr_bucket_delete(e);
    }
    return pass(f, lists);
}
