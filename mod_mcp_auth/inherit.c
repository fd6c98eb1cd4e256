/* SPDX-License-Identifier: Apache-2.0 */
#include "inherit.h"

#include "apr_strings.h"

bool mod_mcp_section_applies(const mod_mcp_section_t *section, const server_rec *s)
{
    return section->server == s || !section->server->is_virtual;
}

static bool is_location(const mod_mcp_section_t *section)
{
    return !ap_cstr_casecmp(section->kind, "<Location");
}

bool mod_mcp_path_is_below(const char *inner, const char *outer)
{
    size_t len = strlen(outer);

    return strncmp(outer, inner, len) == 0 && (len == 0 || outer[len - 1] == '/' || inner[len] == '\0' || inner[len] == '/');
}

/* Whether every path below 'inner' is below 'outer'. */
static bool encloses(const mod_mcp_section_t *outer, const mod_mcp_section_t *inner)
{
    if (outer == inner) {
        return true;
    }
    if (outer->is_pattern || inner->is_pattern || ap_cstr_casecmp(outer->kind, inner->kind) ||
        !(is_location(outer) || !ap_cstr_casecmp(outer->kind, "<Directory"))) {
        /* Of what a pattern matches we only know that it is below the root. */
        return is_location(outer) && !strcmp(outer->path, "/") && ap_cstr_casecmp(inner->kind, "<Proxy") != 0;
    }
    return mod_mcp_path_is_below(inner->path, outer->path);
}

static void merge(apr_pool_t *pool, mod_mcp_dir_t **result, mod_mcp_dir_t *add)
{
    *result = *result ? mod_mcp_dir_merge(pool, *result, add) : add;
}

/* httpd takes the main server's sections first; Locations in the order written, Directories from the shortest to the longest. */
mod_mcp_dir_t *mod_mcp_inherit(apr_pool_t *pool, const mod_mcp_section_t *section, const server_rec *s)
{
    const apr_array_header_t *all = mod_mcp_global()->sections;
    mod_mcp_dir_t *result = NULL, *labelled;

    for (int is_virtual = 0; is_virtual <= 1; is_virtual++) {
        for (int i = 0; i < all->nelts; i++) {
            const mod_mcp_section_t *other = APR_ARRAY_IDX(all, i, mod_mcp_section_t *);

            if (other->server->is_virtual == is_virtual && mod_mcp_section_applies(other, s) && encloses(other, section)) {
                merge(pool, &result, other->dir);
            }
        }
    }
    /* Whatever came last, it is this section that is spoken of. */
    labelled = apr_pmemdup(pool, result, sizeof(*result));
    labelled->section = section->dir->section;
    labelled->policy.location = section->path;
    return labelled;
}
