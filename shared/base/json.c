/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <stdlib.h>

#include "base/jsontree.h"

mcpa_json_type_t mcpa_json_type(const mcpa_json_t *json)
{
    return json->type;
}

bool mcpa_json_is(const mcpa_json_t *json, mcpa_json_type_t type)
{
    return json != NULL && json->type == type;
}

const mcpa_json_t *mcpa_json_member(const mcpa_json_t *json, const char *name)
{
    const mcpa_json_t *at = mcpa_json_is(json, MCPA_JSON_OBJECT) ? json->as.children : NULL;
    size_t len = strlen(name);

    for (size_t i = 0; at != NULL && i < json->size; i++, at++) {
        /* Both have a NUL behind them, so the first byte may be looked at before the lengths are known to be any. */
        if (at->name.len == len && at->name.ptr[0] == name[0] && memcmp(at->name.ptr, name, len) == 0) {
            return at;
        }
    }
    return NULL;
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

static const mcpa_json_t *step(const mcpa_json_t *json, mcpa_str_t token)
{
    size_t index = 0;

    if (json->type == MCPA_JSON_OBJECT) {
        for (size_t i = 0; i < json->size; i++) {
            if (token_is(token, json->as.children[i].name)) {
                return &json->as.children[i];
            }
        }
        return NULL;
    }
    /* An array index has no sign and no leading zero; nine digits are more than any array of ours holds. */
    if (json->type != MCPA_JSON_ARRAY || token.len == 0 || token.len > 9 || (token.ptr[0] == '0' && token.len > 1)) {
        return NULL;
    }
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] < '0' || token.ptr[i] > '9') {
            return NULL;
        }
        index = index * 10 + (size_t)(token.ptr[i] - '0');
    }
    return mcpa_json_at(json, index);
}

const mcpa_json_t *mcpa_json_pointer(const mcpa_json_t *json, mcpa_str_t pointer)
{
    const mcpa_json_t *at = json;
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
    return at;
}

mcpa_str_t mcpa_json_string(const mcpa_json_t *json)
{
    return mcpa_json_is(json, MCPA_JSON_STRING) ? json->as.text : MCPA_STR_NONE;
}

bool mcpa_json_integer(const mcpa_json_t *json, int64_t *value)
{
    const double limit = 9223372036854775808.0; /* 2^63, exact as a double */
    double real;

    if (mcpa_json_is(json, MCPA_JSON_INTEGER)) {
        *value = json->as.integer;
        return true;
    }
    if (!mcpa_json_is(json, MCPA_JSON_REAL)) {
        return false;
    }
    real = json->as.real.value;
    /* !(a && b) also turns away NaN. Within the range the cast is defined, and it drops the fraction. */
    if (!(real >= -limit && real < limit) || (double)(int64_t)real < real || (double)(int64_t)real > real) {
        return false;
    }
    *value = (int64_t)real;
    return true;
}

bool mcpa_json_number(const mcpa_json_t *json, double *value)
{
    if (mcpa_json_is(json, MCPA_JSON_INTEGER)) {
        *value = (double)json->as.integer;
        return true;
    }
    if (!mcpa_json_is(json, MCPA_JSON_REAL)) {
        return false;
    }
    *value = json->as.real.value;
    return true;
}

bool mcpa_json_true(const mcpa_json_t *json)
{
    return mcpa_json_is(json, MCPA_JSON_BOOL) && json->as.boolean;
}

size_t mcpa_json_size(const mcpa_json_t *json)
{
    return json != NULL ? json->size : 0;
}

const mcpa_json_t *mcpa_json_at(const mcpa_json_t *json, size_t index)
{
    return mcpa_json_is(json, MCPA_JSON_ARRAY) && index < json->size ? &json->as.children[index] : NULL;
}

void mcpa_json_each(const mcpa_json_t *json, bool (*fn)(void *ctx, mcpa_str_t name, const mcpa_json_t *value), void *ctx)
{
    for (size_t i = 0; mcpa_json_is(json, MCPA_JSON_OBJECT) && i < json->size; i++) {
        if (!fn(ctx, json->as.children[i].name, &json->as.children[i])) {
            return;
        }
    }
}

/* ---- printing; as deep as the reader lets a document be */

static mcpa_str_t written(const mcpa_json_t *real)
{
    return (mcpa_str_t){ real->as.real.written, strspn(real->as.real.written, "+-.0123456789Ee") };
}

/* Bytes that the value takes at the most, with its name, its comma and its brackets. */
static size_t room_for(const mcpa_json_t *json)
{
    const size_t escape = sizeof("\\u0000") - 1, rest = sizeof("\"\":,[]") - 1 + sizeof("-9223372036854775808") - 1;
    size_t bytes = json->name.len * escape + rest;

    if (json->type == MCPA_JSON_STRING) {
        bytes += json->as.text.len * escape + sizeof("\"\"") - 1;
    } else if (json->type == MCPA_JSON_REAL) {
        bytes += written(json).len;
    }
    for (size_t i = 0; i < json->size; i++) {
        bytes += room_for(&json->as.children[i]);
    }
    return bytes;
}

static void print(mcpa_jsonw_t *w, const char *name, const mcpa_json_t *json)
{
    bool is_object = json->type == MCPA_JSON_OBJECT;

    switch (json->type) {
    case MCPA_JSON_NULL:
        mcpa_jsonw_raw(w, name, MCPA_STR("null"));
        return;
    case MCPA_JSON_BOOL:
        mcpa_jsonw_bool(w, name, json->as.boolean);
        return;
    case MCPA_JSON_INTEGER:
        mcpa_jsonw_int(w, name, json->as.integer);
        return;
    case MCPA_JSON_REAL:
        mcpa_jsonw_raw(w, name, written(json));
        return;
    case MCPA_JSON_STRING:
        mcpa_jsonw_str(w, name, json->as.text);
        return;
    case MCPA_JSON_ARRAY:
    case MCPA_JSON_OBJECT:
        break;
    }
    (is_object ? mcpa_jsonw_open_object : mcpa_jsonw_open_array)(w, name);
    for (size_t i = 0; i < json->size; i++) {
        print(w, json->as.children[i].name.ptr, &json->as.children[i]);
    }
    (is_object ? mcpa_jsonw_close_object : mcpa_jsonw_close_array)(w);
}

char *mcpa_json_print(const mcpa_json_t *json)
{
    size_t cap = room_for(json) + 1;
    char *memory = malloc(cap);
    mcpa_jsonw_t w;
    mcpa_out_t out;

    if (memory == NULL) {
        return NULL;
    }
    mcpa_out_init(&out, memory, cap);
    mcpa_jsonw_init(&w, &out);
    print(&w, NULL, json);
    return memory;
}
