/* SPDX-License-Identifier: Apache-2.0 */
/* Records for the tests of the spool. */
#ifndef TEST_MOD_RECORD_H
#define TEST_MOD_RECORD_H

#include <string.h>

#include "wire/record.h"

/* Every string at its ceiling: nothing larger can come. */
static inline void write_greatest(mcpa_record_t *record)
{
    static char text[2 * MCPA_AUDIT_TEXT_MAX_BYTES];
    mcpa_str_t longest = { text, sizeof(text) };

    memset(text, 'x', sizeof(text));
    mcpa_record_init(record);
#define MCPA_FIELD(kind, id, member) MCPA_FIELD_##kind(member)
#define MCPA_FIELD_TIME(member)      record->member = INT64_MAX;
#define MCPA_FIELD_STR(member)       record->member = longest;
#define MCPA_FIELD_U64(member)       record->member = INT64_MAX;
#define MCPA_FIELD_MILLI(member)     record->member = INT64_MAX;
#include "wire/record.def"
#undef MCPA_FIELD
    record->event = MCPA_STR_NONE;
}

#endif
