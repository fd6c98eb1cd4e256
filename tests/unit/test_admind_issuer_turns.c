/* SPDX-License-Identifier: Apache-2.0 */
/* The local issuer's keys take turns: no clock, restart or impatience makes a key sign that others cannot know yet, or takes one away that tokens still
 * need. */
#include "test_admind_issuer.h"

#define HOUR_US INT64_C(3600000000)

static size_t count(const admind_keyring_t *ring, admind_stage_t stage)
{
    size_t n = 0;

    for (size_t i = 0; i < ring->count; i++) {
        n += ring->keys[i].stage == stage;
    }
    return n;
}

static void a_key_signs_for_its_time_and_is_known_before_and_behind_it(void **state)
{
    admind_keyring_t ring;
    char first[64], second[64];
    admind_keytime_t now = at(7 * DAY_US - 1);

    (void)state;
    begin(&ring);
    snprintf(first, sizeof(first), "%s", kid_of(&ring, ADMIND_STAGE_CURRENT));
    snprintf(second, sizeof(second), "%s", kid_of(&ring, ADMIND_STAGE_NEXT));
    assert_false(admind_keyring_turn(&ring, &plan, false, &now));
    now = at(7 * DAY_US);
    assert_true(admind_keyring_turn(&ring, &plan, false, &now));
    assert_string_equal(kid_of(&ring, ADMIND_STAGE_CURRENT), second);
    assert_string_equal(kid_of(&ring, ADMIND_STAGE_OLD), first);
    assert_false(admind_keyring_find(&ring, ADMIND_STAGE_OLD)->key.is_private);
    put_next(&ring, now);
    assert_int_equal(ring.count, 3);
    now = at(8 * DAY_US + 300 * INT64_C(1000000) - 1);
    assert_false(admind_keyring_turn(&ring, &plan, false, &now));
    now = at(8 * DAY_US + 300 * INT64_C(1000000)); /* a token of the last moment is over, even where clocks differ */
    assert_true(admind_keyring_turn(&ring, &plan, false, &now));
    assert_int_equal(count(&ring, ADMIND_STAGE_OLD), 0);
    assert_string_equal(kid_of(&ring, ADMIND_STAGE_CURRENT), second);
    admind_keyring_clear(&ring);
}

static void a_key_that_is_not_known_yet_does_not_sign(void **state)
{
    admind_keyring_t ring;
    admind_keytime_t now = at(1), soon = at(ADMIND_KEYRING_AHEAD_US);

    (void)state;
    assert_true(ADMIND_KEYRING_AHEAD_US > ADMIND_KEYRING_MAX_AGE_S * INT64_C(1000000));
    begin(&ring);
    assert_true(admind_keyring_turn(&ring, &plan, true, &now)); /* the first two came into the world together */
    assert_false(admind_keyring_is_ripe(&ring, &now));
    put_next(&ring, now);
    assert_false(admind_keyring_turn(&ring, &plan, true, &soon));
    soon = at(1 + ADMIND_KEYRING_AHEAD_US);
    assert_true(admind_keyring_turn(&ring, &plan, true, &soon));
    assert_int_equal(count(&ring, ADMIND_STAGE_OLD), 2);
    admind_keyring_clear(&ring);
}

/* Impatience fills the ring; it does not push keys out that tokens need. */
static void there_are_never_too_many_keys_and_none_goes_early(void **state)
{
    admind_keyplan_t long_plan = plan;
    admind_keyring_t ring;
    admind_keytime_t now = at(0);

    (void)state;
    long_plan.overlap_us = 14 * DAY_US;
    begin(&ring);
    for (int i = 0; i < 2 * ADMIND_KEYRING_MAX; i++) {
        bool turned;

        if (admind_keyring_wants_next(&ring, &plan)) {
            put_next(&ring, now);
        }
        now = at((i + 1) * ADMIND_KEYRING_AHEAD_US);
        turned = admind_keyring_turn(&ring, &long_plan, true, &now);
        assert_true(turned == (i < ADMIND_KEYRING_MAX - 1));
    }
    assert_int_equal(ring.count, ADMIND_KEYRING_MAX);
    assert_int_equal(count(&ring, ADMIND_STAGE_OLD), ADMIND_KEYRING_MAX - 1);
    assert_true(admind_keystore_save(&ring, test_dir));
    now = at(30 * DAY_US);
    assert_true(admind_keyring_turn(&ring, &long_plan, false, &now));
    assert_int_equal(ring.count, 1);
    put_next(&ring, now);
    admind_keyring_clear(&ring);
}

