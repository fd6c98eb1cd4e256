/* SPDX-License-Identifier: Apache-2.0 */
/* The names of journal files and their order: audit-2026-11-21.jsonl, audit-2026-11-21.1.jsonl, ... A closed file may be
 * compressed: it is then audit-2026-11-21.jsonl.gz on disk, and still the same file to everybody who names it. */
#ifndef ADMIND_AUDIT_NAMES_H
#define ADMIND_AUDIT_NAMES_H

#include "audit/journal.h"

typedef struct admind_journal_name {
    int32_t day;     /* 20261121 */
    uint32_t number; /* within the day, from 0 */
    bool compressed; /* how it stands on disk; no part of the name */
} admind_journal_name_t;

/* false: no journal file of ours. "….gz" is no name, but a file's: see admind_journal_names. */
bool admind_journal_name_parse(admind_journal_name_t *name, const char *text);
void admind_journal_name_format(char text[ADMIND_JOURNAL_NAME_BYTES], const admind_journal_name_t *name);
/* As it stands on disk: with .gz when compressed. */
void admind_journal_name_on_disk(char text[ADMIND_JOURNAL_NAME_BYTES], const admind_journal_name_t *name);
int admind_journal_name_compare(const admind_journal_name_t *a, const admind_journal_name_t *b);
/* The day (UTC) of a moment. */
int32_t admind_journal_day(int64_t now_us);

/* All journal files of a directory, each once, in order; *names to be freed. When a file stands there in both forms (a
 * compression was killed in its last step) the plain one counts. MCPA_EIO with errno, MCPA_ENOMEM. */
mcpa_status_t admind_journal_names(admind_journal_name_t **names, size_t *count, const char *dir) MCPA_MUST_CHECK;

#endif
