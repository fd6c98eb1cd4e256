/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics registry: both text forms by the book (exposition formats 0.0.4, OpenMetrics 1.0), and bounded series. */
#include "test_wire.h"

#include <math.h>
#include <time.h>

#include "wire/metric.h"

#define V(...)     ((const mcpa_str_t[]){ __VA_ARGS__ })
#define S(literal) MCPA_STR(literal)

static const struct {
    const char *name;
    const char *type;
    const char *labels;
    const char *help;
} rows[] = {
#define MCPA_METRIC(id, type, name, labels, help) { name, #type, labels, help },
#include "wire/metric.def"
#undef MCPA_METRIC
};

static char *print(const mcpa_metrics_t *m, bool openmetrics)
{
    size_t len = 0;
    char *text = mcpa_metrics_print(m, openmetrics, &len);

    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    return text;
}

/* Whether the text has exactly this line, and once. */
static bool has_line(const char *text, const char *line)
{
    size_t len = strlen(line);
    unsigned found = 0;

    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        found += strncmp(at, line, len) == 0 && at[len] == '\n';
    }
    assert_true(found <= 1);
    return found == 1;
}

/* By hand: under AddressSanitizer each strstr measures the whole text first. */
static unsigned occurrences(const char *text, const char *what)
{
    size_t len = strlen(what);
    unsigned found = 0;

    for (const char *at = text; *at != '\0'; at++) {
        found += *at == *what && strncmp(at, what, len) == 0;
    }
    return found;
}

static void rows_follow_the_naming_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *total = strstr(rows[i].name, "_total");
        unsigned names = rows[i].labels[0] != '\0' ? 1 : 0;

        /* Counters end in _total and nothing else does; the text forms cut it off by its length. */
        assert_int_equal(total != NULL && strcmp(total, "_total") == 0, strcmp(rows[i].type, "COUNTER") == 0);
        assert_true(strncmp(rows[i].name, "mcpauth_", 8) == 0 || strncmp(rows[i].name, "process_", 8) == 0);
        assert_int_equal(strspn(rows[i].name, "abcdefghijklmnopqrstuvwxyz_"), strlen(rows[i].name));
        assert_int_equal(strspn(rows[i].labels, "abcdefghijklmnopqrstuvwxyz_ "), strlen(rows[i].labels));
        assert_true(rows[i].help[0] != '\0' && strpbrk(rows[i].help, "\n\r") == NULL);
        for (const char *at = rows[i].labels; *at != '\0'; at++) {
            names += *at == ' ';
        }
        assert_true(names <= MCPA_METRIC_LABELS_MAX);
        assert_string_equal(mcpa_metric_name((mcpa_metric_t)i), rows[i].name);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(rows[i].name, rows[j].name);
        }
    }
}

static void a_fresh_registry_shows_every_metric_and_zero_where_that_is_known(void **state)
{
    mcpa_metrics_t *m = mcpa_metrics_new();
    char *text = print(m, false);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char line[256];

        (void)snprintf(line, sizeof(line), "# HELP %s %s", rows[i].name, rows[i].help);
        assert_true(has_line(text, line));
        (void)snprintf(line, sizeof(line), "%s 0", rows[i].name);
        assert_int_equal(has_line(text, line), rows[i].labels[0] == '\0' && strcmp(rows[i].type, "HISTOGRAM") != 0);
    }
    assert_true(has_line(text, "# TYPE mcpauth_requests_total counter"));
    assert_true(has_line(text, "# TYPE mcpauth_links gauge"));
    assert_true(has_line(text, "# TYPE mcpauth_request_bytes histogram"));
    assert_true(has_line(text, "mcpauth_token_verify_duration_seconds_bucket{le=\"+Inf\"} 0"));
    assert_true(has_line(text, "mcpauth_token_verify_duration_seconds_count 0"));
    assert_null(strstr(text, "# EOF"));
    free(text);
    mcpa_metrics_free(&m);
    assert_null(m);
}

