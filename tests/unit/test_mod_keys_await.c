/* SPDX-License-Identifier: Apache-2.0 */
/* Questions for unknown key ids are few, bounded in time and never hold up more than a few threads, however many random kids
 * arrive. */
#include "test_mod_keys.h"

#include <stdatomic.h>

#include "asks.h"
#include "clock.h"

static mod_mcp_keys_t *shared_keys;

typedef struct waiter {
    pthread_t thread;
    const char *kid;
    apr_int64_t took_us;
    int got;   /* a set came back */
    int knows; /* and it has the kid */
} waiter_t;

static void *wait_for_kid(void *arg)
{
    waiter_t *waiter = arg;
    mcpa_jwks_t *had = mod_mcp_keys_get(shared_keys, &issuer_a);
    apr_int64_t start = mod_mcp_mono_us();
    mcpa_jwks_t *set = mod_mcp_keys_await(shared_keys, &issuer_a, mcpa_str(waiter->kid), had);
    bool known = false;

    waiter->took_us = mod_mcp_mono_us() - start;
    waiter->got = set != NULL;
    if (set != NULL) {
        (void)mcpa_jwks_find(set, MCPA_ALG_ES256, mcpa_str(waiter->kid), &known);
    }
    waiter->knows = known;
    mcpa_jwks_release(&set);
    mcpa_jwks_release(&had);
    return NULL;
}

static void start(waiter_t *waiter, const char *kid)
{
    *waiter = (waiter_t){ .kid = kid };
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_kid, waiter), 0);
}

/* The link's part: waits up to ten seconds for a question. */
static int next_question(apr_uint64_t *ask, const char **url, mcpa_str_t *kid)
{
    for (int i = 0; i < 10000; i++) {
        if (mod_mcp_keys_next_ask(shared_keys, ask, url, kid)) {
            return 1;
        }
        usleep(1000);
    }
    return 0;
}

static int has_question(void)
{
    const char *url;
    mcpa_str_t kid;
    apr_uint64_t ask;

    return mod_mcp_keys_next_ask(shared_keys, &ask, &url, &kid);
}

static void await_is_answered_by_the_new_key_after_a_hard_rotation(void **state)
{
    waiter_t waiter;
    apr_uint64_t ask = 0;
    const char *url;
    mcpa_str_t kid;

    (void)state;
    publish(&issuer_a, SET_OF("old"), 3600);
    shared_keys = make_keys(5000);
    mod_mcp_keys_link_up(shared_keys);
    start(&waiter, "new");
    assert_true(next_question(&ask, &url, &kid));
    assert_string_equal(url, issuer_a.url);
    assert_true(mcpa_str_eqz(kid, "new"));
    assert_false(has_question());
    publish(&issuer_a, SET_OF_TWO, 3600);
    mod_mcp_keys_reload(shared_keys, issuer_a.url); /* KEYS ... */
    mod_mcp_keys_answered(shared_keys, ask, 1);     /* ... then KID_DONE */
    pthread_join(waiter.thread, NULL);
    assert_true(waiter.knows);
    assert_true(waiter.took_us < 4000000);
}

static void await_rings_the_bell_of_the_link(void **state)
{
    waiter_t waiter;
    char byte[8];

    (void)state;
    shared_keys = make_keys(50);
    mod_mcp_keys_link_up(shared_keys);
    assert_int_equal(read(mod_mcp_keys_wake_fd(shared_keys), byte, 8), -1);
    start(&waiter, "new");
    pthread_join(waiter.thread, NULL);
    assert_false(waiter.got);
    assert_true(waiter.took_us >= 50000);
    assert_int_equal(read(mod_mcp_keys_wake_fd(shared_keys), byte, 8), 8);
    assert_true(has_question());
}

static void await_takes_a_set_that_was_swapped_meanwhile_without_asking(void **state)
{
    mcpa_jwks_t *had;
    mcpa_jwks_t *set;

    (void)state;
    publish(&issuer_a, SET_OF("old"), 3600);
    shared_keys = make_keys(5000);
    mod_mcp_keys_link_up(shared_keys);
    had = mod_mcp_keys_get(shared_keys, &issuer_a);
    publish(&issuer_a, SET_OF_TWO, 3600);
    mod_mcp_keys_reload(shared_keys, NULL);
    set = mod_mcp_keys_await(shared_keys, &issuer_a, MCPA_STR("new"), had);
    assert_non_null(set);
    assert_ptr_not_equal(set, had);
    assert_false(has_question());
    mcpa_jwks_release(&set);
    mcpa_jwks_release(&had);
}

