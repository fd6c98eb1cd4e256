/* SPDX-License-Identifier: Apache-2.0 */
/* How many streams one owner has open: never more than are allowed, whoever opens at the same instant, and none for ever, whoever
 * is killed. */
#include "test_state.h"

#include <sched.h>

#include "state/streams.h"

#define ENTRIES 1024
#define SELF    ((uint32_t)getpid())

static const unsigned char secret[16] = "0123456789abcdef";

static mcpa_streams_t *new_table(size_t entries)
{
    return mcpa_streams_init(shared_memory(mcpa_streams_bytes(entries)), entries, secret);
}

static void free_table(mcpa_streams_t *table, size_t entries)
{
    assert_int_equal(munmap(table, mcpa_streams_bytes(entries)), 0);
}

static uint64_t owner_at(const mcpa_streams_t *table, const char *resource, const char *subject, const char *client)
{
    return mcpa_streams_owner(table, mcpa_str(resource), MCPA_STR("https://as.example.com"), mcpa_str(subject), mcpa_str(client));
}

static uint64_t owner_of(const mcpa_streams_t *table, const char *subject)
{
    return owner_at(table, "https://mcp.example.com/mcp", subject, "app");
}

static size_t open_ones(const mcpa_streams_t *table)
{
    size_t open, capacity;

    mcpa_streams_stats(table, &open, &capacity);
    return open;
}

static void an_owner_is_subject_or_else_client_of_an_issuer_at_a_resource(void **state)
{
    mcpa_streams_t *table = new_table(ENTRIES);
    uint64_t alice = owner_of(table, "alice");
    const uint64_t others[] = { owner_of(table, "bob"),
                                owner_of(table, ""),
                                owner_of(table, NULL),
                                owner_at(table, "https://mcp.example.com/mcp", NULL, "alice"),
                                owner_at(table, "https://mcp.example.com/mcpa", "lice", "app"),
                                mcpa_streams_owner(table, MCPA_STR("https://mcp.example.com/mcp"),
                                                   MCPA_STR("https://other.example.com"), MCPA_STR("alice"), MCPA_STR("app")) };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_not_equal(others[i], alice);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(others[i], others[k]);
        }
    }
    assert_int_equal(owner_at(table, "https://mcp.example.com/mcp", "alice", "another app"), alice);
    assert_int_equal(alice >> 42, 0);
    free_table(table, ENTRIES);
}

static void an_owner_has_so_many_and_no_more_and_costs_nobody_else_any(void **state)
{
    mcpa_streams_t *table = new_table(ENTRIES);
    uint64_t alice = owner_of(table, "alice"), bob = owner_of(table, "bob");
    mcpa_stream_t held[5] = { { 0 } }, another = { 0 }, bobs = { 0 };

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_true(mcpa_streams_open(table, &held[i], alice, SELF, 5));
    }
    for (size_t i = 0; i < 3; i++) {
        assert_false(mcpa_streams_open(table, &another, alice, SELF, 5));
        assert_int_equal(another.word, 0);
    }
    assert_false(mcpa_streams_open(table, &another, alice, SELF, 0));
    assert_false(mcpa_streams_open(table, &bobs, bob, SELF, 0));
    assert_true(mcpa_streams_open(table, &bobs, bob, SELF, 1));
    assert_int_equal(open_ones(table), 6);
    mcpa_streams_close(table, &another); /* none: nothing happens */
    assert_int_equal(open_ones(table), 6);
    mcpa_streams_close(table, &held[2]);
    mcpa_streams_close(table, &held[2]);
    assert_true(mcpa_streams_open(table, &another, alice, SELF, 5));
    assert_false(mcpa_streams_open(table, &held[2], alice, SELF, 5));
    assert_true(mcpa_streams_open(table, &held[2], alice, SELF, 6)); /* another place where more are allowed */
    free_table(table, ENTRIES);
}

