/* SPDX-License-Identifier: Apache-2.0 */
/* The block:
 *
 *   0     header   magic, bytes, sets, sketch columns, secret[16], overflow       (one cache line and a bit, padded to 128)
 *   128   sets     sets x 8 ways x { fingerprint:u64 tat:u64 } = sets x 128 bytes
 *   ...   sketch   4 rows x columns x tat:u64
 *
 * magic, bytes, sets, columns, secret: written once by init before anyone else sees the block, read by all.
 * fingerprint: 0 is an unused way. Any process replaces it by compare-and-swap, and only while the way's tat is in the past, that is, while the
 *   bucket behind it is empty. Nothing else orders it: a racing request of the old owner charges the new owner one interval at the worst.
 * tat: any process, compare-and-swap (gcra.h).
 * overflow: any process adds; gauges read it. */
#include "state/ratetable.h"

#include <stdatomic.h>

#include "state/gcra.h"
#include "state/siphash.h"

#define MAGIC 0x314c4d54434d4152u /* and layout version */
#define WAYS 8
#define MIN_SETS 8
#define SKETCH_ROWS 4
#define SKETCH_MIN_COLUMNS 1024
#define SKETCH_MAX_COLUMNS 65536
#define IDENTITY_MAX_BYTES 4608 /* issuer and subject at their ceilings, and a separator */

typedef struct way {
    _Atomic uint64_t fingerprint;
    _Atomic uint64_t tat;
} way_t;

typedef struct set {
    way_t ways[WAYS];
} set_t;

struct mcpa_ratetable {
    uint64_t magic;
    uint64_t bytes;
    uint64_t sets;    /* power of two */
    uint64_t columns; /* power of two */
    unsigned char secret[16];
    _Atomic uint64_t overflow;
    unsigned char padding[128 - 56];
    set_t set[];
};

_Static_assert(sizeof(struct mcpa_ratetable) == 128, "sets start on a cache line");
_Static_assert(sizeof(set_t) == 128, "a set is two cache lines");

static uint64_t sets_for(size_t entries)
{
    uint64_t sets = MIN_SETS;

    while (sets * WAYS < entries && sets < (UINT64_C(1) << 40)) {
        sets *= 2;
    }
    return sets;
}

/* As many cells a row as there are buckets, within bounds: an overflow is then never more crowded than the table itself. */
static uint64_t columns_for(uint64_t sets)
{
    uint64_t columns = sets * WAYS;

    return columns < SKETCH_MIN_COLUMNS ? SKETCH_MIN_COLUMNS : columns > SKETCH_MAX_COLUMNS ? SKETCH_MAX_COLUMNS : columns;
}

static size_t bytes_for(uint64_t sets)
{
    return sizeof(mcpa_ratetable_t) + (size_t)sets * sizeof(set_t) +
           SKETCH_ROWS * (size_t)columns_for(sets) * sizeof(uint64_t);
}

size_t mcpa_ratetable_bytes(size_t entries)
{
    return bytes_for(sets_for(entries));
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

    if (bytes < sizeof(*table) || table->magic != MAGIC || table->sets < MIN_SETS || (table->sets & (table->sets - 1)) != 0 ||
        table->sets > bytes / sizeof(set_t) || table->columns != columns_for(table->sets) ||
        table->bytes != bytes_for(table->sets) || table->bytes > bytes) {
        return NULL;
    }
    return table;
}

/* The way that holds the fingerprint, or one newly taken for it; NULL when all eight are live and others'. */
static way_t *find_way(set_t *set, uint64_t fingerprint, uint64_t now_ns)
{
    for (int i = 0; i < WAYS; i++) {
        if (atomic_load_explicit(&set->ways[i].fingerprint, memory_order_relaxed) == fingerprint) {
            return &set->ways[i];
        }
    }
    for (int i = 0; i < WAYS; i++) {
        way_t *way = &set->ways[i];
        uint64_t owner = atomic_load_explicit(&way->fingerprint, memory_order_relaxed);

        if (owner == fingerprint) {
            return way; /* another process took it for us meanwhile */
        }
        if (atomic_load_explicit(&way->tat, memory_order_relaxed) <= now_ns &&
            (atomic_compare_exchange_strong_explicit(&way->fingerprint, &owner, fingerprint, memory_order_relaxed, memory_order_relaxed) ||
             owner == fingerprint)) {
            return way;
        }
    }
    return NULL;
}

