/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/gates.h"

#define DOCUMENT_BYTES (CTL_GATES_MAX * (4 * CTL_PROBE_SEEN_BYTES * 2 + 512))

/* As wide as the longest id. */
static const char *column(char memory[32], const char *text)
{
    snprintf(memory, 32, "%-17s", text);
    return memory;
}

void ctl_gates_print(const ctl_gates_t *gates, const ctl_finding_t *findings, const ctl_gates_sum_t *sum)
{
    bool colour = gates->ctl->colour;
    char memory[32];

    ctl_finding_print_titles(colour, column(memory, "GATE"));
    for (size_t i = 0; i < ctl_gates_n; i++) {
        ctl_finding_print(colour, CTL_RED, column(memory, ctl_gates_all[i].id), &findings[i], ctl_gates_all[i].mend);
    }
    ctl_finding_print_verdict(colour, sum->failed == 0);
    printf("  %zu passed, %zu failed, %zu skipped and not judged\n", sum->passed, sum->failed, sum->skipped);
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
        mcpa_jsonw_open_object(&w, NULL);
        mcpa_jsonw_z(&w, "id", ctl_gates_all[i].id);
        ctl_finding_write(&w, &findings[i], ctl_gates_all[i].mend);
        mcpa_jsonw_close_object(&w);
    }
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_close_object(&w);
    printf("%s\n", memory);
}
