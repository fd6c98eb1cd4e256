/* SPDX-License-Identifier: Apache-2.0 */
/* Records in, journal out: each once, in order, counted when it is durable and not before; and the same again from the journal
 * alone. */
#include "admind_support.h"

#include <signal.h>
#include <sys/resource.h>

#include "audit/ingest.h"
#include "audit/line.h"

static admind_journal_t *journal;
static admind_marks_t *marks;
static admind_ingest_t *ingest;
static char told[65536]; /* what was told as committed */
static unsigned n_told;
static const admind_position_t start;

static void tell(void *ctx, const mcpa_record_t *record)
{
    size_t len = strlen(told);

    (void)ctx;
    n_told++;
    (void)snprintf(told + len, sizeof(told) - len, "%.*s%.*s%s@%lld ", MCPA_STR_ARG(record->sub), MCPA_STR_ARG(record->event),
                   record->lost == MCPA_RECORD_ABSENT ? "" : "!",
                   record->ts == MCPA_RECORD_ABSENT ? 0LL : (long long)record->ts % 1000000);
}

static void begin(void)
{
    char error[256];

    told[0] = '\0';
    n_told = 0;
    journal = admind_journal_open(test_dir, 1 << 26, error, sizeof(error));
    marks = admind_marks_new(100);
    ingest = journal == NULL || marks == NULL ? NULL : admind_ingest_new(journal, marks, tell, NULL);
    assert_non_null(ingest);
    assert_int_equal(admind_ingest_replay(ingest, &start), MCPA_OK);
}

static void end(void)
{
    admind_ingest_free(&ingest);
    admind_marks_free(&marks);
    admind_journal_close(&journal);
}

static int set_up(void **state)
{
    int failed = make_dir(state);

    if (failed == 0) {
        begin();
    }
    return failed;
}

static int tear_down(void **state)
{
    end();
    return drop_dir(state);
}

static admind_take_t take(unsigned who, uint64_t seq, const char *sub)
{
    instance_t instance = instance_of(who);
    mcpa_str_t payload = payload_of(sub);

    return admind_ingest_take(ingest, instance.bytes, seq, (const unsigned char *)payload.ptr, payload.len, NOON_US);
}

static bool commit(void)
{
    bool any;

    return admind_ingest_commit(ingest, &any);
}

static const char *lines(void)
{
    return get_file("audit-2026-11-21.jsonl");
}

static void a_record_is_counted_when_it_is_durable(void **state)
{
    instance_t one = instance_of(1);
    bool any;

    (void)state;
    assert_int_equal(take(1, 1, "a"), ADMIND_TAKEN);
    assert_int_equal(admind_ingest_durable(ingest, one.bytes), 0);
    assert_string_equal(told, "");
    assert_true(admind_ingest_commit(ingest, &any) && any);
    assert_int_equal(admind_ingest_durable(ingest, one.bytes), 1);
    assert_string_equal(told, "a@123000 "); /* cut to what the journal shows */
    assert_true(admind_ingest_commit(ingest, &any) && !any);
    assert_int_equal(count_lines(lines()), 1);
}

static void known_numbers_are_dropped_and_holes_refused(void **state)
{
    (void)state;
    assert_int_equal(take(1, 2, "hole"), ADMIND_TAKE_HOLE);
    assert_int_equal(take(1, 0, "zero"), ADMIND_TAKE_HOLE);
    assert_int_equal(take(1, 1, "a"), ADMIND_TAKEN);
    assert_int_equal(take(1, 1, "again, same round"), ADMIND_TAKEN);
    assert_int_equal(take(1, 3, "hole"), ADMIND_TAKE_HOLE);
    assert_int_equal(take(1, UINT64_MAX, "hole"), ADMIND_TAKE_HOLE);
    assert_true(commit());
    assert_int_equal(take(1, 1, "again, later"), ADMIND_TAKEN);
    assert_int_equal(take(1, 2, "b"), ADMIND_TAKEN);
    assert_int_equal(take(2, 1, "other child"), ADMIND_TAKEN);
    assert_true(commit());
    assert_string_equal(told, "a@123000 b@123000 other child@123000 ");
}

static void what_begins_late_is_a_gap_only_for_whom_we_know(void **state)
{
    instance_t one = instance_of(1), two = instance_of(2);

    (void)state;
    assert_int_equal(admind_ingest_begin(ingest, two.bytes, 501, NOON_US), ADMIND_TAKEN);
    assert_int_equal(admind_ingest_durable(ingest, two.bytes), 500);
    assert_int_equal(take(2, 501, "late"), ADMIND_TAKEN);
    assert_int_equal(take(1, 1, "a"), ADMIND_TAKEN);
    assert_int_equal(admind_ingest_begin(ingest, one.bytes, 11, NOON_US), ADMIND_TAKEN);
    assert_int_equal(take(1, 11, "b"), ADMIND_TAKEN);
    assert_true(commit());
    assert_string_equal(told, "late@123000 a@123000 gap!@0 b@123000 ");
    assert_int_equal(admind_ingest_lost(ingest, one.bytes), 9);
    assert_non_null(strstr(lines(), "\"event\":\"gap\",\"lost\":9"));
    assert_int_equal(admind_ingest_begin(ingest, one.bytes, 0, NOON_US), ADMIND_TAKE_HOLE);
    assert_int_equal(admind_ingest_begin(ingest, one.bytes, UINT64_MAX, NOON_US), ADMIND_TAKE_HOLE);
    assert_int_equal(admind_ingest_begin(ingest, one.bytes, 5, NOON_US), ADMIND_TAKEN);
}

