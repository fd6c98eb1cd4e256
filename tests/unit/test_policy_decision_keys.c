/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithms and keys through mcpa_decide: attacks 2, 3, 20 to 26, 30 and 32 to 42 of the reference. */
#include <openssl/pem.h>

#include "test_policy_world.h"

static void every_kind_of_key_verifies_its_own_algorithm(void **state)
{
    world_t *w = *state;

    assert_reason(MCPA_REASON_PASS, decide_header(w, "RS256", w->rsa, RSA_HEADER), "RS256");
    assert_reason(MCPA_REASON_PASS, decide_header(w, "PS256", w->rsa, "{\"alg\":\"PS256\",\"typ\":\"at+jwt\",\"kid\":\"rsa\"}"),
                  "PS256");
    assert_reason(MCPA_REASON_PASS, decide_header(w, "ES256", w->ec, EC_HEADER), "ES256");
    assert_reason(MCPA_REASON_PASS, decide_header(w, "EdDSA", w->ed, "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed\"}"),
                  "EdDSA");
}

/* Attacks 2 and 3. */
static void none_is_no_algorithm_in_any_spelling(void **state)
{
    static const char *const spellings[] = {
        "none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "ES256K", "RS1", "HS1", "dir"
    };
    world_t *w = *state;
    char header[128];

    for (size_t i = 0; i < COUNT(spellings); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"at+jwt\",\"kid\":\"ec\"}", spellings[i]);
        assert_reason(MCPA_REASON_ALG_DENIED, decide_header(w, "ES256", w->ec, header), spellings[i]);
    }
    assert_int_equal(w->keys_asked, 0);
}

/* Attacks 20 to 22: what an attacker knows of a public key must not serve as an HMAC secret. */
static void hmac_with_public_bytes_is_refused(void **state)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"rsa\"}";
    world_t *w = *state;
    char payload[1024], jwk[2048];
    unsigned char modulus[512], *der = NULL;
    int der_len;
    BIO *bio = BIO_new(BIO_s_mem());
    BIGNUM *n = NULL;
    char *pem;
    long pem_len;
    mcpa_out_t out, jwk_out;

    PEM_write_bio_PUBKEY(bio, w->rsa);
    pem_len = BIO_get_mem_data(bio, &pem);
    der_len = i2d_PUBKEY(w->rsa, &der);
    mcpa_out_init(&jwk_out, jwk, sizeof(jwk));
    put_jwk(&jwk_out, "rsa", w->rsa, "");
    EVP_PKEY_get_bn_param(w->rsa, OSSL_PKEY_PARAM_RSA_N, &n);
    mcpa_out_init(&out, payload, sizeof(payload));
    put_claims(&out, NULL, 0);
    {
        const mcpa_str_t secrets[] = { { pem, (size_t)pem_len },
                                       { (char *)der, (size_t)der_len },
                                       mcpa_out_get(&jwk_out),
                                       { (char *)modulus, (size_t)BN_bn2bin(n, modulus) } };

        for (size_t i = 0; i < COUNT(secrets); i++) {
            mcpa_out_t token;

            mcpa_out_init(&token, w->authorization, sizeof(w->authorization));
            mcpa_out_z(&token, "Bearer ");
            mint_hmac(&token, secrets[i], mcpa_str(header), mcpa_out_get(&out));
            w->request.authorization = mcpa_out_get(&token);
            assert_reason(MCPA_REASON_ALG_DENIED, decide(w), "attack 20");
            /* even if a careless allow-list let the algorithm in, the key would not fit it */
            w->issuer.algs |= MCPA_ALGS_HMAC;
            assert_reason(MCPA_REASON_ALG_DENIED, decide(w), "attack 20, lax list");
            w->issuer.algs = MCPA_ALGS_ASYMMETRIC;
        }
    }
    BN_free(n);
    OPENSSL_free(der);
    BIO_free(bio);
}

static void an_hmac_issuer_takes_its_own_secret_and_nothing_else(void **state)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}";
    static const claim_t theirs[] = { { "iss", "\"" SECRET_ISSUER "\"" } };
    world_t *w = *state;
    char payload[1024];
    mcpa_out_t out, token;

    mcpa_out_init(&out, payload, sizeof(payload));
    put_claims(&out, theirs, 1);
    mcpa_out_init(&token, w->authorization, sizeof(w->authorization));
    mcpa_out_z(&token, "Bearer ");
    mint_hmac(&token, MCPA_STR(SECRET), mcpa_str(header), mcpa_out_get(&out));
    w->request.authorization = mcpa_out_get(&token);
    assert_reason(MCPA_REASON_PASS, decide(w), "right secret");
    mcpa_out_init(&token, w->authorization, sizeof(w->authorization));
    mcpa_out_z(&token, "Bearer ");
    mint_hmac(&token, MCPA_STR("another secret of the same length"), mcpa_str(header), mcpa_out_get(&out));
    w->request.authorization = mcpa_out_get(&token);
    assert_reason(MCPA_REASON_SIGNATURE_BAD, decide(w), "wrong secret");
    give_token(w, "ES256", w->ec, MCPA_STR(EC_HEADER), mcpa_out_get(&out));
    assert_reason(MCPA_REASON_ALG_DENIED, decide(w), "signed with a key");
}

