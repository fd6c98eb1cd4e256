/* SPDX-License-Identifier: Apache-2.0 */
#include "prepare.h"

#include "inherit.h"
#include "wellknown.h"

static apr_status_t free_model(void *memory)
{
    mcpa_scope_model_t *model = memory;

    mcpa_scope_model_free(&model);
    return APR_SUCCESS;
}

void mod_mcp_prepare_server(mod_mcp_checks_t *checks, server_rec *s)
{
    mod_mcp_server_t *server = mod_mcp_server_of(s);
    mcpa_scope_model_t *model = mcpa_scope_model_new();

    server->vhost = s->server_hostname ? s->server_hostname : "_default_";
    server->scope_model = model;
    if (!model) {
        mod_mcp_problem(checks, "MCPA0101", NULL, 0, "no memory");
        return;
    }
    apr_pool_cleanup_register(checks->pool, model, free_model, apr_pool_cleanup_null);
    for (int i = 0; i < server->pairs->nelts; i++) {
        const mod_mcp_scope_pair_t *pair = &APR_ARRAY_IDX(server->pairs, i, mod_mcp_scope_pair_t);
        mcpa_str_t first = mcpa_str(pair->first), second = mcpa_str(pair->second);
        mcpa_status_t status =
            pair->is_alias ? mcpa_scope_model_alias(model, first, second) : mcpa_scope_model_imply(model, first, second);

        if (status == MCPA_EDUPLICATE) {
            mod_mcp_problem(checks, "MCPA0102", pair->file, pair->line,
                            "vhost %s: \"%s %s\" would make a circle of scopes; leave it out, or "
                            "the line that says the opposite",
                            server->vhost, pair->first, pair->second);
        } else if (status != MCPA_OK) {
            mod_mcp_problem(checks, "MCPA0102", pair->file, pair->line, "vhost %s: \"%s %s\": %s; use fewer or shorter scopes",
                            server->vhost, pair->first, pair->second, mcpa_status_word(status));
        }
    }
}

void mod_mcp_prepare_digests(const server_rec *main_server)
{
    const apr_array_header_t *all = mod_mcp_global()->sections;

    for (const server_rec *s = main_server; s; s = s->next) {
        mod_mcp_server_t *server = mod_mcp_server_of(s);
        mcpa_policy_t own = { .issuers = server->issuers ? (const mcpa_issuer_t *const *)(void *)server->issuers->elts : NULL };

        mcpa_policy_digest(&own);
        server->issuers_digest = own.issuers_digest;
    }
    for (int i = 0; i < all->nelts; i++) {
        mcpa_policy_digest(&APR_ARRAY_IDX(all, i, mod_mcp_section_t *)->dir->policy);
    }
}

void mod_mcp_prepare_limits(const mod_mcp_section_t *section)
{
    for (int i = 0; section->limits && i < section->limits->nelts; i++) {
        mcpa_limit_t *limit = &APR_ARRAY_IDX(section->limits, i, mcpa_limit_t);

        limit->id = mcpa_limit_id(mod_mcp_server_of(section->server)->vhost, section->path, limit->text);
    }
}

void mod_mcp_prepare_documents(mod_mcp_checks_t *checks, server_rec *s)
{
    const apr_array_header_t *all = mod_mcp_global()->sections;
    apr_array_header_t *policies = apr_array_make(checks->pool, 4, sizeof(mcpa_policy_t));

    for (int i = 0; i < all->nelts; i++) {
        const mod_mcp_section_t *section = APR_ARRAY_IDX(all, i, mod_mcp_section_t *);
        mod_mcp_dir_t *effective;

        if (mod_mcp_section_applies(section, s)) {
            effective = mod_mcp_inherit(checks->pool, section, s);
            mod_mcp_policy_fill(&effective->policy, effective, s);
            if (effective->policy.mode != MCPA_MODE_OFF && effective->policy.resource) {
                *(mcpa_policy_t *)apr_array_push(policies) = effective->policy;
            }
        }
    }
    mod_mcp_server_of(s)->documents =
        mod_mcp_documents_new(checks->pool, (const mcpa_policy_t *)(void *)policies->elts, (size_t)policies->nelts);
}

void mod_mcp_prepare_snapshot(mod_mcp_checks_t *checks)
{
    mod_mcp_global_t *global = mod_mcp_global();
    apr_array_header_t *issuers = apr_array_make(checks->pool, 4, sizeof(void *));
    apr_array_header_t *policies = apr_array_make(checks->pool, 4, sizeof(void *));

    for (int i = 0; i < global->issuers->nelts; i++) {
        const mcpa_issuer_t *issuer = APR_ARRAY_IDX(global->issuers, i, mod_mcp_issuer_t *)->issuer;
        bool is_new = true;

        for (int k = 0; k < issuers->nelts; k++) {
            is_new = is_new && strcmp(APR_ARRAY_IDX(issuers, k, const mcpa_issuer_t *)->url, issuer->url) != 0;
        }
        if (is_new) {
            *(const mcpa_issuer_t **)apr_array_push(issuers) = issuer;
        }
    }
    for (int i = 0; i < global->sections->nelts; i++) {
        const mod_mcp_section_t *section = APR_ARRAY_IDX(global->sections, i, mod_mcp_section_t *);

        if (section->effective) {
            *(const mcpa_policy_t **)apr_array_push(policies) = &section->effective->policy;
        }
    }
    *(void **)apr_array_push(issuers) = NULL;
    *(void **)apr_array_push(policies) = NULL;
    global->snapshot = (mcpa_snapshot_t){
        .issuers = (const mcpa_issuer_t *const *)(void *)issuers->elts,
        .policies = (const mcpa_policy_t *const *)(void *)policies->elts,
        .scope_model = mod_mcp_server_of(checks->main)->scope_model,
    };
    for (server_rec *s = checks->main; s; s = s->next) {
        global->snapshot.development = global->snapshot.development || mod_mcp_server_of(s)->development;
    }
    global->generation = mcpa_snapshot_hash(&global->snapshot);
    global->snapshot.generation = global->generation;
}
