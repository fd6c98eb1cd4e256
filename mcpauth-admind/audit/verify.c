/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/verify.h"

#include <stdio.h>
#include <stdlib.h>

#include "audit/line.h"
#include "audit/marks.h"
#include "audit/sealcheck.h"
#include "base/text.h"

/* As for a line that is replayed; here only to say why it was none. */
#define LINE_DEPTH_MAX  4
#define LINE_VALUES_MAX 256

struct admind_verify {
    void (*fault)(void *ctx, const admind_fault_t *fault);
    void *ctx;
    admind_marks_t *marks; /* accepted == durable: the last seq of each instance */
    size_t max_instances;
    admind_journal_name_t name; /* day 0: no file yet */
    uint64_t line;
    admind_sealcheck_t *seals;
    admind_verified_t found;
};

const char *admind_fault_word(admind_fault_kind_t kind)
{
    static const char *const words[ADMIND_FAULT_KINDS] = {
        [ADMIND_FAULT_FILE_FUTURE] = "file_future",
        [ADMIND_FAULT_FILE_MISSING] = "file_missing",
        [ADMIND_FAULT_LINE_TORN] = "line_torn",
        [ADMIND_FAULT_LINE_LONG] = "line_long",
        [ADMIND_FAULT_NOT_JSON] = "not_json",
        [ADMIND_FAULT_MEMBER_MISSING] = "member_missing",
        [ADMIND_FAULT_MEMBER_UNKNOWN] = "member_unknown",
        [ADMIND_FAULT_MEMBER_WRONG] = "member_wrong",
        [ADMIND_FAULT_SEQ_HOLE] = "seq_hole",
        [ADMIND_FAULT_SEQ_REPEATED] = "seq_repeated",
        [ADMIND_FAULT_SEQ_BACK] = "seq_back",
        [ADMIND_FAULT_FILE_BROKEN] = "file_broken",
        [ADMIND_FAULT_SEAL_FORM] = "seal_form",
        [ADMIND_FAULT_SEAL_BLOCK] = "seal_block",
        [ADMIND_FAULT_SEAL_PLACE] = "seal_place",
        [ADMIND_FAULT_SEAL_EPOCH] = "seal_epoch",
        [ADMIND_FAULT_SEAL_PREVIOUS] = "seal_previous",
        [ADMIND_FAULT_SEAL_KEY] = "seal_key",
        [ADMIND_FAULT_SEAL_MAC] = "seal_mac",
        [ADMIND_FAULT_SEAL_LACKING] = "seal_lacking",
        [ADMIND_FAULT_SEAL_ANEW] = "seal_anew",
        [ADMIND_FAULT_SEAL_MISSING] = "seal_missing",
    };

    return words[kind];
}

/* ---- faults */

static void tell(admind_verify_t *verify, admind_fault_t *fault)
{
    admind_journal_name_format(fault->file, &verify->name);
    fault->line = fault->kind == ADMIND_FAULT_SEAL_MISSING ? 0 : verify->line;
    verify->found.faults++;
    verify->fault(verify->ctx, fault);
}

static void tell_kind(admind_verify_t *verify, admind_fault_kind_t kind)
{
    tell(verify, &(admind_fault_t){ .kind = kind });
}

static void tell_seal(void *ctx, admind_fault_kind_t kind, uint64_t expected, uint64_t seq)
{
    tell(ctx, &(admind_fault_t){ .kind = kind, .expected = expected, .seq = seq });
}

admind_verify_t *admind_verify_new(size_t max_instances, void (*fault)(void *ctx, const admind_fault_t *fault), void *ctx)
{
    admind_verify_t *verify = calloc(1, sizeof(*verify));

    if (verify == NULL) {
        return NULL;
    }
    verify->marks = admind_marks_new(max_instances);
    verify->seals = admind_sealcheck_new(&verify->found.sealed, tell_seal, verify);
    if (verify->marks == NULL || verify->seals == NULL) {
        admind_verify_free(&verify);
        return NULL;
    }
    verify->fault = fault;
    verify->ctx = ctx;
    verify->max_instances = max_instances;
    verify->found.first_us = verify->found.last_us = MCPA_RECORD_ABSENT;
    return verify;
}

void admind_verify_free(admind_verify_t **verify)
{
    if (*verify != NULL) {
        admind_marks_free(&(*verify)->marks);
        admind_sealcheck_free(&(*verify)->seals);
        free(*verify);
        *verify = NULL;
    }
}

