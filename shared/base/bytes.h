/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed byte ranges and a bounded writer. Nothing here allocates.
 *
 * mcpa_str_t borrows: it is valid as long as what it points into. It is not NUL-terminated and may hold any byte.
 * An absent value is {NULL, 0}; an empty one has a non-NULL ptr. */
#ifndef MCPA_BASE_BYTES_H
#define MCPA_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"

typedef struct mcpa_str {
    const char *ptr;
    size_t len;
} mcpa_str_t;

#define MCPA_STR(literal) ((mcpa_str_t){ "" literal "", sizeof(literal) - 1 })
#define MCPA_STR_NONE ((mcpa_str_t){ NULL, 0 })
/* For printf's "%.*s". */
#define MCPA_STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline mcpa_str_t mcpa_str(const char *z)
{
    return z ? (mcpa_str_t){ z, strlen(z) } : MCPA_STR_NONE;
}

static inline bool mcpa_str_eq(mcpa_str_t a, mcpa_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool mcpa_str_eqz(mcpa_str_t a, const char *z)
{
    return mcpa_str_eq(a, mcpa_str(z));
}

/* ASCII only, whatever the locale. */
bool mcpa_str_ieq(mcpa_str_t a, mcpa_str_t b);
bool mcpa_str_starts(mcpa_str_t s, mcpa_str_t prefix);

/* A writer into the caller's memory. Once something did not fit, 'truncated' stays set and nothing more is written;
 * the text is always NUL-terminated within cap (cap >= 1). Truncation is an error: check mcpa_out_status. */
typedef struct mcpa_out {
    char *ptr;
    size_t len;
    size_t cap;
    bool truncated;
} mcpa_out_t;

void mcpa_out_init(mcpa_out_t *out, char *memory, size_t cap);
void mcpa_out_put(mcpa_out_t *out, const void *bytes, size_t len);
void mcpa_out_str(mcpa_out_t *out, mcpa_str_t s);
void mcpa_out_z(mcpa_out_t *out, const char *z);
/* Here, because JSON and label sets are written by many of them. */
static inline void mcpa_out_char(mcpa_out_t *out, char c)
{
    if (out->truncated || out->cap - out->len < 2) {
        out->truncated = true;
        return;
    }
    out->ptr[out->len++] = c;
    out->ptr[out->len] = '\0';
}
void mcpa_out_u64(mcpa_out_t *out, uint64_t value);
void mcpa_out_printf(mcpa_out_t *out, const char *format, ...) MCPA_PRINTF(2, 3);
/* MCPA_OK, or MCPA_ETOOBIG when something did not fit. */
mcpa_status_t mcpa_out_status(const mcpa_out_t *out) MCPA_MUST_CHECK;
static inline mcpa_str_t mcpa_out_get(const mcpa_out_t *out)
{
    return (mcpa_str_t){ out->ptr, out->len };
}

/* Lower-case hex of len bytes into out; out must hold 2*len+1. */
void mcpa_hex(char *out, const unsigned char *bytes, size_t len);
/* Constant time for equal lengths (CRYPTO_memcmp); for secrets. */
bool mcpa_secret_eq(mcpa_str_t a, mcpa_str_t b);

#endif
