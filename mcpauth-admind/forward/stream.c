/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/stream.h"

#include <curl/curl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "keys/address.h"

#define CONNECT_TIMEOUT_MS 10000L
#define KEEPALIVE_S        60L
#define SEND_BYTES         ((size_t)64 * 1024)
#define READS_A_ROUND      16

struct admind_stream {
    admind_loop_t *loop;
    admind_stream_events_t events;
    bool plain, anywhere;
    CURLM *multi;
    CURL *easy;
    admind_timer_t *timer; /* libcurl's */
    admind_watch_t *watch; /* ours, once connected */
    bool connected, want_write;
    curl_socket_t fd;
    char problem[160]; /* ours, more telling than libcurl's; "" none */
    char curl_error[CURL_ERROR_SIZE];
};

/* ---- connected: a pipe */

/* Nothing of what the peer says matters, but that it closed does. false: it is gone. */
static bool drain(admind_stream_t *stream, const char **words, bool *orderly)
{
    char memory[4096];

    for (int i = 0; i < READS_A_ROUND; i++) {
        size_t n = 0;
        CURLcode code = curl_easy_recv(stream->easy, memory, sizeof(memory), &n);

        if (code == CURLE_AGAIN) {
            return true;
        }
        if (code != CURLE_OK || n == 0) {
            *orderly = code == CURLE_OK;
            *words = *orderly ? "the receiver closed the connection" : "the connection broke";
            return false;
        }
    }
    return true; /* epoll tells again */
}

static void on_pipe(void *ctx, int fd, uint32_t events)
{
    admind_stream_t *stream = ctx;
    const char *words = "";
    bool orderly = false;

    (void)fd;
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && !drain(stream, &words, &orderly)) {
        stream->events.gone(stream->events.ctx, words, orderly);
        return;
    }
    if ((events & EPOLLOUT) != 0 && stream->want_write) {
        stream->want_write = false;
        admind_watch_set(stream->watch, EPOLLIN);
        stream->events.writable(stream->events.ctx);
    }
}

mcpa_status_t admind_stream_send(admind_stream_t *stream, mcpa_str_t bytes, size_t *n)
{
    *n = 0;
    while (*n < bytes.len) {
        size_t rest = bytes.len - *n, sent = 0;
        CURLcode code = curl_easy_send(stream->easy, bytes.ptr + *n, rest < SEND_BYTES ? rest : SEND_BYTES, &sent);

        if (code == CURLE_AGAIN) {
            stream->want_write = true;
            return admind_watch_set(stream->watch, EPOLLIN | EPOLLOUT) ? MCPA_OK : MCPA_EIO;
        }
        if (code != CURLE_OK) {
            return MCPA_EIO;
        }
        *n += sent;
    }
    return MCPA_OK;
}

bool admind_stream_unacked(const admind_stream_t *stream, size_t *bytes)
{
    int queued = 0, error = 0;
    socklen_t len = sizeof(error);

    if (!stream->connected || ioctl(stream->fd, SIOCOUTQ, &queued) != 0 || queued < 0 ||
        getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        return false;
    }
    *bytes = (size_t)queued;
    return true;
}

/* ---- connecting: libcurl on our loop */

static const char *words_of(const admind_stream_t *stream, CURLcode code)
{
    if (stream->problem[0] != '\0') {
        return stream->problem;
    }
    return code == CURLE_OPERATION_TIMEDOUT ? "connecting timed out"
           : stream->curl_error[0] != '\0'  ? stream->curl_error
                                            : curl_easy_strerror(code);
}

static void finish_connect(admind_stream_t *stream, CURLcode code)
{
    if (code == CURLE_OK && curl_easy_getinfo(stream->easy, CURLINFO_ACTIVESOCKET, &stream->fd) == CURLE_OK &&
        stream->fd != CURL_SOCKET_BAD) {
        stream->watch = admind_watch_new(stream->loop, stream->fd, EPOLLIN, on_pipe, stream);
    }
    if (stream->watch == NULL) {
        stream->events.gone(stream->events.ctx, words_of(stream, code), false);
        return;
    }
    admind_timer_disarm(stream->timer);
    stream->connected = true;
    stream->events.connected(stream->events.ctx);
}

