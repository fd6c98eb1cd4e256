/* SPDX-License-Identifier: Apache-2.0 */
/* Event streams are split where a browser would split them, however they come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "mcp/sse.h"

/* What became of a stream: passed bytes as they are, each event in angle brackets, what was held back at the end behind a bar. */
typedef struct seen {
    char text[2048];
    size_t len;
    char held[1024];
    size_t n_held;
} seen_t;

static void put(seen_t *seen, const char *bytes, size_t len)
{
    assert_true(seen->len + len < sizeof(seen->text));
    memcpy(seen->text + seen->len, bytes, len);
    seen->len += len;
    seen->text[seen->len] = '\0';
}

static void feed(seen_t *seen, mcpa_sse_t *sse, mcpa_str_t bytes)
{
    while (bytes.len > 0) {
        mcpa_sse_part_t part;
        size_t n = mcpa_sse_split(sse, bytes, &part);

        assert_true(n > 0 && n <= bytes.len);
        assert_true(seen->n_held + n < sizeof(seen->held));
        memcpy(seen->held + seen->n_held, bytes.ptr, n);
        seen->n_held += n;
        if (part == MCPA_SSE_EVENT || part == MCPA_SSE_PASS) {
            put(seen, "<", part == MCPA_SSE_EVENT);
            put(seen, seen->held, seen->n_held);
            put(seen, ">", part == MCPA_SSE_EVENT);
            seen->n_held = 0;
        } else {
            assert_int_equal(part, MCPA_SSE_HOLD);
            assert_int_equal(sse->held, seen->n_held);
        }
        bytes = (mcpa_str_t){ bytes.ptr + n, bytes.len - n };
    }
}

static const struct {
    const char *stream, *split;
} rows[] = {
    { "data: 1\n\ndata: 2\n\n", "<data: 1\n\n><data: 2\n\n>|" },
    { "data: 1\r\n\r\ndata: 2\r\n\r\n", "<data: 1\r\n\r>\n<data: 2\r\n\r>\n|" },
    { "data: 1\r\rdata: 2\r\r", "<data: 1\r\r><data: 2\r\r>|" },
    { "data: 1\r\n\ndata: 2\n\r\n\n", "<data: 1\r\n\n><data: 2\n\r>\n\n|" },
    { "data: 1\n\r\r\n", "<data: 1\n\r>\r\n|" },
    { ": keep\n\n:\r\n\n\n", ": keep\n\n:\r\n\n\n|" },
    { "id: 1\n: inside\nevent: x\ndata\n\n: after", "<id: 1\n: inside\nevent: x\ndata\n\n>: after|" },
    { ":a\n:b\ndata:c\n\n:d\n", ":a\n:b\n<data:c\n\n>:d\n|" },
    { "\xef\xbb\xbf"
      "data: 1\n\n",
      "\xef\xbb\xbf<data: 1\n\n>|" },
    { "\xef\xbb\xbf\xef\xbb\xbf"
      "data: 1\n\n",
      "\xef\xbb\xbf<\xef\xbb\xbf"
      "data: 1\n\n>|" },
    { "\xef\xbb"
      "data: 1\n\n",
      "<\xef\xbb"
      "data: 1\n\n>|" },
    { "\xef\n\n", "<\xef\n\n>|" },
    { "\xef\xbb", "|\xef\xbb" },
    { "\n\xef\xbb\xbf"
      "data: 1\n\n",
      "\n<\xef\xbb\xbf"
      "data: 1\n\n>|" },
    { "data: never ends", "|data: never ends" },
    { "data: 1\nid: 2\n", "|data: 1\nid: 2\n" },
    { "data: 1\n\ndata: 2\r", "<data: 1\n\n>|data: 2\r" },
    { "\r\n\r\r\n", "\r\n\r\r\n|" },
};

static void finish(seen_t *seen)
{
    put(seen, "|", 1);
    put(seen, seen->held, seen->n_held);
}

static void streams_are_split_alike_wherever_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mcpa_str_t all = mcpa_str(rows[i].stream);

        for (size_t a = 0; a <= all.len; a++) {
            for (size_t b = a; b <= all.len; b++) {
                mcpa_sse_t sse = { 0 };
                seen_t seen = { .len = 0 };

                feed(&seen, &sse, (mcpa_str_t){ all.ptr, a });
                feed(&seen, &sse, (mcpa_str_t){ all.ptr + a, b - a });
                feed(&seen, &sse, (mcpa_str_t){ all.ptr + b, all.len - b });
                finish(&seen);
                assert_string_equal(seen.text, rows[i].split);
            }
        }
    }
}

