/* SPDX-License-Identifier: Apache-2.0 */
/* The one credential of a request (RFC 6750 section 2.1, OAuth 2.1 section 5.1): the Authorization header, never query or body. */
#ifndef MCPA_POLICY_CREDENTIAL_H
#define MCPA_POLICY_CREDENTIAL_H

#include "policy/reason.h"

/* authorization: the field value as received, {NULL,0} when absent. query: the raw query string or {NULL,0}.
 * PASS with *token set (borrows); NO_TOKEN (absent, or another scheme such as Basic); AUTHORIZATION_MALFORMED ("Bearer" without token, not
 * token68, trailing text, comma-joined, tab); TWO_CREDENTIALS (also an access_token parameter in the query beside the header);
 * TOKEN_TOO_LONG. The scheme is case-insensitive, then one or more SP. */
mcpa_reason_t mcpa_credential_extract(mcpa_str_t *token, mcpa_str_t authorization, mcpa_str_t query);

#endif
