/* SPDX-License-Identifier: Apache-2.0 */
/* A committed record is never lost, never doubled and never out of order, from one segment to the next and with threads in each other's way. */
#include "test_mod_spool.h"

/* ---- the plain life ---- */

static void spool_gives_back_what_was_committed_in_order(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    found_t found;

    (void)state;
    assert_int_equal(mod_mcp_spool_oldest(spool), 1);
    assert_int_equal(mod_mcp_spool_newest(spool), 0);
    for (int i = 1; i <= 1000; i++) {
        assert_int_equal(commit(spool, i, (size_t)i), MCPA_OK);
    }
    found = read_all(spool, 0);
    assert_int_equal(found.first_seq, 1);
    assert_int_equal(found.last_seq, 1000);
    assert_int_equal(found.last_number, 1000);
    assert_int_equal(mod_mcp_spool_newest(spool), 1000);
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
}

static void spool_reads_again_from_any_record(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));

    (void)state;
    for (int i = 1; i <= 3000; i++) {
        assert_int_equal(commit(spool, i, 900), MCPA_OK);
    }
    for (uint64_t sent = 2999; sent > 100; sent -= 83) {
        found_t found = read_all(spool, sent);

        assert_int_equal(found.first_seq, sent + 1);
        assert_int_equal(found.last_seq, 3000);
        assert_int_equal(found.last_number, 3000);
    }
    assert_int_equal(read_all(spool, 3000).last_seq, 0);
}

static void spool_takes_records_of_the_greatest_size_and_of_the_smallest(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    mcpa_record_t record;

    (void)state;
    write_greatest(&record);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(mod_mcp_spool_commit(spool, &record), MCPA_OK);
        assert_int_equal(commit(spool, i, 0), MCPA_OK);
    }
    assert_int_equal(read_all(spool, 0).last_seq, 400);
}

static void spool_file_is_named_locked_preallocated_and_readable_by_the_group_whatever_the_umask(void **state)
{
    char *names[4];
    char hex[33];
    unsigned char bytes[MCPA_SEGMENT_HEADER_BYTES];
    mcpa_segment_header_t header;
    mod_mcp_spool_t *spool;
    struct stat info;
    mode_t mask = umask(0777);
    int fd;

    (void)state;
    spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    umask(mask);
    assert_int_equal(list_dir(test_dir, names, 4), 1);
    mcpa_hex(hex, mod_mcp_spool_instance(spool), MCPA_INSTANCE_BYTES);
    assert_string_equal(names[0], apr_pstrcat(test_pool, hex, ".00000000", NULL));
    fd = open(in_test_dir(names[0]), O_RDONLY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0660);
    assert_int_equal(info.st_size, MCPA_SEGMENT_BYTES);
    assert_true(info.st_blocks * 512 >= MCPA_SEGMENT_BYTES);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
    assert_int_equal(mcpa_segment_header_read(&header, bytes, sizeof(bytes)), MCPA_OK);
    assert_memory_equal(header.instance, mod_mcp_spool_instance(spool), MCPA_INSTANCE_BYTES);
    assert_int_equal(header.first_seq, 1);
    assert_int_equal(header.size, MCPA_SEGMENT_BYTES);
    close(fd);
}

static void spool_descriptors_close_at_exec(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    unsigned files = 0;

    (void)state;
    assert_non_null(spool);
    for (int fd = 0; fd < 256; fd++) {
        char target[512];
        ssize_t len = readlink(apr_psprintf(test_pool, "/proc/self/fd/%d", fd), target, sizeof(target) - 1);

        if (len > 0 && (target[len] = '\0', strstr(target, test_dir) != NULL)) {
            files++;
            assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    assert_int_equal(files, 1);
}

/* ---- segments ---- */

static void spool_goes_on_in_the_next_segment_and_unlinks_what_is_acknowledged(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));

    (void)state;
    for (int i = 1; i <= 3000; i++) { /* about three segments */
        assert_int_equal(commit(spool, i, 1000), MCPA_OK);
    }
    assert_int_equal(count_files(test_dir), 3);
    mod_mcp_spool_acked(spool, 10);
    assert_int_equal(mod_mcp_spool_oldest(spool), 11);
    assert_int_equal(count_files(test_dir), 3);
    mod_mcp_spool_acked(spool, 1500);
    assert_int_equal(count_files(test_dir), 2);
    mod_mcp_spool_acked(spool, 5); /* an old acknowledgement takes nothing back */
    assert_int_equal(mod_mcp_spool_oldest(spool), 1501);
    assert_int_equal(read_all(spool, 1500).last_seq, 3000);
    mod_mcp_spool_acked(spool, UINT64_MAX); /* more than there is */
    assert_int_equal(mod_mcp_spool_oldest(spool), 3001);
    assert_int_equal(count_files(test_dir), 1);
    assert_int_equal(commit(spool, 3001, 10), MCPA_OK);
    assert_int_equal(read_all(spool, 3000).first_seq, 3001);
}

static void spool_reads_right_after_the_segment_it_read_from_is_gone(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    uint64_t n = 0;

    (void)state;
    for (int round = 0; round < 6; round++) {
        assert_int_equal(commit(spool, 1, 50), MCPA_OK);
        n++;
        assert_int_equal(read_all(spool, n - 1).last_seq, n);
        /* Acknowledged without being read here; the second time into memory that the first time freed. */
        for (int i = 0; i < 5000; i++) {
            assert_int_equal(commit(spool, i, 1000), MCPA_OK);
            n++;
            if (i % 1250 == 0) {
                mod_mcp_spool_acked(spool, n - 1);
            }
        }
        mod_mcp_spool_acked(spool, n - 1);
        assert_int_equal(read_all(spool, n - 1).last_seq, n);
    }
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
}