static void counters_and_gauges_are_added_set_and_reset(void **state)
{
    mcpa_metrics_t *m = mcpa_metrics_new();
    const mcpa_str_t *allow = V(S("/mcp"), S("POST"), S("200"), S("allow"));
    const mcpa_str_t *deny = V(S("/mcp"), S("POST"), S("401"), S("deny"));
    char *text;

    (void)state;
    mcpa_metrics_add(m, MCPA_METRIC_REQUESTS, allow, 1);
    mcpa_metrics_add(m, MCPA_METRIC_REQUESTS, allow, 2);
    mcpa_metrics_add(m, MCPA_METRIC_REQUESTS, deny, 1);
    mcpa_metrics_add(m, MCPA_METRIC_REQUESTS, deny, -1);
    mcpa_metrics_add(m, MCPA_METRIC_REQUESTS, deny, NAN);
    mcpa_metrics_add(m, MCPA_METRIC_REQUESTS, deny, INFINITY);
    mcpa_metrics_set(m, MCPA_METRIC_PROCESS_CPU, NULL, 0.1);
    mcpa_metrics_set(m, MCPA_METRIC_ALERTS_FIRING, V(S("A"), S("page")), 1);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_REQUESTS, allow) == 3);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_REQUESTS, deny) == 1);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_REQUESTS, V(S(""), S(""), S(""), S(""))) == 0);
    text = print(m, false);
    assert_true(has_line(text, "mcpauth_requests_total{location=\"/mcp\",method=\"POST\",code=\"200\",decision=\"allow\"} 3"));
    assert_true(has_line(text, "mcpauth_requests_total{location=\"/mcp\",method=\"POST\",code=\"401\",decision=\"deny\"} 1"));
    assert_true(has_line(text, "process_cpu_seconds_total 0.1"));
    assert_true(has_line(text, "mcpauth_alerts_firing{name=\"A\",severity=\"page\"} 1"));
    free(text);
    mcpa_metrics_reset(m, MCPA_METRIC_ALERTS_FIRING);
    mcpa_metrics_set(m, MCPA_METRIC_ALERTS_FIRING, V(S("B"), S("page")), 1);
    text = print(m, false);
    assert_null(strstr(text, "name=\"A\""));
    assert_non_null(strstr(text, "name=\"B\""));
    free(text);
    mcpa_metrics_free(&m);
}

static void functions_of_another_kind_do_nothing(void **state)
{
    mcpa_metrics_t *m = mcpa_metrics_new();
    char *before = print(m, false);
    char *after;

    (void)state;
    mcpa_metrics_add(m, MCPA_METRIC_LINKS, NULL, 1);
    mcpa_metrics_observe(m, MCPA_METRIC_LINKS, NULL, 1);
    mcpa_metrics_observe(m, MCPA_METRIC_AUDIT_RECORDS, NULL, 1);
    mcpa_metrics_add(m, MCPA_METRIC_VERIFY_SECONDS, NULL, 1);
    mcpa_metrics_set(m, MCPA_METRIC_VERIFY_SECONDS, NULL, 1);
    mcpa_metrics_observe(m, MCPA_METRIC_VERIFY_SECONDS, NULL, NAN);
    after = print(m, false);
    assert_string_equal(before, after);
    free(before);
    free(after);
    mcpa_metrics_free(&m);
}

