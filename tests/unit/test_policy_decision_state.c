/* SPDX-License-Identifier: Apache-2.0 */
/* The token cache through mcpa_decide: attacks 42, 71 and 93 of the reference. */
#include "test_policy_tables.h"

static void a_known_token_is_not_verified_again(void **state)
{
    world_t *w = *state;
    mcpa_decision_t first;
    tables_t t;

    give_tables(w, &t);
    assert_reason(MCPA_REASON_PASS, decide_claim(w, "scope", "\"mcp:tools.exec other\""), "first");
    assert_int_equal(w->decision.cache_use, MCPA_CACHE_MISS);
    first = w->decision;
    memset(&w->decision, 0, sizeof(w->decision)); /* 'first' keeps the claims its strings borrow from */
    w->keys_asked = 0;
    assert_reason(MCPA_REASON_PASS, decide(w), "second");
    assert_int_equal(w->decision.cache_use, MCPA_CACHE_HIT);
    assert_int_equal(w->keys_asked, 0);
    assert_string_equal(w->stages, "location, method, framing, address limit, host, origin, preflight, credential, known token, "
                                   "subject limit, client limit, "
                                   "scopes, ");
    assert_true(w->decision.authenticated);
    assert_ptr_equal(w->decision.issuer, &w->issuer);
    assert_true(mcpa_str_eq(w->decision.principal.issuer, first.principal.issuer));
    assert_true(mcpa_str_eq(w->decision.principal.subject, first.principal.subject));
    assert_true(mcpa_str_eq(w->decision.principal.client_id, first.principal.client_id));
    assert_true(mcpa_str_eq(w->decision.principal.token_id, first.principal.token_id));
    assert_true(mcpa_str_eq(w->decision.principal.audience, first.principal.audience));
    assert_int_equal(w->decision.principal.expires_s, first.principal.expires_s);
    assert_int_equal(w->decision.principal.not_before_s, first.principal.not_before_s);
    assert_int_equal(w->decision.principal.scopes.count, 2);
    assert_int_equal(w->decision.verify_us, 0);
    assert_null(w->decision.claims);
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(mcpa_decision_claims(&w->decision), "jti")), "t-1"));
    mcpa_decision_clear(&first);
    free_tables(&t);
}

static void absent_strings_stay_absent_over_the_cache(void **state)
{
    static const claim_t machine[] = { { "sub", NULL }, { "jti", NULL }, { "scope", NULL } };
    world_t *w = *state;
    tables_t t;

    give_tables(w, &t);
    w->issuer.any_typ = true;
    w->policy.scopes = "";
    give_claims(w, machine, 3);
    assert_reason(MCPA_REASON_PASS, decide(w), "first");
    assert_reason(MCPA_REASON_PASS, decide(w), "second");
    assert_int_equal(w->decision.cache_use, MCPA_CACHE_HIT);
    assert_null(w->decision.principal.subject.ptr);
    assert_null(w->decision.principal.token_id.ptr);
    assert_int_equal(w->decision.principal.scopes.count, 0);
    assert_true(mcpa_str_eqz(w->decision.principal.client_id, "app"));
    free_tables(&t);
}

/* Attack 71. */
static void a_known_token_still_ends_and_begins(void **state)
{
    world_t *w = *state;
    tables_t t;

    give_tables(w, &t);
    assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "first");
    w->env.now_us = (NOW_S + 300 + 59) * 1000000 + 999999;
    assert_reason(MCPA_REASON_PASS, decide(w), "the last moment");
    assert_int_equal(w->decision.cache_use, MCPA_CACHE_HIT);
    w->env.now_us = (NOW_S + 300 + 60) * 1000000;
    assert_reason(MCPA_REASON_EXPIRED, decide(w), "exp plus skew");
    assert_false(w->decision.authenticated);
    assert_null(w->decision.principal.subject.ptr);
    w->env.now_us = (NOW_S - 10 - 60) * 1000000;
    assert_reason(MCPA_REASON_PASS, decide(w), "the clock was set back to iat less skew");
    w->env.now_us -= 1;
    assert_reason(MCPA_REASON_NOT_YET_VALID, decide(w), "the clock was set back further");
    free_tables(&t);
}

