/* SPDX-License-Identifier: Apache-2.0 */
/* The report as one JSON object; its shape is documented and stable. */
#include "ctl/report.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/text.h"

/* The largest value is a row: five texts of a record, every byte written as \uNNNN. */
#define BLOCK_BYTES ((size_t)6 * CTL_TALLY_KEY_MAX_BYTES + 4096)

static const char *const decisions[CTL_TALLY_COLUMNS] = { "allowed", "denied", "limited", "errors", "shadow_denied", "other" };

typedef struct json_page {
    FILE *to;
    mcpa_jsonw_t w;
    mcpa_out_t out;
    ctl_page_t page;
    char block[BLOCK_BYTES];
} json_page_t;

static void flush(json_page_t *json)
{
    fwrite(json->out.ptr, 1, json->out.len, json->to);
    json->out.len = 0;
}

static void put_time(json_page_t *json, const char *name, int64_t us)
{
    char text[25];

    mcpa_text_rfc3339(text, us);
    mcpa_jsonw_z(&json->w, name, text);
}

static void put_decisions(json_page_t *json, const uint64_t counts[CTL_TALLY_COLUMNS])
{
    for (unsigned i = 0; i < CTL_TALLY_COLUMNS; i++) {
        mcpa_jsonw_u64(&json->w, decisions[i], counts[i]);
    }
}

static void put_sums(json_page_t *json, const ctl_report_t *report)
{
    mcpa_jsonw_t *w = &json->w;

    if (report->since_us != INT64_MIN) {
        put_time(json, "since", report->since_us);
    }
    if (report->until_us != INT64_MAX) {
        put_time(json, "until", report->until_us);
    }
    if (report->first_us <= report->last_us) {
        put_time(json, "first", report->first_us);
        put_time(json, "last", report->last_us);
    }
    mcpa_jsonw_bool(w, "complete", !report->incomplete);
    mcpa_jsonw_u64(w, "requests", report->requests);
    put_decisions(json, report->counts);
    mcpa_jsonw_u64(w, "unfinished", ctl_pending_count(report->pending));
    mcpa_jsonw_bool(w, "unfinished_more", report->pending_full);
    mcpa_jsonw_u64(w, "gap_records", report->gaps);
    mcpa_jsonw_u64(w, "lost", report->lost);
    mcpa_jsonw_u64(w, "corrupt", report->corrupt);
    mcpa_jsonw_u64(w, "unreadable", report->unreadable);
    mcpa_jsonw_u64(w, "unknown_events", report->other_events);
    mcpa_jsonw_u64(w, "seals", report->seals);
    if (report->seals > 0) {
        mcpa_jsonw_z(w, "first_seal", report->first_seal);
        mcpa_jsonw_z(w, "last_seal", report->last_seal);
        put_time(json, "last_seal_at", report->last_seal_us);
    }
    flush(json);
}

static void put_counts(json_page_t *json, const ctl_by_row_t *by, const ctl_tally_row_t *row)
{
    mcpa_jsonw_u64(&json->w, by->total, row->total);
    for (unsigned c = 0; c < CTL_TALLY_COLUMNS; c++) {
        if (by->columns[c] != NULL) {
            mcpa_jsonw_u64(&json->w, by->columns[c], row->counts[c]);
        }
    }
}

static void put_table(json_page_t *json, const ctl_report_t *report, ctl_by_t which, size_t rows)
{
    const ctl_by_row_t *by = &ctl_by_rows[which];
    ctl_page_t *page = &json->page;
    mcpa_jsonw_t *w = &json->w;

    ctl_report_page(page, report, which, rows);
    mcpa_jsonw_open_object(w, by->name);
    mcpa_jsonw_u64(w, "distinct", page->keys);
    mcpa_jsonw_bool(w, "more", page->more);
    mcpa_jsonw_u64(w, "missed_max", ctl_tally_missed(report->by[which]));
    mcpa_jsonw_open_array(w, "rows");
    for (size_t i = 0; i < page->count; i++) {
        mcpa_jsonw_open_object(w, NULL);
        for (size_t p = 0; by->parts[p] != NULL; p++) {
            mcpa_str_t part = ctl_report_part(page->rows[i].key, p);

            if (part.len > 0) {
                mcpa_jsonw_str(w, by->parts[p], part);
            }
        }
        put_counts(json, by, &page->rows[i]);
        mcpa_jsonw_u64(w, "missed_max", page->rows[i].missed);
        mcpa_jsonw_close_object(w);
        flush(json);
    }
    mcpa_jsonw_close_array(w);
    mcpa_jsonw_open_object(w, "others");
    put_counts(json, by, &page->others);
    mcpa_jsonw_close_object(w);
    mcpa_jsonw_close_object(w);
    flush(json);
}

static void put_times(json_page_t *json, const ctl_report_t *report)
{
    ctl_bar_t bars[CTL_TIMES_SHOWN_MAX];
    unsigned step_hours;
    size_t count = ctl_times_bars(&report->times, report->since_us, report->until_us, bars, &step_hours);

    mcpa_jsonw_u64(&json->w, "step_hours", step_hours);
    mcpa_jsonw_u64(&json->w, "untimed", report->untimed);
    mcpa_jsonw_open_array(&json->w, "times");
    for (size_t i = 0; i < count; i++) {
        mcpa_jsonw_open_object(&json->w, NULL);
        put_time(json, "from", bars[i].from_us);
        mcpa_jsonw_u64(&json->w, "requests", bars[i].total);
        put_decisions(json, bars[i].counts);
        mcpa_jsonw_close_object(&json->w);
        flush(json);
    }
    mcpa_jsonw_close_array(&json->w);
}

bool ctl_report_json(FILE *to, const ctl_report_t *report, size_t rows)
{
    json_page_t *json = calloc(1, sizeof(*json)); /* too much for a stack */

    if (json == NULL) {
        return false;
    }
    json->to = to;
    mcpa_out_init(&json->out, json->block, sizeof(json->block));
    mcpa_jsonw_init(&json->w, &json->out);
    mcpa_jsonw_open_object(&json->w, NULL);
    put_sums(json, report);
    put_times(json, report);
    for (unsigned by = 0; by < CTL_BY_COUNT; by++) {
        put_table(json, report, (ctl_by_t)by, rows);
    }
    mcpa_jsonw_close_object(&json->w);
    flush(json);
    fputc('\n', to);
    free(json);
    return true;
}
