/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/text.h"
#include "keys/address.h"
#include "keys/headers.h"

#ifndef MCPA_VERSION
#define MCPA_VERSION "0"
#endif
#define CONNECT_TIMEOUT_MS 2000L
#define HEADERS_MAX_BYTES  32768   /* all of an answer's header lines; providers send 1 to 4 KB */
#define DROPPED_MAX_BYTES  1048576 /* of a body that nobody wants: read so that the peer can end in order, but not for ever */

struct admind_fetcher {
    admind_loop_t *loop;
    CURLM *multi;
    admind_timer_t *timer;
    admind_fetch_t *running;
    bool insecure_loopback, allow_private;
    char *ca_file;
};

struct admind_fetch {
    admind_fetcher_t *fetcher;
    admind_fetch_t *next, **link; /* in fetcher->running */
    CURL *easy;
    struct curl_slist *headers;
    void (*done)(void *ctx, const admind_fetch_result_t *result);
    void *ctx;
    bool trusted, plain, status_decides; /* plain: http */
    char *body;                          /* of the answer */
    size_t body_len, body_cap, max_bytes, dropped, headers_bytes; /* dropped: of the body, behind max_bytes */
    admind_headers_t answer_headers;
    char problem[160]; /* ours, more telling than libcurl's; "" none */
    char curl_error[CURL_ERROR_SIZE];
};

/* ---- what libcurl asks while a transfer runs */

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    admind_fetch_t *fetch = ctx;
    size_t len = size * count;

    if (len > fetch->max_bytes - fetch->body_len) {
        fetch->dropped += len;
        if (fetch->status_decides && fetch->dropped <= DROPPED_MAX_BYTES) {
            return len;
        }
        /* Counted here because CURLOPT_MAXFILESIZE knows nothing of chunked answers. */
        snprintf(fetch->problem, sizeof(fetch->problem), "the answer is larger than %zu bytes", fetch->max_bytes);
        return CURL_WRITEFUNC_ERROR;
    }
    if (fetch->body_len + len > fetch->body_cap) {
        size_t cap = (fetch->body_len + len) * 2 < fetch->max_bytes ? (fetch->body_len + len) * 2 : fetch->max_bytes;
        char *grown = realloc(fetch->body, cap);

        if (grown == NULL) {
            snprintf(fetch->problem, sizeof(fetch->problem), "out of memory");
            return CURL_WRITEFUNC_ERROR;
        }
        fetch->body = grown;
        fetch->body_cap = cap;
    }
    memcpy(fetch->body + fetch->body_len, bytes, len);
    fetch->body_len += len;
    return len;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    admind_fetch_t *fetch = ctx;
    mcpa_str_t line = { bytes, size * count };

    fetch->headers_bytes += line.len;
    if (fetch->headers_bytes > HEADERS_MAX_BYTES) {
        snprintf(fetch->problem, sizeof(fetch->problem), "the answer's headers are larger than %d bytes", HEADERS_MAX_BYTES);
        return CURL_WRITEFUNC_ERROR;
    }
    admind_headers_line(&fetch->answer_headers, line);
    return line.len;
}

static bool may_connect(const admind_fetch_t *fetch, admind_address_kind_t kind)
{
    const admind_fetcher_t *fetcher = fetch->fetcher;

    switch (kind) {
    case ADMIND_ADDRESS_PUBLIC:
        return fetch->trusted || !fetch->plain; /* http only ever reaches loopback, whatever the name resolved to */
    case ADMIND_ADDRESS_LOOPBACK:
        return fetch->trusted || fetcher->insecure_loopback || (fetcher->allow_private && !fetch->plain);
    case ADMIND_ADDRESS_PRIVATE:
        return fetch->trusted || (fetcher->allow_private && !fetch->plain);
    case ADMIND_ADDRESS_NEVER:
        break;
    }
    return false;
}

