/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an operator can see that a receiver does not get what it should: it is late, its place cannot be kept, or the daemon is at older files. */
#include "test_admind_forward.h"

#include <signal.h>
#include <sys/resource.h>

#include "audit/gzip.h"
#include "base/text.h"
#include "forward/tcp.h"

static double lag(world_t *world)
{
    admind_forward_refresh(world->forward);
    return number(world, MCPA_METRIC_FORWARD_LAG);
}

/* A line of that moment, by the test's clock. */
static void write_at(world_t *world, int64_t wall_us)
{
    char line[200], stamp[25];

    mcpa_text_rfc3339(stamp, wall_us);
    world->lines++;
    (void)snprintf(line, sizeof(line), "{\"ts\":\"%s\",\"sub\":\"s%u.\",\"instance\":\"00112233445566778899aabbccddeeff\",\"seq\":%u}", stamp,
                   world->lines, world->lines);
    assert_int_equal(admind_journal_append(world->journal, mcpa_str(line), NOON_US), MCPA_OK);
    assert_int_equal(admind_journal_commit(world->journal), MCPA_OK);
    admind_forward_round(world->forward);
}

static void lag_is_the_age_of_the_oldest_line_that_was_not_taken(void **state)
{
    world_t *world = *state;
    admind_forward_view_t view;

    start(world, 0);
    assert_true(lag(world) == 0);
    write_at(world, FAKE_WALL_START - 30 * S);
    fake_advance(&world->loop, S);
    write_at(world, FAKE_WALL_START + S);
    the_stream->events.connected(the_stream->events.ctx);
    fake_advance(&world->loop, 9 * S);
    assert_true(lag(world) == 40);
    assert_true(admind_forward_view(world->forward, 0, &view) && view.lag_s == 40);
    acknowledge(world); /* the first one only: the second came while it stood */
    fake_advance(&world->loop, 4 * S);
    assert_true(lag(world) >= 13 && lag(world) < 15);
    acknowledge(world);
    fake_advance(&world->loop, S);
    assert_true(lag(world) == 0);
    fake_advance(&world->loop, 3600 * S);
    assert_true(lag(world) == 0);
    write_at(world, FAKE_WALL_START + 36000 * S); /* a clock that is ahead */
    fake_advance(&world->loop, S);
    assert_true(lag(world) == 0);
}

/* Attack: a receiver whose kernel takes what fits into its socket, and whose program never reads. */
static void a_receiver_that_never_reads_is_seen_to_fall_behind(void **state)
{
    world_t *world = *state;
    double before = -1;
    unsigned worse = 0;

    start(world, 0);
    for (int minute = 0; minute < 60; minute++) {
        write_at(world, admind_loop_wall_us(&world->loop));
        for (int second = 0; second < 60; second++) {
            fake_advance(&world->loop, S);
            if (the_stream != NULL && the_stream->len == 0 && the_stream->unacked == 0) {
                the_stream->room = 400; /* of the receiver's socket, for ever */
                the_stream->events.connected(the_stream->events.ctx);
            }
            if (the_stream != NULL && the_stream->room > 0) {
                the_stream->unacked = 0;
            }
        }
        worse += lag(world) > before;
        before = lag(world);
    }
    assert_true(number(world, MCPA_METRIC_FORWARD_LAST_SUCCESS) > 0); /* it takes something, again and again */
    assert_true(before > 3000);
    assert_true(worse > 50);
}

static void a_first_cursor_that_cannot_be_written_is_told_and_tried_again(void **state)
{
    world_t *world = *state;
    admind_forward_view_t view;

    assert_int_equal(mkdir(in_dir("forward-otlp.json.tmp"), 0700), 0); /* in the way */
    start(world, 1);
    assert_false(admind_forward_has_cursors(world->forward));
    admind_forward_refresh(world->forward);
    assert_true(number(world, MCPA_METRIC_FORWARD_CURSOR_FAILING) == 1);
    assert_true(admind_forward_view(world->forward, 0, &view));
    assert_string_equal(view.last_error, "its cursor cannot be written");
    fake_advance(&world->loop, 10 * S);
    assert_false(admind_forward_has_cursors(world->forward));
    assert_int_equal(rmdir(in_dir("forward-otlp.json.tmp")), 0);
    fake_advance(&world->loop, 2 * S);
    assert_true(admind_forward_has_cursors(world->forward) && is_there("forward-otlp.json"));
    admind_forward_refresh(world->forward);
    assert_true(number(world, MCPA_METRIC_FORWARD_CURSOR_FAILING) == 0);
    assert_true(admind_forward_view(world->forward, 0, &view));
    assert_string_equal(view.last_error, "");
}

