/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens forged in every way we know of: attacks 2 to 10, 12, 14 to 26, 29, 30, 33 and 36 of the reference. Keys are made at the
 * start of the run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/b64url.h"
#include "base/limits.h"
#include "jose/jws.h"

#define SECRET MCPA_STR("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
#define PAYLOAD "{\"iss\":\"https://as.example\",\"sub\":\"u1\"}"

/* One signer: a private key and the set a verifier holds for it. */
typedef struct signer {
    EVP_PKEY *pkey;
    mcpa_jwks_t *set;
} signer_t;

static signer_t rsa, p256, p384, p521, ed25519, hmac;

static signer_t *signer_of(mcpa_alg_t alg)
{
    switch (mcpa_alg_kty(alg)) {
    case MCPA_KTY_RSA:
        return &rsa;
    case MCPA_KTY_EC:
        return alg == MCPA_ALG_ES256 ? &p256 : alg == MCPA_ALG_ES384 ? &p384 : &p521;
    case MCPA_KTY_OKP:
        return &ed25519;
    default:
        return &hmac;
    }
}

static const EVP_MD *digest_of(mcpa_alg_t alg)
{
    size_t bytes = mcpa_alg_hash_bytes(alg);

    return bytes == 32 ? EVP_sha256() : bytes == 48 ? EVP_sha384() : bytes == 64 ? EVP_sha512() : NULL;
}

static void put_number(mcpa_out_t *out, const EVP_PKEY *pkey, const char *param, size_t len)
{
    unsigned char bytes[1024];
    BIGNUM *number = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(pkey, param, &number), 1);
    len = len > 0 ? len : (size_t)BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, (int)len), len);
    mcpa_b64url_encode(out, bytes, len);
    BN_free(number);
}

static mcpa_jwks_t *set_of(EVP_PKEY *pkey)
{
    size_t bits = (size_t)EVP_PKEY_get_bits(pkey);
    size_t size = (bits + 7) / 8;
    unsigned char raw[32];
    size_t raw_len = sizeof(raw);
    mcpa_jwks_report_t report;
    mcpa_jwks_t *set = NULL;
    char text[2048];
    mcpa_out_t out;

    mcpa_out_init(&out, text, sizeof(text));
    mcpa_out_z(&out, "{\"keys\":[{\"kid\":\"k\",");
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        mcpa_out_z(&out, "\"kty\":\"RSA\",\"n\":\"");
        put_number(&out, pkey, OSSL_PKEY_PARAM_RSA_N, 0);
        mcpa_out_z(&out, "\",\"e\":\"");
        put_number(&out, pkey, OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (EVP_PKEY_is_a(pkey, "EC")) {
        mcpa_out_printf(&out, "\"kty\":\"EC\",\"crv\":\"P-%zu\",\"x\":\"", bits);
        put_number(&out, pkey, OSSL_PKEY_PARAM_EC_PUB_X, size);
        mcpa_out_z(&out, "\",\"y\":\"");
        put_number(&out, pkey, OSSL_PKEY_PARAM_EC_PUB_Y, size);
    } else {
        mcpa_out_z(&out, "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
        assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, raw, &raw_len), 1);
        mcpa_b64url_encode(&out, raw, raw_len);
    }
    mcpa_out_z(&out, "\"}]}");
    assert_int_equal(mcpa_jwks_parse(&set, mcpa_out_get(&out), &report), MCPA_OK);
    return set;
}

