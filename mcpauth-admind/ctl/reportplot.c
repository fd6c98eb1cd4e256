/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/reportplot.h"

#define WIDTH      960
#define HEIGHT     220
#define LEFT       70 /* room for the numbers of the axis */
#define TOP        28 /* the legend */
#define BOTTOM     30
#define PLOT       (HEIGHT - TOP - BOTTOM)
#define GRID_LINES 4
#define NAMES      260
#define ROW        24
#define ROWS_MAX   10
#define NAME_BYTES 36 /* of a name beside its bar; the table has all of it */

static uint64_t refused_of(const uint64_t counts[CTL_TALLY_COLUMNS])
{
    return counts[CTL_DENIED] + counts[CTL_LIMITED] + counts[CTL_ERRORS];
}

/* At least as high, so that a quarter of it is a number that people read. */
static uint64_t round_up(uint64_t highest)
{
    static const uint64_t steps[] = { 4, 8, 12, 16, 20, 24, 32, 40 };
    uint64_t power = 1;

    while (power <= UINT64_MAX / 1000 && power * 40 < highest) {
        power *= 10;
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (power * steps[i] >= highest) {
            return power * steps[i];
        }
    }
    return highest;
}

/* What the colours mean, from the right edge. */
static void put_legend(FILE *to, bool shadow)
{
    static const struct {
        const char *class, *text;
    } rows[] = { { "r", "refused" }, { "a", "let through" }, { "s", "shadow denied" } };
    int x = WIDTH - 70;

    for (size_t i = 0; i < (shadow ? 3 : 2); i++, x -= 120) {
        fprintf(to, "<rect class=\"%s\" x=\"%d\" y=\"4\" width=\"10\" height=\"10\"/><text x=\"%d\" y=\"13\">%s</text>\n",
                rows[i].class, x, x + 15, rows[i].text);
    }
}

static void put_grid(FILE *to, uint64_t top)
{
    for (unsigned i = 0; i <= GRID_LINES; i++) {
        double y = TOP + PLOT - (double)PLOT * i / GRID_LINES, value = (double)top * i / GRID_LINES;

        fprintf(to, "<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH, y, y);
        fprintf(to, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n", LEFT - 8, y + 4, value);
    }
}

static void put_column(FILE *to, const ctl_bar_t *bar, double x, double width, uint64_t top)
{
    double all = (double)bar->total / (double)top * PLOT;
    double refused = (double)refused_of(bar->counts) / (double)top * PLOT;

    if (all > refused) {
        fprintf(to, "<rect class=\"a\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x, TOP + PLOT - all + refused,
                width, all - refused);
    }
    if (refused > 0) {
        fprintf(to, "<rect class=\"r\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x, TOP + PLOT - all, width,
                refused);
    }
    fputc('\n', to);
}

void ctl_plot_times(FILE *to, const ctl_bar_t *bars, size_t count, unsigned step_hours)
{
    double step = (double)(WIDTH - LEFT) / (double)count;
    uint64_t highest = 1, top;
    char when[20];

    for (size_t i = 0; i < count; i++) {
        highest = bars[i].total > highest ? bars[i].total : highest;
    }
    top = round_up(highest);
    fprintf(to,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"times-title times-desc\">"
            "<title id=\"times-title\">Requests over time</title><desc id=\"times-desc\">A column for each %s, %zu in all, up to "
            "%llu requests; the upper part of a column is what was refused. The numbers stand in the table below.</desc>\n",
            WIDTH, HEIGHT,
            step_hours == 1    ? "hour"
            : step_hours == 24 ? "day"
                               : "week or more",
            count, (unsigned long long)highest);
    put_legend(to, false);
    put_grid(to, top);
    for (size_t i = 0; i < count; i++) {
        double x = LEFT + step * (double)i;

        put_column(to, &bars[i], x + step * 0.1, step * 0.8, top);
        if (i % ((count + 7) / 8) == 0) {
            ctl_report_minute(when, bars[i].from_us);
            fprintf(to, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", x + step * 0.1, HEIGHT - 10,
                    step_hours == 1 ? when + 5 : (when[10] = '\0', when));
        }
    }
    fputs("</svg>\n", to);
}

static void put_bar(FILE *to, const ctl_tally_row_t *row, size_t at, double unit)
{
    double all = (double)row->total * unit, refused = (double)refused_of(row->counts) * unit;
    double shadow = (double)row->counts[CTL_SHADOW] * unit, rest = all - refused - shadow;
    size_t y = TOP + at * ROW + 4;

    if (rest > 0) {
        fprintf(to, "<rect class=\"a\" x=\"%d\" y=\"%zu\" width=\"%.1f\" height=\"%d\"/>", NAMES, y, rest, ROW - 8);
    }
    if (shadow > 0) {
        fprintf(to, "<rect class=\"s\" x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"%d\"/>", NAMES + rest, y, shadow, ROW - 8);
    }
    if (refused > 0) {
        fprintf(to, "<rect class=\"r\" x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"%d\"/>", NAMES + rest + shadow, y, refused,
                ROW - 8);
    }
    fprintf(to, "<text x=\"%.1f\" y=\"%zu\">%llu</text>\n", NAMES + all + 6, y + 13, (unsigned long long)row->total);
}

/* What fits beside its bar, cut between two characters. */
static void put_name(FILE *to, mcpa_str_t name, void (*put_text)(FILE *to, mcpa_str_t text))
{
    bool cut = name.len > NAME_BYTES;

    name = name.len > 0 ? name : MCPA_STR("-");
    if (cut) {
        name.len = NAME_BYTES - 2;
        while (name.len > NAME_BYTES - 6 && ((unsigned char)name.ptr[name.len] & 0xc0) == 0x80) {
            name.len--;
        }
    }
    put_text(to, name);
    fputs(cut ? "..." : "", to);
}

void ctl_plot_rows(FILE *to, const ctl_page_t *page, const ctl_by_row_t *by, void (*put_text)(FILE *to, mcpa_str_t text))
{
    size_t count = page->count < ROWS_MAX ? page->count : ROWS_MAX;
    double unit = count > 0 ? (double)(WIDTH - NAMES - 90) / (double)page->rows[0].total : 0;

    fprintf(
        to,
        "<svg viewBox=\"0 0 %d %zu\" role=\"img\" aria-labelledby=\"%s-title %s-desc\"><title id=\"%s-title\">%s</title>"
        "<desc id=\"%s-desc\">A bar for each of the first %zu, the longest first: what was let through, what Shadow would have "
        "denied, what was refused. The numbers stand in the table below.</desc>\n",
        WIDTH, TOP + count * ROW + 4, by->name, by->name, by->name, by->title, by->name, count);
    put_legend(to, true);
    for (size_t i = 0; i < count; i++) {
        fprintf(to, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">", NAMES - 8, TOP + i * ROW + 17);
        put_name(to, ctl_report_part(page->rows[i].key, 0), put_text);
        fputs("</text>", to);
        put_bar(to, &page->rows[i], i, unit);
    }
    fputs("</svg>\n", to);
}
