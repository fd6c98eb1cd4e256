/* SPDX-License-Identifier: Apache-2.0 */
/* The audit record and its two forms: compact bytes in spool and link, one JSON object a line in the journal. The field table is record.def.
 * instance and seq are not fields: they come from the envelope (wire/segment.h) and are printed last. 'event' is absent for a request and "gap"
 * for a record that says how many were lost ('lost'). */
#ifndef MCPA_WIRE_RECORD_H
#define MCPA_WIRE_RECORD_H

#include "base/bytes.h"
#include "base/limits.h"

/* Absent: ptr NULL for strings, MCPA_RECORD_ABSENT for numbers. Strings borrow. */
#define MCPA_RECORD_ABSENT INT64_MIN
#define MCPA_FIELD_TYPE_TIME int64_t
#define MCPA_FIELD_TYPE_STR mcpa_str_t
#define MCPA_FIELD_TYPE_U64 int64_t
#define MCPA_FIELD_TYPE_MILLI int64_t

typedef struct mcpa_record {
#define MCPA_FIELD(kind, id, member) MCPA_FIELD_TYPE_##kind member;
#include "wire/record.def"
#undef MCPA_FIELD
} mcpa_record_t;

/* Every field absent. */
void mcpa_record_init(mcpa_record_t *record);
/* Encodes; strings longer than MCPA_AUDIT_TEXT_MAX_BYTES are cut and end in "..."; negative numbers become 0.
 * Never empty. MCPA_ETOOBIG only when cap is too small (MCPA_RECORD_MAX_BYTES is always enough). */
mcpa_status_t mcpa_record_encode(unsigned char *memory, size_t cap, size_t *written, const mcpa_record_t *record) MCPA_MUST_CHECK;
/* Decodes; strings borrow from bytes. Unknown field ids are skipped (a newer sender); a broken shape is MCPA_EMALFORMED, a form of
 * record this program does not know MCPA_EUNSUPPORTED. */
mcpa_status_t mcpa_record_decode(mcpa_record_t *record, const unsigned char *bytes, size_t len) MCPA_MUST_CHECK;
/* Enough for the line of any decoded record: every byte may need six. */
#define MCPA_RECORD_LINE_MAX_BYTES (6 * MCPA_RECORD_MAX_BYTES + 2048)
/* One line of the journal without the newline: the present fields in table order, then "instance" (32 hex) and "seq". */
void mcpa_record_print(mcpa_out_t *out, const mcpa_record_t *record, const unsigned char instance[16], uint64_t seq);

#endif
