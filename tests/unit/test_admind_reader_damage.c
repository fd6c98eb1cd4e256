/* SPDX-License-Identifier: Apache-2.0 */
/* A journal that somebody or something damaged: it costs the rest of one file and bounded memory, is told once, and never a
 * crash, another line, or the files behind it. */
#include "test_admind_reader.h"

#include "audit/tail.h"

/* The same bytes cut at every length: lines that came out whole, one complaint, and the next file. */
static void a_truncated_compressed_file_costs_its_rest_alone(void **state)
{
    static char bytes[4096];
    FILE *file;
    size_t len;

    (void)state;
    put_gz(DAY ".jsonl.gz", "wb", "alpha\nbeta\n");
    put(DAY ".1.jsonl", "next\n");
    file = fopen(in_dir(DAY ".jsonl.gz"), "rb");
    assert_non_null(file);
    len = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    for (size_t cut = 0; cut < len; cut++) {
        const char *said;

        put_file(DAY ".jsonl.gz", bytes, cut);
        open_at("", 0);
        said = rest();
        assert_true(strcmp(said, "mnext|") == 0 || strcmp(said, "alpha|mnext|") == 0 || strcmp(said, "alpha|beta|mnext|") == 0);
        admind_reader_close(&reader);
    }
}

/* Two bytes of the header (time and system) mean nothing; every other flipped bit is damage, or changes no byte that is read. */
static void a_flipped_byte_is_never_a_crash_nor_another_line(void **state)
{
    static char bytes[4096];
    size_t len, noticed = 0;
    FILE *file;

    (void)state;
    put_gz(DAY ".jsonl.gz", "wb", "alpha\nbeta\n");
    put(DAY ".1.jsonl", "next\n");
    file = fopen(in_dir(DAY ".jsonl.gz"), "rb");
    assert_non_null(file);
    len = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    for (size_t i = 0; i < len; i++) {
        const char *said;

        bytes[i] ^= 0x55;
        put_file(DAY ".jsonl.gz", bytes, len);
        open_at("", 0);
        said = rest();
        assert_non_null(strstr(said, "next|"));
        noticed += strchr(said, 'm') != NULL;
        assert_true(strcmp(said, "alpha|beta|next|") == 0 || strstr(said, "mnext|") != NULL);
        admind_reader_close(&reader);
        bytes[i] ^= 0x55;
    }
    assert_true(noticed >= len - 7); /* mtime, extra flags, system: 6 bytes, and the text flag */
}

static void members_behind_one_another_are_one_text_and_anything_else_is_damage(void **state)
{
    (void)state;
    put_gz(DAY ".jsonl.gz", "wb", "a\nb");
    put_gz(DAY ".jsonl.gz", "ab", "b\n");
    put_gz(DAY ".1.jsonl.gz", "wb", "c\n");
    add(DAY ".1.jsonl.gz", "garbage");
    put_gz(DAY ".2.jsonl.gz", "wb", "d\n");
    add(DAY ".2.jsonl.gz", "\x1f");
    put(DAY ".3.jsonl.gz", "no gzip at all");
    put(DAY ".4.jsonl.gz", "");
    put(DAY ".5.jsonl", "e\n");
    open_at("", 0);
    assert_string_equal(rest(), "a|bb|c|md|mmme|");
}

static void a_closed_file_without_a_last_newline_is_told(void **state)
{
    mcpa_str_t line;

    (void)state;
    put(DAY ".jsonl", "a\ntorn");
    put_gz(DAY ".1.jsonl.gz", "wb", "b\ntorn too");
    put(DAY ".2.jsonl", "c\n");
    open_at("", 0);
    assert_int_equal(admind_reader_next(reader, &line), MCPA_OK);
    assert_int_equal(admind_reader_next(reader, &line), MCPA_EMALFORMED);
    assert_int_equal(admind_reader_torn_bytes(reader), 4);
    assert_string_equal(admind_reader_file(reader), DAY ".jsonl");
    assert_string_equal(rest(), "b|mc|");
}

static void what_is_no_regular_file_is_passed_over(void **state)
{
    (void)state;
    put("secret", "no journal\n");
    assert_int_equal(symlink(in_dir("secret"), in_dir(DAY ".jsonl")), 0);
    assert_int_equal(mkfifo(in_dir(DAY ".1.jsonl"), 0600), 0);
    assert_int_equal(mkdir(in_dir(DAY ".2.jsonl"), 0700), 0);
    put(DAY ".3.jsonl", "a\n");
    open_at("", 0);
    assert_string_equal(rest(), "mmma|");
}

/* The longest line there may be, one byte more, and a compressed line of 64 MiB, which is 64 KiB on disk. */
static void a_line_that_is_too_long_is_passed_over(void **state)
{
    size_t len = (size_t)64 << 20;
    char *text = malloc(len + 1);
    mcpa_str_t line;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', len);
    text[len] = '\0';
    put_gz(DAY ".jsonl.gz", "wb", text);
    put_gz(DAY ".jsonl.gz", "ab", "\nafter\n");
    text[ADMIND_LINE_MAX_BYTES] = '\n';
    put_file(DAY ".1.jsonl", text, ADMIND_LINE_MAX_BYTES + 1);
    text[ADMIND_LINE_MAX_BYTES] = 'x';
    text[ADMIND_LINE_MAX_BYTES + 1] = '\n';
    put_file(DAY ".2.jsonl", text, ADMIND_LINE_MAX_BYTES + 2);
    put_file(DAY ".3.jsonl", text + ADMIND_LINE_MAX_BYTES + 2, 10 * ADMIND_LINE_MAX_BYTES);
    open_at("", 0);
    assert_int_equal(admind_reader_next(reader, &line), MCPA_ETOOBIG);
    assert_at(DAY ".jsonl", len + 1);
    assert_int_equal(admind_reader_line(reader), 1);
    assert_int_equal(admind_reader_next(reader, &line), MCPA_OK);
    assert_true(mcpa_str_eqz(line, "after"));
    assert_int_equal(admind_reader_next(reader, &line), MCPA_OK);
    assert_int_equal(line.len, ADMIND_LINE_MAX_BYTES);
    assert_int_equal(admind_reader_next(reader, &line), MCPA_ETOOBIG);
    assert_int_equal(admind_reader_next(reader, &line), MCPA_ENOTFOUND);
    assert_int_equal(admind_reader_torn_bytes(reader), 10 * ADMIND_LINE_MAX_BYTES);
    add(DAY ".3.jsonl", "\nb\n");
    assert_int_equal(admind_reader_next(reader, &line), MCPA_ETOOBIG);
    assert_int_equal(admind_reader_next(reader, &line), MCPA_OK);
    assert_true(mcpa_str_eqz(line, "b"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_truncated_compressed_file_costs_its_rest_alone),
        TEST(a_flipped_byte_is_never_a_crash_nor_another_line),
        TEST(members_behind_one_another_are_one_text_and_anything_else_is_damage),
        TEST(a_closed_file_without_a_last_newline_is_told),
        TEST(what_is_no_regular_file_is_passed_over),
        TEST(a_line_that_is_too_long_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
