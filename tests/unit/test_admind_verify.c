/* SPDX-License-Identifier: Apache-2.0 */
/* Is the journal whole? What the daemon writes is; a line taken away, doubled or moved is told, once, with its place. */
#include "admind_support.h"

#include "audit/tail.h"
#include "audit/verify.h"

#define TODAY 20261121

static admind_verify_t *verify;
static admind_fault_t faults[16];
static size_t n_faults;

static void keep(void *ctx, const admind_fault_t *fault)
{
    (void)ctx;
    assert_true(n_faults < 16);
    faults[n_faults++] = *fault;
}

static void begin(size_t max_instances)
{
    n_faults = 0;
    verify = admind_verify_new(max_instances, keep, NULL);
    assert_non_null(verify);
    admind_verify_file(verify, &(admind_journal_name_t){ TODAY, 0 }, TODAY);
}

static int tear_down(void **state)
{
    (void)state;
    admind_verify_free(&verify);
    return 0;
}

/* As the daemon prints it. */
static void put_event(unsigned who, uint64_t seq, const char *event, int64_t lost)
{
    static char memory[ADMIND_LINE_MAX_BYTES];
    instance_t instance = instance_of(who);
    mcpa_record_t record;
    mcpa_out_t out;

    mcpa_record_init(&record);
    record.ts = NOON_US + (int64_t)(seq % 1000000) * 1000;
    record.sub = MCPA_STR("odd \"\\\n\x1b\xff");
    record.latency_ms = 1234;
    record.status = 200;
    record.event = mcpa_str(event);
    record.lost = lost;
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_record_print(&out, &record, instance.bytes, seq);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    assert_int_equal(admind_verify_line(verify, mcpa_out_get(&out)), MCPA_OK);
}

static void put(unsigned who, uint64_t seq)
{
    put_event(who, seq, NULL, MCPA_RECORD_ABSENT);
}

static void expect(size_t at, admind_fault_kind_t kind, uint64_t line, uint64_t expected, uint64_t seq)
{
    assert_true(at < n_faults);
    assert_int_equal(faults[at].kind, kind);
    assert_int_equal(faults[at].line, line);
    assert_int_equal(faults[at].expected, expected);
    assert_int_equal(faults[at].seq, seq);
}

static void what_the_daemon_prints_is_whole(void **state)
{
    const admind_verified_t *found;

    (void)state;
    begin(8);
    put(1, 1);
    put(2, 41);
    put(1, 2);
    admind_verify_file(verify, &(admind_journal_name_t){ TODAY, 1 }, TODAY);
    put(2, 42);
    put_event(1, 3, "gap", 7);
    put_event(1, 9, "gap", 6);
    put_event(1, 10, "corrupt", MCPA_RECORD_ABSENT);
    found = admind_verify_get(verify);
    assert_int_equal(n_faults, 0);
    assert_true(found->files == 2 && found->records == 7 && found->instances == 2 && found->begun_earlier == 1);
    assert_true(found->gaps == 2 && found->lost == 13 && found->corrupt == 1 && found->forgotten == 0);
    assert_true(found->first_us == NOON_US + 1000 && found->last_us == NOON_US + 42000);
}

static void each_displaced_line_is_told_where_it_is(void **state)
{
    (void)state;
    begin(8);
    put(1, 1);
    put(1, 2);
    put(1, 5); /* 3 and 4 missing */
    put(1, 5);
    put(2, 1);
    put(1, 4);
    put(1, 5); /* goes on from where it fell back to */
    put_event(1, 9, "gap", 3);
    assert_int_equal(n_faults, 4);
    expect(0, ADMIND_FAULT_SEQ_HOLE, 3, 3, 5);
    expect(1, ADMIND_FAULT_SEQ_REPEATED, 4, 6, 5);
    expect(2, ADMIND_FAULT_SEQ_BACK, 6, 6, 4);
    expect(3, ADMIND_FAULT_SEQ_HOLE, 8, 6, 9);
    assert_string_equal(faults[0].file, "audit-2026-11-21.jsonl");
}

static void largest_numbers_do_not_wrap(void **state)
{
    (void)state;
    begin(8);
    put(1, INT64_MAX);
    put(1, INT64_MAX);
    for (uint64_t i = 1; i <= 3; i++) {
        put_event(2, i, "gap", INT64_MAX);
    }
    assert_int_equal(n_faults, 1);
    expect(0, ADMIND_FAULT_SEQ_REPEATED, 2, (uint64_t)INT64_MAX + 1, INT64_MAX);
    assert_true(admind_verify_get(verify)->lost == UINT64_MAX);
}

static void forgotten_instances_are_told_and_make_no_faults(void **state)
{
    (void)state;
    begin(2);
    put(1, 1);
    put(2, 1);
    put(1, 2);
    put(3, 1); /* pushes out 2, which was silent longest */
    put(1, 3);
    put(2, 9);
    assert_int_equal(n_faults, 0);
    assert_true(admind_verify_get(verify)->forgotten == 2 && admind_verify_get(verify)->instances == 4);
}

static void files_are_counted_within_their_day(void **state)
{
    (void)state;
    begin(2);
    admind_verify_file(verify, &(admind_journal_name_t){ TODAY, 2 }, TODAY);
    admind_verify_file(verify, &(admind_journal_name_t){ TODAY + 1, 0 }, TODAY);
    assert_int_equal(n_faults, 2);
    expect(0, ADMIND_FAULT_FILE_MISSING, 0, 1, 2);
    expect(1, ADMIND_FAULT_FILE_FUTURE, 0, 0, 0);
}

static void torn_end_is_damage_only_in_older_files(void **state)
{
    (void)state;
    begin(2);
    put(1, 1);
    admind_verify_torn(verify, 5, false);
    admind_verify_file(verify, &(admind_journal_name_t){ TODAY, 1 }, TODAY);
    admind_verify_torn(verify, 6, true);
    assert_int_equal(n_faults, 1);
    expect(0, ADMIND_FAULT_LINE_TORN, 2, 0, 0);
    assert_true(admind_verify_get(verify)->torn_bytes == 6);
}

static void every_fault_has_a_word(void **state)
{
    (void)state;
    for (int i = 0; i < ADMIND_FAULT_KINDS; i++) {
        assert_non_null(admind_fault_word((admind_fault_kind_t)i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_the_daemon_prints_is_whole, tear_down),
        cmocka_unit_test_teardown(each_displaced_line_is_told_where_it_is, tear_down),
        cmocka_unit_test_teardown(largest_numbers_do_not_wrap, tear_down),
        cmocka_unit_test_teardown(forgotten_instances_are_told_and_make_no_faults, tear_down),
        cmocka_unit_test_teardown(files_are_counted_within_their_day, tear_down),
        cmocka_unit_test_teardown(torn_end_is_damage_only_in_older_files, tear_down),
        cmocka_unit_test(every_fault_has_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
