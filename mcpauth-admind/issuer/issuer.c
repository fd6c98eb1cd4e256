/* SPDX-License-Identifier: Apache-2.0 */
#include "issuer/issuer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "issuer/keymaker.h"
#include "issuer/keystore.h"
#include "jose/jwks.h"
#include "log.h"

#define TICK_MS   1000
#define RETRY_US  (60 * INT64_C(1000000))
#define SET_BYTES 65536 /* 24 keys of 4096 bits are 22 KB */

struct admind_issuer {
    admind_loop_t *loop;
    admind_timer_t *timer;
    char dir[PATH_MAX];
    admind_keyplan_t plan;
    admind_keyring_t ring; /* as the file has it */
    admind_keymark_t mark; /* of that file */
    admind_keymaker_t *maker; /* NULL: no key is being made */
    char *published;       /* SET_BYTES; "": nothing */
    size_t published_len;
    int64_t without_us;    /* monotonic: since when there is no key */
    int64_t retry_us;      /* monotonic: not before */
    bool failing;          /* told once */
    bool is_strange;       /* the file is not the one that was marked; told once */
};

static admind_keytime_t now_of(const admind_issuer_t *issuer)
{
    return (admind_keytime_t){ admind_loop_wall_us(issuer->loop), admind_loop_mono_us(issuer->loop) };
}

static void fail(admind_issuer_t *issuer, const char *what, const char *why)
{
    if (!issuer->failing) {
        admind_log(ADMIND_ERR, "MCPA2801", "issuer: %s/" ADMIND_KEYSTORE_FILE ": %s: %s", issuer->dir, what, why);
    }
    issuer->failing = true;
    issuer->retry_us = admind_loop_mono_us(issuer->loop) + RETRY_US;
}

/* What is shown has gone through the reader of others' sets, which takes none with a private member, and was written anew from public keys. */
static void publish(admind_issuer_t *issuer)
{
    char *text = malloc(SET_BYTES);
    mcpa_jwks_report_t report = { 0 };
    mcpa_jwks_t *set = NULL;
    mcpa_out_t out;

    issuer->published_len = 0;
    if (text == NULL) {
        return;
    }
    mcpa_out_init(&out, text, SET_BYTES);
    admind_keyring_print(&out, &issuer->ring);
    if (mcpa_out_status(&out) == MCPA_OK && mcpa_jwks_parse(&set, mcpa_out_get(&out), &report) == MCPA_OK) {
        mcpa_out_init(&out, issuer->published, SET_BYTES);
        mcpa_jwks_print(&out, set);
        issuer->published_len = mcpa_out_status(&out) == MCPA_OK && report.usable == issuer->ring.count ? out.len : 0;
    }
    if (issuer->published_len == 0) {
        admind_log(ADMIND_ERR, "MCPA2802", "issuer: the keys cannot be published: %s", report.why);
    }
    mcpa_jwks_release(&set);
    free(text);
}

/* Takes the ring in place of the last one, if it could be written. */
static bool commit(admind_issuer_t *issuer, admind_keyring_t *ring)
{
    bool saved = admind_keystore_save(ring, issuer->dir);
    int why = errno;

    issuer->mark = admind_keystore_mark(issuer->dir); /* it may be replaced and yet not be sure to stay */
    if (!saved) {
        fail(issuer, "cannot be written", strerror(why));
        admind_keyring_clear(ring);
        return false;
    }
    MCPA_CRASH("issuer.saved");
    admind_keyring_clear(&issuer->ring);
    issuer->ring = *ring;
    issuer->failing = false;
    publish(issuer);
    return true;
}

static const char *signing_kid(const admind_keyring_t *ring)
{
    const admind_ringkey_t *key = admind_keyring_find(ring, ADMIND_STAGE_CURRENT);

    return key != NULL ? key->key.kid : "";
}

/* ---- the first keys, or those there are */

