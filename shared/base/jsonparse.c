/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jsontree.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "base/jsonscan.h"
#include "base/lanes.h"

/* Objects with more members are sorted to find names that stand twice: comparing each with each would be the attacker's to choose. */
#define PAIRWISE_MAX 32

/* What the pre-scan knows so far. It is no grammar check: it only makes sure that the text, should it be JSON, keeps to the limits, and
 * counts its values, before memory is taken for them. */
typedef struct prescan {
    size_t depth;
    size_t values;
    bool after_string; /* a ':' would turn the last counted value into a member's name */
} prescan_t;

/* Values whose parent is still open lie at the high end of the block, the latest lowest; when the parent is closed they move to the low
 * end, side by side, for good. The pre-scan counted all of them, so the two ends never cross. */
typedef struct reader {
    mcpa_jsonscan_t scan;
    char *text;
    mcpa_json_t *done; /* end of those that have their place */
    mcpa_json_t *top;  /* the latest that has not */
    mcpa_json_t *open; /* the innermost array or object; NULL: none */
} reader_t;

/* ---- limits */

/* Where the string that begins behind 'at' has its next quote or backslash, or text.len. */
static size_t skip_plain(mcpa_str_t text, size_t at)
{
    while (text.len - at >= MCPA_LANES) {
        mcpa_lanes_t c = mcpa_lanes_load(text.ptr + at);
        unsigned plain = mcpa_lanes_first((mcpa_lanes_t)(c == '"') | (mcpa_lanes_t)(c == '\\'));

        at += plain;
        if (plain < MCPA_LANES) {
            return at;
        }
    }
    while (at < text.len && text.ptr[at] != '"' && text.ptr[at] != '\\') {
        at++;
    }
    return at;
}

/* Index of the quote that closes the string opened at 'at', or text.len. */
static size_t skip_string(mcpa_str_t text, size_t at)
{
    at = skip_plain(text, at + 1);
    while (at < text.len && text.ptr[at] == '\\') {
        at = text.len - at > 2 ? skip_plain(text, at + 2) : text.len;
    }
    return at;
}

/* Index of the last byte of a number or literal. */
static size_t skip_scalar(mcpa_str_t text, size_t at)
{
    static const bool ends[256] = { ['{'] = true, ['}'] = true,  ['['] = true,  [']'] = true,  [','] = true, [':'] = true,
                                    ['"'] = true, [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true };

    while (at + 1 < text.len && !ends[(unsigned char)text.ptr[at + 1]]) {
        at++;
    }
    return at;
}

static mcpa_status_t prescan(size_t *values, mcpa_str_t text, size_t max_depth, size_t max_values)
{
    prescan_t scan = { 0 };

    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            continue;
        case ',':
            break;
        case ':':
            scan.values -= scan.after_string ? 1 : 0;
            break;
        case '}':
        case ']':
            if (scan.depth == 0) {
                return MCPA_EMALFORMED;
            }
            scan.depth--;
            break;
        case '{':
        case '[':
            scan.values++;
            if (++scan.depth > max_depth) {
                return MCPA_ETOOBIG;
            }
            break;
        case '"':
            scan.values++;
            i = skip_string(text, i);
            scan.after_string = true;
            goto counted;
        default:
            scan.values++;
            i = skip_scalar(text, i);
        }
        scan.after_string = false;
    counted:
        if (scan.values > max_values) {
            return MCPA_ETOOBIG;
        }
    }
    *values = scan.values;
    return scan.values == 0 ? MCPA_EMALFORMED : scan.values > UINT32_MAX ? MCPA_ETOOBIG : MCPA_OK;
}

/* ---- values */

