/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of explain: what was decided and what may be told about it. The token itself is never shown. */
#ifndef CTL_EXPLAIN_H
#define CTL_EXPLAIN_H

#include "ctl/ctl.h"
#include "policy/decision.h"
#include "policy/snapshot.h"

#define CTL_STAGES_MAX 48

typedef struct ctl_explained {
    const ctl_t *ctl;
    const mcpa_policy_t *policy;
    mcpa_snapshot_t *snapshot;
    char *authorization;          /* "Bearer <token>", or NULL */
    int64_t now_us;
    mcpa_request_t request;
    mcpa_str_t body;              /* what --body said, or a ping */
    char *body_file;              /* owned: its memory, when it came from a file */
    mcpa_message_t message;
    mcpa_decision_t decision;
    struct {
        const char *name;
        mcpa_reason_t reason;
    } stages[CTL_STAGES_MAX];
    size_t n_stages;
    mcpa_jwks_t *keys;            /* of the token's issuer, as found; NULL: none */
    char keys_note[256];          /* where they came from, or why there are none */
    /* what the token says of itself, believed or not; NULL when it cannot be read */
    mcpa_jws_t jws;
    bool has_jws;
    mcpa_json_t *claims;
} ctl_explained_t;

/* explain.c: reads policy, keys and token as the command line says and decides; false: it has complained. To be cleared in either case. */
bool ctl_explained_decide(ctl_explained_t *explained);
void ctl_explained_clear(ctl_explained_t *explained);

/* explain_request.c: fills request and body from the command line; false: it has complained. */
bool ctl_explained_request(ctl_explained_t *explained);
void ctl_explained_request_clear(ctl_explained_t *explained);
/* mcpa_env_t's read_message; ctx: ctl_explained_t. */
mcpa_reason_t ctl_explained_message(void *ctx, uint64_t max_body, mcpa_message_t **message);

void ctl_explained_print(const ctl_explained_t *explained);
void ctl_explained_print_json(const ctl_explained_t *explained);
/* What in the token and the policy made the reason, one "name: value" at a time; nothing for PASS. */
void ctl_explained_why(const ctl_explained_t *explained, void (*tell)(void *ctx, const char *name, mcpa_str_t value), void *ctx);
/* explain_operation.c: the same for what the message made; and the operation and its rule, nothing when it did not come to that. */
void ctl_explained_why_message(const ctl_explained_t *explained, void (*tell)(void *ctx, const char *name, mcpa_str_t value), void *ctx);
void ctl_explained_operation(const ctl_explained_t *explained, void (*tell)(void *ctx, const char *name, mcpa_str_t value), void *ctx);

#endif
