/* SPDX-License-Identifier: Apache-2.0 */
/* What claims say of the one who was let in: scopes, roles, clients, and what Require mcp-claim asks. Attack 54 of the reference.
 */
#include "policy/preset.h"
#include "test_policy_token.h"

/* Attack 54. */
static void scopes_are_a_string_unless_the_claim_is_another(void **state)
{
    static const row_t rows[] = {
        { "scope", NULL, MCPA_REASON_PASS },
        { "scope", "\"\"", MCPA_REASON_PASS },
        { "scope", "\"a a a\"", MCPA_REASON_PASS },
        { "scope", "[\"a\"]", MCPA_REASON_CLAIM_MALFORMED },
        { "scope", "{\"a\":1}", MCPA_REASON_CLAIM_MALFORMED },
        { "scope", "\"a\\tb\"", MCPA_REASON_CLAIM_MALFORMED },
        { "scope", "null", MCPA_REASON_CLAIM_MALFORMED },
        { "scp", "[\"mcp:admin\"]", MCPA_REASON_PASS },
    };
    mcpa_issuer_t okta = strict;

    (void)state;
    check_rows(&strict, rows, COUNT(rows));
    assert_int_equal(principal.scopes.count, 1); /* "scp" was not read */
    okta.scope_claim = "scp";
    assert_reason(MCPA_REASON_PASS, check(&okta, "scp", "[\"mcp:admin\",\"x\"]"), "scp as an array");
    assert_int_equal(principal.scopes.count, 2);
    assert_reason(MCPA_REASON_PASS, check(&okta, "scp", "\"mcp:admin x y\""), "scp as a string");
    assert_int_equal(principal.scopes.count, 3);
}

static void roles_count_as_scopes_where_asked(void **state)
{
    mcpa_issuer_t keycloak = strict;

    (void)state;
    assert_reason(MCPA_REASON_PASS, check(&strict, "realm_access", "{\"roles\":[\"mcp:admin\"]}"), "not asked");
    assert_int_equal(principal.scopes.count, 1);
    keycloak.roles_claim = "/realm_access/roles";
    assert_reason(MCPA_REASON_PASS, check(&keycloak, "realm_access", "{\"roles\":[\"mcp:admin\",\"offline_access\"]}"), "asked");
    assert_int_equal(principal.scopes.count, 3);
    assert_reason(MCPA_REASON_PASS, check(&keycloak, "realm_access", "{}"), "no roles");
    assert_reason(MCPA_REASON_CLAIM_MALFORMED, check(&keycloak, "realm_access", "{\"roles\":{}}"), "roles of another shape");
}

/* Cognito's access tokens have no aud; its ID tokens do. */
static void a_cognito_access_token_is_known_by_client_and_use(void **state)
{
    static const char *const clients[] = { "app", NULL };
    static const claim_t access[] = { { "aud", NULL }, { "token_use", "\"access\"" } };
    static const claim_t id[] = { { "aud", "\"app\"" }, { "token_use", "\"id\"" } };
    static const claim_t unmarked[] = { { "aud", NULL } };
    mcpa_issuer_t cognito = { .url = ISSUER, .skew_s = 60 };
    mcpa_principal_t found;

    (void)state;
    assert_true(mcpa_preset_apply(&cognito, MCPA_STR("cognito")));
    check_at(&cognito, access, 2, NOW_S);
    assert_reason(MCPA_REASON_PASS, mcpa_token_check_claims(&found, claims, &cognito, clients, NOW_S), "access token");
    assert_true(mcpa_str_eqz(found.audience, "app"));
    assert_reason(MCPA_REASON_AUDIENCE_WRONG, mcpa_token_check_claims(&found, claims, &cognito, audiences, NOW_S),
                  "another client");
    check_at(&cognito, id, 2, NOW_S);
    assert_reason(MCPA_REASON_TYPE_WRONG, mcpa_token_check_claims(&found, claims, &cognito, clients, NOW_S), "ID token");
    check_at(&cognito, unmarked, 1, NOW_S);
    assert_reason(MCPA_REASON_TYPE_WRONG, mcpa_token_check_claims(&found, claims, &cognito, clients, NOW_S), "no token_use");
}