static void label_values_are_escaped_repaired_and_cut(void **state)
{
    static const struct {
        mcpa_str_t value;
        const char *printed;
    } cases[] = {
        { MCPA_STR("plain"), "plain" },
        { MCPA_STR(""), "" },
        { { NULL, 0 }, "" },
        { MCPA_STR("a\"b\\c\nd"), "a\\\"b\\\\c\\nd" },
        { MCPA_STR("{},= \t\r"), "{},= \t\r" },
        { MCPA_STR("\xff\xc3(\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd" },
        { MCPA_STR("a\0b"), "a\xef\xbf\xbd"
                            "b" },
        { MCPA_STR("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f" },
    };
    mcpa_metrics_t *m = mcpa_metrics_new();
    char euros[3 * 50];
    char quotes[200];
    char *text;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char line[256];

        mcpa_metrics_reset(m, MCPA_METRIC_UNKNOWN_KID);
        mcpa_metrics_add(m, MCPA_METRIC_UNKNOWN_KID, &cases[i].value, 1);
        text = print(m, false);
        (void)snprintf(line, sizeof(line), "mcpauth_unknown_kid_total{issuer=\"%s\"} 1", cases[i].printed);
        assert_true(has_line(text, line));
        free(text);
    }
    for (size_t i = 0; i < sizeof(euros); i++) {
        euros[i] = "\xe2\x82\xac"[i % 3];
    }
    memset(quotes, '"', sizeof(quotes));
    mcpa_metrics_reset(m, MCPA_METRIC_UNKNOWN_KID);
    mcpa_metrics_add(m, MCPA_METRIC_UNKNOWN_KID, &(mcpa_str_t){ euros, sizeof(euros) }, 1);
    mcpa_metrics_add(
        m, MCPA_METRIC_OPERATIONS,
        V({ quotes, sizeof(quotes) }, { quotes, sizeof(quotes) }, { quotes, sizeof(quotes) }, { quotes, sizeof(quotes) }), 1);
    text = print(m, true);
    assert_int_equal(occurrences(text, "\xe2\x82\xac"), 128 / 3); /* whole characters within 128 bytes */
    assert_int_equal(occurrences(text, "\\\""), 4 * 128);
    free(text);
    mcpa_metrics_free(&m);
}

static void label_sets_that_look_alike_when_joined_are_told_apart(void **state)
{
    mcpa_metrics_t *m = mcpa_metrics_new();

    (void)state;
    mcpa_metrics_add(m, MCPA_METRIC_DENIALS, V(S("a"), S("bc")), 1);
    mcpa_metrics_add(m, MCPA_METRIC_DENIALS, V(S("ab"), S("c")), 2);
    mcpa_metrics_add(m, MCPA_METRIC_DENIALS, V(S("abc"), S("")), 4);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_DENIALS, V(S("a"), S("bc"))) == 1);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_DENIALS, V(S("ab"), S("c"))) == 2);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_DENIALS, V(S("abc"), S(""))) == 4);
    mcpa_metrics_free(&m);
}

static void histograms_count_up_to_and_including_each_bound(void **state)
{
    static const double seen[] = { 0, 100, 100.5, 1000, 9999, 1e7, 1e7 + 1, INFINITY };
    mcpa_metrics_t *m = mcpa_metrics_new();
    const mcpa_str_t *mcp = V(S("/mcp"));
    char *text;

    (void)state;
    for (size_t i = 0; i < COUNT(seen) - 1; i++) {
        mcpa_metrics_observe(m, MCPA_METRIC_REQUEST_BYTES, mcp, seen[i]);
    }
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_REQUEST_BYTES, mcp) == 7);
    text = print(m, false);
    assert_non_null(strstr(text, "mcpauth_request_bytes_bucket{location=\"/mcp\",le=\"100\"} 2\n"
                                 "mcpauth_request_bytes_bucket{location=\"/mcp\",le=\"1000\"} 4\n"
                                 "mcpauth_request_bytes_bucket{location=\"/mcp\",le=\"10000\"} 5\n"
                                 "mcpauth_request_bytes_bucket{location=\"/mcp\",le=\"100000\"} 5\n"
                                 "mcpauth_request_bytes_bucket{location=\"/mcp\",le=\"1e+06\"} 5\n"
                                 "mcpauth_request_bytes_bucket{location=\"/mcp\",le=\"1e+07\"} 6\n"
                                 "mcpauth_request_bytes_bucket{location=\"/mcp\",le=\"+Inf\"} 7\n"
                                 "mcpauth_request_bytes_sum{location=\"/mcp\"} 20011200.5\n"
                                 "mcpauth_request_bytes_count{location=\"/mcp\"} 7\n"));
    free(text);
    mcpa_metrics_observe(m, MCPA_METRIC_REQUEST_BYTES, mcp, INFINITY);
    text = print(m, false);
    assert_true(has_line(text, "mcpauth_request_bytes_sum{location=\"/mcp\"} +Inf"));
    free(text);
    mcpa_metrics_observe(m, MCPA_METRIC_REQUEST_SECONDS, mcp, 0.003);
    mcpa_metrics_observe(m, MCPA_METRIC_VERIFY_SECONDS, NULL, 2e-05);
    text = print(m, false);
    assert_int_equal(occurrences(text, "mcpauth_request_duration_seconds_bucket"), 15);
    assert_true(has_line(text, "mcpauth_request_duration_seconds_bucket{location=\"/mcp\",le=\"0.0025\"} 0"));
    assert_true(has_line(text, "mcpauth_request_duration_seconds_bucket{location=\"/mcp\",le=\"0.005\"} 1"));
    assert_true(has_line(text, "mcpauth_request_duration_seconds_bucket{location=\"/mcp\",le=\"10\"} 1"));
    assert_true(has_line(text, "mcpauth_token_verify_duration_seconds_bucket{le=\"1e-05\"} 0"));
    assert_true(has_line(text, "mcpauth_token_verify_duration_seconds_bucket{le=\"2.5e-05\"} 1"));
    assert_true(has_line(text, "mcpauth_token_verify_duration_seconds_bucket{le=\"0.01\"} 1"));
    free(text);
    mcpa_metrics_free(&m);
}

