/* SPDX-License-Identifier: Apache-2.0 */
/* The compact form:
 *
 *   record = form:u8=1  field*          field = id:u8 len:u16 value[len]          ids ascend, so none stands twice
 *   number = the value's bytes, little-endian, without the zero bytes at its top; zero has none
 *
 * The form byte also keeps a record without fields from being empty, which in a segment would mean its end. */
#include "wire/record.h"

#include "base/json.h"
#include "base/text.h"
#include "wire/le.h"

#define FORM             1
#define FIELD_HEAD_BYTES 3
#define NUMBER_MAX_BYTES 8

#define WORST_TIME                   NUMBER_MAX_BYTES
#define WORST_U64                    NUMBER_MAX_BYTES
#define WORST_MILLI                  NUMBER_MAX_BYTES
#define WORST_STR                    MCPA_AUDIT_TEXT_MAX_BYTES
#define MCPA_FIELD(kind, id, member) +FIELD_HEAD_BYTES + WORST_##kind
_Static_assert(1
#include "wire/record.def"
                   <= MCPA_RECORD_MAX_BYTES,
               "any record fits once its strings are cut");
#undef MCPA_FIELD
#define MCPA_FIELD(kind, id, member) _Static_assert((id) > 0 && (id) < 256, "ids are one byte, and not zero");
#include "wire/record.def"
#undef MCPA_FIELD

#define ABSENT_TIME  MCPA_RECORD_ABSENT
#define ABSENT_U64   MCPA_RECORD_ABSENT
#define ABSENT_MILLI MCPA_RECORD_ABSENT
#define ABSENT_STR   MCPA_STR_NONE

void mcpa_record_init(mcpa_record_t *record)
{
#define MCPA_FIELD(kind, id, member) record->member = ABSENT_##kind;
#include "wire/record.def"
#undef MCPA_FIELD
}

typedef struct writer {
    unsigned char *at;
    size_t left;
    bool full;
} writer_t;

/* Room for a field of len value bytes with its head written, or NULL. */
static inline unsigned char *put_head(writer_t *w, unsigned id, size_t len)
{
    unsigned char *value;

    if (w->full || w->left < FIELD_HEAD_BYTES + len) {
        w->full = true;
        return NULL;
    }
    value = w->at + FIELD_HEAD_BYTES;
    w->at[0] = (unsigned char)id;
    mcpa_le16_put(w->at + 1, (uint16_t)len);
    w->at += FIELD_HEAD_BYTES + len;
    w->left -= FIELD_HEAD_BYTES + len;
    return value;
}

static void put_number(writer_t *w, unsigned id, int64_t number)
{
    unsigned char bytes[NUMBER_MAX_BYTES];
    unsigned char *value;
    size_t len = NUMBER_MAX_BYTES;

    if (number == MCPA_RECORD_ABSENT) {
        return;
    }
    /* A negative duration is a clock that was set back; the journal knows no such number. */
    mcpa_le64_put(bytes, number < 0 ? 0 : (uint64_t)number);
    while (len > 0 && bytes[len - 1] == 0) {
        len--;
    }
    value = put_head(w, id, len);
    if (value != NULL) {
        memcpy(value, bytes, len);
    }
}

/* Bytes of a long s to keep in front of "..." so that no UTF-8 sequence is cut in two. */
static size_t cut_before(mcpa_str_t s)
{
    size_t len = MCPA_AUDIT_TEXT_MAX_BYTES - 3;

    for (unsigned back = 0; back < 3 && len > 0 && ((unsigned char)s.ptr[len] & 0xc0) == 0x80; back++) {
        len--;
    }
    return len;
}

static void put_text(writer_t *w, unsigned id, mcpa_str_t s)
{
    bool cut = s.ptr != NULL && s.len > MCPA_AUDIT_TEXT_MAX_BYTES;
    size_t keep = cut ? cut_before(s) : s.len;
    unsigned char *value;

    if (s.ptr == NULL) {
        return;
    }
    value = put_head(w, id, keep + (cut ? 3 : 0));
    if (value == NULL) {
        return;
    }
    if (keep > 0) {
        memcpy(value, s.ptr, keep);
    }
    if (cut) {
        memcpy(value + keep, "...", 3);
    }
}

