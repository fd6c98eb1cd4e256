/* SPDX-License-Identifier: Apache-2.0 */
/* Telling Alertmanager and webhooks. Attack: a receiver that is away, slow, refuses, or asks for the impossible; a secret in a
 * log or a metric. */
#include "test_admind_fakes.h"

#include "alerts/notify.h"
#include "alerts/queue.h"

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

static void world_start(world_t *world, size_t alertmanagers, size_t webhooks)
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

static int setup(void **state)
{
    world_t *world = calloc(1, sizeof(*world));

    world->metrics = mcpa_metrics_new();
    world->alerts = admind_alertset_new();
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_t *world = *state;

    admind_notify_free(&world->notify);
    admind_alertset_free(&world->alerts);
    mcpa_metrics_free(&world->metrics);
    free(world);
    return 0;
}

static admind_alert_t *raise(world_t *world, const char *address)
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

static void resolve(world_t *world, admind_alert_t *alert)
{
    int64_t now_us = admind_loop_wall_us(&world->loop);

    admind_alertset_lower(world->alerts, alert, now_us, 0, now_us);
    assert_false(alert->firing);
    admind_notify_changes(world->notify);
}

static double failures(const world_t *world, const char *receiver)
{
    mcpa_str_t label = mcpa_str(receiver);

    return mcpa_metrics_get(world->metrics, MCPA_METRIC_NOTIFY_FAILURES, &label);
}

static void header_value(const admind_fetch_t *fetch, const char *name, char value[256])
{
    const char *at = strstr(fetch->headers, name);

    assert_non_null(at);
    at += strlen(name);
    snprintf(value, 256, "%.*s", (int)strcspn(at, "\n"), at);
}

static mcpa_json_t *body_of(const admind_fetch_t *fetch)
{
    mcpa_json_t *json = NULL;

    assert_int_equal(mcpa_json_parse(&json, mcpa_str(fetch->body), 8, 10000), MCPA_OK);
    return json;
}

static bool text_is(const mcpa_json_t *json, const char *pointer, const char *value)
{
    return mcpa_str_eqz(mcpa_json_string(mcpa_json_pointer(json, mcpa_str(pointer))), value);
}

/* ---- Alertmanager */

