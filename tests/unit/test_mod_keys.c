/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon publishes is used whole, until its time and not longer; a broken or foreign file changes nothing. */
#include "test_mod_keys.h"

#include "clock.h"

static const mcpa_issuer_t issuer_file = { .url = "https://f.example", .key_source = MCPA_KEYS_FILE, .jwks = "/nowhere" };

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
    publish(&issuer_a, SET_OF("one"), 3);
    publish(&issuer_b, SET_OF("b"), 3600);
    keys = make_keys(0);
    generation = mod_mcp_keys_generation(keys);
    assert_true(knows(keys, &issuer_a, "one"));
    sleep(3); /* the life they were published with: after it they are over, however fast or slow the machine is */
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
    publish(&issuer_a, SET_OF("one"), 3); /* of a second that may be about to end */
    keys = make_keys(0);
    before = mod_mcp_keys_get(keys, &issuer_a);
    assert_non_null(before);
    publish(&issuer_a, SET_OF("one"), 3600);
    mod_mcp_keys_reload(keys, NULL);
    sleep(3); /* the life they had before */
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

/* DEL takes six bytes where we write it: printed, the set would be longer than any that is fetched. */
static void keys_count_by_their_bytes_in_the_file(void **state)
{
    enum { MANY = 60 * 1024 };
    char *padding = apr_palloc(test_pool, MANY + 1);

    (void)state;
    memset(padding, '\x7f', MANY);
    padding[MANY] = '\0';
    write_text(path_of(&issuer_a), apr_psprintf(test_pool,
                                                "{\"issuer\":\"https://a.example\",\"fetched\":1,\"expires\":99999999999,"
                                                "\"jwks\":{\"note\":\"%s\",\"keys\":[{\"kid\":\"one\"," ED25519 "}]}}",
                                                padding));
    assert_true(knows(make_keys(0), &issuer_a, "one"));
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
        KEYS_TEST(keys_count_by_their_bytes_in_the_file),
        KEYS_TEST(keys_of_the_configuration_are_used_as_they_are),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
