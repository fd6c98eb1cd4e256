/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of verified tokens, seen by one process: a hit is exactly what was put for that token, policy and key generation, or
 * it is a miss, whatever lies in the memory. */
#include "test_state_tokencache.h"

typedef struct fixture {
    size_t bytes;
    void *memory;
    mcpa_tokencache_t *cache;
} fixture_t;

static fixture_t new_cache(size_t entries)
{
    fixture_t f = { .bytes = mcpa_tokencache_bytes(entries) };

    f.memory = shared_memory(f.bytes);
    f.cache = mcpa_tokencache_init(f.memory, entries);
    assert_non_null(f.cache);
    return f;
}

static void free_cache(fixture_t *f)
{
    assert_int_equal(munmap(f->memory, f->bytes), 0);
}

static void what_was_put_is_found_and_equal(void **state)
{
    fixture_t f = new_cache(1024);

    (void)state;
    for (uint64_t token = 0; token < 200; token++) {
        mcpa_token_cache_key_t key = key_of(token, 1, 1);
        mcpa_token_facts_t put = facts_of(token, 1);
        mcpa_token_facts_t got;

        assert_false(mcpa_tokencache_get(f.cache, &key, &got));
        mcpa_tokencache_put(f.cache, &key, &put, 100, NULL);
        assert_true(mcpa_tokencache_get(f.cache, &key, &got));
        assert_true(facts_equal(&put, &got));
        put = facts_of(token, 2);
        mcpa_tokencache_put(f.cache, &key, &put, 100, NULL);
        assert_true(mcpa_tokencache_get(f.cache, &key, &got));
        assert_true(facts_equal(&put, &got));
    }
    free_cache(&f);
}

static void every_bit_of_the_key_counts(void **state)
{
    fixture_t f = new_cache(16);
    mcpa_token_cache_key_t key = key_of(1, 0x1234, 7);
    mcpa_token_facts_t put = facts_of(1, 1);
    mcpa_token_facts_t got;

    (void)state;
    mcpa_tokencache_put(f.cache, &key, &put, 100, NULL);
    for (size_t bit = 0; bit < 8 * sizeof(key); bit++) {
        unsigned char *byte = (unsigned char *)&key + bit / 8;

        *byte = (unsigned char)(*byte ^ 1u << bit % 8);
        assert_false(mcpa_tokencache_get(f.cache, &key, &got));
        *byte = (unsigned char)(*byte ^ 1u << bit % 8);
    }
    assert_true(mcpa_tokencache_get(f.cache, &key, &got));
    free_cache(&f);
}

static void a_new_key_generation_replaces_the_old_entry(void **state)
{
    fixture_t f = new_cache(16);

    (void)state;
    for (uint64_t keys = 1; keys < 100; keys++) {
        mcpa_token_cache_key_t key = key_of(5, 1, keys);
        mcpa_token_cache_key_t other = key_of(6, 1, 1);
        mcpa_token_facts_t facts = facts_of(5, keys);

        memcpy(other.token_hash, key.token_hash, 8); /* the same set */
        if (keys == 1) {
            mcpa_tokencache_put(f.cache, &other, &facts, 100, NULL);
        }
        mcpa_tokencache_put(f.cache, &key, &facts, 100, NULL);
        assert_true(mcpa_tokencache_get(f.cache, &key, &facts));
        assert_true(mcpa_tokencache_get(f.cache, &other, &facts)); /* nobody else is driven out */
        key.keys--;
        assert_false(mcpa_tokencache_get(f.cache, &key, &facts));
    }
    free_cache(&f);
}

static void the_expired_goes_first_then_what_expires_next(void **state)
{
    static const int64_t expires[] = { 500, 200, 400, 300 };
    fixture_t f = new_cache(16);
    mcpa_token_facts_t facts = facts_of(1, 1);

    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        mcpa_token_cache_key_t key = neighbour(i);

        facts.expires_s = expires[i];
        mcpa_tokencache_put(f.cache, &key, &facts, 100, NULL);
    }
    for (uint64_t i = 4; i < 6; i++) {
        mcpa_token_cache_key_t key = neighbour(i);

        facts.expires_s = 1000;
        mcpa_tokencache_put(f.cache, &key, &facts, 100, NULL); /* drives out 200, then 300 */
    }
    for (uint64_t i = 0; i < 6; i++) {
        mcpa_token_cache_key_t key = neighbour(i);

        assert_int_equal(mcpa_tokencache_get(f.cache, &key, &facts), i != 1 && i != 3);
    }
    free_cache(&f);
}

