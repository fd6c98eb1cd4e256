/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of lists.h: what its two files share. */
#ifndef MOD_MCP_LISTS_IMPL_H
#define MOD_MCP_LISTS_IMPL_H

#include "util_filter.h"

#include "context.h"
#include "mcp/sse.h"

/* What is done with an answer; known with its first brigade. */
typedef enum mod_mcp_lists_way {
    MOD_MCP_LISTS_UNDECIDED = 0,
    MOD_MCP_LISTS_DOCUMENT,
    MOD_MCP_LISTS_STREAM,
    MOD_MCP_LISTS_NOTHING, /* only an answer without a body is passed */
    MOD_MCP_LISTS_OVER     /* the answer was ended here: whatever still comes is dropped */
} mod_mcp_lists_way_t;

/* Of one request; in its pool, but for the memory. */
typedef struct mod_mcp_lists {
    const mod_mcp_verdict_t *verdict;
    mod_mcp_lists_way_t way;
    bool is_list;                /* a list was asked for, by the request that is answered */
    const char *accept_encoding; /* the client's; NULL: none */
    char *held;                  /* malloc'ed: a stream may live long, a pool would keep the longest event of each length */
    apr_size_t len, cap;
    mcpa_sse_t sse;
    apr_bucket_brigade *out; /* of a stream */
    mcpa_str_t error;        /* what stands for what is withheld; {NULL, 0}: not needed yet */
} mod_mcp_lists_t;

/* false: over MCPA_LIST_MAX_BYTES, or memory ran out. */
bool mod_mcp_lists_hold(mod_mcp_lists_t *lists, mcpa_str_t bytes);
void mod_mcp_lists_let_go(mod_mcp_lists_t *lists);
/* The message with what the caller may not use cut out of it, malloc'ed; NULL: it is to be withheld. */
char *mod_mcp_lists_cut(const mod_mcp_lists_t *lists, mcpa_str_t message, apr_size_t *len);
/* The error that stands for what is withheld, with the request's id where one is known. */
mcpa_str_t mod_mcp_lists_error(mod_mcp_lists_t *lists, apr_pool_t *pool);
void mod_mcp_lists_log(request_rec *r, const mod_mcp_lists_t *lists, const char *what);

/* lists_stream.c */
apr_status_t mod_mcp_lists_stream(ap_filter_t *f, mod_mcp_lists_t *lists, apr_bucket_brigade *bb);

#endif
