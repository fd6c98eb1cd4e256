/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of keys/fetch.c share: one fetch from start to end on a loop of its own. */
#ifndef TEST_ADMIND_FETCH_H
#define TEST_ADMIND_FETCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keys/fetch.h"
#include "test_admind_server.h"

#define BODY_BYTES 4096

/* What one fetch brought, copied out of the borrowed result. */
typedef struct outcome {
    admind_loop_t *loop;
    bool done;
    long status;
    char body[BODY_BYTES + 1], error[256], etag[64], cache_control[64], retry_after[64];
    bool has_error;
} outcome_t;

static inline void copy(char *memory, size_t cap, mcpa_str_t text)
{
    snprintf(memory, cap, "%.*s", MCPA_STR_ARG(text));
}

static inline void on_done(void *ctx, const admind_fetch_result_t *result)
{
    outcome_t *outcome = ctx;

    assert_false(outcome->done);
    outcome->done = true;
    outcome->status = result->status;
    copy(outcome->body, sizeof(outcome->body), result->body);
    copy(outcome->etag, sizeof(outcome->etag), result->etag);
    copy(outcome->cache_control, sizeof(outcome->cache_control), result->cache_control);
    copy(outcome->retry_after, sizeof(outcome->retry_after), result->retry_after);
    outcome->has_error = result->error != NULL;
    snprintf(outcome->error, sizeof(outcome->error), "%s", result->error != NULL ? result->error : "");
    admind_loop_stop(outcome->loop);
}

static inline void on_deadline(void *ctx)
{
    admind_loop_stop(ctx);
}

static inline void run(admind_loop_t *loop, int64_t most_ms)
{
    admind_timer_t *deadline = admind_timer_new(loop, on_deadline, loop);

    admind_timer_arm(deadline, most_ms);
    admind_loop_run(loop);
    admind_timer_free(&deadline);
}

static const admind_fetch_options_t development = { .insecure_loopback = true };

/* One GET from start to end. False: it could not even start. */
static inline bool fetch(outcome_t *outcome, const admind_fetch_options_t *options, const admind_fetch_request_t *template,
                         const char *url)
{
    admind_loop_t *loop = admind_loop_new();
    admind_fetcher_t *fetcher = admind_fetcher_new(loop, options);
    admind_fetch_request_t request = template != NULL ? *template : (admind_fetch_request_t){ .method = "GET" };
    bool started;

    *outcome = (outcome_t){ .loop = loop };
    request.url = url;
    request.max_bytes = request.max_bytes != 0 ? request.max_bytes : BODY_BYTES;
    request.timeout_ms = request.timeout_ms != 0 ? request.timeout_ms : 2000;
    started = admind_fetch_start(fetcher, &request, on_done, outcome) != NULL;
    if (started) {
        run(loop, 5000);
        assert_true(outcome->done);
    }
    admind_fetcher_free(&fetcher);
    admind_loop_free(&loop);
    return started;
}

static inline void serve_good(server_t *server, const char *request)
{
    if (strstr(request, "GET /echo ") != NULL) {
        server_answer(server, 200, "", request);
        return;
    }
    server_answer(server, 200, "Cache-Control: max-age=300\r\nETag: \"v1\"\r\nretry-after: 7\r\n", "{\"keys\":[]}");
}

#endif
