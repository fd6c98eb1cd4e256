/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot goes out and comes back the same, and tells no secret. */
#include "test_policy_snapshot.h"

static const char *const require[] = { "jti", "sid", NULL };
static const mcpa_issuer_t plain = { .url = "https://as.example.com",
                                     .algs = MCPA_ALGS_ASYMMETRIC,
                                     .skew_s = 60,
                                     .scope_claim = "scope",
                                     .subject_claim = "sub",
                                     .client_claim = "client_id",
                                     .audience_claim = "aud" };
static const mcpa_issuer_t odd = { .url = "https://odd.example.com/t",
                                   .preset = "cognito",
                                   .key_source = MCPA_KEYS_URL,
                                   .jwks = "https://keys.example.com/jwks",
                                   .algs = MCPA_ALG_BIT(MCPA_ALG_ES256) | MCPA_ALG_BIT(MCPA_ALG_RS256),
                                   .any_typ = true,
                                   .skew_s = 5,
                                   .scope_claim = "scp",
                                   .subject_claim = "oid",
                                   .client_claim = "azp",
                                   .audience_claim = "client_id",
                                   .roles_claim = "/realm_access/roles",
                                   .require = require,
                                   .token_use = "access" };
static const mcpa_issuer_t secret = { .url = "https://hmac.example.com",
                                      .key_source = MCPA_KEYS_SECRET,
                                      .jwks = "/etc/mcpauth/the-secret-path",
                                      .algs = MCPA_ALGS_HMAC,
                                      .skew_s = 60,
                                      .scope_claim = "scope",
                                      .subject_claim = "sub",
                                      .client_claim = "client_id",
                                      .audience_claim = "aud" };
static const mcpa_issuer_t *const issuers[] = { &plain, &odd, &secret, NULL };
static const mcpa_issuer_t *const one_issuer[] = { &odd, NULL };
static const char *const audiences[] = { "https://mcp.example.com/mcp", "urn:x", NULL };
static const char *const origins[] = { "https://good.example", NULL };
static mcpa_limit_t limits[] = {
    { .key = MCPA_LIMIT_SUBJECT, .interval_ns = 600000000, .burst = 20, .text = "subject 100/min burst=20" },
    { .key = MCPA_LIMIT_ADDRESS, .interval_ns = 1000000, .burst = 1000, .text = "address 1000/s" }
};
static const mcpa_operation_t outer_rules[] = { { "tools/call", "drop_*", MCPA_EFFECT_DENIED, NULL } };
static const mcpa_operations_t outer = { outer_rules, 1, NULL };
static const mcpa_operation_t rules[] = {
    { "tools/call", "a tool: \"one\" \xe2\x80\xa8", MCPA_EFFECT_SCOPES, "x:one x:two" },
    { "acme/*", NULL, MCPA_EFFECT_GRANTED, NULL },
};
static const mcpa_operations_t operations = { rules, 2, &outer };
static const mcpa_policy_t mcp = { .mode = MCPA_MODE_ON,
                                   .vhost = "mcp.example.com",
                                   .location = "/mcp",
                                   .resource = "https://mcp.example.com/mcp",
                                   .audiences = audiences,
                                   .issuers = issuers,
                                   .scopes = "mcp:tools.read files:read",
                                   .limits = limits,
                                   .n_limits = 2,
                                   .inspect = MCPA_INSPECT_BODY,
                                   .max_body = 12345,
                                   .lengths = { { [MCPA_LENGTH_TOKEN] = 16384, [MCPA_LENGTH_NAME] = 128 } },
                                   .operations = &operations,
                                   .protocols =
                                       MCPA_REVISION_BIT(MCPA_REVISION_2025_11_25) | MCPA_REVISION_BIT(MCPA_REVISION_2026_07_28),
                                   .origins = origins,
                                   .identity_headers = true,
                                   .security_headers = true,
                                   .audit = MCPA_AUDIT_REQUIRED,
                                   .auth_type = "None" };
