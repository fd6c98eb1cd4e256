/* SPDX-License-Identifier: Apache-2.0 */
/* An event stream that comes in pieces is split as one that comes whole, and nothing of it is lost; what is written anew is what
 * was to be written. The first byte says where it is cut. */
#include <stdlib.h>

#include "mcp/listfilter.h"
#include "mcp/sse.h"

#define MAX_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct sink {
    char text[4 * MAX_BYTES];
    size_t len;
} sink_t;

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void keep(void *ctx, mcpa_str_t bytes)
{
    sink_t *sink = ctx;

    if (sink->len + bytes.len <= sizeof(sink->text)) {
        memcpy(sink->text + sink->len, bytes.ptr, bytes.len);
        sink->len += bytes.len;
    }
}

static bool allowed(void *ctx, mcpa_str_t operation, mcpa_str_t name)
{
    (void)ctx;
    (void)operation;
    return name.len % 2 == 0;
}

/* Written with other data, or with none, it has that, and is one event still: comments may have come to stand before its first
 * field, and without data there may be no field at all. */
static void check_written(mcpa_str_t event, const mcpa_sse_event_t *read, mcpa_str_t data)
{
    static char memory[8 * MAX_BYTES];
    static sink_t written;
    mcpa_sse_t sse = { .bom = 3 };
    mcpa_sse_part_t part = MCPA_SSE_PASS;
    mcpa_sse_event_t reread;

    written.len = 0;
    mcpa_sse_write(event, data, keep, &written);
    must(written.len < sizeof(written.text));
    mcpa_sse_read(&reread, (mcpa_str_t){ written.text, written.len }, memory);
    must(reread.is_plain && reread.has_data == (data.ptr != NULL) && reread.is_message == read->is_message &&
         mcpa_str_eq(reread.data, data));
    for (size_t from = 0; from < written.len;) {
        must(part == MCPA_SSE_PASS);
        from += mcpa_sse_split(&sse, (mcpa_str_t){ written.text + from, written.len - from }, &part);
    }
    must(part == MCPA_SSE_EVENT || (data.ptr == NULL && part == MCPA_SSE_PASS));
}

static void check_event(mcpa_str_t event)
{
    static char memory[MAX_BYTES];
    static sink_t filtered;
    mcpa_list_filter_t list = { .allowed = allowed, .keep = keep, .ctx = &filtered };
    mcpa_sse_event_t read;

    filtered.len = 0;
    mcpa_sse_read(&read, event, memory);
    if (!read.has_data || mcpa_list_filter(&list, read.data) != MCPA_OK) {
        filtered.len = 0;
        keep(&filtered, MCPA_STR("a\nb"));
    }
    check_written(event, &read, (mcpa_str_t){ filtered.text, filtered.len });
    check_written(event, &read, MCPA_STR_NONE);
}

/* Every part ends with a mark: the same marks at the same places, but for those of passed bytes. */
static void split(sink_t *sink, mcpa_str_t all, unsigned step, bool check)
{
    static char event[MAX_BYTES];
    mcpa_sse_t sse = { 0 };
    size_t len = 0, from = 0, passed = 0;

    for (size_t cut = 0; from < all.len;) {
        mcpa_sse_part_t part;
        size_t n;

        cut = cut > from ? cut : from + 1 + (step > 0 ? (from * 7 + step) % step : all.len);
        n = mcpa_sse_split(&sse, (mcpa_str_t){ all.ptr + from, (cut < all.len ? cut : all.len) - from }, &part);
        must(n > 0 && part != MCPA_SSE_TOO_LONG);
        memcpy(event + len, all.ptr + from, n);
        len += n;
        from += n;
        if (part == MCPA_SSE_EVENT) {
            keep(sink, (mcpa_str_t){ (const char *)&from, sizeof(from) });
            if (check) {
                check_event((mcpa_str_t){ event, len });
            }
        }
        passed += part == MCPA_SSE_PASS ? len : 0;
        len = part == MCPA_SSE_HOLD ? len : 0;
    }
    keep(sink, (mcpa_str_t){ (const char *)&passed, sizeof(passed) });
    keep(sink, (mcpa_str_t){ (const char *)&len, sizeof(len) });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sink_t whole, pieces;

    if (size < 1 || size > MAX_BYTES) {
        return 0;
    }
    whole.len = pieces.len = 0;
    split(&whole, (mcpa_str_t){ (const char *)data + 1, size - 1 }, 0, true);
    split(&pieces, (mcpa_str_t){ (const char *)data + 1, size - 1 }, 1 + data[0] % 16, false);
    must(whole.len == pieces.len && memcmp(whole.text, pieces.text, whole.len) == 0);
    return 0;
}
