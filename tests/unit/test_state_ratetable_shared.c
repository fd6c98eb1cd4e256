/* SPDX-License-Identifier: Apache-2.0 */
/* The table of buckets under many processes and threads, and under kill -9. The clock is a shared counter, so that the expected
 * number is exact and the tests take no longer than their work. */
#include "test_state.h"

#include "state/ratetable.h"

#define PROCESSES 4
#define THREADS   2

static const unsigned char secret[16] = "a table's secret";

typedef struct scene {
    mcpa_ratetable_t *table;
    uint64_t step_ns;  /* how far one request moves the clock */
    unsigned requests; /* of each thread */
    uint64_t interval_ns;
    uint32_t burst;
    unsigned keys;
    _Atomic uint64_t clock_ns;
    _Atomic uint64_t allowed;
} scene_t;

/* The scene itself lies in shared memory, the table behind it. */
static scene_t *new_scene(size_t entries)
{
    scene_t *scene = shared_memory(4096 + mcpa_ratetable_bytes(entries));

    scene->table = mcpa_ratetable_init((unsigned char *)scene + 4096, entries, secret);
    atomic_store(&scene->clock_ns, SECOND);
    return scene;
}

static void free_scene(scene_t *scene, size_t entries)
{
    assert_int_equal(munmap(scene, 4096 + mcpa_ratetable_bytes(entries)), 0);
}

static void hammer(void *ctx, unsigned number)
{
    scene_t *scene = ctx;
    uint64_t random = number + 1;
    uint64_t allowed = 0;

    for (unsigned i = 0; i < scene->requests; i++) {
        uint64_t key = scene->keys > 1 ? next_random(&random) % scene->keys : 0;
        uint64_t now = atomic_fetch_add(&scene->clock_ns, scene->step_ns);
        uint64_t wait;

        allowed += mcpa_ratetable_take(scene->table, 1, (mcpa_str_t){ (char *)&key, sizeof(key) }, now, scene->interval_ns,
                                       scene->burst, &wait);
    }
    (void)atomic_fetch_add(&scene->allowed, allowed);
}

static void one_hot_key_gets_exactly_its_burst_while_time_stands(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        scene_t *scene = new_scene(64);

        scene->requests = 1000;
        scene->interval_ns = SECOND;
        scene->burst = 3000;
        run_crowd(PROCESSES, THREADS, hammer, scene);
        assert_int_equal(atomic_load(&scene->allowed), 3000);
        free_scene(scene, 64);
    }
}

static void one_hot_key_gets_its_rate_within_one_while_time_runs(void **state)
{
    scene_t *scene = new_scene(64);
    uint64_t elapsed;
    int64_t expected;

    (void)state;
    /* 1000 a second, burst 50, asked for 50 times as often. */
    scene->requests = 20000;
    scene->step_ns = 20000;
    scene->interval_ns = MILLISECOND;
    scene->burst = 50;
    run_crowd(PROCESSES, THREADS, hammer, scene);
    elapsed = atomic_load(&scene->clock_ns) - SECOND;
    expected = (int64_t)(50 + elapsed / MILLISECOND);
    assert_in_range(atomic_load(&scene->allowed), expected - 1, expected + 1);
    free_scene(scene, 64);
}

static void many_keys_in_a_full_table_never_get_more_than_all_their_bursts(void **state)
{
    scene_t *scene = new_scene(64);

    (void)state;
    /* 60 keys in 8 sets: some sets overflow, and everybody claims at once. A request lost to a race is one interval, so a few may
     * be. */
    scene->requests = 5000;
    scene->interval_ns = 1000 * SECOND;
    scene->burst = 10;
    scene->keys = 100;
    run_crowd(PROCESSES, THREADS, hammer, scene);
    assert_in_range(atomic_load(&scene->allowed), 900, 100 * 10 + PROCESSES * THREADS);
    free_scene(scene, 64);
}

static void a_process_killed_at_any_instant_leaves_a_valid_table(void **state)
{
    scene_t *scene = new_scene(256);
    size_t live, capacity;
    uint64_t overflow;
    uint64_t now;

    (void)state;
    scene->requests = 1000;
    scene->step_ns = MILLISECOND;
    scene->interval_ns = SECOND;
    scene->burst = 5;
    scene->keys = 2000; /* claims, evictions of the idle and the sketch, all at once */
    kill_repeatedly(20, hammer, scene);
    assert_ptr_equal(mcpa_ratetable_attach(scene->table, mcpa_ratetable_bytes(256)), scene->table);
    now = atomic_load(&scene->clock_ns);
    mcpa_ratetable_stats(scene->table, now, &live, &capacity, &overflow);
    assert_true(live > 0 && live <= capacity && overflow > 0);
    /* No bucket is further ahead than its rule lets it be: all are empty after one burst's time. */
    mcpa_ratetable_stats(scene->table, now + 5 * SECOND, &live, &capacity, &overflow);
    assert_int_equal(live, 0);
    atomic_store(&scene->clock_ns, now + 5 * SECOND);
    atomic_store(&scene->allowed, 0);
    scene->step_ns = 0;
    scene->keys = 1;
    hammer(scene, 0);
    assert_int_equal(atomic_load(&scene->allowed), 5);
    free_scene(scene, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_hot_key_gets_exactly_its_burst_while_time_stands),
        cmocka_unit_test(one_hot_key_gets_its_rate_within_one_while_time_runs),
        cmocka_unit_test(many_keys_in_a_full_table_never_get_more_than_all_their_bursts),
        cmocka_unit_test(a_process_killed_at_any_instant_leaves_a_valid_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
