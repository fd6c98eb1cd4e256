/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of changed journals share: a whole one, taken apart into lines, and checked as it would stand then. Included
 * once by a test program. */
#ifndef TEST_ADMIND_SEAL_PARTS_H
#define TEST_ADMIND_SEAL_PARTS_H

#include "test_admind_seal.h"

#define MAX_LINES 64

/* The journal taken apart. */
typedef struct parts {
    size_t count;
    struct {
        size_t file;
        mcpa_str_t text;
        bool seal;
    } lines[MAX_LINES];
} parts_t;

static image_t whole;
static admind_seal_key_t origin;
static admind_seal_t newest;

/* Three files; blocks of two lines, five in all: two, two, one. */
static inline int make_whole(void **state)
{
    if (set_up_sealed(state) != 0) {
        return -1;
    }
    open_sealed(1100);
    origin = read_key("seal-origin.key");
    for (int i = 0; i < 5; i++) {
        append_lines(2, NOON_US + i * SECOND_US);
        seal_now(NOON_US + i * SECOND_US);
    }
    newest = state_now().last;
    read_image(&whole);
    return whole.n_files == 3 ? 0 : -1;
}

static inline int drop_whole(void **state)
{
    free_image(&whole);
    return tear_down_sealed(state);
}

static inline void take_apart(parts_t *parts)
{
    parts->count = 0;
    for (size_t f = 0; f < whole.n_files; f++) {
        const char *at = whole.files[f].bytes, *end;

        while ((end = strchr(at, '\n')) != NULL) {
            mcpa_str_t text = { at, (size_t)(end - at) };

            assert_true(parts->count < MAX_LINES);
            parts->lines[parts->count].file = f;
            parts->lines[parts->count].seal = memmem(at, text.len, "\"event\":\"seal\"", 14) != NULL;
            parts->lines[parts->count++].text = text;
            at = end + 1;
        }
    }
}

/* As it would stand in the files, and checked: with the key and the newest seal, unless said otherwise. */
static inline checked_t check_parts(const parts_t *parts, const admind_seal_key_t *key, const admind_seal_t *anchor)
{
    static char memory[MAX_FILES][16384];
    image_t image = { .n_files = 0 };
    size_t last = SIZE_MAX;

    for (size_t i = 0; i < parts->count; i++) {
        mcpa_str_t text = parts->lines[i].text;
        size_t at;

        if (parts->lines[i].file != last) {
            last = parts->lines[i].file;
            (void)snprintf(image.files[image.n_files].name, ADMIND_JOURNAL_NAME_BYTES, "%s", whole.files[last].name);
            image.files[image.n_files].bytes = memory[image.n_files];
            image.n_files++;
        }
        at = image.files[image.n_files - 1].len;
        assert_true(at + text.len + 1 < sizeof(memory[0]));
        memcpy(image.files[image.n_files - 1].bytes + at, text.ptr, text.len);
        image.files[image.n_files - 1].bytes[at + text.len] = '\n';
        image.files[image.n_files - 1].len = at + text.len + 1;
    }
    return check_image(&image, key, key != NULL ? 1 : 0, anchor);
}

static inline void remove_line(parts_t *parts, size_t at)
{
    memmove(&parts->lines[at], &parts->lines[at + 1], (parts->count - at - 1) * sizeof(parts->lines[0]));
    parts->count--;
}

static inline void insert_line(parts_t *parts, size_t at, size_t file, mcpa_str_t text)
{
    assert_true(parts->count < MAX_LINES);
    memmove(&parts->lines[at + 1], &parts->lines[at], (parts->count - at) * sizeof(parts->lines[0]));
    parts->count++;
    parts->lines[at].file = file;
    parts->lines[at].text = text;
    parts->lines[at].seal = false;
}

#endif