static void openmetrics_names_families_without_total_and_ends_in_eof(void **state)
{
    mcpa_metrics_t *m = mcpa_metrics_new();
    char *text;

    (void)state;
    mcpa_metrics_add(m, MCPA_METRIC_DENIALS, V(S("/mcp"), S("expired")), 1);
    mcpa_metrics_observe(m, MCPA_METRIC_REQUEST_BYTES, V(S("/mcp")), 1);
    mcpa_metrics_observe(m, MCPA_METRIC_REQUEST_SECONDS, V(S("/mcp")), 1);
    text = print(m, true);
    assert_true(has_line(text, "# TYPE mcpauth_denials counter"));
    assert_true(has_line(text, "# HELP mcpauth_denials Requests denied, by reason"));
    assert_true(has_line(text, "mcpauth_denials_total{location=\"/mcp\",reason=\"expired\"} 1"));
    assert_true(has_line(text, "# TYPE process_cpu_seconds counter"));
    assert_true(has_line(text, "# TYPE mcpauth_request_bytes histogram"));
    /* Bounds are floats. */
    assert_true(has_line(text, "mcpauth_request_bytes_bucket{location=\"/mcp\",le=\"100.0\"} 1"));
    assert_true(has_line(text, "mcpauth_request_bytes_bucket{location=\"/mcp\",le=\"1e+06\"} 1"));
    assert_true(has_line(text, "mcpauth_request_duration_seconds_bucket{location=\"/mcp\",le=\"0.5\"} 0"));
    assert_true(has_line(text, "mcpauth_request_duration_seconds_bucket{location=\"/mcp\",le=\"10.0\"} 1"));
    assert_true(has_line(text, "mcpauth_request_duration_seconds_bucket{location=\"/mcp\",le=\"+Inf\"} 1"));
    assert_string_equal(text + strlen(text) - 7, "\n# EOF\n");
    free(text);
    mcpa_metrics_free(&m);
}

