/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256. libcrypto's own one-shot function looks the algorithm up anew each time, under locks that all threads share. */
#ifndef MCPA_BASE_DIGEST_H
#define MCPA_BASE_DIGEST_H

#include "base/bytes.h"

#define MCPA_SHA256_BYTES 32

/* Thread: any. False: no memory, or no such algorithm; the digest is untouched. */
bool mcpa_sha256(unsigned char digest[MCPA_SHA256_BYTES], mcpa_str_t bytes) MCPA_MUST_CHECK;

#endif
