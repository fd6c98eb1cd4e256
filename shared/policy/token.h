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
    int64_t expires_s;     /* exp, as written */
    int64_t not_before_s;  /* the later of nbf and iat, as written; 0 when there is neither */
    mcpa_scopes_t scopes;
} mcpa_principal_t;

#define MCPA_CLAIM_NAME_MAX_BYTES 256 /* a configured claim name: it comes from an administrator, and no provider's is longer than a URL */

/* typ, as strict as the issuer demands: at+jwt or application/at+jwt, case-insensitive; with any_typ also JWT and absent. Types that are
 * other tokens (ID-JAG, logout, DPoP proof, introspection) are refused always. {NULL,0} is an absent typ. PASS or TYPE_WRONG. */
mcpa_reason_t mcpa_token_check_type(const mcpa_issuer_t *issuer, mcpa_str_t typ);
/* Whether now is before expires_s and not before not_before_s, both with the skew already in: PASS, EXPIRED or NOT_YET_VALID. */
mcpa_reason_t mcpa_token_check_times(int64_t expires_s, int64_t not_before_s, int64_t now_s);
/* All claims but the signature, in this order: iss exact; cnf (any binding: BINDING_UNSUPPORTED); token_use, and under any_typ what marks other
 * tokens ("nonce", "at_hash", "c_hash", "events", Keycloak's payload "typ": TYPE_WRONG); audience; exp, nbf, iat (integers within 0..
 * MCPA_TIME_MAX_S; now_s, skew); subject, client and jti (strings, UTF-8, printable, at most MCPA_CLAIM_MAX_BYTES, never empty; the client is
 * client_claim, else "client_id"; subject or client must be there); required claims; scopes and roles.
 * audiences: NULL-terminated. PASS fills principal; anything else leaves it zeroed. Strict profile (any_typ false) needs the subject, the client,
 * iat and jti as RFC 9068 section 2.2 does. An array of scopes is taken from any scope_claim but "scope". */
mcpa_reason_t mcpa_token_check_claims(mcpa_principal_t *principal, const mcpa_json_t *claims, const mcpa_issuer_t *issuer,
                                      const char *const *audiences, int64_t now_s);
/* Whether the claim at 'path' (JSON pointer when it starts with '/', else a top-level member name) satisfies 'op' with 'value':
 * "=" scalar equality as text, "has" membership in an array (or a word of a space-delimited string), "exists". For Require mcp-claim. */
bool mcpa_token_claim_matches(const mcpa_json_t *claims, mcpa_str_t path, mcpa_str_t op, mcpa_str_t value);

#endif
