/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that show only what their reader may use: an output filter for answers to tools/list, prompts/list, resources/list and
 * resources/templates/list, whether they come as one document or as an event stream, and for streams that carry such answers to
 * earlier requests: the older era's GET stream, and whatever is taken up again with Last-Event-ID.
 *
 * It stands before all filters that change how a text is sent (deflate, byte ranges), so the upstream is asked for plain text and
 * whole. A document is held back until it is whole, of a stream one event, at most MCPA_LIST_MAX_BYTES each; everything else
 * flows. What is not understood beyond doubt is withheld: 502, or in a stream an error in the place of the event. Thread: the
 * request's. */
#ifndef MOD_MCP_LISTS_H
#define MOD_MCP_LISTS_H

#include "context.h"

void mod_mcp_lists_register(void);
/* insert_filter: before the handler. Changes what an upstream is asked for, too. */
void mod_mcp_lists_insert_filter(request_rec *r);

#endif
