/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes are exact words with a hierarchy: attacks 54 and 55 of the reference. */
#include "test_policy.h"

#include "policy/scope.h"

static mcpa_status_t read(mcpa_scopes_t *scopes, const char *json, bool allow_array)
{
    mcpa_json_t *claim = NULL;
    mcpa_status_t status = mcpa_json_parse(&claim, mcpa_str(json), 8, 4096);
    static mcpa_json_t *kept[64];
    static size_t n;

    assert_int_equal(status, MCPA_OK);
    mcpa_json_free(&kept[n % COUNT(kept)]); /* words borrow from the tree: keep the last few */
    kept[n++ % COUNT(kept)] = claim;
    return mcpa_scopes_add_claim(scopes, claim, allow_array);
}

static void free_kept(void)
{
    mcpa_scopes_t scopes;

    for (int i = 0; i < 64; i++) {
        memset(&scopes, 0, sizeof(scopes));
        assert_int_equal(read(&scopes, "\"\"", false), MCPA_OK);
    }
}

static const char *text_of(const mcpa_scopes_t *scopes)
{
    static char memory[8192];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_scopes_print(&out, scopes);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    return memory;
}

static void a_scope_claim_is_a_space_delimited_string(void **state)
{
    static const struct {
        const char *json;
        const char *scopes; /* NULL: refused */
    } rows[] = {
        { "\"a b c\"", "a b c" }, { "\"  a   b \"", "a b" }, { "\"a b a\"", "a b" },
        { "\"\"", "" },           { "\"a\\tb\"", NULL },     { "\"a\\nb\"", NULL },
        { "\"a\\u0001\"", NULL }, { "\"a\\u007fb\"", NULL }, { "\"a\\\"b\"", NULL },
        { "\"a\\\\b\"", NULL },   { "\"\\u00e4\"", NULL },   { "\"a\\u00a0b\"", NULL },
        { "[\"a\"]", NULL },      { "{\"a\":true}", NULL },  { "1", NULL },
        { "true", NULL },         { "null", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        mcpa_scopes_t scopes = { .count = 0 };
        mcpa_status_t status = read(&scopes, rows[i].json, false);

        if (rows[i].scopes) {
            assert_int_equal(status, MCPA_OK);
            assert_string_equal(text_of(&scopes), rows[i].scopes);
        } else if (status == MCPA_OK) {
            fail_msg("%s was read", rows[i].json);
        }
    }
    free_kept();
}

static void arrays_are_read_only_where_allowed(void **state)
{
    mcpa_scopes_t scopes = { .count = 0 };

    (void)state;
    assert_int_equal(read(&scopes, "[\"a\",\"b\",\"a\"]", true), MCPA_OK);
    assert_int_equal(read(&scopes, "\"c a\"", true), MCPA_OK);
    assert_string_equal(text_of(&scopes), "a b c");
    assert_int_equal(read(&scopes, "[]", true), MCPA_OK);
    assert_int_equal(read(&scopes, "[\"x\",1]", true), MCPA_EMALFORMED);
    assert_int_equal(read(&scopes, "[[\"x\"]]", true), MCPA_EMALFORMED);
    assert_int_equal(read(&scopes, "[\"x\\ty\"]", true), MCPA_EMALFORMED);
    assert_int_equal(read(&scopes, "[null]", true), MCPA_EMALFORMED);
    free_kept();
}

/* A role that no rule can name must not lock its owner out, and must not be split into scopes either. */
static void a_role_with_a_blank_grants_nothing(void **state)
{
    mcpa_scopes_t scopes = { .count = 0 };

    (void)state;
    assert_int_equal(read(&scopes, "[\"Power mcp:admin\",\"\",\"K\\u00f6nig\",\"plain\"]", true), MCPA_OK);
    assert_string_equal(text_of(&scopes), "plain");
    assert_false(mcpa_scopes_cover(&scopes, NULL, MCPA_STR("mcp:admin")));
    free_kept();
}

static void an_absent_claim_grants_nothing(void **state)
{
    mcpa_scopes_t scopes = { .count = 0 };

    (void)state;
    assert_int_equal(mcpa_scopes_add_claim(&scopes, NULL, false), MCPA_OK);
    assert_int_equal(scopes.count, 0);
    assert_true(mcpa_scopes_cover_all(&scopes, NULL, MCPA_STR("")));
    assert_true(mcpa_scopes_cover_all(&scopes, NULL, MCPA_STR_NONE));
    assert_false(mcpa_scopes_cover_all(&scopes, NULL, MCPA_STR("a")));
}

static void ceilings_hold(void **state)
{
    static char json[MCPA_SCOPE_TEXT_MAX_BYTES * 2];
    mcpa_scopes_t scopes = { .count = 0 };
    mcpa_out_t out;

    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        mcpa_out_init(&out, json, sizeof(json));
        for (int i = 0; i < MCPA_SCOPES_MAX + extra; i++) {
            mcpa_out_printf(&out, "%ss%d", i ? " " : "\"", i);
        }
        mcpa_out_char(&out, '"');
        scopes.count = 0;
        assert_int_equal(read(&scopes, json, false), extra ? MCPA_ETOOBIG : MCPA_OK);
    }
    for (size_t len = MCPA_SCOPE_TEXT_MAX_BYTES - 1; len <= MCPA_SCOPE_TEXT_MAX_BYTES; len++) {
        memset(json, 'x', len + 2);
        json[0] = json[len + 1] = '"';
        json[len + 2] = '\0';
        scopes.count = 0;
        assert_int_equal(read(&scopes, json, false), len < MCPA_SCOPE_TEXT_MAX_BYTES ? MCPA_OK : MCPA_ETOOBIG);
    }
    free_kept();
}

