/* SPDX-License-Identifier: Apache-2.0 */
/* What a forwarded line looks like: syslog messages and OTLP bodies. Everything in a line may have been chosen by a client. */
#include "admind_support.h"

#include "base/json.h"
#include "forward/otlp.h"
#include "forward/syslog.h"

#define INSTANCE "00112233445566778899aabbccddeeff"
#define TAIL     "\"instance\":\"" INSTANCE "\",\"seq\":7}"

static const admind_syslog_origin_t origin = { "host one", 42, 16 };
static char memory[1 << 16];

/* The message of a line, without its count, which is checked. */
static const char *message_of(const char *text)
{
    mcpa_out_t out;
    admind_line_t line;
    bool parsed = admind_line_parse(&line, mcpa_str(text)) == MCPA_OK;
    char *end;
    unsigned long count;

    mcpa_out_init(&out, memory, sizeof(memory));
    admind_syslog_print(&out, &origin, mcpa_str(text), parsed ? &line : NULL);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    if (parsed) {
        admind_line_clear(&line);
    }
    count = strtoul(memory, &end, 10);
    assert_int_equal(*end, ' ');
    assert_int_equal(count, strlen(end + 1));
    return end + 1;
}

static void syslog_has_header_data_and_line(void **state)
{
    const char *line = "{\"ts\":\"2026-11-21T12:00:00.123Z\",\"sub\":\"alice\",\"status\":200,\"decision\":\"allow\"," TAIL;
    char wanted[512];

    (void)state;
    (void)snprintf(wanted, sizeof(wanted),
                   "<134>1 2026-11-21T12:00:00.123Z host?one mcpauth-admind 42 request [mcpauth@32473 instance=\"" INSTANCE
                   "\" seq=\"7\" decision=\"allow\" status=\"200\" sub=\"alice\"] %s",
                   line);
    assert_string_equal(message_of(line), wanted);
}

static void syslog_values_cannot_leave_their_quotes(void **state)
{
    (void)state;
    assert_non_null(strstr(message_of("{\"sub\":\"a\\\"] [x y=\\\"\\\\\\n\",\"event\":\"odd\"," TAIL),
                           " event [mcpauth@32473 instance=\"" INSTANCE "\" seq=\"7\" event=\"odd\" sub=\"a\\\"\\] [x y=\\\"\\\\?\"] {"));
}

static void syslog_values_are_cut_at_whole_characters(void **state)
{
    char line[2048], value[ADMIND_SYSLOG_VALUE_BYTES + 8];
    const char *said;

    (void)state;
    memset(value, 'a', sizeof(value));
    memcpy(value + ADMIND_SYSLOG_VALUE_BYTES - 1, "\xc3\xa4", 3); /* the last byte's place is one byte too few for it */
    (void)snprintf(line, sizeof(line), "{\"sub\":\"%s\"," TAIL, value);
    said = strstr(message_of(line), " sub=\"");
    assert_non_null(said);
    assert_int_equal(strcspn(said + 6, "\""), ADMIND_SYSLOG_VALUE_BYTES - 1);
}

static void syslog_marks_utf8_and_only_that(void **state)
{
    (void)state;
    assert_non_null(strstr(message_of("{\"sub\":\"k\xc3\xa4the\"," TAIL), "] \xef\xbb\xbf{\"sub\":"));
    assert_non_null(strstr(message_of("{\"sub\":\"kate\"," TAIL), "] {\"sub\":"));
    assert_non_null(strstr(message_of("\xff"), " damaged - \xff"));
}

