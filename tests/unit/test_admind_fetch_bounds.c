/* SPDX-License-Identifier: Apache-2.0 */
/* Every transfer is bounded in time and size. Attack: a provider that is slow, huge, drips or speaks another protocol. */
#include "test_admind_fetch.h"

#include <time.h>

static const admind_fetch_options_t production = { 0 };

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- plain good answers */

static void good_answer_comes_with_body_and_headers(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_good);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_false(outcome.has_error);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "{\"keys\":[]}");
    assert_string_equal(outcome.cache_control, "max-age=300");
    assert_string_equal(outcome.etag, "\"v1\"");
    assert_string_equal(outcome.retry_after, "7");
    server_stop(&server);
}

static void request_carries_our_headers_and_no_others(void **state)
{
    const char *const headers[] = { "If-None-Match: \"v1\"", NULL };
    const admind_fetch_request_t request = { .method = "GET", .headers = headers };
    server_t server = { 0 };
    outcome_t outcome;
    char url[128];

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not matter */
    server_start(&server, serve_good);
    snprintf(url, sizeof(url), "%s/echo", server.url);
    assert_true(fetch(&outcome, &development, &request, url));
    assert_non_null(strstr(outcome.body, "If-None-Match: \"v1\"\r\n"));
    assert_non_null(strstr(outcome.body, "User-Agent: mcpauth-admind/"));
    assert_null(strcasestr(outcome.body, "cookie"));
    assert_null(strcasestr(outcome.body, "accept-encoding"));
    assert_null(strcasestr(outcome.body, "authorization"));
    unsetenv("http_proxy");
    server_stop(&server);
}

static void serve_continue(server_t *server, const char *request)
{
    (void)request;
    server_say(server, "HTTP/1.1 103 Early Hints\r\nETag: \"early\"\r\nCache-Control: max-age=1\r\n\r\n");
    server_answer(server, 304, "ETag: \"late\"\r\n", "");
}

static void headers_of_an_interim_answer_are_forgotten(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_continue);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_int_equal(outcome.status, 304);
    assert_string_equal(outcome.etag, "\"late\"");
    assert_string_equal(outcome.cache_control, "");
    server_stop(&server);
}

static void serve_post(server_t *server, const char *request)
{
    server_answer(server, 200, "", strstr(request, "\r\n\r\n") + 4);
}

static void post_sends_the_copied_body(void **state)
{
    char body[] = "[{\"labels\":{}}]";
    const admind_fetch_request_t request = { .method = "POST", .body = { body, sizeof(body) - 1 }, .trusted_target = true };
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_post);
    assert_true(fetch(&outcome, &production, &request, server.url));
    assert_string_equal(outcome.body, body);
    server_stop(&server);
}

/* ---- size */

static void serve_huge(server_t *server, const char *request)
{
    char block[1024];

    (void)request;
    memset(block, 'x', sizeof(block));
    server_say(server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (server_say(server, "400\r\n") && server_write(server, block, sizeof(block)) && server_say(server, "\r\n")) {
    }
}

static void endless_chunked_answer_is_cut_at_the_limit(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_huge);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_int_equal(outcome.status, 0);
    assert_string_equal(outcome.error, "the answer is larger than 4096 bytes");
    server_stop(&server);
}

static void serve_exact(server_t *server, const char *request)
{
    char body[BODY_BYTES + 1];

    (void)request;
    memset(body, 'y', BODY_BYTES);
    body[BODY_BYTES] = '\0';
    server_answer(server, 200, "", body);
}

static void answer_of_exactly_the_limit_is_taken_and_one_more_byte_is_not(void **state)
{
    const admind_fetch_request_t less = { .method = "GET", .max_bytes = BODY_BYTES - 1 };
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_exact);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_int_equal(strlen(outcome.body), BODY_BYTES);
    assert_true(fetch(&outcome, &development, &less, server.url));
    assert_string_equal(outcome.error, "the answer is larger than 4095 bytes");
    server_stop(&server);
}

static void serve_torn(server_t *server, const char *request)
{
    (void)request;
    server_say(server, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4000\r\n\r\nhalf");
}

static void serve_early(server_t *server, const char *request)
{
    (void)request;
    server_say(server, "HTTP/1.1 103 Early Hints\r\n\r\n");
}

static void when_the_status_decides_no_body_makes_a_failure_of_it(void **state)
{
    static const struct {
        void (*serve)(server_t *, const char *);
        long status;
    } rows[] = { { serve_huge, 200 }, { serve_exact, 200 }, { serve_torn, 503 }, { serve_early, 0 }, { NULL, 0 } };
    const admind_fetch_request_t request = { .method = "GET", .max_bytes = BODY_BYTES - 1, .status_decides = true, .timeout_ms = 5000 };

    (void)state;
    for (size_t i = 0; rows[i].serve != NULL; i++) {
        server_t server = { 0 };
        outcome_t outcome;

        server_start(&server, rows[i].serve);
        assert_true(fetch(&outcome, &development, &request, server.url));
        assert_int_equal(outcome.status, rows[i].status);
        assert_true(outcome.has_error == (rows[i].status == 0)); /* a peer that says nothing final has not answered */
        assert_string_equal(outcome.body, "");
        assert_string_equal(outcome.retry_after, rows[i].status == 503 ? "7" : "");
        server_stop(&server);
    }
}

static void serve_headers(server_t *server, const char *request)
{
    char line[1024];

    (void)request;
    memset(line, 'h', sizeof(line));
    memcpy(line, "X-Fill: ", 8);
    memcpy(line + sizeof(line) - 3, "\r\n", 3);
    server_say(server, "HTTP/1.1 200 OK\r\n");
    while (server_say(server, line)) {
    }
}

static void endless_headers_are_cut(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_headers);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_string_equal(outcome.error, "the answer's headers are larger than 32768 bytes");
    server_stop(&server);
}

