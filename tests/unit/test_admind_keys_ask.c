/* SPDX-License-Identifier: Apache-2.0 */
/* Children ask for key ids they do not know. A rotation without notice must cost one fetch and no noticeable time. Attack: a
 * flood of invented ids that makes us a flood at the provider, or that locks a real rotation out. */
#include "keys/budget.h"
#include "test_admind_keys.h"

static void kid_that_is_there_is_answered_at_once(void **state)
{
    world_t *world = *state;

    world_with_a(world);
    world_ask(world, "a", 1);
    assert_int_equal(world->n_answers, 1);
    assert_true(world->answers[0].found);
    assert_int_equal(world->fetcher.started, 1);
}

static void hard_rotation_costs_exactly_one_fetch(void **state)
{
    world_t *world = *state;

    world_with_a(world);
    fake_advance(&world->loop, 10 * S);
    for (uint64_t i = 0; i < 40; i++) { /* every child asks while the one fetch runs */
        world_ask(world, "b", i);
        fake_advance(&world->loop, 1000);
    }
    assert_int_equal(world->n_answers, 0);
    assert_int_equal(fake_count_waiting(&world->fetcher), 1);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("b")));
    assert_int_equal(world->n_answers, 40);
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(world->answers[i].ticket, i);
        assert_true(world->answers[i].found);
        assert_int_equal(world->answers[i].changed_before, 2); /* the children were told of the new keys first */
    }
    /* Old tokens go on arriving for minutes: their kid is known to be gone. */
    for (int i = 0; i < 200; i++) {
        world_ask(world, "a", 100);
        fake_advance(&world->loop, S);
    }
    assert_int_equal(world->fetcher.started, 2);
    assert_int_equal(world_metric(world, MCPA_METRIC_JWKS_REFRESHES), 2);
}

static void flood_of_invented_kids_costs_one_fetch_in_30_seconds(void **state)
{
    world_t *world = *state;
    char kid[32];

    world_with_a(world);
    fake_advance(&world->loop, 10 * S);
    for (int i = 0; i < 2999; i++) { /* half a minute at 100 a second */
        snprintf(kid, sizeof(kid), "invented-%d", i);
        world_ask(world, kid, (uint64_t)i);
        if (fake_count_waiting(&world->fetcher) > 0) {
            fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("a")));
        }
        fake_advance(&world->loop, 10000);
    }
    assert_int_equal(world->fetcher.started, 2);
    assert_int_equal(world->n_answers, 2999);
    for (size_t i = 0; i < world->n_answers; i++) {
        assert_false(world->answers[i].found);
    }
    assert_int_equal(world_metric(world, MCPA_METRIC_UNKNOWN_KID), 2999);
    assert_true(world_has_kid(world, "a"));
}

static void flood_does_not_lock_a_real_rotation_out_for_more_than_30_seconds(void **state)
{
    world_t *world = *state;

    world_with_a(world);
    fake_advance(&world->loop, 10 * S);
    world_ask(world, "invented", 1);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("a")));
    fake_advance(&world->loop, S);
    world_ask(world, "b", 2); /* the real one, a second too late for the budget */
    assert_int_equal(world->n_answers, 2);
    assert_false(world->answers[1].found);
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
    fake_advance(&world->loop, 29 * S); /* nobody needs to ask again */
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("b")));
    assert_true(world_has_kid(world, "b"));
    assert_int_equal(world->changed, 3);
    world_ask(world, "b", 3);
    assert_true(world->answers[2].found);
}

static void kid_that_a_fetch_did_not_bring_is_remembered_for_five_minutes(void **state)
{
    world_t *world = *state;

    world_with_a(world);
    fake_advance(&world->loop, 10 * S);
    world_ask(world, "x", 1);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("a")));
    fake_advance(&world->loop, 299 * S);
    world_ask(world, "x", 2);
    assert_int_equal(world->n_answers, 2);
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
    fake_advance(&world->loop, 2 * S);
    world_ask(world, "x", 3);
    assert_int_equal(fake_count_waiting(&world->fetcher), 1);
}

