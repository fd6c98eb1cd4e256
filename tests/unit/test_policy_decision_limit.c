/* SPDX-License-Identifier: Apache-2.0 */
/* Limits through mcpa_decide: attack 56 of the reference. */
#include "test_policy_tables.h"

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
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
