/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>

#include <openssl/crypto.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool mcpa_str_ieq(mcpa_str_t a, mcpa_str_t b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool mcpa_str_starts(mcpa_str_t s, mcpa_str_t prefix)
{
    return s.len >= prefix.len && mcpa_str_eq((mcpa_str_t){ s.ptr, prefix.len }, prefix);
}

void mcpa_out_init(mcpa_out_t *out, char *memory, size_t cap)
{
    *out = (mcpa_out_t){ .ptr = memory, .cap = cap, .truncated = cap == 0 };
    if (cap > 0) {
        memory[0] = '\0';
    }
}

void mcpa_out_put(mcpa_out_t *out, const void *bytes, size_t len)
{
    if (out->truncated || len == 0) {
        return;
    }
    /* len < cap holds from init on, so the subtraction cannot wrap; one byte stays for the NUL. */
    if (len > out->cap - out->len - 1) {
        out->truncated = true;
        return;
    }
    memcpy(out->ptr + out->len, bytes, len);
    out->len += len;
    out->ptr[out->len] = '\0';
}

void mcpa_out_str(mcpa_out_t *out, mcpa_str_t s)
{
    mcpa_out_put(out, s.ptr, s.len);
}

void mcpa_out_z(mcpa_out_t *out, const char *z)
{
    mcpa_out_str(out, mcpa_str(z));
}

void mcpa_out_u64(mcpa_out_t *out, uint64_t value)
{
    char digits[20]; /* 2^64 - 1 has twenty */
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    mcpa_out_put(out, digits + at, sizeof(digits) - at);
}

void mcpa_out_printf(mcpa_out_t *out, const char *format, ...)
{
    va_list args;
    int n;
    size_t room;

    if (out->truncated) {
        return;
    }
    room = out->cap - out->len;
    va_start(args, format);
    n = vsnprintf(out->ptr + out->len, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room) {
        out->ptr[out->len] = '\0'; /* a piece is written whole or not at all */
        out->truncated = true;
        return;
    }
    out->len += (size_t)n;
}

mcpa_status_t mcpa_out_status(const mcpa_out_t *out)
{
    return out->truncated ? MCPA_ETOOBIG : MCPA_OK;
}

void mcpa_hex(char *out, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

bool mcpa_secret_eq(mcpa_str_t a, mcpa_str_t b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}
