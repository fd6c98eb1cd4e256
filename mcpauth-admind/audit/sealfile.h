/* SPDX-License-Identifier: Apache-2.0 */
/* The files that seal keys lie in, all 0600 in JournalDir: seal.key, and origin keys. A key that is replaced or could not be finished is
 * written over, as far as the file system writes in place. */
#ifndef ADMIND_AUDIT_SEALFILE_H
#define ADMIND_AUDIT_SEALFILE_H

#include <limits.h>

#include "audit/seal.h"

#define ADMIND_SEAL_KEY_FILE "seal.key"

/* MCPA_ENOTFOUND: there is none. MCPA_EMALFORMED, MCPA_ETOOBIG: it is none of ours. MCPA_EIO (errno), MCPA_ENOMEM: it may be, some other time. */
mcpa_status_t admind_sealfile_load(admind_seal_key_t *key, const char *dir) MCPA_MUST_CHECK;
/* In the place of the one before. false with errno: that is not sure. */
bool admind_sealfile_store(const admind_seal_key_t *key, const char *dir) MCPA_MUST_CHECK;
/* K_0 under a name that nothing has yet, for an origin key is never overwritten: seal-origin.key when it is the first and that is free, else
 * seal-origin-<id>.key. path: which it is. false with errno: it is not there. */
bool admind_sealfile_store_origin(const admind_seal_key_t *origin, const char *dir, bool first, char path[PATH_MAX]) MCPA_MUST_CHECK;
/* Erases what a daemon that was killed in the middle of a store left: a key that is in use by now. */
void admind_sealfile_sweep(const char *dir);

#endif
