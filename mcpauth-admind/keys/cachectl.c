/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cachectl.h"

#include "base/text.h"

#define SECOND_US          ((int64_t)1000000)
#define RETRY_AFTER_MAX_US (3600 * SECOND_US)
#define DELTA_MAX_S        INT32_MAX /* RFC 9111 section 1.2.2: larger values count as this one */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static mcpa_str_t trim(mcpa_str_t s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

/* Digits only; too many of them saturate instead of failing, as the RFC wants. */
static bool read_delta(mcpa_str_t text, int64_t *seconds)
{
    int64_t value = 0;

    if (text.len == 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        if (value < DELTA_MAX_S) {
            value = value * 10 + (text.ptr[i] - '0');
        }
    }
    *seconds = value > DELTA_MAX_S ? DELTA_MAX_S : value;
    return true;
}

/* Cuts the next directive off *rest, at a comma outside quotes. */
static bool next_directive(mcpa_str_t *rest, mcpa_str_t *name, mcpa_str_t *value)
{
    size_t end = 0;
    bool quoted = false;
    const char *equals;
    mcpa_str_t item;

    if (rest->len == 0) {
        return false;
    }
    for (; end < rest->len && (quoted || rest->ptr[end] != ','); end++) {
        if (rest->ptr[end] == '\\' && quoted && end + 1 < rest->len) {
            end++;
        } else if (rest->ptr[end] == '"') {
            quoted = !quoted;
        }
    }
    item = trim((mcpa_str_t){ rest->ptr, end });
    end = end < rest->len ? end + 1 : end;
    rest->ptr += end;
    rest->len -= end;
    equals = item.len > 0 ? memchr(item.ptr, '=', item.len) : NULL;
    *name = item;
    *value = MCPA_STR_NONE;
    if (equals != NULL) {
        *name = trim((mcpa_str_t){ item.ptr, (size_t)(equals - item.ptr) });
        *value = trim((mcpa_str_t){ equals + 1, item.len - (size_t)(equals - item.ptr) - 1 });
    }
    if (value->len >= 2 && value->ptr[0] == '"' && value->ptr[value->len - 1] == '"') {
        value->ptr++;
        value->len -= 2;
    }
    return true;
}

typedef struct cache_control {
    bool has_max_age;
    int64_t max_age_s;
    bool uncacheable;
} cache_control_t;

static cache_control_t read_cache_control(mcpa_str_t text)
{
    cache_control_t control = { 0 };
    mcpa_str_t name, value;
    int64_t seconds;

    while (next_directive(&text, &name, &value)) {
        if (mcpa_str_ieq(name, MCPA_STR("no-store")) || mcpa_str_ieq(name, MCPA_STR("no-cache"))) {
            control.uncacheable = true;
        } else if (mcpa_str_ieq(name, MCPA_STR("max-age"))) {
            /* Section 4.2.1: of two values the shorter; one that is no number means stale. */
            seconds = 0;
            if (!read_delta(value, &seconds)) {
                seconds = 0;
            }
            control.max_age_s = !control.has_max_age || seconds < control.max_age_s ? seconds : control.max_age_s;
            control.has_max_age = true;
        }
    }
    return control;
}

/* Seconds left, or false when the headers do not tell. */
static bool fresh_s(const admind_cache_headers_t *headers, int64_t now_s, int64_t *left_s)
{
    cache_control_t control = read_cache_control(headers->cache_control);
    int64_t age = 0, expires, date;

    if (control.uncacheable) {
        *left_s = 0;
        return true;
    }
    if (!read_delta(trim(headers->age), &age)) {
        age = 0;
    }
    if (control.has_max_age) {
        *left_s = control.max_age_s - age;
        return true;
    }
    if (headers->expires.ptr == NULL) {
        return false;
    }
    if (!admind_cachectl_http_date(headers->expires, &expires)) {
        *left_s = 0; /* section 5.3: an invalid date, "0" first of all, is in the past */
        return true;
    }
    if (!admind_cachectl_http_date(headers->date, &date)) {
        date = now_s;
    }
    *left_s = expires - date - age;
    return true;
}

int64_t admind_cachectl_ttl_us(const admind_cache_headers_t *headers, int64_t now_us, int64_t longest_us)
{
    int64_t most = longest_us < ADMIND_TTL_MAX_US ? longest_us : ADMIND_TTL_MAX_US;
    int64_t least = ADMIND_TTL_MIN_US < most ? ADMIND_TTL_MIN_US : most;
    int64_t left_s;

    if (!fresh_s(headers, now_us / SECOND_US, &left_s) || left_s >= most / SECOND_US) {
        return most;
    }
    return left_s * SECOND_US > least ? left_s * SECOND_US : least;
}

int64_t admind_cachectl_refresh_us(int64_t ttl_us, uint32_t random)
{
    int64_t middle = ttl_us / 5 * 4;
    int64_t spread = middle / 10;

    return middle - spread + (int64_t)((double)random / (double)UINT32_MAX * (double)(2 * spread));
}

int64_t admind_cachectl_backoff_us(unsigned failures, int64_t cap_us, uint32_t random)
{
    const int64_t least = 50000;
    int64_t most = ADMIND_BACKOFF_MIN_US;

    for (unsigned i = 1; i < failures && most < cap_us; i++) {
        most *= 2;
    }
    most = most < cap_us ? most : cap_us;
    return most <= least ? least : least + (int64_t)((double)random / (double)UINT32_MAX * (double)(most - least));
}

