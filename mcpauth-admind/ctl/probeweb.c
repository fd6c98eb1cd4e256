/* SPDX-License-Identifier: Apache-2.0 */
/* Browsers (Fetch's CORS, MCP's rule on Origin), HTTP methods, headers of every answer, and limits. */
#include "base/text.h"
#include "ctl/probe.h"

#define ORIGIN_BYTES 300

static void preflight(ctl_probe_t *probe, const char *origin, ctl_answer_t *answer)
{
    char line[ORIGIN_BYTES + 16];
    ctl_ask_t ask = {
        .method = "OPTIONS",
        .url = probe->url,
        .lines = { line, "Access-Control-Request-Method: POST",
                   "Access-Control-Request-Headers: authorization, content-type, mcp-protocol-version" },
    };

    snprintf(line, sizeof(line), "Origin: %s", origin);
    ctl_probe_ask(probe, &ask, answer);
}

void ctl_probe_preflight(ctl_probe_t *probe, ctl_finding_t *finding)
{
    static const char *const headers[] = { "Authorization", "Content-Type", "MCP-Protocol-Version" };
    const char *origin = probe->ctl->origin;
    ctl_answer_t answer;

    if (origin == NULL) {
        ctl_probe_skip(finding, "needs an origin that is let in: --origin");
        return;
    }
    preflight(probe, origin, &answer);
    if (!ctl_probe_status_is(finding, &answer, 204, "the preflight of a page from the origin")) {
        /* said */
    } else if (!mcpa_str_eqz(ctl_answer_header(&answer, "Access-Control-Allow-Origin", 0), origin)) {
        ctl_probe_fail(finding, "the preflight's Access-Control-Allow-Origin is not the page's origin");
    } else if (ctl_answer_header(&answer, "Access-Control-Allow-Origin", 1).ptr != NULL) {
        ctl_probe_fail(finding, "the preflight's Access-Control-Allow-Origin stands there twice: browsers refuse that");
    } else if (!ctl_probe_lists(ctl_answer_header(&answer, "Access-Control-Allow-Methods", 0), "POST")) {
        ctl_probe_fail(finding, "the preflight does not allow POST");
    } else {
        ctl_probe_pass(finding, "the preflight of a page from the origin is answered 204 and allows what it needs");
        for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
            if (!ctl_probe_lists(ctl_answer_header(&answer, "Access-Control-Allow-Headers", 0), headers[i])) {
                ctl_probe_fail(finding, "the preflight does not allow the header %s", headers[i]);
            }
        }
    }
    ctl_answer_clear(&answer);
}

/* Without CORS headers, which would let the page read at least that. */
static void judge_foreign(ctl_finding_t *finding, const ctl_answer_t *answer, const char *what)
{
    if (!ctl_probe_status_is(finding, answer, 403, what)) {
        return;
    }
    if (ctl_answer_header(answer, "Access-Control-Allow-Origin", 0).ptr != NULL) {
        ctl_probe_fail(finding, "%s is answered 403, but with Access-Control-Allow-Origin", what);
    } else {
        ctl_probe_pass(finding, "%s is answered 403", what);
    }
}

void ctl_probe_preflight_foreign(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_answer_t answer;

    preflight(probe, "https://" CTL_PROBE_STRANGER, &answer);
    judge_foreign(finding, &answer, "the preflight of a page from elsewhere");
    ctl_answer_clear(&answer);
}

void ctl_probe_origin_foreign(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_answer_t answer;

    ctl_probe_ask_list(probe, probe->accepted ? probe->tokens[CTL_PROBE_GOOD] : NULL, "Origin: https://" CTL_PROBE_STRANGER,
                       &answer);
    judge_foreign(finding, &answer, "a request of a page from elsewhere");
    ctl_answer_clear(&answer);
}

/* ---- methods that MCP does not have */

static void refuse_method(ctl_probe_t *probe, ctl_finding_t *finding, const char *method, const char *body)
{
    ctl_ask_t ask = { .method = method, .url = probe->url, .body = body };
    ctl_answer_t answer;

    /* TRACE repeats what it is sent, and what stands on the way may keep that. */
    ask.token = probe->accepted && strcmp(method, "TRACE") != 0 ? probe->tokens[CTL_PROBE_GOOD] : NULL;
    ctl_probe_ask(probe, &ask, &answer);
    if (ctl_probe_status_is(finding, &answer, 405, method)) {
        ctl_probe_pass(finding, "%s is answered 405", method);
    }
    ctl_answer_clear(&answer);
}

