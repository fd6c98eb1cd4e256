/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/forwarder.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/crash.h"
#include "forward/cursor.h"
#include "forward/pack.h"
#include "forward/post.h"
#include "forward/source.h"
#include "forward/tcp.h"
#include "keys/cachectl.h"
#include "log.h"

#define SLICE_LINES    64  /* parsed and printed between two rounds of the loop: a millisecond or two */
#define BUSY_MS        5   /* between two slices of a compressed file that is read up to where sending goes on */
#define LINGER_MS      200 /* a record waits so long for others to share its way */
#define BACKOFF_MAX_US (60 * INT64_C(1000000))
#define TELL_US        (60 * INT64_C(1000000))

typedef enum step {
    STEP_IDLE,    /* everything was sent; admind_forward_round wakes */
    STEP_FILLING, /* the timer goes on */
    STEP_SENDING, /* the sender's turn */
    STEP_WAITING  /* after a failure, for the timer; the batch may stand */
} step_t;

struct admind_forwarder {
    const admind_forward_place_t *place;
    const admind_forward_config_t *config;
    admind_tcp_t *tcp;   /* one of the two */
    admind_post_t *post;
    admind_timer_t *timer;
    admind_source_t source;
    step_t step;
    admind_pack_t pack;
    admind_batch_t batch; /* of the pack */
    bool full;            /* the batch ended because it was full */
    admind_position_t taken;
    admind_cursor_t cursor;
    int64_t oldest_us; /* by the wall clock: when the oldest line was made that is not taken, as far as that is known; 0: none */
    unsigned failures_in_row;
    int64_t told_us; /* by the monotonic clock, when a failure was logged last; 0: not since the last success */
    char last_error[160];
    int64_t last_success_us; /* 0: never */
};

static void count(const admind_forwarder_t *forwarder, mcpa_metric_t metric, double n)
{
    mcpa_str_t label = mcpa_str(forwarder->config->name);

    mcpa_metrics_add(forwarder->place->metrics, metric, &label, n);
}

/* ---- the cursor */

void admind_forwarder_save(admind_forwarder_t *forwarder)
{
    admind_position_t settled = forwarder->taken;

    if (forwarder->tcp != NULL) {
        (void)admind_tcp_settled(forwarder->tcp, &settled); /* without a connection nothing is in doubt any more */
    }
    admind_cursor_keep(&forwarder->cursor, &settled, admind_loop_wall_us(forwarder->place->loop));
}

bool admind_forwarder_has_cursor(const admind_forwarder_t *forwarder)
{
    return !forwarder->cursor.missing;
}

/* Where to begin. false: error says why not. */
static bool load(admind_forwarder_t *forwarder, char *error, size_t cap)
{
    const admind_forward_place_t *place = forwarder->place;
    admind_position_t end;

    admind_journal_position(place->journal, &end);
    forwarder->cursor = (admind_cursor_t){ .journal_dir = place->journal_dir, .name = forwarder->config->name };
    if (!admind_cursor_open(&forwarder->cursor, &end, forwarder->config->from_begin, error, cap)) {
        return false;
    }
    forwarder->taken = forwarder->cursor.saved;
    admind_source_seek(&forwarder->source, &forwarder->taken);
    admind_forwarder_save(forwarder); /* on disk at once: a kill must not move where 'now' was */
    return true;
}

/* ---- batches */

static void begin_batch(admind_forwarder_t *forwarder)
{
    forwarder->batch.begin = forwarder->batch.end = forwarder->source.at;
    forwarder->full = false;
    admind_pack_begin(&forwarder->pack);
}

static void tell_lost(admind_forwarder_t *forwarder, const char *what)
{
    count(forwarder, MCPA_METRIC_FORWARD_SKIPPED, 1);
    admind_log(ADMIND_ERR, "MCPA2704", "forward %s: %s; going on behind it", forwarder->config->name, what);
}

/* One line into the batch, or past it. false: no more for now. */
static bool take_line(admind_forwarder_t *forwarder, mcpa_status_t *status)
{
    mcpa_str_t text;

    *status = admind_source_next(&forwarder->source, &text);
    if (admind_source_lost(&forwarder->source) > 0) {
        tell_lost(forwarder, "a journal file was removed before it was forwarded to its end");
    }
    if (*status == MCPA_ETOOBIG || *status == MCPA_EMALFORMED) {
        tell_lost(forwarder, "a part of the journal cannot be read");
    } else if (*status != MCPA_OK) {
        return false;
    } else if (!admind_pack_add(&forwarder->pack, text, admind_loop_wall_us(forwarder->place->loop))) {
        if (forwarder->pack.lines > 0) {
            admind_source_hold(&forwarder->source);
            forwarder->full = true;
            return false;
        }
        tell_lost(forwarder, "a line is too long for any message"); /* cannot be */
    }
    forwarder->batch.end = forwarder->source.at;
    return true;
}

static void send_batch(admind_forwarder_t *forwarder)
{
    forwarder->step = STEP_SENDING;
    if (forwarder->post != NULL) {
        admind_post_send(forwarder->post, &forwarder->batch);
    } else {
        admind_tcp_send(forwarder->tcp, &forwarder->batch);
    }
}

