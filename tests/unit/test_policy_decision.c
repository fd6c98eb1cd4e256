/* SPDX-License-Identifier: Apache-2.0 */
/* Whole requests through mcpa_decide with tokens signed here: the order of the stages, attacks 1 to 19 and 68 to 73 of the
 * reference. Algorithms and keys are in test_policy_decision_keys.c, limits and the cache in test_policy_decision_state.c. */
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
    assert_string_equal(
        w->stages, "location, method, framing, address limit, host, origin, preflight, credential, known token, structure, issuer, algorithm, "
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
    static const char *const bad[] = { "", "chunked, chunked", "gzip, chunked", "chunked ", "identity", "xchunked", "chunked;q=1" };
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

/* Attacks 2 to 9 and 16: one good token, bent. */
static void a_bent_token_is_refused(void **state)
{
    world_t *w = *state;
    char good[4096], bent[8192];
    const char *first, *second;
    size_t len;

    give_claims(w, NULL, 0);
    len = w->request.authorization.len;
    memcpy(good, w->authorization, len + 1);
    first = strchr(good, '.');
    second = strchr(first + 1, '.');
    {
        const struct {
            const char *what;
            int head; /* bytes kept from the front; then 'then', then the rest from 'from' on */
            const char *then;
            const char *from;
        } rows[] = {
            { "signature stripped, dot kept", (int)(second - good) + 1, "", "" },
            { "signature and dot stripped", (int)(second - good), "", "" },
            { "header alone", (int)(first - good), "", "" },
            { "extra segment", (int)len, ".x", "" },
            { "extra empty segment", (int)len, ".", "" },
            { "JWE's five segments", (int)len, ".x.y", "" },
            { "padding", (int)len, "=", "" },
            { "padding in the header", (int)(first - good), "==", first },
            { "plus in the header", 9, "+", good + 10 },
            { "slash in the header", 9, "/", good + 10 },
            { "empty payload", (int)(first - good) + 1, "", second },
            { "empty header", 7, "", first },
            { "tilde in the payload", (int)(first - good) + 3, "~", first + 4 },
            { "one character more in the signature", (int)len, "A", "" },
            { "one character less", (int)len - 1, "", "" },
        };

        for (size_t i = 0; i < COUNT(rows); i++) {
            mcpa_reason_t reason;

            snprintf(bent, sizeof(bent), "%.*s%s%s", rows[i].head, good, rows[i].then, rows[i].from);
            w->request.authorization = mcpa_str(bent);
            reason = decide(w);
            if (reason != MCPA_REASON_TOKEN_MALFORMED && reason != MCPA_REASON_SIGNATURE_BAD &&
                reason != MCPA_REASON_AUTHORIZATION_MALFORMED) {
                fail_msg("%s: %s", rows[i].what, mcpa_reason_word(reason));
            }
            assert_false(w->decision.authenticated);
        }
    }
}

/* Attack 9: the last character of a part has bits to spare; only one spelling is the token. */
static void another_spelling_of_the_same_bytes_is_another_token(void **state)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    world_t *w = *state;
    size_t len;
    int passed = 0;

    give_claims(w, NULL, 0);
    len = w->request.authorization.len;
    for (size_t i = 0; i < 64; i++) {
        w->authorization[len - 1] = alphabet[i];
        passed += decide(w) == MCPA_REASON_PASS;
    }
    assert_int_equal(passed, 1);
}

/* Attacks 10 to 14, 16 and 19. */
static void broken_documents_are_refused(void **state)
{
    static const char *const headers[] = {
        "",
        "null",
        "[]",
        "1",
        "\"x\"",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\"",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\"}x",
        "{\"alg\":\"ES256\",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\"}",
        "{\"alg\":\"ES256\",\"\\u0061lg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\"}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\",\"crit\":[]}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\",\"crit\":\"x\"}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\",\"b64\":false,\"crit\":[\"b64\"]}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\",\"b64\":false}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\",\"zip\":\"DEF\"}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\",\"cty\":\"JWT\"}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":1}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":null}",
        "{\"alg\":\"ES256\",\"typ\":1,\"kid\":\"ec\"}",
        "{\"alg\":[\"ES256\"],\"typ\":\"at+jwt\",\"kid\":\"ec\"}",
        "{\"typ\":\"at+jwt\",\"kid\":\"ec\"}",
        "\xef\xbb\xbf{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\"}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"e\xff\"}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"e\\u0000\"}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"e\\ud800\"}",
    };
    static const char *const payloads[] = {
        "",
        "[]",
        "null",
        "1",
        "\"" ISSUER "\"",
        "{\"iss\":\"" ISSUER "\"",
        "{\"iss\":\"" ISSUER "\"}x",
        "foo",
        "{\"iss\":\"" ISSUER "\",\"iss\":\"" ISSUER "\"}",
        "{\"aud\":1,\"\\u0061ud\":2,\"iss\":\"" ISSUER "\"}",
        "\xef\xbb\xbf{\"iss\":\"" ISSUER "\"}",
        "{\"iss\":\"" ISSUER "\",\"sub\":\"a\xff\"}",
        "{\"iss\":\"" ISSUER "\",\"sub\":\"a\\u0000\"}",
        "{\"iss\":\"" ISSUER "\",\"sub\":\"\\udc00\"}",
        "{\"iss\":\"" ISSUER "\",\"exp\":1e400}",
        "{\"o\":{\"sub\":\"a\",\"sub\":\"b\"},\"iss\":\"" ISSUER "\"}",
    };
    static char deep[5800];
    world_t *w = *state;

    for (size_t i = 0; i < COUNT(headers); i++) {
        mcpa_reason_t reason = decide_header(w, "ES256", w->ec, headers[i]);

        if (reason != MCPA_REASON_TOKEN_MALFORMED && reason != MCPA_REASON_ALG_DENIED) {
            fail_msg("%s: %s", headers[i], mcpa_reason_word(reason));
        }
    }
    for (size_t i = 0; i < COUNT(payloads); i++) {
        give_token(w, "ES256", w->ec, MCPA_STR(EC_HEADER), mcpa_str(payloads[i]));
        assert_reason(MCPA_REASON_TOKEN_MALFORMED, decide(w), payloads[i]);
    }
    memset(deep, '[', sizeof(deep) - 1);
    give_token(w, "ES256", w->ec, MCPA_STR(EC_HEADER), mcpa_str(deep));
    assert_reason(MCPA_REASON_TOKEN_MALFORMED, decide(w), "deep payload");
    assert_reason(MCPA_REASON_TOKEN_MALFORMED, decide_header(w, "ES256", w->ec, deep), "deep header");
    assert_int_equal(w->keys_asked, 0);
}

