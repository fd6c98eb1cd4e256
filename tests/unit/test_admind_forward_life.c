/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one forwarder, on a clock that the test turns: what is sent, when it is tried again, what counts as taken, and what is sent again
 * after a connection broke. The journal is real; connections and requests are the test's. */
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

static bool take_any(void *ctx, mcpa_str_t line)
{
    (void)ctx;
    (void)line;
    return true;
}

static int setup(void **state)
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

static int teardown(void **state)
{
    world_t *world = *state;

    admind_forward_free(&world->forward);
    admind_journal_close(&world->journal);
    mcpa_metrics_free(&world->metrics);
    free(world);
    return drop_dir(state);
}

/* only: which of the two receivers. */
static void start(world_t *world, size_t only)
{
    char error[256];

    world->config.forwards[0] = world->config.forwards[only];
    world->config.n_forwards = 1;
    world->forward = admind_forward_new(&world->loop, &world->config, world->journal, world->metrics, error, sizeof(error));
    assert_non_null(world->forward);
}

static void write_lines(world_t *world, unsigned n)
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

static double number(const world_t *world, mcpa_metric_t metric)
{
    mcpa_str_t label = mcpa_str(world->config.forwards[0].name);

    return mcpa_metrics_get(world->metrics, metric, &label);
}

static uint64_t saved_offset(const char *name)
{
    admind_position_t position;

    assert_int_equal(admind_cursor_load(&position, test_dir, name), MCPA_OK);
    return position.offset;
}

static bool was_sent(unsigned n)
{
    char mark[32];

    (void)snprintf(mark, sizeof(mark), "\"s%u.\"", n);
    return the_stream != NULL && strstr(the_stream->sent, mark) != NULL;
}

static void connect_now(world_t *world)
{
    fake_advance(&world->loop, the_stream == NULL ? 61 * S : 0); /* past any back-off */
    assert_non_null(the_stream);
    the_stream->events.connected(the_stream->events.ctx);
}

static void acknowledge(world_t *world)
{
    the_stream->unacked = 0;
    fake_advance(&world->loop, 300 * MS);
}

static void gone(const char *words, bool orderly)
{
    (void)snprintf(the_stream->words, sizeof(the_stream->words), "%s", words);
    the_stream->events.gone(the_stream->events.ctx, the_stream->words, orderly);
    assert_null(the_stream);
}

/* ---- syslog over TCP */

static void a_batch_is_taken_when_all_of_it_is_acknowledged(void **state)
{
    world_t *world = *state;

    start(world, 0);
    write_lines(world, 3);
    connect_now(world);
    assert_true(was_sent(1) && was_sent(3));
    fake_advance(&world->loop, 10 * S);
    assert_true(number(world, MCPA_METRIC_FORWARD_RECORDS) == 0);
    the_stream->unacked = 1;
    fake_advance(&world->loop, S);
    assert_true(number(world, MCPA_METRIC_FORWARD_RECORDS) == 0);
    acknowledge(world);
    assert_true(number(world, MCPA_METRIC_FORWARD_RECORDS) == 3);
    admind_forward_refresh(world->forward);
    assert_true(number(world, MCPA_METRIC_FORWARD_BACKLOG) == 0);
    assert_int_equal(streams, 1);
}

static void what_the_kernel_did_not_take_goes_on_where_it_stopped(void **state)
{
    world_t *world = *state;
    char text[1 << 16];

    start(world, 0);
    write_lines(world, 20);
    fake_advance(&world->loop, S);
    the_stream->room = 1000;
    the_stream->events.connected(the_stream->events.ctx);
    assert_int_equal(the_stream->len, 1000);
    the_stream->room = 500;
    the_stream->events.writable(the_stream->events.ctx);
    the_stream->room = sizeof(the_stream->sent) - the_stream->len;
    the_stream->events.writable(the_stream->events.ctx);
    memcpy(text, the_stream->sent, sizeof(text));
    acknowledge(world);
    assert_true(number(world, MCPA_METRIC_FORWARD_RECORDS) == 20);
    for (char *at = text, *end = text; *at != '\0'; at = end) { /* message by message, by their counts */
        unsigned long count = strtoul(at, &end, 10);

        assert_true(*end == ' ' && end[1] == '<');
        end += 1 + count;
    }
}

