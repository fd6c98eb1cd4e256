/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and the token cache through mcpa_decide: attacks 42, 56, 71 and 93 of the reference. */
#include "test_policy_world.h"

#define ENTRIES 1024

typedef struct tables {
    void *address, *identity, *cache;
} tables_t;

static void *block(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);

    assert_non_null(memory);
    return memset(memory, 0, bytes);
}

static void give_tables(world_t *w, tables_t *t)
{
    static const unsigned char key[16] = "0123456789abcdef";

    t->address = block(mcpa_ratetable_bytes(ENTRIES));
    t->identity = block(mcpa_ratetable_bytes(ENTRIES));
    t->cache = block(mcpa_tokencache_bytes(ENTRIES));
    w->env.address_limits = mcpa_ratetable_init(t->address, ENTRIES, key);
    w->env.identity_limits = mcpa_ratetable_init(t->identity, ENTRIES, key);
    w->env.cache = mcpa_tokencache_init(t->cache, ENTRIES);
}

static void free_tables(tables_t *t)
{
    free(t->address);
    free(t->identity);
    free(t->cache);
}

static void limit(mcpa_limit_t *rule, mcpa_limit_key_t key, const char *rate, const char *burst)
{
    static uint64_t id;
    const char *error = "";

    *rule = (mcpa_limit_t){ .key = key, .id = ++id, .text = rate };
    assert_true(mcpa_limit_parse(rule, mcpa_str(rate), mcpa_str(burst), &error));
}

static void an_address_is_limited_before_its_credential_is_looked_at(void **state)
{
    world_t *w = *state;
    mcpa_limit_t rules[1];
    tables_t t;

    give_tables(w, &t);
    limit(&rules[0], MCPA_LIMIT_ADDRESS, "10/min", "2");
    w->policy.limits = rules;
    w->policy.n_limits = 1;
    w->request.authorization = MCPA_STR("Bearer");
    assert_reason(MCPA_REASON_AUTHORIZATION_MALFORMED, decide(w), "first");
    assert_reason(MCPA_REASON_AUTHORIZATION_MALFORMED, decide(w), "second");
    assert_reason(MCPA_REASON_ADDRESS_LIMIT, decide(w), "third");
    assert_int_equal(w->decision.retry_after_s, 6);
    assert_ptr_equal(w->decision.limit, &rules[0]);
    assert_string_equal(w->stages, "location, method, framing, address limit, ");
    w->request.address[15]++;
    assert_reason(MCPA_REASON_AUTHORIZATION_MALFORMED, decide(w), "another IPv4 address");
    w->request.address[15]--;
    w->env.mono_ns += UINT64_C(5999999999);
    assert_reason(MCPA_REASON_ADDRESS_LIMIT, decide(w), "one nanosecond early");
    assert_int_equal(w->decision.retry_after_s, 1);
    w->env.mono_ns += 1;
    assert_reason(MCPA_REASON_AUTHORIZATION_MALFORMED, decide(w), "in time");
    free_tables(&t);
}

static void an_address_limit_stands_before_the_preflight(void **state)
{
    static const char *const allowed[] = { "https://good.example", NULL };
    world_t *w = *state;
    mcpa_limit_t rules[1];
    tables_t t;

    give_tables(w, &t);
    limit(&rules[0], MCPA_LIMIT_ADDRESS, "1/min", NULL);
    w->policy.limits = rules;
    w->policy.n_limits = 1;
    w->policy.origins = allowed;
    w->request.method = MCPA_STR("OPTIONS");
    w->request.origin = MCPA_STR("https://good.example");
    w->request.preflight_method = MCPA_STR("POST");
    assert_reason(MCPA_REASON_PREFLIGHT, decide(w), "first");
    assert_reason(MCPA_REASON_ADDRESS_LIMIT, decide(w), "second");
    assert_true(w->decision.origin_allowed);
    free_tables(&t);
}

static void ipv6_is_counted_by_its_64_bit_prefix(void **state)
{
    static const unsigned char a[16] = { 0x20, 0x01, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1 };
    static const unsigned char same_prefix[16] = { 0x20, 0x01, 0xd, 0xb8, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9 };
    static const unsigned char next_prefix[16] = { 0x20, 0x01, 0xd, 0xb8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1 };
    world_t *w = *state;
    mcpa_limit_t rules[1];
    tables_t t;

    give_tables(w, &t);
    limit(&rules[0], MCPA_LIMIT_ADDRESS, "1/hour", NULL);
    w->policy.limits = rules;
    w->policy.n_limits = 1;
    memcpy(w->request.address, a, 16);
    assert_reason(MCPA_REASON_NO_TOKEN, decide(w), "first");
    memcpy(w->request.address, same_prefix, 16);
    assert_reason(MCPA_REASON_ADDRESS_LIMIT, decide(w), "same /64");
    assert_int_equal(w->decision.retry_after_s, 3600);
    memcpy(w->request.address, next_prefix, 16);
    assert_reason(MCPA_REASON_NO_TOKEN, decide(w), "next /64");
    free_tables(&t);
}

static void a_subject_is_limited_over_all_its_tokens(void **state)
{
    static const claim_t second_token[] = { { "jti", "\"t-2\"" }, { "client_id", "\"other-app\"" } };
    static const claim_t bob[] = { { "sub", "\"bob\"" } };
    world_t *w = *state;
    mcpa_limit_t rules[1];
    tables_t t;

    give_tables(w, &t);
    limit(&rules[0], MCPA_LIMIT_SUBJECT, "40/min", "1"); /* one in 1.5 s: the answer must round up */
    w->policy.limits = rules;
    w->policy.n_limits = 1;
    assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "alice");
    give_claims(w, second_token, 2);
    assert_reason(MCPA_REASON_SUBJECT_LIMIT, decide(w), "alice with another token");
    assert_true(w->decision.authenticated);
    assert_int_equal(w->decision.retry_after_s, 2);
    give_claims(w, bob, 1);
    assert_reason(MCPA_REASON_PASS, decide(w), "bob");
    free_tables(&t);
}