/* The signature bytes a JWS carries for this alg. */
static size_t sign_raw(unsigned char *signature, size_t cap, mcpa_alg_t alg, mcpa_str_t message)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pkey_ctx = NULL;
    size_t len = cap;

    if (mcpa_alg_kty(alg) == MCPA_KTY_OCT) {
        unsigned mac_len = 0;

        EVP_MD_CTX_free(ctx);
        assert_non_null(HMAC(digest_of(alg), SECRET.ptr, (int)SECRET.len, (const unsigned char *)message.ptr, message.len, signature,
                             &mac_len));
        return mac_len;
    }
    assert_int_equal(EVP_DigestSignInit(ctx, &pkey_ctx, digest_of(alg), NULL, signer_of(alg)->pkey), 1);
    if (alg >= MCPA_ALG_PS256 && alg <= MCPA_ALG_PS512) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    assert_int_equal(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)message.ptr, message.len), 1);
    EVP_MD_CTX_free(ctx);
    if (mcpa_alg_kty(alg) == MCPA_KTY_EC) {
        const unsigned char *der = signature;
        ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
        int half = (int)(mcpa_alg_ec_bits(alg) + 7) / 8;

        assert_non_null(sig);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, half), half);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + half, half), half);
        ECDSA_SIG_free(sig);
        len = 2 * (size_t)half;
    }
    return len;
}

/* A token with this header and payload, signed under alg. */
static mcpa_str_t make_token(char *memory, size_t cap, const char *header, const char *payload, mcpa_alg_t alg)
{
    unsigned char signature[1024];
    mcpa_out_t out;
    size_t len;

    mcpa_out_init(&out, memory, cap);
    mcpa_b64url_encode(&out, header, strlen(header));
    mcpa_out_char(&out, '.');
    mcpa_b64url_encode(&out, payload, strlen(payload));
    len = sign_raw(signature, sizeof(signature), alg, mcpa_out_get(&out));
    mcpa_out_char(&out, '.');
    mcpa_b64url_encode(&out, signature, len);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    return mcpa_out_get(&out);
}

static bool accepts(const mcpa_jwks_t *set, mcpa_str_t token)
{
    const mcpa_key_t *key;
    mcpa_jws_t jws;
    bool good;

    if (mcpa_jws_split(&jws, token) != MCPA_OK) {
        return false;
    }
    key = mcpa_jwks_find(set, jws.alg, jws.kid, NULL);
    good = key != NULL && mcpa_jws_verify(&jws, key);
    mcpa_jws_clear(&jws);
    return good;
}

static int make_keys(void **state)
{
    (void)state;
    rsa.pkey = EVP_RSA_gen(2048);
    p256.pkey = EVP_EC_gen("P-256");
    p384.pkey = EVP_EC_gen("P-384");
    p521.pkey = EVP_EC_gen("P-521");
    ed25519.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    rsa.set = set_of(rsa.pkey);
    p256.set = set_of(p256.pkey);
    p384.set = set_of(p384.pkey);
    p521.set = set_of(p521.pkey);
    ed25519.set = set_of(ed25519.pkey);
    return mcpa_jwks_from_secret(&hmac.set, SECRET, MCPA_ALGS_HMAC) == MCPA_OK ? 0 : -1;
}

static int free_keys(void **state)
{
    signer_t *all[] = { &rsa, &p256, &p384, &p521, &ed25519, &hmac };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        EVP_PKEY_free(all[i]->pkey);
        mcpa_jwks_release(&all[i]->set);
    }
    return 0;
}

static void jws_of_every_algorithm_verifies_and_no_other_key_takes_it(void **state)
{
    signer_t *all[] = { &rsa, &p256, &p384, &p521, &ed25519, &hmac };
    char memory[4096], header[64];

    (void)state;
    for (unsigned alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
        signer_t *right = signer_of((mcpa_alg_t)alg);
        mcpa_str_t token;

        (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"at+jwt\"}", mcpa_alg_name((mcpa_alg_t)alg));
        token = make_token(memory, sizeof(memory), header, PAYLOAD, (mcpa_alg_t)alg);
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
            assert_int_equal(accepts(all[i]->set, token), all[i] == right);
        }
    }
}

