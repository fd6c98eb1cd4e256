/* SPDX-License-Identifier: Apache-2.0 */
/* The report as one page of HTML: no script, nothing fetched from anywhere, and a policy of its own that forbids both. Names in
 * it are chosen by clients: every one goes through put_text, which leaves no character that means anything to HTML or to a
 * terminal. */
#include "ctl/report.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/reportplot.h"

#define PART_MAX_BYTES 1024

static const char style[] =
    ":root{--ink:#1b1f24;--soft:#59636e;--line:#d1d9e0;--page:#fff;--stripe:#f6f8fa;--allow:#1f7a4d;--refuse:#c2410c;--shadow:#"
    "8250df}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;--page:#0d1117;--stripe:#151b23;"
    "--allow:#3fb27f;--refuse:#f0883e;--shadow:#ab7df8}}"
    "body{margin:2rem auto;max-width:70rem;padding:0 1rem;background:var(--page);color:var(--ink);"
    "font:15px/1.45 system-ui,sans-serif}"
    "h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0}.soft{color:var(--soft)}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;color:var(--soft);padding:.2rem .5rem}"
    "th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid var(--line);vertical-align:top;unicode-bidi:isolate;"
    "overflow-wrap:anywhere}"
    "th{font-weight:600;overflow-wrap:normal}td+.k{min-width:7rem}td+td+td+td+.k{min-width:10rem}.n{text-align:right;white-space:"
    "nowrap}tbody tr:nth-child(even){background:var(--stripe)}"
    ".sums{width:auto;min-width:24rem}svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font:12px sans-serif}"
    ".a{fill:var(--allow)}.r{fill:var(--refuse)}.s{fill:var(--shadow)}.g{stroke:var(--line)}"
    ".warn{border-left:4px solid var(--refuse);padding-left:.6rem}code{overflow-wrap:anywhere}"
    "@media print{body{margin:0;max-width:none;font-size:11px}h2,svg{break-after:avoid}tr,svg{break-inside:avoid}"
    "tbody tr:nth-child(even){background:none}:root{--ink:#000;--soft:#333;--line:#999;--page:#fff;--allow:#1f7a4d;"
    "--refuse:#c2410c;--shadow:#8250df}}";

static void put_text(FILE *to, mcpa_str_t text)
{
    char memory[4 * PART_MAX_BYTES + 8];
    mcpa_out_t out;

    text.len = text.len > PART_MAX_BYTES ? PART_MAX_BYTES : text.len;
    mcpa_out_init(&out, memory, sizeof(memory));
    ctl_escape(&out, text);
    for (size_t i = 0; i < out.len; i++) {
        switch (memory[i]) {
        case '&':
            fputs("&amp;", to);
            break;
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        case '\'':
            fputs("&#39;", to);
            break;
        default:
            fputc(memory[i], to);
        }
    }
}

/* The page may use the one style sheet in it and nothing else: its hash stands in the policy (CSP 3, section 6.6.2). */
static bool put_head(FILE *to)
{
    unsigned char hash[EVP_MAX_MD_SIZE], base64[2 * EVP_MAX_MD_SIZE];
    unsigned int len = 0;

    if (EVP_Digest(style, sizeof(style) - 1, hash, &len, EVP_sha256(), NULL) != 1) {
        return false;
    }
    EVP_EncodeBlock(base64, hash, (int)len);
    fprintf(to,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-%s'\">\n"
            "<meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
            "<meta name=\"referrer\" content=\"no-referrer\">\n<title>Audit report</title>\n<style>%s</style>\n</head>\n<body>\n",
            (const char *)base64, style);
    return true;
}

/* ---- the sums */

static void put_period(FILE *to, const ctl_report_t *report)
{
    char since[20] = "its begin", until[20] = "its end";

    if (report->since_us != INT64_MIN) {
        ctl_report_minute(since, report->since_us);
    }
    if (report->until_us != INT64_MAX) {
        ctl_report_minute(until, report->until_us);
    }
    fprintf(to, "<h1>Audit report</h1>\n<p>The journal from %s to %s (UTC).", since, until);
    if (report->first_us <= report->last_us) {
        ctl_report_minute(since, report->first_us);
        ctl_report_minute(until, report->last_us);
        fprintf(to, " The first request was at %s, the last at %s.", since, until);
    }
    fputs("</p>\n", to);
    if (report->incomplete) {
        fputs("<p class=\"warn\">Not all of the journal could be read: there may be more than this.</p>\n", to);
    }
}