static void alertmanager_is_told_labels_as_identity_and_times(void **state)
{
    world_t *world = *state;
    admind_fetch_t *fetch;
    mcpa_json_t *json;

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
    assert_null(mcpa_json_pointer(json, MCPA_STR("/0/labels/value")));
    assert_true(text_is(json, "/0/annotations/summary", "More than \"10\" from 10.0.0.1"));
    assert_true(text_is(json, "/0/annotations/value", "11"));
    assert_true(text_is(json, "/0/startsAt", "2025-11-21T09:00:00.000Z"));
    assert_true(text_is(json, "/0/endsAt", "2025-11-21T09:04:00.000Z"));
    mcpa_json_free(&json);
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

/* ---- webhooks */

static void signature_is_the_one_of_standard_webhooks(void **state)
{
    char signature[96];

    (void)state;
    assert_true(admind_notify_sign(signature, sizeof(signature), MCPA_STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                                   "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, MCPA_STR("{\"test\": 2432232314}")));
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_false(admind_notify_sign(signature, 32, MCPA_STR("x"), "id", 1, MCPA_STR("")));
    assert_false(admind_notify_sign(signature, sizeof(signature), MCPA_STR(""), "id", 1, MCPA_STR("")));
    /* A secret that only looks like the encoded kind is taken as it is. */
    assert_true(admind_notify_sign(signature, sizeof(signature), MCPA_STR("whsec_!!"), "id", 1, MCPA_STR("")));
}

static void webhook_gets_a_signed_message_per_change(void **state)
{
    world_t *world = *state;
    char id[256], stamp[256], signature[256], wanted[96];
    admind_alert_t *alert;
    admind_fetch_t *fetch;
    mcpa_json_t *json;

    world_start(world, 0, 2);
    alert = raise(world, "10.0.0.1");
    assert_int_equal(fake_count_waiting(&world->fetcher), 2);
    fetch = fake_waiting(&world->fetcher, HOOK);
    header_value(fetch, "webhook-id: ", id);
    header_value(fetch, "webhook-timestamp: ", stamp);
    header_value(fetch, "webhook-signature: ", signature);
    assert_int_equal(strlen(id), 36);
    assert_string_equal(stamp, "1763715600");
    assert_true(admind_notify_sign(wanted, sizeof(wanted), MCPA_STR(SECRET), id, 1763715600, mcpa_str(fetch->body)));
    assert_string_equal(signature, wanted);
    json = body_of(fetch);
    assert_true(text_is(json, "/alerts/0/name", "auth_failures"));
    assert_true(text_is(json, "/alerts/0/state", "firing"));
    assert_true(text_is(json, "/alerts/0/labels/address", "10.0.0.1"));
    mcpa_json_free(&json);
    fake_answer(&world->fetcher, HOOK, 204, "");
    fake_answer(&world->fetcher, "second", 200, "");
    resolve(world, alert);
    json = body_of(fake_waiting(&world->fetcher, HOOK));
    assert_true(text_is(json, "/alerts/0/state", "resolved"));
    assert_int_equal(mcpa_json_size(mcpa_json_member(json, "alerts")), 1);
    mcpa_json_free(&json);
    fake_answer(&world->fetcher, HOOK, 200, "");
    assert_int_equal(failures(world, "webhook https://hooks.example"), 0);
}

static void message_is_tried_again_under_its_id_and_in_order(void **state)
{
    static const long again[] = { 0, 500, 503, 429, 408 };
    world_t *world = *state;
    char first[256], id[256], stamp[256];

    world_start(world, 0, 1);
    raise(world, "10.0.0.1");
    raise(world, "10.0.0.2");
    header_value(fake_waiting(&world->fetcher, HOOK), "webhook-id: ", first);
    for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++) {
        fake_answer(&world->fetcher, HOOK, again[i], "refused");
        assert_int_equal(fake_count_waiting(&world->fetcher), 0);
        fake_advance(&world->loop, 20 * S);
        header_value(fake_waiting(&world->fetcher, HOOK), "webhook-id: ", id);
        assert_string_equal(id, first);
    }
    header_value(fake_waiting(&world->fetcher, HOOK), "webhook-timestamp: ", stamp);
    assert_in_range(strtoll(stamp, NULL, 10), 1763715680, 1763715700); /* of this try: receivers refuse old ones */
    fake_answer(&world->fetcher, HOOK, 200, "");
    header_value(fake_waiting(&world->fetcher, HOOK), "webhook-id: ", id);
    assert_string_not_equal(id, first);
    fake_answer(&world->fetcher, HOOK, 200, "");
    assert_int_equal(admind_notify_waiting(world->notify), 0);
    assert_int_equal(failures(world, "webhook https://hooks.example"), 0);
}

static void refusal_for_good_gives_the_message_up(void **state)
{
    static const long never[] = { 400, 401, 403, 404, 410, 301, 302 };
    world_t *world = *state;

    world_start(world, 0, 1);
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        char ip[16];

        snprintf(ip, sizeof(ip), "10.0.0.%zu", i);
        raise(world, ip);
        fake_answer(&world->fetcher, HOOK, never[i], "");
        assert_int_equal(admind_notify_waiting(world->notify), 0);
    }
    assert_int_equal(failures(world, "webhook https://hooks.example"), sizeof(never) / sizeof(never[0]));
}

static void receiver_that_asks_for_a_pause_gets_it(void **state)
{
    world_t *world = *state;
    const admind_fetch_result_t busy = { .status = 429, .body = MCPA_STR(""), .retry_after = MCPA_STR("90") };

    world_start(world, 0, 1);
    raise(world, "10.0.0.1");
    fake_finish(fake_waiting(&world->fetcher, HOOK), &busy);
    fake_advance(&world->loop, 89 * S);
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(fake_count_waiting(&world->fetcher), 1);
}

