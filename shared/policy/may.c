/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/may.h"

#include "base/text.h"

/* What the scan of a request would refuse (mcp/jsonrpc.h). */
static bool is_name(const mcpa_policy_t *policy, mcpa_str_t method, mcpa_str_t name)
{
    mcpa_length_t kind = mcpa_str_eqz(method, "resources/read") ? MCPA_LENGTH_URI : MCPA_LENGTH_NAME;

    return name.len > 0 && name.len <= mcpa_lengths_max(&policy->lengths, kind) && mcpa_text_is_printable(name);
}

bool mcpa_may_operate(const mcpa_decision_t *decision, const mcpa_policy_t *policy, mcpa_str_t method, mcpa_str_t name)
{
    const mcpa_scopes_t *granted = &decision->principal.scopes;
    mcpa_ruling_t ruling;

    if (!decision->authenticated || !is_name(policy, method, name)) {
        return false;
    }
    ruling = mcpa_operation_rule(policy->operations, method, name);
    return ruling.effect != MCPA_EFFECT_DENIED && mcpa_scopes_cover_all(granted, policy->scope_model, mcpa_str(policy->scopes)) &&
           mcpa_scopes_cover_all(granted, policy->scope_model, mcpa_str(ruling.scopes));
}
