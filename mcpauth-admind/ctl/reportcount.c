/* SPDX-License-Identifier: Apache-2.0 */
/* From lines to counts. What is a request, a denial or a failure is as the daemon's metrics have it (audit/count.c): both come
 * from the same records, and tests hold them against each other. */
#include "ctl/report.h"

#include <time.h>

#include "audit/line.h"
#include "ctl/filter.h"
#include "policy/reason.h"

#define KEYS_MAX      8192 /* of one table; with their texts some 5 MB */
#define KEY_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define PENDING_MAX   262144 /* 4 MB */

#define REQUEST_COLUMNS                                                                                                          \
    {                                                                                                                            \
        "allowed", "denied", "limited", "errors", "shadow_denied", NULL                                                          \
    }
#define REFUSAL_COLUMNS                                                                                                          \
    {                                                                                                                            \
        NULL, "denied", "limited", "errors", "shadow_denied", NULL                                                               \
    }

const ctl_by_row_t ctl_by_rows[CTL_BY_COUNT] = {
    [CTL_BY_LOCATION] = { "locations", "Locations", "requests", { "location" }, REQUEST_COLUMNS },
    [CTL_BY_SUBJECT] = { "subjects", "Subjects", "requests", { "subject" }, REQUEST_COLUMNS },
    [CTL_BY_CLIENT] = { "clients", "Clients", "requests", { "client" }, REQUEST_COLUMNS },
    [CTL_BY_OPERATION] = { "operations", "Operations and tools", "requests", { "method", "tool" }, REQUEST_COLUMNS },
    [CTL_BY_USE] = { "uses", "Who used what", "allowed", { "subject", "location", "method", "tool" }, { NULL } },
    [CTL_BY_REFUSAL] = { "refusals",
                         "Who was denied what",
                         "refused",
                         { "subject", "location", "method", "tool", "reason" },
                         { NULL, NULL, NULL, NULL, "shadow_denied" } },
    [CTL_BY_REASON] = { "reasons", "Denials by reason", "refused", { "reason" }, REFUSAL_COLUMNS },
    [CTL_BY_ADDRESS] = { "addresses", "Failed authentication by address", "failures", { "address" }, { NULL, "guesses" } },
};

mcpa_status_t ctl_report_init(ctl_report_t *report, int64_t since_us, int64_t until_us)
{
    *report = (ctl_report_t){ .since_us = since_us, .until_us = until_us, .first_us = INT64_MAX, .last_us = INT64_MIN };
    report->pending = ctl_pending_new(PENDING_MAX);
    if (report->pending == NULL) {
        return MCPA_ENOMEM;
    }
    for (unsigned i = 0; i < CTL_BY_COUNT; i++) {
        report->by[i] = ctl_tally_new(KEYS_MAX, KEY_BYTES_MAX);
        if (report->by[i] == NULL) {
            return MCPA_ENOMEM;
        }
    }
    return MCPA_OK;
}

void ctl_report_clear(ctl_report_t *report)
{
    for (unsigned i = 0; i < CTL_BY_COUNT; i++) {
        ctl_tally_free(&report->by[i]);
    }
    ctl_pending_free(&report->pending);
    ctl_times_clear(&report->times);
}

/* ---- counting */

static ctl_column_t column_of(mcpa_str_t decision)
{
    static const char *const words[] = { "allow", "deny", "limit", "error", "shadow_deny" };
    unsigned i = 0;

    while (i < CTL_OTHER && !mcpa_str_eqz(decision, words[i])) {
        i++;
    }
    return (ctl_column_t)i;
}

/* The values joined by NUL, which no JSON string of ours holds. */
static mcpa_status_t add(ctl_report_t *report, ctl_by_t by, const mcpa_str_t *parts, size_t count, unsigned column)
{
    char memory[CTL_TALLY_KEY_MAX_BYTES];
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        size_t part = parts[i].len < MCPA_AUDIT_TEXT_MAX_BYTES ? parts[i].len : MCPA_AUDIT_TEXT_MAX_BYTES;

        if (i > 0) {
            memory[len++] = '\0';
        }
        if (part > 0) {
            memcpy(memory + len, parts[i].ptr, part);
            len += part;
        }
    }
    return ctl_tally_add(report->by[by], (mcpa_str_t){ memory, len }, column);
}