static void syslog_grades_and_names_every_kind(void **state)
{
    static const struct {
        const char *line, *start, *kind;
    } rows[] = {
        { "{\"decision\":\"allow\"," TAIL, "<134>1 - ", " request " },
        { "{\"decision\":\"deny\"," TAIL, "<133>1 - ", " request " },
        { "{\"decision\":\"limit\"," TAIL, "<132>1 - ", " request " },
        { "{\"decision\":\"error\"," TAIL, "<131>1 - ", " request " },
        { "{\"decision\":\"shadow_deny\"," TAIL, "<133>1 - ", " request " },
        { "{\"event\":\"decision\",\"decision\":\"allow\"," TAIL, "<134>1 - ", " decision " },
        { "{\"event\":\"gap\",\"lost\":3," TAIL, "<131>1 - ", " gap " },
        { "{\"event\":\"corrupt\"," TAIL, "<131>1 - ", " corrupt " },
        { "{\"event\":\"gap] x\"," TAIL, "<133>1 - ", " event " },
        { "{\"event\":\"seal\",\"ts\":\"2026-11-21T12:00:00.000Z\"}", "<134>1 2026-11-21T12:00:00.000Z ", " seal [mcpauth@32473 event=\"seal\"] " },
        { "no line of ours", "<131>1 - ", " damaged - " },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *message = message_of(rows[i].line);

        assert_memory_equal(message, rows[i].start, strlen(rows[i].start));
        assert_non_null(strstr(message, rows[i].kind));
    }
}

static void syslog_that_does_not_fit_is_told(void **state)
{
    char small[64];
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, small, sizeof(small));
    admind_syslog_print(&out, &origin, MCPA_STR("a line that is a little longer than what is left there"), NULL);
    assert_int_equal(mcpa_out_status(&out), MCPA_ETOOBIG);
}

static void facilities_have_their_numbers(void **state)
{
    unsigned facility = 99;

    (void)state;
    assert_true(admind_syslog_facility("kern", &facility) && facility == 0);
    assert_true(admind_syslog_facility("authpriv", &facility) && facility == 10);
    assert_true(admind_syslog_facility("local7", &facility) && facility == 23);
    assert_false(admind_syslog_facility("local8", &facility));
    assert_false(admind_syslog_facility("", &facility));
}

/* ---- OTLP */

static mcpa_json_t *body_of(const char *const *lines, size_t n)
{
    admind_otlp_t body;
    mcpa_json_t *tree = NULL;

    assert_true(admind_otlp_begin(&body, memory, sizeof(memory), "host", "1.2.3"));
    for (size_t i = 0; i < n; i++) {
        admind_line_t line;
        bool parsed = admind_line_parse(&line, mcpa_str(lines[i])) == MCPA_OK;

        assert_true(admind_otlp_add(&body, mcpa_str(lines[i]), parsed ? &line : NULL, NOON_US));
        if (parsed) {
            admind_line_clear(&line);
        }
    }
    assert_int_equal(mcpa_json_parse(&tree, admind_otlp_end(&body), 20, 10000), MCPA_OK);
    return tree;
}

static void is_text(const mcpa_json_t *tree, const char *pointer, const char *wanted)
{
    mcpa_str_t text = mcpa_json_string(mcpa_json_pointer(tree, mcpa_str(pointer)));

    assert_int_equal(text.len, strlen(wanted));
    assert_memory_equal(text.ptr, wanted, text.len);
}

#define LOGS "/resourceLogs/0/scopeLogs/0/logRecords"

static void otlp_has_resource_records_and_attributes(void **state)
{
    const char *const lines[] = { "{\"ts\":\"2026-11-21T12:00:00.123Z\",\"sub\":\"al\\\"ice\",\"status\":401,\"decision\":\"deny\"," TAIL,
                                  "\xffnothing" };
    mcpa_json_t *tree = body_of(lines, 2);

    (void)state;
    is_text(tree, "/resourceLogs/0/resource/attributes/0/value/stringValue", "mcpauth");
    is_text(tree, "/resourceLogs/0/resource/attributes/2/value/stringValue", "host");
    is_text(tree, LOGS "/0/timeUnixNano", "1795262400123000000");
    is_text(tree, LOGS "/0/observedTimeUnixNano", "1795262400000000000");
    is_text(tree, LOGS "/0/severityText", "notice");
    is_text(tree, LOGS "/0/body/stringValue", lines[0]);
    is_text(tree, LOGS "/0/attributes/0/value/stringValue", "request");
    is_text(tree, LOGS "/0/attributes/1/value/stringValue", INSTANCE);
    is_text(tree, LOGS "/0/attributes/2/value/intValue", "7");
    is_text(tree, LOGS "/0/attributes/4/key", "http.response.status_code");
    is_text(tree, LOGS "/0/attributes/4/value/intValue", "401");
    is_text(tree, LOGS "/0/attributes/5/key", "enduser.id");
    is_text(tree, LOGS "/0/attributes/5/value/stringValue", "al\"ice");
    is_text(tree, LOGS "/1/timeUnixNano", "0");
    is_text(tree, LOGS "/1/severityText", "err");
    is_text(tree, LOGS "/1/body/stringValue", "\xef\xbf\xbdnothing");
    mcpa_json_free(&tree);
}

