/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of mcpa_decide: what its stages share, and the stages that have files of their own. A stage returns PASS to go on; anything else is
 * final. Only decision.c calls them, in the order of its table. */
#ifndef MCPA_POLICY_STAGE_H
#define MCPA_POLICY_STAGE_H

#include "policy/decision.h"

/* One request on its way through the stages. */
typedef struct mcpa_work {
    mcpa_decision_t *decision;
    const mcpa_request_t *request;
    const mcpa_policy_t *policy;
    const mcpa_env_t *env;
    int64_t now_s;
    const char *own_audience[2];
    const char *const *audiences;
    mcpa_token_cache_key_t cache_key;
    bool is_known;           /* the token was verified before: the cache has its facts */
    mcpa_jws_t jws;
    mcpa_json_t *unverified; /* owned: the claims, until the signature was found good */
    mcpa_jwks_t *keys;       /* own reference */
    const mcpa_key_t *key;   /* borrows from keys */
    uint64_t verify_start_us;
    mcpa_message_t *message; /* the caller's; NULL until it was read */
} mcpa_work_t;

/* A refusal with a code of the protocol. */
static inline mcpa_reason_t mcpa_work_refuse(mcpa_work_t *w, mcpa_reason_t reason, int rpc_code)
{
    w->decision->rpc_code = rpc_code;
    return reason;
}

/* A refusal of what is longer than the policy takes. */
static inline mcpa_reason_t mcpa_work_refuse_length(mcpa_work_t *w, mcpa_reason_t reason, mcpa_length_t kind, int rpc_code)
{
    w->decision->too_long = kind;
    w->decision->longest = mcpa_lengths_max(&w->policy->lengths, kind);
    return mcpa_work_refuse(w, reason, rpc_code);
}

/* stage_limit.c */
mcpa_reason_t mcpa_stage_charge_address(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_charge_subject(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_charge_client(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_charge_tool(mcpa_work_t *w);
/* stage_cache.c */
mcpa_reason_t mcpa_stage_recall_token(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_remember_token(mcpa_work_t *w);
/* stage_verify.c */
mcpa_reason_t mcpa_stage_split_token(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_find_issuer(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_check_algorithm(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_find_key(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_check_signature(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_check_type(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_check_claims(mcpa_work_t *w);
/* Writes the time since split_token into the decision. */
void mcpa_work_note_verify_time(mcpa_work_t *w);
/* stage_message.c */
mcpa_reason_t mcpa_stage_check_media_type(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_read_body(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_scan_message(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_check_mirrors(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_check_protocol(mcpa_work_t *w);
/* stage_operation.c */
mcpa_reason_t mcpa_stage_rule_operation(mcpa_work_t *w);
mcpa_reason_t mcpa_stage_check_scopes(mcpa_work_t *w);
/* stage_session.c */
mcpa_reason_t mcpa_stage_check_session(mcpa_work_t *w);

#endif
