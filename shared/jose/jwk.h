/* SPDX-License-Identifier: Apache-2.0 */
/* One verification key: what jwk.c makes of a JWK (RFC 7517), what verify.c uses. Private to jose/.
 *
 * Everything OpenSSL needs is prepared when the key is made: one verification context for each algorithm the key may serve.
 * A verification copies the prepared context, which costs less than a fresh one and reads the key only. */
#ifndef MCPA_JOSE_JWK_H
#define MCPA_JOSE_JWK_H

#include <openssl/evp.h>

#include "base/json.h"
#include "base/limits.h"
#include "jose/jwks.h"

struct mcpa_key {
    mcpa_kty_t kty;
    mcpa_alg_t alg;   /* the JWK's own, or MCPA_ALG_NONE */
    mcpa_algs_t algs; /* all it may verify */
    size_t bits;
    size_t kid_len;
    bool has_kid;
    char kid[MCPA_KID_MAX_BYTES];
    EVP_PKEY *pkey;                       /* NULL for secrets */
    EVP_MD_CTX *verifier[MCPA_ALG_COUNT]; /* set for every asymmetric alg in algs */
    EVP_MAC_CTX *mac[MCPA_ALG_COUNT];     /* set for every HS* in algs; the only place a secret lives */
};

typedef enum mcpa_jwk_fate {
    MCPA_JWK_USABLE,
    MCPA_JWK_IGNORED,  /* not for us: RFC 7517 section 5 wants it skipped */
    MCPA_JWK_REJECTED, /* meant for us, but not to be trusted */
    MCPA_JWK_FATAL,    /* tells of a leaked or misplaced secret: the whole set is refused */
    MCPA_JWK_NOMEM
} mcpa_jwk_fate_t;

/* Makes *key from a public JWK. Unless USABLE, *key holds nothing; REJECTED and FATAL append the reason to why. */
mcpa_jwk_fate_t mcpa_jwk_parse(mcpa_key_t *key, const mcpa_json_t *jwk, mcpa_out_t *why) MCPA_MUST_CHECK;
/* Builds the contexts for every algorithm in key->algs; false when OpenSSL refuses or memory ran out. */
bool mcpa_key_prepare(mcpa_key_t *key) MCPA_MUST_CHECK;
/* Makes *key from a secret, for those of algs (HS*) whose hash is not longer than it. MCPA_EMALFORMED when none is left,
 * MCPA_ENOMEM; *key then holds nothing. */
mcpa_status_t mcpa_key_from_secret(mcpa_key_t *key, mcpa_str_t secret, mcpa_algs_t algs) MCPA_MUST_CHECK;
/* Frees what the key holds; OpenSSL cleanses secrets as it frees their contexts. */
void mcpa_key_clear(mcpa_key_t *key);

#endif
