/* SPDX-License-Identifier: Apache-2.0 */
/* lint-allow: libcurl. The daemon's libcurl is keys/fetch.c; this is mcpauthctl's own, another program: one blocking GET to the
 * daemon. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "ctl/ctl.h"

#define ANSWER_MAX_BYTES  ((size_t)64 * 1024 * 1024) /* /metrics with its 20 000 series at the most is 4 MB */
#define ANSWER_MAX_DEPTH  16
#define ANSWER_MAX_VALUES 1000000

typedef struct answer {
    char *text;
    size_t len, cap;
} answer_t;

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    answer_t *answer = ctx;
    size_t len = size * count;

    if (len > ANSWER_MAX_BYTES - answer->len) {
        return CURL_WRITEFUNC_ERROR;
    }
    if (answer->len + len + 1 > answer->cap) {
        size_t cap = (answer->len + len + 1) * 2;
        char *grown = realloc(answer->text, cap);

        if (grown == NULL) {
            return CURL_WRITEFUNC_ERROR;
        }
        answer->text = grown;
        answer->cap = cap;
    }
    memcpy(answer->text + answer->len, bytes, len);
    answer->len += len;
    answer->text[answer->len] = '\0';
    return len;
}

char *ctl_read_secret(const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    if (file == NULL) {
        ctl_complain("%s: %s", path, strerror(errno));
        return NULL;
    }
    n = getline(&line, &cap, file);
    if (file != stdin) {
        fclose(file);
    }
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r' || line[n - 1] == ' ')) {
        line[--n] = '\0';
    }
    if (n <= 0 || (size_t)n != strlen(line)) {
        ctl_complain("%s: there is no token on its first line", path);
        free(line);
        return NULL;
    }
    return line;
}

/* false: out of memory. */
static bool add_secret(struct curl_slist **headers, const char *secret)
{
    char *line = NULL;

    *headers = NULL;
    if (secret == NULL) {
        return true;
    }
    if (asprintf(&line, "Authorization: Bearer %s", secret) < 0) {
        return false;
    }
    *headers = curl_slist_append(NULL, line);
    explicit_bzero(line, strlen(line));
    free(line);
    return *headers != NULL;
}

static CURLcode perform(CURL *easy, const ctl_server_t *server, const char *path, struct curl_slist *headers, answer_t *answer,
                        long *status, char *error)
{
    bool is_unix = strncmp(server->url, "unix:", 5) == 0;
    size_t base = strlen(server->url);
    char *url = NULL;
    CURLcode code;

    while (base > 0 && server->url[base - 1] == '/') {
        base--;
    }
    if (asprintf(&url, "%.*s%s", is_unix ? 16 : (int)base, is_unix ? "http://localhost" : server->url, path) < 0) {
        return CURLE_OUT_OF_MEMORY;
    }
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 3000L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 15000L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mcpauthctl");
    if (server->ca != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, server->ca);
    }
    if (is_unix) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, server->url + 5);
    }
    code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    free(url);
    return code;
}

ctl_exit_t ctl_fetch(const ctl_server_t *server, const char *path, char **body, long *status, char *error, size_t cap)
{
    char why[CURL_ERROR_SIZE] = "";
    answer_t answer = { 0 };
    struct curl_slist *headers;
    CURL *easy = add_secret(&headers, server->secret) ? curl_easy_init() : NULL;
    CURLcode code = CURLE_FAILED_INIT;

    if (easy != NULL) {
        code = perform(easy, server, path, headers, &answer, status, why);
        curl_easy_cleanup(easy);
    }
    curl_slist_free_all(headers);
    if (code == CURLE_OK && answer.text == NULL) {
        answer.text = strdup("");
    }
    if (code != CURLE_OK || answer.text == NULL) {
        snprintf(error, cap, "cannot reach %s at %s: %s", server->name, server->url,
                 why[0] != '\0' ? why : curl_easy_strerror(code));
        free(answer.text);
        return CTL_UNREACHABLE;
    }
    *body = answer.text;
    return CTL_GOOD;
}

ctl_exit_t ctl_fetch_json(const ctl_server_t *server, const char *path, const char *member, char **body, mcpa_json_t **json,
                          char *error, size_t cap)
{
    long status = 0;
    ctl_exit_t result = ctl_fetch(server, path, body, &status, error, cap);

    if (result != CTL_GOOD) {
        return result;
    }
    if (status == 401 || status == 403) {
        snprintf(error, cap, "%s refuses (%ld): it wants its admin token; give --token-file FILE", server->name, status);
    } else if (status != 200) {
        snprintf(error, cap, "%s answered %ld to %s", server->name, status, path);
    } else if (mcpa_json_parse(json, mcpa_str(*body), ANSWER_MAX_DEPTH, ANSWER_MAX_VALUES) != MCPA_OK) {
        snprintf(error, cap, "what answers at %s is not %s: no JSON came for %s", server->url, server->name, path);
    } else if (mcpa_json_member(*json, member) == NULL) {
        snprintf(error, cap, "what answers at %s is not %s: its %s has no \"%s\"", server->url, server->name, path, member);
        mcpa_json_free(json);
    } else {
        return CTL_GOOD;
    }
    free(*body);
    *body = NULL;
    return CTL_BAD;
}

/* The daemon of the command line; *secret is to be freed. false: it has complained. */
static bool daemon_of(const ctl_t *ctl, ctl_server_t *server, char **secret)
{
    *secret = ctl->token_file != NULL ? ctl_read_secret(ctl->token_file) : NULL;
    *server = (ctl_server_t){ .url = ctl->url, .secret = *secret, .name = "the daemon" };
    return ctl->token_file == NULL || *secret != NULL;
}

static void forget(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
    }
    free(secret);
}

ctl_exit_t ctl_get(const ctl_t *ctl, const char *path, char **body, long *status)
{
    ctl_exit_t result = CTL_USAGE;
    char error[1024] = "", *secret;
    ctl_server_t server;

    if (daemon_of(ctl, &server, &secret)) {
        result = ctl_fetch(&server, path, body, status, error, sizeof(error));
    }
    if (error[0] != '\0') {
        ctl_complain("%s", error);
    }
    forget(secret);
    return result;
}

ctl_exit_t ctl_get_json(const ctl_t *ctl, const char *path, const char *member, char **body, mcpa_json_t **json)
{
    ctl_exit_t result = CTL_USAGE;
    char error[1024] = "", *secret;
    ctl_server_t server;

    if (daemon_of(ctl, &server, &secret)) {
        result = ctl_fetch_json(&server, path, member, body, json, error, sizeof(error));
    }
    if (error[0] != '\0') {
        ctl_complain("%s", error);
    }
    forget(secret);
    return result;
}
