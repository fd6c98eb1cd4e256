/* SPDX-License-Identifier: Apache-2.0 */
/* What a decision is made from must be what the server will read: messages of both eras, and everything parsers differ about
 * (attacks 79, 82). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "mcp/jsonrpc.h"
#include "test_json_peer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static mcpa_rpc_t rpc;

static mcpa_rpc_fault_t scan(const char *text)
{
    return mcpa_rpc_scan(&rpc, mcpa_str(text), NULL);
}

static void is(mcpa_str_t found, const char *wanted)
{
    if (wanted == NULL) {
        assert_null(found.ptr);
    } else {
        assert_true(mcpa_str_eqz(found, wanted));
    }
}

static void a_call_is_read(void **state)
{
    (void)state;
    assert_int_equal(
        scan(" {\"jsonrpc\":\"2.0\", \"id\" : "
             "\"7\",\n\"method\":\"tools/call\",\"params\":{\"arguments\":{\"name\":\"other\",\"method\":\"x\","
             "\"deep\":[[{\"jsonrpc\":1}]]},\"name\":\"get_weather\",\"taskId\":\"t1\",\"_meta\":{\"io.modelcontextprotocol/"
             "protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{},\"x\":1}}}\r\n"),
        MCPA_RPC_OK);
    assert_int_equal(rpc.kind, MCPA_RPC_REQUEST);
    is(rpc.method, "tools/call");
    is(rpc.id, "\"7\"");
    is(rpc.name, "get_weather");
    is(rpc.task_id, "t1");
    is(rpc.meta_version, "2026-07-28");
    is(rpc.uri, NULL);
    is(rpc.protocol_version, NULL);
    assert_true(rpc.has_params && rpc.has_meta_capabilities);
}

static void the_other_kinds_are_read(void **state)
{
    (void)state;
    assert_int_equal(scan("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"), MCPA_RPC_OK);
    assert_int_equal(rpc.kind, MCPA_RPC_NOTIFICATION);
    assert_int_equal(scan("{\"id\":-12,\"result\":{\"method\":\"tools/call\"},\"jsonrpc\":\"2.0\"}"), MCPA_RPC_OK);
    assert_int_equal(rpc.kind, MCPA_RPC_RESPONSE);
    is(rpc.method, NULL);
    is(rpc.id, "-12");
    assert_int_equal(scan("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"completion/complete\",\"params\":{\"ref\":{\"type\":\"ref/"
                          "resource\",\"uri\":\"a:b\"}}}"),
                     MCPA_RPC_OK);
    is(rpc.ref_type, "ref/resource");
    is(rpc.ref_uri, "a:b");
    is(rpc.ref_name, NULL);
}

static void values_written_with_escapes_are_decoded(void **state)
{
    (void)state;
    assert_int_equal(scan("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools\\/"
                          "call\",\"params\":{\"name\":\"K\\u00f6\\ud83d\\ude00\\u20AC\",\"uri\":\"a\\\\\\\"b\"}}"),
                     MCPA_RPC_OK);
    is(rpc.method, "tools/call");
    is(rpc.name, "K\xc3\xb6\xf0\x9f\x98\x80\xe2\x82\xac");
    is(rpc.uri, "a\\\"b");
}

static void subscriptions_are_told_one_by_one(void **state)
{
    char memory[MCPA_RPC_URI_MAX_BYTES];
    mcpa_jsonscan_t walk = { 0 };
    mcpa_str_t uri;

    (void)state;
    assert_int_equal(scan("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscriptions/"
                          "listen\",\"params\":{\"notifications\":{\"resourceSubscriptions\":"
                          "[\"a:1\" , \"b\\u003a2\"],\"toolsListChanged\":true}}}"),
                     MCPA_RPC_OK);
    assert_int_equal(mcpa_rpc_next_uri(&rpc, &walk, memory, &uri), MCPA_OK);
    is(uri, "a:1");
    assert_int_equal(mcpa_rpc_next_uri(&rpc, &walk, memory, &uri), MCPA_OK);
    is(uri, "b:2");
    assert_int_equal(mcpa_rpc_next_uri(&rpc, &walk, memory, &uri), MCPA_ENOTFOUND);
    walk = (mcpa_jsonscan_t){ 0 };
    assert_int_equal(
        scan("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\"notifications\":{\"resourceSubscriptions\":[\"\"]}}}"),
        MCPA_RPC_OK);
    assert_int_equal(mcpa_rpc_next_uri(&rpc, &walk, memory, &uri), MCPA_EMALFORMED);
}

static const struct {
    mcpa_rpc_fault_t fault;
    const char *text;
} refused[] = {
    { MCPA_RPC_NOT_JSON, "" },
    { MCPA_RPC_NOT_JSON, "\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}" },
    { MCPA_RPC_NOT_JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}{}" },
    { MCPA_RPC_NOT_JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}" },
    { MCPA_RPC_NOT_JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",}" },
    { MCPA_RPC_NOT_JSON, "{'jsonrpc':\"2.0\"}" },
    { MCPA_RPC_NOT_JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"pi\nng\"}" },
    { MCPA_RPC_NOT_JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":{\"a\":\"\\u0000\"}}" },
    { MCPA_RPC_NOT_JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":{\"a\":\"\\ud800\"}}" },
    { MCPA_RPC_NOT_JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":{\"a\":\"\xc0\xaf\"}}" },
    { MCPA_RPC_NOT_JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":{\"a\":01}}" },
    { MCPA_RPC_NOT_JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":{\"a\":[1,]}}" },
    { MCPA_RPC_NOT_JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":{\"a\":NaN}}" },
    { MCPA_RPC_NOT_JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"" },
    { MCPA_RPC_BATCH, "[]" },
    { MCPA_RPC_BATCH, "[{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}]" },
    { MCPA_RPC_NOT_RPC, "1" },
    { MCPA_RPC_NOT_RPC, "{}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"2.0\",\"id\":1}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"1.0\",\"method\":\"ping\"}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":2.0,\"method\":\"ping\"}" },
    { MCPA_RPC_NOT_RPC, "{\"method\":\"ping\"}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"2.0\",\"Method\":\"ping\"}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"__proto__\":{}}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":[1]}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":null}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"result\":{}}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"params\":{}}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"2.0\",\"result\":{}}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"_meta\":1}}" },
    { MCPA_RPC_NOT_RPC, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"ref\":\"x\"}}" },
    { MCPA_RPC_NOT_RPC,
      "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"notifications\":{\"resourceSubscriptions\":\"a\"}}}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"method\":\"tools/list\",\"method\":\"tools/call\"}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{},\"params\":{}}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"name\":\"a\",\"x\":1,\"name\":\"b\"}}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"x\":1,\"x\":1}}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"_meta\":{\"x\":1,\"x\":1}}}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"\\u006dethod\":\"m\"}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"n\\u0061me\":\"a\"}}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"name\":\"a\",\"Name\":\"b\"}}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"URI\":\"b\"}}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"tas\xe2\x84\xaaId\":\"b\"}}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"ref\":{\"Name\":\"b\"}}}" },
    { MCPA_RPC_AMBIGUOUS, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"_META\":{}}}" },
    { MCPA_RPC_AMBIGUOUS,
      "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"_meta\":{\"io.modelcontextprotocol/protocolversion\":\"x\"}}}" },
    { MCPA_RPC_BAD_ID, "{\"jsonrpc\":\"2.0\",\"id\":-0,\"method\":\"m\"}" },
    { MCPA_RPC_BAD_ID, "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"m\"}" },
    { MCPA_RPC_BAD_ID, "{\"jsonrpc\":\"2.0\",\"id\":1.0,\"method\":\"m\"}" },
    { MCPA_RPC_BAD_ID, "{\"jsonrpc\":\"2.0\",\"id\":1e0,\"method\":\"m\"}" },
    { MCPA_RPC_BAD_ID, "{\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"method\":\"m\"}" },
    { MCPA_RPC_BAD_ID, "{\"jsonrpc\":\"2.0\",\"id\":\"\",\"method\":\"m\"}" },
    { MCPA_RPC_BAD_ID, "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"m\"}" },
    { MCPA_RPC_BAD_METHOD, "{\"jsonrpc\":\"2.0\",\"method\":\"\"}" },
    { MCPA_RPC_BAD_METHOD, "{\"jsonrpc\":\"2.0\",\"method\":\"tools/../call\"}" },
    { MCPA_RPC_BAD_METHOD, "{\"jsonrpc\":\"2.0\",\"method\":\"tools call\"}" },
    { MCPA_RPC_BAD_METHOD, "{\"jsonrpc\":\"2.0\",\"method\":\"t\\u00f6ols\"}" },
    { MCPA_RPC_BAD_METHOD, "{\"jsonrpc\":\"2.0\",\"method\":1}" },
    { MCPA_RPC_BAD_NAME, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"name\":\"\"}}" },
    { MCPA_RPC_BAD_NAME, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"name\":[\"a\"]}}" },
    { MCPA_RPC_BAD_NAME, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"name\":\"a\\nb\"}}" },
    { MCPA_RPC_BAD_NAME, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"uri\":\"a\\u007f\"}}" },
    { MCPA_RPC_BAD_NAME, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"taskId\":5}}" },
};

static void what_parsers_differ_about_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        mcpa_rpc_fault_t fault = scan(refused[i].text);

        if (fault != refused[i].fault) {
            print_error("%s\n  is '%s', expected '%s'\n", refused[i].text, mcpa_rpc_fault_word(fault),
                        mcpa_rpc_fault_word(refused[i].fault));
        }
        assert_int_equal(fault, refused[i].fault);
    }
}

/* What is bounded, by its place in the message. */
static const struct {
    const char *before, *after;
    mcpa_length_t kind;
    bool is_raw; /* an id is counted as it is written */
} bounded[] = {
    { "{\"jsonrpc\":\"2.0\",\"id\":\"", "\",\"method\":\"m\"}", MCPA_LENGTH_ID, true },
    { "{\"jsonrpc\":\"2.0\",\"id\":\"", "\",\"result\":{}}", MCPA_LENGTH_ID, true },
    { "{\"jsonrpc\":\"2.0\",\"method\":\"", "\"}", MCPA_LENGTH_METHOD, false },
    { "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"name\":\"", "\"}}", MCPA_LENGTH_NAME, false },
    { "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"uri\":\"", "\"}}", MCPA_LENGTH_URI, false },
    { "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"taskId\":\"", "\"}}", MCPA_LENGTH_NAME, false },
    { "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"ref\":{\"name\":\"", "\"}}}", MCPA_LENGTH_NAME, false },
    { "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"ref\":{\"uri\":\"", "\"}}}", MCPA_LENGTH_URI, false },
};

