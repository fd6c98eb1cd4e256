/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the journal's closed files share. Included once, by the test program's one source file. */
#ifndef TEST_ADMIND_SHELF_H
#define TEST_ADMIND_SHELF_H

#include "admind_support.h"

#include "audit/journal.h"

#define DAY "audit-2026-11-21"

static char error[512];

static inline admind_position_t at(const char *file)
{
    admind_position_t position = { .offset = 0 };

    (void)snprintf(position.file, sizeof(position.file), "%s", file);
    return position;
}

/* A file of lines that count on from first; returns what the next begins with. */
static inline size_t put_lines(const char *name, size_t first, size_t count)
{
    FILE *file = fopen(in_dir(name), "wb");

    assert_non_null(file);
    for (size_t i = first; i < first + count; i++) {
        assert_true(fprintf(file, "line %zu of a file, %08lx\n", i, random()) > 0);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(in_dir(name), 0640), 0);
    return first + count;
}

#endif
