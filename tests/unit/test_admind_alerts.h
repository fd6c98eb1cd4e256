/* SPDX-License-Identifier: Apache-2.0 */
/* The world of the tests of alerts/: rules with their defaults, keys as the rules see them, and a clock. */
#ifndef TEST_ADMIND_ALERTS_H
#define TEST_ADMIND_ALERTS_H

#include "test_admind_fakes.h"

#include "alerts/alerts.h"
#include "policy/reason.h"

#define MIN (60 * S)

/* ---- keys, as the rules see them */

struct admind_keys {
    admind_issuer_view_t views[4];
    size_t count;
};

bool admind_keys_view(const admind_keys_t *keys, size_t index, admind_issuer_view_t *view)
{
    if (index >= keys->count) {
        return false;
    }
    *view = keys->views[index];
    return true;
}

size_t admind_keys_count(const admind_keys_t *keys)
{
    return keys->count;
}

typedef struct world {
    admind_loop_t loop;
    admind_fetcher_t fetcher;
    mcpa_metrics_t *metrics;
    admind_config_t config;
    admind_keys_t keys;
    admind_alerts_t *alerts;
    admind_alert_facts_t facts;
} world_t;

static inline void tell_facts(void *ctx, admind_alert_facts_t *facts)
{
    *facts = ((world_t *)ctx)->facts;
}

static inline void world_start(world_t *world)
{
    world->alerts =
        admind_alerts_new(&world->loop, &world->config, &world->fetcher, &world->keys, world->metrics, tell_facts, world);
    assert_non_null(world->alerts);
}

static inline int setup(void **state)
{
    static char warning[] = "warning", critical[] = "critical";
    world_t *world = calloc(1, sizeof(*world));

    world->metrics = mcpa_metrics_new();
    world->facts.links = 1;
    world->config.key_max_stale_us = 24 * 60 * MIN;
    world->config.rules[ADMIND_RULE_AUTH_FAILURES] = (admind_rule_t){ "auth_failures", true, 10, 5 * MIN, true, true, warning };
    world->config.rules[ADMIND_RULE_KEYS_STALE] = (admind_rule_t){ "keys_stale", true, 0, 60 * MIN, false, false, warning };
    world->config.rules[ADMIND_RULE_AUDIT_LOST] = (admind_rule_t){ "audit_lost", true, 0, 10 * MIN, false, false, critical };
    world->config.rules[ADMIND_RULE_MODULE_SILENT] = (admind_rule_t){ "module_silent", true, 0, 2 * MIN, false, false, critical };
    world->config.rules[ADMIND_RULE_ROTATION_DUE] = (admind_rule_t){ "rotation_due", true, 0, 1440 * MIN, false, false, warning };
    world_start(world);
    *state = world;
    return 0;
}

static inline int teardown(void **state)
{
    world_t *world = *state;

    admind_alerts_free(&world->alerts);
    mcpa_metrics_free(&world->metrics);
    free(world);
    return 0;
}

static inline void fail_once(world_t *world, const char *ip, const char *location, const char *reason)
{
    mcpa_record_t record;

    mcpa_record_init(&record);
    record.ts = admind_loop_wall_us(&world->loop);
    record.ip = mcpa_str(ip);
    record.location = mcpa_str(location);
    record.reason = mcpa_str(reason);
    record.decision = MCPA_STR("deny");
    admind_alerts_record(world->alerts, &record);
}

static inline void fail_times(world_t *world, int n, const char *ip)
{
    for (int i = 0; i < n; i++) {
        fail_once(world, ip, "/mcp", "signature_bad");
        fake_advance(&world->loop, S);
    }
}

/* How many alerts of this name are in that state; the last one's members into the caller's JSON copy when wanted. */
static inline size_t count_alerts(const world_t *world, const char *name, const char *wanted_state, mcpa_json_t **found)
{
    char *text = admind_alerts_print(world->alerts);
    mcpa_json_t *json = NULL;
    const mcpa_json_t *list;
    size_t n = 0;

    assert_non_null(text);
    assert_int_equal(mcpa_json_parse(&json, mcpa_str(text), 8, 100000), MCPA_OK);
    list = mcpa_json_member(json, "alerts");
    for (size_t i = 0; i < mcpa_json_size(list); i++) {
        const mcpa_json_t *alert = mcpa_json_at(list, i);

        if (mcpa_str_eqz(mcpa_json_string(mcpa_json_member(alert, "name")), name) &&
            mcpa_str_eqz(mcpa_json_string(mcpa_json_member(alert, "state")), wanted_state)) {
            n++;
            if (found != NULL) {
                char *one = mcpa_json_print(alert);

                mcpa_json_free(found);
                assert_int_equal(mcpa_json_parse(found, mcpa_str(one), 8, 100), MCPA_OK);
                free(one);
            }
        }
    }
    mcpa_json_free(&json);
    free(text);
    return n;
}

#define firing(world, name)   count_alerts(world, name, "firing", NULL)
#define resolved(world, name) count_alerts(world, name, "resolved", NULL)

static inline bool member_is(const mcpa_json_t *json, const char *pointer, const char *value)
{
    return mcpa_str_eqz(mcpa_json_string(mcpa_json_pointer(json, mcpa_str(pointer))), value);
}

/* As if the daemon had been stopped and started again with its checkpoint. */
static inline void reload(world_t *world, admind_alerts_t *from)
{
    char *saved = admind_alerts_save(from);
    mcpa_json_t *json = NULL;

    assert_non_null(saved);
    assert_int_equal(mcpa_json_parse(&json, mcpa_str(saved), 16, 100000), MCPA_OK);
    admind_alerts_free(&world->alerts);
    memset(&world->fetcher, 0, sizeof(world->fetcher));
    world_start(world);
    admind_alerts_load(world->alerts, json);
    mcpa_json_free(&json);
    free(saved);
}

#endif