static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    admind_fetch_t *fetch = ctx;
    admind_address_kind_t kind = admind_address_kind(&address->addr, address->addrlen);
    char text[64];

    (void)purpose;
    if (!may_connect(fetch, kind)) {
        admind_address_print(text, &address->addr, address->addrlen);
        snprintf(fetch->problem, sizeof(fetch->problem), "refused: %s address %s", admind_address_word(kind), text);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- the end of a transfer */

static void free_fetch(admind_fetch_t *fetch)
{
    *fetch->link = fetch->next;
    if (fetch->next != NULL) {
        fetch->next->link = fetch->link;
    }
    curl_multi_remove_handle(fetch->fetcher->multi, fetch->easy);
    curl_easy_cleanup(fetch->easy);
    curl_slist_free_all(fetch->headers);
    free(fetch->body);
    free(fetch);
}

static const char *words_of(admind_fetch_t *fetch, CURLcode code)
{
    if (fetch->problem[0] != '\0' && (code == CURLE_WRITE_ERROR || code == CURLE_COULDNT_CONNECT)) {
        return fetch->problem;
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return "timed out";
    }
    return fetch->curl_error[0] != '\0' ? fetch->curl_error : curl_easy_strerror(code);
}

static void finish(admind_fetch_t *fetch, CURLcode code)
{
    const admind_headers_t *headers = &fetch->answer_headers;
    bool whole = code == CURLE_OK && fetch->dropped == 0;
    admind_fetch_result_t result = { .status = 0 };

    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &result.status);
    if (code != CURLE_OK && !(fetch->status_decides && result.status >= 200)) {
        result = (admind_fetch_result_t){ .error = words_of(fetch, code) };
    } else {
        result.body = whole && fetch->body != NULL ? (mcpa_str_t){ fetch->body, fetch->body_len } : MCPA_STR("");
        result.cache_control = admind_headers_get(headers, ADMIND_HEADER_CACHE_CONTROL);
        result.expires = admind_headers_get(headers, ADMIND_HEADER_EXPIRES);
        result.age = admind_headers_get(headers, ADMIND_HEADER_AGE);
        result.date = admind_headers_get(headers, ADMIND_HEADER_DATE);
        result.etag = admind_headers_get(headers, ADMIND_HEADER_ETAG);
        result.retry_after = admind_headers_get(headers, ADMIND_HEADER_RETRY_AFTER);
        result.content_type = admind_headers_get(headers, ADMIND_HEADER_CONTENT_TYPE);
    }
    fetch->done(fetch->ctx, &result);
    free_fetch(fetch);
}

static void reap(admind_fetcher_t *fetcher)
{
    CURLMsg *message;
    int left;

    /* Asked anew each time: a callback may cancel a fetch whose message waits here, which takes the message away. */
    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        admind_fetch_t *fetch = NULL;
        CURLcode code = message->data.result;

        if (message->msg == CURLMSG_DONE && curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch) == CURLE_OK &&
            fetch != NULL) {
            finish(fetch, code);
        }
    }
}

/* ---- libcurl on our loop */

static void on_ready(void *ctx, int fd, uint32_t events)
{
    admind_fetcher_t *fetcher = ctx;
    int mask = ((events & EPOLLIN) ? CURL_CSELECT_IN : 0) | ((events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
               ((events & (EPOLLERR | EPOLLHUP)) ? CURL_CSELECT_ERR : 0);
    int running;

    curl_multi_socket_action(fetcher->multi, fd, mask, &running);
    reap(fetcher);
}

static void on_timeout(void *ctx)
{
    admind_fetcher_t *fetcher = ctx;
    int running;

    curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    reap(fetcher);
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    admind_fetcher_t *fetcher = ctx;

    (void)multi;
    if (timeout_ms < 0) {
        admind_timer_disarm(fetcher->timer);
    } else {
        admind_timer_arm(fetcher->timer, timeout_ms);
    }
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    admind_fetcher_t *fetcher = ctx;
    admind_watch_t *watch = socket_ctx;
    uint32_t events = ((what & CURL_POLL_IN) ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0u);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        admind_watch_free(&watch);
        curl_multi_assign(fetcher->multi, fd, NULL);
        return 0;
    }
    if (watch != NULL) {
        return admind_watch_set(watch, events) ? 0 : -1;
    }
    watch = admind_watch_new(fetcher->loop, fd, events, on_ready, fetcher);
    if (watch == NULL) {
        return -1;
    }
    curl_multi_assign(fetcher->multi, fd, watch);
    return 0;
}

admind_fetcher_t *admind_fetcher_new(admind_loop_t *loop, const admind_fetch_options_t *options)
{
    admind_fetcher_t *fetcher;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return NULL;
    }
    fetcher = calloc(1, sizeof(*fetcher));
    if (fetcher == NULL) {
        curl_global_cleanup();
        return NULL;
    }
    fetcher->loop = loop;
    fetcher->insecure_loopback = options->insecure_loopback;
    fetcher->allow_private = options->allow_private;
    fetcher->ca_file = options->ca_file != NULL ? strdup(options->ca_file) : NULL;
    fetcher->multi = curl_multi_init();
    fetcher->timer = admind_timer_new(loop, on_timeout, fetcher);
    if (fetcher->multi == NULL || fetcher->timer == NULL || (options->ca_file != NULL && fetcher->ca_file == NULL)) {
        admind_fetcher_free(&fetcher);
        return NULL;
    }
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
    return fetcher;
}

