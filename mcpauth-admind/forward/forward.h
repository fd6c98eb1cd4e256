/* SPDX-License-Identifier: Apache-2.0 */
/* Sends the journal on: to syslog receivers and OpenTelemetry collectors, each at its own pace, each with its own cursor (forward/cursor.h).
 *
 *   journal -> source (committed lines only) -> batch -> sender -> taken? -> cursor
 *
 * At least once: what a receiver was not seen to take is sent again, after an outage of the receiver or of this daemon; instance and seq tell
 * repetitions. A batch is made in small slices between the loop's other work, one stands at a time for each receiver, and a receiver that does
 * not take it costs nothing but its own backlog, which is the journal itself. One thread, the loop's. */
#ifndef ADMIND_FORWARD_FORWARD_H
#define ADMIND_FORWARD_FORWARD_H

#include "audit/journal.h"
#include "config.h"
#include "loop.h"
#include "wire/metric.h"

typedef struct admind_forward admind_forward_t;

/* All borrowed. Where the cursors stand is read: an error there is one of the start. At first use they are written; what cannot be is tried again
 * every second. NULL: error (cap bytes) says why. */
admind_forward_t *admind_forward_new(admind_loop_t *loop, const admind_config_t *config, const admind_journal_t *journal,
                                     mcpa_metrics_t *metrics, char *error, size_t cap);
/* Writes the cursors. */
void admind_forward_free(admind_forward_t **forward);
/* After each round of the loop, behind the commit: wakes who waits for records. */
void admind_forward_round(admind_forward_t *forward);
/* Every receiver has its cursor on disk. Without, a kill now may make the next start begin behind what was not sent yet. */
bool admind_forward_has_cursors(const admind_forward_t *forward);
/* Gauges, as of now. */
void admind_forward_refresh(const admind_forward_t *forward);

typedef struct admind_forward_view {
    const char *name, *protocol;      /* "syslog" or "otlp" */
    char address[ADMIND_SHOWN_BYTES]; /* without a path, which may be a secret */
    const char *last_error;           /* "" none since the last success, and the cursor is on disk */
    uint64_t backlog_bytes, records, failures;
    int64_t lag_s;                    /* age of the oldest line that the receiver did not take; 0: it has all */
    int64_t last_success_us;          /* 0: never */
} admind_forward_view_t;

/* false: there is no i-th. */
bool admind_forward_view(const admind_forward_t *forward, size_t i, admind_forward_view_t *view);

#endif
