/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sessions under many processes and threads, some of them killed in the middle. */
#include "test_state_sessions.h"

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

/* One subject opens without end in the first two sets, and another's sessions come and go in the very first, where those that
 * give way are. The clock stands, so that times do not tell them apart. */
#define SETS 32 /* for ENTRIES */
#define USES 16

static mcpa_session_key_t in_first(const scene_t *scene, unsigned sets, unsigned *number, const char *subject)
{
    mcpa_session_key_t key;

    do {
        key = numbered(scene->table, (*number)++, subject, "app");
    } while (key.session % SETS >= sets);
    return key;
}

static void open_without_end(scene_t *scene, unsigned number)
{
    unsigned next = 100000000 * (number + 1);

    for (unsigned i = 0; i < scene->rounds; i++) {
        mcpa_session_key_t key = in_first(scene, 2, &next, "mallory");

        (void)atomic_fetch_add(&scene->bound, mcpa_sessions_insert(scene->table, &key, NOW, IDLE) == MCPA_SESSION_BOUND);
    }
}

static void keep_his_own(scene_t *scene)
{
    for (unsigned i = 0; i < scene->rounds; i++) {
        unsigned next = 0;

        for (unsigned n = 0; n < 4; n++) {
            mcpa_session_key_t key = in_first(scene, 1, &next, "bob");

            (void)atomic_fetch_add(&scene->shared, mcpa_sessions_insert(scene->table, &key, NOW, IDLE) != MCPA_SESSION_BOUND);
            for (unsigned k = 0; k < USES; k++) {
                (void)atomic_fetch_add(&scene->lost, !mcpa_sessions_use(scene->table, &key, NOW, IDLE));
            }
            mcpa_sessions_remove(scene->table, &key);
        }
    }
}

static void flood(void *ctx, unsigned number)
{
    scene_t *scene = ctx;

    if (number % 4 == 3) {
        keep_his_own(scene);
    } else {
        open_without_end(scene, number);
    }
}

static void what_gives_way_is_never_anothers(void **state)
{
    scene_t *scene = new_scene();
    mcpa_session_key_t last = numbered(scene->table, 1, "mallory", "app");
    size_t live, capacity;

    (void)state;
    scene->rounds = 20000;
    run_crowd(2, 2, flood, scene);
    assert_true(atomic_load(&scene->bound) > 2 * scene->rounds); /* all, unless one of the three lost each of its tries */
    assert_int_equal(atomic_load(&scene->shared), 0);
    assert_int_equal(atomic_load(&scene->lost), 0);
    assert_int_equal(mcpa_sessions_insert(scene->table, &last, NOW + SECOND, IDLE), MCPA_SESSION_BOUND);
    mcpa_sessions_stats(scene->table, NOW + SECOND, IDLE, &live, &capacity);
    assert_int_equal(live, MCPA_SESSIONS_OWNED_MAX);
    assert_int_equal(munmap(scene, 4096 + mcpa_sessions_bytes(ENTRIES)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_id_never_has_two_owners),
        cmocka_unit_test(a_writer_killed_at_any_instant_leaves_no_session_to_others),
        cmocka_unit_test(what_gives_way_is_never_anothers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
