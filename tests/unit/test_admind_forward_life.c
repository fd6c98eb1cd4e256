/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one forwarder, on a clock that the test turns: what is sent, when it is tried again, what counts as taken, and what is sent again
 * after a connection broke. The journal is real; connections and requests are the test's. */
#include "test_admind_forward.h"

#include "forward/tcp.h"
#include "forward/window.h"

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
