/* SPDX-License-Identifier: Apache-2.0 */
/* A million different subjects, addresses, tokens and sessions against the tables of shared memory, at the sizes they have by default. Attacks: fill
 * memory with names, wash out the budgets of heavy users, lock out honest ones, or get another's answer. Time is virtual. */
#include "test_growth.h"

#include "state/ratetable.h"
#include "state/sessions.h"
#include "state/tokencache.h"
#include "test_state_tokencache.h"

#define LIMIT_ENTRIES   65536 /* MCPAuthLimitTable */
#define TOKEN_ENTRIES   16384 /* MCPAuthTokenCache */
#define SESSION_ENTRIES 16384
#define A_SECOND        20000 /* new names */
#define HOURLY          (36 * SECOND)
#define BURST           20
#define HEAVY           50
#define HONEST          50

static const unsigned char secret[16] = "a table's secret";

/* A table whose end is the end of what may be touched: the next byte ends the test. */
typedef struct room {
    unsigned char *pages;
    size_t mapped;
    void *table;
    size_t heap; /* before */
} room_t;

static room_t new_room(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), table = (bytes + page - 1) / page * page;
    room_t room = { .mapped = table + page };

    room.pages = shared_memory(room.mapped);
    assert_int_equal(mprotect(room.pages + table, page, PROT_NONE), 0);
    room.table = room.pages + (table - bytes) / 64 * 64;
    room.heap = heap_bytes();
    return room;
}

/* Nothing but the block holds what was told. */
static void free_room(room_t *room)
{
    assert_int_equal(heap_bytes(), room->heap);
    assert_int_equal(munmap(room->pages, room->mapped), 0);
}

static bool take(mcpa_ratetable_t *table, const char *kind, uint64_t number, uint64_t now, uint64_t interval)
{
    char name[32];
    size_t len = growth_name(name, kind, number);
    uint64_t wait;

    return mcpa_ratetable_take(table, 1, (mcpa_str_t){ name, len }, now, interval, BURST, &wait);
}

typedef struct tally {
    unsigned heavy[HEAVY];    /* let in, of each */
    unsigned regular_refused; /* requests of callers who keep to their rate */
    unsigned newcomers, newcomers_refused;
} tally_t;

/* One second of the attack, and who else comes in it: the heavy with all they have, the regular ones with one request in an interval, and somebody new
 * with three. */