static void kid_is_not_remembered_as_absent_by_a_fetch_that_failed(void **state)
{
    world_t *world = *state;

    world_with_a(world);
    fake_advance(&world->loop, 10 * S);
    world_ask(world, "b", 1);
    fake_answer(&world->fetcher, KEYS_URL, 0, "timed out");
    assert_int_equal(world->n_answers, 1);
    assert_false(world->answers[0].found);
    for (int i = 0; i < 40; i++) { /* the retries fail, too */
        fake_advance(&world->loop, S);
        if (fake_count_waiting(&world->fetcher) > 0) {
            fake_answer(&world->fetcher, KEYS_URL, 0, "timed out");
        }
    }
    world_ask(world, "b", 2);
    assert_int_equal(world->n_answers, 1); /* it is worth a fetch again */
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("b")));
    assert_true(world->answers[1].found);
}

static void question_during_a_scheduled_fetch_waits_for_it(void **state)
{
    world_t *world = *state;

    world_with_a(world);
    fake_advance(&world->loop, 600 * S);
    assert_int_equal(fake_count_waiting(&world->fetcher), 1);
    world_ask(world, "b", 1);
    assert_int_equal(world->n_answers, 0);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("b")));
    assert_true(world->answers[0].found);
    assert_int_equal(world->fetcher.started, 2);
}

/* The provider rotated while an older answer was already on its way. */
static void question_that_only_saw_an_older_fetch_gets_its_own(void **state)
{
    world_t *world = *state;

    world_with_a(world);
    fake_advance(&world->loop, 600 * S);
    world_ask(world, "b", 1);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("a")));
    assert_int_equal(world->n_answers, 0);
    fake_advance(&world->loop, 1000);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("b")));
    assert_int_equal(world->n_answers, 1);
    assert_true(world->answers[0].found);
    assert_int_equal(world->fetcher.started, 3);
}

static void forced_fetches_of_all_issuers_are_capped_at_ten_a_minute(void **state)
{
    world_t *world = *state;
    mcpa_issuer_t issuers[20];
    const mcpa_issuer_t *list[21] = { NULL };
    char urls[20][64], places[20][64];

    for (size_t i = 0; i < 20; i++) {
        snprintf(urls[i], sizeof(urls[i]), "https://as%zu.example", i);
        snprintf(places[i], sizeof(places[i]), "https://as%zu.example/keys", i);
        issuers[i] = (mcpa_issuer_t){ .url = urls[i], .key_source = MCPA_KEYS_URL, .jwks = places[i] };
        list[i] = &issuers[i];
    }
    world_policy(world, list);
    for (size_t i = 0; i < 20; i++) {
        fake_answer(&world->fetcher, places[i], 200, SET(KEY("a")));
    }
    assert_int_equal(world->fetcher.started, 20);
    for (size_t i = 0; i < 20; i++) {
        admind_keys_ask(world->keys, mcpa_str(urls[i]), MCPA_STR("x"), i);
    }
    assert_int_equal(world->fetcher.started, 30);
    assert_int_equal(world->n_answers, 10);
    for (size_t i = 0; i < 10; i++) {
        fake_answer(&world->fetcher, places[i], 200, SET(KEY("a")));
    }
    fake_advance(&world->loop, 59 * S);
    assert_int_equal(world->fetcher.started, 30);
    fake_advance(&world->loop, 2 * S); /* those turned away get theirs when the minute is over */
    assert_int_equal(world->fetcher.started, 40);
}

static void questions_beyond_the_room_for_waiters_are_answered_at_once(void **state)
{
    world_t *world = *state;

    world_with_a(world);
    fake_advance(&world->loop, 10 * S);
    for (uint64_t i = 0; i < 1000; i++) {
        world_ask(world, "b", i);
    }
    assert_int_equal(world->n_answers, 1000 - 512);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("b")));
    assert_int_equal(world->n_answers, 1000);
}