static void after_an_orderly_end_the_last_seconds_are_sent_again(void **state)
{
    world_t *world = *state;

    start(world, 0);
    write_lines(world, 1);
    connect_now(world);
    acknowledge(world);
    fake_advance(&world->loop, ADMIND_WINDOW_US);
    write_lines(world, 1);
    fake_advance(&world->loop, S);
    acknowledge(world);
    gone("closed", true);
    connect_now(world);
    assert_false(was_sent(1));
    assert_true(was_sent(2));
    acknowledge(world);
    fake_advance(&world->loop, ADMIND_WINDOW_US);
    gone("closed", true); /* nothing is in doubt */
    assert_true(number(world, MCPA_METRIC_FORWARD_FAILURES) == 1);
    fake_advance(&world->loop, 100 * S);
    assert_int_equal(streams, 2);
}

static void after_a_reset_the_last_bytes_are_sent_again_however_old(void **state)
{
    world_t *world = *state;

    start(world, 0);
    write_lines(world, 2);
    connect_now(world);
    acknowledge(world);
    fake_advance(&world->loop, 3600 * S);
    assert_true(saved_offset("syslog") > 0);
    gone("broke", false);
    admind_forward_refresh(world->forward);
    assert_true(number(world, MCPA_METRIC_FORWARD_BACKLOG) > 0);
    fake_advance(&world->loop, 2 * S); /* a kill of the daemon now must not forget it either */
    assert_int_equal(saved_offset("syslog"), 0);
    connect_now(world);
    assert_true(was_sent(1) && was_sent(2));
}

static void what_was_never_acknowledged_is_sent_again(void **state)
{
    world_t *world = *state;

    admind_forward_view_t view;

    start(world, 0);
    write_lines(world, 2);
    connect_now(world);
    gone("closed", true);
    assert_true(admind_forward_view(world->forward, 0, &view));
    assert_string_equal(view.last_error, "closed");
    connect_now(world);
    assert_true(was_sent(1) && was_sent(2));
    assert_true(number(world, MCPA_METRIC_FORWARD_RECORDS) == 0);
    the_stream->broken = true;
    acknowledge(world);
    write_lines(world, 1);
    fake_advance(&world->loop, S); /* the send fails; it is told later, from the timer */
    assert_true(number(world, MCPA_METRIC_FORWARD_FAILURES) >= 2);
    connect_now(world);
    assert_true(was_sent(1) && was_sent(3));
}

static void a_receiver_that_takes_nothing_is_given_up_and_tried_anew(void **state)
{
    world_t *world = *state;

    start(world, 0);
    write_lines(world, 1);
    connect_now(world);
    fake_advance(&world->loop, ADMIND_TCP_STALL_US - S);
    assert_non_null(the_stream);
    the_stream->unacked--; /* something moved */
    fake_advance(&world->loop, ADMIND_TCP_STALL_US - S);
    assert_int_equal(streams, 1);
    fake_advance(&world->loop, 3 * S);
    assert_int_equal(streams, 2);
    assert_true(number(world, MCPA_METRIC_FORWARD_FAILURES) == 1);
}

static void connections_that_fail_are_tried_less_and_less_often(void **state)
{
    world_t *world = *state;
    unsigned failures = 0;

    start(world, 0);
    write_lines(world, 1);
    for (int i = 0; i < 3600; i++) {
        fake_advance(&world->loop, S);
        if (the_stream != NULL) {
            gone("refused", false);
            failures++;
        }
    }
    assert_in_range(failures, 40, 400); /* jitter within a minute once it is settled: some 120 */
    assert_true(number(world, MCPA_METRIC_FORWARD_FAILURES) == failures);
    connect_now(world);
    acknowledge(world);
    assert_true(number(world, MCPA_METRIC_FORWARD_RECORDS) == 1);
}

/* ---- the cursor */

static void the_cursor_follows_what_is_settled(void **state)
{
    world_t *world = *state;
    admind_position_t end;

    start(world, 0);
    write_lines(world, 1);
    connect_now(world);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(saved_offset("syslog"), 0);
    acknowledge(world);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(saved_offset("syslog"), 0);
    fake_advance(&world->loop, ADMIND_WINDOW_US);
    admind_journal_position(world->journal, &end);
    assert_int_equal(saved_offset("syslog"), end.offset);
}

