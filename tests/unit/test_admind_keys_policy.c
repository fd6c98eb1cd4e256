/* SPDX-License-Identifier: Apache-2.0 */
/* Where keys are looked for, and issuers that come and go. Attack: metadata that points elsewhere. */
#include "test_admind_keys.h"

#define HOUR (3600 * S)

/* ---- discovery */

static void world_discovered(world_t *world, const char *url)
{
    mcpa_issuer_t issuer = { .url = url, .key_source = MCPA_KEYS_DISCOVER };
    const mcpa_issuer_t *const issuers[] = { &issuer, NULL };

    world_policy(world, issuers);
}

static void discovery_tries_both_kinds_of_documents_and_remembers_the_place(void **state)
{
    world_t *world = *state;

    world_discovered(world, "https://as.example/t");
    fake_answer(&world->fetcher, "https://as.example/.well-known/oauth-authorization-server/t", 404, "");
    fake_answer(&world->fetcher, "https://as.example/t/.well-known/openid-configuration", 200,
                "{\"issuer\":\"https://as.example\",\"jwks_uri\":\"https://as.example/no\"}");
    fake_answer(&world->fetcher, "https://as.example/.well-known/openid-configuration/t", 200,
                "{\"issuer\":\"https://as.example/t\",\"jwks_uri\":\"https://as.example/t/keys\"}");
    fake_answer(&world->fetcher, "https://as.example/t/keys", 200, SET(KEY("a")));
    assert_true(admind_keys_ready(world->keys));
    fake_advance(&world->loop, 600 * S);
    fake_answer(&world->fetcher, "https://as.example/t/keys", 200, SET(KEY("a")));
    assert_int_equal(world->fetcher.started, 5);
    /* After a failure, and after a day, the place is asked for again. */
    fake_advance(&world->loop, 600 * S);
    fake_answer(&world->fetcher, "https://as.example/t/keys", 410, "");
    fake_advance(&world->loop, 60 * S);
    fake_waiting(&world->fetcher, "/.well-known/oauth-authorization-server/t");
}

static void failed_discovery_says_what_was_wrong_with_the_document(void **state)
{
    world_t *world = *state;

    world_discovered(world, ISSUER);
    fake_answer(&world->fetcher, "oauth-authorization-server", 200,
                "{\"issuer\":\"https://evil.example\",\"jwks_uri\":\"https://evil.example/k\"}");
    fake_answer(&world->fetcher, "openid-configuration", 404, "");
    assert_non_null(strstr(world_view(world).last_error, "another issuer"));
    fake_advance(&world->loop, 60 * S);
    fake_answer(&world->fetcher, "oauth-authorization-server", 404, "");
    fake_answer(&world->fetcher, "openid-configuration", 404, "");
    assert_non_null(strstr(world_view(world).last_error, "configure jwks="));
    fake_advance(&world->loop, 60 * S);
    fake_answer(&world->fetcher, "oauth-authorization-server", 0, "timed out");
    assert_string_equal(world_view(world).last_error, "timed out");
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
}

static void url_that_may_not_be_fetched_fails_and_is_tried_again(void **state)
{
    world_t *world = *state;

    world->fetcher.refuse = true;
    world_url_issuer(world);
    assert_non_null(strstr(world_view(world).last_error, "https"));
    world->fetcher.refuse = false;
    fake_advance(&world->loop, 60 * S);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("a")));
    assert_true(admind_keys_ready(world->keys));
}

/* ---- issuers come and go */

