/* SPDX-License-Identifier: Apache-2.0 */
/* Small whole files: read with a ceiling, replace atomically (temporary file, fsync, rename, fsync of the directory). */
#ifndef ADMIND_FILES_H
#define ADMIND_FILES_H

#include <sys/types.h>

#include "base/bytes.h"

/* *text: malloc'd, NUL-terminated beyond len. MCPA_ENOTFOUND, MCPA_ETOOBIG, MCPA_EIO, MCPA_ENOMEM. */
mcpa_status_t admind_file_read(mcpa_str_t *text, const char *path, size_t max_bytes) MCPA_MUST_CHECK;
mcpa_status_t admind_file_replace(const char *path, mcpa_str_t text, mode_t mode) MCPA_MUST_CHECK;

#endif
