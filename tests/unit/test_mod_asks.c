/* SPDX-License-Identifier: Apache-2.0 */
/* The budget for questions after unknown key ids, and the memory of what does not exist, on a clock of the test's own. */
#include "mod_support.h"

#include "asks.h"

static void asks_refill_their_budget_by_one_a_second(void **state)
{
    static mod_mcp_asks_t asks;
    apr_int64_t now = 1000000000;
    unsigned made_count = 0;
    char kid[16];
    int made;

    (void)state;
    mod_mcp_asks_init(&asks, (const unsigned char *)"0123456789abcdef");
    for (int i = 0; i < 600; i++, now += 100000) { /* a minute, ten a second */
        const mod_mcp_ask_t *ask;

        (void)snprintf(kid, sizeof(kid), "k%d", i);
        (void)mod_mcp_asks_find(&asks, 3, mcpa_str(kid), now, &made);
        made_count += made != 0;
        while ((ask = mod_mcp_asks_next(&asks)) != NULL) {
            mod_mcp_asks_answer(&asks, ask->id, 0, now);
        }
    }
    assert_in_range(made_count, 60 + MOD_MCP_ASKS_BURST - 2, 60 + MOD_MCP_ASKS_BURST);
}

static void asks_forget_what_does_not_exist_after_half_a_minute(void **state)
{
    static mod_mcp_asks_t asks;
    apr_int64_t now = 1000000000;
    const mod_mcp_ask_t *ask;
    int made;

    (void)state;
    mod_mcp_asks_init(&asks, (const unsigned char *)"0123456789abcdef");
    assert_non_null(mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now, &made));
    ask = mod_mcp_asks_next(&asks);
    mod_mcp_asks_answer(&asks, ask->id, 0, now);
    assert_null(mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now + MOD_MCP_NEGATIVE_US - 1, &made));
    assert_non_null(mod_mcp_asks_find(&asks, 1, MCPA_STR("kid"), now, &made)); /* another issuer's may exist */
    assert_true(made);
    assert_non_null(mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now + MOD_MCP_NEGATIVE_US, &made));
    assert_true(made);
}

static void asks_put_an_unanswered_question_again_after_half_a_minute(void **state)
{
    static mod_mcp_asks_t asks;
    apr_int64_t now = 1000000000;
    mod_mcp_ask_t *ask;
    int made;

    (void)state;
    mod_mcp_asks_init(&asks, (const unsigned char *)"0123456789abcdef");
    ask = mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now, &made);
    assert_ptr_equal(mod_mcp_asks_next(&asks), ask);
    assert_ptr_equal(mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now + MOD_MCP_ASKS_LIFE_US - 1, &made), ask);
    assert_false(made);
    assert_non_null(mod_mcp_asks_find(&asks, 0, MCPA_STR("kid"), now + MOD_MCP_ASKS_LIFE_US, &made));
    assert_true(made);
}

static void asks_never_reuse_a_slot_somebody_waits_at(void **state)
{
    static mod_mcp_asks_t asks;
    apr_int64_t now = 1000000000;
    mod_mcp_ask_t *held;
    char kid[16];
    int made;

    (void)state;
    mod_mcp_asks_init(&asks, (const unsigned char *)"0123456789abcdef");
    held = mod_mcp_asks_find(&asks, 0, MCPA_STR("held"), now, &made);
    held->waiters = 1;
    (void)mod_mcp_asks_next(&asks);
    mod_mcp_asks_answer(&asks, held->id, 1, now);
    for (unsigned i = 1; i < 3 * MOD_MCP_ASKS_MAX; i++) {
        const mod_mcp_ask_t *ask;

        (void)snprintf(kid, sizeof(kid), "k%u", i);
        ask = mod_mcp_asks_find(&asks, i % MCPA_ISSUERS_MAX, mcpa_str(kid), now, &made);
        assert_ptr_not_equal(ask, held);
        assert_int_equal(ask != NULL, i < MOD_MCP_ASKS_MAX); /* a full table asks no more */
    }
    assert_int_equal(held->state, MOD_MCP_ASK_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_refill_their_budget_by_one_a_second),
        cmocka_unit_test(asks_forget_what_does_not_exist_after_half_a_minute),
        cmocka_unit_test(asks_put_an_unanswered_question_again_after_half_a_minute),
        cmocka_unit_test(asks_never_reuse_a_slot_somebody_waits_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
