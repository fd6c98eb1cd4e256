/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner against a parser (base/json.h), and that one against another (jansson): the scanner takes no text that they refuse, refuses none
 * for its grammar that they take, and what it tells of a message is what the tree says. */
#include <stdlib.h>

#include "base/json.h"
#include "base/text.h"
#include "mcp/jsonrpc.h"
#include "test_json_peer.h"

#define MAX_VALUES 1000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

/* What the parsers refuse for its size alone. */
static bool has_big_number(mcpa_str_t text)
{
    size_t digits = 0;

    for (size_t i = 0; i < text.len; i++) {
        bool digit = text.ptr[i] >= '0' && text.ptr[i] <= '9';

        digits = digit ? digits + 1 : 0;
        if (digits > 15 || (digits > 0 && i + 1 < text.len && (text.ptr[i + 1] | 0x20) == 'e')) {
            return true;
        }
    }
    return false;
}

static void same(mcpa_str_t scanned, const mcpa_json_t *value)
{
    must(mcpa_str_eq(scanned, mcpa_json_string(value)) && (scanned.ptr != NULL) == mcpa_json_is(value, MCPA_JSON_STRING));
}

static void check_subscriptions(const mcpa_rpc_t *rpc, const mcpa_json_t *notifications)
{
    const mcpa_json_t *list = mcpa_json_member(notifications, "resourceSubscriptions");
    char memory[MCPA_RPC_URI_MAX_BYTES];
    mcpa_jsonscan_t scan = { 0 };
    mcpa_status_t status;
    mcpa_str_t uri;
    size_t i = 0;

    must((rpc->subscriptions.ptr != NULL) == mcpa_json_is(list, MCPA_JSON_ARRAY));
    while ((status = mcpa_rpc_next_uri(rpc, &scan, memory, &uri)) == MCPA_OK) {
        must(mcpa_str_eq(uri, mcpa_json_string(mcpa_json_at(list, i++))));
    }
    must(status == MCPA_EMALFORMED || status == MCPA_ETOOBIG || i == (list != NULL ? mcpa_json_size(list) : 0));
}

static void check_message(const mcpa_rpc_t *rpc, const mcpa_json_t *tree)
{
    const mcpa_json_t *params = mcpa_json_member(tree, "params");
    const mcpa_json_t *ref = mcpa_json_member(params, "ref"), *meta = mcpa_json_member(params, "_meta");

    must(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(tree, "jsonrpc")), "2.0"));
    same(rpc->method, mcpa_json_member(tree, "method"));
    same(rpc->name, mcpa_json_member(params, "name"));
    same(rpc->uri, mcpa_json_member(params, "uri"));
    same(rpc->task_id, mcpa_json_member(params, "taskId"));
    same(rpc->protocol_version, mcpa_json_member(params, "protocolVersion"));
    same(rpc->meta_version, mcpa_json_member(meta, "io.modelcontextprotocol/protocolVersion"));
    same(rpc->ref_type, mcpa_json_member(ref, "type"));
    same(rpc->ref_name, mcpa_json_member(ref, "name"));
    same(rpc->ref_uri, mcpa_json_member(ref, "uri"));
    must((rpc->id.ptr != NULL) == (mcpa_json_member(tree, "id") != NULL));
    must(rpc->has_params == (params != NULL));
    must((rpc->kind == MCPA_RPC_RESPONSE) == (rpc->method.ptr == NULL));
    must((rpc->kind == MCPA_RPC_NOTIFICATION) == (rpc->id.ptr == NULL));
    check_subscriptions(rpc, mcpa_json_member(params, "notifications"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcpa_str_t text = { (const char *)data, size };
    static mcpa_rpc_t rpc;
    mcpa_rpc_fault_t fault = mcpa_rpc_scan(&rpc, text, NULL);
    mcpa_json_t *tree = NULL;
    mcpa_status_t parsed = mcpa_json_parse(&tree, text, MCPA_JSONSCAN_MAX_DEPTH, MAX_VALUES);
    mcpa_jsonscan_t scan;
    mcpa_status_t walked;
    bool taken;

    must(peer_agrees(text, &taken));
    mcpa_jsonscan_init(&scan, text);
    walked = mcpa_jsonscan_skip(&scan, NULL);
    walked = walked == MCPA_OK ? mcpa_jsonscan_finish(&scan) : walked;
    if (parsed != MCPA_EDUPLICATE &&
        parsed != MCPA_ENOMEM) { /* the parser stops at a name that stands twice, before worse things behind it */
        must(walked == MCPA_OK ? parsed == MCPA_OK || has_big_number(text) : parsed != MCPA_OK);
    }
    must(fault != MCPA_RPC_OK || walked == MCPA_OK);
    must(fault != MCPA_RPC_NOT_JSON || walked != MCPA_OK);
    if (fault == MCPA_RPC_OK && parsed == MCPA_OK) {
        check_message(&rpc, tree);
    }
    must(mcpa_rpc_fault_word(fault) != NULL);
    mcpa_json_free(&tree);
    return 0;
}
