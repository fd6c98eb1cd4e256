/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

static const char *const names[ADMIND_COMPONENTS] = { "server", "keys", "audit", "link" };

const char *admind_health_name(admind_component_t component)
{
    return names[component];
}

bool admind_health_is_ok(const admind_facts_t *facts, admind_component_t component)
{
    switch (component) {
    case ADMIND_SERVER:
        return !facts->policy_refused;
    case ADMIND_KEYS:
        return facts->keys_ready;
    case ADMIND_AUDIT:
        return !facts->journal_failing && !facts->cursor_missing;
    case ADMIND_LINK:
        return facts->links > 0;
    case ADMIND_COMPONENTS:
        break;
    }
    return false;
}

const char *admind_health_word(const admind_facts_t *facts, admind_component_t component)
{
    static const char *const wrong[ADMIND_COMPONENTS] = { "policy_refused", "missing", "failing", "none" };

    return admind_health_is_ok(facts, component) ? "ok" : wrong[component];
}

bool admind_health_is_ready(const admind_facts_t *facts)
{
    bool ready = true;

    for (admind_component_t component = 0; component < ADMIND_COMPONENTS; component++) {
        ready = ready && admind_health_is_ok(facts, component);
    }
    return ready;
}

void admind_health_count(const admind_facts_t *facts, mcpa_metrics_t *metrics)
{
    for (admind_component_t component = 0; component < ADMIND_COMPONENTS; component++) {
        mcpa_str_t label = mcpa_str(names[component]);

        mcpa_metrics_set(metrics, MCPA_METRIC_HEALTH, &label, admind_health_is_ok(facts, component) ? 1 : 0);
    }
}
