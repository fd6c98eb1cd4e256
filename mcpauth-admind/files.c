/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "turn.h"

#define WIPE_MAX_BYTES 65536 /* secrets are small */

/* What was read may be a private key: none of it stays in memory that others are given. */
static void drop(char *text, size_t len)
{
    if (text != NULL) {
        explicit_bzero(text, len);
    }
    free(text);
}

/* NULL: no memory, and the text is gone. */
static char *grow(char *text, size_t len, size_t cap)
{
    char *grown = malloc(cap);

    if (grown != NULL) {
        memcpy(grown, text, len);
    }
    drop(text, len);
    return grown;
}

/* Reads to the end; a file that grows while we read is cut off at the ceiling like any other. */
static mcpa_status_t read_all(int fd, size_t max_bytes, char **memory, size_t *len)
{
    size_t cap = max_bytes < 8192 ? max_bytes + 2 : 8192;
    size_t have = 0;
    char *text = malloc(cap);

    while (text != NULL) {
        ssize_t n;

        if (have + 1 == cap) {
            cap = cap > max_bytes / 2 ? max_bytes + 2 : cap * 2;
            text = grow(text, have, cap);
            continue;
        }
        n = read(fd, text + have, cap - 1 - have);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int saved = errno;

            drop(text, have);
            errno = saved;
            return MCPA_EIO;
        }
        have += (size_t)n;
        if (have > max_bytes) {
            drop(text, have);
            return MCPA_ETOOBIG;
        }
        if (n == 0) {
            text[have] = '\0';
            *memory = text;
            *len = have;
            return MCPA_OK;
        }
    }
    return MCPA_ENOMEM;
}

mcpa_status_t admind_file_read(mcpa_str_t *text, const char *path, size_t max_bytes)
{
    struct stat st;
    char *memory = NULL;
    size_t len = 0;
    mcpa_status_t status;
    /* NONBLOCK: opening a FIFO that somebody put there must not hang the loop. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        return errno == ENOENT ? MCPA_ENOTFOUND : MCPA_EIO;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        errno = EINVAL;
        return MCPA_EIO;
    }
    status = read_all(fd, max_bytes, &memory, &len);
    close(fd);
    if (status == MCPA_OK) {
        *text = (mcpa_str_t){ memory, len };
    }
    return status;
}

bool admind_write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool admind_dir_sync(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    bool ok;
    int fd;

    if (len >= sizeof(dir)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(dir, slash == NULL ? "." : path, len);
    dir[len] = '\0';
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ok = admind_turn_fsync(fd) == 0;
    close(fd);
    return ok;
}

bool admind_file_wipe(int fd)
{
    static const char zeroes[4096];
    struct stat st;
    off_t at = 0;
    bool ok;

    if (fd < 0) {
        return true;
    }
    ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink <= 1; /* by another name it may be somebody's */
    while (ok && at < st.st_size && at < WIPE_MAX_BYTES) {
        off_t rest = st.st_size - at;
        ssize_t n = pwrite(fd, zeroes, rest < (off_t)sizeof(zeroes) ? (size_t)rest : sizeof(zeroes), at);

        ok = n > 0 || (n < 0 && errno == EINTR);
        at += n > 0 ? n : 0;
    }
    ok = ok && at >= st.st_size && admind_turn_fdatasync(fd) == 0;
    close(fd);
    return ok;
}

bool admind_file_erase(const char *path)
{
    (void)admind_file_wipe(open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)); /* removed in any case */
    return unlink(path) == 0 || errno == ENOENT;
}

/* The file as it was, and nothing beside it. */
static mcpa_status_t give_up(const char *temporary, int fd)
{
    int saved = errno;

    if (fd >= 0) {
        close(fd);
    }
    (void)admind_file_erase(temporary);
    errno = saved;
    return MCPA_EIO;
}

mcpa_status_t admind_file_replace(const char *path, mcpa_str_t text, mode_t mode)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    int fd;

    if (n < 0 || (size_t)n >= sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return MCPA_EIO;
    }
    /* A fixed name: what a killed daemon left behind is replaced, never piled up. EXCL and NOFOLLOW: never through somebody's
     * link. */
    if (!admind_file_erase(temporary)) {
        return MCPA_EIO;
    }
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return MCPA_EIO;
    }
    if (!admind_write_all(fd, text.ptr, text.len) || fchmod(fd, mode) != 0 || admind_turn_fsync(fd) != 0) {
        return give_up(temporary, fd);
    }
    close(fd);
    MCPA_CRASH("file.written");
    if (rename(temporary, path) != 0) {
        return give_up(temporary, -1);
    }
    return admind_dir_sync(path) ? MCPA_OK : MCPA_EIO;
}
