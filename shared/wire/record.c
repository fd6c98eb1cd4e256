/* SPDX-License-Identifier: Apache-2.0 */
/* The record's bytes: for every present field  id:u8 len:u16 value[len], little-endian, in table order; numbers have 8 bytes. */
#include "wire/record.h"

#include "base/json.h"
#include "base/text.h"
#include "wire/le.h"

#define FIELD_HEAD_BYTES 3
#define NUMBER_BYTES 8

static const char cut_mark[3] = { '.', '.', '.' };

void mcpa_record_init(mcpa_record_t *record)
{
#define ABSENT_TIME MCPA_RECORD_ABSENT
#define ABSENT_U64 MCPA_RECORD_ABSENT
#define ABSENT_MILLI MCPA_RECORD_ABSENT
#define ABSENT_STR MCPA_STR_NONE
#define MCPA_FIELD(kind, id, member) record->member = ABSENT_##kind;
#include "wire/record.def"
#undef MCPA_FIELD
}

/* Memory that is being filled; 'full' once something did not fit. */
typedef struct sink {
    unsigned char *at;
    size_t left;
    bool full;
} sink_t;

static unsigned char *open_field(sink_t *sink, unsigned id, size_t len)
{
    unsigned char *at = sink->at;

    if (sink->full || sink->left < FIELD_HEAD_BYTES + len) {
        sink->full = true;
        return NULL;
    }
    at[0] = (unsigned char)id;
    mcpa_le_put(at + 1, len, 2);
    sink->at += FIELD_HEAD_BYTES + len;
    sink->left -= FIELD_HEAD_BYTES + len;
    return at + FIELD_HEAD_BYTES;
}

static void put_number(sink_t *sink, unsigned id, int64_t value)
{
    unsigned char *at = value != MCPA_RECORD_ABSENT ? open_field(sink, id, NUMBER_BYTES) : NULL;

    if (at != NULL) {
        mcpa_le_put(at, (uint64_t)value, NUMBER_BYTES);
    }
}

static void put_text(sink_t *sink, unsigned id, mcpa_str_t value)
{
    bool cut = value.len > MCPA_AUDIT_TEXT_MAX_BYTES;
    size_t len = cut ? MCPA_AUDIT_TEXT_MAX_BYTES : value.len;
    unsigned char *at;

    if (value.ptr == NULL) {
        return;
    }
    if (cut) {
        len -= sizeof(cut_mark);
        while (len > 0 && ((unsigned char)value.ptr[len] & 0xc0) == 0x80) {
            len--; /* never in the middle of a character */
        }
    }
    at = open_field(sink, id, len + (cut ? sizeof(cut_mark) : 0));
    if (at != NULL) {
        memcpy(at, value.ptr, len);
        if (cut) {
            memcpy(at + len, cut_mark, sizeof(cut_mark));
        }
    }
}

mcpa_status_t mcpa_record_encode(unsigned char *memory, size_t cap, size_t *written, const mcpa_record_t *record)
{
    sink_t sink = { memory, cap, false };

#define PUT_TIME put_number
#define PUT_U64 put_number
#define PUT_MILLI put_number
#define PUT_STR put_text
#define MCPA_FIELD(kind, id, member) PUT_##kind(&sink, id, record->member);
#include "wire/record.def"
#undef MCPA_FIELD
    if (sink.full) {
        return MCPA_ETOOBIG;
    }
    *written = cap - sink.left;
    return MCPA_OK;
}

static bool get_number(int64_t *value, const unsigned char *at, size_t len)
{
    if (len != NUMBER_BYTES) {
        return false;
    }
    *value = (int64_t)mcpa_le_get(at, NUMBER_BYTES);
    return *value != MCPA_RECORD_ABSENT;
}

static bool get_text(mcpa_str_t *value, const unsigned char *at, size_t len)
{
    *value = (mcpa_str_t){ (const char *)at, len };
    return true;
}

static bool decode_field(mcpa_record_t *record, unsigned id, const unsigned char *at, size_t len)
{
    switch (id) {
#define GET_TIME get_number
#define GET_U64 get_number
#define GET_MILLI get_number
#define GET_STR get_text
#define MCPA_FIELD(kind, number, member)                                                                                         \
    case number:                                                                                                                 \
        return GET_##kind(&record->member, at, len);
#include "wire/record.def"
#undef MCPA_FIELD
    default:
        return true; /* a newer sender's field */
    }
}

mcpa_status_t mcpa_record_decode(mcpa_record_t *record, const unsigned char *bytes, size_t len)
{
    mcpa_record_t read;
    unsigned last = 0;

    mcpa_record_init(&read);
    while (len > 0) {
        size_t field;

        if (len < FIELD_HEAD_BYTES) {
            return MCPA_EMALFORMED;
        }
        field = (size_t)mcpa_le_get(bytes + 1, 2);
        /* Table order, so no field stands twice. */
        if (bytes[0] <= last || len - FIELD_HEAD_BYTES < field || !decode_field(&read, bytes[0], bytes + FIELD_HEAD_BYTES, field)) {
            return MCPA_EMALFORMED;
        }
        last = bytes[0];
        bytes += FIELD_HEAD_BYTES + field;
        len -= FIELD_HEAD_BYTES + field;
    }
    *record = read;
    return MCPA_OK;
}

static void print_time(mcpa_jsonw_t *w, const char *name, int64_t value)
{
    char text[25];

    if (value != MCPA_RECORD_ABSENT) {
        mcpa_text_rfc3339(text, value);
        mcpa_jsonw_z(w, name, text);
    }
}

static void print_u64(mcpa_jsonw_t *w, const char *name, int64_t value)
{
    if (value != MCPA_RECORD_ABSENT) {
        mcpa_jsonw_u64(w, name, (uint64_t)value);
    }
}

static void print_milli(mcpa_jsonw_t *w, const char *name, int64_t value)
{
    if (value != MCPA_RECORD_ABSENT) {
        mcpa_jsonw_milli(w, name, (uint64_t)value);
    }
}

static void print_text(mcpa_jsonw_t *w, const char *name, mcpa_str_t value)
{
    if (value.ptr != NULL) {
        mcpa_jsonw_str(w, name, value);
    }
}

void mcpa_record_print(mcpa_out_t *out, const mcpa_record_t *record, const unsigned char instance[16], uint64_t seq)
{
    mcpa_jsonw_t w;
    char hex[33];

    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
#define PRINT_TIME print_time
#define PRINT_U64 print_u64
#define PRINT_MILLI print_milli
#define PRINT_STR print_text
#define MCPA_FIELD(kind, id, member) PRINT_##kind(&w, #member, record->member);
#include "wire/record.def"
#undef MCPA_FIELD
    mcpa_hex(hex, instance, 16);
    mcpa_jsonw_z(&w, "instance", hex);
    mcpa_jsonw_u64(&w, "seq", seq);
    mcpa_jsonw_close_object(&w);
}
