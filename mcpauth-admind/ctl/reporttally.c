/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/reporttally.h"

#include <stdlib.h>
#include <sys/random.h>

#include "state/siphash.h"

typedef struct entry {
    ctl_tally_row_t row; /* its key is malloc'd */
    uint64_t hash;
    uint32_t heap_at;
} entry_t;

/* index: open addressing, an entry's number + 1, 0 where free. heap: entries' numbers, the least estimate (total + missed) first.
 */
struct ctl_tally {
    size_t max_keys, max_bytes, count, bytes, mask;
    entry_t *entries;
    uint32_t *index, *heap;
    uint64_t missed;
    bool more;
    ctl_tally_row_t sums;
    unsigned char secret[16]; /* clients choose the keys: they must not know where these land */
};

ctl_tally_t *ctl_tally_new(size_t max_keys, size_t max_bytes)
{
    ctl_tally_t *tally = calloc(1, sizeof(*tally));
    size_t slots = 4;

    if (tally == NULL) {
        return NULL;
    }
    while (slots < 2 * max_keys) {
        slots *= 2;
    }
    tally->max_keys = max_keys;
    tally->max_bytes = max_bytes;
    tally->mask = slots - 1;
    tally->entries = calloc(max_keys, sizeof(*tally->entries));
    tally->index = calloc(slots, sizeof(*tally->index));
    tally->heap = calloc(max_keys, sizeof(*tally->heap));
    if (tally->entries == NULL || tally->index == NULL || tally->heap == NULL ||
        getrandom(tally->secret, sizeof(tally->secret), 0) != (ssize_t)sizeof(tally->secret)) {
        ctl_tally_free(&tally);
    }
    return tally;
}

void ctl_tally_free(ctl_tally_t **tally)
{
    if (*tally == NULL) {
        return;
    }
    for (size_t i = 0; i < (*tally)->count; i++) {
        free((void *)(*tally)->entries[i].row.key.ptr);
    }
    free((*tally)->entries);
    free((*tally)->index);
    free((*tally)->heap);
    free(*tally);
    *tally = NULL;
}

/* ---- the heap */

static uint64_t estimate(const ctl_tally_t *tally, size_t heap_at)
{
    const ctl_tally_row_t *row = &tally->entries[tally->heap[heap_at]].row;

    return row->total + row->missed;
}

static void swap(ctl_tally_t *tally, size_t a, size_t b)
{
    uint32_t one = tally->heap[a], other = tally->heap[b];

    tally->heap[a] = other;
    tally->heap[b] = one;
    tally->entries[other].heap_at = (uint32_t)a;
    tally->entries[one].heap_at = (uint32_t)b;
}

static void sink(ctl_tally_t *tally, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < tally->count && estimate(tally, child + 1) < estimate(tally, child)) {
            child++;
        }
        if (child >= tally->count || estimate(tally, child) >= estimate(tally, at)) {
            return;
        }
        swap(tally, at, child);
        at = child;
    }
}

