/* SPDX-License-Identifier: Apache-2.0 */
/* Forward lines of mcpauth-admind.conf. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "base/text.h"
#include "credential.h"
#include "forward/syslog.h"

#define DEFAULT_FACILITY 16 /* local0 */

static bool complain(char *why, size_t cap, const char *word, const char *mend)
{
    char shown[ADMIND_SHOWN_BYTES];

    admind_config_shown(shown, word);
    snprintf(why, cap, "Forward: '%.80s' is not possible; write %s", shown, mend);
    return false;
}

/* ---- options */

typedef bool setter_t(admind_forward_config_t *forward, char **slot, const char *value);

static bool set_path(admind_forward_config_t *forward, char **slot, const char *value)
{
    (void)forward;
    if (value[0] != '/' || *slot != NULL) {
        return false;
    }
    *slot = strdup(value);
    return *slot != NULL;
}

static bool set_secret(admind_forward_config_t *forward, char **slot, const char *value)
{
    (void)forward;
    if (*slot != NULL) {
        return false;
    }
    *slot = admind_credential_place(value);
    return *slot != NULL;
}

static bool set_name(admind_forward_config_t *forward, char **slot, const char *value)
{
    size_t len = strlen(value);

    (void)slot;
    if (len == 0 || len >= sizeof(forward->name) || strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") != len) {
        return false;
    }
    memcpy(forward->name, value, len + 1);
    return true;
}

static bool set_facility(admind_forward_config_t *forward, char **slot, const char *value)
{
    (void)slot;
    return admind_syslog_facility(value, &forward->facility);
}

static bool set_from(admind_forward_config_t *forward, char **slot, const char *value)
{
    (void)slot;
    forward->from_begin = strcmp(value, "begin") == 0;
    return forward->from_begin || strcmp(value, "now") == 0;
}

static bool set_insecure(admind_forward_config_t *forward, char **slot, const char *value)
{
    (void)slot;
    forward->insecure = strcmp(value, "allow") == 0;
    return forward->insecure;
}

#define AT(member) offsetof(admind_forward_config_t, member)
static const struct option {
    const char *name;
    setter_t *set;
    size_t offset; /* of a path */
    bool syslog, otlp;
    const char *mend;
} options[] = {
    { "name=", set_name, 0, true, true, "name=ID, ID of at most 31 characters a-z, 0-9 and -" },
    { "ca=", set_path, AT(ca_file), true, true, "ca=FILE once, with an absolute path" },
    { "cert=", set_path, AT(cert_file), true, false, "cert=FILE once, with an absolute path" },
    { "key=", set_secret, AT(key_file), true, false, "key=FILE once, with an absolute path, or key=credential:NAME" },
    { "facility=", set_facility, 0, true, false, "facility=local0 or another of syslog's" },
    { "header-file=", set_secret, AT(header_file), false, true, "header-file=FILE once, with an absolute path, or header-file=credential:NAME" },
    { "from=", set_from, 0, true, true, "from=begin or from=now" },
    { "insecure=", set_insecure, 0, true, true, "insecure=allow, or leave it out" },
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static bool set_option(admind_forward_config_t *forward, const char *word, char *why, size_t cap)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        size_t len = strlen(options[i].name);
        bool known = forward->is_otlp ? options[i].otlp : options[i].syslog;

        if (known && strncmp(word, options[i].name, len) == 0) {
            return options[i].set(forward, (char **)(void *)((char *)forward + options[i].offset), word + len) ||
                   complain(why, cap, word, options[i].mend);
        }
    }
    return complain(why, cap, word,
                    forward->is_otlp ? "name=, header-file=, ca=, from= or insecure="
                                     : "name=, ca=, cert=, key=, facility=, from= or insecure=");
}

/* ---- the address */

/* HOST:PORT, nothing behind it. */
static bool has_port(const char *address)
{
    const char *colon = strrchr(address, ':');
    uint64_t port;

    return colon != NULL && colon != address && strchr(address, '/') == NULL && mcpa_text_u64(mcpa_str(colon + 1), &port) &&
           port > 0 && port < 65536;
}

static bool set_syslog(admind_forward_config_t *forward, char *why, size_t cap)
{
    bool tls = strncmp(forward->url, "tls://", 6) == 0, is_https;
    char url[300];
    int n = snprintf(url, sizeof(url), "http://%s", forward->url + 6);

    if ((!tls && strncmp(forward->url, "tcp://", 6) != 0) || n >= (int)sizeof(url) || !has_port(forward->url + 6) ||
        !mcpa_text_is_url(mcpa_str(url), &is_https)) {
        return complain(why, cap, forward->url, "tls://HOST:PORT or tcp://HOST:PORT");
    }
    if ((forward->cert_file == NULL) != (forward->key_file == NULL)) {
        return complain(why, cap, forward->url, "cert=FILE and key=FILE, or neither");
    }
    if (!tls && (forward->ca_file != NULL || forward->cert_file != NULL)) {
        return complain(why, cap, forward->url, "tls:// where there are certificates");
    }
    return tls || forward->insecure || mcpa_text_url_is_loopback(mcpa_str(url)) ||
           complain(why, cap, forward->url, "tls:// where the records leave this machine, or insecure=allow");
}

