/* SPDX-License-Identifier: Apache-2.0 */
#include "authtype.h"

#include "apr_fnmatch.h"
#include "apr_strings.h"

#include "base/text.h"
#include "inherit.h"

/* In the order in which httpd merges them: the last one that speaks is believed. */
typedef enum rank { RANK_FILES, RANK_LOCATION, RANK_HOST_LOCATION, RANK_IF, RANKS } rank_t;
typedef enum kind { KIND_SERVER, KIND_LOCATION, KIND_DIRECTORY, KIND_PROXY } kind_t;

/* What a line stands in. */
typedef struct place {
    kind_t kind;
    const char *section; /* "<Proxy" */
    const char *path;    /* as written; of a pattern the pattern */
    bool is_regex, is_glob;
    const ap_directive_t *host; /* <VirtualHost>; NULL: the main server */
    bool is_if, is_files;       /* somewhere inside <If> or the like, <Files> */
} place_t;

typedef struct said {
    place_t place;
    const char *name, *first, *second; /* the directive, and its first words */
} said_t;

typedef struct survey {
    apr_pool_t *pool;
    apr_array_header_t *types, *proxies; /* said_t: AuthType; ProxyPass and ProxyPassMatch */
} survey_t;

/* ---- what stands in the configuration */

static bool is_word(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (!ap_cstr_casecmp(text, *words)) {
            return true;
        }
    }
    return false;
}

/* "<Location", and what stands behind it up to the bracket. */
static void enter_section(const survey_t *survey, place_t *place, kind_t kind, const ap_directive_t *line)
{
    const char *args = line->args;
    char *path = ap_getword_conf(survey->pool, &args);

    place->kind = kind;
    place->section = line->directive;
    place->is_regex = ap_strstr_c(line->directive, "Match") != NULL || !strcmp(path, "~");
    if (!strcmp(path, "~")) {
        path = ap_getword_conf(survey->pool, &args);
    }
    if (*path && path[strlen(path) - 1] == '>') {
        path[strlen(path) - 1] = '\0';
    }
    place->path = path;
    place->is_glob = !place->is_regex && apr_fnmatch_test(path);
}

static place_t inside(const survey_t *survey, const place_t *outer, const ap_directive_t *line)
{
    static const char *const conditions[] = { "<If", "<ElseIf", "<Else", NULL };
    static const char *const files[] = { "<Files", "<FilesMatch", NULL };
    static const struct {
        kind_t kind;
        const char *words[3];
    } sections[] = {
        { KIND_LOCATION, { "<Location", "<LocationMatch" } },
        { KIND_DIRECTORY, { "<Directory", "<DirectoryMatch" } },
        { KIND_PROXY, { "<Proxy", "<ProxyMatch" } },
    };
    place_t place = *outer;

    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (is_word(line->directive, sections[i].words)) {
            enter_section(survey, &place, sections[i].kind, line);
        }
    }
    if (!ap_cstr_casecmp(line->directive, "<VirtualHost")) {
        place.host = line;
    }
    place.is_if = place.is_if || is_word(line->directive, conditions);
    place.is_files = place.is_files || is_word(line->directive, files);
    return place;
}

static void note(survey_t *survey, const place_t *place, const ap_directive_t *line)
{
    static const char *const proxies[] = { "ProxyPass", "ProxyPassMatch", NULL };
    bool is_type = !ap_cstr_casecmp(line->directive, "AuthType");
    const char *args = line->args;
    said_t *said;

    if (is_type || is_word(line->directive, proxies)) {
        said = apr_array_push(is_type ? survey->types : survey->proxies);
        *said = (said_t){ .place = *place, .name = line->directive };
        said->first = ap_getword_conf(survey->pool, &args);
        said->second = ap_getword_conf(survey->pool, &args);
    }
}

static void collect(survey_t *survey, const place_t *place, const ap_directive_t *line)
{
    for (; line; line = line->next) {
        if (line->first_child) {
            place_t inner = inside(survey, place, line);

            collect(survey, &inner, line->first_child);
        } else {
            note(survey, place, line);
        }
    }
}

