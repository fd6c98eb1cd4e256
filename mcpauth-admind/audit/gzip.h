/* SPDX-License-Identifier: Apache-2.0 */
/* zlib behind two small streams over descriptors: compressing and reading back. Memory is bounded: some 270 KiB to write, 110 KiB
 * to read, whatever the file says of itself. Both borrow their descriptor. One thread an object. */
#ifndef ADMIND_AUDIT_GZIP_H
#define ADMIND_AUDIT_GZIP_H

#include "base/bytes.h"

typedef struct admind_gzip admind_gzip_t;
/* Writes at the descriptor's own offset. NULL: no memory. */
admind_gzip_t *admind_gzip_new(int fd);
void admind_gzip_free(admind_gzip_t **gzip);
/* MCPA_EIO with errno: nothing more can be written. */
mcpa_status_t admind_gzip_write(admind_gzip_t *gzip, const char *bytes, size_t len) MCPA_MUST_CHECK;
/* The rest and the trailer. */
mcpa_status_t admind_gzip_finish(admind_gzip_t *gzip) MCPA_MUST_CHECK;
/* Bytes that reached the descriptor. */
uint64_t admind_gzip_written(const admind_gzip_t *gzip);

typedef struct admind_gunzip admind_gunzip_t;
/* Reads from the file's beginning, whatever the descriptor's offset. NULL: no memory. */
admind_gunzip_t *admind_gunzip_new(int fd);
void admind_gunzip_free(admind_gunzip_t **gunzip);
/* At most cap (> 0) bytes; *n 0: the end, and everything was whole. Several members, one behind the other, are one text, as for
 * gzip itself; anything else behind the last is damage. MCPA_EMALFORMED: damaged or cut short; MCPA_EIO with errno; MCPA_ENOMEM.
 * Each stays. */
mcpa_status_t admind_gunzip_read(admind_gunzip_t *gunzip, char *memory, size_t cap, size_t *n) MCPA_MUST_CHECK;
/* Compressed bytes taken so far. */
uint64_t admind_gunzip_taken(const admind_gunzip_t *gunzip);

#endif
