/* SPDX-License-Identifier: Apache-2.0 */
/* One key of the local issuer: made, kept as DER, shown as a JWK (RFC 7517), and what signs (RFC 7515). libjwt 1.10 can make neither
 * "typ":"at+jwt" nor EdDSA, so tokens are signed here. Thread: any, each key one at a time. */
#ifndef ADMIND_ISSUER_SIGNKEY_H
#define ADMIND_ISSUER_SIGNKEY_H

#include <openssl/evp.h>

#include "base/json.h"
#include "jose/alg.h"

#define ADMIND_SIGNKEY_KID_BYTES 44 /* base64url of a SHA-256, and NUL */
#define ADMIND_SIGNKEY_MAX_BITS  4096

typedef struct admind_signkey {
    EVP_PKEY *pkey; /* NULL: no key */
    mcpa_alg_t alg; /* RS256, ES256 or EdDSA */
    bool is_private;
    char kid[ADMIND_SIGNKEY_KID_BYTES]; /* RFC 7638: the key's own thumbprint */
} admind_signkey_t;

/* Takes from milliseconds to, for RSA of 4096 bits, some seconds. bits: for RSA alone. false: not one of the three, or OpenSSL failed. */
bool admind_signkey_make(admind_signkey_t *key, mcpa_alg_t alg, unsigned bits) MCPA_MUST_CHECK;
/* From what admind_signkey_print wrote. false: that is no key for this algorithm; *key is untouched. */
bool admind_signkey_parse(admind_signkey_t *key, mcpa_alg_t alg, bool is_private, mcpa_str_t text) MCPA_MUST_CHECK;
/* DER in base64url: PKCS #8 or what belongs to the kind of key, of a public one its SubjectPublicKeyInfo. Check mcpa_out_status. */
void admind_signkey_print(mcpa_out_t *out, const admind_signkey_t *key);
/* The public members, with kid, use and alg. */
void admind_signkey_print_jwk(mcpa_jsonw_t *w, const admind_signkey_t *key);
/* Appends the signature of message as it stands in a JWS: base64url, of ECDSA r and s. false: not private, or OpenSSL failed. */
bool admind_signkey_sign(mcpa_out_t *out, const admind_signkey_t *key, mcpa_str_t message) MCPA_MUST_CHECK;

/* to: another handle of the same key, to be cleared on its own. */
void admind_signkey_share(admind_signkey_t *to, const admind_signkey_t *key);
/* Forgets the private part of this handle. false: no memory, and nothing is changed. */
bool admind_signkey_retire(admind_signkey_t *key) MCPA_MUST_CHECK;
void admind_signkey_clear(admind_signkey_t *key);

#endif
