/* SPDX-License-Identifier: Apache-2.0 */
/* Whose session is whose: attacks 84 (another's session) and 85 (an id chosen by somebody else) on the table, and floods
 * of one subject that shall not cost another his session. */
#include "test_state_sessions.h"

#define SHORT MILLISECOND /* of the idle time, for what is still live: times are held to less */

static void a_session_is_its_owners_alone(void **state)
{
    mcpa_sessions_t *table = new_table(ENTRIES);
    mcpa_session_key_t mine = key_of(table, "a", "alice", "app");
    const mcpa_session_key_t others[] = { key_of(table, "a", "bob", "app"),
                                          key_of(table, "a", "alice", "other"),
                                          key_of(table, "a", "alice", NULL),
                                          key_of(table, "a", NULL, "alice"),
                                          key_of(table, "b", "alice", "app"),
                                          key_of(table, "", "alice", "app"),
                                          key_of(table, "a", "alice", ""),
                                          key_at(table, "https://mcp.example.com/mcp2", "a", "alice", "app"),
                                          key_at(table, "https://mcp.example.com/mcpa", "", "alice", "app") };

    (void)state;
    assert_false(mcpa_sessions_use(table, &mine, NOW, IDLE));
    assert_int_equal(mcpa_sessions_insert(table, &mine, NOW, IDLE), MCPA_SESSION_BOUND);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(mcpa_sessions_use(table, &others[i], NOW, IDLE));
        mcpa_sessions_remove(table, &others[i]);
        assert_int_equal(mcpa_sessions_insert(table, &others[i], NOW, IDLE),
                         others[i].session == mine.session ? MCPA_SESSION_FOREIGN : MCPA_SESSION_BOUND);
    }
    assert_true(mcpa_sessions_use(table, &mine, NOW, IDLE));
    mcpa_sessions_remove(table, &mine);
    assert_false(mcpa_sessions_use(table, &mine, NOW, IDLE));
    assert_int_equal(mcpa_sessions_insert(table, &others[0], NOW, IDLE), MCPA_SESSION_BOUND);
    free_table(table, ENTRIES);
}

static void a_session_ends_when_it_was_idle_and_not_while_it_is_used(void **state)
{
    mcpa_sessions_t *table = new_table(ENTRIES);
    mcpa_session_key_t mine = key_of(table, "a", "alice", "app"), theirs = key_of(table, "a", "bob", "app");
    uint64_t now = NOW;
    size_t live, capacity;

    (void)state;
    assert_int_equal(mcpa_sessions_insert(table, &mine, now, IDLE), MCPA_SESSION_BOUND);
    for (unsigned i = 0; i < 5; i++) {
        now += IDLE - SHORT;
        assert_true(mcpa_sessions_use(table, &mine, now, IDLE));
    }
    mcpa_sessions_stats(table, now + IDLE - SHORT, IDLE, &live, &capacity);
    assert_int_equal(live, 1);
    assert_true(capacity >= 2 * ENTRIES);
    assert_int_equal(mcpa_sessions_insert(table, &theirs, now + IDLE - SHORT, IDLE), MCPA_SESSION_FOREIGN);
    assert_false(mcpa_sessions_use(table, &mine, now + IDLE, IDLE));
    mcpa_sessions_stats(table, now + IDLE, IDLE, &live, &capacity);
    assert_int_equal(live, 0);
    assert_int_equal(mcpa_sessions_insert(table, &theirs, now + IDLE, IDLE), MCPA_SESSION_BOUND);
    assert_false(mcpa_sessions_use(table, &mine, now + IDLE, IDLE));
    assert_true(mcpa_sessions_use(table, &theirs, now + IDLE - SECOND, IDLE)); /* a clock that was read a little earlier */
    free_table(table, ENTRIES);
}

static unsigned live_of(mcpa_sessions_t *table, unsigned from, unsigned to, const char *subject, const char *client, uint64_t now)
{
    unsigned live = 0;

    for (unsigned i = from; i < to; i++) {
        mcpa_session_key_t key = numbered(table, i, subject, client);

        live += mcpa_sessions_use(table, &key, now, IDLE);
    }
    return live;
}

