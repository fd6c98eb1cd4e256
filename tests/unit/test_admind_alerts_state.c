/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts over a restart, and about the daemon's own state. Attack: a restart that forgets or repeats; keys and records that are
 * lost quietly. */
#include "test_admind_alerts.h"

/* ---- restarts and replays */

static void restart_neither_forgets_nor_fires_again(void **state)
{
    world_t *world = *state;
    mcpa_json_t *before = NULL, *after = NULL;
    char *a, *b;

    fail_times(world, 11, "10.0.0.1");
    fail_times(world, 10, "10.0.0.2"); /* one short */
    count_alerts(world, "auth_failures", "firing", &before);
    reload(world, world->alerts);
    count_alerts(world, "auth_failures", "firing", &after);
    a = mcpa_json_print(before);
    b = mcpa_json_print(after);
    assert_string_equal(a, b);
    free(a);
    free(b);
    mcpa_json_free(&before);
    mcpa_json_free(&after);
    fail_times(world, 1, "10.0.0.2");
    assert_int_equal(firing(world, "auth_failures"), 2);
    fake_advance(&world->loop, 11 * MIN);
    assert_int_equal(resolved(world, "auth_failures"), 2);
}

/* The same records twice, once as they came and once in one go afterwards. */
static void replay_of_the_same_records_gives_the_same_alerts(void **state)
{
    world_t *world = *state;
    admind_alerts_t *live = world->alerts, *replayed;
    char *a, *b;

    for (int i = 0; i < 2000; i++) {
        char ip[24];

        snprintf(ip, sizeof(ip), "10.0.0.%d", (i * i) % 7);
        fail_once(world, ip, i % 3 == 0 ? "/a" : "/b", i % 5 == 0 ? "expired" : "signature_bad");
        fake_advance(&world->loop, (i % 97 == 0 ? 700 : 3) * S);
    }
    fake_advance(&world->loop, 2 * S);
    a = admind_alerts_print(live);
    /* A loop that stands still: nothing ticks while the journal is read back. */
    world->loop.now_us = 0;
    world_start(world);
    replayed = world->alerts;
    {
        int64_t now_us = 0;

        for (int i = 0; i < 2000; i++) {
            char ip[24];
            mcpa_record_t record;

            snprintf(ip, sizeof(ip), "10.0.0.%d", (i * i) % 7);
            mcpa_record_init(&record);
            record.ts = FAKE_WALL_START + now_us;
            record.ip = mcpa_str(ip);
            record.location = mcpa_str(i % 3 == 0 ? "/a" : "/b");
            record.reason = mcpa_str(i % 5 == 0 ? "expired" : "signature_bad");
            world->loop.now_us = INT64_C(10000000) * S; /* now is much later */
            admind_alerts_record(replayed, &record);
            now_us += (i % 97 == 0 ? 700 : 3) * S;
        }
        world->loop.now_us = now_us;
        fake_advance(&world->loop, 2 * S);
    }
    b = admind_alerts_print(replayed);
    assert_non_null(strstr(a, "\"firing\""));
    assert_string_equal(a, b);
    free(a);
    free(b);
    world->alerts = live;
    admind_alerts_free(&replayed);
}

static void records_that_come_late_are_told_for_the_hold(void **state)
{
    world_t *world = *state;
    mcpa_record_t record;
    mcpa_json_t *alert = NULL;

    fake_advance(&world->loop, 120 * MIN);
    mcpa_record_init(&record);
    record.ip = MCPA_STR("10.0.0.1");
    record.location = MCPA_STR("/mcp");
    record.reason = MCPA_STR("signature_bad");
    for (int i = 0; i < 11; i++) { /* from a spool that was adopted an hour after */
        record.ts = FAKE_WALL_START + 60 * MIN + i * S;
        admind_alerts_record(world->alerts, &record);
    }
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(count_alerts(world, "auth_failures", "firing", &alert), 1);
    assert_true(member_is(alert, "/startsAt", "2025-11-21T10:00:10.000Z"));
    mcpa_json_free(&alert);
    fake_advance(&world->loop, 5 * MIN);
    assert_int_equal(resolved(world, "auth_failures"), 1);
}

