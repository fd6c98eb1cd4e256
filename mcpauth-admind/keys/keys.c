/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "keys/keyfile.h"
#include "keys/slot.h"
#include "log.h"
#include "policy/issuer.h"

static int64_t expires_us(const admind_slot_t *slot)
{
    return slot->fetched_us + slot->keys->key_max_stale_us;
}

bool admind_slot_is_usable(const admind_slot_t *slot)
{
    return slot->set != NULL && admind_loop_wall_us(slot->keys->loop) < expires_us(slot);
}

void admind_slot_gauges(const admind_slot_t *slot)
{
    mcpa_metrics_t *metrics = slot->keys->metrics;
    mcpa_str_t label = mcpa_str(slot->issuer);

    mcpa_metrics_set(metrics, MCPA_METRIC_JWKS_KEYS, &label,
                     admind_slot_is_usable(slot) ? (double)mcpa_jwks_count(slot->set) : 0);
    mcpa_metrics_set(metrics, MCPA_METRIC_JWKS_LAST_SUCCESS, &label, (double)(slot->fetched_us / 1000000));
}

/* ---- the schedule */

void admind_slot_arm(admind_slot_t *slot)
{
    int64_t due_us = slot->next_us, wanted_us;
    int64_t now_us = admind_loop_mono_us(slot->keys->loop);

    if (slot->fetch != NULL) {
        return; /* its end arms again */
    }
    if (slot->wanted) {
        wanted_us = admind_budget_free_at(&slot->keys->budget, slot->forced_us);
        due_us = wanted_us < due_us ? wanted_us : due_us;
    }
    admind_timer_arm(slot->timer, due_us > now_us ? (due_us - now_us + 999) / 1000 : 0);
}

static void on_due(void *ctx)
{
    admind_slot_t *slot = ctx;

    if (slot->fetch != NULL) {
        return;
    }
    if (slot->wanted && admind_slot_may_force(slot)) {
        admind_slot_force(slot);
    } else if (admind_loop_mono_us(slot->keys->loop) >= slot->next_us) {
        admind_slot_refresh(slot);
    } else {
        admind_slot_arm(slot);
    }
}

/* ---- issuers come and go */

static void free_slot(admind_slot_t *slot)
{
    admind_fetch_cancel(&slot->fetch);
    admind_timer_free(&slot->timer);
    for (size_t i = 0; i < slot->n_waiters; i++) {
        free(slot->waiters[i].kid);
    }
    free(slot->waiters);
    mcpa_jwks_release(&slot->set);
    free(slot->issuer);
    free(slot->configured_url);
    free(slot);
}

/* Last known good, from before the restart. */
static void load(admind_slot_t *slot)
{
    admind_keyfile_t file = { 0 };
    mcpa_status_t status = admind_keyfile_read(&file, slot->keys->key_dir, slot->issuer);
    int64_t now_us = admind_loop_wall_us(slot->keys->loop);

    if (status != MCPA_OK) {
        if (status != MCPA_ENOTFOUND) {
            admind_log(ADMIND_WARNING, "MCPA2301", "%s: the stored keys cannot be used (%s); they will be fetched", slot->issuer,
                       mcpa_status_word(status));
        }
        return;
    }
    /* A clock that ran ahead must not keep keys alive for longer than allowed. */
    slot->fetched_us = file.fetched_s > now_us / 1000000 ? now_us : file.fetched_s * 1000000;
    slot->set = file.set;
    admind_log(ADMIND_INFO, "MCPA2302", "%s: %zu stored keys, fetched %lld s ago", slot->issuer, mcpa_jwks_count(slot->set),
               (long long)((now_us - slot->fetched_us) / 1000000));
}

