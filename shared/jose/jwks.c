/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/jwks.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "base/b64url.h"
#include "base/json.h"
#include "jose/jwk.h"

struct mcpa_jwks {
    atomic_size_t refs; /* any thread; whoever takes it to zero frees the set */
    size_t count;
    mcpa_key_t keys[]; /* immutable once the set is handed out */
};

static mcpa_jwks_t *new_set(size_t capacity)
{
    mcpa_jwks_t *set = calloc(1, sizeof(*set) + capacity * sizeof(set->keys[0]));

    if (set != NULL) {
        atomic_init(&set->refs, 1);
    }
    return set;
}

/* Keeps the first reason only: it is the one to mend first. */
static void note_rejection(mcpa_jwks_report_t *report, size_t index, const mcpa_out_t *why)
{
    mcpa_out_t out;

    report->rejected++;
    if (report->why[0] == '\0') {
        mcpa_out_init(&out, report->why, sizeof(report->why));
        mcpa_out_printf(&out, "key %zu: %s", index + 1, why->ptr);
    }
}

static mcpa_status_t read_keys(mcpa_jwks_t *set, const mcpa_json_t *keys, mcpa_jwks_report_t *report)
{
    for (size_t i = 0; i < mcpa_json_size(keys); i++) {
        char text[sizeof(report->why) - 32]; /* room for "key N: " */
        mcpa_out_t why;

        mcpa_out_init(&why, text, sizeof(text));
        switch (mcpa_jwk_parse(&set->keys[set->count], mcpa_json_at(keys, i), &why)) {
        case MCPA_JWK_USABLE:
            set->count++;
            break;
        case MCPA_JWK_IGNORED:
            report->ignored++;
            break;
        case MCPA_JWK_REJECTED:
            note_rejection(report, i, &why);
            break;
        case MCPA_JWK_FATAL:
            report->why[0] = '\0'; /* what refuses the set outranks what was said before */
            note_rejection(report, i, &why);
            return MCPA_EMALFORMED;
        case MCPA_JWK_NOMEM:
            return MCPA_ENOMEM;
        }
    }
    return MCPA_OK;
}

static bool is_ambiguous(const mcpa_jwks_t *set, size_t index)
{
    const mcpa_key_t *key = &set->keys[index];

    for (size_t i = 0; key->has_kid && i < set->count; i++) {
        const mcpa_key_t *other = &set->keys[i];

        if (i != index && other->has_kid && other->kty == key->kty && mcpa_str_eq(mcpa_key_kid(other), mcpa_key_kid(key))) {
            return true;
        }
    }
    return false;
}

/* Leaves out every key whose kid and kty another one has too: which of them a token means would be a guess. */
static void drop_ambiguous(mcpa_jwks_t *set, mcpa_jwks_report_t *report)
{
    bool drop[MCPA_JWKS_MAX_KEYS];
    size_t kept = 0;

    for (size_t i = 0; i < set->count; i++) {
        drop[i] = is_ambiguous(set, i);
    }
    for (size_t i = 0; i < set->count; i++) {
        if (drop[i]) {
            mcpa_key_clear(&set->keys[i]);
            report->rejected++;
        } else if (kept++ != i) {
            set->keys[kept - 1] = set->keys[i];
        }
    }
    if (kept < set->count && report->why[0] == '\0') {
        memcpy(report->why, "two keys have one kid", sizeof("two keys have one kid"));
    }
    set->count = kept;
}

static mcpa_status_t parse_keys(mcpa_jwks_t **out, const mcpa_json_t *keys, mcpa_jwks_report_t *report)
{
    mcpa_jwks_t *set;
    mcpa_status_t status;

    if (!mcpa_json_is(keys, MCPA_JSON_ARRAY)) {
        return MCPA_EMALFORMED;
    }
    if (mcpa_json_size(keys) > MCPA_JWKS_MAX_KEYS) {
        return MCPA_ETOOBIG;
    }
    /* One slot more than keys: the parser may touch the slot after the last usable one. */
    set = new_set(mcpa_json_size(keys) + 1);
    if (set == NULL) {
        return MCPA_ENOMEM;
    }
    status = read_keys(set, keys, report);
    if (status == MCPA_OK) {
        drop_ambiguous(set, report);
        report->usable = set->count;
        status = set->count > 0 ? MCPA_OK : MCPA_ENOTFOUND;
    }
    if (status != MCPA_OK) {
        mcpa_jwks_release(&set);
        return status;
    }
    *out = set;
    return MCPA_OK;
}

