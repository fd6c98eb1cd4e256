/* SPDX-License-Identifier: Apache-2.0 */
/* durability=sync: a commit counts when the disk has it, one sync serves all that wait, and a disk that hangs or fails is told from one that works. */
#include "test_mod_spool.h"

#include "clock.h"

#define PATIENT_MS 60000

/* The disk: counts its syncs, hangs, fails. These take the place of libc's in this program. */
static atomic_uint file_syncs, dir_syncs, syncs_to_fail;
static atomic_bool hangs, is_hanging;

static int faulty_sync(int fd, long call)
{
    struct stat info;

    assert_int_equal(fstat(fd, &info), 0);
    while (atomic_load(&hangs)) {
        atomic_store(&is_hanging, true);
        usleep(1000);
    }
    atomic_store(&is_hanging, false);
    atomic_fetch_add(S_ISDIR(info.st_mode) ? &dir_syncs : &file_syncs, 1);
    if (atomic_load(&syncs_to_fail) > 0) {
        atomic_fetch_sub(&syncs_to_fail, 1);
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, fd);
}

int test_fsync(int fd) __asm__("fsync");
int test_fdatasync(int fd) __asm__("fdatasync");

int test_fsync(int fd)
{
    return faulty_sync(fd, SYS_fsync);
}

int test_fdatasync(int fd)
{
    return faulty_sync(fd, SYS_fdatasync);
}

static mod_mcp_spool_t *spool;

static int sync_setup(void **state)
{
    atomic_store(&file_syncs, 0);
    atomic_store(&dir_syncs, 0);
    atomic_store(&syncs_to_fail, 0);
    atomic_store(&hangs, false);
    if (setup(state) != 0) {
        return -1;
    }
    spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    return spool != NULL && mod_mcp_spool_sync_start(spool) ? 0 : -1;
}

static int teardown(void **state)
{
    atomic_store(&hangs, false);
    if (!mod_mcp_spool_sync_end(spool, PATIENT_MS)) {
        return -1;
    }
    return support_teardown(state);
}

#define SYNC_TEST(function) cmocka_unit_test_setup_teardown(function, sync_setup, teardown)

static void wait_for(bool (*condition)(unsigned), unsigned n)
{
    int ms = 0;

    while (ms < PATIENT_MS && !condition(n)) {
        usleep(1000);
        ms++;
    }
    assert_true(ms < PATIENT_MS);
}

static bool has_committed(unsigned n)
{
    return mod_mcp_spool_newest(spool) == n;
}

static bool has_hung(unsigned unused)
{
    (void)unused;
    return atomic_load(&is_hanging);
}

static bool commits_again(unsigned unused)
{
    (void)unused;
    return commit(spool, 1, 1) == MCPA_OK;
}

static void a_commit_returns_after_its_sync(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 20; i++) {
        unsigned before = atomic_load(&file_syncs);

        assert_int_equal(commit(spool, 1, i), MCPA_OK);
        assert_true(atomic_load(&file_syncs) > before);
    }
    /* The file's name, once. */
    assert_int_equal(atomic_load(&dir_syncs), 1);
}

static void each_new_segments_name_is_synced(void **state)
{
    (void)state;
    for (int i = 0; i < 2500; i++) {
        assert_int_equal(commit(spool, 1, 1000), MCPA_OK);
    }
    assert_int_equal(atomic_load(&dir_syncs), 3);
}

static atomic_uint returned, confirmed;

static void *commit_one(void *unused)
{
    (void)unused;
    if (commit(spool, 1, 100) == MCPA_OK) {
        atomic_fetch_add(&confirmed, 1);
    }
    atomic_fetch_add(&returned, 1);
    return NULL;
}

static void one_sync_serves_all_that_wait(void **state)
{
    pthread_t threads[12];

    (void)state;
    atomic_store(&returned, 0);
    atomic_store(&confirmed, 0);
    assert_int_equal(commit(spool, 1, 1), MCPA_OK);
    atomic_store(&file_syncs, 0);
    atomic_store(&hangs, true);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, commit_one, NULL), 0);
    }
    wait_for(has_committed, 13);
    assert_int_equal(atomic_load(&returned), 0);
    atomic_store(&hangs, false);
    for (int i = 0; i < 12; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&confirmed), 12);
    assert_in_range(atomic_load(&file_syncs), 1, 2); /* the one that hung, and one for those who came during it */
}

