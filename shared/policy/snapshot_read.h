/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of mcpa_snapshot_parse and _print: memory that all parts of a snapshot share, and readers of JSON members that say what is wrong. Readers return
 * false after mcpa_reading_fail. One thread. */
#ifndef MCPA_POLICY_SNAPSHOT_READ_H
#define MCPA_POLICY_SNAPSHOT_READ_H

#include "base/json.h"
#include "policy/snapshot.h"

/* Owner of all that a parsed snapshot points to. */
typedef struct mcpa_snapshot_memory {
    struct mcpa_snapshot_block *blocks;
    mcpa_scope_model_t *model;
} mcpa_snapshot_memory_t;

typedef struct mcpa_reading {
    mcpa_snapshot_memory_t *memory;
    mcpa_snapshot_t *snapshot;
    const mcpa_issuer_t **issuers;
    const char *where;    /* for messages: the list we are in, NULL outside of lists */
    size_t index;
    mcpa_status_t status; /* of the first failure */
    mcpa_out_t error;
} mcpa_reading_t;

/* Notes the failure; always false. */
bool mcpa_reading_fail(mcpa_reading_t *p, mcpa_status_t status, const char *format, ...) MCPA_PRINTF(3, 4);
/* Makes sure that 'bytes' can be allocated without failing. */
bool mcpa_reading_reserve(mcpa_snapshot_memory_t *memory, size_t bytes);
/* Zeroed; NULL when memory ran out. As an mcpa_alloc_fn it may not fail: reserve first. ctx: mcpa_snapshot_memory_t. */
void *mcpa_reading_allocate(void *ctx, size_t bytes);
/* The same, with the failure noted. */
void *mcpa_reading_get(mcpa_reading_t *p, size_t bytes);
void mcpa_snapshot_memory_free(mcpa_snapshot_memory_t *memory);

/* A printable string member, copied; when it is absent *text is untouched, and that is an error only if 'required'. */
bool mcpa_read_text(mcpa_reading_t *p, const char **text, const mcpa_json_t *object, const char *name, bool required);
/* An array member of at most max elements; absent: NULL. */
bool mcpa_read_array(mcpa_reading_t *p, const mcpa_json_t **array, const mcpa_json_t *object, const char *name, size_t max);
/* A NULL-terminated list of strings of which each passes 'check'; absent leaves *list untouched. */
bool mcpa_read_list(mcpa_reading_t *p, const char *const **list, const mcpa_json_t *object, const char *name, size_t max,
                    bool (*check)(mcpa_str_t element));
/* Absent: false. */
bool mcpa_read_flag(mcpa_reading_t *p, bool *flag, const mcpa_json_t *object, const char *name);
/* A string member that is one of the NULL-terminated words; *value: which. */
bool mcpa_read_word(mcpa_reading_t *p, size_t *value, const mcpa_json_t *object, const char *name, const char *const *words);
/* snapshot_inspect.c: nothing for MCPA_INSPECT_OFF; absent members are that and the defaults. */
void mcpa_print_inspection(mcpa_jsonw_t *w, const mcpa_policy_t *policy);
bool mcpa_read_inspection(mcpa_reading_t *p, mcpa_policy_t *policy, const mcpa_json_t *json);
/* snapshot_lengths.c: what is left to the default is absent. */
void mcpa_print_lengths(mcpa_jsonw_t *w, const mcpa_lengths_t *lengths);
bool mcpa_read_lengths(mcpa_reading_t *p, mcpa_lengths_t *lengths, const mcpa_json_t *json);
/* Exactly 16 lower-case hex digits. */
bool mcpa_read_hex(uint64_t *value, mcpa_str_t text);
/* The reverse of mcpa_text_rfc3339; what that would not print the same way again is no time. */
bool mcpa_read_time(int64_t *us, mcpa_str_t text);

#endif
