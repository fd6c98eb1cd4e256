/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot is believed no further than the directives are. */
#include "test_policy_snapshot.h"

#define HEAD "{\"version\":1,\"generation\":\"0000000000000001\",\"written\":\"2026-11-21T09:00:00.123Z\",\"mode\":\"production\""
#define KEYS ",\"keys\":\"discover\",\"algs\":[\"RS256\"]"
#define AS   "{\"url\":\"https://as.example.com\"" KEYS "}"
#define LOC(more)                                                                                                                \
    HEAD ",\"issuers\":[" AS "],\"locations\":[{\"mode\":\"on\",\"audit\":\"on\",\"resource\":\"https://r\"" more "}]}"
#define INSPECT(more) LOC(",\"issuers\":[\"https://as.example.com\"],\"inspect\":\"body\"" more)

static const char *const refused[] = {
    "",
    "[]",
    "{}",
    "{\"version\":1}",
    "{\"version\":2,\"generation\":\"0000000000000001\",\"written\":\"2026-11-21T09:00:00.123Z\",\"mode\":\"production\"}",
    "{\"version\":1,\"generation\":\"1\",\"written\":\"2026-11-21T09:00:00.123Z\",\"mode\":\"production\"}",
    "{\"version\":1,\"generation\":\"000000000000000G\",\"written\":\"2026-11-21T09:00:00.123Z\",\"mode\":\"production\"}",
    "{\"version\":1,\"generation\":\"0000000000000001\",\"written\":\"2026-02-30T09:00:00.123Z\",\"mode\":\"production\"}",
    "{\"version\":1,\"generation\":\"0000000000000001\",\"written\":\"yesterday\",\"mode\":\"production\"}",
    "{\"version\":1,\"generation\":\"0000000000000001\",\"written\":\"2026-11-21T09:00:00.123Z\",\"mode\":\"lax\"}",
    HEAD ",\"mode\":\"production\"}",
    HEAD ",\"issuers\":{}}",
    HEAD ",\"issuers\":[1]}",
    HEAD ",\"issuers\":[{\"url\":\"http://as.example.com\"" KEYS "}]}",
    HEAD ",\"issuers\":[{\"url\":\"http://127.0.0.1\"" KEYS "}]}",
    HEAD ",\"issuers\":[{\"url\":\"https://as.example.com\",\"keys\":\"url\",\"algs\":[\"RS256\"]}]}",
    HEAD ",\"issuers\":[{\"url\":\"https://as.example.com\",\"keys\":\"url\",\"jwks\":\"http://169.254.169.254/\"}]}",
    HEAD ",\"issuers\":[{\"url\":\"https://as.example.com\",\"keys\":\"url\",\"jwks\":\"file:///etc/shadow\"}]}",
    HEAD ",\"issuers\":[{\"url\":\"https://as.example.com\",\"keys\":\"magic\"}]}",
    HEAD ",\"issuers\":[{\"url\":\"https://as.example.com\"}]}",
    HEAD ",\"issuers\":[{\"url\":\"https://as.example.com\",\"keys\":\"discover\",\"algs\":[\"HS256\"]}]}",
    HEAD ",\"issuers\":[{\"url\":\"https://as.example.com\",\"keys\":\"discover\",\"algs\":[\"none\"]}]}",
    HEAD ",\"issuers\":[{\"url\":\"https://as.example.com\",\"keys\":\"discover\",\"algs\":[1]}]}",
    HEAD ",\"issuers\":[{\"url\":\"https://as.example.com\",\"keys\":\"discover\",\"skew\":3600}]}",
    HEAD ",\"issuers\":[{\"url\":\"https://as.example.com\",\"keys\":\"discover\",\"typ\":\"none\"}]}",
    HEAD ",\"issuers\":[" AS "," AS "]}",
    HEAD ",\"scope_implies\":[[\"a\"]]}",
    HEAD ",\"scope_implies\":[[\"a\",\"a\"]]}",
    HEAD ",\"scope_implies\":[[\"a\",\"b\"],[\"b\",\"a\"]]}",
    HEAD ",\"scope_aliases\":[{\"a\":\"b\"}]}",
    HEAD ",\"issuers\":[" AS "],\"locations\":[1]}",
    HEAD ",\"issuers\":[" AS "],\"locations\":[{\"mode\":\"on\",\"audit\":\"on\"}]}",
    HEAD ",\"issuers\":[" AS "],\"locations\":[{\"mode\":\"on\",\"audit\":\"on\",\"resource\":\"http://r\"}]}",
    HEAD ",\"issuers\":[" AS "],\"locations\":[{\"mode\":\"on\",\"audit\":\"on\",\"resource\":\"https://r/\\\"\"}]}",
    LOC(",\"issuers\":[\"https://other\"]"),
    LOC(",\"issuers\":[1]"),
    LOC(",\"scopes\":\"a\\u00e4\""),
    LOC(",\"scopes\":[]"),
    LOC(",\"limits\":[\"subject\"]"),
    LOC(",\"limits\":[\"subject 0/s\"]"),
    LOC(",\"limits\":[\"nobody 1/s\"]"),
    LOC(",\"limits\":[\"subject 1/s burst=1 more\"]"),
    LOC(",\"limits\":[null]"),
    LOC(",\"origins\":[\"*\"]"),
    LOC(",\"origins\":[\"null\"]"),
    LOC(",\"audiences\":[\"\"]"),
    LOC(",\"audiences\":[1]"),
    LOC(",\"identity_headers\":1"),
    LOC(",\"location\":1"),
    LOC(",\"location\":\"a\\nb\""),
};

