/* SPDX-License-Identifier: Apache-2.0 */
/* Which operations a token opens, what a refusal says, and how often a tool may be called: through mcpa_decide, with messages of
 * both eras; attacks 54, 79 and 91 of the reference where they are about operations. */
#include "test_policy_ask.h"

static const mcpa_operation_t outer_rules[] = {
    { "tools/call", "drop_*", MCPA_EFFECT_DENIED, NULL },
    { "prompts/get", "secret", MCPA_EFFECT_DENIED, NULL },
    { "resources/read", "file:///etc/*", MCPA_EFFECT_DENIED, NULL },
};
static const mcpa_operations_t outer = { outer_rules, COUNT(outer_rules), NULL };
static const mcpa_operation_t rules[] = {
    { "tools/call", "drop_all", MCPA_EFFECT_GRANTED, NULL },
    { "tools/call", "get_*", MCPA_EFFECT_SCOPES, "tools:get mcp:tools.read" },
    { "tools/call", "free", MCPA_EFFECT_GRANTED, NULL },
    { "prompts/get", "paid", MCPA_EFFECT_SCOPES, "prompts:paid" },
    { "resources/read", "db://a*", MCPA_EFFECT_SCOPES, "db:a db:any" },
    { "resources/read", "db://b*", MCPA_EFFECT_SCOPES, "db:b db:any" },
    { "acme/run", NULL, MCPA_EFFECT_SCOPES, "acme" },
    { "tasks/*", "t-1", MCPA_EFFECT_DENIED, NULL },
    { "G*", NULL, MCPA_EFFECT_GRANTED, NULL },
    { "response", NULL, MCPA_EFFECT_GRANTED, NULL },
};
static const mcpa_operations_t operations = { rules, COUNT(rules), &outer };

static void scope(world_t *w, const char *json)
{
    give_claims(w, (claim_t[]){ { "scope", json } }, 1);
}

static const char *challenge(const world_t *w)
{
    static char memory[2048];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_challenge_print(&out, &w->policy, w->decision.reason, w->decision.operation_scopes);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    return memory;
}

#define CALL(name) RPC("tools/call", "\"name\":\"" name "\"")

