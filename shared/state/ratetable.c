/* SPDX-License-Identifier: Apache-2.0 */
/* One block, offsets only:
 *
 *     0  magic  bytes  sets  columns  secret[16]                                  64 bytes, never written again after init
 *    64  overflow  sketch_until                                                   64 bytes, a line of their own: they are written
 *   128  set 0:  fingerprint tat | fingerprint tat | … 8 ways                     128 bytes a set, sets is a power of two
 *        …
 *        sketch: 4 rows of 'columns' TATs                                         8 bytes a cell, columns is a power of two
 *
 * magic … secret  init writes them before the block is shared; everyone reads.
 * fingerprint     whose bucket the way is, 0 for nobody's. Anyone replaces it by compare-and-swap while the way's tat is not
 * later than now, that is while the bucket is empty and its owner loses nothing; acquire-release orders it before the tat. tat
 * anyone raises it by compare-and-swap (gcra.h); it never falls, so a stale look errs towards "empty" and is caught below. cell
 * anyone raises it by compare-and-swap; never falls. overflow        anyone adds, gauges read; a count that orders nothing.
 * sketch_until    no cell is later than this; raised before a cell is, by whoever is about to raise one, and read to skip an idle
 * sketch.
 *
 * Between any two instructions the block is a valid table: a process may be killed anywhere. What races cost is stated where they
 * happen; it is one interval of one bucket each time. */
#include "state/ratetable.h"

#include <stdatomic.h>

#include "state/gcra.h"
#include "state/siphash.h"

#define MAGIC       UINT64_C(0x31304552504d434d) /* the last two characters count layouts */
#define WAYS        8
#define SETS_MIN    8
#define SETS_MAX    (UINT64_C(1) << 32) /* 512 GiB: beyond any memory, and within the arithmetic */
#define ROWS        4
#define COLUMNS_MIN 1024
#define COLUMNS_MAX 65536

typedef struct way {
    _Atomic uint64_t fingerprint;
    _Atomic uint64_t tat;
} way_t;

struct mcpa_ratetable {
    uint64_t magic;
    uint64_t bytes;
    uint64_t sets;
    uint64_t columns;
    unsigned char secret[16];
    unsigned char pad1[16];
    _Atomic uint64_t overflow;
    _Atomic uint64_t sketch_until;
    unsigned char pad2[48];
    way_t ways[];
};

_Static_assert(sizeof(way_t) * WAYS == 128, "a set is two cache lines");
_Static_assert(offsetof(mcpa_ratetable_t, overflow) == 64 && offsetof(mcpa_ratetable_t, ways) == 128, "the layout drawn above");

static uint64_t sets_for(size_t entries)
{
    uint64_t sets = SETS_MIN;

    while (sets < SETS_MAX && sets * WAYS < entries) {
        sets *= 2;
    }
    return sets;
}

/* The sketch is for a flood of new keys, and a flood is not smaller because the table is: hence many more cells than ways. */
static uint64_t columns_for(uint64_t sets)
{
    uint64_t columns = 16 * WAYS * sets;

    return columns < COLUMNS_MIN ? COLUMNS_MIN : columns > COLUMNS_MAX ? COLUMNS_MAX : columns;
}

static uint64_t bytes_for(uint64_t sets)
{
    return sizeof(mcpa_ratetable_t) + sets * WAYS * sizeof(way_t) + ROWS * columns_for(sets) * sizeof(uint64_t);
}

size_t mcpa_ratetable_bytes(size_t entries)
{
    return (size_t)bytes_for(sets_for(entries));
}

mcpa_ratetable_t *mcpa_ratetable_init(void *memory, size_t entries, const unsigned char secret[16])
{
    mcpa_ratetable_t *table = memory;

    table->sets = sets_for(entries);
    table->columns = columns_for(table->sets);
    table->bytes = bytes_for(table->sets);
    memcpy(table->secret, secret, sizeof(table->secret));
    table->magic = MAGIC;
    return table;
}