mcpa_status_t mcpa_record_encode(unsigned char *memory, size_t cap, size_t *written, const mcpa_record_t *record)
{
    writer_t w;

    if (cap < 1) {
        return MCPA_ETOOBIG;
    }
    memory[0] = FORM;
    w = (writer_t){ .at = memory + 1, .left = cap - 1 };
#define PUT_TIME                     put_number
#define PUT_U64                      put_number
#define PUT_MILLI                    put_number
#define PUT_STR                      put_text
#define MCPA_FIELD(kind, id, member) PUT_##kind(&w, id, record->member);
#include "wire/record.def"
#undef MCPA_FIELD
    if (w.full) {
        return MCPA_ETOOBIG;
    }
    *written = cap - w.left;
    return MCPA_OK;
}

static bool get_number(int64_t *number, const unsigned char *value, size_t len)
{
    uint64_t n = 0;

    if (len > NUMBER_MAX_BYTES || (len > 0 && value[len - 1] == 0)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        n |= (uint64_t)value[i] << (8 * i);
    }
    if (n > INT64_MAX) {
        return false;
    }
    *number = (int64_t)n;
    return true;
}

static bool get_text(mcpa_str_t *s, const unsigned char *value, size_t len)
{
    if (len > MCPA_AUDIT_TEXT_MAX_BYTES) {
        return false;
    }
    *s = (mcpa_str_t){ (const char *)value, len };
    return true;
}

static bool get_field(mcpa_record_t *record, unsigned id, const unsigned char *value, size_t len)
{
    switch (id) {
#define GET_TIME  get_number
#define GET_U64   get_number
#define GET_MILLI get_number
#define GET_STR   get_text
#define MCPA_FIELD(kind, id, member)                                                                                             \
    case id:                                                                                                                     \
        return GET_##kind(&record->member, value, len);
#include "wire/record.def"
#undef MCPA_FIELD
    default:
        return true; /* a newer sender's field */
    }
}

mcpa_status_t mcpa_record_decode(mcpa_record_t *record, const unsigned char *bytes, size_t len)
{
    mcpa_record_t found;
    size_t at = 1;
    unsigned last = 0;

    if (len < 1 || len > MCPA_RECORD_MAX_BYTES) {
        return MCPA_EMALFORMED;
    }
    if (bytes[0] != FORM) {
        return MCPA_EUNSUPPORTED;
    }
    mcpa_record_init(&found);
    while (at < len) {
        unsigned id = bytes[at];
        size_t value_len;

        if (len - at < FIELD_HEAD_BYTES || id <= last) {
            return MCPA_EMALFORMED;
        }
        value_len = mcpa_le16_get(bytes + at + 1);
        at += FIELD_HEAD_BYTES;
        if (value_len > len - at || !get_field(&found, id, bytes + at, value_len)) {
            return MCPA_EMALFORMED;
        }
        at += value_len;
        last = id;
    }
    *record = found;
    return MCPA_OK;
}

static void print_time(mcpa_jsonw_t *w, const char *name, int64_t unix_us)
{
    char text[25];

    if (unix_us != MCPA_RECORD_ABSENT) {
        mcpa_text_rfc3339(text, unix_us);
        mcpa_jsonw_z(w, name, text);
    }
}

static void print_number(mcpa_jsonw_t *w, const char *name, int64_t number)
{
    if (number != MCPA_RECORD_ABSENT) {
        mcpa_jsonw_u64(w, name, number < 0 ? 0 : (uint64_t)number);
    }
}

static void print_milli(mcpa_jsonw_t *w, const char *name, int64_t us)
{
    if (us != MCPA_RECORD_ABSENT) {
        mcpa_jsonw_milli(w, name, us < 0 ? 0 : (uint64_t)us);
    }
}

static void print_text(mcpa_jsonw_t *w, const char *name, mcpa_str_t s)
{
    if (s.ptr != NULL) {
        mcpa_jsonw_str(w, name, s);
    }
}

void mcpa_record_print(mcpa_out_t *out, const mcpa_record_t *record, const unsigned char instance[16], uint64_t seq)
{
    mcpa_jsonw_t w;
    char hex[33];

    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
#define PRINT_TIME                   print_time
#define PRINT_U64                    print_number
#define PRINT_MILLI                  print_milli
#define PRINT_STR                    print_text
#define MCPA_FIELD(kind, id, member) PRINT_##kind(&w, #member, record->member);
#include "wire/record.def"
#undef MCPA_FIELD
    mcpa_hex(hex, instance, 16);
    mcpa_jsonw_z(&w, "instance", hex);
    mcpa_jsonw_u64(&w, "seq", seq);
    mcpa_jsonw_close_object(&w);
}
