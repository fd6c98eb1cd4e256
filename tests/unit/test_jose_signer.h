/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys made at the start of a run, the sets a verifier holds for them, and tokens signed with them. */
#ifndef MCPA_TEST_JOSE_SIGNER_H
#define MCPA_TEST_JOSE_SIGNER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "base/b64url.h"
#include "base/limits.h"
#include "jose/jws.h"

#define SECRET  MCPA_STR("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
#define PAYLOAD "{\"iss\":\"https://as.example\",\"sub\":\"u1\"}"

/* One signer: a private key and the set a verifier holds for it. */
typedef struct signer {
    EVP_PKEY *pkey;
    mcpa_jwks_t *set;
} signer_t;

static signer_t rsa, p256, p384, p521, ed25519, hmac;

static inline signer_t *signer_of(mcpa_alg_t alg)
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

static inline const EVP_MD *digest_of(mcpa_alg_t alg)
{
    size_t bytes = mcpa_alg_hash_bytes(alg);

    return bytes == 32 ? EVP_sha256() : bytes == 48 ? EVP_sha384() : bytes == 64 ? EVP_sha512() : NULL;
}

static inline void put_number(mcpa_out_t *out, const EVP_PKEY *pkey, const char *param, size_t len)
{
    unsigned char bytes[1024];
    BIGNUM *number = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(pkey, param, &number), 1);
    len = len > 0 ? len : (size_t)BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, (int)len), len);
    mcpa_b64url_encode(out, bytes, len);
    BN_free(number);
}

static inline mcpa_jwks_t *set_of(EVP_PKEY *pkey)
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
static inline size_t sign_raw(unsigned char *signature, size_t cap, mcpa_alg_t alg, mcpa_str_t message)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pkey_ctx = NULL;
    size_t len = cap;

    if (mcpa_alg_kty(alg) == MCPA_KTY_OCT) {
        unsigned mac_len = 0;

        EVP_MD_CTX_free(ctx);
        assert_non_null(HMAC(digest_of(alg), SECRET.ptr, (int)SECRET.len, (const unsigned char *)message.ptr, message.len,
                             signature, &mac_len));
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
static inline mcpa_str_t make_token(char *memory, size_t cap, const char *header, const char *payload, mcpa_alg_t alg)
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

static inline bool accepts(const mcpa_jwks_t *set, mcpa_str_t token)
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

static inline int make_keys(void **state)
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

static inline int free_keys(void **state)
{
    signer_t *all[] = { &rsa, &p256, &p384, &p521, &ed25519, &hmac };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        EVP_PKEY_free(all[i]->pkey);
        mcpa_jwks_release(&all[i]->set);
    }
    return 0;
}

#endif
