/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/params.h>

#include "base/b64url.h"
#include "base/text.h"

#define RSA_MAX_BYTES (MCPA_RSA_MAX_BITS / 8)
/* Some issuers write a leading zero byte before n and e against RFC 7518 section 6.3.1; the number is what counts. */
#define RSA_TEXT_MAX_BYTES (RSA_MAX_BYTES + 1)
#define RSA_E_MAX_BITS     32
#define RSA_E_MIN          65537
#define EC_MAX_BYTES       66
#define ED25519_BYTES      32
#define ED25519_BITS       256

typedef struct curve {
    const char *crv;
    size_t bits;
    mcpa_alg_t alg;
} curve_t;

static const curve_t curves[] = { { "P-256", 256, MCPA_ALG_ES256 },
                                  { "P-384", 384, MCPA_ALG_ES384 },
                                  { "P-521", 521, MCPA_ALG_ES512 } };

static mcpa_jwk_fate_t reject(mcpa_out_t *why, const char *reason)
{
    mcpa_out_z(why, reason);
    return MCPA_JWK_REJECTED;
}

/* Decodes a base64url member; false when it is absent, no string, empty, not canonical or longer than cap. */
static bool read_bytes(unsigned char *memory, size_t cap, size_t *len, const mcpa_json_t *jwk, const char *name)
{
    mcpa_str_t text = mcpa_json_string(mcpa_json_member(jwk, name));

    return text.len > 0 && mcpa_b64url_decode(memory, cap, len, text) == MCPA_OK;
}

/* Whether n looks like the output of Infineon's broken generator (ROCA, CVE-2017-15361), and so can be factored.
 *
 * Its primes are k*M + (65537^a mod M) with M a product of small primes; so modulo each of those, n is a power of 65537. Only the
 * primes for which the powers of 65537 are not everything tell anything; a random n passes for all of these by chance once in
 * 2^27.8. */
static bool is_roca(const BIGNUM *n)
{
    static const unsigned char primes[] = { 11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157 };

    for (size_t i = 0; i < sizeof(primes); i++) {
        unsigned prime = primes[i];
        unsigned residue = (unsigned)BN_mod_word(n, prime);
        unsigned power = 1;

        do {
            power = power * (65537 % prime) % prime;
        } while (power != residue && power != 1);
        if (power != residue) {
            return false;
        }
    }
    return true;
}

static const char *rsa_weakness(const BIGNUM *n, const BIGNUM *e)
{
    int bits = BN_num_bits(n);

    if (bits < MCPA_RSA_MIN_BITS) {
        return "RSA modulus is shorter than 2048 bits";
    }
    if (bits > MCPA_RSA_MAX_BITS) {
        return "RSA modulus is longer than 8192 bits";
    }
    if (BN_num_bits(e) > RSA_E_MAX_BITS || !BN_is_odd(e) || BN_get_word(e) < RSA_E_MIN) {
        return "RSA exponent is even, below 65537 or over 32 bits";
    }
    if (!BN_is_odd(n)) {
        return "RSA modulus is even";
    }
    if (is_roca(n)) {
        return "RSA modulus has the ROCA fingerprint (CVE-2017-15361)";
    }
    return NULL;
}

