/* SPDX-License-Identifier: Apache-2.0 */
/* Counting who fails. Attack: guessing just below the threshold is allowed, guessing above it must be seen even while a flood of
 * others wants the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "alerts/failures.h"

#define S   INT64_C(1000000)
#define MIN (60 * S)
#define T0  (INT64_C(1763715600) * S)

static const unsigned char key[16] = "0123456789abcdef";

static void exactly_the_threshold_is_quiet_and_one_more_fires(void **state)
{
    admind_failures_t *f = admind_failures_new(10, 5 * MIN, key);
    mcpa_str_t who = MCPA_STR("10.0.0.1 /mcp");

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_false(admind_failures_add(f, who, T0 + i * S));
    }
    assert_int_equal(admind_failures_count(f, who, T0 + 10 * S), 10);
    assert_true(admind_failures_add(f, who, T0 + 10 * S));
    assert_true(admind_failures_add(f, who, T0 + 11 * S));
    assert_int_equal(admind_failures_count(f, who, T0 + 11 * S), 11);
    assert_int_equal(admind_failures_count(f, MCPA_STR("10.0.0.2 /mcp"), T0 + 11 * S), 0);
    admind_failures_free(&f);
}

static void window_has_no_bucket_edges(void **state)
{
    admind_failures_t *f = admind_failures_new(10, 5 * MIN, key);
    mcpa_str_t who = MCPA_STR("a");

    (void)state;
    /* Ten in the last second of one five minutes, then one in the next: eleven in two seconds. */
    for (int i = 0; i < 10; i++) {
        assert_false(admind_failures_add(f, who, T0 + 5 * MIN - S + i * 1000));
    }
    assert_true(admind_failures_add(f, who, T0 + 5 * MIN + S));
    admind_failures_free(&f);
    /* Eleven spread over a microsecond more than five minutes are none too many; over exactly five minutes they are. */
    f = admind_failures_new(10, 5 * MIN, key);
    for (int i = 0; i < 10; i++) {
        assert_false(admind_failures_add(f, who, T0 + i * 30 * S));
    }
    assert_false(admind_failures_add(f, who, T0 + 5 * MIN + 1));
    assert_true(admind_failures_add(f, who, T0 + 5 * MIN + 30 * S));
    admind_failures_free(&f);
}

static void low_since_tells_when_the_window_empties(void **state)
{
    admind_failures_t *f = admind_failures_new(10, 5 * MIN, key);
    mcpa_str_t who = MCPA_STR("a");

    (void)state;
    assert_int_equal(admind_failures_low_since(f, who, 5), INT64_MIN);
    for (int i = 0; i < 11; i++) {
        admind_failures_add(f, who, T0 + i * S);
    }
    /* Failures 0..10; five may stay (6..10), so the window is low once failure 5 has left it. */
    assert_int_equal(admind_failures_low_since(f, who, 5), T0 + 5 * S + 5 * MIN);
    assert_int_equal(admind_failures_count(f, who, T0 + 5 * S + 5 * MIN), 5);
    assert_int_equal(admind_failures_count(f, who, T0 + 5 * S + 5 * MIN - 1), 6);
    assert_int_equal(admind_failures_low_since(f, who, 0), T0 + 10 * S + 5 * MIN);
    admind_failures_free(&f);
}

static void records_out_of_order_count_all_the_same(void **state)
{
    admind_failures_t *f = admind_failures_new(3, 5 * MIN, key);
    mcpa_str_t who = MCPA_STR("a");

    (void)state;
    assert_false(admind_failures_add(f, who, T0 + 3 * S));
    assert_false(admind_failures_add(f, who, T0 + 1 * S));
    assert_false(admind_failures_add(f, who, T0 + 4 * S));
    assert_true(admind_failures_add(f, who, T0 + 2 * S));
    admind_failures_free(&f);
}

static void threshold_zero_fires_at_once_and_large_ones_a_little_late(void **state)
{
    static const int64_t thresholds[] = { 0, 1, 254, 255, 256, 257, 1000, 999999 };

    (void)state;
    for (size_t i = 0; i < sizeof(thresholds) / sizeof(thresholds[0]); i++) {
        admind_failures_t *f = admind_failures_new(thresholds[i], 60 * MIN, key);
        int64_t stride = thresholds[i] / ADMIND_FAILURES_TIMES_MAX + 1, n = 1;

        assert_non_null(f);
        while (!admind_failures_add(f, MCPA_STR("a"), T0 + n)) {
            n++;
        }
        assert_in_range(n, thresholds[i] + 1, thresholds[i] + stride);
        admind_failures_free(&f);
    }
}

static void table_is_bounded_and_keeps_the_busy_ones(void **state)
{
    admind_failures_t *f = admind_failures_new(10, 5 * MIN, key);
    bool fired = false;
    char who[32];
    int n = 0;

    (void)state;
    /* 160 000 addresses fail once each within five minutes; one fails eleven times among them. */
    for (int i = 0; i < 160000; i++) {
        int64_t ts = T0 + i * (5 * MIN / 160000);

        snprintf(who, sizeof(who), "flood-%d", i);
        assert_false(admind_failures_add(f, mcpa_str(who), ts));
        if (i % 1000 == 0 && n < 11) {
            n++;
            fired = admind_failures_add(f, MCPA_STR("guesser"), ts);
        }
    }
    assert_true(fired);
    assert_true(admind_failures_pairs(f) <= ADMIND_FAILURES_PAIRS);
    admind_failures_free(&f);
}

