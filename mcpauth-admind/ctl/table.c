/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdlib.h>

#include "base/text.h"
#include "ctl/ctl.h"

#define COLUMNS_MAX    16
#define CELL_MAX_BYTES 512

typedef struct cell {
    char *text;
    size_t width;
    ctl_colour_t colour;
} cell_t;

struct ctl_table {
    const char *const *titles;
    size_t columns, count, cap;
    cell_t *cells;
    bool failed;
};

const char *ctl_colour_on(bool colour, ctl_colour_t which)
{
    static const char *const codes[] = { "", "\033[32m", "\033[31m", "\033[33m", "\033[1m" };

    return colour ? codes[which] : "";
}

const char *ctl_colour_off(bool colour)
{
    return colour ? "\033[0m" : "";
}

/* What a terminal does something with, other than show it: controls, the line and paragraph separators, and the marks that turn the direction of
 * text, so that it reads as something else. text begins with a well-formed character of n bytes. */
static bool is_control(mcpa_str_t text, size_t n)
{
    const unsigned char *b = (const unsigned char *)text.ptr;

    switch (n) {
    case 1:
        return b[0] < 0x20 || b[0] == 0x7f;
    case 2: /* C1; U+061C */
        return (b[0] == 0xc2 && b[1] < 0xa0) || (b[0] == 0xd8 && b[1] == 0x9c);
    case 3: /* U+200E, U+200F, U+2028 to U+202E; U+2066 to U+2069 */
        return b[0] == 0xe2 && ((b[1] == 0x80 && (b[2] == 0x8e || b[2] == 0x8f || (b[2] >= 0xa8 && b[2] <= 0xae))) ||
                                (b[1] == 0x81 && b[2] >= 0xa6 && b[2] <= 0xa9));
    default:
        return false;
    }
}

size_t ctl_escape(mcpa_out_t *out, mcpa_str_t text)
{
    size_t width = 0;

    while (text.len > 0) {
        size_t n = mcpa_text_utf8_next(text);

        if (n == 0 || is_control(text, n)) {
            n = n == 0 ? 1 : n;
            for (size_t i = 0; i < n; i++) {
                mcpa_out_printf(out, "\\x%02x", (unsigned)(unsigned char)text.ptr[i]);
                width += 4;
            }
        } else {
            mcpa_out_put(out, text.ptr, n);
            width++;
        }
        text.ptr += n;
        text.len -= n;
    }
    return width;
}

void ctl_print_text(FILE *to, mcpa_str_t text)
{
    char memory[4096];
    mcpa_out_t out;

    while (text.len > 0) {
        size_t n = text.len < 1000 ? text.len : 1000;

        while (n < text.len && n > 996 && ((unsigned char)text.ptr[n] & 0xc0) == 0x80) {
            n--; /* not through the middle of a character */
        }
        mcpa_out_init(&out, memory, sizeof(memory));
        ctl_escape(&out, (mcpa_str_t){ text.ptr, n });
        fwrite(out.ptr, 1, out.len, to);
        text.ptr += n;
        text.len -= n;
    }
}

void ctl_complain(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    fputs("mcpauthctl: ", stderr);
    ctl_print_text(stderr, mcpa_str(text));
    fputc('\n', stderr);
}

ctl_table_t *ctl_table_new(const char *const *titles)
{
    ctl_table_t *table = calloc(1, sizeof(*table));

    if (table != NULL) {
        table->titles = titles;
        while (table->columns < COLUMNS_MAX && titles[table->columns] != NULL) {
            table->columns++;
        }
    }
    return table;
}

void ctl_table_free(ctl_table_t **table)
{
    if (*table == NULL) {
        return;
    }
    for (size_t i = 0; i < (*table)->count; i++) {
        free((*table)->cells[i].text);
    }
    free((*table)->cells);
    free(*table);
    *table = NULL;
}

void ctl_table_cell(ctl_table_t *table, mcpa_str_t text, ctl_colour_t colour)
{
    char memory[CELL_MAX_BYTES];
    cell_t cell = { .colour = colour };
    mcpa_out_t out;

    if (table->count == table->cap) {
        size_t cap = table->cap == 0 ? 64 : table->cap * 2;
        cell_t *grown = realloc(table->cells, cap * sizeof(*grown));

        if (grown == NULL) {
            table->failed = true;
            return;
        }
        table->cells = grown;
        table->cap = cap;
    }
    mcpa_out_init(&out, memory, sizeof(memory));
    text.len = text.len > CELL_MAX_BYTES / 4 - 1 ? CELL_MAX_BYTES / 4 - 1 : text.len;
    cell.width = ctl_escape(&out, text.len > 0 ? text : MCPA_STR("-"));
    cell.text = strdup(memory);
    if (cell.text == NULL) {
        table->failed = true;
        return;
    }
    table->cells[table->count++] = cell;
}

static void print_cell(const char *text, size_t width, size_t wanted, bool last)
{
    fputs(text, stdout);
    for (size_t i = width; !last && i < wanted + 2; i++) {
        putchar(' ');
    }
}

static void find_widths(const ctl_table_t *table, size_t widths[COLUMNS_MAX])
{
    for (size_t i = 0; i < table->columns; i++) {
        widths[i] = strlen(table->titles[i]);
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;

        widths[column] = table->cells[i].width > widths[column] ? table->cells[i].width : widths[column];
    }
}

void ctl_table_print_rows(const ctl_table_t *table, bool colour)
{
    size_t widths[COLUMNS_MAX] = { 0 };

    find_widths(table, widths);
    for (size_t i = 0; i < table->count; i++) {
        const cell_t *cell = &table->cells[i];
        bool last = (i + 1) % table->columns == 0;

        fputs(ctl_colour_on(colour && cell->colour != CTL_PLAIN, cell->colour), stdout);
        print_cell(cell->text, cell->width, widths[i % table->columns], last);
        printf("%s%s", ctl_colour_off(colour && cell->colour != CTL_PLAIN), last ? "\n" : "");
    }
    if (table->failed) {
        ctl_complain("out of memory: the table is not complete");
    }
}

void ctl_table_print(const ctl_table_t *table, bool colour)
{
    size_t widths[COLUMNS_MAX] = { 0 };

    find_widths(table, widths);
    fputs(ctl_colour_on(colour, CTL_BOLD), stdout);
    for (size_t i = 0; i < table->columns; i++) {
        print_cell(table->titles[i], strlen(table->titles[i]), widths[i], i + 1 == table->columns);
    }
    printf("%s\n", ctl_colour_off(colour));
    ctl_table_print_rows(table, colour);
}

void ctl_print_ago(char memory[40], int64_t unix_s, int64_t now_s)
{
    int64_t away = unix_s > now_s ? unix_s - now_s : now_s - unix_s;
    const char *unit = away < 120 ? "s" : away < 7200 ? "min" : away < 172800 ? "h" : "d";
    int64_t n = away < 120 ? away : away < 7200 ? away / 60 : away < 172800 ? away / 3600 : away / 86400;

    if (unix_s == 0) {
        snprintf(memory, 40, "never");
    } else if (unix_s > now_s) {
        snprintf(memory, 40, "in %lld %s", (long long)n, unit);
    } else {
        snprintf(memory, 40, "%lld %s ago", (long long)n, unit);
    }
}