static void wait_for(admind_forwarder_t *forwarder, step_t step, int64_t ms)
{
    forwarder->step = step;
    admind_timer_arm(forwarder->timer, ms);
}

static void fail(admind_forwarder_t *forwarder, const char *words, int64_t wait_us);

/* A slice of work. */
static void fill(admind_forwarder_t *forwarder)
{
    mcpa_status_t status = MCPA_OK;
    size_t n = 0;

    while (n < SLICE_LINES && take_line(forwarder, &status)) {
        n++;
    }
    if (n == SLICE_LINES) {
        wait_for(forwarder, STEP_FILLING, 0);
        return;
    }
    if (forwarder->pack.lines > 0) {
        forwarder->oldest_us = forwarder->pack.first_us;
        forwarder->batch.bytes = admind_pack_end(&forwarder->pack);
        send_batch(forwarder);
        return;
    }
    forwarder->taken = forwarder->batch.end; /* what was passed over, if anything */
    if (status == MCPA_ENOTFOUND && admind_source_is_busy(&forwarder->source)) {
        wait_for(forwarder, STEP_FILLING, BUSY_MS);
    } else if (status == MCPA_ENOTFOUND) {
        forwarder->step = STEP_IDLE;
        forwarder->oldest_us = 0;
    } else {
        fail(forwarder, "the journal cannot be read", 0);
    }
}

static void on_timer(void *ctx)
{
    admind_forwarder_t *forwarder = ctx;

    if (forwarder->step == STEP_WAITING && forwarder->pack.lines > 0) {
        send_batch(forwarder);
        return;
    }
    if (forwarder->step != STEP_FILLING) {
        begin_batch(forwarder);
    }
    fill(forwarder);
}

/* ---- what became of them */

static void fail(admind_forwarder_t *forwarder, const char *words, int64_t wait_us)
{
    const admind_forward_place_t *place = forwarder->place;
    int64_t now_us = admind_loop_mono_us(place->loop);
    uint32_t random = 0;
    int64_t back_off_us;

    if (getentropy(&random, sizeof(random)) != 0) {
        random = UINT32_MAX / 2;
    }
    forwarder->failures_in_row++;
    count(forwarder, MCPA_METRIC_FORWARD_FAILURES, 1);
    snprintf(forwarder->last_error, sizeof(forwarder->last_error), "%s", words);
    if (forwarder->told_us == 0 || now_us - forwarder->told_us >= TELL_US) {
        forwarder->told_us = now_us;
        admind_log(ADMIND_WARNING, "MCPA2702", "forward %s: %s; the journal keeps what waits, tried again", forwarder->config->name, words);
    }
    back_off_us = admind_cachectl_backoff_us(forwarder->failures_in_row, BACKOFF_MAX_US, random);
    wait_for(forwarder, STEP_WAITING, (wait_us > back_off_us ? wait_us : back_off_us) / 1000 + 1);
}

static void on_taken(void *ctx)
{
    admind_forwarder_t *forwarder = ctx;
    bool was_full;

    MCPA_CRASH("forward.taken");
    count(forwarder, MCPA_METRIC_FORWARD_RECORDS, (double)forwarder->pack.lines);
    forwarder->taken = forwarder->batch.end;
    forwarder->last_success_us = admind_loop_wall_us(forwarder->place->loop);
    if (forwarder->told_us != 0) {
        forwarder->told_us = 0;
        admind_log(ADMIND_NOTICE, "MCPA2703", "forward %s: the receiver takes records again", forwarder->config->name);
    }
    forwarder->failures_in_row = 0;
    forwarder->last_error[0] = '\0';
    was_full = forwarder->full;
    begin_batch(forwarder);
    wait_for(forwarder, STEP_FILLING, was_full ? 0 : LINGER_MS);
}

/* There is something again; the first line read will say since when. */
static void note_waiting(admind_forwarder_t *forwarder)
{
    if (forwarder->oldest_us == 0) {
        forwarder->oldest_us = admind_loop_wall_us(forwarder->place->loop);
    }
}

static void on_failed(void *ctx, const admind_sender_failure_t *failure)
{
    admind_forwarder_t *forwarder = ctx;

    if (failure->again != NULL) {
        note_waiting(forwarder);
        forwarder->taken = *failure->again;
        admind_source_seek(&forwarder->source, failure->again);
        begin_batch(forwarder); /* whatever stood in it comes again */
    }
    fail(forwarder, failure->words, failure->wait_us);
}

static void on_rejected(void *ctx, int64_t records, mcpa_str_t words)
{
    admind_forwarder_t *forwarder = ctx;

    count(forwarder, MCPA_METRIC_FORWARD_REJECTED, (double)records);
    admind_log(ADMIND_ERR, "MCPA2705", "forward %s: the receiver took a batch but threw %lld of its records away: %.*s",
               forwarder->config->name, (long long)records, words.len < 200 ? (int)words.len : 200, words.ptr != NULL ? words.ptr : "");
}

/* ---- the whole */

