/* SPDX-License-Identifier: Apache-2.0 */
/* Protected resource metadata (RFC 9728) and the authorization servers it names (RFC 8414). No token is sent to any of these
 * addresses. */
#include "ctl/probe.h"
#include "keys/discovery.h"

#define SERVERS_MAX 4 /* of which the metadata is looked for */

static void get(ctl_probe_t *probe, const char *url, ctl_answer_t *answer)
{
    ctl_ask_t ask = { .method = "GET", .url = url, .lines = { CTL_PROBE_NEW_LINE } };

    ctl_probe_ask(probe, &ask, answer);
}

static bool has_document(const ctl_probe_t *probe, ctl_finding_t *finding)
{
    if (probe->document == NULL) {
        ctl_probe_skip(finding, "there is no metadata document to look at");
    }
    return probe->document != NULL;
}

/* Where the challenge says, as clients do; where it says nothing good, at the well-known place. */
void ctl_probe_metadata(ctl_probe_t *probe, ctl_finding_t *finding)
{
    mcpa_str_t said = ctl_challenge_get(&probe->challenge, "resource_metadata");
    char url[CTL_PROBE_URL_BYTES];

    if (ctl_probe_is_own_url(probe, said)) {
        snprintf(url, sizeof(url), "%.*s", MCPA_STR_ARG(said));
    } else {
        snprintf(url, sizeof(url), "%s", probe->metadata_url);
    }
    get(probe, url, &probe->document_answer);
    if (!ctl_probe_status_is(finding, &probe->document_answer, 200, "the metadata document")) {
        return;
    }
    probe->document = ctl_probe_json(finding, &probe->document_answer, "the metadata document");
    if (probe->document != NULL) {
        ctl_probe_pass(finding, "the metadata document is there, without a token");
    }
}

void ctl_probe_metadata_path(ctl_probe_t *probe, ctl_finding_t *finding)
{
    mcpa_str_t said = ctl_challenge_get(&probe->challenge, "resource_metadata");
    ctl_answer_t answer;

    if (!has_document(probe, finding)) {
        return;
    }
    if (said.len == 0 || mcpa_str_eqz(said, probe->metadata_url)) {
        ctl_probe_pass(finding, "it is at its well-known place");
        return;
    }
    get(probe, probe->metadata_url, &answer);
    if (ctl_probe_status_is(finding, &answer, 200, "the well-known place of the metadata")) {
        ctl_probe_pass(finding, "the well-known place has a document too");
    }
    ctl_answer_clear(&answer);
}

void ctl_probe_metadata_resource(ctl_probe_t *probe, ctl_finding_t *finding)
{
    char shown[CTL_PROBE_SHOWN_BYTES];
    mcpa_str_t resource;

    if (!has_document(probe, finding)) {
        return;
    }
    resource = mcpa_json_string(mcpa_json_member(probe->document, "resource"));
    if (resource.ptr == NULL) {
        ctl_probe_fail(finding, "the metadata has no resource");
    } else if (!mcpa_str_eqz(resource, probe->url)) {
        ctl_probe_fail(finding, "resource is %s, not the URL that is probed: clients must not use it",
                       ctl_probe_shown(probe, shown, resource));
    } else {
        ctl_probe_pass(finding, "resource is exactly the URL that is probed");
    }
}

void ctl_probe_metadata_servers(ctl_probe_t *probe, ctl_finding_t *finding)
{
    char shown[CTL_PROBE_SHOWN_BYTES];
    const mcpa_json_t *servers;

    if (!has_document(probe, finding)) {
        return;
    }
    servers = mcpa_json_member(probe->document, "authorization_servers");
    if (!mcpa_json_is(servers, MCPA_JSON_ARRAY) || mcpa_json_size(servers) == 0) {
        ctl_probe_fail(finding, "authorization_servers names none");
        return;
    }
    for (size_t i = 0; i < mcpa_json_size(servers); i++) {
        mcpa_str_t url = mcpa_json_string(mcpa_json_at(servers, i));

        if (!ctl_probe_is_safe_url(probe, url)) {
            ctl_probe_fail(finding, "authorization_servers has %s: no https URL", ctl_probe_shown(probe, shown, url));
            return;
        }
    }
    ctl_probe_pass(finding, "authorization_servers names %zu, the first is %s", mcpa_json_size(servers),
                   ctl_probe_shown(probe, shown, mcpa_json_string(mcpa_json_at(servers, 0))));
}

