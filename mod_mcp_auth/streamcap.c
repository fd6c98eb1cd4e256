/* SPDX-License-Identifier: Apache-2.0 */
#include "streamcap.h"

#include <unistd.h>

#include "apr_strings.h"
#include "http_protocol.h"
#include "util_filter.h"

#include "child.h"
#include "gate.h"
#include "respond.h"

#define STREAM  "text/event-stream"
#define RETRY_S 10 /* a stream ends when its client or server likes */

/* Added by this handle: its name would be looked up for each request. */
static ap_filter_rec_t *streamcap_filter;

/* Of one answer. */
typedef struct cap {
    mod_mcp_verdict_t *verdict;
    bool has_begun, is_withheld;
} cap_t;

bool mod_mcp_is_stream(const request_rec *r)
{
    size_t len = r->content_type ? strcspn(r->content_type, " \t;") : 0;

    return len == strlen(STREAM) && !ap_cstr_casecmpn(r->content_type, STREAM, len);
}

static bool is_this(uint32_t process)
{
    return process == (uint32_t)getpid();
}

void mod_mcp_streamcap_begin(mcpa_streams_t *streams)
{
    (void)mcpa_streams_reclaim(streams, is_this);
}

/* Before the shared memory goes, which belongs to the process. */
static apr_status_t leave(void *memory)
{
    mod_mcp_place_t *place = memory;

    if (place->table) {
        mcpa_streams_close(place->table, &place->stream);
    }
    return APR_SUCCESS;
}

/* One place for a client's request, however many handlers it needs. */
static bool enter(mod_mcp_context_t *context, mod_mcp_verdict_t *verdict)
{
    const mod_mcp_runtime_t *runtime = mod_mcp_runtime();
    const mcpa_principal_t *principal = &verdict->decision.principal;
    mod_mcp_place_t *place = &context->place;
    uint64_t owner;

    if (place->stream.word) {
        return true;
    }
    if (!runtime) {
        return false;
    }
    if (!place->table) {
        place->table = runtime->shm.streams;
        apr_pool_cleanup_register(context->root->pool, place, leave, apr_pool_cleanup_null);
    }
    owner = mcpa_streams_owner(place->table, mcpa_str(verdict->policy.resource), principal->issuer, principal->subject,
                               principal->client_id);
    if (mcpa_streams_open(place->table, &place->stream, owner, (uint32_t)getpid(), verdict->policy.max_streams)) {
        return true;
    }
    /* Some may be those of children that were killed. */
    return mcpa_streams_reclaim(place->table, mod_mcp_process_is_foreign) > 0 &&
           mcpa_streams_open(place->table, &place->stream, owner, (uint32_t)getpid(), verdict->policy.max_streams);
}

static void refuse(request_rec *r, mod_mcp_verdict_t *verdict)
{
    verdict->decision.retry_after_s = RETRY_S;
    mod_mcp_gate_refuse(r, verdict, MCPA_REASON_STREAM_LIMIT);
}

bool mod_mcp_streamcap_admit(request_rec *r, mod_mcp_verdict_t *verdict)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");

    if (r->main || r->method_number != M_GET || !accept || !ap_strcasestr(accept, STREAM) ||
        verdict->policy.max_streams == MCPA_STREAMS_UNLIMITED) {
        return true;
    }
    if (!enter(mod_mcp_context_get(r), verdict)) {
        refuse(r, verdict);
        return false;
    }
    return true;
}

/* With the head of an answer. False: it is withheld. */
static bool begin(request_rec *r, mod_mcp_verdict_t *verdict)
{
    mod_mcp_context_t *context = mod_mcp_context_get(r);

    if (!mod_mcp_is_stream(r)) {
        (void)leave(&context->place);
        return true;
    }
    if (enter(context, verdict)) {
        return true;
    }
    refuse(r, verdict);
    return verdict->policy.mode != MCPA_MODE_ON;
}

/* Whether something is in it that is still to be read while it is sent: the output of a CGI program. */
static bool is_open(const apr_bucket_brigade *bb)
{
    for (const apr_bucket *e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        if (e->length == (apr_size_t)-1) {
            return true;
        }
    }
    return false;
}

/* bb ends the answer. The place is given back before the client can know that it is over, and open the next one, and not before
 * all else of it was sent. */
static apr_status_t end_answer(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_status_t rv = APR_SUCCESS;

    if (is_open(bb)) {
        apr_bucket_brigade *end = apr_brigade_split(bb, APR_BRIGADE_LAST(bb));

        rv = ap_pass_brigade(f->next, bb);
        bb = end;
    }
    (void)leave(&mod_mcp_context_get(f->r)->place);
    ap_remove_output_filter(f);
    return rv == APR_SUCCESS ? ap_pass_brigade(f->next, bb) : rv;
}

static apr_status_t filter_streamcap(ap_filter_t *f, apr_bucket_brigade *bb)
{
    cap_t *cap = f->ctx;

    if (!cap->has_begun) {
        cap->has_begun = true;
        cap->is_withheld = !begin(f->r, cap->verdict);
        if (cap->is_withheld) {
            (void)mod_mcp_respond_instead(f, bb, cap->verdict);
        }
    }
    if (cap->is_withheld) { /* so that nobody reads more of it */
        apr_brigade_cleanup(bb);
        return APR_ECONNABORTED;
    }
    if (!APR_BRIGADE_EMPTY(bb) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb))) {
        return end_answer(f, bb);
    }
    return ap_pass_brigade(f->next, bb);
}

void mod_mcp_streamcap_insert_filter(request_rec *r)
{
    mod_mcp_verdict_t *verdict = r->main ? NULL : mod_mcp_verdict_for_answer(r);
    cap_t *cap;

    if (verdict && verdict->reason == MCPA_REASON_PASS && verdict->policy.max_streams != MCPA_STREAMS_UNLIMITED) {
        cap = apr_pcalloc(r->pool, sizeof(*cap));
        cap->verdict = verdict;
        ap_add_output_filter_handle(streamcap_filter, cap, r, r->connection);
    }
}

void mod_mcp_streamcap_register(void)
{
    /* Before the filters that complete the head as this one leaves it. */
    streamcap_filter = ap_register_output_filter("MCPAUTH_STREAMCAP", filter_streamcap, NULL, AP_FTYPE_CONTENT_SET);
}