/* Decodes in place, and ends what it gives with a NUL, for which there is room: the quote. */
static mcpa_status_t take_string(reader_t *r, const mcpa_jsonscan_string_t *string, mcpa_str_t *value)
{
    char *memory = r->text + (string->raw.ptr - r->text);
    mcpa_status_t status = MCPA_OK;

    *value = string->raw; /* as most stand */
    if (string->escaped) {
        status = mcpa_jsonscan_decode(string, memory, string->raw.len, value);
    }
    if (status == MCPA_OK) {
        memory[value->len] = '\0';
    }
    return status;
}

/* Of RFC 8259's grammar, without fraction and exponent. */
static bool read_integer(mcpa_str_t text, int64_t *value)
{
    bool negative = text.ptr[0] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1 : 0), sum = 0;

    for (size_t i = negative ? 1 : 0; i < text.len; i++) {
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');

        if (sum > (limit - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = (int64_t)(negative ? 0 - sum : sum);
    return true;
}

/* What follows the number in the text can be none of one: a bracket, a comma, a blank or the NUL at the end. */
static mcpa_status_t read_real(mcpa_json_t *real, mcpa_str_t text)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before;

    if (c == (locale_t)0) {
        return MCPA_ENOMEM;
    }
    before = uselocale(c); /* whatever the process has set: elsewhere the point is a comma */
    real->type = MCPA_JSON_REAL;
    real->as.real.written = text.ptr;
    real->as.real.value = strtod(text.ptr, NULL);
    (void)uselocale(before);
    freelocale(c);
    return isinf(real->as.real.value) ? MCPA_EMALFORMED : MCPA_OK;
}

static mcpa_status_t read_number(mcpa_json_t *value, mcpa_str_t text)
{
    bool is_real = false;

    for (size_t i = 0; i < text.len; i++) {
        is_real = is_real || text.ptr[i] == '.' || text.ptr[i] == 'e' || text.ptr[i] == 'E';
    }
    if (is_real) {
        return read_real(value, text);
    }
    value->type = MCPA_JSON_INTEGER;
    return read_integer(text, &value->as.integer) ? MCPA_OK : MCPA_EMALFORMED;
}

static mcpa_status_t read_scalar(reader_t *r, mcpa_json_t *value, unsigned char first)
{
    mcpa_jsonscan_string_t string;
    mcpa_str_t raw;
    mcpa_status_t status;

    if (first == '"') {
        value->type = MCPA_JSON_STRING;
        status = mcpa_jsonscan_string(&r->scan, &string);
        return status == MCPA_OK ? take_string(r, &string, &value->as.text) : status;
    }
    status = mcpa_jsonscan_skip(&r->scan, &raw);
    if (status != MCPA_OK) {
        return status;
    }
    switch (first) {
    case 'n':
        value->type = MCPA_JSON_NULL;
        return MCPA_OK;
    case 't':
    case 'f':
        value->type = MCPA_JSON_BOOL;
        value->as.boolean = first == 't';
        return MCPA_OK;
    default:
        return read_number(value, raw);
    }
}

/* Reads a scalar whole, of an array or object the opening bracket. */
static mcpa_status_t read_value(reader_t *r, mcpa_str_t name)
{
    unsigned char first = mcpa_jsonscan_peek(&r->scan);
    mcpa_json_t *value;

    if (r->open == NULL) {
        value = r->done++; /* the root has its place already */
    } else if (r->top > r->done) {
        value = --r->top;
        r->open->size++;
    } else {
        return MCPA_EMALFORMED; /* more values than were counted: only in what is no JSON */
    }
    *value = (mcpa_json_t){ .name = name };
    if (first != '{' && first != '[') {
        return read_scalar(r, value, first);
    }
    value->type = first == '{' ? MCPA_JSON_OBJECT : MCPA_JSON_ARRAY;
    value->as.parent = r->open;
    r->open = value;
    return mcpa_jsonscan_enter(&r->scan, (char)first);
}

/* ---- arrays and objects */

static int compare_names(const void *a, const void *b)
{
    mcpa_str_t x = (*(const mcpa_json_t *const *)a)->name, y = (*(const mcpa_json_t *const *)b)->name;

    return x.len != y.len ? (x.len < y.len ? -1 : 1) : memcmp(x.ptr, y.ptr, x.len);
}

static mcpa_status_t check_many_names(const mcpa_json_t *members, size_t n)
{
    const mcpa_json_t **sorted = malloc(n * sizeof(const mcpa_json_t *));
    mcpa_status_t status = MCPA_OK;

    if (sorted == NULL) {
        return MCPA_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = &members[i];
    }
    qsort(sorted, n, sizeof(const mcpa_json_t *), compare_names);
    for (size_t i = 1; i < n && status == MCPA_OK; i++) {
        status = compare_names(&sorted[i - 1], &sorted[i]) == 0 ? MCPA_EDUPLICATE : MCPA_OK;
    }
    free(sorted);
    return status;
}

static mcpa_status_t check_names(const mcpa_json_t *members, size_t n)
{
    if (n > PAIRWISE_MAX) {
        return check_many_names(members, n);
    }
    for (size_t i = 1; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (mcpa_str_eq(members[i].name, members[k].name)) {
                return MCPA_EDUPLICATE;
            }
        }
    }
    return MCPA_OK;
}

