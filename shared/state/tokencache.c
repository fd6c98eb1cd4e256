/* SPDX-License-Identifier: Apache-2.0 */
/* The block:
 *
 *   0    header   magic, bytes, sets                                     (padded to 64)
 *   64   sets     sets x 4 entries
 *   entry = version:u64 expires_s:i64 words[N]                           words: the key, then the facts
 *
 * magic, bytes, sets: written once by init, read by all.
 * version: even: the entry is whole; odd: a writer is at it. A writer takes it from even to odd by compare-and-swap, so there is one writer at a time; a
 *   process killed in between leaves it odd, and the entry is lost until the block is made anew: never wrong.
 * words: written by that writer, read by all; a reader that sees the same even version before and after (acquire ... acquire fence) has a whole copy.
 * expires_s: a hint for eviction, written by that writer; nothing trusts it. */
#include "state/tokencache.h"

#include <stdatomic.h>

#define MAGIC 0x3143544d43504141u /* and layout version */
#define WAYS 4
#define MIN_SETS 4

/* What an entry holds, seen as words so that every access is atomic. */
typedef struct content {
    mcpa_token_cache_key_t key;
    mcpa_token_facts_t facts;
} content_t;

#define CONTENT_WORDS ((sizeof(content_t) + 7) / 8)
#define KEY_WORDS (sizeof(mcpa_token_cache_key_t) / 8)

typedef struct entry {
    _Atomic uint64_t version;
    _Atomic int64_t expires_s;
    _Atomic uint64_t words[CONTENT_WORDS];
} entry_t;

typedef struct set {
    entry_t entries[WAYS];
} set_t;

struct mcpa_tokencache {
    uint64_t magic;
    uint64_t bytes;
    uint64_t sets; /* power of two */
    unsigned char padding[64 - 24];
    set_t set[];
};

_Static_assert(sizeof(mcpa_token_cache_key_t) == 48, "the key is whole words");

static uint64_t sets_for(size_t entries)
{
    uint64_t sets = MIN_SETS;

    while (sets * WAYS < entries && sets < (UINT64_C(1) << 40)) {
        sets *= 2;
    }
    return sets;
}

size_t mcpa_tokencache_bytes(size_t entries)
{
    return sizeof(mcpa_tokencache_t) + (size_t)sets_for(entries) * sizeof(set_t);
}

mcpa_tokencache_t *mcpa_tokencache_init(void *memory, size_t entries)
{
    mcpa_tokencache_t *cache = memory;

    cache->sets = sets_for(entries);
    cache->bytes = mcpa_tokencache_bytes(entries);
    cache->magic = MAGIC;
    return cache;
}

mcpa_tokencache_t *mcpa_tokencache_attach(void *memory, size_t bytes)
{
    mcpa_tokencache_t *cache = memory;

    if (bytes < sizeof(*cache) || cache->magic != MAGIC || cache->sets < MIN_SETS || (cache->sets & (cache->sets - 1)) != 0 ||
        cache->sets > bytes / sizeof(set_t) || cache->bytes != sizeof(*cache) + (size_t)cache->sets * sizeof(set_t) ||
        cache->bytes > bytes) {
        return NULL;
    }
    return cache;
}

/* The hash is SHA-256 of something an attacker cannot get accepted, so its own bits may choose the set. */
static set_t *find_set(mcpa_tokencache_t *cache, const mcpa_token_cache_key_t *key)
{
    uint64_t word;

    memcpy(&word, key->token_hash, sizeof(word));
    return &cache->set[word & (cache->sets - 1)];
}

/* Whether the entry holds this key; a torn answer is sorted out by the version. */
static bool has_key(const entry_t *entry, const mcpa_token_cache_key_t *key)
{
    uint64_t words[KEY_WORDS];

    memcpy(words, key, sizeof(words));
    for (size_t i = 0; i < KEY_WORDS; i++) {
        if (atomic_load_explicit(&entry->words[i], memory_order_relaxed) != words[i]) {
            return false;
        }
    }
    return true;
}

static bool read_entry(const entry_t *entry, const mcpa_token_cache_key_t *key, mcpa_token_facts_t *facts)
{
    union {
        content_t content;
        uint64_t words[CONTENT_WORDS];
    } copy;
    uint64_t version = atomic_load_explicit(&entry->version, memory_order_acquire);

    if ((version & 1) != 0 || version == 0 || !has_key(entry, key)) {
        return false;
    }
    for (size_t i = 0; i < CONTENT_WORDS; i++) {
        copy.words[i] = atomic_load_explicit(&entry->words[i], memory_order_relaxed);
    }
    atomic_thread_fence(memory_order_acquire); /* the copy is made before the version is looked at again */
    if (atomic_load_explicit(&entry->version, memory_order_relaxed) != version ||
        memcmp(&copy.content.key, key, sizeof(*key)) != 0) {
        return false;
    }
    *facts = copy.content.facts;
    return true;
}

bool mcpa_tokencache_get(mcpa_tokencache_t *cache, const mcpa_token_cache_key_t *key, mcpa_token_facts_t *facts)
{
    set_t *set = find_set(cache, key);

    for (int i = 0; i < WAYS; i++) {
        if (read_entry(&set->entries[i], key, facts)) {
            return true;
        }
    }
    return false;
}

/* Its own place if it is here already, else an unused or expired one, else the one that expires next. */
static entry_t *choose(set_t *set, const mcpa_token_cache_key_t *key, int64_t now_s)
{
    entry_t *best = NULL;
    int64_t best_expires = 0;

    for (int i = 0; i < WAYS; i++) {
        entry_t *entry = &set->entries[i];
        uint64_t version = atomic_load_explicit(&entry->version, memory_order_relaxed);
        int64_t expires = version == 0 ? INT64_MIN : atomic_load_explicit(&entry->expires_s, memory_order_relaxed);

        if (has_key(entry, key)) {
            return entry;
        }
        if ((version & 1) == 0 && (best == NULL || expires < best_expires)) {
            best = entry;
            best_expires = expires <= now_s ? INT64_MIN : expires;
        }
    }
    return best;
}

void mcpa_tokencache_put(mcpa_tokencache_t *cache, const mcpa_token_cache_key_t *key, const mcpa_token_facts_t *facts, int64_t now_s)
{
    union {
        content_t content;
        uint64_t words[CONTENT_WORDS];
    } copy;
    entry_t *entry = choose(find_set(cache, key), key, now_s);
    uint64_t version;

    if (entry == NULL) {
        return;
    }
    version = atomic_load_explicit(&entry->version, memory_order_relaxed);
    if ((version & 1) != 0 || !atomic_compare_exchange_strong_explicit(&entry->version, &version, version + 1, memory_order_acquire,
                                                                      memory_order_relaxed)) {
        return;
    }
    /* A reader that sees one of the new words must see the odd version too. */
    atomic_thread_fence(memory_order_release);
    memset(&copy, 0, sizeof(copy));
    copy.content.key = *key;
    copy.content.facts = *facts;
    for (size_t i = 0; i < CONTENT_WORDS; i++) {
        atomic_store_explicit(&entry->words[i], copy.words[i], memory_order_relaxed);
    }
    atomic_store_explicit(&entry->expires_s, facts->expires_s, memory_order_relaxed);
    atomic_store_explicit(&entry->version, version + 2, memory_order_release);
}