static void cover_is_exact_and_follows_the_hierarchy(void **state)
{
    static const struct {
        const char *granted;
        const char *needed;
        bool covered;
    } rows[] = {
        { "\"mcp:tools.read\"", "mcp:tools.read", true },
        { "\"mcp:tools.exec\"", "mcp:tools.read", true },
        { "\"mcp:admin\"", "mcp:tools.read", true },
        { "\"mcp:admin\"", "mcp:tools.exec mcp:tools.read", true },
        { "\"mcp:tools.read\"", "mcp:tools.exec", false },
        { "\"mcp:tools.exec\"", "mcp:admin", false },
        { "\"mcp:tools.read\"", "mcp:tools.read other", false },
        { "\"mcp:tools.readx\"", "mcp:tools.read", false },
        { "\"mcp:tools.rea\"", "mcp:tools.read", false },
        { "\"MCP:TOOLS.READ\"", "mcp:tools.read", false },
        { "\"\"", "mcp:tools.read", false },
        { "\"tools:read\"", "mcp:tools.read", true },
        { "\"tools:all\"", "mcp:tools.read", true },
        { "\"mcp:tools.read\"", "tools:read", false },
        { "\"tools:all\"", "mcp:admin", false },
        { "\"a\"", "d", true },
        { "\"b\"", "d", true },
        { "\"d\"", "a", false },
    };
    mcpa_scope_model_t *model = mcpa_scope_model_new();

    (void)state;
    assert_non_null(model);
    assert_int_equal(mcpa_scope_model_alias(model, MCPA_STR("tools:read"), MCPA_STR("mcp:tools.read")), MCPA_OK);
    assert_int_equal(mcpa_scope_model_alias(model, MCPA_STR("tools:all"), MCPA_STR("mcp:tools.exec")), MCPA_OK);
    /* a diamond: two ways from a to d */
    assert_int_equal(mcpa_scope_model_imply(model, MCPA_STR("a"), MCPA_STR("b")), MCPA_OK);
    assert_int_equal(mcpa_scope_model_imply(model, MCPA_STR("a"), MCPA_STR("c")), MCPA_OK);
    assert_int_equal(mcpa_scope_model_imply(model, MCPA_STR("b"), MCPA_STR("d")), MCPA_OK);
    assert_int_equal(mcpa_scope_model_imply(model, MCPA_STR("c"), MCPA_STR("d")), MCPA_OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        mcpa_scopes_t scopes = { .count = 0 };

        assert_int_equal(read(&scopes, rows[i].granted, false), MCPA_OK);
        if (mcpa_scopes_cover_all(&scopes, model, mcpa_str(rows[i].needed)) != rows[i].covered) {
            fail_msg("%s for %s", rows[i].granted, rows[i].needed);
        }
    }
    free_kept();
    mcpa_scope_model_free(&model);
    assert_null(model);
    mcpa_scope_model_free(&model);
}