void admind_forwarder_wake(admind_forwarder_t *forwarder, const admind_position_t *end)
{
    if (forwarder->step == STEP_IDLE && admind_position_compare(&forwarder->source.at, end) < 0) {
        note_waiting(forwarder);
        begin_batch(forwarder);
        wait_for(forwarder, STEP_FILLING, LINGER_MS);
    }
}

void admind_forwarder_distrust(admind_forwarder_t *forwarder)
{
    admind_source_seek(&forwarder->source, &forwarder->source.at);
}

/* Seconds. */
static double lag(const admind_forwarder_t *forwarder)
{
    int64_t us = forwarder->oldest_us == 0 ? 0 : admind_loop_wall_us(forwarder->place->loop) - forwarder->oldest_us;

    return us > 0 ? (double)us / 1e6 : 0;
}

void admind_forwarder_refresh(const admind_forwarder_t *forwarder)
{
    mcpa_metrics_t *metrics = forwarder->place->metrics;
    mcpa_str_t label = mcpa_str(forwarder->config->name);

    mcpa_metrics_set(metrics, MCPA_METRIC_FORWARD_BACKLOG, &label,
                     (double)admind_source_backlog(&forwarder->source, &forwarder->taken));
    mcpa_metrics_set(metrics, MCPA_METRIC_FORWARD_LAG, &label, lag(forwarder));
    mcpa_metrics_set(metrics, MCPA_METRIC_FORWARD_CURSOR_FAILING, &label, forwarder->cursor.failing ? 1 : 0);
    if (forwarder->last_success_us > 0) {
        mcpa_metrics_set(metrics, MCPA_METRIC_FORWARD_LAST_SUCCESS, &label, (double)forwarder->last_success_us / 1e6);
    }
}

void admind_forwarder_view(const admind_forwarder_t *forwarder, admind_forward_view_t *view)
{
    const mcpa_metrics_t *metrics = forwarder->place->metrics;
    mcpa_str_t label = mcpa_str(forwarder->config->name);

    *view = (admind_forward_view_t){ .name = forwarder->config->name,
                                     .protocol = forwarder->config->is_otlp ? "otlp" : "syslog",
                                     .last_error = forwarder->last_error[0] == '\0' && forwarder->cursor.failing ? "its cursor cannot be written"
                                                                                                               : forwarder->last_error,
                                     .lag_s = (int64_t)lag(forwarder),
                                     .backlog_bytes = admind_source_backlog(&forwarder->source, &forwarder->taken),
                                     .last_success_us = forwarder->last_success_us };
    admind_config_shown(view->address, forwarder->config->url);
    view->records = (uint64_t)mcpa_metrics_get(metrics, MCPA_METRIC_FORWARD_RECORDS, &label);
    view->failures = (uint64_t)mcpa_metrics_get(metrics, MCPA_METRIC_FORWARD_FAILURES, &label);
}

static bool set_up(admind_forwarder_t *forwarder, char *error, size_t cap)
{
    const admind_forward_place_t *place = forwarder->place;
    const admind_sender_events_t events = { on_taken, on_failed, on_rejected, forwarder };

    snprintf(error, cap, "forward %s: no memory", forwarder->config->name);
    forwarder->source = (admind_source_t){ .dir = place->journal_dir, .journal = place->journal };
    forwarder->timer = admind_timer_new(place->loop, on_timer, forwarder);
    if (forwarder->config->is_otlp) {
        forwarder->post = admind_post_new(place->loop, forwarder->config, &events);
    } else {
        forwarder->tcp = admind_tcp_new(place->loop, forwarder->config, &events);
    }
    return admind_pack_init(&forwarder->pack, forwarder->config, place->host) && forwarder->timer != NULL && (forwarder->post != NULL || forwarder->tcp != NULL) &&
           load(forwarder, error, cap);
}

admind_forwarder_t *admind_forwarder_new(const admind_forward_place_t *place, const admind_forward_config_t *config, char *error, size_t cap)
{
    admind_forwarder_t *forwarder = calloc(1, sizeof(*forwarder));

    if (forwarder == NULL) {
        snprintf(error, cap, "no memory");
        return NULL;
    }
    forwarder->place = place;
    forwarder->config = config;
    if (!set_up(forwarder, error, cap)) {
        admind_forwarder_free(&forwarder);
        return NULL;
    }
    count(forwarder, MCPA_METRIC_FORWARD_RECORDS, 0);
    count(forwarder, MCPA_METRIC_FORWARD_FAILURES, 0);
    count(forwarder, MCPA_METRIC_FORWARD_SKIPPED, 0);
    if (config->is_otlp) {
        count(forwarder, MCPA_METRIC_FORWARD_REJECTED, 0);
    }
    return forwarder;
}

void admind_forwarder_free(admind_forwarder_t **slot)
{
    admind_forwarder_t *forwarder = *slot;

    if (forwarder == NULL) {
        return;
    }
    *slot = NULL;
    admind_tcp_free(&forwarder->tcp);
    admind_post_free(&forwarder->post);
    admind_timer_free(&forwarder->timer);
    admind_source_clear(&forwarder->source);
    admind_pack_clear(&forwarder->pack);
    free(forwarder);
}