static void a_flood_of_one_subject_costs_nobody_else_anything(void **state)
{
    static const char *const clients[] = { "app", "app2", "app3" };
    mcpa_sessions_t *table = new_table(ENTRIES);
    mcpa_session_key_t victim = key_of(table, "victim", "bob", "app"), next;
    size_t live, capacity;

    (void)state;
    assert_int_equal(mcpa_sessions_insert(table, &victim, NOW, IDLE), MCPA_SESSION_BOUND);
    for (unsigned i = 0; i < 5000; i++) {
        next = numbered(table, i, "mallory", clients[i % 3]); /* a client a session would be a way around a share by clients */
        assert_int_equal(mcpa_sessions_insert(table, &next, NOW, IDLE), MCPA_SESSION_BOUND);
        assert_true(mcpa_sessions_use(table, &next, NOW, IDLE)); /* never the newcomer, though all are of one instant */
    }
    mcpa_sessions_stats(table, NOW, IDLE, &live, &capacity);
    assert_int_equal(live, MCPA_SESSIONS_OWNED_MAX + 1);
    assert_true(mcpa_sessions_use(table, &victim, NOW + SECOND, IDLE));
    next = key_of(table, "second", "bob", "app");
    assert_int_equal(mcpa_sessions_insert(table, &next, NOW, IDLE), MCPA_SESSION_BOUND);
    free_table(table, ENTRIES);
}

static void the_one_not_used_for_longest_gives_way(void **state)
{
    mcpa_sessions_t *table = new_table(ENTRIES);
    mcpa_session_key_t key;
    uint64_t now = NOW;

    (void)state;
    for (unsigned i = 0; i < MCPA_SESSIONS_OWNED_MAX; i++) {
        key = numbered(table, i, "alice", "app");
        assert_int_equal(mcpa_sessions_insert(table, &key, now += SECOND, IDLE), MCPA_SESSION_BOUND);
    }
    key = numbered(table, 0, "alice", "app");
    assert_true(mcpa_sessions_use(table, &key, now += SECOND, IDLE));                   /* so that 1 is the oldest, then 2 */
    assert_int_equal(mcpa_sessions_insert(table, &key, now, IDLE), MCPA_SESSION_BOUND); /* has it already: nothing gives way */
    for (unsigned i = 0; i < 2; i++) {
        key = numbered(table, 100 + i, "alice", "other");
        assert_int_equal(mcpa_sessions_insert(table, &key, now += SECOND, IDLE), MCPA_SESSION_BOUND);
    }
    assert_int_equal(live_of(table, 1, 3, "alice", "app", now), 0);
    assert_int_equal(live_of(table, 0, 1, "alice", "app", now) + live_of(table, 3, 64, "alice", "app", now) +
                         live_of(table, 100, 102, "alice", "other", now),
                     MCPA_SESSIONS_OWNED_MAX);
    key = numbered(table, 3, "alice", "app");
    mcpa_sessions_remove(table, &key);
    key = numbered(table, 102, "alice", "app"); /* into its place: none has to go */
    assert_int_equal(mcpa_sessions_insert(table, &key, now, IDLE), MCPA_SESSION_BOUND);
    assert_int_equal(live_of(table, 4, 64, "alice", "app", now), 60);
    free_table(table, ENTRIES);
}

/* So many subjects that nothing is left: newcomers are refused, and who was there stays. */
static unsigned fill(mcpa_sessions_t *table)
{
    unsigned bound = 0;
    mcpa_session_key_t key;
    char subject[32];

    for (unsigned i = 0; i < 5000; i++) {
        snprintf(subject, sizeof(subject), "u-%u", i);
        key = numbered(table, i, subject, "app");
        bound += mcpa_sessions_insert(table, &key, NOW, IDLE) == MCPA_SESSION_BOUND;
    }
    return bound;
}

static void a_full_table_refuses_newcomers_and_keeps_what_it_has(void **state)
{
    mcpa_sessions_t *table = new_table(1);
    size_t live, capacity;
    unsigned bound = fill(table);
    mcpa_session_key_t key;
    char subject[32];

    (void)state;
    mcpa_sessions_stats(table, NOW, IDLE, &live, &capacity);
    assert_int_equal(bound, capacity);
    assert_int_equal(live, capacity);
    for (unsigned i = 0; i < 100; i++) { /* long before the first refusal */
        snprintf(subject, sizeof(subject), "u-%u", i);
        key = numbered(table, i, subject, "app");
        assert_true(mcpa_sessions_use(table, &key, NOW, IDLE));
    }
    free_table(table, 1);
}

