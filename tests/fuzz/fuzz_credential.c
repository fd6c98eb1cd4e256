/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization header and query: input is the header, up to the first LF, and then the query. */
#include <stdlib.h>

#include "base/limits.h"
#include "base/text.h"
#include "policy/credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *lf = size ? memchr(text, '\n', size) : NULL;
    mcpa_str_t header = { size ? text : "", lf ? (size_t)(lf - text) : size };
    mcpa_str_t query = lf ? (mcpa_str_t){ lf + 1, size - header.len - 1 } : MCPA_STR_NONE;
    mcpa_str_t token = MCPA_STR_NONE, again = MCPA_STR_NONE;
    mcpa_reason_t reason = mcpa_credential_extract(&token, header, query, MCPA_TOKEN_DEFAULT_BYTES);
    const mcpa_reason_row_t *row = mcpa_reason_row(reason);

    if (reason != MCPA_REASON_PASS) {
        must(token.ptr == NULL && (row->status == 400 || row->status == 401));
    } else {
        must(token.ptr >= header.ptr && token.ptr + token.len == header.ptr + header.len);
        must(token.len <= MCPA_TOKEN_DEFAULT_BYTES && mcpa_text_is_token68(token));
    }
    /* A query can only take away, and alone it is nothing. */
    must(reason != MCPA_REASON_PASS ||
         mcpa_credential_extract(&again, header, MCPA_STR_NONE, MCPA_TOKEN_DEFAULT_BYTES) == MCPA_REASON_PASS);
    must(mcpa_credential_extract(&again, MCPA_STR_NONE, query, MCPA_TOKEN_DEFAULT_BYTES) == MCPA_REASON_NO_TOKEN);
    return 0;
}
