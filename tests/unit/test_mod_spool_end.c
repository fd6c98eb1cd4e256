/* SPDX-License-Identifier: Apache-2.0 */
/* What stays of a child that ends or is killed, and directories that are hostile or damaged. */
#include "test_mod_spool.h"

#include <sys/wait.h>

/* ---- the end of a child ---- */

static void spool_leaves_no_file_when_all_was_acknowledged(void **state)
{
    apr_pool_t *pool;
    mod_mcp_spool_t *spool;

    (void)state;
    apr_pool_create(&pool, test_pool);
    spool = mod_mcp_spool_new(pool, test_dir, SEGMENTS(8));
    for (int i = 1; i <= 1800; i++) {
        assert_int_equal(commit(spool, i, 1000), MCPA_OK);
    }
    mod_mcp_spool_tend(spool);
    mod_mcp_spool_acked(spool, 1800);
    apr_pool_destroy(pool);
    assert_int_equal(count_files(test_dir), 0);
}

static void spool_leaves_the_rest_unlocked_for_the_daemon_to_adopt(void **state)
{
    apr_pool_t *pool;
    mod_mcp_spool_t *spool;
    found_t found;

    (void)state;
    apr_pool_create(&pool, test_pool);
    spool = mod_mcp_spool_new(pool, test_dir, SEGMENTS(8));
    for (int i = 1; i <= 2500; i++) {
        assert_int_equal(commit(spool, i, 1000), MCPA_OK);
    }
    mod_mcp_spool_tend(spool);
    mod_mcp_spool_acked(spool, 1200);
    apr_pool_destroy(pool);
    assert_int_equal(count_files(test_dir), 2); /* the first is done, the prepared one was never used */
    found = adopt(test_dir);
    assert_true(found.first_seq <= 1201);
    assert_int_equal(found.last_seq, 2500);
}

static void spool_tells_its_losses_at_the_end_even_when_it_is_full(void **state)
{
    apr_pool_t *pool;
    mod_mcp_spool_t *spool;
    found_t found;

    (void)state;
    apr_pool_create(&pool, test_pool);
    spool = mod_mcp_spool_new(pool, test_dir, SEGMENTS(1));
    (void)fill(spool);
    while (commit(spool, 0, 0) == MCPA_OK) { /* to the last byte that requests may have */
    }
    for (int i = 0; i < 100; i++) {
        (void)!commit(spool, 0, 0);
    }
    apr_pool_destroy(pool);
    found = adopt(test_dir);
    assert_int_equal(found.gap_lost, 102); /* one each ended the two fillings */
}

static void spool_of_a_killed_child_holds_everything_it_was_told_is_committed(void **state)
{
    unsigned seed = (unsigned)time(NULL);

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 10; round++) {
        uint64_t committed = 0;
        uint64_t told;
        found_t found;
        int pipes[2];
        pid_t child;

        assert_int_equal(pipe(pipes), 0);
        child = fork();
        if (child == 0) {
            mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(200));

            for (uint64_t i = 1; commit(spool, (int64_t)i, 700) == MCPA_OK; i++) {
                if (i % 300 == 0) {
                    mod_mcp_spool_tend(spool);
                }
                (void)!write(pipes[1], &i, sizeof(i));
            }
            _exit(1);
        }
        close(pipes[1]);
        usleep((useconds_t)(20000 + rand() % 20000));
        kill(child, SIGKILL);
        while (read(pipes[0], &told, sizeof(told)) == (ssize_t)sizeof(told)) {
            committed = told;
        }
        close(pipes[0]);
        waitpid(child, NULL, 0);
        found = adopt(test_dir);
        assert_true(found.last_seq >= committed && found.last_seq <= committed + 1);
        assert_true(committed == 0 || found.first_seq == 1);
        assert_int_equal(found.last_number, (int64_t)found.last_seq);
        remove_tree(test_dir);
        assert_int_equal(mkdir(test_dir, 0700), 0);
    }
}

/* ---- hostile or damaged directories ---- */

