/* SPDX-License-Identifier: Apache-2.0 */
/* Which segments in the spool have no child that sends them itself: names alone, a bounded number at a time, in order. Whether a segment's
 * owner is dead, and the file one to be read, is audit/adopt.h's to find out. */
#ifndef ADMIND_AUDIT_ORPHANS_H
#define ADMIND_AUDIT_ORPHANS_H

#include "base/bytes.h"
#include "wire/segment.h"

#define ADMIND_ORPHAN_CHARS (2 * MCPA_INSTANCE_BYTES + 1 + 8) /* "<instance in hex>.<number>" */

typedef struct admind_orphan {
    char text[ADMIND_ORPHAN_CHARS + 1];
} admind_orphan_t;

typedef struct admind_orphans {
    const char *dir;                                          /* borrowed, set by the owner, as the next two */
    bool (*linked)(void *ctx, const unsigned char *instance); /* the child sends them itself */
    void *ctx;
    admind_orphan_t *queue; /* sorted, so segments of one instance come in order */
    size_t count, next;
    bool is_cut;            /* there were more */
    admind_orphan_t after;  /* the next look is for names behind this one; "": for all */
    uint64_t backlog_bytes; /* in all that were seen at the last look */
} admind_orphans_t;

/* Looks at the directory, on from where a look was cut off; sweeps old temporary files of children. Nothing is found when not all can be seen: a
 * segment without those before it would make these lost. true: it began at the first name. */
bool admind_orphans_look(admind_orphans_t *orphans, int64_t now_us);
bool admind_orphans_any(const admind_orphans_t *orphans);
/* The next one, borrowed until the next look, and whose it is. NULL: there is none. */
const admind_orphan_t *admind_orphans_next(admind_orphans_t *orphans, unsigned char instance[MCPA_INSTANCE_BYTES]);
/* The next look is for all again. */
void admind_orphans_restart(admind_orphans_t *orphans);
void admind_orphans_clear(admind_orphans_t *orphans);

#endif
