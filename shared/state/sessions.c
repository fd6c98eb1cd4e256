/* SPDX-License-Identifier: Apache-2.0 */
/* One block, offsets only:
 *
 *     0  magic  bytes  sets  secret[16]                                            64 bytes, never written again after init
 *    64  set 0:  session[64]  binding[64]  subject[64]  used[64]                   2 KiB a set, sets is a power of two
 *        …
 *
 * magic … secret  init writes them before the block is shared; everyone reads.
 *
 * used  whether the way is taken: BUSY (1 bit), time (47), turn (16). Time 0: free; else of the last use, and the way is live
 * until the idle time after it; with BUSY: of the claim by a writer that is not done. Turn counts the claims, so that a swap
 * never takes the next session of a way for the one that was looked at. Anyone changes the word by compare-and-swap, and only
 * such a swap claims, publishes, renews or frees a way. A writer that is killed leaves BUSY behind, which counts as live until
 * the idle time is over and then is claimed like any other way.
 *
 * session, binding, subject  written by who claimed the way, before it is published. binding is made of the session and its owner
 * together, so a way with the words of two writers (one was stopped for longer than the idle time) is nobody's: there is no
 * mixture that gives a session to somebody else. */
#include "state/sessions.h"

#include <stdatomic.h>

#include "state/siphash.h"

#define MAGIC    UINT64_C(0x325353455350434d) /* the last two characters count layouts */
#define WAYS     64                           /* half full on the average: one in ten million sets is full then */
#define SETS_MIN 16
#define SETS_MAX (UINT64_C(1) << 28) /* beyond any memory, and within the arithmetic */
#define BUSY     (UINT64_C(1) << 63)
#define TURN     UINT64_C(0xffff)   /* more claims of one way than there can be within the time that these bits are of a time */
#define TRIES    4                  /* for a swap that others of the same subject may win; one is enough, unless they are at it */
#define RENEW_NS UINT64_C(10000000) /* uses closer to the last one are not written: the line stays with all who read it */

typedef struct set {
    _Atomic uint64_t session[WAYS];
    _Atomic uint64_t binding[WAYS];
    _Atomic uint64_t subject[WAYS];
    _Atomic uint64_t used[WAYS];
} set_t;

struct mcpa_sessions {
    uint64_t magic;
    uint64_t bytes;
    uint64_t sets;
    unsigned char secret[16];
    unsigned char pad[24];
    set_t set[];
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "processes share these words: a lock hidden in one process would not protect them");
_Static_assert(sizeof(set_t) == 2048 && sizeof(mcpa_sessions_t) == 64, "the layout drawn above");

static uint64_t sets_for(size_t entries)
{
    uint64_t sets = SETS_MIN;

    while (sets < SETS_MAX && sets * (WAYS / 2) < entries) {
        sets *= 2;
    }
    return sets;
}

static uint64_t bytes_for(uint64_t sets)
{
    return sizeof(mcpa_sessions_t) + sets * sizeof(set_t);
}

size_t mcpa_sessions_bytes(size_t entries)
{
    return (size_t)bytes_for(sets_for(entries));
}

mcpa_sessions_t *mcpa_sessions_init(void *memory, size_t entries, const unsigned char secret[16])
{
    mcpa_sessions_t *table = memory;

    table->sets = sets_for(entries);
    table->bytes = bytes_for(table->sets);
    memcpy(table->secret, secret, sizeof(table->secret));
    table->magic = MAGIC;
    return table;
}

mcpa_sessions_t *mcpa_sessions_attach(void *memory, size_t bytes)
{
    mcpa_sessions_t *table = memory;

    if (bytes < sizeof(*table) || table->magic != MAGIC || table->bytes != bytes || table->sets < SETS_MIN ||
        table->sets > SETS_MAX || (table->sets & (table->sets - 1)) != 0 || table->bytes != bytes_for(table->sets)) {
        return NULL;
    }
    return table;
}