static void numbers_print_in_the_fewest_digits_that_read_back(void **state)
{
    static const struct {
        double value;
        const char *printed;
    } cases[] = { { 0, "0" },
                  { 1, "1" },
                  { 0.1, "0.1" },
                  { 1.0 / 3, "0.33333333333333331" },
                  { 1763715600.5, "1763715600.5" },
                  { 123456789012345, "123456789012345" },
                  { 1e15, "1e+15" },
                  { 1e300, "1e+300" },
                  { -2, "-2" },
                  { -0.5, "-0.5" },
                  { NAN, "NaN" },
                  { INFINITY, "+Inf" },
                  { -INFINITY, "-Inf" } };
    mcpa_metrics_t *m = mcpa_metrics_new();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char line[64];
        char *text;

        mcpa_metrics_set(m, MCPA_METRIC_LINKS, NULL, cases[i].value);
        text = print(m, false);
        (void)snprintf(line, sizeof(line), "mcpauth_links %s", cases[i].printed);
        assert_true(has_line(text, line));
        free(text);
    }
    mcpa_metrics_free(&m);
}

static mcpa_str_t numbered(char memory[24], unsigned number)
{
    int n = snprintf(memory, 24, "/location/%u", number);

    assert_true(n > 0 && n < 24);
    return (mcpa_str_t){ memory, (size_t)n };
}

static void past_the_bound_a_new_label_set_is_counted_as_other(void **state)
{
    mcpa_metrics_t *m = mcpa_metrics_new();
    char name[24];
    char *text;

    (void)state;
    for (unsigned i = 0; i < MCPA_METRIC_SERIES_MAX + 1000; i++) {
        mcpa_metrics_add(m, MCPA_METRIC_DENIALS, V(numbered(name, i), S("expired")), 1);
    }
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_DENIALS, V(S("other"), S("other"))) == 1000);
    /* Known series go on, and a metric that comes late still counts. */
    mcpa_metrics_add(m, MCPA_METRIC_DENIALS, V(numbered(name, 7), S("expired")), 1);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_DENIALS, V(numbered(name, 7), S("expired"))) == 2);
    mcpa_metrics_add(m, MCPA_METRIC_AUDIT_RECORDS, NULL, 1);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_AUDIT_RECORDS, NULL) == 1);
    text = print(m, false);
    assert_int_equal(occurrences(text, "mcpauth_denials_total{"), MCPA_METRIC_SERIES_MAX + 1);
    free(text);
    /* What is dropped makes room. */
    mcpa_metrics_reset(m, MCPA_METRIC_DENIALS);
    mcpa_metrics_add(m, MCPA_METRIC_DENIALS, V(numbered(name, 99999), S("expired")), 1);
    assert_true(mcpa_metrics_get(m, MCPA_METRIC_DENIALS, V(numbered(name, 99999), S("expired"))) == 1);
    mcpa_metrics_free(&m);
}

static void ten_thousand_series_print_quickly(void **state)
{
    mcpa_metrics_t *m = mcpa_metrics_new();
    char name[24];
    clock_t start;
    char *text;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        mcpa_metrics_add(m, MCPA_METRIC_REQUESTS, V(numbered(name, i), S("POST"), S("200"), S("allow")), i);
    }
    start = clock();
    text = print(m, true);
    /* It takes 1 ms; the bar is generous for sanitizers and busy machines, and far below what formatting each label would cost.
     */
    assert_true(clock() - start < CLOCKS_PER_SEC / 4);
    assert_int_equal(occurrences(text, "mcpauth_requests_total{"), 10000);
    free(text);
    mcpa_metrics_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_follow_the_naming_rules),
        cmocka_unit_test(a_fresh_registry_shows_every_metric_and_zero_where_that_is_known),
        cmocka_unit_test(counters_and_gauges_are_added_set_and_reset),
        cmocka_unit_test(functions_of_another_kind_do_nothing),
        cmocka_unit_test(label_values_are_escaped_repaired_and_cut),
        cmocka_unit_test(label_sets_that_look_alike_when_joined_are_told_apart),
        cmocka_unit_test(histograms_count_up_to_and_including_each_bound),
        cmocka_unit_test(openmetrics_names_families_without_total_and_ends_in_eof),
        cmocka_unit_test(numbers_print_in_the_fewest_digits_that_read_back),
        cmocka_unit_test(past_the_bound_a_new_label_set_is_counted_as_other),
        cmocka_unit_test(ten_thousand_series_print_quickly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
