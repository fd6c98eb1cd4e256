/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/finding.h"

#define OUTCOME_WIDTH 7

static const char *const outcomes[] = { [CTL_PROBE_FAIL] = "fail", [CTL_PROBE_PASS] = "pass", [CTL_PROBE_SKIP] = "skip" };

void ctl_finding_print_titles(bool colour, const char *columns)
{
    printf("%s%-*s  %s  %s%s\n", ctl_colour_on(colour, CTL_BOLD), OUTCOME_WIDTH, "OUTCOME", columns, "SEEN",
           ctl_colour_off(colour));
}

void ctl_finding_print(bool colour, ctl_colour_t failed, const char *columns, const ctl_finding_t *finding, const char *mend)
{
    ctl_colour_t which = finding->outcome == CTL_PROBE_PASS ? CTL_GREEN : finding->outcome == CTL_PROBE_SKIP ? CTL_PLAIN : failed;
    bool has_colour = colour && which != CTL_PLAIN;

    printf("%s%-*s%s  %s  ", ctl_colour_on(has_colour, which), OUTCOME_WIDTH, outcomes[finding->outcome],
           ctl_colour_off(has_colour), columns);
    ctl_print_text(stdout, mcpa_str(finding->seen));
    printf("\n");
    if (finding->outcome == CTL_PROBE_FAIL) {
        printf("%*sto mend: %s\n", OUTCOME_WIDTH + 2 + (int)strlen(columns) + 2, "", mend);
    }
}

void ctl_finding_print_verdict(bool colour, bool is_good)
{
    printf("\n%s%s%s", ctl_colour_on(colour, is_good ? CTL_GREEN : CTL_RED), is_good ? "good" : "bad", ctl_colour_off(colour));
}

void ctl_finding_write(mcpa_jsonw_t *w, const ctl_finding_t *finding, const char *mend)
{
    char memory[4 * CTL_PROBE_SEEN_BYTES];
    mcpa_out_t seen;

    mcpa_out_init(&seen, memory, sizeof(memory));
    ctl_escape(&seen, mcpa_str(finding->seen)); /* a sentence, which people look at in JSON too */
    mcpa_jsonw_z(w, "outcome", outcomes[finding->outcome]);
    mcpa_jsonw_z(w, "seen", memory);
    if (finding->outcome == CTL_PROBE_FAIL) {
        mcpa_jsonw_z(w, "mend", mend);
    }
}
