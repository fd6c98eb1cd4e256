/* SPDX-License-Identifier: Apache-2.0 */
/* Verification keys: a JWK Set (RFC 7517) parsed once into OpenSSL keys, immutable and reference counted.
 *
 * A set is shared by threads; nothing in it changes after it was made but the count. Keys that cannot serve are left out
 * and counted (RFC 7517 section 5); what makes the whole set untrustworthy refuses it: see mcpa_jwks_parse. */
#ifndef MCPA_JOSE_JWKS_H
#define MCPA_JOSE_JWKS_H

#include "base/json.h"
#include "jose/alg.h"

typedef struct mcpa_key mcpa_key_t;
typedef struct mcpa_jwks mcpa_jwks_t;

/* Why keys were left out or a set refused, for the operator. Filled by mcpa_jwks_parse and mcpa_jwks_read in either case. */
typedef struct mcpa_jwks_report {
    size_t usable;
    size_t ignored;      /* unknown kty or crv, use=enc, key_ops without verify, algorithms we do not know */
    size_t rejected;     /* weak, malformed, invalid point, duplicate kid, private members, symmetric in a remote set */
    char why[160];       /* the first rejection, in words, without key material; "" when none */
} mcpa_jwks_report_t;

/* Text: a JWK Set of at most MCPA_JWKS_MAX_BYTES. Remote sets hold public keys only.
 * Refuses the whole set (MCPA_EMALFORMED, MCPA_EDUPLICATE, MCPA_ETOOBIG): no object, no "keys" array, duplicate members, over
 * 64 keys, a key with private members, a symmetric key. Two keys with one kid and one kty: both are left out; the same kid under
 * different kty: both stay, told apart by algorithm. RSA 2048..8192 bits with odd exponent >= 65537 < 2^32 and no ROCA modulus;
 * P-256/384/521 with a valid point; Ed25519. A set without one usable key is MCPA_ENOTFOUND. The caller owns one reference. */
mcpa_status_t mcpa_jwks_parse(mcpa_jwks_t **out, mcpa_str_t text, mcpa_jwks_report_t *report) MCPA_MUST_CHECK;
/* The same for a set that is part of a document of ours, which its reader has kept to limits. */
mcpa_status_t mcpa_jwks_read(mcpa_jwks_t **out, const mcpa_json_t *json, mcpa_jwks_report_t *report) MCPA_MUST_CHECK;
/* One HMAC key from a declared secret, usable for those of 'algs' (HS*) whose hash is not longer than the secret.
 * MCPA_EMALFORMED when it is too short for every one of them. Cleansed when the set is freed. */
mcpa_status_t mcpa_jwks_from_secret(mcpa_jwks_t **out, mcpa_str_t secret, mcpa_algs_t algs) MCPA_MUST_CHECK;

mcpa_jwks_t *mcpa_jwks_retain(mcpa_jwks_t *set);
/* Drops one reference and sets *set to NULL; NULL is fine. Any thread. */
void mcpa_jwks_release(mcpa_jwks_t **set);

size_t mcpa_jwks_count(const mcpa_jwks_t *set);
const mcpa_key_t *mcpa_jwks_at(const mcpa_jwks_t *set, size_t index);
/* The one key for this alg and kid. kid {NULL,0} (absent): the only key that fits alg, else NULL. *known_kid (may be NULL) tells
 * whether any key has that kid. A declared secret has no kid and answers to every one. */
const mcpa_key_t *mcpa_jwks_find(const mcpa_jwks_t *set, mcpa_alg_t alg, mcpa_str_t kid, bool *known_kid);

mcpa_str_t mcpa_key_kid(const mcpa_key_t *key);  /* {NULL,0} when it has none */
mcpa_alg_t mcpa_key_alg(const mcpa_key_t *key);  /* the JWK's own "alg", or MCPA_ALG_NONE */
mcpa_kty_t mcpa_key_kty(const mcpa_key_t *key);
size_t mcpa_key_bits(const mcpa_key_t *key);
/* Whether the key may verify alg: kty, curve, its own alg, secret length. */
bool mcpa_key_fits(const mcpa_key_t *key, mcpa_alg_t alg);

/* Appends the set as a normalised JWK Set of public keys (never secrets), which mcpa_jwks_parse takes again: what the daemon
 * publishes. Check mcpa_out_status. */
void mcpa_jwks_print(mcpa_out_t *out, const mcpa_jwks_t *set);

#endif
