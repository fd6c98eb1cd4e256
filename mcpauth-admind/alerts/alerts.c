/* SPDX-License-Identifier: Apache-2.0 */
#include "alerts/alerts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "alerts/rules.h"
#include "log.h"

#define TICK_MS     1000
#define SECOND_US   ((int64_t)1000000)
#define ALERT_BYTES 8192 /* one alert in JSON, with every byte of its texts escaped */
#define PAIR_BYTES  (ADMIND_FAILURES_TIMES_MAX * 21 + 64)

/* ---- the receivers' and the metrics' side of a change */

static void count_firing(const admind_alerts_t *alerts)
{
    size_t total = admind_alertset_count(alerts->set);

    mcpa_metrics_reset(alerts->metrics, MCPA_METRIC_ALERTS_FIRING);
    for (size_t i = 0; i < ADMIND_RULE_COUNT; i++) {
        mcpa_str_t labels[] = { mcpa_str(alerts->rules[i].name), mcpa_str(alerts->rules[i].severity) };

        mcpa_metrics_set(alerts->metrics, MCPA_METRIC_ALERTS_FIRING, labels, 0);
    }
    for (size_t i = 0; i < total; i++) {
        const admind_alert_t *alert = admind_alertset_at(alerts->set, i);
        mcpa_str_t labels[] = { mcpa_str(alert->id.name), mcpa_str(alert->id.severity) };
        double before = mcpa_metrics_get(alerts->metrics, MCPA_METRIC_ALERTS_FIRING, labels);

        mcpa_metrics_set(alerts->metrics, MCPA_METRIC_ALERTS_FIRING, labels, before + (alert->firing ? 1 : 0));
    }
}

static void flush(void *ctx)
{
    admind_alerts_t *alerts = ctx;
    size_t total = admind_alertset_count(alerts->set);

    for (size_t i = 0; i < total; i++) {
        const admind_alert_t *alert = admind_alertset_at(alerts->set, i);

        if (alert->changed) {
            admind_log(alert->firing ? ADMIND_WARNING : ADMIND_NOTICE, alert->firing ? "MCPA2411" : "MCPA2412",
                       "alert %s %s (%s): %s", alert->id.name, alert->firing ? "fires" : "is resolved", alert->id.severity,
                       alert->summary);
        }
    }
    count_firing(alerts);
    admind_notify_changes(alerts->notify);
}

/* Several changes of one round go out together. */
static void flush_soon(admind_alerts_t *alerts)
{
    size_t total = admind_alertset_count(alerts->set);

    for (size_t i = 0; i < total; i++) {
        if (admind_alertset_at(alerts->set, i)->changed) {
            admind_timer_arm(alerts->flush_timer, 0);
            return;
        }
    }
}

static void on_tick(void *ctx)
{
    admind_alerts_t *alerts = ctx;
    admind_alert_facts_t facts = { 0 };

    if (alerts->facts != NULL) {
        alerts->facts(alerts->facts_ctx, &facts);
    }
    admind_rules_clock(alerts, admind_loop_wall_us(alerts->loop));
    admind_rules_evaluate(alerts);
    admind_rules_state(alerts, &facts, admind_loop_mono_us(alerts->loop));
    flush_soon(alerts);
    admind_timer_arm(alerts->timer, TICK_MS);
}

void admind_alerts_record(admind_alerts_t *alerts, const mcpa_record_t *record)
{
    int64_t wall_us = admind_loop_wall_us(alerts->loop);
    int64_t ts_us = record->ts == MCPA_RECORD_ABSENT || record->ts > wall_us ? wall_us : record->ts;

    admind_rules_clock(alerts, ts_us);
    if (alerts->now_us - alerts->evaluated_us >= SECOND_US) {
        admind_rules_evaluate(alerts);
        flush_soon(alerts);
    }
    if (admind_rules_record(alerts, record, ts_us)) {
        flush_soon(alerts);
    }
}

/* ---- the whole */

/* With defaults in place, so that a rule's texts are never NULL. */
static void copy_rules(admind_alerts_t *alerts, const admind_config_t *config)
{
    for (size_t i = 0; i < ADMIND_RULE_COUNT; i++) {
        const admind_rule_t *from = &config->rules[i];
        admind_alert_rule_t *to = &alerts->rules[i];

        snprintf(to->name, sizeof(to->name), "%s", from->name);
        snprintf(to->severity, sizeof(to->severity), "%s", from->severity != NULL ? from->severity : "warning");
        to->enabled = from->enabled;
        to->threshold = from->threshold;
        to->window_us = from->window_us;
        to->by_address = from->by_address;
        to->by_location = from->by_location;
    }
}

/* An empty table with this key in place of the old one, which stays where there is no memory. */
static bool make_failures(admind_alerts_t *alerts, const unsigned char key[16])
{
    const admind_alert_rule_t *rule = &alerts->rules[ADMIND_RULE_AUTH_FAILURES];
    admind_failures_t *fresh = admind_failures_new(rule->threshold, rule->window_us, key);

    if (fresh == NULL) {
        return false;
    }
    admind_failures_free(&alerts->failures);
    alerts->failures = fresh;
    memcpy(alerts->hash_key, key, sizeof(alerts->hash_key));
    return true;
}