mcpa_status_t mcpa_jwks_read(mcpa_jwks_t **out, const mcpa_json_t *json, mcpa_jwks_report_t *report)
{
    *report = (mcpa_jwks_report_t){ 0 };
    return parse_keys(out, mcpa_json_member(json, "keys"), report);
}

mcpa_status_t mcpa_jwks_parse(mcpa_jwks_t **out, mcpa_str_t text, mcpa_jwks_report_t *report)
{
    mcpa_json_t *json;
    mcpa_status_t status;

    *report = (mcpa_jwks_report_t){ 0 }; /* for those who look at it after a failure */
    if (text.len > MCPA_JWKS_MAX_BYTES) {
        return MCPA_ETOOBIG;
    }
    status = mcpa_json_parse(&json, text, MCPA_JWKS_MAX_DEPTH, MCPA_JSON_MAX_VALUES);
    if (status != MCPA_OK) {
        return status;
    }
    status = mcpa_jwks_read(out, json, report);
    mcpa_json_free(&json);
    return status;
}

mcpa_status_t mcpa_jwks_from_secret(mcpa_jwks_t **out, mcpa_str_t secret, mcpa_algs_t algs)
{
    mcpa_jwks_t *set;
    mcpa_status_t status;

    if (secret.len > MCPA_SECRET_MAX_BYTES) {
        return MCPA_ETOOBIG;
    }
    set = new_set(1);
    if (set == NULL) {
        return MCPA_ENOMEM;
    }
    status = mcpa_key_from_secret(&set->keys[0], secret, algs);
    if (status != MCPA_OK) {
        mcpa_jwks_release(&set);
        return status;
    }
    set->count = 1;
    *out = set;
    return MCPA_OK;
}