static void circles_and_what_is_no_scope_are_refused(void **state)
{
    mcpa_scope_model_t *model = mcpa_scope_model_new();

    (void)state;
    assert_int_equal(mcpa_scope_model_imply(model, MCPA_STR("mcp:tools.read"), MCPA_STR("mcp:admin")), MCPA_EDUPLICATE);
    assert_int_equal(mcpa_scope_model_imply(model, MCPA_STR("a"), MCPA_STR("a")), MCPA_EDUPLICATE);
    assert_int_equal(mcpa_scope_model_imply(model, MCPA_STR("a"), MCPA_STR("b")), MCPA_OK);
    assert_int_equal(mcpa_scope_model_imply(model, MCPA_STR("a"), MCPA_STR("b")), MCPA_OK);
    assert_int_equal(mcpa_scope_model_alias(model, MCPA_STR("b"), MCPA_STR("a")), MCPA_EDUPLICATE);
    assert_int_equal(mcpa_scope_model_imply(model, MCPA_STR("a b"), MCPA_STR("c")), MCPA_EMALFORMED);
    assert_int_equal(mcpa_scope_model_imply(model, MCPA_STR("a"), MCPA_STR("")), MCPA_EMALFORMED);
    assert_int_equal(mcpa_scope_model_alias(model, MCPA_STR("a\"b"), MCPA_STR("c")), MCPA_EMALFORMED);
    mcpa_scope_model_free(&model);
}

static void count_rule(void *ctx, bool is_alias, mcpa_str_t first, mcpa_str_t second)
{
    (void)is_alias;
    assert_true(first.len > 0 && second.len > 0);
    ++*(size_t *)ctx;
}

static void a_model_has_a_ceiling(void **state)
{
    mcpa_scope_model_t *model = mcpa_scope_model_new();
    mcpa_status_t status = MCPA_OK;
    size_t rules = 0;
    char broad[16], narrow[16];

    (void)state;
    for (int i = 0; status == MCPA_OK && i < 1000; i++) {
        snprintf(broad, sizeof(broad), "s%d", i);
        snprintf(narrow, sizeof(narrow), "s%d", i + 1);
        status = mcpa_scope_model_imply(model, mcpa_str(broad), mcpa_str(narrow));
    }
    assert_int_equal(status, MCPA_ETOOBIG);
    mcpa_scope_model_each(model, count_rule, &rules);
    assert_int_equal(rules, MCPA_SCOPES_MAX);
    /* the whole chain is walked */
    {
        mcpa_scopes_t scopes = { .words = { MCPA_STR("s0") }, .count = 1 };

        assert_true(mcpa_scopes_cover(&scopes, model, MCPA_STR("s126")));
        assert_false(mcpa_scopes_cover(&scopes, model, MCPA_STR("s127")));
    }
    mcpa_scope_model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_claim_is_a_space_delimited_string),
        cmocka_unit_test(arrays_are_read_only_where_allowed),
        cmocka_unit_test(a_role_with_a_blank_grants_nothing),
        cmocka_unit_test(an_absent_claim_grants_nothing),
        cmocka_unit_test(ceilings_hold),
        cmocka_unit_test(cover_is_exact_and_follows_the_hierarchy),
        cmocka_unit_test(circles_and_what_is_no_scope_are_refused),
        cmocka_unit_test(a_model_has_a_ceiling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
