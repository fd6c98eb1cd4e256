/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that knows libcurl: asynchronous HTTP(S) on the daemon's loop. Every transfer is bounded in time, size and place: https only (http to
 * loopback when allowed), no redirects, no proxy, no cookies, no compression, no connection used twice; the resolved address is checked against private,
 * link-local and loopback ranges unless allowed. */
#ifndef ADMIND_FETCH_H
#define ADMIND_FETCH_H

#include "base/bytes.h"
#include "loop.h"

typedef struct admind_fetcher admind_fetcher_t;
typedef struct admind_fetch admind_fetch_t;

typedef struct admind_fetch_options {
    bool insecure_loopback;  /* http:// to a loopback address is allowed, and connecting to one at all */
    bool allow_private;      /* private and loopback addresses are allowed; link-local and its like never are */
    const char *ca_file;     /* trust anchors besides the system's; NULL: none */
} admind_fetch_options_t;

typedef struct admind_fetch_request {
    const char *method;            /* "GET" or "POST" */
    const char *url;
    const char *const *headers;    /* "Name: value", NULL-terminated, may be NULL */
    mcpa_str_t body;               /* copied */
    size_t max_bytes;              /* of the answer; more is a failure */
    long timeout_ms;               /* of the whole transfer */
    bool trusted_target;           /* Alertmanager and webhooks: private and loopback addresses are fine, http too */
    bool status_decides;           /* once there is a final status, that is the answer: a body that is too long, torn or slow is no failure, but empty */
} admind_fetch_request_t;

typedef struct admind_fetch_result {
    long status;                   /* 0 when there was no answer */
    mcpa_str_t body;               /* borrowed until the callback returns */
    mcpa_str_t cache_control, expires, age, date, etag, retry_after, content_type; /* header values or {NULL,0} */
    const char *error;             /* NULL, or words for the operator: "timed out", "refused: private address 10.0.0.1" */
} admind_fetch_result_t;

admind_fetcher_t *admind_fetcher_new(admind_loop_t *loop, const admind_fetch_options_t *options);
void admind_fetcher_free(admind_fetcher_t **fetcher); /* cancels what runs, without callbacks */
/* Calls done exactly once, later, from the loop; NULL (and no call) when it could not even start. The handle is void once done is called. */
admind_fetch_t *admind_fetch_start(admind_fetcher_t *fetcher, const admind_fetch_request_t *request,
                                   void (*done)(void *ctx, const admind_fetch_result_t *result), void *ctx);
void admind_fetch_cancel(admind_fetch_t **fetch); /* no call after this; not from inside the fetch's own done */

#endif
