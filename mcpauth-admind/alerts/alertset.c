/* SPDX-License-Identifier: Apache-2.0 */
#include "alerts/alertset.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define ALERTS_MAX    (ADMIND_ALERTS_FIRING_MAX + ADMIND_ALERTS_RESOLVED_MAX + 1) /* one for the storm */
#define STORM_HOLD_US ADMIND_ALERTS_TELL_US

struct admind_alertset {
    admind_alert_t *alerts[ALERTS_MAX];
    uint64_t hashes[ALERTS_MAX]; /* of the identities, side by side: a failing client asks for its alert with every record */
    size_t count, firing;
    int64_t suppressed; /* raises turned away since the storm began */
    int64_t last_suppressed_us;
};

admind_alertset_t *admind_alertset_new(void)
{
    return calloc(1, sizeof(admind_alertset_t));
}

void admind_alertset_free(admind_alertset_t **set)
{
    if (*set == NULL) {
        return;
    }
    for (size_t i = 0; i < (*set)->count; i++) {
        free((*set)->alerts[i]);
    }
    free(*set);
    *set = NULL;
}

static void fingerprint(char hex[17], const admind_alert_id_t *id)
{
    const char *parts[] = { id->name, id->severity, id->address, id->location, id->issuer };
    unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    if (md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1) {
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            EVP_DigestUpdate(md, parts[i], strlen(parts[i]) + 1); /* with its NUL: no two identities run together */
        }
        EVP_DigestFinal_ex(md, digest, NULL);
    }
    EVP_MD_CTX_free(md);
    mcpa_hex(hex, digest, 8);
}

static bool same(const admind_alert_id_t *a, const admind_alert_id_t *b)
{
    return strcmp(a->address, b->address) == 0 && strcmp(a->name, b->name) == 0 && strcmp(a->location, b->location) == 0 &&
           strcmp(a->issuer, b->issuer) == 0 && strcmp(a->severity, b->severity) == 0;
}

/* FNV-1a: only sorts out; 'same' decides. */
static uint64_t hash_of(const admind_alert_id_t *id)
{
    const char *parts[] = { id->name, id->severity, id->address, id->location, id->issuer };
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (const char *c = parts[i]; *c != '\0'; c++) {
            hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
        }
        hash = (hash ^ 0xff) * UINT64_C(0x100000001b3);
    }
    return hash;
}

admind_alert_t *admind_alertset_find(const admind_alertset_t *set, const admind_alert_id_t *id)
{
    uint64_t hash = hash_of(id);

    for (size_t i = 0; i < set->count; i++) {
        if (set->hashes[i] == hash && same(&set->alerts[i]->id, id)) {
            return set->alerts[i];
        }
    }
    return NULL;
}

static void forget(admind_alertset_t *set, size_t index)
{
    free(set->alerts[index]);
    set->count--;
    memmove(&set->alerts[index], &set->alerts[index + 1], (set->count - index) * sizeof(set->alerts[0]));
    memmove(&set->hashes[index], &set->hashes[index + 1], (set->count - index) * sizeof(set->hashes[0]));
}

static void forget_alert(admind_alertset_t *set, const admind_alert_t *alert)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->alerts[i] == alert) {
            forget(set, i);
            return;
        }
    }
}

static bool is_storm(const admind_alert_t *alert)
{
    return strcmp(alert->id.name, ADMIND_ALERTS_STORM) == 0;
}

/* The alert resolved longest ago makes room; there is one, because at most FIRING_MAX and the storm fire. */
static void make_room(admind_alertset_t *set)
{
    size_t oldest = SIZE_MAX;

    if (set->count < ALERTS_MAX) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        const admind_alert_t *alert = set->alerts[i];

        if (!alert->firing && (oldest == SIZE_MAX || alert->ends_us < set->alerts[oldest]->ends_us)) {
            oldest = i;
        }
    }
    if (oldest != SIZE_MAX) {
        forget(set, oldest);
    }
}

static admind_alert_t *add(admind_alertset_t *set, const admind_alert_id_t *id)
{
    admind_alert_t *alert;

    make_room(set);
    alert = set->count < ALERTS_MAX ? calloc(1, sizeof(*alert)) : NULL;
    if (alert == NULL) {
        return NULL;
    }
    alert->id = *id;
    fingerprint(alert->fingerprint, id);
    set->hashes[set->count] = hash_of(id);
    set->alerts[set->count++] = alert;
    return alert;
}

/* when_us: the moment it counts from; now_us: when it was found out. Changes are noted by moments that depend on the records
 * alone, not on when we looked. */
