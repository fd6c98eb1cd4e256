/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of a forwarder's life share: a clock that the test turns, a real journal, and connections and requests that are the test's.
 * Included once, by the test program's one source file. */
#ifndef TEST_ADMIND_FORWARD_H
#define TEST_ADMIND_FORWARD_H

#include "test_admind_fakes.h"

#include "admind_support.h"

#include "audit/journal.h"
#include "forward/cursor.h"
#include "forward/forward.h"
#include "forward/stream.h"
#include "forward/tcp.h"
#include "forward/window.h"

#define MS INT64_C(1000)

/* ---- a fetcher as forward/post.c makes it */

static admind_fetcher_t *the_fetcher;

admind_fetcher_t *admind_fetcher_new(admind_loop_t *loop, const admind_fetch_options_t *options)
{
    (void)loop;
    (void)options;
    the_fetcher = calloc(1, sizeof(*the_fetcher));
    return the_fetcher;
}

void admind_fetcher_free(admind_fetcher_t **fetcher)
{
    free(*fetcher);
    *fetcher = NULL;
}

/* ---- a connection as forward/tcp.c makes it */

struct admind_stream {
    admind_stream_events_t events;
    char sent[1 << 16];
    size_t len, room, unacked;
    bool broken; /* send says so */
    char words[32];
};

static admind_stream_t *the_stream;
static unsigned streams;

admind_stream_t *admind_stream_open(admind_loop_t *loop, const admind_stream_options_t *options, const admind_stream_events_t *events)
{
    (void)loop;
    assert_string_equal(options->address, "127.0.0.1:514");
    assert_false(options->tls || options->anywhere);
    assert_null(the_stream);
    the_stream = calloc(1, sizeof(*the_stream));
    the_stream->events = *events;
    the_stream->room = sizeof(the_stream->sent);
    streams++;
    return the_stream;
}

void admind_stream_close(admind_stream_t **stream)
{
    if (*stream != NULL) {
        memset(*stream, 'x', sizeof(**stream)); /* what was borrowed from it is void */
        free(*stream);
        *stream = the_stream = NULL;
    }
}

mcpa_status_t admind_stream_send(admind_stream_t *stream, mcpa_str_t bytes, size_t *n)
{
    *n = bytes.len < stream->room ? bytes.len : stream->room;
    memcpy(stream->sent + stream->len, bytes.ptr, *n);
    stream->len += *n;
    stream->room -= *n;
    stream->unacked += *n;
    return stream->broken ? MCPA_EIO : MCPA_OK;
}

bool admind_stream_unacked(const admind_stream_t *stream, size_t *bytes)
{
    *bytes = stream->unacked;
    return true;
}

/* ---- the world */

typedef struct world {
    admind_loop_t loop;
    admind_config_t config;
    admind_journal_t *journal;
    mcpa_metrics_t *metrics;
    admind_forward_t *forward;
    unsigned lines;
} world_t;

static inline bool take_any(void *ctx, mcpa_str_t line)
{
    (void)ctx;
    (void)line;
    return true;
}

static inline int setup(void **state)
{
    static char syslog_url[] = "tcp://127.0.0.1:514", otlp_url[] = "http://127.0.0.1/v1/logs";
    const admind_position_t begin = { .offset = 0 };
    world_t *world = calloc(1, sizeof(*world));
    char error[256];

    if (make_dir(state) != 0) {
        return -1;
    }
    the_stream = NULL;
    streams = 0;
    world->config.journal_dir = test_dir;
    world->config.forwards[0] = (admind_forward_config_t){ .url = syslog_url, .name = "syslog", .facility = 16 };
    world->config.forwards[1] = (admind_forward_config_t){ .is_otlp = true, .url = otlp_url, .name = "otlp" };
    world->metrics = mcpa_metrics_new();
    world->journal = admind_journal_open(test_dir, UINT64_C(1) << 30, error, sizeof(error));
    assert_int_equal(admind_journal_replay(world->journal, &begin, take_any, NULL), MCPA_OK);
    *state = world;
    return 0;
}

static inline int teardown(void **state)
{
    world_t *world = *state;

    admind_forward_free(&world->forward);
    admind_journal_close(&world->journal);
    mcpa_metrics_free(&world->metrics);
    free(world);
    return drop_dir(state);
}

/* only: which of the two receivers. */
static inline void start(world_t *world, size_t only)
{
    char error[256];

    world->config.forwards[0] = world->config.forwards[only];
    world->config.n_forwards = 1;
    world->forward = admind_forward_new(&world->loop, &world->config, world->journal, world->metrics, error, sizeof(error));
    assert_non_null(world->forward);
}

static inline void write_lines(world_t *world, unsigned n)
{
    char line[160];

    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(line, sizeof(line), "{\"sub\":\"s%u.\",\"instance\":\"00112233445566778899aabbccddeeff\",\"seq\":%u}", world->lines + 1,
                       world->lines + 1);
        world->lines++;
        assert_int_equal(admind_journal_append(world->journal, mcpa_str(line), NOON_US), MCPA_OK);
    }
    assert_int_equal(admind_journal_commit(world->journal), MCPA_OK);
    admind_forward_round(world->forward);
}

static inline double number(const world_t *world, mcpa_metric_t metric)
{
    mcpa_str_t label = mcpa_str(world->config.forwards[0].name);

    return mcpa_metrics_get(world->metrics, metric, &label);
}

static inline uint64_t saved_offset(const char *name)
{
    admind_position_t position;

    assert_int_equal(admind_cursor_load(&position, test_dir, name), MCPA_OK);
    return position.offset;
}

static inline bool was_sent(unsigned n)
{
    char mark[32];

    (void)snprintf(mark, sizeof(mark), "\"s%u.\"", n);
    return the_stream != NULL && strstr(the_stream->sent, mark) != NULL;
}

static inline void connect_now(world_t *world)
{
    fake_advance(&world->loop, the_stream == NULL ? 61 * S : 0); /* past any back-off */
    assert_non_null(the_stream);
    the_stream->events.connected(the_stream->events.ctx);
}

static inline void acknowledge(world_t *world)
{
    the_stream->unacked = 0;
    fake_advance(&world->loop, 300 * MS);
}

static inline void gone(const char *words, bool orderly)
{
    (void)snprintf(the_stream->words, sizeof(the_stream->words), "%s", words);
    the_stream->events.gone(the_stream->events.ctx, the_stream->words, orderly);
    assert_null(the_stream);
}

#endif
