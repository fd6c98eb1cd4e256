/* SPDX-License-Identifier: Apache-2.0 */
#include "alerts/rules.h"

#include <stdio.h>

#include "policy/reason.h"

#define SECOND_US  ((int64_t)1000000)
#define NO_KEYS_US (60 * SECOND_US) /* a provider may be restarting; after that, somebody should look */

void admind_rules_clock(admind_alerts_t *alerts, int64_t now_us)
{
    alerts->now_us = now_us > alerts->now_us ? now_us : alerts->now_us;
}

static admind_alert_id_t id_of(const admind_alert_rule_t *rule)
{
    admind_alert_id_t id = { 0 };

    snprintf(id.name, sizeof(id.name), "%s", rule->name);
    snprintf(id.severity, sizeof(id.severity), "%s", rule->severity);
    return id;
}

/* "5 min", "90 s", "24 h" */
static const char *duration(char memory[32], int64_t us)
{
    int64_t s = us / SECOND_US;

    if (s % 3600 == 0 && s >= 3600) {
        snprintf(memory, 32, "%lld h", (long long)(s / 3600));
    } else if (s % 60 == 0 && s >= 60) {
        snprintf(memory, 32, "%lld min", (long long)(s / 60));
    } else {
        snprintf(memory, 32, "%lld s", (long long)s);
    }
    return memory;
}

/* ---- auth_failures */

/* The pair as the table knows it: "<address>\0<location>". */
static mcpa_str_t pair_of(char memory[64 + ADMIND_LABEL_BYTES], const admind_alert_id_t *id)
{
    size_t address = strlen(id->address), location = strlen(id->location);

    memcpy(memory, id->address, address + 1);
    memcpy(memory + address + 1, id->location, location);
    return (mcpa_str_t){ memory, address + 1 + location };
}

static bool is_guess(const mcpa_record_t *record)
{
    return record->event.ptr == NULL && record->reason.ptr != NULL &&
           mcpa_reason_row(mcpa_reason_find(record->reason))->failure == MCPA_FAILURE_GUESS;
}

static bool is_of(const admind_alert_t *alert, const admind_alert_rule_t *rule)
{
    return strcmp(alert->id.name, rule->name) == 0;
}

/* Resolves the alert if its pair has been quiet for long enough by alerts->now_us. */
static void settle_pair(admind_alerts_t *alerts, admind_alert_t *alert)
{
    const admind_alert_rule_t *rule = &alerts->rules[ADMIND_RULE_AUTH_FAILURES];
    char pair[64 + ADMIND_LABEL_BYTES];
    int64_t since_us = INT64_MIN;

    if (alerts->failures != NULL && rule->enabled) {
        since_us = admind_failures_low_since(alerts->failures, pair_of(pair, &alert->id), rule->threshold / 2);
    }
    since_us = since_us == INT64_MIN ? alert->raised_us : since_us; /* fallen out of the table: nothing speaks for it any more */
    admind_alertset_lower(alerts->set, alert, since_us <= alerts->now_us ? since_us : 0, admind_rules_hold_us(rule),
                          alerts->now_us);
    if (!alert->firing && alerts->failures != NULL) {
        admind_failures_pin(alerts->failures, pair_of(pair, &alert->id), false);
    }
}

void admind_rules_evaluate(admind_alerts_t *alerts)
{
    const admind_alert_rule_t *rule = &alerts->rules[ADMIND_RULE_AUTH_FAILURES];

    alerts->evaluated_us = alerts->now_us;
    for (size_t i = 0; i < admind_alertset_count(alerts->set); i++) {
        admind_alert_t *alert = admind_alertset_at(alerts->set, i);

        if (alert->firing && is_of(alert, rule)) {
            settle_pair(alerts, alert);
        }
    }
    admind_alertset_tick(alerts->set, alerts->now_us);
}

static admind_alert_id_t id_of_record(const admind_alert_rule_t *rule, const mcpa_record_t *record)
{
    admind_alert_id_t id = id_of(rule);

    if (rule->by_address) {
        admind_failures_address(id.address, record->ip);
    }
    if (rule->by_location) {
        snprintf(id.location, sizeof(id.location), "%.*s", MCPA_STR_ARG(record->location));
    }
    return id;
}

bool admind_rules_record(admind_alerts_t *alerts, const mcpa_record_t *record, int64_t ts_us)
{
    const admind_alert_rule_t *rule = &alerts->rules[ADMIND_RULE_AUTH_FAILURES];
    char pair[64 + ADMIND_LABEL_BYTES], window[32];
    admind_alert_id_t id;
    admind_alert_t *alert;
    bool over, was_firing;

    if (!rule->enabled || alerts->failures == NULL || !is_guess(record)) {
        return false;
    }
    id = id_of_record(rule, record);
    alert = admind_alertset_find(alerts->set, &id);
    if (alert != NULL && alert->firing) {
        settle_pair(alerts, alert); /* first, so that the outcome does not depend on when somebody looked last */
    }
    over = admind_failures_add(alerts->failures, pair_of(pair, &id), ts_us);
    was_firing = alert != NULL && alert->firing;
    if (was_firing) {
        alert->value++;
        return false;
    }
    if (!over) {
        return alert != NULL && alert->changed;
    }
    alert = admind_alertset_raise(alerts->set, &id, admind_rules_flap_us(rule), ts_us, alerts->now_us);
    if (alert == NULL) {
        return true; /* the storm may have changed */
    }
    alert->value = rule->threshold + 1;
    snprintf(alert->summary, sizeof(alert->summary), "More than %lld authentication failures in %s%s%s%s%s",
             (long long)rule->threshold, duration(window, rule->window_us), rule->by_address ? " from " : "", id.address,
             rule->by_location ? " on " : "", id.location);
    admind_failures_pin(alerts->failures, pair_of(pair, &id), true);
    return true;
}