static void a_step_of_the_clock_makes_nothing_happen_early(void **state)
{
    admind_keyring_t ring;
    admind_keytime_t now = at(0);
    char kid[64];

    (void)state;
    begin(&ring);
    assert_true(admind_keyring_turn(&ring, &plan, true, &now));
    put_next(&ring, now);
    snprintf(kid, sizeof(kid), "%s", kid_of(&ring, ADMIND_STAGE_CURRENT));
    now = (admind_keytime_t){ NOON_US + 365 * DAY_US, HOUR_US }; /* a year forward, an hour of which has passed */
    assert_true(admind_keyring_turn(&ring, &plan, true, &now)); /* the ages, no key */
    assert_false(admind_keyring_turn(&ring, &plan, true, &now));
    assert_int_equal(ring.count, 3);
    assert_string_equal(kid_of(&ring, ADMIND_STAGE_CURRENT), kid);
    now = (admind_keytime_t){ NOON_US - 365 * DAY_US, 2 * HOUR_US }; /* and back */
    assert_true(admind_keyring_turn(&ring, &plan, false, &now));
    assert_int_equal(ring.count, 3);
    assert_string_equal(kid_of(&ring, ADMIND_STAGE_CURRENT), kid);
    now = (admind_keytime_t){ NOON_US - 358 * DAY_US, 7 * DAY_US + 2 * HOUR_US }; /* it is not kept for a year */
    assert_true(admind_keyring_turn(&ring, &plan, false, &now));
    assert_string_not_equal(kid_of(&ring, ADMIND_STAGE_CURRENT), kid);
    admind_keyring_clear(&ring);
}

/* A machine without a clock of its own begins in 1970. What is written then is set right as soon as the clock is, and the next start believes that. */
static void a_clock_that_was_wrong_for_a_while_ends_nothing_early(void **state)
{
    static const int64_t boot_us = 60 * INT64_C(1000000);
    admind_keyring_t ring, again;
    admind_keytime_t now = at(0);

    (void)state;
    begin(&ring);
    assert_true(admind_keyring_turn(&ring, &plan, true, &now));
    now = (admind_keytime_t){ boot_us, boot_us };
    admind_keyring_adopt(&ring, &now);
    put_next(&ring, now);
    now = (admind_keytime_t){ NOON_US + HOUR_US, 2 * boot_us };
    assert_true(admind_keyring_turn(&ring, &plan, false, &now));
    assert_true(admind_keystore_save(&ring, test_dir));
    assert_int_equal(admind_keystore_load(&again, test_dir), MCPA_OK);
    now = (admind_keytime_t){ NOON_US + HOUR_US + boot_us, 3 * boot_us };
    admind_keyring_adopt(&again, &now);
    assert_false(admind_keyring_turn(&again, &plan, false, &now));
    assert_int_equal(again.count, 3);
    assert_string_equal(kid_of(&again, ADMIND_STAGE_OLD), kid_of(&ring, ADMIND_STAGE_OLD));
    assert_string_equal(kid_of(&again, ADMIND_STAGE_CURRENT), kid_of(&ring, ADMIND_STAGE_CURRENT));
    assert_true(admind_keyring_age_us(admind_keyring_find(&again, ADMIND_STAGE_NEXT), &now) == 2 * boot_us);
    admind_keyring_clear(&again);
    /* set back to where the keys' ages reach behind 1970, they are still written so that they are read again */
    now = (admind_keytime_t){ 5, 3 * DAY_US };
    (void)admind_keyring_turn(&ring, &plan, false, &now);
    assert_true(admind_keystore_save(&ring, test_dir));
    assert_int_equal(admind_keystore_load(&again, test_dir), MCPA_OK);
    admind_keyring_clear(&again);
    admind_keyring_clear(&ring);
}

