/* SPDX-License-Identifier: Apache-2.0 */
/* The world of the tests of alerts/notify.c: receivers, alerts to tell of, and what was sent. */
#ifndef TEST_ADMIND_NOTIFY_H
#define TEST_ADMIND_NOTIFY_H

#include "test_admind_fakes.h"

#include "alerts/notify.h"

#define MIN    (60 * S)
#define HOOK   "https://hooks.example/in/s3cr3t-path"
#define SECRET "0123456789abcdef0123456789abcdef"

typedef struct world {
    admind_loop_t loop;
    admind_fetcher_t fetcher;
    mcpa_metrics_t *metrics;
    admind_config_t config;
    admind_alertset_t *alerts;
    admind_notify_t *notify;
} world_t;

static inline void world_start(world_t *world, size_t alertmanagers, size_t webhooks)
{
    static char am_urls[2][64] = { "http://127.0.0.1:9093", "http://am.example:9093/prefix/" }, hook[] = HOOK,
                hook2[] = "http://10.0.0.9/second";

    world->config.n_alertmanagers = alertmanagers;
    world->config.n_webhooks = webhooks;
    world->config.alertmanagers[0].url = am_urls[0];
    world->config.alertmanagers[1].url = am_urls[1];
    world->config.webhooks[0] = (admind_receiver_t){ .url = hook, .secret = MCPA_STR(SECRET) };
    world->config.webhooks[1] = (admind_receiver_t){ .url = hook2, .secret = MCPA_STR(SECRET) };
    world->notify = admind_notify_new(&world->loop, &world->config, &world->fetcher, world->metrics, world->alerts);
    assert_non_null(world->notify);
}

static inline int setup(void **state)
{
    world_t *world = calloc(1, sizeof(*world));

    world->metrics = mcpa_metrics_new();
    world->alerts = admind_alertset_new();
    *state = world;
    return 0;
}

static inline int teardown(void **state)
{
    world_t *world = *state;

    admind_notify_free(&world->notify);
    admind_alertset_free(&world->alerts);
    mcpa_metrics_free(&world->metrics);
    free(world);
    return 0;
}

static inline admind_alert_t *raise(world_t *world, const char *address)
{
    int64_t now_us = admind_loop_wall_us(&world->loop);
    admind_alert_id_t id = { .name = "auth_failures", .severity = "warning", .location = "/mcp" };
    admind_alert_t *alert;

    snprintf(id.address, sizeof(id.address), "%s", address);
    alert = admind_alertset_raise(world->alerts, &id, 0, now_us, now_us);
    assert_non_null(alert);
    snprintf(alert->summary, sizeof(alert->summary), "More than \"10\" from %s", address);
    alert->value = 11;
    admind_notify_changes(world->notify);
    return alert;
}

static inline void resolve(world_t *world, admind_alert_t *alert)
{
    int64_t now_us = admind_loop_wall_us(&world->loop);

    admind_alertset_lower(world->alerts, alert, now_us, 0, now_us);
    assert_false(alert->firing);
    admind_notify_changes(world->notify);
}

static inline double failures(const world_t *world, const char *receiver)
{
    mcpa_str_t label = mcpa_str(receiver);

    return mcpa_metrics_get(world->metrics, MCPA_METRIC_NOTIFY_FAILURES, &label);
}

static inline mcpa_json_t *body_of(const admind_fetch_t *fetch)
{
    mcpa_json_t *json = NULL;

    assert_int_equal(mcpa_json_parse(&json, mcpa_str(fetch->body), 8, 10000), MCPA_OK);
    return json;
}

static inline bool text_is(const mcpa_json_t *json, const char *pointer, const char *value)
{
    return mcpa_str_eqz(mcpa_json_string(mcpa_json_pointer(json, mcpa_str(pointer))), value);
}

#endif
