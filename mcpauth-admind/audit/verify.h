/* SPDX-License-Identifier: Apache-2.0 */
/* Is a journal whole? Told file by file and line by line, oldest first, it holds them against what the journal promises: every
 * line a strict JSON object with known members; within an instance seqs rise by one, over files too; no file missing between two
 * others. Pure, and bounded: the instance that was silent longest is forgotten when there are too many.
 *
 * Not seen: an edit of a value, lines cut off where an instance begins or ends, an instance or the oldest or newest file gone. */
#ifndef ADMIND_AUDIT_VERIFY_H
#define ADMIND_AUDIT_VERIFY_H

#include "audit/names.h"
#include "wire/segment.h"

typedef enum admind_fault_kind {
    ADMIND_FAULT_FILE_FUTURE = 0,
    ADMIND_FAULT_FILE_MISSING,   /* expected, seq: the numbers within the day that should be and is here */
    ADMIND_FAULT_LINE_TORN,      /* the last line of a file that is not the newest */
    ADMIND_FAULT_LINE_LONG,      /* longer than any record */
    ADMIND_FAULT_NOT_JSON,       /* no strict JSON object */
    ADMIND_FAULT_MEMBER_MISSING, /* ts, instance or seq */
    ADMIND_FAULT_MEMBER_UNKNOWN,
    ADMIND_FAULT_MEMBER_WRONG, /* of a known member: not what stands there in a record */
    ADMIND_FAULT_SEQ_HOLE,     /* expected to seq - 1 are missing */
    ADMIND_FAULT_SEQ_REPEATED, /* seq stands on two lines, one behind the other */
    ADMIND_FAULT_SEQ_BACK,     /* below expected: written before, or moved */
    ADMIND_FAULT_KINDS
} admind_fault_kind_t;

typedef struct admind_fault {
    admind_fault_kind_t kind;
    char file[ADMIND_JOURNAL_NAME_BYTES];
    uint64_t line;                              /* from 1; 0: the file itself */
    char member[48];                            /* of the MEMBER kinds; cut when longer */
    char instance[2 * MCPA_INSTANCE_BYTES + 1]; /* of the SEQ kinds */
    uint64_t seq, expected;
} admind_fault_t;

typedef struct admind_verified {
    uint64_t files, records, seals, faults;
    uint64_t broken;           /* lines that hold no record */
    uint64_t instances;        /* counted twice when forgotten in between */
    uint64_t begun_earlier;    /* of these, begin with another seq than 1: what was before is in no file (any more) */
    uint64_t forgotten;        /* new instances that pushed out another: what these lack between is not seen */
    uint64_t gaps, lost;       /* gap records, and how many records they say were lost */
    uint64_t corrupt;          /* events "corrupt": records that reached the daemon unreadable */
    uint64_t torn_bytes;       /* behind the last whole line of the newest file */
    int64_t first_us, last_us; /* earliest and latest ts; MCPA_RECORD_ABSENT: none */
} admind_verified_t;

typedef struct admind_verify admind_verify_t;

/* fault: called for each, borrowed for the call. NULL: no memory. */
admind_verify_t *admind_verify_new(size_t max_instances, void (*fault)(void *ctx, const admind_fault_t *fault), void *ctx);
void admind_verify_free(admind_verify_t **verify);
/* The lines that follow are of this file. today: 20261121, UTC. */
void admind_verify_file(admind_verify_t *verify, const admind_journal_name_t *name, int32_t today);
/* A line without its newline. MCPA_ENOMEM. */
mcpa_status_t admind_verify_line(admind_verify_t *verify, mcpa_str_t text) MCPA_MUST_CHECK;
/* A line of more than ADMIND_LINE_MAX_BYTES. */
void admind_verify_long_line(admind_verify_t *verify);
/* The file ends in bytes without a newline: in the newest file what a crash leaves, or a line that is just being written. */
void admind_verify_torn(admind_verify_t *verify, uint64_t bytes, bool newest);
const admind_verified_t *admind_verify_get(const admind_verify_t *verify);
/* "seq_hole": for programs. */
const char *admind_fault_word(admind_fault_kind_t kind);

#endif
