/* SPDX-License-Identifier: Apache-2.0 */
/* mcpauth-admind.conf: one 'Key value...' a line, '#' comments; the table of keys, with every default, is in config.c. */
#ifndef ADMIND_CONFIG_H
#define ADMIND_CONFIG_H

#include <sys/socket.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "jose/alg.h"
#include "log.h"

#define ADMIND_LIST_MAX 16
#define ADMIND_KEYS_MAX 32 /* rows in the table of keys */

typedef struct admind_receiver { /* Alertmanager or Webhook */
    char *url;
    char *secret_file; /* Webhook only, as admind_credential_place says; the secret is read at start and reload, never logged */
    mcpa_str_t secret;
} admind_receiver_t;

#define ADMIND_FORWARDS_MAX        8
#define ADMIND_FORWARD_NAME_BYTES  32 /* with the NUL */
#define ADMIND_FORWARD_HEADERS_MAX 8

typedef struct admind_forward_config { /* Forward syslog|otlp ADDRESS key=value... */
    bool is_otlp;
    char *url;                            /* tcp://HOST:PORT, tls://HOST:PORT, or http(s)://... */
    char name[ADMIND_FORWARD_NAME_BYTES]; /* of the cursor's file, in metrics and logs; unique */
    char *ca_file, *cert_file, *key_file, *header_file; /* NULL: none; the last two as admind_credential_place says */
    mcpa_str_t header_text;               /* what header_file holds; secret */
    const char *headers[ADMIND_FORWARD_HEADERS_MAX]; /* its lines, "Name: value" */
    size_t n_headers;
    unsigned facility;                    /* syslog */
    bool from_begin;                      /* at first use: everything that the journal has */
    bool insecure;                        /* without TLS to other addresses than loopback */
} admind_forward_config_t;

typedef struct admind_rule { /* Alert NAME off | Alert NAME key=value... */
    const char *name;        /* of the built-in alert */
    bool enabled;
    int64_t threshold;
    int64_t window_us;
    bool by_address;
    bool by_location;
    char *severity; /* "critical", "warning" or "info" */
} admind_rule_t;

typedef struct admind_issuer_config { /* Issuer URL key=value... */
    char *url; /* NULL: there is no local issuer */
    mcpa_alg_t alg;
    unsigned bits; /* of RS256 */
    int64_t rotate_us, overlap_us;
} admind_issuer_config_t;

typedef enum admind_rule_id {
    ADMIND_RULE_AUTH_FAILURES, /* more than 'threshold' guesses in 'window' from one address on one Location */
    ADMIND_RULE_KEYS_STALE,    /* an issuer's keys were not refreshed for 'window' */
    ADMIND_RULE_AUDIT_LOST,    /* more than 'threshold' records were lost within 'window' */
    ADMIND_RULE_MODULE_SILENT, /* no child is linked for 'window' */
    ADMIND_RULE_ROTATION_DUE,  /* the local issuer's key is older by 'window' than it was to become */
    ADMIND_RULE_COUNT
} admind_rule_id_t;

typedef struct admind_config {
    char *path;
    char *listen; /* "127.0.0.1:9860" or "unix:PATH" */
    char *socket;
    char *state_dir;
    char *spool_dir;
    char *journal_dir;
    int64_t journal_retention_days;
    int64_t journal_file_bytes;
    char *peer_user;
    uid_t peer_uid; /* set by admind_config_check */
    gid_t peer_gid;
    int64_t key_refresh_us; /* KeyRefresh: used when the provider gives no max-age; also the longest interval */
    int64_t key_max_stale_us;
    admind_rule_t rules[ADMIND_RULE_COUNT];
    admind_receiver_t alertmanagers[ADMIND_LIST_MAX];
    size_t n_alertmanagers;
    admind_receiver_t webhooks[ADMIND_LIST_MAX];
    size_t n_webhooks;
    admind_forward_config_t forwards[ADMIND_FORWARDS_MAX];
    size_t n_forwards;
    admind_issuer_config_t issuer;
    char *issuer_key_dir; /* NULL: the default */
    char *admin_token_file;
    mcpa_str_t admin_token; /* {NULL,0}: the admin paths are open to whoever reaches the listener (loopback) */
    admind_level_t log_level;
    bool insecure_fetch_loopback;    /* AllowInsecureFetch loopback */
    char *ca_file;                   /* KeyCAFile: extra trust anchors for fetching; NULL: the system's */
    bool allow_private;              /* AllowPrivateFetch on: keys may come from private addresses */
    bool check_only;                 /* set by the caller: what only the service manager hands over may be missing */
    bool unseen;                     /* set by admind_config_check: and it is */
    unsigned lines[ADMIND_KEYS_MAX]; /* where each row of the table stood in the file; 0: the default counts */
} admind_config_t;

/* Reads the file and checks what can be seen in it. NULL on error, with "file:line: what is wrong; what to write instead" on
 * 'error' (cap bytes). To be freed. */
admind_config_t *admind_config_read(const char *path, char *error, size_t cap);
/* The same from a text of len bytes, NUL-terminated beyond; it is cut into words. path is for messages. */
admind_config_t *admind_config_parse(const char *path, char *text, size_t len, char *error, size_t cap);
/* What is checked beyond the file itself: directories exist, are owned and closed as they must be, user exists, secrets readable
 * and tight. */
bool admind_config_check(admind_config_t *config, char *error, size_t cap);
void admind_config_free(admind_config_t **config);

/* The line of the file that set this key; 0 when the default counts. */
unsigned admind_config_line(const admind_config_t *config, const char *key);
/* "127.0.0.1:9860", "[::1]:9860" or "unix:PATH" as a socket address; false when it is none of these or not a loopback address. */
bool admind_config_address(const char *listen, struct sockaddr_storage *address, socklen_t *len);
/* What may be shown of a word: of a URL its scheme, host and port, for whatever else stands in it may be a secret; "..." where something is left
 * out of what is no URL, but could be meant as one. Of other words all, cut to the memory. */
#define ADMIND_SHOWN_BYTES 160
void admind_config_shown(char memory[ADMIND_SHOWN_BYTES], const char *word);
/* One Alert line: words[0] is the rule's name. why: "what is wrong; what to write instead". */
bool admind_config_alert(admind_config_t *config, char *const *words, size_t n_words, char *why, size_t cap);
/* One Forward line, all words behind the key. */
bool admind_config_forward(admind_config_t *config, char *const *words, size_t n_words, char *why, size_t cap);
/* Cuts header_text into headers. false: 'why' as above. */
bool admind_config_forward_headers(admind_forward_config_t *forward, char *why, size_t cap);
void admind_config_forward_clear(admind_forward_config_t *forward);
/* One Issuer line, all words behind the key. */
bool admind_config_issuer(admind_config_t *config, char *const *words, size_t n_words, char *why, size_t cap);
/* Where the issuer's keys are; false: the path is longer than cap. */
bool admind_config_issuer_dir(const admind_config_t *config, char *path, size_t cap);
/* Every rule at its default; false when memory ran out. */
bool admind_config_alert_defaults(admind_config_t *config);

#endif
