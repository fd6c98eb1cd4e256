/* SPDX-License-Identifier: Apache-2.0 */
#include "authtype.h"

#include "apr_fnmatch.h"
#include "apr_strings.h"

#include "base/text.h"
#include "inherit.h"

/* In the order in which httpd merges them: the last one that speaks holds. */
typedef enum rank { RANK_DIRECTORY, RANK_FILES, RANK_LOCATION, RANK_HOST_LOCATION, RANK_IF } rank_t;
typedef enum kind { KIND_SERVER, KIND_LOCATION, KIND_DIRECTORY, KIND_PROXY } kind_t;

/* What a line stands in. */
typedef struct place {
    kind_t kind;
    const char *section; /* "<Proxy" */
    const char *path;    /* as written, of a Directory as comparable() has it; of a pattern the pattern */
    bool is_regex, is_glob;
    const ap_regex_t *regex;    /* compiled; NULL: it does not, which httpd refuses */
    const ap_directive_t *host; /* <VirtualHost>; NULL: the main server */
    bool is_if, is_files;       /* somewhere inside <If> or the like, <Files> */
} place_t;

typedef struct said {
    place_t place;
    const char *first, *second; /* words behind the directive */
    place_t from;               /* of a ProxyPass: the paths that it is about */
} said_t;