static void what_cannot_be_read_is_journalled_as_corrupt(void **state)
{
    instance_t one = instance_of(1);

    (void)state;
    assert_int_equal(admind_ingest_take(ingest, one.bytes, 1, (const unsigned char *)"\x63junk", 5, NOON_US), ADMIND_TAKEN);
    assert_int_equal(take(1, 2, "b"), ADMIND_TAKEN);
    assert_true(commit());
    assert_string_equal(told, "corrupt@0 b@123000 ");
}

static void the_journal_alone_tells_the_same_again(void **state)
{
    instance_t one = instance_of(1), two = instance_of(2);
    char before[sizeof(told)];

    (void)state;
    for (uint64_t seq = 1; seq <= 20; seq++) {
        assert_int_equal(take(1, seq, seq % 2 ? "odd" : "even"), ADMIND_TAKEN);
    }
    assert_int_equal(admind_ingest_begin(ingest, one.bytes, 31, NOON_US), ADMIND_TAKEN);
    assert_int_equal(take(2, 1, "q\"\n\x01\xc3\xa9"), ADMIND_TAKEN);
    assert_true(commit());
    (void)snprintf(before, sizeof(before), "%s", told);
    end();
    begin();
    assert_int_equal(n_told, 22);
    assert_int_equal(admind_ingest_durable(ingest, one.bytes), 30);
    assert_int_equal(admind_ingest_durable(ingest, two.bytes), 1);
    assert_int_equal(admind_ingest_lost(ingest, one.bytes), 10);
    assert_string_equal(told, before);
    assert_int_equal(take(1, 31, "on"), ADMIND_TAKEN);
}

static void a_line_that_is_there_twice_counts_once(void **state)
{
    char twice[4096];
    size_t len;

    (void)state;
    assert_int_equal(take(1, 1, "a"), ADMIND_TAKEN);
    assert_true(commit());
    len = strlen(lines());
    assert_true(len * 2 < sizeof(twice));
    memcpy(twice, lines(), len);
    memcpy(twice + len, lines(), len);
    end();
    put_file("audit-2026-11-21.jsonl", twice, len * 2);
    begin();
    assert_int_equal(n_told, 1);
}

static void a_batch_that_is_full_is_committed_at_once(void **state)
{
    instance_t one = instance_of(1);
    bool any;

    (void)state;
    for (uint64_t seq = 1; seq <= 10000; seq++) {
        assert_int_equal(take(1, seq, ""), ADMIND_TAKEN);
    }
    assert_int_equal(admind_ingest_durable(ingest, one.bytes), 8192);
    assert_true(admind_ingest_commit(ingest, &any) && any);
    assert_int_equal(n_told, 10000);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void after_a_full_disk_the_batch_never_happened(void **state)
{
    instance_t one = instance_of(1), two = instance_of(2);
    bool any;

    (void)state;
    assert_int_equal(take(1, 1, "a"), ADMIND_TAKEN);
    assert_true(commit());
    limit_files(strlen(lines()) + 10);
    assert_int_equal(take(1, 2, "b"), ADMIND_TAKEN);
    assert_int_equal(take(2, 1, "c"), ADMIND_TAKEN);
    assert_false(admind_ingest_commit(ingest, &any));
    assert_false(any);
    assert_int_equal(take(1, 2, "b"), ADMIND_TAKE_DISK);
    assert_false(commit());
    limit_files(RLIM_INFINITY);
    assert_int_equal(admind_ingest_durable(ingest, one.bytes), 1);
    assert_int_equal(admind_ingest_durable(ingest, two.bytes), 0);
    assert_string_equal(told, "a@123000 ");
    assert_true(admind_journal_probe(journal, NOON_US));
    assert_int_equal(take(1, 3, "hole"), ADMIND_TAKE_HOLE);
    assert_int_equal(take(1, 2, "b"), ADMIND_TAKEN);
    assert_int_equal(take(2, 1, "c"), ADMIND_TAKEN);
    assert_true(commit());
    assert_string_equal(told, "a@123000 b@123000 c@123000 ");
    assert_int_equal(count_lines(lines()), 3);
}

static void marks_are_bounded_and_never_forget_what_is_open(void **state)
{
    instance_t one = instance_of(1);

    (void)state;
    assert_int_equal(take(1, 1, "open"), ADMIND_TAKEN);
    for (unsigned n = 2; n < 300; n++) {
        instance_t instance = instance_of(n);

        assert_non_null(admind_marks_get(marks, instance.bytes, NOON_US + n));
    }
    assert_int_equal(admind_marks_count(marks), 100);
    assert_non_null(admind_marks_find(marks, one.bytes));
    admind_marks_forget(marks, NOON_US + 250);
    assert_int_equal(admind_marks_count(marks), 51);
    assert_non_null(admind_marks_find(marks, one.bytes));
    assert_true(commit());
    admind_marks_forget(marks, INT64_MAX);
    assert_int_equal(admind_marks_count(marks), 0);
}

#define NAMED "\"instance\":\"00112233445566778899aabbccddeeff\",\"seq\":7}"

static void lines_of_others_are_no_lines(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "{}",
        "[]",
        "{\"seq\":1}",
        "{\"instance\":\"00112233445566778899aabbccddeeff\"}",
        "{\"instance\":\"00112233445566778899aabbccddeeff\",\"seq\":0}",
        "{\"instance\":\"00112233445566778899aabbccddeefF\",\"seq\":1}",
        "{\"instance\":\"00112233445566778899aabbccddee\",\"seq\":1}",
        ("{\"sub\":\"a\",\"sub\":\"b\"," NAMED), /* one string: clang asks */
        "{\"event\":\"seal\",\"seq\":1}",
        "{\"event\":\"seal\",\"instance\":\"00112233445566778899aabbccddeeff\"}",
        "{\"event\":\"gap\"}",
    };
    admind_line_t line;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(admind_line_parse(&line, mcpa_str(bad[i])), MCPA_EMALFORMED);
    }
    assert_int_equal(
        admind_line_parse(&line, MCPA_STR("{\"ts\":\"2026-11-21T12:00:00.123Z\",\"latency_ms\":1.234,\"later\":[1]," NAMED)),
        MCPA_OK);
    assert_true(line.record.ts == NOON_US + 123000 && line.record.latency_ms == 1234 && line.seq == 7 &&
                line.instance[15] == 0xff);
    admind_line_clear(&line);
}

