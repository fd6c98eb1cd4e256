/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/ingest.h"

#include <stdlib.h>

#include "audit/line.h"
#include "audit/tail.h"
#include "base/crash.h"
#include "log.h"

/* A full batch is committed at once, so a flood costs this much memory and a few more syncs. */
#define BATCH_BYTES   (1024 * 1024)
#define BATCH_RECORDS 4096

typedef struct entry {
    admind_mark_t *mark; /* cannot be forgotten while it has uncommitted records */
    uint64_t seq;
    size_t at, len; /* of the encoded record, in bytes[] */
} entry_t;

struct admind_ingest {
    admind_journal_t *journal;
    admind_marks_t *marks;
    void (*committed)(void *ctx, const mcpa_record_t *record);
    void *ctx;
    size_t n_entries, used;
    admind_log_gate_t gate;
    bool full_commit; /* a full batch was committed in the middle of a round */
    bool no_memory;   /* a line could not be replayed, though nothing is wrong with it */
    entry_t entries[BATCH_RECORDS];
    unsigned char bytes[BATCH_BYTES];
    char line[ADMIND_LINE_MAX_BYTES];
};

admind_ingest_t *admind_ingest_new(admind_journal_t *journal, admind_marks_t *marks,
                                   void (*committed)(void *ctx, const mcpa_record_t *record), void *ctx)
{
    admind_ingest_t *ingest = malloc(sizeof(*ingest));

    if (ingest != NULL) {
        ingest->journal = journal;
        ingest->marks = marks;
        ingest->committed = committed;
        ingest->ctx = ctx;
        ingest->n_entries = ingest->used = 0;
        ingest->full_commit = ingest->no_memory = false;
        ingest->gate = (admind_log_gate_t){ 0 };
    }
    return ingest;
}

void admind_ingest_free(admind_ingest_t **ingest)
{
    free(*ingest);
    *ingest = NULL;
}

static bool is_gap(const mcpa_record_t *record)
{
    return mcpa_str_eqz(record->event, "gap") && record->lost != MCPA_RECORD_ABSENT && record->lost > 0;
}

/* Counts are a child's word; the checkpoint that keeps them has signed numbers. */
static uint64_t sum_of(uint64_t a, uint64_t b)
{
    return b > (uint64_t)INT64_MAX - a ? (uint64_t)INT64_MAX : a + b;
}

/* What a durable record changes. Times are cut to what the journal keeps, so that a replay sees the very same record. */
static void apply(admind_ingest_t *ingest, admind_mark_t *mark, mcpa_record_t *record)
{
    if (record->ts != MCPA_RECORD_ABSENT) {
        record->ts -= ((record->ts % 1000) + 1000) % 1000;
    }
    if (is_gap(record)) {
        mark->lost = sum_of(mark->lost, (uint64_t)record->lost);
    }
    ingest->committed(ingest->ctx, record);
}

static bool replay_line(void *ctx, mcpa_str_t text)
{
    admind_ingest_t *ingest = ctx;
    admind_mark_t *mark;
    admind_line_t line;

    mcpa_status_t status = admind_line_parse(&line, text);

    if (status == MCPA_ENOMEM) {
        ingest->no_memory = true; /* false would call it damage, and cut the file there */
        return true;
    }
    if (status != MCPA_OK) {
        return false;
    }
    if (line.seal) {
        admind_line_clear(&line);
        return true;
    }
    mark = admind_marks_get(ingest->marks, line.instance, line.record.ts == MCPA_RECORD_ABSENT ? 0 : line.record.ts);
    ingest->no_memory = ingest->no_memory || mark == NULL;
    if (mark != NULL && line.seq > mark->durable) { /* lines twice in the journal: see roll_back in journal.c */
        mark->accepted = mark->durable = line.seq;
        apply(ingest, mark, &line.record);
    }
    admind_line_clear(&line);
    return true;
}

mcpa_status_t admind_ingest_replay(admind_ingest_t *ingest, const admind_position_t *from)
{
    mcpa_status_t status = admind_journal_replay(ingest->journal, from, replay_line, ingest);

    return status == MCPA_OK && ingest->no_memory ? MCPA_ENOMEM : status;
}

/* The batch never happened. */
static void forget_batch(admind_ingest_t *ingest)
{
    for (size_t i = 0; i < ingest->n_entries; i++) {
        ingest->entries[i].mark->accepted = ingest->entries[i].mark->durable;
    }
    ingest->n_entries = ingest->used = 0;
}

static bool commit_batch(admind_ingest_t *ingest)
{
    if (ingest->n_entries == 0) {
        return !admind_journal_is_failing(ingest->journal);
    }
    if (admind_journal_commit(ingest->journal) != MCPA_OK) {
        forget_batch(ingest);
        return false;
    }
    for (size_t i = 0; i < ingest->n_entries; i++) {
        const entry_t *entry = &ingest->entries[i];
        mcpa_record_t record;

        entry->mark->durable = entry->seq;
        if (mcpa_record_decode(&record, ingest->bytes + entry->at, entry->len) == MCPA_OK) { /* it was decoded before: always */
            apply(ingest, entry->mark, &record);
        }
    }
    ingest->n_entries = ingest->used = 0;
    return true;
}