static mcpa_status_t count_refusal(ctl_report_t *report, const mcpa_record_t *record, ctl_column_t column)
{
    const mcpa_str_t what[] = { record->sub, record->location, record->rpc_method, record->rpc_name, record->reason };
    mcpa_status_t status = add(report, CTL_BY_REASON, &record->reason, 1, column);

    return status == MCPA_OK ? add(report, CTL_BY_REFUSAL, what, 5, column) : status;
}

/* In Shadow too: a wrong token is a failure whether it was turned away or not. */
static mcpa_status_t count_failure(ctl_report_t *report, const mcpa_record_t *record)
{
    mcpa_failure_t failure = mcpa_reason_row(mcpa_reason_find(record->reason))->failure;

    if (record->auth_method.ptr == NULL || failure == MCPA_FAILURE_NO) {
        return MCPA_OK;
    }
    return add(report, CTL_BY_ADDRESS, &record->ip, 1, failure == MCPA_FAILURE_GUESS ? CTL_GUESSED : CTL_FAILED);
}

static mcpa_status_t count_tables(ctl_report_t *report, const mcpa_record_t *record, ctl_column_t column)
{
    const mcpa_str_t operation[] = { record->rpc_method, record->rpc_name };
    const mcpa_str_t use[] = { record->sub, record->location, record->rpc_method, record->rpc_name };
    mcpa_status_t status = add(report, CTL_BY_LOCATION, &record->location, 1, column);

    status = status == MCPA_OK ? add(report, CTL_BY_SUBJECT, &record->sub, 1, column) : status;
    status = status == MCPA_OK ? add(report, CTL_BY_CLIENT, &record->client_id, 1, column) : status;
    if (status == MCPA_OK && record->rpc_method.ptr != NULL) {
        status = add(report, CTL_BY_OPERATION, operation, 2, column);
    }
    if (status == MCPA_OK && column == CTL_ALLOWED) {
        status = add(report, CTL_BY_USE, use, 4, column);
    }
    if (status == MCPA_OK && column != CTL_ALLOWED && column != CTL_OTHER) {
        status = count_refusal(report, record, column);
    }
    return status == MCPA_OK ? count_failure(report, record) : status;
}

static mcpa_status_t count_request(ctl_report_t *report, const mcpa_record_t *record)
{
    ctl_column_t column = column_of(record->decision);
    mcpa_status_t status = MCPA_ETOOBIG;

    report->requests++;
    report->counts[column]++;
    if (record->ts != MCPA_RECORD_ABSENT) {
        report->first_us = record->ts < report->first_us ? record->ts : report->first_us;
        report->last_us = record->ts > report->last_us ? record->ts : report->last_us;
        status = ctl_times_add(&report->times, record->ts, column);
    }
    report->untimed += status == MCPA_ETOOBIG;
    return status == MCPA_ENOMEM ? status : count_tables(report, record, column);
}

static mcpa_status_t count_decision(ctl_report_t *report, const admind_line_t *line)
{
    mcpa_status_t status = ctl_pending_add(report->pending, line->instance, line->record.request_id);

    report->pending_full = report->pending_full || status == MCPA_ETOOBIG;
    return status == MCPA_ENOMEM ? status : MCPA_OK;
}

/* As verify --seal takes it. Whether its mac is right is for verify to say. */
static void count_seal(ctl_report_t *report, const admind_line_t *line)
{
    mcpa_str_t mac = mcpa_json_string(mcpa_json_member(line->tree, "mac"));
    int64_t epoch = 0;

    if (!mcpa_json_integer(mcpa_json_member(line->tree, "epoch"), &epoch) || mac.ptr == NULL) {
        report->unreadable++;
        return;
    }
    snprintf(report->last_seal, sizeof(report->last_seal), "%lld:%.*s", (long long)epoch, (int)(mac.len < 128 ? mac.len : 128),
             mac.ptr);
    if (report->seals++ == 0) {
        memcpy(report->first_seal, report->last_seal, sizeof(report->first_seal));
    }
    report->last_seal_us = line->record.ts != MCPA_RECORD_ABSENT ? line->record.ts : 0;
}