static void a_seal_is_a_line_of_no_instance_and_a_replay_passes_it(void **state)
{
    static const char seal[] = "{\"ts\":\"2026-11-21T12:00:00.123Z\",\"event\":\"seal\",\"epoch\":3}";
    admind_line_t line;
    char text[512];

    (void)state;
    memset(&line, 0xff, sizeof(line));
    assert_int_equal(admind_line_parse(&line, mcpa_str(seal)), MCPA_OK);
    assert_true(line.seal && line.seq == 0 && line.instance[0] == 0 && line.record.ts == NOON_US + 123000);
    admind_line_clear(&line);
    /* A child that calls its record so gets no seal written. */
    assert_int_equal(admind_line_parse(&line, MCPA_STR("{\"event\":\"seal\"," NAMED)), MCPA_OK);
    assert_true(!line.seal && line.seq == 7);
    admind_line_clear(&line);
    assert_int_equal(take(1, 1, "a"), ADMIND_TAKEN);
    assert_true(commit());
    (void)snprintf(text, sizeof(text), "%s\n%.400s", seal, lines());
    end();
    put_file("audit-2026-11-21.jsonl", text, strlen(text));
    begin();
    assert_string_equal(told, "a@123000 ");
    assert_int_equal(admind_marks_count(marks), 1);
}

/* Damage is cut off, and with it what was acknowledged: an odd value must never be taken for damage. */
static void an_odd_value_is_absent_and_no_damage(void **state)
{
    static const char *const odd[] = { "{\"ts\":1," NAMED,          "{\"ts\":\"2026-11-21 09:00:00.123Z\"," NAMED,
                                       "{\"sub\":1," NAMED,         "{\"status\":-1," NAMED,
                                       "{\"latency_ms\":-1," NAMED, "{\"lost\":1e300," NAMED };
    admind_line_t line;

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        assert_int_equal(admind_line_parse(&line, mcpa_str(odd[i])), MCPA_OK);
        assert_true(line.record.ts == MCPA_RECORD_ABSENT && line.record.status == MCPA_RECORD_ABSENT &&
                    line.record.sub.ptr == NULL && line.record.latency_ms == MCPA_RECORD_ABSENT &&
                    line.record.lost == MCPA_RECORD_ABSENT);
        admind_line_clear(&line);
    }
    assert_int_equal(admind_line_parse(&line, MCPA_STR("{\"latency_ms\":9223372036854775.807," NAMED)), MCPA_OK);
    assert_true(line.record.latency_ms == INT64_MAX);
    admind_line_clear(&line);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_record_is_counted_when_it_is_durable),
        TEST(known_numbers_are_dropped_and_holes_refused),
        TEST(what_begins_late_is_a_gap_only_for_whom_we_know),
        TEST(what_cannot_be_read_is_journalled_as_corrupt),
        TEST(the_journal_alone_tells_the_same_again),
        TEST(a_line_that_is_there_twice_counts_once),
        TEST(a_batch_that_is_full_is_committed_at_once),
        TEST(after_a_full_disk_the_batch_never_happened),
        TEST(marks_are_bounded_and_never_forget_what_is_open),
        TEST(lines_of_others_are_no_lines),
        TEST(a_seal_is_a_line_of_no_instance_and_a_replay_passes_it),
        TEST(an_odd_value_is_absent_and_no_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