void ctl_probe_method_head(ctl_probe_t *probe, ctl_finding_t *finding)
{
    refuse_method(probe, finding, "HEAD", NULL);
}

void ctl_probe_method_trace(ctl_probe_t *probe, ctl_finding_t *finding)
{
    refuse_method(probe, finding, "TRACE", NULL);
}

void ctl_probe_method_put(ctl_probe_t *probe, ctl_finding_t *finding)
{
    refuse_method(probe, finding, "PUT", "{}");
}

/* ---- headers of every answer */

void ctl_probe_security_headers(ctl_probe_t *probe, ctl_finding_t *finding)
{
    static const char *const headers[] = { "X-Content-Type-Options", "X-Frame-Options", "Content-Security-Policy",
                                           "Referrer-Policy", "Strict-Transport-Security" };

    ctl_probe_pass(finding, "the security headers are there");
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]) - (probe->is_https ? 0 : 1); i++) {
        if (ctl_answer_header(&probe->bare, headers[i], 0).ptr == NULL) {
            ctl_probe_fail(finding, "the answer to a request without a token has no %s", headers[i]);
            return;
        }
    }
}

static bool may_be_kept(const ctl_answer_t *answer)
{
    char memory[2048];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    return !ctl_answer_joined(answer, "Cache-Control", &out) || ctl_probe_lists(mcpa_out_get(&out), "public") ||
           (!ctl_probe_lists(mcpa_out_get(&out), "no-store") && !ctl_probe_lists(mcpa_out_get(&out), "private"));
}

void ctl_probe_cache_control(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_answer_t answer;

    if (may_be_kept(&probe->bare)) {
        ctl_probe_fail(finding, "the answer to a request without a token has neither Cache-Control: no-store nor private");
        return;
    }
    ctl_probe_pass(finding, "caches that many share keep no answer");
    if (!probe->accepted) {
        return;
    }
    ctl_probe_ask_list(probe, probe->tokens[CTL_PROBE_GOOD], NULL, &answer);
    if (answer.error[0] != '\0') {
        ctl_probe_fail(finding, "a request with the good token has no whole answer: %s", answer.error);
    } else if (may_be_kept(&answer)) {
        ctl_probe_fail(finding, "the answer to a request with a token has neither Cache-Control: no-store nor private");
    }
    ctl_answer_clear(&answer);
}

/* ---- limits */

void ctl_probe_limit(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_ask_t ask = {
        .method = "POST",
        .url = probe->url,
        .token = probe->accepted ? probe->tokens[CTL_PROBE_GOOD] : NULL,
        .lines = { CTL_PROBE_OLD_LINE },
        .body = CTL_PROBE_LIST,
    };
    uint64_t wait_s = 0;

    if (probe->limit == 0) {
        ctl_probe_skip(finding, "was not asked for: --limit N");
        return;
    }
    ctl_probe_fail(finding, "none of %llu requests is answered 429", (unsigned long long)probe->limit);
    for (uint64_t i = 1; i <= probe->limit; i++) {
        ctl_answer_t answer;
        bool is_over;

        ctl_probe_ask_once(probe, &ask, &answer);
        is_over = answer.error[0] != '\0' || answer.status == 429;
        if (answer.error[0] != '\0') {
            ctl_probe_fail(finding, "request %llu has no whole answer: %s", (unsigned long long)i, answer.error);
        } else if (is_over && (!mcpa_text_u64(ctl_answer_header(&answer, "Retry-After", 0), &wait_s) || wait_s == 0)) {
            ctl_probe_fail(finding, "request %llu is answered 429 without a Retry-After of whole seconds", (unsigned long long)i);
        } else if (is_over) {
            ctl_probe_pass(finding, "request %llu is answered 429, to be tried again in %llu s", (unsigned long long)i,
                           (unsigned long long)wait_s);
        }
        ctl_answer_clear(&answer);
        if (is_over) {
            break;
        }
    }
}
