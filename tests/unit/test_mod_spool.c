/* SPDX-License-Identifier: Apache-2.0 */
/* A committed record is never lost, never doubled and never out of order, whatever breaks: disks that fill or fail, torn writes,
 * killed children, threads in each other's way. What cannot be committed is counted exactly. */
#include "mod_support.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "spool.h"

#define SEGMENTS(n) ((apr_uint64_t)(n)*MCPA_SEGMENT_BYTES)
#define FRAME_CAP   (MCPA_FRAME_MAX_BYTES - 12)

/* The disk's bad days: the next 'broken_writes' record writes fail, after letting through 'torn_bytes', and so does every later
 * one to the same file if it 'stays_broken'; allocation fails while 'disk_full'. These take the place of libc's in this program.
 */
static int broken_writes;
static bool stays_broken;
static int broken_fd;
static size_t torn_bytes;
static int disk_full;

static ssize_t faulty_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    if (at >= MCPA_SEGMENT_HEADER_BYTES && (broken_writes > 0 || fd == broken_fd)) {
        broken_writes -= broken_writes > 0;
        broken_fd = stays_broken ? fd : -1;
        if (torn_bytes == 0) {
            errno = EIO;
            return -1;
        }
        len = torn_bytes < len ? torn_bytes : len - 1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

static int faulty_fallocate(int fd, off_t at, off_t len)
{
    return disk_full ? ENOSPC : syscall(SYS_fallocate, fd, 0, at, len) == 0 ? 0 : errno;
}

/* Under both names: which one a call has depends on how the C library does large files. */
ssize_t test_pwrite(int fd, const void *bytes, size_t len, off_t at) __asm__("pwrite");
ssize_t test_pwrite64(int fd, const void *bytes, size_t len, off_t at) __asm__("pwrite64");
int test_posix_fallocate(int fd, off_t at, off_t len) __asm__("posix_fallocate");
int test_posix_fallocate64(int fd, off_t at, off_t len) __asm__("posix_fallocate64");

ssize_t test_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return faulty_pwrite(fd, bytes, len, at);
}

ssize_t test_pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    return faulty_pwrite(fd, bytes, len, at);
}

int test_posix_fallocate(int fd, off_t at, off_t len)
{
    return faulty_fallocate(fd, at, len);
}

int test_posix_fallocate64(int fd, off_t at, off_t len)
{
    return faulty_fallocate(fd, at, len);
}

static int setup(void **state)
{
    broken_writes = 0;
    stays_broken = false;
    broken_fd = -1;
    torn_bytes = 0;
    disk_full = 0;
    return support_setup(state);
}

#define SPOOL_TEST(function) cmocka_unit_test_setup_teardown(function, setup, support_teardown)

/* A record that carries 'number' as its status and 'padding' bytes of path. */
static mcpa_status_t commit(mod_mcp_spool_t *spool, int64_t number, size_t padding)
{
    static const char path[MCPA_AUDIT_TEXT_MAX_BYTES] = { 'p' };
    mcpa_record_t record;

    mcpa_record_init(&record);
    record.ts = 1;
    record.status = number;
    record.path = (mcpa_str_t){ path, padding };
    return mod_mcp_spool_commit(spool, &record);
}

/* What a reader found, in seq order. */
typedef struct found {
    uint64_t last_seq; /* 0: nothing */
    uint64_t first_seq;
    unsigned requests; /* records without an event */
    int64_t last_number;
    uint64_t gaps;
    uint64_t gap_lost; /* sum of 'lost' */
} found_t;

/* Every envelope must follow the one before it and belong to 'instance'. */
static size_t take_envelopes(found_t *found, const unsigned char *bytes, size_t len, const unsigned char *instance)
{
    mcpa_envelope_t envelope;
    mcpa_record_t record;
    size_t at = 0;

    while (mcpa_envelope_open(&envelope, bytes + at, len - at, instance) == MCPA_OK) {
        if (found->last_seq != 0) {
            assert_int_equal(envelope.seq, found->last_seq + 1);
        } else {
            found->first_seq = envelope.seq;
        }
        found->last_seq = envelope.seq;
        assert_int_equal(mcpa_record_decode(&record, envelope.payload, envelope.payload_len), MCPA_OK);
        if (record.event.ptr != NULL) {
            assert_true(mcpa_str_eqz(record.event, "gap"));
            found->gaps++;
            found->gap_lost += (uint64_t)record.lost;
        } else {
            found->requests++;
            found->last_number = record.status;
        }
        at += envelope.total_len;
    }
    return at;
}

