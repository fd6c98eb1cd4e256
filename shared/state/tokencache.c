/* SPDX-License-Identifier: Apache-2.0 */
/* One block, offsets only:
 *
 *     0  magic  bytes  sets                                                       64 bytes, never written again after init
 *    64  set 0:  entry | entry | entry | entry                                    sets is a power of two
 *        …
 *   entry = version  key (6 words)  facts (their bytes as words)                  14 cache lines
 *
 * magic … sets  init writes them before the block is shared; everyone reads.
 * version       turn (41 bits), process (22 bits), BUSY (1 bit). 0: never used; not BUSY: whole, and process is 0; BUSY: being written,
 * by that process, or one that told no number. A writer sets BUSY by compare-and-swap, which admits one writer at a time, and
 * takes it away with the next turn when done. key, facts    written by that writer only. Its stores are release and the readers'
 * loads acquire: who sees any of the new words sees BUSY or another turn, too, when he looks at it again after copying, and drops
 * the copy. (Fences would do the same with plain relaxed copies, but ThreadSanitizer does not know them; on x86 the instructions
 * are the same.)
 *
 * A process killed while writing leaves its entry BUSY. Who needs a place in that set later takes it over once the process is
 * gone: not before, because a writer that is merely stopped would mix two tokens when it wakes. A number that another process was
 * given since only keeps the entry from being taken over.
 */
#include "state/tokencache.h"

#include <stdatomic.h>

#define MAGIC        UINT64_C(0x324843544d43504d) /* the last two characters count layouts */
#define WAYS         4
#define SETS_MIN     4
#define SETS_MAX     (UINT64_C(1) << 28) /* beyond any memory, and within the arithmetic */
#define KEY_WORDS    (sizeof(mcpa_token_cache_key_t) / 8)
#define FACTS_WORDS  ((sizeof(mcpa_token_facts_t) + 7) / 8)
#define ENTRY_WORDS  112
#define WORD_EXPIRES 0 /* of the facts */

#define BUSY         UINT64_C(1)
#define PROCESS_AT   1
#define PROCESS_MAX  ((UINT64_C(1) << 22) - 1) /* the greatest that Linux gives */
#define TURN         (UINT64_C(1) << 23)

typedef struct entry {
    _Atomic uint64_t version;
    _Atomic uint64_t key[KEY_WORDS];
    _Atomic uint64_t facts[ENTRY_WORDS - 1 - KEY_WORDS];
} entry_t;

struct mcpa_tokencache {
    uint64_t magic;
    uint64_t bytes;
    uint64_t sets;
    unsigned char pad[40];
    entry_t entries[];
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "processes share these words: a lock hidden in one process would not protect them");
_Static_assert(sizeof(mcpa_token_cache_key_t) == 48,
               "a key is whole words without padding, or comparing it would fail at random");
_Static_assert(1 + KEY_WORDS + FACTS_WORDS <= ENTRY_WORDS && sizeof(entry_t) % 64 == 0, "an entry is whole cache lines");
_Static_assert(offsetof(mcpa_token_facts_t, expires_s) == 8 * WORD_EXPIRES, "eviction reads the time out of the copied words");
_Static_assert(sizeof(mcpa_tokencache_t) == 64, "the layout drawn above");

static uint64_t sets_for(size_t entries)
{
    uint64_t sets = SETS_MIN;

    while (sets < SETS_MAX && sets * WAYS < entries) {
        sets *= 2;
    }
    return sets;
}

static uint64_t bytes_for(uint64_t sets)
{
    return sizeof(mcpa_tokencache_t) + sets * WAYS * sizeof(entry_t);
}

size_t mcpa_tokencache_bytes(size_t entries)
{
    return (size_t)bytes_for(sets_for(entries));
}

mcpa_tokencache_t *mcpa_tokencache_init(void *memory, size_t entries)
{
    mcpa_tokencache_t *cache = memory;

    cache->sets = sets_for(entries);
    cache->bytes = bytes_for(cache->sets);
    cache->magic = MAGIC;
    return cache;
}

mcpa_tokencache_t *mcpa_tokencache_attach(void *memory, size_t bytes)
{
    mcpa_tokencache_t *cache = memory;

    if (bytes < sizeof(*cache) || cache->magic != MAGIC || cache->bytes != bytes || cache->sets < SETS_MIN ||
        cache->sets > SETS_MAX || (cache->sets & (cache->sets - 1)) != 0 || cache->bytes != bytes_for(cache->sets)) {
        return NULL;
    }
    return cache;
}

typedef struct key_words {
    uint64_t word[KEY_WORDS];
} key_words_t;

static key_words_t words_of(const mcpa_token_cache_key_t *key)
{
    key_words_t words;

    memcpy(&words, key, sizeof(words));
    return words;
}

/* The policy counts, so that one token at many Locations does not fight for one set; the key generation does not, so that a new
 * generation finds and replaces its old entry. The hash is of tokens an issuer signed: nobody else can aim it. */
static entry_t *find_set(mcpa_tokencache_t *cache, const mcpa_token_cache_key_t *key)
{
    uint64_t hash;
    uint64_t spread = key->policy * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio: near numbers land far apart */

    memcpy(&hash, key->token_hash, sizeof(hash));
    return cache->entries + ((hash ^ spread >> 32) & (cache->sets - 1)) * WAYS;
}

/* Only good for a version that is the same before and after. */
static bool has_key(const entry_t *entry, const key_words_t *key)
{
    for (size_t i = 0; i < KEY_WORDS; i++) {
        if (atomic_load_explicit(&entry->key[i], memory_order_acquire) != key->word[i]) {
            return false;
        }
    }
    return true;
}