/* The row with a string of n times 'unit' in it, scanned. */
static mcpa_rpc_fault_t scan_bounded(size_t row, size_t n, const char *unit, const mcpa_lengths_t *lengths)
{
    static char text[8 * MCPA_RPC_URI_MAX_BYTES];
    mcpa_out_t out;

    mcpa_out_init(&out, text, sizeof(text));
    mcpa_out_z(&out, bounded[row].before);
    for (size_t i = 0; i < n; i++) {
        mcpa_out_z(&out, unit);
    }
    mcpa_out_z(&out, bounded[row].after);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    return mcpa_rpc_scan(&rpc, mcpa_out_get(&out), lengths);
}

static void every_ceiling_is_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bounded); i++) {
        const mcpa_length_row_t *row = mcpa_length_row(bounded[i].kind);
        const uint16_t ceilings[] = { row->least, row->usual, row->greatest };

        for (size_t k = 0; k < COUNT(ceilings); k++) {
            mcpa_lengths_t lengths = { { 0 } };
            const mcpa_lengths_t *given = &lengths;
            size_t max = ceilings[k];

            lengths.bytes[bounded[i].kind] = (uint16_t)max;
            if (max == row->usual) {
                given = NULL;
            }
            assert_int_equal(scan_bounded(i, max, "a", given), MCPA_RPC_OK);
            assert_int_equal(scan_bounded(i, max + 1, "a", given), MCPA_RPC_TOO_LONG);
            assert_int_equal(rpc.too_long, bounded[i].kind);
            assert_null(rpc.id.ptr);
            /* Escapes count as the one byte they stand for; in an id as the six they are. */
            assert_int_equal(scan_bounded(i, bounded[i].is_raw ? max / 6 : max, "\\u0061", given), MCPA_RPC_OK);
            assert_int_equal(scan_bounded(i, bounded[i].is_raw ? max / 6 + 1 : max + 1, "\\u0061", given), MCPA_RPC_TOO_LONG);
        }
    }
}

