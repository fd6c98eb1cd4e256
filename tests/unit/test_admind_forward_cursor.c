/* SPDX-License-Identifier: Apache-2.0 */
/* Where forwarding stands: the cursor on disk, what is doubted when a connection breaks, and which lines may be sent at all. */
#include "admind_support.h"

#include "audit/journal.h"
#include "forward/cursor.h"
#include "forward/source.h"
#include "forward/window.h"

#define S  INT64_C(1000000)
#define MB UINT64_C(1048576)

static admind_position_t at(const char *file, uint64_t offset)
{
    admind_position_t position = { .offset = offset };

    (void)snprintf(position.file, sizeof(position.file), "%s", file);
    return position;
}

#define DAY "audit-2026-11-21.jsonl"

/* ---- the file */

static void what_is_saved_is_loaded(void **state)
{
    admind_position_t saved = at(DAY, 4096), loaded;

    (void)state;
    assert_int_equal(admind_cursor_load(&loaded, test_dir, "siem"), MCPA_ENOTFOUND);
    assert_int_equal(admind_cursor_save(&saved, test_dir, "siem", NOON_US), MCPA_OK);
    assert_string_equal(get_file("forward-siem.json"), "{\"version\":1,\"file\":\"" DAY "\",\"offset\":4096,\"written\":\"2026-11-21T12:00:00.000Z\"}\n");
    assert_int_equal(admind_cursor_load(&loaded, test_dir, "siem"), MCPA_OK);
    assert_int_equal(admind_position_compare(&saved, &loaded), 0);
    saved = at("", 0);
    assert_int_equal(admind_cursor_save(&saved, test_dir, "siem", NOON_US), MCPA_OK);
    assert_int_equal(admind_cursor_load(&loaded, test_dir, "siem"), MCPA_OK);
    assert_int_equal(admind_position_compare(&saved, &loaded), 0);
}

static void what_is_no_cursor_is_told(void **state)
{
    static const char *const texts[] = {
        "", "{", "[]", "{}", "{\"version\":1}", "{\"version\":2,\"file\":\"" DAY "\",\"offset\":1}", "{\"version\":1,\"file\":\"../passwd\",\"offset\":1}",
        "{\"version\":1,\"file\":\"" DAY ".gz\",\"offset\":1}", "{\"version\":1,\"file\":\"" DAY "\",\"offset\":-1}", "{\"version\":1,\"file\":\"\",\"offset\":1}",
        "{\"version\":1,\"file\":\"" DAY "\",\"offset\":1.5}", "{\"version\":1,\"file\":7,\"offset\":1}",
        "{\"version\":1,\"file\":\"audit-2026-11-21.jsonlaudit-2026-11-21.jsonlaudit-2026-11-21.jsonl\",\"offset\":1}",
    };
    admind_position_t position;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put_file("forward-x.json", texts[i], strlen(texts[i]));
        assert_int_equal(admind_cursor_load(&position, test_dir, "x"), MCPA_EMALFORMED);
    }
}

static void positions_have_an_order(void **state)
{
    static const struct {
        const char *file;
        uint64_t offset;
    } rows[] = { { "", 0 }, { "audit-2026-11-20.9.jsonl", 500 }, { "audit-2026-11-20.10.jsonl", 0 }, { DAY, 0 }, { DAY, 1 } };

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 5; k++) {
            admind_position_t a = at(rows[i].file, rows[i].offset), b = at(rows[k].file, rows[k].offset);
            int order = admind_position_compare(&a, &b);

            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
}

/* ---- the window */

static uint64_t settled(const admind_window_t *window, int64_t now_us, bool orderly)
{
    return admind_window_settled(window, now_us, orderly)->offset;
}

static void the_last_seconds_and_after_a_reset_the_last_bytes_are_doubted(void **state)
{
    admind_window_t window;
    admind_position_t position = at(DAY, 100);

    (void)state;
    admind_window_begin(&window, &position);
    assert_int_equal(settled(&window, 1000 * S, true), 100);
    for (uint64_t i = 1; i <= 20; i++) { /* one megabyte a second */
        position = at(DAY, 100 + i);
        admind_window_add(&window, &position, i * MB, 1000 * S + (int64_t)i * S);
    }
    assert_int_equal(settled(&window, 1020 * S, true), 115); /* acknowledged by 1015 s */
    assert_int_equal(settled(&window, 1020 * S, false), 112); /* and 8 MB before the end */
    assert_int_equal(settled(&window, 1020 * S + ADMIND_WINDOW_US - 1, true), 119);
    assert_int_equal(settled(&window, 1020 * S + ADMIND_WINDOW_US, true), 120);
    assert_int_equal(settled(&window, 5000 * S, false), 112); /* time alone never settles after a reset */
}

