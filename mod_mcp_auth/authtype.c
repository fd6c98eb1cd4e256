/* SPDX-License-Identifier: Apache-2.0 */
#include "authtype.h"

#include "apr_fnmatch.h"
#include "apr_strings.h"

#include "authplaces.h"
#include "base/text.h"
#include "inherit.h"

/* In the order in which httpd merges them: the last one that speaks holds. */
typedef enum rank { RANK_DIRECTORY, RANK_FILES, RANK_LOCATION, RANK_HOST_LOCATION, RANK_IF } rank_t;

typedef struct survey {
    mod_mcp_authplaces_t all;
    /* Of the guarded section that is looked at. */
    const mod_mcp_section_t *section;
    mod_mcp_authkind_t kind;
    const char *path;              /* as in mod_mcp_authplace_t */
    const ap_regex_t *regex;       /* of a pattern */
    apr_array_header_t *targets;   /* const char *: where ProxyPass leads it */
    apr_array_header_t *enclosing; /* const mod_mcp_authline_t *: of the types those that enclose it */
    bool is_proxied, is_local;     /* all of it; some of it surely not */
} survey_t;

/* ---- whether it has to do with the guarded section */

static bool is_match(const ap_regex_t *regex, const char *text)
{
    return regex && ap_regexec(regex, text, 0, NULL, 0) == 0;
}

static bool is_pattern(const mod_mcp_authplace_t *place)
{
    return place->is_regex || place->is_glob;
}

static bool matches(const mod_mcp_authplace_t *place, const char *text)
{
    return place->is_regex ? is_match(place->regex, text) : apr_fnmatch(place->path, text, 0) == APR_SUCCESS;
}

/* Sections of the main server hold in every virtual host. */
static bool is_of_host(const survey_t *survey, const mod_mcp_authplace_t *place)
{
    const server_rec *s = survey->section->server;

    return !place->host || !s->is_virtual ||
           (s->defn_name && !strcmp(s->defn_name, place->host->filename) && (int)s->defn_line_number == place->host->line_num);
}

/* One of them lies in the other. A pattern is held against the path of the other, as that is written. */
static bool may_meet(const survey_t *survey, const mod_mcp_authplace_t *place)
{
    bool is_pattern_too = survey->section->is_pattern;

    if (is_pattern_too && is_pattern(place)) {
        return !strcmp(place->path, survey->path);
    }
    if (is_pattern_too) {
        return !strcmp(place->path, "/") || is_match(survey->regex, place->path) ||
               apr_fnmatch(survey->path, place->path, 0) == APR_SUCCESS;
    }
    if (is_pattern(place)) {
        return matches(place, survey->path) || matches(place, survey->section->path);
    }
    return mod_mcp_path_is_below(place->path, survey->path) || mod_mcp_path_is_below(survey->path, place->path);
}

/* Nothing in the guarded section escapes it. What stands in a virtual host holds there alone, a section of the main server
 * everywhere. */
static bool encloses(const survey_t *survey, const mod_mcp_authplace_t *place)
{
    const mod_mcp_section_t *section = survey->section;

    if (place->is_if || place->is_files || place->kind == MOD_MCP_IN_SERVER || (place->host && !section->server->is_virtual)) {
        return false;
    }
    if (place->kind == MOD_MCP_IN_LOCATION && !is_pattern(place) && !strcmp(place->path, "/")) {
        return survey->kind != MOD_MCP_IN_PROXY; /* a forward proxy's requests have no path */
    }
    if (place->kind != survey->kind || is_pattern(place) != section->is_pattern) {
        return false;
    }
    if (place->kind == MOD_MCP_IN_LOCATION && !is_pattern(place)) {
        return mod_mcp_path_is_below(survey->path, place->path);
    }
    return !strcmp(place->path, survey->path) && (!is_pattern(place) || !ap_cstr_casecmp(place->section, section->kind));
}

/* All of the section, in every virtual host that has it. */
static bool leads_all(const survey_t *survey, const mod_mcp_authline_t *proxy)
{
    bool is_everywhere = proxy->place.kind == MOD_MCP_IN_LOCATION || proxy->place.host || !survey->all.is_not_inherited;

    return is_everywhere && !is_pattern(&proxy->from) && encloses(survey, &proxy->from);
}

