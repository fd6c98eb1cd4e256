/* SPDX-License-Identifier: Apache-2.0 */
#include "base/b64url.h"

#include "base/lanes.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The value of a character plus one, so that zero (every byte not named) means "not of the alphabet". */
static const unsigned char reverse[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,  ['I'] = 9,  ['J'] = 10,
    ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20,
    ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,
    ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50,
    ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60,
    ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

static inline mcpa_lanes_t is_between(mcpa_lanes_t c, unsigned char first, unsigned char last)
{
    return (mcpa_lanes_t)(c >= first) & (mcpa_lanes_t)(c <= last);
}

static bool is_of_alphabet(mcpa_str_t text)
{
    size_t i = 0;

    for (; text.len - i >= MCPA_LANES; i += MCPA_LANES) {
        mcpa_lanes_t c = mcpa_lanes_load(text.ptr + i);
        /* A letter's case is one bit, which takes no other byte to a letter. */
        mcpa_lanes_t good =
            is_between(c | 0x20, 'a', 'z') | is_between(c, '0', '9') | (mcpa_lanes_t)(c == '-') | (mcpa_lanes_t)(c == '_');

        if (mcpa_lanes_any(~good)) {
            return false;
        }
    }
    for (; i < text.len; i++) {
        if (reverse[(unsigned char)text.ptr[i]] == 0) {
            return false;
        }
    }
    return true;
}

bool mcpa_b64url_is_canonical(mcpa_str_t text)
{
    size_t rest = text.len % 4;
    unsigned last;

    if (!is_of_alphabet(text)) {
        return false;
    }
    if (rest == 0) {
        return true;
    }
    /* Two characters carry 12 bits for one byte, three carry 18 for two: 4 and 2 bits are left over. */
    last = reverse[(unsigned char)text.ptr[text.len - 1]] - 1u;
    return rest != 1 && (last & (rest == 2 ? 15u : 3u)) == 0;
}

static uint32_t plus_one(char c)
{
    return reverse[(unsigned char)c];
}

/* Four characters of the alphabet into 24 bits; the ones too many go all at once. */
static uint32_t bits_of_group(const char *text)
{
    const uint32_t ones = 1u << 18 | 1u << 12 | 1u << 6 | 1u;

    return (plus_one(text[0]) << 18) + (plus_one(text[1]) << 12) + (plus_one(text[2]) << 6) + plus_one(text[3]) - ones;
}

mcpa_status_t mcpa_b64url_decode_canonical(unsigned char *memory, size_t cap, size_t *written, mcpa_str_t text)
{
    size_t rest = text.len % 4;
    size_t whole = text.len - rest;
    size_t tail = rest > 0 ? rest - 1 : 0; /* bytes the last, incomplete group gives */
    unsigned char *at = memory;

    if (whole / 4 * 3 + tail > cap) {
        return MCPA_ETOOBIG;
    }
    for (size_t i = 0; i < whole; i += 4) {
        uint32_t bits = bits_of_group(text.ptr + i);

        *at++ = (unsigned char)(bits >> 16);
        *at++ = (unsigned char)(bits >> 8);
        *at++ = (unsigned char)bits;
    }
    if (tail > 0) {
        const char last[4] = { text.ptr[whole], text.ptr[whole + 1], rest == 3 ? text.ptr[whole + 2] : 'A', 'A' };
        uint32_t bits = bits_of_group(last);

        for (size_t i = 0; i < tail; i++) {
            *at++ = (unsigned char)(bits >> (16 - 8 * i));
        }
    }
    *written = (size_t)(at - memory);
    return MCPA_OK;
}

mcpa_status_t mcpa_b64url_decode(unsigned char *memory, size_t cap, size_t *written, mcpa_str_t text)
{
    return mcpa_b64url_is_canonical(text) ? mcpa_b64url_decode_canonical(memory, cap, written, text) : MCPA_EMALFORMED;
}

void mcpa_b64url_encode(mcpa_out_t *out, const void *bytes, size_t len)
{
    const unsigned char *in = bytes;

    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)in[i] << 16;
        char group[4];

        if (n > 1) {
            bits |= (uint32_t)in[i + 1] << 8;
        }
        if (n > 2) {
            bits |= in[i + 2];
        }
        for (size_t k = 0; k < 4; k++) {
            group[k] = alphabet[(bits >> (18 - 6 * k)) & 63];
        }
        mcpa_out_put(out, group, n + 1);
    }
}