/* As the link would: everything after 'sent', in frames. */
static found_t read_all(mod_mcp_spool_t *spool, uint64_t sent)
{
    static unsigned char buffer[FRAME_CAP];
    found_t found = { 0 };
    apr_uint64_t last = sent;
    apr_uint32_t count;
    apr_size_t len;

    while ((len = mod_mcp_spool_read(spool, last, buffer, sizeof(buffer), &count, &last)) > 0) {
        found_t before = found;

        assert_int_equal(take_envelopes(&found, buffer, len, mod_mcp_spool_instance(spool)), len);
        assert_int_equal(found.requests + found.gaps, before.requests + before.gaps + count);
        assert_int_equal(found.last_seq, last);
    }
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the directory, sorted. */
static unsigned list_dir(const char *dir, char **names, unsigned max)
{
    struct dirent *entry;
    DIR *handle = opendir(dir);
    unsigned n = 0;

    assert_non_null(handle);
    while ((entry = readdir(handle)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            assert_true(n < max);
            names[n++] = apr_pstrdup(test_pool, entry->d_name);
        }
    }
    closedir(handle);
    qsort(names, n, sizeof(names[0]), by_name);
    return n;
}

static unsigned count_files(const char *dir)
{
    char *names[256];

    return list_dir(dir, names, 256);
}

/* As the daemon adopts what a dead child left: by name, passing over what was never finished, each file up to its torn tail. */
static found_t adopt(const char *dir)
{
    static unsigned char bytes[MCPA_SEGMENT_BYTES];
    char *names[256];
    found_t found = { 0 };
    unsigned n = list_dir(dir, names, 256);

    for (unsigned i = 0; i < n; i++) {
        mcpa_segment_header_t header;
        found_t before = found;
        int fd;

        if (names[i][0] == '.') {
            continue;
        }
        fd = open(apr_pstrcat(test_pool, dir, "/", names[i], NULL), O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
        assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
        assert_int_equal(mcpa_segment_header_read(&header, bytes, sizeof(bytes)), MCPA_OK);
        (void)take_envelopes(&found, bytes + MCPA_SEGMENT_HEADER_BYTES, sizeof(bytes) - MCPA_SEGMENT_HEADER_BYTES,
                             header.instance);
        if (before.last_seq == 0 && found.last_seq != 0) {
            assert_int_equal(header.first_seq, found.first_seq);
        } else if (found.last_seq != before.last_seq) {
            assert_int_equal(header.first_seq, before.last_seq + 1);
        }
        close(fd);
    }
    return found;
}

/* Commits until the spool is full; how many went in. */
static unsigned fill(mod_mcp_spool_t *spool)
{
    unsigned n = 0;

    while (commit(spool, n, 1000) == MCPA_OK) {
        n++;
        assert_true(n < 100000);
    }
    return n;
}

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
    char text[2 * MCPA_AUDIT_TEXT_MAX_BYTES];
    mcpa_str_t longest = { text, sizeof(text) };
    mcpa_record_t record;

    (void)state;
    memset(text, 'x', sizeof(text));
    mcpa_record_init(&record);
#define MCPA_FIELD(kind, id, member) MCPA_FIELD_##kind(member)
#define MCPA_FIELD_TIME(member)      record.member = INT64_MAX;
#define MCPA_FIELD_STR(member)       record.member = longest;
#define MCPA_FIELD_U64(member)       record.member = INT64_MAX;
#define MCPA_FIELD_MILLI(member)     record.member = INT64_MAX;
#include "wire/record.def"
#undef MCPA_FIELD
    record.event = MCPA_STR_NONE;
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
    disk_full = 1;
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

/* ---- no room ---- */

static void spool_stops_at_its_cap_counts_what_it_loses_and_tells_it_when_there_is_room_again(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(3));
    unsigned n = fill(spool);
    found_t found;

    (void)state;
    assert_int_equal(count_files(test_dir), 3);
    for (int i = 0; i < 41; i++) {
        assert_int_equal(commit(spool, i, 1000), MCPA_EFULL);
    }
    assert_int_equal(mod_mcp_spool_lost(spool), 42); /* one ended fill() */
    assert_int_equal(mod_mcp_spool_error(spool), 0);
    assert_int_equal(mod_mcp_spool_newest(spool), n);
    mod_mcp_spool_acked(spool, n);
    usleep(1100000); /* the directory is asked once a second */
    assert_int_equal(commit(spool, 7, 1000), MCPA_OK);
    found = read_all(spool, n);
    assert_int_equal(found.first_seq, n + 1);
    assert_int_equal(found.gaps, 1);
    assert_int_equal(found.gap_lost, 42);
    assert_int_equal(found.requests, 1);
    assert_int_equal(found.last_number, 7);
    assert_int_equal(found.last_seq, n + 2); /* the gap first, then the record */
    assert_int_equal(mod_mcp_spool_lost(spool), 42);
}

static void spool_tells_a_loss_without_waiting_for_the_next_request(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(2));
    unsigned n = fill(spool);
    found_t found;

    (void)state;
    mod_mcp_spool_acked(spool, n);
    usleep(1100000);
    mod_mcp_spool_tend(spool);
    found = read_all(spool, n);
    assert_int_equal(found.gaps, 1);
    assert_int_equal(found.gap_lost, 1);
    mod_mcp_spool_tend(spool);
    assert_int_equal(mod_mcp_spool_newest(spool), n + 1);
}