/* ---- keys */

static uint64_t hash(const mcpa_sessions_t *table, mcpa_str_t text)
{
    return mcpa_siphash(table->secret, text.ptr, text.len);
}

/* Texts of any length go into words of their own, so no two of them can be cut differently into the same bytes; the first word
 * keeps the kinds apart. */
void mcpa_sessions_key(mcpa_session_key_t *key, const mcpa_sessions_t *table, mcpa_str_t resource, mcpa_str_t id,
                       const mcpa_session_owner_t *owner)
{
    bool has_subject = owner->subject.ptr != NULL, has_client = owner->client_id.ptr != NULL;
    uint64_t issuer = hash(table, owner->issuer), subject = hash(table, owner->subject), client = hash(table, owner->client_id);
    uint64_t session[] = { 1, hash(table, resource), hash(table, id) };
    uint64_t binding[] = { 2, session[1], session[2], issuer, has_subject, subject, has_client, client };
    uint64_t counted[] = { 3, issuer, has_subject, has_subject ? subject : client };

    key->session = mcpa_siphash(table->secret, session, sizeof(session));
    key->binding = mcpa_siphash(table->secret, binding, sizeof(binding));
    key->subject = mcpa_siphash(table->secret, counted, sizeof(counted));
}

/* ---- ways */

static set_t *set_of(mcpa_sessions_t *table, const mcpa_session_key_t *key)
{
    return &table->set[key->session & (table->sets - 1)];
}

static uint64_t time_of(uint64_t used)
{
    return used & ~(BUSY | TURN);
}

/* How long it is live yet; 0: it is not. A claim counts as live: who looks for room or for another owner must not look past it. A
 * clock that another core reads a little earlier makes the difference negative, which is no time at all. */
static uint64_t left_ns(uint64_t used, uint64_t now_ns, uint64_t idle_ns)
{
    uint64_t since = time_of(used), passed = since < now_ns ? now_ns - since : 0;

    return since != 0 && passed < idle_ns ? idle_ns - passed : 0;
}

static bool is_live(uint64_t used, uint64_t now_ns, uint64_t idle_ns)
{
    return left_ns(used, now_ns, idle_ns) != 0;
}

/* The words that a swap puts in the place of 'used'. */
static uint64_t renewed(uint64_t used, uint64_t now_ns)
{
    return time_of(now_ns) | (used & TURN);
}

static uint64_t claimed(uint64_t used, uint64_t now_ns)
{
    return BUSY | time_of(now_ns) | ((used + 1) & TURN);
}

static uint64_t freed(uint64_t used)
{
    return used & TURN;
}

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static bool is_bound(const set_t *set, int way, const mcpa_session_key_t *key)
{
    return load(&set->session[way]) == key->session && load(&set->binding[way]) == key->binding;
}

/* The way of this very binding, published and live; -1: none. The words are looked at once more after the time: it may be that of
 * another session, which took the way of one that had ended while we looked, and was published after its words were written. */
static int find_way(const set_t *set, const mcpa_session_key_t *key, uint64_t now_ns, uint64_t idle_ns, uint64_t *used)
{
    for (int way = 0; way < WAYS; way++) {
        if (!is_bound(set, way, key)) {
            continue;
        }
        *used = load(&set->used[way]);
        if ((*used & BUSY) == 0 && is_live(*used, now_ns, idle_ns) && is_bound(set, way, key)) {
            return way;
        }
    }
    return -1;
}

bool mcpa_sessions_use(mcpa_sessions_t *table, const mcpa_session_key_t *key, uint64_t now_ns, uint64_t idle_ns)
{
    set_t *set = set_of(table, key);
    uint64_t used = 0;
    int way = find_way(set, key, now_ns, idle_ns, &used);

    if (way < 0) {
        return false;
    }
    /* Who loses this swap lost it to another use, or to the session's end, which this request was just before. */
    if (time_of(used) < now_ns && now_ns - time_of(used) >= RENEW_NS) {
        (void)atomic_compare_exchange_strong(&set->used[way], &used, renewed(used, now_ns));
    }
    return true;
}