static void what_has_expired_is_not_cached(void **state)
{
    fixture_t f = new_cache(16);
    mcpa_token_cache_key_t key = key_of(1, 1, 1);
    mcpa_token_facts_t facts = facts_of(1, 1);

    (void)state;
    mcpa_tokencache_put(f.cache, &key, &facts, facts.expires_s, NULL);
    assert_false(mcpa_tokencache_get(f.cache, &key, &facts));
    mcpa_tokencache_put(f.cache, &key, &facts, facts.expires_s - 1, NULL);
    assert_true(mcpa_tokencache_get(f.cache, &key, &facts));
    free_cache(&f);
}

/* The version of the one entry of a key: the word before the first of the key. */
static uint64_t *find_version(const fixture_t *f, const mcpa_token_cache_key_t *key)
{
    uint64_t *words = f->memory;

    for (size_t i = 8; i < f->bytes / 8; i++) {
        if (memcmp(&words[i], key->token_hash, 32) == 0) {
            return &words[i - 1];
        }
    }
    fail_msg("no entry");
    return NULL;
}

/* As the layout has it: the turn above 22 bits for the process that writes, and one bit that says that it does. */
#define BUSY    UINT64_C(1)
#define BY(pid) ((uint64_t)(pid) << 1 | BUSY)
#define TURN    (UINT64_C(1) << 23)

static void an_entry_being_written_is_a_miss_and_is_left_to_its_writer(void **state)
{
    fixture_t f = new_cache(16);
    mcpa_token_cache_key_t key = key_of(1, 1, 1);
    mcpa_token_facts_t facts = facts_of(1, 1);
    uint64_t *version;

    (void)state;
    mcpa_tokencache_put(f.cache, &key, &facts, 100, NULL);
    version = find_version(&f, &key);
    assert_true(*version == TURN);
    *version |= BUSY; /* as a writer has it */
    assert_false(mcpa_tokencache_get(f.cache, &key, &facts));
    mcpa_tokencache_put(f.cache, &key, &facts, 100, NULL);
    assert_true(*version == (TURN | BUSY));
    assert_false(mcpa_tokencache_get(f.cache, &key, &facts));
    *version = 2 * TURN;
    assert_true(mcpa_tokencache_get(f.cache, &key, &facts));
    free_cache(&f);
}

static void an_entry_being_written_is_nobodys_victim(void **state)
{
    fixture_t f = new_cache(16);
    mcpa_token_facts_t facts = facts_of(1, 1);
    mcpa_token_cache_key_t fifth = neighbour(5);
    uint64_t *versions[4];

    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        mcpa_token_cache_key_t key = neighbour(i);

        mcpa_tokencache_put(f.cache, &key, &facts, 100, NULL);
        versions[i] = find_version(&f, &key);
    }
    for (uint64_t i = 0; i < 4; i++) {
        *versions[i] |= BUSY;
    }
    mcpa_tokencache_put(f.cache, &fifth, &facts, 100, NULL);
    for (uint64_t i = 0; i < 4; i++) {
        assert_true(*versions[i] == (TURN | BUSY));
    }
    *versions[2] = 2 * TURN;
    mcpa_tokencache_put(f.cache, &fifth, &facts, 100, NULL);
    assert_true(*versions[2] == 3 * TURN);
    assert_true(mcpa_tokencache_get(f.cache, &fifth, &facts));
    free_cache(&f);
}

static uint32_t gone; /* the process that is */

static bool is_gone(uint32_t process)
{
    return process == gone;
}

static void what_a_killed_writer_left_is_taken_over_and_nobody_elses(void **state)
{
    static const uint32_t writers[] = { 100, 4194303, 0, 7 }; /* of which process 7 is the one that stores */
    const mcpa_tokencache_writer_t writer = { .process = 7, .is_gone = is_gone }, blind = { .process = 7 };
    fixture_t f = new_cache(16);
    mcpa_token_facts_t facts = facts_of(1, 1);
    mcpa_token_cache_key_t fifth = neighbour(5);
    uint64_t *versions[4];

    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        mcpa_token_cache_key_t key = neighbour(i);

        mcpa_tokencache_put(f.cache, &key, &facts, 100, &writer);
        versions[i] = find_version(&f, &key);
        assert_true(*versions[i] == TURN);
    }
    for (uint64_t i = 0; i < 4; i++) {
        *versions[i] = TURN | BY(writers[i]);
    }
    gone = 99;
    mcpa_tokencache_put(f.cache, &fifth, &facts, 100, &writer);
    gone = 0;
    mcpa_tokencache_put(f.cache, &fifth, &facts, 100, &writer);
    gone = 7; /* it asks, so it is there */
    mcpa_tokencache_put(f.cache, &fifth, &facts, 100, &writer);
    gone = 4194303;
    mcpa_tokencache_put(f.cache, &fifth, &facts, 100, &blind);
    mcpa_tokencache_put(f.cache, &fifth, &facts, 100, NULL);
    for (uint64_t i = 0; i < 4; i++) {
        assert_true(*versions[i] == (TURN | BY(writers[i])));
    }
    mcpa_tokencache_put(f.cache, &fifth, &facts, 100, &writer);
    assert_true(*versions[1] == 2 * TURN);
    assert_true(mcpa_tokencache_get(f.cache, &fifth, &facts));
    free_cache(&f);
}

