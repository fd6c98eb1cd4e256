/* SPDX-License-Identifier: Apache-2.0 */
/* mcpauthctl: what its commands share. Tables for people on a terminal, JSON for programs; text that came from outside is shown with its control characters
 * escaped. Exit statuses are a contract. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdio.h>

#include "base/bytes.h"
#include "base/json.h"
#include "policy/snapshot.h"

typedef enum ctl_exit { CTL_GOOD = 0, CTL_BAD = 1, CTL_USAGE = 2, CTL_UNREACHABLE = 3 } ctl_exit_t;

/* What the command line said; strings borrow from argv or the configuration. NULL or false: not said. */
typedef struct ctl {
    const char *url;         /* of the daemon: "http://..." or "unix:PATH" */
    const char *config;      /* the daemon's configuration file */
    const char *token_file;  /* admin token; for explain and probe: an access token */
    const char *journal_dir;
    bool json;
    /* audit */
    const char *subject, *client, *address, *location, *reason, *decision, *tool, *status, *request_id, *token_hash, *event;
    const char *since, *until, *limit, *period, *html;
    bool all;
    const char *method; /* explain too */
#define CTL_MANY 65 /* options that may be given again and again; the last one stays NULL */
    const char *seal_keys[CTL_MANY], *anchors[CTL_MANY];
    /* explain */
    const char *vhost, *policy, *keys, *origin, *at, *body;
    const char *headers[CTL_MANY];
    /* probe; origin and limit too */
    const char *low_token_file, *wrong_audience_token_file, *expired_token_file, *ca, *max_body;
    bool no_issuer;
    /* gates; ca and no_issuer too */
    const char *prometheus;
    bool probe;
    /* token; subject, client, location and others too */
    const char *audience, *scope, *lifetime;
    const char *claims[CTL_MANY];
    const char *words[2];    /* what is no option, behind the command */
    size_t n_words;
    /* found out */
    const char *state_dir;
    const char *issuer, *issuer_dir; /* of the configuration; NULL: it has none */
    bool colour;             /* stdout is a terminal and NO_COLOR is not set */
} ctl_t;

/* client.c */
typedef struct ctl_server {
    const char *url;    /* "http://..." or "unix:PATH" */
    const char *secret; /* sent as a bearer token; NULL: none */
    const char *ca;     /* certificates to trust; NULL: the system's */
    const char *name;   /* in sentences: "the daemon" */
} ctl_server_t;
/* GET path. CTL_GOOD: *body (malloc'd, NUL-terminated) and *status; CTL_UNREACHABLE: error (cap bytes) says why. */
ctl_exit_t ctl_fetch(const ctl_server_t *server, const char *path, char **body, long *status, char *error, size_t cap);
/* The same, parsed. CTL_BAD, with a sentence: another status than 200, or what is not a JSON object with this member, so that something else listens
 * there. */
ctl_exit_t ctl_fetch_json(const ctl_server_t *server, const char *path, const char *member, char **body, mcpa_json_t **json, char *error,
                          size_t cap);
/* Of the daemon: GET path. CTL_GOOD: *body (malloc'd, NUL-terminated) and *status. Else it has complained. */
ctl_exit_t ctl_get(const ctl_t *ctl, const char *path, char **body, long *status);
/* The same, parsed, as by ctl_fetch_json. */
ctl_exit_t ctl_get_json(const ctl_t *ctl, const char *path, const char *member, char **body, mcpa_json_t **json);
/* The first line of a file, or of stdin for "-"; malloc'd. NULL: it has complained. */
char *ctl_read_secret(const char *path);

/* An access token from there, which is not to be in argv. NULL: it has complained. */
char *ctl_read_token(const char *path);

/* policy.c: the policy snapshot of --policy, or of the state directory; path (4096 bytes): where it is looked for. NULL: error says why. */
mcpa_snapshot_t *ctl_policy_read(const ctl_t *ctl, char path[4096], char *error, size_t cap);

/* table.c */
typedef enum ctl_colour { CTL_PLAIN = 0, CTL_GREEN, CTL_RED, CTL_YELLOW, CTL_BOLD } ctl_colour_t;
typedef struct ctl_table ctl_table_t;
ctl_table_t *ctl_table_new(const char *const *titles); /* NULL-terminated; NULL when memory ran out */
void ctl_table_cell(ctl_table_t *table, mcpa_str_t text, ctl_colour_t colour); /* the next one, row by row; absent and empty: "-" */
void ctl_table_print(const ctl_table_t *table, bool colour); /* to stdout */
void ctl_table_print_rows(const ctl_table_t *table, bool colour); /* without the titles */
void ctl_table_free(ctl_table_t **table);
/* Client strings must not drive the terminal: C0 and C1 controls, DEL, line and paragraph separators, marks of direction and broken UTF-8 come
 * out as \xNN. Returns columns, one a character. */
size_t ctl_escape(mcpa_out_t *out, mcpa_str_t text);
/* One line to stderr. */
void ctl_complain(const char *format, ...) MCPA_PRINTF(1, 2);
/* One text with its control characters escaped, coloured if wanted. */
void ctl_print_text(FILE *to, mcpa_str_t text);
const char *ctl_colour_on(bool colour, ctl_colour_t which);
const char *ctl_colour_off(bool colour);
/* "3 min ago", "in 2 h" */
void ctl_print_ago(char memory[40], int64_t unix_s, int64_t now_s);

/* times.c: "2026-11-21T09:00:00Z", "2026-11-21", or a duration that lies back: "10min". */
bool ctl_parse_time(const char *text, int64_t now_us, int64_t *unix_us);

/* the commands */
ctl_exit_t ctl_status(const ctl_t *ctl), ctl_keys(const ctl_t *ctl), ctl_alerts(const ctl_t *ctl), ctl_metrics(const ctl_t *ctl);
ctl_exit_t ctl_audit(const ctl_t *ctl), ctl_audit_verify(const ctl_t *ctl), ctl_audit_seal(const ctl_t *ctl), ctl_audit_report(const ctl_t *ctl);
ctl_exit_t ctl_explain(const ctl_t *ctl), ctl_token(const ctl_t *ctl), ctl_probe(const ctl_t *ctl), ctl_gates(const ctl_t *ctl);

#endif
