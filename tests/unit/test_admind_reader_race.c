/* SPDX-License-Identifier: Apache-2.0 */
/* A reader beside a daemon that writes, rotates and compresses as fast as it can: each line once, in order, whatever happens
 * between two of its steps; so for one that follows, and for one that begins anew again and again. */
#include "admind_support.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <signal.h>

#include "audit/reader.h"
#include "audit/shelf.h"

#define LINES      20000
#define FILE_BYTES 8192
#define BATCH      20

static char error[512];

/* The daemon's part, in a process of its own. */
static void write_lines(void)
{
    admind_journal_t *journal = admind_journal_open(test_dir, FILE_BYTES, error, sizeof(error));
    admind_shelf_t *shelf = admind_shelf_new(test_dir);
    admind_position_t position = { .offset = 0 };

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (journal == NULL || shelf == NULL || admind_journal_replay(journal, &position, NULL, NULL) != MCPA_OK) {
        _exit(1);
    }
    for (unsigned i = 0; i < LINES; i++) {
        char line[80];

        (void)snprintf(line, sizeof(line), "%u %x and so on", i, i * 2654435761U);
        if (admind_journal_append(journal, mcpa_str(line), NOON_US) != MCPA_OK ||
            (i % BATCH == BATCH - 1 && admind_journal_commit(journal) != MCPA_OK)) {
            _exit(1);
        }
        if (i % BATCH == BATCH - 1) {
            admind_journal_position(journal, &position);
            (void)admind_shelf_step(shelf, &position);
        }
    }
    admind_shelf_free(&shelf);
    admind_journal_close(&journal);
    _exit(0);
}

static pid_t start_writer(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        write_lines();
    }
    return pid;
}

/* Lines until there are no more for now; *next counts them. */
static void take(admind_reader_t *reader, unsigned *next)
{
    mcpa_status_t status;
    mcpa_str_t line;

    while ((status = admind_reader_next(reader, &line)) == MCPA_OK) {
        char want[80];

        (void)snprintf(want, sizeof(want), "%u %x and so on", *next, *next * 2654435761U);
        if (!mcpa_str_eqz(line, want)) {
            fail_msg("'%s' expected, '%.*s' read from %s", want, MCPA_STR_ARG(line), admind_reader_file(reader));
        }
        (*next)++;
    }
    if (status != MCPA_ENOTFOUND) {
        fail_msg("%s in %s behind line %u", mcpa_status_word(status), admind_reader_file(reader), *next);
    }
}

static admind_reader_t *open_reader(const admind_position_t *from)
{
    admind_reader_t *reader = admind_reader_open(test_dir, from, error, sizeof(error));

    assert_non_null(reader);
    return reader;
}

/* It ended before now: what it wrote is all there. */
static bool has_ended(pid_t pid)
{
    siginfo_t info = { .si_pid = 0 };

    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    return info.si_pid != 0;
}

static void assert_done(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_follower_beside_the_daemon_sees_each_line_once(void **state)
{
    pid_t pid = start_writer();
    admind_reader_t *reader = open_reader(NULL);
    unsigned next = 0;

    (void)state;
    for (bool ended = false; !ended;) {
        ended = has_ended(pid);
        take(reader, &next);
    }
    assert_int_equal(next, LINES);
    assert_false(admind_reader_skipped(reader));
    admind_reader_close(&reader);
    assert_done(pid);
}

static void a_position_taken_anywhere_goes_on_there(void **state)
{
    pid_t pid = start_writer();
    admind_position_t position = { .offset = 0 };
    unsigned next = 0;

    (void)state;
    for (bool ended = false; !ended;) {
        admind_reader_t *reader = open_reader(&position);

        ended = has_ended(pid);
        take(reader, &next);
        admind_reader_position(reader, &position);
        assert_false(admind_reader_skipped(reader));
        admind_reader_close(&reader);
    }
    assert_int_equal(next, LINES);
    assert_done(pid);
}

static void a_reading_from_the_begin_is_without_holes_at_any_moment(void **state)
{
    pid_t pid = start_writer();
    unsigned before = 0;

    (void)state;
    for (bool ended = false; !ended;) {
        admind_reader_t *reader;
        unsigned next = 0;

        ended = has_ended(pid);
        reader = open_reader(NULL);
        take(reader, &next);
        admind_reader_close(&reader);
        assert_true(next >= before);
        before = next;
    }
    assert_int_equal(before, LINES);
    assert_done(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_follower_beside_the_daemon_sees_each_line_once, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_position_taken_anywhere_goes_on_there, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_reading_from_the_begin_is_without_holes_at_any_moment, make_dir, drop_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