static void a_disk_that_hangs_holds_nobody_for_ever_and_is_used_again_when_it_is_back(void **state)
{
    (void)state;
    assert_int_equal(commit(spool, 1, 1), MCPA_OK);
    atomic_store(&hangs, true);
    assert_int_equal(promise(spool), MCPA_EIO);
    for (int i = 0; i < 100; i++) { /* at two seconds each this would never end */
        assert_int_equal(promise(spool), MCPA_EIO);
        assert_int_equal(commit(spool, 1, 1), MCPA_EIO);
    }
    assert_int_equal(mod_mcp_spool_error(spool), ETIMEDOUT);
    /* They stand in the spool and may reach the journal: nothing is lost. */
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
    assert_int_equal(mod_mcp_spool_newest(spool), 202);
    atomic_store(&hangs, false);
    wait_for(commits_again, 0);
}

static void a_failed_sync_is_no_commit_and_ends_its_segment(void **state)
{
    (void)state;
    assert_int_equal(commit(spool, 1, 1), MCPA_OK);
    for (unsigned i = 1; i <= 3; i++) {
        unsigned dirs = atomic_load(&dir_syncs);

        atomic_store(&syncs_to_fail, 1);
        assert_int_equal(i == 2 ? promise(spool) : commit(spool, 1, 1), MCPA_EIO);
        assert_int_equal(mod_mcp_spool_error(spool), EIO);
        /* Into another file, because the kernel may have dropped what it could not write. */
        assert_int_equal(commit(spool, 1, 1), MCPA_OK);
        assert_int_equal(atomic_load(&dir_syncs), dirs + 1);
    }
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
}

static void a_disk_that_fails_every_sync_costs_few_segments(void **state)
{
    apr_int64_t begun_us = mod_mcp_mono_us();

    (void)state;
    atomic_store(&syncs_to_fail, UINT_MAX);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(i % 2 == 0 ? promise(spool) : commit(spool, 1, 1), MCPA_EIO);
        mod_mcp_spool_tend(spool);
    }
    assert_true(count_files(test_dir) <= 3 + 3 * (mod_mcp_mono_us() - begun_us) / 1000000);
    atomic_store(&syncs_to_fail, 0);
    wait_for(commits_again, 0);
}

static void the_end_of_a_promised_record_is_written_whatever_syncs_failed(void **state)
{
    apr_uint64_t lost;

    (void)state;
    assert_int_equal(promise(spool), MCPA_OK);
    atomic_store(&syncs_to_fail, 2);
    assert_int_equal(commit(spool, 1, 1), MCPA_EIO);
    assert_int_equal(commit(spool, 1, 1), MCPA_EIO);
    lost = mod_mcp_spool_lost(spool);
    assert_int_equal(fulfil(spool), MCPA_OK);
    assert_int_equal(mod_mcp_spool_lost(spool), lost);
}

static void a_promise_that_was_not_confirmed_keeps_no_room(void **state)
{
    unsigned n = 0;

    (void)state;
    atomic_store(&hangs, true);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(promise(spool), MCPA_EIO);
    }
    atomic_store(&hangs, false);
    wait_for(commits_again, 0);
    while (promise(spool) == MCPA_OK) {
        n++;
    }
    assert_in_range(n, 8 * 40, 8 * 42);
}

static void a_file_that_is_acknowledged_during_its_sync_stays_open_for_it(void **state)
{
    (void)state;
    atomic_store(&hangs, true);
    for (int i = 0; i < 1200; i++) { /* into the second segment */
        assert_int_equal(commit(spool, 1, 1000), MCPA_EIO);
    }
    mod_mcp_spool_acked(spool, 1200);
    atomic_store(&hangs, false);
    wait_for(commits_again, 0);
    assert_int_equal(mod_mcp_spool_error(spool), ETIMEDOUT); /* and not EBADF */
}