static void turn(admind_alertset_t *set, admind_alert_t *alert, bool firing, int64_t when_us, int64_t now_us)
{
    alert->firing = firing;
    alert->changed = true;
    alert->low_since_us = 0;
    alert->ends_us = firing ? 0 : when_us;
    if (firing) {
        alert->starts_us = when_us;
        alert->raised_us = now_us;
    }
    alert->changes_us[alert->next_change] = firing ? now_us : when_us;
    alert->next_change = (alert->next_change + 1) % ADMIND_ALERTS_FLAPS;
    if (!is_storm(alert)) {
        set->firing += firing ? 1 : (size_t)-1;
    }
}

/* Until when it flaps: while as many changes as the ring holds lie within the window. */
static int64_t flaps_until_us(const admind_alert_t *alert)
{
    int64_t oldest_us = alert->changes_us[alert->next_change]; /* the ring is full when it is not 0 */

    return oldest_us != 0 ? oldest_us + alert->flap_window_us : INT64_MIN;
}

/* Resolved so long ago that nobody asks for it any more. */
static bool is_past(const admind_alert_t *alert, int64_t now_us)
{
    int64_t keep_us = alert->flap_window_us > ADMIND_ALERTS_TELL_US ? alert->flap_window_us : ADMIND_ALERTS_TELL_US;

    return !alert->firing && now_us - alert->ends_us > keep_us;
}

static void storm(admind_alertset_t *set, int64_t now_us)
{
    static const admind_alert_id_t id = { .name = ADMIND_ALERTS_STORM, .severity = "critical" };
    admind_alert_t *alert = admind_alertset_find(set, &id);

    set->suppressed++;
    set->last_suppressed_us = now_us;
    if (alert == NULL) {
        alert = add(set, &id);
    }
    if (alert == NULL) {
        return;
    }
    if (!alert->firing) {
        set->suppressed = 1;
        turn(set, alert, true, now_us, now_us);
    }
    alert->low_since_us = 0;
    alert->value = set->suppressed;
    snprintf(alert->summary, sizeof(alert->summary), "More than %d alerts at once; no new ones are raised until some resolve",
             ADMIND_ALERTS_FIRING_MAX);
}

admind_alert_t *admind_alertset_raise(admind_alertset_t *set, const admind_alert_id_t *id, int64_t flap_window_us,
                                      int64_t start_us, int64_t now_us)
{
    admind_alert_t *alert = admind_alertset_find(set, id);

    if (alert != NULL && alert->firing) {
        alert->low_since_us = 0;
        return alert;
    }
    if (alert != NULL && is_past(alert, now_us)) {
        forget_alert(set, alert);
        alert = NULL;
    }
    if (set->firing >= ADMIND_ALERTS_FIRING_MAX) {
        storm(set, now_us);
        return NULL;
    }
    if (alert == NULL) {
        alert = add(set, id);
    }
    if (alert == NULL) {
        return NULL;
    }
    alert->flap_window_us = flap_window_us;
    turn(set, alert, true, start_us, now_us);
    alert->flapping = now_us < flaps_until_us(alert);
    return alert;
}

void admind_alertset_lower(admind_alertset_t *set, admind_alert_t *alert, int64_t below_since_us, int64_t hold_us, int64_t now_us)
{
    int64_t end_us;

    if (!alert->firing) {
        return;
    }
    alert->low_since_us = below_since_us;
    alert->flapping = now_us < flaps_until_us(alert);
    if (below_since_us == 0) {
        return;
    }
    end_us = (below_since_us > alert->raised_us ? below_since_us : alert->raised_us) + hold_us;
    end_us = end_us > flaps_until_us(alert) ? end_us : flaps_until_us(alert);
    if (end_us <= now_us) {
        turn(set, alert, false, end_us, now_us);
    }
}

void admind_alertset_tick(admind_alertset_t *set, int64_t now_us)
{
    for (size_t i = set->count; i-- > 0;) {
        admind_alert_t *alert = set->alerts[i];

        if (is_storm(alert)) {
            admind_alertset_lower(set, alert, set->firing < ADMIND_ALERTS_FIRING_MAX ? set->last_suppressed_us : 0, STORM_HOLD_US,
                                  now_us);
        }
        if (is_past(alert, now_us)) {
            forget(set, i);
        }
    }
}

size_t admind_alertset_count(const admind_alertset_t *set)
{
    return set->count;
}

admind_alert_t *admind_alertset_at(const admind_alertset_t *set, size_t index)
{
    return index < set->count ? set->alerts[index] : NULL;
}

admind_alert_t *admind_alertset_restore(admind_alertset_t *set, const admind_alert_id_t *id, bool firing)
{
    admind_alert_t *alert;

    if (admind_alertset_find(set, id) != NULL || set->count == ALERTS_MAX ||
        (firing && set->firing >= ADMIND_ALERTS_FIRING_MAX)) {
        return NULL;
    }
    alert = add(set, id);
    if (alert != NULL) {
        alert->firing = firing;
        set->firing += firing && !is_storm(alert) ? 1 : 0;
    }
    return alert;
}
