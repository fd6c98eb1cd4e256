/* SPDX-License-Identifier: Apache-2.0 */
/* How far each instance (httpd child) has come: the high-water marks that make the audit stream lossless and free of duplicates.
 * Derived from the journal, never a truth of its own. Bounded: when full, the instance that was silent longest is forgotten. */
#ifndef ADMIND_AUDIT_MARKS_H
#define ADMIND_AUDIT_MARKS_H

#include "base/bytes.h"
#include "wire/segment.h"

#define ADMIND_MARKS_MAX 65536

typedef struct admind_mark {
    unsigned char instance[MCPA_INSTANCE_BYTES];
    uint64_t accepted; /* last seq appended to the journal's buffer; what comes next must be accepted + 1 */
    uint64_t durable;  /* last seq known to be on disk; accepted == durable between two group commits */
    uint64_t lost;     /* records this instance reported lost, as far as the journal has it */
    int64_t seen_us;   /* wall clock of its last record */
    struct admind_mark *next_in_bucket, *older, *newer;
} admind_mark_t;

typedef struct admind_marks admind_marks_t;

admind_marks_t *admind_marks_new(size_t max);
void admind_marks_free(admind_marks_t **marks);
/* NULL: never seen, or forgotten. A mark stays valid until the next admind_marks_get or _forget. */
admind_mark_t *admind_marks_find(const admind_marks_t *marks, const unsigned char *instance);
/* Finds or makes, and counts as heard of at now_us. NULL when memory ran out. */
admind_mark_t *admind_marks_get(admind_marks_t *marks, const unsigned char *instance, int64_t now_us);
/* Drops those not heard of since before_us and without uncommitted records. */
void admind_marks_forget(admind_marks_t *marks, int64_t before_us);
size_t admind_marks_count(const admind_marks_t *marks);
/* Oldest first; start with NULL. */
admind_mark_t *admind_marks_next(const admind_marks_t *marks, const admind_mark_t *mark);

#endif
