/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/credential.h"

#include "base/text.h"

static mcpa_str_t skip(mcpa_str_t s, size_t n)
{
    return (mcpa_str_t){ s.ptr + n, s.len - n };
}

static mcpa_str_t skip_spaces(mcpa_str_t s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = skip(s, 1);
    }
    return s;
}

/* The auth-scheme at the front: bytes up to the first SP, HTAB, comma or the end. */
static mcpa_str_t scheme_of(mcpa_str_t s)
{
    size_t len = 0;

    while (len < s.len && s.ptr[len] != ' ' && s.ptr[len] != '\t' && s.ptr[len] != ',') {
        len++;
    }
    return (mcpa_str_t){ s.ptr, len };
}

/* Servers join repeated header lines with a comma. That a quoted string of Digest may contain ", Bearer" as well only errs
 * towards refusing. */
static bool has_second_credential(mcpa_str_t s)
{
    const char *comma;

    while (s.len && (comma = memchr(s.ptr, ',', s.len)) != NULL) {
        mcpa_str_t scheme;

        s = skip_spaces(skip(s, (size_t)(comma - s.ptr) + 1));
        scheme = scheme_of(s);
        if (mcpa_str_ieq(scheme, MCPA_STR("Bearer")) || mcpa_str_ieq(scheme, MCPA_STR("DPoP"))) {
            return true;
        }
    }
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

/* Takes one character of a form-encoded name; a broken escape stands for itself. */
static char take_decoded(mcpa_str_t *name)
{
    char c = name->ptr[0];
    int high, low;

    if (c == '%' && name->len >= 3 && (high = hex_digit(name->ptr[1])) >= 0 && (low = hex_digit(name->ptr[2])) >= 0) {
        *name = skip(*name, 3);
        return (char)(high * 16 + low);
    }
    *name = skip(*name, 1);
    return c == '+' ? ' ' : c;
}

/* PHP and its likes read a blank in a parameter's name as '_', so "access+token" is the same parameter to them. */
static bool is_access_token(mcpa_str_t name)
{
    for (const char *expected = "access_token"; *expected; expected++) {
        char c;

        if (!name.len) {
            return false;
        }
        c = take_decoded(&name);
        if (c != *expected && !(c == ' ' && *expected == '_')) {
            return false;
        }
    }
    return name.len == 0;
}

mcpa_str_t mcpa_credential_next_in_query(mcpa_str_t *rest)
{
    while (rest->len) {
        mcpa_str_t query = *rest;
        size_t name_len = 0, len = 0;

        while (len < query.len && query.ptr[len] != '&' && query.ptr[len] != ';') {
            len++;
        }
        while (name_len < len && query.ptr[name_len] != '=') {
            name_len++;
        }
        *rest = skip(query, len < query.len ? len + 1 : len);
        if (is_access_token((mcpa_str_t){ query.ptr, name_len })) {
            size_t value = name_len < len ? name_len + 1 : len;

            return (mcpa_str_t){ query.ptr + value, len - value };
        }
    }
    return MCPA_STR_NONE;
}

static bool query_has_token(mcpa_str_t query)
{
    return mcpa_credential_next_in_query(&query).ptr != NULL;
}

/* A lone Bearer token: one pass tells that nothing unprintable and no second credential is in the field. {NULL,0}: something else. */
static mcpa_str_t plain_bearer(mcpa_str_t authorization)
{
    mcpa_str_t scheme = scheme_of(authorization), rest = skip(authorization, scheme.len);

    if (!mcpa_str_ieq(scheme, MCPA_STR("Bearer")) || !rest.len || rest.ptr[0] != ' ') {
        return MCPA_STR_NONE;
    }
    while (rest.len && rest.ptr[0] == ' ') { /* a tab is no blank here */
        rest = skip(rest, 1);
    }
    return mcpa_text_is_token68(rest) ? rest : MCPA_STR_NONE;
}

/* Why the field is no lone Bearer token. */
static mcpa_reason_t refuse(mcpa_str_t authorization)
{
    mcpa_str_t scheme = scheme_of(authorization);

    if (!mcpa_text_is_printable(authorization) || !mcpa_text_is_token(scheme)) {
        return MCPA_REASON_AUTHORIZATION_MALFORMED;
    }
    if (has_second_credential(authorization)) {
        return MCPA_REASON_TWO_CREDENTIALS;
    }
    if (mcpa_str_ieq(scheme, MCPA_STR("DPoP"))) {
        return MCPA_REASON_TOKEN_MALFORMED;
    }
    return mcpa_str_ieq(scheme, MCPA_STR("Bearer")) ? MCPA_REASON_AUTHORIZATION_MALFORMED : MCPA_REASON_NO_TOKEN;
}

mcpa_reason_t mcpa_credential_extract(mcpa_str_t *token, mcpa_str_t authorization, mcpa_str_t query, size_t max_bytes)
{
    mcpa_str_t found;

    if (!authorization.ptr) {
        return MCPA_REASON_NO_TOKEN;
    }
    found = plain_bearer(authorization);
    if (!found.ptr) {
        return refuse(authorization);
    }
    if (query_has_token(query)) {
        return MCPA_REASON_TWO_CREDENTIALS;
    }
    if (found.len > max_bytes) {
        return MCPA_REASON_TOKEN_TOO_LONG;
    }
    *token = found;
    return MCPA_REASON_PASS;
}
