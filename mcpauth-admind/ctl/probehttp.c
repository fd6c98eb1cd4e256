/* SPDX-License-Identifier: Apache-2.0 */
/* lint-allow: libcurl. Another program's than keys/fetch.c, and another need than client.c: it asks strangers, and odd things. */
#include "ctl/probehttp.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define CONNECT_MS 5000L
#define ANSWER_MS  10000L
#define EXPECT_MS  1500L /* what does not know Expect is sent the body then */

struct ctl_probehttp {
    CURL *easy;
    const char *ca_file;
    ctl_answer_t *answer; /* of the exchange under way */
    const char *why;      /* we ended it ourselves */
    size_t header_bytes;  /* with those of answers before the last (100 Continue) */
    size_t body_cap;
    size_t looked; /* so much of the body has no event */
    bool is_events, has_event;
    const ctl_ask_t *ask;
    uint64_t sent;
};

ctl_probehttp_t *ctl_probehttp_new(const char *ca_file)
{
    ctl_probehttp_t *http = calloc(1, sizeof(*http));

    if (http != NULL) {
        http->ca_file = ca_file;
        http->easy = curl_easy_init();
        if (http->easy == NULL) {
            ctl_probehttp_free(&http);
        }
    }
    return http;
}

void ctl_probehttp_free(ctl_probehttp_t **http)
{
    if (*http != NULL) {
        curl_easy_cleanup((*http)->easy);
        free(*http);
        *http = NULL;
    }
}

void ctl_answer_clear(ctl_answer_t *answer)
{
    free(answer->headers);
    free(answer->body);
    memset(answer, 0, sizeof(*answer));
}

/* ---- what arrives */

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    ctl_probehttp_t *http = ctx;
    ctl_answer_t *answer = http->answer;
    mcpa_str_t line = { bytes, size * count };

    http->header_bytes += line.len;
    if (http->header_bytes > CTL_PROBE_HEADERS_BYTES) {
        http->why = "its headers are longer than 65536 bytes";
        return CURL_WRITEFUNC_ERROR;
    }
    if (mcpa_str_starts(line, MCPA_STR("HTTP/"))) {
        answer->headers_len = 0; /* the real answer, behind a 100 */
        return line.len;
    }
    while (line.len > 0 && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r')) {
        line.len--;
    }
    if (line.len > 0) {
        memcpy(answer->headers + answer->headers_len, line.ptr, line.len);
        answer->headers_len += line.len;
        answer->headers[answer->headers_len++] = '\n';
    }
    return size * count;
}

/* Whether a line of data has come since the last look; the stream behind it may stay open as long as it likes. */
static bool find_event(ctl_probehttp_t *http)
{
    const ctl_answer_t *answer = http->answer;
    const char *line = answer->body + http->looked, *end;

    while ((end = memchr(line, '\n', (size_t)(answer->body + answer->body_len - line))) != NULL) {
        mcpa_str_t text = { line, (size_t)(end - line) };

        if (mcpa_str_starts(text, MCPA_STR("data:")) && memchr(text.ptr, '{', text.len) != NULL) {
            return true;
        }
        line = end + 1;
    }
    http->looked = (size_t)(line - answer->body);
    return false;
}

/* By doubling: a body may come byte by byte. */
static bool grow(ctl_probehttp_t *http, size_t len)
{
    ctl_answer_t *answer = http->answer;
    size_t cap = http->body_cap > 0 ? http->body_cap : 4096;
    char *grown;

    if (len > CTL_PROBE_BODY_BYTES - answer->body_len) {
        http->why = "its body is longer than 262144 bytes";
        return false;
    }
    while (cap < answer->body_len + len + 1) {
        cap *= 2;
    }
    if (cap > http->body_cap) {
        grown = realloc(answer->body, cap);
        if (grown == NULL) {
            http->why = "out of memory";
            return false;
        }
        answer->body = grown;
        http->body_cap = cap;
    }
    return true;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    ctl_probehttp_t *http = ctx;
    ctl_answer_t *answer = http->answer;
    size_t len = size * count;

    if (!grow(http, len)) {
        return CURL_WRITEFUNC_ERROR;
    }
    if (answer->body_len == 0) {
        mcpa_str_t type = ctl_answer_header(answer, "Content-Type", 0);

        type.len = type.len > 17 ? 17 : type.len;
        http->is_events = mcpa_str_ieq(type, MCPA_STR("text/event-stream"));
    }
    memcpy(answer->body + answer->body_len, bytes, len);
    answer->body_len += len;
    answer->body[answer->body_len] = '\0';
    http->has_event = http->is_events && find_event(http);
    return http->has_event ? CURL_WRITEFUNC_ERROR : len;
}

/* Blanks, then the body. */
static size_t on_send(char *memory, size_t size, size_t count, void *ctx)
{
    ctl_probehttp_t *http = ctx;
    size_t len = strlen(http->ask->body), room = size * count, n = 0;
    uint64_t begin = http->ask->pad_to - len;

    while (n < room && http->sent < http->ask->pad_to) {
        memory[n++] = http->sent < begin ? ' ' : http->ask->body[http->sent - begin];
        http->sent++;
    }
    return n;
}

/* ---- what is sent */

static bool add_line(struct curl_slist **lines, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*lines, line);

    *lines = longer != NULL ? longer : *lines;
    return longer != NULL;
}

static void free_lines(struct curl_slist *lines)
{
    for (struct curl_slist *line = lines; line != NULL; line = line->next) {
        explicit_bzero(line->data, strlen(line->data)); /* tokens */
    }
    curl_slist_free_all(lines);
}

