/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "audit/gzip.h"
#include "audit/names.h"
#include "audit/retain.h"
#include "base/crash.h"
#include "log.h"
#include "turn.h"

#define TEMPORARY      ".tmp-audit-"
#define SYNC_BYTES     ((uint64_t)1024 * 1024) /* so that no single sync is long */
#define RETRY_FIRST_MS 60000
#define RETRY_LAST_MS  3600000

/* Of the file that is being compressed. */
typedef struct work {
    admind_journal_name_t name;
    char plain[ADMIND_JOURNAL_NAME_BYTES], packed[ADMIND_JOURNAL_NAME_BYTES];
    char temporary[ADMIND_JOURNAL_NAME_BYTES + sizeof(TEMPORARY)];
    int in, out;             /* -1: no work */
    admind_gzip_t *gzip;     /* while it is compressed */
    admind_gunzip_t *gunzip; /* while it is read back */
    uint64_t at;             /* of the plain file */
    uint64_t synced;         /* of what was written */
} work_t;

struct admind_shelf {
    char *dir;
    int dir_fd;
    work_t work;
    char looked[ADMIND_JOURNAL_NAME_BYTES]; /* the checkpoint's file when there was nothing to do */
    admind_journal_name_t tried;            /* failed last: the others come first; day 0: none */
    int64_t retry_ms;                       /* 0: nothing failed */
    admind_retain_t retain;
    char lines[ADMIND_SHELF_SLICE_BYTES], again[ADMIND_SHELF_SLICE_BYTES];
};

/* ---- opening and closing */

/* What a kill left. */
static void sweep(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (stream == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    while ((entry = readdir(stream)) != NULL) {
        if (strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)) == 0) {
            (void)unlinkat(dir_fd, entry->d_name, 0);
        }
    }
    closedir(stream);
}

admind_shelf_t *admind_shelf_new(const char *dir)
{
    admind_shelf_t *shelf = calloc(1, sizeof(*shelf));

    if (shelf == NULL) {
        return NULL;
    }
    shelf->work.in = shelf->work.out = -1;
    shelf->dir = strdup(dir);
    shelf->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (shelf->dir == NULL || shelf->dir_fd < 0) {
        admind_shelf_free(&shelf);
        return NULL;
    }
    admind_retain_init(&shelf->retain, shelf->dir_fd);
    sweep(shelf->dir_fd);
    return shelf;
}

static void drop_work(admind_shelf_t *shelf)
{
    work_t *work = &shelf->work;

    admind_gzip_free(&work->gzip);
    admind_gunzip_free(&work->gunzip);
    if (work->out >= 0) {
        close(work->out);
        (void)unlinkat(shelf->dir_fd, work->temporary, 0); /* gone already when it was renamed */
    }
    if (work->in >= 0) {
        close(work->in);
    }
    work->in = work->out = -1;
}

void admind_shelf_free(admind_shelf_t **shelf)
{
    admind_shelf_t *gone = *shelf;

    if (gone == NULL) {
        return;
    }
    *shelf = NULL;
    drop_work(gone);
    if (gone->dir_fd >= 0) {
        close(gone->dir_fd);
    }
    free(gone->dir);
    free(gone);
}

/* ---- compressing */

static int64_t back_off(admind_shelf_t *shelf)
{
    shelf->retry_ms = shelf->retry_ms == 0                  ? RETRY_FIRST_MS
                      : shelf->retry_ms * 2 < RETRY_LAST_MS ? shelf->retry_ms * 2
                                                            : RETRY_LAST_MS;
    return shelf->retry_ms;
}

void admind_shelf_yield(admind_shelf_t *shelf)
{
    drop_work(shelf);
}

/* why: of which errno tells. The other files come first, so that one that cannot be read holds up none. */
static int64_t failed(admind_shelf_t *shelf, const char *why)
{
    if (shelf->retry_ms == 0) {
        admind_log(ADMIND_WARNING, "MCPA2121", "journal: %s stays as it is for now: %s", shelf->work.plain, why);
    }
    shelf->tried = shelf->work.name;
    drop_work(shelf);
    return back_off(shelf);
}

/* The oldest plain file before the checkpoint's, behind 'tried'. *any: there is one at all. */
static bool find_work(const admind_shelf_t *shelf, const admind_position_t *checkpoint, admind_journal_name_t *found, bool *any)
{
    admind_journal_name_t *names = NULL, end;
    size_t count = 0;
    bool is_found = false;

    *any = false;
    if (!admind_journal_name_parse(&end, checkpoint->file) || admind_journal_names(&names, &count, shelf->dir) != MCPA_OK) {
        return false;
    }
    for (size_t i = 0; i < count && !is_found && admind_journal_name_compare(&names[i], &end) < 0; i++) {
        if (!names[i].compressed) {
            *any = true;
            is_found = admind_journal_name_compare(&names[i], &shelf->tried) > 0;
            *found = names[i];
        }
    }
    free(names);
    return is_found;
}

