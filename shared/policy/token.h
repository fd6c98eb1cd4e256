/* SPDX-License-Identifier: Apache-2.0 */
/* From a verified JWT's claims to a principal (RFC 9068 section 4, RFC 8725). */
#ifndef MCPA_POLICY_TOKEN_H
#define MCPA_POLICY_TOKEN_H

#include "base/json.h"
#include "jose/jws.h"
#include "policy/policy.h"
#include "policy/reason.h"

/* Who is calling. Strings borrow from the claims tree (or from a token cache's copy). */
typedef struct mcpa_principal {
    mcpa_str_t issuer;
    mcpa_str_t subject;    /* the configured subject claim; for client-credential tokens without one: absent */
    mcpa_str_t client_id;
    mcpa_str_t token_id;   /* jti */
    mcpa_str_t audience;   /* the accepted value that matched */
    mcpa_scopes_t scopes;
    int64_t expires_s;
} mcpa_principal_t;

/* typ, as strict as the issuer demands: at+jwt or application/at+jwt, case-insensitive; with any_typ also JWT and absent. Types that are
 * other tokens (ID-JAG, logout, DPoP proof, introspection) are refused always. PASS or TYPE_WRONG. */
mcpa_reason_t mcpa_token_check_type(const mcpa_issuer_t *issuer, mcpa_str_t typ);
/* All claims but the signature: iss exact, audience, times (now_s, skew), required claims, string claims' sanity (UTF-8 printable, length),
 * cnf (any binding we cannot check: BINDING_UNSUPPORTED), ID tokens ("nonce" or "at_hash" under any_typ: TYPE_WRONG), token_use, scopes.
 * audiences: NULL-terminated. PASS fills principal; anything else leaves it zeroed. Strict profile (any_typ false) needs sub, client_id,
 * iat and jti as RFC 9068 section 2.2 does. */
mcpa_reason_t mcpa_token_check_claims(mcpa_principal_t *principal, const mcpa_json_t *claims, const mcpa_issuer_t *issuer,
                                      const char *const *audiences, int64_t now_s);
/* Whether the claim at 'path' (JSON pointer when it starts with '/', else a top-level member name) satisfies 'op' with 'value':
 * "=" scalar equality as text, "has" membership in an array (or a word of a space-delimited string), "exists". For Require mcp-claim. */
bool mcpa_token_claim_matches(const mcpa_json_t *claims, mcpa_str_t path, mcpa_str_t op, mcpa_str_t value);

#endif
