/* SPDX-License-Identifier: Apache-2.0 */
/* What must be sent again when a TCP connection breaks. TCP says that the peer's kernel has our bytes, not that its program read them, and syslog
 * has no answers of its own. So the last ADMIND_WINDOW_US of what was acknowledged is never relied upon; and when the connection did not end in
 * order (a reset is what a kernel sends when its program died with unread bytes) neither are the last ADMIND_WINDOW_BYTES, which is more than a
 * socket holds. Pure; bounded: old marks are thinned out, which only ever means sending more. */
#ifndef ADMIND_FORWARD_WINDOW_H
#define ADMIND_FORWARD_WINDOW_H

#include "audit/journal.h"

#define ADMIND_WINDOW_US    (5 * INT64_C(1000000))
#define ADMIND_WINDOW_BYTES (UINT64_C(8) * 1024 * 1024)
#define ADMIND_WINDOW_MARKS 64

typedef struct admind_window {
    struct {
        admind_position_t position; /* everything before it was acknowledged ... */
        int64_t mono_us;            /* ... by then ... */
        uint64_t bytes;             /* ... which were so many, over this connection */
    } marks[ADMIND_WINDOW_MARKS];
    size_t count; /* at least 1 */
} admind_window_t;

/* A connection begins; what stands before 'position' is none of its business. */
void admind_window_begin(admind_window_t *window, const admind_position_t *position);
/* Everything before 'position' is acknowledged now. bytes: sent over this connection so far. */
void admind_window_add(admind_window_t *window, const admind_position_t *position, uint64_t bytes, int64_t mono_us);
/* From where to send again. */
const admind_position_t *admind_window_settled(const admind_window_t *window, int64_t mono_us, bool orderly);

#endif
