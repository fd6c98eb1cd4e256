/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/reporttimes.h"

#include <stdlib.h>

#define HOUR_US      INT64_C(3600000000)
#define WEEK_HOURS   168
#define MONDAY_HOURS 96 /* 1970 began on a Thursday */

static int64_t hour_of(int64_t us)
{
    return us >= 0 ? us / HOUR_US : -((-us + HOUR_US - 1) / HOUR_US);
}

/* Where the hour is or would be. */
static size_t find(const ctl_times_t *times, int64_t hour)
{
    size_t low = 0, high = times->count;

    if (high > 0 && times->hours[high - 1].hour == hour) { /* nearly always */
        return high - 1;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (times->hours[middle].hour < hour) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

mcpa_status_t ctl_times_add(ctl_times_t *times, int64_t at_us, unsigned column)
{
    int64_t hour = hour_of(at_us);
    size_t at = find(times, hour);

    if (at == times->count || times->hours[at].hour != hour) {
        if (times->count == CTL_TIMES_HOURS_MAX) {
            return MCPA_ETOOBIG;
        }
        if (times->count == times->cap) {
            size_t cap = times->cap == 0 ? 64 : times->cap * 2;
            struct ctl_hour *grown = realloc(times->hours, cap * sizeof(*grown));

            if (grown == NULL) {
                return MCPA_ENOMEM;
            }
            times->hours = grown;
            times->cap = cap;
        }
        memmove(&times->hours[at + 1], &times->hours[at], (times->count - at) * sizeof(*times->hours));
        times->hours[at] = (struct ctl_hour){ .hour = hour };
        times->count++;
    }
    times->hours[at].counts[column]++;
    return MCPA_OK;
}

void ctl_times_clear(ctl_times_t *times)
{
    free(times->hours);
    *times = (ctl_times_t){ 0 };
}

/* The begin of the step that holds the hour. */
static int64_t align(int64_t hour, int64_t step)
{
    int64_t from = step >= WEEK_HOURS ? MONDAY_HOURS : 0, away = (hour - from) % step;

    return hour - (away < 0 ? away + step : away);
}

static int64_t choose_step(int64_t first, int64_t last)
{
    static const int64_t steps[] = { 1, 24, WEEK_HOURS };
    int64_t step = 0;

    for (size_t i = 0; step == 0 && i < sizeof(steps) / sizeof(steps[0]); i++) {
        if ((align(last, steps[i]) - align(first, steps[i])) / steps[i] < CTL_TIMES_SHOWN_MAX) {
            step = steps[i];
        }
    }
    for (int64_t weeks = 2; step == 0; weeks *= 2) {
        if ((align(last, weeks * WEEK_HOURS) - align(first, weeks * WEEK_HOURS)) / (weeks * WEEK_HOURS) < CTL_TIMES_SHOWN_MAX) {
            step = weeks * WEEK_HOURS;
        }
    }
    return step;
}

size_t ctl_times_bars(const ctl_times_t *times, int64_t since_us, int64_t until_us, ctl_bar_t bars[CTL_TIMES_SHOWN_MAX],
                      unsigned *step_hours)
{
    int64_t first, last, from, to, step;
    size_t count;

    *step_hours = 1;
    if (times->count == 0) {
        return 0;
    }
    first = times->hours[0].hour;
    last = times->hours[times->count - 1].hour;
    step = choose_step(first, last);
    from = since_us != INT64_MIN ? hour_of(since_us) : first;
    to = until_us != INT64_MAX ? hour_of(until_us - 1) : last;
    if (from <= first && to >= last && choose_step(from, to) == step) { /* else the empty time around would hide the rest */
        first = from;
        last = to;
    }
    first = align(first, step);
    count = (size_t)((align(last, step) - first) / step) + 1;
    for (size_t i = 0; i < count; i++) {
        bars[i] = (ctl_bar_t){ .from_us = (first + (int64_t)i * step) * HOUR_US,
                               .until_us = (first + (int64_t)(i + 1) * step) * HOUR_US };
    }
    for (size_t i = 0; i < times->count; i++) {
        ctl_bar_t *bar = &bars[(times->hours[i].hour - first) / step];

        for (unsigned c = 0; c < CTL_TALLY_COLUMNS; c++) {
            bar->counts[c] += times->hours[i].counts[c];
            bar->total += times->hours[i].counts[c];
        }
    }
    *step_hours = (unsigned)step;
    return count;
}
