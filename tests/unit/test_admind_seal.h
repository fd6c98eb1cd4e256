/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of seals share: a journal that seals, and a check of what it wrote, both in test_dir. Included once by a test program. */
#ifndef TEST_ADMIND_SEAL_H
#define TEST_ADMIND_SEAL_H

#include "admind_support.h"

#include "audit/journal.h"
#include "audit/names.h"
#include "audit/sealer.h"
#include "audit/verify.h"

#define SECOND_US INT64_C(1000000)
#define FILE_ONE  "audit-2026-11-21.jsonl"
#define FILE_TWO  "audit-2026-11-21.1.jsonl"
#define MAX_FILES 8

static admind_journal_t *journal;
static admind_sealer_t *sealer;
static admind_seal_state_t kept; /* as a checkpoint would have it */
static admind_position_t kept_at;
static uint64_t next_seq = 1;

static inline bool take_any(void *ctx, mcpa_str_t line)
{
    (void)ctx;
    return line.len > 0 && line.ptr[0] == '{';
}

static inline void open_sealed(uint64_t max_file_bytes)
{
    char error[256];

    sealer = admind_sealer_new(test_dir);
    journal = admind_journal_open(test_dir, max_file_bytes, error, sizeof(error));
    assert_true(sealer != NULL && journal != NULL);
    admind_sealer_restore(sealer, &kept);
    admind_journal_sealed_by(journal, sealer);
    assert_int_equal(admind_journal_replay(journal, &kept_at, take_any, NULL), MCPA_OK);
    admind_sealer_start(sealer, NOON_US);
}

/* What stood there at the last commit and no more, as after kill -9. */
static inline void close_sealed(void)
{
    admind_journal_close(&journal);
    admind_sealer_free(&sealer);
}

static inline void keep_state(void)
{
    admind_sealer_state(sealer, &kept);
    admind_journal_position(journal, &kept_at);
}

static inline void forget_state(void)
{
    kept = (admind_seal_state_t){ .known = false };
    kept_at = (admind_position_t){ .offset = 0 };
}

static inline void append_line(int64_t now_us)
{
    static char memory[MCPA_RECORD_LINE_MAX_BYTES];
    instance_t instance = instance_of(1);
    mcpa_record_t record;
    mcpa_out_t out;

    mcpa_record_init(&record);
    record.ts = now_us;
    record.sub = MCPA_STR("alice");
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_record_print(&out, &record, instance.bytes, next_seq++);
    assert_int_equal(admind_journal_append(journal, mcpa_out_get(&out), now_us), MCPA_OK);
}

static inline void append_lines(unsigned count, int64_t now_us)
{
    for (unsigned i = 0; i < count; i++) {
        append_line(now_us);
    }
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
}

static inline void seal_now(int64_t now_us)
{
    assert_int_equal(admind_journal_seal(journal, now_us), MCPA_OK);
}

static inline admind_seal_state_t state_now(void)
{
    admind_seal_state_t state;

    admind_sealer_state(sealer, &state);
    return state;
}

static inline admind_seal_key_t read_key(const char *name)
{
    admind_seal_key_t key;

    assert_true(admind_seal_key_parse(&key, mcpa_str(get_file(name))));
    return key;
}

/* ---- checking */

typedef struct image {
    size_t n_files;
    struct {
        char name[ADMIND_JOURNAL_NAME_BYTES];
        char *bytes;
        size_t len;
    } files[MAX_FILES];
} image_t;

typedef struct checked {
    uint64_t faults;
    unsigned kinds[ADMIND_FAULT_KINDS];
    admind_sealed_t sealed;
} checked_t;

static inline void count_fault(void *ctx, const admind_fault_t *fault)
{
    ((checked_t *)ctx)->kinds[fault->kind]++;
}

static inline void check_file(admind_verify_t *verify, const char *bytes, size_t len, bool newest)
{
    const char *newline;
    size_t at = 0;

    while ((newline = memchr(bytes + at, '\n', len - at)) != NULL) {
        mcpa_str_t line = { bytes + at, (size_t)(newline - bytes) - at };

        assert_int_equal(admind_verify_line(verify, line), MCPA_OK);
        at += line.len + 1;
    }
    if (at < len) {
        admind_verify_torn(verify, len - at, newest);
    }
}

/* With up to two origin keys and one anchor; NULL: without. */
static inline checked_t check_image(const image_t *image, const admind_seal_key_t *keys, size_t n_keys, const admind_seal_t *anchor)
{
    checked_t checked = { .faults = 0 };
    admind_verify_t *verify = admind_verify_new(100, count_fault, &checked);

    assert_non_null(verify);
    for (size_t i = 0; i < n_keys; i++) {
        assert_true(admind_verify_key(verify, &keys[i]));
    }
    assert_true(anchor == NULL || admind_verify_anchor(verify, anchor->epoch, anchor->mac));
    for (size_t i = 0; i < image->n_files; i++) {
        admind_journal_name_t name = { .day = 0 };

        assert_true(admind_journal_name_parse(&name, image->files[i].name));
        admind_verify_file(verify, &name, 20261231);
        check_file(verify, image->files[i].bytes, image->files[i].len, i + 1 == image->n_files);
    }
    admind_verify_end(verify);
    checked.faults = admind_verify_get(verify)->faults;
    checked.sealed = admind_verify_get(verify)->sealed;
    admind_verify_free(&verify);
    return checked;
}

static inline void read_image(image_t *image)
{
    admind_journal_name_t *names = NULL;
    size_t count = 0;

    assert_int_equal(admind_journal_names(&names, &count, test_dir), MCPA_OK);
    assert_true(count <= MAX_FILES);
    image->n_files = count;
    for (size_t i = 0; i < count; i++) {
        const char *text;

        admind_journal_name_format(image->files[i].name, &names[i]);
        text = get_file(image->files[i].name);
        image->files[i].len = strlen(text);
        image->files[i].bytes = strdup(text);
        assert_non_null(image->files[i].bytes);
    }
    free(names);
}

static inline void free_image(image_t *image)
{
    for (size_t i = 0; i < image->n_files; i++) {
        free(image->files[i].bytes);
    }
    image->n_files = 0;
}

static inline checked_t check_dir(const admind_seal_key_t *keys, size_t n_keys, const admind_seal_t *anchor)
{
    image_t image;
    checked_t checked;

    read_image(&image);
    checked = check_image(&image, keys, n_keys, anchor);
    free_image(&image);
    return checked;
}

static inline int set_up_sealed(void **state)
{
    next_seq = 1;
    forget_state();
    return make_dir(state);
}

static inline int tear_down_sealed(void **state)
{
    close_sealed();
    return drop_dir(state);
}

#endif
