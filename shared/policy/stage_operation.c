/* SPDX-License-Identifier: Apache-2.0 */
/* What the request asks for, which rules speak of it, and the scopes it needs. */
#include "policy/stage.h"

#include "base/text.h"

/* Operations whose name stands in the message; without it there would be nothing to hold rules against. Those that are gone in
 * the newer era are unknown there, whatever they name. */
static const struct {
    const char *method;
    size_t member;
    bool is_gone;
} named[] = {
    { "tools/call", offsetof(mcpa_rpc_t, name), false },          { "prompts/get", offsetof(mcpa_rpc_t, name), false },
    { "resources/read", offsetof(mcpa_rpc_t, uri), false },       { "resources/subscribe", offsetof(mcpa_rpc_t, uri), true },
    { "resources/unsubscribe", offsetof(mcpa_rpc_t, uri), true }, { "tasks/get", offsetof(mcpa_rpc_t, task_id), false },
    { "tasks/result", offsetof(mcpa_rpc_t, task_id), true },      { "tasks/update", offsetof(mcpa_rpc_t, task_id), false },
    { "tasks/cancel", offsetof(mcpa_rpc_t, task_id), false },
};

/* Moves over one character of a path, which may be written in percent. */
static char next_char(mcpa_str_t *rest)
{
    static const struct {
        const char *code;
        char c;
    } codes[] = { { "2e", '.' }, { "2f", '/' }, { "5c", '/' } };
    char c = rest->ptr[0];
    size_t len = 1;

    for (size_t i = 0; c == '%' && rest->len >= 3 && i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (mcpa_str_ieq((mcpa_str_t){ rest->ptr + 1, 2 }, mcpa_str(codes[i].code))) {
            c = codes[i].c;
            len = 3;
        }
    }
    rest->ptr += len;
    rest->len -= len;
    return c == '\\' ? '/' : c;
}

/* Whether a segment of it is "." or "..": the server that resolves them reads another resource than the one that the rules were
 * asked for. */
static bool climbs(mcpa_str_t uri)
{
    size_t len = 0, dots = 0; /* of the segment so far */

    while (uri.len > 0) {
        char c = next_char(&uri);
        bool is_end = c == '/' || c == '?' || c == '#';

        if (is_end && len > 0 && len == dots && dots <= 2) {
            return true;
        }
        len = is_end ? 0 : len + 1;
        dots = is_end ? 0 : dots + (c == '.');
    }
    return len > 0 && len == dots && dots <= 2;
}

static mcpa_reason_t refuse_params(mcpa_work_t *w)
{
    return mcpa_work_refuse(w, MCPA_REASON_MESSAGE_MALFORMED, MCPA_RPC_CODE_PARAMS);
}

static bool is_operation(const mcpa_work_t *w, const char *method)
{
    return mcpa_str_eqz(w->decision->operation, method);
}

/* ---- rules */

static mcpa_reason_t judge(mcpa_work_t *w, mcpa_ruling_t ruling)
{
    w->decision->ruling = ruling;
    if (ruling.rule == NULL) {
        return mcpa_work_refuse(w, MCPA_REASON_OPERATION_UNKNOWN,
                                mcpa_revision_is_modern(w->decision->revision) ? MCPA_RPC_CODE_METHOD : 0);
    }
    return ruling.effect == MCPA_EFFECT_DENIED ? MCPA_REASON_OPERATION_DENIED : MCPA_REASON_PASS;
}

/* One more thing that the operation names: what it needs is needed, too. */
static mcpa_reason_t add_thing(mcpa_work_t *w, mcpa_out_t *scopes, const char *method, mcpa_str_t name)
{
    mcpa_ruling_t ruling = mcpa_operation_rule(w->policy->operations, mcpa_str(method), name), own = w->decision->ruling;
    mcpa_reason_t reason = mcpa_str_eqz(mcpa_str(method), "resources/read") && climbs(name) ? refuse_params(w) : judge(w, ruling);

    if (reason != MCPA_REASON_PASS) {
        return reason;
    }
    w->decision->ruling = own;
    return mcpa_scope_text_add(scopes, ruling.scopes) ? MCPA_REASON_PASS : MCPA_REASON_OPERATION_DENIED;
}

static mcpa_reason_t add_reference(mcpa_work_t *w, mcpa_out_t *scopes)
{
    const mcpa_rpc_t *rpc = &w->message->rpc;

    if (mcpa_str_eqz(rpc->ref_type, "ref/prompt") && rpc->ref_name.ptr != NULL && rpc->ref_uri.ptr == NULL) {
        return add_thing(w, scopes, "prompts/get", rpc->ref_name);
    }
    if (mcpa_str_eqz(rpc->ref_type, "ref/resource") && rpc->ref_uri.ptr != NULL && rpc->ref_name.ptr == NULL) {
        return add_thing(w, scopes, "resources/read", rpc->ref_uri);
    }
    return refuse_params(w);
}