static mcpa_status_t count_line(ctl_report_t *report, const admind_line_t *line)
{
    const mcpa_record_t *record = &line->record;

    if (line->seal) {
        count_seal(report, line);
        return MCPA_OK;
    }
    if (record->event.ptr == NULL) {
        return count_request(report, record);
    }
    if (mcpa_str_eqz(record->event, "decision")) {
        return count_decision(report, line);
    }
    if (mcpa_str_eqz(record->event, "gap")) {
        report->gaps++;
        if (record->lost > 0) { /* a child's word: the sum must not run over */
            report->lost =
                (uint64_t)record->lost > UINT64_MAX - report->lost ? UINT64_MAX : report->lost + (uint64_t)record->lost;
        }
    } else if (mcpa_str_eqz(record->event, "corrupt")) {
        report->corrupt++;
    } else {
        report->other_events++;
    }
    return MCPA_OK;
}

static bool in_period(const ctl_report_t *report, int64_t at_us)
{
    if (at_us == MCPA_RECORD_ABSENT) {
        return report->since_us == INT64_MIN && report->until_us == INT64_MAX;
    }
    return at_us >= report->since_us && at_us < report->until_us;
}

mcpa_status_t ctl_report_line(ctl_report_t *report, mcpa_str_t text)
{
    int64_t at_us = 0;
    bool is_outside = ctl_filter_line_time(text, &at_us) && !in_period(report, at_us);
    mcpa_status_t status;
    admind_line_t line;

    if (is_outside && ctl_pending_count(report->pending) == 0) {
        return MCPA_OK; /* it cannot even end what began in the period */
    }
    status = admind_line_parse(&line, text);
    if (status != MCPA_OK) {
        report->unreadable += status != MCPA_ENOMEM && !is_outside;
        return status == MCPA_ENOMEM ? status : MCPA_OK;
    }
    if (line.record.event.ptr == NULL) {
        ctl_pending_remove(report->pending, line.instance, line.record.request_id);
    }
    if (in_period(report, line.record.ts)) {
        status = count_line(report, &line);
    }
    admind_line_clear(&line);
    return status;
}

/* ---- looking */

mcpa_str_t ctl_report_part(mcpa_str_t key, size_t part)
{
    const char *end;

    for (; part > 0; part--) {
        end = memchr(key.ptr, '\0', key.len);
        if (end == NULL) {
            return MCPA_STR("");
        }
        key.len -= (size_t)(end - key.ptr) + 1;
        key.ptr = end + 1;
    }
    end = memchr(key.ptr, '\0', key.len);
    return (mcpa_str_t){ key.ptr, end != NULL ? (size_t)(end - key.ptr) : key.len };
}

void ctl_report_minute(char text[20], int64_t us)
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm tm = { 0 };

    gmtime_r(&seconds, &tm);
    if (strftime(text, 20, "%Y-%m-%d %H:%M", &tm) == 0) {
        text[0] = '\0';
    }
}

void ctl_report_page(ctl_page_t *page, const ctl_report_t *report, ctl_by_t by, size_t rows)
{
    const ctl_tally_t *tally = report->by[by];

    page->keys = ctl_tally_keys(tally, &page->more);
    page->count = ctl_tally_top(tally, page->rows, rows < CTL_REPORT_ROWS_MAX ? rows : CTL_REPORT_ROWS_MAX);
    page->others = *ctl_tally_sums(tally);
    for (size_t i = 0; i < page->count; i++) {
        page->others.total -= page->rows[i].total;
        for (unsigned c = 0; c < CTL_TALLY_COLUMNS; c++) {
            page->others.counts[c] -= page->rows[i].counts[c];
        }
    }
}
