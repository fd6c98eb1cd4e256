/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include "base/lanes.h"
#include "base/limits.h"
#include "base/textclass.h"

typedef struct unit {
    mcpa_str_t name;
    uint64_t factor;
} unit_t;

bool mcpa_text_next_word(mcpa_str_t *rest, mcpa_str_t *word)
{
    const char *at = rest->ptr;
    const char *end, *start;

    if (rest->len == 0) {
        return false;
    }
    end = at + rest->len;
    while (at < end && *at == ' ') {
        at++;
    }
    start = at;
    while (at < end && *at != ' ') {
        at++;
    }
    *rest = (mcpa_str_t){ at, (size_t)(end - at) };
    if (at == start) {
        return false;
    }
    *word = (mcpa_str_t){ start, (size_t)(at - start) };
    return true;
}

mcpa_str_t mcpa_text_trim(mcpa_str_t text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text = (mcpa_str_t){ text.ptr + 1, text.len - 1 };
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

bool mcpa_text_u64(mcpa_str_t text, uint64_t *value)
{
    uint64_t sum = 0;

    if (text.len == 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.ptr[i]) || __builtin_mul_overflow(sum, (uint64_t)10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(text.ptr[i] - '0'), &sum)) {
            return false;
        }
    }
    *value = sum;
    return true;
}

/* Digits and one of the units; the empty name is the unit of plain digits. */
static bool read_quantity(mcpa_str_t text, const unit_t *units, size_t count, uint64_t *value)
{
    size_t digits = 0;
    mcpa_str_t suffix;
    uint64_t number;

    while (digits < text.len && is_digit(text.ptr[digits])) {
        digits++;
    }
    if (!mcpa_text_u64((mcpa_str_t){ text.ptr, digits }, &number)) {
        return false;
    }
    suffix = (mcpa_str_t){ text.ptr + digits, text.len - digits };
    for (size_t i = 0; i < count; i++) {
        if (mcpa_str_ieq(suffix, units[i].name) && number <= UINT64_MAX / units[i].factor) {
            *value = number * units[i].factor;
            return true;
        }
    }
    return false;
}

bool mcpa_text_size(mcpa_str_t text, uint64_t *bytes)
{
    const unit_t units[] = {
        { MCPA_STR(""), 1 }, { MCPA_STR("k"), 1 << 10 }, { MCPA_STR("m"), 1 << 20 }, { MCPA_STR("g"), 1 << 30 }
    };

    return read_quantity(text, units, sizeof(units) / sizeof(units[0]), bytes);
}

bool mcpa_text_duration(mcpa_str_t text, int64_t *us)
{
    const uint64_t second = 1000000;
    const unit_t units[] = {
        { MCPA_STR(""), second },         { MCPA_STR("ms"), 1000 },         { MCPA_STR("s"), second },
        { MCPA_STR("min"), 60 * second }, { MCPA_STR("h"), 3600 * second }, { MCPA_STR("d"), 86400 * second }
    };
    uint64_t value;

    if (!read_quantity(text, units, sizeof(units) / sizeof(units[0]), &value) || value > INT64_MAX) {
        return false;
    }
    *us = (int64_t)value;
    return true;
}