static void a_full_table_says_for_how_long(void **state)
{
    mcpa_sessions_t *table = new_table(1);
    mcpa_session_key_t newcomer = key_of(table, "new", "alice", "app"), there = numbered(table, 0, "u-0", "other");

    (void)state;
    assert_int_equal(mcpa_sessions_full_for_s(table, &newcomer, NOW, IDLE), 0);
    (void)fill(table);
    assert_in_range(mcpa_sessions_full_for_s(table, &newcomer, NOW, IDLE), IDLE / SECOND, IDLE / SECOND + 1);
    assert_in_range(mcpa_sessions_full_for_s(table, &newcomer, NOW + IDLE - 2 * SECOND, IDLE), 2, 3);
    assert_int_equal(mcpa_sessions_full_for_s(table, &newcomer, NOW + IDLE, IDLE), 0);
    assert_int_equal(mcpa_sessions_full_for_s(table, &there, NOW, IDLE), 0); /* has one that would give way */
    there = numbered(table, 0, "u-0", "app");
    mcpa_sessions_remove(table, &there);
    assert_int_equal(mcpa_sessions_full_for_s(table, &newcomer, NOW, IDLE), 0);
    free_table(table, 1);
}

/* Where a set has others' sessions only, one's own elsewhere do not help; where it has one's own, that gives way, and no other's
 * does. */
static void in_a_full_set_ones_own_gives_way(void **state)
{
    mcpa_sessions_t *table = new_table(1);
    mcpa_session_key_t own = numbered(table, 0, "u-0", "app"), key;
    size_t live, capacity;
    unsigned bound = 0, full = 0, others = 0;
    char subject[32];

    (void)state;
    (void)fill(table);
    for (unsigned i = 0; i < 200; i++) {
        mcpa_session_insert_t got;

        key = numbered(table, 10000 + i, "u-0", "app");
        got = mcpa_sessions_insert(table, &key, NOW + (i + 1) * SECOND, IDLE);
        bound += got == MCPA_SESSION_BOUND;
        full += got == MCPA_SESSION_FULL;
    }
    assert_true(bound > 0);
    assert_int_equal(bound + full, 200);
    assert_false(mcpa_sessions_use(table, &own, NOW, IDLE));
    assert_int_equal(live_of(table, 10000, 10200, "u-0", "app", NOW), 1);
    mcpa_sessions_stats(table, NOW, IDLE, &live, &capacity);
    assert_int_equal(live, capacity);
    for (unsigned i = 1; i < 5000; i++) {
        snprintf(subject, sizeof(subject), "u-%u", i);
        key = numbered(table, i, subject, "app");
        others += mcpa_sessions_use(table, &key, NOW, IDLE);
    }
    assert_int_equal(others, capacity - 1);
    free_table(table, 1);
}

static void an_id_of_anothers_costs_none_of_ones_own(void **state)
{
    mcpa_sessions_t *table = new_table(1);
    mcpa_session_key_t key;
    unsigned found = 0;
    size_t live, capacity;

    (void)state;
    (void)fill(table);
    for (unsigned i = 1; i < 100; i++) {
        key = numbered(table, i, "u-0", "app");
        found += mcpa_sessions_insert(table, &key, NOW, IDLE) == MCPA_SESSION_FOREIGN;
    }
    assert_int_equal(found, 99);
    assert_int_equal(live_of(table, 0, 1, "u-0", "app", NOW), 1);
    mcpa_sessions_stats(table, NOW, IDLE, &live, &capacity);
    assert_int_equal(live, capacity);
    free_table(table, 1);
}

