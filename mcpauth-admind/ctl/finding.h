/* SPDX-License-Identifier: Apache-2.0 */
/* What one check of probe, or one gate, found, and how a list of findings is shown: as a table, and in JSON. One thread. */
#ifndef CTL_FINDING_H
#define CTL_FINDING_H

#include "base/json.h"
#include "ctl/ctl.h"

#define CTL_PROBE_SEEN_BYTES 512

typedef enum ctl_probe_outcome { CTL_PROBE_FAIL = 0, CTL_PROBE_PASS, CTL_PROBE_SKIP } ctl_probe_outcome_t;

/* What a check found; zeroed memory fails. */
typedef struct ctl_finding {
    ctl_probe_outcome_t outcome;
    char seen[CTL_PROBE_SEEN_BYTES]; /* one sentence; may hold texts of the server: to be escaped */
} ctl_finding_t;

/* The table, to stdout. columns: what stands between the outcome and what was seen, filled up with blanks to the width of all
 * rows. */
void ctl_finding_print_titles(bool colour, const char *columns);
/* Below a finding that failed, how to mend it. failed: the colour of its outcome. */
void ctl_finding_print(bool colour, ctl_colour_t failed, const char *columns, const ctl_finding_t *finding, const char *mend);
/* The table's last line as far as the word; the counts follow. */
void ctl_finding_print_verdict(bool colour, bool is_good);
/* The members outcome, seen and, of what failed, mend. */
void ctl_finding_write(mcpa_jsonw_t *w, const ctl_finding_t *finding, const char *mend);

#endif
