/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/stage.h"

static uint64_t stopwatch_us(const mcpa_work_t *w)
{
    return w->env->stopwatch_us ? w->env->stopwatch_us(w->env->ctx) : 0;
}

void mcpa_work_note_verify_time(mcpa_work_t *w)
{
    uint64_t took_us = stopwatch_us(w) - w->verify_start_us;

    w->decision->verify_us = took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;
}

static mcpa_reason_t reason_of(mcpa_status_t status)
{
    switch (status) {
    case MCPA_OK:
        return MCPA_REASON_PASS;
    case MCPA_EUNSUPPORTED:
        return MCPA_REASON_ALG_DENIED;
    case MCPA_ENOMEM: /* ours to answer for, not the client's */
        return MCPA_REASON_UNDECIDED;
    default:
        return MCPA_REASON_TOKEN_MALFORMED;
    }
}

mcpa_reason_t mcpa_stage_split_token(mcpa_work_t *w)
{
    mcpa_reason_t reason;

    w->verify_start_us = stopwatch_us(w);
    reason = reason_of(mcpa_jws_split(&w->jws, w->decision->token));
    return reason == MCPA_REASON_PASS ? reason_of(mcpa_jws_payload(&w->unverified, &w->jws)) : reason;
}

mcpa_reason_t mcpa_stage_find_issuer(mcpa_work_t *w)
{
    mcpa_str_t iss = mcpa_json_string(mcpa_json_member(w->unverified, "iss"));

    for (size_t i = 0; iss.ptr && w->policy->issuers[i]; i++) {
        if (mcpa_str_eqz(iss, w->policy->issuers[i]->url)) {
            w->decision->issuer = w->policy->issuers[i];
            return MCPA_REASON_PASS;
        }
    }
    return MCPA_REASON_ISSUER_UNKNOWN;
}

mcpa_reason_t mcpa_stage_check_algorithm(mcpa_work_t *w)
{
    return w->decision->issuer->algs & MCPA_ALG_BIT(w->jws.alg) ? MCPA_REASON_PASS : MCPA_REASON_ALG_DENIED;
}

/* Whether it may be worth while to ask for this key: only an issuer whose keys are fetched can have new ones. */
static bool may_be_new(const mcpa_work_t *w)
{
    mcpa_key_source_t source = w->decision->issuer->key_source;

    return w->env->await_key && w->jws.kid.len && (source == MCPA_KEYS_DISCOVER || source == MCPA_KEYS_URL);
}

/* Whether the token could still be in time, by its own words: nobody waits for the key of a token that is over in any case. */
static bool claims_to_be_alive(const mcpa_work_t *w)
{
    int64_t exp;

    return mcpa_json_integer(mcpa_json_member(w->unverified, "exp"), &exp) && exp >= 0 && exp <= MCPA_TIME_MAX_S &&
           w->now_s < exp + w->decision->issuer->skew_s;
}

mcpa_reason_t mcpa_stage_find_key(mcpa_work_t *w)
{
    const mcpa_issuer_t *issuer = w->decision->issuer;
    bool known_kid = false;

    w->keys = w->env->keys(w->env->ctx, issuer);
    if (!w->keys) {
        return MCPA_REASON_KEYS_MISSING;
    }
    w->key = mcpa_jwks_find(w->keys, w->jws.alg, w->jws.kid, &known_kid);
    if (!w->key && !known_kid && may_be_new(w) && claims_to_be_alive(w)) {
        mcpa_jwks_t *newer = w->env->await_key(w->env->ctx, issuer, w->jws.kid, w->keys);

        if (newer) {
            mcpa_jwks_release(&w->keys);
            w->keys = newer;
            w->key = mcpa_jwks_find(w->keys, w->jws.alg, w->jws.kid, &known_kid);
        }
    }
    if (w->key) {
        return MCPA_REASON_PASS;
    }
    return known_kid && w->jws.kid.ptr ? MCPA_REASON_ALG_DENIED : MCPA_REASON_KEY_UNKNOWN;
}

/* Never asks for keys: whoever can send a bad signature could otherwise make us fetch. */
mcpa_reason_t mcpa_stage_check_signature(mcpa_work_t *w)
{
    if (!mcpa_jws_verify(&w->jws, w->key)) {
        return MCPA_REASON_SIGNATURE_BAD;
    }
    w->decision->claims = w->unverified;
    w->unverified = NULL;
    return MCPA_REASON_PASS;
}

mcpa_reason_t mcpa_stage_check_type(mcpa_work_t *w)
{
    return mcpa_token_check_type(w->decision->issuer, w->jws.typ);
}

mcpa_reason_t mcpa_stage_check_claims(mcpa_work_t *w)
{
    mcpa_decision_t *d = w->decision;
    mcpa_reason_t reason = mcpa_token_check_claims(&d->principal, d->claims, d->issuer, w->audiences, w->now_s);

    d->authenticated = reason == MCPA_REASON_PASS;
    return reason;
}