/* The cells of one fingerprint in the sketch, one a row: 16 different bits of it each. */
static _Atomic uint64_t *cell(mcpa_ratetable_t *table, uint64_t fingerprint, int row)
{
    _Atomic uint64_t *sketch = (_Atomic uint64_t *)(void *)(table->set + table->sets);
    uint64_t column = (fingerprint >> (16 * row)) & (table->columns - 1);

    return sketch + (size_t)row * (size_t)table->columns + column;
}

/* A bucket made of four shared ones: the least filled of them is the best estimate, and it is never too low. Only cells below the new value are raised, so
 * that strangers are charged as little as possible. */
static bool sketch_take(mcpa_ratetable_t *table, uint64_t fingerprint, uint64_t now_ns, uint64_t interval_ns, uint32_t burst, uint64_t *wait_ns)
{
    _Atomic uint64_t estimate;
    uint64_t least = UINT64_MAX;

    for (int row = 0; row < SKETCH_ROWS; row++) {
        uint64_t tat = atomic_load_explicit(cell(table, fingerprint, row), memory_order_relaxed);

        least = tat < least ? tat : least;
    }
    atomic_init(&estimate, least);
    if (!mcpa_gcra_take(&estimate, now_ns, interval_ns, burst, wait_ns)) {
        return false;
    }
    least = atomic_load_explicit(&estimate, memory_order_relaxed);
    for (int row = 0; row < SKETCH_ROWS; row++) {
        _Atomic uint64_t *at = cell(table, fingerprint, row);
        uint64_t seen = atomic_load_explicit(at, memory_order_relaxed);

        while (seen < least && !atomic_compare_exchange_weak_explicit(at, &seen, least, memory_order_relaxed, memory_order_relaxed)) {
        }
    }
    return true;
}

static uint64_t fingerprint_of(const mcpa_ratetable_t *table, uint64_t rule_id, mcpa_str_t identity)
{
    unsigned char text[sizeof(rule_id) + IDENTITY_MAX_BYTES];
    size_t len = identity.len < IDENTITY_MAX_BYTES ? identity.len : IDENTITY_MAX_BYTES;
    uint64_t fingerprint;

    memcpy(text, &rule_id, sizeof(rule_id));
    if (len > 0) {
        memcpy(text + sizeof(rule_id), identity.ptr, len);
    }
    fingerprint = mcpa_siphash(table->secret, text, sizeof(rule_id) + len);
    return fingerprint != 0 ? fingerprint : 1; /* 0 is an unused way */
}

bool mcpa_ratetable_take(mcpa_ratetable_t *table, uint64_t rule_id, mcpa_str_t identity, uint64_t now_ns, uint64_t interval_ns,
                         uint32_t burst, uint64_t *wait_ns)
{
    uint64_t fingerprint = fingerprint_of(table, rule_id, identity);
    /* The sketch uses the low bits, so the set is chosen by the high ones of a mixed word. */
    uint64_t index = (fingerprint * UINT64_C(0x9e3779b97f4a7c15)) >> 20;
    way_t *way = find_way(&table->set[index & (table->sets - 1)], fingerprint, now_ns);

    if (way != NULL) {
        return mcpa_gcra_take(&way->tat, now_ns, interval_ns, burst, wait_ns);
    }
    (void)atomic_fetch_add_explicit(&table->overflow, 1, memory_order_relaxed);
    return sketch_take(table, fingerprint, now_ns, interval_ns, burst, wait_ns);
}

void mcpa_ratetable_stats(const mcpa_ratetable_t *table, uint64_t now_ns, size_t *live, size_t *capacity, uint64_t *overflow)
{
    *live = 0;
    for (uint64_t i = 0; i < table->sets; i++) {
        for (int way = 0; way < WAYS; way++) {
            *live += atomic_load_explicit(&table->set[i].ways[way].tat, memory_order_relaxed) > now_ns;
        }
    }
    *capacity = (size_t)table->sets * WAYS;
    *overflow = atomic_load_explicit(&table->overflow, memory_order_relaxed);
}
