/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/names.h"
#include "audit/replay.h"
#include "audit/sealer.h"
#include "base/crash.h"
#include "log.h"
#include "turn.h"

#define BUFFER_BYTES (256 * 1024) /* a group commit of hundreds of records is one write */
#define PROBE_BYTES  65536
/* The end of a file that stays in the page cache, for who looks at the last records; and how much more is let go at once. */
#define CACHED_BYTES     (64u << 20)
#define CACHE_STEP_BYTES (16u << 20)

struct admind_journal {
    char *dir;
    int dir_fd;                 /* holds the lock */
    int fd;                     /* -1: no file, or the last one is not to be trusted any more */
    admind_journal_name_t name; /* day 0: no file yet */
    uint64_t synced;            /* committed length of the file 'name' */
    uint64_t written;           /* >= synced: handed to the kernel */
    uint64_t uncached;          /* <= synced: out of the page cache up to here */
    char *buffer;               /* what follows */
    size_t buffered;
    bool failing;
    uint64_t max_file_bytes;
    uint64_t committed_bytes;
    int64_t now_us;          /* of the last append */
    admind_sealer_t *sealer; /* borrowed; NULL: lines are not sealed */
};

admind_journal_t *admind_journal_open(const char *dir, uint64_t max_file_bytes, char *error, size_t cap)
{
    admind_journal_t *journal = calloc(1, sizeof(*journal));

    if (journal == NULL) {
        snprintf(error, cap, "no memory");
        return NULL;
    }
    journal->fd = journal->dir_fd = -1;
    journal->max_file_bytes = max_file_bytes;
    journal->dir = strdup(dir);
    journal->buffer = malloc(BUFFER_BYTES);
    if (journal->dir == NULL || journal->buffer == NULL) {
        snprintf(error, cap, "no memory");
        admind_journal_close(&journal);
        return NULL;
    }
    journal->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->dir_fd < 0) {
        snprintf(error, cap, "%s: %s", dir, strerror(errno));
        admind_journal_close(&journal);
        return NULL;
    }
    if (flock(journal->dir_fd, LOCK_EX | LOCK_NB) !=
        0) { /* two writers would interleave lines and acknowledge each other's records */
        snprintf(error, cap, "%s: %s", dir, errno == EWOULDBLOCK ? "another mcpauth-admind writes here" : strerror(errno));
        admind_journal_close(&journal);
    }
    return journal;
}

void admind_journal_sealed_by(admind_journal_t *journal, admind_sealer_t *sealer)
{
    journal->sealer = sealer;
}

void admind_journal_close(admind_journal_t **journal)
{
    admind_journal_t *gone = *journal;

    if (gone == NULL) {
        return;
    }
    *journal = NULL;
    if (gone->fd >= 0) {
        if (gone->written > gone->synced && ftruncate(gone->fd, (off_t)gone->synced) != 0) {
            admind_log(ADMIND_WARNING, "MCPA2104", "journal: uncommitted lines could not be cut off: %s", strerror(errno));
        }
        close(gone->fd);
    }
    if (gone->dir_fd >= 0) {
        close(gone->dir_fd);
    }
    free(gone->dir);
    free(gone->buffer);
    free(gone);
}

/* ---- files */

/* The next file: today's first, or one more of the same day. A clock that stepped back does not take us back: order of names is
 * order of time. */
static bool open_next(admind_journal_t *journal, int64_t now_us)
{
    int32_t today = admind_journal_day(now_us);
    admind_journal_name_t name = journal->name;
    char text[ADMIND_JOURNAL_NAME_BYTES];
    int fd;

    if (today > name.day) {
        name = (admind_journal_name_t){ .day = today };
    } else {
        name.number++;
    }
    admind_journal_name_format(text, &name);
    fd = openat(journal->dir_fd, text, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0 || admind_turn_fsync(journal->dir_fd) != 0) {
        int saved = errno;

        if (fd >= 0) {
            close(fd);
            unlinkat(journal->dir_fd, text, 0);
        }
        errno = saved;
        return false;
    }
    MCPA_CRASH("journal.opened");
    if (journal->fd >= 0) {
        close(journal->fd);
    }
    journal->fd = fd;
    journal->name = name;
    journal->synced = journal->written = journal->uncached = 0;
    if (journal->sealer != NULL) {
        admind_sealer_file(journal->sealer);
    }
    return true;
}

