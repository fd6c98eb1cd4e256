/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a journal file back: whole lines from an offset on, and cutting a torn tail off the last file. */
#ifndef ADMIND_AUDIT_TAIL_H
#define ADMIND_AUDIT_TAIL_H

#include "base/bytes.h"
#include "wire/record.h"

#define ADMIND_LINE_MAX_BYTES MCPA_RECORD_LINE_MAX_BYTES /* what mcpa_record_print may write */

/* Calls fn for each whole line from *at on. With 'last' the file is cut behind the last good line (see admind_journal_replay) and
 * *at is its new length; otherwise bad lines are skipped, and the file may be a compressed one (*at counts what it held before).
 * fd must be writable with 'last'. MCPA_EIO, MCPA_ENOMEM; MCPA_EIO also when lines would have to be cut off that cannot be copied beside
 * the file first: then nothing was changed, and the log says what to do. */
mcpa_status_t admind_tail_read(int fd, const char *name, int dir_fd, bool last, uint64_t *at,
                               bool (*fn)(void *ctx, mcpa_str_t line), void *ctx) MCPA_MUST_CHECK;
/* *at: the length of the file. */
mcpa_status_t admind_tail_skip(int fd, uint64_t *at) MCPA_MUST_CHECK;

#endif