static void letters_of_two_bytes_count_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bounded); i++) {
        size_t max = mcpa_lengths_max(NULL, bounded[i].kind);

        if (bounded[i].kind != MCPA_LENGTH_METHOD) {
            assert_int_equal(scan_bounded(i, max / 2, "\xc3\xa4", NULL), MCPA_RPC_OK);
            assert_int_equal(scan_bounded(i, max / 2 + 1, "\xc3\xa4", NULL), MCPA_RPC_TOO_LONG);
        }
    }
}

static void all_strings_of_a_message_fit_at_once(void **state)
{
    static const mcpa_length_t kinds[] = { MCPA_LENGTH_METHOD, MCPA_LENGTH_NAME, MCPA_LENGTH_URI,
                                           MCPA_LENGTH_NAME,   MCPA_LENGTH_NAME, MCPA_LENGTH_URI };
    static const char *const before[] = { "{\"jsonrpc\":\"2.0\",\"method\":\"",
                                          "\",\"params\":{\"name\":\"",
                                          "\",\"uri\":\"",
                                          "\",\"taskId\":\"",
                                          "\",\"ref\":{\"name\":\"",
                                          "\",\"uri\":\"" };
    static char text[8 * MCPA_RPC_MEMORY_BYTES];
    mcpa_lengths_t lengths;
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, text, sizeof(text));
    for (unsigned kind = 0; kind < MCPA_LENGTHS; kind++) {
        lengths.bytes[kind] = mcpa_length_row((mcpa_length_t)kind)->greatest;
    }
    for (size_t i = 0; i < COUNT(kinds); i++) {
        mcpa_out_z(&out, before[i]);
        for (size_t n = 0; n < lengths.bytes[kinds[i]]; n++) {
            mcpa_out_z(&out, "\\u0062");
        }
    }
    mcpa_out_z(&out, "\"}}}");
    assert_int_equal(mcpa_rpc_scan(&rpc, mcpa_out_get(&out), &lengths), MCPA_RPC_OK);
    assert_int_equal(rpc.ref_uri.len, MCPA_RPC_URI_MAX_BYTES);
    assert_int_equal(rpc.ref_uri.ptr[MCPA_RPC_URI_MAX_BYTES - 1], 'b');
    assert_int_equal(rpc.name.len, MCPA_RPC_NAME_MAX_BYTES);
}

