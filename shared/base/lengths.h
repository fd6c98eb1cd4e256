/* SPDX-License-Identifier: Apache-2.0 */
/* How long the things that clients name may be: one ceiling a kind, which a Location may set (MCPAuthMaxLength). All count bytes: of a string its value
 * in UTF-8, of an id what stands between the quotes in the message, because it is repeated as it stands. */
#ifndef MCPA_BASE_LENGTHS_H
#define MCPA_BASE_LENGTHS_H

#include "base/bytes.h"

typedef enum mcpa_length {
    MCPA_LENGTH_TOKEN = 0, /* the bearer token */
    MCPA_LENGTH_ID,        /* of a JSON-RPC request, when it is a string */
    MCPA_LENGTH_METHOD,
    MCPA_LENGTH_NAME,      /* of a tool, a prompt or a task */
    MCPA_LENGTH_URI,       /* of a resource */
    MCPA_LENGTHS
} mcpa_length_t;

/* Zeroed: the defaults. */
typedef struct mcpa_lengths {
    uint16_t bytes[MCPA_LENGTHS]; /* 0: the default */
} mcpa_lengths_t;

typedef struct mcpa_length_row {
    const char *word;               /* in the directive: "token" */
    const char *what;               /* in sentences: "access token" */
    uint16_t least, usual, greatest; /* that may be set; greatest: what memory of a fixed size has room for */
} mcpa_length_row_t;

/* Never NULL. */
const mcpa_length_row_t *mcpa_length_row(mcpa_length_t kind);
bool mcpa_length_find(mcpa_length_t *kind, mcpa_str_t word);
/* The most bytes that are taken; lengths may be NULL: the default. */
size_t mcpa_lengths_max(const mcpa_lengths_t *lengths, mcpa_length_t kind);
/* "The request id is longer than 255 bytes, the most that is taken here": for the client. No quotes, no backslashes. */
void mcpa_length_print(mcpa_out_t *out, mcpa_length_t kind, size_t max);

#endif
