/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: a batch is there as a whole or not at all, files follow one another, and what a crash left is cut off. */
#include "admind_support.h"

#include <signal.h>
#include <sys/resource.h>

#include "audit/journal.h"
#include "audit/names.h"

static admind_journal_t *journal;
static char error[512];
static const admind_position_t start; /* before everything */
static char seen[4096];

static bool see(void *ctx, mcpa_str_t line)
{
    (void)ctx;
    (void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s|", MCPA_STR_ARG(line));
    return line.len == 0 || line.ptr[0] != '!'; /* '!': not one of ours */
}

static void open_journal(uint64_t max_file_bytes, const admind_position_t *from)
{
    seen[0] = '\0';
    journal = admind_journal_open(test_dir, max_file_bytes, error, sizeof(error));
    assert_non_null(journal);
    assert_int_equal(admind_journal_replay(journal, from, see, NULL), MCPA_OK);
}

static void append(const char *line, int64_t now_us)
{
    assert_int_equal(admind_journal_append(journal, mcpa_str(line), now_us), MCPA_OK);
}

/* What the journal lets go of the page cache. */
static struct {
    off_t from, until;
    unsigned calls;
} let_go;

/* In place of libc's. */
int posix_fadvise(int fd, off_t offset, off_t len, int advice)
{
    struct stat st;

    if (advice == POSIX_FADV_DONTNEED && fstat(fd, &st) == 0 && st.st_size >= offset + len) {
        let_go.from = offset;
        let_go.until = offset + len;
        let_go.calls++;
    }
    return 0;
}

static int close_and_drop(void **state)
{
    let_go.from = let_go.until = 0;
    let_go.calls = 0;
    admind_journal_close(&journal);
    return drop_dir(state);
}

static void a_committed_batch_is_on_disk_and_an_open_one_is_not(void **state)
{
    admind_position_t position;

    (void)state;
    open_journal(1000, &start);
    append("one", NOON_US);
    append("two", NOON_US);
    assert_string_equal(get_file("audit-2026-11-21.jsonl"), "");
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    append("three", NOON_US);
    admind_journal_position(journal, &position);
    assert_string_equal(position.file, "audit-2026-11-21.jsonl");
    assert_int_equal(position.offset, 8);
    admind_journal_close(&journal);
    assert_string_equal(get_file("audit-2026-11-21.jsonl"), "one\ntwo\n");
}

static void an_open_batch_larger_than_the_buffer_is_taken_back(void **state)
{
    char line[1000];

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    open_journal(1 << 20, &start);
    append("one", NOON_US);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    for (int i = 0; i < 600; i++) {
        append(line, NOON_US);
    }
    assert_true(strlen(get_file("audit-2026-11-21.jsonl")) > 4);
    admind_journal_close(&journal);
    assert_string_equal(get_file("audit-2026-11-21.jsonl"), "one\n");
}

#define MIB ((off_t)1 << 20)

/* Opens a journal whose file has so much already, all of it looked through before. */
static void open_long_journal(off_t bytes)
{
    admind_position_t end = { "audit-2026-11-21.jsonl", (uint64_t)bytes };

    admind_journal_close(&journal);
    put_file(end.file, "", 0);
    assert_int_equal(truncate(in_dir(end.file), bytes), 0);
    open_journal(1 << 30, &end);
}

static void append_and_commit(size_t bytes)
{
    static char line[MIB];

    memset(line, 'x', sizeof(line) - 1);
    append(line + sizeof(line) - bytes, NOON_US);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
}

static void all_but_the_end_of_a_file_leaves_the_page_cache(void **state)
{
    off_t first;

    (void)state;
    open_long_journal(79 * MIB);
    append_and_commit(1000);
    assert_int_equal(let_go.calls, 0); /* 64 MiB stay, and less than 16 more are not worth a call */
    open_long_journal(81 * MIB);
    append_and_commit(1000);
    assert_int_equal(let_go.calls, 1);
    assert_int_equal(let_go.from, 0);
    first = let_go.until;
    assert_int_equal(first, 17 * MIB + 1000);
    for (int i = 0; i < 15 * 8; i++) {
        append_and_commit(MIB / 8);
    }
    assert_int_equal(let_go.calls, 1);
    for (int i = 0; i < 8; i++) {
        append_and_commit(MIB / 8);
    }
    assert_int_equal(let_go.calls, 2);
    assert_int_equal(let_go.from, first);
    assert_int_equal(let_go.until, first + 16 * MIB);
}

static void a_new_day_and_a_full_file_begin_another(void **state)
{
    (void)state;
    open_journal(10, &start);
    for (int i = 0; i < 3; i++) {
        append("0123456789", NOON_US);
        append("same batch, same file", NOON_US + DAY_US);
        assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    }
    append("tomorrow", NOON_US + DAY_US);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    for (int i = 0; i < 2; i++) { /* into the same file, and then into one behind it */
        append("the clock stepped back", NOON_US);
        assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    }
    assert_string_equal(get_file("audit-2026-11-21.jsonl"), "0123456789\nsame batch, same file\n");
    assert_true(is_there("audit-2026-11-21.1.jsonl") && is_there("audit-2026-11-21.2.jsonl") &&
                !is_there("audit-2026-11-21.3.jsonl"));
    assert_string_equal(get_file("audit-2026-11-22.jsonl"), "tomorrow\nthe clock stepped back\n");
    assert_string_equal(get_file("audit-2026-11-22.1.jsonl"), "the clock stepped back\n");
}

static void a_replay_begins_where_it_is_told(void **state)
{
    admind_position_t from = { "audit-2026-11-21.1.jsonl", 4 };

    (void)state;
    put_file("audit-2026-11-20.jsonl", "a\n", 2);
    put_file("audit-2026-11-21.jsonl", "b\n", 2);
    put_file("audit-2026-11-21.1.jsonl", "old\nc\n", 6);
    put_file("audit-2026-11-21.10.jsonl", "e\n", 2);
    put_file("audit-2026-11-21.2.jsonl", "d\n", 2);
    put_file("audit-2026-11-21.02.jsonl", "no\n", 3);
    put_file("notes.txt", "no\n", 3);
    open_journal(100, &from);
    assert_string_equal(seen, "c|d|e|");
    append("f", NOON_US);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    admind_journal_close(&journal);
    assert_string_equal(get_file("audit-2026-11-21.10.jsonl"), "e\nf\n");
    open_journal(100, &start);
    assert_string_equal(seen, "a|b|old|c|d|e|f|");
}

static void a_replay_goes_on_where_files_were_taken_away(void **state)
{
    admind_position_t gone = { "audit-2026-11-21.jsonl", 400 }, future = { "audit-2026-12-24.jsonl", 4 },
                      beyond = { "audit-2026-11-22.jsonl", 400 };

    (void)state;
    put_file("audit-2026-11-20.jsonl", "a\n", 2);
    put_file("audit-2026-11-22.jsonl", "b\n", 2);
    open_journal(100, &gone);
    assert_string_equal(seen, "b|");
    admind_journal_close(&journal);
    open_journal(100, &future);
    assert_string_equal(seen, "");
    admind_journal_close(&journal);
    open_journal(100, &beyond);
    assert_string_equal(seen, "");
    append("c", NOON_US + DAY_US);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    assert_string_equal(get_file("audit-2026-11-22.jsonl"), "b\nc\n");
}

static void a_torn_tail_is_cut_and_damage_is_kept_beside(void **state)
{
    (void)state;
    put_file("audit-2026-11-20.jsonl", "a\n!skipped\nb\n", 13);
    put_file("audit-2026-11-21.jsonl", "c\nhalf", 6);
    open_journal(100, &start);
    assert_string_equal(seen, "a|!skipped|b|c|");
    assert_string_equal(get_file("audit-2026-11-21.jsonl"), "c\n");
    assert_false(is_there("audit-2026-11-21.jsonl.damaged"));
    admind_journal_close(&journal);

    put_file("audit-2026-11-21.jsonl", "c\n!bad\nd\n", 9);
    open_journal(100, &start);
    assert_string_equal(get_file("audit-2026-11-21.jsonl"), "c\n");
    assert_string_equal(get_file("audit-2026-11-21.jsonl.damaged"), "!bad\nd\n");
    assert_string_equal(get_file("audit-2026-11-20.jsonl"), "a\n!skipped\nb\n");
}

static void lines_across_reading_blocks_are_whole(void **state)
{
    enum { LEN = 100000 };
    char *text = malloc(5 * LEN);
    size_t len = 0;

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < 4; i++) {
        memset(text + len, 'a' + i, LEN);
        len += LEN;
        text[len++] = '\n';
    }
    memset(text + len, 'z', 50000);
    put_file("audit-2026-11-21.jsonl", text, len + 50000);
    journal = admind_journal_open(test_dir, 1 << 30, error, sizeof(error));
    assert_int_equal(admind_journal_replay(journal, &start, see, NULL), MCPA_OK);
    assert_int_equal(strlen(get_file("audit-2026-11-21.jsonl")), len);
    free(text);
}

