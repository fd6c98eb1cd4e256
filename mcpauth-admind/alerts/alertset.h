/* SPDX-License-Identifier: Apache-2.0 */
/* The alerts there are: each an identity (rule, severity, labels), firing or resolved, with hysteresis, flap control and a ceiling on their number. Pure: time is
 * an argument, so the same calls with the same times give the same alerts.
 *
 *   (nothing) --above--> firing --below for 'hold'--> resolved --above--> firing
 *                          |  four changes within 'flap window': stays firing, "flapping", until the changes are that long ago
 *   resolved --longer ago than it is shown, told and counted--> (nothing) */
#ifndef ADMIND_ALERTSET_H
#define ADMIND_ALERTSET_H

#include "base/bytes.h"
#include "base/json.h"

#define ADMIND_ALERTS_FIRING_MAX 500  /* more at once tell nobody more: one "alert_storm" stands for the rest */
#define ADMIND_ALERTS_RESOLVED_MAX 500
#define ADMIND_ALERTS_FLAPS 4
#define ADMIND_ALERTS_TELL_US ((int64_t)300 * 1000000) /* resolved alerts are re-sent to Alertmanager for so long */
#define ADMIND_ALERTS_STORM "alert_storm"
#define ADMIND_LABEL_BYTES 256

/* Who it is about. Labels are stable and few in kind; "" is absent. */
typedef struct admind_alert_id {
    char name[32];
    char severity[12];
    char address[64];
    char location[ADMIND_LABEL_BYTES];
    char issuer[ADMIND_LABEL_BYTES];
} admind_alert_id_t;

typedef struct admind_alert {
    admind_alert_id_t id;
    char fingerprint[17];   /* 64 bits of SHA-256 over the identity, hex: the same over restarts and machines */
    char summary[384];
    int64_t value;
    bool firing, flapping;
    int64_t starts_us;
    int64_t ends_us;        /* 0 while firing */
    int64_t raised_us;      /* when we found out, which for records that come late is after starts_us */
    int64_t low_since_us;   /* since when the condition is below its lower bound; 0: it is not */
    int64_t changes_us[ADMIND_ALERTS_FLAPS]; /* ring of the last changes between firing and resolved */
    uint32_t next_change;
    int64_t flap_window_us;
    bool changed;           /* not handed to the receivers yet; whoever does clears it */
} admind_alert_t;

typedef struct admind_alertset admind_alertset_t;

admind_alertset_t *admind_alertset_new(void);
void admind_alertset_free(admind_alertset_t **set);
/* The condition holds since start_us: the alert fires (if it did not yet). NULL when there are too many; that is counted in the storm. The caller
 * fills summary and value. */
admind_alert_t *admind_alertset_raise(admind_alertset_t *set, const admind_alert_id_t *id, int64_t flap_window_us, int64_t start_us, int64_t now_us);
/* The condition is below its lower bound since below_since_us (0: it is not): once that, and the raising, are 'hold' ago, the alert is resolved, with
 * that moment as its end. Nothing happens to one that is resolved. */
void admind_alertset_lower(admind_alertset_t *set, admind_alert_t *alert, int64_t below_since_us, int64_t hold_us, int64_t now_us);
/* Forgets what was resolved long ago and settles the storm. To be called now and then. */
void admind_alertset_tick(admind_alertset_t *set, int64_t now_us);

admind_alert_t *admind_alertset_find(const admind_alertset_t *set, const admind_alert_id_t *id); /* NULL: never fired, or forgotten */
size_t admind_alertset_count(const admind_alertset_t *set); /* firing and resolved */
admind_alert_t *admind_alertset_at(const admind_alertset_t *set, size_t index); /* in order of first firing */

/* One alert as /alerts and webhooks show it; endsAt is null while it fires. */
void admind_alert_print(mcpa_jsonw_t *w, const admind_alert_t *alert);
/* One alert of Alertmanager's POST /api/v2/alerts: labels are the identity, everything that changes is an annotation. */
void admind_alert_print_alertmanager(mcpa_jsonw_t *w, const admind_alert_t *alert, const char *instance, int64_t ends_us);
/* {"alerts":[..]} of all marked 'changed', for webhooks (but for what was over long before now_us: a replay of old records is no news); and the array for Alertmanager: what fires (ending at ahead_us), and what resolved at most
 * ADMIND_ALERTS_TELL_US ago. The text is in 'out' and its memory to be freed; NULL when there is nothing to tell or memory ran out. */
char *admind_alertset_print_changes(const admind_alertset_t *set, mcpa_out_t *out, int64_t now_us);
char *admind_alertset_print_state(const admind_alertset_t *set, mcpa_out_t *out, const char *instance, int64_t now_us, int64_t ahead_us);
/* For the checkpoint, as a member 'name', and back. */
void admind_alertset_save(const admind_alertset_t *set, mcpa_jsonw_t *w, const char *name);
/* Adds an alert as it was, without telling anybody; the caller fills the rest. NULL when it is there already or there is no room. */
admind_alert_t *admind_alertset_restore(admind_alertset_t *set, const admind_alert_id_t *id, bool firing);
void admind_alertset_load(admind_alertset_t *set, const mcpa_json_t *saved);

#endif