/* ---- reading back */

mcpa_status_t admind_journal_replay(admind_journal_t *journal, const admind_position_t *from,
                                    bool (*fn)(void *ctx, mcpa_str_t line), void *ctx)
{
    admind_replay_t replay = { .dir = journal->dir, .dir_fd = journal->dir_fd, .sealer = journal->sealer, .fn = fn, .ctx = ctx };
    mcpa_status_t status = admind_replay_run(&replay, from);

    if (status == MCPA_OK) {
        journal->name = replay.last;
        journal->synced = journal->written = replay.end;
        journal->uncached = 0;
        journal->fd = replay.fd;
    }
    return status;
}

/* ---- lines */

/* Nothing of the batch stays. A file whose sync failed is left for good: the kernel may have dropped its dirty pages and would
 * call the next sync a success. Lines that outlive this in it are harmless: a replay drops what it has seen, by (instance, seq).
 */
static mcpa_status_t roll_back(admind_journal_t *journal, bool distrust)
{
    int saved = errno;

    admind_log(ADMIND_ERR, "MCPA2101", "journal %s: %s; no record is acknowledged until this is mended, the spool keeps them",
               journal->dir, strerror(saved));
    journal->buffered = 0;
    journal->failing = true;
    if (journal->sealer != NULL) {
        admind_sealer_roll_back(journal->sealer);
    }
    if (journal->fd >= 0 && (ftruncate(journal->fd, (off_t)journal->synced) != 0 || distrust)) {
        close(journal->fd);
        journal->fd = -1;
    }
    journal->written = journal->synced;
    return MCPA_EIO;
}

static bool flush(admind_journal_t *journal)
{
    size_t done = 0;

    if (MCPA_CRASH_DUE("journal.torn")) {
        (void)!pwrite(journal->fd, journal->buffer, journal->buffered / 2, (off_t)journal->written);
        MCPA_CRASH_NOW("journal.torn");
    }
    while (done < journal->buffered) {
        ssize_t n = pwrite(journal->fd, journal->buffer + done, journal->buffered - done, (off_t)journal->written);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        done += (size_t)n;
        journal->written += (uint64_t)n;
    }
    journal->buffered = 0;
    return true;
}

/* Into the buffer, without the chain. */
static bool put_line(admind_journal_t *journal, mcpa_str_t line)
{
    if (journal->buffered + line.len + 1 > BUFFER_BYTES && !flush(journal)) {
        return false;
    }
    memcpy(journal->buffer + journal->buffered, line.ptr, line.len);
    journal->buffered += line.len;
    journal->buffer[journal->buffered++] = '\n';
    return true;
}

/* Nothing happens when there is no key: the block then grows until there is one. */
static bool put_seal(admind_journal_t *journal, int64_t now_us)
{
    char memory[ADMIND_SEAL_LINE_BYTES];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    return !admind_sealer_make(journal->sealer, &out, now_us) || put_line(journal, mcpa_out_get(&out));
}

/* A machine's memory is for what is read again, and nobody reads gigabytes of records again. It is also quicker to write into
 * memory that was just let go than into such as the kernel must first find, and in a virtual machine the host. Only what was
 * synced can be let go. */
static void let_cache_go(admind_journal_t *journal)
{
    uint64_t until = journal->synced > CACHED_BYTES ? journal->synced - CACHED_BYTES : 0;

    if (until >= journal->uncached + CACHE_STEP_BYTES) {
        (void)posix_fadvise(journal->fd, (off_t)journal->uncached, (off_t)(until - journal->uncached), POSIX_FADV_DONTNEED);
        journal->uncached = until;
    }
}

/* What is buffered, to the disk. */
static mcpa_status_t sync_batch(admind_journal_t *journal, int64_t now_us)
{
    if (!flush(journal)) {
        return roll_back(journal, false);
    }
    if (journal->written == journal->synced) {
        return MCPA_OK;
    }
    /* Once a round, however many records it brought: 0.2 ms on a good disk, 20 and more on a bad one. Links and keys wait that
     * long; HTTP does not. */
    MCPA_CRASH("journal.written");
    if (admind_turn_fdatasync(journal->fd) != 0) {
        return roll_back(journal, true);
    }
    MCPA_CRASH("journal.synced");
    journal->committed_bytes += journal->written - journal->synced;
    journal->synced = journal->written;
    let_cache_go(journal);
    if (journal->sealer != NULL) {
        admind_sealer_commit(journal->sealer, now_us);
    }
    return MCPA_OK;
}

