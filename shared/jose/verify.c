/* SPDX-License-Identifier: Apache-2.0 */
/* The contexts a key verifies with, and signatures over raw bytes (RFC 7518 section 3, RFC 8037 section 3.1), each with the one
 * length it may have. */
#include "jose/jws.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "jose/jwk.h"

#define ES_HALF_MAX_BYTES       66                                /* one coordinate of P-521 */
#define ES_DER_MAX_BYTES        (2 * (3 + ES_HALF_MAX_BYTES) + 3) /* two INTEGERs with a sign byte, SEQUENCE with a long length */
#define HMAC_MAX_BYTES          64
#define ED25519_SIGNATURE_BYTES 64

/* The order n of each curve's base point (FIPS 186-4 appendix D), big-endian in the length of a signature's half. */
static const unsigned char order_p256[32] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                              0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                              0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
static const unsigned char order_p384[48] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                              0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                              0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2,
                                              0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73 };
static const unsigned char order_p521[66] = { 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                              0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                              0xff, 0xff, 0xff, 0xff, 0xff, 0xfa, 0x51, 0x86, 0x87, 0x83, 0xbf, 0x2f, 0x96, 0x6b,
                                              0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09, 0xa5, 0xd0, 0x3b, 0xb5, 0xc9, 0xb8, 0x89, 0x9c,
                                              0x47, 0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38, 0x64, 0x09 };

static const unsigned char *order_of(size_t half)
{
    return half == sizeof(order_p256) ? order_p256 : half == sizeof(order_p384) ? order_p384 : order_p521;
}

/* 0 < number < n. OpenSSL checks it too; a hole here forges any token (CVE-2022-21449), so it is checked where it is seen. */
static bool is_in_range(const unsigned char *number, size_t half)
{
    unsigned char any = 0;

    for (size_t i = 0; i < half; i++) {
        any |= number[i];
    }
    return any != 0 && memcmp(number, order_of(half), half) < 0;
}

/* Appends a DER INTEGER: no leading zeros but the one that keeps it positive. */
static unsigned char *put_der_integer(unsigned char *at, const unsigned char *number, size_t len)
{
    bool sign;

    while (len > 1 && *number == 0) {
        number++;
        len--;
    }
    sign = (*number & 0x80) != 0;
    *at++ = 0x02;
    *at++ = (unsigned char)(len + (sign ? 1 : 0));
    if (sign) {
        *at++ = 0;
    }
    memcpy(at, number, len);
    return at + len;
}

/* r||s to the DER form OpenSSL takes; 0 when r or s is out of range. */
static size_t der_from_raw(unsigned char der[ES_DER_MAX_BYTES], const unsigned char *signature, size_t half)
{
    unsigned char numbers[2 * (3 + ES_HALF_MAX_BYTES)];
    unsigned char *end;
    size_t len, head = 0;

    if (!is_in_range(signature, half) || !is_in_range(signature + half, half)) {
        return 0;
    }
    end = put_der_integer(numbers, signature, half);
    end = put_der_integer(end, signature + half, half);
    len = (size_t)(end - numbers);
    der[head++] = 0x30;
    if (len >= 0x80) {
        der[head++] = 0x81;
    }
    der[head++] = (unsigned char)len;
    memcpy(der + head, numbers, len);
    return head + len;
}

static const char *digest_name(mcpa_alg_t alg)
{
    switch (mcpa_alg_hash_bytes(alg)) {
    case 32:
        return "SHA256";
    case 48:
        return "SHA384";
    case 64:
        return "SHA512";
    default:
        return NULL; /* Ed25519 hashes for itself */
    }
}

static EVP_MD_CTX *new_verifier(EVP_PKEY *pkey, mcpa_alg_t alg)
{
    bool is_pss = alg == MCPA_ALG_PS256 || alg == MCPA_ALG_PS384 || alg == MCPA_ALG_PS512;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pkey_ctx = NULL; /* belongs to ctx */

    if (ctx != NULL && EVP_DigestVerifyInit_ex(ctx, &pkey_ctx, digest_name(alg), NULL, NULL, pkey, NULL) == 1 &&
        (!is_pss || (EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                     EVP_PKEY_CTX_set_rsa_mgf1_md_name(pkey_ctx, digest_name(alg), NULL) == 1 &&
                     /* RFC 7518 section 3.5: the salt has the length of the hash. */
                     EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, (int)mcpa_alg_hash_bytes(alg)) == 1))) {
        return ctx;
    }
    EVP_MD_CTX_free(ctx);
    return NULL;
}

static EVP_MAC_CTX *new_mac(mcpa_str_t secret, mcpa_alg_t alg)
{
    char digest[8] = { 0 };
    OSSL_PARAM params[2] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end() };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;

    memcpy(digest, digest_name(alg), strlen(digest_name(alg)));
    if (ctx != NULL && EVP_MAC_init(ctx, (const unsigned char *)secret.ptr, secret.len, params) != 1) {
        EVP_MAC_CTX_free(ctx);
        ctx = NULL;
    }
    EVP_MAC_free(hmac); /* the context keeps its own reference */
    return ctx;
}

