/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts from records and from the daemon's own state. Attack: a guesser; a restart that forgets or repeats; a storm that buries
 * what matters. */
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

static void tell_facts(void *ctx, admind_alert_facts_t *facts)
{
    *facts = ((world_t *)ctx)->facts;
}

static void world_start(world_t *world)
{
    world->alerts =
        admind_alerts_new(&world->loop, &world->config, &world->fetcher, &world->keys, world->metrics, tell_facts, world);
    assert_non_null(world->alerts);
}

static int setup(void **state)
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
    world_start(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_t *world = *state;

    admind_alerts_free(&world->alerts);
    mcpa_metrics_free(&world->metrics);
    free(world);
    return 0;
}

static void fail_once(world_t *world, const char *ip, const char *location, const char *reason)
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

static void fail_times(world_t *world, int n, const char *ip)
{
    for (int i = 0; i < n; i++) {
        fail_once(world, ip, "/mcp", "signature_bad");
        fake_advance(&world->loop, S);
    }
}

/* How many alerts of this name are in that state; the last one's members into the caller's JSON copy when wanted. */
static size_t count_alerts(const world_t *world, const char *name, const char *wanted_state, mcpa_json_t **found)
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

static bool member_is(const mcpa_json_t *json, const char *pointer, const char *value)
{
    return mcpa_str_eqz(mcpa_json_string(mcpa_json_pointer(json, mcpa_str(pointer))), value);
}

/* ---- auth_failures */

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

/* ---- restarts and replays */

static void reload(world_t *world, admind_alerts_t *from)
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
    assert_non_null(strstr(mcpa_json_string(mcpa_json_member(alert, "summary")).ptr, "timed out"));
    fake_advance(&world->loop, 19 * 60 * MIN);
    assert_int_equal(count_alerts(world, "keys_stale", "firing", &alert), 1);
    assert_true(member_is(alert, "/severity", "critical"));
    world->keys.views[0].fetched_us = admind_loop_wall_us(&world->loop);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(firing(world, "keys_stale"), 0);
    mcpa_json_free(&alert);
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
        T(restart_neither_forgets_nor_fires_again),
        T(replay_of_the_same_records_gives_the_same_alerts),
        T(records_that_come_late_are_told_for_the_hold),
        T(broken_checkpoint_does_no_harm),
        T(keys_that_are_not_refreshed_fire_and_near_the_end_become_critical),
        T(issuer_without_any_keys_is_critical_after_a_minute),
        T(httpds_own_keys_are_not_watched),
        T(lost_records_fire_and_resolve_when_none_were_lost_for_the_window),
        T(silent_module_fires_only_where_there_is_a_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
