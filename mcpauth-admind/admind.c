/* SPDX-License-Identifier: Apache-2.0 */
#include "admind.h"

#include <stdio.h>
#include <unistd.h>

#include "audit/checkpoint.h"
#include "audit/count.h"
#include "log.h"
#include "turn.h"

/* A disk that keeps a sync for so long is not working: what is to be acknowledged waits. */
#define DISK_STALLED_US 10000000

/* ---- what the parts tell each other */

static void on_committed(void *ctx, const mcpa_record_t *record)
{
    admind_t *admind = ctx;

    admind_count_record(admind->metrics, admind->tools, record);
    admind_alerts_record(admind->alerts, record);
}

static void on_keys_changed(void *ctx, const char *issuer, uint64_t generation)
{
    admind_t *admind = ctx;

    if (admind->peers != NULL) {
        admind_peers_keys_changed(admind->peers, issuer, generation);
    }
}

static void on_keys_answered(void *ctx, uint64_t ticket, bool found, uint64_t generation)
{
    admind_t *admind = ctx;

    if (admind->peers != NULL) {
        admind_peers_answer(admind->peers, ticket, found, generation);
    }
}

static void on_ask(void *ctx, mcpa_str_t issuer, mcpa_str_t kid, uint64_t ticket)
{
    admind_keys_ask(((admind_t *)ctx)->keys, issuer, kid, ticket);
}

static void on_child_policy(void *ctx, uint64_t generation)
{
    admind_t *admind = ctx;

    if (admind->policy != NULL) {
        admind_policyfile_hint(admind->policy, generation);
    }
}

static void on_policy(void *ctx, const mcpa_snapshot_t *snapshot)
{
    admind_t *admind = ctx;

    admind_keys_policy(admind->keys, snapshot);
    admind_tools_take(admind->tools, snapshot);
}

static bool is_linked(void *ctx, const unsigned char *instance)
{
    return admind_peers_is_linked(((admind_t *)ctx)->peers, instance);
}

static void alert_facts(void *ctx, admind_alert_facts_t *facts)
{
    admind_t *admind = ctx;
    admind_peers_gauges_t gauges = { 0 };

    if (admind->peers != NULL) {
        admind_peers_gauges(admind->peers, &gauges);
    }
    facts->has_issuer = admind->issuer != NULL;
    if (facts->has_issuer) {
        admind_issuer_state(admind->issuer, &facts->issuer);
    }
    facts->links = gauges.links;
    facts->links_zero_since_us = gauges.zero_since_us;
    facts->audit_lost = (uint64_t)mcpa_metrics_get(admind->metrics, MCPA_METRIC_AUDIT_LOST, NULL) + gauges.lost_unjournalled;
}

/* ---- start and stop */

static bool say(char *error, size_t cap, const char *what)
{
    snprintf(error, cap, "%s", what);
    return false;
}

/* From the checkpoint and what the journal holds behind it. */
static bool restore(admind_t *admind, const admind_checkpoint_t *checkpoint, char *error, size_t cap)
{
    mcpa_status_t status;

    if (checkpoint->alerts != NULL) {
        admind_alerts_load(admind->alerts, checkpoint->alerts);
    }
    admind_sealer_restore(admind->sealer, &checkpoint->seals);
    status = admind_ingest_replay(admind->ingest, &checkpoint->position);
    if (status != MCPA_OK) {
        snprintf(error, cap, "journal %s cannot be read back: %s", admind->config->journal_dir, mcpa_status_word(status));
        return false;
    }
    admind_sealer_start(admind->sealer, admind_loop_wall_us(admind->loop));
    mcpa_metrics_add(admind->metrics, MCPA_METRIC_SEAL_BREAKS, NULL, admind_sealer_breaks(admind->sealer));
    return true;
}

static bool start_core(admind_t *admind, const admind_checkpoint_t *checkpoint, char *error, size_t cap)
{
    const admind_config_t *config = admind->config;
    const admind_fetch_options_t fetch = { config->insecure_fetch_loopback, config->allow_private, config->ca_file };
    const admind_keys_events_t events = { on_keys_changed, on_keys_answered, admind };
    mcpa_str_t version = MCPA_STR(MCPA_VERSION);

    if (checkpoint->metrics != NULL && mcpa_metrics_load(admind->metrics, checkpoint->metrics) != MCPA_OK) {
        admind_log(ADMIND_WARNING, "MCPA2005", "the checkpoint's counters cannot be used; they start from zero");
    }
    mcpa_metrics_set(admind->metrics, MCPA_METRIC_BUILD_INFO, &version, 1);
    mcpa_metrics_add(admind->metrics, MCPA_METRIC_AUDIT_LOST, NULL,
                     0); /* there from the start, so that the first loss is an increase */
    admind->fetcher = admind_fetcher_new(admind->loop, &fetch);
    if (admind->fetcher == NULL) {
        return say(error, cap, "libcurl cannot be set up");
    }
    admind->keys = admind_keys_new(admind->loop, config, admind->fetcher, admind->metrics, &events);
    if (admind->keys == NULL) {
        return say(error, cap, "keys: no memory");
    }
    admind->alerts = admind_alerts_new(admind->loop, config, admind->fetcher, admind->keys, admind->metrics, alert_facts, admind);
    admind->ingest = admind_ingest_new(admind->journal, admind->marks, on_committed, admind);
    if (admind->alerts == NULL || admind->ingest == NULL) {
        return say(error, cap, "no memory");
    }
    return restore(admind, checkpoint, error, cap);
}