static void spool_refuses_a_symlinked_directory(void **state)
{
    mod_mcp_spool_t *spool;

    (void)state;
    assert_int_equal(mkdir(in_test_dir("real"), 0770), 0);
    assert_int_equal(symlink("real", in_test_dir("linked")), 0);
    spool = mod_mcp_spool_new(test_pool, in_test_dir("linked"), SEGMENTS(8));
    assert_int_equal(commit(spool, 1, 1), MCPA_EIO);
    assert_true(mod_mcp_spool_error(spool) == ENOTDIR || mod_mcp_spool_error(spool) == ELOOP);
    assert_int_equal(count_files(in_test_dir("real")), 0);
}

static void spool_refuses_a_directory_everybody_may_write_to(void **state)
{
    mod_mcp_spool_t *spool;

    (void)state;
    assert_int_equal(chmod(test_dir, 0777), 0);
    spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    assert_int_equal(commit(spool, 1, 1), MCPA_EIO);
    assert_int_equal(mod_mcp_spool_error(spool), EPERM);
    assert_int_equal(count_files(test_dir), 0);
}

static void spool_replaces_records_it_cannot_read_back_so_that_seq_has_no_holes(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    char *names[4];
    found_t found;
    int fd;

    (void)state;
    for (int i = 1; i <= 500; i++) {
        assert_int_equal(commit(spool, i, 1000), MCPA_OK);
    }
    assert_int_equal(list_dir(test_dir, names, 4), 1);
    fd = open(in_test_dir(names[0]), O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "damage", 6, 300 * 1030), 6);
    close(fd);
    found = read_all(spool, 0);
    assert_int_equal(found.last_seq, 500);
    assert_int_equal(found.requests + found.gaps, 500);
    assert_int_equal(found.gap_lost, found.gaps);
    assert_in_range(found.gaps, 150, 250);
    assert_int_equal(mod_mcp_spool_lost(spool), found.gaps);
    assert_int_equal(commit(spool, 501, 1000), MCPA_OK);
    /* The same again, as after a reconnect; and what comes later is whole. */
    found = read_all(spool, 400);
    assert_int_equal(found.first_seq, 401);
    assert_int_equal(found.last_seq, 501);
    assert_int_equal(found.last_number, 501);
    assert_int_equal(found.gaps, 100);
    mod_mcp_spool_acked(spool, 500);
    assert_int_equal(count_files(test_dir), 1);
}

static void spool_sweeps_what_a_child_killed_while_making_a_segment_left_behind(void **state)
{
    struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    mod_mcp_spool_t *spool;
    int held;

    (void)state;
    close(open(in_test_dir(".tmp-0123456789abcdef0123456789abcdef.00000000"), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    assert_int_equal(utimensat(AT_FDCWD, in_test_dir(".tmp-0123456789abcdef0123456789abcdef.00000000"), old, 0), 0);
    held = open(in_test_dir(".tmp-held"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(flock(held, LOCK_EX), 0);
    assert_int_equal(utimensat(AT_FDCWD, in_test_dir(".tmp-held"), old, 0), 0);
    close(open(in_test_dir(".tmp-young"), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    assert_int_equal(commit(spool, 1, 1), MCPA_OK);
    assert_int_equal(access(in_test_dir(".tmp-0123456789abcdef0123456789abcdef.00000000"), F_OK), -1);
    assert_int_equal(access(in_test_dir(".tmp-held"), F_OK), 0);
    assert_int_equal(access(in_test_dir(".tmp-young"), F_OK), 0);
    close(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(spool_leaves_no_file_when_all_was_acknowledged),
        SPOOL_TEST(spool_leaves_the_rest_unlocked_for_the_daemon_to_adopt),
        SPOOL_TEST(spool_tells_its_losses_at_the_end_even_when_it_is_full),
        SPOOL_TEST(spool_of_a_killed_child_holds_everything_it_was_told_is_committed),
        SPOOL_TEST(spool_refuses_a_symlinked_directory),
        SPOOL_TEST(spool_refuses_a_directory_everybody_may_write_to),
        SPOOL_TEST(spool_replaces_records_it_cannot_read_back_so_that_seq_has_no_holes),
        SPOOL_TEST(spool_sweeps_what_a_child_killed_while_making_a_segment_left_behind),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
