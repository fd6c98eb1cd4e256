/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/post.h"

#include <stdio.h>
#include <stdlib.h>

#include "forward/otlp.h"
#include "keys/cachectl.h"
#include "keys/fetch.h"

#define TIMEOUT_MS       30000
#define ANSWER_MAX_BYTES 65536

struct admind_post {
    admind_loop_t *loop;
    const admind_forward_config_t *config;
    admind_sender_events_t events;
    bool plain;
    admind_fetcher_t *fetcher; /* of its own: another trust anchor than the keys' */
    admind_fetch_t *fetch;
    admind_timer_t *timer; /* tells that a fetch could not even start */
    const char *headers[ADMIND_FORWARD_HEADERS_MAX + 2];
};

static void tell_rejected(admind_post_t *post, mcpa_str_t answer)
{
    mcpa_json_t *tree;
    mcpa_str_t words;
    int64_t rejected = admind_otlp_rejected(answer, &tree, &words);

    if (rejected > 0) {
        post->events.rejected(post->events.ctx, rejected, words);
    }
    mcpa_json_free(&tree);
}

static void on_done(void *ctx, const admind_fetch_result_t *result)
{
    admind_post_t *post = ctx;
    admind_sender_failure_t failure = { .words = result->error };
    char answered[32];

    post->fetch = NULL;
    if (result->error == NULL && result->status >= 200 && result->status < 300) {
        tell_rejected(post, result->body);
        post->events.taken(post->events.ctx);
        return;
    }
    if (result->error == NULL) {
        snprintf(answered, sizeof(answered), "the receiver answered %ld", result->status);
        failure.words = answered;
        failure.wait_us = admind_cachectl_retry_after_us(result->retry_after, admind_loop_wall_us(post->loop));
    }
    post->events.failed(post->events.ctx, &failure);
}

static void on_timer(void *ctx)
{
    admind_post_t *post = ctx;
    const admind_sender_failure_t failure = { .words = "no request could even be begun" };

    post->events.failed(post->events.ctx, &failure);
}

void admind_post_send(admind_post_t *post, const admind_batch_t *batch)
{
    const admind_fetch_request_t request = { .method = "POST",
                                             .url = post->config->url,
                                             .headers = post->headers,
                                             .body = batch->bytes,
                                             .max_bytes = ANSWER_MAX_BYTES,
                                             .timeout_ms = TIMEOUT_MS,
                                             .status_decides = true, /* what a 2xx took is not to be sent again, whatever it says besides */
                                             .trusted_target = !post->plain || post->config->insecure };

    post->fetch = admind_fetch_start(post->fetcher, &request, on_done, post);
    if (post->fetch == NULL) {
        admind_timer_arm(post->timer, 0);
    }
}

admind_post_t *admind_post_new(admind_loop_t *loop, const admind_forward_config_t *config, const admind_sender_events_t *events)
{
    admind_post_t *post = calloc(1, sizeof(*post));
    admind_fetch_options_t options = { .ca_file = config->ca_file };

    if (post == NULL) {
        return NULL;
    }
    post->loop = loop;
    post->config = config;
    post->events = *events;
    post->plain = strncmp(config->url, "http:", 5) == 0;
    post->headers[0] = "Content-Type: application/json";
    for (size_t i = 0; i < config->n_headers; i++) {
        post->headers[i + 1] = config->headers[i];
    }
    options.insecure_loopback = post->plain; /* http without 'insecure' then reaches loopback, and nothing else */
    post->fetcher = admind_fetcher_new(loop, &options);
    post->timer = admind_timer_new(loop, on_timer, post);
    if (post->fetcher == NULL || post->timer == NULL) {
        admind_post_free(&post);
    }
    return post;
}

void admind_post_free(admind_post_t **post)
{
    if (*post == NULL) {
        return;
    }
    admind_fetch_cancel(&(*post)->fetch);
    admind_fetcher_free(&(*post)->fetcher);
    admind_timer_free(&(*post)->timer);
    free(*post);
    *post = NULL;
}