static void jws_changed_in_any_one_character_is_rejected(void **state)
{
    static const mcpa_alg_t algs[] = { MCPA_ALG_RS256, MCPA_ALG_PS384, MCPA_ALG_ES256, MCPA_ALG_EDDSA, MCPA_ALG_HS512 };
    char memory[4096], header[64];

    (void)state;
    for (size_t a = 0; a < sizeof(algs) / sizeof(algs[0]); a++) {
        mcpa_str_t token;

        (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", mcpa_alg_name(algs[a]));
        token = make_token(memory, sizeof(memory), header, PAYLOAD, algs[a]);
        assert_true(accepts(signer_of(algs[a])->set, token));
        for (size_t i = 0; i < token.len; i++) {
            char kept = memory[i];

            memory[i] = kept == 'A' ? 'B' : 'A';
            assert_false(accepts(signer_of(algs[a])->set, token));
            memory[i] = kept;
        }
    }
}

/* A header that claims another algorithm than the signature was made with. */
static void jws_with_a_swapped_algorithm_is_rejected(void **state)
{
    char memory[4096], header[64];

    (void)state;
    for (unsigned made = MCPA_ALG_NONE + 1; made < MCPA_ALG_COUNT; made++) {
        for (unsigned said = MCPA_ALG_NONE + 1; said < MCPA_ALG_COUNT; said++) {
            mcpa_str_t token;

            (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", mcpa_alg_name((mcpa_alg_t)said));
            token = make_token(memory, sizeof(memory), header, PAYLOAD, (mcpa_alg_t)made);
            assert_int_equal(accepts(signer_of((mcpa_alg_t)made)->set, token), made == said);
            if (signer_of((mcpa_alg_t)made) != signer_of((mcpa_alg_t)said)) {
                assert_false(accepts(signer_of((mcpa_alg_t)said)->set, token));
            }
        }
    }
}

/* HMAC with the public key as the secret, in each form an attacker could know it. */
static void jws_hmac_keyed_with_a_public_key_is_rejected(void **state)
{
    char memory[4096];
    mcpa_out_t out;
    unsigned char mac[64], *der = NULL, n[256];
    unsigned mac_len = 0;
    int der_len = i2d_PUBKEY(rsa.pkey, &der);
    BIGNUM *number = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem, jwk[1024];
    mcpa_out_t jwk_out;
    struct {
        const void *bytes;
        size_t len;
    } secrets[4];

    (void)state;
    assert_true(der_len > 0 && PEM_write_bio_PUBKEY(bio, rsa.pkey) == 1);
    assert_int_equal(EVP_PKEY_get_bn_param(rsa.pkey, OSSL_PKEY_PARAM_RSA_N, &number), 1);
    assert_int_equal(BN_bn2binpad(number, n, sizeof(n)), sizeof(n));
    mcpa_out_init(&jwk_out, jwk, sizeof(jwk));
    mcpa_jwks_print(&jwk_out, rsa.set);
    secrets[0].len = (size_t)BIO_get_mem_data(bio, &pem);
    secrets[0].bytes = pem;
    secrets[1].len = (size_t)der_len;
    secrets[1].bytes = der;
    secrets[2].len = sizeof(n);
    secrets[2].bytes = n;
    secrets[3].len = jwk_out.len;
    secrets[3].bytes = jwk;
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        mcpa_out_init(&out, memory, sizeof(memory));
        mcpa_b64url_encode(&out, "{\"alg\":\"HS256\",\"kid\":\"k\"}", 25);
        mcpa_out_z(&out, ".e30");
        assert_non_null(HMAC(EVP_sha256(), secrets[i].bytes, (int)secrets[i].len, (unsigned char *)memory, out.len, mac, &mac_len));
        mcpa_out_char(&out, '.');
        mcpa_b64url_encode(&out, mac, mac_len);
        assert_false(accepts(rsa.set, mcpa_out_get(&out)));
    }
    BN_free(number);
    BIO_free(bio);
    OPENSSL_free(der);
}

static void ecdsa_rejects_r_or_s_of_zero_n_and_beyond(void **state)
{
    static const mcpa_alg_t algs[] = { MCPA_ALG_ES256, MCPA_ALG_ES384, MCPA_ALG_ES512 };

    (void)state;
    for (size_t a = 0; a < 3; a++) {
        const mcpa_key_t *key = mcpa_jwks_at(signer_of(algs[a])->set, 0);
        int half = (int)(mcpa_alg_ec_bits(algs[a]) + 7) / 8;
        unsigned char good[160], forged[160], special[4][66];
        BIGNUM *n = NULL;

        assert_int_equal(EVP_PKEY_get_bn_param(signer_of(algs[a])->pkey, OSSL_PKEY_PARAM_EC_ORDER, &n), 1);
        memset(special, 0, sizeof(special)); /* 0 */
        assert_int_equal(BN_bn2binpad(n, special[1], half), half);
        assert_int_equal(BN_add_word(n, 1), 1);
        assert_int_equal(BN_bn2binpad(n, special[2], half), half);
        memset(special[3], 0xff, sizeof(special[3]));
        assert_int_equal(sign_raw(good, sizeof(good), algs[a], MCPA_STR("m")), 2 * half);
        assert_true(mcpa_key_verify(key, algs[a], MCPA_STR("m"), good, 2 * (size_t)half));
        for (size_t i = 0; i < 4; i++) {
            for (size_t where = 1; where < 4; where++) {
                memcpy(forged, good, sizeof(forged));
                if (where & 1) {
                    memcpy(forged, special[i], (size_t)half);
                }
                if (where & 2) {
                    memcpy(forged + half, special[i], (size_t)half);
                }
                assert_false(mcpa_key_verify(key, algs[a], MCPA_STR("m"), forged, 2 * (size_t)half));
            }
        }
        BN_free(n);
    }
}

/* r + n or s + n names the same residue: with a length to spare it would be a second spelling. DER likewise. */
static void signatures_of_any_other_length_are_rejected(void **state)
{
    (void)state;
    for (unsigned alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
        const mcpa_key_t *key = mcpa_jwks_at(signer_of((mcpa_alg_t)alg)->set, 0);
        unsigned char signature[1024] = { 0 };
        size_t len = sign_raw(signature + 1, sizeof(signature) - 2, (mcpa_alg_t)alg, MCPA_STR("m"));

        assert_true(mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), signature + 1, len));
        assert_false(mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), signature, len + 1));     /* zero before */
        assert_false(mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), signature + 1, len + 1)); /* zero behind */
        for (size_t shorter = 0; shorter < len; shorter++) {
            assert_false(mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), signature + 1, shorter));
        }
    }
}

