/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines of the journal are wanted. Pure. */
#ifndef CTL_FILTER_H
#define CTL_FILTER_H

#include "ctl/ctl.h"

#define CTL_FILTER_FIELDS 6

typedef struct ctl_filter {
    struct {
        const char *member; /* JSON name in the journal */
        mcpa_str_t value;
    } fields[CTL_FILTER_FIELDS];
    size_t n_fields;
    int64_t since_us, until_us; /* inclusive, exclusive */
    int32_t since_day;          /* 20261121, UTC */
} ctl_filter_t;

/* Borrows from ctl. False: it has complained about a time. */
bool ctl_filter_init(ctl_filter_t *filter, const ctl_t *ctl, int64_t now_us);
bool ctl_filter_matches(const ctl_filter_t *filter, mcpa_str_t line);

#endif
