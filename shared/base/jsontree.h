/* SPDX-License-Identifier: Apache-2.0 */
/* The reader behind mcpa_json_parse. Private to base/json*.c.
 *
 * One block of memory holds a document: its values, root first, and behind them a copy of the text, in which strings are decoded where they stand. The
 * elements of an array, and the members of an object, lie side by side. */
#ifndef MCPA_BASE_JSONTREE_H
#define MCPA_BASE_JSONTREE_H

#include "base/json.h"

struct mcpa_json {
    mcpa_json_type_t type;
    uint32_t size;   /* elements or members */
    mcpa_str_t name; /* of a member; {NULL,0} for others. NUL behind it */
    union {
        mcpa_str_t text; /* STRING: NUL behind it */
        struct {
            const char *written; /* a byte that can stand in no number ends it */
            double value;
        } real;
        int64_t integer;
        bool boolean;
        const mcpa_json_t *children; /* of arrays and objects */
        mcpa_json_t *parent;         /* of those that are still being read; NULL: it is the root */
    } as;
};

#endif
