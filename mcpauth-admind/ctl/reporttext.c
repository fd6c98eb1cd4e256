/* SPDX-License-Identifier: Apache-2.0 */
/* The page of text: aligned, plain ASCII but for the names in it, wide as the terminal between 80 and 120 columns. */
#include "ctl/report.h"

#include <stdlib.h>

#include "base/text.h"
#include "ctl/ctl.h"

#define PART_MAX_BYTES 240
#define PART_BYTES     (4 * PART_MAX_BYTES + 8) /* every byte escaped, and "..." */
#define PART_COLUMN    28                       /* a longer one pushes its row's numbers to a line of their own */
#define NUMBERS        (CTL_TALLY_COLUMNS + 1)
#define BAR_MAX        40

typedef struct text_page {
    FILE *to;
    size_t columns;
    bool colour;
    ctl_page_t page;
} text_page_t;

static void title(const text_page_t *text, const char *words)
{
    fprintf(text->to, "\n%s%s%s\n", ctl_colour_on(text->colour, CTL_BOLD), words, ctl_colour_off(text->colour));
}

static void fill(FILE *to, char c, size_t n)
{
    for (; n > 0; n--) {
        fputc(c, to);
    }
}

/* ---- the sums */

static void print_share(const text_page_t *text, const char *name, uint64_t n, uint64_t of)
{
    double part = of > 0 ? (double)n / (double)of : 0;
    size_t bar = (size_t)(part * BAR_MAX + 0.5);

    fprintf(text->to, "  %-14s%12llu %6.1f %%  ", name, (unsigned long long)n, part * 100);
    fill(text->to, '#', n > 0 && bar == 0 ? 1 : bar);
    fputc('\n', text->to);
}

static void print_period(const text_page_t *text, const ctl_report_t *report)
{
    char since[20] = "its begin", until[20] = "its end";

    if (report->since_us != INT64_MIN) {
        ctl_report_minute(since, report->since_us);
    }
    if (report->until_us != INT64_MAX) {
        ctl_report_minute(until, report->until_us);
    }
    fprintf(text->to, "%sAudit journal from %s to %s (UTC)%s\n", ctl_colour_on(text->colour, CTL_BOLD), since, until,
            ctl_colour_off(text->colour));
    if (report->requests > 0 && report->first_us <= report->last_us) {
        ctl_report_minute(since, report->first_us);
        ctl_report_minute(until, report->last_us);
        fprintf(text->to, "%llu requests, the first at %s, the last at %s\n", (unsigned long long)report->requests, since, until);
    } else {
        fprintf(text->to, "%llu requests\n", (unsigned long long)report->requests);
    }
}

static void print_wholeness(const text_page_t *text, const ctl_report_t *report)
{
    FILE *to = text->to;
    char when[20];

    fprintf(to, "  %-14s%s%llu  (no final record: the child died, or it still runs)\n", "unfinished",
            report->pending_full ? "at least " : "", (unsigned long long)ctl_pending_count(report->pending));
    fprintf(to, "  %-14s%llu records, told by %llu gap record%s\n", "lost", (unsigned long long)report->lost,
            (unsigned long long)report->gaps, report->gaps == 1 ? "" : "s");
    fprintf(to, "  %-14s%llu records reached the daemon unreadable\n", "corrupt", (unsigned long long)report->corrupt);
    if (report->unreadable > 0) {
        fprintf(to, "  %-14s%llu lines of the journal hold no record\n", "unreadable", (unsigned long long)report->unreadable);
    }
    if (report->other_events > 0) {
        fprintf(to, "  %-14s%llu events of a newer daemon, not counted\n", "unknown", (unsigned long long)report->other_events);
    }
    fprintf(to, "  %-14s%llu", "seals", (unsigned long long)report->seals);
    if (report->seals > 0) {
        ctl_report_minute(when, report->last_seal_us);
        fprintf(to, ", the last at %s:\n                ", when);
        ctl_print_text(to, mcpa_str(report->last_seal));
    }
    fputc('\n', to);
    if (report->incomplete) {
        fprintf(to, "  Not all of the journal could be read: there may be more than this.\n");
    }
}

static void print_sums(const text_page_t *text, const ctl_report_t *report)
{
    static const char *const names[] = { "allowed", "denied", "limited", "errors", "shadow denied", "other" };

    print_period(text, report);
    for (unsigned i = 0; i < CTL_TALLY_COLUMNS; i++) {
        if (i != CTL_OTHER || report->counts[i] > 0) {
            print_share(text, names[i], report->counts[i], report->requests);
        }
    }
    print_wholeness(text, report);
}

/* ---- requests over time */

