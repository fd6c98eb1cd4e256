/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/names.h"
#include "ctl/ctl.h"

#define DAY_US       INT64_C(86400000000)
#define LINES_A_LOOK 512 /* some milliseconds of work */

static bool open_at(ctl_scan_t *scan, const char *dir, const admind_position_t *from)
{
    char error[512];

    scan->dir = dir;
    scan->from = *from;
    scan->reader = admind_reader_open(dir, from, error, sizeof(error));
    if (scan->reader == NULL) {
        ctl_complain("%s; name the journal with --journal or --config", error);
        scan->damaged = true;
    }
    return scan->reader != NULL;
}

bool ctl_scan_open(ctl_scan_t *scan, const char *dir, int64_t since_us)
{
    admind_position_t from = { 0 };

    *scan = (ctl_scan_t){ 0 };
    /* A record is written on its day or later; a day more for a clock that was set back in between. */
    if (since_us >= 2 * DAY_US) {
        const admind_journal_name_t name = { .day = admind_journal_day(since_us - DAY_US) };

        admind_journal_name_format(from.file, &name);
    }
    return open_at(scan, dir, &from);
}

bool ctl_scan_open_newest(ctl_scan_t *scan, const char *dir)
{
    admind_journal_name_t *names = NULL;
    admind_position_t from = { 0 };
    size_t count = 0;

    *scan = (ctl_scan_t){ 0 };
    if (admind_journal_names(&names, &count, dir) == MCPA_OK && count > 0) {
        admind_journal_name_format(from.file, &names[count - 1]);
    }
    free(names);
    return open_at(scan, dir, &from);
}

void ctl_scan_close(ctl_scan_t *scan)
{
    ctl_progress_hide(&scan->progress);
    admind_reader_close(&scan->reader);
}

static bool can_open(const ctl_scan_t *scan, const admind_journal_name_t *name)
{
    char text[ADMIND_JOURNAL_NAME_BYTES], path[4096];
    int fd;

    admind_journal_name_on_disk(text, name);
    snprintf(path, sizeof(path), "%s/%s", scan->dir, text);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

/* The file that the reader did not get over: the one it is in, unless a later one cannot be opened. */
static bool find_culprit(const ctl_scan_t *scan, admind_journal_name_t *culprit)
{
    const char *file = admind_reader_file(scan->reader);
    admind_journal_name_t *names = NULL;
    size_t count = 0, at = 0;
    bool found = admind_journal_name_parse(culprit, file[0] != '\0' ? file : scan->from.file);

    if (admind_journal_names(&names, &count, scan->dir) != MCPA_OK) {
        return false;
    }
    while (found && at < count && admind_journal_name_compare(&names[at], culprit) < 0) {
        at++;
    }
    while (at < count && can_open(scan, &names[at])) {
        at++;
    }
    if (at < count) {
        *culprit = names[at];
        found = true;
    }
    free(names);
    return found;
}

/* Goes on behind a file that cannot be read. */
static bool pass_over(ctl_scan_t *scan, const char *why)
{
    admind_position_t from = { 0 };
    admind_journal_name_t name;

    if (!find_culprit(scan, &name)) {
        ctl_complain("%s: %s", scan->dir, why);
        admind_reader_close(&scan->reader);
        return false;
    }
    admind_journal_name_on_disk(from.file, &name);
    ctl_complain("%s/%s: %s; it is passed over", scan->dir, from.file, why);
    name.number++; /* that file need not be there: then it is the next one */
    admind_journal_name_format(from.file, &name);
    admind_reader_close(&scan->reader);
    return open_at(scan, scan->dir, &from);
}

void ctl_scan_show(ctl_scan_t *scan)
{
    ctl_progress_begin(&scan->progress);
}

static void show(ctl_scan_t *scan)
{
    uint64_t done, total;

    if (scan->progress.to != NULL && ++scan->lines % LINES_A_LOOK == 0) {
        admind_reader_progress(scan->reader, &done, &total);
        ctl_progress_update(&scan->progress, done, total);
    }
}

bool ctl_scan_next(ctl_scan_t *scan, mcpa_str_t *line)
{
    while (scan->reader != NULL) {
        mcpa_status_t status = admind_reader_next(scan->reader, line);
        int error = errno;

        if (status == MCPA_OK) {
            show(scan);
            return true;
        }
        ctl_progress_hide(&scan->progress);
        if (status == MCPA_ENOTFOUND) {
            return false;
        }
        scan->damaged = true;
        if (status == MCPA_ETOOBIG) {
            ctl_complain("%s/%s: a line longer than any record is passed over", scan->dir, admind_reader_file(scan->reader));
        } else if (status == MCPA_EMALFORMED) {
            ctl_complain("%s/%s: damaged: what follows in it is passed over", scan->dir, admind_reader_file(scan->reader));
        } else if (!pass_over(scan, status == MCPA_ENOMEM ? "out of memory" : strerror(error))) {
            return false;
        }
    }
    return false;
}
