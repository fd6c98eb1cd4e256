/* SPDX-License-Identifier: Apache-2.0 */
/* Who guesses raises an alert. Attack: guessing below the threshold, from many addresses, in bursts; a storm that buries what
 * matters. */
#include "test_admind_alerts.h"

#include "alerts/alertset.h"
#include "policy/reason.h"

static void eleven_guesses_in_five_minutes_fire_and_ten_do_not(void **state)
{
    world_t *world = *state;
    mcpa_json_t *alert = NULL;
    mcpa_str_t labels[] = { MCPA_STR("auth_failures"), MCPA_STR("warning") };

    fail_times(world, 10, "10.0.0.1");
    assert_int_equal(firing(world, "auth_failures"), 0);
    assert_int_equal(mcpa_metrics_get(world->metrics, MCPA_METRIC_ALERTS_FIRING, labels), 0);
    fail_times(world, 1, "10.0.0.1");
    assert_int_equal(count_alerts(world, "auth_failures", "firing", &alert), 1);
    assert_int_equal(mcpa_metrics_get(world->metrics, MCPA_METRIC_ALERTS_FIRING, labels), 1);
    assert_true(member_is(alert, "/labels/address", "10.0.0.1"));
    assert_true(member_is(alert, "/labels/location", "/mcp"));
    assert_true(member_is(alert, "/severity", "warning"));
    assert_true(member_is(alert, "/startsAt", "2025-11-21T09:00:10.000Z"));
    assert_true(mcpa_json_is(mcpa_json_member(alert, "endsAt"), MCPA_JSON_NULL));
    assert_true(mcpa_json_is(mcpa_json_member(alert, "value"), MCPA_JSON_INTEGER));
    assert_true(member_is(alert, "/summary", "More than 10 authentication failures in 5 min from 10.0.0.1 on /mcp"));
    mcpa_json_free(&alert);
}

static void missing_and_expired_tokens_are_no_guessing(void **state)
{
    world_t *world = *state;

    for (int reason = 0; reason < MCPA_REASON_COUNT; reason++) {
        const mcpa_reason_row_t *row = mcpa_reason_row((mcpa_reason_t)reason);
        char ip[24];

        snprintf(ip, sizeof(ip), "10.1.0.%d", reason);
        for (int i = 0; i < 11; i++) {
            fail_once(world, ip, "/mcp", row->word);
        }
        assert_int_equal(firing(world, "auth_failures") > 0, row->failure == MCPA_FAILURE_GUESS);
        fake_advance(&world->loop, 11 * MIN);
        assert_int_equal(firing(world, "auth_failures"), 0);
    }
    fail_once(world, "10.0.0.1", "/mcp", "no_such_reason");
}

static void addresses_and_locations_are_counted_apart(void **state)
{
    world_t *world = *state;

    for (int i = 0; i < 10; i++) {
        fail_once(world, "10.0.0.1", "/mcp", "signature_bad");
        fail_once(world, "10.0.0.1", "/other", "signature_bad");
        fail_once(world, "10.0.0.2", "/mcp", "signature_bad");
    }
    assert_int_equal(firing(world, "auth_failures"), 0);
    fail_once(world, "10.0.0.1", "/other", "signature_bad");
    assert_int_equal(firing(world, "auth_failures"), 1);
}

static void neighbours_in_one_ipv6_network_count_together(void **state)
{
    world_t *world = *state;
    mcpa_json_t *alert = NULL;
    char ip[64];

    for (int i = 0; i < 11; i++) {
        snprintf(ip, sizeof(ip), "2001:db8:1:2:%x::%x", i * 37, i);
        fail_once(world, ip, "/mcp", "signature_bad");
    }
    assert_int_equal(count_alerts(world, "auth_failures", "firing", &alert), 1);
    assert_true(member_is(alert, "/labels/address", "2001:db8:1:2::/64"));
    mcpa_json_free(&alert);
}

