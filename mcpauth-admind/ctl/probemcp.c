/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that a gate has to understand or refuse. What they ask for is harmless, should it be let through. */
#include "ctl/probe.h"

#include <inttypes.h>

/* Asks with the good token; false: there is none, and the finding says so. */
static bool ask(ctl_probe_t *probe, ctl_finding_t *finding, ctl_ask_t *what, ctl_answer_t *answer)
{
    if (!ctl_probe_has_token(probe, finding)) {
        return false;
    }
    what->method = "POST";
    what->url = probe->url;
    what->token = probe->tokens[CTL_PROBE_GOOD];
    if (what->lines[0] == NULL) {
        what->lines[0] = CTL_PROBE_OLD_LINE;
    }
    ctl_probe_ask(probe, what, answer);
    return true;
}

static void expect(ctl_probe_t *probe, ctl_finding_t *finding, ctl_ask_t *what, long status, const char *to_what)
{
    ctl_answer_t answer;

    if (!ask(probe, finding, what, &answer)) {
        return;
    }
    if (ctl_probe_status_is(finding, &answer, status, to_what)) {
        ctl_probe_pass(finding, "%s is answered %ld", to_what, status);
    }
    ctl_answer_clear(&answer);
}

void ctl_probe_batch(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_ask_t what = {
        .body = "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}]"
    };

    expect(probe, finding, &what, 400, "a batch");
}

void ctl_probe_duplicate(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_ask_t what = { .body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"tools/list\"}" };

    expect(probe, finding, &what, 400, "a message with two methods");
}

void ctl_probe_media_type(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_ask_t what = {
        .lines = { CTL_PROBE_OLD_LINE, "Content-Type: text/plain" },
        .body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
    };

    expect(probe, finding, &what, 415, "a body that is not application/json");
}

void ctl_probe_too_large(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_ask_t what = { .body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", .pad_to = probe->max_body + 1 };
    ctl_answer_t answer;
    char to_what[64];

    snprintf(to_what, sizeof(to_what), "a body of %" PRIu64 " bytes", probe->max_body + 1);
    if (!ask(probe, finding, &what, &answer)) {
        return;
    }
    /* Who closes at once while the body still comes may cut off his own answer behind its status. */
    if (answer.status == 413 || ctl_probe_status_is(finding, &answer, 413, to_what)) {
        ctl_probe_pass(finding, "%s is answered 413", to_what);
    }
    ctl_answer_clear(&answer);
}

void ctl_probe_unknown(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_ask_t what = { .body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"mcpauthctl/probe\"}" };
    ctl_answer_t answer;

    if (!ask(probe, finding, &what, &answer)) {
        return;
    }
    if (answer.error[0] == '\0' && (answer.status == 403 || answer.status == 404)) {
        ctl_probe_pass(finding, "a method that nobody knows is answered %ld", answer.status);
    } else {
        (void)ctl_probe_status_is(finding, &answer, 404, "a method that nobody knows");
    }
    ctl_answer_clear(&answer);
}

static int64_t code_of(const ctl_answer_t *answer)
{
    ctl_finding_t ignored = { 0 };
    mcpa_json_t *json = ctl_probe_json(&ignored, answer, "");
    int64_t code = 0;

    if (!mcpa_json_integer(mcpa_json_member(mcpa_json_member(json, "error"), "code"), &code)) {
        code = 0;
    }
    mcpa_json_free(&json);
    return code;
}

/* Who decides by the header while the server goes by the body lets in what he did not see. */
void ctl_probe_mirror(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_ask_t what = {
        .lines = { CTL_PROBE_NEW_LINE, "Mcp-Method: tools/list" },
        .body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":{\"_meta\":{"
                "\"io.modelcontextprotocol/protocolVersion\":\"" CTL_PROBE_NEW_REVISION "\","
                "\"io.modelcontextprotocol/clientCapabilities\":{}}}}",
    };
    ctl_answer_t answer;

    if (!ask(probe, finding, &what, &answer)) {
        return;
    }
    if (!ctl_probe_status_is(finding, &answer, 400, "an Mcp-Method that is not the body's")) {
        /* said */
    } else if (code_of(&answer) == -32022) {
        ctl_probe_skip(finding, "revision " CTL_PROBE_NEW_REVISION ", which has these headers, is not spoken here");
    } else if (code_of(&answer) != -32020) {
        ctl_probe_fail(finding, "an Mcp-Method that is not the body's is answered 400, but not with the code -32020: clients "
                                "fall back to an older revision");
    } else {
        ctl_probe_pass(finding, "an Mcp-Method that is not the body's is answered 400 with -32020");
    }
    ctl_answer_clear(&answer);
}
