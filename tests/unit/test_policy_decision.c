/* SPDX-License-Identifier: Apache-2.0 */
/* Whole requests through mcpa_decide with tokens signed here: the order of the stages, attacks 1 and 68 to 73 of the reference.
 * Tokens that are bent or of another kind are in test_policy_decision_token.c, algorithms and keys in
 * test_policy_decision_keys.c, limits in test_policy_decision_limit.c, the cache in test_policy_decision_state.c. */
#include "test_policy_world.h"

static void a_good_token_passes_and_says_who_it_is(void **state)
{
    world_t *w = *state;
    const mcpa_decision_t *d = &w->decision;

    assert_reason(MCPA_REASON_PASS, decide_claim(w, NULL, NULL), "good");
    assert_int_equal(d->reason, MCPA_REASON_PASS);
    assert_true(d->authenticated);
    assert_ptr_equal(d->issuer, &w->issuer);
    assert_true(mcpa_str_eqz(d->principal.subject, "alice"));
    assert_true(mcpa_str_eqz(d->principal.client_id, "app"));
    assert_true(mcpa_str_eqz(d->principal.audience, RESOURCE));
    assert_true(d->has_token_hash);
    assert_int_equal(d->cache_use, MCPA_CACHE_UNUSED);
    assert_true(d->verify_us > 0);
    assert_null(d->limit);
    assert_non_null(mcpa_json_member(mcpa_decision_claims(&w->decision), "jti"));
    assert_string_equal(w->stages, "location, method, framing, address limit, host, origin, preflight, credential, known token, "
                                   "structure, issuer, algorithm, "
                                   "key, signature, type, claims, remember, subject limit, client limit, scopes, ");
    mcpa_decision_clear(&w->decision);
    assert_reason(MCPA_REASON_UNDECIDED, w->decision.reason, "a cleared decision denies");
    assert_null(mcpa_decision_claims(&w->decision));
}

static void the_hash_is_sha256_of_the_token_even_when_it_is_refused(void **state)
{
    static const unsigned char of_abc[32] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                              0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                              0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
    world_t *w = *state;

    w->request.authorization = MCPA_STR("Bearer abc");
    assert_reason(MCPA_REASON_TOKEN_MALFORMED, decide(w), "abc");
    assert_true(w->decision.has_token_hash);
    assert_memory_equal(w->decision.token_hash, of_abc, 32);
    w->request.authorization = MCPA_STR_NONE;
    assert_reason(MCPA_REASON_NO_TOKEN, decide(w), "none");
    assert_false(w->decision.has_token_hash);
}

static void a_location_without_a_complete_policy_lets_nobody_in(void **state)
{
    static const mcpa_issuer_t *const nobody[] = { NULL };
    world_t *w = *state;
    const mcpa_policy_t zero = { .mode = MCPA_MODE_OFF }, whole = w->policy;

    give_claims(w, NULL, 0);
    assert_reason(MCPA_REASON_PASS, decide(w), "whole");
    w->policy = zero;
    assert_reason(MCPA_REASON_NO_POLICY, decide(w), "zeroed");
    w->policy = whole;
    w->policy.mode = MCPA_MODE_OFF;
    assert_reason(MCPA_REASON_NO_POLICY, decide(w), "off");
    w->policy = whole;
    w->policy.resource = NULL;
    assert_reason(MCPA_REASON_NO_POLICY, decide(w), "no resource");
    w->policy = whole;
    w->policy.issuers = nobody;
    assert_reason(MCPA_REASON_NO_POLICY, decide(w), "no issuers");
    w->policy.issuers = NULL;
    assert_reason(MCPA_REASON_NO_POLICY, decide(w), "no list of issuers");
    assert_reason(MCPA_REASON_NO_POLICY, mcpa_decide(&w->decision, &w->request, NULL, &w->env), "no policy");
}

