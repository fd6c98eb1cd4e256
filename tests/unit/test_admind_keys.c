/* SPDX-License-Identifier: Apache-2.0 */
/* Keys are there before a request needs them and stay usable when the provider is not. Attack: a provider that fails, lies, or
 * answers with less than nothing. (Questions for unknown keys: test_admind_keys_ask.c.) */
#include "test_admind_keys.h"

#define HOUR (3600 * S)

static void fetched_keys_are_published_for_children(void **state)
{
    world_t *world = *state;
    char path[256];
    struct stat st;
    mcpa_str_t text;
    mcpa_json_t *json = NULL;
    int64_t fetched, expires;

    world_with_a(world);
    assert_string_equal(world->changed_issuer, ISSUER);
    world_path(world, path, ISSUER);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(admind_file_read(&text, path, 65536), MCPA_OK);
    assert_int_equal(mcpa_json_parse(&json, text, 8, 100), MCPA_OK);
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(json, "issuer")), ISSUER));
    assert_true(mcpa_json_integer(mcpa_json_member(json, "fetched"), &fetched));
    assert_true(mcpa_json_integer(mcpa_json_member(json, "expires"), &expires));
    assert_int_equal(fetched, admind_loop_wall_us(&world->loop) / S);
    assert_int_equal(expires - fetched, 24 * 3600);
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_pointer(json, MCPA_STR("/jwks/keys/0/kid"))), "a"));
    mcpa_json_free(&json);
    free((char *)(uintptr_t)text.ptr);
    assert_true(admind_keys_ready(world->keys));
    assert_int_equal(world_metric(world, MCPA_METRIC_JWKS_KEYS), 1);
    assert_int_equal(world_metric(world, MCPA_METRIC_JWKS_LAST_SUCCESS), fetched);
    assert_int_equal(world_metric(world, MCPA_METRIC_JWKS_REFRESHES), 1);
    assert_int_equal(world_metric(world, MCPA_METRIC_JWKS_FAILURES), 0);
}

/* DEL takes six bytes where we write it: printed, the set would be longer than any that is fetched. */
static void keys_are_read_back_by_their_bytes_in_the_file(void **state)
{
    enum { MANY = 60 * 1024 };
    static char text[MANY + 1024];
    world_t *world = *state;
    char dir[80], path[256];
    admind_keyfile_t file;
    mcpa_out_t out;

    world_with_a(world);
    mcpa_out_init(&out, text, sizeof(text));
    mcpa_out_z(&out, "{\"issuer\":\"" ISSUER "\",\"fetched\":1,\"expires\":2,\"jwks\":{\"keys\":[" KEY("z") "],\"note\":\"");
    for (int i = 0; i < MANY; i++) {
        mcpa_out_char(&out, '\x7f');
    }
    mcpa_out_z(&out, "\"}}");
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    world_path(world, path, ISSUER);
    assert_int_equal(admind_file_replace(path, mcpa_out_get(&out), 0644), MCPA_OK);
    snprintf(dir, sizeof(dir), "%s/keys", world->state_dir);
    assert_int_equal(admind_keyfile_read(&file, dir, ISSUER), MCPA_OK);
    assert_true(mcpa_str_eqz(mcpa_key_kid(mcpa_jwks_at(file.set, 0)), "z"));
    mcpa_jwks_release(&file.set);
}