static EVP_PKEY *pkey_from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static EVP_PKEY *rsa_pkey(const BIGNUM *n, const BIGNUM *e)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;

    if (builder != NULL && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        params = OSSL_PARAM_BLD_to_param(builder);
    }
    if (params != NULL) {
        pkey = pkey_from_params("RSA", params);
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

static mcpa_jwk_fate_t read_rsa(mcpa_key_t *key, const mcpa_json_t *jwk, mcpa_out_t *why)
{
    unsigned char n_bytes[RSA_TEXT_MAX_BYTES], e_bytes[RSA_TEXT_MAX_BYTES];
    size_t n_len, e_len;
    const char *weakness;
    BIGNUM *n, *e;
    mcpa_jwk_fate_t fate = MCPA_JWK_NOMEM;

    if (!read_bytes(n_bytes, sizeof(n_bytes), &n_len, jwk, "n") || !read_bytes(e_bytes, sizeof(e_bytes), &e_len, jwk, "e")) {
        return reject(why, "RSA n or e is missing, malformed or too long");
    }
    n = BN_bin2bn(n_bytes, (int)n_len, NULL);
    e = BN_bin2bn(e_bytes, (int)e_len, NULL);
    if (n != NULL && e != NULL) {
        weakness = rsa_weakness(n, e);
        if (weakness != NULL) {
            fate = reject(why, weakness);
        } else {
            key->pkey = rsa_pkey(n, e);
            key->bits = (size_t)BN_num_bits(n);
            key->algs = MCPA_ALG_BIT(MCPA_ALG_ES256) - MCPA_ALG_BIT(MCPA_ALG_RS256); /* all RS* and PS* */
            fate = key->pkey != NULL ? MCPA_JWK_USABLE : reject(why, "OpenSSL does not take this RSA key");
        }
    }
    BN_free(n);
    BN_free(e);
    return fate;
}

static mcpa_jwk_fate_t read_ec(mcpa_key_t *key, const mcpa_json_t *jwk, mcpa_out_t *why)
{
    mcpa_str_t crv = mcpa_json_string(mcpa_json_member(jwk, "crv"));
    unsigned char point[1 + 2 * EC_MAX_BYTES] = { POINT_CONVERSION_UNCOMPRESSED };
    const curve_t *curve = NULL;
    size_t size, x_len, y_len;
    OSSL_PARAM params[3];
    EVP_PKEY_CTX *check;

    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (mcpa_str_eqz(crv, curves[i].crv)) {
            curve = &curves[i];
        }
    }
    if (curve == NULL) {
        return crv.ptr != NULL ? MCPA_JWK_IGNORED : reject(why, "EC key without a curve");
    }
    size = (curve->bits + 7) / 8;
    /* RFC 7518 section 6.2.1.2: both coordinates in the full length of the field. */
    if (!read_bytes(point + 1, size, &x_len, jwk, "x") || x_len != size ||
        !read_bytes(point + 1 + size, size, &y_len, jwk, "y") || y_len != size) {
        return reject(why, "EC x or y is missing, malformed or not of the curve's length");
    }
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)curve->crv, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size);
    params[2] = OSSL_PARAM_construct_end();
    key->pkey = pkey_from_params("EC", params);
    check = key->pkey != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL) : NULL;
    if (check == NULL || EVP_PKEY_public_check(check) != 1) {
        EVP_PKEY_CTX_free(check);
        return reject(why, "EC point is not on its curve");
    }
    EVP_PKEY_CTX_free(check);
    key->bits = curve->bits;
    key->algs = MCPA_ALG_BIT(curve->alg);
    return MCPA_JWK_USABLE;
}

/* Whether y is the coordinate of a usable point: canonical, on the curve, of large order. OpenSSL looks at none of this when it
 * loads a key, and a key of small order verifies signatures nobody made (RFC 8032 section 8, Wycheproof). 'x' is the JWK's name
 * for the encoded point: y, little-endian, with the sign of the other coordinate in the top bit. */
