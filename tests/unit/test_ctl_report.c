/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/limits.h"
#include "ctl/ctl.h"
#include "ctl/filter.h"
#include "ctl/report.h"

#define INSTANCE ",\"instance\":\"01010101010101010101010101010101\",\"seq\":1}"
#define DAY_US   INT64_C(86400000000)
#define NOV_21   (20778 * DAY_US) /* 2026-11-21 */

static void feed(ctl_report_t *report, const char *members)
{
    char line[2048];

    snprintf(line, sizeof(line), "{%s" INSTANCE, members);
    assert_int_equal(ctl_report_line(report, mcpa_str(line)), MCPA_OK);
}

static void feed_request(ctl_report_t *report, const char *ts, const char *sub, const char *decision, const char *reason)
{
    char members[1024];

    snprintf(members, sizeof(members),
             "\"ts\":\"%s\",\"sub\":\"%s\",\"decision\":\"%s\",\"reason\":\"%s\",\"auth_method\":\"jwt\"", ts, sub, decision,
             reason);
    feed(report, members);
}

static void periods_are_the_last_whole_ones_in_utc(void **state)
{
    const struct {
        const char *word;
        int64_t now, since, until;
    } rows[] = {
        { "day", NOV_21, NOV_21 - DAY_US, NOV_21 },
        { "day", NOV_21 - 1, NOV_21 - 2 * DAY_US, NOV_21 - DAY_US },
        { "week", NOV_21, NOV_21 - 12 * DAY_US, NOV_21 - 5 * DAY_US },                  /* a Saturday */
        { "week", NOV_21 + 2 * DAY_US, NOV_21 - 5 * DAY_US, NOV_21 + 2 * DAY_US },      /* a Monday, 00:00 */
        { "week", NOV_21 + 2 * DAY_US - 1, NOV_21 - 12 * DAY_US, NOV_21 - 5 * DAY_US }, /* the moment before */
        { "month", NOV_21, NOV_21 - 51 * DAY_US, NOV_21 - 20 * DAY_US },                /* October has 31 days */
        { "month", NOV_21 + 40 * DAY_US, NOV_21 - 20 * DAY_US, NOV_21 + 10 * DAY_US },
        { "month", NOV_21 + 41 * DAY_US, NOV_21 + 10 * DAY_US, NOV_21 + 41 * DAY_US }, /* 1 January: December of the old year */
    };
    int64_t since, until;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(ctl_report_period(rows[i].word, rows[i].now, &since, &until));
        assert_int_equal(since, rows[i].since);
        assert_int_equal(until, rows[i].until);
    }
    assert_false(ctl_report_period("year", NOV_21, &since, &until));
}

static void only_what_lies_in_the_period_counts(void **state)
{
    ctl_report_t report;

    (void)state;
    assert_int_equal(ctl_report_init(&report, NOV_21, NOV_21 + DAY_US), MCPA_OK);
    feed_request(&report, "2026-11-20T23:59:59.999Z", "a", "allow", "ok");
    feed_request(&report, "2026-11-21T00:00:00.000Z", "b", "allow", "ok");
    feed_request(&report, "2026-11-21T23:59:59.999Z", "c", "deny", "expired");
    feed_request(&report, "2026-11-22T00:00:00.000Z", "d", "allow", "ok");
    feed(&report, "\"decision\":\"allow\",\"reason\":\"ok\""); /* nobody knows when */
    assert_int_equal(ctl_report_line(&report, MCPA_STR("{\"ts\":\"2026-11-20T09:00:00.000Z\", broken")), MCPA_OK);
    assert_int_equal(report.unreadable, 0);
    assert_int_equal(ctl_report_line(&report, MCPA_STR("{\"ts\":\"2026-11-21T09:00:00.000Z\", broken")), MCPA_OK);
    assert_int_equal(report.unreadable, 1);
    assert_int_equal(report.requests, 2);
    assert_int_equal(report.counts[CTL_ALLOWED], 1);
    assert_int_equal(report.counts[CTL_DENIED], 1);
    assert_int_equal(ctl_tally_sums(report.by[CTL_BY_SUBJECT])->total, 2);
    ctl_report_clear(&report);
}

