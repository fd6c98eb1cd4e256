/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "configtable.h"
#include "credential.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US    (86400 * SECOND_US)

static admind_setter_t set_listen, set_path, set_socket, set_number, set_duration, set_word, set_alert, set_alertmanager,
    set_webhook, set_forward, set_issuer, set_secret, set_level, set_loopback, set_switch, set_size;

#define AT(member) offsetof(admind_config_t, member)
static const admind_row_t rows[] = {
    { "Listen", set_listen, AT(listen), "127.0.0.1:9860", "127.0.0.1:9860 or unix:/run/mcpauth/admin.sock", 1, 0, 0, false },
    { "Socket", set_socket, AT(socket), "/run/mcpauth/mcpauth.sock", "an absolute path of at most 100 characters", 1, 0, 0,
      false },
    { "StateDir", set_path, AT(state_dir), "/var/lib/mcpauth", "an absolute path", 1, 0, 0, false },
    { "SpoolDir", set_path, AT(spool_dir), "/var/spool/mcpauth", "an absolute path", 1, 0, 0, false },
    { "JournalDir", set_path, AT(journal_dir), "/var/log/mcpauth", "an absolute path", 1, 0, 0, false },
    { "JournalRetentionDays", set_number, AT(journal_retention_days), "90", "a number of days from 1 to 3650", 1, 1, 3650,
      false },
    { "PeerUser", set_word, AT(peer_user), "www-data", "the user that httpd's children run as", 1, 0, 0, false },
    { "JournalFileSize", set_size, AT(journal_file_bytes), "64m", "a size from 64k to 4g, such as 64m", 1, 64 << 10,
      INT64_C(4) << 30, false },
    { "KeyRefresh", set_duration, AT(key_refresh_us), "10min", "a duration from 1s to 24h, such as 10min", 1, SECOND_US, DAY_US,
      false },
    { "KeyMaxStale", set_duration, AT(key_max_stale_us), "24h", "a duration from 1s to 30d, such as 24h", 1, SECOND_US,
      30 * DAY_US, false },
    { "Alert", set_alert, 0, NULL, "auth_failures threshold=10 window=5min by=address,location", ADMIND_WORDS_MAX, 0, 0, true },
    { "Alertmanager", set_alertmanager, 0, NULL, "http://127.0.0.1:9093", 1, 0, 0, true },
    { "Webhook", set_webhook, 0, NULL, "https://hooks.example.com/mcpauth secret-file=/etc/mcpauth/webhook.secret", 2, 0, 0,
      true },
    { "Forward", set_forward, 0, NULL, "syslog tls://logs.example.com:6514, or otlp https://logs.example.com/v1/logs", 10, 0, 0,
      true },
    { "Issuer", set_issuer, 0, NULL, "https://auth.example.com, and alg=, rotate=, overlap= or bits=", 5, 0, 0, false },
    { "IssuerKeyDir", set_path, AT(issuer_key_dir), NULL, "an absolute path", 1, 0, 0, false },
    { "AdminTokenFile", set_secret, AT(admin_token_file), NULL, "an absolute path or credential:NAME", 1, 0, 0, false },
    { "LogLevel", set_level, AT(log_level), "notice", "err, warning, notice, info or debug", 1, 0, 0, false },
    { "AllowInsecureFetch", set_loopback, AT(insecure_fetch_loopback), NULL, "loopback, or leave the line out", 1, 0, 0, false },
    { "KeyCAFile", set_path, AT(ca_file), NULL, "an absolute path", 1, 0, 0, false },
    { "AllowPrivateFetch", set_switch, AT(allow_private), "off", "on or off", 1, 0, 0, false },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(ROWS <= ADMIND_KEYS_MAX, "admind_config_t.lines has a slot a row");

void admind_config_shown(char memory[ADMIND_SHOWN_BYTES], const char *word)
{
    const char *colon = strstr(word, "://"), *host = colon != NULL ? colon + 3 : word;
    size_t scheme = (size_t)(host - word), len = strcspn(host, "/?#\\");
    bool is_https, is_path = word[0] == '/' || (colon == NULL && memchr(word, '=', len) != NULL); /* or an option with one */

    if (!is_path && strchr(word, '@') != NULL && !mcpa_text_is_url(mcpa_str(word), &is_https)) {
        len = 0; /* a user and a password, and where they end is anybody's guess */
    }
    len = is_path ? strlen(host) : len;
    snprintf(memory, ADMIND_SHOWN_BYTES, "%.*s%s", (int)(scheme + len), word, host[len] != '\0' && (colon == NULL || len == 0) ? "..." : "");
}

static bool complain(char *why, size_t cap, const char *what, const char *value, const admind_row_t *row)
{
    char shown[ADMIND_SHOWN_BYTES];

    admind_config_shown(shown, value);
    snprintf(why, cap, "%s '%s' %s; write %s", row->key, shown, what, row->shape);
    return false;
}

static bool set_text(char **slot, const char *value)
{
    char *copy = strdup(value);

    if (copy == NULL) {
        return false;
    }
    free(*slot);
    *slot = copy;
    return true;
}

static void *member(admind_config_t *config, const admind_row_t *row)
{
    return (char *)config + row->offset;
}

static bool set_word(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    (void)n;
    return set_text(member(config, row), values[0]) || complain(why, cap, "finds no memory", values[0], row);
}

static bool set_path(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    size_t len = strlen(values[0]);

    if (values[0][0] != '/' || len > 3000) {
        return complain(why, cap, "is no absolute path", values[0], row);
    }
    if (len > 1 && values[0][len - 1] == '/') {
        values[0][len - 1] = '\0';
    }
    return set_word(config, row, values, n, why, cap);
}

static bool set_secret(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    char *place = admind_credential_place(values[0]);
    char **slot = member(config, row);

    (void)n;
    if (place == NULL) {
        return complain(why, cap, "is no absolute path", values[0], row);
    }
    free(*slot);
    *slot = place;
    return true;
}

static bool set_socket(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    if (strlen(values[0]) > 100) { /* sun_path has 108 bytes */
        return complain(why, cap, "is too long for a socket", values[0], row);
    }
    return set_path(config, row, values, n, why, cap);
}

static bool set_listen(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    struct sockaddr_storage address;
    socklen_t len;

    if (!admind_config_address(values[0], &address, &len)) {
        return complain(why, cap, "is no loopback address with a port (Apache publishes it to the outside)", values[0], row);
    }
    return set_word(config, row, values, n, why, cap);
}

static bool set_number(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    uint64_t number;

    (void)n;
    if (!mcpa_text_u64(mcpa_str(values[0]), &number) || number < (uint64_t)row->low || number > (uint64_t)row->high) {
        return complain(why, cap, "is out of range", values[0], row);
    }
    *(int64_t *)member(config, row) = (int64_t)number;
    return true;
}

static bool set_duration(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    int64_t us;

    (void)n;
    if (!mcpa_text_duration(mcpa_str(values[0]), &us) || us < row->low || us > row->high) {
        return complain(why, cap, "is out of range", values[0], row);
    }
    *(int64_t *)member(config, row) = us;
    return true;
}

static bool set_size(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    uint64_t bytes;

    (void)n;
    if (!mcpa_text_size(mcpa_str(values[0]), &bytes) || bytes < (uint64_t)row->low || bytes > (uint64_t)row->high) {
        return complain(why, cap, "is out of range", values[0], row);
    }
    *(int64_t *)member(config, row) = (int64_t)bytes;
    return true;
}

static bool set_level(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    (void)n;
    return admind_level_find(member(config, row), values[0]) || complain(why, cap, "is no level", values[0], row);
}

static bool set_loopback(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    (void)n;
    if (strcmp(values[0], "loopback") != 0) {
        return complain(why, cap, "is not possible: http is for loopback addresses only", values[0], row);
    }
    *(bool *)member(config, row) = true;
    return true;
}

static bool set_switch(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    bool on = mcpa_str_ieq(mcpa_str(values[0]), MCPA_STR("on"));

    (void)n;
    if (!on && !mcpa_str_ieq(mcpa_str(values[0]), MCPA_STR("off"))) {
        return complain(why, cap, "is neither on nor off", values[0], row);
    }
    *(bool *)member(config, row) = on;
    return true;
}

static bool set_alert(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    (void)row;
    return admind_config_alert(config, values, n, why, cap);
}

static bool set_forward(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    (void)row;
    return admind_config_forward(config, values, n, why, cap);
}

static bool set_issuer(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    (void)row;
    return admind_config_issuer(config, values, n, why, cap);
}

static bool set_alertmanager(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why,
                             size_t cap)
{
    bool is_https;

    (void)n;
    if (!mcpa_text_is_url(mcpa_str(values[0]), &is_https)) {
        return complain(why, cap, "is no http or https URL", values[0], row);
    }
    if (config->n_alertmanagers == ADMIND_LIST_MAX) {
        return complain(why, cap, "is one too many", values[0], row);
    }
    return set_text(&config->alertmanagers[config->n_alertmanagers++].url, values[0]) ||
           complain(why, cap, "finds no memory", values[0], row);
}

static bool set_webhook(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why, size_t cap)
{
    admind_receiver_t *hook;
    bool is_https;

    if (!mcpa_text_is_url(mcpa_str(values[0]), &is_https)) {
        return complain(why, cap, "is no http or https URL", values[0], row);
    }
    if (config->n_webhooks == ADMIND_LIST_MAX) {
        return complain(why, cap, "is one too many", values[0], row);
    }
    hook = &config->webhooks[config->n_webhooks++]; /* counted first: freed whatever becomes of it */
    if (n != 2 || strncmp(values[1], "secret-file=", 12) != 0 || (hook->secret_file = admind_credential_place(values[1] + 12)) == NULL) {
        return complain(why, cap, "has no secret-file=PATH: receivers check the signature", values[0], row);
    }
    return set_text(&hook->url, values[0]) || complain(why, cap, "finds no memory", values[0], row);
}

const admind_row_t *admind_config_rows(size_t *count)
{
    *count = ROWS;
    return rows;
}
