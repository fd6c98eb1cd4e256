/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint: what the daemon knew at one position of the journal, so that a start replays seconds instead of months. Never
 * needed for truth: without it the whole journal is replayed. <JournalDir>/checkpoint.json, replaced atomically:
 *   {"version":1,"file":"audit-2026-11-21.jsonl","offset":4096,"written":"<RFC 3339>",
 *    "instances":[["<32 hex>",durable,seen_us,lost],...],"metrics":{...},"alerts":{...},
 *    "block":{"file":"...","offset":0,"lines":7,"chain":"<64 hex>"} or null,"seal":{...} or null}
 * block: what no seal covers yet; seal: the newest, as it stands in the journal. */
#ifndef ADMIND_AUDIT_CHECKPOINT_H
#define ADMIND_AUDIT_CHECKPOINT_H

#include "audit/journal.h"
#include "audit/marks.h"
#include "audit/sealer.h"
#include "base/json.h"

typedef struct admind_checkpoint {
    mcpa_json_t *tree;          /* owner of the two below */
    admind_position_t position; /* file "": replay everything */
    const mcpa_json_t *metrics; /* for mcpa_metrics_load; NULL: none */
    const mcpa_json_t *alerts;  /* for admind_alerts_load; NULL: none */
    admind_seal_state_t seals;  /* known is false when it was written by a version that did not seal */
} admind_checkpoint_t;

/* Fills marks. MCPA_ENOTFOUND: there is none, which is the first start. MCPA_EMALFORMED: it cannot be used; position says
 * "everything" and marks are empty. To be cleared in any case. */
mcpa_status_t admind_checkpoint_load(admind_checkpoint_t *checkpoint, const char *journal_dir,
                                     admind_marks_t *marks) MCPA_MUST_CHECK;
void admind_checkpoint_clear(admind_checkpoint_t *checkpoint);
/* What a checkpoint is made of, as of one position. metrics, alerts: JSON text, may be NULL. Every mark must be settled. */
typedef struct admind_checkpoint_parts {
    admind_position_t position;
    const admind_marks_t *marks;
    const char *metrics, *alerts;
    admind_seal_state_t seals;
} admind_checkpoint_parts_t;
mcpa_status_t admind_checkpoint_save(const char *journal_dir, const admind_checkpoint_parts_t *parts,
                                     int64_t now_us) MCPA_MUST_CHECK;

#endif