static void directory_of_keys_lets_children_in_whatever_the_umask(void **state)
{
    world_t *world = *state;
    mode_t before = umask(0077);
    char dir[80], path[256];
    struct stat st;

    snprintf(dir, sizeof(dir), "%s/keys", world->state_dir);
    world_rm(dir);
    world_restart(world);
    world->changed = 0;
    world_with_a(world);
    umask(before);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(stat((world_path(world, path, ISSUER), path), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

static void metrics_of_an_issuer_begin_at_zero(void **state)
{
    world_t *world = *state;
    size_t len;
    char *text;

    world_url_issuer(world);
    text = mcpa_metrics_print(world->metrics, false, &len);
    assert_non_null(strstr(text, "mcpauth_unknown_kid_total{issuer=\"" ISSUER "\"} 0\n"));
    assert_non_null(strstr(text, "mcpauth_jwks_refresh_failures_total{issuer=\"" ISSUER "\"} 0\n"));
    assert_non_null(strstr(text, "mcpauth_jwks_keys{issuer=\"" ISSUER "\"} 0\n"));
    free(text);
    assert_false(admind_keys_ready(world->keys));
}

static void refresh_runs_ahead_of_the_lifetime(void **state)
{
    world_t *world = *state;
    admind_fetch_result_t result = { .status = 200, .body = MCPA_STR(SET(KEY("a"))), .cache_control = MCPA_STR("max-age=100") };

    world_url_issuer(world);
    fake_finish(fake_waiting(&world->fetcher, KEYS_URL), &result);
    fake_advance(&world->loop, 71 * S);
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
    fake_advance(&world->loop, 18 * S); /* 72 to 88 s */
    assert_int_equal(fake_count_waiting(&world->fetcher), 1);
    assert_int_equal(world->fetcher.started, 2);
}

static void unchanged_answer_renews_the_file_and_tells_the_children(void **state)
{
    world_t *world = *state;
    admind_fetch_result_t first = { .status = 200, .body = MCPA_STR(SET(KEY("a"))), .etag = MCPA_STR("\"v1\"") };
    admind_fetch_result_t same = { .status = 304 };
    admind_keyfile_t before, after;
    char dir[80];

    world_url_issuer(world);
    fake_finish(fake_waiting(&world->fetcher, KEYS_URL), &first);
    snprintf(dir, sizeof(dir), "%s/keys", world->state_dir);
    assert_int_equal(admind_keyfile_read(&before, dir, ISSUER), MCPA_OK);
    fake_advance(&world->loop, 600 * S);
    assert_non_null(strstr(fake_waiting(&world->fetcher, KEYS_URL)->headers, "If-None-Match: \"v1\"\n"));
    fake_finish(fake_waiting(&world->fetcher, KEYS_URL), &same);
    assert_int_equal(world->changed, 2);
    assert_int_equal(admind_keyfile_read(&after, dir, ISSUER), MCPA_OK);
    assert_true(after.expires_s >= before.expires_s + 400);
    mcpa_jwks_release(&before.set);
    mcpa_jwks_release(&after.set);
    /* The validator outlives an answer that does not repeat it. */
    fake_advance(&world->loop, 600 * S);
    assert_non_null(strstr(fake_waiting(&world->fetcher, KEYS_URL)->headers, "If-None-Match: \"v1\"\n"));
    /* But not a new answer that has none. */
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("b")));
    fake_advance(&world->loop, 600 * S);
    assert_null(strstr(fake_waiting(&world->fetcher, KEYS_URL)->headers, "If-None-Match"));
}

static void not_modified_that_nobody_asked_for_is_a_failure(void **state)
{
    world_t *world = *state;

    world_url_issuer(world);
    fake_answer(&world->fetcher, KEYS_URL, 304, "");
    assert_int_equal(world->changed, 0);
    assert_non_null(strstr(world_view(world).last_error, "304"));
}

static void bad_answers_never_replace_good_keys(void **state)
{
    static const struct {
        long status;
        const char *body;
    } bad[] = {
        { 0, "timed out" },
        { 500, "" },
        { 404, "" },
        { 302, "" },
        { 200, "" },
        { 200, "<html>sign in</html>" },
        { 200, "{}" },
        { 200, "{\"keys\":[]}" },
        { 200, "[]" },
        { 200, "{\"keys\":[{\"kty\":\"RSA\"}]}" },
        { 200, SET(KEY("b") "") "x" },
        { 200, "{\"keys\":[" KEY("b") "],\"keys\":[]}" },
        { 200, "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"b\",\"k\":\"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0\"}]}" },
    };
    world_t *world = *state;

    world_with_a(world);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fake_advance(&world->loop, 600 * S);
        fake_answer(&world->fetcher, KEYS_URL, bad[i].status, bad[i].body);
        assert_true(world_has_kid(world, "a"));
        assert_false(world_has_kid(world, "b"));
        assert_true(world_view(world).last_error[0] != '\0');
    }
    assert_int_equal(world->changed, 1);
    assert_int_equal(world_metric(world, MCPA_METRIC_JWKS_FAILURES), sizeof(bad) / sizeof(bad[0]));
    fake_advance(&world->loop, 600 * S);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("b")));
    assert_true(world_has_kid(world, "b"));
    assert_false(world_has_kid(world, "a"));
    assert_string_equal(world_view(world).last_error, "");
}

static void failures_are_retried_with_growing_pauses_of_at_most_a_minute(void **state)
{
    world_t *world = *state;
    int64_t longest = 0;

    world_url_issuer(world);
    for (int i = 0; i < 40; i++) {
        int64_t ahead;

        fake_answer(&world->fetcher, KEYS_URL, 0, "refused");
        ahead = world_view(world).next_refresh_us - admind_loop_wall_us(&world->loop);
        assert_true(ahead >= 50000 && ahead <= 60 * S);
        if (i < 6) {
            assert_true(ahead <= (S << i));
        }
        longest = ahead > longest ? ahead : longest;
        fake_advance(&world->loop, 61 * S);
    }
    assert_true(longest > 20 * S);
}

static void provider_that_asks_for_a_pause_gets_it(void **state)
{
    world_t *world = *state;
    admind_fetch_result_t busy = { .status = 429, .body = MCPA_STR(""), .retry_after = MCPA_STR("120") };

    world_url_issuer(world);
    fake_finish(fake_waiting(&world->fetcher, KEYS_URL), &busy);
    fake_advance(&world->loop, 119 * S);
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(fake_count_waiting(&world->fetcher), 1);
}

