/* SPDX-License-Identifier: Apache-2.0 */
/* Who may see which path. An attacker's ways in: a page that a browser loads from a name made to point at loopback, a token
 * guessed byte by byte, a path spelt otherwise. */
#include "admind_support.h"

#include "http/routes.h"

static const char *const paths[] = { "/healthz", "/readyz", "/metrics", "/alerts", "/keys", "/status" };
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static const admind_guard_t tcp = { { NULL, 0 }, true };

static unsigned check(const admind_guard_t *guard, admind_request_t request)
{
    const admind_route_t *route = NULL;
    unsigned status = admind_routes_check(&route, &request, guard);

    assert_true(status != 0 || (route != NULL && strcmp(route->path, request.path) == 0));
    return status;
}

#define ASK(...) ((admind_request_t){ .method = "GET", .host = "localhost", __VA_ARGS__ })

static void every_path_is_there_and_has_a_role(void **state)
{
    const admind_route_t *route;

    (void)state;
    for (size_t i = 0; i < PATHS; i++) {
        admind_request_t request = ASK(.path = paths[i]);

        assert_int_equal(admind_routes_check(&route, &request, &tcp), 0);
        assert_true(route->role == (i < 2 ? ADMIND_ROLE_OPEN : ADMIND_ROLE_ADMIN));
        assert_non_null(route->view);
    }
}

/* Whoever verifies tokens asks for it by the name that the world knows. */
static void the_issuers_keys_are_for_everybody(void **state)
{
    const admind_guard_t guards[] = { { { NULL, 0 }, true }, { MCPA_STR("0123456789abcdef"), true }, { { NULL, 0 }, false } };

    (void)state;
    for (size_t g = 0; g < sizeof(guards) / sizeof(guards[0]); g++) {
        assert_int_equal(check(&guards[g], (admind_request_t){ .method = "GET", .path = "/.well-known/jwks.json", .host = "auth.example.com" }), 0);
        assert_int_equal(check(&guards[g], ASK(.path = "/.well-known/jwks.json/")), 404);
        assert_int_equal(check(&guards[g], ASK(.path = "/.well-known/jwks")), 404);
        assert_int_equal(check(&guards[g], (admind_request_t){ .method = "OPTIONS", .path = "/.well-known/jwks.json" }), 405);
    }
}

static void other_paths_and_methods_are_refused(void **state)
{
    static const char *const bad[] = { "",           "/",       "/metrics/",
                                       "/metrics?x", "metrics", "//metrics",
                                       "/Metrics",   "/metric", "http://localhost/metrics" };
    static const char *const methods[] = { "POST", "get", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "" };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(check(&tcp, ASK(.path = bad[i])), 404);
    }
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        assert_int_equal(check(&tcp, (admind_request_t){ .method = methods[i], .path = "/healthz" }), 405);
    }
    assert_int_equal(check(&tcp, (admind_request_t){ .method = "HEAD", .path = "/healthz" }), 0);
    assert_int_equal(check(&tcp, ASK(.path = "/healthz", .has_body = true)), 400);
    assert_int_equal(check(&tcp, ASK(.path = "/healthz", .many_hosts = true)), 400);
}

static void a_rebound_name_opens_no_admin_path(void **state)
{
    static const char *const good[] = { NULL, "localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:9860" };
    static const char *const bad[] = { "",           "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                                       "localhost:", "localhost:x",  "localhost:65536",        "127.0.0.2",
                                       "[::1",       "::1",          "localhost@evil",         " localhost",
                                       "localhost " };
    const admind_guard_t socket = { { NULL, 0 }, false };

    (void)state;
    for (size_t p = 2; p < PATHS; p++) {
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
            assert_int_equal(check(&tcp, (admind_request_t){ .method = "GET", .path = paths[p], .host = good[i] }), 0);
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            assert_int_equal(check(&tcp, (admind_request_t){ .method = "GET", .path = paths[p], .host = bad[i] }), 403);
        }
        assert_int_equal(check(&socket, (admind_request_t){ .method = "GET", .path = paths[p], .host = "evil.example" }), 0);
    }
    assert_int_equal(check(&tcp, (admind_request_t){ .method = "GET", .path = "/healthz", .host = "evil.example" }), 0);
}

static void an_admin_token_is_wanted_whole(void **state)
{
    static const char *const bad[] = { NULL,
                                       "",
                                       "Bearer",
                                       "Bearer ",
                                       "Bearer secret",
                                       "Bearer 0123456789abcde",
                                       "Bearer 0123456789abcdef0",
                                       "Bearer  0123456789abcdef",
                                       "Bearer 0123456789abcdef ",
                                       "0123456789abcdef",
                                       "Basic 0123456789abcdef",
                                       "Bearer 0123456789abcdeF" };
    const admind_guard_t guards[] = { { MCPA_STR("0123456789abcdef"), true }, { MCPA_STR("0123456789abcdef"), false } };

    (void)state;
    for (size_t g = 0; g < 2; g++) {
        for (size_t p = 2; p < PATHS; p++) {
            for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                assert_int_equal(check(&guards[g], ASK(.path = paths[p], .authorization = bad[i])), 401);
            }
            assert_int_equal(check(&guards[g], ASK(.path = paths[p], .authorization = "Bearer 0123456789abcdef")), 0);
            assert_int_equal(check(&guards[g], (admind_request_t){ .method = "GET",
                                                                   .path = paths[p],
                                                                   .authorization = "bearer 0123456789abcdef",
                                                                   .host = "mcp.example" }),
                             0);
        }
        assert_int_equal(check(&guards[g], ASK(.path = "/readyz")), 0);
    }
}

static void accept_chooses_the_form(void **state)
{
    static const char *const open[] = {
        "application/openmetrics-text", "application/openmetrics-text;version=1.0.0",
        "Application/OpenMetrics-Text ; Version=1.0.0 ; q=0.1", "text/plain;q=0.5, application/openmetrics-text;q=0.5",
        "*/*;q=0.1,application/openmetrics-text; version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5"
    };
    static const char *const text[] = { "",
                                        "*/*",
                                        "text/plain",
                                        "application/*",
                                        "application/openmetrics-text;version=0.0.1",
                                        "application/openmetrics-text;version=2.0.0",
                                        "application/openmetrics-text;q=0",
                                        "application/openmetrics-text;q=0.4,text/plain;q=0.5",
                                        "application/openmetrics-text;q=x",
                                        ",",
                                        ";",
                                        ";;,,;=",
                                        "application/openmetrics-text;q=1.5",
                                        "application/openmetrics-text;q=" };

    (void)state;
    assert_false(admind_routes_wants_openmetrics(NULL));
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        assert_true(admind_routes_wants_openmetrics(open[i]));
    }
    for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
        assert_false(admind_routes_wants_openmetrics(text[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_is_there_and_has_a_role),
        cmocka_unit_test(the_issuers_keys_are_for_everybody),
        cmocka_unit_test(other_paths_and_methods_are_refused),
        cmocka_unit_test(a_rebound_name_opens_no_admin_path),
        cmocka_unit_test(an_admin_token_is_wanted_whole),
        cmocka_unit_test(accept_chooses_the_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
