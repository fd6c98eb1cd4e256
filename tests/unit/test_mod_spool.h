/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the spool share: a disk with bad days, and what a reader finds. Included once, by the test program's one source file. */
#ifndef TEST_MOD_SPOOL_H
#define TEST_MOD_SPOOL_H

#include "mod_support.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "spool.h"
#include "test_mod_record.h"

#define SEGMENTS(n) ((apr_uint64_t)(n)*MCPA_SEGMENT_BYTES)
#define FRAME_CAP   (MCPA_FRAME_MAX_BYTES - 12)

/* The disk's bad days: the next 'broken_writes' record writes fail, after letting through 'torn_bytes', and so does every later
 * one to the same file if it 'stays_broken'; the next 'broken_begins' headers of segments that were made ahead cannot be written; allocation fails
 * while 'disk_full' and hangs while 'making_hangs'. Each record write is interrupted by 'interruption', if that is a signal. These take the place of
 * libc's in this program. */
static int broken_writes;
static bool stays_broken;
static int broken_fd;
static int failed_fd; /* of the last write that failed */
static unsigned writes_after_failure; /* to that file */
static size_t torn_bytes;
static int broken_begins;
static int interruption;
static atomic_bool disk_full, making_hangs, is_making_hung;

static inline ssize_t faulty_append(int fd, const void *bytes, size_t len, off_t at)
{
    if (interruption != 0) {
        raise(interruption);
    }
    writes_after_failure += fd == failed_fd;
    if (broken_writes > 0 || fd == broken_fd) {
        broken_writes -= broken_writes > 0;
        broken_fd = stays_broken ? fd : -1;
        failed_fd = fd;
        if (torn_bytes == 0) {
            errno = EIO;
            return -1;
        }
        len = torn_bytes < len ? torn_bytes : len - 1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

static inline bool is_made(int fd)
{
    char link[64], name[512];
    ssize_t len;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, name, sizeof(name) - 1);
    name[len > 0 ? len : 0] = '\0';
    return strstr(name, "/.tmp-") == NULL;
}

static inline ssize_t faulty_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    if (at >= MCPA_SEGMENT_HEADER_BYTES) {
        return faulty_append(fd, bytes, len, at);
    }
    if (broken_begins > 0 && is_made(fd)) {
        broken_begins--;
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

static inline int faulty_fallocate(int fd, off_t at, off_t len)
{
    while (atomic_load(&making_hangs)) {
        atomic_store(&is_making_hung, true);
        usleep(1000);
    }
    atomic_store(&is_making_hung, false);
    return atomic_load(&disk_full) ? ENOSPC : syscall(SYS_fallocate, fd, 0, at, len) == 0 ? 0 : errno;
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

static inline int setup(void **state)
{
    broken_writes = broken_begins = interruption = 0;
    stays_broken = false;
    broken_fd = failed_fd = -1;
    writes_after_failure = 0;
    torn_bytes = 0;
    atomic_store(&disk_full, false);
    atomic_store(&making_hangs, false);
    atomic_store(&is_making_hung, false);
    return support_setup(state);
}

#define SPOOL_TEST(function) cmocka_unit_test_setup_teardown(function, setup, support_teardown)

/* A record that carries 'number' as its status and 'padding' bytes of path. */
static inline void write_record(mcpa_record_t *record, int64_t number, size_t padding)
{
    static const char path[MCPA_AUDIT_TEXT_MAX_BYTES] = { 'p' };

    mcpa_record_init(record);
    record->ts = 1;
    record->status = number;
    record->path = (mcpa_str_t){ path, padding };
}

static inline mcpa_status_t commit(mod_mcp_spool_t *spool, int64_t number, size_t padding)
{
    mcpa_record_t record;

    write_record(&record, number, padding);
    return mod_mcp_spool_commit(spool, &record);
}

static inline mcpa_status_t promise(mod_mcp_spool_t *spool)
{
    mcpa_record_t record;

    write_record(&record, 0, 10);
    return mod_mcp_spool_promise(spool, &record);
}

static inline mcpa_status_t fulfil(mod_mcp_spool_t *spool)
{
    mcpa_record_t record;

    write_record(&record, 0, 10);
    return mod_mcp_spool_fulfil(spool, &record);
}

static inline mcpa_status_t fulfil_greatest(mod_mcp_spool_t *spool)
{
    mcpa_record_t record;

    write_greatest(&record);
    return mod_mcp_spool_fulfil(spool, &record);
}

/* What a reader found, in seq order. No padding: two of them are compared as memory. */
typedef struct found {
    uint64_t last_seq; /* 0: nothing */
    uint64_t first_seq;
    uint64_t requests; /* records without an event */
    int64_t last_number;
    uint64_t gaps;
    uint64_t gap_lost; /* sum of 'lost' */
} found_t;

/* Every envelope must follow the one before it and belong to 'instance'. */
static inline size_t take_envelopes(found_t *found, const unsigned char *bytes, size_t len, const unsigned char *instance)
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
static inline found_t read_all(mod_mcp_spool_t *spool, uint64_t sent)
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

static inline int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the directory, sorted. */
static inline unsigned list_dir(const char *dir, char **names, unsigned max)
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

static inline unsigned count_files(const char *dir)
{
    char *names[256];

    return list_dir(dir, names, 256);
}

/* As the daemon adopts what a dead child left: by name, passing over what was never finished, each file up to its torn tail. */
static inline found_t adopt(const char *dir)
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
static inline unsigned fill(mod_mcp_spool_t *spool)
{
    unsigned n = 0;

    while (commit(spool, n, 1000) == MCPA_OK) {
        n++;
        assert_true(n < 100000);
    }
    return n;
}

#endif
