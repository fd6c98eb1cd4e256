/* SPDX-License-Identifier: Apache-2.0 */
/* A journal line read back: what mcpa_record_print wrote, as a record again. Times come back in milliseconds. */
#ifndef ADMIND_AUDIT_LINE_H
#define ADMIND_AUDIT_LINE_H

#include "base/json.h"
#include "wire/record.h"
#include "wire/segment.h"

typedef struct admind_line {
    mcpa_json_t *tree; /* the record's strings borrow from it */
    mcpa_record_t record;
    unsigned char instance[MCPA_INSTANCE_BYTES];
    uint64_t seq;
    bool seal; /* a seal (audit/seal.h), written by the daemon itself: no request, no instance (zeroes), seq 0 */
} admind_line_t;

/* MCPA_EMALFORMED: not one of our lines: no JSON object with instance and seq, and no seal. Unknown members are ignored, those of an
 * unexpected type absent. To be cleared when MCPA_OK. */
mcpa_status_t admind_line_parse(admind_line_t *line, mcpa_str_t text) MCPA_MUST_CHECK;
void admind_line_clear(admind_line_t *line);

#endif
