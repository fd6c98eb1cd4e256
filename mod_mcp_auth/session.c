/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include "apr_lib.h"
#include "http_protocol.h"
#include "util_filter.h"

#include "child.h"
#include "clock.h"
#include "respond.h"

#define HEADER "Mcp-Session-Id"

/* Added by this handle: its name would be looked up for each request. */
static ap_filter_rec_t *session_filter;

void mod_mcp_session_scrub(request_rec *r, const mod_mcp_verdict_t *verdict)
{
    if (verdict->policy.inspect != MCPA_INSPECT_OFF && mcpa_revision_is_modern(verdict->decision.revision)) {
        apr_table_unset(r->headers_in, HEADER);
    }
}

static bool is_success(const request_rec *r)
{
    return ap_is_HTTP_SUCCESS(r->status);
}

/* MCPA_REASON_PASS: there is none, or it is the caller's from now on. */
static mcpa_reason_t bind_session(const request_rec *r, mod_mcp_verdict_t *verdict, mcpa_sessions_t *sessions)
{
    const char *opened = apr_table_get(r->headers_out, HEADER);
    uint64_t now_ns = (uint64_t)mod_mcp_mono_us() * 1000, idle_ns = mod_mcp_global()->session_idle_ns;
    mcpa_session_key_t key;

    if (!opened || !is_success(r)) {
        return MCPA_REASON_PASS;
    }
    if (!mcpa_session_id_is_valid(mcpa_str(opened))) {
        return MCPA_REASON_SESSION_UNKNOWN; /* no request could name it */
    }
    mcpa_decision_session(&key, &verdict->decision, &verdict->policy, sessions, mcpa_str(opened));
    switch (mcpa_sessions_insert(sessions, &key, now_ns, idle_ns)) {
    case MCPA_SESSION_BOUND:
        return MCPA_REASON_PASS;
    case MCPA_SESSION_FULL: /* here; where the next id would be may have room at once */
        verdict->decision.retry_after_s = mcpa_sessions_full_for_s(sessions, &key, now_ns, idle_ns);
        return MCPA_REASON_SESSION_LIMIT;
    case MCPA_SESSION_FOREIGN:
        break;
    }
    return MCPA_REASON_SESSION_UNKNOWN;
}

/* Whether the client asked for the resource itself, that is where MCP says of a 404 that the session is over. Anywhere else below
 * the Location it says that there is no such file. */
static bool is_resource(const request_rec *r, const mod_mcp_verdict_t *verdict)
{
    const mod_mcp_context_t *context = mod_mcp_context_find(r);
    const char *host = strstr(verdict->policy.resource, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;
    const char *asked = context ? context->root->parsed_uri.path : NULL;

    return asked && !strcmp(asked, path ? path : "/");
}

/* It ended at the client's word, or the upstream says that it has. */
static void forget_session(const request_rec *r, const mod_mcp_verdict_t *verdict, mcpa_sessions_t *sessions)
{
    const char *used = apr_table_get(r->headers_in, HEADER);
    mcpa_session_key_t key;

    if (used && ((r->status == HTTP_NOT_FOUND && is_resource(r, verdict)) || (r->method_number == M_DELETE && is_success(r)))) {
        mcpa_decision_session(&key, &verdict->decision, &verdict->policy, sessions, mcpa_str(used));
        mcpa_sessions_remove(sessions, &key);
    }
}

/* What the upstream says of a session that nobody may use is not the client's; a refusal of ours goes out in its place, and
 * nobody reads more of the answer: it may be a stream without end. */
static apr_status_t withhold(ap_filter_t *f, apr_bucket_brigade *bb, mod_mcp_verdict_t *verdict, mcpa_reason_t reason)
{
    mod_mcp_verdict_refuse(verdict, reason);
    f->ctx = NULL;
    (void)mod_mcp_respond_instead(f, bb, verdict);
    return APR_ECONNABORTED;
}

static apr_status_t filter_session(ap_filter_t *f, apr_bucket_brigade *bb)
{
    const mod_mcp_runtime_t *runtime = mod_mcp_runtime();
    mod_mcp_verdict_t *verdict = f->ctx;
    mcpa_reason_t reason = MCPA_REASON_PASS;

    if (!verdict) { /* withheld */
        apr_brigade_cleanup(bb);
        return APR_ECONNABORTED;
    }
    if (runtime && mcpa_str_eqz(verdict->decision.operation, "initialize")) {
        reason = bind_session(f->r, verdict, runtime->shm.sessions);
    } else if (runtime) {
        forget_session(f->r, verdict, runtime->shm.sessions);
    }
    if (reason != MCPA_REASON_PASS && verdict->policy.mode == MCPA_MODE_ON) {
        return withhold(f, bb, verdict, reason);
    }
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

void mod_mcp_session_insert_filter(request_rec *r)
{
    mod_mcp_verdict_t *verdict = r->main ? NULL : mod_mcp_verdict_for_answer(r);

    if (!verdict || verdict->reason != MCPA_REASON_PASS || verdict->policy.inspect == MCPA_INSPECT_OFF ||
        mcpa_revision_is_modern(verdict->decision.revision)) {
        return;
    }
    if (mcpa_str_eqz(verdict->decision.operation, "initialize") || apr_table_get(r->headers_in, HEADER)) {
        ap_add_output_filter_handle(session_filter, verdict, r, r->connection);
    }
}

void mod_mcp_session_register(void)
{
    /* Before the other filters of ours, which complete the head as this one leaves it. */
    session_filter = ap_register_output_filter("MCPAUTH_SESSION", filter_session, NULL, AP_FTYPE_CONTENT_SET);
}