static void print_bar(const text_page_t *text, const ctl_bar_t *bar, uint64_t highest, unsigned step_hours)
{
    uint64_t refused = bar->counts[CTL_DENIED] + bar->counts[CTL_LIMITED] + bar->counts[CTL_ERRORS];
    size_t all = (size_t)((double)bar->total / (double)highest * BAR_MAX + 0.5);
    size_t x = bar->total > 0 ? (size_t)((double)refused / (double)bar->total * (double)all + 0.5) : 0;
    char when[20];

    ctl_report_minute(when, bar->from_us);
    all = bar->total > 0 && all == 0 ? 1 : all;
    x = refused > 0 && x == 0 ? 1 : x;
    fprintf(text->to, "  %.*s %9llu %9llu  ", step_hours == 1 ? 16 : 10, when, (unsigned long long)bar->total,
            (unsigned long long)refused);
    fill(text->to, '#', all > x ? all - x : 0);
    fill(text->to, 'x', x);
    fputc('\n', text->to);
}

static void print_times(const text_page_t *text, const ctl_report_t *report)
{
    ctl_bar_t bars[CTL_TIMES_SHOWN_MAX];
    unsigned step_hours;
    size_t count = ctl_times_bars(&report->times, report->since_us, report->until_us, bars, &step_hours);
    uint64_t highest = 1;

    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        highest = bars[i].total > highest ? bars[i].total : highest;
    }
    title(text, step_hours == 1 ? "Requests by the hour" : step_hours == 24 ? "Requests by the day" : "Requests by weeks");
    fprintf(text->to, "  %-*s %9s %9s  # let through, x refused\n", step_hours == 1 ? 16 : 10, "FROM", "REQUESTS", "REFUSED");
    for (size_t i = 0; i < count; i++) {
        print_bar(text, &bars[i], highest, step_hours);
    }
}

/* ---- tables */

/* Returns its width. */
static size_t format_part(char memory[PART_BYTES], mcpa_str_t part)
{
    bool cut = part.len > PART_MAX_BYTES;
    mcpa_out_t out;
    size_t width;

    if (cut) {
        part.len = PART_MAX_BYTES;
        while (part.len > PART_MAX_BYTES - 3 && ((unsigned char)part.ptr[part.len] & 0xc0) == 0x80) {
            part.len--; /* not through the middle of a character */
        }
    }
    mcpa_out_init(&out, memory, PART_BYTES);
    width = ctl_escape(&out, part.len > 0 ? part : MCPA_STR("-"));
    mcpa_out_z(&out, cut ? "..." : "");
    return width + (cut ? 3 : 0);
}

typedef struct layout {
    const ctl_by_row_t *by;
    size_t parts, numbers;
    size_t part_widths[CTL_REPORT_PARTS_MAX], number_widths[NUMBERS];
    unsigned columns[NUMBERS]; /* of numbers but the first, which is the total */
    size_t names_width, numbers_width;
} layout_t;

static uint64_t number_of(const layout_t *layout, const ctl_tally_row_t *row, size_t i)
{
    return i == 0 ? row->total : row->counts[layout->columns[i]];
}

/* "shadow_denied" is headed SHADOW. */
static void head_of(char head[16], const char *name)
{
    size_t len = strcspn(name, "_");

    len = len < 15 ? len : 15;
    for (size_t i = 0; i < len; i++) {
        head[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
    }
    head[len] = '\0';
}

static void find_columns(layout_t *layout)
{
    layout->numbers = 1;
    for (unsigned c = 0; c < CTL_TALLY_COLUMNS; c++) {
        if (layout->by->columns[c] != NULL) {
            layout->columns[layout->numbers++] = c;
        }
    }
    while (layout->by->parts[layout->parts] != NULL) {
        layout->parts++;
    }
}

static void measure(layout_t *layout, const ctl_page_t *page)
{
    char memory[PART_BYTES], digits[24], head[16];

    for (size_t p = 0; p < layout->parts; p++) {
        size_t widest = strlen(layout->by->parts[p]);

        for (size_t i = 0; i < page->count; i++) {
            size_t width = format_part(memory, ctl_report_part(page->rows[i].key, p));

            widest = width > widest && width <= PART_COLUMN ? width : widest;
        }
        layout->part_widths[p] = widest;
        layout->names_width += widest + (p > 0 ? 2 : 0);
    }
    for (size_t n = 0; n < layout->numbers; n++) {
        head_of(head, n == 0 ? layout->by->total : layout->by->columns[layout->columns[n]]);
        layout->number_widths[n] = strlen(head);
        for (size_t i = 0; i <= page->count; i++) {
            const ctl_tally_row_t *row = i < page->count ? &page->rows[i] : &page->others;
            int width = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number_of(layout, row, n));

            layout->number_widths[n] = (size_t)width > layout->number_widths[n] ? (size_t)width : layout->number_widths[n];
        }
        layout->numbers_width += layout->number_widths[n] + 2;
    }
}

