/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <stdatomic.h>

#include "apr_strings.h"

#include "child.h"

#define ASKED_ID_MAX 128

/* In a request's slot: on the root the context, and while httpd logs the headers what was taken out of them; on each the section
 * whose identity headers it carries, and what was decided last and for which section. */
typedef struct slot {
    mod_mcp_context_t *context;
    const char *hidden;
    const mod_mcp_dir_t *dressed_for;
    const mod_mcp_dir_t *judged_for;
    mod_mcp_verdict_t *judged;
} slot_t;

static request_rec *root_of(const request_rec *r)
{
    while (r->main || r->prev) {
        r = r->main ? r->main : r->prev;
    }
    return (request_rec *)(uintptr_t)r;
}

static slot_t *slot_of(request_rec *r)
{
    slot_t *slot = ap_get_module_config(r->request_config, &mcp_auth_module);

    if (!slot) {
        slot = apr_pcalloc(r->pool, sizeof(*slot));
        ap_set_module_config(r->request_config, &mcp_auth_module, slot);
    }
    return slot;
}

mod_mcp_context_t *mod_mcp_context_find(const request_rec *r)
{
    const slot_t *slot = ap_get_module_config(root_of(r)->request_config, &mcp_auth_module);

    return slot ? slot->context : NULL;
}

static apr_status_t end_context(void *memory)
{
    mod_mcp_context_t *context = memory;

    for (mod_mcp_verdict_t *verdict = context->verdicts; verdict; verdict = verdict->older) {
        mcpa_decision_clear(&verdict->decision);
    }
    mod_mcp_requests_add(-1);
    return APR_SUCCESS;
}

/* It goes into headers, records and the logs of others: nothing in it may mean anything there. */
static const char *usable_id(const char *id)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/+=@";
    size_t len = id ? strlen(id) : 0;

    return len > 0 && len <= ASKED_ID_MAX && strspn(id, letters) == len ? id : NULL;
}

const char *mod_mcp_request_name(mod_mcp_context_t *context)
{
    if (!context->name) {
        context->name = apr_table_get(context->root->subprocess_env, "UNIQUE_ID");
    }
    if (!context->name) {
        char *made = apr_palloc(context->root->pool, MOD_MCP_REQUEST_ID_BYTES);

        mod_mcp_request_id(made);
        context->name = made;
    }
    return context->name;
}

const char *mod_mcp_correlation(mod_mcp_context_t *context, bool *is_clients)
{
    if (is_clients) {
        *is_clients = context->asked_id != NULL;
    }
    return context->asked_id ? context->asked_id : mod_mcp_request_name(context);
}

mod_mcp_context_t *mod_mcp_context_get(request_rec *r)
{
    request_rec *root = root_of(r);
    slot_t *slot = slot_of(root);
    mod_mcp_context_t *context = slot->context;

    if (!context) {
        context = apr_pcalloc(root->pool, sizeof(*context));
        context->root = root;
        /* Taking a header out of the table leaves its text where it is: in the request's pool. */
        context->authorization = mcpa_str(apr_table_get(root->headers_in, "Authorization"));
        context->query = mcpa_str(root->parsed_uri.query ? root->parsed_uri.query : root->args);
        context->asked_id = usable_id(apr_table_get(root->headers_in, "X-Request-ID"));
        slot->context = context;
        mod_mcp_requests_add(1);
        apr_pool_cleanup_register(root->pool, context, end_context, apr_pool_cleanup_null);
    }
    return context;
}

mod_mcp_verdict_t *mod_mcp_verdict_find(const mod_mcp_context_t *context, const mcpa_policy_t *policy)
{
    for (mod_mcp_verdict_t *verdict = context->verdicts; verdict; verdict = verdict->older) {
        if (mod_mcp_policy_equal(&verdict->policy, policy)) {
            return verdict;
        }
    }
    return NULL;
}

/* Sections that stand inside each other are merged in the memory of whoever asks, and a subrequest's goes before its request's.
 */
static const mcpa_operations_t *keep_operations(apr_pool_t *pool, const mcpa_operations_t *operations)
{
    mcpa_operations_t *kept;

    if (!operations) {
        return NULL;
    }
    kept = apr_pmemdup(pool, operations, sizeof(*operations));
    kept->outer = keep_operations(pool, operations->outer);
    return kept;
}

