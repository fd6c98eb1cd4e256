/* SPDX-License-Identifier: Apache-2.0 */
#include "issuer/keyring.h"

#include "base/limits.h"

#define SKEW_US (MCPA_SKEW_MAX_S * INT64_C(1000000)) /* verifiers may take a token so long after it is over */
#define STEP_US (300 * INT64_C(1000000))             /* more than clocks drift apart between two starts */

static admind_ringkey_t *find(admind_keyring_t *ring, admind_stage_t stage)
{
    for (size_t i = 0; i < ring->count; i++) {
        if (ring->keys[i].stage == stage) {
            return &ring->keys[i];
        }
    }
    return NULL;
}

const admind_ringkey_t *admind_keyring_find(const admind_keyring_t *ring, admind_stage_t stage)
{
    for (size_t i = 0; i < ring->count; i++) {
        if (ring->keys[i].stage == stage) {
            return &ring->keys[i];
        }
    }
    return NULL;
}

int64_t admind_keyring_age_us(const admind_ringkey_t *key, const admind_keytime_t *now)
{
    int64_t wall = now->wall_us - key->since_us, mono = now->mono_us - key->mono_us;
    int64_t less = wall < mono ? wall : mono;

    return less > 0 ? less : 0;
}

/* Moves the key, handle and all, into the ring. */
static void add(admind_keyring_t *ring, admind_stage_t stage, admind_signkey_t *key, const admind_keytime_t *now, int64_t age_us)
{
    ring->keys[ring->count++] =
        (admind_ringkey_t){ .stage = stage, .since_us = now->wall_us - age_us, .mono_us = now->mono_us - age_us, .key = *key };
    *key = (admind_signkey_t){ 0 };
}

static void drop(admind_keyring_t *ring, admind_ringkey_t *key)
{
    admind_signkey_clear(&key->key);
    *key = ring->keys[--ring->count];
    ring->keys[ring->count] = (admind_ringkey_t){ .stage = ADMIND_STAGE_NEXT };
}

/* Under a running daemon the wall clock was stepped, either way: it was wrong, or is. The ages are what the monotonic clock says, and that is
 * written, since a start has nothing else to believe. */
static bool restamp(admind_keyring_t *ring, const admind_keytime_t *now)
{
    bool changed = false;

    for (size_t i = 0; i < ring->count; i++) {
        admind_ringkey_t *key = &ring->keys[i];
        int64_t wall = now->wall_us - key->since_us, mono = now->mono_us - key->mono_us;

        if (wall < 0 || wall > mono + STEP_US) {
            key->since_us = now->wall_us > mono ? now->wall_us - mono : 0; /* the file has no moment before 1970 */
            changed = true;
        }
    }
    return changed;
}

void admind_keyring_begin(admind_keyring_t *ring, admind_signkey_t *current, admind_signkey_t *next, const admind_keytime_t *now)
{
    add(ring, ADMIND_STAGE_CURRENT, current, now, 0);
    add(ring, ADMIND_STAGE_NEXT, next, now, ADMIND_KEYRING_AHEAD_US);
}

void admind_keyring_adopt(admind_keyring_t *ring, const admind_keytime_t *now)
{
    for (size_t i = 0; i < ring->count; i++) {
        if (ring->keys[i].since_us > now->wall_us) {
            ring->keys[i].since_us = now->wall_us;
        }
        ring->keys[i].mono_us = now->mono_us - (now->wall_us - ring->keys[i].since_us);
    }
}

static bool is_of_plan(const admind_signkey_t *key, const admind_keyplan_t *plan)
{
    return key->alg == plan->alg && (key->alg != MCPA_ALG_RS256 || EVP_PKEY_get_bits(key->pkey) == (int)plan->bits);
}

bool admind_keyring_wants_next(const admind_keyring_t *ring, const admind_keyplan_t *plan)
{
    const admind_ringkey_t *next = admind_keyring_find(ring, ADMIND_STAGE_NEXT);

    return next == NULL ? ring->count < ADMIND_KEYRING_MAX : !is_of_plan(&next->key, plan);
}

bool admind_keyring_put_next(admind_keyring_t *ring, admind_signkey_t *next, const admind_keytime_t *now)
{
    admind_ringkey_t *last = find(ring, ADMIND_STAGE_NEXT);

    if (last != NULL) { /* of another kind; it never signed anything */
        drop(ring, last);
    }
    if (ring->count == ADMIND_KEYRING_MAX) {
        admind_signkey_clear(next);
        return false;
    }
    add(ring, ADMIND_STAGE_NEXT, next, now, 0);
    return true;
}

bool admind_keyring_is_ripe(const admind_keyring_t *ring, const admind_keytime_t *now)
{
    const admind_ringkey_t *next = admind_keyring_find(ring, ADMIND_STAGE_NEXT);

    return next != NULL && admind_keyring_age_us(next, now) >= ADMIND_KEYRING_AHEAD_US;
}

static bool drop_outlived(admind_keyring_t *ring, const admind_keyplan_t *plan, const admind_keytime_t *now)
{
    size_t before = ring->count;

    for (size_t i = ring->count; i-- > 0;) {
        admind_ringkey_t *key = &ring->keys[i];

        if (key->stage == ADMIND_STAGE_OLD && admind_keyring_age_us(key, now) >= plan->overlap_us + SKEW_US) {
            drop(ring, key);
        }
    }
    return ring->count != before;
}

static void enter(admind_ringkey_t *key, admind_stage_t stage, const admind_keytime_t *now)
{
    key->stage = stage;
    key->since_us = now->wall_us;
    key->mono_us = now->mono_us;
}

bool admind_keyring_turn(admind_keyring_t *ring, const admind_keyplan_t *plan, bool wanted, const admind_keytime_t *now)
{
    bool healed = restamp(ring, now), changed = drop_outlived(ring, plan, now) || healed;
    admind_ringkey_t *current = find(ring, ADMIND_STAGE_CURRENT), *next = find(ring, ADMIND_STAGE_NEXT);

    if (current == NULL || (!wanted && admind_keyring_age_us(current, now) < plan->rotate_us) || !admind_keyring_is_ripe(ring, now) ||
        !admind_signkey_retire(&current->key)) {
        return changed;
    }
    enter(current, ADMIND_STAGE_OLD, now);
    enter(next, ADMIND_STAGE_CURRENT, now);
    return true;
}

void admind_keyring_copy(admind_keyring_t *to, const admind_keyring_t *ring)
{
    *to = *ring;
    for (size_t i = 0; i < ring->count; i++) {
        admind_signkey_share(&to->keys[i].key, &ring->keys[i].key);
    }
}

void admind_keyring_clear(admind_keyring_t *ring)
{
    for (size_t i = 0; i < ring->count; i++) {
        admind_signkey_clear(&ring->keys[i].key);
    }
    *ring = (admind_keyring_t){ .count = 0 };
}

void admind_keyring_print(mcpa_out_t *out, const admind_keyring_t *ring)
{
    mcpa_jsonw_t w;

    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_open_array(&w, "keys");
    for (admind_stage_t stage = ADMIND_STAGE_NEXT; stage < ADMIND_STAGE_COUNT; stage++) {
        for (size_t i = 0; i < ring->count; i++) {
            if (ring->keys[i].stage == stage) {
                admind_signkey_print_jwk(&w, &ring->keys[i].key);
            }
        }
    }
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_close_object(&w);
}