static void depth_and_members_are_bounded(void **state)
{
    char text[4096] = "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"a\":";
    size_t len = strlen(text);

    (void)state;
    for (int inner = MCPA_JSONSCAN_MAX_DEPTH - 2; inner <= MCPA_JSONSCAN_MAX_DEPTH - 1; inner++) {
        memset(text + len, '[', (size_t)inner);
        memset(text + len + inner, ']', (size_t)inner);
        memcpy(text + len + 2 * inner, "}}", 3);
        assert_int_equal(scan(text), inner == MCPA_JSONSCAN_MAX_DEPTH - 2 ? MCPA_RPC_OK : MCPA_RPC_TOO_DEEP);
    }
    len = (size_t)snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"p0\":0");
    for (int i = 1; i <= MCPA_RPC_MEMBERS_MAX; i++) {
        size_t more = len + (size_t)snprintf(text + len, sizeof(text) - len, ",\"p%d\":0", i);

        memcpy(text + more, "}}", 3);
        assert_int_equal(scan(text), i < MCPA_RPC_MEMBERS_MAX ? MCPA_RPC_OK : MCPA_RPC_NOT_RPC);
        len = more;
    }
}

/* Every byte of a message replaced by every value, and the message cut at every place: the scanner, the reader of trees and
 * jansson agree on what is JSON. */
static void grammar_is_that_of_real_parsers(void **state)
{
    static const char message[] =
        "{\"jsonrpc\":\"2.0\",\"id\":-10,\"method\":\"tools/call\",\"params\":{\"name\":\"\xc3\xb6\\n\\u00e9\\ud83d\\ude00\","
        "\"arguments\":[0.5,-1,true,false,null,{\"a\":[ ]},{ }]}}";
    char text[sizeof(message)];
    size_t len = sizeof(message) - 1, taken = 0;

    (void)state;
    for (size_t i = 0; i <= len; i++) {
        for (int c = 0; c < 257; c++) {
            mcpa_str_t input = { text, c < 256 ? len : i };
            mcpa_jsonscan_t walk;
            mcpa_json_t *tree = NULL;
            mcpa_status_t parsed, walked;
            bool is_taken;

            memcpy(text, message, sizeof(message));
            text[i] = c < 256 && i < len ? (char)c : text[i];
            parsed = mcpa_json_parse(&tree, input, MCPA_JSONSCAN_MAX_DEPTH, 1000);
            mcpa_jsonscan_init(&walk, input);
            walked = mcpa_jsonscan_skip(&walk, NULL);
            walked = walked == MCPA_OK ? mcpa_jsonscan_finish(&walk) : walked;
            mcpa_json_free(&tree);
            if ((walked == MCPA_OK) != (parsed == MCPA_OK || parsed == MCPA_EDUPLICATE)) {
                print_error("scanner %d, parser %d: %.*s\n", walked, parsed, (int)input.len, text);
            }
            assert_int_equal(walked == MCPA_OK, parsed == MCPA_OK || parsed == MCPA_EDUPLICATE);
            assert_true(peer_agrees(input, &is_taken));
            taken += is_taken;
        }
    }
    assert_true(taken > 1000); /* both sides of the border were walked */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_read),
        cmocka_unit_test(the_other_kinds_are_read),
        cmocka_unit_test(values_written_with_escapes_are_decoded),
        cmocka_unit_test(subscriptions_are_told_one_by_one),
        cmocka_unit_test(what_parsers_differ_about_is_refused),
        cmocka_unit_test(every_ceiling_is_exact),
        cmocka_unit_test(letters_of_two_bytes_count_twice),
        cmocka_unit_test(all_strings_of_a_message_fit_at_once),
        cmocka_unit_test(depth_and_members_are_bounded),
        cmocka_unit_test(grammar_is_that_of_real_parsers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
