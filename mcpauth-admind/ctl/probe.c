/* SPDX-License-Identifier: Apache-2.0 */
/* probe: what is asked for, the checks one after the other, and what came of them. */
#include "ctl/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "policy/metadata.h"

#define TOKEN_BYTES    16384
#define LIMIT_MAX      100000
#define BODY_MIN_BYTES 1024 /* as of MCPAuthMaxBody */
#define BODY_MAX_BYTES (UINT64_C(256) * 1024 * 1024)
#define GIVE_UP_AFTER  3 /* exchanges without an answer, one after the other: each may have taken its ten seconds */

/* ---- what is asked for */

static bool take_url(ctl_probe_t *probe)
{
    const char *error = NULL, *url = probe->ctl->words[0];
    mcpa_out_t out;

    if (strlen(url) >= CTL_PROBE_URL_BYTES / 2) {
        ctl_complain("the URL is too long");
        return false;
    }
    if (!mcpa_resource_check(mcpa_str(url), true, &error)) {
        ctl_complain("%s: %s", url, error);
        return false;
    }
    probe->url = url;
    (void)mcpa_text_is_url(mcpa_str(url), &probe->is_https);
    probe->is_loopback = mcpa_text_url_is_loopback(mcpa_str(url));
    mcpa_out_init(&out, probe->metadata_url, sizeof(probe->metadata_url));
    mcpa_metadata_url_print(&out, mcpa_str(url));
    return mcpa_out_status(&out) == MCPA_OK;
}

static bool take_options(ctl_probe_t *probe)
{
    const ctl_t *ctl = probe->ctl;
    bool is_https;

    if (ctl->limit != NULL &&
        (!mcpa_text_u64(mcpa_str(ctl->limit), &probe->limit) || probe->limit == 0 || probe->limit > LIMIT_MAX)) {
        ctl_complain("--limit wants a number from 1 to %u", (unsigned)LIMIT_MAX);
        return false;
    }
    probe->max_body = MCPA_BODY_DEFAULT_BYTES;
    if (ctl->max_body != NULL && (!mcpa_text_size(mcpa_str(ctl->max_body), &probe->max_body) ||
                                  probe->max_body < BODY_MIN_BYTES || probe->max_body > BODY_MAX_BYTES)) {
        ctl_complain("--max-body wants a size from 1k to 256m, such as 4m");
        return false;
    }
    if (ctl->origin != NULL && (strlen(ctl->origin) > 255 || !mcpa_text_is_url(mcpa_str(ctl->origin), &is_https) ||
                                strpbrk(strstr(ctl->origin, "//") + 2, "/?") != NULL)) {
        ctl_complain("--origin wants an origin such as https://app.example.com, without a path");
        return false;
    }
    if (ctl->ca != NULL && access(ctl->ca, R_OK) != 0) {
        ctl_complain("%s: %s", ctl->ca, strerror(errno));
        return false;
    }
    return true;
}

static bool take_tokens(ctl_probe_t *probe)
{
    const ctl_t *ctl = probe->ctl;
    const char *const files[CTL_PROBE_TOKENS] = {
        [CTL_PROBE_GOOD] = ctl->token_file,
        [CTL_PROBE_LOW] = ctl->low_token_file,
        [CTL_PROBE_WRONG_AUDIENCE] = ctl->wrong_audience_token_file,
        [CTL_PROBE_EXPIRED] = ctl->expired_token_file,
    };
    size_t from_stdin = 0;

    for (size_t i = 0; i < CTL_PROBE_TOKENS; i++) {
        if (files[i] == NULL) {
            continue;
        }
        from_stdin += strcmp(files[i], "-") == 0;
        if (from_stdin > 1) {
            ctl_complain("only one token can come from standard input");
            return false;
        }
        probe->tokens[i] = ctl_read_secret(files[i]);
        if (probe->tokens[i] == NULL) {
            return false;
        }
        if (strlen(probe->tokens[i]) > TOKEN_BYTES || !mcpa_text_is_token68(mcpa_str(probe->tokens[i]))) {
            ctl_complain("%s: what stands on its first line is no bearer token", files[i]);
            return false;
        }
    }
    return true;
}

