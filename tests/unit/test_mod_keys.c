/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon publishes is used whole, until its time and not longer; a broken or foreign file changes nothing. Questions for
 * unknown key ids are few, bounded in time and never hold up more than a few threads, however many random kids arrive. */
#include "mod_support.h"

#include <stdatomic.h>
#include <time.h>

#include "asks.h"
#include "clock.h"
#include "keys.h"
#include "policy/issuer.h"

#define ED25519 "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define P256                                                                                                                     \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":"                              \
    "\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\""
#define SET_OF(kid) "{\"keys\":[{\"kid\":\"" kid "\"," ED25519 "}]}"
#define SET_OF_TWO  "{\"keys\":[{\"kid\":\"old\"," ED25519 "},{\"kid\":\"new\"," P256 "}]}"

static const mcpa_issuer_t issuer_a = { .url = "https://a.example", .key_source = MCPA_KEYS_DISCOVER };
static const mcpa_issuer_t issuer_b = { .url = "https://b.example",
                                        .key_source = MCPA_KEYS_URL,
                                        .jwks = "https://b.example/jwks" };
static const mcpa_issuer_t issuer_file = { .url = "https://f.example", .key_source = MCPA_KEYS_FILE, .jwks = "/nowhere" };
static const mcpa_issuer_t stranger = { .url = "https://a.example", .key_source = MCPA_KEYS_DISCOVER };
static const mcpa_issuer_t *const both[] = { &issuer_a, &issuer_b, NULL };

static int setup(void **state)
{
    return support_setup(state) != 0 || mkdir(in_test_dir("keys"), 0755) != 0;
}

#define KEYS_TEST(function) cmocka_unit_test_setup_teardown(function, setup, support_teardown)

static const char *path_of(const mcpa_issuer_t *issuer)
{
    char name[70];

    mcpa_issuer_key_file(name, issuer->url);
    return apr_pstrcat(test_pool, test_dir, "/keys/", name, NULL);
}

static void write_text(const char *path, const char *text)
{
    char *temporary = apr_pstrcat(test_pool, path, ".new", NULL);
    FILE *file = fopen(temporary, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(temporary, 0644), 0);
    assert_int_equal(rename(temporary, path), 0);
}

/* As the daemon does it. */
static void publish(const mcpa_issuer_t *issuer, const char *jwks, long expires_in)
{
    long now = (long)time(NULL);

    write_text(path_of(issuer), apr_psprintf(test_pool, "{\"issuer\":\"%s\",\"fetched\":%ld,\"expires\":%ld,\"jwks\":%s}",
                                             issuer->url, expires_in > 0 ? now : now + expires_in, now + expires_in, jwks));
}

static mod_mcp_keys_t *make_keys(int wait_ms)
{
    mod_mcp_keys_t *keys = mod_mcp_keys_new(test_pool, test_dir, both, NULL, wait_ms);

    assert_non_null(keys);
    return keys;
}

static int knows(mod_mcp_keys_t *keys, const mcpa_issuer_t *issuer, const char *kid)
{
    mcpa_jwks_t *set = mod_mcp_keys_get(keys, issuer);
    bool known = false;

    if (set != NULL) {
        (void)mcpa_jwks_find(set, MCPA_ALG_EDDSA, mcpa_str(kid), &known);
    }
    mcpa_jwks_release(&set);
    return known;
}

/* ---- files ---- */

static void keys_reads_what_the_daemon_published_before(void **state)
{
    mod_mcp_keys_t *keys;

    (void)state;
    publish(&issuer_a, SET_OF("one"), 3600);
    keys = make_keys(0);
    assert_true(knows(keys, &issuer_a, "one"));
    assert_false(knows(keys, &issuer_b, "one")); /* keys belong to their issuer */
    assert_int_equal(mod_mcp_keys_loaded(keys), 1);
    assert_null(mod_mcp_keys_get(keys, &issuer_b));
    assert_null(mod_mcp_keys_get(keys, &stranger));
    assert_string_equal(log_text, "");
}

