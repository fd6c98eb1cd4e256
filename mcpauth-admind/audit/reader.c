/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/gzip.h"
#include "audit/names.h"
#include "audit/tail.h"

#define BLOCK_BYTES ((size_t)2 * ADMIND_LINE_MAX_BYTES)

/* How much there was to read of a file when the reader was opened. */
typedef struct share {
    admind_journal_name_t name;
    uint64_t bytes;
} share_t;

struct admind_reader {
    char *dir;
    int dir_fd;
    admind_journal_name_t *names; /* as listed last */
    size_t n_names, next_name;    /* names[next_name] comes behind 'name' */
    admind_journal_name_t name;   /* day 0: none yet */
    char file[ADMIND_JOURNAL_NAME_BYTES];
    int fd;                  /* -1: between two files */
    admind_gunzip_t *gunzip; /* NULL: a plain file */
    bool closed;             /* the daemon writes to a later file by now: what is read from here on is all that there will be */
    bool resume;             /* 'name' and 'offset' are where to begin, and nothing was opened yet */
    bool skipped;
    uint64_t skip;   /* compressed: bytes to be dropped until the position where to begin */
    uint64_t offset; /* of the file, behind the last line returned or passed over */
    uint64_t line;
    uint64_t overlong; /* bytes dropped of a line longer than any record */
    uint64_t torn;
    size_t slice, used; /* bytes that one call may read, 0: any number; has read */
    bool busy;          /* the last call ended because of that */
    size_t begin, end; /* of what is not returned yet, in block: bytes offset + overlong and on */
    share_t *shares;
    size_t n_shares;
    uint64_t total;
    char block[BLOCK_BYTES];
};

/* ---- opening and closing */

