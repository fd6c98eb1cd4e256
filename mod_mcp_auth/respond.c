/* SPDX-License-Identifier: Apache-2.0 */
#include "respond.h"

#include "apr_strings.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_core.h"
#include "util_filter.h"

#include "base/text.h"
#include "policy/challenge.h"
#include "watch.h"

#define ALLOWED_METHODS "POST, GET, DELETE, OPTIONS"
#define REQUEST_HEADERS                                                                                                          \
    "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID"
#define PREFLIGHT_AGE   "600"
#define PARAM_PREFIX    "Mcp-Param-"
#define PARAMS_MAX      32
#define KEYS_RETRY_S    5 /* about as long as a daemon needs to start and fetch */
#define CHALLENGE_BYTES (2 * MCPA_SCOPE_TEXT_MAX_BYTES + 2 * MCPA_CLAIM_MAX_BYTES + 512)
#define BODY_BYTES      (MCPA_ERROR_MESSAGE_MAX_BYTES + 2)

/* The Mcp-Param-* headers that the page wants to send and that are header names at all. */
static const char *allowed_headers(request_rec *r)
{
    const char *asked = apr_table_get(r->headers_in, "Access-Control-Request-Headers");
    const char *allowed = REQUEST_HEADERS;
    unsigned n = 0;

    while (asked && *asked && n < PARAMS_MAX) {
        size_t len;

        asked += strspn(asked, " \t,");
        len = strcspn(asked, ", \t");
        if (len > strlen(PARAM_PREFIX) && !ap_cstr_casecmpn(asked, PARAM_PREFIX, strlen(PARAM_PREFIX)) &&
            mcpa_text_is_token((mcpa_str_t){ asked, len })) {
            allowed = apr_pstrcat(r->pool, allowed, ", ", apr_pstrmemdup(r->pool, asked, len), NULL);
            n++;
        }
        asked += len;
    }
    return allowed;
}

static int64_t retry_after_s(const mod_mcp_verdict_t *verdict)
{
    switch (mcpa_decision_status(&verdict->decision)) {
    case HTTP_TOO_MANY_REQUESTS:
        return verdict->decision.retry_after_s ? (int64_t)verdict->decision.retry_after_s : 1;
    case HTTP_SERVICE_UNAVAILABLE:
        return KEYS_RETRY_S;
    default:
        return -1;
    }
}

void mod_mcp_respond_headers(request_rec *r, const mod_mcp_verdict_t *verdict, const mcpa_policy_t *policy)
{
    apr_table_t *headers = r->err_headers_out;
    mcpa_out_t challenge;

    mcpa_out_init(&challenge, apr_palloc(r->pool, CHALLENGE_BYTES), CHALLENGE_BYTES);
    mcpa_challenge_print(&challenge, policy, verdict->reason, verdict->decision.operation_scopes);
    if (challenge.len && mcpa_out_status(&challenge) == MCPA_OK) {
        apr_table_setn(headers, "WWW-Authenticate", challenge.ptr);
    }
    if (verdict->reason == MCPA_REASON_METHOD_NOT_ALLOWED) {
        apr_table_setn(headers, "Allow", ALLOWED_METHODS);
    }
    if (verdict->reason == MCPA_REASON_PREFLIGHT) {
        apr_table_setn(headers, "Access-Control-Allow-Methods", ALLOWED_METHODS);
        apr_table_setn(headers, "Access-Control-Allow-Headers", allowed_headers(r));
        apr_table_setn(headers, "Access-Control-Max-Age", PREFLIGHT_AGE);
    }
    if (retry_after_s(verdict) >= 0) {
        apr_table_setn(headers, "Retry-After", apr_psprintf(r->pool, "%" APR_INT64_T_FMT, retry_after_s(verdict)));
    }
    apr_table_setn(headers, "Cache-Control", "no-store");
}

const char *mod_mcp_respond_body(request_rec *r, const mod_mcp_verdict_t *verdict)
{
    mcpa_out_t body;

    mcpa_out_init(&body, apr_palloc(r->pool, BODY_BYTES), BODY_BYTES);
    mcpa_error_message_print(&body, &verdict->decision, retry_after_s(verdict));
    mcpa_out_char(&body, '\n');
    return body.ptr;
}

int mod_mcp_respond_send(request_rec *r, int status, const char *body)
{
    return mod_mcp_respond_text(r, status, "application/json", body);
}

int mod_mcp_respond_text(request_rec *r, int status, const char *type, const char *body)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);

    r->status = status;
    r->status_line = NULL;
    if (ap_status_drops_connection(status)) {
        r->connection->keepalive = AP_CONN_CLOSE;
    }
    r->eos_sent = 0;
    r->output_filters = r->proto_output_filters;
    ap_run_insert_error_filter(r);
    if (body) {
        ap_set_content_type(r, type);
        ap_set_content_length(r, (apr_off_t)strlen(body));
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(body, strlen(body), r->pool, alloc));
    }
    /* httpd reads what is left of the body before it ends the request; the client shall not wait for its answer that long. */
    if (apr_table_get(r->headers_in, "Content-Length") || apr_table_get(r->headers_in, "Transfer-Encoding")) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(alloc));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    (void)ap_pass_brigade(r->output_filters, bb);
    return DONE;
}

apr_status_t mod_mcp_respond_instead(ap_filter_t *f, apr_bucket_brigade *bb, const mod_mcp_verdict_t *verdict)
{
    request_rec *r = f->r;
    const char *body = mod_mcp_respond_body(r, verdict);

    mod_mcp_watch_silence(r);
    apr_brigade_cleanup(bb);
    apr_table_clear(r->headers_out);
    mod_mcp_respond_headers(r, verdict, &verdict->policy);
    r->status = mcpa_decision_status(&verdict->decision);
    r->status_line = NULL;
    r->content_encoding = NULL;
    r->content_languages = NULL;
    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)strlen(body));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(body, strlen(body), r->pool, f->c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(f->c->bucket_alloc));
    return ap_pass_brigade(f->next, bb);
}

/* Whether r is httpd's own second request for the page of an error: that must not end in yet another one. */
static bool is_error_page(const request_rec *r)
{
    return r->prev && r->prev->status != HTTP_OK;
}

int mod_mcp_respond(request_rec *r, const mod_mcp_verdict_t *verdict)
{
    int status = mcpa_decision_status(&verdict->decision);

    if (!ap_is_HTTP_VALID_RESPONSE(status)) {
        status = HTTP_INTERNAL_SERVER_ERROR;
    }
    if (r->main) {
        return ap_is_HTTP_ERROR(status) ? status : HTTP_FORBIDDEN;
    }
    mod_mcp_respond_headers(r, verdict, &verdict->policy);
    if (ap_is_HTTP_ERROR(status) && !is_error_page(r) && ap_response_code_string(r, ap_index_of_response(status))) {
        return status;
    }
    return mod_mcp_respond_send(r, status, ap_is_HTTP_ERROR(status) ? mod_mcp_respond_body(r, verdict) : NULL);
}
