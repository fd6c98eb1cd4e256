/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/reportpending.h"

#include <stdlib.h>
#include <sys/random.h>

#include "state/siphash.h"

#define SLOTS_MIN 1024

/* Keyed hashes, open addressing, 0 where free: two requests of a million share one with a probability of 3 in 10^8. */
struct ctl_pending {
    uint64_t *slots;
    size_t mask, count, max;
    unsigned char secret[16];
};

ctl_pending_t *ctl_pending_new(size_t max)
{
    ctl_pending_t *pending = calloc(1, sizeof(*pending));

    if (pending == NULL) {
        return NULL;
    }
    pending->slots = calloc(SLOTS_MIN, sizeof(*pending->slots));
    pending->mask = SLOTS_MIN - 1;
    pending->max = max;
    if (pending->slots == NULL || getrandom(pending->secret, sizeof(pending->secret), 0) != (ssize_t)sizeof(pending->secret)) {
        ctl_pending_free(&pending);
    }
    return pending;
}

void ctl_pending_free(ctl_pending_t **pending)
{
    if (*pending != NULL) {
        free((*pending)->slots);
        free(*pending);
        *pending = NULL;
    }
}

static uint64_t hash_of(const ctl_pending_t *pending, const unsigned char instance[16], mcpa_str_t request_id)
{
    unsigned char text[16 + 256];
    size_t len = request_id.len < 256 ? request_id.len : 256;
    uint64_t hash;

    memcpy(text, instance, 16);
    if (len > 0) {
        memcpy(text + 16, request_id.ptr, len);
    }
    hash = mcpa_siphash(pending->secret, text, 16 + len);
    return hash != 0 ? hash : 1;
}

static size_t find_slot(const ctl_pending_t *pending, uint64_t hash)
{
    size_t slot = hash & pending->mask;

    while (pending->slots[slot] != 0 && pending->slots[slot] != hash) {
        slot = (slot + 1) & pending->mask;
    }
    return slot;
}

static mcpa_status_t grow(ctl_pending_t *pending)
{
    size_t slots = 2 * (pending->mask + 1);
    uint64_t *old = pending->slots;

    pending->slots = calloc(slots, sizeof(*pending->slots));
    if (pending->slots == NULL) {
        pending->slots = old;
        return MCPA_ENOMEM;
    }
    pending->mask = slots - 1;
    for (size_t i = 0; i < slots / 2; i++) {
        if (old[i] != 0) {
            pending->slots[find_slot(pending, old[i])] = old[i];
        }
    }
    free(old);
    return MCPA_OK;
}

mcpa_status_t ctl_pending_add(ctl_pending_t *pending, const unsigned char instance[16], mcpa_str_t request_id)
{
    uint64_t hash = hash_of(pending, instance, request_id);
    size_t slot = find_slot(pending, hash);

    if (pending->slots[slot] == hash) {
        return MCPA_OK;
    }
    if (pending->count >= pending->max) {
        return MCPA_ETOOBIG;
    }
    if (2 * (pending->count + 1) > pending->mask) {
        mcpa_status_t status = grow(pending);

        if (status != MCPA_OK) {
            return status;
        }
        slot = find_slot(pending, hash);
    }
    pending->slots[slot] = hash;
    pending->count++;
    return MCPA_OK;
}

void ctl_pending_remove(ctl_pending_t *pending, const unsigned char instance[16], mcpa_str_t request_id)
{
    size_t slot = find_slot(pending, hash_of(pending, instance, request_id)), next = slot;

    if (pending->slots[slot] == 0) {
        return;
    }
    pending->count--;
    for (;;) { /* what stands behind moves up, so that every search still ends at the first free slot */
        next = (next + 1) & pending->mask;
        if (pending->slots[next] == 0) {
            break;
        }
        if (((next - pending->slots[next]) & pending->mask) >= ((next - slot) & pending->mask)) {
            pending->slots[slot] = pending->slots[next];
            slot = next;
        }
    }
    pending->slots[slot] = 0;
}

size_t ctl_pending_count(const ctl_pending_t *pending)
{
    return pending->count;
}
