/* SPDX-License-Identifier: Apache-2.0 */
/* The one credential of a request (RFC 6750 section 2.1, OAuth 2.1 section 5.1): the Authorization header, never query or body. */
#ifndef MCPA_POLICY_CREDENTIAL_H
#define MCPA_POLICY_CREDENTIAL_H

#include "policy/reason.h"

/* authorization: the field value as received, {NULL,0} when absent. query: the raw query string or {NULL,0}.
 * PASS with *token set (borrows), else *token is untouched:
 *   NO_TOKEN                 absent, or another scheme such as Basic; an access_token in the query alone is no credential either
 *   AUTHORIZATION_MALFORMED  empty, no scheme, "Bearer" without token, not token68, trailing text, a comma, a tab, any control character
 *   TWO_CREDENTIALS          joined header lines of which a later one is Bearer or DPoP; Bearer beside an access_token parameter in the
 *                            query, whatever its spelling (percent-encoded, "access+token", any position)
 *   TOKEN_MALFORMED          scheme DPoP: proofs are not checked here, so its token must not pass as a bearer (RFC 9449 section 7.1); 401
 *   TOKEN_TOO_LONG           over max_bytes, which is at most MCPA_TOKEN_MAX_BYTES
 * The scheme is case-insensitive, then one or more SP. */
mcpa_reason_t mcpa_credential_extract(mcpa_str_t *token, mcpa_str_t authorization, mcpa_str_t query, size_t max_bytes);
/* The value of the next access_token parameter in a raw query, in whatever spelling the name is read as one above; {NULL,0} when there is none.
 * *rest: what of the query was not looked at yet. For keeping such values out of logs. */
mcpa_str_t mcpa_credential_next_in_query(mcpa_str_t *rest);

#endif
