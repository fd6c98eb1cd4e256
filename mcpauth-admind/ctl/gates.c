/* SPDX-License-Identifier: Apache-2.0 */
/* gates: what is asked for, one gate after the other, and what came of them. */
#include "ctl/gates.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

const mcpa_policy_t *ctl_gates_policy_at(const ctl_gates_t *gates, size_t i)
{
    return gates->snapshot != NULL ? gates->snapshot->policies[i] : NULL;
}

bool ctl_gates_has_policy(const ctl_gates_t *gates, ctl_finding_t *finding)
{
    if (gates->snapshot == NULL) {
        ctl_probe_skip(finding, "there is no policy snapshot to look at");
    }
    return gates->snapshot != NULL;
}

/* *secret: to be freed. false: it has complained. */
static bool take_options(ctl_gates_t *gates, char **secret)
{
    const ctl_t *ctl = gates->ctl;
    bool is_https;

    if (ctl->prometheus != NULL && !mcpa_text_is_url(mcpa_str(ctl->prometheus), &is_https)) {
        ctl_complain("--prometheus wants a URL such as http://127.0.0.1:9090");
        return false;
    }
    if (ctl->ca != NULL && access(ctl->ca, R_OK) != 0) {
        ctl_complain("%s: %s", ctl->ca, strerror(errno));
        return false;
    }
    if (ctl->token_file != NULL) {
        *secret = ctl_read_secret(ctl->token_file);
        if (*secret == NULL) {
            return false;
        }
    }
    gates->daemon = (ctl_server_t){ .url = ctl->url, .secret = *secret, .name = "the daemon" };
    gates->prometheus = (ctl_server_t){ .url = ctl->prometheus, .ca = ctl->ca, .name = "Prometheus" };
    return true;
}

static void count(ctl_gates_sum_t *sum, const ctl_finding_t *finding)
{
    switch (finding->outcome) {
    case CTL_PROBE_PASS:
        sum->passed++;
        break;
    case CTL_PROBE_SKIP:
        sum->skipped++;
        break;
    case CTL_PROBE_FAIL:
        sum->failed++;
        break;
    }
}

static ctl_exit_t run(ctl_gates_t *gates)
{
    ctl_finding_t findings[CTL_GATES_MAX] = { 0 };
    ctl_gates_sum_t sum = { 0 };

    for (size_t i = 0; i < ctl_gates_n; i++) {
        ctl_gates_all[i].run(gates, &findings[i]);
        count(&sum, &findings[i]);
    }
    if (gates->ctl->json) {
        ctl_gates_print_json(findings, &sum);
    } else {
        ctl_gates_print(gates, findings, &sum);
    }
    if (gates->is_unreachable) {
        return CTL_UNREACHABLE;
    }
    return sum.failed == 0 ? CTL_GOOD : CTL_BAD;
}

ctl_exit_t ctl_gates(const ctl_t *ctl)
{
    ctl_gates_t gates = { .ctl = ctl, .now_us = (int64_t)time(NULL) * 1000000 };
    ctl_exit_t result = CTL_USAGE;
    char *secret = NULL;

    if (take_options(&gates, &secret)) {
        gates.snapshot = ctl_policy_read(ctl, gates.path, gates.error, sizeof(gates.error));
        result = run(&gates);
    }
    mcpa_snapshot_free(&gates.snapshot);
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
    return result;
}