static void rules_decide_by_method_and_name(void **state)
{
    static const ask_t rows[] = {
        { "default", NULL, LEGACY, NULL, NULL, CALL("other"), MCPA_REASON_PASS, 0 },
        { "a scope it lacks", NULL, LEGACY, NULL, NULL, CALL("get_x"), MCPA_REASON_SCOPE_MISSING, 0 },
        { "granted", NULL, LEGACY, NULL, NULL, CALL("free"), MCPA_REASON_PASS, 0 },
        { "denied outside", NULL, LEGACY, NULL, NULL, CALL("drop_all"), MCPA_REASON_OPERATION_DENIED, 0 },
        { "a notification is no way around", NULL, LEGACY, NULL, NULL,
          "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"drop_all\"}}", MCPA_REASON_OPERATION_DENIED, 0 },
        { "an escaped name", NULL, LEGACY, NULL, NULL, CALL("drop\\u005fall"), MCPA_REASON_OPERATION_DENIED, 0 },
        { "task", NULL, LEGACY, NULL, NULL, RPC("tasks/result", "\"taskId\":\"t-1\""), MCPA_REASON_OPERATION_DENIED, 0 },
        { "another task", NULL, LEGACY, NULL, NULL, RPC("tasks/result", "\"taskId\":\"t-2\""), MCPA_REASON_PASS, 0 },
        { "own method", NULL, LEGACY, NULL, NULL, RPC("acme/run", ""), MCPA_REASON_SCOPE_MISSING, 0 },
        { "unknown, older era", NULL, LEGACY, NULL, NULL, RPC("tools/purge", ""), MCPA_REASON_OPERATION_UNKNOWN, 0 },
        { "unknown, newer era", NULL, MODERN, "tools/purge", NULL, MODERN_RPC("tools/purge", ""), MCPA_REASON_OPERATION_UNKNOWN,
          -32601 },
        { "stream", "GET", LEGACY, NULL, NULL, NULL, MCPA_REASON_PASS, 0 },
        { "the stream's rule is for no call", NULL, LEGACY, NULL, NULL, RPC("GET", ""), MCPA_REASON_OPERATION_UNKNOWN, 0 },
        { "nor that for answers", NULL, LEGACY, NULL, NULL, RPC("response", ""), MCPA_REASON_OPERATION_UNKNOWN, 0 },
        { "nor the default", NULL, LEGACY, NULL, NULL, RPC("DELETE", ""), MCPA_REASON_OPERATION_UNKNOWN, 0 },
        { "answer", NULL, LEGACY, NULL, NULL, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", MCPA_REASON_PASS, 0 },
    };
    world_t *w = *state;

    w->policy.operations = &operations;
    ask_rows(w, rows, COUNT(rows));
    assert_true(mcpa_str_eqz(w->decision.operation, "response"));
    assert_reason(MCPA_REASON_OPERATION_UNKNOWN, ask(w, &rows[9]), "older era");
    assert_int_equal(mcpa_decision_status(&w->decision), 403);
    assert_reason(MCPA_REASON_OPERATION_UNKNOWN, ask(w, &rows[10]), "newer era");
    assert_int_equal(mcpa_decision_status(&w->decision), 404);
    assert_reason(MCPA_REASON_OPERATION_DENIED, ask(w, &rows[3]), "which rule");
    assert_ptr_equal(w->decision.ruling.rule, &outer_rules[0]);
    assert_true(mcpa_str_eqz(w->decision.operation_name, "drop_all"));
}

static void what_needs_a_name_has_one(void **state)
{
    static const char *const methods[] = { "tools/call",          "prompts/get",           "resources/read",
                                           "resources/subscribe", "resources/unsubscribe", "tasks/get",
                                           "tasks/result",        "tasks/update",          "tasks/cancel",
                                           "completion/complete" };
    world_t *w = *state;
    char body[256];

    for (size_t i = 0; i < COUNT(methods); i++) {
        snprintf(body, sizeof(body), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{\"other\":\"x\"}}", methods[i]);
        assert_reason(MCPA_REASON_MESSAGE_MALFORMED, ask_body(w, LEGACY, body), methods[i]);
        assert_int_equal(w->decision.rpc_code, -32602);
    }
}

#define COMPLETE(ref)  RPC("completion/complete", "\"ref\":{" ref "}")
#define LISTEN(list)   MODERN_RPC("subscriptions/listen", ",\"notifications\":{\"resourceSubscriptions\":" list "}")
#define SUBSCRIBE(uri) RPC("resources/subscribe", "\"uri\":\"" uri "\"")
#define LISTENS(what, list, reason, code)                                                                                        \
    {                                                                                                                            \
        what, NULL, MODERN, "subscriptions/listen", NULL, LISTEN(list), reason, code                                             \
    }

static void what_an_operation_names_must_be_allowed_too(void **state)
{
    static const ask_t rows[] = {
        { "prompt", NULL, LEGACY, NULL, NULL, COMPLETE("\"type\":\"ref/prompt\",\"name\":\"hello\""), MCPA_REASON_PASS, 0 },
        { "secret prompt", NULL, LEGACY, NULL, NULL, COMPLETE("\"type\":\"ref/prompt\",\"name\":\"secret\""),
          MCPA_REASON_OPERATION_DENIED, 0 },
        { "resource", NULL, LEGACY, NULL, NULL, COMPLETE("\"type\":\"ref/resource\",\"uri\":\"file:///etc/{x}\""),
          MCPA_REASON_OPERATION_DENIED, 0 },
        { "of both kinds", NULL, LEGACY, NULL, NULL,
          COMPLETE("\"type\":\"ref/prompt\",\"name\":\"hello\",\"uri\":\"file:///etc/x\""), MCPA_REASON_MESSAGE_MALFORMED,
          -32602 },
        { "of no kind", NULL, LEGACY, NULL, NULL, COMPLETE("\"name\":\"hello\""), MCPA_REASON_MESSAGE_MALFORMED, -32602 },
        { "of another kind", NULL, LEGACY, NULL, NULL, COMPLETE("\"type\":\"ref/tool\",\"name\":\"hello\""),
          MCPA_REASON_MESSAGE_MALFORMED, -32602 },
        { "kind and name at odds", NULL, LEGACY, NULL, NULL, COMPLETE("\"type\":\"ref/resource\",\"name\":\"hello\""),
          MCPA_REASON_MESSAGE_MALFORMED, -32602 },
        { "subscribe", NULL, LEGACY, NULL, NULL, SUBSCRIBE("file:///home/x"), MCPA_REASON_PASS, 0 },
        { "subscribe to what may not be read", NULL, LEGACY, NULL, NULL, SUBSCRIBE("file:///etc/x"), MCPA_REASON_OPERATION_DENIED,
          0 },
        { "subscribe, which is gone", NULL, MODERN, "resources/subscribe", NULL,
          MODERN_RPC("resources/subscribe", ",\"uri\":\"file:///home/x\""), MCPA_REASON_OPERATION_UNKNOWN, -32601 },
        { "gone, without a name", NULL, MODERN, "tasks/result", NULL, MODERN_RPC("tasks/result", ""),
          MCPA_REASON_OPERATION_UNKNOWN, -32601 },
        { "climb", NULL, LEGACY, NULL, NULL, SUBSCRIBE("file:///home/../etc/x"), MCPA_REASON_MESSAGE_MALFORMED, -32602 },
        { "climb in percent", NULL, LEGACY, NULL, NULL, SUBSCRIBE("file:///home/%2E%2e/etc/x"), MCPA_REASON_MESSAGE_MALFORMED,
          -32602 },
        { "climb with a slash in percent", NULL, LEGACY, NULL, NULL, SUBSCRIBE("file:///home/..%2Fetc/x"),
          MCPA_REASON_MESSAGE_MALFORMED, -32602 },
        { "climb at the end", NULL, LEGACY, NULL, NULL, SUBSCRIBE("file:///home/.."), MCPA_REASON_MESSAGE_MALFORMED, -32602 },
        { "climb before a query", NULL, LEGACY, NULL, NULL, SUBSCRIBE("file:///home/..?x"), MCPA_REASON_MESSAGE_MALFORMED,
          -32602 },
        { "stand still", NULL, LEGACY, NULL, NULL, SUBSCRIBE("file:///home/./x"), MCPA_REASON_MESSAGE_MALFORMED, -32602 },
        { "climb backwards", NULL, LEGACY, NULL, NULL, SUBSCRIBE("file:///home\\\\..\\\\etc"), MCPA_REASON_MESSAGE_MALFORMED,
          -32602 },
        { "dots in names", NULL, LEGACY, NULL, NULL, SUBSCRIBE("file:///home/...x/.y/z../a...b/..."), MCPA_REASON_PASS, 0 },
        { "climb by reference", NULL, LEGACY, NULL, NULL, COMPLETE("\"type\":\"ref/resource\",\"uri\":\"file:///home/../x\""),
          MCPA_REASON_MESSAGE_MALFORMED, -32602 },
        { "a prompt may be called so", NULL, LEGACY, NULL, NULL, COMPLETE("\"type\":\"ref/prompt\",\"name\":\"..\""),
          MCPA_REASON_PASS, 0 },
        LISTENS("climbs", "[\"file:///a\",\"file:///b/../c\"]", MCPA_REASON_MESSAGE_MALFORMED, -32602),
        LISTENS("none", "[]", MCPA_REASON_PASS, 0),
        LISTENS("fine", "[\"file:///a\",\"file:///b\"]", MCPA_REASON_PASS, 0),
        LISTENS("the last is denied", "[\"file:///a\",\"file:///etc/b\"]", MCPA_REASON_OPERATION_DENIED, 0),
        LISTENS("denied, escaped", "[\"file:\\/\\/\\/etc\\/b\"]", MCPA_REASON_OPERATION_DENIED, 0),
        LISTENS("no string", "[\"file:///a\",1]", MCPA_REASON_MESSAGE_MALFORMED, -32602),
        LISTENS("lacks scopes", "[\"db://a\",\"db://b\"]", MCPA_REASON_SCOPE_MISSING, 0),
    };
    world_t *w = *state;

    w->policy.operations = &operations;
    w->policy.scopes = "base mcp:tools.read";
    scope(w, "\"base mcp:tools.exec\"");
    ask_rows(w, rows, COUNT(rows));
    assert_string_equal(w->decision.operation_scopes, "mcp:tools.read db:a db:any db:b");
    assert_non_null(strstr(challenge(w), ", scope=\"base mcp:tools.read db:a db:any db:b\""));
    scope(w, "\"base mcp:tools.exec db:a db:any\"");
    assert_reason(MCPA_REASON_SCOPE_MISSING, ask(w, &rows[COUNT(rows) - 1]), "one is lacking");
    scope(w, "\"base mcp:tools.exec db:a db:any db:b\"");
    assert_reason(MCPA_REASON_PASS, ask(w, &rows[COUNT(rows) - 1]), "all of them");
}

static void a_message_names_so_many_resources_and_no_more(void **state)
{
    world_t *w = *state;
    char body[16384];

    for (int more = 0; more < 2; more++) {
        mcpa_out_t out;

        mcpa_out_init(&out, body, sizeof(body));
        mcpa_out_z(&out, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscriptions/listen\",\"params\":{" META
                         ",\"notifications\":{\"resourceSubscriptions\":[\"x\"");
        for (int i = 1; i < MCPA_RPC_SUBSCRIPTIONS_MAX + more; i++) {
            mcpa_out_printf(&out, ",\"file:///%d\"", i);
        }
        mcpa_out_z(&out, "]}}}");
        assert_int_equal(mcpa_out_status(&out), MCPA_OK);
        assert_reason(more ? MCPA_REASON_MESSAGE_MALFORMED : MCPA_REASON_PASS,
                      ask(w, &(ask_t){ .version = MODERN, .method = "subscriptions/listen", .body = body }), "as many as may be");
    }
}

/* Scopes of rules that do not fit into one challenge cannot be asked for: nobody is let in by half of them. */
static void more_scopes_than_fit_deny(void **state)
{
    static char many[2][MCPA_SCOPE_TEXT_MAX_BYTES - 8];
    mcpa_operation_t long_rules[] = { { "resources/read", "a", MCPA_EFFECT_SCOPES, many[0] },
                                      { "resources/read", "b", MCPA_EFFECT_SCOPES, many[1] } };
    const mcpa_operations_t section = { long_rules, 2, NULL };
    world_t *w = *state;

    for (size_t i = 0; i < 2; i++) {
        memset(many[i], i ? 'y' : 'x', sizeof(many[i]) - 1);
    }
    w->policy.operations = &section;
    assert_reason(MCPA_REASON_SCOPE_MISSING, ask_body(w, LEGACY, RPC("resources/read", "\"uri\":\"a\"")), "one fits");
    assert_reason(MCPA_REASON_OPERATION_DENIED,
                  ask(w, &(ask_t){ .version = MODERN, .method = "subscriptions/listen", .body = LISTEN("[\"a\",\"b\"]") }),
                  "two do not");
}

/* Attack 91: nothing about what a token opens is remembered from one request to the next. */
static void the_locations_and_the_operations_scopes_are_needed_together(void **state)
{
    world_t *w = *state;

    w->policy.operations = &operations;
    w->policy.scopes = "base offline_access mcp:tools.read base";
    scope(w, "\"base\"");
    assert_reason(MCPA_REASON_SCOPE_MISSING, ask_body(w, LEGACY, CALL("get_x")), "little");
    assert_string_equal(
        challenge(w),
        "Bearer realm=\"mcpauth\", error=\"insufficient_scope\", error_description=\"The access token lacks a scope this "
        "operation needs\", scope=\"base mcp:tools.read tools:get\", "
        "resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\"");
    w->policy.scopes = "base";
    assert_reason(MCPA_REASON_SCOPE_MISSING, ask_body(w, LEGACY, CALL("get_x")), "the Location's alone");
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, CALL("free")), "granted");
    assert_null(w->decision.operation_scopes);
    scope(w, "\"tools:get mcp:tools.read\"");
    assert_reason(MCPA_REASON_SCOPE_MISSING, ask_body(w, LEGACY, CALL("get_x")), "the operation's alone");
    assert_reason(MCPA_REASON_SCOPE_MISSING, ask_body(w, LEGACY, CALL("free")), "granted is for who the Location lets in");
    scope(w, "\"base tools:get mcp:admin\"");
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, CALL("get_x")), "a broader one counts");
    scope(w, "\"base mcp:tools.read\"");
    assert_reason(MCPA_REASON_SCOPE_MISSING, ask_body(w, LEGACY, CALL("other")), "reading is not calling");
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, RPC("tools/list", "")), "listing is reading");
}