static const mcpa_policy_t shadow = { .mode = MCPA_MODE_SHADOW,
                                      .vhost = "b",
                                      .location = "/\"odd\"",
                                      .resource = "https://b.example.com",
                                      .issuers = one_issuer,
                                      .forward_token = true,
                                      .audit = MCPA_AUDIT_OFF,
                                      .auth_type = "Basic",
                                      .auth_type_in = "<Proxy \"*\">" };
static const mcpa_policy_t *const policies[] = { &mcp, &shadow, NULL };
static mcpa_snapshot_t whole = {
    .generation = UINT64_C(0x0123456789abcdef), .written_us = INT64_C(1800000000123000), .issuers = issuers, .policies = policies
};
static char text[65536];

static int set_up(void **state)
{
    mcpa_scope_model_t *model = mcpa_scope_model_new();

    assert_int_equal(mcpa_scope_model_imply(model, MCPA_STR("a"), MCPA_STR("b")), MCPA_OK);
    assert_int_equal(mcpa_scope_model_alias(model, MCPA_STR("old"), MCPA_STR("mcp:tools.read")), MCPA_OK);
    whole.scope_model = model;
    *state = model;
    return 0;
}

static int tear_down(void **state)
{
    mcpa_scope_model_t *model = *state;

    mcpa_scope_model_free(&model);
    return 0;
}

static mcpa_str_t print(const mcpa_snapshot_t *snapshot)
{
    mcpa_out_t out;

    mcpa_out_init(&out, text, sizeof(text));
    mcpa_snapshot_print(&out, snapshot);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    return mcpa_out_get(&out);
}

static void what_is_printed_parses_to_the_same(void **state)
{
    char first[sizeof(text)];
    mcpa_snapshot_t *snapshot;
    const mcpa_policy_t *policy;

    (void)state;
    snprintf(first, sizeof(first), "%s", print(&whole).ptr);
    snapshot = parse(mcpa_str(first));
    assert_string_equal(print(snapshot).ptr, first);
    assert_int_equal(mcpa_snapshot_hash(snapshot), mcpa_snapshot_hash(&whole));
    assert_int_equal(snapshot->generation, whole.generation);
    assert_int_equal(snapshot->written_us, whole.written_us);
    assert_non_null(snapshot->issuers[2]);
    assert_null(snapshot->issuers[3]);
    assert_string_equal(snapshot->issuers[1]->token_use, "access");
    assert_string_equal(snapshot->issuers[1]->require[1], "sid");
    assert_int_equal(snapshot->issuers[1]->algs, odd.algs);
    policy = snapshot->policies[0];
    assert_int_equal(policy->generation, whole.generation);
    assert_ptr_equal(policy->scope_model, snapshot->scope_model);
    assert_ptr_equal(policy->issuers[1], snapshot->issuers[1]);
    assert_int_equal(policy->n_limits, 2);
    assert_int_equal(policy->limits[0].key, MCPA_LIMIT_SUBJECT);
    assert_int_equal(policy->limits[0].interval_ns, 600000000);
    assert_int_equal(policy->limits[0].burst, 20);
    assert_int_equal(policy->limits[0].id, mcpa_limit_id("mcp.example.com", "/mcp", "subject 100/min burst=20"));
    assert_int_equal(policy->inspect, MCPA_INSPECT_BODY);
    assert_int_equal(policy->max_body, 12345);
    assert_memory_equal(&policy->lengths, &mcp.lengths, sizeof(mcp.lengths));
    assert_memory_equal(&snapshot->policies[1]->lengths, &shadow.lengths, sizeof(shadow.lengths));
    assert_non_null(strstr(first, "\"max_length\":{\"token\":16384,\"name\":128}"));
    assert_int_equal(policy->protocols, mcp.protocols);
    assert_int_equal(policy->operations->n_rules, 2);
    assert_string_equal(policy->operations->rules[0].name, rules[0].name);
    assert_string_equal(policy->operations->rules[0].scopes, "x:one x:two");
    assert_null(policy->operations->rules[1].name);
    assert_int_equal(policy->operations->rules[1].effect, MCPA_EFFECT_GRANTED);
    assert_int_equal(policy->operations->outer->rules[0].effect, MCPA_EFFECT_DENIED);
    assert_null(policy->operations->outer->outer);
    assert_int_equal(snapshot->policies[1]->inspect, MCPA_INSPECT_OFF);
    assert_int_equal(snapshot->policies[1]->mode, MCPA_MODE_SHADOW);
    assert_null(snapshot->policies[1]->audiences);
    assert_string_equal(policy->auth_type, "None");
    assert_null(policy->auth_type_in);
    assert_string_equal(snapshot->policies[1]->auth_type, "Basic");
    assert_string_equal(snapshot->policies[1]->auth_type_in, "<Proxy \"*\">");
    assert_null(snapshot->policies[2]);
    mcpa_snapshot_free(&snapshot);
    assert_null(snapshot);
    mcpa_snapshot_free(&snapshot);
}

