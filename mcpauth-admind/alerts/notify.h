/* SPDX-License-Identifier: Apache-2.0 */
/* Telling others. Alertmanager (API v2) is told the state: all that fires, every minute, with an end four minutes ahead, and what resolved for five minutes more;
 * what gets lost on the way is made good by the next one, so nothing queues. Webhooks are told the changes: each message is queued (bounded), signed
 * as Standard Webhooks says, and tried again with back-off until it is taken, refused for good, or a day old. */
#ifndef ADMIND_NOTIFY_H
#define ADMIND_NOTIFY_H

#include "alerts/alertset.h"
#include "config.h"
#include "keys/fetch.h"
#include "loop.h"
#include "wire/metric.h"

#define ADMIND_NOTIFY_AGE_US ((int64_t)24 * 3600 * 1000000)
#define ADMIND_NOTIFY_REPEAT_US ((int64_t)60 * 1000000)
#define ADMIND_NOTIFY_AHEAD_US ((int64_t)240 * 1000000)
#define ADMIND_NOTIFY_BACKOFF_US ((int64_t)300 * 1000000)

typedef struct admind_notify admind_notify_t;

/* alerts: borrowed, read whenever Alertmanager is told. */
admind_notify_t *admind_notify_new(admind_loop_t *loop, const admind_config_t *config, admind_fetcher_t *fetcher, mcpa_metrics_t *metrics,
                                   admind_alertset_t *alerts);
void admind_notify_free(admind_notify_t **notify); /* drops what waits */
/* Hands every alert marked 'changed' to the receivers and unmarks it. */
void admind_notify_changes(admind_notify_t *notify);
/* Webhook messages that wait, over all receivers. */
size_t admind_notify_waiting(const admind_notify_t *notify);

/* Standard Webhooks 1.0: "v1," and the base64 of HMAC-SHA256 over "<id>.<timestamp>.<body>". A secret "whsec_<base64>" stands for the bytes it encodes,
 * any other for itself. False when memory ran out or cap (>= 64) is too small. */
bool admind_notify_sign(char *memory, size_t cap, mcpa_str_t secret, const char *id, int64_t timestamp_s, mcpa_str_t body);
/* What to do with an answer. Pure. */
typedef enum admind_delivery { ADMIND_DELIVERED, ADMIND_RETRY, ADMIND_GIVE_UP } admind_delivery_t;
admind_delivery_t admind_notify_judge(long status); /* 0: no answer */

#endif
