/* SPDX-License-Identifier: Apache-2.0 */
/* How far one receiver has the journal, on disk: <JournalDir>/forward-NAME.json, replaced atomically:
 *   {"version":1,"file":"audit-2026-11-21.jsonl","offset":4096,"written":"<RFC 3339>"}
 * file "" is before everything. What stands behind it is sent (again) by the next start. */
#ifndef ADMIND_FORWARD_CURSOR_H
#define ADMIND_FORWARD_CURSOR_H

#include "audit/journal.h"

/* MCPA_ENOTFOUND: there is none yet. MCPA_EMALFORMED: it cannot be used. MCPA_EIO, MCPA_ENOMEM. */
mcpa_status_t admind_cursor_load(admind_position_t *position, const char *journal_dir, const char *name) MCPA_MUST_CHECK;
mcpa_status_t admind_cursor_save(const admind_position_t *position, const char *journal_dir, const char *name,
                                 int64_t now_us) MCPA_MUST_CHECK;
/* The same for one receiver: where it stands on disk, and what is wrong with that. */
typedef struct admind_cursor {
    const char *journal_dir, *name; /* borrowed */
    admind_position_t saved;        /* where the next start would begin */
    bool missing;                   /* there is none on disk yet: it would begin elsewhere */
    bool failing;                   /* it could not be written the last time */
} admind_cursor_t;

/* Where to begin, in cursor->saved: where it stopped, never behind 'end'; before the oldest line when the file is damaged; at first use at 'end',
 * or before the oldest line with from_begin. false: error (cap bytes) says why not. */
bool admind_cursor_open(admind_cursor_t *cursor, const admind_position_t *end, bool from_begin, char *error, size_t cap) MCPA_MUST_CHECK;
/* Writes it when it moved, or is missing; what fails is logged once. */
void admind_cursor_keep(admind_cursor_t *cursor, const admind_position_t *position, int64_t now_us);
/* <0, 0, >0: a stands before b, at it, behind it. */
int admind_position_compare(const admind_position_t *a, const admind_position_t *b);

#endif
