/* SPDX-License-Identifier: Apache-2.0 */
/* The signature algorithms (RFC 7518 section 3, RFC 8037, RFC 9864), one row each in alg.c. Names are compared case-sensitively;
 * "none" does not exist here. */
#ifndef MCPA_JOSE_ALG_H
#define MCPA_JOSE_ALG_H

#include "base/bytes.h"

typedef enum mcpa_alg {
    MCPA_ALG_NONE = 0, /* unknown or absent: never verifies */
    MCPA_ALG_RS256, MCPA_ALG_RS384, MCPA_ALG_RS512,
    MCPA_ALG_PS256, MCPA_ALG_PS384, MCPA_ALG_PS512,
    MCPA_ALG_ES256, MCPA_ALG_ES384, MCPA_ALG_ES512,
    MCPA_ALG_EDDSA,
    MCPA_ALG_HS256, MCPA_ALG_HS384, MCPA_ALG_HS512,
    MCPA_ALG_COUNT
} mcpa_alg_t;

typedef enum mcpa_kty { MCPA_KTY_NONE = 0, MCPA_KTY_RSA, MCPA_KTY_EC, MCPA_KTY_OKP, MCPA_KTY_OCT } mcpa_kty_t;

/* A set of algorithms: bit (1u << mcpa_alg_t). */
typedef uint32_t mcpa_algs_t;
#define MCPA_ALG_BIT(alg) (1u << (alg))
#define MCPA_ALGS_ASYMMETRIC ((mcpa_algs_t)((1u << MCPA_ALG_HS256) - 2))
#define MCPA_ALGS_HMAC (MCPA_ALG_BIT(MCPA_ALG_HS256) | MCPA_ALG_BIT(MCPA_ALG_HS384) | MCPA_ALG_BIT(MCPA_ALG_HS512))

/* MCPA_ALG_NONE when the name is not one of ours. "Ed25519" (RFC 9864) and "EdDSA" are the same row. */
mcpa_alg_t mcpa_alg_find(mcpa_str_t name);
const char *mcpa_alg_name(mcpa_alg_t alg);      /* "RS256"; "" for NONE */
mcpa_kty_t mcpa_alg_kty(mcpa_alg_t alg);
size_t mcpa_alg_hash_bytes(mcpa_alg_t alg);     /* 32, 48, 64; 0 for EdDSA */
size_t mcpa_alg_ec_bits(mcpa_alg_t alg);        /* 256, 384, 521 for ES*; else 0 */
const char *mcpa_kty_name(mcpa_kty_t kty);      /* "RSA", "EC", "OKP", "oct" */

#endif
