/* SPDX-License-Identifier: Apache-2.0 */
/* Answers' headers: whatever a provider writes, the next fetch is neither too soon nor too late. The input is four header values,
 * one a line. */
#include <stdlib.h>

#include "keys/cachectl.h"
#include "keys/headers.h"

#define S INT64_C(1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static mcpa_str_t next_line(mcpa_str_t *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    mcpa_str_t line = { rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len };

    if (line.len < rest->len) {
        *rest = (mcpa_str_t){ end + 1, rest->len - line.len - 1 };
    } else {
        *rest = MCPA_STR_NONE;
    }
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static admind_headers_t kept;
    mcpa_str_t rest = { (const char *)data, size };
    admind_cache_headers_t headers;
    const int64_t now_us = INT64_C(1763715600) * S;
    int64_t ttl_us, unix_s = 0;

    headers.cache_control = next_line(&rest);
    headers.expires = next_line(&rest);
    headers.age = next_line(&rest);
    headers.date = next_line(&rest);
    ttl_us = admind_cachectl_ttl_us(&headers, now_us, 24 * 3600 * S);
    must(ttl_us >= ADMIND_TTL_MIN_US && ttl_us <= ADMIND_TTL_MAX_US);
    ttl_us = admind_cachectl_ttl_us(&headers, now_us, 5 * S);
    must(ttl_us == 5 * S);
    must(admind_cachectl_refresh_us(ttl_us, (uint32_t)size * 2654435761u) > 3 * S);
    if (admind_cachectl_http_date(headers.expires, &unix_s)) {
        must(unix_s >= INT64_C(-11644473600) && unix_s <= INT64_C(253402300800)); /* 1601 to 9999, with a leap second */
    }
    must(admind_cachectl_retry_after_us(headers.age, now_us) >= 0 &&
         admind_cachectl_retry_after_us(headers.age, now_us) <= 3600 * S);
    admind_headers_line(&kept, headers.cache_control);
    for (unsigned i = 0; i < ADMIND_HEADER_COUNT; i++) {
        must(admind_headers_get(&kept, (admind_header_t)i).len <= ADMIND_HEADER_KEEP_BYTES);
    }
    return 0;
}