static void a_restart_counts_on_from_where_it_was(void **state)
{
    admind_keyring_t ring;
    admind_keytime_t now = { NOON_US + 6 * DAY_US, 5 }; /* another boot: the monotonic clock began anew */

    (void)state;
    begin(&ring);
    admind_keyring_adopt(&ring, &now);
    assert_true(admind_keyring_age_us(admind_keyring_find(&ring, ADMIND_STAGE_CURRENT), &now) == 6 * DAY_US);
    assert_false(admind_keyring_turn(&ring, &plan, false, &now));
    now = (admind_keytime_t){ NOON_US + 7 * DAY_US, 5 + DAY_US };
    assert_true(admind_keyring_turn(&ring, &plan, false, &now));
    now = (admind_keytime_t){ NOON_US, 5 };
    admind_keyring_adopt(&ring, &now);
    assert_true(admind_keyring_age_us(admind_keyring_find(&ring, ADMIND_STAGE_CURRENT), &now) == 0);
    admind_keyring_clear(&ring);
}

static void another_algorithm_comes_with_the_next_key(void **state)
{
    admind_keyplan_t other = plan;
    admind_keyring_t ring;
    admind_keytime_t now = at(HOUR_US);
    admind_signkey_t next = make(MCPA_ALG_EDDSA);

    (void)state;
    begin(&ring);
    other.alg = MCPA_ALG_EDDSA;
    assert_true(admind_keyring_wants_next(&ring, &other));
    assert_true(admind_keyring_put_next(&ring, &next, &now));
    assert_true(ring.count == 2 && !admind_keyring_wants_next(&ring, &other));
    assert_false(admind_keyring_is_ripe(&ring, &now));
    assert_true(admind_keyring_find(&ring, ADMIND_STAGE_CURRENT)->key.alg == MCPA_ALG_ES256);
    admind_keyring_clear(&ring);
}

/* Of a full ring, next is to be replaced; it takes its turn before the replacement is there, which has no place then. */
static void a_key_that_comes_too_late_finds_no_room_and_harms_nobody(void **state)
{
    admind_keyplan_t other = plan;
    struct {
        admind_keyring_t ring;
        unsigned char behind[256];
    } held = { .ring.count = 0 };
    static const unsigned char untouched[sizeof(held.behind)];
    admind_keytime_t now = at(0);
    admind_signkey_t late = make(MCPA_ALG_EDDSA);

    (void)state;
    other.alg = MCPA_ALG_EDDSA;
    other.overlap_us = 14 * DAY_US;
    begin(&held.ring);
    for (int i = 1; held.ring.count < ADMIND_KEYRING_MAX; i++) {
        now = at(i * ADMIND_KEYRING_AHEAD_US);
        assert_true(admind_keyring_turn(&held.ring, &other, true, &now));
        put_next(&held.ring, now);
    }
    now = at(ADMIND_KEYRING_MAX * ADMIND_KEYRING_AHEAD_US);
    assert_true(admind_keyring_wants_next(&held.ring, &other));
    assert_true(admind_keyring_turn(&held.ring, &other, true, &now));
    assert_false(admind_keyring_put_next(&held.ring, &late, &now));
    assert_null(late.pkey);
    assert_int_equal(held.ring.count, ADMIND_KEYRING_MAX);
    assert_null(admind_keyring_find(&held.ring, ADMIND_STAGE_NEXT));
    assert_memory_equal(held.behind, untouched, sizeof(untouched));
    admind_keyring_clear(&held.ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_signs_for_its_time_and_is_known_before_and_behind_it),
        TEST(a_key_that_is_not_known_yet_does_not_sign),
        TEST(there_are_never_too_many_keys_and_none_goes_early),
        TEST(a_step_of_the_clock_makes_nothing_happen_early),
        TEST(a_clock_that_was_wrong_for_a_while_ends_nothing_early),
        TEST(a_restart_counts_on_from_where_it_was),
        TEST(another_algorithm_comes_with_the_next_key),
        TEST(a_key_that_comes_too_late_finds_no_room_and_harms_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