static void a_tool_has_its_own_limit_for_each_subject(void **state)
{
    static const unsigned char key[16] = "0123456789abcdef";
    const size_t bytes = (mcpa_ratetable_bytes(1024) + 63) / 64 * 64;
    void *memory = memset(aligned_alloc(64, bytes), 0, bytes);
    mcpa_limit_t limit = { .key = MCPA_LIMIT_TOOL, .id = 1, .text = "tool 1/day" };
    const char *error = "";
    world_t *w = *state;

    assert_true(mcpa_limit_parse(&limit, MCPA_STR("1/day"), MCPA_STR_NONE, &error));
    w->env.identity_limits = mcpa_ratetable_init(memory, 1024, key);
    w->policy.limits = &limit;
    w->policy.n_limits = 1;
    scope(w, "\"mcp:tools.read\"");
    assert_reason(MCPA_REASON_SCOPE_MISSING, ask_body(w, LEGACY, CALL("a")), "a call that is refused takes nothing");
    scope(w, "\"mcp:tools.exec\"");
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, CALL("a")), "first");
    assert_reason(MCPA_REASON_TOOL_LIMIT, ask_body(w, LEGACY, CALL("a")), "second");
    assert_int_equal(w->decision.retry_after_s, 86400);
    assert_ptr_equal(w->decision.limit, &limit);
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, CALL("b")), "another tool");
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, PING), "no tool");
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, RPC("prompts/get", "\"name\":\"a\"")), "a prompt of that name");
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, RPC("prompts/get", "\"name\":\"a\"")), "and again");
    give_claims(w, (claim_t[]){ { "scope", "\"mcp:tools.exec\"" }, { "sub", "\"bob\"" } }, 2);
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, CALL("a")), "another subject");
    w->policy.inspect = MCPA_INSPECT_HEADERS;
    assert_reason(MCPA_REASON_TOOL_LIMIT, ask(w, &(ask_t){ .version = MODERN, .method = "tools/call", .name = "a" }),
                  "the same by its headers");
    free(memory);
}

