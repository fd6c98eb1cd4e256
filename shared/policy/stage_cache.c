/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/stage.h"

#include "base/text.h"

/* What else a cached verdict depends on: false when nobody has read it through (see mcpa_policy_digest). */
static bool digest_policy(uint64_t *digest, const mcpa_policy_t *policy)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio */
    uint64_t audiences = policy->audiences ? policy->audiences_digest : policy->resource_digest;

    *digest = ((policy->generation ^ audiences) * odd ^ policy->issuers_digest) * odd;
    return audiences != 0 && policy->issuers_digest != 0;
}

/* The strings of a principal in the order of mcpa_token_facts_t, scopes apart. */
#define FACT_STRINGS 5
#define FACT_SCOPES  5
static void list_strings(mcpa_str_t *strings[FACT_STRINGS], mcpa_principal_t *principal)
{
    strings[0] = &principal->issuer;
    strings[1] = &principal->subject;
    strings[2] = &principal->client_id;
    strings[3] = &principal->token_id;
    strings[4] = &principal->audience;
}

/* false when the facts do not hold together: shared memory is never believed further than its bounds. */
static bool read_facts(mcpa_work_t *w, const mcpa_token_facts_t *facts)
{
    mcpa_decision_t *d = w->decision;
    mcpa_str_t *strings[FACT_STRINGS];
    mcpa_str_t scopes, word;
    size_t at = 0;

    for (size_t i = 0; i <= FACT_SCOPES; i++) {
        at += facts->len[i];
    }
    if (at > sizeof(d->cached_text) || facts->issuer_index >= w->policy->n_issuers) {
        return false;
    }
    memcpy(d->cached_text, facts->text, at);
    list_strings(strings, &d->principal);
    at = 0;
    for (size_t i = 0; i < FACT_STRINGS; i++) {
        *strings[i] = facts->has & (1u << i) ? (mcpa_str_t){ d->cached_text + at, facts->len[i] } : MCPA_STR_NONE;
        at += facts->len[i];
    }
    scopes = (mcpa_str_t){ d->cached_text + at, facts->len[FACT_SCOPES] };
    while (d->principal.scopes.count < MCPA_SCOPES_MAX && mcpa_text_next_word(&scopes, &word)) {
        d->principal.scopes.words[d->principal.scopes.count++] = word;
    }
    d->issuer = w->policy->issuers[facts->issuer_index];
    d->principal.expires_s = facts->expires_s - d->issuer->skew_s;
    d->principal.not_before_s = facts->not_before_s + d->issuer->skew_s;
    return true;
}

/* The generation of the keys is read before any key is, so that a change in between can only make an entry useless, never wrong.
 */
mcpa_reason_t mcpa_stage_recall_token(mcpa_work_t *w)
{
    mcpa_decision_t *d = w->decision;
    mcpa_token_facts_t facts;
    mcpa_reason_t reason;

    if (!w->env->cache || !w->env->keys_generation || !digest_policy(&w->cache_key.policy, w->policy)) {
        return MCPA_REASON_PASS;
    }
    memcpy(w->cache_key.token_hash, d->token_hash, sizeof(d->token_hash));
    w->cache_key.keys = w->env->keys_generation(w->env->ctx);
    d->cache_use = MCPA_CACHE_MISS;
    if (!mcpa_tokencache_get(w->env->cache, &w->cache_key, &facts) || !read_facts(w, &facts)) {
        return MCPA_REASON_PASS;
    }
    d->cache_use = MCPA_CACHE_HIT;
    w->is_known = true;
    reason = mcpa_token_check_times(facts.expires_s, facts.not_before_s, w->now_s);
    if (reason != MCPA_REASON_PASS) {
        memset(&d->principal, 0, sizeof(d->principal));
        return reason;
    }
    d->authenticated = true;
    return MCPA_REASON_PASS;
}

/* Not remembering is never an error: the next request verifies again. */
mcpa_reason_t mcpa_stage_remember_token(mcpa_work_t *w)
{
    mcpa_principal_t *principal = &w->decision->principal;
    mcpa_token_facts_t facts = { 0 };
    mcpa_str_t *strings[FACT_STRINGS];
    mcpa_out_t text;
    size_t before;

    mcpa_work_note_verify_time(w);
    if (w->decision->cache_use != MCPA_CACHE_MISS) {
        return MCPA_REASON_PASS;
    }
    while (w->policy->issuers[facts.issuer_index] != w->decision->issuer) {
        facts.issuer_index++;
    }
    facts.expires_s = principal->expires_s + w->decision->issuer->skew_s;
    facts.not_before_s = principal->not_before_s - w->decision->issuer->skew_s;
    mcpa_out_init(&text, facts.text, sizeof(facts.text));
    list_strings(strings, principal);
    for (size_t i = 0; i < FACT_STRINGS; i++) {
        before = text.len;
        mcpa_out_str(&text, *strings[i]);
        facts.len[i] = (uint16_t)(text.len - before);
        facts.has |= (uint8_t)(strings[i]->ptr ? 1u << i : 0);
    }
    before = text.len;
    mcpa_scopes_print(&text, &principal->scopes);
    facts.len[FACT_SCOPES] = (uint16_t)(text.len - before);
    facts.has |= 1u << FACT_SCOPES;
    if (mcpa_out_status(&text) == MCPA_OK) {
        mcpa_tokencache_put(w->env->cache, &w->cache_key, &facts, w->now_s, &w->env->cache_writer);
    }
    return MCPA_REASON_PASS;
}
