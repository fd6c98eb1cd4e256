/* SPDX-License-Identifier: Apache-2.0 */
#include "alerts/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "alerts/queue.h"
#include "keys/cachectl.h"
#include "log.h"

#define TIMEOUT_MS        5000
#define ANSWER_MAX_BYTES  65536 /* looked at by nobody, but a receiver may say a word */
#define ALERTMANAGER_PATH "/api/v2/alerts"

typedef struct receiver {
    admind_notify_t *notify;
    bool is_webhook;
    char *url;
    char name[128];        /* for log and metric: kind and origin; a path may hold a secret */
    mcpa_str_t secret;     /* own copy */
    admind_fetch_t *fetch; /* one at a time */
    admind_timer_t *timer;
    admind_queue_t queue; /* webhook; the first message is the one being sent */
    bool dirty;           /* Alertmanager: something changed since the last body was made */
    unsigned failures_in_row;
} receiver_t;

struct admind_notify {
    admind_loop_t *loop;
    admind_fetcher_t *fetcher;
    mcpa_metrics_t *metrics;
    admind_alertset_t *alerts;
    char instance[65]; /* this machine's name: several daemons may report to one Alertmanager */
    receiver_t *receivers;
    size_t count;
};

static void send_next(receiver_t *receiver);

static uint32_t random32(void)
{
    uint32_t value = 0;

    return getentropy(&value, sizeof(value)) == 0 ? value : UINT32_MAX / 2;
}

static void count_failures(const receiver_t *receiver, size_t n)
{
    mcpa_str_t label = mcpa_str(receiver->name);

    mcpa_metrics_add(receiver->notify->metrics, MCPA_METRIC_NOTIFY_FAILURES, &label, (double)n);
}

static void enqueue(receiver_t *receiver, mcpa_str_t body)
{
    size_t dropped;

    if (!admind_queue_add(&receiver->queue, body, admind_loop_mono_us(receiver->notify->loop), receiver->fetch != NULL,
                          &dropped)) {
        count_failures(receiver, 1);
        return;
    }
    if (dropped > 0) {
        count_failures(receiver, dropped);
        admind_log(ADMIND_WARNING, "MCPA2401", "%s: its queue is full, %zu notifications were dropped", receiver->name, dropped);
    }
}

/* ---- sending */

static void retry_later(receiver_t *receiver, unsigned tries, const admind_fetch_result_t *result)
{
    int64_t asked_us = admind_cachectl_retry_after_us(result->retry_after, admind_loop_wall_us(receiver->notify->loop));
    int64_t wait_us = admind_cachectl_backoff_us(tries, ADMIND_NOTIFY_BACKOFF_US, random32());

    wait_us = asked_us > wait_us ? asked_us : wait_us;
    admind_timer_arm(receiver->timer, wait_us / 1000 + 1);
}

static void tell_failure(const receiver_t *receiver, const admind_fetch_result_t *result, const char *consequence)
{
    char status[32];

    snprintf(status, sizeof(status), "answered %ld", result->status);
    admind_log(ADMIND_WARNING, "MCPA2402", "%s: %s; %s", receiver->name, result->error != NULL ? result->error : status,
               consequence);
}

static void on_webhook(void *ctx, const admind_fetch_result_t *result)
{
    receiver_t *receiver = ctx;
    admind_message_t *message = receiver->queue.first;
    admind_delivery_t verdict = admind_notify_judge(result->error != NULL ? 0 : result->status);
    bool too_old = admind_loop_mono_us(receiver->notify->loop) - message->created_us > ADMIND_NOTIFY_AGE_US;

    receiver->fetch = NULL;
    if (verdict == ADMIND_RETRY && !too_old) {
        if (message->tries == 1) {
            tell_failure(receiver, result, "will be tried again");
        }
        retry_later(receiver, message->tries, result);
        return;
    }
    if (verdict != ADMIND_DELIVERED) {
        tell_failure(receiver, result, "given up");
        count_failures(receiver, 1);
    }
    admind_queue_drop_first(&receiver->queue);
    send_next(receiver);
}