static void await_never_waits_without_a_link_or_without_time(void **state)
{
    apr_int64_t before = mod_mcp_mono_us();

    (void)state;
    shared_keys = make_keys(5000);
    assert_null(mod_mcp_keys_await(shared_keys, &issuer_a, MCPA_STR("new"), NULL));
    assert_false(has_question());
    shared_keys = make_keys(0);
    mod_mcp_keys_link_up(shared_keys);
    assert_null(mod_mcp_keys_await(shared_keys, &issuer_a, MCPA_STR("new"), NULL));
    assert_true(has_question()); /* for the next one */
    assert_true(mod_mcp_mono_us() - before < 1000000);
}

static void await_does_not_ask_for_no_kid_a_monstrous_kid_or_a_stranger(void **state)
{
    static const char monster[MCPA_KID_MAX_BYTES + 1] = { 'x' };

    (void)state;
    shared_keys = make_keys(5000);
    mod_mcp_keys_link_up(shared_keys);
    assert_null(mod_mcp_keys_await(shared_keys, &issuer_a, MCPA_STR_NONE, NULL));
    assert_null(mod_mcp_keys_await(shared_keys, &issuer_a, (mcpa_str_t){ monster, sizeof(monster) }, NULL));
    assert_null(mod_mcp_keys_await(shared_keys, &stranger, MCPA_STR("kid"), NULL));
    assert_false(has_question());
}

static void await_lets_all_waiters_go_when_the_link_is_lost(void **state)
{
    waiter_t waiters[3];
    apr_uint64_t ask = 0;
    const char *url;
    mcpa_str_t kid;

    (void)state;
    shared_keys = make_keys(10000);
    mod_mcp_keys_link_up(shared_keys);
    start(&waiters[0], "one");
    start(&waiters[1], "two");
    start(&waiters[2], "one");
    usleep(100000);
    mod_mcp_keys_link_lost(shared_keys);
    for (int i = 0; i < 3; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_false(waiters[i].got);
        assert_true(waiters[i].took_us < 5000000);
    }
    /* Nothing was learnt: linked again, the same may be asked. */
    mod_mcp_keys_link_up(shared_keys);
    start(&waiters[0], "one");
    assert_true(next_question(&ask, &url, &kid));
    mod_mcp_keys_link_lost(shared_keys);
    pthread_join(waiters[0].thread, NULL);
}

static void await_puts_one_question_however_many_wait(void **state)
{
    waiter_t waiters[4];
    apr_uint64_t ask = 0;
    const char *url;
    mcpa_str_t kid;

    (void)state;
    publish(&issuer_a, SET_OF("old"), 3600);
    shared_keys = make_keys(10000);
    mod_mcp_keys_link_up(shared_keys);
    for (int i = 0; i < 4; i++) {
        start(&waiters[i], "new");
    }
    assert_true(next_question(&ask, &url, &kid));
    usleep(50000);
    assert_false(has_question());
    publish(&issuer_a, SET_OF_TWO, 3600);
    mod_mcp_keys_reload(shared_keys, NULL);
    mod_mcp_keys_answered(shared_keys, ask, 1);
    for (int i = 0; i < 4; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_true(waiters[i].knows);
    }
}

static void await_holds_up_a_quarter_of_the_threads_at_the_most(void **state)
{
    waiter_t waiters[10];
    unsigned quick = 0;

    (void)state;
    shared_keys = make_keys(700);
    mod_mcp_keys_link_up(shared_keys);
    for (int i = 0; i < 10; i++) {
        start(&waiters[i], "new");
    }
    for (int i = 0; i < 10; i++) {
        pthread_join(waiters[i].thread, NULL);
        quick += waiters[i].took_us < 350000;
    }
    assert_int_equal(quick, 6); /* 16 threads, 4 of them may wait */
}

static void await_does_not_wait_again_for_a_daemon_that_does_not_answer(void **state)
{
    waiter_t waiter;

    (void)state;
    shared_keys = make_keys(200);
    mod_mcp_keys_link_up(shared_keys);
    start(&waiter, "new");
    pthread_join(waiter.thread, NULL);
    assert_true(waiter.took_us >= 200000);
    start(&waiter, "new");
    pthread_join(waiter.thread, NULL);
    assert_true(waiter.took_us < 100000);
}

