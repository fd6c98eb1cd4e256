/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/headers.h"

#include "base/text.h"

static const char *const names[ADMIND_HEADER_COUNT] = {
    [ADMIND_HEADER_CACHE_CONTROL] = "cache-control",
    [ADMIND_HEADER_EXPIRES] = "expires",
    [ADMIND_HEADER_AGE] = "age",
    [ADMIND_HEADER_DATE] = "date",
    [ADMIND_HEADER_ETAG] = "etag",
    [ADMIND_HEADER_RETRY_AFTER] = "retry-after",
    [ADMIND_HEADER_CONTENT_TYPE] = "content-type",
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static mcpa_str_t trim(mcpa_str_t s)
{
    while (s.len > 0 && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

void admind_headers_line(admind_headers_t *headers, mcpa_str_t line)
{
    const char *colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
    mcpa_str_t name, value;

    if (mcpa_str_starts(line, MCPA_STR("HTTP/"))) {
        for (size_t i = 0; i < ADMIND_HEADER_COUNT; i++) {
            headers->kept[i].present = false;
        }
        return;
    }
    if (colon == NULL) {
        return;
    }
    name = (mcpa_str_t){ line.ptr, (size_t)(colon - line.ptr) };
    value = trim((mcpa_str_t){ colon + 1, line.len - name.len - 1 });
    if (value.len > ADMIND_HEADER_KEEP_BYTES || !mcpa_text_is_printable(value)) {
        return;
    }
    for (size_t i = 0; i < ADMIND_HEADER_COUNT; i++) {
        if (mcpa_str_ieq(name, mcpa_str(names[i]))) {
            memcpy(headers->kept[i].text, value.ptr, value.len);
            headers->kept[i].len = value.len;
            headers->kept[i].present = true;
        }
    }
}

mcpa_str_t admind_headers_get(const admind_headers_t *headers, admind_header_t which)
{
    return headers->kept[which].present ? (mcpa_str_t){ headers->kept[which].text, headers->kept[which].len } : MCPA_STR_NONE;
}