mcpa_ratetable_t *mcpa_ratetable_attach(void *memory, size_t bytes)
{
    mcpa_ratetable_t *table = memory;

    if (bytes < sizeof(*table) || table->magic != MAGIC || table->bytes != bytes) {
        return NULL;
    }
    if (table->sets < SETS_MIN || table->sets > SETS_MAX || (table->sets & (table->sets - 1)) != 0 ||
        table->columns != columns_for(table->sets) || table->bytes != bytes_for(table->sets)) {
        return NULL;
    }
    return table;
}

/* The rule goes into a second hash of fixed length: no copy of an identity of any length is needed, and no identity can be made
 * to look like another rule's. */
static uint64_t fingerprint_of(const mcpa_ratetable_t *table, uint64_t rule_id, mcpa_str_t identity)
{
    uint64_t words[2] = { rule_id, mcpa_siphash(table->secret, identity.ptr, identity.len) };
    uint64_t fingerprint = mcpa_siphash(table->secret, words, sizeof(words));

    return fingerprint != 0 ? fingerprint : 1;
}

/* The four cells of a key. The set takes the fingerprint's low bits, so keys that meet in a set share them; mixing (the finalizer
 * of MurmurHash3) keeps them apart here. The fingerprint is keyed, so nobody can aim at cells. */