/* OpenSSL alone accepts a PSS signature whose leading zero byte is cut off; one in 256 has one. */
static void pss_rejects_a_signature_without_its_leading_zero(void **state)
{
    const mcpa_key_t *key = mcpa_jwks_at(rsa.set, 0);
    unsigned char signature[256];
    unsigned tries = 0;

    (void)state;
    do {
        assert_int_equal(sign_raw(signature, sizeof(signature), MCPA_ALG_PS256, MCPA_STR("m")), sizeof(signature));
    } while (signature[0] != 0 && ++tries < 20000);
    assert_int_equal(signature[0], 0);
    assert_true(mcpa_key_verify(key, MCPA_ALG_PS256, MCPA_STR("m"), signature, sizeof(signature)));
    assert_false(mcpa_key_verify(key, MCPA_ALG_PS256, MCPA_STR("m"), signature + 1, sizeof(signature) - 1));
}

static void pss_rejects_another_salt_length(void **state)
{
    static const int salts[] = { 0, 20, 31, 33, RSA_PSS_SALTLEN_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof(salts) / sizeof(salts[0]); i++) {
        unsigned char signature[256];
        size_t len = sizeof(signature);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *pkey_ctx = NULL;

        assert_int_equal(EVP_DigestSignInit(ctx, &pkey_ctx, EVP_sha256(), NULL, rsa.pkey), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, salts[i]), 1);
        assert_int_equal(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)"m", 1), 1);
        assert_false(mcpa_key_verify(mcpa_jwks_at(rsa.set, 0), MCPA_ALG_PS256, MCPA_STR("m"), signature, len));
        EVP_MD_CTX_free(ctx);
    }
}

