/* SPDX-License-Identifier: Apache-2.0 */
/* What explain says of the message: which operation it was, which rule spoke of it, and what in message and headers did not go
 * together. */
#include "ctl/explain.h"

#define RULE_BYTES (MCPA_RPC_METHOD_MAX_BYTES + MCPA_RPC_URI_MAX_BYTES + MCPA_SCOPE_TEXT_MAX_BYTES + 32)

static mcpa_str_t revisions_text(uint32_t revisions, char *memory, size_t cap)
{
    mcpa_out_t out;

    mcpa_out_init(&out, memory, cap);
    for (unsigned i = MCPA_REVISION_NONE + 1; i < MCPA_REVISION_COUNT; i++) {
        if ((revisions & MCPA_REVISION_BIT(i)) != 0) {
            mcpa_out_z(&out, out.len > 0 ? ", " : "");
            mcpa_out_z(&out, mcpa_revision_name((mcpa_revision_t)i));
        }
    }
    return mcpa_out_get(&out);
}

static mcpa_str_t rule_text(const mcpa_ruling_t *ruling, char memory[RULE_BYTES])
{
    const mcpa_operation_t *rule = ruling->rule;
    mcpa_out_t out;

    mcpa_out_init(&out, memory, RULE_BYTES);
    mcpa_out_printf(&out, "%s%s%s %s%s", rule->method, rule->name != NULL ? ":" : "", rule->name != NULL ? rule->name : "",
                    rule->effect == MCPA_EFFECT_SCOPES ? rule->scopes : mcpa_operation_effect_word(rule->effect),
                    ruling->is_default ? " (default)" : "");
    return mcpa_out_get(&out);
}

void ctl_explained_operation(const ctl_explained_t *e, void (*tell)(void *ctx, const char *name, mcpa_str_t value), void *ctx)
{
    const mcpa_decision_t *d = &e->decision;
    char memory[RULE_BYTES];

    if (d->operation.ptr == NULL) {
        return;
    }
    tell(ctx, "revision", mcpa_str(mcpa_revision_name(d->revision)));
    tell(ctx, "operation", d->operation);
    if (d->operation_name.ptr != NULL) {
        tell(ctx, "name", d->operation_name);
    }
    tell(ctx, "rule", d->ruling.rule != NULL ? rule_text(&d->ruling, memory) : MCPA_STR("(none)"));
    if (d->operation_scopes != NULL) {
        tell(ctx, "needed by the operation", mcpa_str(d->operation_scopes));
    }
}

static mcpa_str_t or_absent(mcpa_str_t value)
{
    return value.ptr != NULL ? value : MCPA_STR("(absent)");
}

static void why_mirrors(const ctl_explained_t *e, void (*tell)(void *ctx, const char *name, mcpa_str_t value), void *ctx)
{
    const mcpa_mirrors_t *mirrors = &e->request.mirrors;

    tell(ctx, "MCP-Protocol-Version", or_absent(mirrors->version));
    tell(ctx, "Mcp-Method", or_absent(mirrors->method));
    tell(ctx, "Mcp-Name", or_absent(mirrors->name));
    if (e->request.mirrors_repeated) {
        tell(ctx, "said twice", MCPA_STR("one of these headers"));
    }
    if (e->decision.message != NULL) {
        const mcpa_rpc_t *rpc = &e->decision.message->rpc;

        tell(ctx, "the body's revision", or_absent(rpc->meta_version));
        tell(ctx, "the body's method", or_absent(rpc->method));
        tell(ctx, "the body's name", or_absent(mcpa_mirror_name(rpc)));
    }
}

static mcpa_str_t malformed_text(const mcpa_decision_t *d)
{
    if (d->message->fault != MCPA_RPC_OK) {
        return mcpa_str(mcpa_rpc_fault_word(d->message->fault));
    }
    return d->operation.ptr != NULL ? MCPA_STR("what the operation is about is not named, or not in the one way it can be")
                                    : MCPA_STR("this revision has no such message, or wants more in params._meta");
}

static void why_length(const mcpa_decision_t *d, void (*tell)(void *ctx, const char *name, mcpa_str_t value), void *ctx)
{
    char memory[128];

    tell(ctx, "too long", mcpa_str(mcpa_length_row(d->too_long)->what));
    snprintf(memory, sizeof(memory), "%zu bytes (MCPAuthMaxLength %s)", d->longest, mcpa_length_row(d->too_long)->word);
    tell(ctx, "the most taken here", mcpa_str(memory));
}

void ctl_explained_why_message(const ctl_explained_t *e, void (*tell)(void *ctx, const char *name, mcpa_str_t value), void *ctx)
{
    const mcpa_decision_t *d = &e->decision;
    char memory[128];

    if (d->longest > 0) {
        why_length(d, tell, ctx);
        return;
    }
    switch (d->reason) {
    case MCPA_REASON_MEDIA_TYPE:
        tell(ctx, "Content-Type", or_absent(e->request.content_type));
        tell(ctx, "Content-Encoding", or_absent(e->request.content_encoding));
        tell(ctx, "wanted", MCPA_STR("application/json, not encoded"));
        break;
    case MCPA_REASON_BODY_TOO_LARGE:
        snprintf(memory, sizeof(memory), "%zu bytes", e->body.len);
        tell(ctx, "the body", mcpa_str(memory));
        snprintf(memory, sizeof(memory), "%llu bytes", (unsigned long long)e->policy->max_body);
        tell(ctx, "the most taken here", mcpa_str(memory));
        break;
    case MCPA_REASON_MESSAGE_MALFORMED:
        tell(ctx, "the message", malformed_text(d));
        break;
    case MCPA_REASON_MIRROR_MISMATCH:
        why_mirrors(e, tell, ctx);
        break;
    case MCPA_REASON_PROTOCOL_UNKNOWN:
    case MCPA_REASON_PROTOCOL_DENIED:
        tell(ctx, "asked for", d->requested.ptr != NULL ? d->requested : e->request.mirrors.version);
        tell(ctx, "let in here", revisions_text(d->supported, memory, sizeof(memory)));
        break;
    default:
        break;
    }
}
