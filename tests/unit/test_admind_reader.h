/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of reading a journal back share: files in both forms, and what a reader says. Included once a program. */
#ifndef TEST_ADMIND_READER_H
#define TEST_ADMIND_READER_H

#include "admind_support.h"

#include <zlib.h>

#include "audit/reader.h"

#define DAY        "audit-2026-11-21"
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, close_and_drop)

static admind_reader_t *reader;
static char error[512];

static inline void open_at(const char *file, uint64_t offset)
{
    admind_position_t from = { .offset = offset };

    (void)snprintf(from.file, sizeof(from.file), "%s", file);
    reader = admind_reader_open(test_dir, &from, error, sizeof(error));
    assert_non_null(reader);
}

static inline int close_and_drop(void **state)
{
    admind_reader_close(&reader);
    return drop_dir(state);
}

/* Lines as "one|two|", and a letter for what is none: m (malformed), b (too big). Ends with the first ENOTFOUND. */
static inline const char *rest(void)
{
    static char text[65536];
    mcpa_str_t line;
    mcpa_status_t status;

    text[0] = '\0';
    while ((status = admind_reader_next(reader, &line)) != MCPA_ENOTFOUND) {
        size_t len = strlen(text);

        switch (status) {
        case MCPA_OK:
            (void)snprintf(text + len, sizeof(text) - len, "%.*s|", MCPA_STR_ARG(line));
            break;
        case MCPA_EMALFORMED:
        case MCPA_ETOOBIG:
            (void)snprintf(text + len, sizeof(text) - len, status == MCPA_ETOOBIG ? "b" : "m");
            break;
        default:
            fail_msg("status %s", mcpa_status_word(status));
        }
    }
    return text;
}

static inline void put(const char *name, const char *text)
{
    put_file(name, text, strlen(text));
}

static inline void add(const char *name, const char *text)
{
    FILE *file = fopen(in_dir(name), "ab");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static inline void put_gz(const char *name, const char *mode, const char *text)
{
    gzFile file = gzopen(in_dir(name), mode);

    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), (int)strlen(text));
    assert_int_equal(gzclose(file), Z_OK);
}

static inline void assert_at(const char *file, uint64_t offset)
{
    admind_position_t position;

    admind_reader_position(reader, &position);
    assert_string_equal(position.file, file);
    assert_int_equal(position.offset, offset);
}

#endif