static void spool_counts_the_segments_of_other_children_against_the_cap(void **state)
{
    mod_mcp_spool_t *one = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(3));
    mod_mcp_spool_t *two = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(3));

    (void)state;
    (void)fill(one);
    assert_int_equal(count_files(test_dir), 3);
    (void)fill(two);
    assert_int_equal(count_files(test_dir), 3);
}

static void spool_on_a_full_disk_uses_what_it_has_and_recovers(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(64));
    unsigned n;

    (void)state;
    disk_full = 1;
    n = fill(spool);
    assert_true(n > 900);
    assert_int_equal(mod_mcp_spool_error(spool), ENOSPC);
    assert_int_equal(count_files(test_dir), 1); /* nothing half-made stays */
    disk_full = 0;
    usleep(1100000);
    assert_int_equal(commit(spool, 1, 1000), MCPA_OK);
    assert_int_equal(read_all(spool, 0).gap_lost, 1);
}

static void spool_that_could_not_begin_begins_later(void **state)
{
    mod_mcp_spool_t *spool;
    found_t found;

    (void)state;
    disk_full = 1;
    spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    assert_non_null(spool);
    assert_int_equal(commit(spool, 1, 10), MCPA_EFULL);
    assert_int_equal(commit(spool, 2, 10), MCPA_EFULL);
    assert_int_equal(read_all(spool, 0).last_seq, 0);
    disk_full = 0;
    usleep(1100000);
    assert_int_equal(commit(spool, 3, 10), MCPA_OK);
    found = read_all(spool, 0);
    assert_int_equal(found.gap_lost, 2);
    assert_int_equal(found.last_seq, 2);
    assert_int_equal(found.last_number, 3);
}

static void spool_on_a_real_file_system_without_room_loses_nothing_it_had(void **state)
{
    pid_t child;
    int status = 0;

    (void)state;
    child = fork();
    if (child == 0) {
        mod_mcp_spool_t *spool;
        unsigned n;

        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("tmpfs", test_dir, "tmpfs", 0, "size=3500k,mode=0700") != 0) {
            _exit(77);
        }
        spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(64));
        n = fill(spool);
        _exit(n > 2500 && n < 3300 && mod_mcp_spool_error(spool) == ENOSPC && count_files(test_dir) == 3 &&
                      read_all(spool, 0).last_seq == n
                  ? 0
                  : 1);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("NOT TESTED: a real full file system needs root and a mount namespace\n");
        skip();
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- broken writes ---- */

static void spool_tries_a_failed_write_once_more_in_the_next_segment(void **state)
{
    apr_pool_t *pool;
    mod_mcp_spool_t *spool;
    found_t found;

    (void)state;
    apr_pool_create(&pool, test_pool);
    spool = mod_mcp_spool_new(pool, test_dir, SEGMENTS(8));
    for (int i = 1; i <= 20; i++) {
        broken_writes = i % 5 == 0;
        torn_bytes = i % 2 == 0 ? 200 : 0;
        assert_int_equal(commit(spool, i, 100 + (size_t)(i % 2) * 800), MCPA_OK);
    }
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
    found = read_all(spool, 0);
    assert_int_equal(found.last_seq, 20);
    assert_int_equal(found.requests, 20);
    apr_pool_destroy(pool);
    found = adopt(test_dir);
    assert_int_equal(found.first_seq, 1);
    assert_int_equal(found.last_seq, 20);
    assert_int_equal(found.requests, 20);
}