static void a_token_half_written_by_the_killed_can_be_stored_again(void **state)
{
    const mcpa_tokencache_writer_t writer = { .process = 7, .is_gone = is_gone };
    fixture_t f = new_cache(16);
    mcpa_token_cache_key_t key = key_of(1, 1, 1);
    mcpa_token_facts_t facts = facts_of(1, 1), got;
    uint64_t *version;

    (void)state;
    mcpa_tokencache_put(f.cache, &key, &facts, 100, &writer);
    version = find_version(&f, &key);
    *version = TURN | BY(100);
    gone = 100;
    assert_false(mcpa_tokencache_get(f.cache, &key, &got));
    mcpa_tokencache_put(f.cache, &key, &facts, 100, &writer);
    assert_true(mcpa_tokencache_get(f.cache, &key, &got));
    assert_true(facts_equal(&facts, &got));
    free_cache(&f);
}

static void strings_over_the_limit_are_not_cached(void **state)
{
    fixture_t f = new_cache(16);
    mcpa_token_cache_key_t key = key_of(1, 1, 1);
    mcpa_token_facts_t facts = facts_of(1, 1);

    (void)state;
    memset(facts.len, 0, sizeof(facts.len));
    facts.len[0] = MCPA_TOKENCACHE_TEXT_BYTES;
    facts.len[5] = 1;
    mcpa_tokencache_put(f.cache, &key, &facts, 100, NULL);
    assert_false(mcpa_tokencache_get(f.cache, &key, &facts));
    facts.len[5] = 0;
    mcpa_tokencache_put(f.cache, &key, &facts, 100, NULL);
    assert_true(mcpa_tokencache_get(f.cache, &key, &facts));
    assert_int_equal(facts.len[0], MCPA_TOKENCACHE_TEXT_BYTES);
    free_cache(&f);
}

static void attach_takes_only_a_cache_of_this_layout_and_size(void **state)
{
    fixture_t f = new_cache(100);
    uint64_t *words = f.memory;

    (void)state;
    assert_ptr_equal(mcpa_tokencache_attach(f.memory, f.bytes), f.cache);
    assert_null(mcpa_tokencache_attach(f.memory, f.bytes - 1));
    assert_null(mcpa_tokencache_attach(f.memory, f.bytes + 64));
    assert_null(mcpa_tokencache_attach(f.memory, 8));
    for (unsigned bit = 0; bit < 3 * 64; bit++) {
        words[bit / 64] ^= UINT64_C(1) << (bit % 64);
        assert_null(mcpa_tokencache_attach(f.memory, f.bytes));
        words[bit / 64] ^= UINT64_C(1) << (bit % 64);
    }
    assert_ptr_equal(mcpa_tokencache_attach(f.memory, f.bytes), f.cache);
    free_cache(&f);
}

static void a_reader_of_trampled_memory_stays_within_its_bounds(void **state)
{
    fixture_t f = new_cache(16);
    uint64_t random = 9;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        mcpa_token_cache_key_t key = neighbour(round % 4);
        mcpa_token_facts_t facts = facts_of(round, 1);
        uint64_t *words = f.memory;

        mcpa_tokencache_put(f.cache, &key, &facts, 100, NULL);
        for (unsigned i = 0; i < 20; i++) {
            words[8 + next_random(&random) % (f.bytes / 8 - 8)] = next_random(&random);
        }
        if (mcpa_tokencache_get(f.cache, &key, &facts)) {
            size_t text = 0;

            for (unsigned i = 0; i < 6; i++) {
                text += facts.len[i];
            }
            assert_true(text <= MCPA_TOKENCACHE_TEXT_BYTES);
        }
    }
    free_cache(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_and_equal),
        cmocka_unit_test(every_bit_of_the_key_counts),
        cmocka_unit_test(a_new_key_generation_replaces_the_old_entry),
        cmocka_unit_test(the_expired_goes_first_then_what_expires_next),
        cmocka_unit_test(what_has_expired_is_not_cached),
        cmocka_unit_test(an_entry_being_written_is_a_miss_and_is_left_to_its_writer),
        cmocka_unit_test(an_entry_being_written_is_nobodys_victim),
        cmocka_unit_test(what_a_killed_writer_left_is_taken_over_and_nobody_elses),
        cmocka_unit_test(a_token_half_written_by_the_killed_can_be_stored_again),
        cmocka_unit_test(strings_over_the_limit_are_not_cached),
        cmocka_unit_test(attach_takes_only_a_cache_of_this_layout_and_size),
        cmocka_unit_test(a_reader_of_trampled_memory_stays_within_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
