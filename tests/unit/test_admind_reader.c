/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a journal back: no line lost, none twice, while files are written, rotated, compressed and
 * removed. */
#include "test_admind_reader.h"

#include "audit/names.h"

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
        TEST(lines_across_blocks_are_whole),
        TEST(progress_ends_where_everything_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
