/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "http/routes.h"
#include "log.h"
#include "turn.h"

#define SWEEP_MS      1000
#define LEAVE_STEP_MS 10
#define LEAVE_MS      500 /* what requests under way are given to be finished when the thread is to end */

typedef struct slot { /* one connection; fd -1: free */
    int fd;
    int64_t since_us; /* its last request was finished, or it began */
    bool is_idle;     /* that was a request, and the header of no other is here */
} slot_t;

struct admind_http {
    admind_loop_t *loop;
    struct admind *admind;
    admind_guard_t guard;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    int stop_fd; /* wakes the thread when it is to end; -1: there is none */
    atomic_bool stopping;
    int64_t swept_us;
    slot_t slots[ADMIND_HTTP_CONNECTIONS];
};

/* ---- one request */

static slot_t *slot_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info == NULL ? NULL : info->socket_context;
}

static enum MHD_Result count_host(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    (void)value;
    *(unsigned *)ctx += mcpa_str_ieq(mcpa_str(name), MCPA_STR("host"));
    return MHD_YES;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, admind_answer_t *answer, bool close_after)
{
    struct MHD_Response *response;
    enum MHD_Result sent;

    response = answer->body == NULL ? NULL : MHD_create_response_from_buffer(answer->len, answer->body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(answer->body);
        return MHD_NO; /* closes the connection */
    }
    if (MHD_add_response_header(response, "Content-Type", answer->type) != MHD_YES ||
        MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") != MHD_YES ||
        MHD_add_response_header(response, "Cache-Control", answer->cache != NULL ? answer->cache : "no-store") != MHD_YES ||
        (answer->any_origin && MHD_add_response_header(response, "Access-Control-Allow-Origin", "*") != MHD_YES) ||
        (answer->status == 405 && MHD_add_response_header(response, "Allow", "GET, HEAD") != MHD_YES) ||
        (answer->status == 401 &&
         MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"mcpauth-admind\"") != MHD_YES) ||
        (close_after && MHD_add_response_header(response, "Connection", "close") != MHD_YES)) {
        MHD_destroy_response(response);
        return MHD_NO;
    }
    sent = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return sent;
}

/* The library calls once with the header and again when the body was read. Nothing that we serve takes a body: a request that
 * brings one is answered at the first call, which makes the library close the connection unread; all others at the second, which
 * keeps it. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_len, void **state)
{
    static char seen;
    admind_http_t *http = ctx;
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    admind_request_t request = { .method = method,
                                 .path = url,
                                 .host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"),
                                 .authorization = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization"),
                                 .accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept") };
    admind_answer_t answer;
    slot_t *slot = slot_of(connection);
    unsigned hosts = 0;

    (void)version;
    (void)upload;
    (void)upload_len;
    if (slot != NULL) {
        slot->is_idle = false;
    }
    MHD_get_connection_values(connection, MHD_HEADER_KIND, count_host, &hosts);
    request.many_hosts = hosts > 1;
    request.has_body = (length != NULL && strcmp(length, "0") != 0) ||
                       MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding") != NULL;
    if (*state == NULL && !request.has_body) {
        *state = &seen;
        return MHD_YES;
    }
    admind_routes_answer(http->admind, &request, &http->guard, &answer);
    return send_answer(connection, &answer, request.has_body);
}

/* Paths are compared as they were sent: "%00" must not end one early, and none of ours needs an escape. */
static size_t leave_escapes(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx;
    (void)connection;
    return strlen(text);
}

/* ---- deadlines */

static void on_connection(void *ctx, struct MHD_Connection *connection, void **state, enum MHD_ConnectionNotificationCode code)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    admind_http_t *http = ctx;
    slot_t *slot = *state;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (slot != NULL) {
            slot->fd = -1;
        }
        return;
    }
    for (size_t i = 0; i < ADMIND_HTTP_CONNECTIONS && info != NULL; i++) {
        if (http->slots[i].fd < 0) {
            http->slots[i] = (slot_t){ info->connect_fd, admind_loop_mono_us(http->loop), false };
            *state = &http->slots[i];
            return;
        }
    }
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
    admind_http_t *http = ctx;
    slot_t *slot = slot_of(connection);

    (void)state;
    (void)code;
    if (slot != NULL) {
        slot->since_us = admind_loop_mono_us(http->loop);
        slot->is_idle = true;
    }
}

static void sweep(admind_http_t *http)
{
    int64_t now_us = admind_loop_mono_us(http->loop);
    int64_t latest = now_us - ADMIND_HTTP_REQUEST_S * INT64_C(1000000);

    if (now_us - http->swept_us < SWEEP_MS * INT64_C(1000)) {
        return;
    }
    http->swept_us = now_us;
    for (size_t i = 0; i < ADMIND_HTTP_CONNECTIONS; i++) {
        if (http->slots[i].fd >= 0 && http->slots[i].since_us < latest) {
            shutdown(http->slots[i].fd, SHUT_RDWR); /* the library sees the end and closes */
        }
    }
}

