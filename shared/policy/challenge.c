/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/challenge.h"

#include "base/json.h"
#include "base/text.h"
#include "policy/metadata.h"

/* One realm for all: the resource is told by resource_metadata, and a realm taken from Host would be the client's to choose. */
#define REALM "mcpauth"

/* MCP asks servers not to name offline_access: whether a client may refresh is between it and its authorization server. */
static void print_scopes(mcpa_out_t *out, const char *scopes)
{
    mcpa_str_t rest = mcpa_str(scopes), word;
    const char *before = ", scope=\"";

    while (rest.len && mcpa_text_next_word(&rest, &word)) {
        if (!mcpa_text_is_scope_token(word) || mcpa_str_eqz(word, "offline_access")) {
            continue;
        }
        mcpa_out_z(out, before);
        mcpa_out_str(out, word);
        before = " ";
    }
    if (before[0] == ' ') {
        mcpa_out_char(out, '"');
    }
}

void mcpa_challenge_print(mcpa_out_t *out, const mcpa_policy_t *policy, mcpa_reason_t reason)
{
    const mcpa_reason_row_t *row = mcpa_reason_row(reason);

    if (row->bearer_error && !row->bearer_error[0]) {
        return;
    }
    mcpa_out_z(out, "Bearer realm=\"" REALM "\"");
    if (row->bearer_error) {
        mcpa_out_printf(out, ", error=\"%s\", error_description=\"%s\"", row->bearer_error, row->description);
    }
    print_scopes(out, policy->scopes);
    if (policy->resource) {
        mcpa_out_z(out, ", resource_metadata=\"");
        mcpa_metadata_url_print(out, mcpa_str(policy->resource));
        mcpa_out_char(out, '"');
    }
}

void mcpa_error_body_print(mcpa_out_t *out, mcpa_reason_t reason, int64_t retry_after_s)
{
    const mcpa_reason_row_t *row = mcpa_reason_row(reason);
    mcpa_jsonw_t w;

    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_z(&w, "error", row->error ? row->error : "internal_error");
    mcpa_jsonw_z(&w, "message", row->description);
    if (retry_after_s >= 0) {
        mcpa_jsonw_int(&w, "retry_after", retry_after_s);
    }
    mcpa_jsonw_close_object(&w);
}