static void keys_swaps_the_set_when_told_and_a_borrower_keeps_the_old_one(void **state)
{
    mod_mcp_keys_t *keys;
    mcpa_jwks_t *held;
    apr_uint64_t generation;

    (void)state;
    publish(&issuer_a, SET_OF("one"), 3600);
    keys = make_keys(0);
    generation = mod_mcp_keys_generation(keys);
    held = mod_mcp_keys_get(keys, &issuer_a);
    publish(&issuer_a, SET_OF("two"), 3600);
    publish(&issuer_b, SET_OF("b"), 3600);
    mod_mcp_keys_reload(keys, issuer_b.url);
    assert_true(knows(keys, &issuer_a, "one"));
    assert_true(knows(keys, &issuer_b, "b"));
    mod_mcp_keys_reload(keys, issuer_a.url);
    assert_false(knows(keys, &issuer_a, "one"));
    assert_true(knows(keys, &issuer_a, "two"));
    assert_true(mod_mcp_keys_generation(keys) != generation);
    assert_true(mcpa_str_eqz(mcpa_key_kid(mcpa_jwks_at(held, 0)), "one"));
    mcpa_jwks_release(&held);
    mod_mcp_keys_reload(keys, "https://unknown.example");
}

static void keys_generation_is_the_same_in_every_child_with_the_same_keys(void **state)
{
    mod_mcp_keys_t *early;
    mod_mcp_keys_t *late;
    apr_uint64_t with_one;

    (void)state;
    publish(&issuer_a, SET_OF("one"), 3600);
    early = make_keys(0);
    with_one = mod_mcp_keys_generation(early);
    publish(&issuer_a, SET_OF("two"), 3600);
    mod_mcp_keys_reload(early, NULL);
    late = make_keys(0);
    assert_int_equal(mod_mcp_keys_generation(early), mod_mcp_keys_generation(late));
    assert_true(mod_mcp_keys_generation(late) != with_one);
    /* The same keys, longer: nothing changes for tokens verified with them. */
    publish(&issuer_a, SET_OF("two"), 7200);
    mod_mcp_keys_reload(late, NULL);
    assert_int_equal(mod_mcp_keys_generation(early), mod_mcp_keys_generation(late));
    /* The same keys of another issuer are not the same. */
    publish(&issuer_a, SET_OF("one"), 3600);
    publish(&issuer_b, SET_OF("two"), 3600);
    mod_mcp_keys_reload(late, NULL);
    assert_true(mod_mcp_keys_generation(late) != mod_mcp_keys_generation(early));
    publish(&issuer_a, SET_OF("two"), 3600);
    publish(&issuer_b, SET_OF("one"), 3600);
    mod_mcp_keys_reload(early, NULL);
    assert_true(mod_mcp_keys_generation(late) != mod_mcp_keys_generation(early));
}

static void keys_are_not_used_after_their_time(void **state)
{
    mod_mcp_keys_t *keys;
    apr_uint64_t generation;

    (void)state;
    publish(&issuer_a, SET_OF("one"), 2);
    publish(&issuer_b, SET_OF("b"), 3600);
    keys = make_keys(0);
    generation = mod_mcp_keys_generation(keys);
    assert_true(knows(keys, &issuer_a, "one"));
    sleep(2);
    /* The generation says it by itself: a cached token must not outlive the keys because nobody asks for them. */
    assert_true(mod_mcp_keys_generation(keys) != generation);
    assert_null(mod_mcp_keys_get(keys, &issuer_a));
    assert_true(knows(keys, &issuer_b, "b"));
    assert_int_equal(mod_mcp_keys_loaded(keys), 1);
    /* Reading the same file again does not help; a refreshed one does. */
    mod_mcp_keys_reload(keys, NULL);
    assert_null(mod_mcp_keys_get(keys, &issuer_a));
    publish(&issuer_a, SET_OF("one"), 3600);
    mod_mcp_keys_reload(keys, issuer_a.url);
    assert_true(knows(keys, &issuer_a, "one"));
    assert_int_equal(mod_mcp_keys_generation(keys), generation);
}

static void keys_stay_in_use_when_the_daemon_extends_them(void **state)
{
    mod_mcp_keys_t *keys;
    mcpa_jwks_t *before;
    mcpa_jwks_t *after;

    (void)state;
    publish(&issuer_a, SET_OF("one"), 1);
    keys = make_keys(0);
    before = mod_mcp_keys_get(keys, &issuer_a);
    assert_non_null(before);
    publish(&issuer_a, SET_OF("one"), 3600);
    mod_mcp_keys_reload(keys, NULL);
    sleep(1);
    after = mod_mcp_keys_get(keys, &issuer_a);
    assert_ptr_equal(before, after); /* not parsed again */
    mcpa_jwks_release(&before);
    mcpa_jwks_release(&after);
}

