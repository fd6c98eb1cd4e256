/* SPDX-License-Identifier: Apache-2.0 */
/* A real call with the good token, in either era of the protocol: whether what is behind the gate answers. */
#include "base/text.h"
#include "ctl/probe.h"

#define SESSION_MAX_BYTES 256
#define META                                                                                                                     \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"" CTL_PROBE_NEW_REVISION                                           \
    "\",\"io.modelcontextprotocol/clientCapabilities\":{}}"

static const struct call {
    const char *name, *version, *method, *body;
} calls[] = {
    { "initialize", NULL, NULL,
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"" CTL_PROBE_OLD_REVISION
      "\",\"capabilities\":{},\"clientInfo\":{\"name\":\"mcpauthctl\",\"version\":\"1\"}}}" },
    { "server/discover", CTL_PROBE_NEW_LINE, "Mcp-Method: server/discover",
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":{" META "}}" },
    { "tools/list", CTL_PROBE_NEW_LINE, "Mcp-Method: tools/list",
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" META "}}" },
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* The JSON-RPC message in the body: all of it, or the first event with something in it. */
static mcpa_str_t message_of(const ctl_answer_t *answer)
{
    mcpa_str_t body = { answer->body, answer->body_len };
    const char *data = answer->body;

    if (body.len > 0 && body.ptr[0] == '{') {
        return body;
    }
    while (data != NULL && (data = strstr(data, "data:")) != NULL) {
        size_t len = strcspn(data, "\r\n");

        if (memchr(data, '{', len) != NULL) {
            return (mcpa_str_t){ data + 5, len - 5 };
        }
        data += len;
    }
    return MCPA_STR_NONE;
}

bool ctl_probe_has_result(const ctl_answer_t *answer)
{
    mcpa_json_t *json = NULL;
    bool found;

    if (answer->error[0] != '\0' || answer->status != 200 || mcpa_json_parse(&json, message_of(answer), 64, 65536) != MCPA_OK) {
        return false;
    }
    found = mcpa_json_is(mcpa_json_member(json, "result"), MCPA_JSON_OBJECT);
    mcpa_json_free(&json);
    return found;
}

/* What initialize opened is closed again; whether the server minds is its own matter. */
static void end_session(ctl_probe_t *probe, const ctl_answer_t *opened)
{
    mcpa_str_t session = ctl_answer_header(opened, "Mcp-Session-Id", 0);
    char line[SESSION_MAX_BYTES + 32];
    ctl_ask_t ask = { .method = "DELETE", .url = probe->url, .token = probe->tokens[CTL_PROBE_GOOD] };
    ctl_answer_t answer;

    if (session.len == 0 || session.len > SESSION_MAX_BYTES || !mcpa_text_is_printable(session)) {
        return;
    }
    snprintf(line, sizeof(line), "Mcp-Session-Id: %.*s", MCPA_STR_ARG(session));
    ask.lines[0] = line;
    ask.lines[1] = CTL_PROBE_OLD_LINE;
    ctl_probe_ask(probe, &ask, &answer);
    probe->failures_in_row = 0;
    ctl_answer_clear(&answer);
}

static bool is_let_in(ctl_finding_t *finding, const ctl_answer_t *answer)
{
    if (answer->error[0] != '\0' || answer->status == 401 || answer->status == 429) {
        return ctl_probe_status_is(finding, answer, 200, "the good token");
    }
    if (answer->status == 403) {
        ctl_probe_fail(finding, "the good token is answered 403: it has too little scope even to begin");
        return false;
    }
    return true;
}

void ctl_probe_call(ctl_probe_t *probe, ctl_finding_t *finding)
{
    bool done = false;

    if (probe->tokens[CTL_PROBE_GOOD] == NULL) {
        ctl_probe_skip(finding, "needs a good token: --token-file");
        return;
    }
    for (size_t i = 0; i < CALLS && !done; i++) {
        ctl_ask_t ask = { .method = "POST", .url = probe->url, .token = probe->tokens[CTL_PROBE_GOOD], .body = calls[i].body };
        ctl_answer_t answer;

        ask.lines[0] = calls[i].version;
        ask.lines[1] = calls[i].method;
        ctl_probe_ask(probe, &ask, &answer);
        if (!is_let_in(finding, &answer)) {
            done = !probe->accepted;
        } else {
            probe->accepted = true;
            ctl_probe_fail(finding, "the good token is let in, but %s brings no result: it is answered %ld", calls[i].name,
                           answer.status);
        }
        if (probe->accepted && ctl_probe_has_result(&answer)) {
            ctl_probe_pass(finding, "with the good token %s is answered", calls[i].name);
            end_session(probe, &answer);
            done = true;
        }
        ctl_answer_clear(&answer);
    }
}
