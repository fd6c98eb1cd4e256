/* SPDX-License-Identifier: Apache-2.0 */
#include "alerts/failures.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "state/siphash.h"

#define WAYS 8
#define SETS (ADMIND_FAILURES_PAIRS / WAYS)

typedef struct entry {
    uint64_t hash;    /* 0: free */
    int64_t last_us;  /* the latest failure */
    uint32_t kept;    /* times in the ring */
    uint32_t next;    /* where the next one goes */
    uint32_t skipped; /* failures since the last one kept */
    bool pinned;
} entry_t;

struct admind_failures {
    unsigned char hash_key[16];
    int64_t window_us;
    uint32_t stride; /* every so many failures one time is kept */
    uint32_t times_len;
    entry_t entries[ADMIND_FAILURES_PAIRS];
    int64_t *times; /* times_len for each entry */
};

admind_failures_t *admind_failures_new(int64_t threshold, int64_t window_us, const unsigned char hash_key[16])
{
    admind_failures_t *failures = calloc(1, sizeof(*failures));
    uint32_t over = (uint32_t)threshold;

    if (failures == NULL) {
        return NULL;
    }
    memcpy(failures->hash_key, hash_key, sizeof(failures->hash_key));
    failures->window_us = window_us;
    failures->stride = over / ADMIND_FAILURES_TIMES_MAX + 1;
    /* Between the oldest and the newest of n kept times lie (n-1)*stride+1 failures: that must be more than the threshold. */
    failures->times_len = (over + failures->stride - 1) / failures->stride + 1;
    failures->times = calloc((size_t)ADMIND_FAILURES_PAIRS * failures->times_len, sizeof(int64_t));
    if (failures->times == NULL) {
        admind_failures_free(&failures);
    }
    return failures;
}

void admind_failures_free(admind_failures_t **failures)
{
    if (*failures != NULL) {
        free((*failures)->times);
        free(*failures);
        *failures = NULL;
    }
}

static int64_t *times_of(const admind_failures_t *failures, const entry_t *entry)
{
    return failures->times + (size_t)(entry - failures->entries) * failures->times_len;
}

static uint64_t hash_of(const admind_failures_t *failures, mcpa_str_t who)
{
    uint64_t hash = mcpa_siphash(failures->hash_key, who.ptr, who.len);

    return hash != 0 ? hash : 1;
}

static entry_t *find(const admind_failures_t *failures, uint64_t hash)
{
    const entry_t *set = failures->entries + (hash % SETS) * WAYS;

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].hash == hash) {
            return (entry_t *)(uintptr_t)&set[i];
        }
    }
    return NULL;
}

/* Which of two entries should make room: the free one, the one outside the window, the one with fewer failures, the one quiet for
 * longer. */
static bool goes_before(const admind_failures_t *failures, const entry_t *a, const entry_t *b, int64_t ts_us)
{
    bool a_old = a->last_us <= ts_us - failures->window_us;
    bool b_old = b->last_us <= ts_us - failures->window_us;

    if ((a->hash == 0) != (b->hash == 0)) {
        return a->hash == 0;
    }
    if (a->pinned != b->pinned) {
        return b->pinned;
    }
    if (a_old != b_old) {
        return a_old;
    }
    return a->kept != b->kept ? a->kept < b->kept : a->last_us < b->last_us;
}

static entry_t *make_room(admind_failures_t *failures, uint64_t hash, int64_t ts_us)
{
    entry_t *set = failures->entries + (hash % SETS) * WAYS;
    entry_t *victim = &set[0];

    for (size_t i = 1; i < WAYS; i++) {
        if (goes_before(failures, &set[i], victim, ts_us)) {
            victim = &set[i];
        }
    }
    *victim = (entry_t){ .hash = hash, .last_us = ts_us };
    return victim;
}

static bool keep_time(admind_failures_t *failures, entry_t *entry, int64_t ts_us)
{
    int64_t *times = times_of(failures, entry);

    entry->last_us = ts_us > entry->last_us ? ts_us : entry->last_us;
    if (entry->kept > 0 && ++entry->skipped < failures->stride) {
        return false;
    }
    entry->skipped = 0;
    times[entry->next] = ts_us;
    entry->next = (entry->next + 1) % failures->times_len;
    if (entry->kept < failures->times_len) {
        entry->kept++;
    }
    /* Full ring: 'next' is the oldest. Children's clocks are one, but their records may come a little out of order: a negative
     * distance is within. */
    return entry->kept == failures->times_len && ts_us - times[entry->next] <= failures->window_us;
}

bool admind_failures_add(admind_failures_t *failures, mcpa_str_t who, int64_t ts_us)
{
    uint64_t hash = hash_of(failures, who);
    entry_t *entry = find(failures, hash);

    if (entry == NULL) {
        entry = make_room(failures, hash, ts_us);
    }
    return keep_time(failures, entry, ts_us);
}

static int64_t count(const admind_failures_t *failures, const entry_t *entry, int64_t now_us)
{
    const int64_t *times = times_of(failures, entry);
    int64_t n = 0;

    for (uint32_t i = 0; i < entry->kept; i++) {
        n += times[i] > now_us - failures->window_us ? 1 : 0;
    }
    return n * failures->stride;
}

