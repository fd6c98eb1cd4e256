/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a journal back, line by line, oldest file first: plain files and those compressed since (.jsonl.gz) alike, while the
 * daemon writes and compresses. For mcpauthctl, the forwarders and the daemon's own start; one thread, no locks, never writes.
 * Memory is bounded, whatever the files hold.
 *
 * A position names the file as it was written ("audit-2026-11-21.3.jsonl", never ".gz") and counts uncompressed bytes, so it
 * stays good when the file is compressed meanwhile. */
#ifndef ADMIND_AUDIT_READER_H
#define ADMIND_AUDIT_READER_H

#include "audit/journal.h"
#include "base/bytes.h"

typedef struct admind_reader admind_reader_t;

/* from: where to begin; NULL or file "": with the oldest line. A file that is gone (retention) means the next one; then
 * admind_reader_skipped says so. NULL: error (cap bytes) says why; an empty directory is no error. */
admind_reader_t *admind_reader_open(const char *dir, const admind_position_t *from, char *error, size_t cap);
void admind_reader_close(admind_reader_t **reader);
/* The next whole line without its newline, borrowed until the next call. MCPA_ENOTFOUND: nothing more for now; call again later:
 * it goes on where the daemon went on, into the next file too. MCPA_ETOOBIG: a line longer than any record was passed over.
 * MCPA_EMALFORMED: the rest of a file was passed over: a compressed one is damaged, a closed one ends without a newline, or there
 * is no regular file. MCPA_EIO with errno, MCPA_ENOMEM: nothing was passed over.
 *
 * Lines that the daemon took back (a batch that could not be synced) may have been returned; they come again, with the same
 * instance and seq, when they are committed. */
mcpa_status_t admind_reader_next(admind_reader_t *reader, mcpa_str_t *line) MCPA_MUST_CHECK;
/* From now on next reads some max_bytes of text in one call and no more, whatever stands in a file and before the place where reading begins:
 * a compressed file can only be entered from its beginning. 0, as it is at first: as much as it takes. is_busy, behind MCPA_ENOTFOUND: that is
 * why; call again, and it goes on. */
void admind_reader_slice(admind_reader_t *reader, size_t max_bytes);
bool admind_reader_is_busy(const admind_reader_t *reader);
/* Behind the last line that next returned. */
void admind_reader_position(const admind_reader_t *reader, admind_position_t *position);
/* Of which file the last line was, or what next complained of; "": of none yet. And which line of it: from 1, counted from where
 * reading of this file began. */
const char *admind_reader_file(const admind_reader_t *reader);
uint64_t admind_reader_line(const admind_reader_t *reader);
/* Behind MCPA_ENOTFOUND or MCPA_EMALFORMED: bytes without a newline at the end of the file; in the newest one a line that is just
 * being written, or what a crash left of one. */
uint64_t admind_reader_torn_bytes(const admind_reader_t *reader);
/* The file that 'from' named was gone. Known once next was called. */
bool admind_reader_skipped(const admind_reader_t *reader);
/* For a progress bar: bytes on disk passed so far, and of all that there were to read when the reader was opened. */
void admind_reader_progress(const admind_reader_t *reader, uint64_t *done, uint64_t *total);

#endif
