/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/1.1 answer, read as it comes, to say at every byte whether the client has all of it: head and, by its told length or up to the end of the
 * last chunk, body. */
#ifndef MCPA_TORTURE_ANSWER_H
#define MCPA_TORTURE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_HEAD_MAX 4096

typedef enum answer_state {
    ANSWER_HEAD, /* zeroed memory is an answer that has not begun */
    ANSWER_LENGTH,
    ANSWER_CHUNK_SIZE,
    ANSWER_CHUNK,
    ANSWER_CHUNK_END,
    ANSWER_TRAILER,
    ANSWER_WHOLE,
    ANSWER_STRANGE /* nothing that tells its own end, or more than it told */
} answer_state_t;

typedef struct answer {
    answer_state_t state;
    bool to_head;    /* set by the caller: the request was a HEAD */
    bool closes;     /* the server ends the connection; known when the head is whole */
    uint16_t status; /* 0: not yet known */
    uint64_t left;   /* of the body, of the chunk; in a trailer bytes of the line */
    size_t head_len;
    char head[ANSWER_HEAD_MAX];
} answer_t;

/* The next bytes. */
void answer_take(answer_t *answer, const char *bytes, size_t len);
/* WHOLE or STRANGE: no byte more is of interest. */
bool answer_is_over(const answer_t *answer);

#endif