static void questions_that_make_no_sense_cost_nothing(void **state)
{
    world_t *world = *state;
    char kid[MCPA_KID_MAX_BYTES + 1];

    world_with_a(world);
    fake_advance(&world->loop, 10 * S);
    memset(kid, 'k', sizeof(kid));
    admind_keys_ask(world->keys, MCPA_STR("https://evil.example"), MCPA_STR("x"), 1);
    admind_keys_ask(world->keys, MCPA_STR(ISSUER), MCPA_STR_NONE, 2);
    admind_keys_ask(world->keys, MCPA_STR(ISSUER), MCPA_STR(""), 3);
    admind_keys_ask(world->keys, MCPA_STR(ISSUER), (mcpa_str_t){ kid, sizeof(kid) }, 4);
    assert_int_equal(world->n_answers, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_false(world->answers[i].found);
    }
    assert_int_equal(world->fetcher.started, 1);
}

static void questions_are_answered_when_their_issuer_leaves(void **state)
{
    world_t *world = *state;
    const mcpa_issuer_t *const none[] = { NULL };

    world_with_a(world);
    fake_advance(&world->loop, 10 * S);
    world_ask(world, "b", 1);
    world_policy(world, none);
    assert_int_equal(world->n_answers, 1);
    assert_false(world->answers[0].found);
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
}

/* ---- the parts */

static void budget_is_stamped_before_the_fetch_and_frees_by_time(void **state)
{
    admind_budget_t budget = { 0 };
    int64_t last[12] = { 0 };

    (void)state;
    assert_int_equal(admind_budget_free_at(&budget, 0), 0);
    admind_budget_take(&budget, &last[0], 100 * S);
    assert_int_equal(admind_budget_free_at(&budget, last[0]), 130 * S);
    assert_int_equal(admind_budget_free_at(&budget, last[1]), 0);
    for (int i = 1; i < 10; i++) {
        admind_budget_take(&budget, &last[i], (100 + i) * S);
    }
    assert_int_equal(admind_budget_free_at(&budget, last[11]), 160 * S);
    assert_int_equal(admind_budget_free_at(&budget, last[9]), 160 * S);
    admind_budget_take(&budget, &last[11], 160 * S);
    assert_int_equal(admind_budget_free_at(&budget, last[10]), 161 * S);
    assert_int_equal(admind_budget_free_at(&budget, last[11]), 190 * S);
}

static void memory_of_absent_kids_is_bounded_and_forgets_the_oldest(void **state)
{
    admind_absent_t *absent = calloc(1, sizeof(*absent));

    (void)state;
    assert_false(admind_absent_has(absent, 0, S));
    for (uint64_t i = 0; i <= ADMIND_ABSENT_MAX; i++) {
        admind_absent_add(absent, i + 1, S);
    }
    assert_false(admind_absent_has(absent, 1, 2 * S));
    assert_true(admind_absent_has(absent, 2, 2 * S));
    assert_true(admind_absent_has(absent, ADMIND_ABSENT_MAX + 1, 300 * S));
    assert_false(admind_absent_has(absent, ADMIND_ABSENT_MAX + 1, 301 * S));
    free(absent);
}

#define T(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(kid_that_is_there_is_answered_at_once),
        T(hard_rotation_costs_exactly_one_fetch),
        T(flood_of_invented_kids_costs_one_fetch_in_30_seconds),
        T(flood_does_not_lock_a_real_rotation_out_for_more_than_30_seconds),
        T(kid_that_a_fetch_did_not_bring_is_remembered_for_five_minutes),
        T(kid_is_not_remembered_as_absent_by_a_fetch_that_failed),
        T(question_during_a_scheduled_fetch_waits_for_it),
        T(question_that_only_saw_an_older_fetch_gets_its_own),
        T(forced_fetches_of_all_issuers_are_capped_at_ten_a_minute),
        T(questions_beyond_the_room_for_waiters_are_answered_at_once),
        T(questions_that_make_no_sense_cost_nothing),
        T(questions_are_answered_when_their_issuer_leaves),
        cmocka_unit_test(budget_is_stamped_before_the_fetch_and_frees_by_time),
        cmocka_unit_test(memory_of_absent_kids_is_bounded_and_forgets_the_oldest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