int64_t admind_failures_count(const admind_failures_t *failures, mcpa_str_t who, int64_t now_us)
{
    const entry_t *entry = find(failures, hash_of(failures, who));

    return entry == NULL ? 0 : count(failures, entry, now_us);
}

int64_t admind_failures_low_since(const admind_failures_t *failures, mcpa_str_t who, int64_t low)
{
    const entry_t *entry = find(failures, hash_of(failures, who));
    uint32_t back = (uint32_t)(low / failures->stride); /* kept times that may stay */

    if (entry == NULL || back >= entry->kept) {
        return INT64_MIN;
    }
    return times_of(failures, entry)[(entry->next + failures->times_len - 1 - back) % failures->times_len] + failures->window_us;
}

void admind_failures_pin(admind_failures_t *failures, mcpa_str_t who, bool pinned)
{
    entry_t *entry = find(failures, hash_of(failures, who));

    if (entry != NULL) {
        entry->pinned = pinned;
    }
}

size_t admind_failures_pairs(const admind_failures_t *failures)
{
    size_t n = 0;

    for (size_t i = 0; i < ADMIND_FAILURES_PAIRS; i++) {
        n += failures->entries[i].hash != 0 ? 1 : 0;
    }
    return n;
}

/* ---- over a restart: one string a pair, "<hash> <time> <time>...", hexadecimal hash, decimal microseconds, oldest first */

static void save_one(const admind_failures_t *failures, const entry_t *entry, mcpa_jsonw_t *w)
{
    const int64_t *times = times_of(failures, entry);
    char text[ADMIND_FAILURES_TIMES_MAX * 21 + 64];
    mcpa_out_t out;

    mcpa_out_init(&out, text, sizeof(text));
    mcpa_out_printf(&out, "%" PRIx64, entry->hash);
    for (uint32_t i = 0; i < entry->kept; i++) {
        uint32_t at = (entry->next + failures->times_len - entry->kept + i) % failures->times_len;

        mcpa_out_printf(&out, " %" PRId64, times[at]);
    }
    mcpa_jsonw_str(w, NULL, mcpa_out_get(&out));
}

void admind_failures_save(const admind_failures_t *failures, mcpa_jsonw_t *w, const char *name, int64_t now_us)
{
    size_t saved = 0;

    mcpa_jsonw_open_array(w, name);
    for (size_t i = 0; i < ADMIND_FAILURES_PAIRS && saved < ADMIND_FAILURES_SAVED_MAX; i++) {
        const entry_t *entry = &failures->entries[i];

        if (entry->hash != 0 && entry->kept > 1 && count(failures, entry, now_us) > 1) {
            save_one(failures, entry, w);
            saved++;
        }
    }
    mcpa_jsonw_close_array(w);
}

static bool read_hash(mcpa_str_t word, uint64_t *hash)
{
    *hash = 0;
    for (size_t i = 0; i < word.len; i++) {
        const char *digits = "0123456789abcdef";
        const char *at = word.ptr[i] != '\0' ? strchr(digits, word.ptr[i]) : NULL;

        if (at == NULL || i >= 16) {
            return false;
        }
        *hash = *hash << 4 | (uint64_t)(at - digits);
    }
    return *hash != 0;
}

void admind_failures_load(admind_failures_t *failures, const mcpa_json_t *saved)
{
    for (size_t i = 0; i < mcpa_json_size(saved); i++) {
        mcpa_str_t rest = mcpa_json_string(mcpa_json_at(saved, i));
        mcpa_str_t word;
        uint64_t hash, time_us;
        entry_t *entry;

        if (rest.ptr == NULL || !mcpa_text_next_word(&rest, &word) || !read_hash(word, &hash) || find(failures, hash) != NULL) {
            continue;
        }
        entry = make_room(failures, hash, INT64_MIN / 2);
        while (mcpa_text_next_word(&rest, &word) && mcpa_text_u64(word, &time_us) && time_us <= INT64_MAX) {
            entry->skipped = failures->stride; /* they were kept before: keep each */
            keep_time(failures, entry, (int64_t)time_us);
        }
    }
}

void admind_failures_address(char memory[64], mcpa_str_t ip)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    struct in6_addr in6;
    char text[INET6_ADDRSTRLEN];

    snprintf(memory, 64, "%.*s", (int)(ip.len < 63 ? ip.len : 63), ip.ptr != NULL ? ip.ptr : "");
    if (strchr(memory, ':') == NULL || inet_pton(AF_INET6, memory, &in6) != 1) {
        return;
    }
    if (memcmp(in6.s6_addr, mapped, sizeof(mapped)) == 0) {
        inet_ntop(AF_INET, in6.s6_addr + 12, memory, 64);
        return;
    }
    memset(in6.s6_addr + 8, 0, 8);
    inet_ntop(AF_INET6, &in6, text, sizeof(text));
    snprintf(memory, 64, "%s/64", text);
}
