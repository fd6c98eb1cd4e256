/* SPDX-License-Identifier: Apache-2.0 */
/* Small whole files: read with a ceiling, replace atomically (temporary file, fsync, rename, fsync of the directory). */
#ifndef ADMIND_FILES_H
#define ADMIND_FILES_H

#include <sys/types.h>

#include "base/bytes.h"

/* *text: malloc'd, NUL-terminated beyond len. Only regular files. MCPA_ENOTFOUND, MCPA_ETOOBIG, MCPA_EIO (errno),
 * MCPA_ENOMEM. */
mcpa_status_t admind_file_read(mcpa_str_t *text, const char *path, size_t max_bytes) MCPA_MUST_CHECK;
/* The temporary file is '<path>.tmp'; one that a killed daemon left there, or that cannot be finished, is erased. MCPA_EIO with errno; the old file then still stands (or, when only the last sync failed,
 * the new). */
mcpa_status_t admind_file_replace(const char *path, mcpa_str_t text, mode_t mode) MCPA_MUST_CHECK;
/* Writes zeroes over the file's content and closes it: blocks outlive names. Only as good as the file system writes in place, and no more than
 * 64 KiB. -1 is none. false with errno: not all of it, or not surely. */
bool admind_file_wipe(int fd);
/* Wipes and removes; a file that is not there is no error. A link is removed, not followed. false with errno: it is still there. */
bool admind_file_erase(const char *path);
/* write until all is written; false with errno. */
bool admind_write_all(int fd, const void *bytes, size_t len) MCPA_MUST_CHECK;
/* fsync of the directory that holds path: a rename, a new name or an unlink in it is then on disk. */
bool admind_dir_sync(const char *path) MCPA_MUST_CHECK;

#endif
