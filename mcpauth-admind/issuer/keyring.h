/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the local issuer, and when one takes the other's place.
 *
 *   next ──(known for ADMIND_KEYRING_AHEAD_US, and its turn)──▶ current ──(the next one took over)──▶ old ──(overlap)──▶ gone
 *
 * All three stand in the published set; current signs; an old one has no private part any more. The next key is made right after the last one
 * took over, so that everybody knows it long before it signs. Pure: times are arguments, files are keystore.h's. */
#ifndef ADMIND_ISSUER_KEYRING_H
#define ADMIND_ISSUER_KEYRING_H

#include "issuer/signkey.h"

#define ADMIND_KEYRING_MAX       24                      /* next, current, and old ones */
#define ADMIND_KEYRING_MAX_AGE_S 3600                    /* what verifiers are told to keep the set for */
#define ADMIND_KEYRING_AHEAD_US  (INT64_C(7200) * 1000000) /* twice that: they may be late */

typedef enum admind_stage { ADMIND_STAGE_NEXT, ADMIND_STAGE_CURRENT, ADMIND_STAGE_OLD, ADMIND_STAGE_COUNT } admind_stage_t;

typedef struct admind_ringkey {
    admind_stage_t stage;
    int64_t since_us; /* wall clock: in this stage */
    int64_t mono_us;  /* the same moment by the monotonic clock of this process, as far as it can know */
    admind_signkey_t key;
} admind_ringkey_t;

/* In no order but that next is at most one, and current exactly one where there is any. Zeroed: empty. */
typedef struct admind_keyring {
    admind_ringkey_t keys[ADMIND_KEYRING_MAX];
    size_t count;
} admind_keyring_t;

typedef struct admind_keyplan { /* what the configuration wants */
    mcpa_alg_t alg;
    unsigned bits;
    int64_t rotate_us, overlap_us;
} admind_keyplan_t;

typedef struct admind_keytime {
    int64_t wall_us, mono_us;
} admind_keytime_t;

/* NULL: there is none. */
const admind_ringkey_t *admind_keyring_find(const admind_keyring_t *ring, admind_stage_t stage);
/* How long the key has been in its stage: by the clock that says less, so that a step of the wall clock makes nothing happen early. */
int64_t admind_keyring_age_us(const admind_ringkey_t *key, const admind_keytime_t *now);

/* Takes both keys, for a ring that is empty: nobody can know one without the other, so next may sign as soon as it is wanted. */
void admind_keyring_begin(admind_keyring_t *ring, admind_signkey_t *current, admind_signkey_t *next, const admind_keytime_t *now);
/* What was loaded: how much of each age the monotonic clock stands for. A moment in the future is taken for now: the clock was set back. */
void admind_keyring_adopt(admind_keyring_t *ring, const admind_keytime_t *now);
/* Whether a next key is to be made: there is none, or it is not of the kind that the plan wants. */
bool admind_keyring_wants_next(const admind_keyring_t *ring, const admind_keyplan_t *plan);
/* Takes the key. false: there is no room, and the key is gone: what wants_next said was before a turn. */
bool admind_keyring_put_next(admind_keyring_t *ring, admind_signkey_t *next, const admind_keytime_t *now) MCPA_MUST_CHECK;
/* Whether next may take over: it is known. */
bool admind_keyring_is_ripe(const admind_keyring_t *ring, const admind_keytime_t *now);
/* next takes over, when it is its turn or wanted; old keys go when their overlap is over. Ages that a step of the wall clock falsified by minutes are
 * set right. false: nothing was changed. */
bool admind_keyring_turn(admind_keyring_t *ring, const admind_keyplan_t *plan, bool wanted, const admind_keytime_t *now);

void admind_keyring_copy(admind_keyring_t *to, const admind_keyring_t *ring);
void admind_keyring_clear(admind_keyring_t *ring);
/* The JWK Set, public members only; ["keys"] in the order next, current, old. Check mcpa_out_status. */
void admind_keyring_print(mcpa_out_t *out, const admind_keyring_t *ring);

#endif
