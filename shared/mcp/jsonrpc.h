/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON-RPC message of the Model Context Protocol, read for what a decision needs: method, id, and the names by which operations are told
 * apart. One pass, no allocation, no tree; everything borrows from the body, or from the memory in the result where a string was written
 * with escapes.
 *
 * Parsers differ in what they make of odd documents, and whoever decides must see what the server will see. So what parsers differ about is
 * refused: everything base/jsonscan.h refuses; arrays (batches, gone since 2025-06-18); members at the top that JSON-RPC does not have; member
 * names written with escapes, or standing twice, at the top, in params, in params._meta and in params.ref, and there names that are a deciding one
 * but for their case. Deeper down (tool arguments) nothing is decided, and members may be what they like. JSON-RPC 2.0; MCP 2025-11-25 and
 * 2026-07-28, base protocol. */
#ifndef MCPA_MCP_JSONRPC_H
#define MCPA_MCP_JSONRPC_H

#include "base/bytes.h"
#include "base/jsonscan.h"
#include "base/lengths.h"
#include "base/limits.h"

typedef enum mcpa_rpc_kind {
    MCPA_RPC_REQUEST = 1,
    MCPA_RPC_NOTIFICATION, /* no id */
    MCPA_RPC_RESPONSE      /* no method; clients of the older revisions answer the server's questions so */
} mcpa_rpc_kind_t;

/* Why a body is no message. The words are for logs and error messages (mcpa_rpc_fault_word). */
typedef enum mcpa_rpc_fault {
    MCPA_RPC_OK = 0,
    MCPA_RPC_NOT_JSON,  /* not strict JSON in UTF-8, or something behind it */
    MCPA_RPC_BATCH,     /* an array */
    MCPA_RPC_NOT_RPC,   /* no JSON-RPC 2.0 message: members missing, unknown, of a wrong type, or a mixture of request and response */
    MCPA_RPC_AMBIGUOUS, /* a member twice, or its name written with escapes */
    MCPA_RPC_TOO_DEEP,
    MCPA_RPC_BAD_ID,    /* null, empty, a fraction, or a number of more than 15 characters */
    MCPA_RPC_BAD_METHOD,
    MCPA_RPC_BAD_NAME,  /* of tool, prompt, resource or task: empty, not a string, or with control characters */
    MCPA_RPC_TOO_LONG   /* what 'too_long' says: over its ceiling */
} mcpa_rpc_fault_t;

typedef struct mcpa_rpc {
    mcpa_rpc_kind_t kind;
    mcpa_str_t method; /* [A-Za-z0-9._/-]+ without ".." */
    mcpa_str_t id;     /* as it stands in the body, quotes included, so that an answer can repeat it */
    /* Of params; absent: {NULL, 0}. */
    mcpa_str_t name;
    mcpa_str_t uri;
    mcpa_str_t task_id;
    mcpa_str_t protocol_version; /* params.protocolVersion, of initialize */
    mcpa_str_t meta_version;     /* params._meta["io.modelcontextprotocol/protocolVersion"] */
    bool has_meta_capabilities;  /* params._meta["io.modelcontextprotocol/clientCapabilities"] */
    mcpa_str_t ref_type;         /* params.ref, of completion/complete */
    mcpa_str_t ref_name;
    mcpa_str_t ref_uri;
    mcpa_str_t subscriptions;    /* params.notifications.resourceSubscriptions, the array's text: see mcpa_rpc_next_uri */
    bool has_params;

    bool has_version, has_result, has_error; /* "jsonrpc", "result", "error" were there */
    mcpa_length_t too_long;      /* with MCPA_RPC_TOO_LONG */
    const mcpa_lengths_t *lengths; /* during the scan */
    char memory[MCPA_RPC_MEMORY_BYTES]; /* strings that were written with escapes */
    size_t used;
} mcpa_rpc_t;

/* rpc is filled when the answer is MCPA_RPC_OK; otherwise only its id may be used (absent unless a good one was read before the fault), and too_long.
 * lengths: NULL for the defaults. */
mcpa_rpc_fault_t mcpa_rpc_scan(mcpa_rpc_t *rpc, mcpa_str_t body, const mcpa_lengths_t *lengths) MCPA_MUST_CHECK;
/* The next of rpc->subscriptions; scan begins as {0}. MCPA_ENOTFOUND at the end; MCPA_EMALFORMED: an element is no string a name may be;
 * MCPA_ETOOBIG: longer than MCPA_RPC_URI_MAX_BYTES. */
mcpa_status_t mcpa_rpc_next_uri(const mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan, char memory[MCPA_RPC_URI_MAX_BYTES], mcpa_str_t *uri) MCPA_MUST_CHECK;
/* Whether this is a name that a method can have: 1 to MCPA_RPC_METHOD_MAX_BYTES of [A-Za-z0-9._/-] without "..". */
bool mcpa_rpc_is_method(mcpa_str_t method);
/* Never NULL. */
const char *mcpa_rpc_fault_word(mcpa_rpc_fault_t fault);
/* JSON-RPC's codes for the error object (JSON-RPC 2.0 section 5.1). */
#define MCPA_RPC_CODE_JSON    (-32700)
#define MCPA_RPC_CODE_REQUEST (-32600)
#define MCPA_RPC_CODE_METHOD  (-32601)
#define MCPA_RPC_CODE_PARAMS  (-32602)
int mcpa_rpc_fault_code(mcpa_rpc_fault_t fault);
/* The code for MCPA_RPC_TOO_LONG. */
int mcpa_rpc_length_code(mcpa_length_t too_long);

#endif
