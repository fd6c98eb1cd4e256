/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a caller who was let in could do something else, too: for lists that show only what may be used. */
#ifndef MCPA_POLICY_MAY_H
#define MCPA_POLICY_MAY_H

#include "policy/decision.h"

/* Whether a request of this caller for the operation would pass its rule and the scopes of Location and operation; nothing is
 * charged. method: "tools/call", "prompts/get" or "resources/read"; name: of the tool or prompt, or a URI. A name that no request
 * may carry is denied. */
bool mcpa_may_operate(const mcpa_decision_t *decision, const mcpa_policy_t *policy, mcpa_str_t method, mcpa_str_t name);

#endif
