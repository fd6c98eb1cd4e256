/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit/names.h"
#include "ctl/ctl.h"

#define DAY_US INT64_C(86400000000)

static bool open_at(ctl_scan_t *scan, const char *dir, const admind_position_t *from)
{
    char error[512];

    *scan = (ctl_scan_t){ .dir = dir, .damaged = scan->damaged };
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
    admind_reader_close(&scan->reader);
}

/* Goes on behind a file that cannot be read at all. */
static bool pass_over(ctl_scan_t *scan, const char *why)
{
    admind_position_t from = { 0 };
    admind_journal_name_t name;

    if (!admind_journal_name_parse(&name, admind_reader_file(scan->reader))) {
        ctl_complain("%s: %s", scan->dir, why);
        admind_reader_close(&scan->reader);
        return false;
    }
    admind_journal_name_format(from.file, &name);
    ctl_complain("%s/%s: %s; it is passed over", scan->dir, from.file, why);
    name.number++; /* that file need not be there: then it is the next one */
    admind_journal_name_format(from.file, &name);
    admind_reader_close(&scan->reader);
    return open_at(scan, scan->dir, &from);
}

bool ctl_scan_next(ctl_scan_t *scan, mcpa_str_t *line)
{
    while (scan->reader != NULL) {
        mcpa_status_t status = admind_reader_next(scan->reader, line);
        int error = errno;

        if (status == MCPA_OK) {
            return true;
        }
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
