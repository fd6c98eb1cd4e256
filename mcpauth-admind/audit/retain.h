/* SPDX-License-Identifier: Apache-2.0 */
/* How long the journal's files are kept, and by which clock: a part of audit/shelf.h, where the rules stand. Loop's thread. */
#ifndef ADMIND_AUDIT_RETAIN_H
#define ADMIND_AUDIT_RETAIN_H

#include "audit/journal.h"

typedef struct admind_retain {
    int64_t believed_us;      /* the wall clock, as far as it is believed */
    int64_t believed_mono_us; /* the monotonic clock then; -1: nobody looked yet */
    int64_t ahead_mono_us;    /* since when the wall clock is ahead; -1: it is not */
    bool seen;                /* believed_us means something */
    bool told;
} admind_retain_t;

/* dir_fd: the journal's directory. */
void admind_retain_init(admind_retain_t *retain, int dir_fd);
/* See admind_shelf_retain. */
size_t admind_retain(admind_retain_t *retain, const char *dir, int dir_fd, const admind_position_t *end, int64_t days,
                     int64_t wall_us, int64_t mono_us);

#endif
