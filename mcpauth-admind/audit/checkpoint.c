/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/checkpoint.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit/names.h"
#include "base/text.h"
#include "files.h"
#include "log.h"

#define CHECKPOINT_MAX_BYTES  (64 * 1024 * 1024) /* 65536 instances and 20000 series stay below a fifth of it */
#define CHECKPOINT_MAX_VALUES 4000000
#define INSTANCE_BYTES_MAX    112 /* one element of "instances", printed */

static bool path_of(char path[PATH_MAX], const char *journal_dir)
{
    return (size_t)snprintf(path, PATH_MAX, "%s/checkpoint.json", journal_dir) < PATH_MAX;
}

static bool unhex(unsigned char *instance, mcpa_str_t hex)
{
    static const char digits[] = "0123456789abcdef";

    if (hex.len != 2 * MCPA_INSTANCE_BYTES) {
        return false;
    }
    for (size_t i = 0; i < hex.len; i++) {
        const char *digit = memchr(digits, hex.ptr[i], 16);

        if (digit == NULL) {
            return false;
        }
        instance[i / 2] = (unsigned char)(i % 2 == 0 ? (digit - digits) << 4 : instance[i / 2] | (digit - digits));
    }
    return true;
}

static bool load_mark(admind_marks_t *marks, const mcpa_json_t *row)
{
    unsigned char instance[MCPA_INSTANCE_BYTES] = { 0 };
    int64_t durable, seen_us, lost;
    admind_mark_t *mark;

    if (mcpa_json_size(row) != 4 || !unhex(instance, mcpa_json_string(mcpa_json_at(row, 0))) ||
        !mcpa_json_integer(mcpa_json_at(row, 1), &durable) || durable < 0 || !mcpa_json_integer(mcpa_json_at(row, 2), &seen_us) ||
        !mcpa_json_integer(mcpa_json_at(row, 3), &lost) || lost < 0) {
        return false;
    }
    mark = admind_marks_get(marks, instance, seen_us);
    if (mark == NULL) {
        return false;
    }
    mark->accepted = mark->durable = (uint64_t)durable;
    mark->lost = (uint64_t)lost;
    return true;
}

/* One of the two alone was written by nobody. */
static bool load_seals(admind_seal_state_t *seals, const mcpa_json_t *tree)
{
    const mcpa_json_t *block = mcpa_json_member(tree, "block"), *seal = mcpa_json_member(tree, "seal");
    char *text;

    if (block == NULL || seal == NULL) {
        return block == NULL && seal == NULL;
    }
    seals->known = true;
    if (mcpa_json_is(seal, MCPA_JSON_OBJECT)) {
        text = mcpa_json_print(seal);
        seals->sealed = text != NULL && admind_seal_parse(&seals->last, mcpa_str(text)) == MCPA_OK;
        free(text);
    }
    return (mcpa_json_is(block, MCPA_JSON_NULL) || admind_chain_parse(&seals->chain, block)) &&
           (mcpa_json_is(seal, MCPA_JSON_NULL) || seals->sealed);
}

static bool load_tree(admind_checkpoint_t *checkpoint, admind_marks_t *marks)
{
    const mcpa_json_t *tree = checkpoint->tree;
    const mcpa_json_t *instances = mcpa_json_member(tree, "instances");
    mcpa_str_t file = mcpa_json_string(mcpa_json_member(tree, "file"));
    int64_t version, offset;
    admind_journal_name_t name;

    if (!mcpa_json_integer(mcpa_json_member(tree, "version"), &version) || version != 1 ||
        !mcpa_json_integer(mcpa_json_member(tree, "offset"), &offset) || offset < 0 ||
        !mcpa_json_is(instances, MCPA_JSON_ARRAY) || file.ptr == NULL || file.len >= ADMIND_JOURNAL_NAME_BYTES) {
        return false;
    }
    memcpy(checkpoint->position.file, file.ptr, file.len);
    checkpoint->position.file[file.len] = '\0';
    checkpoint->position.offset = (uint64_t)offset;
    if (file.len > 0 && !admind_journal_name_parse(&name, checkpoint->position.file)) {
        return false;
    }
    for (size_t i = 0; i < mcpa_json_size(instances); i++) {
        if (!load_mark(marks, mcpa_json_at(instances, i))) {
            return false;
        }
    }
    checkpoint->metrics = mcpa_json_member(tree, "metrics");
    checkpoint->alerts = mcpa_json_member(tree, "alerts");
    return load_seals(&checkpoint->seals, tree);
}