/* One decoded record into the journal's buffer and the batch. payload: its encoded form, outside the batch. */
static admind_take_t append(admind_ingest_t *ingest, admind_mark_t *mark, uint64_t seq, const mcpa_record_t *record,
                            const unsigned char *payload, size_t len, int64_t now_us)
{
    mcpa_out_t out;

    if (ingest->n_entries == BATCH_RECORDS || ingest->used + len > BATCH_BYTES) {
        if (!commit_batch(ingest)) {
            return ADMIND_TAKE_DISK;
        }
        ingest->full_commit = true;
    }
    mcpa_out_init(&out, ingest->line, sizeof(ingest->line));
    mcpa_record_print(&out, record, mark->instance, seq);
    if (mcpa_out_status(&out) != MCPA_OK || admind_journal_append(ingest->journal, mcpa_out_get(&out), now_us) != MCPA_OK) {
        forget_batch(ingest);
        return ADMIND_TAKE_DISK;
    }
    memcpy(ingest->bytes + ingest->used, payload, len);
    ingest->entries[ingest->n_entries++] = (entry_t){ .mark = mark, .seq = seq, .at = ingest->used, .len = len };
    ingest->used += len;
    mark->accepted = seq;
    MCPA_CRASH("ingest.taken");
    return ADMIND_TAKEN;
}

/* A record of our own about this instance. */
static admind_take_t append_event(admind_ingest_t *ingest, admind_mark_t *mark, uint64_t seq, const char *event, int64_t lost,
                                  int64_t now_us)
{
    unsigned char payload[128];
    mcpa_record_t record;
    size_t len;

    mcpa_record_init(&record);
    record.ts = now_us;
    record.event = mcpa_str(event);
    record.lost = lost;
    if (mcpa_record_encode(payload, sizeof(payload), &len, &record) != MCPA_OK) {
        return ADMIND_TAKE_DISK; /* 128 bytes hold three short fields */
    }
    return append(ingest, mark, seq, &record, payload, len, now_us);
}

admind_take_t admind_ingest_begin(admind_ingest_t *ingest, const unsigned char *instance, uint64_t next_seq, int64_t now_us)
{
    admind_mark_t *mark = admind_marks_find(ingest->marks, instance);
    uint64_t lost, held;

    if (next_seq == 0 || next_seq > INT64_MAX) {
        return ADMIND_TAKE_HOLE;
    }
    if (mark == NULL) {
        if (next_seq == 1) {
            return ADMIND_TAKEN; /* nothing to remember: the first record makes the mark */
        }
        /* The journal acknowledged what came before once, and forgot or lost it since. */
        mark = admind_marks_get(ingest->marks, instance, now_us);
        if (mark == NULL) {
            return ADMIND_TAKE_DISK;
        }
        mark->accepted = mark->durable = next_seq - 1;
        return ADMIND_TAKEN;
    }
    if (next_seq <= mark->accepted + 1) {
        return ADMIND_TAKEN;
    }
    lost = next_seq - 1 - mark->accepted;
    if (admind_log_admit(&ingest->gate, now_us, &held)) {
        admind_log(ADMIND_ERR, "MCPA2201",
                   "audit: %llu records of an httpd child are gone from its spool (%llu more such lines were held back)",
                   (unsigned long long)lost, (unsigned long long)held);
    }
    return append_event(ingest, mark, next_seq - 1, "gap", (int64_t)lost, now_us);
}

admind_take_t admind_ingest_take(admind_ingest_t *ingest, const unsigned char *instance, uint64_t seq,
                                 const unsigned char *payload, size_t len, int64_t now_us)
{
    admind_mark_t *mark = admind_marks_find(ingest->marks, instance);
    mcpa_record_t record;

    if (mark != NULL ? seq <= mark->accepted && !MCPA_MUTANT("broken_dedup") : seq == 0) {
        return mark != NULL ? ADMIND_TAKEN : ADMIND_TAKE_HOLE;
    }
    if (seq != (mark == NULL ? 1 : mark->accepted + 1) && !(mark != NULL && seq <= mark->accepted)) {
        return ADMIND_TAKE_HOLE;
    }
    if (admind_journal_is_failing(ingest->journal)) {
        return ADMIND_TAKE_DISK;
    }
    mark = admind_marks_get(ingest->marks, instance, now_us);
    if (mark == NULL) {
        return ADMIND_TAKE_DISK;
    }
    if (mcpa_record_decode(&record, payload, len) != MCPA_OK) {
        return append_event(ingest, mark, seq, "corrupt", MCPA_RECORD_ABSENT, now_us);
    }
    return append(ingest, mark, seq, &record, payload, len, now_us);
}

bool admind_ingest_commit(admind_ingest_t *ingest, bool *any)
{
    *any = ingest->full_commit || ingest->n_entries > 0;
    ingest->full_commit = false;
    if (!commit_batch(ingest)) {
        *any = false;
        return false;
    }
    return true;
}

uint64_t admind_ingest_durable(const admind_ingest_t *ingest, const unsigned char *instance)
{
    const admind_mark_t *mark = admind_marks_find(ingest->marks, instance);

    if (mark != NULL && MCPA_MUTANT("ack_before_sync")) {
        return mark->accepted;
    }
    return mark == NULL ? 0 : mark->durable;
}

uint64_t admind_ingest_lost(const admind_ingest_t *ingest, const unsigned char *instance)
{
    const admind_mark_t *mark = admind_marks_find(ingest->marks, instance);

    return mark == NULL ? 0 : mark->lost;
}