static void pinned_pairs_are_not_evicted(void **state)
{
    admind_failures_t *f = admind_failures_new(10, 5 * MIN, key);
    char who[32];

    (void)state;
    admind_failures_add(f, MCPA_STR("a"), T0);
    admind_failures_pin(f, MCPA_STR("a"), true);
    for (int i = 0; i < 200000; i++) {
        snprintf(who, sizeof(who), "flood-%d", i / 3);
        admind_failures_add(f, mcpa_str(who), T0 + 10 * MIN + i);
    }
    assert_int_equal(admind_failures_count(f, MCPA_STR("a"), T0 + 1), 1);
    admind_failures_pin(f, MCPA_STR("a"), false);
    for (int i = 0; i < 200000; i++) {
        snprintf(who, sizeof(who), "more-%d", i);
        admind_failures_add(f, mcpa_str(who), T0 + 11 * MIN + i);
    }
    assert_int_equal(admind_failures_count(f, MCPA_STR("a"), T0 + 1), 0);
    admind_failures_free(&f);
}

static void what_was_counted_survives_a_restart(void **state)
{
    admind_failures_t *f = admind_failures_new(10, 5 * MIN, key), *g = admind_failures_new(10, 5 * MIN, key);
    static char memory[1 << 20];
    mcpa_json_t *json = NULL;
    mcpa_jsonw_t w;
    mcpa_out_t out;

    (void)state;
    for (int i = 0; i < 8; i++) {
        admind_failures_add(f, MCPA_STR("a"), T0 + i * S);
        admind_failures_add(f, MCPA_STR("old"), T0 - 10 * MIN + i * S);
    }
    admind_failures_add(f, MCPA_STR("once"), T0);
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    admind_failures_save(f, &w, "failures", T0 + 8 * S);
    mcpa_jsonw_close_object(&w);
    assert_int_equal(mcpa_json_parse(&json, mcpa_out_get(&out), 4, 100), MCPA_OK);
    assert_int_equal(mcpa_json_size(mcpa_json_member(json, "failures")), 1);
    admind_failures_load(g, mcpa_json_member(json, "failures"));
    assert_int_equal(admind_failures_count(g, MCPA_STR("a"), T0 + 8 * S), 8);
    assert_false(admind_failures_add(g, MCPA_STR("a"), T0 + 8 * S));
    assert_false(admind_failures_add(g, MCPA_STR("a"), T0 + 9 * S));
    assert_true(admind_failures_add(g, MCPA_STR("a"), T0 + 10 * S));
    mcpa_json_free(&json);
    admind_failures_free(&f);
    admind_failures_free(&g);
}

static void saved_state_that_is_broken_does_no_harm(void **state)
{
    static const char text[] =
        "[\"\",\"x\",\"0\",\" 1\",\"12345678901234567890 1\",\"zz 1\",7,null,{},\"a1\",\"a2 -1\",\"a3 99999999999999999999\","
        "\"a4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\",\"a4 2\"]";
    admind_failures_t *f = admind_failures_new(10, 5 * MIN, key);
    mcpa_json_t *json = NULL;

    (void)state;
    assert_int_equal(mcpa_json_parse(&json, mcpa_str(text), 4, 100), MCPA_OK);
    admind_failures_load(f, json);
    admind_failures_load(f, NULL);
    assert_true(admind_failures_pairs(f) <= 5);
    mcpa_json_free(&json);
    admind_failures_free(&f);
}

static void addresses_are_counted_by_host_or_network(void **state)
{
    static const struct {
        const char *ip, *wanted;
    } rows[] = {
        { "10.0.0.1", "10.0.0.1" },
        { "::ffff:10.0.0.1", "10.0.0.1" },
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
        { "2001:db8:1:2::9", "2001:db8:1:2::/64" },
        { "::1", "::/64" },
        { "unix", "unix" },
        { "", "" },
        { "not:an:address", "not:an:address" },
        { "a-name-that-is-far-too-long-to-be-an-address-of-anything-at-all-really",
          "a-name-that-is-far-too-long-to-be-an-address-of-anything-at-all" },
    };
    char memory[64];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        admind_failures_address(memory, mcpa_str(rows[i].ip));
        assert_string_equal(memory, rows[i].wanted);
    }
    admind_failures_address(memory, MCPA_STR_NONE);
    assert_string_equal(memory, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_the_threshold_is_quiet_and_one_more_fires),
        cmocka_unit_test(window_has_no_bucket_edges),
        cmocka_unit_test(low_since_tells_when_the_window_empties),
        cmocka_unit_test(records_out_of_order_count_all_the_same),
        cmocka_unit_test(threshold_zero_fires_at_once_and_large_ones_a_little_late),
        cmocka_unit_test(table_is_bounded_and_keeps_the_busy_ones),
        cmocka_unit_test(pinned_pairs_are_not_evicted),
        cmocka_unit_test(what_was_counted_survives_a_restart),
        cmocka_unit_test(saved_state_that_is_broken_does_no_harm),
        cmocka_unit_test(addresses_are_counted_by_host_or_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