void ctl_probe_metadata_methods(ctl_probe_t *probe, ctl_finding_t *finding)
{
    const mcpa_json_t *methods;

    if (!has_document(probe, finding)) {
        return;
    }
    methods = mcpa_json_member(probe->document, "bearer_methods_supported");
    if (mcpa_json_size(methods) != 1 || !mcpa_str_eqz(mcpa_json_string(mcpa_json_at(methods, 0)), "header")) {
        ctl_probe_fail(finding, "bearer_methods_supported is not [\"header\"], the only way in MCP");
    } else {
        ctl_probe_pass(finding, "bearer_methods_supported is [\"header\"]");
    }
}

void ctl_probe_metadata_cors(ctl_probe_t *probe, ctl_finding_t *finding)
{
    if (!has_document(probe, finding)) {
        return;
    }
    if (!mcpa_str_eqz(ctl_answer_header(&probe->document_answer, "Access-Control-Allow-Origin", 0), "*")) {
        ctl_probe_fail(finding, "the metadata has no Access-Control-Allow-Origin: *: clients in browsers cannot read it");
    } else {
        ctl_probe_pass(finding, "pages of any origin may read the metadata");
    }
}

/* Clients try the next place on 404 only; with 401 they would ask for a token to find out where to get tokens. */
void ctl_probe_metadata_absent(ctl_probe_t *probe, ctl_finding_t *finding)
{
    char url[CTL_PROBE_URL_BYTES + 64];
    ctl_answer_t answer;
    size_t len = strlen(probe->metadata_url);
    const char *slash = len > 0 && probe->metadata_url[len - 1] == '/' ? "" : "/";

    snprintf(url, sizeof(url), "%s%s" CTL_PROBE_STRANGER, probe->metadata_url, slash);
    get(probe, url, &answer);
    if (ctl_probe_status_is(finding, &answer, 404, "metadata of a resource that is not there")) {
        ctl_probe_pass(finding, "metadata of a resource that is not there is answered 404");
    }
    ctl_answer_clear(&answer);
}

/* ---- the authorization servers */

/* Whether one of its well-known places has its document. */
static bool find_server(ctl_probe_t *probe, ctl_finding_t *finding, mcpa_str_t issuer)
{
    char url[CTL_PROBE_URL_BYTES], shown[CTL_PROBE_SHOWN_BYTES];
    bool found = false;
    mcpa_out_t out;

    for (size_t i = 0; i < ADMIND_DISCOVERY_TRIES && !found; i++) {
        ctl_finding_t ignored = { 0 };
        mcpa_json_t *json = NULL;
        ctl_answer_t answer;

        mcpa_out_init(&out, url, sizeof(url));
        if (!admind_discovery_url(&out, issuer, i)) {
            break;
        }
        get(probe, url, &answer);
        if (answer.error[0] == '\0' && answer.status == 200) {
            json = ctl_probe_json(&ignored, &answer, "");
        }
        found = json != NULL && mcpa_str_eq(mcpa_json_string(mcpa_json_member(json, "issuer")), issuer);
        mcpa_json_free(&json);
        ctl_answer_clear(&answer);
    }
    probe->failures_in_row = 0; /* another server's */
    if (!found) {
        ctl_probe_fail(finding, "%s has no metadata with this issuer at any of its well-known places",
                       ctl_probe_shown(probe, shown, issuer));
    }
    return found;
}

void ctl_probe_issuer(ctl_probe_t *probe, ctl_finding_t *finding)
{
    const mcpa_json_t *servers = mcpa_json_member(probe->document, "authorization_servers");
    size_t n = 0;

    if (probe->ctl->no_issuer) {
        ctl_probe_skip(finding, "--no-issuer: the authorization server is not asked");
        return;
    }
    for (size_t i = 0; i < mcpa_json_size(servers) && i < SERVERS_MAX; i++) {
        mcpa_str_t issuer = mcpa_json_string(mcpa_json_at(servers, i));

        if (ctl_probe_is_safe_url(probe, issuer)) {
            if (!find_server(probe, finding, issuer)) {
                return;
            }
            n++;
        }
    }
    if (n == 0) {
        ctl_probe_skip(finding, "there is no authorization server to ask");
    } else {
        ctl_probe_pass(finding, "%s metadata with its issuer",
                       n == 1 ? "the authorization server has" : "each authorization server has");
    }
}