static void no_secret_and_no_path_to_one_is_told(void **state)
{
    mcpa_snapshot_t *snapshot = parse(print(&whole));

    (void)state;
    assert_null(strstr(text, "the-secret-path"));
    assert_non_null(
        strstr(text, "\"url\":\"https://hmac.example.com\",\"keys\":\"secret\",\"algs\":[\"HS256\",\"HS384\",\"HS512\"]"));
    assert_int_equal(snapshot->issuers[2]->key_source, MCPA_KEYS_SECRET);
    assert_null(snapshot->issuers[2]->jwks);
    mcpa_snapshot_free(&snapshot);
}

static void the_hash_is_of_the_configuration_alone(void **state)
{
    mcpa_snapshot_t other = whole;
    mcpa_policy_t changed = mcp;
    const mcpa_policy_t *const changed_policies[] = { &changed, &shadow, NULL };

    (void)state;
    assert_true(mcpa_snapshot_hash(&whole) != 0);
    other.generation++;
    other.written_us += 5000000;
    assert_int_equal(mcpa_snapshot_hash(&other), mcpa_snapshot_hash(&whole));
    other.development = true;
    assert_true(mcpa_snapshot_hash(&other) != mcpa_snapshot_hash(&whole));
    other = whole;
    other.policies = changed_policies;
    assert_int_equal(mcpa_snapshot_hash(&other), mcpa_snapshot_hash(&whole));
    changed.scopes = "mcp:tools.read";
    assert_true(mcpa_snapshot_hash(&other) != mcpa_snapshot_hash(&whole));
    changed = mcp;
    changed.max_body++;
    assert_true(mcpa_snapshot_hash(&other) != mcpa_snapshot_hash(&whole));
    changed = mcp;
    changed.protocols = MCPA_REVISION_BIT(MCPA_REVISION_2025_11_25);
    assert_true(mcpa_snapshot_hash(&other) != mcpa_snapshot_hash(&whole));
    changed = mcp;
    changed.operations = &outer;
    assert_true(mcpa_snapshot_hash(&other) != mcpa_snapshot_hash(&whole));
    changed = mcp;
    changed.inspect = MCPA_INSPECT_HEADERS;
    assert_true(mcpa_snapshot_hash(&other) != mcpa_snapshot_hash(&whole));
}

static void a_rules_id_depends_on_each_part(void **state)
{
    uint64_t id = mcpa_limit_id("v", "/l", "t");

    (void)state;
    assert_int_equal(id, mcpa_limit_id("v", "/l", "t"));
    assert_true(id != mcpa_limit_id("v/", "l", "t"));
    assert_true(id != mcpa_limit_id("v", "/lt", ""));
    assert_true(id != mcpa_limit_id("v", "/l", "u"));
    assert_int_equal(mcpa_limit_id(NULL, NULL, "t"), mcpa_limit_id("", "", "t"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_parses_to_the_same),
        cmocka_unit_test(no_secret_and_no_path_to_one_is_told),
        cmocka_unit_test(the_hash_is_of_the_configuration_alone),
        cmocka_unit_test(a_rules_id_depends_on_each_part),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