typedef struct survey {
    apr_pool_t *pool;
    apr_array_header_t *types, *proxies; /* said_t: AuthType; ProxyPass and ProxyPassMatch */
    bool is_not_inherited;               /* a virtual host does without the ProxyPass of the main server */
    /* Of the guarded section that is looked at. */
    const mod_mcp_section_t *section;
    kind_t kind;
    const char *path;              /* as in place_t */
    const ap_regex_t *regex;       /* of a pattern */
    apr_array_header_t *targets;   /* const char *: where ProxyPass leads it */
    apr_array_header_t *enclosing; /* const said_t *: of types those that enclose it */
    bool is_proxied, is_local;     /* all of it; some of it surely not */
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

/* Directories are compared without trailing slashes, of which httpd adds one, and without what it takes out. */
static const char *comparable(const survey_t *survey, kind_t kind, bool is_regex, const char *path)
{
    char *real = apr_pstrdup(survey->pool, path);
    size_t len;

    if (kind == KIND_DIRECTORY && !is_regex) {
        (void)apr_filepath_merge(&real, NULL, path, APR_FILEPATH_TRUENAME, survey->pool);
    }
    for (len = strlen(real); kind == KIND_DIRECTORY && len > 1 && real[len - 1] == '/'; len--) {
        real[len - 1] = '\0';
    }
    return real;
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
    place->path = comparable(survey, kind, place->is_regex, path);
    place->regex = place->is_regex ? ap_pregcomp(survey->pool, path, AP_REG_EXTENDED) : NULL;
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

/* In a Location it is about that, else its first word says about which paths. */
static void note_proxy(const survey_t *survey, said_t *said, bool is_regex)
{
    if (said->place.kind == KIND_LOCATION) {
        said->from = said->place;
        said->second = said->first;
        return;
    }
    said->from = (place_t){ .kind = KIND_LOCATION, .path = said->first, .is_regex = is_regex, .host = said->place.host };
    said->from.regex = is_regex ? ap_pregcomp(survey->pool, said->first, AP_REG_EXTENDED) : NULL;
}

static void note(survey_t *survey, const place_t *place, const ap_directive_t *line)
{
    bool is_type = !ap_cstr_casecmp(line->directive, "AuthType"), is_regex = !ap_cstr_casecmp(line->directive, "ProxyPassMatch");
    bool is_proxy = is_regex || !ap_cstr_casecmp(line->directive, "ProxyPass");
    const char *args = line->args;
    said_t *said;

    if (!ap_cstr_casecmp(line->directive, "ProxyPassInherit") && ap_cstr_casecmp(args, "On") != 0) {
        survey->is_not_inherited = true;
    }
    if (is_type || is_proxy) {
        said = apr_array_push(is_type ? survey->types : survey->proxies);
        *said = (said_t){ .place = *place };
        said->first = ap_getword_conf(survey->pool, &args);
        said->second = ap_getword_conf(survey->pool, &args);
    }
    if (is_proxy) {
        note_proxy(survey, said, is_regex);
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

/* ---- whether it has to do with the guarded section */

static bool is_match(const ap_regex_t *regex, const char *text)
{
    return regex && ap_regexec(regex, text, 0, NULL, 0) == 0;
}

static bool is_pattern(const place_t *place)
{
    return place->is_regex || place->is_glob;
}

static bool matches(const place_t *place, const char *text)
{
    return place->is_regex ? is_match(place->regex, text) : apr_fnmatch(place->path, text, 0) == APR_SUCCESS;
}

/* Sections of the main server hold in every virtual host. */
static bool is_of_host(const survey_t *survey, const place_t *place)
{
    const server_rec *s = survey->section->server;

    return !place->host || !s->is_virtual ||
           (s->defn_name && !strcmp(s->defn_name, place->host->filename) && (int)s->defn_line_number == place->host->line_num);
}

/* One of them lies in the other. A pattern is held against the path of the other, as that is written. */
static bool may_meet(const survey_t *survey, const place_t *place)
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
static bool encloses(const survey_t *survey, const place_t *place)
{
    const mod_mcp_section_t *section = survey->section;

    if (place->is_if || place->is_files || place->kind == KIND_SERVER || (place->host && !section->server->is_virtual)) {
        return false;
    }
    if (place->kind == KIND_LOCATION && !is_pattern(place) && !strcmp(place->path, "/")) {
        return survey->kind != KIND_PROXY; /* a forward proxy's requests have no path */
    }
    if (place->kind != survey->kind || is_pattern(place) != section->is_pattern) {
        return false;
    }
    if (place->kind == KIND_LOCATION && !is_pattern(place)) {
        return mod_mcp_path_is_below(survey->path, place->path);
    }
    return !strcmp(place->path, survey->path) && (!is_pattern(place) || !ap_cstr_casecmp(place->section, section->kind));
}

/* All of the section, in every virtual host that has it. */
static bool leads_all(const survey_t *survey, const said_t *proxy)
{
    bool is_everywhere = proxy->place.kind == KIND_LOCATION || proxy->place.host || !survey->is_not_inherited;

    return is_everywhere && !is_pattern(&proxy->from) && encloses(survey, &proxy->from);
}

/* Where ProxyPass leads requests to the section, when that is a <Location>. */
static void find_targets(survey_t *survey)
{
    survey->targets->nelts = 0;
    survey->is_proxied = survey->is_local = false;
    for (int i = 0; i < survey->proxies->nelts && survey->kind == KIND_LOCATION; i++) {
        const said_t *proxy = &APR_ARRAY_IDX(survey->proxies, i, said_t);

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

static bool proxy_may_hold(const survey_t *survey, const place_t *place)
{
    bool holds = !survey->is_proxied; /* a RewriteRule or a handler may lead there */

    for (int i = 0; i < survey->targets->nelts && !holds; i++) {
        const char *target = APR_ARRAY_IDX(survey->targets, i, const char *);
        size_t len = strlen(place->path), target_len = strlen(target);

        holds = is_pattern(place) ? matches(place, target) || matches(place, apr_pstrcat(survey->pool, target, "/", NULL))
                                  : !strncmp(place->path, target, len < target_len ? len : target_len);
    }
    return holds;
}

static bool concerns(const survey_t *survey, const place_t *place)
{
    if (!is_of_host(survey, place)) {
        return false;
    }
    if (place->kind == survey->kind) {
        return may_meet(survey, place);
    }
    if (place->kind == KIND_SERVER && (place->is_if || survey->kind != KIND_LOCATION)) {
        return true;
    }
    if (place->kind == KIND_PROXY && survey->kind == KIND_LOCATION) {
        return proxy_may_hold(survey, place);
    }
    if (survey->kind == KIND_LOCATION) { /* <Directory>, <Files> */
        return survey->is_local || !survey->is_proxied;
    }
    return place->kind == KIND_LOCATION && !is_pattern(place) && !strcmp(place->path, "/");
}

/* ---- what to say of it */

static rank_t rank_of(const place_t *place)
{
    if (place->is_if) {
        return RANK_IF;
    }
    if (place->is_files) {
        return RANK_FILES;
    }
    if (place->kind == KIND_LOCATION) {
        return place->host ? RANK_HOST_LOCATION : RANK_LOCATION;
    }
    return RANK_DIRECTORY;
}

/* Whether httpd is sure to merge it before the other one, both of 'types'. It takes Directories from the shortest to the
 * longest; equal ones and all others in the order written, those of the main server first. */
static bool comes_before(const said_t *said, const said_t *other)
{
    const place_t *place = &said->place, *later = &other->place;

    if (rank_of(place) != rank_of(later)) {
        return rank_of(place) < rank_of(later);
    }
    if (place->kind != later->kind) {
        return false;
    }
    if (place->kind == KIND_DIRECTORY && (strcmp(place->path, later->path) != 0 || place->is_regex != later->is_regex)) {
        return !is_pattern(place) && !is_pattern(later) && mod_mcp_path_is_below(later->path, place->path);
    }
    return !place->host != !later->host ? !place->host : said < other;
}

static bool is_overruled(const survey_t *survey, const said_t *said)
{
    for (int i = 0; i < survey->enclosing->nelts; i++) {
        if (comes_before(said, APR_ARRAY_IDX(survey->enclosing, i, const said_t *))) {
            return true;
        }
    }
    return false;
}

/* What asks for a password, as the gate has it, goes before what does not; an expression may come to anything. 0: None. */
static int badness_of(const said_t *said)
{
    static const char *const passwords[] = { "Digest", "Form", NULL };

    if (!ap_cstr_casecmp(said->first, "None")) {
        return 0;
    }
    if (!ap_cstr_casecmp(said->first, "Basic")) {
        return 3;
    }
    return is_word(said->first, passwords) || ap_strchr_c(said->first, '%') ? 2 : 1;
}

/* The worst that may hold in a part of the section; of equals the one that is merged last. NULL: none. */
static const said_t *find_type(const survey_t *survey)
{
    const said_t *found = NULL;

    for (int i = 0; i < survey->types->nelts; i++) {
        const said_t *said = &APR_ARRAY_IDX(survey->types, i, said_t);
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
    for (int i = 0; i < survey->types->nelts; i++) {
        const said_t *said = &APR_ARRAY_IDX(survey->types, i, said_t);

        if (is_of_host(survey, &said->place) && encloses(survey, &said->place)) {
            *(const said_t **)apr_array_push(survey->enclosing) = said;
        }
    }
}

static void look_at(survey_t *survey, const mod_mcp_section_t *section)
{
    bool is_location = !ap_cstr_casecmpn(section->kind, "<Location", 9),
         is_directory = !ap_cstr_casecmpn(section->kind, "<Directory", 10);

    survey->section = section;
    survey->kind = is_location ? KIND_LOCATION : is_directory ? KIND_DIRECTORY : KIND_PROXY;
    survey->path = comparable(survey, survey->kind, section->is_pattern, section->path);
    survey->regex = section->is_pattern ? ap_pregcomp(survey->pool, section->path, AP_REG_EXTENDED) : NULL;
    find_targets(survey);
    find_enclosing(survey);
}

/* The daemon refuses a snapshot with anything else in it. */
static const char *printable(const char *text)
{
    return mcpa_text_is_printable(mcpa_str(text)) ? text : "(not printable)";
}

static const char *name_of(const survey_t *survey, const place_t *place)
{
    if (!place->section) {
        return place->is_if ? "<If>" : "<Files>";
    }
    return printable(apr_psprintf(survey->pool, "%s %s%s>", place->section,
                                  place->is_regex && !ap_strstr_c(place->section, "Match") ? "~ " : "", place->path));
}

void mod_mcp_note_auth_types(mod_mcp_checks_t *checks)
{
    const apr_array_header_t *all = mod_mcp_global()->sections;
    survey_t survey = { .pool = checks->pool };
    const place_t server = { 0 };

    survey.types = apr_array_make(checks->pool, 4, sizeof(said_t));
    survey.proxies = apr_array_make(checks->pool, 4, sizeof(said_t));
    survey.targets = apr_array_make(checks->pool, 4, sizeof(char *));
    survey.enclosing = apr_array_make(checks->pool, 4, sizeof(said_t *));
    collect(&survey, &server, ap_conftree);
    for (int i = 0; i < all->nelts; i++) {
        const mod_mcp_section_t *section = APR_ARRAY_IDX(all, i, mod_mcp_section_t *);
        const said_t *said;

        if (section->effective) {
            look_at(&survey, section);
            said = find_type(&survey);
            section->effective->policy.auth_type = said ? printable(said->first) : "None";
            section->effective->policy.auth_type_in = said ? name_of(&survey, &said->place) : NULL;
        }
    }
}
