/* SPDX-License-Identifier: Apache-2.0 */
#include "base/host.h"

#include "base/text.h"

#define PORT_MAX_DIGITS 5

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 127.0.0.0/8 in the usual four-number spelling only; "127.1" and hex forms are no loopback to us. */
static bool is_ipv4_loopback(mcpa_str_t host)
{
    size_t at = 0;

    for (int part = 0; part < 4; part++) {
        mcpa_str_t number = { host.ptr + at, 0 };
        uint64_t value;

        while (at + number.len < host.len && is_digit(number.ptr[number.len])) {
            number.len++;
        }
        if (number.len > 3 || !mcpa_text_u64(number, &value) || value > 255 || (number.len > 1 && number.ptr[0] == '0') ||
            (part == 0 && value != 127)) {
            return false;
        }
        at += number.len;
        if (part < 3 && (at >= host.len || host.ptr[at++] != '.')) {
            return false;
        }
    }
    return at == host.len;
}

bool mcpa_host_is_loopback(mcpa_str_t host)
{
    return host.len > 0 && (mcpa_str_ieq(host, MCPA_STR("localhost")) || mcpa_str_eqz(host, "[::1]") || is_ipv4_loopback(host));
}

bool mcpa_authority_is_loopback(mcpa_str_t authority)
{
    mcpa_str_t host = authority;
    size_t digits = 0;

    while (digits < host.len && is_digit(host.ptr[host.len - 1 - digits])) {
        digits++;
    }
    if (digits <= PORT_MAX_DIGITS && digits < host.len && host.ptr[host.len - 1 - digits] == ':') {
        host.len -= digits + 1;
    }
    return mcpa_host_is_loopback(host) || mcpa_str_ieq(host, MCPA_STR("localhost."));
}

mcpa_str_t mcpa_authority_of(mcpa_str_t url)
{
    mcpa_str_t rest = url;
    size_t at = 0, len = 0;

    while (at + 3 <= url.len && memcmp(url.ptr + at, "://", 3) != 0) {
        at++;
    }
    if (at + 3 >= url.len) {
        return MCPA_STR_NONE;
    }
    rest = (mcpa_str_t){ url.ptr + at + 3, url.len - at - 3 };
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?') {
        len++;
    }
    return (mcpa_str_t){ rest.ptr, len };
}
