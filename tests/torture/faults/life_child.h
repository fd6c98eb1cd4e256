/* SPDX-License-Identifier: Apache-2.0 */
/* The other side of the daemon's life: one honest child that sends its records until they are acknowledged, the segments that dead ones left,
 * and the look at the journal afterwards. */
#ifndef MCPA_TORTURE_LIFE_CHILD_H
#define MCPA_TORTURE_LIFE_CHILD_H

#include "wire/frame.h"

#define CHILD_IN_BYTES 65536

typedef struct child {
    const char *dir;
    unsigned char instance[MCPA_INSTANCE_BYTES];
    uint64_t total; /* records 1 to total */
    uint64_t sent, acked;
    int fd; /* -1: not connected */
    bool up;
    size_t in_len;
    unsigned char in[CHILD_IN_BYTES];
} child_t;

/* dir: the stage; its socket is <dir>/socket, its journal in <dir>/journal. Not connected. */
void child_init(child_t *child, const char *dir, uint64_t total);
/* What can be done now and within a few milliseconds: connect, greet, send, take acknowledgements. false: the daemon acknowledged what is
 * not on disk, or forgot what it acknowledged; said already. */
bool child_talk(child_t *child);
void child_hang_up(child_t *child);

/* Dead children's segments in <dir>/spool: two of one child, in order, and one that ends in a torn record. */
bool child_leave_segments(const char *dir);

/* Whether the journal holds the child's records 1 to total, once, in order, and no gap. Says what is wrong. */
bool child_check_journal(const char *dir, const child_t *child);
bool child_check_dead(const char *dir);

#endif