size_t mcpa_text_utf8_next(mcpa_str_t text)
{
    const unsigned char *b = (const unsigned char *)text.ptr;
    size_t len;
    unsigned char low = 0x80, high = 0xbf; /* bounds of the second byte (Unicode, table 3-7) */

    if (text.len == 0) {
        return 0;
    }
    if (b[0] < 0x80) {
        return 1;
    }
    if (b[0] < 0xc2 || b[0] > 0xf4) {
        return 0; /* a continuation byte, an overlong form of ASCII, or beyond U+10FFFF */
    }
    len = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    if (b[0] == 0xe0) {
        low = 0xa0; /* overlong below */
    } else if (b[0] == 0xed) {
        high = 0x9f; /* surrogates above */
    } else if (b[0] == 0xf0) {
        low = 0x90; /* overlong below */
    } else if (b[0] == 0xf4) {
        high = 0x8f; /* beyond U+10FFFF above */
    }
    if (text.len < len || b[1] < low || b[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((b[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool mcpa_text_is_utf8(mcpa_str_t text)
{
    while (text.len > 0) {
        size_t n = mcpa_text_utf8_next(text);

        if (n == 0) {
            return false;
        }
        text.ptr += n;
        text.len -= n;
    }
    return true;
}

bool mcpa_text_is_token(mcpa_str_t text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_alnum(text.ptr[i]) && !is_one_of(text.ptr[i], "!#$%&'*+-.^_`|~")) {
            return false;
        }
    }
    return text.len > 0;
}

static mcpa_lanes_t not_token68(mcpa_lanes_t c)
{
    /* '-' to '9' is "-./0123456789". */
    return (mcpa_lanes_t) ~((mcpa_lanes_t)((c | 0x20) - 'a' < 26) | (mcpa_lanes_t)(c - '-' < 13) | (mcpa_lanes_t)(c == '+') |
                            (mcpa_lanes_t)(c == '_') | (mcpa_lanes_t)(c == '~'));
}

bool mcpa_text_is_token68(mcpa_str_t text)
{
    size_t i = 0;

    while (text.len - i >= MCPA_LANES && !mcpa_lanes_any(not_token68(mcpa_lanes_load(text.ptr + i)))) {
        i += MCPA_LANES;
    }
    while (i < text.len && (is_alnum(text.ptr[i]) || is_one_of(text.ptr[i], "-._~+/"))) {
        i++;
    }
    if (i == 0) {
        return false;
    }
    while (i < text.len && text.ptr[i] == '=') {
        i++;
    }
    return i == text.len;
}

bool mcpa_text_is_scope_token(mcpa_str_t text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x21 || c > 0x7e || c == '"' || c == '\\') {
            return false;
        }
    }
    return text.len > 0;
}

bool mcpa_text_is_printable(mcpa_str_t text)
{
    size_t i = 0;

    for (; text.len - i >= MCPA_LANES; i += MCPA_LANES) {
        mcpa_lanes_t c = mcpa_lanes_load(text.ptr + i);

        if (mcpa_lanes_any((mcpa_lanes_t)(c < 0x20) | (mcpa_lanes_t)(c == 0x7f))) {
            return false;
        }
    }
    for (; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}

bool mcpa_text_glob(mcpa_str_t pattern, mcpa_str_t text)
{
    size_t p = 0, t = 0;
    size_t after_star = 0, resume = 0;
    bool starred = false;

    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            after_star = ++p;
            resume = t;
            starred = true;
        } else if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == text.ptr[t])) {
            p++;
            t++;
        } else if (starred) {
            /* Let the last star take one byte more. Earlier stars need no second try: whatever they could give up,
             * the last one can take. */
            p = after_star;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

static void put_digits(char *at, size_t count, unsigned value)
{
    while (count > 0) {
        at[--count] = (char)('0' + value % 10);
        value /= 10;
    }
}

void mcpa_text_rfc3339(char memory[25], int64_t unix_us)
{
    const int64_t last_us = MCPA_TIME_MAX_S * INT64_C(1000000) + 999999;
    int64_t us = unix_us < 0 ? 0 : unix_us > last_us ? last_us : unix_us;
    unsigned ms = (unsigned)(us / 1000 % 1000);
    unsigned second = (unsigned)(us / 1000000 % 86400);
    unsigned day = (unsigned)(us / INT64_C(86400000000));
    unsigned year, month, quad, century;

    /* Count days from 1600-03-01: with March first the leap day ends a year, so a month's start is a linear formula and
     * leap years are plain division. 135080 days lie between that day and 1970-01-01. */
    day += 135080;
    year = 1600 + day / 146097 * 400;
    day %= 146097;
    century = day / 36524 < 3 ? day / 36524 : 3; /* the fourth century is a day longer */
    day -= century * 36524;
    quad = day / 1461;
    day %= 1461;
    year += century * 100 + quad * 4;
    quad = day / 365 < 3 ? day / 365 : 3; /* and so is the fourth year */
    day -= quad * 365;
    year += quad;
    month = (5 * day + 2) / 153; /* five months have 153 days, from March and again from August */
    day -= (153 * month + 2) / 5;
    year += month >= 10 ? 1 : 0;
    month = month >= 10 ? month - 9 : month + 3;
    memcpy(memory, "0000-00-00T00:00:00.000Z", 25);
    put_digits(memory, 4, year);
    put_digits(memory + 5, 2, month);
    put_digits(memory + 8, 2, day + 1);
    put_digits(memory + 11, 2, second / 3600);
    put_digits(memory + 14, 2, second / 60 % 60);
    put_digits(memory + 17, 2, second % 60);
    put_digits(memory + 20, 3, ms);
}
