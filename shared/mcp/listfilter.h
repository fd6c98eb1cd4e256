/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that show only what the caller may use: the answer to tools/list, prompts/list, resources/list or resources/templates/list with the other
 * elements cut out of its text. The lists are known by where they stand in the result, whatever was asked for. Nothing is written anew: every byte that stays stands as the server wrote it, but for the cache scope, because a list
 * that was cut for one caller must not be shown to another.
 *
 * What cannot be understood beyond doubt must be withheld by the caller (MCPA_EMALFORMED): no strict JSON, an array, a member that decides twice or
 * with an escaped name. An element that does not say plainly what it is called is cut out. */
#ifndef MCPA_MCP_LISTFILTER_H
#define MCPA_MCP_LISTFILTER_H

#include "base/bytes.h"
#include "base/jsonscan.h"

typedef struct mcpa_list_filter {
    /* operation: what an element is used by, "tools/call", "prompts/get" or "resources/read"; name: of the tool or prompt, or the resource's URI or
     * template. */
    bool (*allowed)(void *ctx, mcpa_str_t operation, mcpa_str_t name);
    void (*keep)(void *ctx, mcpa_str_t bytes);   /* the new text in pieces, in order; they borrow from the document or are constant */
    void *ctx;
    bool add_cache_scope; /* also where the server says none (revisions from 2026-07-28 on) */
    size_t kept, removed; /* elements; counted up */
} mcpa_list_filter_t;

/* Whether answers to this method are lists to be filtered. */
bool mcpa_list_filter_wants(mcpa_str_t method);
/* document: one message from the server; what is no result passes whole. Anything but MCPA_OK: what was kept so far must be thrown away. */
mcpa_status_t mcpa_list_filter(mcpa_list_filter_t *filter, mcpa_str_t document) MCPA_MUST_CHECK;

#endif
