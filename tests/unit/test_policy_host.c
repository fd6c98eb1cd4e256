/* SPDX-License-Identifier: Apache-2.0 */
/* A page whose name was made to point here does not reach what is for this machine alone (DNS rebinding). */
#include "test_policy_world.h"

#include "base/host.h"

static const char *const own[] = {
    "localhost",     "LocalHost",  "localhost:1", "localhost:65535", "localhost:",      "localhost.",
    "localhost.:80", "LOCALHOST.", "127.0.0.1",   "127.0.0.1:3000",  "127.255.255.254", "127.1.2.3:0",
    "[::1]",         "[::1]:8080", "127.0.0.1:",  "[::1]:",          "localhost:00080",
};

static const char *const foreign[] = {
    "",
    ":",
    ":80",
    "evil.example",
    "evil.example:80",
    "localhost.evil.example",
    "evil.localhost",
    "localhost..",
    ".localhost",
    "localhostx",
    "xlocalhost",
    "localhost:80:80",
    "localhost:123456",
    "localhost:x",
    "localhost:80x",
    "localhost :80",
    "localhost, evil.example",
    "localhost,localhost",
    "localhost/",
    "localhost@evil.example",
    "user@localhost",
    "127.0.0.1.evil.example",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.0.0.256",
    "127.0.0.01",
    "0127.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "127.0.0.1.1",
    "126.0.0.1",
    "128.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "127.0.0.",
    "127.0.0.-1",
    "::1",
    "[::1",
    "::1]",
    "[::]",
    "[::2]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::1%25lo]",
    "[::1].",
    "[::1]x",
    "[127.0.0.1]",
    "127.0.0.1%00",
    "\xef\xbc\x91"
    "27.0.0.1",
    "lo\xc3\xa7"
    "alhost",
};

static void a_name_of_this_machine_is_told_from_one_that_looks_like_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(own); i++) {
        if (!mcpa_authority_is_loopback(mcpa_str(own[i]))) {
            fail_msg("%s is not known", own[i]);
        }
    }
    for (size_t i = 0; i < COUNT(foreign); i++) {
        if (mcpa_authority_is_loopback(mcpa_str(foreign[i]))) {
            fail_msg("%s passes", foreign[i]);
        }
    }
    assert_false(mcpa_authority_is_loopback(MCPA_STR_NONE));
    assert_false(mcpa_host_is_loopback(MCPA_STR_NONE));
    assert_false(mcpa_host_is_loopback(MCPA_STR("localhost:80")));
    assert_false(mcpa_authority_is_loopback((mcpa_str_t){ "localhost\0.evil.example", 23 }));
}

static void the_authority_of_a_url_ends_before_its_path(void **state)
{
    static const char *const rows[][2] = {
        { "https://mcp.example.com", "mcp.example.com" }, { "https://mcp.example.com/", "mcp.example.com" },
        { "http://127.0.0.1:80/mcp", "127.0.0.1:80" },    { "http://[::1]:80/a:b/c", "[::1]:80" },
        { "https://localhost/x/http://y", "localhost" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(mcpa_str_eqz(mcpa_authority_of(mcpa_str(rows[i][0])), rows[i][1]));
    }
    assert_null(mcpa_authority_of(MCPA_STR("https://")).ptr);
    assert_null(mcpa_authority_of(MCPA_STR("x")).ptr);
    assert_null(mcpa_authority_of(MCPA_STR_NONE).ptr);
}

static void ask_host(world_t *w, const char *resource, const char *host, mcpa_reason_t reason)
{
    w->policy.resource = resource;
    w->request.host = mcpa_str(host);
    w->request.authorization = MCPA_STR_NONE;
    assert_reason(reason, decide(w), host ? host : "(absent)");
}

static void a_resource_of_this_machine_is_asked_for_by_its_own_names(void **state)
{
    static const char *const resources[] = { "http://localhost:3000/mcp", "https://localhost", "http://127.0.0.1/mcp",
                                             "http://127.9.9.9:1", "https://[::1]:8443/mcp" };
    world_t *w = *state;

    for (size_t r = 0; r < COUNT(resources); r++) {
        for (size_t i = 0; i < COUNT(own); i++) {
            ask_host(w, resources[r], own[i], MCPA_REASON_NO_TOKEN);
        }
        for (size_t i = 0; i < COUNT(foreign); i++) {
            ask_host(w, resources[r], foreign[i], MCPA_REASON_HOST_DENIED);
        }
        ask_host(w, resources[r], NULL, MCPA_REASON_HOST_DENIED);
        ask_host(w, resources[r], "mcp.example.com", MCPA_REASON_HOST_DENIED);
    }
}

static void a_public_resource_leaves_host_to_the_virtual_host(void **state)
{
    static const char *const resources[] = { "https://mcp.example.com/mcp", "https://localhost.example.com",
                                             "https://127.0.0.1.example.com/mcp", "https://10.0.0.1/localhost" };
    world_t *w = *state;

    for (size_t r = 0; r < COUNT(resources); r++) {
        for (size_t i = 0; i < COUNT(foreign); i++) {
            ask_host(w, resources[r], foreign[i], MCPA_REASON_NO_TOKEN);
        }
        ask_host(w, resources[r], "localhost", MCPA_REASON_NO_TOKEN);
        ask_host(w, resources[r], NULL, MCPA_REASON_NO_TOKEN);
    }
}

/* Behind the address limit, so that asking is counted; before Origin, the preflight and the token, so that nothing is told. */
static void a_foreign_host_is_refused_before_anything_is_told(void **state)
{
    static const char *const allowed[] = { "http://evil.example", NULL };
    world_t *w = *state;

    w->policy.origins = allowed;
    w->request.origin = MCPA_STR("http://evil.example");
    ask_host(w, "http://localhost/mcp", "evil.example", MCPA_REASON_HOST_DENIED);
    w->request.method = MCPA_STR("OPTIONS");
    w->request.preflight_method = MCPA_STR("POST");
    ask_host(w, "http://localhost/mcp", "evil.example", MCPA_REASON_HOST_DENIED);
    ask_host(w, "http://localhost/mcp", "localhost", MCPA_REASON_PREFLIGHT);
    w->request.origin = MCPA_STR("http://worse.example");
    ask_host(w, "http://localhost/mcp", "localhost", MCPA_REASON_ORIGIN_DENIED);
}

static int set_up(void **state)
{
    world_reset(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_of_this_machine_is_told_from_one_that_looks_like_it),
        cmocka_unit_test(the_authority_of_a_url_ends_before_its_path),
        cmocka_unit_test_setup(a_resource_of_this_machine_is_asked_for_by_its_own_names, set_up),
        cmocka_unit_test_setup(a_public_resource_leaves_host_to_the_virtual_host, set_up),
        cmocka_unit_test_setup(a_foreign_host_is_refused_before_anything_is_told, set_up),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