static void marks_are_bounded_and_err_towards_sending_again(void **state)
{
    admind_window_t window;
    admind_position_t position = at(DAY, 0);

    (void)state;
    admind_window_begin(&window, &position);
    for (uint64_t i = 1; i <= 100000; i++) { /* small batches, a thousand a second */
        int64_t now_us = 1000 * S + (int64_t)i * 1000;
        uint64_t doubt, wanted = i > 5000 ? i - 5000 : 0;

        position = at(DAY, i);
        admind_window_add(&window, &position, i * 4096, now_us);
        assert_true(window.count <= ADMIND_WINDOW_MARKS);
        doubt = settled(&window, now_us, true);
        assert_true(doubt <= wanted && wanted - doubt <= 1000);
        doubt = settled(&window, now_us, false);
        wanted = wanted < (i > 2048 ? i - 2048 : 0) ? wanted : i > 2048 ? i - 2048 : 0;
        assert_true(doubt <= wanted);
    }
    assert_true(settled(&window, 1100 * S, false) > 90000);
}

static void a_quiet_receiver_that_is_reset_gets_everything_of_its_connection(void **state)
{
    admind_window_t window;
    admind_position_t position = at(DAY, 0);

    (void)state;
    admind_window_begin(&window, &position);
    for (uint64_t i = 1; i <= 1000; i++) { /* one small batch in ten seconds */
        position = at(DAY, i);
        admind_window_add(&window, &position, i * 100, (int64_t)i * 10 * S);
        assert_true(window.count <= ADMIND_WINDOW_MARKS);
        assert_int_equal(settled(&window, (int64_t)i * 10 * S + S, false), 0);
        assert_true(settled(&window, (int64_t)i * 10 * S + S, true) >= (i < 3 ? 0 : i - 3));
    }
    assert_int_equal(settled(&window, 10006 * S, true), 1000);
}

/* ---- lines */

static bool take_any(void *ctx, mcpa_str_t line)
{
    (void)ctx;
    (void)line;
    return true;
}

static admind_journal_t *open_journal(void)
{
    char error[256];
    const admind_position_t start = { .offset = 0 };
    admind_journal_t *journal = admind_journal_open(test_dir, UINT64_C(1) << 30, error, sizeof(error));

    assert_non_null(journal);
    assert_int_equal(admind_journal_replay(journal, &start, take_any, NULL), MCPA_OK);
    return journal;
}

static void append(admind_journal_t *journal, const char *line, int64_t now_us)
{
    assert_int_equal(admind_journal_append(journal, mcpa_str(line), now_us), MCPA_OK);
}

static void next_is(admind_source_t *source, const char *wanted)
{
    mcpa_str_t line;
    mcpa_status_t status = admind_source_next(source, &line);

    if (wanted == NULL) {
        assert_int_equal(status, MCPA_ENOTFOUND);
        return;
    }
    assert_int_equal(status, MCPA_OK);
    assert_int_equal(line.len, strlen(wanted));
    assert_memory_equal(line.ptr, wanted, line.len);
}

static void only_committed_lines_are_given_out_each_once(void **state)
{
    admind_journal_t *journal = open_journal();
    admind_source_t source = { .dir = test_dir, .journal = journal };
    static char big[70000];

    (void)state;
    next_is(&source, NULL);
    append(journal, "{\"a\":1}", NOON_US);
    next_is(&source, NULL);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    next_is(&source, "{\"a\":1}");
    next_is(&source, NULL);
    memset(big, 'x', sizeof(big) - 1);
    for (int i = 0; i < 5; i++) { /* more than the journal's buffer: bytes are in the file before the commit */
        append(journal, big, NOON_US);
    }
    next_is(&source, NULL);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    for (int i = 0; i < 5; i++) {
        next_is(&source, big);
    }
    append(journal, "{\"b\":2}", NOON_US + DAY_US); /* the next day's file */
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    next_is(&source, "{\"b\":2}");
    next_is(&source, NULL);
    assert_int_equal(admind_source_lost(&source), 0);
    admind_source_clear(&source);
    admind_journal_close(&journal);
}