static void an_answer_to_a_call_is_a_message(void **state)
{
    world_t *w = *state;
    char id[MCPA_RPC_ID_MAX_BYTES + 3], body[MCPA_RPC_ID_MAX_BYTES + 128], text[64 + 1];

    w->policy.operations = &operations;
    assert_reason(MCPA_REASON_OPERATION_DENIED, ask_body(w, LEGACY, CALL("drop_all")), "denied");
    assert_string_equal(
        ask_error(w, -1),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":403,\"message\":\"This operation is not allowed here\","
        "\"data\":{\"error\":\"forbidden\",\"message\":\"This operation is not allowed here\"}}}");
    assert_reason(MCPA_REASON_OPERATION_UNKNOWN,
                  ask(w, &(ask_t){ .version = MODERN, .method = "tools/purge", .body = MODERN_RPC("tools/purge", "") }),
                  "unknown");
    assert_string_equal(
        ask_error(w, -1),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":\"This operation is not known here\","
        "\"data\":{\"error\":\"not_found\",\"message\":\"This operation is not known here\"}}}");
    w->decision.reason = MCPA_REASON_AUDIT_UNAVAILABLE;
    w->decision.rpc_code = 0;
    assert_string_equal(
        ask_error(w, 5),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":503,\"message\":\"The request cannot be recorded at the moment\","
        "\"data\":{\"error\":\"temporarily_unavailable\",\"message\":\"The request cannot be recorded at the moment\","
        "\"retry_after\":5}}}");
    assert_reason(MCPA_REASON_MESSAGE_MALFORMED,
                  ask_body(w, LEGACY, "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0022<x>\",\"method\":\"ping\",\"method\":\"ping\"}"),
                  "twice");
    assert_string_equal(
        ask_error(w, -1),
        "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0022<x>\",\"error\":{\"code\":-32600,\"message\":\"a member stands twice, or its "
        "name is written with escapes\",\"data\":{\"error\":\"invalid_request\",\"message\":\"The request body is no "
        "message of this protocol\"}}}");
    w->policy.protocols = MCPA_REVISION_BIT(MCPA_REVISION_2025_11_25) | MCPA_REVISION_BIT(MCPA_REVISION_2025_06_18);
    assert_reason(MCPA_REASON_PROTOCOL_UNKNOWN, ask_body(w, "2026-\"1", PING), "version");
    assert_string_equal(
        ask_error(w, -1),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32022,\"message\":\"This protocol version is not known\","
        "\"data\":{\"error\":\"invalid_request\",\"message\":\"This protocol version is not known\","
        "\"supported\":[\"2025-06-18\",\"2025-11-25\"],\"requested\":\"2026-\\\"1\"}}}");
    memset(id, 'i', sizeof(id));
    id[0] = id[sizeof(id) - 2] = '"';
    id[sizeof(id) - 1] = '\0';
    snprintf(body, sizeof(body), "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"ping\"}", id);
    memset(text, '\x01', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    w->policy.protocols = 0;
    w->policy.lengths.bytes[MCPA_LENGTH_ID] = MCPA_RPC_ID_MAX_BYTES;
    assert_reason(MCPA_REASON_PROTOCOL_UNKNOWN, ask_body(w, text, body), "the longest");
    assert_non_null(strstr(ask_error(w, UINT32_MAX), "\\u0001\"}}}"));
    text[sizeof(text) - 1] = 'x';
    w->request.mirrors.version.len++;
    assert_reason(MCPA_REASON_PROTOCOL_UNKNOWN, decide(w), "one byte more");
    assert_null(strstr(ask_error(w, -1), "requested"));
}

static void an_answer_to_no_call_is_as_for_everybody(void **state)
{
    static const char *const bodies[] = { "{\"jsonrpc\":\"2.0\",\"method\":\"tools/purge\"}", "[" PING "]", "nonsense",
                                          "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}" };
    world_t *w = *state;

    for (size_t i = 0; i < COUNT(bodies); i++) {
        w->policy.scopes = "nobody:has";
        assert_int_not_equal(ask_body(w, LEGACY, bodies[i]), MCPA_REASON_PASS);
        assert_null(strstr(ask_error(w, -1), "jsonrpc"));
        assert_int_equal(strncmp(ask_error(w, -1), "{\"error\":\"", 10), 0);
    }
    w->request.authorization = MCPA_STR_NONE;
    assert_reason(MCPA_REASON_NO_TOKEN, ask_body(w, LEGACY, PING), "nothing was read");
    assert_string_equal(ask_error(w, -1), "{\"error\":\"unauthorized\",\"message\":\"An access token is required\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rules_decide_by_method_and_name, ask_setup),
        cmocka_unit_test_setup(what_needs_a_name_has_one, ask_setup),
        cmocka_unit_test_setup(what_an_operation_names_must_be_allowed_too, ask_setup),
        cmocka_unit_test_setup(a_message_names_so_many_resources_and_no_more, ask_setup),
        cmocka_unit_test_setup(more_scopes_than_fit_deny, ask_setup),
        cmocka_unit_test_setup(the_locations_and_the_operations_scopes_are_needed_together, ask_setup),
        cmocka_unit_test_setup(a_tool_has_its_own_limit_for_each_subject, ask_setup),
        cmocka_unit_test_setup(an_answer_to_a_call_is_a_message, ask_setup),
        cmocka_unit_test_setup(an_answer_to_no_call_is_as_for_everybody, ask_setup),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
