/* SPDX-License-Identifier: Apache-2.0 */
#include "configtable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "files.h"

#define FILE_MAX_BYTES 65536

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance, without regard to case: for "did you mean". */
static size_t distance(mcpa_str_t a, mcpa_str_t b)
{
    size_t costs[64];

    if (a.len >= 64 || b.len >= 64) {
        return 64;
    }
    for (size_t j = 0; j <= b.len; j++) {
        costs[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t corner = costs[0];

        costs[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t same = corner + !mcpa_str_ieq((mcpa_str_t){ a.ptr + i - 1, 1 }, (mcpa_str_t){ b.ptr + j - 1, 1 });

            corner = costs[j];
            costs[j] = least(same, least(costs[j], costs[j - 1]) + 1);
        }
    }
    return costs[b.len];
}

static const admind_row_t *nearest(const char *key)
{
    size_t count;
    const admind_row_t *rows = admind_config_rows(&count);
    const admind_row_t *best = &rows[0];
    size_t best_distance = SIZE_MAX;

    for (size_t i = 0; i < count; i++) {
        size_t d = distance(mcpa_str(key), mcpa_str(rows[i].key));

        if (d < best_distance) {
            best_distance = d;
            best = &rows[i];
        }
    }
    return best;
}

static const admind_row_t *find_row(const char *key)
{
    size_t count;
    const admind_row_t *rows = admind_config_rows(&count);

    for (size_t i = 0; i < count; i++) {
        if (mcpa_str_ieq(mcpa_str(rows[i].key), mcpa_str(key))) {
            return &rows[i];
        }
    }
    return NULL;
}

/* Cuts at blanks and tabs, up to a '#' that begins a word. SIZE_MAX: too many words. */
static size_t split(char *line, char **words)
{
    size_t n = 0;
    char *at = line;

    for (;;) {
        at += strspn(at, " \t");
        if (*at == '\0' || *at == '#') {
            return n;
        }
        if (n == ADMIND_WORDS_MAX) {
            return SIZE_MAX;
        }
        words[n++] = at;
        at += strcspn(at, " \t");
        if (*at != '\0') {
            *at++ = '\0';
        }
    }
}

static bool read_line(admind_config_t *config, unsigned number, char *line, char *why, size_t cap)
{
    char *words[ADMIND_WORDS_MAX], shown[ADMIND_SHOWN_BYTES];
    size_t n = split(line, words);
    const admind_row_t *row;
    size_t count;
    unsigned *seen;

    if (n == 0) {
        return true;
    }
    if (n == SIZE_MAX) {
        snprintf(why, cap, "more than %d words; one 'Key value...' a line", ADMIND_WORDS_MAX);
        return false;
    }
    row = find_row(words[0]);
    if (row == NULL) {
        snprintf(why, cap, "unknown key '%.64s'; did you mean %s?", words[0], nearest(words[0])->key);
        return false;
    }
    if (n == 1) {
        snprintf(why, cap, "%s has no value; write %s", row->key, row->shape);
        return false;
    }
    if (n - 1 > row->words) {
        admind_config_shown(shown, words[row->words + 1]);
        snprintf(why, cap, "%s takes no '%.64s'; write %s", row->key, shown, row->shape);
        return false;
    }
    seen = &config->lines[row - admind_config_rows(&count)];
    if (*seen != 0 && !row->many) {
        snprintf(why, cap, "%s stands in line %u already; keep one of them", row->key, *seen);
        return false;
    }
    *seen = number;
    return row->set(config, row, words + 1, n - 1, why, cap);
}

static bool read_lines(admind_config_t *config, char *text, size_t len, char *error, size_t cap)
{
    char why[512];
    char *rest = text;

    if (strlen(text) != len) {
        snprintf(error, cap, "%s: holds a NUL byte; write plain text", config->path);
        return false;
    }
    for (unsigned number = 1; rest != NULL; number++) {
        char *line = strsep(&rest, "\n");

        line[strcspn(line, "\r")] = '\0';
        for (const char *c = line; *c != '\0'; c++) {
            if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f) {
                snprintf(error, cap, "%s:%u: holds a control character; write plain text", config->path, number);
                return false;
            }
        }
        if (!read_line(config, number, line, why, sizeof(why))) {
            snprintf(error, cap, "%s:%u: %s", config->path, number, why);
            return false;
        }
    }
    if (config->key_max_stale_us < config->key_refresh_us) {
        snprintf(error, cap,
                 "%s:%u: KeyMaxStale is shorter than KeyRefresh; keys would be thrown away before they are fetched again",
                 config->path, admind_config_line(config, "KeyMaxStale"));
        return false;
    }
    return true;
}