/* Files change between batches only: a batch that spans two could be half committed. A file is sealed before it is closed, so
 * that it can be checked without the next one. */
static mcpa_status_t fitting_file(admind_journal_t *journal, int64_t now_us)
{
    if (journal->fd >= 0 && admind_journal_day(now_us) <= journal->name.day && journal->synced < journal->max_file_bytes) {
        return MCPA_OK;
    }
    if (journal->fd >= 0 && admind_journal_seal(journal, now_us) != MCPA_OK) {
        return MCPA_EIO;
    }
    return open_next(journal, now_us) ? MCPA_OK : roll_back(journal, false);
}

mcpa_status_t admind_journal_append(admind_journal_t *journal, mcpa_str_t line, int64_t now_us)
{
    bool fresh = journal->buffered == 0 && journal->written == journal->synced;
    char file[ADMIND_JOURNAL_NAME_BYTES] = "";

    if (journal->failing || line.len >= BUFFER_BYTES) {
        return journal->failing ? MCPA_EIO : MCPA_ETOOBIG;
    }
    if (fresh && fitting_file(journal, now_us) != MCPA_OK) {
        return MCPA_EIO;
    }
    if (journal->sealer != NULL) {
        if (admind_sealer_open_lines(journal->sealer) == 0) { /* a block's first line tells where it begins */
            admind_journal_name_format(file, &journal->name);
        }
        if (!admind_sealer_line(journal->sealer, file, journal->written + journal->buffered, line)) {
            errno = ENOMEM;
            return roll_back(journal, false);
        }
    }
    journal->now_us = now_us;
    return put_line(journal, line) ? MCPA_OK : roll_back(journal, false);
}

mcpa_status_t admind_journal_commit(admind_journal_t *journal)
{
    if (journal->failing) {
        return MCPA_EIO;
    }
    /* With the batch, so that a seal costs no sync of its own; also when the file is full, which will be closed next. */
    if (journal->sealer != NULL && journal->written + journal->buffered > journal->synced &&
        (admind_sealer_is_due(journal->sealer, journal->now_us) ||
         journal->written + journal->buffered >= journal->max_file_bytes) &&
        !put_seal(journal, journal->now_us)) {
        return roll_back(journal, false);
    }
    return sync_batch(journal, journal->now_us);
}

mcpa_status_t admind_journal_seal(admind_journal_t *journal, int64_t now_us)
{
    if (journal->failing) {
        return MCPA_EIO;
    }
    if (journal->sealer == NULL || admind_sealer_open_lines(journal->sealer) == 0) {
        return MCPA_OK;
    }
    if ((journal->fd < 0 && !open_next(journal, now_us)) || !put_seal(journal, now_us)) {
        return roll_back(journal, false);
    }
    return sync_batch(journal, now_us);
}

bool admind_journal_is_failing(const admind_journal_t *journal)
{
    return journal->failing;
}

bool admind_journal_probe(admind_journal_t *journal, int64_t now_us)
{
    static const char zeroes[PROBE_BYTES];
    ssize_t n;

    if (!journal->failing) {
        return true;
    }
    if (journal->fd < 0 && !open_next(journal, now_us)) {
        return false;
    }
    /* Killed in between, the zeroes are a torn tail: they hold no newline, and the next start cuts them off. */
    n = pwrite(journal->fd, zeroes, sizeof(zeroes), (off_t)journal->synced);
    journal->failing = n != (ssize_t)sizeof(zeroes) || admind_turn_fdatasync(journal->fd) != 0;
    if (ftruncate(journal->fd, (off_t)journal->synced) != 0) {
        journal->failing = true;
    }
    return !journal->failing;
}

void admind_journal_position(const admind_journal_t *journal, admind_position_t *position)
{
    *position = (admind_position_t){ .offset = journal->synced };
    if (journal->name.day != 0) {
        admind_journal_name_format(position->file, &journal->name);
    }
}

uint64_t admind_journal_written_bytes(const admind_journal_t *journal)
{
    return journal->committed_bytes;
}
