/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon says, and Prometheus. */
#include <stdlib.h>

#include "ctl/gates.h"

#define ERROR_BYTES 480

static mcpa_str_t text_of(const mcpa_json_t *json, const char *name)
{
    return mcpa_json_string(mcpa_json_member(json, name));
}

/* false: the daemon cannot be reached, which the gate before this one told. */
static bool has_daemon(const ctl_gates_t *gates, ctl_finding_t *finding)
{
    if (gates->daemon_is_away) {
        ctl_probe_skip(finding, "the daemon cannot be reached");
    }
    return !gates->daemon_is_away;
}

/* NULL: the finding says why. */
static mcpa_json_t *ask(ctl_gates_t *gates, const ctl_server_t *server, const char *path, const char *member,
                        ctl_finding_t *finding)
{
    char error[ERROR_BYTES] = "", *body = NULL;
    mcpa_json_t *json = NULL;
    ctl_exit_t result = ctl_fetch_json(server, path, member, &body, &json, error, sizeof(error));

    if (result != CTL_GOOD) {
        ctl_probe_fail(finding, "%s", error);
        gates->is_unreachable = gates->is_unreachable || result == CTL_UNREACHABLE;
    }
    free(body);
    return json;
}

void ctl_gate_metrics(ctl_gates_t *gates, ctl_finding_t *finding)
{
    char error[ERROR_BYTES] = "", *body = NULL;
    long status = 0;

    if (ctl_fetch(&gates->daemon, "/metrics", &body, &status, error, sizeof(error)) != CTL_GOOD) {
        gates->daemon_is_away = gates->is_unreachable = true;
        ctl_probe_fail(finding, "%s", error);
    } else if (status != 200) {
        ctl_probe_fail(finding, "the daemon answered %ld to /metrics%s", status, status == 401 ? ": give --token-file FILE" : "");
    } else if (strncmp(body, "mcpauth_build_info", 18) != 0 && strstr(body, "\nmcpauth_build_info") == NULL) {
        ctl_probe_fail(finding, "what answers at %.200s has no metrics of mcpauth", gates->daemon.url);
    } else {
        ctl_probe_pass(finding, "the daemon's metrics can be scraped at %.200s", gates->daemon.url);
    }
    free(body);
}

/* ---- the policy in use */

static void judge_current(const ctl_gates_t *gates, const mcpa_json_t *status, ctl_finding_t *finding)
{
    const mcpa_json_t *policy = mcpa_json_member(status, "policy"), *children = mcpa_json_member(status, "children");
    mcpa_str_t error = text_of(policy, "error");
    size_t current = 0, n = mcpa_json_size(children);
    char generation[17];

    snprintf(generation, sizeof(generation), "%016llx", (unsigned long long)gates->snapshot->generation);
    for (size_t i = 0; i < n; i++) {
        current += mcpa_str_eqz(text_of(mcpa_json_at(children, i), "policy"), generation);
    }
    if (error.len > 0) {
        ctl_probe_fail(finding, "the daemon cannot use the policy: %.*s", (int)(error.len < 300 ? error.len : 300), error.ptr);
    } else if (!mcpa_str_eqz(text_of(policy, "generation"), generation)) {
        ctl_probe_fail(finding, "the daemon has another policy than the snapshot, %s", generation);
    } else if (n == 0) {
        ctl_probe_fail(finding, "no child of httpd is linked to the daemon");
    } else if (current == 0) {
        ctl_probe_fail(finding, "none of httpd's %zu children has the policy of the snapshot, %s", n, generation);
    } else if (current < n) {
        ctl_probe_pass(finding, "daemon and httpd have policy %s; %zu older children are ending", generation, n - current);
    } else {
        ctl_probe_pass(finding, "daemon and httpd have policy %s", generation);
    }
}

void ctl_gate_current(ctl_gates_t *gates, ctl_finding_t *finding)
{
    mcpa_json_t *status;

    if (!ctl_gates_has_policy(gates, finding) || !has_daemon(gates, finding)) {
        return;
    }
    status = ask(gates, &gates->daemon, "/status", "children", finding);
    if (status != NULL) {
        judge_current(gates, status, finding);
    }
    mcpa_json_free(&status);
}

/* ---- keys */

static bool is_fetched(const mcpa_issuer_t *issuer)
{
    return issuer->key_source == MCPA_KEYS_DISCOVER || issuer->key_source == MCPA_KEYS_URL;
}

static const mcpa_json_t *find_issuer(const mcpa_json_t *keys, const char *url)
{
    const mcpa_json_t *list = mcpa_json_member(keys, "issuers");

    for (size_t i = 0; i < mcpa_json_size(list); i++) {
        if (mcpa_str_eqz(text_of(mcpa_json_at(list, i), "issuer"), url)) {
            return mcpa_json_at(list, i);
        }
    }
    return NULL;
}

/* What cannot be read as a time is over. */
static bool is_over(const mcpa_json_t *issuer, int64_t now_us)
{
    mcpa_str_t text = text_of(issuer, "expires");
    char memory[40];
    int64_t at_us;

    snprintf(memory, sizeof(memory), "%.*s", (int)(text.len < 32 ? text.len : 32), text.ptr != NULL ? text.ptr : "");
    return text.len == 0 || !ctl_parse_time(memory, now_us, &at_us) || at_us <= now_us;
}

