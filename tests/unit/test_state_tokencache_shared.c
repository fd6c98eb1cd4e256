/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of verified tokens under many processes and threads, and with writers killed in the middle: no reader ever sees a
 * mixture. */
#include "test_state_tokencache.h"

#include <errno.h>

typedef struct scene {
    mcpa_tokencache_t *cache;
    unsigned rounds;
    _Atomic uint64_t hits;
    _Atomic uint64_t mixtures;
} scene_t;

#define TOKENS 12 /* in one set of four: everybody evicts everybody */

static bool is_gone(uint32_t process)
{
    return kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

static void put_and_get(void *ctx, unsigned number)
{
    const mcpa_tokencache_writer_t writer = { .process = (uint32_t)getpid(), .is_gone = is_gone };
    scene_t *scene = ctx;
    uint64_t random = number + 1;

    for (unsigned i = 0; i < scene->rounds; i++) {
        uint64_t token = next_random(&random) % TOKENS;
        uint64_t version = next_random(&random) % 1000;
        mcpa_token_cache_key_t key = neighbour(token);
        mcpa_token_facts_t facts;

        if (next_random(&random) % 4 == 0) {
            facts = facts_of(token, version);
            mcpa_tokencache_put(scene->cache, &key, &facts, 0, &writer);
        } else if (mcpa_tokencache_get(scene->cache, &key, &facts)) {
            /* Token and version stand in the facts; everything else must follow from them. */
            mcpa_token_facts_t expected = facts_of(token, (uint64_t)facts.not_before_s);

            (void)atomic_fetch_add(&scene->hits, 1);
            (void)atomic_fetch_add(&scene->mixtures, facts_equal(&facts, &expected) ? 0 : 1);
        }
    }
}

static scene_t *new_scene(void)
{
    scene_t *scene = shared_memory(4096 + mcpa_tokencache_bytes(16));

    scene->cache = mcpa_tokencache_init((unsigned char *)scene + 4096, 16);
    return scene;
}

static void no_reader_ever_sees_a_mixture_of_two_entries(void **state)
{
    scene_t *scene = new_scene();

    (void)state;
    scene->rounds = 40000;
    run_crowd(4, 2, put_and_get, scene);
    assert_true(atomic_load(&scene->hits) > 100);
    assert_int_equal(atomic_load(&scene->mixtures), 0);
    assert_int_equal(munmap(scene, 4096 + mcpa_tokencache_bytes(16)), 0);
}

/* Half written by processes that were killed, as many as the set has ways; the killing alone would seldom hit that instant. */
static void leave_busy(scene_t *scene, pid_t dead)
{
    uint64_t *words = (uint64_t *)(void *)scene->cache;

    for (uint64_t token = 0; token < TOKENS; token++) {
        mcpa_token_cache_key_t key = neighbour(token);

        for (size_t i = 8; i < mcpa_tokencache_bytes(16) / 8; i++) {
            if (memcmp(&words[i], key.token_hash, sizeof(key.token_hash)) == 0) {
                words[i - 1] = (words[i - 1] >> 23 << 23) | (uint64_t)dead << 1 | 1;
            }
        }
    }
}

static void a_writer_killed_at_any_instant_costs_nothing_for_long(void **state)
{
    const mcpa_tokencache_writer_t writer = { .process = (uint32_t)getpid(), .is_gone = is_gone };
    scene_t *scene = new_scene();
    unsigned usable = 0;
    pid_t child;

    (void)state;
    scene->rounds = 1000;
    kill_repeatedly(15, put_and_get, scene);
    put_and_get(scene, 99);
    assert_int_equal(atomic_load(&scene->mixtures), 0);
    assert_ptr_equal(mcpa_tokencache_attach(scene->cache, mcpa_tokencache_bytes(16)), scene->cache);
    child = fork();
    if (child == 0) {
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    leave_busy(scene, child);
    for (uint64_t token = 0; token < 4; token++) {
        mcpa_token_cache_key_t key = neighbour(100 + token);
        mcpa_token_facts_t facts = facts_of(100 + token, 1);

        mcpa_tokencache_put(scene->cache, &key, &facts, 0, &writer);
    }
    for (uint64_t token = 0; token < 4; token++) {
        mcpa_token_cache_key_t key = neighbour(100 + token);
        mcpa_token_facts_t facts, expected = facts_of(100 + token, 1);

        usable += mcpa_tokencache_get(scene->cache, &key, &facts) && facts_equal(&facts, &expected) ? 1 : 0;
    }
    assert_int_equal(usable, 4);
    assert_int_equal(munmap(scene, 4096 + mcpa_tokencache_bytes(16)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_reader_ever_sees_a_mixture_of_two_entries),
        cmocka_unit_test(a_writer_killed_at_any_instant_costs_nothing_for_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
