/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a journal back: no line lost, none twice, while files are written, rotated, compressed and removed; damage costs the
 * rest of one file and bounded memory. */
#include "admind_support.h"

#include <zlib.h>

#include "audit/names.h"
#include "audit/reader.h"
#include "audit/tail.h"

#define DAY "audit-2026-11-21"

static admind_reader_t *reader;
static char error[512];

static void open_at(const char *file, uint64_t offset)
{
    admind_position_t from = { .offset = offset };

    (void)snprintf(from.file, sizeof(from.file), "%s", file);
    reader = admind_reader_open(test_dir, &from, error, sizeof(error));
    assert_non_null(reader);
}

static int close_and_drop(void **state)
{
    admind_reader_close(&reader);
    return drop_dir(state);
}

/* Lines as "one|two|", and a letter for what is none: m (malformed), b (too big). Ends with the first ENOTFOUND. */
static const char *rest(void)
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

static void put(const char *name, const char *text)
{
    put_file(name, text, strlen(text));
}

static void add(const char *name, const char *text)
{
    FILE *file = fopen(in_dir(name), "ab");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void put_gz(const char *name, const char *mode, const char *text)
{
    gzFile file = gzopen(in_dir(name), mode);

    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), (int)strlen(text));
    assert_int_equal(gzclose(file), Z_OK);
}

static void assert_at(const char *file, uint64_t offset)
{
    admind_position_t position;

    admind_reader_position(reader, &position);
    assert_string_equal(position.file, file);
    assert_int_equal(position.offset, offset);
}

static void each_file_is_listed_once_in_order(void **state)
{
    static const char *const files[] = { DAY ".10.jsonl.gz",  DAY ".9.jsonl",
                                         DAY ".jsonl.gz",     DAY ".jsonl",
                                         DAY ".jsonl.gz.gz",  ".tmp-" DAY ".1.jsonl.gz",
                                         DAY ".1.jsonl.gzip", ".gz" };
    static const char *const want[] = { DAY ".jsonl", DAY ".9.jsonl", DAY ".10.jsonl.gz" };
    admind_journal_name_t *names;
    char text[ADMIND_JOURNAL_NAME_BYTES];
    size_t count;

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        put(files[i], "x\n");
    }
    assert_int_equal(admind_journal_names(&names, &count, test_dir), MCPA_OK);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        admind_journal_name_on_disk(text, &names[i]);
        assert_string_equal(text, want[i]);
    }
    free(names);
}

static void the_longest_name_fits_with_its_ending(void **state)
{
    admind_journal_name_t name = { .day = 99991231, .number = UINT32_MAX, .compressed = true };
    char text[ADMIND_JOURNAL_NAME_BYTES];

    (void)state;
    admind_journal_name_on_disk(text, &name);
    assert_string_equal(text, "audit-9999-12-31.4294967295.jsonl.gz");
}

static void plain_and_compressed_files_are_one_journal(void **state)
{
    (void)state;
    put_gz("audit-2026-11-20.jsonl.gz", "wb", "a\nb\n");
    put_gz(DAY ".jsonl.gz", "wb", "");
    put_gz(DAY ".1.jsonl.gz", "wb", "c\n");
    put(DAY ".2.jsonl", "d\ne\n");
    put(DAY ".10.jsonl", "f\n");
    reader = admind_reader_open(test_dir, NULL, error, sizeof(error));
    assert_non_null(reader);
    assert_string_equal(admind_reader_file(reader), "");
    assert_string_equal(rest(), "a|b|c|d|e|f|");
    assert_at(DAY ".10.jsonl", 2);
    assert_int_equal(admind_reader_line(reader), 1);
}

static void what_stands_there_twice_is_read_once(void **state)
{
    (void)state;
    put(DAY ".jsonl", "a\n");
    put_gz(DAY ".jsonl.gz", "wb", "a\n");
    put(DAY ".1.jsonl", "b\n");
    open_at("", 0);
    assert_string_equal(rest(), "a|b|");
}

static void an_empty_directory_is_no_error_and_a_missing_one_is(void **state)
{
    (void)state;
    open_at("", 0);
    assert_string_equal(rest(), "");
    put(DAY ".jsonl", "a\n");
    assert_string_equal(rest(), "a|");
    admind_reader_close(&reader);
    assert_null(admind_reader_open(in_dir("nowhere"), NULL, error, sizeof(error)));
    assert_non_null(strstr(error, "nowhere: No such file"));
    assert_null(admind_reader_open(test_dir, &(admind_position_t){ .file = "../audit" }, error, sizeof(error)));
}

static void a_reader_follows_into_the_next_file(void **state)
{
    (void)state;
    put(DAY ".jsonl", "a\n");
    open_at("", 0);
    assert_string_equal(rest(), "a|");
    add(DAY ".jsonl", "b\nc");
    assert_string_equal(rest(), "b|");
    assert_int_equal(admind_reader_torn_bytes(reader), 1);
    assert_at(DAY ".jsonl", 4);
    add(DAY ".jsonl", "c\nd\n");
    put(DAY ".1.jsonl", "");
    assert_string_equal(rest(), "cc|d|");
    assert_at(DAY ".1.jsonl", 0);
    add(DAY ".1.jsonl", "e\n");
    put("audit-2026-11-22.jsonl", "f\n");
    assert_string_equal(rest(), "e|f|");
}

