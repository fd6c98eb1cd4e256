/* SPDX-License-Identifier: Apache-2.0 */
/* The table of buckets, seen by one process: layout, separation of rules, and the eviction attack (E15 of the reference): a heavy
 * user lets a flood of new keys wash over the table and comes back. Time is virtual. */
#include "test_state.h"

#include "state/ratetable.h"

static const unsigned char secret[16] = "a table's secret";

typedef struct fixture {
    size_t bytes;
    void *memory;
    mcpa_ratetable_t *table;
} fixture_t;

static fixture_t new_table(size_t entries)
{
    fixture_t f = { .bytes = mcpa_ratetable_bytes(entries) };

    f.memory = shared_memory(f.bytes);
    f.table = mcpa_ratetable_init(f.memory, entries, secret);
    assert_non_null(f.table);
    return f;
}

static void free_table(fixture_t *f)
{
    assert_int_equal(munmap(f->memory, f->bytes), 0);
}

/* A key of its own for every pair of kind and number. */
static bool take(mcpa_ratetable_t *table, char kind, uint64_t number, uint64_t now, uint64_t interval, uint32_t burst)
{
    char name[24];
    uint64_t wait;
    int n = snprintf(name, sizeof(name), "%c%llu", kind, (unsigned long long)number);

    assert_true(n > 0 && (size_t)n < sizeof(name));
    return mcpa_ratetable_take(table, 1, (mcpa_str_t){ name, (size_t)n }, now, interval, burst, &wait);
}

static unsigned take_many(mcpa_ratetable_t *table, char kind, uint64_t number, uint64_t now, uint64_t interval, uint32_t burst,
                          unsigned times)
{
    unsigned allowed = 0;

    for (unsigned i = 0; i < times; i++) {
        allowed += take(table, kind, number, now, interval, burst) ? 1 : 0;
    }
    return allowed;
}

static void every_identity_has_its_own_burst(void **state)
{
    fixture_t f = new_table(4096);
    size_t live, capacity;
    uint64_t overflow;

    (void)state;
    for (unsigned who = 0; who < 500; who++) {
        assert_int_equal(take_many(f.table, 'u', who, SECOND, SECOND, 7, 20), 7);
    }
    mcpa_ratetable_stats(f.table, SECOND, &live, &capacity, &overflow);
    assert_int_equal(live, 500);
    assert_int_equal(capacity, 4096);
    assert_int_equal(overflow, 0);
    mcpa_ratetable_stats(f.table, 8 * SECOND, &live, &capacity, &overflow);
    assert_int_equal(live, 0);
    free_table(&f);
}

static void two_rules_never_share_a_bucket(void **state)
{
    fixture_t f = new_table(4096);
    mcpa_str_t who = MCPA_STR("https://idp.example/ alice");
    uint64_t wait;

    (void)state;
    for (uint64_t rule = 0; rule < 200; rule++) {
        assert_true(mcpa_ratetable_take(f.table, rule, who, SECOND, SECOND, 1, &wait));
    }
    for (uint64_t rule = 0; rule < 200; rule++) {
        assert_false(mcpa_ratetable_take(f.table, rule, who, SECOND, SECOND, 1, &wait));
        assert_true(wait == SECOND);
    }
    free_table(&f);
}

static void identities_of_any_bytes_and_length_are_told_apart(void **state)
{
    static const mcpa_str_t names[] = { { "", 0 }, { "\0", 1 }, { "\0\0", 2 }, { "a", 1 }, { "a\0", 2 }, { "a\0b", 3 } };
    char longest[6000];
    fixture_t f = new_table(64);
    uint64_t wait;

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            assert_int_equal(mcpa_ratetable_take(f.table, 1, names[i], SECOND, SECOND, 1, &wait), round == 0);
        }
        memset(longest, 'x', sizeof(longest));
        assert_int_equal(mcpa_ratetable_take(f.table, 1, (mcpa_str_t){ longest, 6000 }, SECOND, SECOND, 1, &wait), round == 0);
        longest[5999] = 'y'; /* not cut anywhere */
        assert_int_equal(mcpa_ratetable_take(f.table, 1, (mcpa_str_t){ longest, 6000 }, SECOND, SECOND, 1, &wait), round == 0);
    }
    free_table(&f);
}

