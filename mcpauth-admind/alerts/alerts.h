/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts: rules over the audit stream and over the daemon's own state; firing and resolving with hysteresis; handed to notify.h. */
#ifndef ADMIND_ALERTS_H
#define ADMIND_ALERTS_H

#include "config.h"
#include "issuer/issuer.h"
#include "keys/fetch.h"
#include "keys/keys.h"
#include "loop.h"
#include "wire/metric.h"
#include "wire/record.h"

typedef struct admind_alerts admind_alerts_t;

/* What the state rules look at, asked every few seconds. */
typedef struct admind_alert_facts {
    size_t links;
    int64_t links_zero_since_us; /* monotonic; 0 when children are linked */
    uint64_t audit_lost;         /* total reported by children */
    bool has_issuer;             /* of our own; then: */
    admind_issuer_state_t issuer;
} admind_alert_facts_t;

admind_alerts_t *admind_alerts_new(admind_loop_t *loop, const admind_config_t *config, admind_fetcher_t *fetcher, admind_keys_t *keys,
                                   mcpa_metrics_t *metrics, void (*facts)(void *ctx, admind_alert_facts_t *facts), void *facts_ctx);
void admind_alerts_free(admind_alerts_t **alerts);
/* Every record that went into the journal, in order; record time is what counts, so a replay gives the same alerts. */
void admind_alerts_record(admind_alerts_t *alerts, const mcpa_record_t *record);
/* {"alerts":[{"name","state","severity","labels":{..},"summary","value","startsAt","endsAt"}]}; free(); NULL when memory ran out. */
char *admind_alerts_print(const admind_alerts_t *alerts);
/* State for the checkpoint as JSON text (free()), and back. */
char *admind_alerts_save(const admind_alerts_t *alerts);
void admind_alerts_load(admind_alerts_t *alerts, const mcpa_json_t *saved);

#endif
