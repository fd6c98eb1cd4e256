/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate (RFC 6750 section 3, RFC 9728 section 5.1) and error bodies. Bearer first, name="value" without blanks, every
 * parameter once, nothing taken from the request. */
#ifndef MCPA_POLICY_CHALLENGE_H
#define MCPA_POLICY_CHALLENGE_H

#include "policy/decision.h"
#include "policy/policy.h"
#include "policy/reason.h"

/* Appends the challenge for this reason, or nothing when its row has none. Carries realm, error and error_description (unless the row has no
 * error), scope (what the Location needs, then what the operation needs, NULL: nothing more; each once, never offline_access), resource_metadata.
 * Quotes and backslashes cannot occur: configuration refuses them. */
void mcpa_challenge_print(mcpa_out_t *out, const mcpa_policy_t *policy, mcpa_reason_t reason, const char *operation_scopes);
/* {"error":..,"message":..[,"retry_after":N]} for this reason; retry_after_s < 0: none. */
void mcpa_error_body_print(mcpa_out_t *out, mcpa_reason_t reason, int64_t retry_after_s);
/* The body for this refusal: where the request was a JSON-RPC call whose id could be read, an error object with that id and the members above in its
 * data; otherwise the same as mcpa_error_body_print. The reason is decision->reason, and its code rpc_code or the status: who refuses what was decided
 * otherwise sets both. At most MCPA_ERROR_MESSAGE_MAX_BYTES. */
void mcpa_error_message_print(mcpa_out_t *out, const mcpa_decision_t *decision, int64_t retry_after_s);
#define MCPA_ERROR_MESSAGE_MAX_BYTES (2048 + MCPA_RPC_ID_MAX_BYTES) /* an id, two sentences, the revisions, a requested one of 64 bytes escaped */

#endif