/* The bytes that matter: the strings end where their lengths say. 0 when they cannot be those of an entry. */
static size_t used_bytes(const mcpa_token_facts_t *facts)
{
    size_t text = 0;

    for (size_t i = 0; i < sizeof(facts->len) / sizeof(facts->len[0]); i++) {
        text += facts->len[i];
    }
    return text <= MCPA_TOKENCACHE_TEXT_BYTES ? offsetof(mcpa_token_facts_t, text) + text : 0;
}

static void load_words(void *to, const entry_t *entry, size_t from, size_t until)
{
    for (size_t i = from; i < until; i++) {
        uint64_t word = atomic_load_explicit(&entry->facts[i], memory_order_acquire);

        memcpy((unsigned char *)to + 8 * i, &word, 8);
    }
}

bool mcpa_tokencache_get(mcpa_tokencache_t *cache, const mcpa_token_cache_key_t *key, mcpa_token_facts_t *facts)
{
    const size_t head_words = (offsetof(mcpa_token_facts_t, text) + 7) / 8;
    const entry_t *set = find_set(cache, key);
    key_words_t words = words_of(key);

    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t version = atomic_load_explicit(&set[i].version, memory_order_acquire);
        mcpa_token_facts_t copy;
        size_t used;

        if (version == 0 || (version & BUSY) != 0 || !has_key(&set[i], &words)) {
            continue;
        }
        load_words(&copy, &set[i], 0, head_words);
        used = used_bytes(&copy); /* of a torn copy: nonsense, but checked nonsense */
        load_words(&copy, &set[i], head_words, (used + 7) / 8);
        if (used == 0 || atomic_load_explicit(&set[i].version, memory_order_relaxed) != version) {
            return false;
        }
        memcpy(facts, &copy, used);
        return true;
    }
    return false;
}

/* How dear an entry is when this key needs one: the lowest goes, among strangers what expired longest ago or expires next. Races
 * only make the choice worse. */
static int64_t value_of(const entry_t *entry, uint64_t version, const key_words_t *key)
{
    int64_t expires;

    if (version == 0) {
        return INT64_MIN + 2;
    }
    for (size_t i = 0; i < KEY_WORDS; i++) {
        bool is_generation = i == offsetof(mcpa_token_cache_key_t, keys) / 8;

        if (!is_generation && atomic_load_explicit(&entry->key[i], memory_order_relaxed) != key->word[i]) {
            break;
        }
        if (i == KEY_WORDS - 1) {
            return has_key(entry, key) ? INT64_MIN : INT64_MIN + 1; /* the same, or the same of another generation */
        }
    }
    expires = (int64_t)atomic_load_explicit(&entry->facts[WORD_EXPIRES], memory_order_relaxed);
    return expires > INT64_MIN + 3 ? expires : INT64_MIN + 3;
}

static void write_entry(entry_t *entry, const key_words_t *key, const mcpa_token_facts_t *facts, size_t used)
{
    uint64_t words[FACTS_WORDS] = { 0 };

    memcpy(words, facts, used);
    for (size_t i = 0; i < KEY_WORDS; i++) {
        atomic_store_explicit(&entry->key[i], key->word[i], memory_order_release);
    }
    for (size_t i = 0; i < (used + 7) / 8; i++) {
        atomic_store_explicit(&entry->facts[i], words[i], memory_order_release);
    }
}

static uint64_t busy_version(uint64_t version, const mcpa_tokencache_writer_t *writer)
{
    uint64_t process = writer != NULL && writer->process <= PROCESS_MAX ? writer->process : 0;

    return (version & ~(TURN - 1)) | process << PROCESS_AT | BUSY;
}

/* Whether its writer died over it. */
static bool is_left_behind(uint64_t version, const mcpa_tokencache_writer_t *writer)
{
    uint32_t process = (uint32_t)(version >> PROCESS_AT & PROCESS_MAX);

    return process != 0 && writer != NULL && writer->is_gone != NULL && process != writer->process && writer->is_gone(process);
}

/* The entry to give up, or NULL: the same token is being stored right now, or all are. */
static entry_t *find_victim(entry_t *set, const key_words_t *key, const mcpa_tokencache_writer_t *writer, uint64_t *version)
{
    entry_t *victim = NULL;
    int64_t least = INT64_MAX;

    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t seen = atomic_load_explicit(&set[i].version, memory_order_acquire);
        bool busy = (seen & BUSY) != 0, left = busy && is_left_behind(seen, writer);
        int64_t value = left ? INT64_MIN + 2 : value_of(&set[i], seen, key);

        if (busy && !left && has_key(&set[i], key)) {
            return NULL;
        }
        if ((!busy || left) && (victim == NULL || value < least)) {
            victim = &set[i];
            *version = seen;
            least = value;
        }
    }
    return victim;
}

void mcpa_tokencache_put(mcpa_tokencache_t *cache, const mcpa_token_cache_key_t *key, const mcpa_token_facts_t *facts,
                         int64_t now_s, const mcpa_tokencache_writer_t *writer)
{
    key_words_t words = words_of(key);
    size_t used = used_bytes(facts);
    uint64_t version = 0, busy;
    entry_t *victim;

    if (used == 0 || facts->expires_s <= now_s) {
        return;
    }
    victim = find_victim(find_set(cache, key), &words, writer, &version);
    busy = busy_version(version, writer);
    if (victim == NULL || !atomic_compare_exchange_strong_explicit(&victim->version, &version, busy, memory_order_acquire,
                                                                   memory_order_relaxed)) {
        return;
    }
    write_entry(victim, &words, facts, used);
    atomic_store_explicit(&victim->version, (version & ~(TURN - 1)) + TURN, memory_order_release);
}
