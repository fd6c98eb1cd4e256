/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over time: counted by the hour (UTC), shown by the hour, day or week, as many as fit a page. */
#ifndef CTL_REPORTTIMES_H
#define CTL_REPORTTIMES_H

#include "base/bytes.h"
#include "ctl/reporttally.h"

#define CTL_TIMES_SHOWN_MAX 62
#define CTL_TIMES_HOURS_MAX ((size_t)24 * 366 * 10) /* ten years, 5 MB; what is beyond is counted in the totals only */

typedef struct ctl_times {
    struct ctl_hour {
        int64_t hour; /* since 1970 */
        uint64_t counts[CTL_TALLY_COLUMNS];
    } * hours; /* those with requests, in order */
    size_t count, cap;
} ctl_times_t;

/* One bar. */
typedef struct ctl_bar {
    int64_t from_us, until_us;
    uint64_t total, counts[CTL_TALLY_COLUMNS];
} ctl_bar_t;

/* Zeroed memory is empty. MCPA_ENOMEM; MCPA_ETOOBIG: too many hours, not counted. */
mcpa_status_t ctl_times_add(ctl_times_t *times, int64_t at_us, unsigned column) MCPA_MUST_CHECK;
void ctl_times_clear(ctl_times_t *times);
/* Bars from the first hour to the last, empty ones too, and from since to until (INT64_MIN, INT64_MAX: open) where that needs no
 * longer steps; returns how many there are.
 * *step_hours: 1, 24, 168 (weeks from Monday), or a multiple of a week. The first and last may reach beyond since and until. */
size_t ctl_times_bars(const ctl_times_t *times, int64_t since_us, int64_t until_us, ctl_bar_t bars[CTL_TIMES_SHOWN_MAX],
                      unsigned *step_hours);

#endif