/* The names stand; the numbers go to the end of their line, or of the next one where the names are too long. */
static void print_numbers(const text_page_t *text, const layout_t *layout, const ctl_tally_row_t *row, size_t names_width)
{
    size_t names = layout->names_width;

    if (names + layout->numbers_width + 2 > text->columns) {
        names = text->columns - layout->numbers_width - 2;
    }
    if (names_width > names) {
        fputc('\n', text->to);
        fill(text->to, ' ', names + 2);
    } else {
        fill(text->to, ' ', names - names_width);
    }
    for (size_t n = 0; n < layout->numbers; n++) {
        fprintf(text->to, "  %*llu", (int)layout->number_widths[n], (unsigned long long)number_of(layout, row, n));
    }
    fputc('\n', text->to);
}

/* A name that is longer than its column has its line for itself; the next one goes on below, in its own column. */
static void print_row(const text_page_t *text, const layout_t *layout, const ctl_tally_row_t *row)
{
    char memory[PART_BYTES];
    size_t column = 0, at = 0;

    fputs("  ", text->to);
    for (size_t p = 0; p < layout->parts; p++) {
        size_t width;

        fill(text->to, ' ', column - at);
        width = format_part(memory, ctl_report_part(row->key, p));
        fputs(memory, text->to);
        at = column + width;
        column += layout->part_widths[p] + 2;
        if (p + 1 < layout->parts && at + 2 > column) {
            fputs("\n  ", text->to);
            at = 0;
        }
    }
    print_numbers(text, layout, row, at);
}

static void print_heads(const text_page_t *text, const layout_t *layout)
{
    size_t at = 0, names = layout->names_width;
    char head[16];

    if (names + layout->numbers_width + 2 > text->columns) {
        names = text->columns - layout->numbers_width - 2;
    }
    fputs("  ", text->to);
    for (size_t p = 0; p < layout->parts; p++) {
        head_of(head, layout->by->parts[p]);
        fprintf(text->to, "%-*s", p + 1 < layout->parts ? (int)layout->part_widths[p] + 2 : 0, head);
        at += p + 1 < layout->parts ? layout->part_widths[p] + 2 : strlen(head);
    }
    if (at > names) {
        fprintf(text->to, "\n%*s", (int)names + 2, "");
    } else {
        fill(text->to, ' ', names - at);
    }
    for (size_t n = 0; n < layout->numbers; n++) {
        head_of(head, n == 0 ? layout->by->total : layout->by->columns[layout->columns[n]]);
        fprintf(text->to, "  %*s", (int)layout->number_widths[n], head);
    }
    fputc('\n', text->to);
}

static void print_table(text_page_t *text, const ctl_report_t *report, ctl_by_t by, size_t rows)
{
    layout_t layout = { .by = &ctl_by_rows[by] };
    ctl_page_t *page = &text->page;
    char others[64];

    ctl_report_page(page, report, by, rows);
    if (page->keys == 0) {
        return;
    }
    title(text, layout.by->title);
    find_columns(&layout);
    measure(&layout, page);
    print_heads(text, &layout);
    for (size_t i = 0; i < page->count; i++) {
        print_row(text, &layout, &page->rows[i]);
    }
    if (page->others.total > 0) {
        int width = snprintf(others, sizeof(others), "  %s%zu others", page->more ? "more than " : "", page->keys - page->count);

        fputs(others, text->to);
        print_numbers(text, &layout, &page->others, (size_t)width - 2);
    }
    if (page->more) {
        fprintf(text->to, "  More than %zu, so those shown may have up to %llu more each, which stand among the others.\n",
                page->keys, (unsigned long long)ctl_tally_missed(report->by[by]));
    }
}

bool ctl_report_text(FILE *to, const ctl_report_t *report, size_t rows, size_t columns, bool colour)
{
    text_page_t *text = calloc(1, sizeof(*text)); /* a thousand rows are too much for a stack */

    if (text == NULL) {
        return false;
    }
    text->to = to;
    text->columns = columns < 80 ? 80 : columns > 120 ? 120 : columns;
    text->colour = colour;
    print_sums(text, report);
    print_times(text, report);
    for (unsigned by = 0; by < CTL_BY_COUNT; by++) {
        print_table(text, report, (ctl_by_t)by, rows);
    }
    free(text);
    return true;
}
