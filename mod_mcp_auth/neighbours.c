/* SPDX-License-Identifier: Apache-2.0 */
#include "neighbours.h"

static bool has_value(apr_pool_t *pool, const ap_directive_t *line, const char *value)
{
    const char *args = line->args;

    return !ap_cstr_casecmp(ap_getword_conf(pool, &args), value); /* without quotes */
}

/* The first line anywhere in the configuration with this directive; with_value: only with this first word. */
static const ap_directive_t *find_line(apr_pool_t *pool, const ap_directive_t *line, const char *name, const char *with_value)
{
    const ap_directive_t *found = NULL;

    for (; line && !found; line = line->next) {
        if (!ap_cstr_casecmp(line->directive, name) && (!with_value || has_value(pool, line, with_value))) {
            found = line;
        } else if (line->first_child) {
            found = find_line(pool, line->first_child, name, with_value);
        }
    }
    return found;
}

/* Trailers come with the end of the body, after the gate; merged, they stand among the headers that mod_proxy_fcgi and others
 * read only then, in the place of ours. */
static void check_trailers(mod_mcp_checks_t *checks)
{
    const ap_directive_t *line = find_line(checks->pool, ap_conftree, "MergeTrailers", "on");
    bool is_on = false;

    for (const server_rec *s = checks->main; s && !is_on; s = s->next) {
        const core_server_config *core = ap_get_core_module_config(s->module_config);

        is_on = core->merge_trailers == AP_MERGE_TRAILERS_ENABLE;
    }
    if (is_on || line) {
        mod_mcp_problem(
            checks, "MCPA0125", line ? line->filename : NULL, line ? line->line_num : 0,
            "MergeTrailers On lets a client replace the identity headers for the upstream by what it sends behind its "
            "body; write MergeTrailers Off, httpd's default");
    }
}

/* Log levels at which other modules write what clients send, before any hook could keep a token out of it. httpd's own dump of
 * the headers (http:trace4) is not among them: see mod_mcp_hide_credential. */
static void check_log_levels(mod_mcp_checks_t *checks)
{
    static const struct {
        const char *module, *name;
        int level;
        const char *what;
    } rows[] = {
        { "mod_http2.c", "http2", APLOG_TRACE4,
          "the headers of every HTTP/2 request, tokens included; write LogLevel http2:info" },
        { "mod_dumpio.c", "dumpio", APLOG_TRACE7, "everything that clients send, tokens included; write LogLevel dumpio:info" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const module *m = ap_find_linked_module(rows[i].module);

        for (const server_rec *s = checks->main; m && s; s = s->next) {
            if (ap_get_server_module_loglevel(s, m->module_index) >= rows[i].level) {
                mod_mcp_warning(checks, "MCPA0119", "vhost %s: LogLevel %s:trace%d and above writes %s",
                                mod_mcp_server_of(s)->vhost, rows[i].name, rows[i].level - APLOG_TRACE1 + 1, rows[i].what);
            }
        }
    }
}

void mod_mcp_check_neighbours(mod_mcp_checks_t *checks)
{
    if (find_line(checks->pool, ap_conftree, "CacheEnable", NULL) &&
        !find_line(checks->pool, ap_conftree, "CacheQuickHandler", "off")) {
        mod_mcp_warning(checks, "MCPA0116",
                        "mod_cache answers before any access check, from what it stored before MCPAuth was on; write "
                        "CacheQuickHandler off and empty the cache once (answers of guarded Locations are never stored)");
    }
    if (find_line(checks->pool, ap_conftree, "ForensicLog", NULL)) {
        mod_mcp_warning(checks, "MCPA0117",
                        "ForensicLog writes every request's headers to a file, tokens included; leave it out");
    }
    check_trailers(checks);
    check_log_levels(checks);
    for (server_rec *s = checks->main; s; s = s->next) {
        if (mod_mcp_server_of(s)->development && (!s->is_virtual || !mod_mcp_server_of(checks->main)->development)) {
            mod_mcp_warning(checks, "MCPA0118",
                            "vhost %s: MCPAuthMode is development: http to loopback addresses is accepted; never leave it "
                            "so where others can reach this server",
                            mod_mcp_server_of(s)->vhost);
        }
    }
}