/* Attack 68. */
static void only_the_transports_methods_go_on(void **state)
{
    static const char *const good[] = { "POST", "GET", "DELETE" };
    static const char *const bad[] = { "HEAD", "TRACE", "PUT", "PATCH", "CONNECT",  "OPTIONS", "post",
                                       "Post", "POST ", "",    "GETT",  "PROPFIND", "*",       "M" };
    world_t *w = *state;

    give_claims(w, NULL, 0);
    for (size_t i = 0; i < COUNT(good); i++) {
        w->request.method = mcpa_str(good[i]);
        assert_reason(MCPA_REASON_PASS, decide(w), good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        w->request.method = mcpa_str(bad[i]);
        assert_reason(MCPA_REASON_METHOD_NOT_ALLOWED, decide(w), bad[i]);
        assert_string_equal(w->stages, "location, method, ");
    }
    w->request.method = MCPA_STR("POST\0");
    assert_reason(MCPA_REASON_METHOD_NOT_ALLOWED, decide(w), "POST with a NUL");
}

/* Attack 65. */
static void a_body_is_framed_by_one_chunked_or_by_nothing(void **state)
{
    static const char *const bad[] = {
        "", "chunked, chunked", "gzip, chunked", "chunked ", "identity", "xchunked", "chunked;q=1"
    };
    world_t *w = *state;

    give_claims(w, NULL, 0);
    w->request.transfer_encoding = MCPA_STR("Chunked");
    assert_reason(MCPA_REASON_PASS, decide(w), "Chunked");
    for (size_t i = 0; i < COUNT(bad); i++) {
        w->request.transfer_encoding = mcpa_str(bad[i]);
        assert_reason(MCPA_REASON_REQUEST_MALFORMED, decide(w), bad[i]);
        assert_string_equal(w->stages, "location, method, framing, ");
    }
}

/* Attack 70. */
static void an_origin_that_is_not_listed_is_refused_whatever_the_token(void **state)
{
    static const char *const allowed[] = { "https://good.example", "http://localhost:3000", NULL };
    static const char *const bad[] = { "null",
                                       "",
                                       "*",
                                       "https://good.example.evil",
                                       "https://good.exampl",
                                       "http://good.example",
                                       "https://good.example:81",
                                       "https://good.example:443",
                                       "https://good.example/",
                                       "https://GOOD.example",
                                       "HTTPS://good.example",
                                       "https://good.example, https://good.example",
                                       "https://good.example https://good.example",
                                       " https://good.example",
                                       "https://xn--good-xyz.example",
                                       "http://localhost" };
    world_t *w = *state;

    give_claims(w, NULL, 0);
    w->policy.origins = allowed;
    for (size_t i = 0; i < COUNT(bad); i++) {
        w->request.origin = (mcpa_str_t){ bad[i], strlen(bad[i]) };
        assert_reason(MCPA_REASON_ORIGIN_DENIED, decide(w), bad[i]);
        assert_false(w->decision.origin_allowed);
    }
    w->request.origin = MCPA_STR("https://good.example");
    assert_reason(MCPA_REASON_PASS, decide(w), "listed");
    assert_true(w->decision.origin_allowed);
    w->request.authorization = MCPA_STR_NONE;
    assert_reason(MCPA_REASON_NO_TOKEN, decide(w), "listed, no token");
    assert_true(w->decision.origin_allowed);
    w->policy.origins = NULL;
    assert_reason(MCPA_REASON_ORIGIN_DENIED, decide(w), "no list");
    w->request.origin = MCPA_STR_NONE;
    assert_reason(MCPA_REASON_NO_TOKEN, decide(w), "no browser");
}

static void a_preflight_is_answered_without_a_token(void **state)
{
    static const char *const allowed[] = { "https://good.example", NULL };
    world_t *w = *state;

    w->policy.origins = allowed;
    w->request.method = MCPA_STR("OPTIONS");
    w->request.origin = MCPA_STR("https://good.example");
    w->request.preflight_method = MCPA_STR("POST");
    assert_reason(MCPA_REASON_PREFLIGHT, decide(w), "preflight");
    assert_true(w->decision.origin_allowed);
    assert_false(w->decision.authenticated);
    w->request.origin = MCPA_STR("https://evil.example");
    assert_reason(MCPA_REASON_ORIGIN_DENIED, decide(w), "from elsewhere");
    w->request.preflight_method = MCPA_STR_NONE;
    assert_reason(MCPA_REASON_ORIGIN_DENIED, decide(w), "from elsewhere, no preflight");
    w->request.origin = MCPA_STR("https://good.example");
    assert_reason(MCPA_REASON_METHOD_NOT_ALLOWED, decide(w), "OPTIONS that is no preflight");
    w->request.preflight_method = MCPA_STR("POST");
    w->request.origin = MCPA_STR_NONE;
    assert_reason(MCPA_REASON_METHOD_NOT_ALLOWED, decide(w), "OPTIONS of no browser");
    w->request.origin = MCPA_STR("https://good.example");
    w->request.method = MCPA_STR("POST");
    assert_reason(MCPA_REASON_NO_TOKEN, decide(w), "the preflight's header on a POST changes nothing");
}

static void the_credential_stage_gives_its_reasons(void **state)
{
    static char huge[MCPA_TOKEN_DEFAULT_BYTES + 8];
    world_t *w = *state;

    w->request.authorization = MCPA_STR("Bearer");
    assert_reason(MCPA_REASON_AUTHORIZATION_MALFORMED, decide(w), "no token68");
    w->request.authorization = MCPA_STR("Basic dTpw");
    assert_reason(MCPA_REASON_NO_TOKEN, decide(w), "Basic");
    give_claims(w, NULL, 0);
    w->request.query = MCPA_STR("x=1&access%5ftoken=y");
    assert_reason(MCPA_REASON_TWO_CREDENTIALS, decide(w), "query beside the header");
    w->request.authorization = MCPA_STR_NONE;
    assert_reason(MCPA_REASON_NO_TOKEN, decide(w), "query alone");
    w->request.query = MCPA_STR_NONE;
    memset(huge, 'a', sizeof(huge));
    memcpy(huge, "Bearer ", 7);
    w->request.authorization = (mcpa_str_t){ huge, sizeof(huge) };
    assert_reason(MCPA_REASON_TOKEN_TOO_LONG, decide(w), "attack 15");
    assert_int_equal(w->keys_asked, 0);
}

/* The stage that fails first is the answer, and nothing after it is looked at. */
static void the_first_refusal_is_final(void **state)
{
    static const char *const allowed[] = { "https://good.example", NULL };
    world_t *w = *state;

    w->policy.origins = allowed;
    w->request.origin = MCPA_STR("https://evil.example");
    w->request.authorization = MCPA_STR("Bearer a, Bearer b");
    assert_reason(MCPA_REASON_ORIGIN_DENIED, decide(w), "origin before credential");
    w->request.method = MCPA_STR("HEAD");
    assert_reason(MCPA_REASON_METHOD_NOT_ALLOWED, decide(w), "method before origin");
    w->policy.resource = NULL;
    assert_reason(MCPA_REASON_NO_POLICY, decide(w), "location before method");
    assert_string_equal(w->stages, "location, ");
}

static void explain_needs_no_tables_and_no_callbacks(void **state)
{
    world_t *w = *state;

    give_claims(w, NULL, 0);
    w->env.await_key = NULL;
    w->env.keys_generation = NULL;
    w->env.trace = NULL;
    w->env.stopwatch_us = NULL;
    assert_reason(MCPA_REASON_PASS, decide(w), "bare environment");
    assert_int_equal(w->decision.verify_us, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, world_setup)
    const struct CMUnitTest tests[] = {
        T(a_good_token_passes_and_says_who_it_is),
        T(the_hash_is_sha256_of_the_token_even_when_it_is_refused),
        T(a_location_without_a_complete_policy_lets_nobody_in),
        T(only_the_transports_methods_go_on),
        T(a_body_is_framed_by_one_chunked_or_by_nothing),
        T(an_origin_that_is_not_listed_is_refused_whatever_the_token),
        T(a_preflight_is_answered_without_a_token),
        T(the_credential_stage_gives_its_reasons),
        T(the_first_refusal_is_final),
        T(explain_needs_no_tables_and_no_callbacks),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