static void decision_without_its_record_is_unfinished(void **state)
{
    const char *const decision =
        "\"ts\":\"2026-11-21T23:59:59.000Z\",\"event\":\"decision\",\"decision\":\"allow\",\"request_id\":\"%s\"";
    char members[256];
    ctl_report_t report;

    (void)state;
    assert_int_equal(ctl_report_init(&report, NOV_21, NOV_21 + DAY_US), MCPA_OK);
    for (const char *const *id = (const char *const[]){ "one", "two", "three", NULL }; *id != NULL; id++) {
        snprintf(members, sizeof(members), decision, *id);
        feed(&report, members);
    }
    feed(&report, "\"ts\":\"2026-11-20T23:59:59.000Z\",\"event\":\"decision\",\"request_id\":\"before the period\"");
    assert_int_equal(ctl_pending_count(report.pending), 3);
    feed(&report, "\"ts\":\"2026-11-21T23:59:59.000Z\",\"decision\":\"allow\",\"reason\":\"ok\",\"request_id\":\"one\"");
    feed(&report,
         "\"ts\":\"2026-11-22T00:00:01.000Z\",\"decision\":\"allow\",\"reason\":\"ok\",\"request_id\":\"two\""); /* behind it */
    assert_int_equal(ctl_pending_count(report.pending), 1);
    assert_int_equal(report.requests, 1);
    ctl_report_clear(&report);
}

static void events_are_no_requests(void **state)
{
    ctl_report_t report;

    (void)state;
    assert_int_equal(ctl_report_init(&report, INT64_MIN, INT64_MAX), MCPA_OK);
    feed(&report, "\"event\":\"gap\",\"lost\":3");
    feed(&report, "\"event\":\"gap\",\"lost\":9223372036854775807");
    feed(&report, "\"event\":\"gap\",\"lost\":9223372036854775807");
    feed(&report, "\"event\":\"corrupt\"");
    feed(&report, "\"event\":\"seal\",\"epoch\":1,\"mac\":\"forged by a child\"");
    feed(&report, "\"event\":\"of a newer daemon\"");
    assert_int_equal(
        ctl_report_line(&report, MCPA_STR("{\"ts\":\"2026-11-21T09:00:00.000Z\",\"event\":\"seal\",\"epoch\":7,\"mac\":"
                                          "\"abcd\"}")),
        MCPA_OK);
    assert_int_equal(ctl_report_line(&report, MCPA_STR("no line of ours")), MCPA_OK);
    assert_int_equal(report.requests, 0);
    assert_true(report.gaps == 3 && report.lost == UINT64_MAX && report.corrupt == 1 && report.other_events == 2);
    assert_int_equal(report.seals, 1);
    assert_string_equal(report.last_seal, "7:abcd");
    assert_int_equal(report.unreadable, 1);
    ctl_report_clear(&report);
}

static void a_million_subjects_stay_within_tens_of_megabytes(void **state)
{
    struct rusage before, after;
    ctl_page_t *page = calloc(1, sizeof(*page));
    char sub[64];
    ctl_report_t report;

    (void)state;
    getrusage(RUSAGE_SELF, &before);
    assert_int_equal(ctl_report_init(&report, INT64_MIN, INT64_MAX), MCPA_OK);
    for (unsigned i = 0; i < 1000000; i++) {
        const mcpa_str_t key = { sub, (size_t)snprintf(sub, sizeof(sub), "subject-%u@a-rather-long-domain.example.com", i) };

        assert_int_equal(ctl_tally_add(report.by[CTL_BY_SUBJECT], key, CTL_ALLOWED), MCPA_OK);
        if (i % 1000 == 0) {
            feed_request(&report, "2026-11-21T09:00:00.000Z", "the busy one", "allow", "ok");
            feed_request(&report, "2026-11-21T09:00:00.000Z", sub, "allow", "ok");
        }
    }
    getrusage(RUSAGE_SELF, &after);
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory; and valgrind has its own beside ours */
    const char *preload = getenv("LD_PRELOAD");

    if (preload == NULL || strstr(preload, "vgpreload") == NULL) {
        assert_true(after.ru_maxrss - before.ru_maxrss < 40 * 1024); /* KiB */
    }
#endif
    ctl_report_page(page, &report, CTL_BY_SUBJECT, 20);
    assert_true(mcpa_str_eqz(page->rows[0].key, "the busy one"));
    assert_true(page->more && page->rows[0].total + page->rows[0].missed >= 1000 && page->rows[0].total <= 1000);
    assert_int_equal(ctl_tally_sums(report.by[CTL_BY_SUBJECT])->total, 1002000);
    assert_true(ctl_tally_missed(report.by[CTL_BY_SUBJECT]) < 1002000 / 8192 + 1);
    ctl_report_clear(&report);
    free(page);
}