/* Where ProxyPass leads requests to the section, when that is a <Location>. */
static void find_targets(survey_t *survey)
{
    survey->targets->nelts = 0;
    survey->is_proxied = survey->is_local = false;
    for (int i = 0; i < survey->all.proxies->nelts && survey->kind == MOD_MCP_IN_LOCATION; i++) {
        const mod_mcp_authline_t *proxy = &APR_ARRAY_IDX(survey->all.proxies, i, mod_mcp_authline_t);

        if (!is_of_host(survey, &proxy->place) || !may_meet(survey, &proxy->from)) {
            continue;
        }
        if (!strcmp(proxy->second, "!")) {
            survey->is_local = true;
        } else {
            survey->is_proxied = survey->is_proxied || leads_all(survey, proxy);
            *(const char **)apr_array_push(survey->targets) = proxy->second;
        }
    }
}

static bool proxy_may_hold(const survey_t *survey, const mod_mcp_authplace_t *place)
{
    bool holds = !survey->is_proxied; /* a RewriteRule or a handler may lead there */

    for (int i = 0; i < survey->targets->nelts && !holds; i++) {
        const char *target = APR_ARRAY_IDX(survey->targets, i, const char *);
        size_t len = strlen(place->path), target_len = strlen(target);

        holds = is_pattern(place) ? matches(place, target) || matches(place, apr_pstrcat(survey->all.pool, target, "/", NULL))
                                  : !strncmp(place->path, target, len < target_len ? len : target_len);
    }
    return holds;
}

static bool concerns(const survey_t *survey, const mod_mcp_authplace_t *place)
{
    if (!is_of_host(survey, place)) {
        return false;
    }
    if (place->kind == survey->kind) {
        return may_meet(survey, place);
    }
    if (place->kind == MOD_MCP_IN_SERVER && (place->is_if || survey->kind != MOD_MCP_IN_LOCATION)) {
        return true;
    }
    if (place->kind == MOD_MCP_IN_PROXY && survey->kind == MOD_MCP_IN_LOCATION) {
        return proxy_may_hold(survey, place);
    }
    if (survey->kind == MOD_MCP_IN_LOCATION) { /* <Directory>, <Files> */
        return survey->is_local || !survey->is_proxied;
    }
    return place->kind == MOD_MCP_IN_LOCATION && !is_pattern(place) && !strcmp(place->path, "/");
}

/* ---- what to say of it */

static rank_t rank_of(const mod_mcp_authplace_t *place)
{
    if (place->is_if) {
        return RANK_IF;
    }
    if (place->is_files) {
        return RANK_FILES;
    }
    if (place->kind == MOD_MCP_IN_LOCATION) {
        return place->host ? RANK_HOST_LOCATION : RANK_LOCATION;
    }
    return RANK_DIRECTORY;
}

/* Whether httpd is sure to merge it before the other one, both of 'types'. It takes Directories from the shortest to the
 * longest; equal ones and all others in the order written, those of the main server first. */
static bool comes_before(const mod_mcp_authline_t *said, const mod_mcp_authline_t *other)
{
    const mod_mcp_authplace_t *place = &said->place, *later = &other->place;

    if (rank_of(place) != rank_of(later)) {
        return rank_of(place) < rank_of(later);
    }
    if (place->kind != later->kind) {
        return false;
    }
    if (place->kind == MOD_MCP_IN_DIRECTORY && (strcmp(place->path, later->path) != 0 || place->is_regex != later->is_regex)) {
        return !is_pattern(place) && !is_pattern(later) && mod_mcp_path_is_below(later->path, place->path);
    }
    return !place->host != !later->host ? !place->host : said < other;
}

static bool is_overruled(const survey_t *survey, const mod_mcp_authline_t *said)
{
    for (int i = 0; i < survey->enclosing->nelts; i++) {
        if (comes_before(said, APR_ARRAY_IDX(survey->enclosing, i, const mod_mcp_authline_t *))) {
            return true;
        }
    }
    return false;
}