mcpa_status_t admind_checkpoint_load(admind_checkpoint_t *checkpoint, const char *journal_dir, admind_marks_t *marks)
{
    char path[PATH_MAX];
    mcpa_str_t text;
    mcpa_status_t status;

    memset(checkpoint, 0, sizeof(*checkpoint));
    if (!path_of(path, journal_dir)) {
        return MCPA_ETOOBIG;
    }
    status = admind_file_read(&text, path, CHECKPOINT_MAX_BYTES);
    if (status != MCPA_OK) {
        return status;
    }
    status = mcpa_json_parse(&checkpoint->tree, text, MCPA_JSON_MAX_DEPTH, CHECKPOINT_MAX_VALUES);
    free((char *)text.ptr);
    if (status == MCPA_ENOMEM) {
        return status;
    }
    if (status != MCPA_OK || !load_tree(checkpoint, marks)) {
        admind_checkpoint_clear(checkpoint);
        admind_marks_forget(marks, INT64_MAX);
        return MCPA_EMALFORMED;
    }
    return MCPA_OK;
}

void admind_checkpoint_clear(admind_checkpoint_t *checkpoint)
{
    mcpa_json_free(&checkpoint->tree);
    memset(checkpoint, 0, sizeof(*checkpoint));
}

static void print_marks(mcpa_jsonw_t *w, const admind_marks_t *marks)
{
    char hex[2 * MCPA_INSTANCE_BYTES + 1];

    mcpa_jsonw_open_array(w, "instances");
    for (const admind_mark_t *mark = admind_marks_next(marks, NULL); mark != NULL; mark = admind_marks_next(marks, mark)) {
        mcpa_hex(hex, mark->instance, MCPA_INSTANCE_BYTES);
        mcpa_jsonw_open_array(w, NULL);
        mcpa_jsonw_z(w, NULL, hex);
        mcpa_jsonw_u64(w, NULL, mark->durable);
        mcpa_jsonw_int(w, NULL, mark->seen_us);
        mcpa_jsonw_u64(w, NULL, mark->lost);
        mcpa_jsonw_close_array(w);
    }
    mcpa_jsonw_close_array(w);
}

static void print_seals(mcpa_jsonw_t *w, const admind_seal_state_t *seals)
{
    char memory[ADMIND_SEAL_LINE_BYTES];
    mcpa_out_t out;

    if (seals->chain.lines > 0) {
        admind_chain_print(w, "block", &seals->chain);
    } else {
        mcpa_jsonw_raw(w, "block", MCPA_STR("null"));
    }
    mcpa_out_init(&out, memory, sizeof(memory));
    if (seals->sealed) {
        admind_seal_print(&out, &seals->last);
    } else {
        mcpa_out_z(&out, "null");
    }
    mcpa_jsonw_raw(w, "seal", mcpa_out_get(&out));
}

static size_t length(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

mcpa_status_t admind_checkpoint_save(const char *journal_dir, const admind_checkpoint_parts_t *parts, int64_t now_us)
{
    size_t cap = 512 + 2 * ADMIND_SEAL_LINE_BYTES + admind_marks_count(parts->marks) * INSTANCE_BYTES_MAX +
                 length(parts->metrics) + length(parts->alerts);
    char *memory = malloc(cap);
    char path[PATH_MAX], stamp[25];
    mcpa_status_t status;
    mcpa_jsonw_t w;
    mcpa_out_t out;

    if (memory == NULL || !path_of(path, journal_dir)) {
        free(memory);
        return MCPA_ENOMEM;
    }
    mcpa_text_rfc3339(stamp, now_us);
    mcpa_out_init(&out, memory, cap);
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_int(&w, "version", 1);
    mcpa_jsonw_z(&w, "file", parts->position.file);
    mcpa_jsonw_u64(&w, "offset", parts->position.offset);
    mcpa_jsonw_z(&w, "written", stamp);
    print_marks(&w, parts->marks);
    if (parts->metrics != NULL) {
        mcpa_jsonw_raw(&w, "metrics", mcpa_str(parts->metrics));
    }
    if (parts->alerts != NULL) {
        mcpa_jsonw_raw(&w, "alerts", mcpa_str(parts->alerts));
    }
    if (parts->seals.known) {
        print_seals(&w, &parts->seals);
    }
    mcpa_jsonw_close_object(&w);
    status = mcpa_out_status(&out);
    if (status == MCPA_OK) {
        status = admind_file_replace(path, mcpa_out_get(&out), 0600);
    }
    free(memory);
    return status;
}