static char *printed(const ctl_report_t *report, char form)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    assert_true(form == 't'   ? ctl_report_text(to, report, 20, 80, false)
                : form == 'j' ? ctl_report_json(to, report, 20)
                              : ctl_report_html(to, report, 20));
    fclose(to);
    return text;
}

static void no_form_lets_a_hostile_name_out_of_its_place(void **state)
{
    mcpa_json_t *json = NULL;
    ctl_report_t report;
    char *text;

    (void)state;
    assert_int_equal(ctl_report_init(&report, INT64_MIN, INT64_MAX), MCPA_OK);
    feed(&report, "\"ts\":\"2026-11-21T09:00:00.000Z\",\"decision\":\"deny\",\"sub\":\"<img src=x onerror=alert(1)>\","
                  "\"location\":\"\\\"><script>\",\"reason\":\"'&amp;\\u001b[2J\\u009b\\u007f\\n\"");
    text = printed(&report, 'h');
    assert_null(strstr(text, "<img"));
    assert_null(strstr(text, "<script"));
    assert_non_null(strstr(text, "&quot;&gt;&lt;script&gt;"));
    assert_null(strchr(text, '\033'));
    assert_non_null(strstr(text, "&lt;img src=x onerror=alert(1)&gt;"));
    assert_non_null(strstr(text, "&#39;&amp;amp;\\x1b[2J\\xc2\\x9b\\x7f\\x0a"));
    free(text);
    text = printed(&report, 't');
    assert_null(strchr(text, '\033'));
    assert_null(strstr(text, "\xc2\x9b"));
    assert_non_null(strstr(text, "'&amp;\\x1b[2J\\xc2\\x9b\\x7f\\x0a"));
    free(text);
    text = printed(&report, 'j');
    assert_int_equal(mcpa_json_parse(&json, (mcpa_str_t){ text, strlen(text) }, 8, 2048), MCPA_OK);
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_pointer(json, MCPA_STR("/reasons/rows/0/reason"))),
                             "'&amp;\x1b[2J\xc2\x9b\x7f\n"));
    mcpa_json_free(&json);
    free(text);
    ctl_report_clear(&report);
}

static void every_form_fits_the_longest_names(void **state)
{
    char *line = malloc(200000), *text;
    mcpa_json_t *json = NULL;
    ctl_report_t report;
    size_t len = 0;

    (void)state;
    assert_int_equal(ctl_report_init(&report, INT64_MIN, INT64_MAX), MCPA_OK);
    len += (size_t)snprintf(line, 64, "{\"decision\":\"deny\"");
    for (const char *const *member = (const char *const[]){ "sub", "location", "rpc_method", "rpc_name", "reason", NULL };
         *member; member++) {
        len += (size_t)snprintf(line + len, 64, ",\"%s\":\"", *member);
        for (unsigned i = 0; i < 3000; i++) {
            len += (size_t)snprintf(line + len, 8, "\\u0001");
        }
        line[len++] = '"';
    }
    len += (size_t)snprintf(line + len, 128, INSTANCE);
    assert_int_equal(ctl_report_line(&report, (mcpa_str_t){ line, len }), MCPA_OK);
    assert_int_equal(report.requests, 1);
    text = printed(&report, 'j');
    assert_int_equal(mcpa_json_parse(&json, mcpa_str(text), 8, 2048), MCPA_OK);
    assert_int_equal(mcpa_json_string(mcpa_json_pointer(json, MCPA_STR("/refusals/rows/0/reason"))).len,
                     MCPA_AUDIT_TEXT_MAX_BYTES);
    mcpa_json_free(&json);
    free(text);
    free(printed(&report, 't'));
    free(printed(&report, 'h'));
    ctl_report_clear(&report);
    free(line);
}

