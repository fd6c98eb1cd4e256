/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the journal's closed files: compressed one after the other, in slices short enough for the loop's own thread,
 * and removed when their days have passed. A reader (audit/reader.h) finds each file whole at any moment, in one form or in both.
 *
 * A file is compressed into .tmp-NAME.gz, synced, read back against the plain one, renamed to NAME.gz, and only then the plain
 * one goes. Killed in between, what is half done is removed at the next start and done again. */
#ifndef ADMIND_AUDIT_SHELF_H
#define ADMIND_AUDIT_SHELF_H

#include "audit/journal.h"

#define ADMIND_SHELF_SLICE_BYTES (256 * 1024) /* of lines: 1.2 ms to compress, less to check */
#define ADMIND_SHELF_IDLE_MS     5000

typedef struct admind_shelf admind_shelf_t;

/* For the directory's one writer. NULL: no memory, or no such directory (errno). */
admind_shelf_t *admind_shelf_new(const char *dir);
void admind_shelf_free(admind_shelf_t **shelf);

/* One slice. Only files before the one that 'checkpoint' names: the next start reads from there on. Returns in how many
 * milliseconds there is more to do: 0 at once, if nothing more urgent is. */
int64_t admind_shelf_step(admind_shelf_t *shelf, const admind_position_t *checkpoint);
/* The journal finds no room: what is half done goes, and nothing is begun for a while. */
void admind_shelf_yield(admind_shelf_t *shelf);

/* Unlinks, oldest first, files of days before (today - days), compressed or not, and what was kept of their damage; never the one
 * that 'end' names, the journal's current one, nor later ones. Returns how many.
 *
 * A file bears the day it was begun, so that no record goes before its days have passed. A clock that is ahead of where it should
 * be by now (by the monotonic clock and, at first, by when the checkpoint was last written) is believed when it stays so for a
 * day: until then a day too far takes nothing away. One that went back is believed at once. */
size_t admind_shelf_retain(admind_shelf_t *shelf, const admind_position_t *end, int64_t days, int64_t wall_us, int64_t mono_us);

#endif
