/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/gates.h"

#define DOCUMENT_BYTES (CTL_GATES_MAX * (4 * CTL_PROBE_SEEN_BYTES * 2 + 512))

static const struct {
    const char *word;
    ctl_colour_t colour;
} outcomes[] = {
    [CTL_PROBE_FAIL] = { "fail", CTL_RED },
    [CTL_PROBE_PASS] = { "pass", CTL_GREEN },
    [CTL_PROBE_SKIP] = { "skip", CTL_PLAIN },
};

void ctl_gates_print(const ctl_gates_t *gates, const ctl_finding_t *findings, const ctl_gates_sum_t *sum)
{
    bool colour = gates->ctl->colour, is_good = sum->failed == 0;

    printf("%s%-7s  %-17s  %s%s\n", ctl_colour_on(colour, CTL_BOLD), "OUTCOME", "GATE", "SEEN", ctl_colour_off(colour));
    for (size_t i = 0; i < ctl_gates_n; i++) {
        ctl_colour_t which = outcomes[findings[i].outcome].colour;
        bool has_colour = colour && which != CTL_PLAIN;

        printf("%s%-7s%s  %-17s  ", ctl_colour_on(has_colour, which), outcomes[findings[i].outcome].word,
               ctl_colour_off(has_colour), ctl_gates_all[i].id);
        ctl_print_text(stdout, mcpa_str(findings[i].seen));
        printf("\n");
        if (findings[i].outcome == CTL_PROBE_FAIL) {
            printf("%28sto mend: %s\n", "", ctl_gates_all[i].mend);
        }
    }
    printf("\n%s%s%s  %zu passed, %zu failed, %zu skipped and not judged\n", ctl_colour_on(colour, is_good ? CTL_GREEN : CTL_RED),
           is_good ? "good" : "bad", ctl_colour_off(colour), sum->passed, sum->failed, sum->skipped);
}

static void write_gate(mcpa_jsonw_t *w, const ctl_gate_t *gate, const ctl_finding_t *finding)
{
    char memory[4 * CTL_PROBE_SEEN_BYTES];
    mcpa_out_t seen;

    mcpa_out_init(&seen, memory, sizeof(memory));
    ctl_escape(&seen, mcpa_str(finding->seen)); /* a sentence, which people look at in JSON too */
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "id", gate->id);
    mcpa_jsonw_z(w, "outcome", outcomes[finding->outcome].word);
    mcpa_jsonw_z(w, "seen", memory);
    if (finding->outcome == CTL_PROBE_FAIL) {
        mcpa_jsonw_z(w, "mend", gate->mend);
    }
    mcpa_jsonw_close_object(w);
}

void ctl_gates_print_json(const ctl_finding_t *findings, const ctl_gates_sum_t *sum)
{
    static char memory[DOCUMENT_BYTES];
    mcpa_out_t out;
    mcpa_jsonw_t w;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_bool(&w, "good", sum->failed == 0);
    mcpa_jsonw_u64(&w, "passed", sum->passed);
    mcpa_jsonw_u64(&w, "failed", sum->failed);
    mcpa_jsonw_u64(&w, "skipped", sum->skipped);
    mcpa_jsonw_open_array(&w, "gates");
    for (size_t i = 0; i < ctl_gates_n; i++) {
        write_gate(&w, &ctl_gates_all[i], &findings[i]);
    }
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_close_object(&w);
    printf("%s\n", memory);
}