/* S + L verifies wherever the range of S is not checked (RFC 8032 section 5.1.7). */
static void ed25519_rejects_s_beyond_the_order(void **state)
{
    const mcpa_key_t *key = mcpa_jwks_at(ed25519.set, 0);
    unsigned char signature[64];
    BIGNUM *order = NULL, *s;

    (void)state;
    assert_true(BN_hex2bn(&order, "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed") > 0);
    assert_int_equal(sign_raw(signature, sizeof(signature), MCPA_ALG_EDDSA, MCPA_STR("m")), 64);
    assert_true(mcpa_key_verify(key, MCPA_ALG_EDDSA, MCPA_STR("m"), signature, 64));
    s = BN_lebin2bn(signature + 32, 32, NULL);
    assert_int_equal(BN_add(s, s, order), 1);
    assert_int_equal(BN_bn2lebinpad(s, signature + 32, 32), 32);
    assert_false(mcpa_key_verify(key, MCPA_ALG_EDDSA, MCPA_STR("m"), signature, 64));
    BN_free(s);
    BN_free(order);
}

static mcpa_status_t split_header(const char *header)
{
    char memory[MCPA_TOKEN_MAX_BYTES + 16];
    mcpa_jws_t jws;
    mcpa_out_t out;
    mcpa_status_t status;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_b64url_encode(&out, header, strlen(header));
    mcpa_out_z(&out, ".e30.AAAA");
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    status = mcpa_jws_split(&jws, mcpa_out_get(&out));
    if (status != MCPA_OK) {
        assert_null(jws.header);
    }
    mcpa_jws_clear(&jws);
    return status;
}

static void jws_rejects_alg_none_in_any_case_and_unknown_algorithms(void **state)
{
    static const char *const names[] = { "none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "ES256K", "RSA-OAEP", "dir", "HS1" };
    char header[64];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
        assert_int_equal(split_header(header), MCPA_EUNSUPPORTED);
    }
    assert_int_equal(split_header("{\"alg\":\"RS256\"}"), MCPA_OK);
    assert_int_equal(split_header("{\"alg\":\"RS256\\u0000\"}"), MCPA_EMALFORMED);
}

static void jws_rejects_headers_that_are_no_sound_object(void **state)
{
    static const char *const headers[] = { "[]",
                                           "1",
                                           "\"x\"",
                                           "{}",
                                           "{\"alg\":\"RS256\"",
                                           "{\"alg\":\"RS256\"}x",
                                           "{\"alg\":1}",
                                           "{\"alg\":[\"RS256\"]}",
                                           "{\"alg\":null}",
                                           "\xef\xbb\xbf{\"alg\":\"RS256\"}",
                                           "{\"alg\":\"RS256\",\"typ\":1}",
                                           "{\"alg\":\"RS256\",\"cty\":{}}",
                                           "{\"alg\":\"RS256\",\"x\":\"\xff\"}" };

    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        assert_int_equal(split_header(headers[i]), MCPA_EMALFORMED);
    }
    assert_int_equal(split_header("{\"alg\":\"RS256\",\"alg\":\"HS256\"}"), MCPA_EDUPLICATE);
    assert_int_equal(split_header("{\"alg\":\"RS256\",\"\\u0061lg\":\"HS256\"}"), MCPA_EDUPLICATE);
    assert_int_equal(split_header("[[[[[[[[[[[[[[[[[[[[[[[["), MCPA_ETOOBIG);
}

