/* SPDX-License-Identifier: Apache-2.0 */
/* mcpa_json_t is jansson's json_t under another name; the casts stay in this file. */
#include "base/json.h"

#include <jansson.h>

/* What the pre-scan knows so far. It is no grammar check: it only makes sure that the text, should it be JSON, keeps to
 * the limits, before jansson allocates anything for it or recurses into it. */
typedef struct scan {
    size_t depth;
    size_t values;
    bool after_string; /* a ':' would turn the last counted value into a member's name */
} scan_t;

static const json_t *peer(const mcpa_json_t *json)
{
    return (const json_t *)(const void *)json;
}

static const mcpa_json_t *ours(const json_t *json)
{
    return (const mcpa_json_t *)(const void *)json;
}

/* Index of the quote that closes the string opened at 'at', or text.len. */
static size_t skip_string(mcpa_str_t text, size_t at)
{
    for (at++; at < text.len && text.ptr[at] != '"'; at++) {
        if (text.ptr[at] == '\\') {
            at++;
        }
    }
    return at < text.len ? at : text.len;
}

/* Index of the last byte of a number or literal. */
static size_t skip_scalar(mcpa_str_t text, size_t at)
{
    while (at + 1 < text.len && strchr("{}[],:\" \t\r\n", text.ptr[at + 1]) == NULL) {
        at++;
    }
    return at;
}

static mcpa_status_t prescan(mcpa_str_t text, size_t max_depth, size_t max_values)
{
    scan_t scan = { 0 };

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
    return MCPA_OK;
}

mcpa_status_t mcpa_json_parse(mcpa_json_t **out, mcpa_str_t text, size_t max_depth, size_t max_values)
{
    mcpa_status_t status;
    json_error_t error = { 0 };
    json_t *root;

    /* jansson reads a NUL byte as the end in some places and as a byte in others; JSON text never has one. */
    if (text.len == 0 || memchr(text.ptr, '\0', text.len) != NULL) {
        return MCPA_EMALFORMED;
    }
    status = prescan(text, max_depth, max_values);
    if (status != MCPA_OK) {
        return status;
    }
    root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (root == NULL) {
        switch (json_error_code(&error)) {
        case json_error_duplicate_key:
            return MCPA_EDUPLICATE;
        case json_error_out_of_memory:
        case json_error_unknown: /* failed before it could say why: only allocation does */
            return MCPA_ENOMEM;
        default:
            return MCPA_EMALFORMED;
        }
    }
    *out = (mcpa_json_t *)(void *)root;
    return MCPA_OK;
}

void mcpa_json_free(mcpa_json_t **json)
{
    json_decref((json_t *)(void *)*json);
    *json = NULL;
}

mcpa_json_type_t mcpa_json_type(const mcpa_json_t *json)
{
    switch (json_typeof(peer(json))) {
    case JSON_OBJECT:
        return MCPA_JSON_OBJECT;
    case JSON_ARRAY:
        return MCPA_JSON_ARRAY;
    case JSON_STRING:
        return MCPA_JSON_STRING;
    case JSON_INTEGER:
        return MCPA_JSON_INTEGER;
    case JSON_REAL:
        return MCPA_JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return MCPA_JSON_BOOL;
    case JSON_NULL:
        break;
    }
    return MCPA_JSON_NULL;
}

bool mcpa_json_is(const mcpa_json_t *json, mcpa_json_type_t type)
{
    return json != NULL && mcpa_json_type(json) == type;
}

const mcpa_json_t *mcpa_json_member(const mcpa_json_t *json, const char *name)
{
    return ours(json_object_get(peer(json), name));
}

