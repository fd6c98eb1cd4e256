/* SPDX-License-Identifier: Apache-2.0 */
/* Server-Sent Events (WHATWG HTML, section 9.2), split so that each event can be looked at whole, and everything goes on byte for
 * byte unless an event is changed. Comments and blank lines between events are never held back.
 *
 * The splitter keeps no text: its caller holds back the bytes of an event until it is whole, and lets go of them then. Nothing
 * here allocates. */
#ifndef MCPA_MCP_SSE_H
#define MCPA_MCP_SSE_H

#include "base/bytes.h"

/* Zeroed at the start of a stream. */
typedef struct mcpa_sse {
    size_t held;   /* bytes of the event that is under way */
    unsigned bom;  /* bytes of a byte order mark seen, 3: or none can come any more */
    bool in_line;  /* the line is not at its end */
    bool in_event; /* a field was seen since the last event */
    bool after_cr; /* a line feed now belongs to the line that has ended */
} mcpa_sse_t;

typedef enum mcpa_sse_part {
    MCPA_SSE_HOLD = 0, /* not whole yet: to be held back */
    MCPA_SSE_PASS,     /* belongs to no event: it goes on as it is, with what is held back */
    MCPA_SSE_EVENT,    /* an event ends here: what is held back and this; its blank line is its last */
    MCPA_SSE_TOO_LONG  /* longer than MCPA_LIST_MAX_BYTES; nothing more can be split */
} mcpa_sse_part_t;

/* Takes the first bytes of 'bytes' (which has some), as many as are one part; returns how many. */
size_t mcpa_sse_split(mcpa_sse_t *sse, mcpa_str_t bytes, mcpa_sse_part_t *part);

typedef struct mcpa_sse_event {
    bool is_plain; /* every line is a comment or one of the fields that are known; otherwise the rest must not be used */
    bool has_data;
    bool is_message; /* the type that clients take for one: "message", or none */
    mcpa_str_t data; /* of all its data lines, joined by line feeds */
} mcpa_sse_event_t;

/* event: one whole event, or the stream's end without its blank line. memory: event.len bytes, where data of several lines is
 * put. */
void mcpa_sse_read(mcpa_sse_event_t *read, mcpa_str_t event, char *memory);
/* The event again, with other data in the place of its own; data {NULL, 0}: with none. In pieces that borrow from both or are
 * constant. */
void mcpa_sse_write(mcpa_str_t event, mcpa_str_t data, void (*keep)(void *ctx, mcpa_str_t bytes), void *ctx);

#endif
