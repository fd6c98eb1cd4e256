/* SPDX-License-Identifier: Apache-2.0 */
/* One refresh of one issuer: discovery when its key URL is not known, the key set, its checks, the published file; then the
 * schedule of the next. */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "keys/cachectl.h"
#include "keys/discovery.h"
#include "keys/keyfile.h"
#include "keys/slot.h"
#include "log.h"

#define FETCH_TIMEOUT_MS   5000
#define DOCUMENT_MAX_BYTES 65536                          /* metadata documents are 1 to 8 KB */
#define REDISCOVER_US      ((int64_t)24 * 3600 * 1000000) /* a provider may move its keys while the old place still answers */
#define BACKOFF_MAX_US     ((int64_t)60 * 1000000)
#define RETRY_AFTER_MAX_US ((int64_t)600 * 1000000) /* longer, and the keys would get old on a provider's word */
#define TELL_EVERY         10                       /* of equal failures in a row, at most one in ten minutes is logged */

static void ask_discovery(admind_slot_t *slot);
static void ask_keys(admind_slot_t *slot);

static uint32_t random32(void)
{
    uint32_t value = 0;

    return getentropy(&value, sizeof(value)) == 0 ? value : UINT32_MAX / 2;
}

static const char *key_url(const admind_slot_t *slot)
{
    return slot->source == MCPA_KEYS_URL ? slot->configured_url : slot->found_url;
}

/* ---- how it ends */

static void end(admind_slot_t *slot, bool fetched)
{
    admind_slot_gauges(slot);
    admind_slot_answer(slot, fetched);
    admind_slot_arm(slot);
}

static void tell_if_stale(admind_slot_t *slot)
{
    if (slot->set == NULL || admind_slot_is_usable(slot) || slot->stale_told) {
        return;
    }
    slot->stale_told = true;
    admind_log(ADMIND_ERR, "MCPA2314",
               "%s: the keys are older than KeyMaxStale and no longer used; requests get 503 until the provider answers",
               slot->issuer);
}

static void fail(admind_slot_t *slot, const char *error, int64_t retry_after_us)
{
    admind_keys_t *keys = slot->keys;
    mcpa_str_t label = mcpa_str(slot->issuer);
    int64_t wait_us, longest_us = keys->key_refresh_us < BACKOFF_MAX_US ? keys->key_refresh_us : BACKOFF_MAX_US;
    bool is_news = strcmp(slot->last_error, error) != 0 || slot->failures_in_row % TELL_EVERY == 0;

    slot->failures++;
    slot->failures_in_row++;
    mcpa_metrics_add(keys->metrics, MCPA_METRIC_JWKS_FAILURES, &label, 1);
    snprintf(slot->last_error, sizeof(slot->last_error), "%s", error);
    wait_us = admind_cachectl_backoff_us(slot->failures_in_row, longest_us, random32());
    if (retry_after_us > wait_us) {
        wait_us = retry_after_us < RETRY_AFTER_MAX_US ? retry_after_us : RETRY_AFTER_MAX_US;
    }
    slot->next_us = admind_loop_mono_us(keys->loop) + wait_us;
    slot->found_url[0] = '\0'; /* perhaps it moved: discover again */
    admind_log(is_news ? ADMIND_WARNING : ADMIND_DEBUG, "MCPA2311",
               "%s: the keys could not be fetched: %s (failure %u, next try in %lld ms)", slot->issuer, error,
               slot->failures_in_row, (long long)(wait_us / 1000));
    tell_if_stale(slot);
    end(slot, false);
}

static bool is_renewed_whole(const mcpa_jwks_t *old, const admind_slot_t *slot)
{
    for (size_t i = 0; i < mcpa_jwks_count(old); i++) {
        mcpa_str_t kid = mcpa_key_kid(mcpa_jwks_at(old, i));

        if (kid.len == 0 || admind_slot_has_kid(slot, kid)) {
            return false;
        }
    }
    return true;
}

/* Ids that just vanished are known to be absent: tokens signed with them must not cause another fetch. */
static void remember_vanished(admind_slot_t *slot, const mcpa_jwks_t *old)
{
    for (size_t i = 0; i < mcpa_jwks_count(old); i++) {
        mcpa_str_t kid = mcpa_key_kid(mcpa_jwks_at(old, i));

        if (kid.len > 0 && !admind_slot_has_kid(slot, kid)) {
            admind_absent_add(&slot->absent, admind_slot_kid_hash(slot, kid), admind_loop_mono_us(slot->keys->loop));
        }
    }
}