static void await_remembers_what_does_not_exist(void **state)
{
    waiter_t waiter;
    apr_uint64_t ask = 0;
    const char *url;
    mcpa_str_t kid;

    (void)state;
    shared_keys = make_keys(10000);
    mod_mcp_keys_link_up(shared_keys);
    start(&waiter, "never");
    assert_true(next_question(&ask, &url, &kid));
    mod_mcp_keys_answered(shared_keys, ask + 100, 1); /* some other question's */
    mod_mcp_keys_answered(shared_keys, ask, 0);
    pthread_join(waiter.thread, NULL);
    assert_false(waiter.got);
    start(&waiter, "never");
    pthread_join(waiter.thread, NULL);
    assert_true(waiter.took_us < 1000000);
    assert_false(has_question());
}

static void await_costs_a_flood_of_random_kids_a_handful_of_questions(void **state)
{
    unsigned asked = 0;

    (void)state;
    shared_keys = make_keys(0);
    mod_mcp_keys_link_up(shared_keys);
    for (int i = 0; i < 10000; i++) {
        assert_null(mod_mcp_keys_await(shared_keys, &issuer_a, mcpa_str(apr_psprintf(test_pool, "kid-%d", i)), NULL));
    }
    while (has_question()) {
        asked++;
    }
    assert_in_range(asked, MOD_MCP_ASKS_BURST, MOD_MCP_ASKS_BURST + 2);
    /* The other issuer has its own budget. */
    assert_null(mod_mcp_keys_await(shared_keys, &issuer_b, MCPA_STR("kid"), NULL));
    assert_true(has_question());
}

static void *look_and_wait(void *arg)
{
    const atomic_int *stop = arg;

    while (!atomic_load(stop)) {
        mcpa_jwks_t *set = mod_mcp_keys_get(shared_keys, &issuer_a);
        mcpa_jwks_t *newer = mod_mcp_keys_await(shared_keys, &issuer_a, MCPA_STR("other"), set);

        (void)mod_mcp_keys_generation(shared_keys);
        mcpa_jwks_release(&newer);
        mcpa_jwks_release(&set);
    }
    return NULL;
}

static void keys_are_swapped_expired_and_asked_for_under_the_feet_of_request_threads(void **state)
{
    atomic_int stop = 0;
    pthread_t threads[6];

    (void)state;
    publish(&issuer_a, SET_OF("one"), 3600);
    shared_keys = make_keys(5);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, look_and_wait, &stop), 0);
    }
    for (int i = 0; i < 150; i++) {
        const char *url;
        mcpa_str_t kid;
        apr_uint64_t ask;

        mod_mcp_keys_link_up(shared_keys);
        publish(&issuer_a, i % 2 != 0 ? SET_OF("one") : SET_OF("two"), i % 5 == 0 ? 1 : 3600);
        mod_mcp_keys_reload(shared_keys, i % 3 != 0 ? NULL : issuer_a.url);
        while (mod_mcp_keys_next_ask(shared_keys, &ask, &url, &kid)) {
            mod_mcp_keys_answered(shared_keys, ask, i % 2);
        }
        usleep(2000);
        if (i % 7 == 0) {
            mod_mcp_keys_link_lost(shared_keys);
        }
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
    }
    mod_mcp_keys_reload(shared_keys, NULL);
    assert_true(knows(shared_keys, &issuer_a, "one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEYS_TEST(await_is_answered_by_the_new_key_after_a_hard_rotation),
        KEYS_TEST(await_rings_the_bell_of_the_link),
        KEYS_TEST(await_takes_a_set_that_was_swapped_meanwhile_without_asking),
        KEYS_TEST(await_never_waits_without_a_link_or_without_time),
        KEYS_TEST(await_does_not_ask_for_no_kid_a_monstrous_kid_or_a_stranger),
        KEYS_TEST(await_lets_all_waiters_go_when_the_link_is_lost),
        KEYS_TEST(await_puts_one_question_however_many_wait),
        KEYS_TEST(await_holds_up_a_quarter_of_the_threads_at_the_most),
        KEYS_TEST(await_does_not_wait_again_for_a_daemon_that_does_not_answer),
        KEYS_TEST(await_remembers_what_does_not_exist),
        KEYS_TEST(await_costs_a_flood_of_random_kids_a_handful_of_questions),
        KEYS_TEST(keys_are_swapped_expired_and_asked_for_under_the_feet_of_request_threads),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
