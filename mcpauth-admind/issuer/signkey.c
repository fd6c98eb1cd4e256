/* SPDX-License-Identifier: Apache-2.0 */
#include "issuer/signkey.h"

#include <limits.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/x509.h>

#include "base/b64url.h"
#include "base/digest.h"
#include "base/limits.h"

#define DER_MAX_BYTES       4096 /* a private RSA key of 4096 bits takes 2400 */
#define SIGNATURE_MAX_BYTES (ADMIND_SIGNKEY_MAX_BITS / 8)
#define P256_BYTES          32

/* ---- members of a JWK */

static void put_bytes(mcpa_jsonw_t *w, const char *name, const unsigned char *bytes, size_t len)
{
    char text[SIGNATURE_MAX_BYTES * 4 / 3 + 8];
    mcpa_out_t out;

    mcpa_out_init(&out, text, sizeof(text));
    mcpa_b64url_encode(&out, bytes, len);
    mcpa_jsonw_str(w, name, mcpa_out_get(&out));
}

/* len: as many bytes; 0: as many as it needs. */
static void put_number(mcpa_jsonw_t *w, const char *name, const admind_signkey_t *key, const char *param, int len)
{
    unsigned char bytes[SIGNATURE_MAX_BYTES];
    BIGNUM *number = NULL;

    if (EVP_PKEY_get_bn_param(key->pkey, param, &number) != 1 || BN_num_bytes(number) > (int)sizeof(bytes)) {
        w->out->truncated = true;
    } else {
        len = len != 0 ? len : BN_num_bytes(number);
        if (BN_bn2binpad(number, bytes, len) == len) {
            put_bytes(w, name, bytes, (size_t)len);
        } else {
            w->out->truncated = true;
        }
    }
    BN_free(number);
}

static void put_point(mcpa_jsonw_t *w, const admind_signkey_t *key)
{
    unsigned char x[32];
    size_t len = sizeof(x);

    if (EVP_PKEY_get_raw_public_key(key->pkey, x, &len) == 1) {
        put_bytes(w, "x", x, len);
    } else {
        w->out->truncated = true;
    }
}

/* What RFC 7638 section 3.2 hashes, in its order: "crv" and "e" before "kty", all else behind. */
static void put_material(mcpa_jsonw_t *w, const admind_signkey_t *key)
{
    mcpa_kty_t kty = mcpa_alg_kty(key->alg);

    if (kty == MCPA_KTY_RSA) {
        put_number(w, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
    } else {
        mcpa_jsonw_z(w, "crv", kty == MCPA_KTY_EC ? "P-256" : "Ed25519");
    }
    mcpa_jsonw_z(w, "kty", mcpa_kty_name(kty));
    if (kty == MCPA_KTY_RSA) {
        put_number(w, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
    } else if (kty == MCPA_KTY_EC) {
        put_number(w, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, P256_BYTES);
        put_number(w, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, P256_BYTES);
    } else {
        put_point(w, key);
    }
}

void admind_signkey_print_jwk(mcpa_jsonw_t *w, const admind_signkey_t *key)
{
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "kid", key->kid);
    mcpa_jsonw_z(w, "use", "sig");
    mcpa_jsonw_z(w, "alg", mcpa_alg_name(key->alg));
    put_material(w, key);
    mcpa_jsonw_close_object(w);
}

static bool name_key(admind_signkey_t *key)
{
    char text[2048];
    unsigned char digest[MCPA_SHA256_BYTES];
    mcpa_jsonw_t w;
    mcpa_out_t out, kid;

    mcpa_out_init(&out, text, sizeof(text));
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    put_material(&w, key);
    mcpa_jsonw_close_object(&w);
    if (mcpa_out_status(&out) != MCPA_OK || !mcpa_sha256(digest, mcpa_out_get(&out))) {
        return false;
    }
    mcpa_out_init(&kid, key->kid, sizeof(key->kid));
    mcpa_b64url_encode(&kid, digest, sizeof(digest));
    return mcpa_out_status(&kid) == MCPA_OK;
}

/* ---- making and keeping */

static bool is_for(EVP_PKEY *pkey, mcpa_alg_t alg)
{
    char group[32] = "";

    switch (alg) {
    case MCPA_ALG_RS256:
        return EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) >= MCPA_RSA_MIN_BITS &&
               EVP_PKEY_get_bits(pkey) <= ADMIND_SIGNKEY_MAX_BITS;
    case MCPA_ALG_ES256:
        return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
               (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0);
    case MCPA_ALG_EDDSA:
        return EVP_PKEY_is_a(pkey, "ED25519");
    default:
        return false;
    }
}