/* Sizes for the progress bar; what disappears meanwhile counts nothing. */
static bool take_shares(admind_reader_t *reader)
{
    reader->shares = calloc(reader->n_names + 1, sizeof(*reader->shares));
    if (reader->shares == NULL) {
        return false;
    }
    for (size_t i = reader->next_name; i < reader->n_names; i++) {
        char text[ADMIND_JOURNAL_NAME_BYTES];
        struct stat st;

        admind_journal_name_on_disk(text, &reader->names[i]);
        if (fstatat(reader->dir_fd, text, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
            reader->shares[reader->n_shares++] = (share_t){ reader->names[i], (uint64_t)st.st_size };
            reader->total += (uint64_t)st.st_size;
        }
    }
    return true;
}

/* Lists the directory anew. */
static mcpa_status_t list_names(admind_reader_t *reader)
{
    admind_journal_name_t *names = NULL;
    size_t count = 0, next = 0;
    mcpa_status_t status = admind_journal_names(&names, &count, reader->dir);

    if (status != MCPA_OK) {
        return status;
    }
    while (next < count && admind_journal_name_compare(&names[next], &reader->name) < !reader->resume) {
        next++;
    }
    free(reader->names);
    reader->names = names;
    reader->n_names = count;
    reader->next_name = next;
    return MCPA_OK;
}

admind_reader_t *admind_reader_open(const char *dir, const admind_position_t *from, char *error, size_t cap)
{
    admind_reader_t *reader = calloc(1, sizeof(*reader));

    if (reader == NULL) {
        snprintf(error, cap, "no memory");
        return NULL;
    }
    reader->fd = reader->dir_fd = -1;
    if (from != NULL && from->file[0] != '\0') {
        if (!admind_journal_name_parse(&reader->name, from->file)) {
            snprintf(error, cap, "%s is no name of a journal file", from->file);
            admind_reader_close(&reader);
            return NULL;
        }
        snprintf(reader->file, sizeof(reader->file), "%s", from->file);
        reader->offset = from->offset;
        reader->resume = true;
    }
    reader->dir = strdup(dir);
    reader->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (reader->dir_fd < 0 || reader->dir == NULL || list_names(reader) != MCPA_OK || !take_shares(reader)) {
        snprintf(error, cap, "%s: %s", dir, strerror(errno));
        admind_reader_close(&reader);
    }
    return reader;
}

static void close_file(admind_reader_t *reader)
{
    admind_gunzip_free(&reader->gunzip);
    if (reader->fd >= 0) {
        close(reader->fd);
    }
    reader->fd = -1;
    reader->begin = reader->end = 0;
    reader->overlong = 0;
}

void admind_reader_close(admind_reader_t **reader)
{
    admind_reader_t *gone = *reader;

    if (gone == NULL) {
        return;
    }
    *reader = NULL;
    close_file(gone);
    if (gone->dir_fd >= 0) {
        close(gone->dir_fd);
    }
    free(gone->names);
    free(gone->shares);
    free(gone->dir);
    free(gone);
}

/* ---- from file to file */

/* In whichever form it stands there: it may be compressed between the listing and now. MCPA_ENOTFOUND: gone. */
static mcpa_status_t open_either(admind_reader_t *reader, const admind_journal_name_t *name)
{
    struct stat st;

    for (int compressed = 0; compressed < 2; compressed++) {
        admind_journal_name_t form = { .day = name->day, .number = name->number, .compressed = compressed };
        char text[ADMIND_JOURNAL_NAME_BYTES];

        admind_journal_name_on_disk(text, &form);
        reader->fd = openat(reader->dir_fd, text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (reader->fd < 0) {
            if (errno == ENOENT) {
                continue;
            }
            return errno == ELOOP ? MCPA_EMALFORMED : MCPA_EIO;
        }
        if (fstat(reader->fd, &st) != 0) {
            close_file(reader);
            return MCPA_EIO;
        }
        if (!S_ISREG(st.st_mode)) {
            close_file(reader);
            return MCPA_EMALFORMED;
        }
        if (compressed && (reader->gunzip = admind_gunzip_new(reader->fd)) == NULL) {
            close_file(reader);
            return MCPA_ENOMEM;
        }
        return MCPA_OK;
    }
    return MCPA_ENOTFOUND;
}

/* The next file that is there. MCPA_ENOTFOUND: none. MCPA_EMALFORMED: no regular file; it is passed over. */
static mcpa_status_t open_next(admind_reader_t *reader)
{
    while (reader->next_name < reader->n_names) {
        const admind_journal_name_t *name = &reader->names[reader->next_name];
        bool same = reader->resume && admind_journal_name_compare(name, &reader->name) == 0;
        mcpa_status_t status = open_either(reader, name);

        if (status == MCPA_EIO || status == MCPA_ENOMEM) {
            return status;
        }
        reader->next_name++;
        if (status == MCPA_ENOTFOUND) {
            continue;
        }
        reader->skipped = reader->skipped || (reader->resume && !same);
        reader->resume = false;
        reader->offset = same ? reader->offset : 0;
        reader->skip = reader->gunzip != NULL ? reader->offset : 0;
        reader->name = *name;
        admind_journal_name_format(reader->file, name);
        reader->line = reader->torn = 0;
        reader->closed = reader->next_name < reader->n_names;
        return status;
    }
    return MCPA_ENOTFOUND;
}

/* The end of the newest file, for now. What has no newline yet is read anew when there is more: the daemon may take it back and
 * write something else there. */
static mcpa_status_t pause_here(admind_reader_t *reader)
{
    size_t held = reader->end - reader->begin;
    struct stat st;

    if (fstat(reader->fd, &st) != 0) {
        return MCPA_EIO;
    }
    reader->torn = reader->overlong + held;
    reader->overlong += reader->overlong > 0 ? held : 0; /* of a line that is passed over anyway only the length counts */
    reader->begin = reader->end = 0;
    if ((uint64_t)st.st_size < reader->offset + reader->overlong) {
        reader->offset = (uint64_t)st.st_size < reader->offset ? (uint64_t)st.st_size : reader->offset;
        reader->overlong = 0;
    }
    return MCPA_ENOTFOUND;
}

/* No more bytes in this file. MCPA_OK: go on reading, here or in the next one. */
static mcpa_status_t end_of_file(admind_reader_t *reader)
{
    if (!reader->closed) {
        mcpa_status_t status = list_names(reader);

        if (status != MCPA_OK) {
            return status;
        }
        reader->closed = reader->next_name < reader->n_names;
        if (reader->closed) {
            return MCPA_OK; /* lines may have come between the last read and the listing */
        }
        if (reader->gunzip == NULL) {
            return pause_here(reader);
        }
    }
    reader->torn = reader->overlong + (reader->end - reader->begin);
    close_file(reader);
    return reader->torn > 0 ? MCPA_EMALFORMED : MCPA_OK;
}

/* ---- lines */

/* More bytes into the block; *n 0: the end. */
static mcpa_status_t fill(admind_reader_t *reader, size_t *n)
{
    size_t room = BLOCK_BYTES - reader->end;
    ssize_t got;

    if (reader->gunzip != NULL) {
        return admind_gunzip_read(reader->gunzip, reader->block + reader->end, room, n);
    }
    do {
        uint64_t at = reader->offset + reader->overlong + (reader->end - reader->begin);

        got = pread(reader->fd, reader->block + reader->end, room, (off_t)at);
    } while (got < 0 && errno == EINTR);
    *n = got > 0 ? (size_t)got : 0;
    return got < 0 ? MCPA_EIO : MCPA_OK;
}

static mcpa_status_t read_more(admind_reader_t *reader)
{
    mcpa_status_t status;
    size_t n, dropped;

    memmove(reader->block, reader->block + reader->begin, reader->end - reader->begin);
    reader->end -= reader->begin;
    reader->begin = 0;
    if (reader->end > ADMIND_LINE_MAX_BYTES) {
        reader->overlong += reader->end;
        reader->end = 0;
    }
    status = fill(reader, &n);
    if (status == MCPA_EMALFORMED) {
        reader->torn = reader->overlong + reader->end;
        close_file(reader);
        return status;
    }
    if (status != MCPA_OK || n == 0) {
        return status != MCPA_OK ? status : end_of_file(reader);
    }
    reader->used += n;
    dropped = reader->skip < n ? (size_t)reader->skip : n;
    memmove(reader->block + reader->end, reader->block + reader->end + dropped, n - dropped);
    reader->skip -= dropped;
    reader->end += n - dropped;
    return MCPA_OK;
}

mcpa_status_t admind_reader_next(admind_reader_t *reader, mcpa_str_t *line)
{
    reader->used = 0;
    reader->busy = false;
    for (;;) {
        const char *from = reader->block + reader->begin;
        const char *newline = memchr(from, '\n', reader->end - reader->begin);
        mcpa_status_t status = MCPA_OK;

        if (newline != NULL) {
            size_t len = (size_t)(newline - from);
            bool overlong = reader->overlong > 0 || len > ADMIND_LINE_MAX_BYTES;

            reader->offset += reader->overlong + len + 1;
            reader->begin += len + 1;
            reader->overlong = 0;
            reader->line++;
            *line = overlong ? MCPA_STR_NONE : (mcpa_str_t){ from, len };
            return overlong ? MCPA_ETOOBIG : MCPA_OK;
        }
        if (reader->slice > 0 && reader->used >= reader->slice) {
            reader->busy = true;
            return MCPA_ENOTFOUND;
        }
        if (reader->fd >= 0) {
            status = read_more(reader);
        } else {
            status = reader->next_name < reader->n_names ? MCPA_OK : list_names(reader);
            status = status == MCPA_OK ? open_next(reader) : status;
        }
        if (status != MCPA_OK) {
            return status;
        }
    }
}

void admind_reader_slice(admind_reader_t *reader, size_t max_bytes)
{
    reader->slice = max_bytes;
}

bool admind_reader_is_busy(const admind_reader_t *reader)
{
    return reader->busy;
}

/* ---- what is known of it */

void admind_reader_position(const admind_reader_t *reader, admind_position_t *position)
{
    *position = (admind_position_t){ .offset = reader->offset };
    snprintf(position->file, sizeof(position->file), "%s", reader->file);
}

const char *admind_reader_file(const admind_reader_t *reader)
{
    return reader->file;
}

uint64_t admind_reader_line(const admind_reader_t *reader)
{
    return reader->line;
}

uint64_t admind_reader_torn_bytes(const admind_reader_t *reader)
{
    return reader->torn;
}

bool admind_reader_skipped(const admind_reader_t *reader)
{
    return reader->skipped;
}

void admind_reader_progress(const admind_reader_t *reader, uint64_t *done, uint64_t *total)
{
    uint64_t here = reader->gunzip != NULL ? admind_gunzip_taken(reader->gunzip) : reader->offset;

    *done = 0;
    *total = reader->total;
    for (size_t i = 0; i < reader->n_shares && !reader->resume; i++) {
        int order = admind_journal_name_compare(&reader->shares[i].name, &reader->name);

        if (order < 0 || (order == 0 && (reader->fd < 0 || here > reader->shares[i].bytes))) {
            *done += reader->shares[i].bytes;
        } else if (order == 0) {
            *done += here;
        }
    }
}
