/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to one message and its revision, through mcpa_decide: media type, body, JSON-RPC, mirrored headers, protocol;
 * attacks 79 to 83, 87 and 88 of the reference. */
#include "test_policy_ask.h"

#define CALL MODERN_RPC("tools/call", ",\"name\":\"purge\"")
#define LIST MODERN_RPC("tools/list", "")
#define OLD  RPC("tools/call", "\"name\":\"purge\"")

static void a_message_is_read_behind_everything_else(void **state)
{
    world_t *w = *state;

    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, PING), "ping");
    assert_string_equal(
        w->stages, "location, method, framing, address limit, host, origin, preflight, credential, known token, structure, issuer, "
                   "algorithm, key, signature, type, claims, remember, subject limit, client limit, media type, body, message, "
                   "mirrors, protocol, operation, scopes, session, tool limit, ");
    assert_ptr_equal(w->decision.message, &ask_message);
    assert_int_equal(w->decision.revision, MCPA_REVISION_2025_11_25);
    assert_int_equal(ask_message.revision, MCPA_REVISION_2025_11_25);
    assert_true(mcpa_str_eqz(w->decision.operation, "ping"));
    assert_null(w->decision.operation_name.ptr);
    assert_int_equal(ask_reads, 1);
    w->policy.inspect = MCPA_INSPECT_OFF;
    assert_reason(MCPA_REASON_PASS, ask_body(w, "nonsense", "nonsense"), "not inspected");
    assert_null(w->decision.message);
    assert_int_equal(ask_reads, 1);
    w->policy.inspect = MCPA_INSPECT_BODY;
    w->request.authorization = MCPA_STR_NONE;
    assert_reason(MCPA_REASON_NO_TOKEN, ask_body(w, LEGACY, PING), "nobody's body is read");
    assert_int_equal(ask_reads, 1);
}

/* Attack 87. */
static void a_message_is_plain_json(void **state)
{
    static const char *const good[] = { "application/json",
                                        "Application/JSON",
                                        "application/json;charset=utf-8",
                                        "application/json ; charset=UTF-8",
                                        "application/json; charset=\"utf-8\"",
                                        " application/json\t" };
    static const char *const bad[] = { NULL,
                                       "",
                                       "text/plain",
                                       "application/jsonx",
                                       "application/json-rpc",
                                       "application/json, application/json",
                                       "application/json;",
                                       "application/json; charset=utf-16",
                                       "application/json; charset=utf-8; charset=utf-16",
                                       "application/json; boundary=x",
                                       "application/json charset=utf-8",
                                       "multipart/form-data",
                                       ";",
                                       "*/*" };
    static const char *const encodings[] = { "", "gzip", "deflate", "br", "identity, gzip", "identity,", "x-gzip" };
    world_t *w = *state;

    for (size_t i = 0; i < COUNT(good); i++) {
        w->request.content_type = mcpa_str(good[i]);
        assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, PING), good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        w->request.content_type = mcpa_str(bad[i]);
        assert_reason(MCPA_REASON_MEDIA_TYPE, ask_body(w, LEGACY, PING), bad[i] ? bad[i] : "absent");
    }
    w->request.content_type = MCPA_STR("application/json");
    ask_reads = 0;
    for (size_t i = 0; i < COUNT(encodings); i++) {
        w->request.content_encoding = mcpa_str(encodings[i]);
        assert_reason(MCPA_REASON_MEDIA_TYPE, ask_body(w, LEGACY, PING), encodings[i]);
    }
    assert_int_equal(ask_reads, 0);
    w->request.content_encoding = MCPA_STR("Identity");
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, PING), "identity");
}