static void one_second(mcpa_ratetable_t *table, tally_t *tally, uint64_t second)
{
    uint64_t now = second * SECOND;

    for (uint64_t i = 0; i < A_SECOND; i++) {
        (void)take(table, "flood", second * A_SECOND + i, now + i * (SECOND / A_SECOND), HOURLY);
    }
    now += SECOND - 1;
    for (unsigned who = 0; who < HEAVY; who++) {
        for (unsigned i = 0; i < 30; i++) {
            tally->heavy[who] += take(table, "heavy", who, now, HOURLY) ? 1 : 0;
        }
    }
    for (unsigned who = 0; who < HONEST; who++) {
        if ((second + who) % 36 == 0) {
            tally->regular_refused += take(table, "regular", who, now, HOURLY) ? 0 : 1;
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        tally->newcomers++;
        tally->newcomers_refused += take(table, "newcomer", second, now, HOURLY) ? 0 : 1;
    }
}

/* Who was there before the flood has a way of his own, and so exactly his budget, be it little or much; who comes with it shares cells
 * with strangers, which costs him requests only when they have used up four cells of his. */
static void a_million_subjects_change_nobodys_budget(void **state)
{
    room_t room = new_room(mcpa_ratetable_bytes(LIMIT_ENTRIES));
    mcpa_ratetable_t *table = mcpa_ratetable_init(room.table, LIMIT_ENTRIES, secret);
    uint64_t seconds = growth_count() / A_SECOND + 1, overflow;
    tally_t tally = { 0 };
    size_t live, capacity;

    (void)state;
    for (unsigned who = 0; who < HEAVY; who++) {
        for (unsigned i = 0; i < 30; i++) {
            tally.heavy[who] += take(table, "heavy", who, SECOND - 1, HOURLY) ? 1 : 0;
        }
    }
    for (unsigned who = 0; who < HONEST; who++) {
        for (unsigned i = 0; i < BURST / 2; i++) {
            assert_true(take(table, "regular", who, SECOND - 1, HOURLY));
        }
    }
    for (uint64_t second = 1; second <= seconds; second++) {
        one_second(table, &tally, second);
    }
    for (unsigned who = 0; who < HEAVY; who++) {
        assert_int_equal(tally.heavy[who], BURST + seconds / 36);
    }
    assert_int_equal(tally.regular_refused, 0);
    assert_int_equal(tally.newcomers_refused, 0);
    mcpa_ratetable_stats(table, seconds * SECOND, &live, &capacity, &overflow);
    assert_int_equal(capacity, LIMIT_ENTRIES);
    assert_true(live <= capacity);
    assert_true(seconds < 10 || overflow > growth_count() / 2); /* it was an attack */
    mcpa_ratetable_stats(table, (seconds + 36 * BURST) * SECOND, &live, &capacity, &overflow);
    assert_int_equal(live, 0); /* and leaves nothing behind */
    free_room(&room);
}

/* As the address limit sees them: 16 bytes each, and a rate by which one request is forgotten in a second. */
static void a_million_addresses_leave_the_table_as_it_was(void **state)
{
    room_t room = new_room(mcpa_ratetable_bytes(LIMIT_ENTRIES));
    mcpa_ratetable_t *table = mcpa_ratetable_init(room.table, LIMIT_ENTRIES, secret);
    uint64_t count = growth_count(), now = SECOND, wait, overflow;
    unsigned refused = 0, honest_refused = 0;
    size_t live, capacity;

    (void)state;
    for (uint64_t i = 0; i < count; i++) {
        unsigned char address[16] = { 0x20, 0x01, 0x0d, 0xb8 };

        now += SECOND / A_SECOND;
        memcpy(address + 4, &i, sizeof(i));
        refused += mcpa_ratetable_take(table, 2, (mcpa_str_t){ (char *)address, 16 }, now, SECOND, 10, &wait) ? 0 : 1;
        if (i % A_SECOND == 0) { /* once a second, as he may */
            honest_refused += mcpa_ratetable_take(table, 2, MCPA_STR("an honest address"), now, SECOND, 1, &wait) ? 0 : 1;
        }
    }
    assert_int_equal(refused, 0);
    assert_int_equal(honest_refused, 0);
    mcpa_ratetable_stats(table, now, &live, &capacity, &overflow);
    assert_in_range(live, 1, A_SECOND + 1);
    assert_true(overflow < count / 100); /* a third full, some sets are: it is sets of eight */
    mcpa_ratetable_stats(table, now + SECOND, &live, &capacity, &overflow);
    assert_int_equal(live, 0);
    free_room(&room);
}

/* The honest token's own time is the shortest of all, so it is always the first to go from its set, and still it is mostly there. */
static void a_million_tokens_cost_an_honest_one_misses_and_nothing_else(void **state)
{
    room_t room = new_room(mcpa_tokencache_bytes(TOKEN_ENTRIES));
    mcpa_tokencache_t *cache = mcpa_tokencache_init(room.table, TOKEN_ENTRIES);
    mcpa_token_cache_key_t honest = key_of(UINT64_MAX / 3, 1, 1);
    mcpa_token_facts_t facts, got;
    uint64_t count = growth_count(), misses = 0, uses = 0;

    (void)state;
    for (uint64_t i = 0; i < count; i++) {
        mcpa_token_cache_key_t key = key_of(i, 1, 1);

        assert_false(mcpa_tokencache_get(cache, &key, &got)); /* never seen: nobody else's facts are its own */
        facts = facts_of(i, 1);
        mcpa_tokencache_put(cache, &key, &facts, 100, NULL);
        assert_true(mcpa_tokencache_get(cache, &key, &got));
        assert_true(facts_equal(&facts, &got));
        if (i % 100 != 0) {
            continue;
        }
        facts = facts_of(0, 7); /* expires first */
        uses++;
        if (!mcpa_tokencache_get(cache, &honest, &got)) {
            misses++;
            mcpa_tokencache_put(cache, &honest, &facts, 100, NULL);
        } else {
            assert_true(facts_equal(&facts, &got));
        }
    }
    /* A set is one of 4096: once in so many strangers, on the average, one comes to it. */
    assert_in_range(misses, 1, 1 + 3 * count / (TOKEN_ENTRIES / 4));
    assert_true(misses * 20 < uses);
    free_room(&room);
}

/* Fewer, because each looks for others of its owner in the whole table; more than the table has places. */
static void sessions_of_ever_new_subjects_throw_nobody_out(void **state)
{
    room_t room = new_room(mcpa_sessions_bytes(SESSION_ENTRIES));
    mcpa_sessions_t *table = mcpa_sessions_init(room.table, SESSION_ENTRIES, secret);
    const uint64_t idle = 3600 * SECOND;
    uint64_t count = growth_count() / 20, bound = 0;
    mcpa_session_owner_t owner = { MCPA_STR("https://id.example"), MCPA_STR("honest"), MCPA_STR_NONE };
    mcpa_session_key_t honest, key;
    size_t live, capacity;
    char name[32];

    (void)state;
    mcpa_sessions_key(&honest, table, MCPA_STR("https://mcp.example/mcp"), MCPA_STR("honest"), &owner);
    assert_int_equal(mcpa_sessions_insert(table, &honest, SECOND, idle), MCPA_SESSION_BOUND);
    for (uint64_t i = 0; i < count; i++) {
        owner.subject = (mcpa_str_t){ name, growth_name(name, "subject", i) };
        mcpa_sessions_key(&key, table, MCPA_STR("https://mcp.example/mcp"), owner.subject, &owner);
        bound += mcpa_sessions_insert(table, &key, SECOND + i, idle) == MCPA_SESSION_BOUND ? 1 : 0;
        assert_true(i % 1000 != 0 || mcpa_sessions_use(table, &honest, SECOND + i, idle));
    }
    mcpa_sessions_stats(table, SECOND + count, idle, &live, &capacity);
    assert_int_equal(live, bound + 1); /* who was let in is in still */
    assert_true(live <= capacity);
    assert_true(mcpa_sessions_use(table, &honest, SECOND + count, idle));
    mcpa_sessions_stats(table, 2 * SECOND + count + idle, idle, &live, &capacity);
    assert_int_equal(live, 0);
    free_room(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_subjects_change_nobodys_budget),
        cmocka_unit_test(a_million_addresses_leave_the_table_as_it_was),
        cmocka_unit_test(a_million_tokens_cost_an_honest_one_misses_and_nothing_else),
        cmocka_unit_test(sessions_of_ever_new_subjects_throw_nobody_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
