/* SPDX-License-Identifier: Apache-2.0 */
/* Rates and origins as the directives spell them. */
#include "test_policy.h"

#include "policy/policy.h"

static void rates_become_an_interval_and_a_burst(void **state)
{
    static const struct {
        const char *rate;
        const char *burst;
        uint64_t interval_ns;
        uint32_t at_once;
    } rows[] = {
        { "1/s", NULL, 1000000000, 1 },
        { "100/min", "burst=20", 600000000, 20 },
        { "100/min", "20", 600000000, 20 },
        { "100/min", NULL, 600000000, 100 },
        { "60/hour", "1", UINT64_C(60000000000), 1 },
        { "1/day", NULL, UINT64_C(86400000000000), 1 },
        { "1000000/s", "1000000", 1000, 1000000 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        mcpa_limit_t limit = { .key = MCPA_LIMIT_SUBJECT };
        const char *error = NULL;

        assert_true(mcpa_limit_parse(&limit, mcpa_str(rows[i].rate), mcpa_str(rows[i].burst), &error));
        assert_int_equal(limit.interval_ns, rows[i].interval_ns);
        assert_int_equal(limit.burst, rows[i].at_once);
    }
}

static void other_rates_are_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *rate;
        const char *burst;
    } rows[] = {
        { "", NULL },          { "10", NULL },        { "0/s", NULL },
        { "-1/s", NULL },      { "1.5/s", NULL },     { "10/", NULL },
        { "10/sec", NULL },    { "10/S", NULL },      { "1000001/s", NULL },
        { "10/s/s", NULL },    { " 10/s", NULL },     { "10/s ", NULL },
        { "10/s", "0" },       { "10/s", "burst=" },  { "10/s", "" },
        { "10/s", "burst=x" }, { "10/s", "1000001" }, { "10/s", "burst=burst=1" },
        { "10/week", NULL },   { NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        mcpa_limit_t limit = { .key = MCPA_LIMIT_SUBJECT };
        const char *error = NULL;

        if (mcpa_limit_parse(&limit, mcpa_str(rows[i].rate), mcpa_str(rows[i].burst), &error)) {
            fail_msg("%s %s was taken", rows[i].rate, rows[i].burst);
        }
        assert_non_null(error);
    }
}

static void words_of_enums_are_found_again(void **state)
{
    static const char *const words[] = { "subject", "client", "address", "tool" };
    mcpa_limit_key_t key = MCPA_LIMIT_SUBJECT;

    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        assert_true(mcpa_limit_key_find(&key, mcpa_str(words[i])));
        assert_int_equal(key, i);
        assert_string_equal(mcpa_limit_key_word(key), words[i]);
    }
    assert_false(mcpa_limit_key_find(&key, MCPA_STR("Subject")));
    assert_false(mcpa_limit_key_find(&key, MCPA_STR_NONE));
    assert_string_equal(mcpa_limit_key_word((mcpa_limit_key_t)99), "");
    for (unsigned i = 0; i < 3; i++) {
        mcpa_inspect_t inspect = MCPA_INSPECT_OFF;

        assert_true(mcpa_inspect_find(&inspect, mcpa_str(mcpa_inspect_word((mcpa_inspect_t)i))));
        assert_int_equal(inspect, i);
    }
    assert_false(mcpa_inspect_find(&(mcpa_inspect_t){ 0 }, MCPA_STR_NONE));
    assert_false(mcpa_inspect_find(&(mcpa_inspect_t){ 0 }, MCPA_STR("Body")));
    assert_string_equal(mcpa_inspect_word(MCPA_INSPECT_HEADERS), "headers");
    assert_string_equal(mcpa_inspect_word((mcpa_inspect_t)99), "");
    assert_string_equal(mcpa_mode_word(MCPA_MODE_OFF), "off");
    assert_string_equal(mcpa_mode_word(MCPA_MODE_ON), "on");
    assert_string_equal(mcpa_mode_word(MCPA_MODE_SHADOW), "shadow");
    assert_string_equal(mcpa_key_source_word(MCPA_KEYS_DISCOVER), "discover");
    assert_string_equal(mcpa_key_source_word(MCPA_KEYS_URL), "url");
    assert_string_equal(mcpa_key_source_word(MCPA_KEYS_FILE), "file");
    assert_string_equal(mcpa_key_source_word(MCPA_KEYS_SECRET), "secret");
}

static void origins_are_what_browsers_send(void **state)
{
    static const char *const good[] = {
        "https://good.example",          "http://localhost:3000",
        "https://xn--bcher-kva.example", "http://127.0.0.1:8080",
        "https://[2001:db8::1]:444",     "http://[::1]",
        "vscode-webview://abc123",       "chrome-extension://abcdefghijklmnop",
        "https://a_b.example",           "https://x:65535",
    };
    static const char *const bad[] = {
        "",
        "null",
        "*",
        "good.example",
        "https://",
        "https:good.example",
        "https:/good.example",
        "HTTPS://good.example",
        "https://Good.example",
        "https://good.example/",
        "https://good.example/path",
        "https://good.example:443",
        "http://good.example:80",
        "https://good.example:0",
        "https://good.example:65536",
        "https://good.example:0444",
        "https://good.example:",
        "https://good.example:x",
        "https://user@good.example",
        "https://good.example https://other.example",
        "https://good.example,https://other.example",
        "https://good.example?",
        "https://good.example#",
        "https://b\303\274cher.example",
        "https://*.example",
        "https://[::1",
        "https://[]",
        "https://[::1]x",
        "https://[::1]:",
        "https://[::G]",
        "1http://x",
        "://x",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (!mcpa_origin_is_valid(mcpa_str(good[i]))) {
            fail_msg("%s was refused", good[i]);
        }
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (mcpa_origin_is_valid(mcpa_str(bad[i]))) {
            fail_msg("%s was taken", bad[i]);
        }
    }
    assert_false(mcpa_origin_is_valid(MCPA_STR_NONE));
    assert_false(mcpa_origin_is_valid(MCPA_STR("https://a\0b")));
    assert_false(mcpa_origin_is_valid(MCPA_STR("a\0://b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_become_an_interval_and_a_burst),
        cmocka_unit_test(other_rates_are_refused_with_a_sentence),
        cmocka_unit_test(words_of_enums_are_found_again),
        cmocka_unit_test(origins_are_what_browsers_send),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
