/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/gzip.h"
#include "files.h"
#include "log.h"

#define BLOCK_BYTES ((size_t)2 * ADMIND_LINE_MAX_BYTES)

static ssize_t read_at(int fd, void *memory, size_t len, uint64_t offset)
{
    ssize_t n;

    do {
        n = pread(fd, memory, len, (off_t)offset);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* Whether a whole line stands behind 'from'; a torn last line alone is the normal trace of a crash. -1: errno. */
static int has_line(int fd, uint64_t from)
{
    char block[4096];
    ssize_t n;

    while ((n = read_at(fd, block, sizeof(block), from)) > 0) {
        if (memchr(block, '\n', (size_t)n) != NULL) {
            return 1;
        }
        from += (uint64_t)n;
    }
    return n < 0 ? -1 : 0;
}

/* All that stands behind 'from', durable. false: errno. */
static bool copy_tail(int fd, int copy, int dir_fd, uint64_t from)
{
    char block[4096];
    ssize_t n;

    while ((n = read_at(fd, block, sizeof(block), from)) > 0) {
        if (!admind_write_all(copy, block, (size_t)n)) {
            return false;
        }
        from += (uint64_t)n;
    }
    return n == 0 && fsync(copy) == 0 && fsync(dir_fd) == 0;
}

static void close_quietly(int fd)
{
    int saved = errno;

    if (fd >= 0) {
        close(fd);
    }
    errno = saved;
}

/* Keeps what is about to be cut off, behind what was kept of this file before. false: nothing was kept, with errno. */
static bool keep_tail(int fd, int dir_fd, const char *copy_name, uint64_t from)
{
    struct stat st;
    int copy = openat(dir_fd, copy_name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    bool kept;

    if (copy < 0 || fstat(copy, &st) != 0) {
        close_quietly(copy);
        return false;
    }
    kept = copy_tail(fd, copy, dir_fd, from);
    if (!kept) {
        int saved = errno;

        /* What cannot even be taken back stands in it twice, some day. */
        (void)!(st.st_size == 0 ? unlinkat(dir_fd, copy_name, 0) : ftruncate(copy, st.st_size));
        errno = saved;
    }
    close_quietly(copy);
    return kept;
}

/* Damage is copied before it is cut off, so that it can be looked at. */
static mcpa_status_t keep_damage(int fd, const char *name, int dir_fd, uint64_t from)
{
    char copy_name[80];
    int damage = has_line(fd, from);

    snprintf(copy_name, sizeof(copy_name), "%s.damaged", name);
    if (damage < 0 || (damage > 0 && !keep_tail(fd, dir_fd, copy_name, from))) {
        admind_log(ADMIND_ERR, "MCPA2107",
                   "journal: %s holds broken lines from byte %llu on, and they cannot be copied to %s beside it (%s); nothing was changed: make room "
                   "there, or move the file elsewhere, and start again", name, (unsigned long long)from, copy_name, strerror(errno));
        return MCPA_EIO;
    }
    if (damage > 0) {
        admind_log(ADMIND_ERR, "MCPA2108", "journal: %s holds broken lines behind its last sync; they were moved to %s", name, copy_name);
    }
    return MCPA_OK;
}

static mcpa_status_t cut(int fd, const char *name, int dir_fd, uint64_t at)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return MCPA_EIO;
    }
    if ((uint64_t)st.st_size <= at) {
        return MCPA_OK;
    }
    if (keep_damage(fd, name, dir_fd, at) != MCPA_OK) {
        return MCPA_EIO;
    }
    admind_log(ADMIND_NOTICE, "MCPA2106", "journal: %s: cut a torn tail of %llu bytes", name,
               (unsigned long long)((uint64_t)st.st_size - at));
    return ftruncate(fd, (off_t)at) == 0 && fdatasync(fd) == 0 ? MCPA_OK : MCPA_EIO;
}

mcpa_status_t admind_tail_skip(int fd, uint64_t *at)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return MCPA_EIO;
    }
    *at = (uint64_t)st.st_size;
    return MCPA_OK;
}

