/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of the older era belong to who opened them. */
#include "policy/stage.h"

bool mcpa_session_id_is_valid(mcpa_str_t id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] < 0x21 || id.ptr[i] > 0x7E) { /* plain char may be signed: bytes above 0x7F are below 0x21 then */
            return false;
        }
    }
    return id.len > 0 && id.len <= MCPA_SESSION_ID_MAX_BYTES;
}

void mcpa_decision_session(mcpa_session_key_t *key, const mcpa_decision_t *decision, const mcpa_policy_t *policy,
                           const mcpa_sessions_t *sessions, mcpa_str_t id)
{
    const mcpa_principal_t *principal = &decision->principal;
    mcpa_session_owner_t owner = { principal->issuer, principal->subject, principal->client_id };

    mcpa_sessions_key(key, sessions, mcpa_str(policy->resource), id, &owner);
}

/* Whose session could not be kept anywhere learns it here, and the server behind keeps none that nobody can use. */
static mcpa_reason_t check_room(mcpa_work_t *w)
{
    mcpa_session_key_t key;

    if (!mcpa_str_eqz(w->decision->operation, "initialize")) {
        return MCPA_REASON_PASS;
    }
    mcpa_decision_session(&key, w->decision, w->policy, w->env->sessions, MCPA_STR_NONE);
    w->decision->retry_after_s = mcpa_sessions_full_for_s(w->env->sessions, &key, w->env->mono_ns, w->env->session_idle_ns);
    return w->decision->retry_after_s ? MCPA_REASON_SESSION_LIMIT : MCPA_REASON_PASS;
}

/* Another's session and none at all are answered alike: as a session that has ended, whose client opens a new one. */
mcpa_reason_t mcpa_stage_check_session(mcpa_work_t *w)
{
    mcpa_str_t id = w->request->session;
    mcpa_session_key_t key;

    if (mcpa_revision_is_modern(w->decision->revision)) {
        return MCPA_REASON_PASS;
    }
    if (id.ptr && !mcpa_session_id_is_valid(id)) {
        return MCPA_REASON_REQUEST_MALFORMED;
    }
    if (!w->env->sessions) {
        return MCPA_REASON_PASS;
    }
    if (!id.ptr) {
        return check_room(w);
    }
    mcpa_decision_session(&key, w->decision, w->policy, w->env->sessions, id);
    return mcpa_sessions_use(w->env->sessions, &key, w->env->mono_ns, w->env->session_idle_ns) ? MCPA_REASON_PASS
                                                                                               : MCPA_REASON_SESSION_UNKNOWN;
}