/* Attacks 42 and 91: what the verdict was made of decides whether it still holds. */
static void a_change_of_keys_or_policy_forgets_the_token(void **state)
{
    static const char *const elsewhere[] = { "https://elsewhere", NULL };
    world_t *w = *state;
    tables_t t;

    give_tables(w, &t);
    assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "first");
    w->generation++;
    assert_reason(MCPA_REASON_PASS, decide(w), "other keys");
    assert_int_equal(w->decision.cache_use, MCPA_CACHE_MISS);
    w->policy.generation++;
    assert_reason(MCPA_REASON_PASS, decide(w), "other configuration");
    assert_int_equal(w->decision.cache_use, MCPA_CACHE_MISS);
    assert_reason(MCPA_REASON_PASS, decide(w), "no change");
    assert_int_equal(w->decision.cache_use, MCPA_CACHE_HIT);
    w->policy.audiences = elsewhere;
    assert_reason(MCPA_REASON_AUDIENCE_WRONG, decide(w), "another Location's audience");
    w->policy.audiences = NULL;
    w->policy.resource = "https://elsewhere";
    assert_reason(MCPA_REASON_AUDIENCE_WRONG, decide(w), "another Location's resource");
    w->policy.resource = RESOURCE;
    w->issuers[0] = &w->other;
    w->issuers[1] = NULL;
    assert_reason(MCPA_REASON_ISSUER_UNKNOWN, decide(w), "another Location's issuers");
    free_tables(&t);
}

/* One issuer written in two Locations with other rules is two issuers here: what one line let in, the other must look at itself.
 */
static void each_setting_of_an_issuer_has_its_own_memory(void **state)
{
    static const char *const require[] = { "jti", NULL };
    world_t *w = *state;
    mcpa_issuer_t changed[10];
    tables_t t;

    give_tables(w, &t);
    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        changed[i] = w->issuer;
    }
    changed[0].algs = MCPA_ALG_BIT(MCPA_ALG_RS256);
    changed[1].any_typ = true;
    changed[2].skew_s = 61;
    changed[3].roles_claim = "scope";
    changed[4].require = require;
    changed[5].subject_claim = "client_id";
    changed[6].client_claim = "sub";
    changed[7].audience_claim = "/aud";
    changed[8].scope_claim = "/scope";
    changed[9].token_use = "access";
    assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "as it was");
    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        w->issuers[0] = &changed[i];
        decide(w);
        assert_int_equal(w->decision.cache_use, MCPA_CACHE_MISS);
        w->issuers[0] = &w->issuer;
        assert_reason(MCPA_REASON_PASS, decide(w), "as it was, again");
        assert_int_equal(w->decision.cache_use, MCPA_CACHE_HIT);
    }
    free_tables(&t);
}

/* Deny by default: a policy whose lists nobody has read through could be taken for another one. */
static void without_a_digest_no_token_is_remembered_or_known(void **state)
{
    const char *const elsewhere[] = { "https://elsewhere.example", NULL };
    world_t *w = *state;
    tables_t t;

    give_tables(w, &t);
    assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "first");
    assert_int_equal(w->decision.cache_use, MCPA_CACHE_MISS);
    w->policy.issuers_digest = 0;
    mcpa_decision_clear(&w->decision);
    assert_reason(MCPA_REASON_PASS, mcpa_decide(&w->decision, &w->request, &w->policy, &w->env), "issuers not read");
    assert_int_equal(w->decision.cache_use, MCPA_CACHE_UNUSED);
    mcpa_policy_digest(&w->policy);
    w->policy.audiences = elsewhere; /* whose digest is not there, while the resource's is */
    mcpa_decision_clear(&w->decision);
    assert_reason(MCPA_REASON_AUDIENCE_WRONG, mcpa_decide(&w->decision, &w->request, &w->policy, &w->env), "audiences not read");
    free_tables(&t);
}