admind_alerts_t *admind_alerts_new(admind_loop_t *loop, const admind_config_t *config, admind_fetcher_t *fetcher,
                                   admind_keys_t *keys, mcpa_metrics_t *metrics,
                                   void (*facts)(void *ctx, admind_alert_facts_t *facts), void *facts_ctx)
{
    admind_alerts_t *alerts = calloc(1, sizeof(*alerts));
    unsigned char key[16];

    if (alerts == NULL) {
        return NULL;
    }
    alerts->loop = loop;
    alerts->keys = keys;
    alerts->metrics = metrics;
    alerts->facts = facts;
    alerts->facts_ctx = facts_ctx;
    alerts->key_max_stale_us = config->key_max_stale_us;
    copy_rules(alerts, config);
    alerts->set = admind_alertset_new();
    alerts->timer = admind_timer_new(loop, on_tick, alerts);
    alerts->flush_timer = admind_timer_new(loop, flush, alerts);
    if (alerts->set == NULL || alerts->timer == NULL || alerts->flush_timer == NULL ||
        getentropy(key, sizeof(key)) != 0 || !make_failures(alerts, key)) {
        admind_alerts_free(&alerts);
        return NULL;
    }
    alerts->notify = admind_notify_new(loop, config, fetcher, metrics, alerts->set);
    if (alerts->notify == NULL) {
        admind_alerts_free(&alerts);
        return NULL;
    }
    count_firing(alerts);
    admind_timer_arm(alerts->timer, 0); /* before any child could report: what it lost until now is known then, and more is news */
    return alerts;
}

void admind_alerts_free(admind_alerts_t **alerts)
{
    if (*alerts == NULL) {
        return;
    }
    admind_notify_free(&(*alerts)->notify);
    admind_timer_free(&(*alerts)->timer);
    admind_timer_free(&(*alerts)->flush_timer);
    admind_failures_free(&(*alerts)->failures);
    admind_alertset_free(&(*alerts)->set);
    free(*alerts);
    *alerts = NULL;
}

/* ---- texts */

char *admind_alerts_print(const admind_alerts_t *alerts)
{
    size_t total = admind_alertset_count(alerts->set), cap = (total + 1) * ALERT_BYTES;
    char *memory = malloc(cap);
    mcpa_jsonw_t w;
    mcpa_out_t out;

    if (memory == NULL) {
        return NULL;
    }
    mcpa_out_init(&out, memory, cap);
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_open_array(&w, "alerts");
    for (size_t i = 0; i < total; i++) {
        admind_alert_print(&w, admind_alertset_at(alerts->set, i));
    }
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_close_object(&w);
    return memory;
}

char *admind_alerts_save(const admind_alerts_t *alerts)
{
    size_t cap = (admind_alertset_count(alerts->set) + 1) * ALERT_BYTES + (size_t)ADMIND_FAILURES_SAVED_MAX * PAIR_BYTES;
    char *memory = malloc(cap), *fitting, key[33];
    mcpa_jsonw_t w;
    mcpa_out_t out;

    if (memory == NULL) {
        return NULL;
    }
    mcpa_hex(key, alerts->hash_key, sizeof(alerts->hash_key));
    mcpa_out_init(&out, memory, cap);
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_z(&w, "hash_key", key);
    mcpa_jsonw_int(&w, "now", alerts->now_us);
    mcpa_jsonw_int(&w, "window", alerts->rules[ADMIND_RULE_AUTH_FAILURES].window_us);
    mcpa_jsonw_u64(&w, "audit_lost", alerts->lost_total);
    mcpa_jsonw_bool(&w, "audit_lost_known", alerts->lost_known);
    admind_alertset_save(alerts->set, &w, "alerts");
    admind_failures_save(alerts->failures, &w, "failures", alerts->now_us);
    mcpa_jsonw_close_object(&w);
    fitting = realloc(memory, out.len + 1);
    return fitting != NULL ? fitting : memory;
}

static bool read_key(unsigned char key[16], mcpa_str_t hex)
{
    static const char digits[] = "0123456789abcdef";

    if (hex.len != 32) {
        return false;
    }
    for (size_t i = 0; i < 16; i++) {
        const char *high = memchr(digits, hex.ptr[2 * i], 16), *low = memchr(digits, hex.ptr[2 * i + 1], 16);

        if (high == NULL || low == NULL) {
            return false;
        }
        key[i] = (unsigned char)((high - digits) << 4 | (low - digits));
    }
    return true;
}

void admind_alerts_load(admind_alerts_t *alerts, const mcpa_json_t *saved)
{
    unsigned char key[16];
    int64_t lost = 0;

    admind_alertset_load(alerts->set, mcpa_json_member(saved, "alerts"));
    mcpa_json_integer(mcpa_json_member(saved, "now"), &alerts->now_us);
    alerts->evaluated_us = alerts->now_us;
    if (mcpa_json_true(mcpa_json_member(saved, "audit_lost_known")) &&
        mcpa_json_integer(mcpa_json_member(saved, "audit_lost"), &lost)) {
        alerts->lost_total = (uint64_t)lost;
        alerts->lost_known = true;
    }
    if (!read_key(key, mcpa_json_string(mcpa_json_member(saved, "hash_key")))) {
        return;
    }
    if (make_failures(alerts, key)) {
        admind_failures_load(alerts->failures, mcpa_json_member(saved, "failures"));
        admind_rules_pin(alerts);
    } else {
        admind_log(ADMIND_ERR, "MCPA2413", "out of memory: authentication failures before this start do not count");
    }
    count_firing(alerts);
}
