/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of dead children: taken in order, unlinked only when the journal has them, and never touched while their owner lives.
 */
#include "admind_support.h"

#include <sys/file.h>

#include "audit/adopt.h"

static admind_journal_t *journal;
static admind_marks_t *marks;
static admind_ingest_t *ingest;
static admind_adopt_t *adopt;
static unsigned n_told;
static bool all_linked, first_linked; /* first_linked: for one question */

static void tell(void *ctx, const mcpa_record_t *record)
{
    (void)ctx;
    (void)record;
    n_told++;
}

static bool linked(void *ctx, const unsigned char *instance)
{
    (void)ctx;
    (void)instance;
    if (first_linked) {
        first_linked = false;
        return true;
    }
    return all_linked;
}

static int set_up(void **state)
{
    const admind_position_t start = { "", 0 };
    char error[256];

    if (make_dir(state) != 0 || mkdir(in_dir("journal"), 0700) != 0 || mkdir(in_dir("spool"), 0700) != 0) {
        return -1;
    }
    n_told = 0;
    all_linked = first_linked = false;
    journal = admind_journal_open(in_dir("journal"), 1 << 26, error, sizeof(error));
    marks = admind_marks_new(100);
    ingest = admind_ingest_new(journal, marks, tell, NULL);
    adopt = admind_adopt_new(ingest, in_dir("spool"), geteuid(), linked, NULL);
    return adopt == NULL || admind_ingest_replay(ingest, &start) != MCPA_OK;
}

static int tear_down(void **state)
{
    admind_adopt_free(&adopt);
    admind_ingest_free(&ingest);
    admind_marks_free(&marks);
    admind_journal_close(&journal);
    return drop_dir(state);
}

/* A segment with records first..last, and 'tail' behind them. Its name, which the next call but three ends. */
static const char *make_segment(unsigned who, unsigned number, uint64_t first, uint64_t last, mcpa_str_t tail)
{
    static unsigned char bytes[MCPA_SEGMENT_BYTES];
    static char names[4][64];
    static unsigned turn;
    instance_t instance = instance_of(who);
    mcpa_segment_header_t header = { .first_seq = first, .size = sizeof(bytes) };
    char hex[2 * MCPA_INSTANCE_BYTES + 1];
    size_t at = MCPA_SEGMENT_HEADER_BYTES;
    char *name = names[turn++ % 4];

    memset(bytes, 0, sizeof(bytes));
    memcpy(header.instance, instance.bytes, MCPA_INSTANCE_BYTES);
    mcpa_segment_header_write(bytes, &header);
    for (uint64_t seq = first; seq <= last; seq++) {
        mcpa_str_t payload = payload_of("x");

        memcpy(bytes + at + MCPA_ENVELOPE_BYTES, payload.ptr, payload.len);
        mcpa_envelope_seal(bytes + at, instance.bytes, seq, payload.len);
        at += MCPA_ENVELOPE_BYTES + payload.len;
        assert_true(at < sizeof(bytes) - 100);
    }
    memcpy(bytes + at, tail.ptr, tail.len);
    mcpa_hex(hex, instance.bytes, MCPA_INSTANCE_BYTES);
    (void)snprintf(name, sizeof(names[0]), "spool/%s.%08u", hex, number);
    put_file(name, bytes, sizeof(bytes));
    return name;
}

/* Rounds as the daemon's loop makes them, until there is nothing to do at once. The number of slices. */
static unsigned run(void)
{
    unsigned slices = 0;
    bool any, more;

    do {
        more = admind_adopt_run(adopt, NOON_US);
        assert_true(admind_ingest_commit(ingest, &any));
        admind_adopt_committed(adopt, NOON_US);
        slices++;
    } while (more);
    return slices;
}

static uint64_t durable(unsigned who)
{
    instance_t instance = instance_of(who);

    return admind_ingest_durable(ingest, instance.bytes);
}