static void now_is_fixed_at_the_first_start(void **state)
{
    world_t *world = *state;

    start(world, 1);
    assert_true(is_there("forward-otlp.json"));
    write_lines(world, 2);
    admind_forward_free(&world->forward); /* nothing was sent yet */
    start(world, 0);
    write_lines(world, 1);
    fake_advance(&world->loop, S);
    assert_non_null(strstr(the_fetcher->fetches[0].body, "\\\"s1.\\\""));
}

/* ---- OTLP */

static void answer_with(long status, const char *retry_after, const char *body)
{
    admind_fetch_t *fetch = &the_fetcher->fetches[0];
    admind_fetch_result_t result = { .status = status, .retry_after = mcpa_str(retry_after), .body = mcpa_str(body) };

    assert_true(fetch->waiting);
    fetch->waiting = false;
    result.error = status == 0 ? "timed out" : NULL;
    fetch->done(fetch->ctx, &result);
}

static void a_request_is_sent_again_as_it_is_until_it_is_taken(void **state)
{
    static const long statuses[] = { 0, 429, 503, 400, 404, 301, 199, 500 };
    world_t *world = *state;
    char body[65536];

    start(world, 1);
    write_lines(world, 3);
    fake_advance(&world->loop, S);
    memcpy(body, the_fetcher->fetches[0].body, sizeof(body));
    assert_non_null(strstr(body, "\\\"s3.\\\""));
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        write_lines(world, 1); /* does not change the batch that stands */
        answer_with(statuses[i], NULL, "");
        fake_advance(&world->loop, 61 * S);
        assert_string_equal(the_fetcher->fetches[0].body, body);
        assert_true(number(world, MCPA_METRIC_FORWARD_FAILURES) == (double)(i + 1));
    }
    answer_with(204, NULL, "");
    assert_true(number(world, MCPA_METRIC_FORWARD_RECORDS) == 3);
    fake_advance(&world->loop, S);
    assert_null(strstr(the_fetcher->fetches[0].body, "\\\"s3.\\\""));
    assert_non_null(strstr(the_fetcher->fetches[0].body, "\\\"s11.\\\""));
}

static void retry_after_is_waited_for(void **state)
{
    world_t *world = *state;

    start(world, 1);
    write_lines(world, 1);
    fake_advance(&world->loop, S);
    answer_with(503, "600", "");
    fake_advance(&world->loop, 599 * S);
    assert_int_equal(the_fetcher->started, 1);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(the_fetcher->started, 2);
}

static void a_request_that_cannot_start_is_tried_again(void **state)
{
    world_t *world = *state;

    start(world, 1);
    the_fetcher->refuse = true;
    write_lines(world, 1);
    fake_advance(&world->loop, 5 * S);
    assert_true(number(world, MCPA_METRIC_FORWARD_FAILURES) >= 1);
    the_fetcher->refuse = false;
    fake_advance(&world->loop, 61 * S);
    answer_with(200, NULL, "{\"partialSuccess\":{\"rejectedLogRecords\":\"1\"}}");
    assert_true(number(world, MCPA_METRIC_FORWARD_RECORDS) == 1 && number(world, MCPA_METRIC_FORWARD_REJECTED) == 1);
}

static void what_comes_close_together_shares_a_request(void **state)
{
    world_t *world = *state;

    start(world, 1);
    for (int i = 0; i < 80; i++) {
        write_lines(world, 1);
        fake_advance(&world->loop, MS);
    }
    fake_advance(&world->loop, S);
    answer_with(200, NULL, "");
    assert_true(number(world, MCPA_METRIC_FORWARD_RECORDS) == 80);
    assert_int_equal(the_fetcher->started, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_batch_is_taken_when_all_of_it_is_acknowledged),
        TEST(what_the_kernel_did_not_take_goes_on_where_it_stopped),
        TEST(after_an_orderly_end_the_last_seconds_are_sent_again),
        TEST(after_a_reset_the_last_bytes_are_sent_again_however_old),
        TEST(what_was_never_acknowledged_is_sent_again),
        TEST(a_receiver_that_takes_nothing_is_given_up_and_tried_anew),
        TEST(connections_that_fail_are_tried_less_and_less_often),
        TEST(the_cursor_follows_what_is_settled),
        TEST(now_is_fixed_at_the_first_start),
        TEST(a_request_is_sent_again_as_it_is_until_it_is_taken),
        TEST(retry_after_is_waited_for),
        TEST(a_request_that_cannot_start_is_tried_again),
        TEST(what_comes_close_together_shares_a_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