void admind_rules_pin(admind_alerts_t *alerts)
{
    const admind_alert_rule_t *rule = &alerts->rules[ADMIND_RULE_AUTH_FAILURES];
    char pair[64 + ADMIND_LABEL_BYTES];

    for (size_t i = 0; i < admind_alertset_count(alerts->set); i++) {
        const admind_alert_t *alert = admind_alertset_at(alerts->set, i);

        if (alert->firing && is_of(alert, rule)) {
            admind_failures_pin(alerts->failures, pair_of(pair, &alert->id), true);
        }
    }
}

/* ---- rules over the daemon's own state: they fire and resolve at once, their windows are slow enough */

static void settle(admind_alerts_t *alerts, const admind_alert_id_t *id, const admind_alert_rule_t *rule, bool holds,
                   int64_t value, const char *summary)
{
    admind_alert_t *alert;

    if (!holds || !rule->enabled) {
        alert = admind_alertset_find(alerts->set, id);
        if (alert != NULL && alert->firing) {
            admind_alertset_lower(alerts->set, alert, alerts->now_us, 0, alerts->now_us);
        }
        return;
    }
    alert = admind_alertset_raise(alerts->set, id, admind_rules_flap_us(rule), alerts->now_us, alerts->now_us);
    if (alert != NULL) {
        alert->value = value;
        snprintf(alert->summary, sizeof(alert->summary), "%s", summary);
    }
}

/* Too soon after a start to judge: the first fetch may be on its way, whatever was loaded from disk. */
static bool is_in_grace(const admind_alerts_t *alerts, const admind_alert_rule_t *rule, const admind_issuer_view_t *view)
{
    return alerts->now_us - view->known_since_us <= (rule->window_us < NO_KEYS_US ? rule->window_us : NO_KEYS_US);
}

static int64_t age_us(const admind_alerts_t *alerts, const admind_issuer_view_t *view)
{
    return alerts->now_us - (view->fetched_us != 0 ? view->fetched_us : view->known_since_us);
}

/* The severity an issuer's keys deserve at the moment, or NULL when they are fine. */
static const char *judge_keys(const admind_alerts_t *alerts, const admind_alert_rule_t *rule, const admind_issuer_view_t *view,
                              char summary[384])
{
    const char *why = view->last_error[0] != '\0' ? view->last_error : "no fetch has ended yet";
    char text[32];

    if (is_in_grace(alerts, rule, view)) {
        return NULL;
    }
    if (view->set == NULL) {
        snprintf(summary, 384, "No usable keys of %.200s: its tokens are answered with 503 (%.120s)", view->issuer, why);
        return "critical";
    }
    if (age_us(alerts, view) <= rule->window_us) {
        return NULL;
    }
    snprintf(summary, 384, "The keys of %.200s were not refreshed for more than %s (%.100s)", view->issuer,
             duration(text, rule->window_us), why);
    return age_us(alerts, view) >= alerts->key_max_stale_us / 5 * 4 ? "critical" : rule->severity;
}

static bool is_fetched(const admind_issuer_view_t *view)
{
    return view->source == MCPA_KEYS_DISCOVER || view->source == MCPA_KEYS_URL;
}

/* Whether the issuer is still in the policy and its alert still has the right severity. */
static bool is_current(const admind_alerts_t *alerts, const admind_alert_rule_t *rule, const admind_alert_id_t *id)
{
    admind_issuer_view_t view;
    char summary[384], issuer[ADMIND_LABEL_BYTES];
    const char *severity;

    for (size_t i = 0; admind_keys_view(alerts->keys, i, &view); i++) {
        snprintf(issuer, sizeof(issuer), "%s", view.issuer);
        if (is_fetched(&view) && strcmp(issuer, id->issuer) == 0) {
            severity = judge_keys(alerts, rule, &view, summary);
            if (is_in_grace(alerts, rule, &view)) {
                return true; /* an alert from before a restart goes on until there is something to judge by */
            }
            return severity != NULL && strcmp(severity, id->severity) == 0;
        }
    }
    return false;
}