/* Attack 88, and whoever reads the body has the last word. */
static void a_body_that_was_not_read_whole_is_refused(void **state)
{
    static const mcpa_reason_t refusals[] = { MCPA_REASON_BODY_TOO_LARGE, MCPA_REASON_BODY_UNREAD, MCPA_REASON_REQUEST_MALFORMED,
                                              MCPA_REASON_UNDECIDED };
    world_t *w = *state;

    for (size_t i = 0; i < COUNT(refusals); i++) {
        ask_given = refusals[i];
        assert_reason(refusals[i], ask_body(w, LEGACY, PING), "read_message's own");
        assert_null(w->decision.message);
    }
    ask_given = MCPA_REASON_PASS;
    w->policy.max_body = strlen(PING);
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, PING), "as long as may be");
    w->policy.max_body--;
    assert_reason(MCPA_REASON_BODY_TOO_LARGE, ask_body(w, LEGACY, PING), "one byte more");
    w->env.read_message = NULL;
    assert_reason(MCPA_REASON_UNDECIDED, ask_body(w, LEGACY, PING), "nobody reads");
}

static void the_transports_other_methods_have_no_body(void **state)
{
    static const ask_t rows[] = {
        { "stream", "GET", LEGACY, NULL, NULL, NULL, MCPA_REASON_PASS, 0 },
        { "end of session", "DELETE", NULL, NULL, NULL, NULL, MCPA_REASON_PASS, 0 },
        { "a lie about nothing", "GET", LEGACY, "tools/list", NULL, NULL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "a name of nothing", "DELETE", LEGACY, NULL, "x", NULL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "unknown", "GET", "2026-01-01", NULL, NULL, NULL, MCPA_REASON_PROTOCOL_UNKNOWN, -32022 },
        { "no such thing any more", "GET", MODERN, NULL, NULL, NULL, MCPA_REASON_METHOD_NOT_ALLOWED, 0 },
        { "nor that", "DELETE", MODERN, NULL, NULL, NULL, MCPA_REASON_METHOD_NOT_ALLOWED, 0 },
    };
    world_t *w = *state;

    ask_rows(w, rows, COUNT(rows));
    assert_int_equal(ask_reads, 0);
    w->request.has_body = true;
    assert_reason(MCPA_REASON_REQUEST_MALFORMED, ask(w, &rows[0]), "GET with a body");
    assert_reason(MCPA_REASON_REQUEST_MALFORMED, ask(w, &rows[1]), "DELETE with a body");
    w->request.has_body = false;
    w->policy.protocols = MCPA_REVISION_BIT(MCPA_REVISION_2026_07_28);
    assert_reason(MCPA_REASON_METHOD_NOT_ALLOWED, ask(w, &rows[0]), "GET where the older era is not let in");
}

/* Attacks 79 and 82. */
static void what_is_no_message_is_refused_with_the_codes_of_json_rpc(void **state)
{
    static const ask_t rows[] = {
        { "nothing at all", NULL, LEGACY, NULL, NULL, NULL, MCPA_REASON_MESSAGE_MALFORMED, -32700 },
        { "nothing", NULL, LEGACY, NULL, NULL, "", MCPA_REASON_MESSAGE_MALFORMED, -32700 },
        { "no JSON", NULL, LEGACY, NULL, NULL, "{", MCPA_REASON_MESSAGE_MALFORMED, -32700 },
        { "BOM", NULL, LEGACY, NULL, NULL, "\xef\xbb\xbf" PING, MCPA_REASON_MESSAGE_MALFORMED, -32700 },
        { "two", NULL, LEGACY, NULL, NULL, PING PING, MCPA_REASON_MESSAGE_MALFORMED, -32700 },
        { "batch", NULL, LEGACY, NULL, NULL, "[" PING "," OLD "]", MCPA_REASON_MESSAGE_MALFORMED, -32600 },
        { "batch without a version", NULL, NULL, NULL, NULL, "[" PING "]", MCPA_REASON_MESSAGE_MALFORMED, -32600 },
        { "method twice", NULL, LEGACY, NULL, NULL,
          "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"tools/call\"}", MCPA_REASON_MESSAGE_MALFORMED, -32600 },
        { "escaped", NULL, LEGACY, NULL, NULL, "{\"jsonrpc\":\"2.0\",\"id\":1,\"\\u006dethod\":\"ping\"}",
          MCPA_REASON_MESSAGE_MALFORMED, -32600 },
        { "other case", NULL, LEGACY, NULL, NULL, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"Method\":\"tools/call\"}",
          MCPA_REASON_MESSAGE_MALFORMED, -32600 },
        { "name twice", NULL, LEGACY, NULL, NULL, RPC("tools/call", "\"name\":\"a\",\"name\":\"b\""),
          MCPA_REASON_MESSAGE_MALFORMED, -32600 },
        { "null id", NULL, LEGACY, NULL, NULL, "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
          MCPA_REASON_MESSAGE_MALFORMED, -32600 },
        { "bad method", NULL, LEGACY, NULL, NULL, RPC("tools/../call", ""), MCPA_REASON_MESSAGE_MALFORMED, -32600 },
        { "name of a number", NULL, LEGACY, NULL, NULL, RPC("tools/call", "\"name\":1"), MCPA_REASON_MESSAGE_MALFORMED, -32602 },
        { "response in the newer era", NULL, MODERN, NULL, NULL, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
          MCPA_REASON_MESSAGE_MALFORMED, -32600 },
        { "no _meta", NULL, MODERN, "tools/list", NULL, RPC("tools/list", ""), MCPA_REASON_MESSAGE_MALFORMED, -32602 },
    };

    ask_rows(*state, rows, COUNT(rows));
}

