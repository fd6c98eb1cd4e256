/* SPDX-License-Identifier: Apache-2.0 */
#include "mcp/sse.h"

#include "base/limits.h"

static const unsigned char byte_order_mark[3] = { 0xef, 0xbb, 0xbf };

#define BOM_BYTES sizeof(byte_order_mark)

/* ---- where events end */

static bool is_end(char c)
{
    return c == '\n' || c == '\r';
}

/* The bytes that may begin the stream and are no part of it. false: the byte is of the first line. */
static bool take_mark(mcpa_sse_t *sse, unsigned char byte)
{
    if (byte == byte_order_mark[sse->bom]) {
        sse->bom++;
        return true;
    }
    /* What looked like one begins a field that nobody knows. */
    sse->in_line = sse->in_event = sse->bom > 0;
    sse->bom = BOM_BYTES;
    return false;
}

/* One byte of a line or of its end. */
static mcpa_sse_part_t take(mcpa_sse_t *sse, char byte)
{
    bool ends = is_end(byte), is_blank = ends && !sse->in_line;

    if (!sse->in_line && !ends && byte != ':') {
        sse->in_event = true;
    }
    sse->in_line = !ends;
    sse->after_cr = byte == '\r';
    if (is_blank && sse->in_event) {
        sse->in_event = false;
        return MCPA_SSE_EVENT;
    }
    return sse->in_event ? MCPA_SSE_HOLD : MCPA_SSE_PASS;
}

static mcpa_sse_part_t take_any(mcpa_sse_t *sse, char byte)
{
    if (sse->bom < BOM_BYTES && take_mark(sse, (unsigned char)byte)) {
        return sse->bom == BOM_BYTES ? MCPA_SSE_PASS : MCPA_SSE_HOLD;
    }
    if (sse->after_cr && byte == '\n') {
        sse->after_cr = false;
        return sse->in_event ? MCPA_SSE_HOLD : MCPA_SSE_PASS;
    }
    return take(sse, byte);
}

/* How many bytes follow that change nothing: the rest of a line, but for its end. */
static size_t rest_of_line(const mcpa_sse_t *sse, mcpa_str_t bytes, size_t from)
{
    size_t n = from;

    while (sse->in_line && n < bytes.len && !is_end(bytes.ptr[n])) {
        n++;
    }
    return n - from;
}

/* An event begins only with the first byte of a line, so what is to be passed before it is a part of its own. */
size_t mcpa_sse_split(mcpa_sse_t *sse, mcpa_str_t bytes, mcpa_sse_part_t *part)
{
    size_t n = 0;

    *part = MCPA_SSE_HOLD;
    while (n < bytes.len && *part != MCPA_SSE_EVENT) {
        mcpa_sse_t before = *sse;
        mcpa_sse_part_t now = take_any(sse, bytes.ptr[n]);
        size_t len = 1 + rest_of_line(sse, bytes, n + 1);

        if (n > 0 && *part == MCPA_SSE_PASS && now == MCPA_SSE_HOLD) {
            *sse = before;
            return n;
        }
        n += len;
        *part = now;
        sse->held = now == MCPA_SSE_PASS ? 0 : sse->held + len;
        if (sse->held > MCPA_LIST_MAX_BYTES) {
            *part = MCPA_SSE_TOO_LONG;
            return n;
        }
    }
    sse->held = *part == MCPA_SSE_EVENT ? 0 : sse->held;
    return n;
}

/* ---- what stands in one */

typedef struct line {
    mcpa_str_t whole; /* with its end */
    mcpa_str_t field; /* before the colon; of no length: a comment */
    mcpa_str_t value;
    bool is_blank;
} line_t;