/* As its writer has it before the words are written: the words are still those of who had the way before. */
static void a_place_that_is_being_taken_does_not_count_for_who_had_it(void **state)
{
    mcpa_sessions_t *table = new_table(ENTRIES);
    mcpa_session_key_t key;
    uint64_t *words = (uint64_t *)(void *)table;
    size_t n = mcpa_sessions_bytes(ENTRIES) / sizeof(*words);

    (void)state;
    for (unsigned i = 0; i < MCPA_SESSIONS_OWNED_MAX; i++) {
        key = numbered(table, i, "alice", "app");
        assert_int_equal(mcpa_sessions_insert(table, &key, NOW, IDLE), MCPA_SESSION_BOUND);
    }
    for (size_t i = 0, taken = 0; i < n && taken < 8; i++) {
        if (words[i] >> 16 == NOW >> 16) {
            words[i] = (words[i] + 1) | (UINT64_C(1) << 63);
            taken++;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        key = numbered(table, 100 + i, "alice", "app");
        assert_int_equal(mcpa_sessions_insert(table, &key, NOW + SECOND, IDLE), MCPA_SESSION_BOUND);
    }
    assert_int_equal(live_of(table, 0, 64, "alice", "app", NOW), MCPA_SESSIONS_OWNED_MAX - 8);
    free_table(table, ENTRIES);
}

static void a_table_that_was_promised_for_n_takes_n(void **state)
{
    mcpa_sessions_t *table = new_table(ENTRIES);
    mcpa_session_key_t key;
    char subject[32];

    (void)state;
    for (unsigned i = 0; i < ENTRIES; i++) {
        snprintf(subject, sizeof(subject), "u-%u", i);
        key = numbered(table, i, subject, "app");
        assert_int_equal(mcpa_sessions_insert(table, &key, NOW, IDLE), MCPA_SESSION_BOUND);
    }
    free_table(table, ENTRIES);
}

/* As if its writer had been killed, or had not looked for other owners yet. */
static void an_insert_that_was_not_finished_lets_nobody_in(void **state)
{
    mcpa_sessions_t *table = new_table(ENTRIES);
    mcpa_session_key_t mine = key_of(table, "a", "alice", "app"), theirs = key_of(table, "a", "bob", "app");
    uint64_t *word = (uint64_t *)(void *)table;

    (void)state;
    assert_int_equal(mcpa_sessions_insert(table, &mine, NOW, IDLE), MCPA_SESSION_BOUND);
    while (*word >> 16 != NOW >> 16) { /* the rest counts the owners of the way */
        word++;
    }
    *word |= UINT64_C(1) << 63;
    assert_false(mcpa_sessions_use(table, &mine, NOW, IDLE));
    assert_int_equal(mcpa_sessions_insert(table, &theirs, NOW + IDLE - SHORT, IDLE), MCPA_SESSION_FOREIGN);
    assert_int_equal(mcpa_sessions_insert(table, &theirs, NOW + IDLE, IDLE), MCPA_SESSION_BOUND);
    assert_false(mcpa_sessions_use(table, &mine, NOW + IDLE, IDLE));
    free_table(table, ENTRIES);
}

static void only_what_was_laid_out_is_attached(void **state)
{
    size_t bytes = mcpa_sessions_bytes(ENTRIES);
    mcpa_sessions_t *table = new_table(ENTRIES);
    uint64_t *words = (uint64_t *)(void *)table;

    (void)state;
    assert_ptr_equal(mcpa_sessions_attach(table, bytes), table);
    assert_null(mcpa_sessions_attach(table, bytes - 1));
    assert_null(mcpa_sessions_attach(table, 8));
    for (unsigned i = 0; i < 3; i++) {
        words[i]++;
        assert_null(mcpa_sessions_attach(table, bytes));
        words[i]--;
    }
    free_table(table, ENTRIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_its_owners_alone),
        cmocka_unit_test(a_session_ends_when_it_was_idle_and_not_while_it_is_used),
        cmocka_unit_test(a_flood_of_one_subject_costs_nobody_else_anything),
        cmocka_unit_test(the_one_not_used_for_longest_gives_way),
        cmocka_unit_test(a_full_table_refuses_newcomers_and_keeps_what_it_has),
        cmocka_unit_test(a_full_table_says_for_how_long),
        cmocka_unit_test(in_a_full_set_ones_own_gives_way),
        cmocka_unit_test(an_id_of_anothers_costs_none_of_ones_own),
        cmocka_unit_test(a_place_that_is_being_taken_does_not_count_for_who_had_it),
        cmocka_unit_test(a_table_that_was_promised_for_n_takes_n),
        cmocka_unit_test(an_insert_that_was_not_finished_lets_nobody_in),
        cmocka_unit_test(only_what_was_laid_out_is_attached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