static bool add_token(struct curl_slist **lines, const ctl_ask_t *ask)
{
    char *line;
    bool ok;

    if (ask->token == NULL) {
        return true;
    }
    if (asprintf(&line, "Authorization: Bearer %s", ask->token) < 0) {
        return false;
    }
    ok = add_line(lines, line) && (!ask->token_twice || add_line(lines, line));
    explicit_bzero(line, strlen(line));
    free(line);
    return ok;
}

static bool names(const char *line, const char *header)
{
    return strncasecmp(line, header, strlen(header)) == 0 && line[strlen(header)] == ':';
}

/* NULL: out of memory. */
static struct curl_slist *lines_of(const ctl_ask_t *ask)
{
    struct curl_slist *lines = NULL;
    bool has_type = false, has_accept = false, ok = add_token(&lines, ask);

    for (size_t i = 0; ok && i < CTL_PROBE_LINES && ask->lines[i] != NULL; i++) {
        ok = add_line(&lines, ask->lines[i]);
        has_type = has_type || names(ask->lines[i], "Content-Type");
        has_accept = has_accept || names(ask->lines[i], "Accept");
    }
    ok = ok && (has_accept || add_line(&lines, "Accept: application/json, text/event-stream"));
    ok = ok && (ask->body == NULL || has_type || add_line(&lines, "Content-Type: application/json"));
    ok = ok && add_line(&lines, ask->pad_to > 0 ? "Expect: 100-continue" : "Expect:");
    if (!ok) {
        free_lines(lines);
        return NULL;
    }
    return lines;
}

static void set_request(ctl_probehttp_t *http, const ctl_ask_t *ask, struct curl_slist *lines)
{
    CURL *easy = http->easy;

    curl_easy_setopt(easy, CURLOPT_URL, ask->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    if (ask->pad_to > 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->pad_to);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(easy, CURLOPT_READDATA, http);
        /* On a connection that was just closed it would have to be sent again. */
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    } else if (ask->body != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(ask->body));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, ask->body);
    } else if (strcmp(ask->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, ask->method);
}

static void set_bounds(ctl_probehttp_t *http, char *error)
{
    CURL *easy = http->easy;

    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* the server itself is asked, and no proxy sees a token */
    /* No CURLOPT_NOSIGNAL: with it a server that closes while OpenSSL writes would end us by SIGPIPE. There is one thread. */
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, ANSWER_MS);
    curl_easy_setopt(easy, CURLOPT_EXPECT_100_TIMEOUT_MS, EXPECT_MS);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, http);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mcpauthctl");
    if (http->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
    }
}

static void perform(ctl_probehttp_t *http, const ctl_ask_t *ask, struct curl_slist *lines)
{
    char error[CURL_ERROR_SIZE] = "";
    ctl_answer_t *answer = http->answer;
    CURLcode code;

    curl_easy_reset(http->easy); /* keeps the connection */
    set_bounds(http, error);
    set_request(http, ask, lines);
    code = curl_easy_perform(http->easy);
    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    if (code != CURLE_OK && !http->has_event) {
        const char *curl_said = error[0] != '\0' ? error : curl_easy_strerror(code);

        snprintf(answer->error, sizeof(answer->error), "%s", http->why != NULL ? http->why : curl_said);
    }
    curl_easy_reset(http->easy); /* 'error' ends here, and the token is not kept */
}

void ctl_probehttp_ask(ctl_probehttp_t *http, const ctl_ask_t *ask, ctl_answer_t *answer)
{
    struct curl_slist *lines = lines_of(ask);

    memset(answer, 0, sizeof(*answer));
    answer->headers = calloc(1, CTL_PROBE_HEADERS_BYTES + 1);
    if (answer->headers == NULL || lines == NULL) {
        snprintf(answer->error, sizeof(answer->error), "out of memory");
        free_lines(lines);
        return;
    }
    http->answer = answer;
    http->ask = ask;
    http->why = NULL;
    http->header_bytes = 0;
    http->sent = 0;
    http->body_cap = http->looked = 0;
    http->is_events = http->has_event = false;
    perform(http, ask, lines);
    free_lines(lines);
    http->answer = NULL;
    http->ask = NULL;
}

/* ---- what came */

mcpa_str_t ctl_answer_header(const ctl_answer_t *answer, const char *name, size_t nth)
{
    const char *end = answer->headers_len > 0 ? answer->headers + answer->headers_len : answer->headers;
    size_t len = strlen(name);

    for (const char *line = answer->headers; line < end; line++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        mcpa_str_t value;

        if (stop == NULL) {
            break;
        }
        if ((size_t)(stop - line) > len && line[len] == ':' && mcpa_str_ieq((mcpa_str_t){ line, len }, mcpa_str(name)) &&
            nth-- == 0) {
            value = (mcpa_str_t){ line + len + 1, (size_t)(stop - line) - len - 1 };
            while (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t')) {
                value.ptr++;
                value.len--;
            }
            while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t')) {
                value.len--;
            }
            return value;
        }
        line = stop;
    }
    return MCPA_STR_NONE;
}

bool ctl_answer_joined(const ctl_answer_t *answer, const char *name, mcpa_out_t *out)
{
    mcpa_str_t value;

    for (size_t i = 0; (value = ctl_answer_header(answer, name, i)).ptr != NULL; i++) {
        mcpa_out_z(out, i > 0 ? ", " : "");
        mcpa_out_str(out, value);
    }
    return mcpa_out_status(out) == MCPA_OK;
}