bool admind_verify_key(admind_verify_t *verify, const admind_seal_key_t *origin)
{
    return admind_sealcheck_key(verify->seals, origin);
}

bool admind_verify_anchor(admind_verify_t *verify, uint64_t epoch, const unsigned char mac[ADMIND_SEAL_BYTES])
{
    return admind_sealcheck_anchor(verify->seals, epoch, mac);
}

const admind_verified_t *admind_verify_get(const admind_verify_t *verify)
{
    return &verify->found;
}

static void tell_member(admind_verify_t *verify, admind_fault_kind_t kind, mcpa_str_t member)
{
    admind_fault_t fault = { .kind = kind };
    size_t len = member.len < sizeof(fault.member) ? member.len : sizeof(fault.member) - 1;

    memcpy(fault.member, member.ptr, len);
    tell(verify, &fault);
}

/* ---- files */

void admind_verify_file(admind_verify_t *verify, const admind_journal_name_t *name, int32_t today)
{
    bool first = verify->name.day == 0;
    uint32_t expected = name->day == verify->name.day ? verify->name.number + 1 : 0;

    verify->name = *name;
    verify->line = 0;
    verify->found.files++;
    admind_sealcheck_file(verify->seals, name);
    if (name->day > today) {
        tell_kind(verify, ADMIND_FAULT_FILE_FUTURE);
    }
    if (!first && name->number != expected) { /* retention takes from the old end: the first may have any number */
        tell(verify, &(admind_fault_t){ .kind = ADMIND_FAULT_FILE_MISSING, .seq = name->number, .expected = expected });
    }
}

void admind_verify_torn(admind_verify_t *verify, uint64_t bytes, bool newest)
{
    verify->line++;
    if (newest) {
        verify->found.torn_bytes = bytes;
        return;
    }
    verify->found.broken++;
    tell_kind(verify, ADMIND_FAULT_LINE_TORN);
}

void admind_verify_long_line(admind_verify_t *verify)
{
    verify->line++;
    verify->found.broken++;
    admind_sealcheck_lose(verify->seals);
    tell_kind(verify, ADMIND_FAULT_LINE_LONG);
}

void admind_verify_broken(admind_verify_t *verify)
{
    verify->line++;
    admind_sealcheck_lose(verify->seals);
    tell_kind(verify, ADMIND_FAULT_FILE_BROKEN);
}

void admind_verify_end(admind_verify_t *verify)
{
    admind_sealcheck_end(verify->seals);
}

/* ---- lines */

/* Why admind_line_parse refused it. */
static mcpa_status_t tell_broken(admind_verify_t *verify, mcpa_str_t text)
{
    mcpa_json_t *tree = NULL;
    mcpa_status_t status = mcpa_json_parse(&tree, text, LINE_DEPTH_MAX, LINE_VALUES_MAX);
    static const char *const members[] = { "instance", "seq" };
    int64_t seq;

    if (status == MCPA_ENOMEM) {
        return status;
    }
    verify->found.broken++;
    if (status != MCPA_OK || !mcpa_json_is(tree, MCPA_JSON_OBJECT)) {
        tell_kind(verify, ADMIND_FAULT_NOT_JSON);
        mcpa_json_free(&tree);
        return MCPA_OK;
    }
    for (size_t i = 0; i < 2; i++) {
        if (mcpa_json_member(tree, members[i]) == NULL) {
            tell_member(verify, ADMIND_FAULT_MEMBER_MISSING, mcpa_str(members[i]));
            mcpa_json_free(&tree);
            return MCPA_OK;
        }
    }
    tell_member(verify, ADMIND_FAULT_MEMBER_WRONG,
                mcpa_json_integer(mcpa_json_member(tree, "seq"), &seq) && seq > 0 ? MCPA_STR("instance") : MCPA_STR("seq"));
    mcpa_json_free(&tree);
    return MCPA_OK;
}

typedef struct members {
    admind_verify_t *verify;
    const mcpa_record_t *record;
} members_t;

static bool is_time(const mcpa_json_t *value, int64_t us)
{
    char again[25];

    if (us == MCPA_RECORD_ABSENT) {
        return false;
    }
    mcpa_text_rfc3339(again, us); /* one spelling a time: no 31st of February */
    return mcpa_str_eqz(mcpa_json_string(value), again);
}

#define IS_TIME(value, field)  is_time(value, field)
#define IS_STR(value, field)   ((field).ptr != NULL)
#define IS_U64(value, field)   ((field) != MCPA_RECORD_ABSENT)
#define IS_MILLI(value, field) ((field) != MCPA_RECORD_ABSENT)