static void a_full_table_refuses_and_keeps_what_it_has(void **state)
{
    mcpa_streams_t *table = new_table(1);
    mcpa_stream_t held[65] = { { 0 } };
    char subject[32];
    size_t open, capacity;

    (void)state;
    mcpa_streams_stats(table, &open, &capacity);
    assert_int_equal(capacity, 64);
    for (size_t i = 0; i < 65; i++) {
        snprintf(subject, sizeof(subject), "u-%zu", i);
        assert_int_equal(mcpa_streams_open(table, &held[i], owner_of(table, subject), SELF, 1000), i < 64);
    }
    assert_int_equal(open_ones(table), 64);
    mcpa_streams_close(table, &held[17]);
    assert_true(mcpa_streams_open(table, &held[64], owner_of(table, "u-64"), SELF, 1000));
    free_table(table, 1);
}

static void a_process_with_an_impossible_number_opens_nothing(void **state)
{
    mcpa_streams_t *table = new_table(ENTRIES);
    mcpa_stream_t stream = { 0 };

    (void)state;
    assert_false(mcpa_streams_open(table, &stream, owner_of(table, "alice"), 0, 5));
    assert_false(mcpa_streams_open(table, &stream, owner_of(table, "alice"), 1u << 22, 5));
    assert_true(mcpa_streams_open(table, &stream, owner_of(table, "alice"), (1u << 22) - 1, 5));
    free_table(table, ENTRIES);
}

static unsigned asked_for;

static bool is_odd(uint32_t process)
{
    asked_for++;
    return process % 2 == 1;
}

static void what_the_gone_held_is_taken_back_and_nothing_else(void **state)
{
    mcpa_streams_t *table = new_table(ENTRIES);
    uint64_t alice = owner_of(table, "alice");
    mcpa_stream_t held[90] = { { 0 } }, late = { 0 };

    (void)state;
    for (uint32_t i = 0; i < 90; i++) {
        assert_true(mcpa_streams_open(table, &held[i], alice, 100 + i % 3, 90)); /* 100, 101 and 102 */
    }
    asked_for = 0;
    assert_int_equal(mcpa_streams_reclaim(table, is_odd), 30);
    assert_int_equal(asked_for, 3);
    assert_int_equal(open_ones(table), 60);
    assert_int_equal(mcpa_streams_reclaim(table, is_odd), 0);
    /* One who was taken for gone and is not: his place is another's now, and stays it. */
    assert_true(mcpa_streams_open(table, &late, owner_of(table, "bob"), 104, 1));
    assert_int_equal(late.place, held[1].place);
    mcpa_streams_close(table, &held[1]);
    assert_int_equal(open_ones(table), 61);
    free_table(table, ENTRIES);
}

static void only_what_was_laid_out_is_attached(void **state)
{
    size_t bytes = mcpa_streams_bytes(ENTRIES);
    mcpa_streams_t *table = new_table(ENTRIES);
    uint64_t *words = (uint64_t *)(void *)table;

    (void)state;
    assert_ptr_equal(mcpa_streams_attach(table, bytes), table);
    assert_null(mcpa_streams_attach(table, bytes - 1));
    assert_null(mcpa_streams_attach(table, 8));
    for (unsigned i = 0; i < 3; i++) {
        words[i]++;
        assert_null(mcpa_streams_attach(table, bytes));
        words[i]--;
    }
    free_table(table, ENTRIES);
}

/* ---- many at once */

#define OWNERS 3
#define MOST   2 /* of each; all members want one of the same three */

typedef struct scene {
    mcpa_streams_t *table;
    unsigned rounds;
    _Atomic unsigned open[OWNERS]; /* that members were let in with and have not ended */
    _Atomic unsigned opened, refused, exceeded;
} scene_t;

static void fight(void *ctx, unsigned number)
{
    static const char *const subjects[OWNERS] = { "alice", "bob", "carol" };
    scene_t *scene = ctx;
    uint64_t random = number + 1;

    for (unsigned i = 0; i < scene->rounds; i++) {
        unsigned owner = (unsigned)(next_random(&random) % OWNERS);
        mcpa_stream_t stream = { 0 };

        if (!mcpa_streams_open(scene->table, &stream, owner_of(scene->table, subjects[owner]), SELF, MOST)) {
            (void)atomic_fetch_add(&scene->refused, 1);
            continue;
        }
        (void)atomic_fetch_add(&scene->opened, 1);
        (void)atomic_fetch_add(&scene->exceeded, atomic_fetch_add(&scene->open[owner], 1) >= MOST);
        (void)sched_yield(); /* others are to find it open, on a machine with one processor, too */
        (void)atomic_fetch_sub(&scene->open[owner], 1);
        mcpa_streams_close(scene->table, &stream);
    }
}

