/* SPDX-License-Identifier: Apache-2.0 */
/* What happens after each round of the loop, and from time to time. */
#include "admind.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "audit/checkpoint.h"
#include "audit/shelf.h"
#include "base/crash.h"
#include "log.h"
#include "service.h"

#define CHECKPOINT_MS          5000
#define CHECKPOINT_BYTES       (64 * 1024 * 1024)
#define CHECKPOINT_CLEAN_TICKS 12 /* once a minute even when no record came: alerts resolve and keys are fetched all the same */
#define HOUSE_MS               3600000
#define SHELF_START_MS         1000
#define SHELF_MS               5  /* between two slices of some 2 ms each */
#define SHELF_BUSY_MS          20 /* while records come: a tenth of the time at most, and still 6 MB of lines a second */
#define SHELF_BUSY_BYTES       65536
#define RETRY_FIRST_MS         1000
#define RETRY_LAST_MS          10000
#define DAY_US                 INT64_C(86400000000)

/* Made and synced by the loop's thread, like the journal: a few kilobytes every five seconds, some megabytes where there are tens
 * of thousands of instances and series. */
void admind_rounds_checkpoint(admind_t *admind)
{
    char *metrics = mcpa_metrics_save(admind->metrics);
    char *alerts = admind_alerts_save(admind->alerts);
    admind_checkpoint_parts_t parts = { .marks = admind->marks, .metrics = metrics, .alerts = alerts };
    mcpa_status_t status = MCPA_ENOMEM;

    admind_journal_position(admind->journal, &parts.position);
    admind_sealer_state(admind->sealer, &parts.seals);
    if (metrics != NULL && alerts != NULL) {
        status = admind_checkpoint_save(admind->config->journal_dir, &parts, admind_loop_wall_us(admind->loop));
    }
    free(metrics);
    free(alerts);
    if (status != MCPA_OK && !admind->checkpoint_failing) {
        admind_log(ADMIND_ERR, "MCPA2004", "checkpoint cannot be written (%s); the next start will replay more of the journal",
                   mcpa_status_word(status));
    }
    if (status == MCPA_OK) {
        admind->checkpointed = parts.position;
    }
    admind->checkpoint_failing = status != MCPA_OK;
    admind->dirty = false;
    admind->clean_ticks = 0;
    admind->checkpoint_bytes = admind_journal_written_bytes(admind->journal);
}

static void disk_failed(admind_t *admind)
{
    if (admind->disk_failed) {
        return;
    }
    admind->disk_failed = true;
    admind_peers_disk_failed(admind->peers);
    admind_adopt_failed(admind->adopt);
    admind->retry_ms = RETRY_FIRST_MS;
    admind_timer_arm(admind->retry_timer, admind->retry_ms);
}

static void on_retry(void *ctx)
{
    admind_t *admind = ctx;

    if (!admind_journal_probe(admind->journal, admind_loop_wall_us(admind->loop))) {
        admind->retry_ms = admind->retry_ms * 2 < RETRY_LAST_MS ? admind->retry_ms * 2 : RETRY_LAST_MS;
        admind_timer_arm(admind->retry_timer, admind->retry_ms);
        return;
    }
    admind->disk_failed = false;
    admind_log(ADMIND_NOTICE, "MCPA2102", "journal %s: writable again", admind->config->journal_dir);
    admind_peers_disk_mended(admind->peers);
    admind_timer_arm(admind->adopt_timer, 0);
}

/* No batch is open. false: the journal failed. */
static bool seal_in_time(admind_t *admind)
{
    if (admind->seal_due) {
        admind->seal_due = false;
        admind->seal_armed = false;
        admind->dirty = true;
        if (admind_journal_seal(admind->journal, admind_loop_wall_us(admind->loop)) != MCPA_OK) {
            return false;
        }
    }
    if (!admind->seal_armed && admind_sealer_open_lines(admind->sealer) > 0) {
        admind->seal_armed = true;
        admind_timer_arm(admind->seal_timer, ADMIND_SEAL_US / 1000);
    }
    return true;
}

static void on_seal(void *ctx)
{
    ((admind_t *)ctx)->seal_due = true;
}

/* The group commit: everything that came in this round is synced once, then acknowledged. */
static void after_round(void *ctx)
{
    admind_t *admind = ctx;
    bool any;

    if (MCPA_MUTANT("ack_before_sync")) {
        admind_peers_ack(admind->peers);
        MCPA_CRASH("daemon.acked_early");
    }
    if (!admind_ingest_commit(admind->ingest, &any)) {
        disk_failed(admind);
        return;
    }
    if (any) {
        MCPA_CRASH("daemon.committed");
        admind_peers_ack(admind->peers);
        MCPA_CRASH("daemon.acked");
        admind->dirty = true;
    }
    if (!seal_in_time(admind)) {
        disk_failed(admind);
        return;
    }
    admind_adopt_committed(admind->adopt, admind_loop_wall_us(admind->loop));
    /* Only here no batch is open, so that marks, counters and the journal's end say the same. */
    if (admind->checkpoint_due || admind_journal_written_bytes(admind->journal) - admind->checkpoint_bytes >= CHECKPOINT_BYTES) {
        admind->checkpoint_due = false;
        admind_rounds_checkpoint(admind);
    }
}

