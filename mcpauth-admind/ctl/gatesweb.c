/* SPDX-License-Identifier: Apache-2.0 */
/* What clients meet at the resources themselves; only with --probe. */
#include "base/text.h"
#include "ctl/gates.h"

#define URL_SHOWN 200

/* The resource of the i-th Location, unless an earlier one has the same; NULL then, and *end behind the last. */
static const char *resource_at(const ctl_gates_t *gates, size_t i, bool *end)
{
    const mcpa_policy_t *policy = ctl_gates_policy_at(gates, i);

    *end = policy == NULL;
    for (size_t k = 0; policy != NULL && k < i; k++) {
        if (strcmp(ctl_gates_policy_at(gates, k)->resource, policy->resource) == 0) {
            return NULL;
        }
    }
    return policy != NULL ? policy->resource : NULL;
}

static bool is_wanted(const ctl_gates_t *gates, ctl_finding_t *finding)
{
    if (!gates->ctl->probe) {
        ctl_probe_skip(finding, "needs to ask the resources: --probe");
        return false;
    }
    return ctl_gates_has_policy(gates, finding);
}

/* RFC 6797 section 6.1: max-age=N, which may stand in quotes; 0 switches it off. */
static bool has_hsts(const ctl_answer_t *answer)
{
    mcpa_str_t value = ctl_answer_header(answer, "Strict-Transport-Security", 0);

    for (size_t i = 0; i + 8 < value.len; i++) {
        if (mcpa_str_ieq((mcpa_str_t){ value.ptr + i, 8 }, MCPA_STR("max-age="))) {
            i += value.ptr[i + 8] == '"' ? 9 : 8;
            return i < value.len && value.ptr[i] >= '1' && value.ptr[i] <= '9';
        }
    }
    return false;
}

/* false: the finding says what is wrong. */
static bool ask_tls(ctl_gates_t *gates, ctl_probehttp_t *http, const char *url, ctl_finding_t *finding)
{
    const ctl_ask_t ask = { .method = "GET", .url = url };
    ctl_answer_t answer;
    bool is_good = false;

    ctl_probehttp_ask(http, &ask, &answer);
    if (answer.error[0] != '\0') {
        gates->web_is_away = gates->is_unreachable = true;
        ctl_probe_fail(finding, "cannot reach %.*s: %.250s", URL_SHOWN, url, answer.error);
    } else if (!has_hsts(&answer)) {
        ctl_probe_fail(finding, "%.*s answers without Strict-Transport-Security", URL_SHOWN, url);
    } else {
        is_good = true;
    }
    ctl_answer_clear(&answer);
    return is_good;
}

void ctl_gate_hsts(ctl_gates_t *gates, ctl_finding_t *finding)
{
    ctl_probehttp_t *http;
    bool end = false, is_https = false, is_good = true;
    size_t n = 0;

    if (!is_wanted(gates, finding)) {
        return;
    }
    http = ctl_probehttp_new(gates->ctl->ca);
    for (size_t i = 0; http != NULL && is_good && !end; i++) {
        const char *url = resource_at(gates, i, &end);

        if (url != NULL && mcpa_text_is_url(mcpa_str(url), &is_https) && is_https) {
            is_good = ask_tls(gates, http, url, finding);
            n++;
        }
    }
    if (http == NULL) {
        ctl_probe_fail(finding, "out of memory");
    } else if (is_good && n == 0) {
        ctl_probe_skip(finding, "no resource is an https URL");
    } else if (is_good) {
        ctl_probe_pass(finding, "%zu resources answer over TLS, with Strict-Transport-Security", n);
    }
    ctl_probehttp_free(&http);
}

/* false: the finding says what is wrong. */
static bool probe_one(ctl_gates_t *gates, const char *url, ctl_probe_sum_t *all, ctl_finding_t *finding)
{
    const ctl_t ctl = { .words = { url }, .n_words = 1, .ca = gates->ctl->ca, .no_issuer = gates->ctl->no_issuer };
    ctl_probe_sum_t sum = { 0 };
    ctl_finding_t first = { 0 };
    const char *id = "";
    ctl_exit_t result = ctl_probe_judge(&ctl, &sum, &id, &first);

    if (result == CTL_BAD) {
        ctl_probe_fail(finding, "%.*s: %s: %.200s%s", URL_SHOWN, url, id, first.seen, sum.failed_must > 1 ? ", and more" : "");
    } else if (result != CTL_GOOD) {
        gates->is_unreachable = true;
        ctl_probe_fail(finding, "cannot reach %.*s", URL_SHOWN, url);
    }
    all->passed += sum.passed;
    all->failed_should += sum.failed_should;
    all->skipped += sum.skipped;
    return result == CTL_GOOD;
}

void ctl_gate_probe(ctl_gates_t *gates, ctl_finding_t *finding)
{
    ctl_probe_sum_t sum = { 0 };
    bool end = false, is_good = true;

    if (!is_wanted(gates, finding)) {
        return;
    }
    if (gates->web_is_away) {
        ctl_probe_skip(finding, "a resource cannot be reached");
        return;
    }
    for (size_t i = 0; is_good && !end; i++) {
        const char *url = resource_at(gates, i, &end);

        is_good = url == NULL || probe_one(gates, url, &sum, finding);
    }
    if (is_good) {
        ctl_probe_pass(finding, "%zu checks passed, %zu that should did not, %zu need a token or an option of mcpauthctl probe",
                       sum.passed, sum.failed_should, sum.skipped);
    }
}
