/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/text.h"

void mcpa_jsonw_init(mcpa_jsonw_t *w, mcpa_out_t *out)
{
    *w = (mcpa_jsonw_t){ .out = out };
}

/* Short escapes of RFC 8259 section 7; NULL where none exists. */
static const char *short_escape(unsigned char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

/* Escapes what is at the start of text and tells how many bytes that was; 0 when it may stand as it is. */
static size_t put_escape(mcpa_out_t *out, mcpa_str_t text, size_t utf8_len)
{
    unsigned char c = (unsigned char)text.ptr[0];
    const char *brief = short_escape(c);

    if (brief != NULL) {
        mcpa_out_z(out, brief);
        return 1;
    }
    /* One replacement a byte: the length of what was there stays visible. NUL too, because our own reader refuses U+0000: a journal line
     * with one would be taken for damage at the next start. */
    if (utf8_len == 0 || c == 0) {
        mcpa_out_z(out, "\\ufffd");
        return 1;
    }
    if (c < 0x20 || c == 0x7f) {
        mcpa_out_printf(out, "\\u%04x", (unsigned)c);
        return 1;
    }
    /* Line ends to JavaScript and to some log viewers: one record must stay one line. */
    if (utf8_len == 3 && memcmp(text.ptr, "\xe2\x80\xa8", 3) == 0) {
        mcpa_out_z(out, "\\u2028");
        return 3;
    }
    if (utf8_len == 3 && memcmp(text.ptr, "\xe2\x80\xa9", 3) == 0) {
        mcpa_out_z(out, "\\u2029");
        return 3;
    }
    return 0;
}

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* Whether one of eight bytes is zero; may say so falsely above one that is, and the caller then looks at each. */
static uint64_t zero_among(uint64_t bytes)
{
    return (bytes - EACH_BYTE(0x01)) & ~bytes & EACH_BYTE(0x80);
}

/* How many bytes stand at the start that no rule is about: visible ASCII but for quote and backslash. Nearly all that is ever written, hence eight at
 * once. */
static size_t plain_len(mcpa_str_t text)
{
    size_t n = 0;
    uint64_t eight;

    for (; text.len - n >= sizeof(eight); n += sizeof(eight)) {
        memcpy(&eight, text.ptr + n, sizeof(eight));
        if (((eight | (eight - EACH_BYTE(0x20))) & EACH_BYTE(0x80)) != 0 || zero_among(eight ^ EACH_BYTE('"')) != 0 ||
            zero_among(eight ^ EACH_BYTE('\\')) != 0 || zero_among(eight ^ EACH_BYTE(0x7f)) != 0) {
            break;
        }
    }
    while (n < text.len) {
        unsigned char c = (unsigned char)text.ptr[n];

        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            break;
        }
        n++;
    }
    return n;
}

static void put_string(mcpa_out_t *out, mcpa_str_t value)
{
    mcpa_str_t rest = value;

    mcpa_out_char(out, '"');
    while (rest.len > 0) {
        size_t n = plain_len(rest);

        if (n > 0) {
            mcpa_out_put(out, rest.ptr, n);
        } else {
            size_t utf8_len = mcpa_text_utf8_next(rest);

            n = put_escape(out, rest, utf8_len);
            if (n == 0) {
                n = utf8_len;
                mcpa_out_put(out, rest.ptr, n);
            }
        }
        rest.ptr += n;
        rest.len -= n;
    }
    mcpa_out_char(out, '"');
}

/* A comma where one is due, then the name; a value follows. */
static void begin(mcpa_jsonw_t *w, const char *name)
{
    if (w->need_comma) {
        mcpa_out_char(w->out, ',');
    }
    if (name != NULL) {
        put_string(w->out, mcpa_str(name));
        mcpa_out_char(w->out, ':');
    }
    w->need_comma = true;
}

static void open_with(mcpa_jsonw_t *w, const char *name, char bracket)
{
    begin(w, name);
    mcpa_out_char(w->out, bracket);
    w->need_comma = false;
}

static void close_with(mcpa_jsonw_t *w, char bracket)
{
    mcpa_out_char(w->out, bracket);
    w->need_comma = true;
}

void mcpa_jsonw_open_object(mcpa_jsonw_t *w, const char *name)
{
    open_with(w, name, '{');
}

void mcpa_jsonw_close_object(mcpa_jsonw_t *w)
{
    close_with(w, '}');
}

void mcpa_jsonw_open_array(mcpa_jsonw_t *w, const char *name)
{
    open_with(w, name, '[');
}

void mcpa_jsonw_close_array(mcpa_jsonw_t *w)
{
    close_with(w, ']');
}

void mcpa_jsonw_str(mcpa_jsonw_t *w, const char *name, mcpa_str_t value)
{
    begin(w, name);
    put_string(w->out, value);
}

void mcpa_jsonw_z(mcpa_jsonw_t *w, const char *name, const char *value)
{
    mcpa_jsonw_str(w, name, mcpa_str(value));
}

void mcpa_jsonw_int(mcpa_jsonw_t *w, const char *name, int64_t value)
{
    begin(w, name);
    if (value < 0) {
        mcpa_out_char(w->out, '-');
    }
    /* Unsigned negation is right for INT64_MIN too. */
    mcpa_out_u64(w->out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void mcpa_jsonw_u64(mcpa_jsonw_t *w, const char *name, uint64_t value)
{
    begin(w, name);
    mcpa_out_u64(w->out, value);
}

void mcpa_jsonw_bool(mcpa_jsonw_t *w, const char *name, bool value)
{
    begin(w, name);
    mcpa_out_z(w->out, value ? "true" : "false");
}

void mcpa_jsonw_milli(mcpa_jsonw_t *w, const char *name, uint64_t thousandths)
{
    const char digits[] = { '.', (char)('0' + thousandths / 100 % 10), (char)('0' + thousandths / 10 % 10),
                            (char)('0' + thousandths % 10) };

    begin(w, name);
    mcpa_out_u64(w->out, thousandths / 1000);
    mcpa_out_put(w->out, digits, sizeof(digits));
}

void mcpa_jsonw_raw(mcpa_jsonw_t *w, const char *name, mcpa_str_t json)
{
    begin(w, name);
    mcpa_out_str(w->out, json);
}
