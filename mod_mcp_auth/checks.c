/* SPDX-License-Identifier: Apache-2.0 */
#include "checks.h"

#include <stdarg.h>

#include "apr_strings.h"

#include "authtype.h"
#include "directives.h"
#include "fixedkeys.h"
#include "inherit.h"
#include "neighbours.h"
#include "places.h"
#include "policy/metadata.h"
#include "prepare.h"
#include "securitytxt.h"

APLOG_USE_MODULE(mcp_auth);

void mod_mcp_problem(mod_mcp_checks_t *checks, const char *id, const char *file, int line, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = apr_pvsprintf(checks->pool, format, args);
    va_end(args);
    checks->problems++;
    if (file) {
        ap_log_error(APLOG_MARK, APLOG_ERR | APLOG_STARTUP, 0, checks->main, "%s: %s:%d: %s", id, file, line, text);
    } else {
        ap_log_error(APLOG_MARK, APLOG_ERR | APLOG_STARTUP, 0, checks->main, "%s: %s", id, text);
    }
}

void mod_mcp_section_problem(mod_mcp_checks_t *checks, const char *id, const mod_mcp_section_t *section,
                             const ap_directive_t *where, const char *format, ...)
{
    const mod_mcp_server_t *server = mod_mcp_server_of(section->server);
    va_list args;
    char *text;

    va_start(args, format);
    text = apr_pvsprintf(checks->pool, format, args);
    va_end(args);
    mod_mcp_problem(checks, id, where ? where->filename : section->file, where ? where->line_num : section->line,
                    "vhost %s: %s %s>: %s", server->vhost, section->kind, section->path, text);
}

void mod_mcp_warning(const mod_mcp_checks_t *checks, const char *id, const char *format, ...)
{
    va_list args;
    char *text;

    if (checks->is_quiet) {
        return;
    }
    va_start(args, format);
    text = apr_pvsprintf(checks->pool, format, args);
    va_end(args);
    ap_log_error(APLOG_MARK, APLOG_WARNING | APLOG_STARTUP, 0, checks->main, "%s: %s", id, text);
}

/* The server whose requests the section is judged by: its own, or for one of the main server that has no issuers there, the first
 * virtual host that brings some. */
static server_rec *home_of(const mod_mcp_checks_t *checks, const mod_mcp_section_t *section, const mod_mcp_dir_t *effective)
{
    if (effective->policy.issuers || mod_mcp_server_of(section->server)->issuers || section->server->is_virtual) {
        return section->server;
    }
    for (server_rec *s = checks->main->next; s; s = s->next) {
        if (mod_mcp_server_of(s)->issuers) {
            return s;
        }
    }
    return section->server;
}

static void check_unguarded(mod_mcp_checks_t *checks, const mod_mcp_section_t *section)
{
    if (!section->where[MOD_MCP_MODE]) {
        mod_mcp_section_problem(checks, "MCPA0103", section, NULL,
                                "has directives of MCPAuth but is not guarded; write MCPAuth On, Shadow or Off in it");
    } else if (section->dir->policy.mode != MCPA_MODE_OFF) {
        mod_mcp_section_problem(checks, "MCPA0126", section, section->where[MOD_MCP_MODE],
                                "is not guarded, because a section that encloses it says MCPAuth Off and, by httpd's order, the "
                                "last word; write that section before this one");
    }
}

/* What looks as if it guarded something, and would not. */
static void check_operations(mod_mcp_checks_t *checks, const mod_mcp_section_t *section, const mcpa_policy_t *policy)
{
    static const mod_mcp_setting_t need_inspection[] = { MOD_MCP_OPERATION, MOD_MCP_PROTOCOL, MOD_MCP_MAX_BODY };

    for (size_t i = 0; i < sizeof(need_inspection) / sizeof(need_inspection[0]); i++) {
        const ap_directive_t *line = section->where[need_inspection[i]];

        bool is_used = policy->inspect == MCPA_INSPECT_BODY ||
                       (policy->inspect == MCPA_INSPECT_HEADERS && need_inspection[i] != MOD_MCP_MAX_BODY);

        if (line && !is_used) {
            mod_mcp_section_problem(
                checks, "MCPA0128", section, line,
                "%s has no effect where requests are not inspected; write MCPAuthInspect Body, or leave the line out",
                line->directive);
        }
    }
    for (size_t i = 0; i < policy->n_limits && section->where[MOD_MCP_RATE_LIMIT]; i++) {
        if (policy->limits[i].key == MCPA_LIMIT_TOOL && policy->inspect == MCPA_INSPECT_OFF) {
            mod_mcp_section_problem(
                checks, "MCPA0128", section, section->where[MOD_MCP_RATE_LIMIT],
                "MCPAuthRateLimit %s has no effect where requests are not inspected; write MCPAuthInspect Body, or leave "
                "the line out",
                policy->limits[i].text);
        }
    }
    if (policy->inspect == MCPA_INSPECT_HEADERS && (policy->protocols & ~MCPA_REVISIONS_MODERN)) {
        mod_mcp_section_problem(
            checks, "MCPA0129", section,
            section->where[MOD_MCP_INSPECT] ? section->where[MOD_MCP_INSPECT] : section->where[MOD_MCP_PROTOCOL],
            "MCPAuthInspect Headers believes headers that servers compare with the body only from revision 2026-07-28 on; "
            "write MCPAuthInspect Body, or MCPAuthProtocol 2026-07-28 alone");
    }
}