static void keys_that_come_expired_are_not_taken(void **state)
{
    mod_mcp_keys_t *keys;

    (void)state;
    publish(&issuer_a, SET_OF("one"), -10);
    keys = make_keys(0);
    assert_null(mod_mcp_keys_get(keys, &issuer_a));
    /* And an operator who withdraws keys is obeyed. */
    publish(&issuer_a, SET_OF("one"), 3600);
    mod_mcp_keys_reload(keys, NULL);
    assert_true(knows(keys, &issuer_a, "one"));
    publish(&issuer_a, SET_OF("one"), -10);
    mod_mcp_keys_reload(keys, NULL);
    assert_null(mod_mcp_keys_get(keys, &issuer_a));
}

static void keys_file_that_is_broken_or_foreign_changes_nothing_and_is_logged_once(void **state)
{
    static const char *const broken[] = {
        "",
        "{",
        "[]",
        "{\"issuer\":\"https://a.example\"}",
        "{\"issuer\":\"https://b.example\",\"fetched\":1,\"expires\":99999999999,\"jwks\":" SET_OF("x") "}",
        "{\"issuer\":\"https://a.example\",\"fetched\":1,\"jwks\":" SET_OF("x") "}",
        "{\"issuer\":\"https://a.example\",\"fetched\":1,\"expires\":\"99999999999\",\"jwks\":" SET_OF("x") "}",
        "{\"issuer\":\"https://a.example\",\"fetched\":1,\"expires\":9999999999999999,\"jwks\":" SET_OF("x") "}",
        "{\"issuer\":\"https://a.example\",\"fetched\":99999999999,\"expires\":5,\"jwks\":" SET_OF("x") "}",
        "{\"issuer\":\"https://a.example\",\"expires\":99999999999,\"jwks\":" SET_OF("x") "}",
        "{\"issuer\":\"https://a.example\",\"fetched\":1,\"expires\":99999999999,\"jwks\":[]}",
        "{\"issuer\":\"https://a.example\",\"fetched\":1,\"expires\":99999999999,\"jwks\":{\"keys\":[]}}",
        "{\"issuer\":\"https://"
        "a.example\",\"fetched\":1,\"expires\":99999999999,\"jwks\":{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}}",
        "{\"issuer\":\"https://a.example\",\"fetched\":1,\"expires\":99999999999,\"jwks\":" SET_OF("x") ",\"jwks\":" SET_OF(
            "y") "}",
        "{\"issuer\":\"https://a.example\",\"fetched\":1,\"expires\":99999999999,\"jwks\":" SET_OF("x") "} {}",
    };
    mod_mcp_keys_t *keys;
    apr_uint64_t generation;

    (void)state;
    publish(&issuer_a, SET_OF("one"), 3600);
    keys = make_keys(0);
    generation = mod_mcp_keys_generation(keys);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        write_text(path_of(&issuer_a), broken[i]);
        mod_mcp_keys_reload(keys, NULL);
        assert_true(knows(keys, &issuer_a, "one"));
        assert_int_equal(mod_mcp_keys_generation(keys), generation);
    }
    assert_int_equal(log_count("MCPA0230"), 1);
    assert_int_equal(log_count("MCPA0231"), 0);
    publish(&issuer_a, SET_OF("two"), 3600);
    mod_mcp_keys_reload(keys, NULL);
    assert_true(knows(keys, &issuer_a, "two"));
    assert_int_equal(log_count("MCPA0231"), 1);
}

