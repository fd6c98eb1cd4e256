/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines of the journal are wanted: all that is asked for must be true of a line. Pure. */
#ifndef CTL_FILTER_H
#define CTL_FILTER_H

#include "ctl/ctl.h"

#define CTL_FILTER_FIELDS 12

typedef struct ctl_filter {
    struct ctl_filter_field {
        const char *member, *or_member; /* JSON names in the journal; the second may be NULL */
        mcpa_str_t value;
        int64_t number; /* value as a number, MCPA_RECORD_ABSENT: it is text */
    } fields[CTL_FILTER_FIELDS];
    size_t n_fields;
    bool requests, seals;       /* only lines of requests; seals too */
    int64_t since_us, until_us; /* inclusive, exclusive; INT64_MIN, INT64_MAX: open */
} ctl_filter_t;

/* Borrows from ctl. False: it has complained about a time or a status. */
bool ctl_filter_init(ctl_filter_t *filter, const ctl_t *ctl, int64_t now_us);
/* --since and --until alone. */
bool ctl_filter_period(const ctl_t *ctl, int64_t now_us, int64_t *since_us, int64_t *until_us);
bool ctl_filter_matches(const ctl_filter_t *filter, mcpa_str_t line);
/* The time of a line as the daemon writes it, found without parsing the rest. false: it must be parsed. */
bool ctl_filter_line_time(mcpa_str_t line, int64_t *at_us);
/* An option that says what a record must hold ("subject", ...), or NULL when none was given. */
const char *ctl_filter_given(const ctl_t *ctl);

#endif