static void jws_rejects_any_extension_and_nested_tokens(void **state)
{
    static const char *const members[] = { "\"crit\":[\"exp\"]",   "\"crit\":[]",      "\"crit\":null",         "\"crit\":[\"b64\"],\"b64\":false",
                                           "\"b64\":false",        "\"b64\":true",     "\"zip\":\"DEF\"",       "\"cty\":\"JWT\"",
                                           "\"cty\":\"jwt\"",      "\"cty\":\"application/JWT\"", "\"crit\":[\"b64\",\"b64\"]" };
    char header[128];

    (void)state;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",%s}", members[i]);
        assert_int_equal(split_header(header), MCPA_EUNSUPPORTED);
    }
    assert_int_equal(split_header("{\"alg\":\"RS256\",\"cty\":\"json\"}"), MCPA_OK);
}

static void jws_rejects_a_kid_that_is_no_short_printable_string(void **state)
{
    static const char *const kids[] = { "null", "1", "[\"k\"]", "{}", "true", "\"a\\r\\nb\"", "\"\\u0000\"", "\"\\u001b[2J\"", "\"\\u007f\"" };
    char header[512], kid[258];

    (void)state;
    for (size_t i = 0; i < sizeof(kids) / sizeof(kids[0]); i++) {
        (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":%s}", kids[i]);
        assert_int_equal(split_header(header), MCPA_EMALFORMED);
    }
    memset(kid, 'k', sizeof(kid));
    (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":\"%.256s\"}", kid);
    assert_int_equal(split_header(header), MCPA_OK);
    (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":\"%.257s\"}", kid);
    assert_int_equal(split_header(header), MCPA_EMALFORMED);
}

static void jws_ignores_key_sources_in_the_header(void **state)
{
    static const char header[] = "{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"},\"jku\":\"http://169.254.169.254/\","
                                 "\"x5u\":\"file:///etc/passwd\",\"x5c\":[\"AA\"],\"x5t\":1}";
    char memory[2048];
    mcpa_str_t token = make_token(memory, sizeof(memory), header, PAYLOAD, MCPA_ALG_ES256);

    (void)state;
    assert_true(accepts(p256.set, token));
    assert_false(accepts(p384.set, token));
}

static void jws_rejects_all_but_three_segments_of_base64url(void **state)
{
    /* eyJhbGciOiJSUzI1NiJ9 is {"alg":"RS256"}; the first row is the good one. */
    static const char *const tokens[] = { "eyJhbGciOiJSUzI1NiJ9.e30.AAAA",   "",
                                          ".",                                "..",
                                          "eyJhbGciOiJSUzI1NiJ9",             "eyJhbGciOiJSUzI1NiJ9.e30",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.",        "eyJhbGciOiJSUzI1NiJ9..AAAA",
                                          ".e30.AAAA",                        "eyJhbGciOiJSUzI1NiJ9.e30.AAAA.",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AAAA.x",  "eyJhbGciOiJSUzI1NiJ9.e30.AAAA.AAAA.AAAA",
                                          " eyJhbGciOiJSUzI1NiJ9.e30.AAAA",   "eyJhbGciOiJSUzI1NiJ9.e30.AAAA ",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AAA=",    "eyJhbGciOiJSUzI1NiJ9.e3\n0.AAAA",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AA+A",    "eyJhbGciOiJSUzI1NiJ9.e30.AA?A",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AAAAA",   "{\"payload\":\"e30\",\"signature\":\"AAAA\"}" };
    mcpa_jws_t jws;

    (void)state;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        assert_int_equal(mcpa_jws_split(&jws, mcpa_str(tokens[i])), i == 0 ? MCPA_OK : MCPA_EMALFORMED);
        mcpa_jws_clear(&jws);
    }
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiJ9.e30.AA\0A")), MCPA_EMALFORMED);
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR_NONE), MCPA_EMALFORMED);
}