/* The journal needs room before we do: at the worst what is compressed is as large as what it is made of. */
static bool has_room(int dir_fd, uint64_t bytes)
{
    struct statvfs fs;

    return fstatvfs(dir_fd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize > 2 * bytes;
}

static int64_t begin(admind_shelf_t *shelf, const admind_journal_name_t *name)
{
    work_t *work = &shelf->work;
    struct stat st;

    work->name = *name;
    work->name.compressed = true;
    admind_journal_name_format(work->plain, name);
    admind_journal_name_on_disk(work->packed, &work->name);
    snprintf(work->temporary, sizeof(work->temporary), ".tmp-%s", work->packed);
    work->at = work->synced = 0;
    work->in = openat(shelf->dir_fd, work->plain, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (work->in < 0 || fstat(work->in, &st) != 0) {
        return failed(shelf, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return failed(shelf, "no regular file");
    }
    if (!has_room(shelf->dir_fd, (uint64_t)st.st_size)) {
        return failed(shelf, "too little room to compress it");
    }
    (void)unlinkat(shelf->dir_fd, work->temporary, 0);
    work->out = openat(shelf->dir_fd, work->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    /* As the plain one, but never for everybody. */
    if (work->out < 0 || fchmod(work->out, st.st_mode & 0770) != 0) {
        return failed(shelf, strerror(errno));
    }
    (void)!fchown(work->out, (uid_t)-1, st.st_gid); /* a group of others: then it keeps ours */
    work->gzip = admind_gzip_new(work->out);
    return work->gzip == NULL ? failed(shelf, "no memory") : 0;
}

static ssize_t read_plain(admind_shelf_t *shelf, size_t len)
{
    ssize_t n;

    do {
        n = pread(shelf->work.in, shelf->lines, len, (off_t)shelf->work.at);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* Everything is written: to the disk with it, and out of the page cache, so that what is read back is what the disk has. */
static int64_t packed(admind_shelf_t *shelf)
{
    work_t *work = &shelf->work;

    if (admind_gzip_finish(work->gzip) != MCPA_OK || admind_turn_fsync(work->out) != 0) {
        return failed(shelf, strerror(errno));
    }
    MCPA_CRASH("shelf.packed");
    (void)posix_fadvise(work->out, 0, 0, POSIX_FADV_DONTNEED);
    admind_gzip_free(&work->gzip);
    work->at = 0;
    work->gunzip = admind_gunzip_new(work->out);
    return work->gunzip == NULL ? failed(shelf, "no memory") : 0;
}

static int64_t pack_slice(admind_shelf_t *shelf)
{
    work_t *work = &shelf->work;
    ssize_t n = read_plain(shelf, sizeof(shelf->lines));

    if (n == 0) {
        return packed(shelf);
    }
    if (n < 0 || admind_gzip_write(work->gzip, shelf->lines, (size_t)n) != MCPA_OK) {
        return failed(shelf, strerror(errno));
    }
    work->at += (uint64_t)n;
    if (admind_gzip_written(work->gzip) - work->synced >= SYNC_BYTES) {
        if (admind_turn_fdatasync(work->out) != 0) {
            return failed(shelf, strerror(errno));
        }
        work->synced = admind_gzip_written(work->gzip);
    }
    MCPA_CRASH("shelf.slice");
    return 0;
}

/* The compressed form takes the plain one's place. */
static int64_t replace(admind_shelf_t *shelf)
{
    work_t *work = &shelf->work;
    struct timespec times[2];
    struct stat st;

    if (fstat(work->in, &st) != 0) {
        return failed(shelf, strerror(errno));
    }
    if (st.st_nlink == 0) { /* retention was faster */
        drop_work(shelf);
        return 0;
    }
    times[0] = st.st_atim;
    times[1] = st.st_mtim;
    if (futimens(work->out, times) != 0 || admind_turn_fsync(work->out) != 0 ||
        renameat(shelf->dir_fd, work->temporary, shelf->dir_fd, work->packed) != 0) {
        return failed(shelf, strerror(errno));
    }
    MCPA_CRASH("shelf.renamed");
    if (admind_turn_fsync(shelf->dir_fd) != 0) {
        return failed(shelf, strerror(errno));
    }
    MCPA_CRASH("shelf.synced");
    if (unlinkat(shelf->dir_fd, work->plain, 0) != 0) {
        return failed(shelf, strerror(errno));
    }
    MCPA_CRASH("shelf.unlinked");
    admind_log(ADMIND_INFO, "MCPA2122", "journal: %s compressed from %llu bytes to %llu", work->plain,
               (unsigned long long)work->at, (unsigned long long)admind_gunzip_taken(work->gunzip));
    drop_work(shelf);
    shelf->retry_ms = 0;
    return 0;
}

static int64_t check_slice(admind_shelf_t *shelf)
{
    work_t *work = &shelf->work;
    ssize_t there;
    size_t n;

    if (admind_gunzip_read(work->gunzip, shelf->again, sizeof(shelf->again), &n) != MCPA_OK) {
        return failed(shelf, "its compressed form cannot be read back");
    }
    there = read_plain(shelf, n > 0 ? n : 1);
    if (there < 0) {
        return failed(shelf, strerror(errno));
    }
    if ((size_t)there != n || memcmp(shelf->lines, shelf->again, n) != 0) {
        return failed(shelf, "its compressed form is not the same");
    }
    work->at += n;
    return n == 0 ? replace(shelf) : 0;
}

int64_t admind_shelf_step(admind_shelf_t *shelf, const admind_position_t *checkpoint)
{
    admind_journal_name_t name;
    bool any;

    if (shelf->work.gzip != NULL) {
        return pack_slice(shelf);
    }
    if (shelf->work.gunzip != NULL) {
        return check_slice(shelf);
    }
    if (strcmp(shelf->looked, checkpoint->file) == 0) {
        return ADMIND_SHELF_IDLE_MS;
    }
    if (find_work(shelf, checkpoint, &name, &any)) {
        return begin(shelf, &name);
    }
    shelf->tried.day = 0; /* what failed has its next turn */
    if (!any) {
        snprintf(shelf->looked, sizeof(shelf->looked), "%s", checkpoint->file);
    }
    return ADMIND_SHELF_IDLE_MS;
}

size_t admind_shelf_retain(admind_shelf_t *shelf, const admind_position_t *end, int64_t days, int64_t wall_us, int64_t mono_us)
{
    return admind_retain(&shelf->retain, shelf->dir, shelf->dir_fd, end, days, wall_us, mono_us);
}
