/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "ctl/probe.h"

#define DOCUMENT_BYTES ((size_t)256 * 1024)

static const char *const levels[] = { [CTL_PROBE_MUST] = "must", [CTL_PROBE_SHOULD] = "should" };

static const char *columns(char memory[64], const char *level, const char *check)
{
    snprintf(memory, 64, "%-6s  %-31s", level, check);
    return memory;
}

void ctl_probe_print(const ctl_probe_t *probe, const ctl_finding_t *findings, const ctl_probe_sum_t *sum)
{
    bool colour = probe->ctl->colour;
    char memory[64];

    ctl_finding_print_titles(colour, columns(memory, "LEVEL", "CHECK"));
    for (size_t i = 0; i < ctl_probe_n_checks; i++) {
        const ctl_probe_check_t *check = &ctl_probe_checks[i];

        ctl_finding_print(colour, check->level == CTL_PROBE_MUST ? CTL_RED : CTL_YELLOW,
                          columns(memory, levels[check->level], check->id), &findings[i], check->mend);
    }
    ctl_finding_print_verdict(colour, sum->failed_must == 0);
    printf("  %zu passed, %zu failed that must pass, %zu failed that should, %zu skipped and not judged\n", sum->passed,
           sum->failed_must, sum->failed_should, sum->skipped);
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
        mcpa_jsonw_open_object(&w, NULL);
        mcpa_jsonw_z(&w, "id", ctl_probe_checks[i].id);
        mcpa_jsonw_z(&w, "level", levels[ctl_probe_checks[i].level]);
        ctl_finding_write(&w, &findings[i], ctl_probe_checks[i].mend);
        mcpa_jsonw_close_object(&w);
    }
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_close_object(&w);
    printf("%s\n", memory);
    free(memory);
}