/* admind_line_parse leaves absent what is of another type than ours. */
static bool check_member(void *ctx, mcpa_str_t name, const mcpa_json_t *value)
{
    members_t *members = ctx;
    bool known = mcpa_str_eqz(name, "instance") || mcpa_str_eqz(name, "seq"), right = known;

#define MCPA_FIELD(kind, id, member)                                                                                             \
    if (!known && mcpa_str_eqz(name, #member)) {                                                                                 \
        known = true;                                                                                                            \
        right = IS_##kind(value, members->record->member);                                                                       \
    }
#include "wire/record.def"
#undef MCPA_FIELD
    if (!known || !right) {
        tell_member(members->verify, known ? ADMIND_FAULT_MEMBER_WRONG : ADMIND_FAULT_MEMBER_UNKNOWN, name);
    }
    return true;
}

static bool is_gap(const mcpa_record_t *record)
{
    return mcpa_str_eqz(record->event, "gap") && record->lost != MCPA_RECORD_ABSENT;
}

/* Behind a fault the count goes on from here, so that one displaced line is not told of all that follow it. */
static void check_seq(admind_verify_t *verify, admind_mark_t *mark, const admind_line_t *line)
{
    uint64_t last = mark->accepted;
    admind_fault_t fault = { .seq = line->seq, .expected = last + 1 };

    mark->accepted = mark->durable = line->seq;
    if (line->seq == last + 1) {
        return;
    }
    /* The daemon's own gap record stands at the last of the seqs that it tells of. */
    if (line->seq > last && is_gap(&line->record) && (uint64_t)line->record.lost == line->seq - last) {
        return;
    }
    mcpa_hex(fault.instance, line->instance, MCPA_INSTANCE_BYTES);
    fault.kind = line->seq > last ? ADMIND_FAULT_SEQ_HOLE : line->seq == last ? ADMIND_FAULT_SEQ_REPEATED : ADMIND_FAULT_SEQ_BACK;
    tell(verify, &fault);
}

static mcpa_status_t check_instance(admind_verify_t *verify, const admind_line_t *line)
{
    bool known = admind_marks_find(verify->marks, line->instance) != NULL;
    bool full = admind_marks_count(verify->marks) >= verify->max_instances;
    admind_mark_t *mark = admind_marks_get(verify->marks, line->instance, 0);

    if (mark == NULL) {
        return MCPA_ENOMEM;
    }
    if (known) {
        check_seq(verify, mark, line);
        return MCPA_OK;
    }
    mark->accepted = mark->durable = line->seq;
    verify->found.instances++;
    verify->found.forgotten += full;
    verify->found.begun_earlier += line->seq != 1;
    return MCPA_OK;
}

static void count(admind_verified_t *found, const mcpa_record_t *record)
{
    found->records++;
    found->corrupt += mcpa_str_eqz(record->event, "corrupt");
    if (is_gap(record)) {
        found->gaps++;
        found->lost = (uint64_t)record->lost > UINT64_MAX - found->lost ? UINT64_MAX : found->lost + (uint64_t)record->lost;
    }
    if (record->ts == MCPA_RECORD_ABSENT) {
        return;
    }
    if (found->first_us == MCPA_RECORD_ABSENT || record->ts < found->first_us) {
        found->first_us = record->ts;
    }
    if (record->ts > found->last_us) {
        found->last_us = record->ts;
    }
}

mcpa_status_t admind_verify_line(admind_verify_t *verify, mcpa_str_t text)
{
    admind_line_t line;
    mcpa_status_t status = admind_line_parse(&line, text);

    verify->line++;
    if (status == MCPA_ENOMEM) {
        return status;
    }
    if (status != MCPA_OK) {
        status = tell_broken(verify, text);
        return status == MCPA_OK ? admind_sealcheck_line(verify->seals, text, false) : status;
    }
    if (line.seal) {
        admind_line_clear(&line);
        return admind_sealcheck_line(verify->seals, text, true);
    }
    mcpa_json_each(line.tree, check_member, &(members_t){ verify, &line.record });
    if (mcpa_json_member(line.tree, "ts") == NULL) {
        tell_member(verify, ADMIND_FAULT_MEMBER_MISSING, MCPA_STR("ts"));
    }
    count(&verify->found, &line.record);
    status = check_instance(verify, &line);
    admind_line_clear(&line);
    return status == MCPA_OK ? admind_sealcheck_line(verify->seals, text, false) : status;
}