/* ---- time */

static void serve_never(server_t *server, const char *request)
{
    (void)request;
    server_sleep_ms(server, 10000);
}

static void serve_drip(server_t *server, const char *request)
{
    (void)request;
    server_say(server, "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n");
    while (server_say(server, "z")) {
        server_sleep_ms(server, 50);
    }
}

static void slow_and_dripping_answers_end_at_the_deadline(void **state)
{
    const admind_fetch_request_t request = { .method = "GET", .timeout_ms = 400 };
    void (*const serves[])(server_t *, const char *) = { serve_never, serve_drip };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        server_t server = { 0 };
        outcome_t outcome;
        double before = seconds();

        server_start(&server, serves[i]);
        assert_true(fetch(&outcome, &development, &request, server.url));
        assert_string_equal(outcome.error, "timed out");
        assert_true(seconds() - before < 2);
        server_stop(&server);
    }
}

static void refused_connection_is_told(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_good);
    server_stop(&server);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_int_equal(outcome.status, 0);
    assert_non_null(strstr(outcome.error, "onnect"));
}

static void serve_garbage(server_t *server, const char *request)
{
    (void)request;
    server_say(server, "220 mail.example ESMTP\r\n");
}

static void answer_that_is_no_http_is_a_failure(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_garbage);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_int_equal(outcome.status, 0);
    assert_true(outcome.has_error);
    server_stop(&server);
}

/* ---- several, and none */

static void count_done(void *ctx, const admind_fetch_result_t *result)
{
    int *count = ctx;

    assert_int_equal(result->status, 200);
    ++*count;
}

static void must_not_come(void *ctx, const admind_fetch_result_t *result)
{
    (void)ctx;
    (void)result;
    fail_msg("a cancelled fetch called back");
}

static void many_run_at_once_and_cancelled_ones_stay_silent(void **state)
{
    admind_loop_t *loop = admind_loop_new();
    admind_fetcher_t *fetcher = admind_fetcher_new(loop, &development);
    server_t server = { 0 }, silent = { 0 };
    admind_fetch_request_t request = { .method = "GET", .max_bytes = BODY_BYTES, .timeout_ms = 2000 };
    admind_fetch_t *cancelled[4];
    int count = 0;

    (void)state;
    server_start(&server, serve_good);
    server_start(&silent, serve_never);
    request.url = server.url;
    for (size_t i = 0; i < 16; i++) {
        assert_non_null(admind_fetch_start(fetcher, &request, count_done, &count));
    }
    request.url = silent.url; /* so that however slow this machine is, none of them is done before it is cancelled */
    for (size_t i = 0; i < 4; i++) {
        cancelled[i] = admind_fetch_start(fetcher, &request, must_not_come, NULL);
        assert_non_null(cancelled[i]);
    }
    admind_fetch_cancel(&cancelled[0]);
    assert_null(cancelled[0]);
    run(loop, 1); /* some are connecting now */
    admind_fetch_cancel(&cancelled[1]);
    admind_fetch_cancel(&cancelled[2]);
    admind_fetch_cancel(&cancelled[3]);
    for (size_t i = 0; i < 100 && count < 16; i++) {
        run(loop, 50);
    }
    assert_int_equal(count, 16);
    assert_non_null(admind_fetch_start(fetcher, &request, must_not_come, NULL)); /* freed with the fetcher */
    admind_fetcher_free(&fetcher);
    run(loop, 20);
    admind_loop_free(&loop);
    server_stop(&silent);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_answer_comes_with_body_and_headers),
        cmocka_unit_test(request_carries_our_headers_and_no_others),
        cmocka_unit_test(headers_of_an_interim_answer_are_forgotten),
        cmocka_unit_test(post_sends_the_copied_body),
        cmocka_unit_test(endless_chunked_answer_is_cut_at_the_limit),
        cmocka_unit_test(answer_of_exactly_the_limit_is_taken_and_one_more_byte_is_not),
        cmocka_unit_test(when_the_status_decides_no_body_makes_a_failure_of_it),
        cmocka_unit_test(endless_headers_are_cut),
        cmocka_unit_test(slow_and_dripping_answers_end_at_the_deadline),
        cmocka_unit_test(refused_connection_is_told),
        cmocka_unit_test(answer_that_is_no_http_is_a_failure),
        cmocka_unit_test(many_run_at_once_and_cancelled_ones_stay_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
