/* SPDX-License-Identifier: Apache-2.0 */
/* From the request to one message that all on the way read alike, and the revision it speaks. */
#include "policy/stage.h"

#include "base/text.h"

#define REQUESTED_MAX    64 /* a revision that is repeated to the client; real ones have ten bytes */
#define REVISIONS_LEGACY (MCPA_REVISIONS_ALL & ~MCPA_REVISIONS_MODERN)

static bool is_post(const mcpa_work_t *w)
{
    return mcpa_str_eqz(w->request->method, "POST");
}

/* ---- media type and body */

/* application/json and nothing but UTF-8: under another name a server may read other bytes than we do. */
static bool is_json(mcpa_str_t type)
{
    const char *semicolon = type.len > 0 ? memchr(type.ptr, ';', type.len) : NULL;
    mcpa_str_t name = { type.ptr, semicolon != NULL ? (size_t)(semicolon - type.ptr) : type.len }, parameter;

    if (!mcpa_str_ieq(mcpa_text_trim(name), MCPA_STR("application/json"))) {
        return false;
    }
    if (semicolon == NULL) {
        return true;
    }
    parameter = mcpa_text_trim((mcpa_str_t){ semicolon + 1, type.len - name.len - 1 });
    return mcpa_str_ieq(parameter, MCPA_STR("charset=utf-8")) || mcpa_str_ieq(parameter, MCPA_STR("charset=\"utf-8\""));
}

mcpa_reason_t mcpa_stage_check_media_type(mcpa_work_t *w)
{
    mcpa_str_t encoding = w->request->content_encoding;
    bool is_plain = encoding.ptr == NULL || mcpa_str_ieq(encoding, MCPA_STR("identity"));

    return !is_post(w) || (is_plain && is_json(w->request->content_type)) ? MCPA_REASON_PASS : MCPA_REASON_MEDIA_TYPE;
}

void mcpa_message_init(mcpa_message_t *message, mcpa_str_t body)
{
    memset(message, 0, offsetof(mcpa_message_t, rpc) + offsetof(mcpa_rpc_t, memory));
    message->rpc.used = 0;
    message->scopes[0] = '\0';
    message->body = body;
}

mcpa_reason_t mcpa_stage_read_body(mcpa_work_t *w)
{
    mcpa_message_t *message = NULL;
    mcpa_reason_t reason;

    if (!is_post(w)) {
        return w->request->has_body ? MCPA_REASON_REQUEST_MALFORMED : MCPA_REASON_PASS;
    }
    if (w->policy->inspect == MCPA_INSPECT_HEADERS) {
        return MCPA_REASON_PASS;
    }
    if (w->env->read_message == NULL) {
        return MCPA_REASON_UNDECIDED;
    }
    reason = w->env->read_message(w->env->ctx, w->policy->max_body, &message);
    if (reason == MCPA_REASON_PASS && message == NULL) {
        return MCPA_REASON_UNDECIDED;
    }
    if (reason == MCPA_REASON_PASS && message->body.len > w->policy->max_body) {
        return MCPA_REASON_BODY_TOO_LARGE;
    }
    w->message = reason == MCPA_REASON_PASS ? message : NULL;
    return reason;
}

static mcpa_reason_t refuse_length(mcpa_work_t *w, mcpa_length_t kind)
{
    return mcpa_work_refuse_length(w, MCPA_REASON_MESSAGE_MALFORMED, kind, mcpa_rpc_length_code(kind));
}

mcpa_reason_t mcpa_stage_scan_message(mcpa_work_t *w)
{
    if (w->message == NULL) {
        return MCPA_REASON_PASS;
    }
    w->message->fault = mcpa_rpc_scan(&w->message->rpc, w->message->body, &w->policy->lengths);
    w->message->revision = MCPA_REVISION_NONE;
    w->decision->message = w->message;
    if (w->message->fault == MCPA_RPC_TOO_LONG) {
        return refuse_length(w, w->message->rpc.too_long);
    }
    return w->message->fault == MCPA_RPC_OK
               ? MCPA_REASON_PASS
               : mcpa_work_refuse(w, MCPA_REASON_MESSAGE_MALFORMED, mcpa_rpc_fault_code(w->message->fault));
}

/* ---- the revision, and what headers say of the body */

static uint32_t allowed_revisions(const mcpa_policy_t *policy)
{
    uint32_t allowed = policy->protocols != 0 ? policy->protocols & MCPA_REVISIONS_ALL : MCPA_REVISIONS_ALL;

    return policy->inspect == MCPA_INSPECT_HEADERS ? allowed & MCPA_REVISIONS_MODERN : allowed;
}

static bool is_opening(const mcpa_work_t *w)
{
    return w->message != NULL && mcpa_str_eqz(w->message->rpc.method, "initialize");
}

/* Tells which revisions there are, so that the client can choose another one. */
static mcpa_reason_t refuse_revision(mcpa_work_t *w, mcpa_reason_t reason)
{
    mcpa_decision_t *d = w->decision;
    mcpa_str_t requested = w->request->mirrors.version;

    if (requested.ptr == NULL && is_opening(w)) {
        requested = w->message->rpc.protocol_version;
    }
    if (requested.ptr == NULL) {
        requested = mcpa_str(mcpa_revision_name(MCPA_REVISION_2025_03_26));
    }
    d->requested = requested.len <= REQUESTED_MAX ? requested : MCPA_STR_NONE;
    d->supported = allowed_revisions(w->policy);
    return mcpa_work_refuse(w, reason, mcpa_mirror_code(MCPA_MIRROR_VERSION_UNKNOWN));
}