/* Takes over the caller's reference. */
static void swap_set(admind_slot_t *slot, mcpa_jwks_t *set)
{
    mcpa_jwks_t *old = slot->set;

    slot->set = set;
    if (old != NULL) {
        if (is_renewed_whole(old, slot)) {
            admind_log(ADMIND_NOTICE, "MCPA2313",
                       "%s: all previous keys are gone; tokens signed with them are refused from now on", slot->issuer);
        }
        remember_vanished(slot, old);
        mcpa_jwks_release(&old);
    } else {
        admind_log(ADMIND_NOTICE, "MCPA2312", "%s: %zu keys fetched", slot->issuer, mcpa_jwks_count(set));
    }
}

/* set: the caller's reference, taken over in any case; for 304 another one on the set we have. */
static void succeed(admind_slot_t *slot, mcpa_jwks_t *set, const admind_fetch_result_t *result)
{
    admind_keys_t *keys = slot->keys;
    admind_cache_headers_t headers = { result->cache_control, result->expires, result->age, result->date };
    int64_t now_us = admind_loop_wall_us(keys->loop);
    int64_t ttl_us = admind_cachectl_ttl_us(&headers, now_us, keys->key_refresh_us);
    admind_keyfile_t file = { now_us / 1000000, (now_us + keys->key_max_stale_us) / 1000000, set };
    char error[160];

    if (admind_keyfile_write(keys->key_dir, slot->issuer, &file) != MCPA_OK) {
        snprintf(error, sizeof(error), "they came, but cannot be written to %s: %s", ADMIND_KEYFILE_DIR, strerror(errno));
        mcpa_jwks_release(&set);
        fail(slot, error, 0);
        return;
    }
    swap_set(slot, set);
    slot->fetched_us = now_us;
    slot->next_us = admind_loop_mono_us(keys->loop) + admind_cachectl_refresh_us(ttl_us, random32());
    if (slot->failures_in_row > 0) {
        admind_log(ADMIND_NOTICE, "MCPA2315", "%s: the keys can be fetched again after %u failures", slot->issuer,
                   slot->failures_in_row);
    }
    slot->failures_in_row = 0;
    slot->last_error[0] = '\0';
    slot->stale_told = false;
    slot->wanted = false;
    if (result->status != 304 || result->etag.len > 0) {
        snprintf(slot->etag, sizeof(slot->etag), "%.*s", result->etag.len < sizeof(slot->etag) ? (int)result->etag.len : 0,
                 result->etag.ptr != NULL ? result->etag.ptr : "");
    }
    keys->generation++;
    keys->events.changed(keys->events.ctx, slot->issuer, keys->generation);
    end(slot, true);
}

/* ---- the key set */

static void on_keys(void *ctx, const admind_fetch_result_t *result)
{
    admind_slot_t *slot = ctx;
    mcpa_jwks_report_t report = { 0 };
    mcpa_jwks_t *set = NULL;
    mcpa_status_t status;
    char error[256];

    slot->fetch = NULL;
    if (result->error == NULL && result->status == 304 && slot->set != NULL && slot->etag[0] != '\0') {
        succeed(slot, mcpa_jwks_retain(slot->set), result);
        return;
    }
    if (result->error != NULL || result->status != 200) {
        snprintf(error, sizeof(error), "%.200s answered %ld", key_url(slot), result->status);
        fail(slot, result->error != NULL ? result->error : error,
             admind_cachectl_retry_after_us(result->retry_after, admind_loop_wall_us(slot->keys->loop)));
        return;
    }
    status = mcpa_jwks_parse(&set, result->body, &report);
    if (status != MCPA_OK) {
        snprintf(error, sizeof(error), "%s: %s%s%s",
                 status == MCPA_ENOTFOUND ? "the set has no usable key" : "the answer is not a sound key set",
                 mcpa_status_word(status), report.why[0] != '\0' ? ": " : "", report.why);
        fail(slot, error, 0);
        return;
    }
    if (report.rejected > 0) {
        admind_log(ADMIND_WARNING, "MCPA2316", "%s: %zu keys left out: %s", slot->issuer, report.rejected, report.why);
    }
    succeed(slot, set, result);
}

