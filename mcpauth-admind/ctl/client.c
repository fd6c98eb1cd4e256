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

static struct curl_slist *authorization(const ctl_t *ctl, bool *ok)
{
    struct curl_slist *headers = NULL;
    char *secret, *line = NULL;

    *ok = true;
    if (ctl->token_file == NULL) {
        return NULL;
    }
    secret = ctl_read_secret(ctl->token_file);
    if (secret == NULL || asprintf(&line, "Authorization: Bearer %s", secret) < 0) {
        line = NULL;
    }
    if (line != NULL) {
        headers = curl_slist_append(NULL, line);
        explicit_bzero(line, strlen(line));
    }
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
    }
    free(secret);
    free(line);
    *ok = headers != NULL;
    return headers;
}

static CURLcode perform(CURL *easy, const ctl_t *ctl, const char *path, struct curl_slist *headers, answer_t *answer,
                        long *status, char *error)
{
    bool is_unix = strncmp(ctl->url, "unix:", 5) == 0;
    size_t base = strlen(ctl->url);
    char *url = NULL;
    CURLcode code;

    while (base > 0 && ctl->url[base - 1] == '/') {
        base--;
    }
    if (asprintf(&url, "%.*s%s", is_unix ? 16 : (int)base, is_unix ? "http://localhost" : ctl->url, path) < 0) {
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
    if (is_unix) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, ctl->url + 5);
    }
    code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    free(url);
    return code;
}

ctl_exit_t ctl_get(const ctl_t *ctl, const char *path, char **body, long *status)
{
    char error[CURL_ERROR_SIZE] = "";
    answer_t answer = { 0 };
    bool ok;
    struct curl_slist *headers = authorization(ctl, &ok);
    CURL *easy = ok ? curl_easy_init() : NULL;
    CURLcode code = CURLE_FAILED_INIT;

    if (!ok) {
        return CTL_USAGE;
    }
    if (easy != NULL) {
        code = perform(easy, ctl, path, headers, &answer, status, error);
        curl_easy_cleanup(easy);
    }
    curl_slist_free_all(headers);
    if (code == CURLE_OK && answer.text == NULL) {
        answer.text = strdup("");
    }
    if (code != CURLE_OK || answer.text == NULL) {
        ctl_complain("cannot reach the daemon at %s: %s", ctl->url, error[0] != '\0' ? error : curl_easy_strerror(code));
        free(answer.text);
        return CTL_UNREACHABLE;
    }
    *body = answer.text;
    return CTL_GOOD;
}

ctl_exit_t ctl_get_json(const ctl_t *ctl, const char *path, const char *member, char **body, mcpa_json_t **json)
{
    long status = 0;
    ctl_exit_t result = ctl_get(ctl, path, body, &status);

    if (result != CTL_GOOD) {
        return result;
    }
    if (status == 401 || status == 403) {
        ctl_complain("the daemon refuses (%ld): it wants its admin token; give --token-file FILE", status);
    } else if (status != 200) {
        ctl_complain("the daemon answered %ld to %s", status, path);
    } else if (mcpa_json_parse(json, mcpa_str(*body), ANSWER_MAX_DEPTH, ANSWER_MAX_VALUES) != MCPA_OK) {
        ctl_complain("what answers at %s is not the daemon: no JSON came for %s", ctl->url, path);
    } else if (mcpa_json_member(*json, member) == NULL) {
        ctl_complain("what answers at %s is not the daemon: its %s has no \"%s\"", ctl->url, path, member);
        mcpa_json_free(json);
    } else {
        return CTL_GOOD;
    }
    free(*body);
    *body = NULL;
    return CTL_BAD;
}