void mcpa_sessions_remove(mcpa_sessions_t *table, const mcpa_session_key_t *key)
{
    set_t *set = set_of(table, key);
    uint64_t used = 0;
    int way;

    /* A swap is lost to another use of the same session: as often as there are ways, then the idle time will do it. */
    for (int tries = 0; tries < WAYS; tries++) {
        way = find_way(set, key, 0, UINT64_MAX, &used);
        if (way < 0) {
            return;
        }
        (void)atomic_compare_exchange_strong(&set->used[way], &used, freed(used));
    }
}

uint32_t mcpa_sessions_full_for_s(const mcpa_sessions_t *table, const mcpa_session_key_t *key, uint64_t now_ns, uint64_t idle_ns)
{
    uint64_t least_ns = idle_ns, least_s;

    for (uint64_t i = 0; i < table->sets; i++) {
        const set_t *set = &table->set[i];

        for (int way = 0; way < WAYS; way++) {
            uint64_t used = load(&set->used[way]), left = left_ns(used, now_ns, idle_ns);

            if (left == 0 || ((used & BUSY) == 0 && load(&set->subject[way]) == key->subject)) {
                return 0;
            }
            least_ns = left < least_ns ? left : least_ns;
        }
    }
    least_s = least_ns / 1000000000 + 1;
    return least_s < UINT32_MAX ? (uint32_t)least_s : UINT32_MAX;
}

/* ---- what a subject has */

typedef struct share {
    const _Atomic uint64_t *newcomer; /* 'used' of the one that the others make room for; NULL: it has no way yet */
    unsigned owned;                   /* with the newcomer */
    _Atomic uint64_t *oldest;         /* 'used' of that of the others which was not used for longest; NULL: there is none */
    uint64_t used;                    /* as it was then */
} share_t;

/* Adds the set's ways that are the subject's, live and published; a way that is claimed has the words of who had it before. The
 * subject is looked at once more after the time: then a swap of that very time, whose turn is not over, hits that subject's
 * session or nothing. */
static void add_owned(share_t *share, set_t *set, uint64_t subject, uint64_t now_ns, uint64_t idle_ns)
{
    for (int way = 0; way < WAYS; way++) {
        uint64_t used;

        if (load(&set->subject[way]) != subject) {
            continue;
        }
        used = load(&set->used[way]);
        if ((used & BUSY) != 0 || !is_live(used, now_ns, idle_ns) || load(&set->subject[way]) != subject) {
            continue;
        }
        share->owned++;
        if (&set->used[way] != share->newcomer && (!share->oldest || time_of(used) < time_of(share->used))) {
            share->oldest = &set->used[way];
            share->used = used;
        }
    }
}

/* Frees what the subject has beyond its share, the oldest first. Two that do so at once go for the same one, and only one of them
 * gets it. */
static void trim(mcpa_sessions_t *table, uint64_t subject, const _Atomic uint64_t *newcomer, uint64_t now_ns, uint64_t idle_ns)
{
    for (int tries = 0; tries < TRIES; tries++) {
        share_t share = { .newcomer = newcomer };

        for (uint64_t i = 0; i < table->sets; i++) {
            add_owned(&share, &table->set[i], subject, now_ns, idle_ns);
        }
        if (share.owned <= MCPA_SESSIONS_OWNED_MAX ||
            (atomic_compare_exchange_strong(share.oldest, &share.used, freed(share.used)) &&
             share.owned == MCPA_SESSIONS_OWNED_MAX + 1)) {
            return;
        }
    }
}

/* ---- opening */

/* Whether another owner has the session, or is about to have it. The session is looked at once more after its binding: a writer
 * takes the old one out before it writes a binding, so that both are of one owner then. */
