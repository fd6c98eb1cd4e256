/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy snapshot says. */
#include <strings.h>

#include "base/text.h"
#include "ctl/gates.h"
#include "policy/metadata.h"

#define NAME_BYTES 200

/* Locations of one kind: how many, and the first of them. */
typedef struct group {
    size_t n;
    const mcpa_policy_t *first;
} group_t;

static group_t group_of(const ctl_gates_t *gates, bool (*is_in)(const mcpa_policy_t *policy))
{
    group_t group = { 0 };
    const mcpa_policy_t *policy;

    for (size_t i = 0; (policy = ctl_gates_policy_at(gates, i)) != NULL; i++) {
        if (is_in(policy)) {
            group.first = group.n == 0 ? policy : group.first;
            group.n++;
        }
    }
    return group;
}

/* "mcp.example.com /mcp and 2 more" */
static const char *name_of(const group_t *group, char memory[NAME_BYTES])
{
    const char *vhost = group->first->vhost, *location = group->first->location;
    int n = snprintf(memory, NAME_BYTES, "%.70s %.90s", vhost != NULL ? vhost : "-", location != NULL ? location : "-");

    if (group->n > 1) {
        snprintf(memory + n, NAME_BYTES - (size_t)n, " and %zu more", group->n - 1);
    }
    return memory;
}

static bool is_any(const mcpa_policy_t *policy)
{
    (void)policy;
    return true;
}

static size_t count_of(const ctl_gates_t *gates)
{
    return group_of(gates, is_any).n;
}

/* Fails when a Location is of the bad kind. */
static void judge(const ctl_gates_t *gates, ctl_finding_t *finding, bool (*is_bad)(const mcpa_policy_t *policy),
                  const char *is_wrong, const char *is_right)
{
    char name[NAME_BYTES];
    group_t bad;

    if (!ctl_gates_has_policy(gates, finding)) {
        return;
    }
    bad = group_of(gates, is_bad);
    if (bad.n > 0) {
        ctl_probe_fail(finding, "%s: %s", name_of(&bad, name), is_wrong);
    } else {
        ctl_probe_pass(finding, "%s", is_right);
    }
}

/* ---- the gates */

void ctl_gate_snapshot(ctl_gates_t *gates, ctl_finding_t *finding)
{
    char ago[40];

    if (gates->snapshot == NULL) {
        ctl_probe_fail(finding, "%.300s: %s", gates->path, gates->error);
        return;
    }
    ctl_print_ago(ago, gates->snapshot->written_us / 1000000, gates->now_us / 1000000);
    ctl_probe_pass(finding, "%.300s was written %s, with %zu Locations", gates->path, ago, count_of(gates));
}

static bool has_no_issuer(const mcpa_policy_t *policy)
{
    return policy->issuers == NULL || policy->issuers[0] == NULL;
}

static bool has_no_words(const char *scopes)
{
    mcpa_str_t rest = mcpa_str(scopes), word;

    return !mcpa_text_next_word(&rest, &word);
}

/* Of the Location, or of what every client asks of it. */
static bool has_no_scope(const mcpa_policy_t *policy)
{
    char memory[1024];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_metadata_scopes_add(&out, policy);
    return mcpa_out_status(&out) == MCPA_OK && out.len == 0;
}

static bool is_granted(const mcpa_policy_t *policy, mcpa_str_t tool)
{
    mcpa_ruling_t ruling = mcpa_operation_rule(policy->operations, MCPA_STR("tools/call"), tool);

    return ruling.effect != MCPA_EFFECT_DENIED && has_no_words(ruling.scopes);
}

/* A rule may let anybody call some tools by their names; this one would let them call a tool that no rule names. */
static bool has_open_tools(const mcpa_policy_t *policy)
{
    return has_no_words(policy->scopes) && policy->inspect != MCPA_INSPECT_OFF &&
           (is_granted(policy, MCPA_STR_NONE) || is_granted(policy, MCPA_STR("a tool that no rule names")));
}

