/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lengths.h"

#include "base/limits.h"

/* The least: still room for what every client sends, the protocol's own methods and ids that are UUIDs. */
static const mcpa_length_row_t rows[MCPA_LENGTHS] = {
    [MCPA_LENGTH_TOKEN] = { "token", "access token", 512, MCPA_TOKEN_DEFAULT_BYTES, MCPA_TOKEN_MAX_BYTES },
    [MCPA_LENGTH_ID] = { "id", "request id", 64, MCPA_RPC_ID_DEFAULT_BYTES, MCPA_RPC_ID_MAX_BYTES },
    [MCPA_LENGTH_METHOD] = { "method", "method", 64, MCPA_RPC_METHOD_DEFAULT_BYTES, MCPA_RPC_METHOD_MAX_BYTES },
    [MCPA_LENGTH_NAME] = { "name", "name of the tool, prompt or task", 64, MCPA_RPC_NAME_DEFAULT_BYTES, MCPA_RPC_NAME_MAX_BYTES },
    [MCPA_LENGTH_URI] = { "uri", "URI of the resource", 256, MCPA_RPC_URI_DEFAULT_BYTES, MCPA_RPC_URI_MAX_BYTES },
};

const mcpa_length_row_t *mcpa_length_row(mcpa_length_t kind)
{
    return &rows[(size_t)kind < MCPA_LENGTHS ? kind : MCPA_LENGTH_TOKEN];
}

bool mcpa_length_find(mcpa_length_t *kind, mcpa_str_t word)
{
    for (size_t i = 0; i < MCPA_LENGTHS; i++) {
        if (mcpa_str_eqz(word, rows[i].word)) {
            *kind = (mcpa_length_t)i;
            return true;
        }
    }
    return false;
}

size_t mcpa_lengths_max(const mcpa_lengths_t *lengths, mcpa_length_t kind)
{
    return lengths != NULL && lengths->bytes[kind] != 0 ? lengths->bytes[kind] : mcpa_length_row(kind)->usual;
}

void mcpa_length_print(mcpa_out_t *out, mcpa_length_t kind, size_t max)
{
    mcpa_out_printf(out, "The %s is longer than %zu bytes, the most that is taken here", mcpa_length_row(kind)->what, max);
}