/* Behind the closing bracket of the innermost: its children get their place, first to last. */
static mcpa_status_t close_container(reader_t *r)
{
    mcpa_json_t *container = r->open, *children = r->done;
    size_t n = container->size;

    for (size_t i = 0; i < n / 2; i++) {
        mcpa_json_t other = r->top[i];

        r->top[i] = r->top[n - 1 - i];
        r->top[n - 1 - i] = other;
    }
    memmove(children, r->top, n * sizeof(*children));
    r->top += n;
    r->done += n;
    r->open = container->as.parent;
    container->as.children = children;
    return container->type == MCPA_JSON_OBJECT ? check_names(children, n) : MCPA_OK;
}

/* The next child of the innermost array or object, or its end. */
static mcpa_status_t read_next(reader_t *r)
{
    mcpa_jsonscan_string_t string;
    mcpa_str_t name = MCPA_STR_NONE;
    bool is_first = r->open->size == 0;
    mcpa_status_t status;

    if (r->open->type == MCPA_JSON_OBJECT) {
        status = mcpa_jsonscan_member(&r->scan, is_first, &string);
        status = status == MCPA_OK ? take_string(r, &string, &name) : status;
    } else {
        status = mcpa_jsonscan_element(&r->scan, is_first);
    }
    if (status == MCPA_ENOTFOUND) {
        return close_container(r);
    }
    return status == MCPA_OK ? read_value(r, name) : status;
}

mcpa_status_t mcpa_json_parse(mcpa_json_t **out, mcpa_str_t text, size_t max_depth, size_t max_values)
{
    size_t values = 0;
    mcpa_status_t status = prescan(&values, text, max_depth, max_values);
    mcpa_json_t *root;
    reader_t r = { 0 };

    if (status != MCPA_OK) {
        return status;
    }
    root = malloc(values * sizeof(*root) + text.len + 1);
    if (root == NULL) {
        return MCPA_ENOMEM;
    }
    r.done = root;
    r.top = root + values;
    r.text = (char *)(root + values);
    memcpy(r.text, text.ptr, text.len);
    r.text[text.len] = '\0';
    mcpa_jsonscan_init(&r.scan, (mcpa_str_t){ r.text, text.len });
    status = read_value(&r, MCPA_STR_NONE);
    while (status == MCPA_OK && r.open != NULL) {
        status = read_next(&r);
    }
    status = status == MCPA_OK ? mcpa_jsonscan_finish(&r.scan) : status;
    if (status != MCPA_OK) {
        free(root);
        return status;
    }
    *out = root;
    return MCPA_OK;
}

void mcpa_json_free(mcpa_json_t **json)
{
    free(*json);
    *json = NULL;
}