static admind_slot_t *new_slot(admind_keys_t *keys, const mcpa_issuer_t *issuer)
{
    admind_slot_t *slot = calloc(1, sizeof(*slot));

    if (slot == NULL) {
        return NULL;
    }
    slot->keys = keys;
    slot->issuer = strdup(issuer->url);
    slot->timer = admind_timer_new(keys->loop, on_due, slot);
    slot->known_since_us = admind_loop_wall_us(keys->loop);
    if (slot->issuer == NULL || slot->timer == NULL) {
        free_slot(slot);
        return NULL;
    }
    return slot;
}

/* Takes over how the issuer's keys are found; a change of that makes a fetch due now, with the old keys kept until it succeeds.
 */
static bool configure(admind_slot_t *slot, const mcpa_issuer_t *issuer)
{
    const char *url = issuer->key_source == MCPA_KEYS_URL ? issuer->jwks : NULL;
    bool same = slot->source == issuer->key_source && (url == NULL) == (slot->configured_url == NULL) &&
                (url == NULL || strcmp(url, slot->configured_url) == 0);
    char *copy = url != NULL ? strdup(url) : NULL;

    if (url != NULL && copy == NULL) {
        return false;
    }
    free(slot->configured_url);
    slot->configured_url = copy;
    slot->source = issuer->key_source;
    slot->listed = true;
    if (!same) {
        admind_fetch_cancel(&slot->fetch);
        slot->found_url[0] = '\0';
        slot->etag[0] = '\0';
        slot->next_us = 0;
        admind_slot_answer(slot, false);
    }
    if (!admind_slot_fetches(slot)) { /* httpd reads them itself now */
        mcpa_jwks_release(&slot->set);
        slot->fetched_us = 0;
    }
    return true;
}

static void take_over(admind_keys_t *keys, const mcpa_issuer_t *issuer)
{
    admind_slot_t *slot = admind_slot_find(keys, mcpa_str(issuer->url));
    mcpa_str_t label = mcpa_str(issuer->url);

    if (slot == NULL) {
        slot = keys->count < MCPA_ISSUERS_MAX ? new_slot(keys, issuer) : NULL;
        if (slot == NULL) {
            admind_log(ADMIND_ERR, "MCPA2303", "%s: no room for this issuer: its keys are not fetched", issuer->url);
            return;
        }
        keys->slots[keys->count++] = slot;
        slot->source = issuer->key_source;
        if (admind_slot_fetches(slot)) {
            load(slot);
        }
    }
    if (!configure(slot, issuer)) {
        admind_log(ADMIND_ERR, "MCPA2303", "%s: out of memory: its configuration is not taken over", issuer->url);
        slot->listed = true;
    }
    if (admind_slot_fetches(slot)) {
        mcpa_metrics_add(keys->metrics, MCPA_METRIC_JWKS_REFRESHES, &label, 0);
        mcpa_metrics_add(keys->metrics, MCPA_METRIC_JWKS_FAILURES, &label, 0);
        mcpa_metrics_add(keys->metrics, MCPA_METRIC_UNKNOWN_KID, &label, 0);
        admind_slot_gauges(slot);
        admind_slot_arm(slot);
    } else {
        admind_timer_disarm(slot->timer);
    }
}

static bool is_kept(void *ctx, const char *name)
{
    const admind_keys_t *keys = ctx;
    char file[70];

    for (size_t i = 0; i < keys->count; i++) {
        mcpa_issuer_key_file(file, keys->slots[i]->issuer);
        if (admind_slot_fetches(keys->slots[i]) && strcmp(file, name) == 0) {
            return true;
        }
    }
    return false;
}

