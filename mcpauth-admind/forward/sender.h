/* SPDX-License-Identifier: Apache-2.0 */
/* What carries batches to one receiver: forward/tcp.h, forward/post.h. One batch at a time; a sender holds no record of its own. It runs on the
 * loop's thread and never blocks it. */
#ifndef ADMIND_FORWARD_SENDER_H
#define ADMIND_FORWARD_SENDER_H

#include "audit/journal.h"
#include "base/bytes.h"
#include "config.h"
#include "loop.h"

typedef struct admind_sender_failure {
    const char *words;              /* for the operator */
    int64_t wait_us;                /* do not try before; 0: as you like */
    const admind_position_t *again; /* everything from here on must be sent again; NULL: the batch just given, as it is */
} admind_sender_failure_t;

/* Exactly one of taken and failed for each batch. failed may also come between two batches, with 'again': what was thought taken is not. Neither
 * is called from inside send. */
typedef struct admind_sender_events {
    void (*taken)(void *ctx);
    void (*failed)(void *ctx, const admind_sender_failure_t *failure);
    /* The receiver said that it threw records of the batch away for good; taken follows. */
    void (*rejected)(void *ctx, int64_t records, mcpa_str_t words);
    void *ctx;
} admind_sender_events_t;

typedef struct admind_batch {
    mcpa_str_t bytes;             /* stays in place until taken or failed */
    admind_position_t begin, end; /* of the journal */
} admind_batch_t;

#endif
