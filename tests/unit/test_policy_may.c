/* SPDX-License-Identifier: Apache-2.0 */
/* What a list may show is what a request would be let in for: mcpa_may_operate against mcpa_decide. */
#include "test_policy_ask.h"

#include "policy/may.h"

static const mcpa_operation_t rules[] = {
    { "tools/call", "public*", MCPA_EFFECT_GRANTED, NULL },
    { "tools/call", "secret*", MCPA_EFFECT_DENIED, NULL },
    { "tools/call", "purge", MCPA_EFFECT_SCOPES, "mcp:admin files:purge" },
    { "resources/read", "file:///etc/*", MCPA_EFFECT_DENIED, NULL },
    { "prompts/get", "mine", MCPA_EFFECT_SCOPES, "mcp:tools.exec" },
};
static const mcpa_operations_t operations = { .rules = rules, .n_rules = sizeof(rules) / sizeof(rules[0]) };

static const struct {
    const char *method, *member, *name;
} things[] = {
    { "tools/call", "name", "public1" },       { "tools/call", "name", "secret1" },
    { "tools/call", "name", "purge" },         { "tools/call", "name", "other" },
    { "tools/call", "name", "Secret1" },       { "prompts/get", "name", "mine" },
    { "prompts/get", "name", "secret1" },      { "resources/read", "uri", "file:///etc/passwd" },
    { "resources/read", "uri", "file:///x" },  { "tools/call", "name", "" },
    { "tools/call", "name", "\xc3\xa4 name" },
};

static bool asked(world_t *w, size_t i)
{
    char body[512];

    snprintf(body, sizeof(body), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{\"%s\":\"%s\"}}", things[i].method,
             things[i].member, things[i].name);
    return ask_body(w, LEGACY, body) == MCPA_REASON_PASS;
}

static void what_is_shown_is_what_would_pass(void **state)
{
    static const char *const scopes[] = { "\"mcp:tools.read\"",        "\"mcp:tools.exec\"", "\"mcp:admin\"",
                                          "\"mcp:admin files:purge\"", "\"other\"",          "\"\"" };
    world_t *w = *state;
    size_t shown = 0, hidden = 0;

    for (size_t with = 0; with < 4; with++) {
        w->policy.operations = with & 1 ? &operations : NULL;
        w->policy.scopes = with & 2 ? "mcp:tools.read" : NULL;
        for (size_t k = 0; k < sizeof(scopes) / sizeof(scopes[0]); k++) {
            give_claims(w, (claim_t[]){ { "scope", scopes[k] } }, 1);
            for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
                bool passes = asked(w, i);

                if (passes != mcpa_may_operate(&w->decision, &w->policy, mcpa_str(things[i].method), mcpa_str(things[i].name))) {
                    fail_msg("%s:%s with %s, %zu", things[i].method, things[i].name, scopes[k], with);
                }
                shown += passes;
                hidden += !passes;
            }
        }
    }
    assert_true(shown > 50 && hidden > 50);
}

static void a_name_that_no_request_may_carry_is_not_shown(void **state)
{
    static char name[MCPA_RPC_URI_DEFAULT_BYTES + 1];
    world_t *w = *state;
    mcpa_str_t tool = MCPA_STR("tools/call"), resource = MCPA_STR("resources/read");

    memset(name, 'x', sizeof(name));
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, PING), "ping");
    for (size_t i = 0; i < 2; i++) {
        size_t longest_name = i == 0 ? MCPA_RPC_NAME_DEFAULT_BYTES : 64, longest_uri = i == 0 ? MCPA_RPC_URI_DEFAULT_BYTES : 256;

        assert_true(mcpa_may_operate(&w->decision, &w->policy, tool, (mcpa_str_t){ name, longest_name }));
        assert_false(mcpa_may_operate(&w->decision, &w->policy, tool, (mcpa_str_t){ name, longest_name + 1 }));
        assert_true(mcpa_may_operate(&w->decision, &w->policy, resource, (mcpa_str_t){ name, longest_uri }));
        assert_false(mcpa_may_operate(&w->decision, &w->policy, resource, (mcpa_str_t){ name, longest_uri + 1 }));
        w->policy.lengths = (mcpa_lengths_t){ { [MCPA_LENGTH_NAME] = 64, [MCPA_LENGTH_URI] = 256 } };
    }
    assert_false(mcpa_may_operate(&w->decision, &w->policy, tool, MCPA_STR_NONE));
    assert_false(mcpa_may_operate(&w->decision, &w->policy, tool, MCPA_STR("a\nb")));
    assert_false(mcpa_may_operate(&w->decision, &w->policy, MCPA_STR("no/such"), MCPA_STR("a")));
}

static void nobody_may_anything(void **state)
{
    static mcpa_decision_t zeroed;
    world_t *w = *state;
    static const mcpa_operation_t all[] = { { "*", NULL, MCPA_EFFECT_GRANTED, NULL } };
    static const mcpa_operations_t granted = { .rules = all, .n_rules = 1 };

    w->policy.operations = &granted;
    assert_false(mcpa_may_operate(&zeroed, &w->policy, MCPA_STR("tools/call"), MCPA_STR("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_shown_is_what_would_pass, ask_setup),
        cmocka_unit_test_setup(a_name_that_no_request_may_carry_is_not_shown, ask_setup),
        cmocka_unit_test_setup(nobody_may_anything, ask_setup),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