static void create(admind_issuer_t *issuer)
{
    admind_keytime_t now = now_of(issuer);
    admind_keyring_t ring = { .count = 0 };
    admind_signkey_t current = { 0 }, next = { 0 };

    if (!admind_signkey_make(&current, issuer->plan.alg, issuer->plan.bits) ||
        !admind_signkey_make(&next, issuer->plan.alg, issuer->plan.bits)) {
        admind_signkey_clear(&current);
        fail(issuer, "no key", "OpenSSL can make none");
        return;
    }
    admind_keyring_begin(&ring, &current, &next, &now);
    if (commit(issuer, &ring)) {
        admind_log(ADMIND_NOTICE, "MCPA2803", "issuer: made the first keys; %s signs", signing_kid(&issuer->ring));
    }
}

static void open_ring(admind_issuer_t *issuer)
{
    admind_keytime_t now = now_of(issuer);
    char why[512];
    mcpa_status_t status;

    if (mkdir(issuer->dir, 0700) != 0 && errno != EEXIST) {
        fail(issuer, "cannot be made", strerror(errno));
        return;
    }
    if (!admind_keystore_is_tight(issuer->dir, geteuid(), why, sizeof(why))) {
        fail(issuer, "not safe there", why);
        return;
    }
    admind_keystore_sweep(issuer->dir);
    issuer->mark = admind_keystore_mark(issuer->dir);
    status = admind_keystore_load(&issuer->ring, issuer->dir);
    if (status == MCPA_OK) {
        admind_keyring_adopt(&issuer->ring, &now);
        issuer->failing = false;
        publish(issuer);
    } else if (status == MCPA_ENOTFOUND) {
        create(issuer);
    } else if (status == MCPA_EUNSUPPORTED) {
        fail(issuer, "may be used by others", "remove it: what it holds may be known");
    } else {
        fail(issuer, "cannot be used", status == MCPA_EIO ? strerror(errno) : mcpa_status_word(status));
    }
}

/* ---- from time to time */

static void make_next(admind_issuer_t *issuer)
{
    admind_keytime_t now = now_of(issuer);
    admind_signkey_t next = { 0 };
    admind_keyring_t ring;

    if (issuer->maker == NULL && now.mono_us >= issuer->retry_us && admind_keyring_wants_next(&issuer->ring, &issuer->plan)) {
        issuer->maker = admind_keymaker_new(issuer->plan.alg, issuer->plan.bits);
        if (issuer->maker == NULL) {
            fail(issuer, "no next key", "no thread to make it");
        }
    }
    if (issuer->maker == NULL || !admind_keymaker_take(issuer->maker, &next)) {
        return;
    }
    admind_keymaker_free(&issuer->maker);
    if (next.pkey == NULL) {
        fail(issuer, "no next key", "OpenSSL can make none");
        return;
    }
    admind_keyring_copy(&ring, &issuer->ring);
    if (!admind_keyring_put_next(&ring, &next, &now)) { /* the keys took turns while it was made */
        admind_keyring_clear(&ring);
    } else if (commit(issuer, &ring)) {
        admind_log(ADMIND_NOTICE, "MCPA2804", "issuer: published a next key, %s", admind_keyring_find(&issuer->ring, ADMIND_STAGE_NEXT)->key.kid);
    }
}

static void turn(admind_issuer_t *issuer)
{
    admind_keytime_t now = now_of(issuer);
    bool wanted;
    char last[ADMIND_SIGNKEY_KID_BYTES];
    admind_keyring_t ring;

    if (now.mono_us < issuer->retry_us) {
        return;
    }
    snprintf(last, sizeof(last), "%s", signing_kid(&issuer->ring));
    if (admind_keystore_wishes(issuer->dir, last)) { /* killed behind the turn that it asked for */
        admind_keystore_drop_wish(issuer->dir);
    }
    wanted = admind_keystore_has_wish(issuer->dir) && admind_keyring_is_ripe(&issuer->ring, &now);
    admind_keyring_copy(&ring, &issuer->ring);
    if (!admind_keyring_turn(&ring, &issuer->plan, wanted, &now)) {
        admind_keyring_clear(&ring);
        return;
    }
    if (!commit(issuer, &ring)) {
        return;
    }
    if (strcmp(last, signing_kid(&issuer->ring)) != 0) {
        admind_log(ADMIND_NOTICE, "MCPA2805", "issuer: %s signs now, %s is verified for its overlap", signing_kid(&issuer->ring), last);
    }
    if (wanted) {
        admind_keystore_drop_wish(issuer->dir); /* last: who made it waits for that */
    }
}

