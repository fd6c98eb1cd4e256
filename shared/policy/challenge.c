/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/challenge.h"

#include "base/json.h"
#include "base/text.h"
#include "policy/metadata.h"

/* One realm for all: the resource is told by resource_metadata, and a realm taken from Host would be the client's to choose. */
#define REALM "mcpauth"
#define DESCRIPTION_BYTES 128

static bool stands_before(mcpa_str_t list, mcpa_str_t word)
{
    mcpa_str_t earlier;

    while (list.len && mcpa_text_next_word(&list, &earlier) && earlier.ptr < word.ptr) {
        if (mcpa_str_eq(earlier, word)) {
            return true;
        }
    }
    return false;
}

static bool stands_in(mcpa_str_t list, mcpa_str_t word)
{
    mcpa_str_t other;

    while (list.len && mcpa_text_next_word(&list, &other)) {
        if (mcpa_str_eq(other, word)) {
            return true;
        }
    }
    return false;
}

/* MCP asks servers not to name offline_access: whether a client may refresh is between it and its authorization server. All that
 * a request needs stands in one challenge, or the client would come back once for each. */
static void print_scopes(mcpa_out_t *out, mcpa_str_t location, mcpa_str_t operation)
{
    const mcpa_str_t lists[] = { location, operation };
    const char *before = ", scope=\"";
    mcpa_str_t word;

    for (size_t i = 0; i < 2; i++) {
        mcpa_str_t rest = lists[i];

        while (rest.len && mcpa_text_next_word(&rest, &word)) {
            if (!mcpa_text_is_scope_token(word) || mcpa_str_eqz(word, "offline_access") || stands_before(lists[i], word) ||
                (i > 0 && stands_in(location, word))) {
                continue;
            }
            mcpa_out_z(out, before);
            mcpa_out_str(out, word);
            before = " ";
        }
    }
    if (before[0] == ' ') {
        mcpa_out_char(out, '"');
    }
}

/* What is wrong, for who wrote the client. The words of a refused token are the same whatever is wrong with it, but for its
 * length, which its bearer knows. */
static void print_description(mcpa_out_t *out, mcpa_reason_t reason, mcpa_length_t too_long, size_t longest)
{
    if (longest > 0) {
        mcpa_length_print(out, too_long, longest);
    } else {
        mcpa_out_z(out, mcpa_reason_row(reason)->description);
    }
}

void mcpa_challenge_print(mcpa_out_t *out, const mcpa_policy_t *policy, mcpa_reason_t reason, const char *operation_scopes)
{
    const mcpa_reason_row_t *row = mcpa_reason_row(reason);

    if (row->bearer_error && !row->bearer_error[0]) {
        return;
    }
    mcpa_out_z(out, "Bearer realm=\"" REALM "\"");
    if (row->bearer_error) {
        size_t longest = reason == MCPA_REASON_TOKEN_TOO_LONG ? mcpa_lengths_max(&policy->lengths, MCPA_LENGTH_TOKEN) : 0;

        mcpa_out_printf(out, ", error=\"%s\", error_description=\"", row->bearer_error);
        print_description(out, reason, MCPA_LENGTH_TOKEN, longest);
        mcpa_out_char(out, '"');
    }
    print_scopes(out, mcpa_str(policy->scopes), mcpa_str(operation_scopes));
    if (policy->resource) {
        mcpa_out_z(out, ", resource_metadata=\"");
        mcpa_metadata_url_print(out, mcpa_str(policy->resource));
        mcpa_out_char(out, '"');
    }
}

static void print_error(mcpa_jsonw_t *w, const char *error, const char *description, int64_t retry_after_s)
{
    mcpa_jsonw_z(w, "error", error ? error : "internal_error");
    mcpa_jsonw_z(w, "message", description);
    if (retry_after_s >= 0) {
        mcpa_jsonw_int(w, "retry_after", retry_after_s);
    }
}

void mcpa_error_body_print(mcpa_out_t *out, mcpa_reason_t reason, int64_t retry_after_s)
{
    const mcpa_reason_row_t *row = mcpa_reason_row(reason);
    mcpa_jsonw_t w;

    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
    print_error(&w, row->error, row->description, retry_after_s);
    mcpa_jsonw_close_object(&w);
}

/* The answer is one of the newer era: where a revision of it is let in, only such are told, as a server's own answer does. */
static void print_revisions(mcpa_jsonw_t *w, const mcpa_decision_t *decision)
{
    uint32_t modern = decision->supported & MCPA_REVISIONS_MODERN, told = modern ? modern : decision->supported;

    mcpa_jsonw_open_array(w, "supported");
    for (unsigned i = MCPA_REVISION_NONE + 1; i < MCPA_REVISION_COUNT; i++) {
        if (told & MCPA_REVISION_BIT(i)) {
            mcpa_jsonw_z(w, NULL, mcpa_revision_name((mcpa_revision_t)i));
        }
    }
    mcpa_jsonw_close_array(w);
    if (decision->requested.ptr) {
        mcpa_jsonw_str(w, "requested", decision->requested);
    }
}

/* A message that could not be read has no kind, but perhaps an id. */
static bool is_call(const mcpa_message_t *message)
{
    return message && message->rpc.id.ptr && (message->fault != MCPA_RPC_OK || message->rpc.kind == MCPA_RPC_REQUEST);
}

/* The scanner's words say more than the reason's, but for a length. */
static bool says_fault(const mcpa_decision_t *decision)
{
    return decision->message->fault != MCPA_RPC_OK && decision->longest == 0;
}

void mcpa_error_message_print(mcpa_out_t *out, const mcpa_decision_t *decision, int64_t retry_after_s)
{
    const mcpa_reason_row_t *row = mcpa_reason_row(decision->reason);
    const mcpa_message_t *message = decision->message;
    int status = mcpa_decision_status(decision);
    const char *error = status == 404 ? "not_found" : row->error;
    char description[DESCRIPTION_BYTES];
    mcpa_out_t text;
    mcpa_jsonw_t w;

    mcpa_out_init(&text, description, sizeof(description));
    print_description(&text, decision->reason, decision->too_long, decision->longest);
    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
    if (!is_call(message)) {
        print_error(&w, error, description, retry_after_s);
        mcpa_jsonw_close_object(&w);
        return;
    }
    mcpa_jsonw_z(&w, "jsonrpc", "2.0");
    mcpa_jsonw_raw(&w, "id", message->rpc.id);
    mcpa_jsonw_open_object(&w, "error");
    mcpa_jsonw_int(&w, "code", decision->rpc_code ? decision->rpc_code : status);
    mcpa_jsonw_z(&w, "message", says_fault(decision) ? mcpa_rpc_fault_word(message->fault) : description);
    mcpa_jsonw_open_object(&w, "data");
    print_error(&w, error, description, retry_after_s);
    if (decision->supported) {
        print_revisions(&w, decision);
    }
    mcpa_jsonw_close_object(&w);
    mcpa_jsonw_close_object(&w);
    mcpa_jsonw_close_object(&w);
}