static bool judge_issuer(const ctl_gates_t *gates, const mcpa_json_t *keys, const char *url, ctl_finding_t *finding)
{
    const mcpa_json_t *issuer = find_issuer(keys, url);
    mcpa_str_t error = text_of(issuer, "last_error");
    int len = (int)(error.len < 200 ? error.len : 200);

    if (issuer == NULL) {
        ctl_probe_fail(finding, "%.200s: the daemon does not know this issuer", url);
    } else if (mcpa_json_size(mcpa_json_member(issuer, "keys")) == 0) {
        ctl_probe_fail(finding, "%.200s: there are no keys%s%.*s", url, error.len > 0 ? ": " : "", len,
                       error.len > 0 ? error.ptr : "");
    } else if (is_over(issuer, gates->now_us)) {
        ctl_probe_fail(finding, "%.200s: its keys are too old to be used", url);
    } else if (error.len > 0) {
        ctl_probe_fail(finding, "%.200s: the last fetch of its keys failed: %.*s", url, len, error.ptr);
    } else {
        return true;
    }
    return false;
}

void ctl_gate_keys(ctl_gates_t *gates, ctl_finding_t *finding)
{
    mcpa_json_t *keys = NULL;
    size_t fetched = 0, own = 0;

    if (!ctl_gates_has_policy(gates, finding)) {
        return;
    }
    for (const mcpa_issuer_t *const *issuer = gates->snapshot->issuers; *issuer != NULL; issuer++) {
        *(is_fetched(*issuer) ? &fetched : &own) += 1;
    }
    if (fetched > 0) {
        keys = has_daemon(gates, finding) ? ask(gates, &gates->daemon, "/keys", "issuers", finding) : NULL;
        for (const mcpa_issuer_t *const *issuer = gates->snapshot->issuers; keys != NULL && *issuer != NULL; issuer++) {
            if (is_fetched(*issuer) && !judge_issuer(gates, keys, (*issuer)->url, finding)) {
                mcpa_json_free(&keys);
            }
        }
    }
    if (keys != NULL || fetched == 0) {
        ctl_probe_pass(finding, "the keys of %zu issuers are fetched and good; those of %zu others httpd read from files",
                       fetched, own);
    }
    mcpa_json_free(&keys);
}

/* ---- alert rules */

/* What nobody may overlook: an alert asks for a metric that begins so, or for one recorded of it. */
static const struct {
    const char *stem, *what;
} watched[] = {
    { "mcpauth_health_status", "a daemon that is not ready" },
    { "mcpauth_jwks_", "keys that are stale or missing" },
    { "mcpauth_audit_lost", "audit records that are lost" },
    { "mcpauth_auth_", "failed authentication" },
};
#define WATCHED (sizeof(watched) / sizeof(watched[0]))

typedef struct rules {
    size_t n;
    bool is_watched[WATCHED];
    const mcpa_json_t *broken; /* the first that cannot be evaluated */
} rules_t;

static void look_at(rules_t *rules, const mcpa_json_t *rule)
{
    mcpa_str_t query = text_of(rule, "query");

    if (!mcpa_str_eqz(text_of(rule, "type"), "alerting") || query.len == 0 ||
        memmem(query.ptr, query.len, "mcpauth", 7) == NULL) {
        return;
    }
    rules->n++;
    for (size_t i = 0; i < WATCHED; i++) {
        rules->is_watched[i] =
            rules->is_watched[i] || memmem(query.ptr, query.len, watched[i].stem, strlen(watched[i].stem)) != NULL;
    }
    if (rules->broken == NULL && mcpa_str_eqz(text_of(rule, "health"), "err")) {
        rules->broken = rule;
    }
}

static void judge_rules(const mcpa_json_t *document, ctl_finding_t *finding)
{
    const mcpa_json_t *groups = mcpa_json_pointer(document, MCPA_STR("/data/groups"));
    rules_t rules = { 0 };
    mcpa_str_t name;

    for (size_t i = 0; i < mcpa_json_size(groups); i++) {
        const mcpa_json_t *list = mcpa_json_member(mcpa_json_at(groups, i), "rules");

        for (size_t k = 0; k < mcpa_json_size(list); k++) {
            look_at(&rules, mcpa_json_at(list, k));
        }
    }
    if (rules.n == 0) {
        ctl_probe_fail(finding, "Prometheus has no alert rule that asks for a metric of mcpauth");
        return;
    }
    name = text_of(rules.broken, "name");
    if (rules.broken != NULL) {
        ctl_probe_fail(finding, "Prometheus cannot evaluate its alert rule %.*s", (int)(name.len < 200 ? name.len : 200),
                       name.ptr != NULL ? name.ptr : "");
        return;
    }
    for (size_t i = 0; i < WATCHED; i++) {
        if (!rules.is_watched[i]) {
            ctl_probe_fail(finding, "Prometheus has no alert rule for %s (%s)", watched[i].what, watched[i].stem);
            return;
        }
    }
    ctl_probe_pass(finding, "Prometheus has loaded %zu alert rules that ask for metrics of mcpauth", rules.n);
}

void ctl_gate_rules(ctl_gates_t *gates, ctl_finding_t *finding)
{
    mcpa_json_t *document;

    if (gates->prometheus.url == NULL) {
        ctl_probe_skip(finding, "needs to know where Prometheus is: --prometheus URL");
        return;
    }
    document = ask(gates, &gates->prometheus, "/api/v1/rules", "data", finding);
    if (document != NULL) {
        judge_rules(document, finding);
    }
    mcpa_json_free(&document);
}
