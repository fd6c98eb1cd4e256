/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON: what is taken keeps to the limits, is what jansson reads, prints, and prints the same when read again. Writing any string is
 * always readable. */
#include <stdlib.h>

#include "base/json.h"
#include "base/text.h"
#include "test_json_peer.h"

#define MAX_DEPTH  8
#define MAX_VALUES 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct walk {
    size_t depth;
    size_t values;
} walk_t;

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void visit(walk_t *walk, const mcpa_json_t *json);

static bool visit_member(void *ctx, mcpa_str_t name, const mcpa_json_t *value)
{
    must(mcpa_text_is_utf8(name) && memchr(name.ptr, '\0', name.len) == NULL);
    visit(ctx, value);
    return true;
}

/* Counts the tree anew, independent of the pre-scan. */
static void visit(walk_t *walk, const mcpa_json_t *json)
{
    bool is_container = mcpa_json_is(json, MCPA_JSON_ARRAY) || mcpa_json_is(json, MCPA_JSON_OBJECT);
    mcpa_str_t string = mcpa_json_string(json);
    int64_t integer;
    double number;

    must(++walk->values <= MAX_VALUES);
    walk->depth += is_container ? 1 : 0;
    must(walk->depth <= MAX_DEPTH);
    must(string.ptr == NULL || (mcpa_text_is_utf8(string) && memchr(string.ptr, '\0', string.len) == NULL));
    must(!mcpa_json_integer(json, &integer) || mcpa_json_number(json, &number));
    for (size_t i = 0; mcpa_json_is(json, MCPA_JSON_ARRAY) && i < mcpa_json_size(json); i++) {
        visit(walk, mcpa_json_at(json, i));
    }
    mcpa_json_each(json, visit_member, walk);
    walk->depth -= is_container ? 1 : 0;
}

static void check_reader(mcpa_str_t text)
{
    walk_t walk = { 0 };
    mcpa_json_t *json = NULL, *again = NULL;
    char *first, *second;

    if (mcpa_json_parse(&json, text, MAX_DEPTH, MAX_VALUES) != MCPA_OK) {
        must(json == NULL);
        return;
    }
    visit(&walk, json);
    /* The limits are exact: one value less and the same text is refused. */
    must(mcpa_json_parse(&again, text, MAX_DEPTH, walk.values - 1) == MCPA_ETOOBIG);
    must(mcpa_json_pointer(json, MCPA_STR("")) == json);
    (void)mcpa_json_pointer(json, text);
    first = mcpa_json_print(json);
    must(first != NULL && mcpa_json_parse(&again, mcpa_str(first), MAX_DEPTH, walk.values) == MCPA_OK);
    second = mcpa_json_print(again);
    must(second != NULL && strcmp(first, second) == 0);
    free(first);
    free(second);
    mcpa_json_free(&json);
    mcpa_json_free(&again);
}

static void check_writer(mcpa_str_t text)
{
    size_t cap = text.len * 6 + 3; /* \u00xx for every byte */
    char *memory = malloc(cap);
    mcpa_json_t *json = NULL;
    mcpa_out_t out;
    mcpa_jsonw_t w;
    bool has_nul;

    must(memory != NULL);
    mcpa_out_init(&out, memory, cap);
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_str(&w, NULL, text);
    must(mcpa_out_status(&out) == MCPA_OK && mcpa_text_is_utf8(mcpa_out_get(&out)) && mcpa_text_is_printable(mcpa_out_get(&out)));
    must(mcpa_json_parse(&json, mcpa_out_get(&out), 1, 1) == MCPA_OK);
    has_nul = text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL;
    must(has_nul || !mcpa_text_is_utf8(text) || mcpa_str_eq(mcpa_json_string(json), text));
    mcpa_json_free(&json);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcpa_str_t text = { (const char *)data, size };
    bool taken;

    must(peer_agrees(text, &taken));
    check_reader(text);
    check_writer(text);
    return 0;
}
