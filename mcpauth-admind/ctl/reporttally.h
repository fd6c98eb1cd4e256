/* SPDX-License-Identifier: Apache-2.0 */
/* Counts by key in bounded memory, whoever chooses the keys. Up to max_keys (and max_bytes of their text) everything is exact.
 * Beyond, a new key takes the place of the one with the least behind it (the space-saving way): what a row then shows was really
 * counted, and 'missed' says how many more at most it may have had before its key came back. So the busiest keys are always
 * there: every one with more than ctl_tally_missed(). Rows are lower bounds; what they lack is among the others, so a table's
 * rows and its others always add up to its sums. One thread. */
#ifndef CTL_REPORTTALLY_H
#define CTL_REPORTTALLY_H

#include "base/bytes.h"

#define CTL_TALLY_COLUMNS       6
#define CTL_TALLY_KEY_MAX_BYTES 5200 /* five texts of a record; longer ones are cut */

typedef struct ctl_tally ctl_tally_t;

typedef struct ctl_tally_row {
    mcpa_str_t key; /* borrowed until the next add */
    uint64_t total, missed, counts[CTL_TALLY_COLUMNS];
} ctl_tally_row_t;

ctl_tally_t *ctl_tally_new(size_t max_keys, size_t max_bytes); /* NULL: no memory */
void ctl_tally_free(ctl_tally_t **tally);
/* One more in that column. MCPA_ENOMEM. */
mcpa_status_t ctl_tally_add(ctl_tally_t *tally, mcpa_str_t key, unsigned column) MCPA_MUST_CHECK;
/* Keys in the table; *more: there were others, which had to go. */
size_t ctl_tally_keys(const ctl_tally_t *tally, bool *more);
uint64_t ctl_tally_missed(const ctl_tally_t *tally); /* no key that is not in the table was added more often than this */
/* All rows together, those that had to go too. */
const ctl_tally_row_t *ctl_tally_sums(const ctl_tally_t *tally);
/* The n rows with the highest totals, highest first, equal ones by key; returns how many there are. */
size_t ctl_tally_top(const ctl_tally_t *tally, ctl_tally_row_t *rows, size_t n);

#endif