static bool set_defaults(admind_config_t *config)
{
    size_t count;
    const admind_row_t *rows = admind_config_rows(&count);
    char why[512];

    for (size_t i = 0; i < count; i++) {
        char *word = rows[i].standard == NULL ? NULL : strdup(rows[i].standard);
        bool ok = rows[i].standard == NULL || (word != NULL && rows[i].set(config, &rows[i], &word, 1, why, sizeof(why)));

        free(word);
        if (!ok) {
            return false;
        }
    }
    return admind_config_alert_defaults(config);
}

admind_config_t *admind_config_parse(const char *path, char *text, size_t len, char *error, size_t cap)
{
    admind_config_t *config = calloc(1, sizeof(*config));

    if (config == NULL || (config->path = strdup(path)) == NULL || !set_defaults(config)) {
        snprintf(error, cap, "%s: no memory", path);
        admind_config_free(&config);
        return NULL;
    }
    if (!read_lines(config, text, len, error, cap)) {
        admind_config_free(&config);
    }
    return config;
}

admind_config_t *admind_config_read(const char *path, char *error, size_t cap)
{
    mcpa_str_t text = MCPA_STR_NONE;
    mcpa_status_t status = admind_file_read(&text, path, FILE_MAX_BYTES);
    admind_config_t *config;

    if (status != MCPA_OK) {
        snprintf(error, cap, "%s: cannot be read: %s; give a readable file with -c", path,
                 status == MCPA_ETOOBIG ? "longer than 64 KiB" : strerror(status == MCPA_ENOTFOUND ? ENOENT : errno));
        return NULL;
    }
    config = admind_config_parse(path, (char *)text.ptr, text.len, error, cap);
    free((char *)text.ptr);
    return config;
}

unsigned admind_config_line(const admind_config_t *config, const char *key)
{
    const admind_row_t *row = find_row(key);
    size_t count;

    return row == NULL ? 0 : config->lines[row - admind_config_rows(&count)];
}

static void free_secret(mcpa_str_t *secret)
{
    if (secret->ptr != NULL) {
        OPENSSL_cleanse((char *)secret->ptr, secret->len);
        free((char *)secret->ptr);
    }
    *secret = MCPA_STR_NONE;
}

void admind_config_free(admind_config_t **slot)
{
    admind_config_t *config = *slot;

    if (config == NULL) {
        return;
    }
    *slot = NULL;
    for (size_t i = 0; i < ADMIND_LIST_MAX; i++) {
        free(config->alertmanagers[i].url);
        free(config->webhooks[i].url);
        free(config->webhooks[i].secret_file);
        free_secret(&config->webhooks[i].secret);
    }
    for (size_t i = 0; i < ADMIND_RULE_COUNT; i++) {
        free(config->rules[i].severity);
    }
    for (size_t i = 0; i < ADMIND_FORWARDS_MAX; i++) {
        admind_config_forward_clear(&config->forwards[i]);
    }
    free_secret(&config->admin_token);
    free(config->path);
    free(config->listen);
    free(config->socket);
    free(config->state_dir);
    free(config->spool_dir);
    free(config->journal_dir);
    free(config->peer_user);
    free(config->issuer.url);
    free(config->issuer_key_dir);
    free(config->admin_token_file);
    free(config->ca_file);
    free(config);
}
