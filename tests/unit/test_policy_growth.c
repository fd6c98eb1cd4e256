/* SPDX-License-Identifier: Apache-2.0 */
/* What a decision costs against the number of issuers, of an issuer's keys and of rules: no worse than linear, and little for
 * each one more. Counted in instructions, so that a look-up which became a search in a search is seen here and not by a user with
 * a hundred issuers. */
#include "test_policy_world.h"
#include "test_steps.h"

#include "policy/operation.h"

#define MOST 128

/* A world whose first issuer is the last of many. */
typedef struct crowd {
    world_t *world;
    mcpa_issuer_t issuers[MOST];
    const mcpa_issuer_t *list[MOST + 1];
    char urls[MOST][64];
    mcpa_reason_t expected;
    mcpa_cache_use_t cache_use;
} crowd_t;

static void decide_once(void *ctx)
{
    crowd_t *crowd = ctx;
    world_t *w = crowd->world;

    mcpa_decision_clear(&w->decision);
    if (mcpa_decide(&w->decision, &w->request, &w->policy, &w->env) != crowd->expected ||
        w->decision.cache_use != crowd->cache_use) {
        abort();
    }
}

static void make_crowd(crowd_t *crowd, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++) {
        snprintf(crowd->urls[i], sizeof(crowd->urls[i]), "https://id%zu.example.com", i);
        crowd->issuers[i] = crowd->world->issuer;
        crowd->issuers[i].url = crowd->urls[i];
        crowd->list[i] = &crowd->issuers[i];
    }
    crowd->list[count - 1] = &crowd->world->issuer;
    crowd->list[count] = NULL;
    crowd->world->policy.issuers = crowd->list;
    crowd->world->env.trace = NULL;
    mcpa_policy_digest(&crowd->world->policy);
}

static void do_nothing(void *ctx)
{
    (void)ctx;
}

static void skip_where_nothing_is_counted(void)
{
    if (count_steps(do_nothing, NULL) == 0) {
        print_message("NOT TESTED: instructions cannot be counted here (valgrind, or nobody may be traced)\n");
        skip();
    }
}

static void check_growth(void (*fn)(void *ctx), void *ctx, void (*grow)(void *ctx, size_t count), const uint64_t sizes[3],
                         uint64_t most_each)
{
    uint64_t counts[3];

    skip_where_nothing_is_counted(); /* before anything is made that a skip would leave behind */
    for (size_t i = 0; i < 3; i++) {
        grow(ctx, sizes[i]);
        fn(ctx); /* what is remembered, is */
        counts[i] = count_steps(fn, ctx);
        assert_true(counts[i] > 0);
    }
    assert_linear(sizes, counts);
    assert_true(counts[2] <= counts[0] + STEPS_EACH * most_each * (sizes[2] - sizes[0]));
}

/* ---- the count itself */

/* Of a size of which AddressSanitizer keeps few at hand: it fetches more after a few calls, were they not given back. */
static void borrow_memory(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 4; i++) {
        void *volatile memory = malloc(4000);

        if (!memory) {
            abort();
        }
        free(memory);
    }
}

static void a_count_is_the_same_whatever_was_allocated_before(void **state)
{
    uint64_t counts[8];

    (void)state;
    skip_where_nothing_is_counted();
    for (size_t i = 0; i < 8; i++) {
        borrow_memory(NULL);
        counts[i] = count_steps(borrow_memory, NULL);
    }
    for (size_t i = 1; i < 8; i++) {
        assert_int_equal(counts[i], counts[0]);
    }
}

/* ---- issuers */

static void grow_crowd(void *ctx, size_t count)
{
    crowd_t *crowd = ctx;

    make_crowd(crowd, count);
    if (crowd->cache_use == MCPA_CACHE_HIT) {
        assert_reason(crowd->expected, decide(crowd->world), "the first time");
    }
}

static void a_known_tokens_cost_is_linear_in_issuers(void **state)
{
    static const uint64_t sizes[] = { 1, 32, MOST };
    static crowd_t crowd;
    size_t bytes = mcpa_tokencache_bytes(16);
    void *memory = shared_memory(bytes);

    crowd = (crowd_t){ .world = *state, .expected = MCPA_REASON_PASS, .cache_use = MCPA_CACHE_HIT };
    crowd.world->env.cache = mcpa_tokencache_init(memory, 16);
    give_claims(crowd.world, NULL, 0);
    check_growth(decide_once, &crowd, grow_crowd, sizes, 20);
    crowd.world->env.cache = NULL;
    assert_int_equal(munmap(memory, bytes), 0);
}