/* Attacks 80, 81 and 83: whoever routes by a header and whoever reads the body must come to the same. */
static void headers_and_body_agree_in_either_era(void **state)
{
    static const ask_t rows[] = {
        { "newer", NULL, MODERN, "tools/call", "purge", CALL, MCPA_REASON_PASS, 0 },
        { "newer, encoded", NULL, MODERN, "tools/call", "=?base64?cHVyZ2U=?=", CALL, MCPA_REASON_PASS, 0 },
        { "older", NULL, LEGACY, NULL, NULL, OLD, MCPA_REASON_PASS, 0 },
        { "older, none", NULL, NULL, NULL, NULL, OLD, MCPA_REASON_PASS, 0 },
        { "older, mirrored truly", NULL, LEGACY, "tools/call", "purge", OLD, MCPA_REASON_PASS, 0 },
        { "older method lies", NULL, LEGACY, "tools/list", NULL, OLD, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "method lies without a version", NULL, NULL, "tools/list", NULL, OLD, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "older name lies", NULL, LEGACY, "tools/call", "list", OLD, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "newer method lies", NULL, MODERN, "tools/list", "purge", CALL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "newer name lies", NULL, MODERN, "tools/call", "Purge", CALL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "no method", NULL, MODERN, NULL, "purge", CALL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "no name", NULL, MODERN, "tools/call", NULL, CALL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "a name too many", NULL, MODERN, "tools/list", "purge", LIST, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "body newer than header", NULL, LEGACY, "tools/call", "purge", CALL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "body newer than nothing", NULL, NULL, "tools/call", "purge", CALL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "bad base64", NULL, MODERN, "tools/call", "=?base64?cHVyZ2U?=", CALL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "a NUL", NULL, MODERN, "tools/call", "=?base64?cHVyZ2UA?=", CALL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "encoded twice", NULL, MODERN, "tools/call", "=?base64?PT9iYXNlNjQ/Y0hWeVoyVT0/PQ==?=", CALL,
          MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "unknown", NULL, "2026-07-29", "tools/call", "purge", CALL, MCPA_REASON_PROTOCOL_UNKNOWN, -32022 },
        { "two in one", NULL, MODERN ", " MODERN, "tools/call", "purge", CALL, MCPA_REASON_PROTOCOL_UNKNOWN, -32022 },
    };
    world_t *w = *state;

    ask_rows(w, rows, COUNT(rows));
    w->request.mirrors_repeated = true;
    assert_reason(MCPA_REASON_MIRROR_MISMATCH, ask(w, &rows[0]), "twice the same");
    assert_int_equal(w->decision.rpc_code, -32020);
    assert_reason(MCPA_REASON_MIRROR_MISMATCH, ask(w, &(ask_t){ .http = "GET" }), "GET with two versions");
}

