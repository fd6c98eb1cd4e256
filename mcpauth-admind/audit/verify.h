/* SPDX-License-Identifier: Apache-2.0 */
/* Is a journal whole? Told file by file and line by line, oldest first, it holds them against what the journal promises: every
 * line a strict JSON object with known members; within an instance seqs rise by one, over files too; no file missing between two
 * others; every block as its seal says (audit/sealcheck.h). Pure, and bounded: the instance that was silent longest is forgotten when
 * there are too many.
 *
 * Not seen without an origin key: what somebody did who made the seals anew. Not seen without the anchor of a later seal: an end cut
 * off behind a seal. Never seen: an edit of lines that no seal covers, the oldest files gone. */
#ifndef ADMIND_AUDIT_VERIFY_H
#define ADMIND_AUDIT_VERIFY_H

#include "audit/names.h"
#include "audit/seal.h"
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
    ADMIND_FAULT_FILE_BROKEN,  /* the rest of a compressed file cannot be read */
    ADMIND_FAULT_SEAL_FORM,    /* a seal that is not spelled as seals are */
    ADMIND_FAULT_SEAL_BLOCK,   /* the lines in front of it are not those that it sealed: expected, seq: how many should be, are */
    ADMIND_FAULT_SEAL_PLACE,   /* they are, but began elsewhere: expected, seq: the offsets */
    ADMIND_FAULT_SEAL_EPOCH,   /* seals are missing, twice or moved: expected, seq: the epochs */
    ADMIND_FAULT_SEAL_PREVIOUS,/* made behind another seal than the one that stands there; seq: its epoch, as with the next two */
    ADMIND_FAULT_SEAL_KEY,     /* by a key that was not given; told once for seals in a row */
    ADMIND_FAULT_SEAL_MAC,     /* forged or edited */
    ADMIND_FAULT_SEAL_LACKING, /* seq lines without a seal where there must be one */
    ADMIND_FAULT_SEAL_ANEW,    /* another key begins behind lines that an older one sealed, and no anchor stands right before it or behind */
    ADMIND_FAULT_SEAL_MISSING, /* a seal that was looked for, of epoch expected, is not there; line 0 */
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

#define ADMIND_VERIFY_KEYS_MAX    16
#define ADMIND_VERIFY_ANCHORS_MAX 64

/* What the seals say. */
typedef struct admind_sealed {
    uint64_t seals, proven; /* in form; by a key that was given */
    uint64_t keys;          /* how many chains of keys there are, one behind the other */
    uint64_t first_epoch;   /* of the first seal in the journal */
    uint64_t before;        /* lines before sealing began: not covered */
    uint64_t unknown;       /* lines of the first seal's block, which begins in a file that is gone */
    uint64_t behind;        /* lines behind the last seal: not covered yet */
    admind_seal_t last;     /* when seals > 0 */
} admind_sealed_t;

typedef struct admind_verified {
    uint64_t files, records, faults;
    uint64_t broken;           /* lines that hold no record */
    uint64_t instances;        /* counted twice when forgotten in between */
    uint64_t begun_earlier;    /* of these, begin with another seq than 1: what was before is in no file (any more) */
    uint64_t forgotten;        /* new instances that pushed out another: what these lack between is not seen */
    uint64_t gaps, lost;       /* gap records, and how many records they say were lost */
    uint64_t corrupt;          /* events "corrupt": records that reached the daemon unreadable */
    uint64_t torn_bytes;       /* behind the last whole line of the newest file */
    int64_t first_us, last_us; /* earliest and latest ts; MCPA_RECORD_ABSENT: none */
    admind_sealed_t sealed;
} admind_verified_t;

typedef struct admind_verify admind_verify_t;

/* fault: called for each, borrowed for the call. NULL: no memory. */
admind_verify_t *admind_verify_new(size_t max_instances, void (*fault)(void *ctx, const admind_fault_t *fault), void *ctx);
void admind_verify_free(admind_verify_t **verify);
/* Before the first file: an origin key, a seal that must be there. false: too many, or a key of a later epoch. */
bool admind_verify_key(admind_verify_t *verify, const admind_seal_key_t *origin) MCPA_MUST_CHECK;
bool admind_verify_anchor(admind_verify_t *verify, uint64_t epoch, const unsigned char mac[ADMIND_SEAL_BYTES]) MCPA_MUST_CHECK;
/* The lines that follow are of this file. today: 20261121, UTC. */
void admind_verify_file(admind_verify_t *verify, const admind_journal_name_t *name, int32_t today);
/* A line without its newline. MCPA_ENOMEM. */
mcpa_status_t admind_verify_line(admind_verify_t *verify, mcpa_str_t text) MCPA_MUST_CHECK;
/* A line of more than ADMIND_LINE_MAX_BYTES. */
void admind_verify_long_line(admind_verify_t *verify);
/* The file ends in bytes without a newline: in the newest file what a crash leaves, or a line that is just being written. */
void admind_verify_torn(admind_verify_t *verify, uint64_t bytes, bool newest);
/* The rest of the file cannot be read. */
void admind_verify_broken(admind_verify_t *verify);
/* Behind the last line of the last file, once. */
void admind_verify_end(admind_verify_t *verify);
const admind_verified_t *admind_verify_get(const admind_verify_t *verify);
/* "seq_hole": for programs. */
const char *admind_fault_word(admind_fault_kind_t kind);

#endif