/* Behind the commit: what the forwarders look at is on disk, and they never wait for anything here. */
static void after_commit(void *ctx)
{
    admind_forward_round(((admind_t *)ctx)->forward);
}

static void on_checkpoint(void *ctx)
{
    admind_t *admind = ctx;

    admind->clean_ticks++;
    admind->checkpoint_due = admind->dirty || admind->clean_ticks >= CHECKPOINT_CLEAN_TICKS;
    admind_timer_arm(admind->checkpoint_timer, CHECKPOINT_MS);
}

static void on_adopt(void *ctx)
{
    admind_t *admind = ctx;
    bool more = !admind->disk_failed && admind_adopt_run(admind->adopt, admind_loop_wall_us(admind->loop));

    admind_timer_arm(admind->adopt_timer, more ? 0 : ADMIND_ADOPT_IDLE_MS);
}

static void on_house(void *ctx)
{
    admind_t *admind = ctx;
    int64_t now_us = admind_loop_wall_us(admind->loop);
    admind_position_t end;

    admind_journal_position(admind->journal, &end);
    admind_shelf_retain(admind->shelf, &end, admind->config->journal_retention_days, now_us, admind_loop_mono_us(admind->loop));
    admind_marks_forget(admind->marks, now_us - admind->config->journal_retention_days * DAY_US);
    admind_timer_arm(admind->house_timer, HOUSE_MS);
}

/* What is written now comes before what was written long ago. */
static void on_shelf(void *ctx)
{
    admind_t *admind = ctx;
    uint64_t written = admind_journal_written_bytes(admind->journal);
    bool busy = written - admind->shelf_bytes > SHELF_BUSY_BYTES;
    int64_t delay_ms = ADMIND_SHELF_IDLE_MS;

    admind->shelf_bytes = written;
    if (admind->disk_failed) {
        admind_shelf_yield(admind->shelf);
    } else {
        delay_ms = admind_shelf_step(admind->shelf, &admind->checkpointed);
    }
    admind_timer_arm(admind->shelf_timer, delay_ms > 0 ? delay_ms : busy ? SHELF_BUSY_MS : SHELF_MS);
}

static void on_watchdog(void *ctx)
{
    admind_t *admind = ctx;
    admind_peers_gauges_t gauges;
    char message[128];

    admind_peers_gauges(admind->peers, &gauges);
    snprintf(message, sizeof(message), "WATCHDOG=1\nSTATUS=%zu children linked, journal %s", gauges.links,
             admind->disk_failed ? "failing" : "ok");
    admind_service_notify(message);
    admind_timer_arm(admind->watchdog_timer, admind_service_watchdog_ms());
}

static void on_signal(void *ctx, int fd, uint32_t events)
{
    admind_t *admind = ctx;
    int number = admind_service_signal_read(fd);

    (void)events;
    if (number != 0) {
        admind->reload = number == SIGHUP;
        admind_loop_stop(admind->loop);
    }
}

bool admind_rounds_start(admind_t *admind)
{
    admind_loop_t *loop = admind->loop;

    admind->adopt_timer = admind_timer_new(loop, on_adopt, admind);
    admind->checkpoint_timer = admind_timer_new(loop, on_checkpoint, admind);
    admind->house_timer = admind_timer_new(loop, on_house, admind);
    admind->retry_timer = admind_timer_new(loop, on_retry, admind);
    admind->shelf_timer = admind_timer_new(loop, on_shelf, admind);
    admind->seal_timer = admind_timer_new(loop, on_seal, admind);
    admind->watchdog_timer = admind_timer_new(loop, on_watchdog, admind);
    admind->signal_fd = admind_service_signals();
    if (admind->adopt_timer == NULL || admind->checkpoint_timer == NULL || admind->house_timer == NULL ||
        admind->retry_timer == NULL || admind->shelf_timer == NULL || admind->seal_timer == NULL ||
        admind->watchdog_timer == NULL || admind->signal_fd < 0 || !admind_loop_after(loop, after_round, admind) ||
        !admind_loop_after(loop, after_commit, admind)) {
        return false;
    }
    admind->signals = admind_watch_new(loop, admind->signal_fd, EPOLLIN, on_signal, admind);
    admind_timer_arm(admind->adopt_timer, 0);
    admind_timer_arm(admind->checkpoint_timer, CHECKPOINT_MS);
    admind_timer_arm(admind->house_timer, 0);
    admind_timer_arm(admind->shelf_timer, SHELF_START_MS);
    admind->dirty = true; /* a start that comes soon need not replay again what this one did */
    if (admind_service_watchdog_ms() > 0) {
        admind_timer_arm(admind->watchdog_timer, 0);
    }
    return admind->signals != NULL;
}
