/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/stage.h"

#include "base/text.h"

static uint64_t fnv1a(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* With its NUL, so that no two texts run together; none of these is ever empty, so an absent one has a form of its own. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    return fnv1a(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* With its end, for the same reason. */
static uint64_t hash_list(uint64_t hash, const char *const *list)
{
    for (; list && *list; list++) {
        hash = hash_text(hash, *list);
    }
    return hash_text(hash, NULL);
}

/* All that verification asks of an issuer. Its URL alone would not do: each Location may have an own line for it, with other
 * rules. */
static uint64_t hash_issuer(uint64_t hash, const mcpa_issuer_t *issuer)
{
    const char *const texts[] = { issuer->url,          issuer->scope_claim,    issuer->subject_claim,
                                  issuer->client_claim, issuer->audience_claim, issuer->roles_claim,
                                  issuer->token_use };
    const uint64_t numbers[] = { issuer->algs, issuer->any_typ, (uint64_t)issuer->skew_s, issuer->key_source };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        hash = hash_text(hash, texts[i]);
    }
    hash = hash_list(hash, issuer->require);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        hash = fnv1a(hash, &numbers[i], sizeof(numbers[i]));
    }
    return hash;
}

/* What else a cached verdict depends on. All input is the administrator's, so a plain hash will do. */
static uint64_t policy_hash(const mcpa_work_t *w)
{
    uint64_t hash = fnv1a(UINT64_C(0xcbf29ce484222325), &w->policy->generation, sizeof(w->policy->generation));

    hash = hash_list(hash, w->audiences);
    for (size_t i = 0; w->policy->issuers[i]; i++) {
        hash = hash_issuer(hash, w->policy->issuers[i]);
    }
    return hash;
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
    size_t at = 0, n_issuers = 0;

    while (w->policy->issuers[n_issuers]) {
        n_issuers++;
    }
    for (size_t i = 0; i <= FACT_SCOPES; i++) {
        at += facts->len[i];
    }
    if (at > sizeof(d->cached_text) || facts->issuer_index >= n_issuers) {
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

    if (!w->env->cache || !w->env->keys_generation) {
        return MCPA_REASON_PASS;
    }
    memcpy(w->cache_key.token_hash, d->token_hash, sizeof(d->token_hash));
    w->cache_key.policy = policy_hash(w);
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
        mcpa_tokencache_put(w->env->cache, &w->cache_key, &facts, w->now_s);
    }
    return MCPA_REASON_PASS;
}
