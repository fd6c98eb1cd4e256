/* SPDX-License-Identifier: Apache-2.0 */
/* What clients see, letter by letter: challenges (RFC 6750, RFC 9728), error bodies, the metadata document; attack 69. */
#include "test_policy.h"

#include "policy/challenge.h"
#include "policy/metadata.h"

#define METADATA ", resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\""
#define SCOPE    ", scope=\"mcp:tools.read files:read\""
#define INVALID                                                                                                                  \
    "Bearer realm=\"mcpauth\", error=\"invalid_token\", error_description=\"The access token is not valid\"" SCOPE METADATA
#define TOO_LONG                                                                                                                 \
    "Bearer realm=\"mcpauth\", error=\"invalid_token\", error_description=\"The access token is longer than 8192 bytes, the "    \
    "most "                                                                                                                      \
    "that is taken here\"" SCOPE METADATA
#define REQUEST(text)     "Bearer realm=\"mcpauth\", error=\"invalid_request\", error_description=\"" text "\"" SCOPE METADATA
#define BODY(error, text) "{\"error\":\"" error "\",\"message\":\"" text "\"}"
#define NO_TOKEN_TEXT     "An access token is required"
#define INVALID_TEXT      "The access token is not valid"

static const struct {
    mcpa_reason_t reason;
    const char *challenge; /* "": none */
    const char *body;
} golden[] = {
    { MCPA_REASON_UNDECIDED, "", BODY("internal_error", "The request could not be decided") },
    { MCPA_REASON_METHOD_NOT_ALLOWED, "", BODY("method_not_allowed", "This HTTP method is not allowed here") },
    { MCPA_REASON_REQUEST_MALFORMED, "", BODY("invalid_request", "The request is malformed") },
    { MCPA_REASON_PATH_AMBIGUOUS, "", BODY("not_found", "There is nothing at this path") },
    { MCPA_REASON_ADDRESS_LIMIT, "", BODY("rate_limit_exceeded", "Too many requests") },
    { MCPA_REASON_HOST_DENIED, "", BODY("forbidden", "This host is not served here") },
    { MCPA_REASON_ORIGIN_DENIED, "", BODY("forbidden", "This origin is not allowed") },
    { MCPA_REASON_NO_TOKEN, "Bearer realm=\"mcpauth\"" SCOPE METADATA, BODY("unauthorized", NO_TOKEN_TEXT) },
    { MCPA_REASON_TWO_CREDENTIALS, REQUEST("The request must carry exactly one credential"),
      BODY("invalid_request", "The request must carry exactly one credential") },
    { MCPA_REASON_AUTHORIZATION_MALFORMED, REQUEST("The Authorization header is malformed"),
      BODY("invalid_request", "The Authorization header is malformed") },
    { MCPA_REASON_TOKEN_TOO_LONG, TOO_LONG, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_TOKEN_MALFORMED, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_ALG_DENIED, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_ISSUER_UNKNOWN, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_KEY_UNKNOWN, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_SIGNATURE_BAD, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_TYPE_WRONG, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_AUDIENCE_WRONG, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_EXPIRED, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_NOT_YET_VALID, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_CLAIM_MISSING, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_CLAIM_MALFORMED, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_BINDING_UNSUPPORTED, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_REVOKED, INVALID, BODY("unauthorized", INVALID_TEXT) },
    { MCPA_REASON_SUBJECT_LIMIT, "", BODY("rate_limit_exceeded", "Too many requests") },
    { MCPA_REASON_CLIENT_LIMIT, "", BODY("rate_limit_exceeded", "Too many requests") },
    { MCPA_REASON_MEDIA_TYPE, "", BODY("unsupported_media_type", "The request body must be application/json, not encoded") },
    { MCPA_REASON_BODY_TOO_LARGE, "", BODY("payload_too_large", "The request body is too large") },
    { MCPA_REASON_BODY_UNREAD, "", BODY("invalid_request", "The request body could not be read") },
    { MCPA_REASON_MESSAGE_MALFORMED, "", BODY("invalid_request", "The request body is no message of this protocol") },
    { MCPA_REASON_MIRROR_MISMATCH, "", BODY("invalid_request", "The request headers do not agree with the request body") },
    { MCPA_REASON_PROTOCOL_UNKNOWN, "", BODY("invalid_request", "This protocol version is not known") },
    { MCPA_REASON_PROTOCOL_DENIED, "", BODY("invalid_request", "This protocol version is not allowed here") },
    { MCPA_REASON_OPERATION_DENIED, "", BODY("forbidden", "This operation is not allowed here") },
    { MCPA_REASON_OPERATION_UNKNOWN, "", BODY("forbidden", "This operation is not known here") },
    { MCPA_REASON_TOOL_LIMIT, "", BODY("rate_limit_exceeded", "Too many requests") },
    { MCPA_REASON_SCOPE_MISSING,
      "Bearer realm=\"mcpauth\", error=\"insufficient_scope\", error_description=\"The access token lacks a scope this operation "
      "needs\"" SCOPE METADATA,
      BODY("forbidden", "The access token lacks a scope this operation needs") },
    { MCPA_REASON_CLAIM_DENIED, "", BODY("forbidden", "The access token does not allow this operation") },
    { MCPA_REASON_SESSION_UNKNOWN, "", BODY("not_found", "This session does not exist here") },
    { MCPA_REASON_SESSION_LIMIT, "", BODY("rate_limit_exceeded", "Too many open sessions") },
    { MCPA_REASON_STREAM_LIMIT, "", BODY("rate_limit_exceeded", "Too many open streams") },
    { MCPA_REASON_KEYS_MISSING, "", BODY("temporarily_unavailable", "Access tokens cannot be checked at the moment") },
    { MCPA_REASON_AUDIT_UNAVAILABLE, "", BODY("temporarily_unavailable", "The request cannot be recorded at the moment") },
    { MCPA_REASON_NO_POLICY, "", BODY("temporarily_unavailable", "This resource is not configured") },
};