static void a_line_given_back_comes_again_and_does_not_move_the_position(void **state)
{
    admind_journal_t *journal = open_journal();
    admind_source_t source = { .dir = test_dir, .journal = journal };
    admind_position_t before;

    (void)state;
    append(journal, "one", NOON_US);
    append(journal, "two", NOON_US);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    next_is(&source, "one");
    before = source.at;
    next_is(&source, "two");
    admind_source_hold(&source);
    assert_int_equal(admind_position_compare(&source.at, &before), 0);
    assert_int_equal(admind_source_backlog(&source, &source.at), 4);
    next_is(&source, "two");
    next_is(&source, NULL);
    admind_source_seek(&source, &before);
    next_is(&source, "two");
    admind_source_hold(&source);
    admind_source_seek(&source, &source.at);
    next_is(&source, "two");
    next_is(&source, NULL);
    admind_source_clear(&source);
    admind_journal_close(&journal);
}

static void files_that_went_away_are_told(void **state)
{
    admind_journal_t *journal = open_journal();
    admind_source_t source = { .dir = test_dir, .journal = journal };

    (void)state;
    for (int day = 0; day < 3; day++) {
        append(journal, "one", NOON_US + day * DAY_US);
        append(journal, "two", NOON_US + day * DAY_US);
        assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    }
    assert_int_equal(admind_source_backlog(&source, &source.at), 24);
    next_is(&source, "one");
    assert_int_equal(admind_source_backlog(&source, &source.at), 20);
    assert_int_equal(remove(in_dir("audit-2026-11-21.jsonl")), 0);
    assert_int_equal(remove(in_dir("audit-2026-11-22.jsonl")), 0);
    next_is(&source, "two"); /* held open */
    assert_int_equal(admind_source_lost(&source), 0);
    next_is(&source, "one");
    assert_int_equal(admind_source_lost(&source), 1);
    assert_int_equal(admind_source_lost(&source), 0);
    next_is(&source, "two");
    next_is(&source, NULL);
    admind_source_clear(&source);
    admind_journal_close(&journal);
}

/* JournalFileSize goes up to 4 GiB, and the trailer of a compressed file counts modulo that. */
static void a_compressed_file_of_more_than_4_gib_counts_as_such(void **state)
{
    static const struct {
        off_t packed;
        uint32_t trailer;
        uint64_t bytes;
    } rows[] = { { 600000000, 12345, (UINT64_C(1) << 32) + 12345 }, { 600000000, 4294967295, 4294967295 }, { 20, 0, 0 }, { 5060, 5000, 5000 } };
    admind_journal_t *journal = open_journal();
    admind_source_t source = { .dir = test_dir, .journal = journal };
    const admind_position_t begin = { .offset = 0 };

    (void)state;
    append(journal, "one", NOON_US);
    assert_int_equal(admind_journal_commit(journal), MCPA_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = open(in_dir("audit-2026-11-20.jsonl.gz"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
        const unsigned char tail[4] = { (unsigned char)rows[i].trailer, (unsigned char)(rows[i].trailer >> 8), (unsigned char)(rows[i].trailer >> 16),
                                        (unsigned char)(rows[i].trailer >> 24) };

        assert_int_equal(pwrite(fd, tail, 4, rows[i].packed - 4), 4); /* a hole before it */
        close(fd);
        assert_int_equal(admind_source_backlog(&source, &begin), rows[i].bytes + 4);
    }
    admind_source_clear(&source);
    admind_journal_close(&journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_saved_is_loaded, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(what_is_no_cursor_is_told, make_dir, drop_dir),
        cmocka_unit_test(positions_have_an_order),
        cmocka_unit_test(the_last_seconds_and_after_a_reset_the_last_bytes_are_doubted),
        cmocka_unit_test(marks_are_bounded_and_err_towards_sending_again),
        cmocka_unit_test(a_quiet_receiver_that_is_reset_gets_everything_of_its_connection),
        cmocka_unit_test_setup_teardown(only_committed_lines_are_given_out_each_once, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_line_given_back_comes_again_and_does_not_move_the_position, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(files_that_went_away_are_told, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_compressed_file_of_more_than_4_gib_counts_as_such, make_dir, drop_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
