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
/* <0, 0, >0: a stands before b, at it, behind it. */
int admind_position_compare(const admind_position_t *a, const admind_position_t *b);

#endif
