/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate (RFC 6750 section 3, RFC 9728 section 5.1) and error bodies. Bearer first, name="value" without blanks, every
 * parameter once, nothing taken from the request. */
#ifndef MCPA_POLICY_CHALLENGE_H
#define MCPA_POLICY_CHALLENGE_H

#include "policy/policy.h"
#include "policy/reason.h"

/* Appends the challenge for this reason, or nothing when its row has none. Carries realm, error and error_description (unless the row has no
 * error), scope (what the Location needs, never offline_access), resource_metadata. Quotes and backslashes cannot occur: configuration refuses them. */
void mcpa_challenge_print(mcpa_out_t *out, const mcpa_policy_t *policy, mcpa_reason_t reason);
/* {"error":..,"message":..[,"retry_after":N]} for this reason; retry_after_s < 0: none. */
void mcpa_error_body_print(mcpa_out_t *out, mcpa_reason_t reason, int64_t retry_after_s);

#endif
