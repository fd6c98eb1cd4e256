/* SPDX-License-Identifier: Apache-2.0 */
/* The few header values of an answer that we look at, copied out of its lines. Pure. */
#ifndef ADMIND_HEADERS_H
#define ADMIND_HEADERS_H

#include "base/bytes.h"

#define ADMIND_HEADER_KEEP_BYTES 512 /* a longer value counts as absent */

typedef enum admind_header {
    ADMIND_HEADER_CACHE_CONTROL,
    ADMIND_HEADER_EXPIRES,
    ADMIND_HEADER_AGE,
    ADMIND_HEADER_DATE,
    ADMIND_HEADER_ETAG,
    ADMIND_HEADER_RETRY_AFTER,
    ADMIND_HEADER_CONTENT_TYPE,
    ADMIND_HEADER_COUNT
} admind_header_t;

typedef struct admind_headers {
    struct {
        bool present;
        size_t len;
        char text[ADMIND_HEADER_KEEP_BYTES];
    } kept[ADMIND_HEADER_COUNT];
} admind_headers_t;

/* One line as received, with its line end. A status line forgets what came before: after a 1xx the real answer begins. */
void admind_headers_line(admind_headers_t *headers, mcpa_str_t line);
mcpa_str_t admind_headers_get(const admind_headers_t *headers, admind_header_t which); /* {NULL,0} when absent */

#endif
