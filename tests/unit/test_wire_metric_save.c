/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's checkpoint brings counters and histograms back, takes what another version wrote, and nothing from a damaged
 * one. */
#include "test_wire.h"

#include "wire/metric.h"

#define V(...)     ((const mcpa_str_t[]){ __VA_ARGS__ })
#define S(literal) MCPA_STR(literal)

static char *print(const mcpa_metrics_t *m, bool openmetrics)
{
    size_t len = 0;
    char *text = mcpa_metrics_print(m, openmetrics, &len);

    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    return text;
}

static mcpa_status_t load_text(mcpa_metrics_t *m, const char *text)
{
    mcpa_json_t *json = NULL;
    mcpa_status_t status;

    assert_int_equal(mcpa_json_parse(&json, mcpa_str(text), 8, 1000000), MCPA_OK);
    status = mcpa_metrics_load(m, json);
    mcpa_json_free(&json);
    return status;
}

static void counters_and_histograms_survive_the_checkpoint_and_gauges_do_not(void **state)
{
    mcpa_metrics_t *m = mcpa_metrics_new();
    mcpa_metrics_t *back = mcpa_metrics_new();
    char *saved;
    char *text;
    char *text_back;

    (void)state;
    mcpa_metrics_add(m, MCPA_METRIC_DENIALS, V(S("a\"b\\\n\xff"), S("expired")), 5);
    mcpa_metrics_add(m, MCPA_METRIC_DENIALS, V(S("/mcp"), S("expired")), 0.1);
    mcpa_metrics_add(m, MCPA_METRIC_AUDIT_RECORDS, NULL, 1e17);
    mcpa_metrics_observe(m, MCPA_METRIC_REQUEST_SECONDS, V(S("/mcp")), 0.004);
    mcpa_metrics_observe(m, MCPA_METRIC_REQUEST_SECONDS, V(S("/mcp")), 400);
    mcpa_metrics_observe(m, MCPA_METRIC_VERIFY_SECONDS, NULL, 3e-05);
    text = print(m, true);
    mcpa_metrics_set(m, MCPA_METRIC_LINKS, NULL, 9);
    saved = mcpa_metrics_save(m);
    assert_non_null(saved);
    assert_null(strstr(saved, "mcpauth_links"));
    assert_int_equal(load_text(back, saved), MCPA_OK);
    text_back = print(back, true);
    assert_string_equal(text_back, text);
    free(saved);
    free(text);
    free(text_back);
    mcpa_metrics_free(&m);
    mcpa_metrics_free(&back);
}

static void another_versions_rows_are_skipped(void **state)
{
    mcpa_metrics_t *m = mcpa_metrics_new();

    (void)state;
    assert_int_equal(
        load_text(m, "{\"mcpauth_gone_total\":7,"
                     "\"mcpauth_links\":[{\"labels\":[],\"value\":3}],"
                     "\"mcpauth_denials_total\":[{\"labels\":[\"/mcp\"],\"value\":3},{\"labels\":[\"/mcp\",\"x\"],\"value\":4}],"
                     "\"mcpauth_request_bytes\":[{\"labels\":[\"/mcp\"],\"sum\":3,\"buckets\":[1,2]}]}"),
        MCPA_OK);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_LINKS, NULL) == 0);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_DENIALS, V(S("/mcp"), S("x"))) == 4);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_REQUEST_BYTES, V(S("/mcp"))) == 0);
    mcpa_metrics_free(&m);
}

static void a_damaged_checkpoint_leaves_the_registry_empty(void **state)
{
    static const char *const damaged[] = {
        "[]",
        "{\"mcpauth_denials_total\":{}}",
        "{\"mcpauth_denials_total\":[7]}",
        "{\"mcpauth_denials_total\":[{\"labels\":[\"a\",\"b\"]}]}",
        "{\"mcpauth_denials_total\":[{\"labels\":[\"a\",\"b\"],\"value\":\"7\"}]}",
        "{\"mcpauth_denials_total\":[{\"labels\":[\"a\",\"b\"],\"value\":-7}]}",
        "{\"mcpauth_request_bytes\":[{\"labels\":[\"a\"],\"sum\":1,\"buckets\":[1,2,3,4,5,6,-7]}]}",
        "{\"mcpauth_request_bytes\":[{\"labels\":[\"a\"],\"sum\":1,\"buckets\":[1,2,3,4,5,6,\"7\"]}]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(damaged); i++) {
        mcpa_metrics_t *m = mcpa_metrics_new();
        char whole[512];

        /* Something good comes first and must not stay. */
        (void)snprintf(whole, sizeof(whole),
                       "{\"mcpauth_requests_total\":[{\"labels\":[\"a\",\"b\",\"c\",\"d\"],\"value\":7}],%s", damaged[i] + 1);
        assert_int_equal(load_text(m, i == 0 ? damaged[i] : whole), MCPA_EMALFORMED);
        assert_true(mcpa_metrics_get(m, MCPA_METRIC_REQUESTS, V(S("a"), S("b"), S("c"), S("d"))) == 0);
        mcpa_metrics_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_histograms_survive_the_checkpoint_and_gauges_do_not),
        cmocka_unit_test(another_versions_rows_are_skipped),
        cmocka_unit_test(a_damaged_checkpoint_leaves_the_registry_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