static void keys_file_must_be_a_plain_file_closed_to_others_and_not_too_long(void **state)
{
    const char *path = path_of(&issuer_a);
    char *padding = apr_palloc(test_pool, MCPA_JWKS_MAX_BYTES + 32 * 1024);
    mod_mcp_keys_t *keys;

    (void)state;
    publish(&issuer_a, SET_OF("one"), 3600);
    keys = make_keys(0);
    publish(&issuer_a, SET_OF("two"), 3600);
    assert_int_equal(chmod(path, 0666), 0);
    mod_mcp_keys_reload(keys, NULL);
    assert_true(knows(keys, &issuer_a, "one"));

    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(rename(path, in_test_dir("elsewhere")), 0);
    assert_int_equal(symlink(in_test_dir("elsewhere"), path), 0);
    mod_mcp_keys_reload(keys, NULL);
    assert_true(knows(keys, &issuer_a, "one"));

    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    mod_mcp_keys_reload(keys, NULL); /* and it does not hang */
    assert_true(knows(keys, &issuer_a, "one"));

    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    mod_mcp_keys_reload(keys, NULL);
    assert_true(knows(keys, &issuer_a, "one"));
    assert_int_equal(rmdir(path), 0);

    memset(padding, ' ', MCPA_JWKS_MAX_BYTES + 32 * 1024 - 1);
    padding[MCPA_JWKS_MAX_BYTES + 32 * 1024 - 1] = '\0';
    write_text(path, apr_psprintf(
                         test_pool,
                         "{\"issuer\":\"https://a.example\",\"fetched\":1,\"expires\":99999999999,\"jwks\":" SET_OF("two") "%s}",
                         padding));
    mod_mcp_keys_reload(keys, NULL);
    assert_true(knows(keys, &issuer_a, "one"));

    assert_int_equal(unlink(path), 0);
    mod_mcp_keys_reload(keys, NULL); /* a missing one takes nothing away either */
    assert_true(knows(keys, &issuer_a, "one"));
    assert_int_equal(log_count("MCPA0230"), 1);
}

static void keys_of_the_configuration_are_used_as_they_are(void **state)
{
    static const mcpa_issuer_t *const issuers[] = { &issuer_file, &issuer_a, NULL };
    mcpa_jwks_t *fixed[2] = { NULL, NULL };
    mcpa_jwks_report_t report;
    mod_mcp_keys_t *keys;
    apr_uint64_t generation;
    apr_int64_t before;

    (void)state;
    assert_int_equal(mcpa_jwks_parse(&fixed[0], MCPA_STR(SET_OF("fixed")), &report), MCPA_OK);
    keys = mod_mcp_keys_new(test_pool, test_dir, issuers, fixed, 1000);
    assert_true(knows(keys, &issuer_file, "fixed"));
    assert_null(mod_mcp_keys_get(keys, &issuer_a));
    assert_int_equal(mod_mcp_keys_loaded(keys), 1);
    mod_mcp_keys_reload(keys, NULL);
    assert_true(knows(keys, &issuer_file, "fixed"));
    /* Nobody is asked about them, so nobody waits. */
    mod_mcp_keys_link_up(keys);
    before = mod_mcp_mono_us();
    assert_null(mod_mcp_keys_await(keys, &issuer_file, MCPA_STR("other"), fixed[0]));
    assert_true(mod_mcp_mono_us() - before < 500000);
    /* A secret cannot be seen, so each start of the server has a generation of its own. */
    generation = mod_mcp_keys_generation(keys);
    assert_int_equal(mod_mcp_keys_generation(mod_mcp_keys_new(test_pool, test_dir, issuers, fixed, 1000)), generation);
    mpm_start = 2;
    assert_true(mod_mcp_keys_generation(mod_mcp_keys_new(test_pool, test_dir, issuers, fixed, 1000)) != generation);
    mcpa_jwks_release(&fixed[0]);
}

/* ---- questions ---- */

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

