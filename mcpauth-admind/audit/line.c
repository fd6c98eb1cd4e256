/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/line.h"

#include <time.h>

#include "base/text.h"

#define LINE_VALUES_MAX 256

static bool digits(mcpa_str_t text, size_t at, size_t len, int *value)
{
    uint64_t number;

    if (!mcpa_text_u64((mcpa_str_t){ text.ptr + at, len }, &number)) {
        return false;
    }
    *value = (int)number;
    return true;
}

/* "2026-11-21T09:00:00.123Z", exactly as mcpa_text_rfc3339 writes it. */
static bool read_time(const mcpa_json_t *json, int64_t *us)
{
    mcpa_str_t text = mcpa_json_string(json);
    struct tm tm = { 0 };
    int ms;

    if (text.len != 24 || text.ptr[4] != '-' || text.ptr[7] != '-' || text.ptr[10] != 'T' || text.ptr[13] != ':' ||
        text.ptr[16] != ':' || text.ptr[19] != '.' || text.ptr[23] != 'Z' || !digits(text, 0, 4, &tm.tm_year) ||
        !digits(text, 5, 2, &tm.tm_mon) || !digits(text, 8, 2, &tm.tm_mday) || !digits(text, 11, 2, &tm.tm_hour) ||
        !digits(text, 14, 2, &tm.tm_min) || !digits(text, 17, 2, &tm.tm_sec) || !digits(text, 20, 3, &ms)) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *us = (int64_t)timegm(&tm) * 1000000 + ms * 1000;
    *us = *us < 0 ? 0 : *us; /* as the wire form has it: no record is older than 1970 */
    return true;
}

static bool read_str(const mcpa_json_t *json, mcpa_str_t *value)
{
    *value = mcpa_json_string(json);
    return value->ptr != NULL;
}

static bool read_u64(const mcpa_json_t *json, int64_t *value)
{
    return mcpa_json_integer(json, value) && *value >= 0;
}

static bool read_milli(const mcpa_json_t *json, int64_t *us)
{
    double ms;

    if (!mcpa_json_number(json, &ms) || !(ms >= 0)) {
        return false;
    }
    *us = ms < (double)INT64_MAX / 1000 ? (int64_t)(ms * 1000 + 0.5) : INT64_MAX;
    return true;
}

#define READ_TIME    read_time
#define READ_STR     read_str
#define READ_U64     read_u64
#define READ_MILLI   read_milli
#define ABSENT_TIME  MCPA_RECORD_ABSENT
#define ABSENT_STR   MCPA_STR_NONE
#define ABSENT_U64   MCPA_RECORD_ABSENT
#define ABSENT_MILLI MCPA_RECORD_ABSENT

/* A member of another type than ours counts as absent. It must not make the line "damage": that would cut off records that were
 * acknowledged, and a newer writer may have its reasons. */
static void read_fields(mcpa_record_t *record, const mcpa_json_t *tree)
{
    const mcpa_json_t *value;

    mcpa_record_init(record);
#define MCPA_FIELD(kind, id, member)                                                                                             \
    value = mcpa_json_member(tree, #member);                                                                                     \
    if (value != NULL && !READ_##kind(value, &record->member)) {                                                                 \
        record->member = ABSENT_##kind;                                                                                          \
    }
#include "wire/record.def"
#undef MCPA_FIELD
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_instance(unsigned char *instance, mcpa_str_t hex)
{
    if (hex.len != 2 * MCPA_INSTANCE_BYTES) {
        return false;
    }
    for (size_t i = 0; i < MCPA_INSTANCE_BYTES; i++) {
        int high = nibble(hex.ptr[2 * i]), low = nibble(hex.ptr[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        instance[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* A child may name its event as it likes, but never writes a line without instance and seq: both are the daemon's. */
static bool is_seal(const mcpa_json_t *tree)
{
    return mcpa_str_eqz(mcpa_json_string(mcpa_json_member(tree, "event")), "seal") &&
           mcpa_json_member(tree, "instance") == NULL && mcpa_json_member(tree, "seq") == NULL;
}

mcpa_status_t admind_line_parse(admind_line_t *line, mcpa_str_t text)
{
    mcpa_json_t *tree = NULL;
    mcpa_status_t status = mcpa_json_parse(&tree, text, 4, LINE_VALUES_MAX);
    int64_t seq = 0;
    bool seal;

    if (status != MCPA_OK) {
        return status == MCPA_ENOMEM ? status : MCPA_EMALFORMED;
    }
    seal = is_seal(tree);
    memset(line->instance, 0, sizeof(line->instance));
    if (!seal && (!read_instance(line->instance, mcpa_json_string(mcpa_json_member(tree, "instance"))) ||
                  !mcpa_json_integer(mcpa_json_member(tree, "seq"), &seq) || seq < 1)) {
        mcpa_json_free(&tree);
        return MCPA_EMALFORMED;
    }
    read_fields(&line->record, tree);
    line->seal = seal;
    line->seq = (uint64_t)seq;
    line->tree = tree;
    return MCPA_OK;
}

void admind_line_clear(admind_line_t *line)
{
    mcpa_json_free(&line->tree);
}
