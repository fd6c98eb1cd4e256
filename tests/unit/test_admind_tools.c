/* SPDX-License-Identifier: Apache-2.0 */
/* Which tools have a name in metrics. */
#include "admind_support.h"

#include "audit/tools.h"

static bool label_is(const admind_tools_t *tools, const char *operation, const char *name, const char *wanted)
{
    mcpa_str_t label = admind_tools_label(tools, mcpa_str(operation), mcpa_str(name));

    return label.ptr != NULL && mcpa_str_eqz(label, wanted);
}

static void take(admind_tools_t *tools, const mcpa_operation_t *rules, size_t n)
{
    const mcpa_operation_t outer_rules[] = { { "*", "everywhere", MCPA_EFFECT_GRANTED, NULL } };
    const mcpa_operations_t outer = { outer_rules, 1, NULL }, inner = { rules, n, &outer };
    const mcpa_policy_t with = { .operations = &inner }, without = { .operations = NULL };
    const mcpa_policy_t *const policies[] = { &without, &with, NULL };
    const mcpa_snapshot_t snapshot = { .policies = policies };

    admind_tools_take(tools, &snapshot);
}

static void only_declared_tools_have_names(void **state)
{
    static const mcpa_operation_t rules[] = {
        { "tools/call", "search", MCPA_EFFECT_GRANTED, NULL }, { "tools/call", "purge*", MCPA_EFFECT_DENIED, NULL },
        { "tools/*", "sea", MCPA_EFFECT_GRANTED, NULL },       { "prompts/get", "hello", MCPA_EFFECT_GRANTED, NULL },
        { "tools/call", NULL, MCPA_EFFECT_GRANTED, NULL },     { "tools/call", "search", MCPA_EFFECT_DENIED, NULL },
    };
    admind_tools_t *tools = admind_tools_new();

    (void)state;
    assert_non_null(tools);
    assert_true(label_is(tools, "tools/call", "search", "other"));
    take(tools, rules, sizeof(rules) / sizeof(rules[0]));
    assert_true(label_is(tools, "tools/call", "search", "search"));
    assert_true(label_is(tools, "tools/call", "sea", "sea"));
    assert_true(label_is(tools, "tools/call", "everywhere", "everywhere"));
    assert_true(label_is(tools, "tools/call", "searc", "other"));
    assert_true(label_is(tools, "tools/call", "search1", "other"));
    assert_true(label_is(tools, "tools/call", "purge*", "other"));
    assert_true(label_is(tools, "tools/call", "hello", "other"));
    assert_true(label_is(tools, "tools/call", NULL, ""));
    assert_true(label_is(tools, "prompts/get", "hello", ""));
    assert_true(label_is(tools, "tools/list", NULL, ""));
    take(tools, rules + 3, 1);
    assert_true(label_is(tools, "tools/call", "search", "other"));
    admind_tools_free(&tools);
    assert_null(tools);
}

static void names_are_bounded(void **state)
{
    static mcpa_operation_t rules[ADMIND_TOOLS_MAX + 10];
    static char names[ADMIND_TOOLS_MAX + 10][16];
    admind_tools_t *tools = admind_tools_new();
    size_t named = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        snprintf(names[i], sizeof(names[i]), "tool%zu", i * 7919 % sizeof(rules));
        rules[i] = (mcpa_operation_t){ "tools/call", names[i], MCPA_EFFECT_GRANTED, NULL };
    }
    take(tools, rules, sizeof(rules) / sizeof(rules[0]));
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        named += label_is(tools, "tools/call", names[i], names[i]);
    }
    assert_int_equal(named, ADMIND_TOOLS_MAX);
    admind_tools_free(&tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(only_declared_tools_have_names), cmocka_unit_test(names_are_bounded) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
