/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON (RFC 8259) walked in place, for bodies too large and too many for a tree: no allocation, no recursion, every byte looked at once.
 *
 * A cursor stands before a value or a member; each function moves it behind what it read, or says why not, after which the cursor is of no
 * use. Refused like in base/json.h: byte order marks, invalid UTF-8, control characters, lone surrogates, U+0000 (also escaped), numbers outside
 * RFC 8259's grammar, nesting deeper than MCPA_JSONSCAN_MAX_DEPTH. Not seen here: member names that stand twice; callers compare those they
 * read. Strings are borrowed as they stand in the text, without their quotes; 'escaped' says that they hold a backslash. */
#ifndef MCPA_BASE_JSONSCAN_H
#define MCPA_BASE_JSONSCAN_H

#include "base/bytes.h"

/* One bit each in a 64-bit word; other parsers' ceilings are higher, nobody's messages are. */
#define MCPA_JSONSCAN_MAX_DEPTH 64

typedef struct mcpa_jsonscan {
    const unsigned char *at;
    const unsigned char *end;
    unsigned depth; /* of what the caller has entered; skipped values count on top of it */
} mcpa_jsonscan_t;

typedef struct mcpa_jsonscan_string {
    mcpa_str_t raw; /* between the quotes */
    bool escaped;
} mcpa_jsonscan_string_t;

void mcpa_jsonscan_init(mcpa_jsonscan_t *scan, mcpa_str_t text);
/* Moves over white space; the next byte, or 0 at the end. */
static inline unsigned char mcpa_jsonscan_peek(mcpa_jsonscan_t *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r')) {
        scan->at++;
    }
    return scan->at < scan->end ? *scan->at : 0;
}
/* Any value whole. raw (may be NULL): its text, without white space around it. MCPA_EMALFORMED, MCPA_ETOOBIG (depth). */
mcpa_status_t mcpa_jsonscan_skip(mcpa_jsonscan_t *scan, mcpa_str_t *raw) MCPA_MUST_CHECK;
mcpa_status_t mcpa_jsonscan_string(mcpa_jsonscan_t *scan, mcpa_jsonscan_string_t *string) MCPA_MUST_CHECK;
/* Into an object or array: MCPA_EMALFORMED when the next value is another. */
mcpa_status_t mcpa_jsonscan_enter(mcpa_jsonscan_t *scan, char open) MCPA_MUST_CHECK;
/* The next member's name, cursor before its value. first: no comma is due. MCPA_ENOTFOUND: the object ended, and was left. */
mcpa_status_t mcpa_jsonscan_member(mcpa_jsonscan_t *scan, bool first, mcpa_jsonscan_string_t *name) MCPA_MUST_CHECK;
/* MCPA_OK: cursor before the next element. MCPA_ENOTFOUND: the array ended, and was left. */
mcpa_status_t mcpa_jsonscan_element(mcpa_jsonscan_t *scan, bool first) MCPA_MUST_CHECK;
/* MCPA_OK when nothing but white space is left. */
mcpa_status_t mcpa_jsonscan_finish(mcpa_jsonscan_t *scan) MCPA_MUST_CHECK;

/* The string's value: borrowed when nothing is escaped, else decoded into memory (cap bytes; never longer than raw). MCPA_ETOOBIG. The string
 * must come from a scan, which checked it. */
mcpa_status_t mcpa_jsonscan_decode(const mcpa_jsonscan_string_t *string, char *memory, size_t cap, mcpa_str_t *value) MCPA_MUST_CHECK;

#endif
