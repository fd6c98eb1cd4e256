/* SPDX-License-Identifier: Apache-2.0 */
/* A million invented key ids at one child: what it asks the daemon is a matter of time, not of how many come, and what it remembers has a fixed
 * size. */
#include "test_growth.h"

#include "asks.h"

#define S 1000000

static mod_mcp_ask_t *find(mod_mcp_asks_t *asks, uint64_t number, apr_int64_t now_us, int *made)
{
    char kid[32];

    return mod_mcp_asks_find(asks, 0, (mcpa_str_t){ kid, growth_name(kid, "kid", number) }, now_us, made);
}

static mod_mcp_asks_t *new_asks(void)
{
    mod_mcp_asks_t *asks = malloc(sizeof(*asks));

    assert_non_null(asks);
    mod_mcp_asks_init(asks, (const unsigned char *)"0123456789abcdef");
    return asks;
}

/* 10,000 new ids a second, each of them twice; the daemon says of all that they do not exist. */
static void a_million_ids_are_asked_for_once_a_second(void **state)
{
    mod_mcp_asks_t *asks = new_asks();
    uint64_t count = growth_count(), asked = 0;
    size_t heap = heap_bytes();
    apr_int64_t now = S;
    int made;

    (void)state;
    for (uint64_t i = 0; i < count; i++) {
        const mod_mcp_ask_t *next;

        now += S / 10000;
        asked += find(asks, i, now, &made) != NULL && made ? 1 : 0;
        while ((next = mod_mcp_asks_next(asks)) != NULL) {
            mod_mcp_asks_answer(asks, next->id, 0, now);
        }
        assert_null(find(asks, i, now, &made)); /* asked for and absent, or not worth a question */
    }
    assert_in_range(asked, MOD_MCP_ASKS_BURST, MOD_MCP_ASKS_BURST + (uint64_t)(now / S));
    assert_int_equal(heap_bytes(), heap);
    free(asks);
}

/* The same, and nobody answers. */
static void a_million_ids_wait_for_no_more_than_the_table_has(void **state)
{
    mod_mcp_asks_t *asks = new_asks();
    uint64_t count = growth_count(), asked = 0;
    apr_int64_t now = S;
    unsigned open = 0;
    int made;

    (void)state;
    for (uint64_t i = 0; i < count; i++) {
        now += S / 10000;
        asked += find(asks, i, now, &made) != NULL && made ? 1 : 0;
        (void)mod_mcp_asks_next(asks);
    }
    assert_in_range(asked, 1, MOD_MCP_ASKS_BURST + (uint64_t)(now / S));
    for (unsigned i = 0; i < MOD_MCP_ASKS_MAX; i++) {
        open += asks->asks[i].state == MOD_MCP_ASK_SENT && now - asks->asks[i].made_us < MOD_MCP_ASKS_LIFE_US ? 1 : 0;
    }
    assert_in_range(open, 1, MOD_MCP_ASKS_LIFE_US / MOD_MCP_ASKS_INTERVAL_US + MOD_MCP_ASKS_BURST);
    /* The next rotation is asked for all the same, once the flood is over. */
    assert_non_null(find(asks, count, now + MOD_MCP_ASKS_INTERVAL_US, &made));
    assert_true(made);
    free(asks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_ids_are_asked_for_once_a_second),
        cmocka_unit_test(a_million_ids_wait_for_no_more_than_the_table_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