/* The next line of *rest, which has bytes left. */
static void next_line(mcpa_str_t *rest, line_t *line)
{
    const char *colon;
    size_t len = 0, end;

    while (len < rest->len && !is_end(rest->ptr[len])) {
        len++;
    }
    end = len;
    if (end < rest->len) {
        end += end + 1 < rest->len && rest->ptr[end] == '\r' && rest->ptr[end + 1] == '\n' ? 2 : 1;
    }
    colon = len > 0 ? memchr(rest->ptr, ':', len) : NULL;
    line->whole = (mcpa_str_t){ rest->ptr, end };
    line->is_blank = len == 0;
    line->field = (mcpa_str_t){ rest->ptr, colon != NULL ? (size_t)(colon - rest->ptr) : len };
    line->value = colon != NULL ? (mcpa_str_t){ colon + 1, len - line->field.len - 1 } : (mcpa_str_t){ rest->ptr + len, 0 };
    if (line->value.len > 0 && line->value.ptr[0] == ' ') {
        line->value = (mcpa_str_t){ line->value.ptr + 1, line->value.len - 1 };
    }
    *rest = (mcpa_str_t){ rest->ptr + end, rest->len - end };
}

static bool is_known(const line_t *line)
{
    return line->is_blank || line->field.len == 0 || mcpa_str_eqz(line->field, "data") || mcpa_str_eqz(line->field, "event") ||
           mcpa_str_eqz(line->field, "id") || mcpa_str_eqz(line->field, "retry");
}

static void add_data(mcpa_sse_event_t *read, mcpa_str_t value, char *memory)
{
    if (!read->has_data) {
        read->has_data = true;
        read->data = value;
        return;
    }
    if (read->data.ptr != memory) {
        if (read->data.len > 0) {
            memcpy(memory, read->data.ptr, read->data.len);
        }
        read->data.ptr = memory;
    }
    memory[read->data.len++] = '\n';
    if (value.len > 0) {
        memcpy(memory + read->data.len, value.ptr, value.len);
    }
    read->data.len += value.len;
}

void mcpa_sse_read(mcpa_sse_event_t *read, mcpa_str_t event, char *memory)
{
    mcpa_str_t rest = event;
    line_t line;

    *read = (mcpa_sse_event_t){ .is_plain = true, .is_message = true, .data = MCPA_STR_NONE };
    while (rest.len > 0) {
        next_line(&rest, &line);
        read->is_plain = read->is_plain && is_known(&line);
        if (!line.is_blank && mcpa_str_eqz(line.field, "data")) {
            add_data(read, line.value, memory);
        } else if (!line.is_blank && mcpa_str_eqz(line.field, "event")) {
            read->is_message = line.value.len == 0 || mcpa_str_eqz(line.value, "message");
        }
    }
}

/* As many data lines as data has lines. */
static void write_data(mcpa_str_t data, void (*keep)(void *ctx, mcpa_str_t bytes), void *ctx)
{
    mcpa_str_t rest = data;

    while (rest.ptr != NULL) {
        const char *feed = rest.len > 0 ? memchr(rest.ptr, '\n', rest.len) : NULL;
        size_t len = feed != NULL ? (size_t)(feed - rest.ptr) : rest.len;

        keep(ctx, MCPA_STR("data: "));
        keep(ctx, (mcpa_str_t){ rest.ptr, len });
        keep(ctx, MCPA_STR("\n"));
        rest = feed != NULL ? (mcpa_str_t){ feed + 1, rest.len - len - 1 } : MCPA_STR_NONE;
    }
}

/* Lines that nobody knows are left out: what is in them was not looked at. Where what is left out stood between a carriage return
 * and a line feed, the two must not become one line's end. */
void mcpa_sse_write(mcpa_str_t event, mcpa_str_t data, void (*keep)(void *ctx, mcpa_str_t bytes), void *ctx)
{
    bool written = false, after_cr = false;
    mcpa_str_t rest = event;
    line_t line;

    while (rest.len > 0) {
        bool is_data;

        next_line(&rest, &line);
        is_data = !line.is_blank && mcpa_str_eqz(line.field, "data");
        if (!written && (is_data || line.is_blank)) {
            write_data(data, keep, ctx);
            after_cr = after_cr && data.ptr == NULL;
            written = true;
        }
        if (!is_data && is_known(&line)) {
            keep(ctx, after_cr && line.whole.ptr[0] == '\n' ? MCPA_STR("\n") : MCPA_STR(""));
            keep(ctx, line.whole);
            after_cr = line.whole.ptr[line.whole.len - 1] == '\r';
        }
    }
    if (!written) {
        keep(ctx, event.len > 0 && !is_end(event.ptr[event.len - 1]) ? MCPA_STR("\n") : MCPA_STR(""));
        write_data(data, keep, ctx);
    }
}
