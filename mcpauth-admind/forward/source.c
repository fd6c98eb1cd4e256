/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/source.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/names.h"
#include "forward/cursor.h"

#define SLICE_BYTES ((size_t)1024 * 1024) /* of text: some 3 ms to unpack */

void admind_source_seek(admind_source_t *source, const admind_position_t *position)
{
    admind_position_t to = *position;

    admind_reader_close(&source->reader);
    source->at = to;
    source->held = false;
}

void admind_source_clear(admind_source_t *source)
{
    admind_reader_close(&source->reader);
}

static bool open_reader(admind_source_t *source)
{
    char error[256];

    if (source->reader == NULL) {
        source->reader = admind_reader_open(source->dir, &source->at, error, sizeof(error));
        if (source->reader != NULL) {
            admind_reader_slice(source->reader, SLICE_BYTES);
        }
    }
    return source->reader != NULL;
}

bool admind_source_is_busy(const admind_source_t *source)
{
    return source->reader != NULL && admind_reader_is_busy(source->reader);
}

static bool is_there(const admind_source_t *source, const char *file)
{
    char path[PATH_MAX];

    for (int compressed = 0; compressed < 2; compressed++) {
        snprintf(path, sizeof(path), "%s/%s%s", source->dir, file, compressed ? ".gz" : "");
        if (access(path, F_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* Retention takes the oldest files first: when the one we come from is gone, so may be some that stood between. */
static void look_for_losses(admind_source_t *source, const admind_position_t *to)
{
    bool moved = source->at.file[0] != '\0' && strcmp(source->at.file, to->file) != 0;

    if (moved && (admind_reader_skipped(source->reader) || !is_there(source, source->at.file))) {
        source->lost++;
    }
}

mcpa_status_t admind_source_next(admind_source_t *source, mcpa_str_t *line)
{
    admind_position_t end, position;
    mcpa_status_t status;

    if (source->held) {
        source->held = false;
        source->at = source->behind;
        *line = source->line;
        return MCPA_OK;
    }
    admind_journal_position(source->journal, &end);
    if (admind_position_compare(&source->at, &end) >= 0) {
        return MCPA_ENOTFOUND;
    }
    if (!open_reader(source)) {
        return MCPA_EIO;
    }
    status = admind_reader_next(source->reader, line);
    if (status != MCPA_OK && status != MCPA_ETOOBIG && status != MCPA_EMALFORMED) {
        return status;
    }
    admind_reader_position(source->reader, &position);
    if (admind_position_compare(&position, &end) > 0) {
        admind_reader_close(&source->reader); /* with what it read ahead: the journal may write something else there */
        return MCPA_ENOTFOUND;
    }
    look_for_losses(source, &position);
    source->before = source->at;
    source->at = source->behind = position;
    source->line = *line;
    return status;
}

void admind_source_hold(admind_source_t *source)
{
    source->held = true;
    source->at = source->before;
}

unsigned admind_source_lost(admind_source_t *source)
{
    unsigned lost = source->lost;

    source->lost = 0;
    return lost;
}

/* ---- how much there is */

/* What a gzip file holds: its last four bytes say it modulo 4 GiB (RFC 1952). JournalFileSize allows files that are a little longer than that.
 * Deflate never needs more than a thousandth on top of the text, so what looks as if it did is such a file. */
static uint64_t unpacked_bytes(uint64_t packed, const unsigned char tail[4])
{
    uint64_t text = (uint64_t)tail[0] | (uint64_t)tail[1] << 8 | (uint64_t)tail[2] << 16 | (uint64_t)tail[3] << 24;

    return packed > text + text / 1000 + 64 ? text + (UINT64_C(1) << 32) : text;
}

static uint64_t text_bytes(int fd, bool compressed)
{
    unsigned char tail[4];
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return 0;
    }
    if (!compressed) {
        return (uint64_t)st.st_size;
    }
    if (st.st_size < (off_t)sizeof(tail) || pread(fd, tail, sizeof(tail), st.st_size - 4) != (ssize_t)sizeof(tail)) {
        return 0;
    }
    return unpacked_bytes((uint64_t)st.st_size, tail);
}

static uint64_t file_bytes(const char *dir, const admind_journal_name_t *name)
{
    char text[ADMIND_JOURNAL_NAME_BYTES], path[PATH_MAX];
    uint64_t bytes = 0;
    int fd;

    admind_journal_name_on_disk(text, name);
    snprintf(path, sizeof(path), "%s/%s", dir, text);
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        bytes = text_bytes(fd, name->compressed);
        close(fd);
    }
    return bytes;
}

uint64_t admind_source_backlog(const admind_source_t *source, const admind_position_t *from)
{
    admind_journal_name_t *names = NULL, start = { .day = 0 }, last;
    admind_position_t end;
    uint64_t total;
    size_t count = 0;

    admind_journal_position(source->journal, &end);
    if (strcmp(from->file, end.file) == 0) {
        return end.offset > from->offset ? end.offset - from->offset : 0;
    }
    if (!admind_journal_name_parse(&last, end.file) || admind_journal_names(&names, &count, source->dir) != MCPA_OK) {
        return 0;
    }
    if (!admind_journal_name_parse(&start, from->file)) {
        start = (admind_journal_name_t){ .day = 0 };
    }
    total = end.offset;
    for (size_t i = 0; i < count; i++) {
        int order = admind_journal_name_compare(&names[i], &start);

        if (order >= 0 && admind_journal_name_compare(&names[i], &last) < 0) {
            uint64_t bytes = file_bytes(source->dir, &names[i]);
            uint64_t done = order == 0 ? from->offset : 0;

            total += bytes > done ? bytes - done : 0;
        }
    }
    free(names);
    return total;
}