static void an_unknown_issuers_cost_is_linear_in_issuers(void **state)
{
    static const uint64_t sizes[] = { 1, 32, MOST };
    static crowd_t crowd;

    crowd = (crowd_t){ .world = *state, .expected = MCPA_REASON_ISSUER_UNKNOWN, .cache_use = MCPA_CACHE_UNUSED };
    (void)decide_claim(crowd.world, "iss", "\"https://nobody.example.com\"");
    check_growth(decide_once, &crowd, grow_crowd, sizes, 200);
}

/* ---- keys of one issuer */

typedef struct key_ring {
    world_t *world;
    mcpa_jwks_t *set;
} key_ring_t;

static void grow_ring(void *ctx, size_t count)
{
    static char kids[MCPA_JWKS_MAX_KEYS][32];
    const char *names[MCPA_JWKS_MAX_KEYS];
    EVP_PKEY *keys[MCPA_JWKS_MAX_KEYS];
    key_ring_t *ring = ctx;

    for (size_t i = 0; i < count; i++) {
        snprintf(kids[i], sizeof(kids[i]), "kid-%zu", count - 1 - i); /* the wanted one is the last */
        names[i] = kids[i];
        keys[i] = ring->world->ed;
    }
    mcpa_jwks_release(&ring->set);
    ring->set = make_jwks(names, keys, count, "");
}

static void find_key(void *ctx)
{
    key_ring_t *ring = ctx;
    bool known = false;

    if (mcpa_jwks_find(ring->set, MCPA_ALG_EDDSA, MCPA_STR("kid-0"), &known) == NULL || !known) {
        abort();
    }
}

static void finding_a_key_is_linear_in_an_issuers_keys(void **state)
{
    static const uint64_t sizes[] = { 1, 24, MCPA_JWKS_MAX_KEYS };
    key_ring_t ring = { .world = *state };

    check_growth(find_key, &ring, grow_ring, sizes, 150);
    mcpa_jwks_release(&ring.set);
}

/* ---- rules */

#define RULES 400

typedef struct rule_book {
    char names[RULES][32];
    mcpa_operation_t rules[RULES];
    mcpa_operations_t section;
    bool by_method; /* the rules that do not fit are of other methods; else of other tools */
} rule_book_t;

static void grow_book(void *ctx, size_t count)
{
    rule_book_t *book = ctx;

    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;

        snprintf(book->names[i], sizeof(book->names[i]), last ? "wanted" : "other-%zu", i);
        book->rules[i] = (mcpa_operation_t){ .method = "tools/call", .name = book->names[i], .effect = MCPA_EFFECT_GRANTED };
        if (book->by_method && !last) {
            book->rules[i].method = book->names[i];
        }
    }
    book->section = (mcpa_operations_t){ .rules = book->rules, .n_rules = count };
}

static void find_rule(void *ctx)
{
    rule_book_t *book = ctx;

    if (mcpa_operation_rule(&book->section, MCPA_STR("tools/call"), MCPA_STR("wanted")).rule !=
        &book->rules[book->section.n_rules - 1]) {
        abort();
    }
}

static void finding_a_rule_is_linear_in_a_sections_rules(void **state)
{
    static const uint64_t sizes[] = { 1, 100, RULES };
    static rule_book_t book;

    (void)state;
    check_growth(find_rule, &book, grow_book, sizes, 200);
    book.by_method = true;
    check_growth(find_rule, &book, grow_book, sizes, 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_count_is_the_same_whatever_was_allocated_before),
        cmocka_unit_test_setup(a_known_tokens_cost_is_linear_in_issuers, world_setup),
        cmocka_unit_test_setup(an_unknown_issuers_cost_is_linear_in_issuers, world_setup),
        cmocka_unit_test_setup(finding_a_key_is_linear_in_an_issuers_keys, world_setup),
        cmocka_unit_test_setup(finding_a_rule_is_linear_in_a_sections_rules, world_setup),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