static bool start_audit(admind_t *admind, char *error, size_t cap)
{
    admind_checkpoint_t checkpoint;
    mcpa_status_t status;
    bool ok;

    admind->journal = admind_journal_open(admind->config->journal_dir, (uint64_t)admind->config->journal_file_bytes, error, cap);
    if (admind->journal == NULL) {
        return false;
    }
    admind->shelf = admind_shelf_new(admind->config->journal_dir);
    admind->marks = admind_marks_new(ADMIND_MARKS_MAX);
    admind->metrics = mcpa_metrics_new();
    admind->tools = admind_tools_new();
    admind->sealer = admind_sealer_new(admind->config->journal_dir);
    if (admind->shelf == NULL || admind->marks == NULL || admind->metrics == NULL || admind->tools == NULL ||
        admind->sealer == NULL) {
        return say(error, cap, "no memory");
    }
    admind_journal_sealed_by(admind->journal, admind->sealer);
    status = admind_checkpoint_load(&checkpoint, admind->config->journal_dir, admind->marks);
    if (status != MCPA_OK && status != MCPA_ENOTFOUND) {
        admind_log(ADMIND_WARNING, "MCPA2006", "the checkpoint cannot be used (%s); replaying the whole journal",
                   mcpa_status_word(status));
    }
    admind->checkpointed = checkpoint.position;
    ok = start_core(admind, &checkpoint, error, cap);
    admind_checkpoint_clear(&checkpoint);
    return ok;
}

static bool start_doors(admind_t *admind, char *error, size_t cap)
{
    const admind_config_t *config = admind->config;
    const admind_peers_options_t options = { config->socket, config->peer_uid, config->peer_gid };
    const admind_peers_events_t events = { on_ask, on_child_policy, admind };

    admind->forward = admind_forward_new(admind->loop, config, admind->journal, admind->metrics, error, cap);
    if (admind->forward == NULL) {
        return false;
    }
    say(error, cap, "no memory");
    if (config->issuer.url != NULL && (admind->issuer = admind_issuer_new(admind->loop, config)) == NULL) {
        return false;
    }
    admind->policy = admind_policyfile_new(admind->loop, config->state_dir, on_policy, admind);
    if (admind->policy == NULL) {
        return false;
    }
    if (!admind_listener_open(&admind->listener, config, error, cap)) { /* first: what was open may be in the way of Socket */
        return false;
    }
    admind->peers = admind_peers_new(admind->loop, admind->ingest, &options, &events, error, cap);
    if (admind->peers == NULL) {
        return false;
    }
    admind->adopt = admind_adopt_new(admind->ingest, config->spool_dir, config->peer_uid, is_linked, admind);
    if (admind->adopt == NULL) {
        return false;
    }
    admind->http = admind_http_new(admind->loop, config, admind, admind->listener.fd);
    return admind->http != NULL || say(error, cap, "libmicrohttpd cannot be set up");
}

static void take_down(admind_t *admind)
{
    const admind_t kept = { .born_us = admind->born_us, .listener = admind->listener, .signal_fd = -1 };

    admind_http_free(&admind->http);
    admind_peers_free(&admind->peers);
    admind_adopt_free(&admind->adopt);
    admind_policyfile_free(&admind->policy);
    admind_forward_free(&admind->forward);
    admind_ingest_free(&admind->ingest);
    admind_alerts_free(&admind->alerts);
    admind_issuer_free(&admind->issuer);
    admind_keys_free(&admind->keys);
    admind_fetcher_free(&admind->fetcher);
    admind_tools_free(&admind->tools);
    mcpa_metrics_free(&admind->metrics);
    admind_marks_free(&admind->marks);
    admind_shelf_free(&admind->shelf);
    admind_journal_close(&admind->journal);
    admind_sealer_free(&admind->sealer);
    admind_timer_free(&admind->adopt_timer);
    admind_timer_free(&admind->checkpoint_timer);
    admind_timer_free(&admind->house_timer);
    admind_timer_free(&admind->retry_timer);
    admind_timer_free(&admind->seal_timer);
    admind_timer_free(&admind->shelf_timer);
    admind_timer_free(&admind->watchdog_timer);
    admind_watch_free(&admind->signals);
    if (admind->signal_fd >= 0) {
        close(admind->signal_fd);
    }
    admind_loop_free(&admind->loop);
    *admind = kept;
}

