/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/tcp.h"

#include <stdio.h>
#include <stdlib.h>

#include "forward/stream.h"
#include "forward/window.h"

#define LOOK_FIRST_MS 2 /* how soon the peer's acknowledgement is looked for, and how often at the least */
#define LOOK_LAST_MS  250

struct admind_tcp {
    admind_loop_t *loop;
    const admind_forward_config_t *config;
    admind_sender_events_t events;
    admind_stream_t *stream; /* NULL: none */
    bool connected, sending;
    admind_batch_t batch;
    size_t sent;             /* of the batch */
    uint64_t total;          /* over this connection */
    admind_window_t window;  /* of this connection */
    admind_timer_t *timer;   /* looks for acknowledgements; tells failures that happened inside send */
    int64_t look_ms;
    size_t unacked;          /* as seen last */
    int64_t moved_us;        /* when something moved last */
    const char *broken;      /* told by the timer */
};

/* The connection is over. */
static void end(admind_tcp_t *tcp, const char *words, bool orderly)
{
    admind_position_t again = tcp->batch.end;
    bool was_connected = tcp->connected, was_sending = tcp->sending;
    admind_sender_failure_t failure = { .words = NULL };
    char copy[160]; /* the words may be the stream's */

    snprintf(copy, sizeof(copy), "%s", words);
    failure.words = copy;
    if (was_connected) {
        again = *admind_window_settled(&tcp->window, admind_loop_mono_us(tcp->loop), orderly);
        failure.again = &again;
    }
    admind_stream_close(&tcp->stream);
    admind_timer_disarm(tcp->timer);
    tcp->connected = tcp->sending = false;
    tcp->broken = NULL;
    /* A receiver that closes a connection on which nothing is in doubt does no harm. */
    if (was_sending || strcmp(again.file, tcp->batch.end.file) != 0 || again.offset != tcp->batch.end.offset) {
        tcp->events.failed(tcp->events.ctx, &failure);
    }
}

static void look_soon(admind_tcp_t *tcp)
{
    admind_timer_arm(tcp->timer, tcp->look_ms);
    tcp->look_ms = tcp->look_ms * 2 < LOOK_LAST_MS ? tcp->look_ms * 2 : LOOK_LAST_MS;
}

static void look(admind_tcp_t *tcp)
{
    int64_t now_us = admind_loop_mono_us(tcp->loop);
    size_t unacked;

    if (!admind_stream_unacked(tcp->stream, &unacked)) {
        end(tcp, "the connection broke", false);
        return;
    }
    if (unacked != tcp->unacked) {
        tcp->unacked = unacked;
        tcp->moved_us = now_us;
        tcp->look_ms = LOOK_FIRST_MS;
    }
    if (unacked == 0 && tcp->sent == tcp->batch.bytes.len) {
        tcp->sending = false;
        admind_window_add(&tcp->window, &tcp->batch.end, tcp->total, now_us);
        tcp->events.taken(tcp->events.ctx);
    } else if (now_us - tcp->moved_us >= ADMIND_TCP_STALL_US) {
        end(tcp, "the receiver takes nothing", false);
    } else {
        look_soon(tcp);
    }
}

static void pump(admind_tcp_t *tcp)
{
    mcpa_str_t rest = { tcp->batch.bytes.ptr + tcp->sent, tcp->batch.bytes.len - tcp->sent };
    size_t n = 0;
    mcpa_status_t status = admind_stream_send(tcp->stream, rest, &n);

    tcp->sent += n;
    tcp->total += n;
    if (n > 0) {
        tcp->moved_us = admind_loop_mono_us(tcp->loop);
    }
    if (status != MCPA_OK) {
        tcp->broken = "the connection broke";
    }
    tcp->look_ms = LOOK_FIRST_MS;
    look_soon(tcp);
}

static void on_timer(void *ctx)
{
    admind_tcp_t *tcp = ctx;

    if (tcp->broken != NULL) {
        end(tcp, tcp->broken, false);
    } else if (tcp->connected && tcp->sending) {
        look(tcp);
    }
}

static void on_connected(void *ctx)
{
    admind_tcp_t *tcp = ctx;

    tcp->connected = true;
    tcp->total = 0;
    tcp->unacked = 0;
    tcp->moved_us = admind_loop_mono_us(tcp->loop);
    admind_window_begin(&tcp->window, &tcp->batch.begin);
    pump(tcp);
}

static void on_writable(void *ctx)
{
    admind_tcp_t *tcp = ctx;

    if (tcp->sending && tcp->broken == NULL) {
        pump(tcp);
    }
}

static void on_gone(void *ctx, const char *words, bool orderly)
{
    end(ctx, words, orderly);
}

void admind_tcp_send(admind_tcp_t *tcp, const admind_batch_t *batch)
{
    const char *scheme = strstr(tcp->config->url, "://");
    const admind_stream_options_t options = { .address = scheme + 3,
                                              .tls = strncmp(tcp->config->url, "tls:", 4) == 0,
                                              .anywhere = tcp->config->insecure,
                                              .ca_file = tcp->config->ca_file,
                                              .cert_file = tcp->config->cert_file,
                                              .key_file = tcp->config->key_file };
    const admind_stream_events_t events = { on_connected, on_writable, on_gone, tcp };

    tcp->batch = *batch;
    tcp->sent = 0;
    tcp->sending = true;
    if (tcp->connected) {
        tcp->moved_us = admind_loop_mono_us(tcp->loop);
        pump(tcp);
        return;
    }
    tcp->stream = admind_stream_open(tcp->loop, &options, &events);
    if (tcp->stream == NULL) {
        tcp->broken = "no connection could even be begun";
        admind_timer_arm(tcp->timer, 0);
    }
}

bool admind_tcp_settled(const admind_tcp_t *tcp, admind_position_t *position)
{
    if (!tcp->connected) {
        return false;
    }
    *position = *admind_window_settled(&tcp->window, admind_loop_mono_us(tcp->loop), true);
    return true;
}

admind_tcp_t *admind_tcp_new(admind_loop_t *loop, const admind_forward_config_t *config, const admind_sender_events_t *events)
{
    admind_tcp_t *tcp = calloc(1, sizeof(*tcp));

    if (tcp == NULL) {
        return NULL;
    }
    *tcp = (admind_tcp_t){ .loop = loop, .config = config, .events = *events, .timer = admind_timer_new(loop, on_timer, tcp) };
    if (tcp->timer == NULL) {
        free(tcp);
        return NULL;
    }
    return tcp;
}

void admind_tcp_free(admind_tcp_t **tcp)
{
    if (*tcp == NULL) {
        return;
    }
    admind_stream_close(&(*tcp)->stream);
    admind_timer_free(&(*tcp)->timer);
    free(*tcp);
    *tcp = NULL;
}
