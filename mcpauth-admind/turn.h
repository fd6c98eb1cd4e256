/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is to work on the daemon's state: the loop's, or that of the thread that answers HTTP and only reads. The loop's
 * thread gives its turn away while it waits for events or for the disk, so that a slow disk delays no answer. First come, first
 * served. One in a process; as long as it is not begun there is one thread, and all of this does nothing. */
#ifndef ADMIND_TURN_H
#define ADMIND_TURN_H

#include <stdbool.h>
#include <stdint.h>

/* By the loop's thread, which has the turn from then on; before the second thread exists, and after it is gone. */
void admind_turn_begin(void);
void admind_turn_end(void);

void admind_turn_take(void);
void admind_turn_give(void);

/* Around what waits for the disk: others have the turn meanwhile, so nothing that they read may be half changed. errno stays as
 * it is. */
void admind_turn_wait(void);
void admind_turn_waited(void);
/* fsync and fdatasync so; 0 or -1 with errno. */
int admind_turn_fsync(int fd);
int admind_turn_fdatasync(int fd);
/* For who has the turn: how long the loop's thread has been waiting for the disk; 0: it is not. */
int64_t admind_turn_disk_us(void);

#endif