int64_t admind_cachectl_retry_after_us(mcpa_str_t retry_after, int64_t now_us)
{
    mcpa_str_t text = trim(retry_after);
    int64_t seconds, when_s;

    if (read_delta(text, &seconds)) {
        seconds = seconds > RETRY_AFTER_MAX_US / SECOND_US ? RETRY_AFTER_MAX_US / SECOND_US : seconds;
        return seconds * SECOND_US;
    }
    if (!admind_cachectl_http_date(text, &when_s) || when_s <= now_us / SECOND_US) {
        return 0;
    }
    seconds = when_s - now_us / SECOND_US;
    return seconds > RETRY_AFTER_MAX_US / SECOND_US ? RETRY_AFTER_MAX_US : seconds * SECOND_US;
}

/* ---- dates */

/* A cursor over the text of a date: each step fails for good once one failed. */
typedef struct cursor {
    mcpa_str_t rest;
    bool ok;
} cursor_t;

static void expect(cursor_t *at, mcpa_str_t literal)
{
    at->ok = at->ok && mcpa_str_starts(at->rest, literal);
    if (at->ok) {
        at->rest.ptr += literal.len;
        at->rest.len -= literal.len;
    }
}

static int take_number(cursor_t *at, size_t digits)
{
    uint64_t value = 0;

    if (!at->ok || at->rest.len < digits || !mcpa_text_u64((mcpa_str_t){ at->rest.ptr, digits }, &value)) {
        at->ok = false;
        return 0;
    }
    at->rest.ptr += digits;
    at->rest.len -= digits;
    return (int)value;
}

/* The index of the three-letter word, from 0. */
static int take_name(cursor_t *at, const char *names)
{
    for (size_t i = 0; at->ok && at->rest.len >= 3 && names[3 * i] != '\0'; i++) {
        if (memcmp(at->rest.ptr, names + 3 * i, 3) == 0) {
            at->rest.ptr += 3;
            at->rest.len -= 3;
            return (int)i;
        }
    }
    at->ok = false;
    return 0;
}

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "SunMonTueWedThuFriSat";

typedef struct civil {
    int year, month, day, hour, minute, second; /* month from 0 */
} civil_t;

static void take_time(cursor_t *at, civil_t *when)
{
    when->hour = take_number(at, 2);
    expect(at, MCPA_STR(":"));
    when->minute = take_number(at, 2);
    expect(at, MCPA_STR(":"));
    when->second = take_number(at, 2);
}

/* Days since 1970-01-01 of a date in the Gregorian calendar (Howard Hinnant's days_from_civil). */
static int64_t days_of(const civil_t *when)
{
    int64_t month = when->month + 1;
    int64_t year = when->year - (month <= 2 ? 1 : 0);
    int64_t era = year / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + when->day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_real(const civil_t *when)
{
    static const int lengths[12] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (when->year % 4 == 0 && when->year % 100 != 0) || when->year % 400 == 0;

    return when->year >= 1601 && when->day >= 1 && when->day <= lengths[when->month] &&
           (when->month != 1 || when->day <= 28 || leap) && when->hour <= 23 && when->minute <= 59 && when->second <= 60;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", and with '-' and two digits of the year the old "Sunday, 06-Nov-94 08:49:37 GMT". */
static void read_day_first(cursor_t *at, civil_t *when)
{
    const char *comma = memchr(at->rest.ptr, ',', at->rest.len);
    bool old = comma == NULL || comma - at->rest.ptr > 3;
    mcpa_str_t between = old ? MCPA_STR("-") : MCPA_STR(" ");

    if (comma == NULL || comma - at->rest.ptr > 9) {
        at->ok = false;
        return;
    }
    take_name(at, days);
    at->rest.len -= (size_t)(comma - at->rest.ptr);
    at->rest.ptr = comma;
    expect(at, MCPA_STR(", "));
    when->day = take_number(at, 2);
    expect(at, between);
    when->month = take_name(at, months);
    expect(at, between);
    when->year = take_number(at, old ? 2 : 4);
    if (old) {
        when->year += when->year < 70 ? 2000 : 1900;
    }
    expect(at, MCPA_STR(" "));
    take_time(at, when);
    expect(at, MCPA_STR(" GMT"));
}

/* "Sun Nov  6 08:49:37 1994" */
static void read_asctime(cursor_t *at, civil_t *when)
{
    take_name(at, days);
    expect(at, MCPA_STR(" "));
    when->month = take_name(at, months);
    expect(at, MCPA_STR(" "));
    if (at->ok && at->rest.len > 0 && at->rest.ptr[0] == ' ') {
        expect(at, MCPA_STR(" "));
        when->day = take_number(at, 1);
    } else {
        when->day = take_number(at, 2);
    }
    expect(at, MCPA_STR(" "));
    take_time(at, when);
    expect(at, MCPA_STR(" "));
    when->year = take_number(at, 4);
}

bool admind_cachectl_http_date(mcpa_str_t text, int64_t *unix_s)
{
    cursor_t at = { trim(text), true };
    civil_t when = { 0 };

    if (at.rest.len < 24 || at.rest.len > 33) {
        return false;
    }
    if (memchr(at.rest.ptr, ',', at.rest.len) != NULL) {
        read_day_first(&at, &when);
    } else {
        read_asctime(&at, &when);
    }
    if (!at.ok || at.rest.len != 0 || !is_real(&when)) {
        return false;
    }
    *unix_s = days_of(&when) * 86400 + when.hour * 3600 + when.minute * 60 + when.second;
    return true;
}
