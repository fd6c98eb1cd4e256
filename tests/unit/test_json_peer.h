/* SPDX-License-Identifier: Apache-2.0 */
/* A second opinion on JSON: what jansson makes of a text, and whether our tree is the same, value for value. */
#ifndef MCPA_TEST_JSON_PEER_H
#define MCPA_TEST_JSON_PEER_H

#include <stdlib.h>

#include <jansson.h>

#include "base/json.h"
#include "base/jsonscan.h"

static inline bool peer_same(const mcpa_json_t *ours, const json_t *peer);

static inline bool peer_same_number(const mcpa_json_t *ours, const json_t *peer)
{
    double real = 0;
    int64_t integer = 0;

    if (json_is_real(peer)) {
        return mcpa_json_is(ours, MCPA_JSON_REAL) && mcpa_json_number(ours, &real) && !(real < json_real_value(peer)) &&
               !(real > json_real_value(peer));
    }
    return mcpa_json_is(ours, MCPA_JSON_INTEGER) && mcpa_json_integer(ours, &integer) && integer == json_integer_value(peer);
}

typedef struct peer_walk {
    const mcpa_json_t *ours;
    json_t *object;
    void *at;
    bool same;
} peer_walk_t;

static inline bool peer_same_member(void *ctx, mcpa_str_t name, const mcpa_json_t *value)
{
    peer_walk_t *walk = ctx;

    walk->same = walk->at != NULL && mcpa_str_eqz(name, json_object_iter_key(walk->at)) && name.ptr[name.len] == '\0' &&
                 mcpa_json_member(walk->ours, name.ptr) == value && peer_same(value, json_object_iter_value(walk->at));
    walk->at = walk->at != NULL ? json_object_iter_next(walk->object, walk->at) : NULL;
    return walk->same;
}

static inline bool peer_same_children(const mcpa_json_t *ours, const json_t *peer)
{
    peer_walk_t walk = { .ours = ours, .object = (json_t *)(uintptr_t)peer, .same = true };

    if (json_is_object(peer)) {
        walk.at = json_object_iter(walk.object);
        mcpa_json_each(ours, peer_same_member, &walk);
        return walk.same && mcpa_json_is(ours, MCPA_JSON_OBJECT) && mcpa_json_size(ours) == json_object_size(peer);
    }
    for (size_t i = 0; walk.same && i < json_array_size(peer); i++) {
        walk.same = peer_same(mcpa_json_at(ours, i), json_array_get(peer, i));
    }
    return walk.same && mcpa_json_is(ours, MCPA_JSON_ARRAY) && mcpa_json_size(ours) == json_array_size(peer);
}

static inline bool peer_same(const mcpa_json_t *ours, const json_t *peer)
{
    mcpa_str_t string = mcpa_json_string(ours);

    switch (json_typeof(peer)) {
    case JSON_STRING:
        return string.ptr != NULL && string.len == json_string_length(peer) && string.ptr[string.len] == '\0' &&
               memcmp(string.ptr, json_string_value(peer), string.len) == 0;
    case JSON_INTEGER:
    case JSON_REAL:
        return peer_same_number(ours, peer);
    case JSON_TRUE:
    case JSON_FALSE:
        return mcpa_json_is(ours, MCPA_JSON_BOOL) && mcpa_json_true(ours) == json_is_true(peer);
    case JSON_NULL:
        return mcpa_json_is(ours, MCPA_JSON_NULL);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return peer_same_children(ours, peer);
}

/* What is printed must be the same document to jansson, too. */
static inline bool peer_takes_print(const mcpa_json_t *ours, const json_t *peer)
{
    char *text = mcpa_json_print(ours);
    json_t *again = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL) : NULL;
    bool same = again != NULL && json_equal(again, peer);

    json_decref(again);
    free(text);
    return same;
}

/* Adds the values of the tree to *values, and has *depth be its nesting. */
static inline void peer_measure(json_t *peer, size_t depth, size_t *deepest, size_t *values)
{
    const char *name;
    json_t *value;
    size_t i;

    ++*values;
    depth += json_is_array(peer) || json_is_object(peer) ? 1 : 0;
    *deepest = depth > *deepest ? depth : *deepest;
    json_object_foreach (peer, name, value) {
        peer_measure(value, depth, deepest, values);
    }
    json_array_foreach (peer, i, value) {
        peer_measure(value, depth, deepest, values);
    }
}

static inline bool peer_is_refused(mcpa_str_t text, size_t max_depth, size_t max_values)
{
    mcpa_json_t *ours = NULL;
    mcpa_status_t status = mcpa_json_parse(&ours, text, max_depth, max_values);

    mcpa_json_free(&ours);
    return status == MCPA_ETOOBIG;
}

/* What jansson takes, ours takes with exactly the limits that it needs, and with none that is less. */
static inline bool peer_agrees_on_good(mcpa_str_t text, json_t *peer)
{
    size_t depth = 0, values = 0;
    mcpa_json_t *ours = NULL;
    bool same;

    peer_measure(peer, 0, &depth, &values);
    if (depth > MCPA_JSONSCAN_MAX_DEPTH) {
        return peer_is_refused(text, MCPA_JSONSCAN_MAX_DEPTH, SIZE_MAX);
    }
    same = mcpa_json_parse(&ours, text, depth, values) == MCPA_OK && peer_same(ours, peer) && peer_takes_print(ours, peer);
    mcpa_json_free(&ours);
    return same && peer_is_refused(text, depth, values - 1) && (depth == 0 || peer_is_refused(text, depth - 1, values));
}

/* Why ours may refuse what jansson does not take either. ETOOBIG: the reader may give up before it knows of nesting whether it is JSON. */
static inline bool peer_agrees_on_bad(mcpa_status_t status, bool is_good_but_for_names, const json_error_t *error)
{
    bool is_duplicate = status == MCPA_EDUPLICATE;

    if (is_good_but_for_names) {
        return is_duplicate || status == MCPA_ETOOBIG;
    }
    return status != MCPA_OK && (!is_duplicate || json_error_code(error) == json_error_duplicate_key);
}

/* Whether our reader says of the text what jansson says of it. It is not asked where it has other rules: NUL bytes, which it reads as
 * the end in some places, must be refused. *taken: whether it is JSON to both. */
static inline bool peer_agrees(mcpa_str_t text, bool *taken)
{
    mcpa_json_t *ours = NULL;
    mcpa_status_t status = mcpa_json_parse(&ours, text, MCPA_JSONSCAN_MAX_DEPTH, SIZE_MAX);
    json_t *any, *strict;
    json_error_t error;
    bool same;

    mcpa_json_free(&ours);
    *taken = status == MCPA_OK;
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL) {
        return status != MCPA_OK;
    }
    any = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
    strict = json_loadb(text.ptr, text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    same = strict != NULL ? peer_agrees_on_good(text, strict) : peer_agrees_on_bad(status, any != NULL, &error);
    json_decref(any);
    json_decref(strict);
    return same;
}

#endif
