/* SPDX-License-Identifier: Apache-2.0 */
/* Without a token: the challenge from which a client finds out how to get one (MCP authorization; RFC 6750 section 3, RFC 9728
 * section 5.1). */
#include "ctl/probe.h"

void ctl_probe_no_token(ctl_probe_t *probe, ctl_finding_t *finding)
{
    if (ctl_probe_status_is(finding, &probe->bare, 401, "a request without a token")) {
        ctl_probe_pass(finding, "a request without a token is answered 401");
    }
}

void ctl_probe_bearer_first(ctl_probe_t *probe, ctl_finding_t *finding)
{
    if (probe->bare.status != 401) {
        ctl_probe_skip(finding, "there is no 401 to look at");
    } else if (ctl_answer_header(&probe->bare, "WWW-Authenticate", 0).ptr == NULL) {
        ctl_probe_fail(finding, "the 401 has no WWW-Authenticate");
    } else if (!probe->challenge.is_bearer) {
        ctl_probe_fail(finding, "the first scheme in WWW-Authenticate is not Bearer: clients look no further");
    } else {
        ctl_probe_pass(finding, "WWW-Authenticate begins with Bearer");
    }
}

void ctl_probe_challenge_syntax(ctl_probe_t *probe, ctl_finding_t *finding)
{
    static const struct {
        const char *before, *after;
    } faults[] = {
        [CTL_CHALLENGE_BLANKS] = { "there are blanks around the = of ", ": official clients then find nothing" },
        [CTL_CHALLENGE_TWICE] = { "there is twice ", ": clients differ in which one they take" },
        [CTL_CHALLENGE_CHARACTER] = { "there is a character that may not stand in ", "" },
        [CTL_CHALLENGE_SYNTAX] = { "there is no list of name=\"value\" at ", "" },
    };
    char name[CTL_PROBE_SHOWN_BYTES];
    ctl_challenge_fault_t fault = probe->challenge.fault;

    if (!ctl_probe_has_challenge(probe, finding)) {
        return;
    }
    if (fault == CTL_CHALLENGE_SOUND) {
        ctl_probe_pass(finding, "the challenge is well-formed: no blanks around =, each parameter once");
    } else {
        ctl_probe_fail(finding, "in the challenge %s%s%s", faults[fault].before,
                       ctl_probe_shown(probe, name, probe->challenge.fault_at), faults[fault].after);
    }
}

/* Whether this one is to be looked at: behind broken syntax it may stand and not be found. */
static bool take_param(const ctl_probe_t *probe, ctl_finding_t *finding, const char *name, mcpa_str_t *value)
{
    *value = ctl_challenge_get(&probe->challenge, name);
    if (!ctl_probe_has_challenge(probe, finding)) {
        return false;
    }
    if (value->ptr == NULL && probe->challenge.fault == CTL_CHALLENGE_SYNTAX) {
        ctl_probe_skip(finding, "the challenge cannot be read to its end");
        return false;
    }
    return true;
}

void ctl_probe_no_error(ctl_probe_t *probe, ctl_finding_t *finding)
{
    char shown[CTL_PROBE_SHOWN_BYTES];
    mcpa_str_t error;

    if (!take_param(probe, finding, "error", &error)) {
        return;
    }
    if (error.ptr != NULL) {
        ctl_probe_fail(finding, "the challenge has error=%s although no token was sent", ctl_probe_shown(probe, shown, error));
    } else {
        ctl_probe_pass(finding, "the challenge has no error, as no token was sent");
    }
}

void ctl_probe_metadata_param(ctl_probe_t *probe, ctl_finding_t *finding)
{
    char shown[CTL_PROBE_SHOWN_BYTES];
    mcpa_str_t url;

    if (!take_param(probe, finding, "resource_metadata", &url)) {
        return;
    }
    if (url.ptr == NULL) {
        ctl_probe_fail(finding, "the challenge has no resource_metadata");
    } else if (!ctl_probe_is_safe_url(probe, url)) {
        ctl_probe_fail(finding, "resource_metadata is %s: no absolute https URL", ctl_probe_shown(probe, shown, url));
    } else if (!ctl_probe_is_own_url(probe, url)) {
        ctl_probe_fail(finding, "resource_metadata is %s: not where the resource is", ctl_probe_shown(probe, shown, url));
    } else {
        ctl_probe_pass(finding, "resource_metadata is %s", ctl_probe_shown(probe, shown, url));
    }
}

void ctl_probe_scope_param(ctl_probe_t *probe, ctl_finding_t *finding)
{
    char shown[CTL_PROBE_SHOWN_BYTES];
    mcpa_str_t scope;

    if (!take_param(probe, finding, "scope", &scope)) {
        return;
    }
    if (scope.len == 0) {
        ctl_probe_fail(finding, "the challenge names no scope: clients have to guess what to ask for");
    } else if (memmem(scope.ptr, scope.len, "offline_access", strlen("offline_access")) != NULL) {
        ctl_probe_fail(finding, "the challenge's scope has offline_access, which is no matter of the resource");
    } else {
        ctl_probe_pass(finding, "the challenge asks for scope %s", ctl_probe_shown(probe, shown, scope));
    }
}

/* Whoever makes a victim's client send this Host must not choose where it looks for its authorization server. */
void ctl_probe_host_spoofed(ctl_probe_t *probe, ctl_finding_t *finding)
{
    char header[sizeof(probe->bare_header)], shown[CTL_PROBE_SHOWN_BYTES];
    ctl_challenge_t challenge;
    ctl_answer_t answer;
    mcpa_str_t url, before = ctl_challenge_get(&probe->challenge, "resource_metadata");

    if (!ctl_probe_has_challenge(probe, finding)) {
        return;
    }
    ctl_probe_ask_list(probe, NULL, "Host: " CTL_PROBE_STRANGER, &answer);
    ctl_probe_challenge_of(&answer, header, sizeof(header), &challenge);
    url = ctl_challenge_get(&challenge, "resource_metadata");
    if (answer.error[0] != '\0') {
        ctl_probe_fail(finding, "a request with a foreign Host has no whole answer: %s", answer.error);
    } else if (ctl_probe_has_result(&answer)) {
        ctl_probe_fail(finding, "a request with a foreign Host needs no token: the server's own default host leads there too");
    } else if (strcasestr(header, CTL_PROBE_STRANGER) != NULL) {
        ctl_probe_fail(finding, "a foreign Host is taken into the challenge");
    } else if (url.ptr != NULL && ctl_probe_is_own_url(probe, before) && !mcpa_str_eq(url, before)) {
        ctl_probe_fail(finding, "a foreign Host changes resource_metadata to %s", ctl_probe_shown(probe, shown, url));
    } else {
        ctl_probe_pass(finding, "a foreign Host (answered %ld) changes nothing in the challenge", answer.status);
    }
    ctl_answer_clear(&answer);
}