/* ---- which lines are wanted */

static bool matches(const ctl_t *ctl, const char *line)
{
    ctl_filter_t filter;

    assert_true(ctl_filter_init(&filter, ctl, NOV_21));
    return ctl_filter_matches(&filter, mcpa_str(line));
}

static void filters_are_combined_by_and(void **state)
{
    const char *line =
        "{\"ts\":\"2026-11-21T09:00:00.000Z\",\"sub\":\"alice\",\"method\":\"POST\",\"status\":403,\"rpc_method\":\"tools/call\","
        "\"rpc_name\":\"search\",\"request_id\":\"r1\",\"token_hash\":\"ab\"" INSTANCE;
    const struct {
        ctl_t ctl;
        bool matches;
    } rows[] = {
        { { .subject = "alice", .tool = "search", .status = "403", .request_id = "r1", .token_hash = "ab" }, true },
        { { .method = "tools/call" }, true },
        { { .method = "POST" }, true },
        { { .method = "search" }, false }, /* another member's value */
        { { .status = "40" }, false },
        { { .subject = "alice", .tool = "read" }, false },
        { { .event = "request" }, true },
        { { .event = "seal" }, false },
        { { .since = "2026-11-21T09:00:00Z", .until = "2026-11-21T09:00:00.001Z" }, true },
        { { .until = "2026-11-21T09:00:00Z" }, false },
        { { .since = "2026-11-21T09:00:00.001Z" }, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(matches(&rows[i].ctl, line), rows[i].matches);
    }
}

static void seals_are_found_only_when_asked_for_and_cannot_hide_records(void **state)
{
    const ctl_t any = { 0 }, seal = { .event = "seal" }, request = { .event = "request" };
    const char *sealed = "{\"ts\":\"2026-11-21T09:00:00.000Z\",\"event\":\"seal\",\"epoch\":1}";
    const char *forged = "{\"ts\":\"2026-11-21T09:00:00.000Z\",\"event\":\"seal\",\"sub\":\"mallory\"" INSTANCE;

    (void)state;
    assert_false(matches(&any, sealed));
    assert_true(matches(&seal, sealed));
    assert_true(matches(&any, forged));
    assert_false(matches(&request, forged));
}

static void times_are_read_alike_with_and_without_parsing(void **state)
{
    const ctl_t until = { .until = "2026-11-21T09:00:00Z" };

    (void)state;
    assert_true(matches(&until, "{\"ts\":\"2026-11-21T08:59:59.999Z\"" INSTANCE));
    assert_false(matches(&until, "{\"ts\":\"2026-11-21T09:00:00.000Z\"" INSTANCE));
    assert_true(matches(&until, "{\"sub\":\"x\",\"ts\":\"2026-11-21T08:59:59.999Z\"" INSTANCE)); /* not first */
    assert_true(matches(&until, "{\"ts\":\"2026-11-21T08:59:59Z\",\"a\":\"b\"" INSTANCE));       /* another spelling */
    assert_true(matches(&until, "{\"ts\":\"2026-11-21T08:59:59\\u002e999Z\"" INSTANCE));
    assert_false(matches(&until, "{\"sub\":\"no time\"" INSTANCE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(periods_are_the_last_whole_ones_in_utc),
        cmocka_unit_test(only_what_lies_in_the_period_counts),
        cmocka_unit_test(decision_without_its_record_is_unfinished),
        cmocka_unit_test(events_are_no_requests),
        cmocka_unit_test(a_million_subjects_stay_within_tens_of_megabytes),
        cmocka_unit_test(no_form_lets_a_hostile_name_out_of_its_place),
        cmocka_unit_test(every_form_fits_the_longest_names),
        cmocka_unit_test(filters_are_combined_by_and),
        cmocka_unit_test(seals_are_found_only_when_asked_for_and_cannot_hide_records),
        cmocka_unit_test(times_are_read_alike_with_and_without_parsing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
