/* SPDX-License-Identifier: Apache-2.0 */
#include "authplaces.h"

#include "apr_fnmatch.h"
#include "apr_strings.h"

static bool is_word(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (!ap_cstr_casecmp(text, *words)) {
            return true;
        }
    }
    return false;
}

const char *mod_mcp_authplaces_comparable(apr_pool_t *pool, mod_mcp_authkind_t kind, bool is_regex, const char *path)
{
    char *real = apr_pstrdup(pool, path);
    size_t len;

    if (kind == MOD_MCP_IN_DIRECTORY && !is_regex) {
        (void)apr_filepath_merge(&real, NULL, path, APR_FILEPATH_TRUENAME, pool);
    }
    for (len = strlen(real); kind == MOD_MCP_IN_DIRECTORY && len > 1 && real[len - 1] == '/'; len--) {
        real[len - 1] = '\0';
    }
    return real;
}

/* "<Location", and what stands behind it up to the bracket. */
static void enter_section(const mod_mcp_authplaces_t *all, mod_mcp_authplace_t *place, mod_mcp_authkind_t kind,
                          const ap_directive_t *line)
{
    const char *args = line->args;
    char *path = ap_getword_conf(all->pool, &args);

    place->kind = kind;
    place->section = line->directive;
    place->is_regex = ap_strstr_c(line->directive, "Match") != NULL || !strcmp(path, "~");
    if (!strcmp(path, "~")) {
        path = ap_getword_conf(all->pool, &args);
    }
    if (*path && path[strlen(path) - 1] == '>') {
        path[strlen(path) - 1] = '\0';
    }
    place->path = mod_mcp_authplaces_comparable(all->pool, kind, place->is_regex, path);
    place->regex = place->is_regex ? ap_pregcomp(all->pool, path, AP_REG_EXTENDED) : NULL;
    place->is_glob = !place->is_regex && apr_fnmatch_test(path);
}

static mod_mcp_authplace_t inside(const mod_mcp_authplaces_t *all, const mod_mcp_authplace_t *outer, const ap_directive_t *line)
{
    static const char *const conditions[] = { "<If", "<ElseIf", "<Else", NULL };
    static const char *const files[] = { "<Files", "<FilesMatch", NULL };
    static const struct {
        mod_mcp_authkind_t kind;
        const char *words[3];
    } sections[] = {
        { MOD_MCP_IN_LOCATION, { "<Location", "<LocationMatch" } },
        { MOD_MCP_IN_DIRECTORY, { "<Directory", "<DirectoryMatch" } },
        { MOD_MCP_IN_PROXY, { "<Proxy", "<ProxyMatch" } },
    };
    mod_mcp_authplace_t place = *outer;

    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (is_word(line->directive, sections[i].words)) {
            enter_section(all, &place, sections[i].kind, line);
        }
    }
    if (!ap_cstr_casecmp(line->directive, "<VirtualHost")) {
        place.host = line;
    }
    place.is_if = place.is_if || is_word(line->directive, conditions);
    place.is_files = place.is_files || is_word(line->directive, files);
    return place;
}

/* In a Location it is about that, else its first word says about which paths. */
static void note_proxy(const mod_mcp_authplaces_t *all, mod_mcp_authline_t *said, bool is_regex)
{
    if (said->place.kind == MOD_MCP_IN_LOCATION) {
        said->from = said->place;
        said->second = said->first;
        return;
    }
    said->from =
        (mod_mcp_authplace_t){ .kind = MOD_MCP_IN_LOCATION, .path = said->first, .is_regex = is_regex, .host = said->place.host };
    said->from.regex = is_regex ? ap_pregcomp(all->pool, said->first, AP_REG_EXTENDED) : NULL;
}

static void note(mod_mcp_authplaces_t *all, const mod_mcp_authplace_t *place, const ap_directive_t *line)
{
    bool is_type = !ap_cstr_casecmp(line->directive, "AuthType"), is_regex = !ap_cstr_casecmp(line->directive, "ProxyPassMatch");
    bool is_proxy = is_regex || !ap_cstr_casecmp(line->directive, "ProxyPass");
    const char *args = line->args;
    mod_mcp_authline_t *said;

    if (!ap_cstr_casecmp(line->directive, "ProxyPassInherit") && ap_cstr_casecmp(args, "On") != 0) {
        all->is_not_inherited = true;
    }
    if (is_type || is_proxy) {
        said = apr_array_push(is_type ? all->types : all->proxies);
        *said = (mod_mcp_authline_t){ .place = *place };
        said->first = ap_getword_conf(all->pool, &args);
        said->second = ap_getword_conf(all->pool, &args);
    }
    if (is_proxy) {
        note_proxy(all, said, is_regex);
    }
}

static void collect(mod_mcp_authplaces_t *all, const mod_mcp_authplace_t *place, const ap_directive_t *line)
{
    for (; line; line = line->next) {
        if (line->first_child) {
            mod_mcp_authplace_t inner = inside(all, place, line);

            collect(all, &inner, line->first_child);
        } else {
            note(all, place, line);
        }
    }
}

void mod_mcp_authplaces_collect(mod_mcp_authplaces_t *all, apr_pool_t *pool, const ap_directive_t *tree)
{
    const mod_mcp_authplace_t server = { 0 };

    *all = (mod_mcp_authplaces_t){ .pool = pool };
    all->types = apr_array_make(pool, 4, sizeof(mod_mcp_authline_t));
    all->proxies = apr_array_make(pool, 4, sizeof(mod_mcp_authline_t));
    collect(all, &server, tree);
}
