/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jsonscan.h"

#include "base/lanes.h"
#include "base/text.h"

/* What may stand in a string as itself. */
static inline bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Most of a message is text that stands in strings as itself. */
static const unsigned char *skip_plain(const unsigned char *at, const unsigned char *end)
{
    while (end - at >= MCPA_LANES) {
        mcpa_lanes_t c = mcpa_lanes_load(at);
        /* As signed bytes those from 0x80 on are below 0x20, too. */
        unsigned plain = mcpa_lanes_first((mcpa_lanes_t)((mcpa_signed_lanes_t)c < 0x20) | (mcpa_lanes_t)(c == '"') |
                                          (mcpa_lanes_t)(c == '\\'));

        at += plain;
        if (plain < MCPA_LANES) {
            return at;
        }
    }
    while (at < end && is_plain(*at)) {
        at++;
    }
    return at;
}

static inline bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

void mcpa_jsonscan_init(mcpa_jsonscan_t *scan, mcpa_str_t text)
{
    *scan = (mcpa_jsonscan_t){ .at = (const unsigned char *)text.ptr, .end = (const unsigned char *)text.ptr + text.len };
}

/* ---- strings */

static int hex_digit(unsigned char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The code unit of four hex digits; -1 when they are none. */
static int32_t hex_unit(const unsigned char *at, const unsigned char *end)
{
    int32_t unit = 0;

    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);

        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

/* at: behind the backslash. Bytes of the escape (without the backslash), 0 when it is none; *code: what it stands for. */
static size_t read_escape(const unsigned char *at, const unsigned char *end, uint32_t *code)
{
    static const char letters[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
    int32_t unit, low;

    if (at >= end || *at == '\0') {
        return 0;
    }
    if (*at != 'u') {
        const char *letter = strchr(letters, *at);

        *code = letter != NULL ? (uint32_t)meaning[letter - letters] : 0;
        return letter != NULL ? 1 : 0;
    }
    unit = hex_unit(at + 1, end);
    if (unit <= 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) {
        return 0; /* U+0000 is legal JSON; nobody's name needs it, and C programs behind us stumble over it */
    }
    *code = (uint32_t)unit;
    if (unit < 0xD800 || unit > 0xDFFF) {
        return 5;
    }
    if (end - at < 11 || at[5] != '\\' || at[6] != 'u') {
        return 0;
    }
    low = hex_unit(at + 7, end);
    if (low < 0xDC00 || low > 0xDFFF) {
        return 0;
    }
    *code = 0x10000u + (((uint32_t)unit - 0xD800u) << 10) + ((uint32_t)low - 0xDC00u);
    return 11;
}

mcpa_status_t mcpa_jsonscan_string(mcpa_jsonscan_t *scan, mcpa_jsonscan_string_t *string)
{
    const unsigned char *at, *end = scan->end;
    const unsigned char *begin;
    uint32_t code;
    size_t n;

    if (mcpa_jsonscan_peek(scan) != '"') {
        return MCPA_EMALFORMED;
    }
    begin = at = scan->at + 1;
    string->escaped = false;
    for (;;) {
        at = skip_plain(at, end);
        if (at >= end || *at < 0x20) {
            return MCPA_EMALFORMED;
        }
        if (*at == '"') {
            break;
        }
        if (*at == '\\') {
            string->escaped = true;
            n = read_escape(at + 1, end, &code);
            at += 1;
        } else {
            n = mcpa_text_utf8_next((mcpa_str_t){ (const char *)at, (size_t)(end - at) });
        }
        if (n == 0) {
            return MCPA_EMALFORMED;
        }
        at += n;
    }
    string->raw = (mcpa_str_t){ (const char *)begin, (size_t)(at - begin) };
    scan->at = at + 1;
    return MCPA_OK;
}

static size_t put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xC0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xE0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3F));
        to[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3F));
    to[2] = (char)(0x80 | (code >> 6 & 0x3F));
    to[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

mcpa_status_t mcpa_jsonscan_decode(const mcpa_jsonscan_string_t *string, char *memory, size_t cap, mcpa_str_t *value)
{
    const unsigned char *at = (const unsigned char *)string->raw.ptr, *end = at + string->raw.len;
    size_t len = 0;

    if (!string->escaped) {
        *value = string->raw;
        return MCPA_OK;
    }
    while (at < end) {
        char bytes[4] = { (char)*at };
        size_t n = 1;

        if (*at == '\\') {
            uint32_t code = 0;

            at += read_escape(at + 1, end, &code);
            n = put_utf8(bytes, code);
        }
        at++;
        if (n > cap - len) {
            return MCPA_ETOOBIG;
        }
        memcpy(memory + len, bytes, n);
        len += n;
    }
    *value = (mcpa_str_t){ memory, len };
    return MCPA_OK;
}

/* ---- values */

static mcpa_status_t skip_digits(mcpa_jsonscan_t *scan)
{
    const unsigned char *from = scan->at;

    while (scan->at < scan->end && is_digit(*scan->at)) {
        scan->at++;
    }
    return scan->at > from ? MCPA_OK : MCPA_EMALFORMED;
}

static bool take(mcpa_jsonscan_t *scan, char c)
{
    bool there = scan->at < scan->end && *scan->at == (unsigned char)c;

    scan->at += there;
    return there;
}

static mcpa_status_t skip_number(mcpa_jsonscan_t *scan)
{
    (void)take(scan, '-');
    if (!take(scan, '0') && skip_digits(scan) != MCPA_OK) {
        return MCPA_EMALFORMED;
    }
    if (take(scan, '.') && skip_digits(scan) != MCPA_OK) {
        return MCPA_EMALFORMED;
    }
    if (take(scan, 'e') || take(scan, 'E')) {
        (void)(take(scan, '+') || take(scan, '-'));
        return skip_digits(scan);
    }
    return MCPA_OK;
}

static mcpa_status_t skip_word(mcpa_jsonscan_t *scan, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0) {
        return MCPA_EMALFORMED;
    }
    scan->at += len;
    return MCPA_OK;
}

