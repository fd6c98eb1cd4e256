/* SPDX-License-Identifier: Apache-2.0 */
/* The SHA-256 of a request's token. A client sends the same token over one connection again and again, so a connection keeps its last one together
 * with the hash: comparing it costs a fiftieth of hashing it. Nothing but work is saved: the hash is what it would be. */
#ifndef MOD_MCP_TOKENHASH_H
#define MOD_MCP_TOKENHASH_H

#include "mod_mcp_auth.h"

#include "base/digest.h"

/* Thread: the one that works for the connection. Streams of HTTP/2 are several at once and keep nothing. False as with mcpa_sha256. */
bool mod_mcp_token_hash(conn_rec *c, unsigned char hash[MCPA_SHA256_BYTES], mcpa_str_t token) MCPA_MUST_CHECK;

#endif
