/* SPDX-License-Identifier: Apache-2.0 */
/* Whose session is whose: attacks 84 (another's session) and 85 (an id chosen by somebody else) on the table, floods of one
 * subject that shall not cost another his session, and many processes and threads, some killed in the middle. */
#include "test_state.h"

#include "state/sessions.h"

#define ENTRIES 1024
#define IDLE    (3600 * SECOND)
#define NOW     (1000 * SECOND)

static const unsigned char secret[16] = "0123456789abcdef";

static mcpa_sessions_t *new_table(size_t entries)
{
    return mcpa_sessions_init(shared_memory(mcpa_sessions_bytes(entries)), entries, secret);
}

static void free_table(mcpa_sessions_t *table, size_t entries)
{
    assert_int_equal(munmap(table, mcpa_sessions_bytes(entries)), 0);
}

static mcpa_session_key_t key_at(const mcpa_sessions_t *table, const char *resource, const char *id, const char *subject,
                                 const char *client)
{
    mcpa_session_owner_t owner = { MCPA_STR("https://as.example.com"), mcpa_str(subject), mcpa_str(client) };
    mcpa_session_key_t key;

    mcpa_sessions_key(&key, table, mcpa_str(resource), mcpa_str(id), &owner);
    return key;
}

static mcpa_session_key_t key_of(const mcpa_sessions_t *table, const char *id, const char *subject, const char *client)
{
    return key_at(table, "https://mcp.example.com/mcp", id, subject, client);
}

static mcpa_session_key_t numbered(const mcpa_sessions_t *table, unsigned number, const char *subject, const char *client)
{
    char id[32];

    snprintf(id, sizeof(id), "s-%u", number);
    return key_of(table, id, subject, client);
}

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
        now += IDLE - 1;
        assert_true(mcpa_sessions_use(table, &mine, now, IDLE));
    }
    mcpa_sessions_stats(table, now + IDLE - 1, IDLE, &live, &capacity);
    assert_int_equal(live, 1);
    assert_true(capacity >= 2 * ENTRIES);
    assert_int_equal(mcpa_sessions_insert(table, &theirs, now + IDLE - 1, IDLE), MCPA_SESSION_FOREIGN);
    assert_false(mcpa_sessions_use(table, &mine, now + IDLE, IDLE));
    mcpa_sessions_stats(table, now + IDLE, IDLE, &live, &capacity);
    assert_int_equal(live, 0);
    assert_int_equal(mcpa_sessions_insert(table, &theirs, now + IDLE, IDLE), MCPA_SESSION_BOUND);
    assert_false(mcpa_sessions_use(table, &mine, now + IDLE, IDLE));
    assert_true(mcpa_sessions_use(table, &theirs, now + IDLE - SECOND, IDLE)); /* a clock that was read a little earlier */
    free_table(table, ENTRIES);
}

static void a_flood_of_one_subject_costs_nobody_else_anything(void **state)
{
    static const char *const clients[] = { "app", "app2", "app3" };
    mcpa_sessions_t *table = new_table(ENTRIES);
    mcpa_session_key_t victim = key_of(table, "victim", "bob", "app"), next;
    unsigned bound = 0;

    (void)state;
    assert_int_equal(mcpa_sessions_insert(table, &victim, NOW, IDLE), MCPA_SESSION_BOUND);
    for (unsigned i = 0; i < 5000; i++) {
        next = numbered(table, i, "mallory", clients[i % 3]); /* a client a session would be a way around a share by clients */
        bound += mcpa_sessions_insert(table, &next, NOW, IDLE) == MCPA_SESSION_BOUND;
    }
    assert_int_equal(bound, MCPA_SESSIONS_OWNED_MAX);
    assert_false(mcpa_sessions_has_room(table, &next, NOW, IDLE));
    assert_true(mcpa_sessions_use(table, &victim, NOW + 1, IDLE));
    next = key_of(table, "second", "bob", "app");
    assert_int_equal(mcpa_sessions_insert(table, &next, NOW, IDLE), MCPA_SESSION_BOUND);
    next = numbered(table, 0, "mallory", "app");
    assert_int_equal(mcpa_sessions_insert(table, &next, NOW, IDLE), MCPA_SESSION_BOUND); /* has it already */
    mcpa_sessions_remove(table, &next);
    next = numbered(table, 9000, "mallory", "app");
    assert_int_equal(mcpa_sessions_insert(table, &next, NOW, IDLE), MCPA_SESSION_BOUND);
    next = numbered(table, 9001, "mallory", "app");
    assert_int_equal(mcpa_sessions_insert(table, &next, NOW, IDLE), MCPA_SESSION_FULL);
    assert_int_equal(mcpa_sessions_insert(table, &next, NOW + 2 * IDLE, IDLE), MCPA_SESSION_BOUND);
    free_table(table, ENTRIES);
}

