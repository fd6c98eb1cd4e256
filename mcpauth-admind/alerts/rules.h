/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of alerts/: the state and the built-in rules, one function each, pure over (state, record or facts, time). alerts.c gives them the loop's time. */
#ifndef ADMIND_RULES_H
#define ADMIND_RULES_H

#include "alerts/alerts.h"
#include "alerts/alertset.h"
#include "alerts/failures.h"
#include "alerts/notify.h"

#define ADMIND_LOST_SAMPLES 32 /* of the loss counter, spread over the window */

typedef struct admind_alert_rule {
    char name[32], severity[12];
    bool enabled, by_address, by_location;
    int64_t threshold, window_us;
} admind_alert_rule_t;

struct admind_alerts {
    admind_loop_t *loop;
    admind_keys_t *keys;
    mcpa_metrics_t *metrics;
    void (*facts)(void *ctx, admind_alert_facts_t *facts);
    void *facts_ctx;
    admind_timer_t *timer, *flush_timer;
    admind_notify_t *notify;
    admind_alert_rule_t rules[ADMIND_RULE_COUNT];
    int64_t key_max_stale_us;

    admind_alertset_t *set;
    unsigned char hash_key[16]; /* kept in the checkpoint: the same records meet the same table */
    admind_failures_t *failures;
    int64_t now_us;             /* the latest record or tick, whichever is later: never runs back */
    int64_t evaluated_us;
    bool lost_known;
    uint64_t lost_total;        /* as last seen */
    struct {
        int64_t at_us;
        uint64_t total;
    } lost[ADMIND_LOST_SAMPLES]; /* ring, oldest at lost_next */
    size_t lost_next, lost_count;
};

/* How long a condition must stay low before its alert resolves, and within which time four changes are flapping. Both follow from the window, so that rules with
 * short windows are quick all over. */
static inline int64_t admind_rules_hold_us(const admind_alert_rule_t *rule)
{
    const int64_t longest = (int64_t)300 * 1000000;

    return rule->window_us < longest ? rule->window_us : longest;
}
static inline int64_t admind_rules_flap_us(const admind_alert_rule_t *rule)
{
    return 12 * rule->window_us; /* an hour for the default of five minutes */
}

void admind_rules_clock(admind_alerts_t *alerts, int64_t now_us);
/* auth_failures: one more record. True when something changed. */
bool admind_rules_record(admind_alerts_t *alerts, const mcpa_record_t *record, int64_t ts_us);
/* auth_failures: who has become quiet by alerts->now_us. */
void admind_rules_evaluate(admind_alerts_t *alerts);
/* keys_stale, audit_lost, module_silent, rotation_due. */
void admind_rules_state(admind_alerts_t *alerts, const admind_alert_facts_t *facts, int64_t mono_us);
/* After loading: the pairs whose alerts fire stay in the table. */
void admind_rules_pin(admind_alerts_t *alerts);

#endif