static void send_webhook(receiver_t *receiver)
{
    admind_message_t *message = receiver->queue.first;
    int64_t now_s = admind_loop_wall_us(receiver->notify->loop) / 1000000;
    char id[ADMIND_MESSAGE_ID_BYTES + 16], stamp[48], signature[96], signed_line[128];
    const char *headers[] = { "Content-Type: application/json", id, stamp, signed_line, NULL };
    admind_fetch_request_t request = { .method = "POST",
                                       .url = receiver->url,
                                       .headers = headers,
                                       .body = { message->body, message->len },
                                       .max_bytes = ANSWER_MAX_BYTES,
                                       .timeout_ms = TIMEOUT_MS,
                                       .status_decides = true,
                                       .trusted_target = true };

    message->tries++;
    snprintf(id, sizeof(id), "webhook-id: %s", message->id);
    snprintf(stamp, sizeof(stamp), "webhook-timestamp: %lld", (long long)now_s);
    if (admind_notify_sign(signature, sizeof(signature), receiver->secret, message->id, now_s, request.body)) {
        snprintf(signed_line, sizeof(signed_line), "webhook-signature: %s", signature);
        receiver->fetch = admind_fetch_start(receiver->notify->fetcher, &request, on_webhook, receiver);
    }
    if (receiver->fetch == NULL) {
        count_failures(receiver, 1);
        admind_log(ADMIND_WARNING, "MCPA2403", "%s: a notification could not even be sent; given up", receiver->name);
        admind_queue_drop_first(&receiver->queue);
        admind_timer_arm(receiver->timer, 1000);
    }
}

static void on_alertmanager(void *ctx, const admind_fetch_result_t *result)
{
    receiver_t *receiver = ctx;
    admind_delivery_t verdict = admind_notify_judge(result->error != NULL ? 0 : result->status);

    receiver->fetch = NULL;
    if (verdict == ADMIND_DELIVERED) {
        receiver->failures_in_row = 0;
        admind_timer_arm(receiver->timer, receiver->dirty ? 0 : ADMIND_NOTIFY_REPEAT_US / 1000);
        return;
    }
    receiver->failures_in_row++;
    if (receiver->failures_in_row == 1) {
        tell_failure(receiver, result, "the state of all alerts will be sent again");
    }
    count_failures(receiver, 1);
    if (verdict == ADMIND_RETRY) {
        retry_later(receiver, receiver->failures_in_row, result);
    } else {
        admind_timer_arm(receiver->timer, ADMIND_NOTIFY_REPEAT_US / 1000); /* the next body may please it better */
    }
}

static void send_state(receiver_t *receiver)
{
    static const char *const headers[] = { "Content-Type: application/json", NULL };
    int64_t now_us = admind_loop_wall_us(receiver->notify->loop);
    mcpa_out_t out = { 0 };
    char *body = admind_alertset_print_state(receiver->notify->alerts, &out, receiver->notify->instance, now_us,
                                             now_us + ADMIND_NOTIFY_AHEAD_US);
    admind_fetch_request_t request = { .method = "POST",
                                       .url = receiver->url,
                                       .headers = headers,
                                       .max_bytes = ANSWER_MAX_BYTES,
                                       .timeout_ms = TIMEOUT_MS,
                                       .status_decides = true,
                                       .trusted_target = true };

    receiver->dirty = false;
    if (body == NULL) { /* all quiet */
        receiver->failures_in_row = 0;
        admind_timer_arm(receiver->timer, ADMIND_NOTIFY_REPEAT_US / 1000);
        return;
    }
    request.body = mcpa_out_get(&out);
    receiver->fetch = admind_fetch_start(receiver->notify->fetcher, &request, on_alertmanager, receiver);
    free(body);
    if (receiver->fetch == NULL) {
        count_failures(receiver, 1);
        admind_timer_arm(receiver->timer, ADMIND_NOTIFY_REPEAT_US / 1000);
    }
}

static void send_next(receiver_t *receiver)
{
    if (receiver->fetch != NULL) {
        return;
    }
    if (!receiver->is_webhook) {
        send_state(receiver);
    } else if (receiver->queue.first != NULL) {
        send_webhook(receiver);
    }
}

static void on_timer(void *ctx)
{
    send_next(ctx);
}

void admind_notify_changes(admind_notify_t *notify)
{
    mcpa_out_t out = { 0 };
    char *body = admind_alertset_print_changes(notify->alerts, &out, admind_loop_wall_us(notify->loop));

    for (size_t i = 0; i < admind_alertset_count(notify->alerts); i++) {
        admind_alertset_at(notify->alerts, i)->changed = false;
    }
    if (body == NULL) {
        return;
    }
    for (size_t i = 0; i < notify->count; i++) {
        receiver_t *receiver = &notify->receivers[i];
        bool idle = receiver->is_webhook ? receiver->queue.first == NULL : receiver->failures_in_row == 0;

        if (receiver->is_webhook) {
            enqueue(receiver, mcpa_out_get(&out));
        } else {
            receiver->dirty = true;
        }
        if (idle) { /* else the end of what runs, or the back-off, sends it */
            send_next(receiver);
        }
    }
    free(body);
}

