/* SPDX-License-Identifier: Apache-2.0 */
/* The published keys of one issuer, <dir>/<mcpa_issuer_key_file>, where dir is <StateDir>/keys: what children verify with and what outlives restarts.
 *
 *   {"issuer":"<url>","fetched":<unix s>,"expires":<unix s: not to be used after>,"jwks":{"keys":[...]}}
 *
 * Written by the daemon alone, atomically, readable by all (public keys); whoever reads checks issuer and expires. */
#ifndef ADMIND_KEYFILE_H
#define ADMIND_KEYFILE_H

#include "jose/jwks.h"

#define ADMIND_KEYFILE_DIR "keys"

typedef struct admind_keyfile {
    int64_t fetched_s, expires_s;
    mcpa_jwks_t *set; /* own reference */
} admind_keyfile_t;

/* MCPA_EIO (errno tells) when it could not be made durable. */
mcpa_status_t admind_keyfile_write(const char *dir, const char *issuer, const admind_keyfile_t *file) MCPA_MUST_CHECK;
/* MCPA_ENOTFOUND: no such file. MCPA_EMALFORMED and others: not a file of this issuer. On success the caller releases file->set. */
mcpa_status_t admind_keyfile_read(admind_keyfile_t *file, const char *dir, const char *issuer) MCPA_MUST_CHECK;
/* Makes the directory (0755) where there is none; errno tells when false. */
bool admind_keyfile_prepare(const char *dir);
/* Unlinks every key file whose name 'keep' does not claim, and temporary files left behind. */
void admind_keyfile_sweep(const char *dir, bool (*keep)(void *ctx, const char *name), void *ctx);

#endif