static void alert_resolves_when_half_is_left_and_stays_left_for_the_hold(void **state)
{
    world_t *world = *state;
    mcpa_json_t *alert = NULL;

    fail_times(world, 11, "10.0.0.1"); /* at 0..10 s; 5 are left when the one at 5 s is five minutes old, at 305 s */
    fake_advance(&world->loop, (305 + 300 - 11 - 1) * S);
    assert_int_equal(firing(world, "auth_failures"), 1);
    fake_advance(&world->loop, 3 * S);
    assert_int_equal(count_alerts(world, "auth_failures", "resolved", &alert), 1);
    assert_true(member_is(alert, "/endsAt", "2025-11-21T09:10:05.000Z")); /* that moment exactly, whenever the tick was */
    mcpa_json_free(&alert);
    /* Shown for the hour that flapping is watched, then forgotten. */
    fake_advance(&world->loop, 61 * MIN);
    assert_int_equal(resolved(world, "auth_failures"), 0);
}

static void failures_during_the_hold_begin_it_anew(void **state)
{
    world_t *world = *state;

    fail_times(world, 11, "10.0.0.1");
    fake_advance(&world->loop, 9 * MIN);
    fail_times(world, 6, "10.0.0.1"); /* over the lower bound again, not over the upper one */
    fake_advance(&world->loop, 8 * MIN);
    assert_int_equal(firing(world, "auth_failures"), 1);
    fake_advance(&world->loop, 3 * MIN);
    assert_int_equal(firing(world, "auth_failures"), 0);
}

static void alert_that_comes_and_goes_stays_firing_and_says_so(void **state)
{
    world_t *world = *state;
    mcpa_json_t *alert = NULL;

    for (int i = 0; i < 3; i++) {
        fail_times(world, 11, "10.0.0.1");
        assert_int_equal(firing(world, "auth_failures"), 1);
        fake_advance(&world->loop, 11 * MIN);
        assert_int_equal(firing(world, "auth_failures"), i < 2 ? 0 : 1);
    }
    count_alerts(world, "auth_failures", "firing", &alert);
    assert_true(mcpa_json_true(mcpa_json_member(alert, "flapping")));
    mcpa_json_free(&alert);
    fake_advance(&world->loop, 60 * MIN);
    assert_int_equal(firing(world, "auth_failures"), 0);
}

static void switched_off_rule_stays_silent(void **state)
{
    world_t *world = *state;

    world->config.rules[ADMIND_RULE_AUTH_FAILURES].enabled = false;
    admind_alerts_free(&world->alerts);
    world_start(world);
    fail_times(world, 50, "10.0.0.1");
    assert_int_equal(firing(world, "auth_failures"), 0);
}

static void five_hundred_alerts_are_the_most_and_one_tells_of_the_rest(void **state)
{
    world_t *world = *state;
    mcpa_json_t *storm = NULL;
    char ip[24];

    for (int i = 0; i < 600; i++) {
        snprintf(ip, sizeof(ip), "10.%d.%d.1", i / 250, i % 250);
        for (int k = 0; k < 11; k++) {
            fail_once(world, ip, "/mcp", "signature_bad");
        }
    }
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "auth_failures"), 500);
    assert_int_equal(count_alerts(world, "alert_storm", "firing", &storm), 1);
    assert_true(member_is(storm, "/severity", "critical"));
    mcpa_json_free(&storm);
    fake_advance(&world->loop, 20 * MIN);
    assert_int_equal(firing(world, "auth_failures"), 0);
    assert_int_equal(firing(world, "alert_storm"), 0);
}

