/* SPDX-License-Identifier: Apache-2.0 */
/* Whether each part is well, from facts; what /readyz and mcpauth_health_status say. */
#ifndef ADMIND_HEALTH_H
#define ADMIND_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/metric.h"

typedef struct admind_facts {
    bool policy_refused; /* the policy file as it is now cannot be used */
    bool keys_ready;     /* every issuer has usable keys */
    bool journal_failing;
    bool cursor_missing; /* a receiver of the journal has no place on disk yet where it begins */
    size_t links;
} admind_facts_t;

typedef enum admind_component { ADMIND_SERVER, ADMIND_KEYS, ADMIND_AUDIT, ADMIND_LINK, ADMIND_COMPONENTS } admind_component_t;

const char *admind_health_name(admind_component_t component);
/* "ok", or one word that says what is wrong: "policy_refused", "missing", "failing", "none". */
const char *admind_health_word(const admind_facts_t *facts, admind_component_t component);
bool admind_health_is_ok(const admind_facts_t *facts, admind_component_t component);
/* All of them: what readiness is. No child linked is not ready: either httpd is down, or it cannot reach us. */
bool admind_health_is_ready(const admind_facts_t *facts);
void admind_health_count(const admind_facts_t *facts, mcpa_metrics_t *metrics);

#endif