/* So many subjects that nothing is left: newcomers are refused, and who was there stays. */
static void a_full_table_refuses_newcomers_and_keeps_what_it_has(void **state)
{
    mcpa_sessions_t *table = new_table(1);
    size_t live, capacity;
    unsigned bound = 0;
    mcpa_session_key_t key;
    char subject[32];

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(subject, sizeof(subject), "u-%u", i);
        key = numbered(table, i, subject, "app");
        bound += mcpa_sessions_insert(table, &key, NOW, IDLE) == MCPA_SESSION_BOUND;
    }
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
    while (*word != NOW) {
        word++;
    }
    *word |= UINT64_C(1) << 63;
    assert_false(mcpa_sessions_use(table, &mine, NOW, IDLE));
    assert_int_equal(mcpa_sessions_insert(table, &theirs, NOW + IDLE - 1, IDLE), MCPA_SESSION_FOREIGN);
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

/* ---- many at once */

#define OWNERS 4
#define IDS    8

typedef struct scene {
    mcpa_sessions_t *table;
    unsigned rounds;
    _Atomic int holder[IDS]; /* who was told BOUND and has not given it back; -1: nobody */
    _Atomic unsigned bound, shared, lost;
} scene_t;

static mcpa_session_key_t scene_key(const scene_t *scene, unsigned id, unsigned owner)
{
    static const char *const subjects[OWNERS] = { "alice", "bob", "carol", "dave" };

    return numbered(scene->table, id, subjects[owner], "app");
}

/* Everybody wants the same ids; at no time do two have one. */
static void fight(void *ctx, unsigned number)
{
    scene_t *scene = ctx;
    uint64_t random = number + 1;
    unsigned owner = number % OWNERS;

    for (unsigned i = 0; i < scene->rounds; i++) {
        unsigned id = (unsigned)(next_random(&random) % IDS);
        mcpa_session_key_t key = scene_key(scene, id, owner);
        int nobody = -1;

        if (mcpa_sessions_insert(scene->table, &key, NOW + i, IDLE) != MCPA_SESSION_BOUND) {
            continue;
        }
        (void)atomic_fetch_add(&scene->bound, 1);
        (void)atomic_fetch_add(&scene->shared, atomic_compare_exchange_strong(&scene->holder[id], &nobody, (int)number) ? 0 : 1);
        (void)atomic_fetch_add(&scene->lost, mcpa_sessions_use(scene->table, &key, NOW + i, IDLE) ? 0 : 1);
        atomic_store(&scene->holder[id], -1);
        mcpa_sessions_remove(scene->table, &key);
    }
}

static scene_t *new_scene(void)
{
    scene_t *scene = shared_memory(4096 + mcpa_sessions_bytes(ENTRIES));

    scene->table = mcpa_sessions_init((unsigned char *)scene + 4096, ENTRIES, secret);
    for (unsigned i = 0; i < IDS; i++) {
        atomic_init(&scene->holder[i], -1);
    }
    return scene;
}

static void one_id_never_has_two_owners(void **state)
{
    scene_t *scene = new_scene();

    (void)state;
    scene->rounds = 30000;
    run_crowd(2, 2, fight, scene); /* one member an owner */
    assert_true(atomic_load(&scene->bound) > 100);
    assert_int_equal(atomic_load(&scene->shared), 0);
    assert_int_equal(atomic_load(&scene->lost), 0);
    assert_int_equal(munmap(scene, 4096 + mcpa_sessions_bytes(ENTRIES)), 0);
}

static void a_writer_killed_at_any_instant_leaves_no_session_to_others(void **state)
{
    scene_t *scene = new_scene();
    mcpa_session_key_t key;

    (void)state;
    scene->rounds = 1000;
    kill_repeatedly(15, fight, scene);
    assert_ptr_equal(mcpa_sessions_attach(scene->table, mcpa_sessions_bytes(ENTRIES)), scene->table);
    for (unsigned id = 0; id < IDS; id++) {
        unsigned owners = 0;

        for (unsigned owner = 0; owner < OWNERS; owner++) {
            key = scene_key(scene, id, owner);
            owners += mcpa_sessions_use(scene->table, &key, NOW + 1000, IDLE);
        }
        assert_true(owners <= 1);
        /* What the dead left is over with the idle time. */
        key = scene_key(scene, id, 0);
        assert_int_equal(mcpa_sessions_insert(scene->table, &key, NOW + 1000 + IDLE, IDLE), MCPA_SESSION_BOUND);
    }
    assert_int_equal(munmap(scene, 4096 + mcpa_sessions_bytes(ENTRIES)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_its_owners_alone),
        cmocka_unit_test(a_session_ends_when_it_was_idle_and_not_while_it_is_used),
        cmocka_unit_test(a_flood_of_one_subject_costs_nobody_else_anything),
        cmocka_unit_test(a_full_table_refuses_newcomers_and_keeps_what_it_has),
        cmocka_unit_test(a_table_that_was_promised_for_n_takes_n),
        cmocka_unit_test(an_insert_that_was_not_finished_lets_nobody_in),
        cmocka_unit_test(only_what_was_laid_out_is_attached),
        cmocka_unit_test(one_id_never_has_two_owners),
        cmocka_unit_test(a_writer_killed_at_any_instant_leaves_no_session_to_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