/* ---- whether it has to do with a guarded section */

static bool is_kind(const mod_mcp_section_t *section, const char *kind)
{
    return !ap_cstr_casecmpn(section->kind, kind, strlen(kind));
}

static kind_t kind_of(const mod_mcp_section_t *section)
{
    return is_kind(section, "<Location") ? KIND_LOCATION : is_kind(section, "<Directory") ? KIND_DIRECTORY : KIND_PROXY;
}

/* What does not compile is refused by httpd. */
static bool is_match(const survey_t *survey, const char *regex, const char *text)
{
    ap_regex_t *compiled = ap_pregcomp(survey->pool, regex, AP_REG_EXTENDED);

    return compiled && ap_regexec(compiled, text, 0, NULL, 0) == 0;
}

static bool matches(const survey_t *survey, const place_t *place, const char *text)
{
    return place->is_regex ? is_match(survey, place->path, text) : apr_fnmatch(place->path, text, 0) == APR_SUCCESS;
}

static bool is_pattern(const place_t *place)
{
    return place->is_regex || place->is_glob;
}

/* Sections of the main server hold in every virtual host. */
static bool is_of_host(const place_t *place, const mod_mcp_section_t *section)
{
    const server_rec *s = section->server;

    return !place->host || !s->is_virtual ||
           (s->defn_name && !strcmp(s->defn_name, place->host->filename) && (int)s->defn_line_number == place->host->line_num);
}

/* One of them lies in the other. A pattern is held against the path of the other, as that is written. */
static bool may_meet(const survey_t *survey, const place_t *place, const mod_mcp_section_t *section)
{
    if (section->is_pattern && is_pattern(place)) {
        return !strcmp(place->path, section->path);
    }
    if (section->is_pattern) {
        return !strcmp(place->path, "/") || is_match(survey, section->path, place->path) ||
               apr_fnmatch(section->path, place->path, 0) == APR_SUCCESS;
    }
    if (is_pattern(place)) {
        return matches(survey, place, section->path);
    }
    return mod_mcp_path_is_below(place->path, section->path) || mod_mcp_path_is_below(section->path, place->path);
}

/* Nothing in the guarded section escapes it. */
static bool encloses(const place_t *place, const mod_mcp_section_t *section)
{
    kind_t kind = kind_of(section);

    if (place->is_if || place->is_files || place->kind == KIND_SERVER) {
        return false;
    }
    if (place->kind == KIND_LOCATION && !is_pattern(place)) {
        return !strcmp(place->path, "/") ||
               (kind == KIND_LOCATION && !section->is_pattern && mod_mcp_path_is_below(section->path, place->path));
    }
    return place->kind == kind && is_pattern(place) == section->is_pattern && !strcmp(place->path, section->path);
}

/* Where such a ProxyPass leads a guarded <Location>; NULL: it has nothing to do with it. *all: with every request to it. */
static const char *target_of(const survey_t *survey, const said_t *proxy, const mod_mcp_section_t *section, bool *all)
{
    bool is_regex = ap_strstr_c(proxy->name, "Match") != NULL;
    place_t from = proxy->place;

    *all = false;
    if (!is_of_host(&proxy->place, section)) {
        return NULL;
    }
    if (from.kind != KIND_LOCATION) { /* its own first word says for which paths */
        from = (place_t){ .kind = KIND_LOCATION, .path = proxy->first, .is_regex = is_regex };
    }
    if (!may_meet(survey, &from, section)) {
        return NULL;
    }
    *all = !is_regex && encloses(&from, section);
    return from.path == proxy->first ? proxy->second : proxy->first;
}

static bool proxy_holds(const survey_t *survey, const place_t *place, const char *target)
{
    size_t len = strlen(place->path);

    if (is_pattern(place)) {
        return matches(survey, place, target) || matches(survey, place, apr_pstrcat(survey->pool, target, "/", NULL));
    }
    return !strncmp(place->path, target, len) || !strncmp(place->path, target, strlen(target));
}