static void broken_checkpoint_does_no_harm(void **state)
{
    static const char *const saved[] = {
        "{}", "[]", "{\"alerts\":[{}],\"failures\":7,\"hash_key\":\"x\"}", "{\"hash_key\":\"zz112233445566778899aabbccddeeff\"}",
        "{\"alerts\":[{\"name\":\"a\",\"severity\":\"b\",\"changes\":[1,2,3,4,5,6]},{\"name\":\"a\",\"severity\":\"b\"}]}"
    };
    world_t *world = *state;

    for (size_t i = 0; i < sizeof(saved) / sizeof(saved[0]); i++) {
        mcpa_json_t *json = NULL;

        assert_int_equal(mcpa_json_parse(&json, mcpa_str(saved[i]), 8, 100), MCPA_OK);
        admind_alerts_load(world->alerts, json);
        mcpa_json_free(&json);
    }
    admind_alerts_load(world->alerts, NULL);
    fail_times(world, 11, "10.0.0.1");
    assert_int_equal(firing(world, "auth_failures"), 1);
}

/* ---- the daemon's own state */

static void add_issuer(world_t *world)
{
    static mcpa_jwks_t *const some_set = (mcpa_jwks_t *)(uintptr_t)16; /* only compared with NULL */

    world->keys.count = 1;
    world->keys.views[0] = (admind_issuer_view_t){ .issuer = "https://as.example",
                                                   .source = MCPA_KEYS_DISCOVER,
                                                   .set = some_set,
                                                   .known_since_us = admind_loop_wall_us(&world->loop),
                                                   .fetched_us = admind_loop_wall_us(&world->loop),
                                                   .last_error = "" };
}

static void keys_that_are_not_refreshed_fire_and_near_the_end_become_critical(void **state)
{
    world_t *world = *state;
    mcpa_json_t *alert = NULL;

    add_issuer(world);
    world->keys.views[0].last_error = "timed out";
    fake_advance(&world->loop, 60 * MIN);
    assert_int_equal(firing(world, "keys_stale"), 0);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(count_alerts(world, "keys_stale", "firing", &alert), 1);
    assert_true(member_is(alert, "/labels/issuer", "https://as.example"));
    assert_true(member_is(alert, "/severity", "warning"));
    assert_true(member_is(alert, "/summary", "The keys of https://as.example were not refreshed for more than 1 h (timed out)"));
    fake_advance(&world->loop, 19 * 60 * MIN);
    assert_int_equal(count_alerts(world, "keys_stale", "firing", &alert), 1);
    assert_true(member_is(alert, "/severity", "critical"));
    world->keys.views[0].fetched_us = admind_loop_wall_us(&world->loop);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "keys_stale"), 0);
    mcpa_json_free(&alert);
}

static void stale_keys_stay_told_over_a_restart_until_there_is_something_to_judge_by(void **state)
{
    world_t *world = *state;

    add_issuer(world);
    fake_advance(&world->loop, 61 * MIN);
    assert_int_equal(firing(world, "keys_stale"), 1);
    reload(world, world->alerts);
    world->keys.views[0].known_since_us = admind_loop_wall_us(&world->loop);
    fake_advance(&world->loop, 30 * S);
    assert_int_equal(firing(world, "keys_stale"), 1);
    world->keys.views[0].fetched_us = admind_loop_wall_us(&world->loop);
    fake_advance(&world->loop, 40 * S);
    assert_int_equal(firing(world, "keys_stale"), 0);
}

static void issuer_without_any_keys_is_critical_after_a_minute(void **state)
{
    world_t *world = *state;
    mcpa_json_t *alert = NULL;

    add_issuer(world);
    world->keys.views[0].set = NULL;
    world->keys.views[0].fetched_us = 0;
    fake_advance(&world->loop, MIN);
    assert_int_equal(firing(world, "keys_stale"), 0);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(count_alerts(world, "keys_stale", "firing", &alert), 1);
    assert_true(member_is(alert, "/severity", "critical"));
    mcpa_json_free(&alert);
    world->keys.count = 0; /* it left the policy */
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "keys_stale"), 0);
}

