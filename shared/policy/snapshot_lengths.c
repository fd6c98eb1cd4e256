/* SPDX-License-Identifier: Apache-2.0 */
/* The ceilings that a Location sets, in the snapshot and back: {"max_length":{"token":N,"name":N}}, those alone that are not left
 * to the default. */
#include "policy/snapshot_read.h"

void mcpa_print_lengths(mcpa_jsonw_t *w, const mcpa_lengths_t *lengths)
{
    bool opened = false;

    for (unsigned kind = 0; kind < MCPA_LENGTHS; kind++) {
        if (lengths->bytes[kind] == 0) {
            continue;
        }
        if (!opened) {
            mcpa_jsonw_open_object(w, "max_length");
        }
        opened = true;
        mcpa_jsonw_int(w, mcpa_length_row((mcpa_length_t)kind)->word, lengths->bytes[kind]);
    }
    if (opened) {
        mcpa_jsonw_close_object(w);
    }
}

bool mcpa_read_lengths(mcpa_reading_t *p, mcpa_lengths_t *lengths, const mcpa_json_t *json)
{
    const mcpa_json_t *object = mcpa_json_member(json, "max_length");

    if (object && !mcpa_json_is(object, MCPA_JSON_OBJECT)) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"max_length\" must be an object");
    }
    for (unsigned kind = 0; object && kind < MCPA_LENGTHS; kind++) {
        const mcpa_length_row_t *row = mcpa_length_row((mcpa_length_t)kind);
        const mcpa_json_t *member = mcpa_json_member(object, row->word);
        int64_t bytes = 0;

        if (member && (!mcpa_json_is(member, MCPA_JSON_INTEGER) || !mcpa_json_integer(member, &bytes) || bytes < row->least ||
                       bytes > row->greatest)) {
            return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"max_length\": %s must be from %u to %u", row->word, row->least,
                                     row->greatest);
        }
        lengths->bytes[kind] = (uint16_t)bytes;
    }
    return true;
}