static void spool_leaves_a_segment_that_stays_broken(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));

    (void)state;
    assert_int_equal(commit(spool, 1, 100), MCPA_OK);
    stays_broken = true;
    broken_writes = 1;
    for (int i = 2; i <= 50; i++) {
        assert_int_equal(commit(spool, i, 100), MCPA_OK);
    }
    assert_int_equal(count_files(test_dir), 2);
    assert_int_equal(read_all(spool, 0).last_number, 50);
}

static void spool_uses_no_seq_for_a_record_that_was_not_written(void **state)
{
    apr_pool_t *pool;
    mod_mcp_spool_t *spool;
    found_t found;

    (void)state;
    apr_pool_create(&pool, test_pool);
    spool = mod_mcp_spool_new(pool, test_dir, SEGMENTS(32));
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(commit(spool, i, 900), MCPA_OK);
        broken_writes = 2;
        torn_bytes = 300;
        assert_true(commit(spool, 1000, 900) != MCPA_OK);
        broken_writes = 0;
        assert_int_equal(mod_mcp_spool_lost(spool), i);
    }
    assert_int_equal(commit(spool, 11, 10), MCPA_OK);
    found = read_all(spool, 0);
    assert_int_equal(found.first_seq, 1);
    assert_int_equal(found.requests, 11);
    assert_int_equal(found.gap_lost, 10);
    assert_int_equal(found.last_seq, 11 + found.gaps);
    apr_pool_destroy(pool);
    assert_memory_equal(&(found_t[1]){ adopt(test_dir) }, &found, sizeof(found));
}

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
    assert_int_equal(commit(spool, 1, 1), MCPA_EFULL);
    assert_true(mod_mcp_spool_error(spool) == ENOTDIR || mod_mcp_spool_error(spool) == ELOOP);
    assert_int_equal(count_files(in_test_dir("real")), 0);
}

static void spool_refuses_a_directory_everybody_may_write_to(void **state)
{
    mod_mcp_spool_t *spool;

    (void)state;
    assert_int_equal(chmod(test_dir, 0777), 0);
    spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    assert_int_equal(commit(spool, 1, 1), MCPA_EFULL);
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
        SPOOL_TEST(spool_stops_at_its_cap_counts_what_it_loses_and_tells_it_when_there_is_room_again),
        SPOOL_TEST(spool_tells_a_loss_without_waiting_for_the_next_request),
        SPOOL_TEST(spool_counts_the_segments_of_other_children_against_the_cap),
        SPOOL_TEST(spool_on_a_full_disk_uses_what_it_has_and_recovers),
        SPOOL_TEST(spool_that_could_not_begin_begins_later),
        SPOOL_TEST(spool_on_a_real_file_system_without_room_loses_nothing_it_had),
        SPOOL_TEST(spool_tries_a_failed_write_once_more_in_the_next_segment),
        SPOOL_TEST(spool_leaves_a_segment_that_stays_broken),
        SPOOL_TEST(spool_uses_no_seq_for_a_record_that_was_not_written),
        SPOOL_TEST(spool_leaves_no_file_when_all_was_acknowledged),
        SPOOL_TEST(spool_leaves_the_rest_unlocked_for_the_daemon_to_adopt),
        SPOOL_TEST(spool_tells_its_losses_at_the_end_even_when_it_is_full),
        SPOOL_TEST(spool_of_a_killed_child_holds_everything_it_was_told_is_committed),
        SPOOL_TEST(spool_refuses_a_symlinked_directory),
        SPOOL_TEST(spool_refuses_a_directory_everybody_may_write_to),
        SPOOL_TEST(spool_replaces_records_it_cannot_read_back_so_that_seq_has_no_holes),
        SPOOL_TEST(spool_sweeps_what_a_child_killed_while_making_a_segment_left_behind),
        SPOOL_TEST(spool_keeps_every_record_once_and_in_order_while_eight_threads_commit_and_the_link_reads),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
