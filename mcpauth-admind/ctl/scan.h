/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's lines from a moment on, compressed files too. What cannot be read is told on stderr by its name and passed over.
 * One thread. */
#ifndef CTL_SCAN_H
#define CTL_SCAN_H

#include "audit/reader.h"
#include "ctl/progress.h"

typedef struct ctl_scan {
    const char *dir; /* borrowed */
    admind_reader_t *reader;
    admind_position_t from;
    uint64_t lines;
    ctl_progress_t progress; /* as open leaves it, it draws nothing: see ctl_scan_show */
    bool damaged;            /* not everything could be read */
} ctl_scan_t;

/* Opens no file whose records are all older than since_us (INT64_MIN: none is). false: it has complained. */
bool ctl_scan_open(ctl_scan_t *scan, const char *dir, int64_t since_us);
/* At the begin of the newest file. */
bool ctl_scan_open_newest(ctl_scan_t *scan, const char *dir);
void ctl_scan_close(ctl_scan_t *scan);
/* Borrowed until the next call. false: nothing more for now. */
bool ctl_scan_next(ctl_scan_t *scan, mcpa_str_t *line);
/* From here on a bar says how far it is, until the scan is closed; only where nothing else is written meanwhile. */
void ctl_scan_show(ctl_scan_t *scan);

#endif