static void put_sum(FILE *to, const char *name, uint64_t n, const char *note)
{
    fprintf(to, "<tr><th scope=\"row\">%s</th><td class=\"n\">%llu</td><td class=\"soft\">%s</td></tr>\n", name,
            (unsigned long long)n, note);
}

static void put_share(FILE *to, const ctl_report_t *report, const char *name, ctl_column_t column)
{
    uint64_t n = report->counts[column];
    char share[32];

    snprintf(share, sizeof(share), "%.1f %%", report->requests > 0 ? (double)n / (double)report->requests * 100 : 0.0);
    put_sum(to, name, n, share);
}

static void put_seals(FILE *to, const ctl_report_t *report)
{
    char when[20];

    put_sum(to, "Seals", report->seals, "");
    fputs("</tbody></table>\n", to);
    if (report->seals > 0) {
        ctl_report_minute(when, report->last_seal_us);
        fprintf(to, "<p>The last seal of this period, of %s: <code>", when);
        put_text(to, mcpa_str(report->last_seal));
        fputs("</code></p>\n", to);
    }
}

static void put_sums(FILE *to, const ctl_report_t *report)
{
    fputs("<h2>Sums</h2>\n<table class=\"sums\"><tbody>\n", to);
    put_sum(to, "Requests", report->requests, "");
    put_share(to, report, "Allowed", CTL_ALLOWED);
    put_share(to, report, "Denied", CTL_DENIED);
    put_share(to, report, "Limited", CTL_LIMITED);
    put_share(to, report, "Errors", CTL_ERRORS);
    put_share(to, report, "Shadow denied", CTL_SHADOW);
    if (report->counts[CTL_OTHER] > 0) {
        put_share(to, report, "Other", CTL_OTHER);
    }
    put_sum(to, "Unfinished", ctl_pending_count(report->pending),
            report->pending_full ? "or more: decided, no final record: the child died, or the request still runs"
                                 : "decided, no final record: the child died, or the request still runs");
    put_sum(to, "Lost", report->lost, "records, as gap records tell");
    put_sum(to, "Gap records", report->gaps, "");
    put_sum(to, "Corrupt", report->corrupt, "records that reached the daemon unreadable");
    if (report->unreadable > 0) {
        put_sum(to, "Unreadable", report->unreadable, "lines of the journal that hold no record");
    }
    if (report->other_events > 0) {
        put_sum(to, "Unknown", report->other_events, "events of a newer daemon, not counted");
    }
    put_seals(to, report);
}

/* ---- requests over time */

static void put_times(FILE *to, const ctl_report_t *report)
{
    static const char *const heads[] = { "Requests", "Allowed", "Denied", "Limited", "Errors", "Shadow denied" };
    ctl_bar_t bars[CTL_TIMES_SHOWN_MAX];
    unsigned step_hours;
    size_t count = ctl_times_bars(&report->times, report->since_us, report->until_us, bars, &step_hours);
    char when[20];

    if (count == 0) {
        return;
    }
    fprintf(to, "<h2>Requests by the %s</h2>\n", step_hours == 1 ? "hour" : step_hours == 24 ? "day" : "week");
    ctl_plot_times(to, bars, count, step_hours);
    fputs("<table><thead><tr><th scope=\"col\">From (UTC)</th>", to);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        fprintf(to, "<th scope=\"col\" class=\"n\">%s</th>", heads[i]);
    }
    fputs("</tr></thead><tbody>\n", to);
    for (size_t i = 0; i < count; i++) {
        ctl_report_minute(when, bars[i].from_us);
        fprintf(to, "<tr><th scope=\"row\">%.*s</th><td class=\"n\">%llu</td>", step_hours == 1 ? 16 : 10, when,
                (unsigned long long)bars[i].total);
        for (unsigned c = 0; c <= CTL_SHADOW; c++) {
            fprintf(to, "<td class=\"n\">%llu</td>", (unsigned long long)bars[i].counts[c]);
        }
        fputs("</tr>\n", to);
    }
    fputs("</tbody></table>\n", to);
}

