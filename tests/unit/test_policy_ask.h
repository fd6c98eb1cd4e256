/* SPDX-License-Identifier: Apache-2.0 */
/* One MCP message put to mcpa_decide with a good token, and what the answer would be. */
#ifndef TEST_POLICY_ASK_H
#define TEST_POLICY_ASK_H

#include "policy/challenge.h"
#include "test_policy_world.h"

#define LEGACY "2025-11-25"
#define MODERN "2026-07-28"
#define META                                                                                                                     \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"" MODERN "\",\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define RPC(method, params)      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":{" params "}}"
#define MODERN_RPC(method, more) RPC(method, META more)
#define PING                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"

typedef struct ask {
    const char *what;
    const char *http; /* NULL: POST */
    const char *version, *method, *name;
    const char *body;
    mcpa_reason_t reason;
    int code; /* JSON-RPC's; 0: none of the protocol's own */
} ask_t;

/* What read_message gives: 'given' is a refusal of its own, or PASS with the message. */
static mcpa_message_t ask_message;
static mcpa_reason_t ask_given = MCPA_REASON_PASS;
static int ask_reads;

static inline mcpa_reason_t ask_read(void *ctx, uint64_t max_body, mcpa_message_t **message)
{
    const world_t *w = ctx;

    assert_int_equal(max_body, w->policy.max_body);
    ask_reads++;
    *message = &ask_message;
    return ask_given;
}

static inline int ask_setup(void **state)
{
    world_t *w = *state;

    world_reset(w);
    w->policy.inspect = MCPA_INSPECT_BODY;
    w->policy.max_body = MCPA_BODY_DEFAULT_BYTES;
    w->policy.scopes = NULL;
    w->env.read_message = ask_read;
    w->request.content_type = MCPA_STR("application/json");
    ask_given = MCPA_REASON_PASS;
    ask_reads = 0;
    give_claims(w, (claim_t[]){ { "scope", "\"mcp:tools.exec\"" } }, 1);
    return 0;
}

static inline mcpa_reason_t ask(world_t *w, const ask_t *row)
{
    memset(&ask_message, 0xa5, sizeof(ask_message)); /* what is not set is not to be read */
    mcpa_message_init(&ask_message, mcpa_str(row->body));
    w->request.method = mcpa_str(row->http ? row->http : "POST");
    w->request.mirrors = (mcpa_mirrors_t){ mcpa_str(row->version), mcpa_str(row->method), mcpa_str(row->name) };
    return decide(w);
}

static inline void ask_rows(world_t *w, const ask_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_reason(rows[i].reason, ask(w, &rows[i]), rows[i].what);
        if (w->decision.rpc_code != rows[i].code) {
            fail_msg("%s: code %d", rows[i].what, w->decision.rpc_code);
        }
    }
}

static inline mcpa_reason_t ask_body(world_t *w, const char *version, const char *body)
{
    return ask(w, &(ask_t){ .version = version, .body = body });
}

/* The body of the answer. */
static inline const char *ask_error(const world_t *w, int64_t retry_after_s)
{
    static char memory[MCPA_ERROR_MESSAGE_MAX_BYTES];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_error_message_print(&out, &w->decision, retry_after_s);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    return memory;
}

#endif
