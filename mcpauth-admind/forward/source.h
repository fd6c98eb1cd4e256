/* SPDX-License-Identifier: Apache-2.0 */
/* Committed lines of the journal, one after the other, for one forwarder. Never past the last commit: what the journal may still take back is not
 * shown. One thread. */
#ifndef ADMIND_FORWARD_SOURCE_H
#define ADMIND_FORWARD_SOURCE_H

#include "audit/reader.h"

typedef struct admind_source {
    const char *dir;                 /* borrowed */
    const admind_journal_t *journal; /* borrowed */
    admind_reader_t *reader;         /* NULL: to be opened at 'at' */
    admind_position_t at;            /* behind the last line given out and not given back */
    admind_position_t before, behind; /* 'line' */
    mcpa_str_t line;                 /* the last one; borrowed from the reader */
    bool held;                       /* 'line' was given back */
    unsigned lost;                   /* see admind_source_lost */
} admind_source_t;

/* Goes to a position, whatever was given out before. */
void admind_source_seek(admind_source_t *source, const admind_position_t *position);
void admind_source_clear(admind_source_t *source);
/* The next line without its newline, borrowed until the next call. MCPA_ENOTFOUND: no more for now; when the source is busy then, there is
 * more, but enough was read for one turn of the loop: a place in a compressed file is reached by unpacking all before it. Others as admind_reader_next: with MCPA_ETOOBIG
 * and MCPA_EMALFORMED something was passed over and reading goes on. */
mcpa_status_t admind_source_next(admind_source_t *source, mcpa_str_t *line) MCPA_MUST_CHECK;
bool admind_source_is_busy(const admind_source_t *source);
/* The line that next just gave is given once more. */
void admind_source_hold(admind_source_t *source);
/* How often files went away before they were read to their end, since the last call. */
unsigned admind_source_lost(admind_source_t *source);
/* Bytes of text behind 'from' that the journal committed. Compressed files count as what they hold. */
uint64_t admind_source_backlog(const admind_source_t *source, const admind_position_t *from);

#endif