static bool is_good_ed25519(const unsigned char x[ED25519_BYTES])
{
    /* y of the points whose order divides 8, little-endian: order 4, 1, 8, 8, 2. */
    static const unsigned char small[5][ED25519_BYTES] = {
        { 0 },
        { 1 },
        { 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
          0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
        { 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
          0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
        { 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
    };
    static const char p_hex[] = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
    static const char d_hex[] = "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3";
    unsigned char y_bytes[ED25519_BYTES];
    BIGNUM *p = NULL, *d = NULL, *y = NULL, *u = BN_new(), *v = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    bool good;

    memcpy(y_bytes, x, sizeof(y_bytes));
    y_bytes[ED25519_BYTES - 1] &= 0x7f;
    good = BN_hex2bn(&p, p_hex) > 0 && BN_hex2bn(&d, d_hex) > 0 && u != NULL && v != NULL && ctx != NULL;
    y = BN_lebin2bn(y_bytes, sizeof(y_bytes), NULL);
    good = good && y != NULL && BN_cmp(y, p) < 0;
    for (size_t i = 0; good && i < sizeof(small) / sizeof(small[0]); i++) {
        good = memcmp(y_bytes, small[i], sizeof(y_bytes)) != 0;
    }
    /* The other coordinate's square is u/v with u = y^2-1, v = d*y^2+1. It is a square exactly when u*v is one. */
    good = good && BN_mod_sqr(u, y, p, ctx) == 1 && BN_mod_mul(v, u, d, p, ctx) == 1 && BN_sub_word(u, 1) == 1 &&
           BN_add_word(v, 1) == 1 && BN_mod_mul(u, u, v, p, ctx) == 1 && BN_kronecker(u, p, ctx) == 1;
    BN_CTX_free(ctx);
    BN_free(p);
    BN_free(d);
    BN_free(y);
    BN_free(u);
    BN_free(v);
    return good;
}

static mcpa_jwk_fate_t read_okp(mcpa_key_t *key, const mcpa_json_t *jwk, mcpa_out_t *why)
{
    mcpa_str_t crv = mcpa_json_string(mcpa_json_member(jwk, "crv"));
    unsigned char x[ED25519_BYTES];
    size_t len;

    if (!mcpa_str_eqz(crv, "Ed25519")) {
        return crv.ptr != NULL ? MCPA_JWK_IGNORED : reject(why, "OKP key without a curve");
    }
    if (!read_bytes(x, sizeof(x), &len, jwk, "x") || len != sizeof(x)) {
        return reject(why, "Ed25519 x is missing, malformed or not 32 bytes");
    }
    if (!is_good_ed25519(x)) {
        return reject(why, "Ed25519 point is not on the curve or of small order");
    }
    key->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, x, sizeof(x));
    key->bits = ED25519_BITS;
    key->algs = MCPA_ALG_BIT(MCPA_ALG_EDDSA);
    return key->pkey != NULL ? MCPA_JWK_USABLE : MCPA_JWK_NOMEM;
}

static bool has_private_member(const mcpa_json_t *jwk)
{
    /* RFC 7518 section 6 and, for "priv", the post-quantum kinds to come. */
    static const char *const names[] = { "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (mcpa_json_member(jwk, names[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* "use" and "key_ops" (RFC 7517 sections 4.2, 4.3): what is there must allow verifying. */
static mcpa_jwk_fate_t read_purpose(const mcpa_json_t *jwk, mcpa_out_t *why)
{
    const mcpa_json_t *use = mcpa_json_member(jwk, "use");
    const mcpa_json_t *ops = mcpa_json_member(jwk, "key_ops");
    bool may_verify = ops == NULL;

    if (use != NULL && !mcpa_json_is(use, MCPA_JSON_STRING)) {
        return reject(why, "\"use\" is no string");
    }
    if (ops != NULL && !mcpa_json_is(ops, MCPA_JSON_ARRAY)) {
        return reject(why, "\"key_ops\" is no array");
    }
    for (size_t i = 0; i < mcpa_json_size(ops); i++) {
        if (!mcpa_json_is(mcpa_json_at(ops, i), MCPA_JSON_STRING)) {
            return reject(why, "\"key_ops\" holds something that is no string");
        }
        may_verify = may_verify || mcpa_str_eqz(mcpa_json_string(mcpa_json_at(ops, i)), "verify");
    }
    if (!may_verify || (use != NULL && !mcpa_str_eqz(mcpa_json_string(use), "sig"))) {
        return MCPA_JWK_IGNORED;
    }
    return MCPA_JWK_USABLE;
}

static mcpa_jwk_fate_t read_kid(mcpa_key_t *key, const mcpa_json_t *jwk, mcpa_out_t *why)
{
    const mcpa_json_t *member = mcpa_json_member(jwk, "kid");
    mcpa_str_t kid = mcpa_json_string(member);

    if (member == NULL) {
        return MCPA_JWK_USABLE;
    }
    if (!mcpa_json_is(member, MCPA_JSON_STRING) || kid.len > sizeof(key->kid) || !mcpa_text_is_printable(kid)) {
        return reject(why, "\"kid\" is no string, too long or not printable");
    }
    memcpy(key->kid, kid.ptr, kid.len);
    key->kid_len = kid.len;
    key->has_kid = true;
    return MCPA_JWK_USABLE;
}

/* The JWK's own "alg" narrows what its kind allows to that one algorithm (RFC 8725bis: one key, one algorithm). */
static mcpa_jwk_fate_t read_alg(mcpa_key_t *key, const mcpa_json_t *jwk, mcpa_out_t *why)
{
    const mcpa_json_t *member = mcpa_json_member(jwk, "alg");

    if (member == NULL) {
        return MCPA_JWK_USABLE;
    }
    if (!mcpa_json_is(member, MCPA_JSON_STRING)) {
        return reject(why, "\"alg\" is no string");
    }
    key->alg = mcpa_alg_find(mcpa_json_string(member));
    if (key->alg == MCPA_ALG_NONE) {
        return MCPA_JWK_IGNORED;
    }
    if (!mcpa_key_fits(key, key->alg)) {
        return reject(why, "\"alg\" does not go with the key's kind or curve");
    }
    key->algs = MCPA_ALG_BIT(key->alg);
    return MCPA_JWK_USABLE;
}

static mcpa_jwk_fate_t read_material(mcpa_key_t *key, const mcpa_json_t *jwk, mcpa_out_t *why)
{
    mcpa_str_t kty = mcpa_json_string(mcpa_json_member(jwk, "kty"));

    if (kty.ptr == NULL) {
        return reject(why, "\"kty\" is missing or no string");
    }
    if (mcpa_str_eqz(kty, "RSA")) {
        key->kty = MCPA_KTY_RSA;
        return read_rsa(key, jwk, why);
    }
    if (mcpa_str_eqz(kty, "EC")) {
        key->kty = MCPA_KTY_EC;
        return read_ec(key, jwk, why);
    }
    if (mcpa_str_eqz(kty, "OKP")) {
        key->kty = MCPA_KTY_OKP;
        return read_okp(key, jwk, why);
    }
    return MCPA_JWK_IGNORED;
}

static mcpa_jwk_fate_t read_key(mcpa_key_t *key, const mcpa_json_t *jwk, mcpa_out_t *why)
{
    mcpa_jwk_fate_t fate = read_purpose(jwk, why);

    if (fate == MCPA_JWK_USABLE) {
        fate = read_kid(key, jwk, why);
    }
    if (fate == MCPA_JWK_USABLE) {
        fate = read_material(key, jwk, why);
    }
    if (fate == MCPA_JWK_USABLE) {
        fate = read_alg(key, jwk, why);
    }
    if (fate == MCPA_JWK_USABLE && !mcpa_key_prepare(key)) {
        fate = MCPA_JWK_NOMEM;
    }
    return fate;
}

mcpa_jwk_fate_t mcpa_jwk_parse(mcpa_key_t *key, const mcpa_json_t *jwk, mcpa_out_t *why)
{
    mcpa_jwk_fate_t fate;

    *key = (mcpa_key_t){ 0 };
    if (!mcpa_json_is(jwk, MCPA_JSON_OBJECT)) {
        return reject(why, "not an object");
    }
    if (has_private_member(jwk) || mcpa_str_eqz(mcpa_json_string(mcpa_json_member(jwk, "kty")), "oct")) {
        mcpa_out_z(why, "holds private or symmetric key material");
        return MCPA_JWK_FATAL;
    }
    (void)ERR_set_mark();
    fate = read_key(key, jwk, why);
    (void)ERR_pop_to_mark();
    if (fate != MCPA_JWK_USABLE) {
        mcpa_key_clear(key);
    }
    return fate;
}