/* Lines of one block; returns the bytes they took. *stop: a bad line in the last file. */
static size_t take_lines(const char *block, size_t len, bool last, const char *name, bool (*fn)(void *ctx, mcpa_str_t line),
                         void *ctx, bool *stop)
{
    size_t at = 0;

    while (!*stop) {
        const char *newline = memchr(block + at, '\n', len - at);

        if (newline == NULL) {
            break;
        }
        if (!fn(ctx, (mcpa_str_t){ block + at, (size_t)(newline - block) - at })) {
            if (last) {
                *stop = true;
                break;
            }
            admind_log(ADMIND_ERR, "MCPA2109", "journal: %s holds a broken line; it is skipped", name);
        }
        at = (size_t)(newline - block) + 1;
    }
    return at;
}

/* The line format never begins so. */
static bool is_compressed(int fd)
{
    char magic[2];

    return read_at(fd, magic, 2, 0) == 2 && memcmp(magic, "\x1f\x8b", 2) == 0;
}

static mcpa_status_t read_stream(admind_gunzip_t *gunzip, char *block, const char *name, uint64_t *at,
                                 bool (*fn)(void *ctx, mcpa_str_t line), void *ctx)
{
    uint64_t skip = *at;
    size_t held = 0, n = 0;
    bool stop = false;

    for (;;) {
        mcpa_status_t status = admind_gunzip_read(gunzip, block + held, BLOCK_BYTES - held, &n);
        size_t dropped = skip < n ? (size_t)skip : n, taken;

        if (status != MCPA_OK || n == 0) {
            return status;
        }
        memmove(block + held, block + held + dropped, n - dropped);
        skip -= dropped;
        held += n - dropped;
        taken = take_lines(block, held, false, name, fn, ctx, &stop);
        memmove(block, block + taken, held - taken);
        held -= taken;
        *at += taken;
        if (held == BLOCK_BYTES) {
            return MCPA_EMALFORMED;
        }
    }
}

/* Damage in a compressed file is no reason not to start: its plain form is gone, and nobody ever writes there again. */
static mcpa_status_t read_compressed(int fd, const char *name, uint64_t *at, bool (*fn)(void *ctx, mcpa_str_t line), void *ctx)
{
    admind_gunzip_t *gunzip = admind_gunzip_new(fd);
    char *block = malloc(BLOCK_BYTES);
    mcpa_status_t status = MCPA_ENOMEM;

    if (gunzip != NULL && block != NULL) {
        status = read_stream(gunzip, block, name, at, fn, ctx);
    }
    if (status == MCPA_EMALFORMED) {
        admind_log(ADMIND_ERR, "MCPA2120", "journal: the compressed form of %s is damaged; its rest is skipped", name);
        status = MCPA_OK;
    }
    admind_gunzip_free(&gunzip);
    free(block);
    return status;
}

mcpa_status_t admind_tail_read(int fd, const char *name, int dir_fd, bool last, uint64_t *at,
                               bool (*fn)(void *ctx, mcpa_str_t line), void *ctx)
{
    char *block = NULL;
    mcpa_status_t status = MCPA_OK;
    bool stop = false;
    uint64_t size;

    if (!last && is_compressed(fd)) {
        return read_compressed(fd, name, at, fn, ctx);
    }
    block = malloc(BLOCK_BYTES);
    if (block == NULL || admind_tail_skip(fd, &size) != MCPA_OK) {
        free(block);
        return block == NULL ? MCPA_ENOMEM : MCPA_EIO;
    }
    if (*at > size) {
        admind_log(ADMIND_ERR, "MCPA2110", "journal: %s is shorter than the checkpoint knows it; lines are missing", name);
        *at = size;
    }
    while (!stop) {
        ssize_t n = read_at(fd, block, BLOCK_BYTES, *at);
        size_t taken;

        if (n <= 0) {
            status = n < 0 ? MCPA_EIO : MCPA_OK;
            break;
        }
        taken = take_lines(block, (size_t)n, last, name, fn, ctx, &stop);
        *at += taken;
        if (taken == 0 && !stop) {
            break; /* no line ends in this block: a torn tail, or no journal at all */
        }
    }
    free(block);
    /* Lines that a killed daemon wrote and did not live to sync count as durable from here on. */
    if (status == MCPA_OK && fdatasync(fd) != 0) {
        status = MCPA_EIO;
    }
    return status == MCPA_OK && last ? cut(fd, name, dir_fd, *at) : status;
}