static void dead_segments_are_taken_in_order_and_removed(void **state)
{
    const char *third = make_segment(1, 10, 61, 90, MCPA_STR("")), *first = make_segment(1, 8, 1, 30, MCPA_STR("\x05\0\0\0torn"));
    const char *second = make_segment(1, 9, 31, 60, MCPA_STR("\xff\xff\xff\xff"));

    (void)state;
    (void)run();
    assert_int_equal(durable(1), 90);
    assert_int_equal(n_told, 90);
    assert_false(is_there(first) || is_there(second) || is_there(third));
    assert_int_equal(run(), 1);
    assert_int_equal(admind_adopt_backlog_bytes(adopt), 0);
}

static void nothing_is_removed_before_it_is_durable(void **state)
{
    const char *name = make_segment(1, 0, 1, 3, MCPA_STR(""));

    (void)state;
    assert_true(admind_adopt_run(adopt, NOON_US));
    assert_true(is_there(name));
    admind_adopt_committed(adopt, NOON_US); /* nothing was committed yet: called too early, it must not believe it */
    assert_true(is_there(name));
    (void)run();
    assert_false(is_there(name));
    assert_int_equal(n_told, 3);
}

static void after_a_failed_commit_it_is_read_again(void **state)
{
    const char *name = make_segment(1, 0, 1, 3, MCPA_STR(""));

    (void)state;
    assert_true(admind_adopt_run(adopt, NOON_US));
    admind_adopt_failed(adopt);
    assert_true(is_there(name));
    (void)run();
    assert_false(is_there(name));
    assert_int_equal(n_told, 3);
}

static void a_locked_segment_has_a_living_owner(void **state)
{
    const char *name = make_segment(1, 0, 1, 3, MCPA_STR(""));
    int fd = open(in_dir(name), O_RDWR);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    (void)run();
    assert_true(is_there(name));
    assert_int_equal(n_told, 0);
    assert_int_equal(admind_adopt_backlog_bytes(adopt), MCPA_SEGMENT_BYTES);
    close(fd);
    (void)run();
    assert_false(is_there(name));
}

static void a_linked_child_sends_its_records_itself(void **state)
{
    const char *name = make_segment(1, 0, 1, 3, MCPA_STR(""));

    (void)state;
    all_linked = true;
    (void)run();
    assert_true(is_there(name));
    assert_int_equal(admind_adopt_backlog_bytes(adopt), 0);
}

static void a_large_segment_takes_many_slices(void **state)
{
    (void)state;
    (void)make_segment(1, 0, 1, 15000, MCPA_STR(""));
    assert_true(run() > 4);
    assert_int_equal(durable(1), 15000);
}

static void a_hole_is_journalled_and_what_follows_is_kept(void **state)
{
    (void)state;
    (void)make_segment(1, 0, 1, 3, MCPA_STR(""));
    (void)make_segment(1, 2, 8, 9, MCPA_STR(""));
    (void)run();
    assert_int_equal(durable(1), 9);
    assert_int_equal(n_told, 6); /* 3, the gap, 2 */
}

static void an_empty_segment_is_removed(void **state)
{
    const char *name = make_segment(1, 0, 1, 0, MCPA_STR(""));

    (void)state;
    (void)run();
    assert_false(is_there(name));
    assert_int_equal(n_told, 0);
}

static void what_is_none_of_ours_stays(void **state)
{
    char link[64], fifo[64];
    const char *second = make_segment(4, 0, 1, 3, MCPA_STR(""));

    (void)state;
    (void)snprintf(link, sizeof(link), "spool/%032d.00000000", 1);
    (void)snprintf(fifo, sizeof(fifo), "spool/%032d.00000001", 1);
    put_file("secret", "s", 1);
    assert_int_equal(symlink(in_dir("secret"), in_dir(link)), 0);
    assert_int_equal(mkfifo(in_dir(fifo), 0600), 0);
    put_file("spool/short", "x", 1);
    assert_int_equal(linkat(AT_FDCWD, in_dir(second), AT_FDCWD, in_dir("second"), 0), 0);
    (void)run();
    assert_true(is_there(link) && is_there(fifo) && is_there("spool/short") && is_there(second) && is_there("secret"));
    assert_int_equal(n_told, 0);
}