static void message_is_given_up_after_a_day(void **state)
{
    world_t *world = *state;
    int tries = 0;

    world_start(world, 0, 1);
    raise(world, "10.0.0.1");
    while (admind_notify_waiting(world->notify) > 0 && tries < 10000) {
        tries++;
        fake_answer(&world->fetcher, HOOK, 0, "timed out");
        fake_advance(&world->loop, 5 * MIN + S);
    }
    assert_in_range(tries, 24 * 12 - 3, 24 * 12 + 3);
    assert_int_equal(failures(world, "webhook https://hooks.example"), 1);
}

static void queue_is_bounded_and_the_oldest_make_room(void **state)
{
    world_t *world = *state;
    admind_alert_t *alert;
    char id[256], first[256];

    world_start(world, 0, 1);
    alert = raise(world, "10.0.0.1");
    header_value(fake_waiting(&world->fetcher, HOOK), "webhook-id: ", first);
    for (int i = 0; i < 600; i++) {
        resolve(world, alert);
        fake_advance(&world->loop, S);
        alert = raise(world, "10.0.0.1");
    }
    assert_int_equal(admind_notify_waiting(world->notify), ADMIND_QUEUE_MAX);
    assert_int_equal(failures(world, "webhook https://hooks.example"), 1201 - ADMIND_QUEUE_MAX);
    /* The one on its way was not taken away under the transfer. */
    header_value(fake_waiting(&world->fetcher, HOOK), "webhook-id: ", id);
    assert_string_equal(id, first);
    for (size_t i = 0; i < ADMIND_QUEUE_MAX; i++) {
        fake_answer(&world->fetcher, HOOK, 200, "");
    }
    assert_int_equal(admind_notify_waiting(world->notify), 0);
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
}

static void queue_is_bounded_in_bytes_too(void **state)
{
    const size_t big = 3 * 1024 * 1024;
    char *body = calloc(1, big);
    admind_queue_t queue;
    size_t dropped;

    (void)state;
    admind_queue_init(&queue);
    assert_true(admind_queue_add(&queue, (mcpa_str_t){ body, big }, 0, false, &dropped) && dropped == 0);
    assert_true(admind_queue_add(&queue, (mcpa_str_t){ body, big }, 0, false, &dropped) && dropped == 0);
    assert_true(admind_queue_add(&queue, (mcpa_str_t){ body, big }, 0, false, &dropped) && dropped == 1);
    assert_true(admind_queue_add(&queue, (mcpa_str_t){ body, big }, 0, true, &dropped) && dropped == 1);
    assert_int_equal(queue.count, 2);
    assert_int_equal(queue.bytes, 2 * big);
    admind_queue_clear(&queue);
    assert_int_equal(queue.count, 0);
    assert_int_equal(queue.bytes, 0);
    assert_true(admind_queue_add(&queue, MCPA_STR(""), 0, true, &dropped) && dropped == 0);
    admind_queue_clear(&queue);
    free(body);
}

static void url_that_cannot_be_fetched_gives_up_and_goes_on(void **state)
{
    world_t *world = *state;

    world_start(world, 1, 1);
    world->fetcher.refuse = true;
    raise(world, "10.0.0.1");
    assert_int_equal(admind_notify_waiting(world->notify), 0);
    assert_int_equal(failures(world, "webhook https://hooks.example"), 1);
    world->fetcher.refuse = false;
    raise(world, "10.0.0.2");
    assert_int_equal(fake_count_waiting(&world->fetcher), 2);
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
        T(firing_alerts_are_sent_every_minute_and_resolved_ones_for_five_more),
        T(alertmanager_that_was_away_gets_the_state_of_now),
        T(change_during_a_transfer_is_sent_right_after_it),
        T(alertmanager_that_refuses_for_good_is_asked_again_a_minute_later_only),
        T(signature_is_the_one_of_standard_webhooks),
        T(webhook_gets_a_signed_message_per_change),
        T(message_is_tried_again_under_its_id_and_in_order),
        T(refusal_for_good_gives_the_message_up),
        T(receiver_that_asks_for_a_pause_gets_it),
        T(message_is_given_up_after_a_day),
        T(queue_is_bounded_and_the_oldest_make_room),
        T(queue_is_bounded_in_bytes_too),
        T(url_that_cannot_be_fetched_gives_up_and_goes_on),
        T(secrets_in_urls_stay_out_of_metrics),
        T(old_news_of_a_replay_is_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