static void the_issuers_allow_list_decides_before_any_key_is_looked_at(void **state)
{
    world_t *w = *state;

    w->issuer.algs = MCPA_ALG_BIT(MCPA_ALG_RS256);
    assert_reason(MCPA_REASON_ALG_DENIED, decide_header(w, "ES256", w->ec, EC_HEADER), "ES256");
    assert_int_equal(w->keys_asked, 0);
    assert_reason(MCPA_REASON_PASS, decide_header(w, "RS256", w->rsa, RSA_HEADER), "RS256");
}

/* Attack 26: a key whose JWK says PS256 verifies PS256 only. */
static void a_keys_own_algorithm_binds(void **state)
{
    static const char *const kids[] = { "rsa" };
    world_t *w = *state;
    mcpa_jwks_t *keep = w->keys;

    w->keys = make_jwks(kids, &w->rsa, 1, ",\"alg\":\"PS256\"");
    assert_reason(MCPA_REASON_ALG_DENIED, decide_header(w, "RS256", w->rsa, RSA_HEADER), "RS256 with a PS256 key");
    assert_int_equal(w->awaited, 0);
    assert_reason(MCPA_REASON_PASS, decide_header(w, "PS256", w->rsa, "{\"alg\":\"PS256\",\"typ\":\"at+jwt\",\"kid\":\"rsa\"}"),
                  "PS256");
    mcpa_jwks_release(&w->keys);
    w->keys = keep;
}

/* Attack 30. */
static void one_flipped_bit_anywhere_refuses(void **state)
{
    world_t *w = *state;
    size_t len;

    give_claims(w, NULL, 0);
    len = w->request.authorization.len;
    for (size_t i = 7; i < len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            w->authorization[i] = (char)(w->authorization[i] ^ (1 << bit));
            assert_reason(MCPA_REASON_UNDECIDED, decide(w) == MCPA_REASON_PASS ? MCPA_REASON_PASS : MCPA_REASON_UNDECIDED,
                          "a flipped bit");
            w->authorization[i] = (char)(w->authorization[i] ^ (1 << bit));
        }
    }
    assert_reason(MCPA_REASON_PASS, decide(w), "back again");
}

static void a_bad_signature_never_asks_for_keys(void **state)
{
    world_t *w = *state;

    assert_reason(MCPA_REASON_SIGNATURE_BAD, decide_header(w, "RS256", w->second_rsa, RSA_HEADER), "another RSA key");
    assert_reason(MCPA_REASON_SIGNATURE_BAD, decide_header(w, "ES256", w->other_ec, EC_HEADER), "another EC key");
    assert_int_equal(w->awaited, 0);
    assert_false(w->decision.authenticated);
    assert_null(w->decision.claims);
    assert_null(w->decision.principal.subject.ptr);
}

/* Attack 40: the other issuer's key and kid under our issuer's name. */
static void keys_belong_to_their_issuer(void **state)
{
    static const claim_t theirs[] = { { "iss", "\"" OTHER_ISSUER "\"" } };
    world_t *w = *state;

    assert_reason(MCPA_REASON_SIGNATURE_BAD, decide_header(w, "ES256", w->other_ec, EC_HEADER), "their key, our name");
    give_claims(w, theirs, 1);
    assert_reason(MCPA_REASON_SIGNATURE_BAD, decide(w), "our key, their name");
    {
        char payload[1024];
        mcpa_out_t out;

        mcpa_out_init(&out, payload, sizeof(payload));
        put_claims(&out, theirs, 1);
        give_token(w, "ES256", w->other_ec, MCPA_STR(EC_HEADER), mcpa_out_get(&out));
        assert_reason(MCPA_REASON_PASS, decide(w), "their key, their name");
        assert_ptr_equal(w->decision.issuer, &w->other);
        assert_true(mcpa_str_eqz(w->decision.principal.issuer, OTHER_ISSUER));
        w->issuers[1] = NULL;
        assert_reason(MCPA_REASON_ISSUER_UNKNOWN, decide(w), "trusted elsewhere, not here");
    }
}