/* The cache outlives the configuration, whose lists come to lie elsewhere. */
static void a_digest_is_of_contents_and_of_nothing_else(void **state)
{
    char first[] = "https://a.example", same[] = "https://a.example", other[] = "https://b.example";
    const char *const one[] = { first, NULL }, *const copy[] = { same, NULL }, *const two[] = { first, other, NULL };
    world_t *w = *state;
    mcpa_issuer_t twin = w->issuer;
    const mcpa_issuer_t *const twins[] = { &twin, &w->other, &w->hmac, NULL }, *const fewer[] = { &twin, NULL };
    mcpa_policy_t a = w->policy, b = w->policy;

    a.audiences = one;
    b.audiences = copy;
    b.issuers = twins;
    mcpa_policy_digest(&a);
    mcpa_policy_digest(&b);
    assert_true(a.audiences_digest == b.audiences_digest && a.issuers_digest == b.issuers_digest && a.n_issuers == b.n_issuers);
    assert_true(a.audiences_digest != 0 && a.issuers_digest != 0 && a.n_issuers == 3);
    b.audiences = two;
    b.issuers = fewer;
    mcpa_policy_digest(&b);
    assert_true(a.audiences_digest != b.audiences_digest && a.issuers_digest != b.issuers_digest && b.n_issuers == 1);
}

static void a_known_token_meets_the_scopes_of_now(void **state)
{
    world_t *w = *state;
    tables_t t;

    give_tables(w, &t);
    assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "first");
    w->policy.scopes = "mcp:admin";
    assert_reason(MCPA_REASON_SCOPE_MISSING, decide(w), "the same token, more needed");
    assert_int_equal(w->decision.cache_use, MCPA_CACHE_HIT);
    free_tables(&t);
}

/* Attack 93. */
static void refused_tokens_are_never_remembered(void **state)
{
    world_t *w = *state;
    tables_t t;

    give_tables(w, &t);
    for (int i = 0; i < 2; i++) {
        assert_reason(MCPA_REASON_AUDIENCE_WRONG, decide_claim(w, "aud", "\"x\""), "wrong audience");
        assert_int_equal(w->decision.cache_use, MCPA_CACHE_MISS);
        assert_reason(MCPA_REASON_SIGNATURE_BAD, decide_header(w, "ES256", w->other_ec, EC_HEADER), "bad signature");
        assert_int_equal(w->decision.cache_use, MCPA_CACHE_MISS);
    }
    free_tables(&t);
}

static void a_principal_too_long_for_the_cache_is_verified_each_time(void **state)
{
    world_t *w = *state;
    char sub[MCPA_TOKENCACHE_TEXT_BYTES + 8];
    tables_t t;

    give_tables(w, &t);
    memset(sub, 'a', sizeof(sub));
    sub[0] = sub[sizeof(sub) - 2] = '"';
    sub[sizeof(sub) - 1] = '\0';
    for (int i = 0; i < 2; i++) {
        assert_reason(MCPA_REASON_PASS, decide_claim(w, "sub", sub), "long subject");
        assert_int_equal(w->decision.cache_use, MCPA_CACHE_MISS);
    }
    free_tables(&t);
}

static void without_a_key_generation_nothing_is_remembered(void **state)
{
    world_t *w = *state;
    tables_t t;

    give_tables(w, &t);
    w->env.keys_generation = NULL;
    for (int i = 0; i < 2; i++) {
        assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "good");
        assert_int_equal(w->decision.cache_use, MCPA_CACHE_UNUSED);
    }
    free_tables(&t);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, world_setup)
    const struct CMUnitTest tests[] = {
        T(a_known_token_is_not_verified_again),
        T(absent_strings_stay_absent_over_the_cache),
        T(a_known_token_still_ends_and_begins),
        T(a_change_of_keys_or_policy_forgets_the_token),
        T(each_setting_of_an_issuer_has_its_own_memory),
        T(without_a_digest_no_token_is_remembered_or_known),
        T(a_digest_is_of_contents_and_of_nothing_else),
        T(a_known_token_meets_the_scopes_of_now),
        T(refused_tokens_are_never_remembered),
        T(a_principal_too_long_for_the_cache_is_verified_each_time),
        T(without_a_key_generation_nothing_is_remembered),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