static void spool_prepares_the_next_segment_when_half_of_the_current_one_is_used(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));

    (void)state;
    for (int i = 1; i <= 400; i++) {
        assert_int_equal(commit(spool, i, 1000), MCPA_OK);
    }
    mod_mcp_spool_tend(spool);
    assert_int_equal(count_files(test_dir), 1);
    for (int i = 401; i <= 600; i++) {
        assert_int_equal(commit(spool, i, 1000), MCPA_OK);
    }
    mod_mcp_spool_tend(spool);
    mod_mcp_spool_tend(spool);
    assert_int_equal(count_files(test_dir), 2);
    /* From now on there is no room for another file, and none is needed. */
    atomic_store(&disk_full, 1);
    for (int i = 601; i <= 1500; i++) {
        assert_int_equal(commit(spool, i, 1000), MCPA_OK);
    }
    assert_int_equal(read_all(spool, 0).last_seq, 1500);
}

static void spool_backlog_is_what_was_committed_and_not_acknowledged(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    apr_uint64_t all;

    (void)state;
    assert_int_equal(mod_mcp_spool_backlog_bytes(spool), 0);
    for (int i = 1; i <= 2000; i++) {
        assert_int_equal(commit(spool, i, 1000), MCPA_OK);
    }
    all = mod_mcp_spool_backlog_bytes(spool);
    assert_true(all > 2000 * 1000 && all < 2000 * 1100);
    mod_mcp_spool_acked(spool, 500);
    assert_in_range(mod_mcp_spool_backlog_bytes(spool), all / 4 * 3 - 2000, all / 4 * 3 + 2000);
    mod_mcp_spool_acked(spool, 2000);
    assert_int_equal(mod_mcp_spool_backlog_bytes(spool), 0);
}

/* ---- threads ---- */

#define THREADS 8
#define EACH    5000

static mod_mcp_spool_t *shared_spool;
static atomic_uint committed_count;

static void *commit_many(void *arg)
{
    int64_t base = (int64_t)(intptr_t)arg * 1000000;

    for (int i = 0; i < EACH; i++) {
        if (commit(shared_spool, base + i, (size_t)(i * 7 % 900)) == MCPA_OK) {
            atomic_fetch_add(&committed_count, 1);
        }
    }
    return NULL;
}

static void spool_keeps_every_record_once_and_in_order_while_eight_threads_commit_and_the_link_reads(void **state)
{
    static unsigned char buffer[FRAME_CAP];
    static int64_t next[THREADS];
    pthread_t threads[THREADS];
    apr_uint64_t last = 0;
    uint64_t seen = 0;
    unsigned idle = 0;

    (void)state;
    shared_spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(64));
    atomic_store(&committed_count, 0);
    for (int i = 0; i < THREADS; i++) {
        next[i] = 0;
        assert_int_equal(pthread_create(&threads[i], NULL, commit_many, (void *)(intptr_t)i), 0);
    }
    while (seen < THREADS * EACH && idle < 5000) {
        mcpa_envelope_t envelope;
        mcpa_record_t record;
        apr_uint32_t count;
        apr_size_t len;

        mod_mcp_spool_tend(shared_spool);
        len = mod_mcp_spool_read(shared_spool, last, buffer, sizeof(buffer), &count, &last);
        idle = len > 0 ? 0 : idle + 1;
        if (len == 0) {
            usleep(1000);
        }
        for (apr_size_t at = 0; at < len; at += envelope.total_len) {
            assert_int_equal(mcpa_envelope_open(&envelope, buffer + at, len - at, mod_mcp_spool_instance(shared_spool)), MCPA_OK);
            assert_int_equal(envelope.seq, ++seen);
            assert_int_equal(mcpa_record_decode(&record, envelope.payload, envelope.payload_len), MCPA_OK);
            /* Each thread's own records come in its own order. */
            assert_int_equal(record.status % 1000000, next[record.status / 1000000]++);
        }
        if (seen % 3 == 0) {
            mod_mcp_spool_acked(shared_spool, seen);
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(seen, THREADS * EACH);
    assert_int_equal(atomic_load(&committed_count), THREADS * EACH);
    assert_int_equal(mod_mcp_spool_lost(shared_spool), 0);
    mod_mcp_spool_acked(shared_spool, seen);
    assert_true(count_files(test_dir) <= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(spool_gives_back_what_was_committed_in_order),
        SPOOL_TEST(spool_reads_again_from_any_record),
        SPOOL_TEST(spool_takes_records_of_the_greatest_size_and_of_the_smallest),
        SPOOL_TEST(spool_file_is_named_locked_preallocated_and_readable_by_the_group_whatever_the_umask),
        SPOOL_TEST(spool_descriptors_close_at_exec),
        SPOOL_TEST(spool_goes_on_in_the_next_segment_and_unlinks_what_is_acknowledged),
        SPOOL_TEST(spool_reads_right_after_the_segment_it_read_from_is_gone),
        SPOOL_TEST(spool_prepares_the_next_segment_when_half_of_the_current_one_is_used),
        SPOOL_TEST(spool_backlog_is_what_was_committed_and_not_acknowledged),
        SPOOL_TEST(spool_keeps_every_record_once_and_in_order_while_eight_threads_commit_and_the_link_reads),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
