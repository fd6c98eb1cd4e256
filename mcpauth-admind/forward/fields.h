/* SPDX-License-Identifier: Apache-2.0 */
/* What a forwarded journal line says of itself beside its text: one table for both protocols, and how grave it is. Pure. */
#ifndef ADMIND_FORWARD_FIELDS_H
#define ADMIND_FORWARD_FIELDS_H

#include "audit/line.h"

typedef struct admind_field {
    const char *syslog; /* name of the parameter in structured data */
    const char *otlp;   /* name of the attribute: OpenTelemetry's own where it has one */
    size_t offset;      /* in mcpa_record_t */
    bool is_number;
} admind_field_t;

const admind_field_t *admind_fields(size_t *count);
/* One field of a record. false: absent. */
bool admind_field_text(const admind_field_t *field, const mcpa_record_t *record, mcpa_str_t *value);
bool admind_field_number(const admind_field_t *field, const mcpa_record_t *record, int64_t *value);

typedef struct admind_grade {
    const char *word;
    unsigned syslog; /* RFC 5424 section 6.2.1 */
    unsigned otlp;   /* SeverityNumber of OpenTelemetry's log data model */
} admind_grade_t;

/* line NULL: text that is no journal line. */
const admind_grade_t *admind_grade_of(const admind_line_t *line);
/* "request", "decision", "gap", "corrupt", "seal"; "event" for one this program does not know, "damaged" for NULL. */
const char *admind_kind_of(const admind_line_t *line);

#endif