/* Ceilings that nothing can reach. */
static void check_lengths(mod_mcp_checks_t *checks, const mod_mcp_section_t *section, const mcpa_policy_t *policy,
                          const server_rec *home)
{
    const mcpa_lengths_t *own = &section->dir->policy.lengths;
    const ap_directive_t *line = section->where[MOD_MCP_MAX_LENGTH];
    int field = (int)(sizeof("Authorization: Bearer ") - 1) + own->bytes[MCPA_LENGTH_TOKEN];

    for (unsigned kind = MCPA_LENGTH_TOKEN + 1; kind < MCPA_LENGTHS; kind++) {
        bool is_used =
            policy->inspect == MCPA_INSPECT_BODY || (policy->inspect == MCPA_INSPECT_HEADERS && kind != MCPA_LENGTH_ID);

        if (own->bytes[kind] && !is_used) {
            mod_mcp_section_problem(checks, "MCPA0128", section, line,
                                    "MCPAuthMaxLength %s has no effect where requests are not inspected; write MCPAuthInspect "
                                    "Body, or leave the line out",
                                    mcpa_length_row((mcpa_length_t)kind)->word);
        }
    }
    if (own->bytes[MCPA_LENGTH_TOKEN] && field > home->limit_req_fieldsize) {
        mod_mcp_warning(
            checks, "MCPA0133",
            "%s:%d: MCPAuthMaxLength token %u: httpd refuses a header longer than %d bytes before it comes to that; write "
            "LimitRequestFieldSize %d at the first virtual host of this address, or a smaller number here",
            line->filename, line->line_num, own->bytes[MCPA_LENGTH_TOKEN], home->limit_req_fieldsize, field);
    }
}

static void check_guarded(mod_mcp_checks_t *checks, const mod_mcp_section_t *section, const mcpa_policy_t *policy,
                          server_rec *home)
{
    const ap_directive_t *mode = section->where[MOD_MCP_MODE];
    const char *error = NULL;

    if (!policy->resource) {
        mod_mcp_section_problem(
            checks, "MCPA0104", section, mode,
            "has no resource; write MCPAuthResource with the URL that clients use, as in https://mcp.example.com/mcp");
    } else if (section->where[MOD_MCP_RESOURCE] &&
               !mcpa_resource_check(mcpa_str(section->dir->policy.resource), mod_mcp_server_of(home)->development, &error)) {
        mod_mcp_section_problem(checks, "MCPA0105", section, section->where[MOD_MCP_RESOURCE],
                                "MCPAuthResource %s: %s; write the https URL", section->dir->policy.resource, error);
    }
    if (!policy->issuers || !policy->issuers[0]) {
        mod_mcp_section_problem(checks, "MCPA0106", section, mode,
                                "trusts no issuer; write MCPAuthIssuer with the issuer's URL here or at the server");
    }
    for (size_t i = 0; i < policy->n_limits; i++) {
        for (size_t k = 0; k < i; k++) {
            if (section->where[MOD_MCP_RATE_LIMIT] && !strcmp(policy->limits[i].text, policy->limits[k].text)) {
                mod_mcp_section_problem(checks, "MCPA0107", section, section->where[MOD_MCP_RATE_LIMIT],
                                        "MCPAuthRateLimit %s stands here twice and would count double; leave one of the two out",
                                        policy->limits[i].text);
            }
        }
    }
    check_operations(checks, section, policy);
    check_lengths(checks, section, policy, home);
    if (policy->mode == MCPA_MODE_SHADOW && section->where[MOD_MCP_REQUIRE]) {
        mod_mcp_warning(checks, "MCPA0108",
                        "%s:%d: %s %s>: MCPAuth is Shadow, but Require lines are httpd's own and decide all the same; "
                        "write MCPAuthScope instead until MCPAuth is On",
                        section->file, section->line, section->kind, section->path);
    }
}

