/* SPDX-License-Identifier: Apache-2.0 */
/* The request that explain decides, from --method, --header and --body. */
#include "ctl/explain.h"

#include <stdlib.h>

#include "base/text.h"
#include "files.h"

#define MESSAGE_MAX_BYTES                                                                                                        \
    (64 * 1024 * 1024) /* a file over it is no message; the Location's own ceiling is a stage of the decision */

/* What is asked when nothing was said: the least that a client can ask of a server. */
#define DEFAULT_MESSAGE "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"

static const struct {
    const char *name;
    size_t offset;
    bool is_mirror;
} fields[] = {
    { "MCP-Protocol-Version", offsetof(mcpa_request_t, mirrors) + offsetof(mcpa_mirrors_t, version), true },
    { "Mcp-Method", offsetof(mcpa_request_t, mirrors) + offsetof(mcpa_mirrors_t, method), true },
    { "Mcp-Name", offsetof(mcpa_request_t, mirrors) + offsetof(mcpa_mirrors_t, name), true },
    { "Content-Type", offsetof(mcpa_request_t, content_type), false },
    { "Content-Encoding", offsetof(mcpa_request_t, content_encoding), false },
    { "Transfer-Encoding", offsetof(mcpa_request_t, transfer_encoding), false },
    { "Origin", offsetof(mcpa_request_t, origin), false },
    { "Host", offsetof(mcpa_request_t, host), false },
};

static bool put_field(mcpa_request_t *request, size_t i, mcpa_str_t value)
{
    mcpa_str_t *slot = (mcpa_str_t *)((char *)request + fields[i].offset);

    if (slot->ptr != NULL && !fields[i].is_mirror) {
        ctl_complain("%s was said twice", fields[i].name);
        return false;
    }
    request->mirrors_repeated = request->mirrors_repeated || slot->ptr != NULL;
    *slot = value;
    return true;
}

static bool read_header(mcpa_request_t *request, const char *header)
{
    const char *colon = strchr(header, ':');
    mcpa_str_t name = { header, colon != NULL ? (size_t)(colon - header) : 0 };

    if (colon == NULL || colon == header) {
        ctl_complain("--header wants 'NAME: VALUE'");
        return false;
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (mcpa_str_ieq(name, mcpa_str(fields[i].name))) {
            return put_field(request, i, mcpa_text_trim(mcpa_str(colon + 1)));
        }
    }
    if (mcpa_str_ieq(name, MCPA_STR("Authorization"))) {
        ctl_complain("everybody on this machine can read the command line; give the token with --token-file FILE or -");
    } else {
        ctl_complain("the header %.*s decides nothing", MCPA_STR_ARG(name));
    }
    return false;
}

static bool read_body(ctl_explained_t *explained)
{
    const char *body = explained->ctl->body;
    mcpa_status_t status;

    if (body == NULL || body[0] != '@') {
        explained->body = mcpa_str(body != NULL ? body : DEFAULT_MESSAGE);
        return true;
    }
    status = admind_file_read(&explained->body, body + 1, MESSAGE_MAX_BYTES);
    if (status != MCPA_OK) {
        ctl_complain("%s: %s", body + 1, mcpa_status_word(status));
        return false;
    }
    explained->body_file = (char *)(uintptr_t)explained->body.ptr;
    return true;
}

bool ctl_explained_request(ctl_explained_t *explained)
{
    const ctl_t *ctl = explained->ctl;
    mcpa_request_t *request = &explained->request;

    *request = (mcpa_request_t){ .method = mcpa_str(ctl->method != NULL ? ctl->method : "POST"),
                                 .origin = mcpa_str(ctl->origin),
                                 .address = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } };
    for (const char *const *header = ctl->headers; *header != NULL; header++) {
        if (!read_header(request, *header)) {
            return false;
        }
    }
    if (mcpa_str_eqz(request->method, "OPTIONS")) {
        request->preflight_method = MCPA_STR("POST");
    }
    request->has_body = ctl->body != NULL || mcpa_str_eqz(request->method, "POST");
    if (request->has_body && request->content_type.ptr == NULL) {
        request->content_type = MCPA_STR("application/json");
    }
    return read_body(explained);
}

mcpa_reason_t ctl_explained_message(void *ctx, uint64_t max_body, mcpa_message_t **message)
{
    ctl_explained_t *explained = ctx;

    mcpa_message_init(&explained->message, explained->body);
    *message = &explained->message;
    return explained->body.len <= max_body ? MCPA_REASON_PASS : MCPA_REASON_BODY_TOO_LARGE;
}

void ctl_explained_request_clear(ctl_explained_t *explained)
{
    free(explained->body_file);
    explained->body_file = NULL;
}