size_t admind_notify_waiting(const admind_notify_t *notify)
{
    size_t n = 0;

    for (size_t i = 0; i < notify->count; i++) {
        n += notify->receivers[i].queue.count;
    }
    return n;
}

/* ---- the whole */

static bool set_url(receiver_t *receiver, const char *url)
{
    size_t len = strlen(url), path = sizeof(ALERTMANAGER_PATH) - 1;
    char shown[ADMIND_SHOWN_BYTES];
    bool complete = receiver->is_webhook || (len >= path && strcmp(url + len - path, ALERTMANAGER_PATH) == 0);

    while (!complete && len > 0 && url[len - 1] == '/') {
        len--;
    }
    admind_config_shown(shown, url);
    snprintf(receiver->name, sizeof(receiver->name), "%s %.110s", receiver->is_webhook ? "webhook" : "alertmanager", shown);
    receiver->url = malloc(len + path + 1);
    if (receiver->url != NULL) {
        snprintf(receiver->url, len + path + 1, "%.*s%s", (int)len, url, complete ? "" : ALERTMANAGER_PATH);
    }
    return receiver->url != NULL;
}

static bool init_receiver(receiver_t *receiver, admind_notify_t *notify, const admind_receiver_t *config, bool is_webhook)
{
    char *secret = NULL;

    receiver->notify = notify;
    receiver->is_webhook = is_webhook;
    admind_queue_init(&receiver->queue);
    receiver->timer = admind_timer_new(notify->loop, on_timer, receiver);
    if (config->secret.len > 0) {
        secret = malloc(config->secret.len);
        if (secret == NULL) {
            return false;
        }
        memcpy(secret, config->secret.ptr, config->secret.len);
        receiver->secret = (mcpa_str_t){ secret, config->secret.len };
    }
    if (receiver->timer == NULL || !set_url(receiver, config->url)) {
        return false;
    }
    count_failures(receiver, 0);
    return true;
}

admind_notify_t *admind_notify_new(admind_loop_t *loop, const admind_config_t *config, admind_fetcher_t *fetcher,
                                   mcpa_metrics_t *metrics, admind_alertset_t *alerts)
{
    admind_notify_t *notify = calloc(1, sizeof(*notify));
    size_t total = config->n_alertmanagers + config->n_webhooks;
    bool ok = true;

    if (notify == NULL) {
        return NULL;
    }
    notify->loop = loop;
    notify->fetcher = fetcher;
    notify->metrics = metrics;
    notify->alerts = alerts;
    if (gethostname(notify->instance, sizeof(notify->instance) - 1) != 0 || notify->instance[0] == '\0') {
        snprintf(notify->instance, sizeof(notify->instance), "localhost");
    }
    notify->receivers = calloc(total > 0 ? total : 1, sizeof(*notify->receivers));
    if (notify->receivers == NULL) {
        admind_notify_free(&notify);
        return NULL;
    }
    for (size_t i = 0; i < total && ok; i++) {
        bool is_webhook = i >= config->n_alertmanagers;

        notify->count++; /* counted first: freed whatever became of it */
        ok = init_receiver(&notify->receivers[i], notify,
                           is_webhook ? &config->webhooks[i - config->n_alertmanagers] : &config->alertmanagers[i], is_webhook);
        if (ok && !is_webhook) {
            admind_timer_arm(notify->receivers[i].timer, 1000); /* what a restart found still firing is told soon */
        }
    }
    if (!ok) {
        admind_notify_free(&notify);
    }
    return notify;
}

void admind_notify_free(admind_notify_t **notify)
{
    if (*notify == NULL) {
        return;
    }
    for (size_t i = 0; i < (*notify)->count; i++) {
        receiver_t *receiver = &(*notify)->receivers[i];

        admind_fetch_cancel(&receiver->fetch);
        admind_queue_clear(&receiver->queue);
        admind_timer_free(&receiver->timer);
        if (receiver->secret.ptr != NULL) {
            explicit_bzero((char *)(uintptr_t)receiver->secret.ptr, receiver->secret.len);
            free((char *)(uintptr_t)receiver->secret.ptr);
        }
        free(receiver->url);
    }
    free((*notify)->receivers);
    free(*notify);
    *notify = NULL;
}