static bool is_foreign(const set_t *set, const mcpa_session_key_t *key, uint64_t now_ns, uint64_t idle_ns)
{
    for (int way = 0; way < WAYS; way++) {
        if (atomic_load(&set->session[way]) == key->session && is_live(atomic_load(&set->used[way]), now_ns, idle_ns) &&
            atomic_load(&set->binding[way]) != key->binding && atomic_load(&set->session[way]) == key->session) {
            return true;
        }
    }
    return false;
}

static int claim_ended(set_t *set, uint64_t now_ns, uint64_t idle_ns, uint64_t *claim)
{
    for (int way = 0; way < WAYS; way++) {
        uint64_t used = load(&set->used[way]);

        *claim = claimed(used, now_ns);
        if (!is_live(used, now_ns, idle_ns) && atomic_compare_exchange_strong(&set->used[way], &used, *claim)) {
            return way;
        }
    }
    return -1;
}

/* A way that is not live, else the subject's own that was not used for longest; -1: they are all others'. *claim: its 'used' from
 * now on. */
static int claim_way(set_t *set, uint64_t subject, uint64_t now_ns, uint64_t idle_ns, uint64_t *claim)
{
    for (int tries = 0; tries < TRIES; tries++) {
        int way = claim_ended(set, now_ns, idle_ns, claim);
        share_t share = { 0 };

        if (way >= 0) {
            return way;
        }
        add_owned(&share, set, subject, now_ns, idle_ns);
        if (!share.oldest) {
            return -1;
        }
        *claim = claimed(share.used, now_ns);
        if (atomic_compare_exchange_strong(share.oldest, &share.used, *claim)) {
            return (int)(share.oldest - set->used);
        }
    }
    return -1;
}

mcpa_session_insert_t mcpa_sessions_insert(mcpa_sessions_t *table, const mcpa_session_key_t *key, uint64_t now_ns,
                                           uint64_t idle_ns)
{
    set_t *set = set_of(table, key);
    uint64_t claim;
    int way;

    if (mcpa_sessions_use(table, key, now_ns, idle_ns)) {
        return MCPA_SESSION_BOUND;
    }
    if (is_foreign(set, key, now_ns, idle_ns)) {
        return MCPA_SESSION_FOREIGN; /* before one of his own gives way for nothing */
    }
    way = claim_way(set, key->subject, now_ns, idle_ns, &claim);
    if (way < 0) {
        return MCPA_SESSION_FULL;
    }
    atomic_store(&set->session[way], 0);
    atomic_store(&set->binding[way], key->binding);
    atomic_store(&set->subject[way], key->subject);
    atomic_store(&set->session[way], key->session);
    /* A server that gives one id twice, perhaps at the same instant: each owner has written its session before it looks for the
     * other's, in one order for all, so at least one of them sees the other and withdraws. Until then the way is BUSY and lets
     * nobody in. */
    if (is_foreign(set, key, now_ns, idle_ns)) {
        (void)atomic_compare_exchange_strong(&set->used[way], &claim, freed(claim));
        return MCPA_SESSION_FOREIGN;
    }
    if (!atomic_compare_exchange_strong(&set->used[way], &claim, renewed(claim, now_ns))) {
        return MCPA_SESSION_FULL;
    }
    trim(table, key->subject, &set->used[way], now_ns, idle_ns);
    return MCPA_SESSION_BOUND;
}

void mcpa_sessions_stats(const mcpa_sessions_t *table, uint64_t now_ns, uint64_t idle_ns, size_t *live, size_t *capacity)
{
    *live = 0;
    *capacity = (size_t)(table->sets * WAYS);
    for (uint64_t i = 0; i < table->sets; i++) {
        for (int way = 0; way < WAYS; way++) {
            *live += is_live(load(&table->set[i].used[way]), now_ns, idle_ns);
        }
    }
}
