/* SPDX-License-Identifier: Apache-2.0 */
/* Telling Alertmanager. Attack: one that is away, refuses, or is told old news; a secret in a metric. */
#include "test_admind_notify.h"

#include <unistd.h>

static void alertmanager_is_told_labels_as_identity_and_times(void **state)
{
    world_t *world = *state;
    admind_fetch_t *fetch;
    mcpa_json_t *json;
    char host[256];

    world_start(world, 2, 0);
    raise(world, "10.0.0.1");
    assert_int_equal(fake_count_waiting(&world->fetcher), 2);
    fake_waiting(&world->fetcher, "http://am.example:9093/prefix/api/v2/alerts");
    fetch = fake_waiting(&world->fetcher, "http://127.0.0.1:9093/api/v2/alerts");
    assert_string_equal(fetch->method, "POST");
    assert_true(fetch->trusted);
    assert_non_null(strstr(fetch->headers, "Content-Type: application/json\n"));
    json = body_of(fetch);
    assert_true(mcpa_json_is(json, MCPA_JSON_ARRAY));
    assert_true(text_is(json, "/0/labels/alertname", "auth_failures"));
    assert_true(text_is(json, "/0/labels/severity", "warning"));
    assert_true(text_is(json, "/0/labels/address", "10.0.0.1"));
    assert_true(text_is(json, "/0/labels/location", "/mcp"));
    assert_int_equal(gethostname(host, sizeof(host)), 0);
    assert_true(text_is(json, "/0/labels/instance", host));
    assert_null(mcpa_json_pointer(json, MCPA_STR("/0/labels/value")));
    assert_true(text_is(json, "/0/annotations/summary", "More than \"10\" from 10.0.0.1"));
    assert_true(text_is(json, "/0/annotations/value", "11"));
    assert_true(text_is(json, "/0/startsAt", "2025-11-21T09:00:00.000Z"));
    assert_true(text_is(json, "/0/endsAt", "2025-11-21T09:04:00.000Z"));
    mcpa_json_free(&json);
}

static void address_that_names_the_path_already_is_taken_as_it_is(void **state)
{
    world_t *world = *state;
    char url[] = "http://127.0.0.1:9093/api/v2/alerts";

    world->config.n_alertmanagers = 1;
    world->config.alertmanagers[0].url = url;
    world->notify = admind_notify_new(&world->loop, &world->config, &world->fetcher, world->metrics, world->alerts);
    assert_non_null(world->notify);
    raise(world, "10.0.0.1");
    assert_string_equal(fake_waiting(&world->fetcher, "9093")->url, url);
}

static void firing_alerts_are_sent_every_minute_and_resolved_ones_for_five_more(void **state)
{
    world_t *world = *state;
    admind_alert_t *alert;
    mcpa_json_t *json;

    world_start(world, 1, 0);
    alert = raise(world, "10.0.0.1");
    fake_answer(&world->fetcher, "9093", 200, "");
    for (int i = 0; i < 3; i++) {
        fake_advance(&world->loop, MIN + S);
        fake_answer(&world->fetcher, "9093", 200, "");
    }
    resolve(world, alert);
    json = body_of(fake_waiting(&world->fetcher, "9093"));
    assert_true(text_is(json, "/0/endsAt", "2025-11-21T09:03:03.000Z"));
    mcpa_json_free(&json);
    fake_answer(&world->fetcher, "9093", 200, "");
    for (int i = 0; i < 4; i++) {
        fake_advance(&world->loop, MIN + S);
        json = body_of(fake_waiting(&world->fetcher, "9093"));
        assert_true(text_is(json, "/0/endsAt", "2025-11-21T09:03:03.000Z"));
        mcpa_json_free(&json);
        fake_answer(&world->fetcher, "9093", 200, "");
    }
    fake_advance(&world->loop, 10 * MIN);
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
    raise(world, "10.0.0.2"); /* and a new one is told at once */
    assert_int_equal(fake_count_waiting(&world->fetcher), 1);
}

static void alertmanager_that_was_away_gets_the_state_of_now(void **state)
{
    world_t *world = *state;
    mcpa_json_t *json;

    world_start(world, 1, 0);
    raise(world, "10.0.0.1");
    fake_answer(&world->fetcher, "9093", 0, "refused");
    raise(world, "10.0.0.2");
    assert_int_equal(fake_count_waiting(&world->fetcher), 0); /* not more often than the back-off says */
    fake_advance(&world->loop, 2 * S);
    json = body_of(fake_waiting(&world->fetcher, "9093"));
    assert_int_equal(mcpa_json_size(json), 2);
    mcpa_json_free(&json);
    assert_int_equal(failures(world, "alertmanager http://127.0.0.1:9093"), 1);
    fake_answer(&world->fetcher, "9093", 503, "");
    fake_advance(&world->loop, 3 * S);
    fake_answer(&world->fetcher, "9093", 200, "");
    raise(world, "10.0.0.3");
    assert_int_equal(fake_count_waiting(&world->fetcher), 1);
}

static void change_during_a_transfer_is_sent_right_after_it(void **state)
{
    world_t *world = *state;
    mcpa_json_t *json;

    world_start(world, 1, 0);
    raise(world, "10.0.0.1");
    raise(world, "10.0.0.2");
    assert_int_equal(fake_count_waiting(&world->fetcher), 1);
    fake_answer(&world->fetcher, "9093", 200, "");
    fake_advance(&world->loop, 1000);
    json = body_of(fake_waiting(&world->fetcher, "9093"));
    assert_int_equal(mcpa_json_size(json), 2);
    mcpa_json_free(&json);
}

static void alertmanager_that_refuses_for_good_is_asked_again_a_minute_later_only(void **state)
{
    world_t *world = *state;

    world_start(world, 1, 0);
    raise(world, "10.0.0.1");
    fake_answer(&world->fetcher, "9093", 400, "bad");
    fake_advance(&world->loop, 59 * S);
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(fake_count_waiting(&world->fetcher), 1);
}

static void secrets_in_urls_stay_out_of_metrics(void **state)
{
    world_t *world = *state;
    size_t len;
    char *text;

    world_start(world, 1, 2);
    text = mcpa_metrics_print(world->metrics, false, &len);
    assert_null(strstr(text, "s3cr3t"));
    assert_non_null(strstr(text, "mcpauth_notification_failures_total{receiver=\"webhook https://hooks.example\"} 0\n"));
    free(text);
}

static void old_news_of_a_replay_is_not_told(void **state)
{
    world_t *world = *state;
    int64_t old_us = FAKE_WALL_START - 120 * MIN;
    admind_alert_id_t id = { .name = "auth_failures", .severity = "warning" };
    admind_alert_t *alert;

    world_start(world, 1, 1);
    alert = admind_alertset_raise(world->alerts, &id, 0, old_us, old_us);
    admind_alertset_lower(world->alerts, alert, old_us + MIN, 0, old_us + 2 * MIN);
    assert_false(alert->firing);
    admind_notify_changes(world->notify);
    fake_advance(&world->loop, 5 * S);
    assert_int_equal(world->fetcher.started, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(alertmanager_is_told_labels_as_identity_and_times),
        T(address_that_names_the_path_already_is_taken_as_it_is),
        T(firing_alerts_are_sent_every_minute_and_resolved_ones_for_five_more),
        T(alertmanager_that_was_away_gets_the_state_of_now),
        T(change_during_a_transfer_is_sent_right_after_it),
        T(alertmanager_that_refuses_for_good_is_asked_again_a_minute_later_only),
        T(secrets_in_urls_stay_out_of_metrics),
        T(old_news_of_a_replay_is_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
