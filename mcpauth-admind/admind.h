/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon put together: who owns whom, and what happens in a round of the loop. A reload is an orderly stop and a start with
 * the new configuration in one process: kill -9 at any moment loses nothing, so this cannot either, and every key takes effect.
 */
#ifndef ADMIND_ADMIND_H
#define ADMIND_ADMIND_H

#include "alerts/alerts.h"
#include "audit/adopt.h"
#include "audit/ingest.h"
#include "audit/journal.h"
#include "audit/marks.h"
#include "audit/shelf.h"
#include "audit/sealer.h"
#include "audit/tools.h"
#include "config.h"
#include "forward/forward.h"
#include "health.h"
#include "http/http.h"
#include "issuer/issuer.h"
#include "keys/fetch.h"
#include "keys/keys.h"
#include "loop.h"
#include "peers.h"
#include "policyfile.h"
#include "wire/metric.h"

struct admind {
    const admind_config_t *config; /* borrowed; outlives us */
    int64_t born_us;               /* wall clock: when the process started, reloads or not */
    admind_listener_t listener;    /* the next run's, too, when this one ends for a reload */

    admind_loop_t *loop;
    mcpa_metrics_t *metrics;
    admind_tools_t *tools;
    admind_fetcher_t *fetcher;
    admind_keys_t *keys;
    admind_alerts_t *alerts;
    admind_issuer_t *issuer; /* NULL: none is configured */

    admind_journal_t *journal;
    admind_sealer_t *sealer;
    admind_marks_t *marks;
    admind_ingest_t *ingest;
    admind_adopt_t *adopt;
    admind_shelf_t *shelf;
    admind_forward_t *forward;
    admind_peers_t *peers;
    admind_policyfile_t *policy;
    admind_http_t *http;

    admind_timer_t *adopt_timer, *checkpoint_timer, *house_timer, *retry_timer, *shelf_timer, *seal_timer, *watchdog_timer;
    admind_watch_t *signals;
    int signal_fd;

    bool disk_failed; /* until the journal was probed and took a test block */
    int64_t retry_ms;
    bool checkpoint_due;
    bool dirty;                /* something was committed since the last checkpoint */
    unsigned clean_ticks;      /* ticks of the checkpoint's timer without one */
    uint64_t checkpoint_bytes; /* what the journal had written then */
    admind_position_t checkpointed; /* by the last one; "": none yet */
    uint64_t shelf_bytes;      /* what the journal had written at the last slice */
    bool checkpoint_failing;   /* told once */
    bool seal_armed, seal_due; /* lines wait for their seal; have waited long enough */
    bool reload;               /* why the loop was left */
};
typedef struct admind admind_t;

/* Builds everything from a checked configuration. false: error (cap bytes); nothing is left behind. admind must be zeroed but for
 * born_us and listener. */
bool admind_start(admind_t *admind, const admind_config_t *config, char *error, size_t cap);
/* Commits, acknowledges, says BYE, writes a checkpoint and takes everything down but the listener. */
void admind_stop(admind_t *admind);

/* rounds.c: the group commit after each round, and all timers. false: no memory. */
bool admind_rounds_start(admind_t *admind);
/* Only while no batch is open. */
void admind_rounds_checkpoint(admind_t *admind);

void admind_facts(const admind_t *admind, admind_facts_t *facts);
uint64_t admind_backlog_bytes(const admind_t *admind);
/* Gauges that are true at the moment they are asked for: called before metrics are shown. */
void admind_refresh_metrics(admind_t *admind);

#endif