static void thousand_alerts_are_kept_and_the_longest_resolved_makes_room(void **state)
{
    admind_alertset_t *set = admind_alertset_new();
    admind_alert_id_t id = { .name = "auth_failures", .severity = "warning" };

    (void)state;
    for (int i = 0; i < 1500; i++) {
        admind_alert_t *alert;

        snprintf(id.address, sizeof(id.address), "10.0.%d.%d", i / 250, i % 250);
        alert = admind_alertset_raise(set, &id, 60 * MIN, S * (i + 1), S * (i + 1));
        assert_non_null(alert);
        admind_alertset_lower(set, alert, S * (i + 1), 0, S * (i + 1));
        assert_false(alert->firing);
    }
    assert_int_equal(admind_alertset_count(set), 1001);
    assert_non_null(admind_alertset_find(set, &id));
    snprintf(id.address, sizeof(id.address), "10.0.0.0");
    assert_null(admind_alertset_find(set, &id));
    /* Those left are found by their identities, whatever moved. */
    for (size_t i = 0; i < admind_alertset_count(set); i++) {
        assert_ptr_equal(admind_alertset_find(set, &admind_alertset_at(set, i)->id), admind_alertset_at(set, i));
    }
    assert_null(admind_alertset_at(set, 1001));
    admind_alertset_free(&set);
}

static void alert_that_comes_back_after_long_starts_with_a_clean_sheet(void **state)
{
    admind_alertset_t *set = admind_alertset_new();
    admind_alert_id_t id = { .name = "auth_failures", .severity = "warning" },
                      other = { .name = "keys_stale", .severity = "warning" };
    admind_alert_t *alert;
    int64_t now_us = S;

    (void)state;
    admind_alertset_raise(set, &other, 60 * MIN, now_us, now_us);
    for (int i = 0; i < 6; i++) { /* each an hour and more after the last: no flapping, though nobody ticked in between */
        alert = admind_alertset_raise(set, &id, 60 * MIN, now_us, now_us);
        assert_non_null(alert);
        assert_false(alert->flapping);
        admind_alertset_lower(set, alert, now_us, 0, now_us);
        assert_false(alert->firing);
        now_us += 61 * MIN;
    }
    assert_true(admind_alertset_find(set, &other)->firing);
    assert_int_equal(admind_alertset_count(set), 2);
    admind_alertset_free(&set);
}

static void flood_of_others_does_not_end_an_alert_early(void **state)
{
    world_t *world = *state;
    char ip[24];

    fail_times(world, 11, "192.0.2.1");
    for (int i = 0; i < 100000; i++) {
        snprintf(ip, sizeof(ip), "10.%d.%d.%d", i / 30000, i / 3 / 100 % 100, i / 3 % 100);
        fail_once(world, ip, "/mcp", "signature_bad");
    }
    fake_advance(&world->loop, 500 * S);
    assert_int_equal(firing(world, "auth_failures"), 1);
    fake_advance(&world->loop, 100 * S);
    assert_int_equal(firing(world, "auth_failures"), 0);
}

static void records_of_the_future_or_without_a_time_count_as_of_now(void **state)
{
    world_t *world = *state;
    mcpa_record_t record;

    mcpa_record_init(&record);
    record.ip = MCPA_STR("10.0.0.1");
    record.location = MCPA_STR("/mcp");
    record.reason = MCPA_STR("signature_bad");
    for (int i = 0; i < 11; i++) {
        record.ts = i % 2 == 0 ? MCPA_RECORD_ABSENT : admind_loop_wall_us(&world->loop) + 100 * 24 * 60 * MIN;
        admind_alerts_record(world->alerts, &record);
    }
    assert_int_equal(firing(world, "auth_failures"), 1);
    fake_advance(&world->loop, 11 * MIN);
    assert_int_equal(firing(world, "auth_failures"), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(eleven_guesses_in_five_minutes_fire_and_ten_do_not),
        T(missing_and_expired_tokens_are_no_guessing),
        T(addresses_and_locations_are_counted_apart),
        T(neighbours_in_one_ipv6_network_count_together),
        T(alert_resolves_when_half_is_left_and_stays_left_for_the_hold),
        T(failures_during_the_hold_begin_it_anew),
        T(alert_that_comes_and_goes_stays_firing_and_says_so),
        T(switched_off_rule_stays_silent),
        T(five_hundred_alerts_are_the_most_and_one_tells_of_the_rest),
        T(thousand_alerts_are_kept_and_the_longest_resolved_makes_room),
        T(alert_that_comes_back_after_long_starts_with_a_clean_sheet),
        T(flood_of_others_does_not_end_an_alert_early),
        T(records_of_the_future_or_without_a_time_count_as_of_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
