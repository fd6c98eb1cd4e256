/* SPDX-License-Identifier: Apache-2.0 */
/* Which scopes an operation of MCP needs: MCPAuthOperation METHOD[:NAME] scope...|granted|denied.
 *
 * An operation is a JSON-RPC method and, for some methods, a name: of the tool, the prompt, the resource, the task. Beside the protocol's own methods
 * there are three that come without a method: "GET" and "DELETE", the older era's stream and end of session, and "response", an answer to the
 * server's question.
 *
 * Rules are looked at in order, the first that matches decides. Sections stand inside each other: what an outer one denies stays denied, whatever an
 * inner one says; otherwise the inner one decides, then the outer one, then the table of defaults, which knows the protocol's methods. What
 * nobody knows is denied. */
#ifndef MCPA_POLICY_OPERATION_H
#define MCPA_POLICY_OPERATION_H

#include "base/bytes.h"

typedef enum mcpa_effect {
    MCPA_EFFECT_DENIED = 0,
    MCPA_EFFECT_GRANTED, /* to every valid token */
    MCPA_EFFECT_SCOPES   /* to tokens with all of these */
} mcpa_effect_t;

typedef struct mcpa_operation {
    const char *method; /* glob: '*' and '?' */
    const char *name;   /* glob; NULL: whatever the name, also none */
    mcpa_effect_t effect;
    const char *scopes; /* space-delimited; NULL unless MCPA_EFFECT_SCOPES */
} mcpa_operation_t;

/* The rules of one section. Constant once the server runs. */
typedef struct mcpa_operations {
    const mcpa_operation_t *rules;
    size_t n_rules;
    const struct mcpa_operations *outer; /* NULL: none */
} mcpa_operations_t;

typedef struct mcpa_ruling {
    mcpa_effect_t effect;
    const char *scopes;            /* as in the rule */
    const mcpa_operation_t *rule;  /* NULL: nobody knows this method */
    bool is_default;               /* the rule is one of the table */
} mcpa_ruling_t;

/* name: {NULL, 0} when the operation has none. operations may be NULL: the defaults alone. */
mcpa_ruling_t mcpa_operation_rule(const mcpa_operations_t *operations, mcpa_str_t method, mcpa_str_t name);
/* The table of defaults, for docs and explain; *n rows. */
const mcpa_operation_t *mcpa_operation_defaults(size_t *n);
/* "granted", "denied" or scopes, one at least; the two words stand alone. false for anything else. */
bool mcpa_operation_effect(mcpa_effect_t *effect, mcpa_str_t words);
const char *mcpa_operation_effect_word(mcpa_effect_t effect); /* "granted", "denied", "scopes" */
/* "METHOD[:NAME]" into its two patterns; at the first colon, because names may hold more of them. NULL when fine, else what is wrong with it. */
const char *mcpa_operation_split(mcpa_str_t text, mcpa_str_t *method, mcpa_str_t *name);

#endif
