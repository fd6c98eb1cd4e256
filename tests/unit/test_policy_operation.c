/* SPDX-License-Identifier: Apache-2.0 */
/* Which rule decides about an operation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "policy/operation.h"

static mcpa_ruling_t rule(const mcpa_operations_t *operations, const char *method, const char *name)
{
    return mcpa_operation_rule(operations, mcpa_str(method), mcpa_str(name));
}

static void the_defaults_are_the_protocols_methods(void **state)
{
    static const char *const exec[] = { "tools/call", "tasks/update", "tasks/cancel" };
    size_t n;
    const mcpa_operation_t *rows = mcpa_operation_defaults(&n);

    (void)state;
    assert_int_equal(n, 28);
    for (size_t i = 0; i < n; i++) {
        mcpa_ruling_t ruling = rule(NULL, rows[i].method, i % 2 ? "x" : NULL);
        const char *wanted = "mcp:tools.read";

        for (size_t k = 0; k < 3; k++) {
            wanted = strcmp(rows[i].method, exec[k]) == 0 ? "mcp:tools.exec" : wanted;
        }
        assert_ptr_equal(ruling.rule, &rows[i]);
        assert_true(ruling.is_default);
        assert_int_equal(ruling.effect, MCPA_EFFECT_SCOPES);
        assert_string_equal(ruling.scopes, wanted);
    }
}

static void what_nobody_knows_is_denied(void **state)
{
    static const char *const methods[] = {
        "", "tools", "tools/call2", "Tools/call", "sampling/createMessage", "tools/list/x", "get", "notifications/x"
    };

    (void)state;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        mcpa_ruling_t ruling = rule(NULL, methods[i], NULL);

        assert_int_equal(ruling.effect, MCPA_EFFECT_DENIED);
        assert_null(ruling.rule);
    }
}

static void the_first_rule_that_matches_decides(void **state)
{
    static const mcpa_operation_t rules[] = {
        { "tools/call", "get_*", MCPA_EFFECT_GRANTED, NULL },
        { "tools/call", "admin?", MCPA_EFFECT_SCOPES, "mcp:admin" },
        { "tools/call", NULL, MCPA_EFFECT_SCOPES, "a b" },
        { "tools/call", "get_secret", MCPA_EFFECT_DENIED, NULL }, /* too late */
        { "resources/*", "file:///etc/*", MCPA_EFFECT_DENIED, NULL },
        { "vendor/*", NULL, MCPA_EFFECT_GRANTED, NULL },
    };
    const mcpa_operations_t operations = { rules, 6, NULL };

    (void)state;
    assert_ptr_equal(rule(&operations, "tools/call", "get_secret").rule, &rules[0]);
    assert_ptr_equal(rule(&operations, "tools/call", "admin1").rule, &rules[1]);
    assert_ptr_equal(rule(&operations, "tools/call", "admin12").rule, &rules[2]);
    assert_ptr_equal(rule(&operations, "tools/call", "Get_x").rule, &rules[2]);
    assert_ptr_equal(rule(&operations, "tools/call", NULL).rule, &rules[2]);
    assert_int_equal(rule(&operations, "resources/read", "file:///etc/passwd").effect, MCPA_EFFECT_DENIED);
    assert_true(rule(&operations, "resources/read", "file:///home").is_default);
    assert_true(rule(&operations, "resources/list", NULL).is_default); /* a pattern of names matches no operation without one */
    assert_int_equal(rule(&operations, "vendor/anything", NULL).effect, MCPA_EFFECT_GRANTED);
}

/* All of outer and inner: nothing, denied, granted, scopes. */
static void a_denial_outside_cannot_be_undone_inside(void **state)
{
    static const mcpa_effect_t effects[] = { MCPA_EFFECT_DENIED, MCPA_EFFECT_GRANTED, MCPA_EFFECT_SCOPES };

    (void)state;
    for (int outer = -1; outer < 3; outer++) {
        for (int middle = -1; middle < 3; middle++) {
            for (int inner = -1; inner < 3; inner++) {
                const int chosen[] = { inner, middle, outer };
                mcpa_operation_t rules[3];
                mcpa_operations_t sections[3];
                mcpa_ruling_t ruling;
                int first = -1, denied = 0;

                for (int i = 2; i >= 0; i--) {
                    rules[i] =
                        (mcpa_operation_t){ "tools/call", "x", chosen[i] < 0 ? MCPA_EFFECT_GRANTED : effects[chosen[i]], NULL };
                    sections[i] = (mcpa_operations_t){ &rules[i], chosen[i] >= 0, i < 2 ? &sections[i + 1] : NULL };
                    first = chosen[i] >= 0 ? i : first;
                    denied = denied || chosen[i] == 0;
                }
                ruling = rule(&sections[0], "tools/call", "x");
                assert_int_equal(ruling.is_default, first < 0);
                if (first >= 0) {
                    assert_int_equal(ruling.effect, denied ? MCPA_EFFECT_DENIED : rules[first].effect);
                }
            }
        }
    }
}

