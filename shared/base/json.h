/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON (RFC 8259) behind our limits, read into a tree.
 *
 * Refused: duplicate member names at any depth (also when one is written with escapes), byte order marks, invalid UTF-8, lone surrogates,
 * U+0000, trailing data, integers out of int64_t's range and reals out of a double's, nesting or value counts over the caller's limits, and
 * nesting over MCPA_JSONSCAN_MAX_DEPTH (base/jsonscan.h). A tree is one block of memory; it belongs to whoever parsed it (mcpa_json_free), and
 * everything a getter returns is borrowed from it. Strings and names have a NUL behind them. */
#ifndef MCPA_BASE_JSON_H
#define MCPA_BASE_JSON_H

#include "base/bytes.h"

typedef struct mcpa_json mcpa_json_t;

typedef enum mcpa_json_type {
    MCPA_JSON_NULL, MCPA_JSON_BOOL, MCPA_JSON_INTEGER, MCPA_JSON_REAL, MCPA_JSON_STRING, MCPA_JSON_ARRAY, MCPA_JSON_OBJECT
} mcpa_json_type_t;

/* out: the root, to be freed. max_values counts every value (members' values, elements, the root). On failure *out is untouched.
 * MCPA_EMALFORMED, MCPA_EDUPLICATE (or either, when both are true), MCPA_ETOOBIG or MCPA_ENOMEM. */
mcpa_status_t mcpa_json_parse(mcpa_json_t **out, mcpa_str_t text, size_t max_depth, size_t max_values) MCPA_MUST_CHECK;
/* Frees the tree and sets *json to NULL; NULL is fine. */
void mcpa_json_free(mcpa_json_t **json);

mcpa_json_type_t mcpa_json_type(const mcpa_json_t *json);
bool mcpa_json_is(const mcpa_json_t *json, mcpa_json_type_t type); /* false for NULL */
/* NULL when json is no object or has no such member; looks at one after the other. */
const mcpa_json_t *mcpa_json_member(const mcpa_json_t *json, const char *name);
/* RFC 6901 pointer ("/realm_access/roles"); "" is the root itself; NULL when nothing is there. */
const mcpa_json_t *mcpa_json_pointer(const mcpa_json_t *json, mcpa_str_t pointer);
/* {NULL,0} unless json is a string. */
mcpa_str_t mcpa_json_string(const mcpa_json_t *json);
/* false unless json is an integer, or a real without a fraction within int64 range. */
bool mcpa_json_integer(const mcpa_json_t *json, int64_t *value);
/* Any JSON number. */
bool mcpa_json_number(const mcpa_json_t *json, double *value);
bool mcpa_json_true(const mcpa_json_t *json);
size_t mcpa_json_size(const mcpa_json_t *json); /* elements or members; 0 for scalars */
const mcpa_json_t *mcpa_json_at(const mcpa_json_t *json, size_t index); /* array element or NULL */
/* Calls fn for every member in document order until it returns false. */
void mcpa_json_each(const mcpa_json_t *json, bool (*fn)(void *ctx, mcpa_str_t name, const mcpa_json_t *value), void *ctx);
/* Compact text of the tree, reals as they were written; to be freed with free(); NULL when memory ran out. */
char *mcpa_json_print(const mcpa_json_t *json);

/* Writing: a thin emitter over mcpa_out_t that places commas and quotes and escapes everything a JSON string must
 * escape, plus DEL, U+2028 and U+2029; bytes that are not UTF-8, and NUL, become U+FFFD. name == NULL inside arrays. */
typedef struct mcpa_jsonw {
    mcpa_out_t *out;
    bool need_comma;
} mcpa_jsonw_t;

void mcpa_jsonw_init(mcpa_jsonw_t *w, mcpa_out_t *out);
void mcpa_jsonw_open_object(mcpa_jsonw_t *w, const char *name);
void mcpa_jsonw_close_object(mcpa_jsonw_t *w);
void mcpa_jsonw_open_array(mcpa_jsonw_t *w, const char *name);
void mcpa_jsonw_close_array(mcpa_jsonw_t *w);
void mcpa_jsonw_str(mcpa_jsonw_t *w, const char *name, mcpa_str_t value);
void mcpa_jsonw_z(mcpa_jsonw_t *w, const char *name, const char *value);
void mcpa_jsonw_int(mcpa_jsonw_t *w, const char *name, int64_t value);
void mcpa_jsonw_u64(mcpa_jsonw_t *w, const char *name, uint64_t value);
void mcpa_jsonw_bool(mcpa_jsonw_t *w, const char *name, bool value);
/* A number with three decimals, from thousandths: 1234 -> 1.234. */
void mcpa_jsonw_milli(mcpa_jsonw_t *w, const char *name, uint64_t thousandths);
/* Already valid JSON, copied as it is. */
void mcpa_jsonw_raw(mcpa_jsonw_t *w, const char *name, mcpa_str_t json);

#endif