static bool set_otlp(admind_forward_config_t *forward, char *why, size_t cap)
{
    bool is_https;

    if (!mcpa_text_is_url(mcpa_str(forward->url), &is_https)) {
        return complain(why, cap, forward->url, "https://HOST/v1/logs");
    }
    return is_https || forward->insecure || mcpa_text_url_is_loopback(mcpa_str(forward->url)) ||
           complain(why, cap, forward->url, "https:// where the records leave this machine, or insecure=allow");
}

static bool is_taken(const admind_config_t *config, const admind_forward_config_t *forward)
{
    for (const admind_forward_config_t *other = config->forwards; other < forward; other++) {
        if (strcmp(other->name, forward->name) == 0) {
            return true;
        }
    }
    return false;
}

bool admind_config_forward(admind_config_t *config, char *const *words, size_t n_words, char *why, size_t cap)
{
    admind_forward_config_t *forward = &config->forwards[config->n_forwards];
    bool is_otlp = strcmp(words[0], "otlp") == 0;

    if (!is_otlp && strcmp(words[0], "syslog") != 0) {
        return complain(why, cap, words[0], "Forward syslog ADDRESS or Forward otlp URL");
    }
    if (n_words < 2) {
        return complain(why, cap, words[0], is_otlp ? "otlp https://HOST/v1/logs" : "syslog tls://HOST:PORT");
    }
    if (config->n_forwards == ADMIND_FORWARDS_MAX) {
        return complain(why, cap, words[1], "at most 8 Forward lines");
    }
    config->n_forwards++; /* counted first: cleared whatever becomes of it */
    forward->is_otlp = is_otlp;
    forward->facility = DEFAULT_FACILITY;
    snprintf(forward->name, sizeof(forward->name), "%s", words[0]);
    forward->url = strdup(words[1]);
    if (forward->url == NULL) {
        return complain(why, cap, words[1], "it again when there is memory");
    }
    for (size_t i = 2; i < n_words; i++) {
        if (!set_option(forward, words[i], why, cap)) {
            return false;
        }
    }
    if (is_taken(config, forward)) {
        snprintf(why, cap, "Forward: there is a receiver named '%s' already; write name=ID with another ID", forward->name);
        return false;
    }
    return is_otlp ? set_otlp(forward, why, cap) : set_syslog(forward, why, cap);
}

/* ---- headers */

static bool is_header(mcpa_str_t line)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    size_t name = colon == NULL ? 0 : (size_t)(colon - line.ptr);

    return colon != NULL && mcpa_text_is_token((mcpa_str_t){ line.ptr, name }) && mcpa_text_is_printable(line) &&
           line.len > name + 2 && colon[1] == ' ' && !mcpa_str_ieq((mcpa_str_t){ line.ptr, name }, MCPA_STR("Content-Type")) &&
           !mcpa_str_ieq((mcpa_str_t){ line.ptr, name }, MCPA_STR("Content-Length")) &&
           !mcpa_str_ieq((mcpa_str_t){ line.ptr, name }, MCPA_STR("Transfer-Encoding"));
}

bool admind_config_forward_headers(admind_forward_config_t *forward, char *why, size_t cap)
{
    char *rest = (char *)(uintptr_t)forward->header_text.ptr;

    forward->n_headers = 0;
    if (strlen(rest) != forward->header_text.len) {
        snprintf(why, cap, "holds a NUL byte; write one 'Name: value' a line");
        return false;
    }
    while (rest != NULL) {
        char *line = strsep(&rest, "\n");

        line[strcspn(line, "\r")] = '\0';
        if (line[0] == '\0') {
            continue;
        }
        if (!is_header(mcpa_str(line)) || forward->n_headers == ADMIND_FORWARD_HEADERS_MAX) {
            snprintf(why, cap, "has a line that is no header; write one 'Name: value' a line, at most %d, such as Authorization: Bearer ...",
                     ADMIND_FORWARD_HEADERS_MAX);
            return false;
        }
        forward->headers[forward->n_headers++] = line;
    }
    if (forward->n_headers == 0) {
        snprintf(why, cap, "is empty; write one 'Name: value' a line");
    }
    return forward->n_headers > 0;
}

void admind_config_forward_clear(admind_forward_config_t *forward)
{
    free(forward->url);
    free(forward->ca_file);
    free(forward->cert_file);
    free(forward->key_file);
    free(forward->header_file);
    if (forward->header_text.ptr != NULL) {
        OPENSSL_cleanse((char *)(uintptr_t)forward->header_text.ptr, forward->header_text.len);
        free((char *)(uintptr_t)forward->header_text.ptr);
    }
    *forward = (admind_forward_config_t){ .url = NULL };
}
