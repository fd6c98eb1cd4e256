/* SPDX-License-Identifier: Apache-2.0 */
/* The messages that wait for one webhook: bounded in number and bytes, the oldest makes room, except the one that is on its way. Pure. */
#ifndef ADMIND_QUEUE_H
#define ADMIND_QUEUE_H

#include "base/bytes.h"

#define ADMIND_QUEUE_MAX 1000
#define ADMIND_QUEUE_BYTES ((size_t)8 * 1024 * 1024)
#define ADMIND_MESSAGE_ID_BYTES 40

typedef struct admind_message {
    struct admind_message *next;
    char id[ADMIND_MESSAGE_ID_BYTES]; /* the same over all tries, so that receivers can tell a repetition */
    int64_t created_us;               /* monotonic */
    unsigned tries;
    size_t len;
    char body[];
} admind_message_t;

typedef struct admind_queue {
    admind_message_t *first, **last;
    size_t count, bytes;
} admind_queue_t;

void admind_queue_init(admind_queue_t *queue);
void admind_queue_clear(admind_queue_t *queue);
/* Copies body under a fresh random id. busy: the first message is on its way and stays. *dropped: messages that made room. False when memory or
 * randomness ran out: nothing was added. */
bool admind_queue_add(admind_queue_t *queue, mcpa_str_t body, int64_t now_us, bool busy, size_t *dropped);
void admind_queue_drop_first(admind_queue_t *queue);

#endif