static void the_client_claim_falls_back_to_the_standards_name(void **state)
{
    mcpa_issuer_t auth0 = { .url = ISSUER, .skew_s = 60 };

    (void)state;
    assert_true(mcpa_preset_apply(&auth0, MCPA_STR("auth0")));
    assert_reason(MCPA_REASON_PASS, check(&auth0, "azp", "\"party\""), "azp");
    assert_true(mcpa_str_eqz(principal.client_id, "party"));
    assert_reason(MCPA_REASON_PASS, check(&auth0, NULL, NULL), "client_id");
    assert_true(mcpa_str_eqz(principal.client_id, "app"));
}

static void claims_match_as_require_mcp_claim_asks(void **state)
{
    static const char json[] = "{\"s\":\"a b\",\"n\":7,\"r\":7.0,\"f\":1.5,\"t\":true,\"z\":null,\"l\":[\"x\",2,true],"
                               "\"o\":{\"p\":[\"q\"],\"/\":\"slash\"},\"https://ns/role\":\"admin\",\"e\":\"\"}";
    static const struct {
        const char *path;
        const char *op;
        const char *value;
        bool matches;
    } rows[] = {
        { "s", "=", "a b", true },
        { "s", "=", "a", false },
        { "s", "has", "a", true },
        { "s", "has", "b", true },
        { "s", "has", "a b", false },
        { "n", "=", "7", true },
        { "r", "=", "7", true },
        { "f", "=", "1.5", false },
        { "t", "=", "true", true },
        { "t", "=", "false", false },
        { "z", "=", "null", false },
        { "z", "exists", "", false },
        { "n", "exists", "", true },
        { "x", "exists", "", false },
        { "l", "has", "x", true },
        { "l", "has", "2", true },
        { "l", "has", "true", true },
        { "l", "has", "y", false },
        { "l", "=", "x", false },
        { "/o/p", "has", "q", true },
        { "/o/p/0", "=", "q", true },
        { "/o/~1", "=", "slash", true },
        { "o", "exists", "", true },
        { "o", "has", "p", false },
        { "https://ns/role", "=", "admin", true },
        { "e", "=", "", true },
        { "e", "has", "", false },
        { "s", "~", "a b", false },
        { "", "exists", "", false },
        { "/", "exists", "", false },
    };
    mcpa_json_t *tree = NULL;
    static char long_name[MCPA_CLAIM_NAME_MAX_BYTES + 2];

    (void)state;
    assert_int_equal(mcpa_json_parse(&tree, mcpa_str(json), 8, 100), MCPA_OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (mcpa_token_claim_matches(tree, mcpa_str(rows[i].path), mcpa_str(rows[i].op), mcpa_str(rows[i].value)) !=
            rows[i].matches) {
            fail_msg("%s %s %s", rows[i].path, rows[i].op, rows[i].value);
        }
    }
    memset(long_name, 'a', sizeof(long_name));
    assert_false(mcpa_token_claim_matches(tree, (mcpa_str_t){ long_name, sizeof(long_name) }, MCPA_STR("exists"), MCPA_STR("")));
    assert_false(mcpa_token_claim_matches(tree, MCPA_STR("s\0x"), MCPA_STR("exists"), MCPA_STR("")));
    mcpa_json_free(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scopes_are_a_string_unless_the_claim_is_another),
        cmocka_unit_test(roles_count_as_scopes_where_asked),
        cmocka_unit_test(a_cognito_access_token_is_known_by_client_and_use),
        cmocka_unit_test(the_client_claim_falls_back_to_the_standards_name),
        cmocka_unit_test(claims_match_as_require_mcp_claim_asks),
    };

    return cmocka_run_group_tests(tests, NULL, clean_up);
}