static void who_commits_after_the_threads_end_syncs_alone(void **state)
{
    (void)state;
    assert_int_equal(commit(spool, 1, 1), MCPA_OK);
    assert_true(mod_mcp_spool_sync_end(spool, PATIENT_MS));
    for (int i = 0; i < 5; i++) {
        unsigned before = atomic_load(&file_syncs);

        assert_int_equal(commit(spool, 1, 1), MCPA_OK);
        assert_int_equal(atomic_load(&file_syncs), before + 1);
    }
    atomic_store(&syncs_to_fail, 1);
    assert_int_equal(commit(spool, 1, 1), MCPA_EIO);
}

/* With a disk that hangs: two threads, the second of which waits for the sync after the first one's. */
static void commit_during_a_sync(pthread_t threads[2])
{
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, commit_one, NULL), 0);
        wait_for(has_committed, 2 + i);
        wait_for(has_hung, 0);
    }
}

static void what_is_committed_before_the_end_is_synced_at_the_end(void **state)
{
    pthread_t threads[2];

    (void)state;
    atomic_store(&returned, 0);
    atomic_store(&confirmed, 0);
    assert_int_equal(commit(spool, 1, 1), MCPA_OK);
    atomic_store(&hangs, true);
    commit_during_a_sync(threads);
    assert_false(mod_mcp_spool_sync_end(spool, 20));
    atomic_store(&hangs, false);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&confirmed), 2);
}

static void what_was_appended_during_a_failed_sync_is_not_confirmed_either(void **state)
{
    pthread_t threads[2];

    (void)state;
    atomic_store(&confirmed, 0);
    assert_int_equal(commit(spool, 1, 1), MCPA_OK);
    atomic_store(&hangs, true);
    commit_during_a_sync(threads);
    atomic_store(&syncs_to_fail, 1);
    atomic_store(&hangs, false);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&confirmed), 0);
    assert_int_equal(commit(spool, 1, 1), MCPA_OK);
}

/* ---- many threads, and the link that closes files under the sync ---- */

static atomic_uint working;

static void *commit_many(void *unused)
{
    (void)unused;
    for (int i = 0; i < 500; i++) {
        if (commit(spool, 1, 900) == MCPA_OK) {
            atomic_fetch_add(&confirmed, 1);
        }
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

static void all_commits_are_confirmed_while_the_link_closes_what_is_acknowledged(void **state)
{
    pthread_t threads[8];

    (void)state;
    atomic_store(&confirmed, 0);
    atomic_store(&working, 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, commit_many, NULL), 0);
    }
    while (atomic_load(&working) > 0) {
        mod_mcp_spool_acked(spool, mod_mcp_spool_newest(spool));
        mod_mcp_spool_tend(spool);
        usleep(500); /* the link's pace; the loop ends by 'working' alone */
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&confirmed), 8 * 500);
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
    assert_true(atomic_load(&file_syncs) < 8 * 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNC_TEST(a_commit_returns_after_its_sync),
        SYNC_TEST(each_new_segments_name_is_synced),
        SYNC_TEST(one_sync_serves_all_that_wait),
        SYNC_TEST(a_disk_that_hangs_holds_nobody_for_ever_and_is_used_again_when_it_is_back),
        SYNC_TEST(a_failed_sync_is_no_commit_and_ends_its_segment),
        SYNC_TEST(a_disk_that_fails_every_sync_costs_few_segments),
        SYNC_TEST(the_end_of_a_promised_record_is_written_whatever_syncs_failed),
        SYNC_TEST(a_promise_that_was_not_confirmed_keeps_no_room),
        SYNC_TEST(a_file_that_is_acknowledged_during_its_sync_stays_open_for_it),
        /* Ends the thread itself. */
        cmocka_unit_test_setup_teardown(who_commits_after_the_threads_end_syncs_alone, sync_setup, support_teardown),
        SYNC_TEST(what_is_committed_before_the_end_is_synced_at_the_end),
        SYNC_TEST(what_was_appended_during_a_failed_sync_is_not_confirmed_either),
        SYNC_TEST(all_commits_are_confirmed_while_the_link_closes_what_is_acknowledged),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