static void rise(ctl_tally_t *tally, size_t at)
{
    while (at > 0 && estimate(tally, at) < estimate(tally, (at - 1) / 2)) {
        swap(tally, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

/* ---- the index */

/* The slot of the key, or the free one where it would be. */
static size_t find_slot(const ctl_tally_t *tally, mcpa_str_t key, uint64_t hash)
{
    size_t slot = hash & tally->mask;

    for (; tally->index[slot] != 0; slot = (slot + 1) & tally->mask) {
        const entry_t *entry = &tally->entries[tally->index[slot] - 1];

        if (entry->hash == hash && mcpa_str_eq(entry->row.key, key)) {
            break;
        }
    }
    return slot;
}

/* What stands behind a freed slot moves up, so that every search still ends at the first free one. */
static void free_slot(ctl_tally_t *tally, size_t slot)
{
    size_t next = slot;

    for (;;) {
        size_t home;

        next = (next + 1) & tally->mask;
        if (tally->index[next] == 0) {
            break;
        }
        home = tally->entries[tally->index[next] - 1].hash & tally->mask;
        if (((next - home) & tally->mask) >= ((next - slot) & tally->mask)) {
            tally->index[slot] = tally->index[next];
            slot = next;
        }
    }
    tally->index[slot] = 0;
}

/* The last entry takes the place of the removed one, so that entries stay one block. */
static void remove_least(ctl_tally_t *tally)
{
    uint32_t gone = tally->heap[0], last = (uint32_t)tally->count - 1;
    entry_t *entry = &tally->entries[gone];

    tally->missed = estimate(tally, 0) > tally->missed ? estimate(tally, 0) : tally->missed;
    tally->more = true;
    tally->bytes -= entry->row.key.len;
    free_slot(tally, find_slot(tally, entry->row.key, entry->hash));
    free((void *)entry->row.key.ptr);
    swap(tally, 0, last);
    tally->count--;
    sink(tally, 0);
    if (gone != last) {
        tally->index[find_slot(tally, tally->entries[last].row.key, tally->entries[last].hash)] = gone + 1;
        *entry = tally->entries[last];
        tally->heap[entry->heap_at] = gone;
    }
}

/* ---- counting */

static entry_t *insert(ctl_tally_t *tally, mcpa_str_t key, uint64_t hash)
{
    char *copy = malloc(key.len + 1);
    entry_t *entry;

    if (copy == NULL) {
        return NULL;
    }
    if (key.len > 0) {
        memcpy(copy, key.ptr, key.len);
    }
    copy[key.len] = '\0';
    while (tally->count > 0 && (tally->count == tally->max_keys || tally->bytes + key.len > tally->max_bytes)) {
        remove_least(tally);
    }
    tally->index[find_slot(tally, key, hash)] = (uint32_t)tally->count + 1;
    entry = &tally->entries[tally->count];
    *entry = (entry_t){ .row = { .key = { copy, key.len }, .missed = tally->missed }, .hash = hash };
    entry->heap_at = (uint32_t)tally->count;
    tally->heap[tally->count] = (uint32_t)tally->count;
    tally->bytes += key.len;
    tally->count++;
    rise(tally, tally->count - 1);
    return entry;
}

mcpa_status_t ctl_tally_add(ctl_tally_t *tally, mcpa_str_t key, unsigned column)
{
    uint64_t hash;
    entry_t *entry;
    size_t slot;

    key.len = key.len > CTL_TALLY_KEY_MAX_BYTES ? CTL_TALLY_KEY_MAX_BYTES : key.len;
    hash = mcpa_siphash(tally->secret, key.ptr != NULL ? key.ptr : "", key.len);
    slot = find_slot(tally, key, hash);
    entry = tally->index[slot] != 0 ? &tally->entries[tally->index[slot] - 1] : insert(tally, key, hash);
    if (entry == NULL) {
        return MCPA_ENOMEM;
    }
    entry->row.total++;
    entry->row.counts[column]++;
    tally->sums.total++;
    tally->sums.counts[column]++;
    sink(tally, entry->heap_at);
    return MCPA_OK;
}

/* ---- looking */

size_t ctl_tally_keys(const ctl_tally_t *tally, bool *more)
{
    *more = tally->more;
    return tally->count;
}

uint64_t ctl_tally_missed(const ctl_tally_t *tally)
{
    return tally->missed;
}

const ctl_tally_row_t *ctl_tally_sums(const ctl_tally_t *tally)
{
    return &tally->sums;
}

/* Below 0: a comes first. */
static int compare(const ctl_tally_row_t *a, const ctl_tally_row_t *b)
{
    size_t shorter = a->key.len < b->key.len ? a->key.len : b->key.len;
    int order;

    if (a->total != b->total) {
        return a->total > b->total ? -1 : 1;
    }
    order = memcmp(a->key.ptr, b->key.ptr, shorter);
    return order != 0 ? order : (a->key.len > b->key.len) - (a->key.len < b->key.len);
}

size_t ctl_tally_top(const ctl_tally_t *tally, ctl_tally_row_t *rows, size_t n)
{
    size_t found = 0;

    for (size_t i = 0; i < tally->count && n > 0; i++) {
        const ctl_tally_row_t *row = &tally->entries[i].row;
        size_t at;

        if (found == n && compare(row, &rows[n - 1]) > 0) {
            continue;
        }
        at = found < n ? found++ : n - 1;
        for (; at > 0 && compare(row, &rows[at - 1]) < 0; at--) {
            rows[at] = rows[at - 1];
        }
        rows[at] = *row;
    }
    return found;
}