/* An event is whole with its blank line; a comment goes on with its first byte. */
static void nothing_is_held_back_longer_than_needed(void **state)
{
    mcpa_sse_t sse = { 0 };
    mcpa_sse_part_t part;

    (void)state;
    assert_int_equal(mcpa_sse_split(&sse, MCPA_STR(":"), &part), 1);
    assert_int_equal(part, MCPA_SSE_PASS);
    assert_int_equal(mcpa_sse_split(&sse, MCPA_STR(" x\r\ndata"), &part), 4);
    assert_int_equal(part, MCPA_SSE_PASS);
    assert_int_equal(mcpa_sse_split(&sse, MCPA_STR("data: 1\r\r"), &part), 9);
    assert_int_equal(part, MCPA_SSE_EVENT);
}

static void an_event_has_an_end(void **state)
{
    static char long_line[MCPA_LIST_MAX_BYTES];
    mcpa_sse_t sse = { 0 };
    mcpa_sse_part_t part;

    (void)state;
    memset(long_line, 'x', sizeof(long_line));
    assert_int_equal(mcpa_sse_split(&sse, (mcpa_str_t){ long_line, sizeof(long_line) }, &part), sizeof(long_line));
    assert_int_equal(part, MCPA_SSE_HOLD);
    (void)mcpa_sse_split(&sse, MCPA_STR("x"), &part);
    assert_int_equal(part, MCPA_SSE_TOO_LONG);
    /* A comment has none. */
    sse = (mcpa_sse_t){ 0 };
    long_line[0] = ':';
    for (int i = 0; i < 3; i++) {
        (void)mcpa_sse_split(&sse, (mcpa_str_t){ long_line, sizeof(long_line) }, &part);
        assert_int_equal(part, MCPA_SSE_PASS);
    }
}

static void data_is_what_clients_make_of_it(void **state)
{
    static const struct {
        const char *event, *data; /* NULL: none */
        bool is_message, is_plain;
    } events[] = {
        { "data: {}\n\n", "{}", true, true },
        { "data:{}\n\n", "{}", true, true },
        { "data:  {}\r\n\r", " {}", true, true },
        { "data\n\n", "", true, true },
        { "data: a\ndata: b\r\ndata\rdata:c\n\n", "a\nb\n\nc", true, true },
        { "data:\ndata:\n\n", "\n", true, true },
        { "event: message\ndata: 1\n\n", "1", true, true },
        { "event: x\ndata: 1\n\n", "1", false, true },
        { "data: 1\nevent: x\nevent:\n\n", "1", true, true },
        { "id: 7\nretry: 1\n: data: 2\n\n", NULL, true, true },
        { "Data: 1\n\n", NULL, true, false },
        { " data: 1\n\n", NULL, true, false },
        { "{\"result\":{}}", NULL, true, false },
        { "data: 1\n\xef\xbb\xbf"
          "data: 2\n\n",
          "1", true, false },
        { "data: 1", "1", true, true },
    };
    char memory[256];
    mcpa_sse_event_t read;

    (void)state;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        mcpa_sse_read(&read, mcpa_str(events[i].event), memory);
        if (read.is_plain != events[i].is_plain || read.is_message != events[i].is_message ||
            read.has_data != (events[i].data != NULL) || (read.has_data && !mcpa_str_eqz(read.data, events[i].data))) {
            fail_msg("%s", events[i].event);
        }
    }
}

static void keep(void *ctx, mcpa_str_t bytes)
{
    put(ctx, bytes.ptr, bytes.len);
}

static void other_data_stands_where_the_data_stood(void **state)
{
    static const struct {
        const char *event, *data, *after;
    } events[] = {
        { "id: 1\ndata: a\nevent: message\n\n", "b", "id: 1\ndata: b\nevent: message\n\n" },
        { "data:a\r\ndata:b\r\n\r", "1\n2\n3", "data: 1\ndata: 2\ndata: 3\n\r" },
        { "id: 1\ndata: a\ndata: b\n\n", NULL, "id: 1\n\n" },
        { "id: 1\rdata: a\r: c\r\r", "x", "id: 1\rdata: x\n: c\r\r" },
        { "id: 1\rdata: a\n\n", NULL, "id: 1\r\n\n" },
        { "data: a\rid: 1\rx\n\n", "b", "data: b\nid: 1\r\n\n" },
        { "id: 1\rdata: a\n\n", "b", "id: 1\rdata: b\n\n" },
        { "{}\n\n", "x", "data: x\n\n" },
        { "{}\nid: 2", "x", "id: 2\ndata: x\n" },
        { "data: a", "x", "data: x\n" },
        { "id: 1\n\n", "", "id: 1\ndata: \n\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        seen_t seen = { .len = 0 };

        mcpa_sse_write(mcpa_str(events[i].event), mcpa_str(events[i].data), keep, &seen);
        assert_string_equal(seen.text, events[i].after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_split_alike_wherever_they_are_cut),
        cmocka_unit_test(nothing_is_held_back_longer_than_needed),
        cmocka_unit_test(an_event_has_an_end),
        cmocka_unit_test(data_is_what_clients_make_of_it),
        cmocka_unit_test(other_data_stands_where_the_data_stood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