static void find_cells(mcpa_ratetable_t *table, uint64_t fingerprint, _Atomic uint64_t *cells[ROWS])
{
    _Atomic uint64_t *sketch = (_Atomic uint64_t *)(void *)(table->ways + table->sets * WAYS);
    uint64_t mixed = fingerprint;

    mixed = (mixed ^ mixed >> 33) * UINT64_C(0xff51afd7ed558ccd);
    mixed = (mixed ^ mixed >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    mixed ^= mixed >> 33;
    for (unsigned row = 0; row < ROWS; row++) {
        cells[row] = sketch + row * table->columns + (mixed >> (16 * row) & (table->columns - 1));
    }
}

/* The cell that knows best, which is the lowest: strangers can only have raised it. */
static _Atomic uint64_t *lowest(_Atomic uint64_t *cells[ROWS], uint64_t *tat)
{
    _Atomic uint64_t *best = cells[0];

    *tat = atomic_load_explicit(best, memory_order_relaxed);
    for (unsigned row = 1; row < ROWS; row++) {
        uint64_t other = atomic_load_explicit(cells[row], memory_order_relaxed);

        if (other < *tat) {
            *tat = other;
            best = cells[row];
        }
    }
    return best;
}

static void raise_to(_Atomic uint64_t *word, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

    while (seen < value &&
           !atomic_compare_exchange_weak_explicit(word, &seen, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* Takes from the sketch: the lowest of four cells answers, and only cells below the new value are raised (conservative update),
 * so that strangers in them are charged as little as can be. Two requests of one key at the same instant may be charged as one
 * while the cells are tied. */
static bool take_from_sketch(mcpa_ratetable_t *table, uint64_t fingerprint, uint64_t now_ns, uint64_t interval_ns, uint32_t burst,
                             uint64_t *wait_ns)
{
    _Atomic uint64_t *cells[ROWS];
    _Atomic uint64_t *best;
    uint64_t seen;
    uint64_t next;

    (void)atomic_fetch_add_explicit(&table->overflow, 1, memory_order_relaxed);
    find_cells(table, fingerprint, cells);
    do {
        best = lowest(cells, &seen);
        if (!mcpa_gcra_next(seen, now_ns, interval_ns, burst, &next, wait_ns)) {
            return false;
        }
        raise_to(&table->sketch_until, next);
        /* This swap is the admission; who loses it looks again. */
    } while (!atomic_compare_exchange_weak_explicit(best, &seen, next, memory_order_relaxed, memory_order_relaxed));
    for (unsigned row = 0; row < ROWS; row++) {
        raise_to(cells[row], next);
    }
    return true;
}

/* A key that moves from the sketch into the table brings its debt, else every move would be a fresh burst. No more than its own
 * rule can owe, because strangers with longer intervals may stand in its cells. */
static uint64_t debt_in_sketch(mcpa_ratetable_t *table, uint64_t fingerprint, uint64_t now_ns, uint64_t interval_ns,
                               uint32_t burst)
{
    _Atomic uint64_t *cells[ROWS];
    uint64_t most;
    uint64_t tat;

    if (atomic_load_explicit(&table->sketch_until, memory_order_relaxed) <= now_ns) {
        return 0;
    }
    if (__builtin_mul_overflow(interval_ns, (uint64_t)burst, &most) || __builtin_add_overflow(most, now_ns, &most)) {
        most = UINT64_MAX;
    }
    find_cells(table, fingerprint, cells);
    (void)lowest(cells, &tat);
    return tat < most ? tat : most;
}

static way_t *find_way(way_t *set, uint64_t fingerprint)
{
    for (unsigned i = 0; i < WAYS; i++) {
        if (atomic_load_explicit(&set[i].fingerprint, memory_order_acquire) == fingerprint) {
            return &set[i];
        }
    }
    return NULL;
}

/* Makes one empty way the fingerprint's. NULL when there is none, or when another process was faster: *again tells to look once
 * more. */
static way_t *claim_way(way_t *set, uint64_t fingerprint, uint64_t now_ns, bool *again)
{
    *again = false;
    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t owner = atomic_load_explicit(&set[i].fingerprint, memory_order_acquire);
        uint64_t taken = fingerprint;

        if (atomic_load_explicit(&set[i].tat, memory_order_relaxed) > now_ns) {
            continue;
        }
        *again = true;
        if (!atomic_compare_exchange_strong_explicit(&set[i].fingerprint, &owner, fingerprint, memory_order_acq_rel,
                                                     memory_order_relaxed)) {
            return NULL;
        }
        if (atomic_load_explicit(&set[i].tat, memory_order_acquire) <= now_ns) {
            return &set[i];
        }
        /* The owner came back between the look and the swap: the bucket is live and stays his. */
        (void)atomic_compare_exchange_strong_explicit(&set[i].fingerprint, &taken, owner, memory_order_acq_rel,
                                                      memory_order_relaxed);
        return NULL;
    }
    return NULL;
}

bool mcpa_ratetable_take(mcpa_ratetable_t *table, uint64_t rule_id, mcpa_str_t identity, uint64_t now_ns, uint64_t interval_ns,
                         uint32_t burst, uint64_t *wait_ns)
{
    uint64_t fingerprint = fingerprint_of(table, rule_id, identity);
    way_t *set = table->ways + (fingerprint & (table->sets - 1)) * WAYS;
    bool again = true;

    /* Lost races, each of them another's success; after as many as there are ways the sketch is right, too. */
    for (unsigned tries = 0; again && tries < WAYS; tries++) {
        way_t *way = find_way(set, fingerprint);

        if (way == NULL) {
            way = claim_way(set, fingerprint, now_ns, &again);
            if (way != NULL) {
                raise_to(&way->tat, debt_in_sketch(table, fingerprint, now_ns, interval_ns, burst));
            }
        }
        /* Should the way change hands just now, this request is charged to the next owner: one interval. Should two processes
         * have claimed one way each for the same key, the first in the set is found from now on: again one interval. */
        if (way != NULL) {
            return mcpa_gcra_take(&way->tat, now_ns, interval_ns, burst, wait_ns);
        }
    }
    return take_from_sketch(table, fingerprint, now_ns, interval_ns, burst, wait_ns);
}

void mcpa_ratetable_stats(const mcpa_ratetable_t *table, uint64_t now_ns, size_t *live, size_t *capacity, uint64_t *overflow)
{
    *live = 0;
    *capacity = (size_t)(table->sets * WAYS);
    for (size_t i = 0; i < *capacity; i++) {
        *live += atomic_load_explicit(&table->ways[i].tat, memory_order_relaxed) > now_ns;
    }
    *overflow = atomic_load_explicit(&table->overflow, memory_order_relaxed);
}