static void attach_takes_only_a_table_of_this_layout_and_size(void **state)
{
    fixture_t f = new_table(1000);
    uint64_t *words = f.memory;

    (void)state;
    assert_ptr_equal(mcpa_ratetable_attach(f.memory, f.bytes), f.table);
    assert_null(mcpa_ratetable_attach(f.memory, f.bytes - 1));
    assert_null(mcpa_ratetable_attach(f.memory, f.bytes + 1));
    assert_null(mcpa_ratetable_attach(f.memory, 16));
    assert_null(mcpa_ratetable_attach(f.memory, 0));
    /* magic, bytes, sets, columns: no bit of them may be another. */
    for (unsigned bit = 0; bit < 4 * 64; bit++) {
        words[bit / 64] ^= UINT64_C(1) << (bit % 64);
        assert_null(mcpa_ratetable_attach(f.memory, f.bytes));
        words[bit / 64] ^= UINT64_C(1) << (bit % 64);
    }
    assert_ptr_equal(mcpa_ratetable_attach(f.memory, f.bytes), f.table);
    memset(f.memory, 0, f.bytes);
    assert_null(mcpa_ratetable_attach(f.memory, f.bytes));
    free_table(&f);
}

static void sizes_hold_what_was_asked_for(void **state)
{
    static const size_t asked[] = { 0, 1, 64, 65, 1000, 4096, 100000 };

    (void)state;
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        fixture_t f = new_table(asked[i]);
        size_t live, capacity;
        uint64_t overflow;

        mcpa_ratetable_stats(f.table, 0, &live, &capacity, &overflow);
        assert_true(capacity >= asked[i] && capacity >= 64 && (capacity & (capacity - 1)) == 0);
        assert_true(f.bytes >= 16 * capacity + UINT64_C(4) * 1024 * 8);
        free_table(&f);
    }
    assert_true(mcpa_ratetable_bytes(SIZE_MAX) > (size_t)1 << 38);
}

static void a_live_bucket_is_never_evicted(void **state)
{
    fixture_t f = new_table(64);
    size_t live, capacity;
    uint64_t overflow;

    (void)state;
    /* Fill all ways, then ten times as many newcomers: whoever was first still stands at his limit. */
    for (unsigned who = 0; who < 64; who++) {
        assert_int_equal(take_many(f.table, 'o', who, SECOND, 100 * SECOND, 3, 3), 3);
    }
    for (unsigned who = 0; who < 640; who++) {
        (void)take(f.table, 'n', who, SECOND + who, 100 * SECOND, 3);
    }
    mcpa_ratetable_stats(f.table, SECOND, &live, &capacity, &overflow);
    assert_int_equal(live, 64);
    assert_true(overflow >= 640 - 64);
    for (unsigned who = 0; who < 64; who++) {
        assert_int_equal(take_many(f.table, 'o', who, 90 * SECOND, 100 * SECOND, 3, 10), 0);
        assert_int_equal(take_many(f.table, 'o', who, 102 * SECOND, 100 * SECOND, 3, 10), 1);
    }
    free_table(&f);
}

static void the_sketch_remembers_who_found_no_way(void **state)
{
    fixture_t f = new_table(64);

    (void)state;
    for (unsigned who = 0; who < 2000; who++) {
        (void)take(f.table, 'f', who, SECOND, 100 * SECOND, 10);
    }
    /* All ways are live. A newcomer may be held to less than his burst, but not to more, however often he comes. */
    for (unsigned who = 0; who < 20; who++) {
        unsigned allowed = take_many(f.table, 'h', who, 2 * SECOND, 100 * SECOND, 10, 50);

        assert_in_range(allowed, 1, 10);
        assert_int_equal(take_many(f.table, 'h', who, 50 * SECOND, 100 * SECOND, 10, 50), 0);
    }
    free_table(&f);
}

static void who_moves_from_the_sketch_into_the_table_brings_his_debt(void **state)
{
    fixture_t f = new_table(64);
    size_t live, capacity;
    uint64_t overflow;
    uint64_t now = SECOND;

    (void)state;
    for (unsigned who = 0; who < 2000; who++) {
        (void)take(f.table, 'f', who, now, 10 * SECOND, 20);
    }
    assert_in_range(take_many(f.table, 'h', 1, now, 10 * SECOND, 20, 50), 1, 20);
    /* The flood is over: its ways fall empty, and the heavy user gets one of them. */
    now += 60 * SECOND;
    mcpa_ratetable_stats(f.table, now, &live, &capacity, &overflow);
    assert_int_equal(live, 0);
    assert_in_range(take_many(f.table, 'h', 1, now, 10 * SECOND, 20, 50), 1, 6);
    mcpa_ratetable_stats(f.table, now, &live, &capacity, &overflow);
    assert_int_equal(live, 1);
    free_table(&f);
}