/* Takes pkey, also when it says false. */
static bool take(admind_signkey_t *key, mcpa_alg_t alg, bool is_private, EVP_PKEY *pkey)
{
    admind_signkey_t made = { .pkey = pkey, .alg = alg, .is_private = is_private };

    if (pkey == NULL || !is_for(pkey, alg) || !name_key(&made)) {
        EVP_PKEY_free(pkey);
        return false;
    }
    *key = made;
    return true;
}

bool admind_signkey_make(admind_signkey_t *key, mcpa_alg_t alg, unsigned bits)
{
    EVP_PKEY *pkey = NULL;

    if (alg == MCPA_ALG_RS256 && bits <= ADMIND_SIGNKEY_MAX_BITS) {
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    } else if (alg == MCPA_ALG_ES256) {
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    } else if (alg == MCPA_ALG_EDDSA) {
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
    return take(key, alg, true, pkey);
}

bool admind_signkey_parse(admind_signkey_t *key, mcpa_alg_t alg, bool is_private, mcpa_str_t text)
{
    unsigned char der[DER_MAX_BYTES];
    const unsigned char *at = der;
    size_t len = 0;
    EVP_PKEY *pkey = NULL;

    if (mcpa_b64url_decode(der, sizeof(der), &len, text) == MCPA_OK) {
        pkey = is_private ? d2i_AutoPrivateKey(NULL, &at, (long)len) : d2i_PUBKEY(NULL, &at, (long)len);
    }
    OPENSSL_cleanse(der, sizeof(der));
    return take(key, alg, is_private, pkey);
}

void admind_signkey_print(mcpa_out_t *out, const admind_signkey_t *key)
{
    unsigned char *der = NULL;
    int len = key->is_private ? i2d_PrivateKey(key->pkey, &der) : i2d_PUBKEY(key->pkey, &der);

    if (len > 0 && len <= DER_MAX_BYTES) {
        mcpa_b64url_encode(out, der, (size_t)len);
    } else {
        out->truncated = true;
    }
    OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
}

void admind_signkey_share(admind_signkey_t *to, const admind_signkey_t *key)
{
    *to = *key;
    if (key->pkey != NULL && EVP_PKEY_up_ref(key->pkey) != 1) {
        *to = (admind_signkey_t){ 0 };
    }
}

bool admind_signkey_retire(admind_signkey_t *key)
{
    char text[DER_MAX_BYTES];
    admind_signkey_t bare = *key, public_part;
    mcpa_out_t out;

    bare.is_private = false;
    mcpa_out_init(&out, text, sizeof(text));
    admind_signkey_print(&out, &bare);
    if (mcpa_out_status(&out) != MCPA_OK || !admind_signkey_parse(&public_part, key->alg, false, mcpa_out_get(&out))) {
        return false;
    }
    admind_signkey_clear(key);
    *key = public_part;
    return true;
}

void admind_signkey_clear(admind_signkey_t *key)
{
    EVP_PKEY_free(key->pkey); /* cleanses the private part with its last handle */
    *key = (admind_signkey_t){ 0 };
}

/* ---- signing */

/* ECDSA-Sig-Value to r and s of 32 bytes each (RFC 7518 section 3.4). */
static bool unwrap_ecdsa(unsigned char raw[2 * P256_BYTES], const unsigned char *der, size_t len)
{
    const unsigned char *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)len);
    bool ok = signature != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, P256_BYTES) == P256_BYTES &&
              BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + P256_BYTES, P256_BYTES) == P256_BYTES;

    ECDSA_SIG_free(signature);
    return ok;
}

bool admind_signkey_sign(mcpa_out_t *out, const admind_signkey_t *key, mcpa_str_t message)
{
    unsigned char signature[SIGNATURE_MAX_BYTES], raw[2 * P256_BYTES];
    size_t len = sizeof(signature);
    EVP_MD_CTX *ctx = key->is_private ? EVP_MD_CTX_new() : NULL;
    bool ok = ctx != NULL &&
              EVP_DigestSignInit_ex(ctx, NULL, key->alg == MCPA_ALG_EDDSA ? NULL : "SHA256", NULL, NULL, key->pkey, NULL) == 1 &&
              EVP_DigestSign(ctx, signature, &len, (const unsigned char *)message.ptr, message.len) == 1;

    EVP_MD_CTX_free(ctx);
    if (ok && key->alg == MCPA_ALG_ES256) {
        ok = unwrap_ecdsa(raw, signature, len);
        mcpa_b64url_encode(out, raw, ok ? sizeof(raw) : 0);
    } else if (ok) {
        mcpa_b64url_encode(out, signature, len);
    }
    return ok && mcpa_out_status(out) == MCPA_OK;
}