/* Starts a GET; a URL that may not even be tried ends the refresh. */
static void get(admind_slot_t *slot, const char *url, const char *const *headers, size_t max_bytes,
                void (*done)(void *ctx, const admind_fetch_result_t *result))
{
    admind_fetch_request_t request = {
        .method = "GET", .url = url, .headers = headers, .max_bytes = max_bytes, .timeout_ms = FETCH_TIMEOUT_MS
    };

    slot->fetch = admind_fetch_start(slot->keys->fetcher, &request, done, slot);
    if (slot->fetch == NULL) {
        fail(slot, "the URL may not be fetched: it must be https (http only to loopback, with 'AllowInsecureFetch loopback')", 0);
    }
}

static void ask_keys(admind_slot_t *slot)
{
    char condition[ADMIND_ETAG_MAX_BYTES + 32];
    const char *headers[3] = { "Accept: application/jwk-set+json, application/json", NULL, NULL };

    if (slot->set != NULL && slot->etag[0] != '\0') {
        snprintf(condition, sizeof(condition), "If-None-Match: %s", slot->etag);
        headers[1] = condition;
    }
    get(slot, key_url(slot), headers, MCPA_JWKS_MAX_BYTES, on_keys);
}

/* ---- discovery */

static void next_try(admind_slot_t *slot)
{
    char url[ADMIND_URL_MAX_BYTES];
    mcpa_out_t out;

    slot->discovery_try++;
    mcpa_out_init(&out, url, sizeof(url));
    if (admind_discovery_url(&out, mcpa_str(slot->issuer), slot->discovery_try)) {
        ask_discovery(slot);
        return;
    }
    fail(slot,
         slot->discovery_error != NULL ? slot->discovery_error
                                       : "the issuer has no metadata at its well-known addresses; configure jwks=",
         0);
}

static void on_document(void *ctx, const admind_fetch_result_t *result)
{
    admind_slot_t *slot = ctx;
    const char *error = NULL;
    mcpa_out_t out;

    slot->fetch = NULL;
    if (result->error != NULL) {
        fail(slot, result->error, 0); /* the same host answers all addresses: no use in trying the others now */
        return;
    }
    if (result->status != 200) {
        next_try(slot); /* 404 is the usual answer of a provider that has the other kind of document */
        return;
    }
    mcpa_out_init(&out, slot->found_url, sizeof(slot->found_url));
    if (!admind_discovery_read(&out, result->body, mcpa_str(slot->issuer), slot->keys->insecure_loopback, &error)) {
        slot->found_url[0] = '\0';
        slot->discovery_error = error;
        next_try(slot);
        return;
    }
    slot->found_us = admind_loop_mono_us(slot->keys->loop);
    ask_keys(slot);
}

static void ask_discovery(admind_slot_t *slot)
{
    static const char *const headers[] = { "Accept: application/json", NULL };
    char url[ADMIND_URL_MAX_BYTES];
    mcpa_out_t out;

    mcpa_out_init(&out, url, sizeof(url));
    if (!admind_discovery_url(&out, mcpa_str(slot->issuer), slot->discovery_try)) {
        fail(slot, "the issuer URL is too long or no plain URL: its metadata cannot be addressed; configure jwks=", 0);
        return;
    }
    get(slot, url, headers, DOCUMENT_MAX_BYTES, on_document);
}

void admind_slot_refresh(admind_slot_t *slot)
{
    admind_keys_t *keys = slot->keys;
    mcpa_str_t label = mcpa_str(slot->issuer);
    int64_t now_us = admind_loop_mono_us(keys->loop);

    admind_timer_disarm(slot->timer);
    slot->refreshes++;
    slot->started_us = now_us;
    mcpa_metrics_add(keys->metrics, MCPA_METRIC_JWKS_REFRESHES, &label, 1);
    if (slot->source == MCPA_KEYS_DISCOVER && (slot->found_url[0] == '\0' || now_us - slot->found_us > REDISCOVER_US)) {
        slot->discovery_try = 0;
        slot->discovery_error = NULL;
        ask_discovery(slot);
    } else {
        ask_keys(slot);
    }
}