static void a_location_lets_in_the_revisions_it_names(void **state)
{
#define OPEN(version) RPC("initialize", "\"protocolVersion\":\"" version "\"")
    static const ask_t old[] = {
        { "the one", NULL, LEGACY, NULL, NULL, PING, MCPA_REASON_PASS, 0 },
        { "an older one", NULL, "2025-06-18", NULL, NULL, PING, MCPA_REASON_PROTOCOL_DENIED, -32022 },
        { "no word, which stands for an older one", NULL, NULL, NULL, NULL, PING, MCPA_REASON_PROTOCOL_DENIED, -32022 },
        { "a proposal", NULL, NULL, NULL, NULL, OPEN("2025-06-18"), MCPA_REASON_PASS, 0 },
        { "a proposal from the future", NULL, NULL, NULL, NULL, OPEN("2030-01-01"), MCPA_REASON_PASS, 0 },
        { "a header is no proposal", NULL, "2025-06-18", NULL, NULL, OPEN("2025-06-18"), MCPA_REASON_PROTOCOL_DENIED, -32022 },
        { "the newer era", NULL, MODERN, "tools/call", "purge", CALL, MCPA_REASON_PROTOCOL_DENIED, -32022 },
        { "stream", "GET", LEGACY, NULL, NULL, NULL, MCPA_REASON_PASS, 0 },
        { "stream of an older one", "GET", NULL, NULL, NULL, NULL, MCPA_REASON_PROTOCOL_DENIED, -32022 },
    };
    static const ask_t new[] = {
        { "newer", NULL, MODERN, "tools/call", "purge", CALL, MCPA_REASON_PASS, 0 },
        { "older", NULL, LEGACY, NULL, NULL, PING, MCPA_REASON_PROTOCOL_DENIED, -32022 },
        { "no word", NULL, NULL, NULL, NULL, PING, MCPA_REASON_PROTOCOL_DENIED, -32022 },
        { "an opening of the older era", NULL, NULL, NULL, NULL, OPEN(LEGACY), MCPA_REASON_PROTOCOL_DENIED, -32022 },
    };
    world_t *w = *state;

    w->policy.protocols = MCPA_REVISION_BIT(MCPA_REVISION_2025_11_25);
    ask_rows(w, old, COUNT(old));
    w->policy.protocols = MCPA_REVISION_BIT(MCPA_REVISION_2026_07_28);
    ask_rows(w, new, COUNT(new));
    assert_true(mcpa_str_eqz(w->decision.requested, LEGACY));
    assert_int_equal(w->decision.supported, w->policy.protocols);
    w->policy.protocols = UINT32_C(1) << 31 | MCPA_REVISION_BIT(MCPA_REVISION_NONE);
    assert_reason(MCPA_REASON_PROTOCOL_DENIED, ask(w, &new[0]), "bits that are no revision let nobody in");
}

static const mcpa_operation_t all_rules[] = { { "*", NULL, MCPA_EFFECT_GRANTED, NULL } };
static const mcpa_operations_t all_granted = { all_rules, 1, NULL };