/* ---- tables */

/* "shadow_denied" is headed "Shadow denied". */
static void put_column_head(FILE *to, const char *name, const char *class)
{
    fprintf(to, "<th scope=\"col\"%s>%c", class, name[0] >= 'a' && name[0] <= 'z' ? name[0] - 'a' + 'A' : name[0]);
    for (name++; *name != '\0'; name++) {
        fputc(*name == '_' ? ' ' : *name, to);
    }
    fputs("</th>", to);
}

static void put_numbers(FILE *to, const ctl_by_row_t *by, const ctl_tally_row_t *row)
{
    fprintf(to, "<td class=\"n\">%llu</td>", (unsigned long long)row->total);
    for (unsigned c = 0; c < CTL_TALLY_COLUMNS; c++) {
        if (by->columns[c] != NULL) {
            fprintf(to, "<td class=\"n\">%llu</td>", (unsigned long long)row->counts[c]);
        }
    }
    fputs("</tr>\n", to);
}

static size_t put_heads(FILE *to, const ctl_by_row_t *by)
{
    size_t parts = 0;

    fputs("<thead><tr>", to);
    for (; by->parts[parts] != NULL; parts++) {
        put_column_head(to, by->parts[parts], "");
    }
    put_column_head(to, by->total, " class=\"n\"");
    for (unsigned c = 0; c < CTL_TALLY_COLUMNS; c++) {
        if (by->columns[c] != NULL) {
            put_column_head(to, by->columns[c], " class=\"n\"");
        }
    }
    fputs("</tr></thead><tbody>\n", to);
    return parts;
}

static void put_rows(FILE *to, const ctl_by_row_t *by, const ctl_page_t *page)
{
    size_t parts = put_heads(to, by);

    for (size_t i = 0; i < page->count; i++) {
        fputs("<tr>", to);
        for (size_t p = 0; p < parts; p++) {
            mcpa_str_t part = ctl_report_part(page->rows[i].key, p);

            fputs("<td class=\"k\">", to);
            put_text(to, part.len > 0 ? part : MCPA_STR("-"));
            fputs("</td>", to);
        }
        put_numbers(to, by, &page->rows[i]);
    }
    if (page->others.total > 0) {
        fprintf(to, "<tr><td colspan=\"%zu\" class=\"soft\">%s%zu others</td>", parts, page->more ? "more than " : "",
                page->keys - page->count);
        put_numbers(to, by, &page->others);
    }
}

static void put_table(FILE *to, ctl_page_t *page, const ctl_report_t *report, ctl_by_t which, size_t rows)
{
    const ctl_by_row_t *by = &ctl_by_rows[which];

    ctl_report_page(page, report, which, rows);
    if (page->keys == 0) {
        return;
    }
    fprintf(to, "<h2>%s</h2>\n", by->title);
    if (which == CTL_BY_REASON || which == CTL_BY_LOCATION) {
        ctl_plot_rows(to, page, by, put_text);
    }
    fputs("<table>", to);
    if (page->more) {
        fprintf(to,
                "<caption>More than %zu, so those shown may have up to %llu more each, which stand among the others.</caption>",
                page->keys, (unsigned long long)ctl_tally_missed(report->by[which]));
    }
    put_rows(to, by, page);
    fputs("</tbody></table>\n", to);
}

bool ctl_report_html(FILE *to, const ctl_report_t *report, size_t rows)
{
    ctl_page_t *page = calloc(1, sizeof(*page)); /* a thousand rows are too much for a stack */

    if (page == NULL || !put_head(to)) {
        free(page);
        return false;
    }
    put_period(to, report);
    put_sums(to, report);
    put_times(to, report);
    for (unsigned by = 0; by < CTL_BY_COUNT; by++) {
        put_table(to, page, report, (ctl_by_t)by, rows);
    }
    fputs("</body>\n</html>\n", to);
    free(page);
    return true;
}