/* Whether <Directory> or <Files> (place NULL), or this <Proxy>, may hold for requests to a guarded <Location>. */
static bool may_hold(const survey_t *survey, const place_t *place, const mod_mcp_section_t *section)
{
    bool is_proxied = false, is_known = false, is_local = false, holds = false, all;

    for (int i = 0; i < survey->proxies->nelts; i++) {
        const char *target = target_of(survey, &APR_ARRAY_IDX(survey->proxies, i, said_t), section, &all);

        if (target && !strcmp(target, "!")) {
            is_local = true;
        } else if (target) {
            is_known = true;
            is_proxied = is_proxied || all;
            holds = holds || (place && proxy_holds(survey, place, target));
        }
    }
    return place ? holds || !is_known : is_local || !is_proxied;
}

static bool concerns(const survey_t *survey, const place_t *place, const mod_mcp_section_t *section)
{
    kind_t kind = kind_of(section);

    if (!is_of_host(place, section)) {
        return false;
    }
    if (place->kind == KIND_SERVER) {
        return place->is_if || kind != KIND_LOCATION || may_hold(survey, NULL, section);
    }
    if (place->kind == kind) {
        return may_meet(survey, place, section);
    }
    if (kind == KIND_LOCATION) {
        return may_hold(survey, place->kind == KIND_PROXY ? place : NULL, section);
    }
    return place->kind == KIND_LOCATION && !is_pattern(place) && !strcmp(place->path, "/");
}

/* ---- what to say of it */

static rank_t rank_of(const place_t *place)
{
    if (place->is_if) {
        return RANK_IF;
    }
    if (place->kind == KIND_LOCATION) {
        return place->host ? RANK_HOST_LOCATION : RANK_LOCATION;
    }
    return RANK_FILES;
}

static bool is_none(const said_t *said)
{
    return !ap_cstr_casecmp(said->first, "None");
}

/* What asks for a password goes before what does not. */
static bool is_worse(const said_t *said, const said_t *than)
{
    return !than || ap_cstr_casecmp(than->first, "Basic") != 0 || !ap_cstr_casecmp(said->first, "Basic");
}

static const said_t *find_type(const survey_t *survey, const mod_mcp_section_t *section)
{
    const said_t *found = NULL;

    for (unsigned rank = 0; rank < RANKS; rank++) {
        for (int i = 0; i < survey->types->nelts; i++) {
            const said_t *said = &APR_ARRAY_IDX(survey->types, i, said_t);

            if (rank_of(&said->place) != (rank_t)rank || !concerns(survey, &said->place, section)) {
                continue;
            }
            if (encloses(&said->place, section)) {
                found = is_none(said) ? NULL : said;
            } else if (!is_none(said) && is_worse(said, found)) {
                found = said;
            }
        }
    }
    return found;
}

/* The daemon refuses a snapshot with anything else in it. */
static const char *printable(const char *text)
{
    return mcpa_text_is_printable(mcpa_str(text)) ? text : "(not printable)";
}

void mod_mcp_note_auth_types(mod_mcp_checks_t *checks)
{
    const apr_array_header_t *all = mod_mcp_global()->sections;
    survey_t survey = { .pool = checks->pool };
    const place_t server = { 0 };

    survey.types = apr_array_make(checks->pool, 4, sizeof(said_t));
    survey.proxies = apr_array_make(checks->pool, 4, sizeof(said_t));
    collect(&survey, &server, ap_conftree);
    for (int i = 0; i < all->nelts; i++) {
        const mod_mcp_section_t *section = APR_ARRAY_IDX(all, i, mod_mcp_section_t *);
        const said_t *said = section->effective ? find_type(&survey, section) : NULL;

        if (section->effective) {
            section->effective->policy.auth_type = said ? printable(said->first) : "None";
        }
        if (said) {
            const place_t *place = &said->place;

            section->effective->policy.auth_type_in = printable(
                place->section ? apr_psprintf(checks->pool, "%s %s%s>", place->section, place->is_regex ? "~ " : "", place->path)
                : place->is_if ? "<If>"
                               : "<Files>");
        }
    }
}