static void look(admind_stream_t *stream)
{
    CURLMsg *message;
    int left;

    while (!stream->connected && (message = curl_multi_info_read(stream->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            finish_connect(stream, message->data.result);
            return; /* the stream may be gone by now */
        }
    }
}

static void on_ready(void *ctx, int fd, uint32_t events)
{
    admind_stream_t *stream = ctx;
    int mask = ((events & EPOLLIN) ? CURL_CSELECT_IN : 0) | ((events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
               ((events & (EPOLLERR | EPOLLHUP)) ? CURL_CSELECT_ERR : 0);
    int running;

    curl_multi_socket_action(stream->multi, fd, mask, &running);
    look(stream);
}

static void on_timeout(void *ctx)
{
    admind_stream_t *stream = ctx;
    int running;

    curl_multi_socket_action(stream->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    look(stream);
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    admind_stream_t *stream = ctx;

    (void)multi;
    if (timeout_ms < 0) {
        admind_timer_disarm(stream->timer);
    } else {
        admind_timer_arm(stream->timer, timeout_ms);
    }
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    admind_stream_t *stream = ctx;
    admind_watch_t *watch = socket_ctx;
    uint32_t events = ((what & CURL_POLL_IN) ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0u);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        admind_watch_free(&watch);
        curl_multi_assign(stream->multi, fd, NULL);
        return 0;
    }
    if (watch != NULL) {
        return admind_watch_set(watch, events) ? 0 : -1;
    }
    watch = admind_watch_new(stream->loop, fd, events, on_ready, stream);
    if (watch == NULL) {
        return -1;
    }
    curl_multi_assign(stream->multi, fd, watch);
    return 0;
}

/* Decided on the address itself, after resolution: a name may lead anywhere. */
static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    admind_stream_t *stream = ctx;
    admind_address_kind_t kind = admind_address_kind(&address->addr, address->addrlen);
    char text[64];

    (void)purpose;
    if (kind == ADMIND_ADDRESS_NEVER || (stream->plain && !stream->anywhere && kind != ADMIND_ADDRESS_LOOPBACK)) {
        admind_address_print(text, &address->addr, address->addrlen);
        snprintf(stream->problem, sizeof(stream->problem), "refused: %s address %s", admind_address_word(kind), text);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* All of them are needed, so one that libcurl refuses stops the connection. */
static bool set_rules(admind_stream_t *stream, const admind_stream_options_t *options)
{
    CURL *easy = stream->easy;
    char url[300];
    bool ok = true;

    if ((size_t)snprintf(url, sizeof(url), "%s://%s/", options->tls ? "https" : "http", options->address) >= sizeof(url)) {
        return false;
    }
#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)
    SET(CURLOPT_URL, url);
    SET(CURLOPT_CONNECT_ONLY, 1L);
    SET(CURLOPT_PROTOCOLS_STR, options->tls ? "https" : "http");
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSL_ENABLE_ALPN, 0L); /* it is no HTTP that follows */
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(CURLOPT_OPENSOCKETDATA, stream);
    SET(CURLOPT_ERRORBUFFER, stream->curl_error);
    if (options->ca_file != NULL) {
        SET(CURLOPT_CAINFO, options->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* who names an authority wants no other */
    }
    if (options->cert_file != NULL) {
        SET(CURLOPT_SSLCERT, options->cert_file);
        SET(CURLOPT_SSLKEY, options->key_file);
    }
#undef SET
    return ok;
}

admind_stream_t *admind_stream_open(admind_loop_t *loop, const admind_stream_options_t *options, const admind_stream_events_t *events)
{
    admind_stream_t *stream;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return NULL;
    }
    stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        curl_global_cleanup();
        return NULL;
    }
    stream->loop = loop;
    stream->events = *events;
    stream->plain = !options->tls;
    stream->anywhere = options->anywhere;
    stream->fd = CURL_SOCKET_BAD;
    stream->timer = admind_timer_new(loop, on_timeout, stream);
    stream->multi = curl_multi_init();
    stream->easy = curl_easy_init();
    if (stream->timer == NULL || stream->multi == NULL || stream->easy == NULL || !set_rules(stream, options)) {
        admind_stream_close(&stream);
        return NULL;
    }
    curl_multi_setopt(stream->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(stream->multi, CURLMOPT_SOCKETDATA, stream);
    curl_multi_setopt(stream->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(stream->multi, CURLMOPT_TIMERDATA, stream);
    if (curl_multi_add_handle(stream->multi, stream->easy) != CURLM_OK) {
        admind_stream_close(&stream);
    }
    return stream;
}

void admind_stream_close(admind_stream_t **stream)
{
    admind_stream_t *gone = *stream;

    if (gone == NULL) {
        return;
    }
    *stream = NULL;
    admind_watch_free(&gone->watch);
    if (gone->multi != NULL && gone->easy != NULL) {
        curl_multi_remove_handle(gone->multi, gone->easy); /* closes the connection; a handle that was never added is no harm */
    }
    curl_easy_cleanup(gone->easy);
    if (gone->multi != NULL) {
        curl_multi_cleanup(gone->multi);
    }
    admind_timer_free(&gone->timer);
    free(gone);
    curl_global_cleanup();
}