static void jws_rejects_noncanonical_trailing_bits(void **state)
{
    mcpa_jws_t jws;

    (void)state;
    /* {"alg":"RS256" } in 16 bytes: three characters at the end, of which the last has two free bits. */
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiIgfQ.e30.AAA")), MCPA_OK);
    mcpa_jws_clear(&jws);
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiIgfR.e30.AAA")), MCPA_EMALFORMED);
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiIgfQ.e31.AAA")), MCPA_EMALFORMED);
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiIgfQ.e30.AAB")), MCPA_EMALFORMED);
}

static void jws_over_the_size_limit_is_refused_before_anything_else(void **state)
{
    char token[MCPA_TOKEN_MAX_BYTES + 1];
    mcpa_jws_t jws;

    (void)state;
    memset(token, 'A', sizeof(token));
    memcpy(token, "eyJhbGciOiJSUzI1NiJ9.e30.", 25);
    assert_int_equal(mcpa_jws_split(&jws, (mcpa_str_t){ token, sizeof(token) }), MCPA_ETOOBIG);
    /* 8191 - 25 characters leave no remainder of one */
    assert_int_equal(mcpa_jws_split(&jws, (mcpa_str_t){ token, sizeof(token) - 2 }), MCPA_OK);
    assert_false(mcpa_jws_verify(&jws, mcpa_jwks_at(rsa.set, 0)));
    mcpa_jws_clear(&jws);
}

static void jws_gives_its_parts_and_its_payload(void **state)
{
    char memory[2048];
    mcpa_str_t token = make_token(memory, sizeof(memory), "{\"typ\":\"at+jwt\",\"alg\":\"EdDSA\",\"kid\":\"k\"}", PAYLOAD, MCPA_ALG_EDDSA);
    mcpa_json_t *payload = NULL;
    mcpa_jws_t jws;

    (void)state;
    assert_int_equal(mcpa_jws_split(&jws, token), MCPA_OK);
    assert_int_equal(jws.alg, MCPA_ALG_EDDSA);
    assert_true(mcpa_str_eqz(jws.kid, "k"));
    assert_true(mcpa_str_eqz(jws.typ, "at+jwt"));
    assert_ptr_equal(jws.signing_input.ptr, token.ptr);
    assert_int_equal(jws.signing_input.len + 1 + jws.signature_text.len, token.len);
    assert_int_equal(mcpa_jws_payload(&payload, &jws), MCPA_OK);
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(payload, "sub")), "u1"));
    mcpa_json_free(&payload);
    mcpa_jws_clear(&jws);
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiJ9.e30.AAAA")), MCPA_OK);
    assert_null(jws.kid.ptr);
    assert_null(jws.typ.ptr);
    mcpa_jws_clear(&jws);
}

static void jws_payload_must_be_a_sound_object(void **state)
{
    static const struct {
        const char *payload;
        mcpa_status_t status;
    } rows[] = { { "{}", MCPA_OK },
                 { "[]", MCPA_EMALFORMED },
                 { "foo", MCPA_EMALFORMED },
                 { "\"{}\"", MCPA_EMALFORMED },
                 { "{\"aud\":1,\"\\u0061ud\":2}", MCPA_EDUPLICATE },
                 { "{\"a\":\"\\ud800\"}", MCPA_EMALFORMED },
                 { "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", MCPA_ETOOBIG } };
    char memory[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mcpa_json_t *payload = NULL;
        mcpa_jws_t jws;

        assert_int_equal(
            mcpa_jws_split(&jws, make_token(memory, sizeof(memory), "{\"alg\":\"HS256\"}", rows[i].payload, MCPA_ALG_HS256)), MCPA_OK);
        assert_int_equal(mcpa_jws_payload(&payload, &jws), rows[i].status);
        assert_int_equal(payload != NULL, rows[i].status == MCPA_OK);
        mcpa_json_free(&payload);
        mcpa_jws_clear(&jws);
    }
}