void admind_keys_policy(admind_keys_t *keys, const mcpa_snapshot_t *snapshot)
{
    size_t left = 0;

    for (size_t i = 0; i < keys->count; i++) {
        keys->slots[i]->listed = false;
    }
    /* Gauges of issuers that left must not stand for ever. */
    mcpa_metrics_reset(keys->metrics, MCPA_METRIC_JWKS_KEYS);
    mcpa_metrics_reset(keys->metrics, MCPA_METRIC_JWKS_LAST_SUCCESS);
    for (size_t i = 0; snapshot->issuers != NULL && snapshot->issuers[i] != NULL; i++) {
        take_over(keys, snapshot->issuers[i]);
    }
    for (size_t i = 0; i < keys->count; i++) {
        if (keys->slots[i]->listed) {
            keys->slots[left++] = keys->slots[i];
        } else {
            admind_log(ADMIND_NOTICE, "MCPA2304", "%s: left the policy, its keys are dropped", keys->slots[i]->issuer);
            admind_slot_answer(keys->slots[i], false);
            free_slot(keys->slots[i]);
        }
    }
    keys->count = left;
    admind_keyfile_sweep(keys->key_dir, is_kept, keys);
}

/* ---- the whole */

admind_keys_t *admind_keys_new(admind_loop_t *loop, const admind_config_t *config, admind_fetcher_t *fetcher,
                               mcpa_metrics_t *metrics, const admind_keys_events_t *events)
{
    admind_keys_t *keys = calloc(1, sizeof(*keys));

    if (keys == NULL) {
        return NULL;
    }
    keys->loop = loop;
    keys->fetcher = fetcher;
    keys->metrics = metrics;
    keys->events = *events;
    keys->key_refresh_us = config->key_refresh_us;
    keys->key_max_stale_us = config->key_max_stale_us;
    keys->insecure_loopback = config->insecure_fetch_loopback;
    keys->generation = (uint64_t)admind_loop_wall_us(loop); /* never one that children saw before a restart */
    if (asprintf(&keys->key_dir, "%s/" ADMIND_KEYFILE_DIR, config->state_dir) < 0) {
        keys->key_dir = NULL;
    }
    if (keys->key_dir == NULL || getentropy(keys->hash_key, sizeof(keys->hash_key)) != 0) {
        admind_keys_free(&keys);
        return NULL;
    }
    if (!admind_keyfile_prepare(keys->key_dir)) {
        admind_log(ADMIND_ERR, "MCPA2305", "%s: %s: keys cannot be published", keys->key_dir, strerror(errno));
    }
    return keys;
}

void admind_keys_free(admind_keys_t **keys)
{
    if (*keys == NULL) {
        return;
    }
    for (size_t i = 0; i < (*keys)->count; i++) {
        free_slot((*keys)->slots[i]);
    }
    free((*keys)->key_dir);
    free(*keys);
    *keys = NULL;
}

size_t admind_keys_count(const admind_keys_t *keys)
{
    return keys->count;
}

bool admind_keys_view(const admind_keys_t *keys, size_t index, admind_issuer_view_t *view)
{
    const admind_slot_t *slot = index < keys->count ? keys->slots[index] : NULL;
    int64_t ahead_us;

    if (slot == NULL) {
        return false;
    }
    ahead_us = slot->next_us - admind_loop_mono_us(keys->loop);
    *view = (admind_issuer_view_t){
        .issuer = slot->issuer,
        .source = slot->source,
        .set = admind_slot_is_usable(slot) ? slot->set : NULL,
        .known_since_us = slot->known_since_us,
        .fetched_us = slot->fetched_us,
        .expires_us = slot->set != NULL ? expires_us(slot) : 0,
        .next_refresh_us = slot->fetch != NULL || !admind_slot_fetches(slot) ? 0 : admind_loop_wall_us(keys->loop) + ahead_us,
        .last_error = slot->last_error,
        .refreshes = slot->refreshes,
        .failures = slot->failures,
        .unknown_kids = slot->unknown_kids,
    };
    return true;
}

bool admind_keys_ready(const admind_keys_t *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (admind_slot_fetches(keys->slots[i]) && !admind_slot_is_usable(keys->slots[i])) {
            return false;
        }
    }
    return true;
}

uint64_t admind_keys_generation(const admind_keys_t *keys)
{
    return keys->generation;
}