mcpa_jwks_t *mcpa_jwks_retain(mcpa_jwks_t *set)
{
    /* Relaxed: whoever retains already holds a reference. */
    (void)atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void mcpa_jwks_release(mcpa_jwks_t **set)
{
    mcpa_jwks_t *doomed = *set;

    *set = NULL;
    /* Release orders this thread's reads before the count; acquire orders the free after everybody's. */
    if (doomed == NULL || atomic_fetch_sub_explicit(&doomed->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < doomed->count; i++) {
        mcpa_key_clear(&doomed->keys[i]);
    }
    free(doomed);
}

size_t mcpa_jwks_count(const mcpa_jwks_t *set)
{
    return set->count;
}

const mcpa_key_t *mcpa_jwks_at(const mcpa_jwks_t *set, size_t index)
{
    return index < set->count ? &set->keys[index] : NULL;
}

const mcpa_key_t *mcpa_jwks_find(const mcpa_jwks_t *set, mcpa_alg_t alg, mcpa_str_t kid, bool *known_kid)
{
    const mcpa_key_t *found = NULL;
    size_t fitting = 0;
    bool known = false;

    for (size_t i = 0; i < set->count; i++) {
        const mcpa_key_t *key = &set->keys[i];
        bool same = kid.ptr != NULL && key->has_kid && mcpa_str_eq(mcpa_key_kid(key), kid);

        known = known || same;
        /* A declared secret has no name: the operator's word, not the token's kid, binds it to the issuer. */
        if ((kid.ptr == NULL || same || key->kty == MCPA_KTY_OCT) && mcpa_key_fits(key, alg)) {
            found = key;
            fitting++;
        }
    }
    if (known_kid != NULL) {
        *known_kid = known;
    }
    return fitting == 1 ? found : NULL;
}

mcpa_str_t mcpa_key_kid(const mcpa_key_t *key)
{
    return key->has_kid ? (mcpa_str_t){ key->kid, key->kid_len } : MCPA_STR_NONE;
}

mcpa_alg_t mcpa_key_alg(const mcpa_key_t *key)
{
    return key->alg;
}

mcpa_kty_t mcpa_key_kty(const mcpa_key_t *key)
{
    return key->kty;
}

size_t mcpa_key_bits(const mcpa_key_t *key)
{
    return key->bits;
}

bool mcpa_key_fits(const mcpa_key_t *key, mcpa_alg_t alg)
{
    return alg > MCPA_ALG_NONE && alg < MCPA_ALG_COUNT && (key->algs & MCPA_ALG_BIT(alg)) != 0;
}

static void print_bytes(mcpa_jsonw_t *w, const char *name, const unsigned char *bytes, size_t len)
{
    char memory[MCPA_RSA_MAX_BITS / 8 / 3 * 4 + 8];
    mcpa_out_t text;

    mcpa_out_init(&text, memory, sizeof(memory));
    mcpa_b64url_encode(&text, bytes, len);
    mcpa_jsonw_str(w, name, mcpa_out_get(&text));
}

/* A number of the key, big-endian in len bytes (0: as many as it needs). */
static void print_number(mcpa_jsonw_t *w, const char *name, const mcpa_key_t *key, const char *param, size_t len)
{
    unsigned char bytes[MCPA_RSA_MAX_BITS / 8];
    BIGNUM *number = NULL;

    if (EVP_PKEY_get_bn_param(key->pkey, param, &number) == 1) {
        len = len > 0 ? len : (size_t)BN_num_bytes(number);
    }
    if (number != NULL && len <= sizeof(bytes) && BN_bn2binpad(number, bytes, (int)len) == (int)len) {
        print_bytes(w, name, bytes, len);
    } else {
        w->out->truncated = true; /* half a key must not be published */
    }
    BN_free(number);
}

static void print_material(mcpa_jsonw_t *w, const mcpa_key_t *key)
{
    unsigned char x[32];
    size_t len = sizeof(x);
    size_t coordinate = (key->bits + 7) / 8;

    switch (key->kty) {
    case MCPA_KTY_RSA:
        print_number(w, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
        print_number(w, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
        break;
    case MCPA_KTY_EC:
        mcpa_jsonw_z(w, "crv", key->bits == 256 ? "P-256" : key->bits == 384 ? "P-384" : "P-521");
        print_number(w, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, coordinate);
        print_number(w, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, coordinate);
        break;
    case MCPA_KTY_OKP:
        mcpa_jsonw_z(w, "crv", "Ed25519");
        if (EVP_PKEY_get_raw_public_key(key->pkey, x, &len) == 1) {
            print_bytes(w, "x", x, len);
        } else {
            w->out->truncated = true;
        }
        break;
    case MCPA_KTY_OCT:
    case MCPA_KTY_NONE:
        break;
    }
}

void mcpa_jwks_print(mcpa_out_t *out, const mcpa_jwks_t *set)
{
    mcpa_jsonw_t w;

    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_open_array(&w, "keys");
    for (size_t i = 0; i < set->count; i++) {
        const mcpa_key_t *key = &set->keys[i];

        if (key->pkey == NULL) {
            continue; /* a secret */
        }
        mcpa_jsonw_open_object(&w, NULL);
        mcpa_jsonw_z(&w, "kty", mcpa_kty_name(key->kty));
        if (key->has_kid) {
            mcpa_jsonw_str(&w, "kid", mcpa_key_kid(key));
        }
        mcpa_jsonw_z(&w, "use", "sig");
        if (key->alg != MCPA_ALG_NONE) {
            mcpa_jsonw_z(&w, "alg", mcpa_alg_name(key->alg));
        }
        print_material(&w, key);
        mcpa_jsonw_close_object(&w);
    }
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_close_object(&w);
}
