/* SPDX-License-Identifier: Apache-2.0 */
/* base64url without padding (RFC 4648 section 5, RFC 7515 appendix C), strict and canonical: any character outside the
 * alphabet, any padding, an impossible length and non-zero trailing bits are errors, so one value has one spelling. */
#ifndef MCPA_BASE_B64URL_H
#define MCPA_BASE_B64URL_H

#include "base/bytes.h"

/* Bytes a text of len characters decodes to, at the most. */
static inline size_t mcpa_b64url_decoded_max(size_t len)
{
    return len / 4 * 3 + 3;
}

/* Decodes into memory (cap bytes) and sets *written. MCPA_EMALFORMED or MCPA_ETOOBIG. Empty text gives zero bytes. */
mcpa_status_t mcpa_b64url_decode(unsigned char *memory, size_t cap, size_t *written, mcpa_str_t text) MCPA_MUST_CHECK;
/* Whether decoding would succeed, given room. */
bool mcpa_b64url_is_canonical(mcpa_str_t text);
/* The same without a look at the spelling, for text that mcpa_b64url_is_canonical has said yes to. Other text gives other bytes, as many. */
mcpa_status_t mcpa_b64url_decode_canonical(unsigned char *memory, size_t cap, size_t *written, mcpa_str_t text) MCPA_MUST_CHECK;
/* Appends the encoding of len bytes. */
void mcpa_b64url_encode(mcpa_out_t *out, const void *bytes, size_t len);

#endif