static const mcpa_issuer_t issuer_a = { .url = "https://as.example.com" };
static const mcpa_issuer_t issuer_b = { .url = "https://other.example.com/tenant" };
static const mcpa_issuer_t *const issuers[] = { &issuer_a, &issuer_b, NULL };
static const mcpa_policy_t policy = { .mode = MCPA_MODE_ON,
                                      .resource = "https://mcp.example.com/mcp",
                                      .issuers = issuers,
                                      .scopes = "mcp:tools.read offline_access  files:read" };

static const char *challenge(const mcpa_policy_t *of, mcpa_reason_t reason)
{
    static char memory[2048];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_challenge_print(&out, of, reason, NULL);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    return memory;
}

static const char *body(mcpa_reason_t reason, int64_t retry_after_s)
{
    static char memory[2048];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_error_body_print(&out, reason, retry_after_s);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    return memory;
}

static void every_refusal_has_its_golden_challenge_and_body(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        assert_string_equal(challenge(&policy, golden[i].reason), golden[i].challenge);
        assert_string_equal(body(golden[i].reason, -1), golden[i].body);
    }
}

static void no_refusal_is_left_out_of_the_golden_table(void **state)
{
    (void)state;
    for (unsigned reason = 0; reason < MCPA_REASON_COUNT; reason++) {
        bool found = mcpa_reason_row((mcpa_reason_t)reason)->outcome == MCPA_OUTCOME_ALLOW;

        for (size_t i = 0; i < COUNT(golden); i++) {
            found = found || golden[i].reason == reason;
        }
        if (!found) {
            fail_msg("%s has no row", mcpa_reason_word((mcpa_reason_t)reason));
        }
    }
}