/* What asks for a password, as the gate has it, goes before what does not; an expression may come to anything. 0: None. */
static int badness_of(const mod_mcp_authline_t *said)
{
    if (!ap_cstr_casecmp(said->first, "None")) {
        return 0;
    }
    if (!ap_cstr_casecmp(said->first, "Basic")) {
        return 3;
    }
    if (!ap_cstr_casecmp(said->first, "Digest") || !ap_cstr_casecmp(said->first, "Form") || ap_strchr_c(said->first, '%')) {
        return 2;
    }
    return 1;
}

/* The worst that may hold in a part of the section; of equals the one that is merged last. NULL: none. */
static const mod_mcp_authline_t *find_type(const survey_t *survey)
{
    const mod_mcp_authline_t *found = NULL;

    for (int i = 0; i < survey->all.types->nelts; i++) {
        const mod_mcp_authline_t *said = &APR_ARRAY_IDX(survey->all.types, i, mod_mcp_authline_t);
        int badness = badness_of(said), worst = found ? badness_of(found) : 1;

        if (badness < worst || !concerns(survey, &said->place) || is_overruled(survey, said)) {
            continue;
        }
        if (!found || badness > worst || rank_of(&said->place) >= rank_of(&found->place)) {
            found = said;
        }
    }
    return found;
}

static void find_enclosing(const survey_t *survey)
{
    survey->enclosing->nelts = 0;
    for (int i = 0; i < survey->all.types->nelts; i++) {
        const mod_mcp_authline_t *said = &APR_ARRAY_IDX(survey->all.types, i, mod_mcp_authline_t);

        if (is_of_host(survey, &said->place) && encloses(survey, &said->place)) {
            *(const mod_mcp_authline_t **)apr_array_push(survey->enclosing) = said;
        }
    }
}

static void look_at(survey_t *survey, const mod_mcp_section_t *section)
{
    bool is_location = !ap_cstr_casecmpn(section->kind, "<Location", 9),
         is_directory = !ap_cstr_casecmpn(section->kind, "<Directory", 10);

    survey->section = section;
    survey->kind = is_location ? MOD_MCP_IN_LOCATION : is_directory ? MOD_MCP_IN_DIRECTORY : MOD_MCP_IN_PROXY;
    survey->path = mod_mcp_authplaces_comparable(survey->all.pool, survey->kind, section->is_pattern, section->path);
    survey->regex = section->is_pattern ? ap_pregcomp(survey->all.pool, section->path, AP_REG_EXTENDED) : NULL;
    find_targets(survey);
    find_enclosing(survey);
}

/* The daemon refuses a snapshot with anything else in it. */
static const char *printable(const char *text)
{
    return mcpa_text_is_printable(mcpa_str(text)) ? text : "(not printable)";
}

static const char *name_of(const survey_t *survey, const mod_mcp_authplace_t *place)
{
    if (!place->section) {
        return place->is_if ? "<If>" : "<Files>";
    }
    return printable(apr_psprintf(survey->all.pool, "%s %s%s>", place->section,
                                  place->is_regex && !ap_strstr_c(place->section, "Match") ? "~ " : "", place->path));
}

void mod_mcp_note_auth_types(mod_mcp_checks_t *checks)
{
    const apr_array_header_t *all = mod_mcp_global()->sections;
    survey_t survey = { 0 };

    mod_mcp_authplaces_collect(&survey.all, checks->pool, ap_conftree);
    survey.targets = apr_array_make(checks->pool, 4, sizeof(char *));
    survey.enclosing = apr_array_make(checks->pool, 4, sizeof(mod_mcp_authline_t *));
    for (int i = 0; i < all->nelts; i++) {
        const mod_mcp_section_t *section = APR_ARRAY_IDX(all, i, mod_mcp_section_t *);
        const mod_mcp_authline_t *said;

        if (section->effective) {
            look_at(&survey, section);
            said = find_type(&survey);
            section->effective->policy.auth_type = said ? printable(said->first) : "None";
            section->effective->policy.auth_type_in = said ? name_of(&survey, &said->place) : NULL;
        }
    }
}