/* Attacks 33 to 35: key sources named by a token are not even looked at. */
static void keys_in_the_token_are_ignored(void **state)
{
    world_t *w = *state;
    char header[4096], jwk[1024];
    mcpa_out_t out;

    mcpa_out_init(&out, jwk, sizeof(jwk));
    put_jwk(&out, "rsa", w->second_rsa, "");
    snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"rsa\",\"jwk\":%s}", jwk);
    assert_reason(MCPA_REASON_SIGNATURE_BAD, decide_header(w, "RS256", w->second_rsa, header), "jwk of the attacker");
    assert_reason(MCPA_REASON_PASS, decide_header(w, "RS256", w->rsa, header), "the right key all the same");
    snprintf(header, sizeof(header),
             "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"jku\":\"http://169.254.169.254/\",\"x5u\":\"file:///etc/passwd\","
             "\"x5c\":[\"MIIB\"],\"kid\":\"rsa\"}");
    assert_reason(MCPA_REASON_SIGNATURE_BAD, decide_header(w, "RS256", w->second_rsa, header), "jku, x5u, x5c");
    assert_int_equal(w->awaited, 0);
}

/* Attack 36. */
static void hostile_kids_are_only_ever_compared(void **state)
{
    static const char *const kids[] = {
        "../../../../dev/null", "/proc/self/environ", "' OR 1=1 --", "$(id)", "*)(uid=*", "%s%n", "rsa\\\\"
    };
    static const char *const malformed[] = { "a\\r\\nb", "a\\u0001", "a\\u007f" };
    world_t *w = *state;
    static char header[8192];

    for (size_t i = 0; i < COUNT(kids); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", kids[i]);
        assert_reason(MCPA_REASON_KEY_UNKNOWN, decide_header(w, "ES256", w->ec, header), kids[i]);
    }
    for (size_t i = 0; i < COUNT(malformed); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", malformed[i]);
        assert_reason(MCPA_REASON_TOKEN_MALFORMED, decide_header(w, "ES256", w->ec, header), malformed[i]);
    }
    w->awaited = 0;
    snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%0*d\"}", MCPA_KID_MAX_BYTES + 1, 1);
    assert_reason(MCPA_REASON_TOKEN_MALFORMED, decide_header(w, "ES256", w->ec, header), "257 bytes");
    assert_int_equal(w->awaited, 0);
}

/* Attacks 37 and 42. */
static void an_unknown_kid_is_waited_for_exactly_once(void **state)
{
    static const char header[] = "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"rotated\"}";
    static const char *const kids[] = { "rotated" };
    world_t *w = *state;

    assert_reason(MCPA_REASON_KEY_UNKNOWN, decide_header(w, "RS256", w->second_rsa, header), "nothing came");
    assert_int_equal(w->awaited, 1);
    assert_string_equal(w->waited_for, "rotated");
    w->newer = w->keys;
    assert_reason(MCPA_REASON_KEY_UNKNOWN, decide(w), "a set without it came");
    assert_int_equal(w->awaited, 2);
    w->newer = make_jwks(kids, &w->second_rsa, 1, "");
    assert_reason(MCPA_REASON_PASS, decide(w), "it came");
    assert_int_equal(w->awaited, 3);
    mcpa_jwks_release(&w->newer);
    w->env.await_key = NULL;
    assert_reason(MCPA_REASON_KEY_UNKNOWN, decide(w), "nobody to ask");
}