bool admind_start(admind_t *admind, const admind_config_t *config, char *error, size_t cap)
{
    admind->config = config;
    admind->signal_fd = -1;
    admind_log_level(config->log_level);
    admind->loop = admind_loop_new();
    if (admind->loop == NULL) {
        return say(error, cap, "epoll cannot be set up");
    }
    if (start_audit(admind, error, cap) && start_doors(admind, error, cap) &&
        (admind_rounds_start(admind) || say(error, cap, "no memory"))) {
        return true;
    }
    take_down(admind);
    return false;
}

void admind_stop(admind_t *admind)
{
    bool any;

    if (admind_ingest_commit(admind->ingest, &any)) {
        admind_peers_ack(admind->peers);
        if (admind_journal_seal(admind->journal, admind_loop_wall_us(admind->loop)) == MCPA_OK) {
            admind_rounds_checkpoint(admind);
        }
    }
    take_down(admind);
}

/* ---- what others ask */

void admind_facts(const admind_t *admind, admind_facts_t *facts)
{
    admind_peers_gauges_t gauges;
    admind_policy_view_t policy;

    admind_peers_gauges(admind->peers, &gauges);
    admind_policyfile_view(admind->policy, &policy);
    *facts = (admind_facts_t){ .policy_refused = policy.error[0] != '\0',
                               .keys_ready = admind_keys_ready(admind->keys),
                               .journal_failing = admind->disk_failed || admind_journal_is_failing(admind->journal) ||
                                                  admind_turn_disk_us() > DISK_STALLED_US,
                               .cursor_missing = !admind_forward_has_cursors(admind->forward),
                               .links = gauges.links };
}

uint64_t admind_backlog_bytes(const admind_t *admind)
{
    admind_peers_gauges_t gauges;

    admind_peers_gauges(admind->peers, &gauges);
    return gauges.spool_bytes + admind_adopt_backlog_bytes(admind->adopt);
}

static void refresh_seals(admind_t *admind)
{
    admind_seal_state_t seals;

    admind_sealer_state(admind->sealer, &seals);
    mcpa_metrics_set(admind->metrics, MCPA_METRIC_SEAL_LINES, NULL, (double)seals.chain.lines);
    if (seals.sealed) {
        mcpa_metrics_set(admind->metrics, MCPA_METRIC_SEAL_EPOCH, NULL, (double)seals.last.epoch);
        mcpa_metrics_set(admind->metrics, MCPA_METRIC_SEAL_TIME, NULL, (double)seals.last.ts / 1e6);
    }
}

static void refresh_issuer(admind_t *admind)
{
    admind_issuer_state_t state;
    mcpa_str_t url = mcpa_str(admind->config->issuer.url);

    if (admind->issuer != NULL) {
        admind_issuer_state(admind->issuer, &state);
        if (state.has_key) {
            mcpa_metrics_set(admind->metrics, MCPA_METRIC_ISSUER_KEY_AGE, &url, (double)(state.age_us / 1000000));
        }
    }
}

void admind_refresh_metrics(admind_t *admind)
{
    admind_peers_gauges_t gauges;
    admind_facts_t facts;

    admind_peers_gauges(admind->peers, &gauges);
    admind_facts(admind, &facts);
    mcpa_metrics_set(admind->metrics, MCPA_METRIC_LINKS, NULL, (double)gauges.links);
    mcpa_metrics_set(admind->metrics, MCPA_METRIC_ACTIVE, NULL, (double)gauges.active_requests);
    mcpa_metrics_set(admind->metrics, MCPA_METRIC_LIMIT_ENTRIES, NULL, (double)gauges.limit_entries);
    mcpa_metrics_set(admind->metrics, MCPA_METRIC_LIMIT_CAPACITY, NULL, (double)gauges.limit_capacity);
    mcpa_metrics_set(admind->metrics, MCPA_METRIC_AUDIT_BACKLOG, NULL, (double)admind_backlog_bytes(admind));
    refresh_seals(admind);
    refresh_issuer(admind);
    admind_forward_refresh(admind->forward);
    admind_health_count(&facts, admind->metrics);
    admind_count_process(admind->metrics);
}