static void retry_after_stands_in_the_body(void **state)
{
    (void)state;
    assert_string_equal(body(MCPA_REASON_SUBJECT_LIMIT, 7),
                        "{\"error\":\"rate_limit_exceeded\",\"message\":\"Too many requests\",\"retry_after\":7}");
    assert_string_equal(body(MCPA_REASON_SUBJECT_LIMIT, 0),
                        "{\"error\":\"rate_limit_exceeded\",\"message\":\"Too many requests\",\"retry_after\":0}");
}

/* Clients take the first scheme and the first of a parameter; blanks around '=' stop some of them (reference 1.4). */
static void a_challenge_suits_the_clients_parsers(void **state)
{
    static const char *const names[] = { "realm=", "error=", "error_description=", "scope=", "resource_metadata=" };
    const char *text = challenge(&policy, MCPA_REASON_SCOPE_MISSING);

    (void)state;
    assert_int_equal(strncmp(text, "Bearer ", 7), 0);
    assert_null(strstr(text, " ="));
    assert_null(strstr(text, "= "));
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *first = strstr(text, names[i]);

        assert_non_null(first);
        assert_null(strstr(first + 1, names[i]));
    }
}

static void a_location_without_scopes_has_no_scope_parameter(void **state)
{
    static const char *const none[] = { NULL, "", "  ", "offline_access" };
    mcpa_policy_t bare = policy;

    (void)state;
    for (size_t i = 0; i < COUNT(none); i++) {
        bare.scopes = none[i];
        assert_string_equal(challenge(&bare, MCPA_REASON_NO_TOKEN), "Bearer realm=\"mcpauth\"" METADATA);
    }
}