static void nobody_waits_for_a_token_that_cannot_become_good(void **state)
{
    static const char unknown[] = "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"new\"}";
    static const struct {
        const char *name;
        const char *value;
        mcpa_reason_t reason;
    } rows[] = {
        { "exp", "1799999940", MCPA_REASON_KEY_UNKNOWN },
        { "exp", NULL, MCPA_REASON_KEY_UNKNOWN },
        { "exp", "\"soon\"", MCPA_REASON_KEY_UNKNOWN },
        { "exp", "9223372036854775807", MCPA_REASON_KEY_UNKNOWN },
        { "iss", "\"https://evil.example.com\"", MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", NULL, MCPA_REASON_ISSUER_UNKNOWN },
    };
    world_t *w = *state;
    char payload[1024];
    mcpa_out_t out;

    for (size_t i = 0; i < COUNT(rows); i++) {
        claim_t change = { rows[i].name, rows[i].value };

        mcpa_out_init(&out, payload, sizeof(payload));
        put_claims(&out, &change, 1);
        give_token(w, "ES256", w->ec, mcpa_str(unknown), mcpa_out_get(&out));
        assert_reason(rows[i].reason, decide(w), rows[i].value ? rows[i].value : rows[i].name);
    }
    w->issuer.algs = MCPA_ALG_BIT(MCPA_ALG_RS256);
    assert_reason(MCPA_REASON_ALG_DENIED, decide_header(w, "ES256", w->ec, unknown), "an algorithm not allowed");
    assert_int_equal(w->awaited, 0);
    w->issuer.algs = MCPA_ALGS_ASYMMETRIC;
    w->issuer.key_source = MCPA_KEYS_FILE;
    assert_reason(MCPA_REASON_KEY_UNKNOWN, decide_header(w, "ES256", w->ec, unknown), "keys from a file never change");
    assert_int_equal(w->awaited, 0);
    w->issuer.key_source = MCPA_KEYS_URL;
    assert_reason(MCPA_REASON_KEY_UNKNOWN, decide_header(w, "ES256", w->ec, unknown), "keys from a URL may");
    assert_int_equal(w->awaited, 1);
}

/* Attack 38. */
static void without_a_kid_the_only_fitting_key_serves(void **state)
{
    static const char header[] = "{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}";
    static const char *const kids[] = { "a", "b" };
    world_t *w = *state;
    mcpa_jwks_t *keep = w->keys;

    assert_reason(MCPA_REASON_PASS, decide_header(w, "RS256", w->rsa, header), "one RSA key among others");
    w->keys = make_jwks(kids, (EVP_PKEY *[]){ w->rsa, w->second_rsa }, 2, "");
    assert_reason(MCPA_REASON_KEY_UNKNOWN, decide_header(w, "RS256", w->rsa, header), "two that fit");
    assert_int_equal(w->awaited, 0);
    mcpa_jwks_release(&w->keys);
    w->keys = keep;
}

/* Attack 39: the same kid under two key types is told apart by the algorithm. */
static void one_kid_under_two_types_is_told_apart_by_the_algorithm(void **state)
{
    static const char *const kids[] = { "same", "same" };
    world_t *w = *state;
    mcpa_jwks_t *keep = w->keys;

    w->keys = make_jwks(kids, (EVP_PKEY *[]){ w->rsa, w->ec }, 2, "");
    assert_reason(MCPA_REASON_PASS, decide_header(w, "RS256", w->rsa, "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"same\"}"),
                  "RSA");
    assert_reason(MCPA_REASON_PASS, decide_header(w, "ES256", w->ec, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"same\"}"),
                  "EC");
    mcpa_jwks_release(&w->keys);
    w->keys = keep;
}

static void a_known_kid_of_another_kind_is_not_asked_for(void **state)
{
    world_t *w = *state;

    assert_reason(MCPA_REASON_ALG_DENIED,
                  decide_header(w, "RS256", w->rsa, "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"ec\"}"), "EC kid");
    assert_int_equal(w->awaited, 0);
}

static void no_keys_at_all_is_our_failure_not_the_tokens(void **state)
{
    world_t *w = *state;
    mcpa_jwks_t *keep = w->keys;

    w->keys = NULL;
    assert_reason(MCPA_REASON_KEYS_MISSING, decide_claim(w, NULL, NULL), "no keys");
    assert_int_equal(w->awaited, 0);
    assert_reason(MCPA_REASON_ISSUER_UNKNOWN, decide_claim(w, "iss", "\"https://evil.example.com\""), "not even our issuer");
    w->keys = keep;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, world_setup)
    const struct CMUnitTest tests[] = {
        T(every_kind_of_key_verifies_its_own_algorithm),
        T(none_is_no_algorithm_in_any_spelling),
        T(hmac_with_public_bytes_is_refused),
        T(an_hmac_issuer_takes_its_own_secret_and_nothing_else),
        T(the_issuers_allow_list_decides_before_any_key_is_looked_at),
        T(a_keys_own_algorithm_binds),
        T(one_flipped_bit_anywhere_refuses),
        T(a_bad_signature_never_asks_for_keys),
        T(keys_belong_to_their_issuer),
        T(keys_in_the_token_are_ignored),
        T(hostile_kids_are_only_ever_compared),
        T(an_unknown_kid_is_waited_for_exactly_once),
        T(nobody_waits_for_a_token_that_cannot_become_good),
        T(without_a_kid_the_only_fitting_key_serves),
        T(one_kid_under_two_types_is_told_apart_by_the_algorithm),
        T(a_known_kid_of_another_kind_is_not_asked_for),
        T(no_keys_at_all_is_our_failure_not_the_tokens),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