static void check_sections(mod_mcp_checks_t *checks)
{
    mod_mcp_global_t *global = mod_mcp_global();

    for (int i = 0; i < global->sections->nelts; i++) {
        mod_mcp_section_t *section = APR_ARRAY_IDX(global->sections, i, mod_mcp_section_t *);
        mod_mcp_dir_t *effective = mod_mcp_inherit(checks->pool, section, section->server);
        server_rec *home;

        mod_mcp_prepare_limits(section);
        if (effective->policy.mode == MCPA_MODE_OFF) {
            check_unguarded(checks, section);
            continue;
        }
        home = home_of(checks, section, effective);
        mod_mcp_policy_fill(&effective->policy, effective, home);
        section->effective = effective;
        global->guarded = true;
        check_guarded(checks, section, &effective->policy, home);
    }
}

static mod_mcp_issuer_t *entry_of(const mcpa_issuer_t *issuer)
{
    const apr_array_header_t *all = mod_mcp_global()->issuers;

    for (int i = 0; i < all->nelts; i++) {
        if (APR_ARRAY_IDX(all, i, mod_mcp_issuer_t *)->issuer == issuer) {
            return APR_ARRAY_IDX(all, i, mod_mcp_issuer_t *);
        }
    }
    return NULL;
}

/* The lines were read with the freedoms of development; now that the mode is known they are read again without. */
static void check_production(mod_mcp_checks_t *checks, const apr_array_header_t *issuers, const server_rec *s)
{
    for (int i = 0; issuers && !mod_mcp_server_of(s)->development && i < issuers->nelts; i++) {
        const mod_mcp_issuer_t *entry = entry_of(APR_ARRAY_IDX(issuers, i, const mcpa_issuer_t *));
        mcpa_issuer_t scratch = { 0 };
        const char *error;

        if (entry &&
            !mod_mcp_issuer_read(&scratch, entry->issuer->url, entry->words, entry->n_words, false, checks->pool, &error)) {
            mod_mcp_problem(checks, "MCPA0109", entry->file, entry->line, "vhost %s: MCPAuthIssuer %s: %s",
                            mod_mcp_server_of(s)->vhost, entry->issuer->url, error);
        }
    }
}

static void check_issuers(mod_mcp_checks_t *checks)
{
    mod_mcp_global_t *global = mod_mcp_global();

    for (server_rec *s = checks->main; s; s = s->next) {
        check_production(checks, mod_mcp_server_of(s)->issuers, s);
    }
    for (int i = 0; i < global->sections->nelts; i++) {
        const mod_mcp_section_t *section = APR_ARRAY_IDX(global->sections, i, mod_mcp_section_t *);

        check_production(checks, section->issuers, section->server);
    }
    for (int i = 0; i < global->issuers->nelts; i++) {
        mod_mcp_issuer_t *entry = APR_ARRAY_IDX(global->issuers, i, mod_mcp_issuer_t *);
        const char *error = NULL;

        if (entry->issuer->key_source != MCPA_KEYS_FILE && entry->issuer->key_source != MCPA_KEYS_SECRET) {
            continue;
        }
        entry->fixed = mod_mcp_fixed_keys_read(entry->issuer, checks->pool, &error);
        if (!entry->fixed) {
            mod_mcp_problem(checks, "MCPA0110", entry->file, entry->line, "MCPAuthIssuer %s: %s", entry->issuer->url, error);
        }
    }
}

int mod_mcp_check_config(apr_pool_t *pconf, apr_pool_t *plog __attribute__((unused)), apr_pool_t *ptemp __attribute__((unused)),
                         server_rec *s)
{
    mod_mcp_checks_t checks = { .pool = pconf, .main = s };

    checks.is_quiet =
        ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG && ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_CONFIG_TEST;
    for (server_rec *server = s; server; server = server->next) {
        mod_mcp_prepare_server(&checks, server);
        mod_mcp_securitytxt_prepare(&checks, mod_mcp_server_of(server));
    }
    mod_mcp_prepare_digests(s);
    check_sections(&checks);
    if (!mod_mcp_global()->guarded) {
        return checks.problems ? HTTP_INTERNAL_SERVER_ERROR : OK;
    }
    check_issuers(&checks);
    mod_mcp_check_neighbours(&checks);
    mod_mcp_check_places(&checks);
    if (checks.problems) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    for (server_rec *server = s; server; server = server->next) {
        mod_mcp_prepare_documents(&checks, server);
    }
    mod_mcp_note_auth_types(&checks);
    mod_mcp_prepare_snapshot(&checks);
    return OK;
}
