/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: JSON Lines in <JournalDir>/audit-YYYY-MM-DD[.N].jsonl (UTC), a new file each day and when one is full;
 * audit/shelf.h compresses the closed ones. Appending and syncing are two steps: a batch of lines is on disk as a whole after
 * admind_journal_commit, or not at all. One owner: the directory is locked. */
#ifndef ADMIND_AUDIT_JOURNAL_H
#define ADMIND_AUDIT_JOURNAL_H

#include "base/bytes.h"

#define ADMIND_JOURNAL_NAME_BYTES 40

typedef struct admind_journal admind_journal_t;
typedef struct admind_sealer admind_sealer_t; /* audit/sealer.h */

/* The end of a line; what stands before it is durable. */
typedef struct admind_position {
    char file[ADMIND_JOURNAL_NAME_BYTES]; /* name in the directory; "": before everything */
    uint64_t offset;
} admind_position_t;

/* max_file_bytes: a batch that begins behind it begins another file. Locks the directory. NULL: error (cap bytes) says why. */
admind_journal_t *admind_journal_open(const char *dir, uint64_t max_file_bytes, char *error, size_t cap);
/* What was appended but not committed is dropped. */
void admind_journal_close(admind_journal_t **journal);

/* Before the replay: sealer, which must outlive the journal, is told of every line; its seals are lines of the journal. */
void admind_journal_sealed_by(admind_journal_t *journal, admind_sealer_t *sealer);

/* Every line behind 'from', in order, without its newline; 'from' in a file that is gone means the next one. Must be called once,
 * before the first append: it finds the end of the last file and cuts a torn tail off (what a power loss left behind it is kept
 * beside it in *.damaged; MCPA_EIO and nothing changed when it cannot be). A whole line for which fn says false is damage: skipped in older files, where everything was synced;
 * the begin of the torn tail in the last file. */
mcpa_status_t admind_journal_replay(admind_journal_t *journal, const admind_position_t *from,
                                    bool (*fn)(void *ctx, mcpa_str_t line), void *ctx) MCPA_MUST_CHECK;

/* line without newline. now_us: which day it is. MCPA_EIO: the whole batch is lost, as if never appended; the journal is failing.
 */
mcpa_status_t admind_journal_append(admind_journal_t *journal, mcpa_str_t line, int64_t now_us) MCPA_MUST_CHECK;
mcpa_status_t admind_journal_commit(admind_journal_t *journal) MCPA_MUST_CHECK;
/* While no batch is open: seals what no seal covers yet, and commits that. MCPA_EIO as for commit. */
mcpa_status_t admind_journal_seal(admind_journal_t *journal, int64_t now_us) MCPA_MUST_CHECK;
/* A failing journal takes nothing. Probe writes and syncs a test block in a fresh file and takes it back; true: it works again.
 */
bool admind_journal_is_failing(const admind_journal_t *journal);
bool admind_journal_probe(admind_journal_t *journal, int64_t now_us);

/* End of the last committed batch. */
void admind_journal_position(const admind_journal_t *journal, admind_position_t *position);
uint64_t admind_journal_written_bytes(const admind_journal_t *journal); /* committed since the journal was opened */

#endif
