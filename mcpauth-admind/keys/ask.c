/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of children for key ids they do not know: answered from what we have, from the memory of absent ids, or by a fetch
 * within the budget. */
#include <stdlib.h>

#include "keys/slot.h"
#include "state/siphash.h"

uint64_t admind_slot_kid_hash(const admind_slot_t *slot, mcpa_str_t kid)
{
    return mcpa_siphash(slot->keys->hash_key, kid.ptr, kid.len);
}

bool admind_slot_has_kid(const admind_slot_t *slot, mcpa_str_t kid)
{
    bool known = false;

    if (slot->set != NULL) {
        mcpa_jwks_find(slot->set, MCPA_ALG_RS256, kid, &known); /* any algorithm: only *known counts */
    }
    return known;
}

static void answer(admind_slot_t *slot, uint64_t ticket, bool found)
{
    admind_keys_t *keys = slot->keys;
    mcpa_str_t label = mcpa_str(slot->issuer);

    if (!found) {
        slot->unknown_kids++;
        mcpa_metrics_add(keys->metrics, MCPA_METRIC_UNKNOWN_KID, &label, 1);
    }
    keys->events.answered(keys->events.ctx, ticket, found, keys->generation);
}

bool admind_slot_may_force(const admind_slot_t *slot)
{
    return admind_budget_free_at(&slot->keys->budget, slot->forced_us) <= admind_loop_mono_us(slot->keys->loop);
}

void admind_slot_force(admind_slot_t *slot)
{
    /* Stamped first: a provider that answers slowly is not asked again meanwhile. */
    admind_budget_take(&slot->keys->budget, &slot->forced_us, admind_loop_mono_us(slot->keys->loop));
    slot->wanted = false;
    admind_slot_refresh(slot);
}

static bool add_waiter(admind_slot_t *slot, mcpa_str_t kid, uint64_t ticket)
{
    admind_waiter_t waiter = { .ticket = ticket, .asked_us = admind_loop_mono_us(slot->keys->loop), .kid_len = kid.len };

    if (slot->waiters == NULL) {
        slot->waiters = calloc(ADMIND_WAITERS_MAX, sizeof(*slot->waiters));
    }
    if (slot->waiters == NULL || slot->n_waiters == ADMIND_WAITERS_MAX || (waiter.kid = malloc(kid.len)) == NULL) {
        return false;
    }
    memcpy(waiter.kid, kid.ptr, kid.len);
    slot->waiters[slot->n_waiters++] = waiter;
    return true;
}

/* Whether this waiter was told its answer; false: it should wait for one more fetch. */
static bool settle(admind_slot_t *slot, const admind_waiter_t *waiter, bool fetched, bool may_wait)
{
    mcpa_str_t kid = { waiter->kid, waiter->kid_len };
    bool found = admind_slot_has_kid(slot, kid) && admind_slot_is_usable(slot);

    /* A kid that a fetch begun after the question did not bring is absent; one that only saw an older fetch deserves its own. */
    if (!found && fetched && waiter->asked_us > slot->started_us) {
        if (may_wait) {
            return false;
        }
        slot->wanted = true;
    } else if (!found && fetched) {
        admind_absent_add(&slot->absent, admind_slot_kid_hash(slot, kid), admind_loop_mono_us(slot->keys->loop));
    }
    answer(slot, waiter->ticket, found);
    return true;
}

void admind_slot_answer(admind_slot_t *slot, bool fetched)
{
    admind_waiter_t *waiters = slot->waiters;
    size_t n = slot->n_waiters;
    bool may_wait = admind_slot_may_force(slot);

    slot->waiters = NULL; /* the answers' receiver may ask again */
    slot->n_waiters = 0;
    for (size_t i = 0; i < n; i++) {
        bool settled = settle(slot, &waiters[i], fetched, may_wait);

        if (!settled && !add_waiter(slot, (mcpa_str_t){ waiters[i].kid, waiters[i].kid_len }, waiters[i].ticket)) {
            answer(slot, waiters[i].ticket, false);
        }
        free(waiters[i].kid);
    }
    free(waiters);
    if (slot->n_waiters > 0 && slot->fetch == NULL) {
        admind_slot_force(slot);
    }
}

admind_slot_t *admind_slot_find(const admind_keys_t *keys, mcpa_str_t issuer)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (mcpa_str_eqz(issuer, keys->slots[i]->issuer)) {
            return keys->slots[i];
        }
    }
    return NULL;
}

void admind_keys_ask(admind_keys_t *keys, mcpa_str_t issuer, mcpa_str_t kid, uint64_t ticket)
{
    admind_slot_t *slot = admind_slot_find(keys, issuer);

    if (slot == NULL || !admind_slot_fetches(slot) || kid.len == 0 || kid.len > MCPA_KID_MAX_BYTES) {
        keys->events.answered(keys->events.ctx, ticket, false, keys->generation);
        return;
    }
    if (admind_slot_has_kid(slot, kid) && admind_slot_is_usable(slot)) {
        answer(slot, ticket, true);
        return;
    }
    if (admind_absent_has(&slot->absent, admind_slot_kid_hash(slot, kid), admind_loop_mono_us(keys->loop))) {
        answer(slot, ticket, false);
        return;
    }
    if (slot->fetch == NULL && !admind_slot_may_force(slot)) {
        /* The fetch that nobody waits for: a real rotation behind a flood of invented ids is found when the budget allows. */
        slot->wanted = true;
        admind_slot_arm(slot);
        answer(slot, ticket, false);
        return;
    }
    if (!add_waiter(slot, kid, ticket)) {
        answer(slot, ticket, false);
        return;
    }
    if (slot->fetch == NULL) {
        admind_slot_force(slot);
    }
}
