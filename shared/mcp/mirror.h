/* SPDX-License-Identifier: Apache-2.0 */
/* What a request's headers say about its body, held against the body: MCP-Protocol-Version, Mcp-Method, Mcp-Name (MCP 2026-07-28, transports,
 * "Mirrored headers"). Others route by these headers, so a lie in one is refused in either era, and nothing is ever decided by them here. */
#ifndef MCPA_MCP_MIRROR_H
#define MCPA_MCP_MIRROR_H

#include "mcp/jsonrpc.h"
#include "mcp/revision.h"

/* The headers as they came, white space around them removed; absent: {NULL, 0}. Which of them came more than once is for the caller to refuse. */
typedef struct mcpa_mirrors {
    mcpa_str_t version;
    mcpa_str_t method;
    mcpa_str_t name;
} mcpa_mirrors_t;

typedef enum mcpa_mirror_fault {
    MCPA_MIRROR_OK = 0,
    MCPA_MIRROR_VERSION_UNKNOWN, /* JSON-RPC -32022, tells the revisions there are */
    MCPA_MIRROR_MISMATCH,        /* -32020: a header lies, is missing where the revision wants it, or cannot be decoded */
    MCPA_MIRROR_META_MISSING,    /* -32602: the body lacks what the revision wants in params._meta */
    MCPA_MIRROR_SHAPE            /* -32600: a kind of message that this revision does not have */
} mcpa_mirror_fault_t;

/* *revision: what the request speaks: the header's, else the one that stands for its absence. */
mcpa_mirror_fault_t mcpa_mirror_check(mcpa_revision_t *revision, const mcpa_rpc_t *rpc, const mcpa_mirrors_t *mirrors) MCPA_MUST_CHECK;
/* The value of Mcp-Name or Mcp-Param-*: literal, or "=?base64?...?=" decoded into memory. MCPA_EMALFORMED: broken base64, no UTF-8, control
 * characters, or a literal that is not visible ASCII. MCPA_ETOOBIG. */
mcpa_status_t mcpa_mirror_decode(mcpa_str_t header, char *memory, size_t cap, mcpa_str_t *value) MCPA_MUST_CHECK;
/* Whether Mcp-Name repeats a name for this method. */
bool mcpa_mirror_has_name(mcpa_str_t method);
/* The name that it repeats; {NULL, 0} when the method or the message has none. */
mcpa_str_t mcpa_mirror_name(const mcpa_rpc_t *rpc);
/* JSON-RPC's code for the error object. */
int mcpa_mirror_code(mcpa_mirror_fault_t fault);

#endif
