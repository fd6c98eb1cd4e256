/* SPDX-License-Identifier: Apache-2.0 */
/* What unknown key ids may cost: forced fetches are spaced an issuer and capped over all issuers, and ids that a fetch did not bring are remembered for a
 * while. Without this, random 'kid's would turn us into a flood at the provider. Pure: the caller's monotonic clock, microseconds. */
#ifndef ADMIND_BUDGET_H
#define ADMIND_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADMIND_FORCED_GAP_US ((int64_t)30 * 1000000) /* between forced fetches of one issuer, stamped before the fetch */
#define ADMIND_FORCED_WINDOW_US ((int64_t)60 * 1000000)
#define ADMIND_FORCED_MAX 10                          /* over all issuers in that window */
#define ADMIND_ABSENT_MAX 1024                        /* ids an issuer; the oldest makes room */
#define ADMIND_ABSENT_US ((int64_t)300 * 1000000)

/* Zeroed memory is empty in both; clocks start above zero. */
typedef struct admind_budget {
    int64_t forced_us[ADMIND_FORCED_MAX]; /* ring: the last forced fetches of all issuers */
    size_t next;
} admind_budget_t;

/* The earliest time a forced fetch may start, for an issuer whose last one was at last_us (0: never). Not later than now_us: at once. */
int64_t admind_budget_free_at(const admind_budget_t *budget, int64_t last_us);
/* Stamps one; the caller checked admind_budget_free_at. */
void admind_budget_take(admind_budget_t *budget, int64_t *last_us, int64_t now_us);

/* Key ids known to be absent, by keyed hash: an attacker cannot aim at somebody else's id. */
typedef struct admind_absent {
    struct {
        uint64_t hash;
        int64_t until_us;
    } ids[ADMIND_ABSENT_MAX];
    size_t next;
} admind_absent_t;

bool admind_absent_has(const admind_absent_t *absent, uint64_t hash, int64_t now_us);
void admind_absent_add(admind_absent_t *absent, uint64_t hash, int64_t now_us);

#endif