void admind_fetcher_free(admind_fetcher_t **fetcher)
{
    if (*fetcher == NULL) {
        return;
    }
    while ((*fetcher)->running != NULL) {
        free_fetch((*fetcher)->running);
    }
    if ((*fetcher)->multi != NULL) {
        curl_multi_cleanup((*fetcher)->multi);
    }
    admind_timer_free(&(*fetcher)->timer);
    free((*fetcher)->ca_file);
    free(*fetcher);
    *fetcher = NULL;
    curl_global_cleanup();
}

/* ---- starting one */

static bool add_header(admind_fetch_t *fetch, const char *line)
{
    struct curl_slist *longer = curl_slist_append(fetch->headers, line);

    if (longer == NULL) {
        return false;
    }
    fetch->headers = longer;
    return true;
}

/* The rules every transfer keeps. All of them are needed, so one that libcurl refuses stops the fetch. */
static bool set_rules(admind_fetch_t *fetch, const admind_fetch_request_t *request)
{
    CURL *easy = fetch->easy;
    const char *ca_file = fetch->fetcher->ca_file;
    bool ok = true;

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, fetch->plain ? "http" : "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    SET(CURLOPT_TIMEOUT_MS, request->timeout_ms);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    /* A connection opened for one purpose must not serve another: the address check happens when it is opened. */
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(CURLOPT_OPENSOCKETDATA, fetch);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, fetch);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, fetch);
    SET(CURLOPT_ERRORBUFFER, fetch->curl_error);
    SET(CURLOPT_PRIVATE, fetch);
    SET(CURLOPT_USERAGENT, "mcpauth-admind/" MCPA_VERSION);
    if (ca_file != NULL) { /* replaces the system's bundle file; the system's certificate directory stays in force */
        SET(CURLOPT_CAINFO, ca_file);
    }
    if (strcmp(request->method, "POST") == 0) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        SET(CURLOPT_COPYPOSTFIELDS, request->body.ptr != NULL ? request->body.ptr : "");
        ok = ok && add_header(fetch, "Expect:"); /* no round trip for 100-continue */
    }
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        ok = ok && add_header(fetch, request->headers[i]);
    }
    SET(CURLOPT_HTTPHEADER, fetch->headers);
#undef SET
    return ok;
}

admind_fetch_t *admind_fetch_start(admind_fetcher_t *fetcher, const admind_fetch_request_t *request,
                                   void (*done)(void *ctx, const admind_fetch_result_t *result), void *ctx)
{
    admind_fetch_t *fetch;
    bool is_https;

    if (!mcpa_text_is_url(mcpa_str(request->url), &is_https)) {
        return NULL;
    }
    if (!is_https && !request->trusted_target &&
        !(fetcher->insecure_loopback && mcpa_text_url_is_loopback(mcpa_str(request->url)))) {
        return NULL;
    }
    fetch = calloc(1, sizeof(*fetch));
    if (fetch == NULL) {
        return NULL;
    }
    *fetch = (admind_fetch_t){ .fetcher = fetcher,
                               .done = done,
                               .ctx = ctx,
                               .trusted = request->trusted_target,
                               .status_decides = request->status_decides,
                               .plain = !is_https,
                               .max_bytes = request->max_bytes,
                               .next = fetcher->running,
                               .link = &fetcher->running };
    if (fetcher->running != NULL) {
        fetcher->running->link = &fetch->next;
    }
    fetcher->running = fetch;
    fetch->easy = curl_easy_init();
    if (fetch->easy == NULL || !set_rules(fetch, request) || curl_multi_add_handle(fetcher->multi, fetch->easy) != CURLM_OK) {
        free_fetch(fetch);
        return NULL;
    }
    return fetch;
}

void admind_fetch_cancel(admind_fetch_t **fetch)
{
    if (*fetch != NULL) {
        free_fetch(*fetch);
        *fetch = NULL;
    }
}