/* RLIMIT_FSIZE stands for a full disk: pwrite says EFBIG. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_takes_the_whole_batch_back_until_a_probe_works(void **state)
{
    char line[2000];

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    open_journal(1 << 20, &start);
    append("one", NOON_US);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    limit_files(1000);
    append("two", NOON_US);
    append(line, NOON_US);
    assert_int_equal(admind_journal_commit(journal), MCPA_EIO);
    assert_true(admind_journal_is_failing(journal));
    assert_string_equal(get_file("audit-2026-11-21.jsonl"), "one\n");
    assert_int_equal(admind_journal_append(journal, MCPA_STR("x"), NOON_US), MCPA_EIO);
    assert_int_equal(admind_journal_commit(journal), MCPA_EIO);
    assert_false(admind_journal_probe(journal, NOON_US));
    limit_files(RLIM_INFINITY);
    assert_true(admind_journal_probe(journal, NOON_US));
    append("three", NOON_US);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    assert_string_equal(get_file("audit-2026-11-21.jsonl"), "one\nthree\n");
}

static void damage_that_cannot_be_kept_is_not_cut_off(void **state)
{
    char text[5000];

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "c\n!bad\n", 7);
    text[sizeof(text) - 1] = '\n';
    put_file("audit-2026-11-21.jsonl", text, sizeof(text));
    for (int i = 0; i < 2; i++) {
        limit_files(i == 0 ? 0 : 1000);
        journal = admind_journal_open(test_dir, 1 << 20, error, sizeof(error));
        assert_int_equal(admind_journal_replay(journal, &start, see, NULL), MCPA_EIO);
        admind_journal_close(&journal);
        limit_files(RLIM_INFINITY);
        assert_int_equal(strlen(get_file("audit-2026-11-21.jsonl")), sizeof(text));
        assert_memory_equal(get_file("audit-2026-11-21.jsonl"), text, sizeof(text));
        assert_false(is_there("audit-2026-11-21.jsonl.damaged"));
    }
    open_journal(1 << 20, &start);
    assert_string_equal(get_file("audit-2026-11-21.jsonl"), "c\n");
    assert_memory_equal(get_file("audit-2026-11-21.jsonl.damaged"), text + 2, sizeof(text) - 2);
}

static void damage_that_was_kept_before_stays(void **state)
{
    (void)state;
    put_file("audit-2026-11-21.jsonl", "c\n!one\n", 7);
    open_journal(100, &start);
    admind_journal_close(&journal);
    put_file("audit-2026-11-21.jsonl", "c\n!two\n", 7);
    limit_files(7);
    journal = admind_journal_open(test_dir, 100, error, sizeof(error));
    assert_int_equal(admind_journal_replay(journal, &start, see, NULL), MCPA_EIO);
    limit_files(RLIM_INFINITY);
    assert_string_equal(get_file("audit-2026-11-21.jsonl.damaged"), "!one\n");
    admind_journal_close(&journal);
    open_journal(100, &start);
    assert_string_equal(get_file("audit-2026-11-21.jsonl.damaged"), "!one\n!two\n");
}

static void a_directory_has_one_writer(void **state)
{
    (void)state;
    open_journal(100, &start);
    assert_null(admind_journal_open(test_dir, 100, error, sizeof(error)));
    assert_non_null(strstr(error, "another mcpauth-admind"));
    admind_journal_close(&journal);
    open_journal(100, &start);
}

static void names_have_one_spelling(void **state)
{
    static const char *const bad[] = { "audit-2026-11-21.0.jsonl",
                                       "audit-2026-11-21.01.jsonl",
                                       "audit-2026-13-21.jsonl",
                                       "audit-2026-11-32.jsonl",
                                       "audit-2026-11-21.jsonl.gz",
                                       "audit-2026-11-21.4294967296.jsonl",
                                       "audit-2026/11-21.jsonl",
                                       "audit-.jsonl",
                                       "audit-2026-11-21..jsonl",
                                       "xaudit-2026-11-21.jsonl",
                                       "" };
    admind_journal_name_t name;

    (void)state;
    assert_true(admind_journal_name_parse(&name, "audit-2026-11-21.4294967295.jsonl"));
    assert_int_equal(name.day, 20261121);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(admind_journal_name_parse(&name, bad[i]));
    }
    assert_int_equal(admind_journal_day(NOON_US), 20261121);
    assert_int_equal(admind_journal_day(NOON_US + DAY_US / 2), 20261122);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, close_and_drop)
    const struct CMUnitTest tests[] = {
        TEST(a_committed_batch_is_on_disk_and_an_open_one_is_not),
        TEST(an_open_batch_larger_than_the_buffer_is_taken_back),
        TEST(all_but_the_end_of_a_file_leaves_the_page_cache),
        TEST(a_new_day_and_a_full_file_begin_another),
        TEST(a_replay_begins_where_it_is_told),
        TEST(a_replay_goes_on_where_files_were_taken_away),
        TEST(a_torn_tail_is_cut_and_damage_is_kept_beside),
        TEST(lines_across_reading_blocks_are_whole),
        TEST(a_full_disk_takes_the_whole_batch_back_until_a_probe_works),
        TEST(damage_that_cannot_be_kept_is_not_cut_off),
        TEST(damage_that_was_kept_before_stays),
        TEST(a_directory_has_one_writer),
        TEST(names_have_one_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