/* Whoever mints signs with what the file has. What somebody put there, or took away, is not overwritten: it may be a backup. */
static bool is_own_file(admind_issuer_t *issuer)
{
    bool is_own = admind_keystore_is_marked(issuer->dir, &issuer->mark);

    if (!is_own && !issuer->is_strange) {
        admind_log(ADMIND_ERR, "MCPA2801",
                   "issuer: %s/" ADMIND_KEYSTORE_FILE ": somebody removed or replaced it: the published keys are still the old ones, and none takes "
                   "another's place until a reload takes what is there; or put the old file back",
                   issuer->dir);
    }
    issuer->is_strange = !is_own;
    return is_own;
}

static void on_tick(void *ctx)
{
    admind_issuer_t *issuer = ctx;
    int64_t mono_us = admind_loop_mono_us(issuer->loop);

    if (issuer->ring.count == 0 && mono_us >= issuer->retry_us) {
        open_ring(issuer);
    } else if (issuer->ring.count > 0) {
        issuer->without_us = mono_us;
        if (is_own_file(issuer)) {
            make_next(issuer);
            turn(issuer);
        }
    }
    admind_timer_arm(issuer->timer, TICK_MS);
}

/* ---- the whole */

admind_issuer_t *admind_issuer_new(admind_loop_t *loop, const admind_config_t *config)
{
    admind_issuer_t *issuer = calloc(1, sizeof(*issuer));

    if (issuer == NULL) {
        return NULL;
    }
    issuer->loop = loop;
    issuer->plan = (admind_keyplan_t){ config->issuer.alg, config->issuer.bits, config->issuer.rotate_us, config->issuer.overlap_us };
    issuer->without_us = admind_loop_mono_us(loop);
    issuer->published = malloc(SET_BYTES);
    issuer->timer = admind_timer_new(loop, on_tick, issuer);
    if (issuer->published == NULL || issuer->timer == NULL || !admind_config_issuer_dir(config, issuer->dir, sizeof(issuer->dir))) {
        admind_issuer_free(&issuer);
        return NULL;
    }
    open_ring(issuer);
    if (issuer->ring.count > 0) {
        turn(issuer); /* what fell due while nobody ran is no news to anybody */
    }
    admind_timer_arm(issuer->timer, TICK_MS);
    return issuer;
}

void admind_issuer_free(admind_issuer_t **slot)
{
    admind_issuer_t *issuer = *slot;

    if (issuer == NULL) {
        return;
    }
    *slot = NULL;
    admind_timer_free(&issuer->timer);
    admind_keymaker_free(&issuer->maker);
    admind_keyring_clear(&issuer->ring);
    free(issuer->published);
    free(issuer);
}

mcpa_str_t admind_issuer_published(const admind_issuer_t *issuer)
{
    return issuer->published_len > 0 ? (mcpa_str_t){ issuer->published, issuer->published_len } : MCPA_STR_NONE;
}

void admind_issuer_state(const admind_issuer_t *issuer, admind_issuer_state_t *state)
{
    const admind_ringkey_t *current = admind_keyring_find(&issuer->ring, ADMIND_STAGE_CURRENT);
    admind_keytime_t now = now_of(issuer);

    *state = (admind_issuer_state_t){ .has_key = current != NULL, .rotate_us = issuer->plan.rotate_us };
    state->age_us = current != NULL ? admind_keyring_age_us(current, &now) : now.mono_us - issuer->without_us;
}
