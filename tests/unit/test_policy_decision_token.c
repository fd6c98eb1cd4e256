/* SPDX-License-Identifier: Apache-2.0 */
/* Structure and claims of tokens through mcpa_decide: attacks 2 to 19 of the reference. What is bent, broken or another kind of
 * token stops the request with its own reason. */
#include "test_policy_world.h"

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

/* Attacks 10 to 14, 16 and 19; these and those below. */
static void broken_headers_are_refused(void **state)
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
    world_t *w = *state;

    for (size_t i = 0; i < COUNT(headers); i++) {
        mcpa_reason_t reason = decide_header(w, "ES256", w->ec, headers[i]);

        if (reason != MCPA_REASON_TOKEN_MALFORMED && reason != MCPA_REASON_ALG_DENIED) {
            fail_msg("%s: %s", headers[i], mcpa_reason_word(reason));
        }
    }
    assert_int_equal(w->keys_asked, 0);
}

static void broken_payloads_are_refused(void **state)
{
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
    world_t *w = *state;

    for (size_t i = 0; i < COUNT(payloads); i++) {
        give_token(w, "ES256", w->ec, MCPA_STR(EC_HEADER), mcpa_str(payloads[i]));
        assert_reason(MCPA_REASON_TOKEN_MALFORMED, decide(w), payloads[i]);
    }
    assert_int_equal(w->keys_asked, 0);
}

static void deep_documents_are_refused(void **state)
{
    static char deep[5800];
    world_t *w = *state;

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

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, world_setup)
    const struct CMUnitTest tests[] = {
        T(a_bent_token_is_refused),
        T(another_spelling_of_the_same_bytes_is_another_token),
        T(broken_headers_are_refused),
        T(broken_payloads_are_refused),
        T(deep_documents_are_refused),
        T(many_members_are_refused),
        T(claims_stop_a_request_with_their_reason),
        T(audiences_of_the_location_replace_the_resource),
        T(another_kind_of_jwt_is_refused),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
