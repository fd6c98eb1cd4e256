/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/replay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/sealer.h"
#include "audit/tail.h"
#include "log.h"

/* One file, while it is read. */
typedef struct reading {
    const admind_replay_t *replay;
    const char *file;
    uint64_t offset, stop; /* of the next line; behind stop nothing is hashed */
    bool open;             /* it will be written to: damage is cut off */
    bool untold;           /* for the hash alone */
} reading_t;

/* What stays in the file is hashed, damage in older files too: whoever checks it later sees the same bytes. */
static bool take_line(void *ctx, mcpa_str_t line)
{
    reading_t *reading = ctx;
    const admind_replay_t *replay = reading->replay;
    bool good = reading->untold || replay->fn == NULL || replay->fn(replay->ctx, line);

    if (replay->sealer != NULL && (good || !reading->open) && reading->offset < reading->stop &&
        !admind_sealer_line(replay->sealer, reading->file, reading->offset, line)) {
        admind_log(ADMIND_WARNING, "MCPA2111", "journal: %s could not be hashed; its next seal will not fit", reading->file);
    }
    reading->offset += line.len + 1;
    return good;
}

/* A checkpoint of a version that did not seal: the block that is open begins with its file. */
static mcpa_status_t hash_before(const admind_replay_t *replay, int fd, const char *name, uint64_t stop)
{
    reading_t reading = { .replay = replay, .file = name, .stop = stop, .untold = true };
    uint64_t at = 0;

    if (replay->sealer == NULL || stop == 0 || admind_sealer_is_restored(replay->sealer)) {
        return MCPA_OK;
    }
    return admind_tail_read(fd, name, replay->dir_fd, false, &at, take_line, &reading);
}

/* *at: where to begin, and then where it ends. below: the checkpoint's own file is gone, and nothing of this one is to be told. */
static mcpa_status_t read_file(const admind_replay_t *replay, int fd, const char *name, bool below, bool open, uint64_t *at)
{
    reading_t reading = { .replay = replay, .file = name, .offset = *at, .stop = UINT64_MAX, .open = open };
    mcpa_status_t status;

    if (replay->sealer != NULL && *at == 0) {
        admind_sealer_file(replay->sealer);
    }
    if (below) {
        return admind_tail_skip(fd, at);
    }
    status = hash_before(replay, fd, name, *at);
    return status == MCPA_OK ? admind_tail_read(fd, name, replay->dir_fd, open, at, take_line, &reading) : status;
}

/* *at as for read_file. The newest file is kept open, unless it is compressed: then the plain one after it was taken away. */
static mcpa_status_t replay_file(admind_replay_t *replay, const admind_journal_name_t *name, bool below, bool last, uint64_t *at)
{
    char text[ADMIND_JOURNAL_NAME_BYTES], on_disk[ADMIND_JOURNAL_NAME_BYTES];
    bool open = last && !name->compressed;
    mcpa_status_t status;
    int fd;

    admind_journal_name_format(text, name);
    admind_journal_name_on_disk(on_disk, name);
    fd = openat(replay->dir_fd, on_disk, (open ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return MCPA_EIO;
    }
    status = read_file(replay, fd, text, below, open, at);
    if (open && status == MCPA_OK) {
        replay->fd = fd;
    } else {
        close(fd);
    }
    return status;
}

mcpa_status_t admind_replay_run(admind_replay_t *replay, const admind_position_t *from)
{
    admind_journal_name_t start = { .day = 0 };
    admind_journal_name_t *names = NULL;
    bool met = from->file[0] == '\0'; /* the checkpoint's position is there, or there is none */
    size_t count = 0;
    mcpa_status_t status = admind_journal_names(&names, &count, replay->dir);

    replay->fd = -1;
    replay->last = (admind_journal_name_t){ .day = 0 };
    replay->end = 0;
    if (from->file[0] != '\0' && !admind_journal_name_parse(&start, from->file)) {
        admind_log(ADMIND_WARNING, "MCPA2103", "journal: checkpoint names an impossible file; replaying everything");
    }
    for (size_t i = 0; i < count && status == MCPA_OK; i++) {
        int order = admind_journal_name_compare(&names[i], &start);
        uint64_t at = order == 0 ? from->offset : 0;

        if (order >= 0 || i + 1 == count) {
            status = replay_file(replay, &names[i], order < 0, i + 1 == count, &at);
            met = met || (order == 0 && at >= from->offset);
            replay->last = names[i];
            replay->end = at;
        }
    }
    free(names);
    if (replay->sealer != NULL) {
        admind_sealer_commit(replay->sealer, 0);
        if (status == MCPA_OK && !met) {
            admind_sealer_miss(replay->sealer);
        }
    }
    return status;
}