static mcpa_reason_t add_subscriptions(mcpa_work_t *w, mcpa_out_t *scopes)
{
    mcpa_reason_t reason = MCPA_REASON_PASS;
    char memory[MCPA_RPC_URI_MAX_BYTES];
    mcpa_jsonscan_t scan = { 0 };
    mcpa_status_t status;
    mcpa_str_t uri;

    for (size_t n = 0; reason == MCPA_REASON_PASS; n++) {
        status = mcpa_rpc_next_uri(&w->message->rpc, &scan, memory, &uri);
        if (status == MCPA_ENOTFOUND) {
            return MCPA_REASON_PASS;
        }
        if (status == MCPA_ETOOBIG || (status == MCPA_OK && uri.len > mcpa_lengths_max(&w->policy->lengths, MCPA_LENGTH_URI))) {
            return mcpa_work_refuse_length(w, MCPA_REASON_MESSAGE_MALFORMED, MCPA_LENGTH_URI, MCPA_RPC_CODE_PARAMS);
        }
        if (status != MCPA_OK || n == MCPA_RPC_SUBSCRIPTIONS_MAX) {
            return refuse_params(w);
        }
        reason = add_thing(w, scopes, "resources/read", uri);
    }
    return reason;
}

/* ---- what is asked for */

/* The words for what comes without a method are no methods: a rule for the stream must not let in a call of that name. */
static bool is_word(mcpa_str_t method)
{
    return mcpa_str_eqz(method, "GET") || mcpa_str_eqz(method, "DELETE") || mcpa_str_eqz(method, "response");
}

static mcpa_reason_t find_in_headers(mcpa_work_t *w)
{
    bool has_name = mcpa_mirror_has_name(w->decision->operation);

    /* Headers do not tell what these are about; and those of a notification no revision makes servers compare. */
    if (is_operation(w, "completion/complete") || is_operation(w, "subscriptions/listen") ||
        mcpa_str_starts(w->decision->operation, MCPA_STR("notifications/"))) {
        return MCPA_REASON_OPERATION_DENIED;
    }
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (is_operation(w, named[i].method) && !has_name) {
            return MCPA_REASON_OPERATION_DENIED;
        }
        if (is_operation(w, named[i].method) && named[i].member == offsetof(mcpa_rpc_t, uri) &&
            climbs(w->decision->operation_name)) {
            return refuse_params(w);
        }
    }
    return MCPA_REASON_PASS;
}

static mcpa_reason_t find_in_message(mcpa_work_t *w)
{
    mcpa_decision_t *d = w->decision;

    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (!is_operation(w, named[i].method)) {
            continue;
        }
        if (named[i].is_gone && mcpa_revision_is_modern(d->revision)) {
            return mcpa_work_refuse(w, MCPA_REASON_OPERATION_UNKNOWN, MCPA_RPC_CODE_METHOD);
        }
        d->operation_name = *(const mcpa_str_t *)((const char *)&w->message->rpc + named[i].member);
        if (d->operation_name.ptr == NULL || (named[i].member == offsetof(mcpa_rpc_t, uri) && climbs(d->operation_name))) {
            return refuse_params(w);
        }
        return MCPA_REASON_PASS;
    }
    return MCPA_REASON_PASS;
}

static mcpa_reason_t find_operation(mcpa_work_t *w)
{
    mcpa_decision_t *d = w->decision;

    if (!mcpa_str_eqz(w->request->method, "POST")) {
        d->operation = w->request->method;
        return MCPA_REASON_PASS;
    }
    if (w->message != NULL && w->message->rpc.kind == MCPA_RPC_RESPONSE) {
        d->operation = MCPA_STR("response");
        return MCPA_REASON_PASS;
    }
    d->operation = w->message != NULL ? w->message->rpc.method : w->request->mirrors.method;
    if (is_word(d->operation)) {
        return judge(w, (mcpa_ruling_t){ 0 });
    }
    return w->message != NULL ? find_in_message(w) : find_in_headers(w);
}

mcpa_reason_t mcpa_stage_rule_operation(mcpa_work_t *w)
{
    mcpa_decision_t *d = w->decision;
    mcpa_reason_t reason = find_operation(w);
    mcpa_out_t scopes;

    if (reason == MCPA_REASON_PASS) {
        reason = judge(w, mcpa_operation_rule(w->policy->operations, d->operation, d->operation_name));
    }
    if (reason != MCPA_REASON_PASS) {
        return reason;
    }
    d->operation_scopes = d->ruling.scopes;
    if (w->message == NULL) {
        return MCPA_REASON_PASS;
    }
    mcpa_out_init(&scopes, w->message->scopes, sizeof(w->message->scopes));
    if (!mcpa_scope_text_add(&scopes, d->ruling.scopes)) {
        return MCPA_REASON_OPERATION_DENIED;
    }
    if (is_operation(w, "completion/complete")) {
        reason = add_reference(w, &scopes);
    } else if (is_operation(w, "resources/subscribe")) {
        reason = add_thing(w, &scopes, "resources/read", d->operation_name);
    } else if (is_operation(w, "subscriptions/listen")) {
        reason = add_subscriptions(w, &scopes);
    }
    d->operation_scopes = scopes.len > 0 ? scopes.ptr : NULL;
    return reason;
}

mcpa_reason_t mcpa_stage_check_scopes(mcpa_work_t *w)
{
    const mcpa_scopes_t *granted = &w->decision->principal.scopes;
    const mcpa_scope_model_t *model = w->policy->scope_model;
    bool covered = mcpa_scopes_cover_all(granted, model, mcpa_str(w->policy->scopes)) &&
                   mcpa_scopes_cover_all(granted, model, mcpa_str(w->decision->operation_scopes));

    return covered ? MCPA_REASON_PASS : MCPA_REASON_SCOPE_MISSING;
}