mod_mcp_verdict_t *mod_mcp_verdict_add(mod_mcp_context_t *context, const mcpa_policy_t *policy, bool by_subrequest)
{
    mod_mcp_verdict_t *verdict = apr_palloc(context->root->pool, sizeof(*verdict));

    memset(verdict, 0, offsetof(mod_mcp_verdict_t, decision));
    mcpa_decision_init(&verdict->decision);
    verdict->policy = *policy;
    if (by_subrequest) {
        verdict->policy.operations = keep_operations(context->root->pool, policy->operations);
    }
    verdict->by_subrequest = by_subrequest;
    verdict->older = context->verdicts;
    context->verdicts = verdict;
    return verdict;
}

void mod_mcp_verdict_refuse(mod_mcp_verdict_t *verdict, mcpa_reason_t reason)
{
    verdict->reason = verdict->decision.reason = reason;
    verdict->decision.rpc_code = 0;
    verdict->decision.longest = 0;
}

mod_mcp_verdict_t *mod_mcp_verdict_of(const request_rec *r)
{
    const mod_mcp_dir_t *dir = mod_mcp_dir_of(r);
    const mod_mcp_context_t *context;
    const slot_t *slot;
    mcpa_policy_t policy;

    if (!dir || dir->policy.mode == MCPA_MODE_OFF) {
        return NULL;
    }
    slot = ap_get_module_config(r->request_config, &mcp_auth_module);
    if (slot && slot->judged_for == dir) {
        return slot->judged;
    }
    context = mod_mcp_context_find(r);
    if (!context) {
        return NULL;
    }
    mod_mcp_policy_fill(&policy, dir, r->server);
    return mod_mcp_verdict_find(context, &policy);
}

mod_mcp_verdict_t *mod_mcp_verdict_for_answer(const request_rec *r)
{
    for (; r; r = r->main ? r->main : r->prev) {
        mod_mcp_verdict_t *verdict = mod_mcp_verdict_of(r);

        if (verdict) {
            return verdict;
        }
    }
    return NULL;
}

void mod_mcp_set_judged(request_rec *r, const mod_mcp_dir_t *dir, mod_mcp_verdict_t *verdict)
{
    slot_t *slot = slot_of(r);

    /* What a subrequest was told may be decided anew for its request. */
    slot->judged_for = r->main ? NULL : dir;
    slot->judged = verdict;
}

void mod_mcp_set_dressed(request_rec *r, const mod_mcp_dir_t *dir)
{
    slot_of(r)->dressed_for = dir;
}

bool mod_mcp_is_dressed(const request_rec *r, const mod_mcp_dir_t *dir)
{
    const apr_table_t *headers = r->headers_in;

    /* A subrequest within the same section is not asked again and uses its request's table. */
    for (; r && r->headers_in == headers; r = r->main) {
        const slot_t *slot = ap_get_module_config(r->request_config, &mcp_auth_module);

        if (slot && slot->dressed_for) {
            return slot->dressed_for == dir;
        }
    }
    return false;
}

int mod_mcp_hide_credential(request_rec *r)
{
    static const module *_Atomic known; /* by every thread that looks for it, all find the same */
    const module *http = atomic_load_explicit(&known, memory_order_relaxed);
    const char *value;

    if (!mod_mcp_global()->guarded || r->main || r->prev) {
        return DECLINED;
    }
    if (!http) {
        http = ap_find_linked_module("http_core.c");
        atomic_store_explicit(&known, http, memory_order_relaxed);
    }
    if (!http || !APLOG_R_MODULE_IS_LEVEL(r, http->module_index, APLOG_TRACE4)) {
        return DECLINED;
    }
    value = apr_table_get(r->headers_in, "Authorization");
    if (value) {
        slot_of(r)->hidden = value;
        apr_table_setn(r->headers_in, "Authorization", "[hidden]");
    }
    return DECLINED;
}

void mod_mcp_show_credential(request_rec *r)
{
    slot_t *slot = ap_get_module_config(r->request_config, &mcp_auth_module);

    if (slot && slot->hidden) {
        apr_table_setn(r->headers_in, "Authorization", slot->hidden);
        slot->hidden = NULL;
    }
}
