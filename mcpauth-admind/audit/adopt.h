/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of children that died: whoever can lock a segment knows that its owner is gone. They are read like any other records,
 * in order, and unlinked once the journal has them. Everything in the spool is written by PeerUser and not trusted: only regular
 * files of that user under the right name are opened, they are read with pread (a file that shrinks must not kill the daemon),
 * and a slice of work is bounded. */
#ifndef ADMIND_AUDIT_ADOPT_H
#define ADMIND_AUDIT_ADOPT_H

#include <sys/types.h>

#include "audit/ingest.h"

typedef struct admind_adopt admind_adopt_t;

/* linked: the child of this instance is connected and sends its records itself. */
admind_adopt_t *admind_adopt_new(admind_ingest_t *ingest, const char *spool_dir, uid_t peer_uid,
                                 bool (*linked)(void *ctx, const unsigned char *instance), void *ctx);
void admind_adopt_free(admind_adopt_t **adopt);
/* One slice: looks for work, or does some. true: there is more at once; false: look again in ADMIND_ADOPT_IDLE_MS. */
#define ADMIND_ADOPT_IDLE_MS 2000
bool admind_adopt_run(admind_adopt_t *adopt, int64_t now_us);
/* After every commit that went well, and after one that failed. */
void admind_adopt_committed(admind_adopt_t *adopt, int64_t now_us);
void admind_adopt_failed(admind_adopt_t *adopt);
/* Bytes in segments of children that are not linked, as of the last look. */
uint64_t admind_adopt_backlog_bytes(const admind_adopt_t *adopt);

#endif