static void patterns_are_split_at_the_first_colon(void **state)
{
    mcpa_str_t method, name;
    char text[MCPA_RPC_METHOD_MAX_BYTES + 2];

    (void)state;
    assert_null(mcpa_operation_split(MCPA_STR("resources/read:file:///a/*"), &method, &name));
    assert_true(mcpa_str_eqz(method, "resources/read") && mcpa_str_eqz(name, "file:///a/*"));
    assert_null(mcpa_operation_split(MCPA_STR("*"), &method, &name));
    assert_true(mcpa_str_eqz(method, "*") && name.ptr == NULL);
    assert_non_null(mcpa_operation_split(MCPA_STR(""), &method, &name));
    assert_non_null(mcpa_operation_split(MCPA_STR(":x"), &method, &name));
    assert_non_null(mcpa_operation_split(MCPA_STR("tools/call:"), &method, &name));
    assert_non_null(mcpa_operation_split(MCPA_STR("tools call"), &method, &name));
    assert_non_null(mcpa_operation_split(MCPA_STR("tools/call:a\nb"), &method, &name));
    assert_non_null(mcpa_operation_split(MCPA_STR("tools/call:\xff"), &method, &name));
    memset(text, 'a', sizeof(text));
    assert_null(mcpa_operation_split((mcpa_str_t){ text, MCPA_RPC_METHOD_MAX_BYTES }, &method, &name));
    assert_non_null(mcpa_operation_split((mcpa_str_t){ text, MCPA_RPC_METHOD_MAX_BYTES + 1 }, &method, &name));
}

static void an_effect_is_one_of_two_words_or_scopes(void **state)
{
    static const struct {
        const char *words;
        bool good;
        mcpa_effect_t effect;
    } rows[] = {
        { "granted", true, MCPA_EFFECT_GRANTED },   { "denied", true, MCPA_EFFECT_DENIED },
        { "a", true, MCPA_EFFECT_SCOPES },          { " a  b:c ", true, MCPA_EFFECT_SCOPES },
        { "Granted", true, MCPA_EFFECT_SCOPES },    { "", false, MCPA_EFFECT_DENIED },
        { "  ", false, MCPA_EFFECT_DENIED },        { "a denied", false, MCPA_EFFECT_DENIED },
        { "granted a", false, MCPA_EFFECT_DENIED }, { "a\"b", false, MCPA_EFFECT_DENIED },
        { " granted", false, MCPA_EFFECT_DENIED },
    };
    char text[MCPA_SCOPE_TEXT_MAX_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mcpa_effect_t effect = MCPA_EFFECT_DENIED;

        assert_int_equal(mcpa_operation_effect(&effect, mcpa_str(rows[i].words)), rows[i].good);
        assert_int_equal(effect, rows[i].effect);
    }
    memset(text, 'a', sizeof(text));
    assert_false(mcpa_operation_effect(&(mcpa_effect_t){ 0 }, (mcpa_str_t){ text, MCPA_SCOPE_TEXT_MAX_BYTES }));
    assert_string_equal(mcpa_operation_effect_word(MCPA_EFFECT_GRANTED), "granted");
    assert_string_equal(mcpa_operation_effect_word((mcpa_effect_t)9), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_the_protocols_methods), cmocka_unit_test(what_nobody_knows_is_denied),
        cmocka_unit_test(the_first_rule_that_matches_decides),    cmocka_unit_test(a_denial_outside_cannot_be_undone_inside),
        cmocka_unit_test(patterns_are_split_at_the_first_colon),  cmocka_unit_test(an_effect_is_one_of_two_words_or_scopes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