static void judge_issuers(admind_alerts_t *alerts)
{
    const admind_alert_rule_t *rule = &alerts->rules[ADMIND_RULE_KEYS_STALE];
    admind_issuer_view_t view;
    char summary[384];

    for (size_t i = 0; i < admind_alertset_count(alerts->set); i++) {
        const admind_alert_t *alert = admind_alertset_at(alerts->set, i);

        if (alert->firing && is_of(alert, rule) && !is_current(alerts, rule, &alert->id)) {
            settle(alerts, &alert->id, rule, false, 0, "");
        }
    }
    for (size_t i = 0; admind_keys_view(alerts->keys, i, &view); i++) {
        admind_alert_id_t id = id_of(rule);
        const char *severity = is_fetched(&view) ? judge_keys(alerts, rule, &view, summary) : NULL;

        if (severity != NULL) {
            snprintf(id.issuer, sizeof(id.issuer), "%s", view.issuer);
            snprintf(id.severity, sizeof(id.severity), "%s", severity);
            settle(alerts, &id, rule, true, age_us(alerts, &view) / SECOND_US, summary);
        }
    }
}

/* Records lost within the window, from samples of the counter. */
static uint64_t lost_lately(admind_alerts_t *alerts, uint64_t total, int64_t window_us)
{
    size_t newest = (alerts->lost_next + ADMIND_LOST_SAMPLES - 1) % ADMIND_LOST_SAMPLES;
    uint64_t base;

    if (!alerts->lost_known || total < alerts->lost_total) { /* first look, or the count began anew */
        alerts->lost_count = 0;
        alerts->lost_known = true;
        alerts->lost_total = total;
    }
    if (alerts->lost_count == 0 || alerts->now_us - alerts->lost[newest].at_us >= window_us / (ADMIND_LOST_SAMPLES - 2)) {
        alerts->lost[alerts->lost_next].at_us = alerts->now_us;
        alerts->lost[alerts->lost_next].total = alerts->lost_total; /* before this look */
        alerts->lost_next = (alerts->lost_next + 1) % ADMIND_LOST_SAMPLES;
        alerts->lost_count += alerts->lost_count < ADMIND_LOST_SAMPLES ? 1 : 0;
    }
    alerts->lost_total = total;
    base = total;
    for (size_t i = 1; i <= alerts->lost_count; i++) { /* back to the oldest sample within the window */
        size_t at = (alerts->lost_next + ADMIND_LOST_SAMPLES - i) % ADMIND_LOST_SAMPLES;

        if (alerts->now_us - alerts->lost[at].at_us > window_us) {
            break;
        }
        base = alerts->lost[at].total;
    }
    return total - base;
}

static void judge_rotation(admind_alerts_t *alerts, const admind_alert_facts_t *facts)
{
    const admind_alert_rule_t *rule = &alerts->rules[ADMIND_RULE_ROTATION_DUE];
    admind_alert_id_t id = id_of(rule);
    const admind_issuer_state_t *issuer = &facts->issuer;
    int64_t slack_us = issuer->has_key ? issuer->rotate_us + rule->window_us : NO_KEYS_US;
    char summary[384], text[32];

    if (issuer->has_key) {
        snprintf(summary, sizeof(summary), "The local issuer's key should have been rotated after %s and was not: see the daemon's log",
                 duration(text, issuer->rotate_us));
    } else {
        snprintf(summary, sizeof(summary), "The local issuer has no key to sign with: see the daemon's log");
    }
    settle(alerts, &id, rule, facts->has_issuer && issuer->age_us > slack_us, issuer->age_us / SECOND_US, summary);
}

void admind_rules_state(admind_alerts_t *alerts, const admind_alert_facts_t *facts, int64_t mono_us)
{
    const admind_alert_rule_t *lost = &alerts->rules[ADMIND_RULE_AUDIT_LOST], *silent = &alerts->rules[ADMIND_RULE_MODULE_SILENT];
    admind_alert_id_t lost_id = id_of(lost), silent_id = id_of(silent);
    uint64_t n = lost_lately(alerts, facts->audit_lost, lost->window_us);
    const admind_alert_t *fired = admind_alertset_find(alerts->set, &silent_id);
    int64_t silence_us = facts->links == 0 && facts->links_zero_since_us != 0 ? mono_us - facts->links_zero_since_us : 0;
    /* What fired before a restart of ours goes on until a child comes back. */
    bool is_silent = silence_us > silent->window_us || (facts->links == 0 && fired != NULL && fired->firing);
    char summary[384], text[32];

    judge_issuers(alerts);
    judge_rotation(alerts, facts);
    snprintf(summary, sizeof(summary), "%llu audit records were lost within %s: the spool was full or could not be written",
             (unsigned long long)n, duration(text, lost->window_us));
    settle(alerts, &lost_id, lost, n > (uint64_t)lost->threshold, (int64_t)n, summary);
    /* Without issuers there is no policy, and so no module that could be silent. */
    snprintf(summary, sizeof(summary),
             "No httpd child has been connected for more than %s: requests are not audited here, keys are not told",
             duration(text, silent->window_us));
    settle(alerts, &silent_id, silent, is_silent && admind_keys_count(alerts->keys) > 0, silence_us / SECOND_US, summary);
}
