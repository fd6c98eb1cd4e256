/* SPDX-License-Identifier: Apache-2.0 */
#include "segfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crash.h"
#define TEMPORARY  ".tmp-"
#define NAME_CHARS (2 * MCPA_INSTANCE_BYTES + 1 + 8)
#define NAME_BYTES (sizeof(TEMPORARY) + NAME_CHARS)
#define NUMBER_MAX 99999999u
/* Making a segment takes milliseconds; a temporary file this old and without a lock was left by a killed child. */
#define STALE_S 60

static int is_segment_name(const char *name)
{
    return strlen(name) == NAME_CHARS && strspn(name, "0123456789abcdef") == 2 * MCPA_INSTANCE_BYTES &&
           name[2 * MCPA_INSTANCE_BYTES] == '.' && strspn(name + 2 * MCPA_INSTANCE_BYTES + 1, "0123456789") == 8;
}

/* name: of NAME_BYTES, temporary; + strlen(TEMPORARY) is the final one. */
static void write_name(char name[NAME_BYTES], const unsigned char *instance, apr_uint32_t number)
{
    char hex[2 * MCPA_INSTANCE_BYTES + 1];

    mcpa_hex(hex, instance, MCPA_INSTANCE_BYTES);
    (void)snprintf(name, NAME_BYTES, TEMPORARY "%s.%08u", hex, number % (NUMBER_MAX + 1));
}

/* NULL with errno. */
static DIR *open_dir(const char *path)
{
    struct stat info;
    DIR *dir;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &info) == 0 && (info.st_mode & S_IWOTH) != 0) {
        close(fd);
        errno = EPERM;
        return NULL;
    }
    dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
    }
    return dir;
}

static void sweep(int at, const char *name)
{
    struct stat info;
    int fd;

    if (fstatat(at, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode) || info.st_mtime + STALE_S > time(NULL)) {
        return;
    }
    fd = openat(at, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        (void)unlinkat(at, name, 0);
    }
    close(fd);
}

/* Names are enough: every segment has the same size. That spares a stat for each of what may be a thousand files. */
static apr_uint64_t count_bytes(DIR *dir)
{
    const struct dirent *entry;
    apr_uint64_t files = 0;

    while ((entry = readdir(dir)) != NULL) {
        if (is_segment_name(entry->d_name)) {
            files++;
        } else if (strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)) == 0) {
            files++;
            sweep(dirfd(dir), entry->d_name);
        }
    }
    return files * MCPA_SEGMENT_BYTES;
}

static mcpa_status_t status_of(int error)
{
    errno = error;
    return error == ENOSPC || error == EDQUOT || error == EFBIG ? MCPA_EFULL : MCPA_EIO;
}

/* 0 or errno. */
static int fill_file(int fd, const unsigned char *header)
{
    int error;

    /* Not left to the umask: the daemon reads by the directory's group. */
    if (fchmod(fd, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) != 0) {
        return errno;
    }
    do {
        error = posix_fallocate(fd, 0, MCPA_SEGMENT_BYTES);
    } while (error == EINTR);
    if (error != 0) {
        return error;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno;
    }
    if (pwrite(fd, header, MCPA_SEGMENT_HEADER_BYTES, 0) != MCPA_SEGMENT_HEADER_BYTES) {
        return errno != 0 ? errno : EIO;
    }
    return 0;
}

static void write_header(unsigned char *memory, const unsigned char *instance, apr_uint64_t first_seq)
{
    mcpa_segment_header_t header = { .first_seq = first_seq, .size = MCPA_SEGMENT_BYTES };
    struct timespec now;

    memcpy(header.instance, instance, MCPA_INSTANCE_BYTES);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    header.created_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    mcpa_segment_header_write(memory, &header);
}

/* The descriptor, locked and under its final name; -1 with errno. */
static int make_file(int at, const unsigned char *instance, apr_uint32_t number, apr_uint64_t first_seq)
{
    unsigned char header[MCPA_SEGMENT_HEADER_BYTES];
    char name[NAME_BYTES];
    int error;
    int fd;

    write_name(name, instance, number);
    write_header(header, instance, first_seq);
    fd = openat(at, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return -1;
    }
    errno = 0;
    MCPA_CRASH("segment.created");
    error = fill_file(fd, header);
    MCPA_CRASH("segment.filled");
    if (error == 0 && renameat(at, name, at, name + strlen(TEMPORARY)) != 0) {
        error = errno;
    }
    if (error != 0) {
        (void)unlinkat(at, name, 0);
        close(fd);
        errno = error;
        return -1;
    }
    MCPA_CRASH("segment.renamed");
    return fd;
}