static void httpds_own_keys_are_not_watched(void **state)
{
    world_t *world = *state;

    add_issuer(world);
    world->keys.views[0] = (admind_issuer_view_t){ .issuer = "https://as.example", .source = MCPA_KEYS_FILE, .last_error = "" };
    fake_advance(&world->loop, 48 * 60 * MIN);
    assert_int_equal(firing(world, "keys_stale"), 0);
}

static void lost_records_fire_and_resolve_when_none_were_lost_for_the_window(void **state)
{
    world_t *world = *state;
    mcpa_json_t *alert = NULL;
    int64_t value = 0;

    world->facts.audit_lost = 100; /* lost before our time: known, no news */
    fake_advance(&world->loop, 5 * S);
    assert_int_equal(firing(world, "audit_lost"), 0);
    world->facts.audit_lost = 103;
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(count_alerts(world, "audit_lost", "firing", &alert), 1);
    assert_true(mcpa_json_integer(mcpa_json_member(alert, "value"), &value) && value == 3);
    mcpa_json_free(&alert);
    fake_advance(&world->loop, 9 * MIN);
    assert_int_equal(firing(world, "audit_lost"), 1);
    fake_advance(&world->loop, 2 * MIN);
    assert_int_equal(firing(world, "audit_lost"), 0);
    world->facts.audit_lost = 2; /* counted anew */
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "audit_lost"), 0);
}

static void silent_module_fires_only_where_there_is_a_policy(void **state)
{
    world_t *world = *state;

    world->facts.links = 0;
    world->facts.links_zero_since_us = admind_loop_mono_us(&world->loop);
    fake_advance(&world->loop, 5 * MIN);
    assert_int_equal(firing(world, "module_silent"), 0);
    add_issuer(world);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "module_silent"), 1);
    /* A restart of ours in the silence begins its count anew, but not the alert. */
    reload(world, world->alerts);
    world->facts.links_zero_since_us = admind_loop_mono_us(&world->loop);
    fake_advance(&world->loop, 10 * S);
    assert_int_equal(firing(world, "module_silent"), 1);
    world->facts.links = 3;
    world->facts.links_zero_since_us = 0;
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "module_silent"), 0);
}

static void a_rotation_that_is_due_fires_behind_its_slack(void **state)
{
    world_t *world = *state;
    admind_issuer_state_t *issuer = &world->facts.issuer;

    *issuer = (admind_issuer_state_t){ true, 8 * 1440 * MIN + S, 7 * 1440 * MIN };
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "rotation_due"), 0); /* there is no issuer */
    world->facts.has_issuer = true;
    issuer->age_us = 8 * 1440 * MIN;
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "rotation_due"), 0);
    issuer->age_us += S;
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "rotation_due"), 1);
    *issuer = (admind_issuer_state_t){ false, 60 * S, 7 * 1440 * MIN };
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "rotation_due"), 0);
    issuer->age_us += S;
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "rotation_due"), 1);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(restart_neither_forgets_nor_fires_again),
        T(replay_of_the_same_records_gives_the_same_alerts),
        T(records_that_come_late_are_told_for_the_hold),
        T(broken_checkpoint_does_no_harm),
        T(keys_that_are_not_refreshed_fire_and_near_the_end_become_critical),
        T(stale_keys_stay_told_over_a_restart_until_there_is_something_to_judge_by),
        T(issuer_without_any_keys_is_critical_after_a_minute),
        T(httpds_own_keys_are_not_watched),
        T(lost_records_fire_and_resolve_when_none_were_lost_for_the_window),
        T(silent_module_fires_only_where_there_is_a_policy),
        T(a_rotation_that_is_due_fires_behind_its_slack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