bool mcpa_key_prepare(mcpa_key_t *key)
{
    for (unsigned alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
        if ((key->algs & MCPA_ALG_BIT(alg)) == 0) {
            continue;
        }
        key->verifier[alg] = new_verifier(key->pkey, (mcpa_alg_t)alg);
        if (key->verifier[alg] == NULL) {
            return false;
        }
    }
    return true;
}

mcpa_status_t mcpa_key_from_secret(mcpa_key_t *key, mcpa_str_t secret, mcpa_algs_t algs)
{
    *key = (mcpa_key_t){ .kty = MCPA_KTY_OCT, .bits = secret.len * 8 };
    for (unsigned alg = MCPA_ALG_HS256; alg <= MCPA_ALG_HS512; alg++) {
        /* RFC 7518 section 3.2: a shorter secret is easier to guess than the MAC. */
        if ((algs & MCPA_ALG_BIT(alg)) == 0 || secret.len < mcpa_alg_hash_bytes((mcpa_alg_t)alg)) {
            continue;
        }
        key->mac[alg] = new_mac(secret, (mcpa_alg_t)alg);
        if (key->mac[alg] == NULL) {
            mcpa_key_clear(key);
            return MCPA_ENOMEM;
        }
        key->algs |= MCPA_ALG_BIT(alg);
    }
    return key->algs != 0 ? MCPA_OK : MCPA_EMALFORMED;
}

void mcpa_key_clear(mcpa_key_t *key)
{
    for (unsigned alg = 0; alg < MCPA_ALG_COUNT; alg++) {
        EVP_MD_CTX_free(key->verifier[alg]);
        EVP_MAC_CTX_free(key->mac[alg]);
    }
    EVP_PKEY_free(key->pkey);
    *key = (mcpa_key_t){ 0 };
}

/* One-shot verification on a copy of the prepared context. */
static bool verify_with(const EVP_MD_CTX *prepared, mcpa_str_t message, const unsigned char *signature, size_t signature_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL && EVP_MD_CTX_copy_ex(ctx, prepared) == 1 &&
                EVP_DigestVerify(ctx, signature, signature_len, (const unsigned char *)message.ptr, message.len) == 1;

    EVP_MD_CTX_free(ctx);
    return good;
}

static bool verify_mac(const EVP_MAC_CTX *prepared, mcpa_str_t message, const unsigned char *signature, size_t signature_len)
{
    unsigned char mac[HMAC_MAX_BYTES];
    size_t mac_len = 0;
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(prepared);
    bool good = ctx != NULL && EVP_MAC_update(ctx, (const unsigned char *)message.ptr, message.len) == 1 &&
                EVP_MAC_final(ctx, mac, &mac_len, sizeof(mac)) == 1 && mac_len == signature_len &&
                CRYPTO_memcmp(mac, signature, mac_len) == 0;

    EVP_MAC_CTX_free(ctx);
    OPENSSL_cleanse(mac, sizeof(mac)); /* the right MAC of a forged token must not lie around */
    return good;
}

static bool verify_checked(const mcpa_key_t *key, mcpa_alg_t alg, mcpa_str_t message, const unsigned char *signature,
                           size_t signature_len)
{
    unsigned char der[ES_DER_MAX_BYTES];
    size_t half = (key->bits + 7) / 8;
    size_t der_len;

    switch (key->kty) {
    case MCPA_KTY_RSA:
        /* OpenSSL takes a PSS signature without its leading zero bytes: that would be a second spelling. */
        return signature_len == (key->bits + 7) / 8 && verify_with(key->verifier[alg], message, signature, signature_len);
    case MCPA_KTY_EC:
        if (signature_len != 2 * half) {
            return false;
        }
        der_len = der_from_raw(der, signature, half);
        return der_len > 0 && verify_with(key->verifier[alg], message, der, der_len);
    case MCPA_KTY_OKP:
        return signature_len == ED25519_SIGNATURE_BYTES && verify_with(key->verifier[alg], message, signature, signature_len);
    case MCPA_KTY_OCT:
        return verify_mac(key->mac[alg], message, signature, signature_len);
    case MCPA_KTY_NONE:
        break;
    }
    return false;
}

bool mcpa_key_verify(const mcpa_key_t *key, mcpa_alg_t alg, mcpa_str_t message, const unsigned char *signature,
                     size_t signature_len)
{
    bool good;

    if (!mcpa_key_fits(key, alg)) {
        return false;
    }
    /* A failed check leaves errors in the thread's queue, where mod_ssl would take them for its own. */
    (void)ERR_set_mark();
    good = verify_checked(key, alg, message, signature, signature_len);
    (void)ERR_pop_to_mark();
    return good;
}