static void lines_taken_back_come_again(void **state)
{
    (void)state;
    put(DAY ".jsonl", "a\nb\nhalf");
    open_at("", 0);
    assert_string_equal(rest(), "a|b|");
    put(DAY ".jsonl", "a\n");
    assert_string_equal(rest(), "");
    assert_at(DAY ".jsonl", 2);
    add(DAY ".jsonl", "b\n");
    assert_string_equal(rest(), "b|");
}

static void a_position_outlives_compression(void **state)
{
    (void)state;
    put_gz(DAY ".jsonl.gz", "wb", "a\nbb\nc\n");
    put(DAY ".1.jsonl", "d\n");
    open_at(DAY ".jsonl", 2);
    assert_string_equal(rest(), "bb|c|d|");
    assert_false(admind_reader_skipped(reader));
    admind_reader_close(&reader);
    open_at(DAY ".jsonl", 7);
    assert_at(DAY ".jsonl", 7);
    assert_string_equal(rest(), "d|");
    admind_reader_close(&reader);
    open_at(DAY ".jsonl", 1000);
    assert_string_equal(rest(), "d|");
}

static void a_file_compressed_while_it_is_read_is_read_on(void **state)
{
    mcpa_str_t line;

    (void)state;
    put(DAY ".jsonl", "a\nb\n");
    put(DAY ".1.jsonl", "c\n");
    put(DAY ".2.jsonl", "d\n");
    open_at("", 0);
    assert_int_equal(admind_reader_next(reader, &line), MCPA_OK);
    /* Both the file we stand in and one that was listed as plain. */
    put_gz(DAY ".jsonl.gz", "wb", "a\nb\n");
    assert_int_equal(unlink(in_dir(DAY ".jsonl")), 0);
    put_gz(DAY ".1.jsonl.gz", "wb", "c\n");
    assert_int_equal(unlink(in_dir(DAY ".1.jsonl")), 0);
    assert_string_equal(rest(), "b|c|d|");
}

static void what_retention_took_is_told_once(void **state)
{
    (void)state;
    put(DAY ".1.jsonl", "a\n");
    put(DAY ".2.jsonl", "b\n");
    open_at(DAY ".jsonl", 55);
    assert_at(DAY ".jsonl", 55);
    assert_int_equal(unlink(in_dir(DAY ".1.jsonl")), 0); /* listed, and gone since */
    assert_string_equal(rest(), "b|");
    assert_true(admind_reader_skipped(reader));
    put(DAY ".3.jsonl", "c\n");
    assert_string_equal(rest(), "c|");
    assert_true(admind_reader_skipped(reader));
}

static void a_position_behind_all_files_waits(void **state)
{
    (void)state;
    put(DAY ".jsonl", "a\n");
    open_at(DAY ".5.jsonl", 4);
    assert_string_equal(rest(), "");
    assert_at(DAY ".5.jsonl", 4);
    put(DAY ".5.jsonl", "aaa\nb\n");
    assert_string_equal(rest(), "b|");
    assert_false(admind_reader_skipped(reader));
}

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

static void lines_across_blocks_are_whole(void **state)
{
    char text[40000];
    size_t lines = 0;
    mcpa_str_t line;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 50; i++) {
        text[sizeof(text) - 2] = '\n';
        add(DAY ".jsonl", text + i * 700);
        put_gz(DAY ".1.jsonl.gz", i == 0 ? "wb" : "ab", text + i * 700);
    }
    open_at("", 0);
    while (admind_reader_next(reader, &line) == MCPA_OK) {
        assert_int_equal(line.len, sizeof(text) - 2 - lines % 50 * 700);
        lines++;
    }
    assert_int_equal(lines, 100);
}

static void progress_ends_where_everything_is_read(void **state)
{
    uint64_t done, total;
    mcpa_str_t line;

    (void)state;
    put(DAY ".jsonl", "a\n");
    put_gz(DAY ".1.jsonl.gz", "wb", "b\n");
    put(DAY ".2.jsonl", "cc\nd\n");
    open_at("", 0);
    admind_reader_progress(reader, &done, &total);
    assert_int_equal(done, 0);
    assert_true(total > 7);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(admind_reader_next(reader, &line), MCPA_OK);
    }
    admind_reader_progress(reader, &done, &total);
    assert_int_equal(done, total - 2);
    assert_string_equal(rest(), "d|");
    add(DAY ".2.jsonl", "e\n");
    assert_string_equal(rest(), "e|");
    admind_reader_progress(reader, &done, &total);
    assert_int_equal(done, total);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, close_and_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_file_is_listed_once_in_order),
        TEST(the_longest_name_fits_with_its_ending),
        TEST(plain_and_compressed_files_are_one_journal),
        TEST(what_stands_there_twice_is_read_once),
        TEST(an_empty_directory_is_no_error_and_a_missing_one_is),
        TEST(a_reader_follows_into_the_next_file),
        TEST(lines_taken_back_come_again),
        TEST(a_position_outlives_compression),
        TEST(a_file_compressed_while_it_is_read_is_read_on),
        TEST(what_retention_took_is_told_once),
        TEST(a_position_behind_all_files_waits),
        TEST(a_truncated_compressed_file_costs_its_rest_alone),
        TEST(a_flipped_byte_is_never_a_crash_nor_another_line),
        TEST(members_behind_one_another_are_one_text_and_anything_else_is_damage),
        TEST(a_closed_file_without_a_last_newline_is_told),
        TEST(what_is_no_regular_file_is_passed_over),
        TEST(a_line_that_is_too_long_is_passed_over),
        TEST(lines_across_blocks_are_whole),
        TEST(progress_ends_where_everything_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