mcpa_status_t mod_mcp_segfile_make(mod_mcp_segfile_t **out, const mod_mcp_segdir_t *dir, apr_uint32_t number,
                                   apr_uint64_t first_seq)
{
    mod_mcp_segfile_t *file;
    DIR *handle;
    int error;

    handle = open_dir(dir->path);
    if (handle == NULL) {
        return MCPA_EIO;
    }
    if (number > NUMBER_MAX || count_bytes(handle) + MCPA_SEGMENT_BYTES > dir->max_bytes) {
        closedir(handle);
        errno = 0;
        return MCPA_EFULL;
    }
    file = calloc(1, sizeof(*file));
    if (file == NULL) {
        closedir(handle);
        return MCPA_ENOMEM;
    }
    file->fd = make_file(dirfd(handle), dir->instance, number, first_seq);
    error = errno;
    closedir(handle);
    if (file->fd < 0) {
        free(file);
        return status_of(error);
    }
    file->number = number;
    file->first_seq = first_seq;
    file->last_seq = first_seq - 1;
    file->end = MCPA_SEGMENT_HEADER_BYTES;
    *out = file;
    return MCPA_OK;
}

mcpa_status_t mod_mcp_segfile_begin(mod_mcp_segfile_t *file, const unsigned char *instance, apr_uint64_t first_seq)
{
    unsigned char header[MCPA_SEGMENT_HEADER_BYTES];

    if (file->first_seq == first_seq) {
        return MCPA_OK;
    }
    write_header(header, instance, first_seq);
    MCPA_CRASH("segment.begin");
    if (pwrite(file->fd, header, sizeof(header), 0) != (ssize_t)sizeof(header)) {
        file->spoiled = 1;
        return MCPA_EIO;
    }
    file->first_seq = first_seq;
    file->last_seq = first_seq - 1;
    return MCPA_OK;
}

#ifdef MCPA_CRASH_POINTS
/* A planted fault: the record counts as committed, its bytes follow with the next one. */
static mcpa_status_t copy_later(mod_mcp_segfile_t *file, const void *bytes, apr_size_t len)
{
    static unsigned char kept[MCPA_SEGMENT_BYTES];
    static apr_size_t kept_len;
    static off_t kept_at;
    static int kept_fd = -1;

    if (kept_len > 0) {
        (void)!pwrite(kept_fd, kept, kept_len, kept_at);
    }
    memcpy(kept, bytes, len);
    kept_len = len;
    kept_at = (off_t)file->end;
    kept_fd = file->fd;
    file->end += len;
    return MCPA_OK;
}
#else
#define copy_later(file, bytes, len) MCPA_EIO
#endif

mcpa_status_t mod_mcp_segfile_append(mod_mcp_segfile_t *file, const void *bytes, apr_size_t len)
{
    ssize_t written;

    if (MCPA_CRASH_DUE("segment.torn")) {
        (void)!pwrite(file->fd, bytes, len / 2, (off_t)file->end);
        MCPA_CRASH_NOW("segment.torn");
    }
    if (MCPA_MUTANT("publish_before_copy")) {
        return copy_later(file, bytes, len);
    }
    do {
        written = pwrite(file->fd, bytes, len, (off_t)file->end);
    } while (written < 0 && errno == EINTR);
    if (written != (ssize_t)len) {
        file->spoiled = 1;
        return status_of(written < 0 ? errno : ENOSPC);
    }
    file->end += len;
    return MCPA_OK;
}

/* A new name is as good as lost after a power failure until its directory was synced. */
static int sync_name(int fd, const char *path)
{
    int at = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error;

    if (at < 0) {
        return errno;
    }
    error = fsync(fd) != 0 || fsync(at) != 0 ? errno : 0;
    close(at);
    return error;
}

mcpa_status_t mod_mcp_segfile_sync(int fd, const mod_mcp_segdir_t *dir, int with_name)
{
    int error;

    MCPA_CRASH("segment.syncing");
    if (with_name) {
        error = sync_name(fd, dir->path);
    } else {
        error = fdatasync(fd) != 0 ? errno : 0;
    }
    MCPA_CRASH("segment.synced");
    return error == 0 ? MCPA_OK : status_of(error);
}

void mod_mcp_segfile_drop(mod_mcp_segfile_t **file, const mod_mcp_segdir_t *dir)
{
    char name[NAME_BYTES];
    int at;

    if (*file == NULL) {
        return;
    }
    at = open(dir->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (at >= 0) {
        write_name(name, dir->instance, (*file)->number);
        /* Still locked here: nobody adopts between these two steps. */
        MCPA_CRASH("segment.unlinking");
        (void)unlinkat(at, name + strlen(TEMPORARY), 0);
        MCPA_CRASH("segment.unlinked");
        close(at);
    }
    mod_mcp_segfile_leave(file);
}

void mod_mcp_segfile_leave(mod_mcp_segfile_t **file)
{
    if (*file != NULL) {
        close((*file)->fd);
        free(*file);
        *file = NULL;
    }
}
