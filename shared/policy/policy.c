/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include "base/text.h"

#define RATE_MAX 1000000
#define NS_PER_S UINT64_C(1000000000)

/* Takes the text before the first 'separator' from *rest, or all of it. */
static mcpa_str_t take_until(mcpa_str_t *rest, char separator)
{
    const char *found = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    mcpa_str_t head = *rest;

    if (found) {
        head.len = (size_t)(found - rest->ptr);
        *rest = (mcpa_str_t){ found + 1, rest->len - head.len - 1 };
    } else {
        *rest = MCPA_STR_NONE;
    }
    return head;
}

static uint64_t period_ns(mcpa_str_t unit)
{
    if (mcpa_str_eqz(unit, "s")) {
        return NS_PER_S;
    }
    if (mcpa_str_eqz(unit, "min")) {
        return 60 * NS_PER_S;
    }
    if (mcpa_str_eqz(unit, "hour")) {
        return 3600 * NS_PER_S;
    }
    if (mcpa_str_eqz(unit, "day")) {
        return 86400 * NS_PER_S;
    }
    return 0;
}

bool mcpa_limit_parse(mcpa_limit_t *limit, mcpa_str_t rate, mcpa_str_t burst, const char **error)
{
    mcpa_str_t unit = rate;
    mcpa_str_t number = take_until(&unit, '/');
    uint64_t count, at_once;

    if (!mcpa_text_u64(number, &count) || count < 1 || count > RATE_MAX || !period_ns(unit)) {
        *error = "the rate must be N/s, N/min, N/hour or N/day with N from 1 to 1000000";
        return false;
    }
    at_once = count;
    if (burst.ptr && mcpa_str_starts(burst, MCPA_STR("burst="))) {
        burst = (mcpa_str_t){ burst.ptr + 6, burst.len - 6 };
    }
    if (burst.ptr && (!mcpa_text_u64(burst, &at_once) || at_once < 1 || at_once > MCPA_BURST_MAX)) {
        *error = "burst must be a number from 1 to 1000000";
        return false;
    }
    limit->interval_ns = period_ns(unit) / count;
    limit->burst = (uint32_t)at_once;
    return true;
}

static const char *const limit_key_words[] = {
    [MCPA_LIMIT_SUBJECT] = "subject", [MCPA_LIMIT_CLIENT] = "client", [MCPA_LIMIT_ADDRESS] = "address", [MCPA_LIMIT_TOOL] = "tool"
};
#define LIMIT_KEYS (sizeof limit_key_words / sizeof limit_key_words[0])

const char *mcpa_limit_key_word(mcpa_limit_key_t key)
{
    return (size_t)key < LIMIT_KEYS ? limit_key_words[key] : "";
}

bool mcpa_limit_key_find(mcpa_limit_key_t *key, mcpa_str_t word)
{
    for (size_t i = 0; i < LIMIT_KEYS; i++) {
        if (mcpa_str_eqz(word, limit_key_words[i])) {
            *key = (mcpa_limit_key_t)i;
            return true;
        }
    }
    return false;
}

const char *mcpa_mode_word(mcpa_mode_t mode)
{
    switch (mode) {
    case MCPA_MODE_ON:
        return "on";
    case MCPA_MODE_SHADOW:
        return "shadow";
    case MCPA_MODE_OFF:
        break;
    }
    return "off";
}

static const char *const inspect_words[] = {
    [MCPA_INSPECT_OFF] = "off", [MCPA_INSPECT_BODY] = "body", [MCPA_INSPECT_HEADERS] = "headers"
};
#define INSPECT_WORDS (sizeof inspect_words / sizeof inspect_words[0])

const char *mcpa_inspect_word(mcpa_inspect_t inspect)
{
    return (size_t)inspect < INSPECT_WORDS ? inspect_words[inspect] : "";
}

bool mcpa_inspect_find(mcpa_inspect_t *inspect, mcpa_str_t word)
{
    for (size_t i = 0; i < INSPECT_WORDS; i++) {
        if (mcpa_str_eqz(word, inspect_words[i])) {
            *inspect = (mcpa_inspect_t)i;
            return true;
        }
    }
    return false;
}

const char *mcpa_key_source_word(mcpa_key_source_t source)
{
    switch (source) {
    case MCPA_KEYS_URL:
        return "url";
    case MCPA_KEYS_FILE:
        return "file";
    case MCPA_KEYS_SECRET:
        return "secret";
    case MCPA_KEYS_DISCOVER:
        break;
    }
    return "discover";
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool scheme_is_valid(mcpa_str_t scheme)
{
    if (!scheme.len || !is_lower(scheme.ptr[0])) {
        return false;
    }
    for (size_t i = 1; i < scheme.len; i++) {
        if (!is_lower(scheme.ptr[i]) && !is_digit(scheme.ptr[i]) && scheme.ptr[i] != '+' && scheme.ptr[i] != '-' &&
            scheme.ptr[i] != '.') {
            return false;
        }
    }
    return true;
}

static bool name_is_valid(mcpa_str_t host)
{
    if (!host.len) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        if (!is_lower(host.ptr[i]) && !is_digit(host.ptr[i]) && host.ptr[i] != '-' && host.ptr[i] != '.' && host.ptr[i] != '_') {
            return false;
        }
    }
    return true;
}

/* "[::1]": the characters of an IPv6 literal; what they spell is never looked up, only compared. */
static bool literal_is_valid(mcpa_str_t host)
{
    if (host.len < 4 || host.ptr[0] != '[' || host.ptr[host.len - 1] != ']') {
        return false;
    }
    for (size_t i = 1; i + 1 < host.len; i++) {
        if (!is_digit(host.ptr[i]) && !(host.ptr[i] >= 'a' && host.ptr[i] <= 'f') && host.ptr[i] != ':' && host.ptr[i] != '.') {
            return false;
        }
    }
    return true;
}

static bool port_is_valid(mcpa_str_t scheme, mcpa_str_t port)
{
    uint64_t number;

    if (!mcpa_text_u64(port, &number) || number < 1 || number > 65535 || port.ptr[0] == '0') {
        return false;
    }
    /* Browsers leave the default port out; an entry with it could never match. */
    return !(number == 80 && mcpa_str_eqz(scheme, "http")) && !(number == 443 && mcpa_str_eqz(scheme, "https"));
}

bool mcpa_origin_is_valid(mcpa_str_t origin)
{
    mcpa_str_t host = origin;
    mcpa_str_t scheme = take_until(&host, ':');
    mcpa_str_t port = MCPA_STR_NONE;
    const char *end;

    if (!origin.len || !scheme_is_valid(scheme) || !host.ptr || !mcpa_str_starts(host, MCPA_STR("//"))) {
        return false;
    }
    host = (mcpa_str_t){ host.ptr + 2, host.len - 2 };
    if (host.len && host.ptr[0] == '[') {
        end = memchr(host.ptr, ']', host.len);
        if (!end) {
            return false;
        }
        port = (mcpa_str_t){ end + 1, host.len - (size_t)(end + 1 - host.ptr) };
        host.len -= port.len;
        if (!literal_is_valid(host) || (port.len && port.ptr[0] != ':')) {
            return false;
        }
        port = port.len ? (mcpa_str_t){ port.ptr + 1, port.len - 1 } : MCPA_STR_NONE;
    } else {
        port = host;
        host = take_until(&port, ':');
        if (!name_is_valid(host)) {
            return false;
        }
    }
    return !port.ptr || port_is_valid(scheme, port);
}
