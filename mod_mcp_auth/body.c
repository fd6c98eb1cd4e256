/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include "apr_strings.h"
#include "http_protocol.h"
#include "util_filter.h"

#include "base/text.h"

#define READ_BYTES  65536
#define FIRST_BYTES 16384 /* of memory for a body that does not tell its length */

/* Added by this handle: its name would be looked up for each request. */
static ap_filter_rec_t *replay_filter;

/* What was read of a body; in the context of its request. */
typedef struct mod_mcp_body {
    char *bytes;
    apr_size_t len, cap;
    apr_size_t given; /* by the filter */
    bool is_whole;
} body_t;

/* Gives what was read; after that the end, or what is still to come. */
static apr_status_t filter_replay(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode, apr_read_type_e block,
                                  apr_off_t readbytes)
{
    body_t *body = f->ctx;
    apr_size_t rest = body->len - body->given;
    apr_size_t len = readbytes > 0 && (apr_uint64_t)readbytes < rest ? (apr_size_t)readbytes : rest;

    if (mode == AP_MODE_INIT || mode == AP_MODE_EATCRLF || (rest == 0 && !body->is_whole)) {
        return ap_get_brigade(f->next, bb, mode, block, readbytes);
    }
    if (mode == AP_MODE_GETLINE) {
        return APR_ENOTIMPL; /* nobody reads a body by lines */
    }
    if (len > 0) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(body->bytes + body->given, len, f->r->pool, f->c->bucket_alloc));
    } else {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(f->c->bucket_alloc));
    }
    if (mode != AP_MODE_SPECULATIVE) {
        body->given += len;
    }
    return APR_SUCCESS;
}

void mod_mcp_body_register(void)
{
    /* In front of all others: they see a body that was not read yet. */
    replay_filter = ap_register_input_filter("MCPAUTH_REPLAY", filter_replay, NULL, (ap_filter_type)(AP_FTYPE_PROTOCOL - 1));
}

/* The filter stands where httpd's own filter for bodies stood: it is the one that knows the length. mod_proxy trusts a told
 * length, and sends the body on without a temporary file, only where there is no filter in front of that one. */
static void insert_replay(request_rec *r, body_t *body)
{
    ap_filter_t *filter = ap_add_input_filter_handle(replay_filter, body, r, r->connection);

    if (filter && filter->next == r->proto_input_filters) {
        r->proto_input_filters = filter;
    }
}

static bool told_length(const request_rec *r, apr_uint64_t *bytes)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");

    return length && !apr_table_get(r->headers_in, "Transfer-Encoding") && mcpa_text_u64(mcpa_str(length), bytes);
}

bool mod_mcp_body_comes(const request_rec *r)
{
    apr_uint64_t bytes = 0;

    /* A redirect asks for something else; the body was for the request it came from. */
    if (r->main || (r->prev && strcmp(r->method, "POST") != 0)) {
        return false;
    }
    return (told_length(r, &bytes) ? bytes > 0 : apr_table_get(r->headers_in, "Content-Length") != NULL) ||
           apr_table_get(r->headers_in, "Transfer-Encoding") != NULL;
}

/* Room for 'more' bytes; what was read moves. */
static void make_room(body_t *body, apr_size_t more, apr_pool_t *pool)
{
    apr_size_t cap = body->cap;
    char *bytes;

    if (body->cap - body->len >= more) {
        return;
    }
    while (cap - body->len < more) {
        cap = cap ? cap * 2 : FIRST_BYTES;
    }
    bytes = apr_palloc(pool, cap);
    if (body->len) {
        memcpy(bytes, body->bytes, body->len);
    }
    body->bytes = bytes;
    body->cap = cap;
}

/* Takes the brigade's bytes; all of them, so that nothing that was read gets lost. */
static apr_status_t take(body_t *body, apr_bucket_brigade *bb, apr_pool_t *pool)
{
    apr_status_t rv = APR_SUCCESS;

    for (apr_bucket *e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb) && rv == APR_SUCCESS && !body->is_whole;
         e = APR_BUCKET_NEXT(e)) {
        const char *data = NULL;
        apr_size_t len = 0;

        if (APR_BUCKET_IS_EOS(e)) {
            body->is_whole = true;
        } else if (!APR_BUCKET_IS_METADATA(e)) {
            rv = apr_bucket_read(e, &data, &len, APR_BLOCK_READ);
            if (rv == APR_SUCCESS && len > 0) {
                make_room(body, len, pool);
                memcpy(body->bytes + body->len, data, len);
                body->len += len;
            }
        }
    }
    apr_brigade_cleanup(bb);
    return rv;
}

static mcpa_reason_t read_all(request_rec *r, body_t *body, apr_uint64_t max_body)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_uint64_t told = 0;
    apr_status_t rv = APR_SUCCESS;

    if (told_length(r, &told) && told > max_body) {
        return MCPA_REASON_BODY_TOO_LARGE;
    }
    make_room(body, (apr_size_t)told, r->pool);
    while (rv == APR_SUCCESS && !body->is_whole && body->len <= max_body) {
        rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, READ_BYTES);
        if (rv == APR_SUCCESS) {
            rv = take(body, bb, r->pool);
        }
    }
    if (rv != APR_SUCCESS) {
        /* What comes next on this connection is not known. httpd's own cap is LimitRequestBody. */
        r->connection->keepalive = AP_CONN_CLOSE;
        return ap_map_http_request_error(rv, HTTP_BAD_REQUEST) == HTTP_REQUEST_ENTITY_TOO_LARGE ? MCPA_REASON_BODY_TOO_LARGE
                                                                                                : MCPA_REASON_BODY_UNREAD;
    }
    return body->len <= max_body ? MCPA_REASON_PASS : MCPA_REASON_BODY_TOO_LARGE;
}

void mod_mcp_body_tell(request_rec *r, const mod_mcp_context_t *context)
{
    const body_t *body = context->read_body;

    if (body && body->is_whole && apr_table_get(r->headers_in, "Transfer-Encoding")) {
        apr_table_unset(r->headers_in, "Transfer-Encoding");
        apr_table_setn(r->headers_in, "Content-Length", apr_psprintf(r->pool, "%" APR_SIZE_T_FMT, body->len));
    }
}

mcpa_reason_t mod_mcp_body_read(request_rec *r, mod_mcp_context_t *context, apr_uint64_t max_body, mcpa_message_t **message)
{
    body_t *body = context->read_body;
    mcpa_reason_t reason;

    if (r->main) {
        return MCPA_REASON_BODY_UNREAD; /* of a request that is not there: a subrequest has none */
    }
    if (!body) {
        body = context->read_body = apr_pcalloc(r->pool, sizeof(*body));
        reason = read_all(r, body, max_body);
        insert_replay(r, body);
        if (reason != MCPA_REASON_PASS) {
            return reason;
        }
    } else if (!body->is_whole) {
        return MCPA_REASON_BODY_UNREAD;
    } else if (body->len > max_body) {
        return MCPA_REASON_BODY_TOO_LARGE;
    }
    *message = apr_palloc(r->pool, sizeof(**message));
    mcpa_message_init(*message, (mcpa_str_t){ body->bytes, body->len });
    return MCPA_REASON_PASS;
}
