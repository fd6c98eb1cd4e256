/* SPDX-License-Identifier: Apache-2.0 */
/* base64url: whatever is taken encodes back to the same text, any bytes survive the way there and back, and text that nobody
 * looked at fits. */
#include <stdlib.h>

#include "base/b64url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcpa_str_t text = { (const char *)data, size };
    size_t cap = mcpa_b64url_decoded_max(size), encoded_cap = cap / 3 * 4 + size * 2 + 8;
    unsigned char *bytes = malloc(cap);
    char *encoded = malloc(encoded_cap);
    size_t len = 0;
    mcpa_out_t out;
    mcpa_status_t status;

    must(bytes != NULL && encoded != NULL);
    status = mcpa_b64url_decode(bytes, cap, &len, text);
    must(status == MCPA_OK || status == MCPA_EMALFORMED);
    must((status == MCPA_OK) == mcpa_b64url_is_canonical(text));
    mcpa_out_init(&out, encoded, encoded_cap);
    if (status == MCPA_OK) {
        mcpa_b64url_encode(&out, bytes, len);
        must(mcpa_str_eq(mcpa_out_get(&out), text));
        must(len == 0 || mcpa_b64url_decode(bytes, len - 1, &len, text) == MCPA_ETOOBIG);
    }
    must(mcpa_b64url_decode_canonical(bytes, cap, &len, text) == MCPA_OK && len <= cap);
    mcpa_out_init(&out, encoded, encoded_cap);
    mcpa_b64url_encode(&out, data, size);
    must(mcpa_out_status(&out) == MCPA_OK);
    free(bytes);
    bytes = malloc(size + 1);
    must(bytes != NULL && mcpa_b64url_decode(bytes, size, &len, mcpa_out_get(&out)) == MCPA_OK);
    must(len == size && (size == 0 || memcmp(bytes, data, size) == 0));
    free(bytes);
    free(encoded);
    return 0;
}