static scene_t *new_scene(unsigned rounds)
{
    scene_t *scene = shared_memory(4096 + mcpa_streams_bytes(ENTRIES));

    scene->table = mcpa_streams_init((unsigned char *)scene + 4096, ENTRIES, secret);
    scene->rounds = rounds;
    return scene;
}

static void free_scene(scene_t *scene)
{
    assert_int_equal(munmap(scene, 4096 + mcpa_streams_bytes(ENTRIES)), 0);
}

static void nobody_ever_has_more_than_are_allowed(void **state)
{
    scene_t *scene = new_scene(30000);

    (void)state;
    run_crowd(4, 3, fight, scene);
    assert_true(atomic_load(&scene->opened) > 1000);
    assert_true(atomic_load(&scene->refused) > 0);
    assert_int_equal(atomic_load(&scene->exceeded), 0);
    assert_int_equal(open_ones(scene->table), 0);
    free_scene(scene);
}

/* Members that together have as many as are allowed are all let in, always. */
static void hold_and_let_go(void *ctx, unsigned number)
{
    scene_t *scene = ctx;

    for (unsigned i = 0; i < scene->rounds; i++) {
        mcpa_stream_t stream = { 0 };

        if (!mcpa_streams_open(scene->table, &stream, owner_of(scene->table, "alice"), SELF, 6)) {
            (void)atomic_fetch_add(&scene->refused, 1);
        }
        mcpa_streams_close(scene->table, &stream);
    }
    (void)number;
}

static void nobody_is_refused_for_others_that_only_try(void **state)
{
    scene_t *scene = new_scene(20000);

    (void)state;
    run_crowd(2, 3, hold_and_let_go, scene);
    assert_int_equal(atomic_load(&scene->refused), 0);
    free_scene(scene);
}

static bool is_not_me(uint32_t process)
{
    return process != SELF;
}

/* Opens without ever ending, until it is killed. */
static void hoard(void *ctx, unsigned number)
{
    scene_t *scene = ctx;
    mcpa_stream_t stream = { 0 };

    if (!mcpa_streams_open(scene->table, &stream, owner_of(scene->table, number % 2 ? "alice" : "bob"), SELF, 200)) {
        (void)atomic_fetch_add(&scene->refused, 1);
    }
}

static void a_process_killed_at_any_instant_keeps_nothing(void **state)
{
    scene_t *scene = new_scene(1000);
    mcpa_stream_t mine = { 0 };

    (void)state;
    assert_true(mcpa_streams_open(scene->table, &mine, owner_of(scene->table, "alice"), SELF, 1));
    for (unsigned round = 0; round < 5; round++) {
        kill_repeatedly(4, round % 2 ? hoard : fight, scene);
        assert_ptr_equal(mcpa_streams_attach(scene->table, mcpa_streams_bytes(ENTRIES)), scene->table);
        assert_int_equal(mcpa_streams_reclaim(scene->table, is_not_me) > 0, round % 2 || open_ones(scene->table) > 1);
        assert_int_equal(open_ones(scene->table), 1);
    }
    mcpa_streams_close(scene->table, &mine);
    assert_int_equal(open_ones(scene->table), 0);
    free_scene(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_is_subject_or_else_client_of_an_issuer_at_a_resource),
        cmocka_unit_test(an_owner_has_so_many_and_no_more_and_costs_nobody_else_any),
        cmocka_unit_test(a_full_table_refuses_and_keeps_what_it_has),
        cmocka_unit_test(a_process_with_an_impossible_number_opens_nothing),
        cmocka_unit_test(what_the_gone_held_is_taken_back_and_nothing_else),
        cmocka_unit_test(only_what_was_laid_out_is_attached),
        cmocka_unit_test(nobody_ever_has_more_than_are_allowed),
        cmocka_unit_test(nobody_is_refused_for_others_that_only_try),
        cmocka_unit_test(a_process_killed_at_any_instant_keeps_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
