/* SPDX-License-Identifier: Apache-2.0 */
/* mcpauth-admind.conf: one 'Key value...' a line, '#' comments; the table of keys is in config.c. */
#ifndef ADMIND_CONFIG_H
#define ADMIND_CONFIG_H

#include <sys/types.h>

#include "base/bytes.h"
#include "log.h"

#define ADMIND_LIST_MAX 16

typedef struct admind_receiver { /* Alertmanager or Webhook */
    char *url;
    char *secret_file;           /* Webhook only; the secret is read at start and reload, never logged */
    mcpa_str_t secret;
} admind_receiver_t;

typedef struct admind_rule {     /* Alert NAME key=value... */
    const char *name;            /* of the built-in alert */
    bool enabled;
    int64_t threshold;
    int64_t window_us;
    bool by_address;
    bool by_location;
    char *severity;
} admind_rule_t;

typedef enum admind_rule_id {
    ADMIND_RULE_AUTH_FAILURES, /* more than 'threshold' guesses in 'window' from one address on one Location */
    ADMIND_RULE_KEYS_STALE,    /* an issuer's keys were not refreshed for 'window' */
    ADMIND_RULE_AUDIT_LOST,    /* children report lost records */
    ADMIND_RULE_MODULE_SILENT, /* no child is linked for 'window' */
    ADMIND_RULE_COUNT
} admind_rule_id_t;

typedef struct admind_config {
    char *path;
    char *listen;              /* "127.0.0.1:9860" or "unix:PATH" */
    char *socket;
    char *state_dir;
    char *spool_dir;
    char *journal_dir;
    int64_t journal_retention_days;
    char *peer_user;
    uid_t peer_uid;
    int64_t key_refresh_us;    /* KeyRefresh: used when the provider gives no max-age; also the longest interval */
    int64_t key_max_stale_us;
    admind_rule_t rules[ADMIND_RULE_COUNT];
    admind_receiver_t alertmanagers[ADMIND_LIST_MAX];
    size_t n_alertmanagers;
    admind_receiver_t webhooks[ADMIND_LIST_MAX];
    size_t n_webhooks;
    char *admin_token_file;
    mcpa_str_t admin_token;    /* {NULL,0}: the admin paths are open to whoever reaches the listener (loopback) */
    admind_level_t log_level;
    bool insecure_fetch_loopback; /* AllowInsecureFetch loopback */
    char *ca_file;             /* KeyCAFile: extra trust anchors for fetching; NULL: the system's */
    bool allow_private;        /* AllowPrivateFetch on: keys may come from private addresses */
} admind_config_t;

/* Reads and checks. NULL on error, with "file:line: what is wrong; what to write instead" on 'error' (cap bytes). To be freed. */
admind_config_t *admind_config_read(const char *path, char *error, size_t cap);
/* What is checked beyond the file itself: directories exist, are owned and closed as they must be, user exists, secrets readable and tight. */
bool admind_config_check(admind_config_t *config, char *error, size_t cap);
void admind_config_free(admind_config_t **config);

#endif