/* ---- the thread */

/* How long to wait for the next event at most, in milliseconds. */
static int run(admind_http_t *http)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (MHD_run(http->daemon) != MHD_YES) {
        admind_log(ADMIND_ERR, "MCPA2601", "http: the listener failed");
    }
    return MHD_get_timeout(http->daemon, &ms) == MHD_YES && ms < SWEEP_MS ? (int)ms : SWEEP_MS;
}

static int take_turn(admind_http_t *http)
{
    int wait_ms;

    admind_turn_take();
    admind_loop_read_clocks(http->loop);
    sweep(http);
    wait_ms = run(http);
    admind_turn_give();
    return wait_ms;
}

static bool is_busy(const admind_http_t *http)
{
    for (size_t i = 0; i < ADMIND_HTTP_CONNECTIONS; i++) {
        if (http->slots[i].fd >= 0 && !http->slots[i].is_idle) {
            return true;
        }
    }
    return false;
}

/* No connection is taken any more; who has one and waits for an answer gets it, unless that takes too long. */
static void leave(admind_http_t *http, struct pollfd *events)
{
    int wait_ms = take_turn(http); /* reads the clock, which the syncs of a stop have left behind */
    int64_t latest_us = admind_loop_mono_us(http->loop) + LEAVE_MS * INT64_C(1000);

    while (is_busy(http) && admind_loop_mono_us(http->loop) < latest_us) {
        (void)poll(events, 1, wait_ms < LEAVE_STEP_MS ? wait_ms : LEAVE_STEP_MS);
        wait_ms = take_turn(http);
    }
}

static void *serve(void *ctx)
{
    admind_http_t *http = ctx;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd fds[2] = { { .fd = http->stop_fd, .events = POLLIN }, { .fd = info->epoll_fd, .events = POLLIN } };
    int wait_ms = 0;

    for (;;) {
        (void)poll(fds, 2, wait_ms);
        if (atomic_load(&http->stopping)) {
            leave(http, &fds[1]);
            return NULL;
        }
        wait_ms = take_turn(http);
    }
}

/* Signals are the loop's. */
static bool start_thread(admind_http_t *http)
{
    sigset_t all, before;
    bool started;

    http->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (http->stop_fd < 0) {
        return false;
    }
    admind_turn_begin();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&http->thread, NULL, serve, http) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        admind_turn_end();
        close(http->stop_fd);
        http->stop_fd = -1;
    }
    return started;
}

static void stop_thread(admind_http_t *http)
{
    const uint64_t one = 1;

    if (http->stop_fd < 0) {
        return;
    }
    atomic_store(&http->stopping, true);
    (void)!write(http->stop_fd, &one, sizeof(one)); /* else it sees so at the end of its wait */
    admind_turn_give();                             /* it may be waiting for it */
    pthread_join(http->thread, NULL);
    admind_turn_take();
    admind_turn_end();
    close(http->stop_fd);
}

static void on_log(void *ctx, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static void on_log(void *ctx, const char *format, va_list args)
{
    char text[512];

    (void)ctx;
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    admind_log(ADMIND_DEBUG, "MCPA2602", "http: %s", text);
}

static bool start_daemon(admind_http_t *http, int listener)
{
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIND_HTTP_CONNECTIONS,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)ADMIND_HTTP_CONNECTIONS_EACH, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)ADMIND_HTTP_MEMORY_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ADMIND_HTTP_IDLE_S,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, NULL, MHD_OPTION_END);
    return http->daemon != NULL && start_thread(http);
}

admind_http_t *admind_http_new(admind_loop_t *loop, const admind_config_t *config, struct admind *admind, int listener)
{
    admind_http_t *http = calloc(1, sizeof(*http));

    if (http == NULL) {
        return NULL;
    }
    http->loop = loop;
    http->stop_fd = -1;
    http->admind = admind;
    http->guard = (admind_guard_t){ config->admin_token, !admind_listener_is_unix(config->listen) };
    for (size_t i = 0; i < ADMIND_HTTP_CONNECTIONS; i++) {
        http->slots[i].fd = -1;
    }
    if (!start_daemon(http, listener)) {
        admind_http_free(&http);
    }
    return http;
}

void admind_http_free(admind_http_t **slot)
{
    admind_http_t *http = *slot;

    if (http == NULL) {
        return;
    }
    *slot = NULL;
    if (http->daemon != NULL) {
        (void)MHD_quiesce_daemon(http->daemon); /* the library is not to close the listener */
    }
    stop_thread(http);
    if (http->daemon != NULL) {
        MHD_stop_daemon(http->daemon);
    }
    free(http);
}
