/* SPDX-License-Identifier: Apache-2.0 */
/* URLs, of text.h. */
#include "base/text.h"

#include "base/host.h"
#include "base/textclass.h"

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The characters of RFC 3986 path and query; quotes, backslashes and bytes over 0x7e never get into a header this way. */
static bool is_path_and_query(mcpa_str_t text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '%') {
            if (text.len - i < 3 || !is_hex(text.ptr[i + 1]) || !is_hex(text.ptr[i + 2])) {
                return false;
            }
        } else if (!is_alnum(c) && !is_one_of(c, "-._~/?:@!$&'()*+,;=")) {
            return false;
        }
    }
    return true;
}

/* Length of the host at the start of an authority, brackets included; 0 when there is none. Percent-encoded hosts are
 * refused: programs disagree on what they name. */
static size_t host_len(mcpa_str_t authority)
{
    size_t n = 0;

    if (authority.len > 0 && authority.ptr[0] == '[') {
        n = 1;
        while (n < authority.len && (is_hex(authority.ptr[n]) || is_one_of(authority.ptr[n], ":."))) {
            n++;
        }
        return n > 2 && n < authority.len && authority.ptr[n] == ']' ? n + 1 : 0;
    }
    while (n < authority.len && (is_alnum(authority.ptr[n]) || is_one_of(authority.ptr[n], "-._"))) {
        n++;
    }
    return n > 0 && is_alnum(authority.ptr[0]) ? n : 0;
}

static bool split_url(mcpa_str_t url, bool *is_https, mcpa_str_t *host)
{
    bool https = url.len > 8 && mcpa_str_ieq((mcpa_str_t){ url.ptr, 8 }, MCPA_STR("https://"));
    size_t scheme_len = https ? 8 : 7;
    mcpa_str_t authority;
    uint64_t port;

    if (!https && (url.len <= 7 || !mcpa_str_ieq((mcpa_str_t){ url.ptr, 7 }, MCPA_STR("http://")))) {
        return false;
    }
    authority = (mcpa_str_t){ url.ptr + scheme_len, 0 };
    while (scheme_len + authority.len < url.len && !is_one_of(authority.ptr[authority.len], "/?")) {
        authority.len++;
    }
    *host = (mcpa_str_t){ authority.ptr, host_len(authority) };
    if (host->len == 0) {
        return false;
    }
    if (host->len < authority.len &&
        (authority.ptr[host->len] != ':' ||
         !mcpa_text_u64((mcpa_str_t){ authority.ptr + host->len + 1, authority.len - host->len - 1 }, &port) || port == 0 ||
         port > 65535)) {
        return false;
    }
    if (!is_path_and_query((mcpa_str_t){ authority.ptr + authority.len, url.len - scheme_len - authority.len })) {
        return false;
    }
    *is_https = https;
    return true;
}

bool mcpa_text_is_url(mcpa_str_t url, bool *is_https)
{
    mcpa_str_t host;

    return split_url(url, is_https, &host);
}

bool mcpa_text_url_is_loopback(mcpa_str_t url)
{
    mcpa_str_t host;
    bool https;

    return split_url(url, &https, &host) && mcpa_host_is_loopback(host);
}