static void files_of_others_stay(void **state)
{
    const char *name = make_segment(1, 0, 1, 3, MCPA_STR(""));

    (void)state;
    admind_adopt_free(&adopt);
    adopt = admind_adopt_new(ingest, in_dir("spool"), geteuid() + 1, linked, NULL);
    assert_non_null(adopt);
    (void)run();
    assert_true(is_there(name));
    assert_int_equal(n_told, 0);
}

/* What comes before a journalled record counts as known for ever, so nobody may overtake. */
static void nothing_overtakes_a_segment_that_must_wait(void **state)
{
    const char *first = make_segment(1, 0, 1, 3, MCPA_STR("")), *second = make_segment(1, 2, 4, 6, MCPA_STR(""));
    const char *other = make_segment(2, 0, 1, 3, MCPA_STR(""));
    int fd = open(in_dir(first), O_RDWR);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0); /* as it is while the kernel ends its owner, one descriptor after the other */
    (void)run();
    assert_true(is_there(first) && is_there(second));
    assert_false(is_there(other));
    close(fd);
    assert_int_equal(chmod(in_dir(first), 0666), 0); /* or what an administrator has to mend */
    (void)run();
    assert_true(is_there(first) && is_there(second));
    assert_int_equal(chmod(in_dir(first), 0660), 0);
    (void)run();
    assert_int_equal(durable(1), 6);
    assert_int_equal(n_told, 9); /* no gap */
}

/* A look that saw some of a child's segments and not those before them: whichever file was asked for first is not in the queue. */
static void a_segment_that_a_look_missed_comes_before_the_next_one(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 8; number++) {
        (void)make_segment(1, number, 1 + 2 * number, 2 + 2 * number, MCPA_STR(""));
    }
    first_linked = true;
    (void)run();
    (void)run();
    assert_int_equal(durable(1), 16);
    assert_int_equal(n_told, 16); /* no gap */
}

static void a_segment_under_another_name_stays(void **state)
{
    const char *name = make_segment(1, 0, 1, 3, MCPA_STR("")), *wrong = "spool/77000000000000000000000000000000.00000000";

    (void)state;
    assert_int_equal(rename(in_dir(name), in_dir(wrong)), 0);
    (void)run();
    assert_true(is_there(wrong));
    assert_int_equal(n_told, 0);
}

/* More files than one look takes, none of them to be adopted, and an honest one behind them. */
static void many_odd_files_do_not_hide_the_others(void **state)
{
    const char *name = make_segment(1, 0, 1, 3, MCPA_STR("")), *early = make_segment(0, 0, 1, 3, MCPA_STR(""));
    unsigned slices;

    (void)state;
    for (int i = 0; i < 17000; i++) {
        char odd[64];

        (void)snprintf(odd, sizeof(odd), "spool/%032d.00000000", i);
        put_file(odd, "", 0);
        assert_int_equal(chmod(in_dir(odd), 0666), 0);
    }
    slices = run();
    assert_true(slices > 100); /* nobody waits for all of it */
    slices += run();
    (void)run();
    assert_false(is_there(name) || is_there(early));
    assert_int_equal(n_told, 6);
    assert_true(slices < 400);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(dead_segments_are_taken_in_order_and_removed),
        TEST(nothing_is_removed_before_it_is_durable),
        TEST(after_a_failed_commit_it_is_read_again),
        TEST(a_locked_segment_has_a_living_owner),
        TEST(a_linked_child_sends_its_records_itself),
        TEST(a_large_segment_takes_many_slices),
        TEST(a_hole_is_journalled_and_what_follows_is_kept),
        TEST(an_empty_segment_is_removed),
        TEST(what_is_none_of_ours_stays),
        TEST(files_of_others_stay),
        TEST(nothing_overtakes_a_segment_that_must_wait),
        TEST(a_segment_that_a_look_missed_comes_before_the_next_one),
        TEST(a_segment_under_another_name_stays),
        TEST(many_odd_files_do_not_hide_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
