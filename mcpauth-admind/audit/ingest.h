/* SPDX-License-Identifier: Apache-2.0 */
/* Records in, journal out. One path for what comes over a link and for what is adopted from the spool:
 *
 *   take: seq known? -> dropped.  seq == accepted + 1? -> printed into the journal's buffer, kept in the batch.  Else: a hole.
 *   commit: journal synced -> marks become durable, each record of the batch is told to 'committed' (metrics, alerts), in order.
 *           journal failed -> the batch never happened: marks go back, nothing was counted, nobody may be acknowledged.
 *
 * The journal is the only truth: marks and counters can be had from it again (admind_ingest_replay). */
#ifndef ADMIND_AUDIT_INGEST_H
#define ADMIND_AUDIT_INGEST_H

#include "audit/journal.h"
#include "audit/marks.h"
#include "wire/record.h"

typedef enum admind_take {
    ADMIND_TAKEN = 0, /* in the batch, or known already */
    ADMIND_TAKE_HOLE, /* records before this one are missing: the sender broke the protocol */
    ADMIND_TAKE_DISK  /* the journal is failing; this and everything since the last commit must be sent again */
} admind_take_t;

typedef struct admind_ingest admind_ingest_t;

/* committed: every record that is in the journal now, once, in order; borrowed for the call. Strings of 'record' borrow too. */
admind_ingest_t *admind_ingest_new(admind_journal_t *journal, admind_marks_t *marks,
                                   void (*committed)(void *ctx, const mcpa_record_t *record), void *ctx);
void admind_ingest_free(admind_ingest_t **ingest);

/* What stands behind the checkpoint, into marks and 'committed'. Before the first take. */
mcpa_status_t admind_ingest_replay(admind_ingest_t *ingest, const admind_position_t *from) MCPA_MUST_CHECK;

/* The sender holds nothing older than next_seq. A new instance starts there; for a known one what lies between is lost, and a gap
 * is journalled. */
admind_take_t admind_ingest_begin(admind_ingest_t *ingest, const unsigned char *instance, uint64_t next_seq, int64_t now_us);
/* payload: an encoded record. One that cannot be decoded is journalled as event "corrupt", so that it does not block what
 * follows. */
admind_take_t admind_ingest_take(admind_ingest_t *ingest, const unsigned char *instance, uint64_t seq,
                                 const unsigned char *payload, size_t len, int64_t now_us);
/* After each round. false: the journal failed, see above. *any: something was committed. */
bool admind_ingest_commit(admind_ingest_t *ingest, bool *any);
/* Records of this instance up to here are durable; 0 for an unknown one. */
uint64_t admind_ingest_durable(const admind_ingest_t *ingest, const unsigned char *instance);
/* Records this instance reported lost, as far as the journal has it. */
uint64_t admind_ingest_lost(const admind_ingest_t *ingest, const unsigned char *instance);

#endif