static void headers_alone_decide_only_where_servers_compare(void **state)
{
    static const ask_t rows[] = {
        { "list", NULL, MODERN, "tools/list", NULL, NULL, MCPA_REASON_PASS, 0 },
        { "call", NULL, MODERN, "tools/call", "purge", NULL, MCPA_REASON_PASS, 0 },
        { "encoded", NULL, MODERN, "resources/read", "=?base64?ZmlsZTovLy/DpA==?=", NULL, MCPA_REASON_PASS, 0 },
        { "no version", NULL, NULL, "tools/list", NULL, NULL, MCPA_REASON_PROTOCOL_DENIED, -32022 },
        { "older", NULL, LEGACY, "tools/list", NULL, NULL, MCPA_REASON_PROTOCOL_DENIED, -32022 },
        { "unknown", NULL, "2027-01-01", "tools/list", NULL, NULL, MCPA_REASON_PROTOCOL_UNKNOWN, -32022 },
        { "no method", NULL, MODERN, NULL, NULL, NULL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "no name", NULL, MODERN, "tools/call", NULL, NULL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "empty name", NULL, MODERN, "tools/call", "", NULL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "a name too many", NULL, MODERN, "tools/list", "x", NULL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "bad name", NULL, MODERN, "tools/call", "=?base64?x?=", NULL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "no method at all", NULL, MODERN, "tools call", "x", NULL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "two in one", NULL, MODERN, "tools/list, tools/call", NULL, NULL, MCPA_REASON_MIRROR_MISMATCH, -32020 },
        { "needs the body", NULL, MODERN, "subscriptions/listen", NULL, NULL, MCPA_REASON_OPERATION_DENIED, 0 },
        { "that too", NULL, MODERN, "completion/complete", NULL, NULL, MCPA_REASON_OPERATION_DENIED, 0 },
        { "servers need not compare", NULL, MODERN, "notifications/cancelled", NULL, NULL, MCPA_REASON_OPERATION_DENIED, 0 },
        { "nor for one they do not know", NULL, MODERN, "notifications/x", NULL, NULL, MCPA_REASON_OPERATION_DENIED, 0 },
        { "its URI is not mirrored", NULL, MODERN, "resources/subscribe", NULL, NULL, MCPA_REASON_OPERATION_DENIED, 0 },
        { "unknown method", NULL, MODERN, "tools/purge", NULL, NULL, MCPA_REASON_OPERATION_UNKNOWN, -32601 },
        { "a word for the stream", NULL, MODERN, "GET", NULL, NULL, MCPA_REASON_OPERATION_UNKNOWN, -32601 },
        { "stream", "GET", LEGACY, NULL, NULL, NULL, MCPA_REASON_METHOD_NOT_ALLOWED, 0 },
    };
    world_t *w = *state;

    w->policy.inspect = MCPA_INSPECT_HEADERS;
    ask_rows(w, rows, COUNT(rows));
    assert_int_equal(ask_reads, 0);
    w->policy.operations = &all_granted;
    assert_reason(MCPA_REASON_OPERATION_DENIED, ask(w, &(ask_t){ .version = MODERN, .method = "notifications/cancelled" }),
                  "not even where a rule lets everything in");
    w->policy.operations = NULL;
    assert_reason(MCPA_REASON_PASS, ask(w, &rows[2]), "encoded");
    assert_true(mcpa_str_eqz(w->decision.operation_name, "file:///\xc3\xa4"));
    w->request.mirrors_repeated = true;
    assert_reason(MCPA_REASON_MIRROR_MISMATCH, ask(w, &rows[0]), "two methods");
    w->request.mirrors_repeated = false;
    w->policy.protocols = MCPA_REVISION_BIT(MCPA_REVISION_2025_11_25);
    assert_reason(MCPA_REASON_PROTOCOL_DENIED, ask(w, &rows[0]), "no revision is left");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_message_is_read_behind_everything_else, ask_setup),
        cmocka_unit_test_setup(a_message_is_plain_json, ask_setup),
        cmocka_unit_test_setup(a_body_that_was_not_read_whole_is_refused, ask_setup),
        cmocka_unit_test_setup(the_transports_other_methods_have_no_body, ask_setup),
        cmocka_unit_test_setup(what_is_no_message_is_refused_with_the_codes_of_json_rpc, ask_setup),
        cmocka_unit_test_setup(headers_and_body_agree_in_either_era, ask_setup),
        cmocka_unit_test_setup(a_location_lets_in_the_revisions_it_names, ask_setup),
        cmocka_unit_test_setup(headers_alone_decide_only_where_servers_compare, ask_setup),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
