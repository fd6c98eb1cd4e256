/* SPDX-License-Identifier: Apache-2.0 */
/* A loop whose clock the test turns, and a fetcher whose answers the test gives: what keys/ and alerts/ do then depends on
 * nothing else. These definitions stand in for loop.c and keys/fetch.c; one test program includes them once. */
#ifndef TEST_ADMIND_FAKES_H
#define TEST_ADMIND_FAKES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keys/fetch.h"
#include "loop.h"

#define FAKE_WALL_START (INT64_C(1763715600) * 1000000)
#define FAKE_MONO_START (INT64_C(1000) * 1000000)
#define FAKE_TIMERS     64
#define FAKE_FETCHES    64
#define S               INT64_C(1000000)

struct admind_timer {
    admind_loop_t *loop;
    bool used, armed;
    int64_t due_us;
    void (*fn)(void *ctx);
    void *ctx;
};

struct admind_loop {
    int64_t now_us; /* since the start of the test */
    admind_timer_t timers[FAKE_TIMERS];
};

int64_t admind_loop_wall_us(const admind_loop_t *loop)
{
    return FAKE_WALL_START + loop->now_us;
}

int64_t admind_loop_mono_us(const admind_loop_t *loop)
{
    return FAKE_MONO_START + loop->now_us;
}

admind_timer_t *admind_timer_new(admind_loop_t *loop, void (*fn)(void *ctx), void *ctx)
{
    for (size_t i = 0; i < FAKE_TIMERS; i++) {
        if (!loop->timers[i].used) {
            loop->timers[i] = (admind_timer_t){ .loop = loop, .used = true, .fn = fn, .ctx = ctx };
            return &loop->timers[i];
        }
    }
    return NULL;
}

void admind_timer_arm(admind_timer_t *timer, int64_t delay_ms)
{
    timer->armed = true;
    timer->due_us = timer->loop->now_us + (delay_ms > 0 ? delay_ms * 1000 : 1);
}

void admind_timer_disarm(admind_timer_t *timer)
{
    timer->armed = false;
}

void admind_timer_free(admind_timer_t **timer)
{
    if (*timer != NULL) {
        **timer = (admind_timer_t){ 0 };
        *timer = NULL;
    }
}

/* Time passes; what is due runs at its own moment, in order. */
static inline void fake_advance(admind_loop_t *loop, int64_t us)
{
    int64_t end_us = loop->now_us + us;

    for (;;) {
        admind_timer_t *next = NULL;

        for (size_t i = 0; i < FAKE_TIMERS; i++) {
            if (loop->timers[i].armed && loop->timers[i].due_us <= end_us &&
                (next == NULL || loop->timers[i].due_us < next->due_us)) {
                next = &loop->timers[i];
            }
        }
        if (next == NULL) {
            break;
        }
        loop->now_us = next->due_us > loop->now_us ? next->due_us : loop->now_us;
        next->armed = false;
        next->fn(next->ctx);
    }
    loop->now_us = end_us;
}

/* ---- fetches: started ones wait until the test answers */

struct admind_fetch {
    bool waiting;
    char method[8], url[2048], headers[2048], body[65536];
    bool trusted;
    void (*done)(void *ctx, const admind_fetch_result_t *result);
    void *ctx;
};

struct admind_fetcher {
    admind_fetch_t fetches[FAKE_FETCHES];
    unsigned started, cancelled;
    bool refuse; /* none may start */
};

admind_fetch_t *admind_fetch_start(admind_fetcher_t *fetcher, const admind_fetch_request_t *request,
                                   void (*done)(void *ctx, const admind_fetch_result_t *result), void *ctx)
{
    admind_fetch_t *fetch = NULL;

    if (fetcher->refuse) {
        return NULL;
    }
    for (size_t i = 0; fetch == NULL && i < FAKE_FETCHES; i++) {
        fetch = fetcher->fetches[i].waiting ? NULL : &fetcher->fetches[i];
    }
    assert_non_null(fetch);
    fetcher->started++;
    *fetch = (admind_fetch_t){ .waiting = true, .done = done, .ctx = ctx, .trusted = request->trusted_target };
    snprintf(fetch->method, sizeof(fetch->method), "%s", request->method);
    snprintf(fetch->url, sizeof(fetch->url), "%s", request->url);
    for (size_t i = 0, at = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        at += (size_t)snprintf(fetch->headers + at, sizeof(fetch->headers) - at, "%s\n", request->headers[i]);
    }
    assert_true(request->body.len < sizeof(fetch->body));
    if (request->body.len > 0) {
        memcpy(fetch->body, request->body.ptr, request->body.len);
    }
    return fetch;
}

void admind_fetch_cancel(admind_fetch_t **fetch)
{
    if (*fetch != NULL) {
        (*fetch)->waiting = false;
        *fetch = NULL;
    }
}

/* The waiting fetch whose URL contains the text; fails the test when there is none. */
static inline admind_fetch_t *fake_waiting(admind_fetcher_t *fetcher, const char *part)
{
    for (size_t i = 0; i < FAKE_FETCHES; i++) {
        if (fetcher->fetches[i].waiting && strstr(fetcher->fetches[i].url, part) != NULL) {
            return &fetcher->fetches[i];
        }
    }
    fail_msg("nothing is being fetched from %s", part);
    return NULL;
}

static inline size_t fake_count_waiting(const admind_fetcher_t *fetcher)
{
    size_t n = 0;

    for (size_t i = 0; i < FAKE_FETCHES; i++) {
        n += fetcher->fetches[i].waiting ? 1 : 0;
    }
    return n;
}

static inline void fake_finish(admind_fetch_t *fetch, const admind_fetch_result_t *result)
{
    assert_true(fetch->waiting);
    fetch->waiting = false;
    fetch->done(fetch->ctx, result);
}

/* status 0: no answer, and 'body' is the error. */
static inline void fake_answer(admind_fetcher_t *fetcher, const char *part, long status, const char *body)
{
    const admind_fetch_result_t result = { .status = status,
                                           .body = status != 0 ? mcpa_str(body) : MCPA_STR_NONE,
                                           .error = status == 0 ? body : NULL };

    fake_finish(fake_waiting(fetcher, part), &result);
}

#endif