/* Whether a reference token (RFC 6901 section 4: "~0" is '~', "~1" is '/') spells the name. */
static bool token_is(mcpa_str_t token, mcpa_str_t name)
{
    size_t n = 0;

    for (size_t i = 0; i < token.len; i++, n++) {
        char c = token.ptr[i];

        if (c == '~') {
            if (++i == token.len || (token.ptr[i] != '0' && token.ptr[i] != '1')) {
                return false;
            }
            c = token.ptr[i] == '0' ? '~' : '/';
        }
        if (n == name.len || name.ptr[n] != c) {
            return false;
        }
    }
    return n == name.len;
}

static const json_t *step(const json_t *json, mcpa_str_t token)
{
    json_t *object = (json_t *)(uintptr_t)json; /* jansson's iterators take no const but change nothing */
    size_t index = 0;

    if (json_is_object(json)) {
        for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
            if (token_is(token, mcpa_str(json_object_iter_key(at)))) {
                return json_object_iter_value(at);
            }
        }
        return NULL;
    }
    /* An array index has no sign and no leading zero; nine digits are more than any array of ours holds. */
    if (!json_is_array(json) || token.len == 0 || token.len > 9 || (token.ptr[0] == '0' && token.len > 1)) {
        return NULL;
    }
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] < '0' || token.ptr[i] > '9') {
            return NULL;
        }
        index = index * 10 + (size_t)(token.ptr[i] - '0');
    }
    return json_array_get(json, index);
}

const mcpa_json_t *mcpa_json_pointer(const mcpa_json_t *json, mcpa_str_t pointer)
{
    const json_t *at = peer(json);
    size_t i = 0;

    while (at != NULL && i < pointer.len) {
        mcpa_str_t token = { pointer.ptr + i + 1, 0 };

        if (pointer.ptr[i] != '/') {
            return NULL;
        }
        while (i + 1 + token.len < pointer.len && token.ptr[token.len] != '/') {
            token.len++;
        }
        at = step(at, token);
        i += 1 + token.len;
    }
    return ours(at);
}

mcpa_str_t mcpa_json_string(const mcpa_json_t *json)
{
    if (!json_is_string(peer(json))) {
        return MCPA_STR_NONE;
    }
    return (mcpa_str_t){ json_string_value(peer(json)), json_string_length(peer(json)) };
}

bool mcpa_json_integer(const mcpa_json_t *json, int64_t *value)
{
    const double limit = 9223372036854775808.0; /* 2^63, exact as a double */
    double real;

    if (json_is_integer(peer(json))) {
        *value = json_integer_value(peer(json));
        return true;
    }
    if (!json_is_real(peer(json))) {
        return false;
    }
    real = json_real_value(peer(json));
    /* !(a && b) also turns away NaN. Within the range the cast is defined, and it drops the fraction. */
    if (!(real >= -limit && real < limit) || (double)(int64_t)real < real || (double)(int64_t)real > real) {
        return false;
    }
    *value = (int64_t)real;
    return true;
}

bool mcpa_json_number(const mcpa_json_t *json, double *value)
{
    if (!json_is_number(peer(json))) {
        return false;
    }
    *value = json_number_value(peer(json));
    return true;
}

bool mcpa_json_true(const mcpa_json_t *json)
{
    return json_is_true(peer(json));
}

size_t mcpa_json_size(const mcpa_json_t *json)
{
    return json_is_object(peer(json)) ? json_object_size(peer(json)) : json_array_size(peer(json));
}

const mcpa_json_t *mcpa_json_at(const mcpa_json_t *json, size_t index)
{
    return ours(json_array_get(peer(json), index));
}

void mcpa_json_each(const mcpa_json_t *json, bool (*fn)(void *ctx, mcpa_str_t name, const mcpa_json_t *value), void *ctx)
{
    json_t *object = (json_t *)(uintptr_t)json;

    if (!json_is_object(object)) {
        return;
    }
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        if (!fn(ctx, mcpa_str(json_object_iter_key(at)), ours(json_object_iter_value(at)))) {
            return;
        }
    }
}

char *mcpa_json_print(const mcpa_json_t *json)
{
    return json_dumps(peer(json), JSON_COMPACT | JSON_ENCODE_ANY);
}