static void metadata_stands_between_host_and_path(void **state)
{
    static const struct {
        const char *resource;
        const char *url;
        const char *path;
    } rows[] = {
        { "https://h", "https://h/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource" },
        { "https://h/", "https://h/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource" },
        { "https://h/mcp", "https://h/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource/mcp" },
        { "https://h:8443/a/b", "https://h:8443/.well-known/oauth-protected-resource/a/b",
          "/.well-known/oauth-protected-resource/a/b" },
        { "https://h/mcp/", "https://h/.well-known/oauth-protected-resource/mcp/", "/.well-known/oauth-protected-resource/mcp/" },
        { "http://[::1]:80/x", "http://[::1]:80/.well-known/oauth-protected-resource/x",
          "/.well-known/oauth-protected-resource/x" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char memory[256];
        mcpa_out_t out;

        mcpa_out_init(&out, memory, sizeof(memory));
        mcpa_metadata_url_print(&out, mcpa_str(rows[i].resource));
        assert_string_equal(memory, rows[i].url);
        mcpa_out_init(&out, memory, sizeof(memory));
        mcpa_metadata_path_print(&out, mcpa_str(rows[i].resource));
        assert_string_equal(memory, rows[i].path);
    }
}

/* Clients that are told of no scope ask for all that the document lists: what one operation among many needs is not in it. */
static void the_document_lists_what_opening_needs(void **state)
{
    static const mcpa_operation_t rules[] = {
        { "tools/call", "purge", MCPA_EFFECT_SCOPES, "mcp:admin" },
        { "tools/list", NULL, MCPA_EFFECT_SCOPES, "list:tools files:read" },
        { "initialize", NULL, MCPA_EFFECT_SCOPES, "open:old" },
        { "notifications/*", NULL, MCPA_EFFECT_DENIED, NULL },
        { "server/discover", NULL, MCPA_EFFECT_GRANTED, NULL },
    };
    static const mcpa_operations_t operations = { rules, COUNT(rules), NULL };
    static const struct {
        mcpa_inspect_t inspect;
        mcpa_revision_t revision;
        const char *scopes;
    } rows[] = {
        { MCPA_INSPECT_OFF, MCPA_REVISION_NONE, "mcp:tools.read files:read" },
        { MCPA_INSPECT_BODY, MCPA_REVISION_NONE, "mcp:tools.read files:read open:old list:tools" },
        { MCPA_INSPECT_BODY, MCPA_REVISION_2025_06_18, "mcp:tools.read files:read open:old list:tools" },
        { MCPA_INSPECT_BODY, MCPA_REVISION_2026_07_28, "mcp:tools.read files:read list:tools" },
        { MCPA_INSPECT_HEADERS, MCPA_REVISION_NONE, "mcp:tools.read files:read list:tools" },
    };
    mcpa_policy_t own = policy;
    char memory[256], small[4];
    mcpa_out_t out;

    (void)state;
    own.scopes = "mcp:tools.read files:read";
    own.operations = &operations;
    for (size_t i = 0; i < COUNT(rows); i++) {
        own.inspect = rows[i].inspect;
        own.protocols = rows[i].revision != MCPA_REVISION_NONE ? MCPA_REVISION_BIT(rows[i].revision) : 0;
        mcpa_out_init(&out, memory, sizeof(memory));
        mcpa_metadata_scopes_add(&out, &own);
        assert_string_equal(memory, rows[i].scopes);
        mcpa_metadata_scopes_add(&out, &own); /* nothing is added twice */
        assert_string_equal(memory, rows[i].scopes);
    }
    mcpa_out_init(&out, small, sizeof(small));
    mcpa_metadata_scopes_add(&out, &own);
    assert_int_not_equal(mcpa_out_status(&out), MCPA_OK);
}

static void the_metadata_document_is_golden(void **state)
{
    mcpa_policy_t bare = policy;
    char memory[1024];
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_metadata_print(&out, &policy);
    assert_string_equal(memory,
                        "{\"resource\":\"https://mcp.example.com/mcp\",\"authorization_servers\":[\"https://as.example.com\","
                        "\"https://other.example.com/tenant\"],\"scopes_supported\":[\"mcp:tools.read\",\"files:read\"],"
                        "\"bearer_methods_supported\":[\"header\"]}");
    bare.scopes = "offline_access";
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_metadata_print(&out, &bare);
    assert_null(strstr(memory, "scopes_supported"));
    assert_null(strstr(memory, "offline_access"));
}

static void resources_are_https_urls_that_fit_a_header(void **state)
{
    static const struct {
        const char *resource;
        bool production;
        bool development;
    } rows[] = {
        { "https://mcp.example.com", true, true },
        { "https://mcp.example.com/mcp", true, true },
        { "https://mcp.example.com:8443/mcp/", true, true },
        { "http://127.0.0.1:8080/mcp", false, true },
        { "http://localhost/mcp", false, true },
        { "http://mcp.example.com/mcp", false, false },
        { "https://mcp.example.com/mcp?x=1", false, false },
        { "https://mcp.example.com/mcp#x", false, false },
        { "https://user@mcp.example.com/", false, false },
        { "https:///mcp", false, false },
        { "/mcp", false, false },
        { "mcp.example.com", false, false },
        { "https://mcp.example.com/a\"b", false, false },
        { "https://mcp.example.com/a\\b", false, false },
        { "https://mcp.example.com/a b", false, false },
        { "https://mcp.example.com/a\tb", false, false },
        { "https://mcp.example.com/\xc3\xa4", false, false },
        { "", false, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *error = NULL;

        assert_int_equal(mcpa_resource_check(mcpa_str(rows[i].resource), false, &error), rows[i].production);
        assert_int_equal(error == NULL, rows[i].production);
        assert_int_equal(mcpa_resource_check(mcpa_str(rows[i].resource), true, &error), rows[i].development);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_has_its_golden_challenge_and_body),
        cmocka_unit_test(no_refusal_is_left_out_of_the_golden_table),
        cmocka_unit_test(retry_after_stands_in_the_body),
        cmocka_unit_test(a_challenge_suits_the_clients_parsers),
        cmocka_unit_test(a_location_without_scopes_has_no_scope_parameter),
        cmocka_unit_test(metadata_stands_between_host_and_path),
        cmocka_unit_test(the_metadata_document_is_golden),
        cmocka_unit_test(the_document_lists_what_opening_needs),
        cmocka_unit_test(resources_are_https_urls_that_fit_a_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