static void keys_serve_through_an_outage_until_they_are_too_stale(void **state)
{
    world_t *world = *state;
    admind_issuer_view_t view;

    world_with_a(world);
    for (int64_t at = 0; at < 23 * HOUR; at += 600 * S) {
        fake_advance(&world->loop, 600 * S);
        fake_answer(&world->fetcher, KEYS_URL, 0, "timed out");
        assert_true(admind_keys_ready(world->keys));
    }
    assert_true(world_has_kid(world, "a"));
    for (int64_t at = 0; at < 2 * HOUR; at += 600 * S) {
        fake_advance(&world->loop, 600 * S);
        fake_answer(&world->fetcher, KEYS_URL, 0, "timed out");
    }
    view = world_view(world);
    assert_null(view.set);
    assert_false(admind_keys_ready(world->keys));
    assert_int_equal(world_metric(world, MCPA_METRIC_JWKS_KEYS), 0);
    fake_advance(&world->loop, 600 * S);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("a")));
    assert_true(admind_keys_ready(world->keys));
}

static void last_known_keys_survive_a_restart_of_the_daemon(void **state)
{
    world_t *world = *state;

    world_with_a(world);
    fake_advance(&world->loop, 10 * S);
    world_restart(world);
    world_url_issuer(world);
    assert_true(world_has_kid(world, "a"));
    assert_true(admind_keys_ready(world->keys));
    assert_int_equal(fake_count_waiting(&world->fetcher), 1); /* and are refreshed at once */
    fake_answer(&world->fetcher, KEYS_URL, 0, "refused");
    assert_true(world_has_kid(world, "a"));
    /* The day counts from the fetch, not from the restart. */
    fake_advance(&world->loop, 24 * HOUR - 20 * S);
    assert_true(admind_keys_ready(world->keys));
    fake_advance(&world->loop, 11 * S);
    assert_false(admind_keys_ready(world->keys));
}

static void stored_keys_of_another_issuer_or_broken_ones_are_not_used(void **state)
{
    static const char *const files[] = {
        "",
        "{}",
        "nonsense",
        "{\"issuer\":\"https://evil.example\",\"fetched\":1763715600,\"expires\":1863715600,\"jwks\":" SET(KEY("a")) "}",
        "{\"issuer\":\"" ISSUER "\",\"fetched\":\"x\",\"expires\":1863715600,\"jwks\":" SET(KEY("a")) "}",
        "{\"issuer\":\"" ISSUER "\",\"fetched\":1763715600,\"expires\":1863715600,\"jwks\":{\"keys\":[]}}",
        "{\"issuer\":\"" ISSUER "\",\"fetched\":1763715600,\"expires\":1863715600}",
    };
    world_t *world = *state;
    char path[256];

    world_path(world, path, ISSUER);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        assert_int_equal(admind_file_replace(path, mcpa_str(files[i]), 0644), MCPA_OK);
        world_restart(world);
        world_url_issuer(world);
        assert_null(world_view(world).set);
        assert_int_equal(fake_count_waiting(&world->fetcher), 1);
    }
}

static void keys_stored_by_a_clock_that_ran_ahead_do_not_live_longer(void **state)
{
    world_t *world = *state;
    char path[256];

    world_path(world, path, ISSUER);
    assert_int_equal(
        admind_file_replace(
            path,
            MCPA_STR("{\"issuer\":\"" ISSUER "\",\"fetched\":9999999999,\"expires\":99999999999,\"jwks\":" SET(KEY("a")) "}"),
            0644),
        MCPA_OK);
    world_restart(world);
    world_url_issuer(world);
    assert_true(world_has_kid(world, "a"));
    fake_answer(&world->fetcher, KEYS_URL, 0, "refused");
    fake_advance(&world->loop, 24 * HOUR);
    assert_false(admind_keys_ready(world->keys));
}

#define T(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(fetched_keys_are_published_for_children),
        T(keys_are_read_back_by_their_bytes_in_the_file),
        T(directory_of_keys_lets_children_in_whatever_the_umask),
        T(metrics_of_an_issuer_begin_at_zero),
        T(refresh_runs_ahead_of_the_lifetime),
        T(unchanged_answer_renews_the_file_and_tells_the_children),
        T(not_modified_that_nobody_asked_for_is_a_failure),
        T(bad_answers_never_replace_good_keys),
        T(failures_are_retried_with_growing_pauses_of_at_most_a_minute),
        T(provider_that_asks_for_a_pause_gets_it),
        T(keys_serve_through_an_outage_until_they_are_too_stale),
        T(last_known_keys_survive_a_restart_of_the_daemon),
        T(stored_keys_of_another_issuer_or_broken_ones_are_not_used),
        T(keys_stored_by_a_clock_that_ran_ahead_do_not_live_longer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