static void many_members_are_refused(void **state)
{
    world_t *w = *state;
    char payload[6000];
    mcpa_out_t out;

    mcpa_out_init(&out, payload, sizeof(payload));
    mcpa_out_z(&out, "{\"iss\":\"" ISSUER "\",\"a\":[");
    for (int i = 0; i < MCPA_JSON_MAX_VALUES; i++) {
        mcpa_out_z(&out, i ? ",1" : "1");
    }
    mcpa_out_z(&out, "]}");
    give_token(w, "ES256", w->ec, MCPA_STR(EC_HEADER), mcpa_out_get(&out));
    assert_reason(MCPA_REASON_TOKEN_MALFORMED, decide(w), "attack 14");
}

static void claims_stop_a_request_with_their_reason(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        mcpa_reason_t reason;
    } rows[] = {
        { "iss", NULL, MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "\"https://evil.example.com\"", MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "\"" ISSUER "/\"", MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "[\"" ISSUER "\"]", MCPA_REASON_ISSUER_UNKNOWN },
        { "aud", "\"" RESOURCE "/\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", NULL, MCPA_REASON_CLAIM_MISSING },
        { "exp", "1799999940", MCPA_REASON_EXPIRED },
        { "nbf", "1800000061", MCPA_REASON_NOT_YET_VALID },
        { "sub", NULL, MCPA_REASON_CLAIM_MISSING },
        { "sub", "1", MCPA_REASON_CLAIM_MALFORMED },
        { "cnf", "{\"jkt\":\"x\"}", MCPA_REASON_BINDING_UNSUPPORTED },
        { "scope", "\"files:readx\"", MCPA_REASON_SCOPE_MISSING },
        { "scope", NULL, MCPA_REASON_SCOPE_MISSING },
        { "scope", "\"mcp:admin\"", MCPA_REASON_PASS },
    };
    world_t *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_reason(rows[i].reason, decide_claim(w, rows[i].name, rows[i].value), rows[i].value ? rows[i].value : rows[i].name);
        assert_int_equal(w->decision.authenticated,
                         rows[i].reason == MCPA_REASON_PASS || rows[i].reason == MCPA_REASON_SCOPE_MISSING);
        assert_int_equal(w->awaited, 0);
        assert_int_equal(mcpa_decision_claims(&w->decision) != NULL, w->decision.authenticated);
    }
}

static void audiences_of_the_location_replace_the_resource(void **state)
{
    static const char *const audiences[] = { "api://default", NULL };
    world_t *w = *state;

    w->policy.audiences = audiences;
    assert_reason(MCPA_REASON_AUDIENCE_WRONG, decide_claim(w, NULL, NULL), "the resource itself");
    assert_reason(MCPA_REASON_PASS, decide_claim(w, "aud", "\"api://default\""), "as configured");
}

/* Attacks 50 to 52. */
static void another_kind_of_jwt_is_refused(void **state)
{
    static const char *const types[] = { "JWT", "oauth-id-jag+jwt", "logout+jwt", "dpop+jwt", "token-introspection+jwt", "" };
    world_t *w = *state;
    char header[256];

    for (size_t i = 0; i < COUNT(types); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"typ\":\"%s\",\"kid\":\"ec\"}", types[i]);
        assert_reason(MCPA_REASON_TYPE_WRONG, decide_header(w, "ES256", w->ec, header), types[i]);
    }
    assert_reason(MCPA_REASON_TYPE_WRONG, decide_header(w, "ES256", w->ec, "{\"alg\":\"ES256\",\"kid\":\"ec\"}"), "no typ");
    w->issuer.any_typ = true;
    assert_reason(MCPA_REASON_PASS, decide_header(w, "ES256", w->ec, "{\"alg\":\"ES256\",\"kid\":\"ec\"}"), "no typ, typ=any");
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
        T(a_bent_token_is_refused),
        T(another_spelling_of_the_same_bytes_is_another_token),
        T(broken_documents_are_refused),
        T(many_members_are_refused),
        T(claims_stop_a_request_with_their_reason),
        T(audiences_of_the_location_replace_the_resource),
        T(another_kind_of_jwt_is_refused),
        T(the_first_refusal_is_final),
        T(explain_needs_no_tables_and_no_callbacks),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