static mcpa_mirror_fault_t find_revision(mcpa_work_t *w)
{
    const mcpa_mirrors_t *mirrors = &w->request->mirrors;

    w->decision->revision = mirrors->version.ptr != NULL ? mcpa_revision_find(mirrors->version) : MCPA_REVISION_2025_03_26;
    return w->decision->revision != MCPA_REVISION_NONE ? MCPA_MIRROR_OK : MCPA_MIRROR_VERSION_UNKNOWN;
}

/* MCPA_INSPECT_HEADERS: the server will hold them against the body, so here they need only be such as could agree with one. The
 * older revisions, which do not, are refused by the next stage. */
static mcpa_mirror_fault_t check_headers_alone(mcpa_work_t *w)
{
    const mcpa_mirrors_t *mirrors = &w->request->mirrors;
    mcpa_mirror_fault_t fault = find_revision(w);
    mcpa_decision_t *d = w->decision;
    mcpa_str_t name = MCPA_STR_NONE;
    mcpa_status_t status = MCPA_OK;

    if (fault != MCPA_MIRROR_OK || !mcpa_revision_is_modern(d->revision)) {
        return fault;
    }
    if (!mcpa_rpc_is_method(mirrors->method) || mcpa_mirror_has_name(mirrors->method) != (mirrors->name.ptr != NULL)) {
        return MCPA_MIRROR_MISMATCH;
    }
    if (mirrors->name.ptr != NULL) {
        status = mcpa_mirror_decode(mirrors->name, d->operation_memory, sizeof(d->operation_memory), &name);
        if (status == MCPA_ETOOBIG) { /* as it came it is longer still: the next check sees it */
            name = mirrors->name;
        } else if (status != MCPA_OK || name.len == 0) {
            return MCPA_MIRROR_MISMATCH;
        }
    }
    d->operation_name = name;
    return MCPA_MIRROR_OK;
}

/* The ceilings of the body hold for headers that stand in its place. */
static mcpa_reason_t check_header_lengths(mcpa_work_t *w)
{
    mcpa_length_t kind = mcpa_str_eqz(w->request->mirrors.method, "resources/read") ? MCPA_LENGTH_URI : MCPA_LENGTH_NAME;

    if (w->message != NULL || !is_post(w)) {
        return MCPA_REASON_PASS;
    }
    if (w->request->mirrors.method.len > mcpa_lengths_max(&w->policy->lengths, MCPA_LENGTH_METHOD)) {
        return refuse_length(w, MCPA_LENGTH_METHOD);
    }
    if (w->decision->operation_name.len > mcpa_lengths_max(&w->policy->lengths, kind)) {
        w->decision->operation_name = MCPA_STR_NONE;
        return refuse_length(w, kind);
    }
    return MCPA_REASON_PASS;
}

static mcpa_mirror_fault_t check_mirrors(mcpa_work_t *w)
{
    const mcpa_mirrors_t *mirrors = &w->request->mirrors;
    mcpa_mirror_fault_t fault;

    if (w->request->mirrors_repeated) {
        return MCPA_MIRROR_MISMATCH;
    }
    if (w->message != NULL) {
        fault = mcpa_mirror_check(&w->decision->revision, &w->message->rpc, mirrors);
        w->message->revision = w->decision->revision;
        return fault;
    }
    if (is_post(w)) {
        return check_headers_alone(w);
    }
    /* GET and DELETE have no method or name that a header could repeat. */
    return mirrors->method.ptr != NULL || mirrors->name.ptr != NULL ? MCPA_MIRROR_MISMATCH : find_revision(w);
}

mcpa_reason_t mcpa_stage_check_mirrors(mcpa_work_t *w)
{
    mcpa_mirror_fault_t fault = check_mirrors(w);

    switch (fault) {
    case MCPA_MIRROR_OK:
        return check_header_lengths(w);
    case MCPA_MIRROR_VERSION_UNKNOWN:
        return refuse_revision(w, MCPA_REASON_PROTOCOL_UNKNOWN);
    case MCPA_MIRROR_META_MISSING:
    case MCPA_MIRROR_SHAPE:
        return mcpa_work_refuse(w, MCPA_REASON_MESSAGE_MALFORMED, mcpa_mirror_code(fault));
    case MCPA_MIRROR_MISMATCH:
        break;
    }
    return mcpa_work_refuse(w, MCPA_REASON_MIRROR_MISMATCH, mcpa_mirror_code(MCPA_MIRROR_MISMATCH));
}

mcpa_reason_t mcpa_stage_check_protocol(mcpa_work_t *w)
{
    mcpa_revision_t revision = w->decision->revision;
    uint32_t allowed = allowed_revisions(w->policy);

    /* The newer era has neither, and its servers say so. */
    if (!is_post(w) && (mcpa_revision_is_modern(revision) || (allowed & REVISIONS_LEGACY) == 0)) {
        return MCPA_REASON_METHOD_NOT_ALLOWED;
    }
    /* What "initialize" names is a proposal, which the server may answer with another revision: that one stands in the header of
     * the requests that follow. */
    if (is_opening(w) && w->request->mirrors.version.ptr == NULL && (allowed & REVISIONS_LEGACY) != 0) {
        return MCPA_REASON_PASS;
    }
    return (allowed & MCPA_REVISION_BIT(revision)) != 0 ? MCPA_REASON_PASS : refuse_revision(w, MCPA_REASON_PROTOCOL_DENIED);
}
