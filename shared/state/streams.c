/* SPDX-License-Identifier: Apache-2.0 */
/* One block, offsets only:
 *
 *     0  magic  bytes  places  secret[16]                   64 bytes, never written again after init
 *    64  reached                                            64 bytes, a line of its own: it is written
 *   128  word[places]                                       8 bytes a stream, places is a power of two
 *
 * magic … secret  init writes them before the block is shared; everyone reads.
 * reached         places at and above it were never taken. Anyone raises it, before he takes a place beyond; it never falls.
 * word            owner and process of the stream, 0: the place is free. Anyone takes a free place and gives back his own by
 * compare-and-swap; a place whose process is gone is given back by whoever finds out. One word is all there is, so there is
 * nothing half-written to find.
 *
 * All of it is in one order for everybody (sequentially consistent): who opens takes a place first and counts then. Of several
 * that open at once the last to take its place sees all others, so the count that is let in is never exceeded. */
#include "state/streams.h"

#include <stdatomic.h>

#include "state/siphash.h"

#define MAGIC        UINT64_C(0x313052545350434d) /* the last two characters count layouts */
#define PLACES_MIN   64
#define PLACES_MAX   (UINT64_C(1) << 28) /* beyond any memory, and within the arithmetic */
#define PROCESS_BITS 22                  /* Linux has no more processes */
#define PROCESS_MASK ((UINT64_C(1) << PROCESS_BITS) - 1)
#define ASKED        64 /* processes remembered while reclaiming; a power of two */

struct mcpa_streams {
    uint64_t magic;
    uint64_t bytes;
    uint64_t places;
    unsigned char secret[16];
    unsigned char pad1[24];
    _Atomic uint64_t reached;
    unsigned char pad2[56];
    _Atomic uint64_t word[];
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "processes share these words: a lock hidden in one process would not protect them");
_Static_assert(offsetof(mcpa_streams_t, reached) == 64 && offsetof(mcpa_streams_t, word) == 128, "the layout drawn above");

static uint64_t places_for(size_t entries)
{
    uint64_t places = PLACES_MIN;

    while (places < PLACES_MAX && places < entries) {
        places *= 2;
    }
    return places;
}

static uint64_t bytes_for(uint64_t places)
{
    return sizeof(mcpa_streams_t) + places * sizeof(uint64_t);
}

size_t mcpa_streams_bytes(size_t entries)
{
    return (size_t)bytes_for(places_for(entries));
}

mcpa_streams_t *mcpa_streams_init(void *memory, size_t entries, const unsigned char secret[16])
{
    mcpa_streams_t *table = memory;

    table->places = places_for(entries);
    table->bytes = bytes_for(table->places);
    memcpy(table->secret, secret, sizeof(table->secret));
    table->magic = MAGIC;
    return table;
}

mcpa_streams_t *mcpa_streams_attach(void *memory, size_t bytes)
{
    mcpa_streams_t *table = memory;

    if (bytes < sizeof(*table) || table->magic != MAGIC || table->bytes != bytes || table->places < PLACES_MIN ||
        table->places > PLACES_MAX || (table->places & (table->places - 1)) != 0 || table->bytes != bytes_for(table->places)) {
        return NULL;
    }
    return table;
}

/* Texts of any length go into words of their own, so no two of them can be cut differently into the same bytes. */
uint64_t mcpa_streams_owner(const mcpa_streams_t *table, mcpa_str_t resource, mcpa_str_t issuer, mcpa_str_t subject,
                            mcpa_str_t client)
{
    mcpa_str_t whose = subject.ptr ? subject : client;
    uint64_t words[] = { mcpa_siphash(table->secret, resource.ptr, resource.len),
                         mcpa_siphash(table->secret, issuer.ptr, issuer.len), subject.ptr != NULL,
                         mcpa_siphash(table->secret, whose.ptr, whose.len) };

    return mcpa_siphash(table->secret, words, sizeof(words)) >> PROCESS_BITS;
}

static uint32_t process_of(uint64_t word)
{
    return (uint32_t)(word & PROCESS_MASK);
}

static uint32_t count(const mcpa_streams_t *table, uint64_t owner)
{
    uint64_t end = atomic_load(&table->reached);
    uint32_t n = 0;

    for (uint64_t place = 0; place < end; place++) {
        uint64_t word = atomic_load(&table->word[place]);

        n += word != 0 && word >> PROCESS_BITS == owner;
    }
    return n;
}

static void reach(mcpa_streams_t *table, uint64_t end)
{
    uint64_t reached = atomic_load(&table->reached);

    while (reached < end && !atomic_compare_exchange_weak(&table->reached, &reached, end)) {
    }
}

/* The first free place, so that what is taken stays together and little need be looked through. */
static bool take_place(mcpa_streams_t *table, mcpa_stream_t *stream, uint64_t word)
{
    for (uint64_t place = 0; place < table->places; place++) {
        uint64_t nobody = 0;

        if (atomic_load(&table->word[place]) != 0) {
            continue;
        }
        reach(table, place + 1);
        if (atomic_compare_exchange_strong(&table->word[place], &nobody, word)) {
            stream->place = place;
            stream->word = word;
            return true;
        }
    }
    return false;
}

bool mcpa_streams_open(mcpa_streams_t *table, mcpa_stream_t *stream, uint64_t owner, uint32_t process, uint32_t max)
{
    uint64_t word = owner << PROCESS_BITS | process;

    if (process == 0 || process > PROCESS_MASK) {
        return false;
    }
    if (!take_place(table, stream, word)) {
        return false;
    }
    if (count(table, owner) <= max) {
        return true;
    }
    mcpa_streams_close(table, stream);
    return false;
}

void mcpa_streams_close(mcpa_streams_t *table, mcpa_stream_t *stream)
{
    /* A swap, because another may have the place if this process was taken for gone. */
    if (stream->word != 0) {
        (void)atomic_compare_exchange_strong(&table->word[stream->place], &stream->word, 0);
    }
    stream->word = 0;
}

typedef struct asked {
    uint32_t process;
    bool is_gone;
} asked_t;

size_t mcpa_streams_reclaim(mcpa_streams_t *table, bool (*is_gone)(uint32_t process))
{
    uint64_t end = atomic_load(&table->reached);
    asked_t asked[ASKED] = { { 0 } };
    size_t n = 0;

    for (uint64_t place = 0; place < end; place++) {
        uint64_t word = atomic_load(&table->word[place]);
        uint32_t process = process_of(word);
        asked_t *known = &asked[process & (ASKED - 1)];

        if (word == 0) {
            continue;
        }
        if (known->process != process) {
            *known = (asked_t){ process, is_gone(process) };
        }
        n += known->is_gone && atomic_compare_exchange_strong(&table->word[place], &word, 0);
    }
    return n;
}

void mcpa_streams_stats(const mcpa_streams_t *table, size_t *open, size_t *capacity)
{
    uint64_t end = atomic_load(&table->reached);

    *open = 0;
    *capacity = (size_t)table->places;
    for (uint64_t place = 0; place < end; place++) {
        *open += atomic_load(&table->word[place]) != 0;
    }
}