void ctl_gate_complete(ctl_gates_t *gates, ctl_finding_t *finding)
{
    if (!ctl_gates_has_policy(gates, finding)) {
        return;
    }
    if (count_of(gates) == 0) {
        ctl_probe_fail(finding, "no Location is guarded");
        return;
    }
    judge(gates, finding, has_no_issuer, "trusts no issuer", ""); /* no resource: such a snapshot cannot be read */
    if (finding->outcome == CTL_PROBE_PASS) {
        judge(gates, finding, has_no_scope, "needs no scope: any token of its issuer is let in", "");
    }
    if (finding->outcome == CTL_PROBE_PASS) {
        judge(gates, finding, has_open_tools, "any token of its issuer may call tools: no scope is needed for that",
              "every Location has its resource, issuer and scopes");
    }
}

static bool is_shadow(const mcpa_policy_t *policy)
{
    return policy->mode != MCPA_MODE_ON;
}

void ctl_gate_enforced(ctl_gates_t *gates, ctl_finding_t *finding)
{
    judge(gates, finding, is_shadow, "is Shadow: nobody is turned away", "every guarded Location is On");
}

void ctl_gate_production(ctl_gates_t *gates, ctl_finding_t *finding)
{
    if (!ctl_gates_has_policy(gates, finding)) {
        return;
    }
    if (gates->snapshot->development) {
        ctl_probe_fail(finding, "a server is in development mode, which takes http on loopback for https");
    } else {
        ctl_probe_pass(finding, "all servers are in production mode");
    }
}

static bool is_untold(const mcpa_policy_t *policy)
{
    return policy->auth_type == NULL;
}

/* An expression may come to anything. */
static bool asks_for_password(const mcpa_policy_t *policy)
{
    const char *type = policy->auth_type;

    return type != NULL && (strcasecmp(type, "Basic") == 0 || strcasecmp(type, "Digest") == 0 || strcasecmp(type, "Form") == 0 ||
                            strchr(type, '%') != NULL);
}

void ctl_gate_no_basic(ctl_gates_t *gates, ctl_finding_t *finding)
{
    char name[NAME_BYTES];
    group_t bad = group_of(gates, asks_for_password), untold = group_of(gates, is_untold);

    if (!ctl_gates_has_policy(gates, finding)) {
        return;
    }
    if (bad.n > 0) {
        ctl_probe_fail(finding, "%s: AuthType %.40s holds there, or may, by %.160s", name_of(&bad, name), bad.first->auth_type,
                       bad.first->auth_type_in != NULL ? bad.first->auth_type_in : "-");
    } else if (untold.n > 0) {
        ctl_probe_skip(finding, "%s: the snapshot is of an older mod_mcp_auth, which does not tell", name_of(&untold, name));
    } else {
        ctl_probe_pass(finding, "no AuthType that asks for a password holds in a guarded Location");
    }
}

static bool is_plain(const mcpa_policy_t *policy)
{
    bool is_https = false;

    return !mcpa_text_is_url(mcpa_str(policy->resource), &is_https) || !is_https;
}

void ctl_gate_tls(ctl_gates_t *gates, ctl_finding_t *finding)
{
    judge(gates, finding, is_plain, "its resource is no https URL", "every resource is an https URL");
}

static bool has_no_limit(const mcpa_policy_t *policy)
{
    return policy->n_limits == 0;
}

void ctl_gate_limits(ctl_gates_t *gates, ctl_finding_t *finding)
{
    judge(gates, finding, has_no_limit, "has no rate limit", "every Location has a rate limit");
}

static bool is_unrecorded(const mcpa_policy_t *policy)
{
    return policy->audit == MCPA_AUDIT_OFF;
}

static bool may_lose_records(const mcpa_policy_t *policy)
{
    return policy->audit == MCPA_AUDIT_ON;
}

void ctl_gate_audit(ctl_gates_t *gates, ctl_finding_t *finding)
{
    group_t on = group_of(gates, may_lose_records);
    char name[NAME_BYTES];

    judge(gates, finding, is_unrecorded, "MCPAuthAudit is Off", "every request is recorded before it is let in");
    if (finding->outcome == CTL_PROBE_PASS && on.n > 0) {
        ctl_probe_pass(finding,
                       "every request is recorded; better is MCPAuthAudit Required, which lets nothing in without (%s: On)",
                       name_of(&on, name));
    }
}
