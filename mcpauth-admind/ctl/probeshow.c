/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "ctl/probe.h"

#define DOCUMENT_BYTES ((size_t)256 * 1024)

static const char *const outcomes[] = { [CTL_PROBE_FAIL] = "fail", [CTL_PROBE_PASS] = "pass", [CTL_PROBE_SKIP] = "skip" };
static const char *const levels[] = { [CTL_PROBE_MUST] = "must", [CTL_PROBE_SHOULD] = "should" };

static ctl_colour_t colour_of(ctl_probe_outcome_t outcome, ctl_probe_level_t level)
{
    if (outcome == CTL_PROBE_PASS) {
        return CTL_GREEN;
    }
    if (outcome == CTL_PROBE_SKIP) {
        return CTL_PLAIN;
    }
    return level == CTL_PROBE_MUST ? CTL_RED : CTL_YELLOW;
}

static void print_row(const ctl_probe_t *probe, const ctl_probe_check_t *check, const ctl_finding_t *finding)
{
    ctl_colour_t colour = colour_of(finding->outcome, check->level);
    bool has_colour = probe->ctl->colour && colour != CTL_PLAIN;

    printf("%s%-7s%s  %-6s  %-31s  ", ctl_colour_on(has_colour, colour), outcomes[finding->outcome], ctl_colour_off(has_colour),
           levels[check->level], check->id);
    ctl_print_text(stdout, mcpa_str(finding->seen));
    printf("\n");
    if (finding->outcome == CTL_PROBE_FAIL) {
        printf("%50sto mend: %s\n", "", check->mend);
    }
}

void ctl_probe_print(const ctl_probe_t *probe, const ctl_finding_t *findings, const ctl_probe_sum_t *sum)
{
    bool is_good = sum->failed_must == 0;

    printf("%s%-7s  %-6s  %-31s  %s%s\n", ctl_colour_on(probe->ctl->colour, CTL_BOLD), "OUTCOME", "LEVEL", "CHECK", "SEEN",
           ctl_colour_off(probe->ctl->colour));
    for (size_t i = 0; i < ctl_probe_n_checks; i++) {
        print_row(probe, &ctl_probe_checks[i], &findings[i]);
    }
    printf("\n%s%s%s  %zu passed, %zu failed that must pass, %zu failed that should, %zu skipped and not judged\n",
           ctl_colour_on(probe->ctl->colour, is_good ? CTL_GREEN : CTL_RED), is_good ? "good" : "bad",
           ctl_colour_off(probe->ctl->colour), sum->passed, sum->failed_must, sum->failed_should, sum->skipped);
}

static void write_check(mcpa_jsonw_t *w, const ctl_probe_check_t *check, const ctl_finding_t *finding)
{
    char memory[4 * CTL_PROBE_SEEN_BYTES];
    mcpa_out_t seen;

    mcpa_out_init(&seen, memory, sizeof(memory));
    ctl_escape(&seen, mcpa_str(finding->seen)); /* a sentence, which people look at in JSON too */
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "id", check->id);
    mcpa_jsonw_z(w, "level", levels[check->level]);
    mcpa_jsonw_z(w, "outcome", outcomes[finding->outcome]);
    mcpa_jsonw_z(w, "seen", memory);
    if (finding->outcome == CTL_PROBE_FAIL) {
        mcpa_jsonw_z(w, "mend", check->mend);
    }
    mcpa_jsonw_close_object(w);
}

void ctl_probe_print_json(const ctl_probe_t *probe, const ctl_finding_t *findings, const ctl_probe_sum_t *sum)
{
    char *memory = malloc(DOCUMENT_BYTES);
    mcpa_out_t out;
    mcpa_jsonw_t w;

    if (memory == NULL) {
        ctl_complain("out of memory");
        return;
    }
    mcpa_out_init(&out, memory, DOCUMENT_BYTES);
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_z(&w, "url", probe->url);
    mcpa_jsonw_bool(&w, "good", sum->failed_must == 0);
    mcpa_jsonw_u64(&w, "passed", sum->passed);
    mcpa_jsonw_u64(&w, "failed_must", sum->failed_must);
    mcpa_jsonw_u64(&w, "failed_should", sum->failed_should);
    mcpa_jsonw_u64(&w, "skipped", sum->skipped);
    mcpa_jsonw_open_array(&w, "checks");
    for (size_t i = 0; i < ctl_probe_n_checks; i++) {
        write_check(&w, &ctl_probe_checks[i], &findings[i]);
    }
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_close_object(&w);
    printf("%s\n", memory);
    free(memory);
}