/* mod_ssl reads the same queue after an I/O call of its own. */
static void verification_leaves_no_errors_in_openssls_queue(void **state)
{
    unsigned char garbage[512];

    (void)state;
    memset(garbage, 0x5a, sizeof(garbage));
    ERR_clear_error();
    for (unsigned alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
        const mcpa_key_t *key = mcpa_jwks_at(signer_of((mcpa_alg_t)alg)->set, 0);
        unsigned char signature[512];
        size_t len = sign_raw(signature, sizeof(signature), (mcpa_alg_t)alg, MCPA_STR("m"));

        assert_false(mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), garbage, len));
        assert_int_equal(ERR_peek_error(), 0);
    }
}

static void *verify_many(void *arg)
{
    mcpa_jwks_t *sets[] = { mcpa_jwks_retain(rsa.set), mcpa_jwks_retain(p256.set), mcpa_jwks_retain(ed25519.set),
                            mcpa_jwks_retain(hmac.set) };
    static const mcpa_alg_t algs[] = { MCPA_ALG_PS256, MCPA_ALG_ES256, MCPA_ALG_EDDSA, MCPA_ALG_HS256 };
    mcpa_str_t *tokens = arg;
    uintptr_t wrong = 0;

    for (size_t i = 0; i < 400; i++) {
        mcpa_jwks_t *set = mcpa_jwks_retain(sets[i % 4]);

        wrong += mcpa_alg_kty(algs[i % 4]) != mcpa_key_kty(mcpa_jwks_at(set, 0));
        wrong += !accepts(set, tokens[i % 4]);
        wrong += accepts(set, tokens[(i + 1) % 4]);
        mcpa_jwks_release(&set);
    }
    for (size_t i = 0; i < 4; i++) {
        mcpa_jwks_release(&sets[i]);
    }
    return (void *)wrong;
}

static void eight_threads_share_one_set(void **state)
{
    static const mcpa_alg_t algs[] = { MCPA_ALG_PS256, MCPA_ALG_ES256, MCPA_ALG_EDDSA, MCPA_ALG_HS256 };
    char memory[4][2048], header[64];
    mcpa_str_t tokens[4];
    pthread_t threads[8];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", mcpa_alg_name(algs[i]));
        tokens[i] = make_token(memory[i], sizeof(memory[i]), header, PAYLOAD, algs[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, verify_many, tokens), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        void *wrong = NULL;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jws_of_every_algorithm_verifies_and_no_other_key_takes_it),
        cmocka_unit_test(jws_changed_in_any_one_character_is_rejected),
        cmocka_unit_test(jws_with_a_swapped_algorithm_is_rejected),
        cmocka_unit_test(jws_hmac_keyed_with_a_public_key_is_rejected),
        cmocka_unit_test(ecdsa_rejects_r_or_s_of_zero_n_and_beyond),
        cmocka_unit_test(signatures_of_any_other_length_are_rejected),
        cmocka_unit_test(pss_rejects_a_signature_without_its_leading_zero),
        cmocka_unit_test(pss_rejects_another_salt_length),
        cmocka_unit_test(ed25519_rejects_s_beyond_the_order),
        cmocka_unit_test(jws_rejects_alg_none_in_any_case_and_unknown_algorithms),
        cmocka_unit_test(jws_rejects_headers_that_are_no_sound_object),
        cmocka_unit_test(jws_rejects_any_extension_and_nested_tokens),
        cmocka_unit_test(jws_rejects_a_kid_that_is_no_short_printable_string),
        cmocka_unit_test(jws_ignores_key_sources_in_the_header),
        cmocka_unit_test(jws_rejects_all_but_three_segments_of_base64url),
        cmocka_unit_test(jws_rejects_noncanonical_trailing_bits),
        cmocka_unit_test(jws_over_the_size_limit_is_refused_before_anything_else),
        cmocka_unit_test(jws_gives_its_parts_and_its_payload),
        cmocka_unit_test(jws_payload_must_be_a_sound_object),
        cmocka_unit_test(verification_leaves_no_errors_in_openssls_queue),
        cmocka_unit_test(eight_threads_share_one_set),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
