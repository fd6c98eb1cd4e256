/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/cursor.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit/names.h"
#include "base/crash.h"
#include "base/json.h"
#include "base/text.h"
#include "files.h"
#include "log.h"

#define FILE_MAX_BYTES 4096
#define VERSION        1

static bool path_of(char path[PATH_MAX], const char *journal_dir, const char *name)
{
    int n = snprintf(path, PATH_MAX, "%s/forward-%s.json", journal_dir, name);

    return n > 0 && n < PATH_MAX;
}

int admind_position_compare(const admind_position_t *a, const admind_position_t *b)
{
    admind_journal_name_t left = { .day = 0 }, right = { .day = 0 }; /* no file: day 0, before everything */
    int order;

    if (!admind_journal_name_parse(&left, a->file)) {
        left = (admind_journal_name_t){ .day = 0 };
    }
    if (!admind_journal_name_parse(&right, b->file)) {
        right = (admind_journal_name_t){ .day = 0 };
    }
    order = admind_journal_name_compare(&left, &right);
    return order != 0 ? order : a->offset < b->offset ? -1 : a->offset > b->offset;
}

static bool read_tree(admind_position_t *position, const mcpa_json_t *tree)
{
    mcpa_str_t file = mcpa_json_string(mcpa_json_member(tree, "file"));
    admind_journal_name_t name;
    int64_t version, offset;

    if (!mcpa_json_integer(mcpa_json_member(tree, "version"), &version) || version != VERSION || file.ptr == NULL ||
        file.len >= sizeof(position->file) || !mcpa_json_integer(mcpa_json_member(tree, "offset"), &offset) || offset < 0) {
        return false;
    }
    *position = (admind_position_t){ .offset = (uint64_t)offset };
    memcpy(position->file, file.ptr, file.len);
    return file.len == 0 ? offset == 0 : admind_journal_name_parse(&name, position->file);
}

mcpa_status_t admind_cursor_load(admind_position_t *position, const char *journal_dir, const char *name)
{
    char path[PATH_MAX];
    mcpa_str_t text = MCPA_STR_NONE;
    mcpa_json_t *tree = NULL;
    mcpa_status_t status;

    if (!path_of(path, journal_dir, name)) {
        errno = ENAMETOOLONG;
        return MCPA_EIO;
    }
    status = admind_file_read(&text, path, FILE_MAX_BYTES);
    if (status != MCPA_OK) {
        return status == MCPA_ETOOBIG ? MCPA_EMALFORMED : status;
    }
    status = mcpa_json_parse(&tree, text, 2, 16);
    free((char *)(uintptr_t)text.ptr);
    if (status != MCPA_OK) {
        return status == MCPA_ENOMEM ? status : MCPA_EMALFORMED;
    }
    status = read_tree(position, tree) ? MCPA_OK : MCPA_EMALFORMED;
    mcpa_json_free(&tree);
    return status;
}

mcpa_status_t admind_cursor_save(const admind_position_t *position, const char *journal_dir, const char *name, int64_t now_us)
{
    char path[PATH_MAX], memory[256], stamp[25];
    mcpa_jsonw_t w;
    mcpa_out_t out;

    if (!path_of(path, journal_dir, name)) {
        errno = ENAMETOOLONG;
        return MCPA_EIO;
    }
    mcpa_text_rfc3339(stamp, now_us);
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_int(&w, "version", VERSION);
    mcpa_jsonw_z(&w, "file", position->file);
    mcpa_jsonw_u64(&w, "offset", position->offset);
    mcpa_jsonw_z(&w, "written", stamp);
    mcpa_jsonw_close_object(&w);
    mcpa_out_char(&out, '\n');
    return admind_file_replace(path, mcpa_out_get(&out), 0640);
}

bool admind_cursor_open(admind_cursor_t *cursor, const admind_position_t *end, bool from_begin, char *error, size_t cap)
{
    const admind_position_t begin = { .offset = 0 };
    mcpa_status_t status = admind_cursor_load(&cursor->saved, cursor->journal_dir, cursor->name);

    if (status == MCPA_OK && admind_position_compare(&cursor->saved, end) > 0) {
        admind_log(ADMIND_WARNING, "MCPA2706", "forward %s: its cursor stands behind the journal's end; going on from there", cursor->name);
        cursor->saved = *end;
    } else if (status == MCPA_EMALFORMED) {
        admind_log(ADMIND_WARNING, "MCPA2707", "forward %s: its cursor cannot be used; the whole journal is sent again", cursor->name);
        cursor->saved = begin;
    } else if (status == MCPA_ENOTFOUND) {
        cursor->saved = from_begin ? begin : *end;
        cursor->missing = true;
    } else if (status != MCPA_OK) {
        snprintf(error, cap, "forward %s: the cursor in %s cannot be used: %s", cursor->name, cursor->journal_dir, mcpa_status_word(status));
        return false;
    }
    return true;
}

void admind_cursor_keep(admind_cursor_t *cursor, const admind_position_t *position, int64_t now_us)
{
    mcpa_status_t status;

    if (!cursor->missing && admind_position_compare(position, &cursor->saved) == 0) {
        return;
    }
    status = admind_cursor_save(position, cursor->journal_dir, cursor->name, now_us);
    if (status != MCPA_OK && !cursor->failing) {
        admind_log(ADMIND_ERR, "MCPA2701", "forward %s: the cursor cannot be written (%s); tried again, and until then a restart %s", cursor->name,
                   mcpa_status_word(status),
                   cursor->missing ? "may pass over what came since the first start" : "will send more of the journal again");
    }
    cursor->failing = status != MCPA_OK;
    if (status == MCPA_OK) {
        cursor->missing = false;
        cursor->saved = *position;
        MCPA_CRASH("forward.saved");
    }
}