/* ---- older files */

#define OLDER      "audit-2026-11-20.jsonl"
#define OLDER_MB   12
#define OLDER_TURN 5 /* milliseconds between two slices */

/* A compressed file of OLDER_MB, a cursor before its last line, and a journal that went on. */
static void compress_older(world_t *world)
{
    static char block[1 << 20];
    admind_position_t at = { .file = OLDER };
    int fd = open(in_dir(OLDER ".gz"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    admind_gzip_t *gzip = admind_gzip_new(fd);
    const char last[] = "{\"sub\":\"deep.\",\"instance\":\"00112233445566778899aabbccddeeff\",\"seq\":1}\n";

    memset(block, '\n', sizeof(block));
    for (int i = 0; i < OLDER_MB; i++) {
        assert_int_equal(admind_gzip_write(gzip, block, sizeof(block)), MCPA_OK);
    }
    assert_int_equal(admind_gzip_write(gzip, last, sizeof(last) - 1), MCPA_OK);
    assert_int_equal(admind_gzip_finish(gzip), MCPA_OK);
    admind_gzip_free(&gzip);
    close(fd);
    at.offset = (uint64_t)OLDER_MB * sizeof(block);
    assert_int_equal(admind_cursor_save(&at, test_dir, "otlp", NOON_US), MCPA_OK);
    assert_int_equal(admind_journal_append(world->journal, MCPA_STR("today"), NOON_US), MCPA_OK);
    assert_int_equal(admind_journal_commit(world->journal), MCPA_OK);
}

/* RLIMIT_FSIZE stands for a full disk. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool deep_was_sent(void)
{
    return the_fetcher->fetches[0].waiting && strstr(the_fetcher->fetches[0].body, "deep.") != NULL;
}

static void a_place_deep_in_a_compressed_file_is_reached_in_turns(void **state)
{
    world_t *world = *state;
    int turns = 0;

    compress_older(world);
    start(world, 1);
    admind_forward_round(world->forward);
    fake_advance(&world->loop, 200 * MS - 1);
    while (!deep_was_sent() && turns < 1000) { /* one turn's work is bounded: so many are needed */
        fake_advance(&world->loop, OLDER_TURN * MS + 1);
        turns++;
    }
    assert_in_range(turns, OLDER_MB / 2, 4 * OLDER_MB);
}

static void a_failing_journal_does_not_stop_work_on_older_files(void **state)
{
    world_t *world = *state;
    int rounds = 0;

    compress_older(world);
    start(world, 1);
    admind_forward_round(world->forward);
    limit_files(10);
    assert_int_equal(admind_journal_append(world->journal, MCPA_STR("too much for the disk"), NOON_US), MCPA_OK);
    assert_int_equal(admind_journal_commit(world->journal), MCPA_EIO);
    while (!deep_was_sent() && rounds < 1000) {
        fake_advance(&world->loop, MS);
        admind_forward_round(world->forward);
        rounds++;
    }
    limit_files(RLIM_INFINITY);
    assert_true(deep_was_sent());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lag_is_the_age_of_the_oldest_line_that_was_not_taken),
        TEST(a_receiver_that_never_reads_is_seen_to_fall_behind),
        TEST(a_first_cursor_that_cannot_be_written_is_told_and_tried_again),
        TEST(a_place_deep_in_a_compressed_file_is_reached_in_turns),
        TEST(a_failing_journal_does_not_stop_work_on_older_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
