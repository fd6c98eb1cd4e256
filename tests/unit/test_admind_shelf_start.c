/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon starts from closed files of the journal that were compressed meanwhile. */
#include "test_admind_shelf.h"

#include "audit/gzip.h"

static char seen[256];

static bool see(void *ctx, mcpa_str_t line)
{
    (void)ctx;
    (void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s|", MCPA_STR_ARG(line));
    return true;
}

static void compress(const char *name)
{
    const char *text = get_file(name);
    char to[64];
    int fd;
    admind_gzip_t *gzip;

    (void)snprintf(to, sizeof(to), "%s.gz", name);
    fd = open(in_dir(to), O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    gzip = admind_gzip_new(fd);
    assert_non_null(gzip);
    assert_int_equal(admind_gzip_write(gzip, text, strlen(text)), MCPA_OK);
    assert_int_equal(admind_gzip_finish(gzip), MCPA_OK);
    admind_gzip_free(&gzip);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(in_dir(name)), 0);
}

/* What a replay from this position sees, and which file a record goes to then. */
static void assert_replay(const char *file, uint64_t offset, const char *lines, const char *next)
{
    admind_position_t from = at(file);
    admind_journal_t *journal = admind_journal_open(test_dir, 1 << 20, error, sizeof(error));

    from.offset = offset;
    seen[0] = '\0';
    assert_non_null(journal);
    assert_int_equal(admind_journal_replay(journal, &from, see, NULL), MCPA_OK);
    assert_string_equal(seen, lines);
    assert_int_equal(admind_journal_append(journal, MCPA_STR("new"), NOON_US), MCPA_OK);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    admind_journal_position(journal, &from);
    assert_string_equal(from.file, next);
    admind_journal_close(&journal);
}

static void a_start_reads_what_was_compressed_since_its_checkpoint(void **state)
{
    (void)state;
    put_file("audit-2026-11-20.jsonl", "zz\n", 3);
    put_file(DAY ".jsonl", "a\nb\ntorn", 8);
    put_file(DAY ".1.jsonl", "c\n", 2);
    put_file(DAY ".2.jsonl", "d\n", 2);
    compress("audit-2026-11-20.jsonl");
    compress(DAY ".jsonl");
    compress(DAY ".1.jsonl");
    assert_replay(DAY ".jsonl", 2, "b|c|d|", DAY ".2.jsonl");
    assert_replay("", 0, "zz|a|b|c|d|new|", DAY ".2.jsonl");
    assert_replay("audit-2026-11-20.jsonl", 500, "a|b|c|d|new|new|", DAY ".2.jsonl");
}

static bool count(void *ctx, mcpa_str_t line)
{
    size_t *next = ctx;
    char want[32];

    (void)snprintf(want, sizeof(want), "line %zu ", (*next)++);
    assert_true(mcpa_str_starts(line, mcpa_str(want)));
    return true;
}

/* Over several blocks of reading, from a line in the first one on. */
static void a_start_from_within_a_long_compressed_file_misses_no_line(void **state)
{
    admind_position_t from = at(DAY ".jsonl");
    admind_journal_t *journal;
    size_t next = 1;

    (void)state;
    (void)put_lines(DAY ".jsonl", 0, 30000);
    from.offset = (uint64_t)(strchr(get_file(DAY ".jsonl"), '\n') - get_file(DAY ".jsonl")) + 1;
    compress(DAY ".jsonl");
    (void)put_lines(DAY ".1.jsonl", 30000, 10);
    journal = admind_journal_open(test_dir, 1 << 20, error, sizeof(error));
    assert_non_null(journal);
    assert_int_equal(admind_journal_replay(journal, &from, count, &next), MCPA_OK);
    assert_int_equal(next, 30010);
    admind_journal_close(&journal);
}

static void a_start_never_writes_to_a_compressed_file(void **state)
{
    (void)state;
    put_file(DAY ".jsonl", "a\nb\n", 4);
    compress(DAY ".jsonl");
    assert_replay("", 0, "a|b|", DAY ".1.jsonl");
    assert_true(is_there(DAY ".jsonl.gz"));
}

static void a_start_survives_damage_in_a_compressed_file(void **state)
{
    (void)state;
    put_file(DAY ".jsonl", "a\nb\n", 4);
    compress(DAY ".jsonl");
    assert_int_equal(truncate(in_dir(DAY ".jsonl.gz"), 22), 0);
    put_file(DAY ".1.jsonl.gz", "\x1f\x8bnonsense", 10);
    put_file(DAY ".2.jsonl", "c\n", 2);
    assert_replay("", 0, "a|b|c|", DAY ".2.jsonl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_start_reads_what_was_compressed_since_its_checkpoint, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_start_from_within_a_long_compressed_file_misses_no_line, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_start_never_writes_to_a_compressed_file, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_start_survives_damage_in_a_compressed_file, make_dir, drop_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