static void otlp_that_is_full_is_as_before_and_ends_well(void **state)
{
    static char small[2048];
    const char *line = "{\"sub\":\"alice\"," TAIL;
    admind_line_t parsed;
    admind_otlp_t body;
    mcpa_json_t *tree = NULL;
    size_t n = 0;

    (void)state;
    assert_int_equal(admind_line_parse(&parsed, mcpa_str(line)), MCPA_OK);
    for (size_t cap = 1024; cap < sizeof(small); cap++) {
        assert_true(admind_otlp_begin(&body, small, cap, "host", "1"));
        for (n = 0; admind_otlp_add(&body, mcpa_str(line), &parsed, NOON_US); n++) {
        }
        assert_int_equal(mcpa_json_parse(&tree, admind_otlp_end(&body), 20, 10000), MCPA_OK);
        assert_int_equal(mcpa_json_size(mcpa_json_pointer(tree, MCPA_STR(LOGS))), n);
        mcpa_json_free(&tree);
    }
    assert_true(n > 1);
    assert_false(admind_otlp_begin(&body, small, 64, "host", "1"));
    admind_line_clear(&parsed);
}

static void otlp_answers_tell_what_was_rejected(void **state)
{
    static const struct {
        const char *answer;
        int64_t rejected;
        const char *words;
    } rows[] = {
        { "", 0, "" },
        { "{}", 0, "" },
        { "<html>", 0, "" },
        { "{\"partialSuccess\":{}}", 0, "" },
        { "{\"partialSuccess\":{\"rejectedLogRecords\":\"12\",\"errorMessage\":\"old\"}}", 12, "old" },
        { "{\"partialSuccess\":{\"rejectedLogRecords\":3}}", 3, "" },
        { "{\"partialSuccess\":{\"rejectedLogRecords\":-3}}", 0, "" },
        { "{\"partialSuccess\":{\"rejectedLogRecords\":\"x\",\"errorMessage\":7}}", 0, "" },
        { "{\"partialSuccess\":{\"rejectedLogRecords\":\"18446744073709551615\"}}", INT64_MAX, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mcpa_json_t *tree;
        mcpa_str_t words;

        assert_int_equal(admind_otlp_rejected(mcpa_str(rows[i].answer), &tree, &words), rows[i].rejected);
        assert_int_equal(words.len, strlen(rows[i].words));
        mcpa_json_free(&tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syslog_has_header_data_and_line),
        cmocka_unit_test(syslog_values_cannot_leave_their_quotes),
        cmocka_unit_test(syslog_values_are_cut_at_whole_characters),
        cmocka_unit_test(syslog_marks_utf8_and_only_that),
        cmocka_unit_test(syslog_grades_and_names_every_kind),
        cmocka_unit_test(syslog_that_does_not_fit_is_told),
        cmocka_unit_test(facilities_have_their_numbers),
        cmocka_unit_test(otlp_has_resource_records_and_attributes),
        cmocka_unit_test(otlp_that_is_full_is_as_before_and_ends_well),
        cmocka_unit_test(otlp_answers_tell_what_was_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