/* explain decides by these: what is not understood must not turn into something laxer. */
static const char *const refused_inspections[] = {
    LOC(",\"max_length\":[]"),
    LOC(",\"max_length\":{\"token\":\"8192\"}"),
    LOC(",\"max_length\":{\"token\":511}"),
    LOC(",\"max_length\":{\"token\":16385}"),
    LOC(",\"max_length\":{\"name\":0}"),
    LOC(",\"max_length\":{\"id\":-1}"),
    LOC(",\"max_length\":{\"uri\":1000.5}"),
    LOC(",\"auth_type\":1"),
    LOC(",\"auth_type_in\":\"\\u0007\""),
    LOC(",\"inspect\":\"Body\""),
    LOC(",\"inspect\":null"),
    LOC(",\"inspect\":true"),
    INSPECT(",\"max_body\":-1"),
    INSPECT(",\"max_body\":\"1k\""),
    INSPECT(",\"max_body\":1.5"),
    INSPECT(",\"protocols\":[]"),
    INSPECT(",\"protocols\":\"2025-11-25\""),
    INSPECT(",\"protocols\":[\"2025-11-26\"]"),
    INSPECT(",\"protocols\":[\"\"]"),
    INSPECT(",\"protocols\":[1]"),
    INSPECT(",\"operations\":{}"),
    INSPECT(",\"operations\":[{}]"),
    INSPECT(",\"operations\":[[\"tools/call\",\"denied\"]]"),
    INSPECT(",\"operations\":[[[\"tools/call\"]]]"),
    INSPECT(",\"operations\":[[[\"tools/call\",\"denied\",\"more\"]]]"),
    INSPECT(",\"operations\":[[[\"tools/call\",\"\"]]]"),
    INSPECT(",\"operations\":[[[\"tools/call\",\" \"]]]"),
    INSPECT(",\"operations\":[[[\"tools/call\",\"granted denied\"]]]"),
    INSPECT(",\"operations\":[[[\"tools/call\",\"x denied\"]]]"),
    INSPECT(",\"operations\":[[[\"tools/call\",\"a\\\"b\"]]]"),
    INSPECT(",\"operations\":[[[\"tools/call:\",\"denied\"]]]"),
    INSPECT(",\"operations\":[[[\":x\",\"denied\"]]]"),
    INSPECT(",\"operations\":[[[\"tools call\",\"denied\"]]]"),
    INSPECT(",\"operations\":[[[1,\"denied\"]]]"),
};

static void assert_refused(const char *json)
{
    mcpa_snapshot_t *snapshot = NULL;
    char error[600] = "";

    if (mcpa_snapshot_parse(&snapshot, mcpa_str(json), error, sizeof(error)) == MCPA_OK) {
        fail_msg("taken: %s", json);
    }
    assert_null(snapshot);
    assert_true(strlen(error) > 0);
}

static void what_the_directives_would_refuse_is_refused(void **state)
{
    mcpa_snapshot_t *snapshot;

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        assert_refused(refused[i]);
    }
    snapshot = parse(MCPA_STR(LOC(",\"issuers\":[\"https://as.example.com\"],\"unknown\":{}")));
    assert_string_equal(snapshot->policies[0]->resource, "https://r");
    mcpa_snapshot_free(&snapshot);
}

static void an_inspection_that_is_not_understood_is_refused(void **state)
{
    mcpa_snapshot_t *snapshot;

    (void)state;
    for (size_t i = 0; i < COUNT(refused_inspections); i++) {
        assert_refused(refused_inspections[i]);
    }
    snapshot = parse(MCPA_STR(INSPECT("")));
    assert_int_equal(snapshot->policies[0]->inspect, MCPA_INSPECT_BODY);
    assert_int_equal(snapshot->policies[0]->max_body, MCPA_BODY_DEFAULT_BYTES);
    assert_int_equal(snapshot->policies[0]->protocols, 0);
    assert_null(snapshot->policies[0]->operations);
    mcpa_snapshot_free(&snapshot);
}

static void many_locations_and_issuers_fit(void **state)
{
    static char big[4 * 1024 * 1024];
    mcpa_snapshot_t *snapshot;
    mcpa_out_t out;
    size_t n = 0;

    (void)state;
    mcpa_out_init(&out, big, sizeof(big));
    mcpa_out_z(&out, HEAD ",\"issuers\":[");
    for (int i = 0; i < MCPA_ISSUERS_MAX; i++) {
        mcpa_out_printf(&out, "%s{\"url\":\"https://as%d.example.com\"" KEYS "}", i ? "," : "", i);
    }
    mcpa_out_z(&out, "],\"locations\":[");
    for (int i = 0; i < 5000; i++) {
        mcpa_out_printf(
            &out, "%s{\"mode\":\"on\",\"audit\":\"on\",\"resource\":\"https://r/%d\",\"issuers\":[\"https://as%d.example.com\"]}",
            i ? "," : "", i, i % MCPA_ISSUERS_MAX);
    }
    mcpa_out_z(&out, "]}");
    snapshot = parse(mcpa_out_get(&out));
    while (snapshot->policies[n]) {
        n++;
    }
    assert_int_equal(n, 5000);
    assert_true(mcpa_snapshot_hash(snapshot) != 0);
    mcpa_snapshot_free(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_directives_would_refuse_is_refused),
        cmocka_unit_test(an_inspection_that_is_not_understood_is_refused),
        cmocka_unit_test(many_locations_and_issuers_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