static void clear(ctl_probe_t *probe)
{
    for (size_t i = 0; i < CTL_PROBE_TOKENS; i++) {
        if (probe->tokens[i] != NULL) {
            explicit_bzero(probe->tokens[i], strlen(probe->tokens[i]));
            free(probe->tokens[i]);
        }
    }
    ctl_answer_clear(&probe->bare);
    ctl_answer_clear(&probe->document_answer);
    ctl_answer_clear(&probe->garbage);
    mcpa_json_free(&probe->document);
    ctl_probehttp_free(&probe->http);
}

/* ---- the checks */

/* The request all others are held against. false: nothing that can be judged listens there. */
static bool ask_bare(ctl_probe_t *probe)
{
    ctl_probe_ask_list(probe, NULL, NULL, &probe->bare);
    if (probe->bare.error[0] != '\0') {
        ctl_complain("cannot reach %s: %s", probe->url, probe->bare.error);
        return false;
    }
    ctl_probe_challenge_of(&probe->bare, probe->bare_header, sizeof(probe->bare_header), &probe->challenge);
    return true;
}

static void count(ctl_probe_sum_t *sum, const ctl_finding_t *finding, ctl_probe_level_t level)
{
    switch (finding->outcome) {
    case CTL_PROBE_PASS:
        sum->passed++;
        break;
    case CTL_PROBE_SKIP:
        sum->skipped++;
        break;
    case CTL_PROBE_FAIL:
        *(level == CTL_PROBE_MUST ? &sum->failed_must : &sum->failed_should) += 1;
        break;
    }
}

static ctl_exit_t run_checks(ctl_probe_t *probe, ctl_finding_t findings[CTL_PROBE_CHECKS_MAX], ctl_probe_sum_t *sum)
{
    bool gave_up = false;

    for (size_t i = 0; i < ctl_probe_n_checks; i++) {
        if (gave_up) {
            ctl_probe_fail(&findings[i], "was not asked: the server does not answer any more");
        } else {
            ctl_probe_checks[i].run(probe, &findings[i]);
            gave_up = probe->failures_in_row >= GIVE_UP_AFTER;
        }
        count(sum, &findings[i], ctl_probe_checks[i].level);
    }
    if (gave_up) {
        ctl_complain("%s does not answer any more", probe->url);
        return CTL_UNREACHABLE;
    }
    return sum->failed_must == 0 ? CTL_GOOD : CTL_BAD;
}

static void print(const ctl_probe_t *probe, const ctl_finding_t *findings, const ctl_probe_sum_t *sum)
{
    if (probe->ctl->json) {
        ctl_probe_print_json(probe, findings, sum);
    } else {
        ctl_probe_print(probe, findings, sum);
    }
}

static ctl_exit_t judge(const ctl_t *ctl, ctl_finding_t findings[CTL_PROBE_CHECKS_MAX], ctl_probe_sum_t *sum,
                        void (*show)(const ctl_probe_t *probe, const ctl_finding_t *findings, const ctl_probe_sum_t *sum))
{
    ctl_probe_t probe = { .ctl = ctl };
    ctl_exit_t result = CTL_USAGE;

    if (take_url(&probe) && take_options(&probe) && take_tokens(&probe)) {
        probe.http = ctl_probehttp_new(ctl->ca);
        result = CTL_UNREACHABLE;
        if (probe.http == NULL) {
            ctl_complain("out of memory");
        } else if (ask_bare(&probe)) {
            result = run_checks(&probe, findings, sum);
            if (show != NULL) {
                show(&probe, findings, sum);
            }
        }
    }
    clear(&probe);
    return result;
}

ctl_exit_t ctl_probe_judge(const ctl_t *ctl, ctl_probe_sum_t *sum, const char **id, ctl_finding_t *first)
{
    ctl_finding_t findings[CTL_PROBE_CHECKS_MAX] = { 0 };
    ctl_exit_t result = judge(ctl, findings, sum, NULL);

    for (size_t i = ctl_probe_n_checks; result == CTL_BAD && i-- > 0;) {
        if (findings[i].outcome == CTL_PROBE_FAIL && ctl_probe_checks[i].level == CTL_PROBE_MUST) {
            *id = ctl_probe_checks[i].id;
            *first = findings[i];
        }
    }
    return result;
}

ctl_exit_t ctl_probe(const ctl_t *ctl)
{
    ctl_finding_t findings[CTL_PROBE_CHECKS_MAX] = { 0 };
    ctl_probe_sum_t sum = { 0 };

    return judge(ctl, findings, &sum, print);
}
