/* SPDX-License-Identifier: Apache-2.0 */
/* Tools by name in metrics: those that a MCPAuthOperation of the policy names without wildcards, and nobody else's names. So what clients send makes
 * no series. */
#ifndef ADMIND_AUDIT_TOOLS_H
#define ADMIND_AUDIT_TOOLS_H

#include "policy/snapshot.h"

#define ADMIND_TOOLS_MAX 1000 /* names; each is a series for every Location and decision */

typedef struct admind_tools admind_tools_t;

/* Empty; NULL: no memory. */
admind_tools_t *admind_tools_new(void);
void admind_tools_free(admind_tools_t **tools);
/* Takes the names of this policy in place of those before; keeps those when there is no memory. */
void admind_tools_take(admind_tools_t *tools, const mcpa_snapshot_t *snapshot);
/* The label's value: "" when the operation calls no tool, the name when it is declared, else "other". Borrowed from the tools or constant. */
mcpa_str_t admind_tools_label(const admind_tools_t *tools, mcpa_str_t operation, mcpa_str_t name);

#endif