static mcpa_status_t skip_scalar(mcpa_jsonscan_t *scan, unsigned char c)
{
    mcpa_jsonscan_string_t ignored;

    switch (c) {
    case '"':
        return mcpa_jsonscan_string(scan, &ignored);
    case 't':
        return skip_word(scan, "true");
    case 'f':
        return skip_word(scan, "false");
    case 'n':
        return skip_word(scan, "null");
    default:
        return skip_number(scan);
    }
}

/* Bit i of 'objects' tells whether the container at depth i is an object. */
mcpa_status_t mcpa_jsonscan_skip(mcpa_jsonscan_t *scan, mcpa_str_t *raw)
{
    const unsigned char *from;
    uint64_t objects = 0;
    unsigned depth = 0;
    bool first = false;

    (void)mcpa_jsonscan_peek(scan);
    from = scan->at;
    do {
        mcpa_jsonscan_string_t name;
        mcpa_status_t status = MCPA_OK;
        unsigned char c;

        if (depth > 0) { /* behind an element, or behind the opening bracket */
            bool in_object = (objects >> (depth - 1) & 1) != 0;

            status = in_object ? mcpa_jsonscan_member(scan, first, &name) : mcpa_jsonscan_element(scan, first);
        }
        if (status == MCPA_ENOTFOUND) {
            depth--;
            first = false;
            continue;
        }
        c = mcpa_jsonscan_peek(scan);
        if (status == MCPA_OK && (c == '{' || c == '[')) {
            status = mcpa_jsonscan_enter(scan, (char)c);
            if (status == MCPA_OK) {
                objects = c == '{' ? objects | UINT64_C(1) << depth : objects & ~(UINT64_C(1) << depth);
                depth++;
            }
            first = true;
        } else if (status == MCPA_OK) {
            status = skip_scalar(scan, c);
            first = false;
        }
        if (status != MCPA_OK) {
            return status;
        }
    } while (depth > 0);
    if (raw != NULL) {
        *raw = (mcpa_str_t){ (const char *)from, (size_t)(scan->at - from) };
    }
    return MCPA_OK;
}

mcpa_status_t mcpa_jsonscan_enter(mcpa_jsonscan_t *scan, char open)
{
    if (mcpa_jsonscan_peek(scan) != (unsigned char)open) {
        return MCPA_EMALFORMED;
    }
    if (scan->depth == MCPA_JSONSCAN_MAX_DEPTH) {
        return MCPA_ETOOBIG;
    }
    scan->depth++;
    scan->at++;
    return MCPA_OK;
}

/* Behind the comma that is due, or behind the closing bracket: MCPA_ENOTFOUND. */
static mcpa_status_t advance(mcpa_jsonscan_t *scan, bool first, char close)
{
    unsigned char c = mcpa_jsonscan_peek(scan);

    if (c == (unsigned char)close) {
        scan->at++;
        scan->depth--;
        return MCPA_ENOTFOUND;
    }
    if (!first && c != ',') {
        return MCPA_EMALFORMED;
    }
    scan->at += !first;
    return MCPA_OK;
}

mcpa_status_t mcpa_jsonscan_member(mcpa_jsonscan_t *scan, bool first, mcpa_jsonscan_string_t *name)
{
    mcpa_status_t status = advance(scan, first, '}');

    if (status == MCPA_OK) {
        status = mcpa_jsonscan_string(scan, name);
    }
    if (status == MCPA_OK) {
        status = mcpa_jsonscan_peek(scan) == ':' ? MCPA_OK : MCPA_EMALFORMED;
        scan->at += status == MCPA_OK;
    }
    return status;
}

mcpa_status_t mcpa_jsonscan_element(mcpa_jsonscan_t *scan, bool first)
{
    mcpa_status_t status = advance(scan, first, ']');

    /* "[1,]": behind a comma there must be a value. */
    return status == MCPA_OK && mcpa_jsonscan_peek(scan) == ']' ? MCPA_EMALFORMED : status;
}

mcpa_status_t mcpa_jsonscan_finish(mcpa_jsonscan_t *scan)
{
    (void)mcpa_jsonscan_peek(scan);
    return scan->at == scan->end && scan->depth == 0 ? MCPA_OK : MCPA_EMALFORMED;
}
