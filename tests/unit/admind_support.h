/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the daemon's parts share: a directory of their own, files in it, and instances with names. Included once, by
 * the test program's one source file. */
#ifndef TEST_ADMIND_SUPPORT_H
#define TEST_ADMIND_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "wire/record.h"
#include "wire/segment.h"

#define NOON_US INT64_C(1795262400000000) /* 2026-11-21T12:00:00Z */
#define DAY_US  INT64_C(86400000000)

static char test_dir[64];

static inline int make_dir(void **state)
{
    (void)state;
    (void)snprintf(test_dir, sizeof(test_dir), "/tmp/mcpauth-unit-XXXXXX");
    return mkdtemp(test_dir) == NULL ? -1 : 0;
}

static inline int drop_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline int drop_dir(void **state)
{
    (void)state;
    return nftw(test_dir, drop_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Four names may be in use at once. */
static inline const char *in_dir(const char *name)
{
    static char paths[4][256];
    static unsigned at;

    at = (at + 1) % 4;
    (void)snprintf(paths[at], sizeof(paths[at]), "%s/%s", test_dir, name);
    return paths[at];
}

static inline void put_file(const char *name, const void *bytes, size_t len)
{
    FILE *file = fopen(in_dir(name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* The text of a file, NUL-terminated; "" when there is none. The next call ends its life. */
static inline const char *get_file(const char *name)
{
    static char text[1 << 20];
    FILE *file = fopen(in_dir(name), "rb");
    size_t n = 0;

    if (file != NULL) {
        n = fread(text, 1, sizeof(text) - 1, file);
        (void)fclose(file);
    }
    text[n] = '\0';
    return text;
}

static inline bool is_there(const char *name)
{
    struct stat st;

    return lstat(in_dir(name), &st) == 0;
}

typedef struct instance {
    unsigned char bytes[MCPA_INSTANCE_BYTES];
} instance_t;

static inline instance_t instance_of(unsigned n)
{
    instance_t instance = { { 0 } };

    instance.bytes[0] = 'i';
    memcpy(instance.bytes + 1, &n, sizeof(n));
    return instance;
}

/* An encoded request record; the same memory each time. */
static inline mcpa_str_t payload_of(const char *sub)
{
    static unsigned char memory[MCPA_RECORD_MAX_BYTES];
    mcpa_record_t record;
    size_t len = 0;

    mcpa_record_init(&record);
    record.ts = NOON_US + 123456;
    record.sub = mcpa_str(sub);
    record.location = MCPA_STR("/mcp");
    record.status = 200;
    assert_int_equal(mcpa_record_encode(memory, sizeof(memory), &len, &record), MCPA_OK);
    return (mcpa_str_t){ (const char *)memory, len };
}

static inline size_t count_lines(const char *text)
{
    size_t n = 0;

    while ((text = strchr(text, '\n')) != NULL) {
        text++;
        n++;
    }
    return n;
}

#endif