static void issuers_that_leave_take_their_files_along_and_others_stay(void **state)
{
    world_t *world = *state;
    const mcpa_issuer_t a = { .url = ISSUER, .key_source = MCPA_KEYS_URL, .jwks = KEYS_URL };
    const mcpa_issuer_t b = { .url = "https://b.example", .key_source = MCPA_KEYS_URL, .jwks = "https://b.example/keys" };
    const mcpa_issuer_t *const both[] = { &a, &b, NULL }, *const only_b[] = { &b, NULL }, *const none[] = { NULL };
    char path_a[256], path_b[256], foreign[256];

    world_path(world, path_a, a.url);
    world_path(world, path_b, b.url);
    snprintf(foreign, sizeof(foreign), "%s/keys/README", world->state_dir);
    assert_int_equal(admind_file_replace(foreign, MCPA_STR("x"), 0644), MCPA_OK);
    world_policy(world, both);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("a")));
    fake_answer(&world->fetcher, "https://b.example/keys", 200, SET(KEY("b")));
    assert_int_equal(admind_keys_count(world->keys), 2);
    world_policy(world, only_b);
    assert_int_equal(admind_keys_count(world->keys), 1);
    assert_int_equal(access(path_a, F_OK), -1);
    assert_int_equal(access(path_b, F_OK), 0);
    assert_int_equal(access(foreign, F_OK), 0);
    assert_true(world_has_kid(world, "b"));
    assert_int_equal(fake_count_waiting(&world->fetcher), 0); /* b was not fetched again */
    world_policy(world, none);
    assert_int_equal(admind_keys_count(world->keys), 0);
    assert_true(admind_keys_ready(world->keys));
    fake_advance(&world->loop, HOUR);
    assert_int_equal(world->fetcher.started, 2);
}

static void changed_key_url_is_fetched_at_once_and_old_keys_serve_until_then(void **state)
{
    world_t *world = *state;
    const mcpa_issuer_t moved = { .url = ISSUER, .key_source = MCPA_KEYS_URL, .jwks = "https://as.example/new" };
    const mcpa_issuer_t *const issuers[] = { &moved, NULL };

    world_with_a(world);
    world_policy(world, issuers);
    assert_true(world_has_kid(world, "a"));
    fake_answer(&world->fetcher, "https://as.example/new", 200, SET(KEY("b")));
    assert_true(world_has_kid(world, "b"));
}

static void issuers_with_files_or_secrets_are_httpds_and_never_fetched(void **state)
{
    world_t *world = *state;
    const mcpa_issuer_t file = { .url = ISSUER, .key_source = MCPA_KEYS_FILE, .jwks = "/etc/keys.json" };
    const mcpa_issuer_t secret = { .url = "https://b.example", .key_source = MCPA_KEYS_SECRET };
    const mcpa_issuer_t *const issuers[] = { &file, &secret, NULL };

    world_policy(world, issuers);
    fake_advance(&world->loop, HOUR);
    world_ask(world, "x", 7);
    assert_int_equal(world->fetcher.started, 0);
    assert_int_equal(world->n_answers, 1);
    assert_false(world->answers[0].found);
    assert_int_equal(admind_keys_count(world->keys), 2);
    assert_true(admind_keys_ready(world->keys));
}

static void keys_that_cannot_be_written_are_not_used_either(void **state)
{
    world_t *world = *state;
    char dir[80];

    world_with_a(world);
    snprintf(dir, sizeof(dir), "%s/keys", world->state_dir);
    world_rm(dir);
    fake_advance(&world->loop, 600 * S);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("b")));
    assert_true(world_has_kid(world, "a"));
    assert_int_equal(world->changed, 1);
    assert_non_null(strstr(world_view(world).last_error, "cannot be written"));
    assert_int_equal(mkdir(dir, 0755), 0);
    fake_advance(&world->loop, 60 * S);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("b")));
    assert_true(world_has_kid(world, "b"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(discovery_tries_both_kinds_of_documents_and_remembers_the_place),
        T(failed_discovery_says_what_was_wrong_with_the_document),
        T(url_that_may_not_be_fetched_fails_and_is_tried_again),
        T(issuers_that_leave_take_their_files_along_and_others_stay),
        T(changed_key_url_is_fetched_at_once_and_old_keys_serve_until_then),
        T(issuers_with_files_or_secrets_are_httpds_and_never_fetched),
        T(keys_that_cannot_be_written_are_not_used_either),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