/* Attack 56, RFC 9700 section 4.15: a client may choose an id that equals a user's. */
static void a_client_named_like_a_user_has_its_own_bucket(void **state)
{
    static const claim_t machine[] = { { "sub", NULL }, { "client_id", "\"alice\"" } };
    world_t *w = *state;
    mcpa_limit_t rules[1];
    tables_t t;

    give_tables(w, &t);
    w->issuer.any_typ = true;
    limit(&rules[0], MCPA_LIMIT_SUBJECT, "1/hour", NULL);
    w->policy.limits = rules;
    w->policy.n_limits = 1;
    give_claims(w, machine, 2);
    assert_reason(MCPA_REASON_PASS, decide(w), "the client alice");
    assert_reason(MCPA_REASON_SUBJECT_LIMIT, decide(w), "the client alice again");
    assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "the user alice");
    free_tables(&t);
}

static void users_of_two_issuers_are_two_users(void **state)
{
    static const claim_t theirs[] = { { "iss", "\"" OTHER_ISSUER "\"" } };
    world_t *w = *state;
    mcpa_limit_t rules[1];
    char payload[1024];
    mcpa_out_t out;
    tables_t t;

    give_tables(w, &t);
    limit(&rules[0], MCPA_LIMIT_SUBJECT, "1/hour", NULL);
    w->policy.limits = rules;
    w->policy.n_limits = 1;
    assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "alice of the first");
    mcpa_out_init(&out, payload, sizeof(payload));
    put_claims(&out, theirs, 1);
    give_token(w, "ES256", w->other_ec, MCPA_STR(EC_HEADER), mcpa_out_get(&out));
    assert_reason(MCPA_REASON_PASS, decide(w), "alice of the other");
    free_tables(&t);
}

static void a_client_is_limited_over_all_its_users(void **state)
{
    static const claim_t bob[] = { { "sub", "\"bob\"" } };
    static const claim_t nameless[] = { { "client_id", NULL }, { "sub", "\"carol\"" } };
    world_t *w = *state;
    mcpa_limit_t rules[1];
    tables_t t;

    give_tables(w, &t);
    w->issuer.any_typ = true;
    limit(&rules[0], MCPA_LIMIT_CLIENT, "1/hour", NULL);
    w->policy.limits = rules;
    w->policy.n_limits = 1;
    assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "alice by app");
    give_claims(w, bob, 1);
    assert_reason(MCPA_REASON_CLIENT_LIMIT, decide(w), "bob by app");
    give_claims(w, nameless, 2);
    assert_reason(MCPA_REASON_PASS, decide(w), "a token without client counts by its user");
    assert_reason(MCPA_REASON_CLIENT_LIMIT, decide(w), "and is not let through for it");
    free_tables(&t);
}

/* Rules are charged in the order of the configuration, subject rules before client rules; the first that is exceeded ends it. */
static void the_charging_order_is_the_documented_one(void **state)
{
    world_t *w = *state;
    mcpa_limit_t rules[3];
    tables_t t;

    give_tables(w, &t);
    limit(&rules[0], MCPA_LIMIT_CLIENT, "1/hour", NULL);
    limit(&rules[1], MCPA_LIMIT_SUBJECT, "2/hour", NULL);
    limit(&rules[2], MCPA_LIMIT_SUBJECT, "1/min", NULL);
    w->policy.limits = rules;
    w->policy.n_limits = 3;
    assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "first");
    assert_reason(MCPA_REASON_SUBJECT_LIMIT, decide(w), "second: the second subject rule");
    assert_ptr_equal(w->decision.limit, &rules[2]);
    assert_reason(MCPA_REASON_SUBJECT_LIMIT, decide(w), "third: the first subject rule was charged by the refusal before");
    assert_ptr_equal(w->decision.limit, &rules[1]);
    w->policy.n_limits = 1;
    assert_reason(MCPA_REASON_CLIENT_LIMIT, decide(w), "the client rule was charged once");
    free_tables(&t);
}

static void limits_come_before_scopes_and_tool_rules_are_left_alone(void **state)
{
    world_t *w = *state;
    mcpa_limit_t rules[2];
    tables_t t;

    give_tables(w, &t);
    limit(&rules[0], MCPA_LIMIT_TOOL, "1/day", NULL);
    limit(&rules[1], MCPA_LIMIT_SUBJECT, "1/day", NULL);
    w->policy.limits = rules;
    w->policy.n_limits = 2;
    assert_reason(MCPA_REASON_SCOPE_MISSING, decide_claim(w, "scope", "\"x\""), "first");
    assert_reason(MCPA_REASON_SUBJECT_LIMIT, decide(w), "second");
    assert_int_equal(w->decision.retry_after_s, 86400);
    free_tables(&t);
}

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
    assert_string_equal(
        w->stages, "location, method, framing, address limit, host, origin, preflight, credential, known token, subject limit, client limit, "
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
        T(an_address_is_limited_before_its_credential_is_looked_at),
        T(an_address_limit_stands_before_the_preflight),
        T(ipv6_is_counted_by_its_64_bit_prefix),
        T(a_subject_is_limited_over_all_its_tokens),
        T(a_client_named_like_a_user_has_its_own_bucket),
        T(users_of_two_issuers_are_two_users),
        T(a_client_is_limited_over_all_its_users),
        T(the_charging_order_is_the_documented_one),
        T(limits_come_before_scopes_and_tool_rules_are_left_alone),
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