/* The link's part: waits up to a second for a question. */
static int next_question(apr_uint64_t *ask, const char **url, mcpa_str_t *kid)
{
    for (int i = 0; i < 1000; i++) {
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
    usleep(50000);
    assert_true(has_question());
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

/* ---- the budget and the memory, on a clock of the test's own ---- */

static void asks_refill_their_budget_by_one_a_second(void **state)
{
    static mod_mcp_asks_t asks;
    apr_int64_t now = 1000000000;
    unsigned made_count = 0;
    char kid[16];
    int made;

    (void)state;
    mod_mcp_asks_init(&asks, (const unsigned char *)"0123456789abcdef");
    for (int i = 0; i < 600; i++, now += 100000) { /* a minute, ten a second */
        const mod_mcp_ask_t *ask;

        (void)snprintf(kid, sizeof(kid), "k%d", i);
        (void)mod_mcp_asks_find(&asks, 3, mcpa_str(kid), now, &made);
        made_count += made != 0;
        while ((ask = mod_mcp_asks_next(&asks)) != NULL) {
            mod_mcp_asks_answer(&asks, ask->id, 0, now);
        }
    }
    assert_in_range(made_count, 60 + MOD_MCP_ASKS_BURST - 2, 60 + MOD_MCP_ASKS_BURST);
}

static void asks_forget_what_does_not_exist_after_half_a_minute(void **state)
{
    static mod_mcp_asks_t asks;
    apr_int64_t now = 1000000000;
    const mod_mcp_ask_t *ask;
    int made;

    (void)state;
    mod_mcp_asks_init(&asks, (const unsigned char *)"0123456789abcdef");
    assert_non_null(mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now, &made));
    ask = mod_mcp_asks_next(&asks);
    mod_mcp_asks_answer(&asks, ask->id, 0, now);
    assert_null(mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now + MOD_MCP_NEGATIVE_US - 1, &made));
    assert_non_null(mod_mcp_asks_find(&asks, 1, MCPA_STR("kid"), now, &made)); /* another issuer's may exist */
    assert_true(made);
    assert_non_null(mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now + MOD_MCP_NEGATIVE_US, &made));
    assert_true(made);
}

static void asks_put_an_unanswered_question_again_after_half_a_minute(void **state)
{
    static mod_mcp_asks_t asks;
    apr_int64_t now = 1000000000;
    mod_mcp_ask_t *ask;
    int made;

    (void)state;
    mod_mcp_asks_init(&asks, (const unsigned char *)"0123456789abcdef");
    ask = mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now, &made);
    assert_ptr_equal(mod_mcp_asks_next(&asks), ask);
    assert_ptr_equal(mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now + MOD_MCP_ASKS_LIFE_US - 1, &made), ask);
    assert_false(made);
    assert_non_null(mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now + MOD_MCP_ASKS_LIFE_US, &made));
    assert_true(made);
}

static void asks_never_reuse_a_slot_somebody_waits_at(void **state)
{
    static mod_mcp_asks_t asks;
    apr_int64_t now = 1000000000;
    mod_mcp_ask_t *held;
    char kid[16];
    int made;

    (void)state;
    mod_mcp_asks_init(&asks, (const unsigned char *)"0123456789abcdef");
    held = mod_mcp_asks_find(&asks, 0, MCPA_STR("held"), now, &made);
    held->waiters = 1;
    (void)mod_mcp_asks_next(&asks);
    mod_mcp_asks_answer(&asks, held->id, 1, now);
    for (unsigned i = 1; i < 3 * MOD_MCP_ASKS_MAX; i++) {
        const mod_mcp_ask_t *ask;

        (void)snprintf(kid, sizeof(kid), "k%u", i);
        ask = mod_mcp_asks_find(&asks, i % MCPA_ISSUERS_MAX, mcpa_str(kid), now, &made);
        assert_ptr_not_equal(ask, held);
        assert_int_equal(ask != NULL, i < MOD_MCP_ASKS_MAX); /* a full table asks no more */
    }
    assert_int_equal(held->state, MOD_MCP_ASK_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEYS_TEST(keys_reads_what_the_daemon_published_before),
        KEYS_TEST(keys_swaps_the_set_when_told_and_a_borrower_keeps_the_old_one),
        KEYS_TEST(keys_generation_is_the_same_in_every_child_with_the_same_keys),
        KEYS_TEST(keys_are_not_used_after_their_time),
        KEYS_TEST(keys_stay_in_use_when_the_daemon_extends_them),
        KEYS_TEST(keys_that_come_expired_are_not_taken),
        KEYS_TEST(keys_file_that_is_broken_or_foreign_changes_nothing_and_is_logged_once),
        KEYS_TEST(keys_file_must_be_a_plain_file_closed_to_others_and_not_too_long),
        KEYS_TEST(keys_of_the_configuration_are_used_as_they_are),
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
        cmocka_unit_test(asks_refill_their_budget_by_one_a_second),
        cmocka_unit_test(asks_forget_what_does_not_exist_after_half_a_minute),
        cmocka_unit_test(asks_put_an_unanswered_question_again_after_half_a_minute),
        cmocka_unit_test(asks_never_reuse_a_slot_somebody_waits_at),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
