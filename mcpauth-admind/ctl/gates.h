/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of gates: what is deployed on this machine, held against what production needs. Each gate is a row of the table in gatestable.c and looks
 * at one thing, so that one fault closes one gate: what cannot be judged because something before it is wrong is skipped. One thread. */
#ifndef CTL_GATES_H
#define CTL_GATES_H

#include "ctl/ctl.h"
#include "ctl/probe.h"

#define CTL_GATES_MAX 32

typedef struct ctl_gates {
    const ctl_t *ctl;
    ctl_server_t daemon, prometheus; /* prometheus.url NULL: not asked for */
    int64_t now_us;
    mcpa_snapshot_t *snapshot;       /* NULL: there is none that can be read */
    char path[4096];                 /* where it is looked for */
    char error[512];                 /* why there is none */
    /* found out by earlier gates */
    bool daemon_is_away, web_is_away;
    bool is_unreachable;             /* something that had to be asked did not answer */
} ctl_gates_t;

typedef struct ctl_gate {
    const char *id;
    void (*run)(ctl_gates_t *gates, ctl_finding_t *finding);
    const char *mend;
} ctl_gate_t;

/* gatestable.c: in the order in which they are run */
extern const ctl_gate_t ctl_gates_all[];
extern const size_t ctl_gates_n;

/* Of the snapshot's Locations, in order; NULL behind the last. */
const mcpa_policy_t *ctl_gates_policy_at(const ctl_gates_t *gates, size_t i);
/* false: the finding says that there is no snapshot to look at. */
bool ctl_gates_has_policy(const ctl_gates_t *gates, ctl_finding_t *finding);

/* gatespolicy.c */
void ctl_gate_snapshot(ctl_gates_t *gates, ctl_finding_t *finding), ctl_gate_complete(ctl_gates_t *gates, ctl_finding_t *finding),
    ctl_gate_enforced(ctl_gates_t *gates, ctl_finding_t *finding), ctl_gate_production(ctl_gates_t *gates, ctl_finding_t *finding),
    ctl_gate_no_basic(ctl_gates_t *gates, ctl_finding_t *finding), ctl_gate_tls(ctl_gates_t *gates, ctl_finding_t *finding),
    ctl_gate_limits(ctl_gates_t *gates, ctl_finding_t *finding), ctl_gate_audit(ctl_gates_t *gates, ctl_finding_t *finding);
/* gatesdaemon.c */
void ctl_gate_metrics(ctl_gates_t *gates, ctl_finding_t *finding), ctl_gate_current(ctl_gates_t *gates, ctl_finding_t *finding),
    ctl_gate_keys(ctl_gates_t *gates, ctl_finding_t *finding), ctl_gate_rules(ctl_gates_t *gates, ctl_finding_t *finding);
/* gatesweb.c */
void ctl_gate_hsts(ctl_gates_t *gates, ctl_finding_t *finding), ctl_gate_probe(ctl_gates_t *gates, ctl_finding_t *finding);

/* gatesshow.c */
typedef struct ctl_gates_sum {
    size_t passed, failed, skipped;
} ctl_gates_sum_t;
void ctl_gates_print(const ctl_gates_t *gates, const ctl_finding_t *findings, const ctl_gates_sum_t *sum);
void ctl_gates_print_json(const ctl_finding_t *findings, const ctl_gates_sum_t *sum);

#endif