static void a_longer_rules_traces_bind_nobody_beyond_his_own_rule(void **state)
{
    fixture_t f = new_table(64);
    uint64_t now = SECOND;

    (void)state;
    /* One request fills each way for 100 seconds; what overflows stands at 1000 in the cells. */
    for (unsigned who = 0; who < 500; who++) {
        (void)take(f.table, 'f', who, now, 100 * SECOND, 10);
    }
    for (unsigned who = 1000; who < 3000; who++) {
        (void)take_many(f.table, 'f', who, now, 100 * SECOND, 10, 10);
    }
    now += 101 * SECOND;
    for (unsigned who = 0; who < 20; who++) {
        (void)take(f.table, 'x', who, now, SECOND, 2);
        assert_true(take(f.table, 'x', who, now + 2 * SECOND, SECOND, 2));
    }
    free_table(&f);
}

/* E15: 100 an hour, burst 20; 50 heavy users; 20 000 new keys a second against 4096 ways, for 30 seconds. */
#define HOURLY         (36 * SECOND)
#define HEAVY          50
#define FLOOD_A_SECOND 20000

static void flood(mcpa_ratetable_t *table, unsigned second)
{
    for (unsigned i = 0; i < FLOOD_A_SECOND; i++) {
        uint64_t now = second * SECOND + i * (SECOND / FLOOD_A_SECOND);

        (void)take(table, 'f', second * FLOOD_A_SECOND + i, now, HOURLY, 20);
    }
}

static void a_flood_neither_frees_heavy_users_nor_locks_out_honest_ones(void **state)
{
    fixture_t f = new_table(4096);
    unsigned allowed = 0;
    unsigned served = 0;

    (void)state;
    for (unsigned who = 0; who < HEAVY; who++) {
        allowed += take_many(f.table, 'h', who, SECOND, HOURLY, 20, 100);
    }
    assert_int_equal(allowed, 20 * HEAVY);
    for (unsigned second = 1; second <= 30; second++) {
        flood(f.table, second);
        /* The heavy pause, hope to be flushed, and return. */
        for (unsigned who = 0; who < HEAVY && second % 2 == 0; who++) {
            allowed += take_many(f.table, 'h', who, (second + 1) * SECOND, HOURLY, 20, 100);
        }
        /* Somebody new and honest each second, with a few requests. */
        served += take_many(f.table, 'n', second, (second + 1) * SECOND, HOURLY, 20, 3) == 3;
    }
    assert_int_equal(allowed, 20 * HEAVY);
    assert_int_equal(served, 30);
    free_table(&f);
}

static void heavy_users_who_come_with_the_flood_get_no_more_than_allowed(void **state)
{
    fixture_t f = new_table(4096);
    unsigned allowed[HEAVY] = { 0 };

    (void)state;
    flood(f.table, 1);
    for (unsigned second = 2; second <= 90; second++) {
        if (second < 10) {
            flood(f.table, second);
        }
        for (unsigned who = 0; who < HEAVY && second % 2 == 0; who++) {
            allowed[who] += take_many(f.table, 'h', who, (second + 1) * SECOND, HOURLY, 20, 30);
        }
    }
    for (unsigned who = 0; who < HEAVY; who++) {
        assert_in_range(allowed[who], 1, 20 + 88 / 36);
    }
    free_table(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_identity_has_its_own_burst),
        cmocka_unit_test(two_rules_never_share_a_bucket),
        cmocka_unit_test(identities_of_any_bytes_and_length_are_told_apart),
        cmocka_unit_test(attach_takes_only_a_table_of_this_layout_and_size),
        cmocka_unit_test(sizes_hold_what_was_asked_for),
        cmocka_unit_test(a_live_bucket_is_never_evicted),
        cmocka_unit_test(the_sketch_remembers_who_found_no_way),
        cmocka_unit_test(who_moves_from_the_sketch_into_the_table_brings_his_debt),
        cmocka_unit_test(a_longer_rules_traces_bind_nobody_beyond_his_own_rule),
        cmocka_unit_test(a_flood_neither_frees_heavy_users_nor_locks_out_honest_ones),
        cmocka_unit_test(heavy_users_who_come_with_the_flood_get_no_more_than_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
