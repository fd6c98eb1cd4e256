/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and tokens made while a test runs: nothing secret lies in the tree, and every signature is OpenSSL's own work. */
#ifndef TEST_POLICY_MINT_H
#define TEST_POLICY_MINT_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "base/b64url.h"
#include "base/limits.h"
#include "jose/jwks.h"
#include "test_policy.h"

static inline void put_number(mcpa_out_t *out, const char *name, const EVP_PKEY *key, const char *param, int width)
{
    unsigned char bytes[1024];
    BIGNUM *number = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(key, param, &number), 1);
    width = width ? width : BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, width), width);
    mcpa_out_printf(out, ",\"%s\":\"", name);
    mcpa_b64url_encode(out, bytes, (size_t)width);
    mcpa_out_char(out, '"');
    BN_free(number);
}

/* Appends the public key as a JWK; extra: further members such as ",\"use\":\"enc\"", may be "". */
static inline void put_jwk(mcpa_out_t *out, const char *kid, EVP_PKEY *key, const char *extra)
{
    unsigned char raw[32];
    size_t raw_len = sizeof(raw);

    mcpa_out_z(out, "{");
    if (EVP_PKEY_is_a(key, "RSA")) {
        mcpa_out_z(out, "\"kty\":\"RSA\"");
        put_number(out, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
        put_number(out, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        mcpa_out_z(out, "\"kty\":\"EC\",\"crv\":\"P-256\"");
        put_number(out, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
        put_number(out, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    } else {
        assert_int_equal(EVP_PKEY_get_raw_public_key(key, raw, &raw_len), 1);
        mcpa_out_z(out, "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
        mcpa_b64url_encode(out, raw, raw_len);
        mcpa_out_z(out, "\"");
    }
    if (kid) {
        mcpa_out_printf(out, ",\"kid\":\"%s\"", kid);
    }
    mcpa_out_printf(out, "%s}", extra);
}

/* A set of n keys; kids[i] may be NULL. */
static inline mcpa_jwks_t *make_jwks(const char *const *kids, EVP_PKEY *const *keys, size_t n, const char *extra)
{
    char memory[8192];
    mcpa_jwks_report_t report;
    mcpa_jwks_t *set = NULL;
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_out_z(&out, "{\"keys\":[");
    for (size_t i = 0; i < n; i++) {
        mcpa_out_z(&out, i ? "," : "");
        put_jwk(&out, kids[i], keys[i], extra);
    }
    mcpa_out_z(&out, "]}");
    if (mcpa_jwks_parse(&set, mcpa_out_get(&out), &report) != MCPA_OK) {
        fail_msg("the test's keys were refused: %s", report.why);
    }
    return set;
}

/* ECDSA as JWS has it: r || s, each 32 bytes. */
static inline void raw_ecdsa(unsigned char *signature, size_t *len)
{
    const unsigned char *der = signature;
    ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &der, (long)*len);

    assert_non_null(parsed);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(parsed), signature, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(parsed), signature + 32, 32), 32);
    *len = 64;
    ECDSA_SIG_free(parsed);
}

static inline size_t sign(unsigned char *signature, size_t cap, const char *alg, EVP_PKEY *key, mcpa_str_t input)
{
    const EVP_MD *md = strcmp(alg, "EdDSA") == 0 ? NULL : EVP_sha256();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    size_t len = cap;

    assert_int_equal(EVP_DigestSignInit(ctx, &pctx, md, NULL, key), 1);
    if (strcmp(alg, "PS256") == 0) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 32), 1);
    }
    assert_int_equal(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)input.ptr, input.len), 1);
    EVP_MD_CTX_free(ctx);
    if (strcmp(alg, "ES256") == 0) {
        raw_ecdsa(signature, &len);
    }
    return len;
}

/* Writes header.payload.signature; both parts as given, so they may be broken on purpose. alg only chooses how to sign. */
static inline void mint(mcpa_out_t *out, const char *alg, EVP_PKEY *key, mcpa_str_t header, mcpa_str_t payload)
{
    unsigned char signature[1024];
    size_t start = out->len, len;

    mcpa_b64url_encode(out, header.ptr, header.len);
    mcpa_out_char(out, '.');
    mcpa_b64url_encode(out, payload.ptr, payload.len);
    len = sign(signature, sizeof(signature), alg, key, (mcpa_str_t){ out->ptr + start, out->len - start });
    mcpa_out_char(out, '.');
    mcpa_b64url_encode(out, signature, len);
    assert_int_equal(mcpa_out_status(out), MCPA_OK);
}

static inline void mint_hmac(mcpa_out_t *out, mcpa_str_t secret, mcpa_str_t header, mcpa_str_t payload)
{
    unsigned char mac[32];
    unsigned len = sizeof(mac);
    size_t start = out->len;

    mcpa_b64url_encode(out, header.ptr, header.len);
    mcpa_out_char(out, '.');
    mcpa_b64url_encode(out, payload.ptr, payload.len);
    assert_non_null(
        HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (const unsigned char *)out->ptr + start, out->len - start, mac, &len));
    mcpa_out_char(out, '.');
    mcpa_b64url_encode(out, mac, len);
}

/* The members of a good access token; what a test changes is told by name. value: raw JSON, NULL leaves the member out. */
typedef struct claim {
    const char *name;
    const char *value;
} claim_t;

#define NOW_S    INT64_C(1800000000)
#define ISSUER   "https://as.example.com"
#define RESOURCE "https://mcp.example.com/mcp"

static const claim_t good_claims[] = {
    { "iss", "\"" ISSUER "\"" }, { "aud", "\"" RESOURCE "\"" }, { "sub", "\"alice\"" }, { "client_id", "\"app\"" },
    { "exp", "1800000300" },     { "iat", "1799999990" },       { "jti", "\"t-1\"" },   { "scope", "\"mcp:tools.read\"" },
};

/* Appends the good claims with the n changes in place; a change whose name is not among them is added. */
static inline void put_claims(mcpa_out_t *out, const claim_t *changes, size_t n)
{
    const char *comma = "";

    mcpa_out_char(out, '{');
    for (size_t i = 0; i < COUNT(good_claims); i++) {
        const char *value = good_claims[i].value;

        for (size_t k = 0; k < n; k++) {
            if (strcmp(changes[k].name, good_claims[i].name) == 0) {
                value = changes[k].value;
            }
        }
        if (value) {
            mcpa_out_printf(out, "%s\"%s\":%s", comma, good_claims[i].name, value);
            comma = ",";
        }
    }
    for (size_t k = 0; k < n; k++) {
        bool is_new = changes[k].name && changes[k].value;

        for (size_t i = 0; i < COUNT(good_claims) && is_new; i++) {
            is_new = strcmp(changes[k].name, good_claims[i].name) != 0;
        }
        if (is_new) {
            mcpa_out_printf(out, "%s\"%s\":%s", comma, changes[k].name, changes[k].value);
            comma = ",";
        }
    }
    mcpa_out_char(out, '}');
    assert_int_equal(mcpa_out_status(out), MCPA_OK);
}

#endif
