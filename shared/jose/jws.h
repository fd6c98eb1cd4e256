/* SPDX-License-Identifier: Apache-2.0 */
/* Compact JWS (RFC 7515 section 7.1): split strictly, decode, verify. No JWE, no JSON serialisation, no unencoded payload. */
#ifndef MCPA_JOSE_JWS_H
#define MCPA_JOSE_JWS_H

#include "base/json.h"
#include "jose/alg.h"
#include "jose/jwks.h"

/* A split token. Everything borrows: the parts from the token text, the rest from the header tree, which belongs to this
 * struct (mcpa_jws_clear). */
typedef struct mcpa_jws {
    mcpa_str_t signing_input;   /* header "." payload, as received */
    mcpa_str_t payload_text;    /* base64url, as received */
    mcpa_str_t signature_text;
    mcpa_json_t *header;
    mcpa_alg_t alg;
    mcpa_str_t kid;             /* {NULL,0} when absent */
    mcpa_str_t typ;             /* {NULL,0} when absent */
} mcpa_jws_t;

/* Exactly three non-empty segments of canonical base64url, header a JSON object with a string "alg". MCPA_EUNSUPPORTED: alg "none"
 * in any case, unknown alg, any "crit", "b64" or "zip", "cty" JWT (nested). MCPA_EMALFORMED: "kid" that is no string, longer than
 * MCPA_KID_MAX_BYTES or not printable, "typ" that is no string. "jwk", "jku", "x5u", "x5c", "x5t" are ignored: nothing in a token
 * names a key source. On failure jws holds nothing that needs clearing. */
mcpa_status_t mcpa_jws_split(mcpa_jws_t *jws, mcpa_str_t token) MCPA_MUST_CHECK;
void mcpa_jws_clear(mcpa_jws_t *jws);

/* true only if the signature is the key's over signing_input under jws->alg and the key fits that alg. ECDSA signatures are
 * r||s of exact length, with 0 < r,s < n; base64url must be canonical. Thread-safe. */
bool mcpa_jws_verify(const mcpa_jws_t *jws, const mcpa_key_t *key) MCPA_MUST_CHECK;
/* The same on raw parts (used by jws.c and by tests on primitive vectors). */
bool mcpa_key_verify(const mcpa_key_t *key, mcpa_alg_t alg, mcpa_str_t message, const unsigned char *signature,
                     size_t signature_len) MCPA_MUST_CHECK;

/* Decodes the payload to a JSON object; to be freed. Call only after mcpa_jws_verify said true, except to read 'iss' when choosing
 * the issuer: that value is a claim of the sender until verified. */
mcpa_status_t mcpa_jws_payload(mcpa_json_t **out, const mcpa_jws_t *jws) MCPA_MUST_CHECK;

#endif
