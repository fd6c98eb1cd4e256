/* SPDX-License-Identifier: Apache-2.0 */
/* Directives of a section: what one line can be checked for alone. Messages name the mend; file and line are httpd's to add. */
#include "directives.h"

#include "apr_strings.h"

#include "base/text.h"
#include "policy/metadata.h"

const char *mod_mcp_enter_section(cmd_parms *cmd, mod_mcp_dir_t *dir, mod_mcp_setting_t setting, bool repeatable,
                                  mod_mcp_section_t **section)
{
    const ap_directive_t *before;

    if (!cmd->path || !dir) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           ": belongs inside <Location>, <LocationMatch>, <Directory> or <Proxy>; write it there", NULL);
    }
    if (ap_check_cmd_context(cmd, NOT_IN_LIMIT | NOT_IN_FILES | NOT_IN_HTACCESS)) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           ": cannot stand inside <Limit>, <Files>, <If> or .htaccess; write it directly in the <Location>",
                           NULL);
    }
    *section = mod_mcp_section_of(cmd, dir);
    before = (*section)->where[setting];
    if (before && !repeatable) {
        return apr_psprintf(cmd->pool, "%s: stands in this section already (%s:%d); leave one of the two lines out",
                            cmd->cmd->name, before->filename, before->line_num);
    }
    if (!before) {
        (*section)->where[setting] = cmd->directive;
    }
    dir->set |= 1u << setting;
    return NULL;
}

/* Appends to a list that stays NULL-terminated behind its count. */
static const char *const *append(cmd_parms *cmd, apr_array_header_t **list, const void *item)
{
    if (!*list) {
        *list = apr_array_make(cmd->pool, 4, sizeof(void *));
    }
    *(const void **)apr_array_push(*list) = item;
    *(const void **)apr_array_push(*list) = NULL;
    (void)apr_array_pop(*list);
    return (const char *const *)(void *)(*list)->elts;
}

const char *mod_mcp_set_mode(cmd_parms *cmd, void *conf, const char *arg)
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_MODE, false, &section);

    if (error) {
        return error;
    }
    for (int mode = MCPA_MODE_OFF; mode <= MCPA_MODE_SHADOW; mode++) {
        if (!ap_cstr_casecmp(arg, mcpa_mode_word((mcpa_mode_t)mode))) {
            dir->policy.mode = (mcpa_mode_t)mode;
            return NULL;
        }
    }
    return apr_psprintf(cmd->pool, "MCPAuth: must be On, Off or Shadow, not \"%s\"", arg);
}

const char *mod_mcp_set_resource(cmd_parms *cmd, void *conf, const char *arg)
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_RESOURCE, false, &section);

    if (error) {
        return error;
    }
    /* Whether http is all right depends on MCPAuthMode, which may stand further down: the checks come back to it. */
    if (!mcpa_resource_check(mcpa_str(arg), true, &error)) {
        return apr_pstrcat(cmd->pool, "MCPAuthResource: ", error,
                           "; write the URL that clients use, as in https://mcp.example.com/mcp", NULL);
    }
    dir->policy.resource = apr_pstrdup(cmd->pool, arg);
    return NULL;
}

static bool is_word(mcpa_str_t text)
{
    return text.len > 0 && text.len <= MCPA_CLAIM_MAX_BYTES && mcpa_text_is_printable(text) && !memchr(text.ptr, ' ', text.len);
}

const char *mod_mcp_set_audience(cmd_parms *cmd, void *conf, const char *arg)
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_AUDIENCE, true, &section);

    if (error) {
        return error;
    }
    if (!is_word(mcpa_str(arg))) {
        return "MCPAuthAudience: each audience is one word as in the tokens' \"aud\"; leave the line out to accept the resource "
               "alone";
    }
    dir->policy.audiences = append(cmd, &section->audiences, apr_pstrdup(cmd->pool, arg));
    return NULL;
}

const char *mod_mcp_set_scope(cmd_parms *cmd, void *conf, const char *arg)
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_SCOPE, true, &section);

    if (error) {
        return error;
    }
    if (*arg == '\0') { /* MCPAuthScope "": an inner section asks for none */
        dir->policy.scopes = "";
        return NULL;
    }
    if (!mcpa_text_is_scope_token(mcpa_str(arg))) {
        return apr_psprintf(
            cmd->pool, "MCPAuthScope: \"%s\" is no scope; write words as in the tokens, with blanks between them and no commas",
            arg);
    }
    if (dir->policy.scopes && *dir->policy.scopes) {
        dir->policy.scopes = apr_pstrcat(cmd->pool, dir->policy.scopes, " ", arg, NULL);
    } else {
        dir->policy.scopes = apr_pstrdup(cmd->pool, arg);
    }
    if (strlen(dir->policy.scopes) > MCPA_SCOPE_TEXT_MAX_BYTES) {
        return apr_psprintf(cmd->pool, "MCPAuthScope: more than %d bytes of scopes; ask for a broader one",
                            MCPA_SCOPE_TEXT_MAX_BYTES);
    }
    return NULL;
}

const char *mod_mcp_set_origin(cmd_parms *cmd, void *conf, const char *arg)
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_ORIGIN, true, &section);

    if (error) {
        return error;
    }
    if (!mcpa_origin_is_valid(mcpa_str(arg))) {
        return apr_psprintf(
            cmd->pool,
            "MCPAuthOrigin: \"%s\" is no origin as browsers send it; write scheme, host in lower case and a port that is "
            "not the default, no path, as in https://app.example.com; * and null are never let in",
            arg);
    }
    if (section->origins && section->origins->nelts >= MCPA_ORIGINS_MAX) {
        return apr_psprintf(cmd->pool, "MCPAuthOrigin: more than %d origins; let fewer in", MCPA_ORIGINS_MAX);
    }
    dir->policy.origins = append(cmd, &section->origins, apr_pstrdup(cmd->pool, arg));
    return NULL;
}

const char *mod_mcp_set_rate_limit(cmd_parms *cmd, void *conf, const char *key, const char *rate, const char *burst)
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    mcpa_limit_t limit = { 0 };
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_RATE_LIMIT, true, &section);

    if (error) {
        return error;
    }
    if (!mcpa_limit_key_find(&limit.key, mcpa_str(key))) {
        return apr_psprintf(cmd->pool, "MCPAuthRateLimit: \"%s\" is no key; write subject, client, address or tool", key);
    }
    if (burst && strncmp(burst, "burst=", 6) != 0) {
        return apr_psprintf(cmd->pool, "MCPAuthRateLimit: \"%s\" is not understood; write burst=N", burst);
    }
    if (!mcpa_limit_parse(&limit, mcpa_str(rate), mcpa_str(burst ? burst + 6 : NULL), &error)) {
        return apr_pstrcat(cmd->pool, "MCPAuthRateLimit: ", error,
                           "; write for example: MCPAuthRateLimit subject 100/min burst=20", NULL);
    }
    limit.text = burst ? apr_pstrcat(cmd->pool, key, " ", rate, " ", burst, NULL) : apr_pstrcat(cmd->pool, key, " ", rate, NULL);
    if (!section->limits) {
        section->limits = apr_array_make(cmd->pool, 2, sizeof(limit));
    }
    if (section->limits->nelts >= MCPA_LIMITS_MAX) {
        return apr_psprintf(cmd->pool, "MCPAuthRateLimit: more than %d limits in one section; leave some out", MCPA_LIMITS_MAX);
    }
    *(mcpa_limit_t *)apr_array_push(section->limits) = limit;
    dir->policy.limits = (const mcpa_limit_t *)(void *)section->limits->elts;
    dir->policy.n_limits = (size_t)section->limits->nelts;
    return NULL;
}

static const char *set_flag(cmd_parms *cmd, mod_mcp_dir_t *dir, mod_mcp_setting_t setting, bool *member, int on)
{
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, setting, false, &section);

    if (!error) {
        *member = on != 0;
    }
    return error;
}

const char *mod_mcp_set_identity_headers(cmd_parms *cmd, void *conf, int on)
{
    mod_mcp_dir_t *dir = conf;

    return set_flag(cmd, dir, MOD_MCP_IDENTITY_HEADERS, &dir->policy.identity_headers, on);
}

const char *mod_mcp_set_forward_token(cmd_parms *cmd, void *conf, int on)
{
    mod_mcp_dir_t *dir = conf;

    return set_flag(cmd, dir, MOD_MCP_FORWARD_TOKEN, &dir->policy.forward_token, on);
}

const char *mod_mcp_set_security_headers(cmd_parms *cmd, void *conf, int on)
{
    mod_mcp_dir_t *dir = conf;

    return set_flag(cmd, dir, MOD_MCP_SECURITY_HEADERS, &dir->policy.security_headers, on);
}

const char *mod_mcp_set_stream_until_expiry(cmd_parms *cmd, void *conf, int on)
{
    mod_mcp_dir_t *dir = conf;

    return set_flag(cmd, dir, MOD_MCP_STREAM_UNTIL_EXPIRY, &dir->policy.stream_until_expiry, on);
}

const char *mod_mcp_set_audit(cmd_parms *cmd, void *conf, const char *arg)
{
    static const char *const words[] = { [MCPA_AUDIT_ON] = "On", [MCPA_AUDIT_OFF] = "Off", [MCPA_AUDIT_REQUIRED] = "Required" };
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_AUDIT, false, &section);

    if (error) {
        return error;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!ap_cstr_casecmp(arg, words[i])) {
            dir->policy.audit = (mcpa_audit_mode_t)i;
            return NULL;
        }
    }
    return apr_psprintf(cmd->pool, "MCPAuthAudit: must be On, Off or Required, not \"%s\"", arg);
}

void mod_mcp_note_require(cmd_parms *cmd)
{
    mod_mcp_dir_t *dir = cmd->context ? ap_get_module_config(cmd->context, &mcp_auth_module) : NULL;

    /* Require also stands where nothing of ours does; such a section stays none of ours. */
    if (dir && dir->section && !dir->section->where[MOD_MCP_REQUIRE]) {
        dir->section->where[MOD_MCP_REQUIRE] = cmd->directive;
    }
}

static void *allocate(void *pool, size_t bytes)
{
    return apr_pcalloc(pool, bytes);
}

bool mod_mcp_issuer_read(mcpa_issuer_t *issuer, const char *url, const char *const *words, size_t n_words, bool development,
                         apr_pool_t *pool, const char **error)
{
    char why[512];

    if (mcpa_issuer_parse(issuer, url, words, n_words, development, allocate, pool, why, sizeof(why))) {
        return true;
    }
    *error = apr_pstrdup(pool, why);
    return false;
}

/* Equal in everything: then it is the same issuer, and its keys are kept once. */
static bool is_same(const mcpa_issuer_t *a, const mcpa_issuer_t *b)
{
    char left[2048], right[2048];
    mcpa_out_t l, r;

    mcpa_out_init(&l, left, sizeof(left));
    mcpa_out_init(&r, right, sizeof(right));
    mcpa_issuer_print(&l, a);
    mcpa_issuer_print(&r, b);
    return a->key_source == b->key_source && mcpa_str_eq(mcpa_str(a->jwks), mcpa_str(b->jwks)) &&
           mcpa_out_status(&l) == MCPA_OK && mcpa_str_eq(mcpa_out_get(&l), mcpa_out_get(&r));
}

/* The registered issuer equal to this one, made if there is none. Two with one name must at least have the same keys. */
static const char *register_issuer(cmd_parms *cmd, mcpa_issuer_t *parsed, int argc, char *const argv[], const mcpa_issuer_t **out)
{
    apr_array_header_t *all = mod_mcp_global()->issuers;
    mod_mcp_issuer_t *entry;
    const char **words;

    for (int i = 0; i < all->nelts; i++) {
        entry = APR_ARRAY_IDX(all, i, mod_mcp_issuer_t *);
        if (strcmp(entry->issuer->url, parsed->url) != 0) {
            continue;
        }
        if (is_same(entry->issuer, parsed)) {
            *out = entry->issuer;
            return NULL;
        }
        if (entry->issuer->key_source != parsed->key_source ||
            !mcpa_str_eq(mcpa_str(entry->issuer->jwks), mcpa_str(parsed->jwks))) {
            return apr_psprintf(cmd->pool,
                                "MCPAuthIssuer: %s has other keys at %s:%d; an issuer's keys are the same everywhere, "
                                "write the same jwks= or secret= in both lines",
                                parsed->url, entry->file, entry->line);
        }
    }
    if (all->nelts >= MCPA_ISSUERS_MAX) {
        return apr_psprintf(cmd->pool, "MCPAuthIssuer: more than %d issuers; trust fewer", MCPA_ISSUERS_MAX);
    }
    words = apr_pcalloc(cmd->pool, (size_t)argc * sizeof(*words));
    for (int i = 1; i < argc; i++) {
        words[i - 1] = apr_pstrdup(cmd->pool, argv[i]);
    }
    entry = apr_pcalloc(cmd->pool, sizeof(*entry));
    entry->issuer = parsed;
    entry->words = words;
    entry->n_words = (size_t)argc - 1;
    entry->server = cmd->server;
    entry->file = cmd->directive->filename;
    entry->line = cmd->directive->line_num;
    *(mod_mcp_issuer_t **)apr_array_push(all) = entry;
    *out = parsed;
    return NULL;
}

const char *mod_mcp_set_issuer(cmd_parms *cmd, void *conf, int argc, char *const argv[])
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section = NULL;
    apr_array_header_t **list = &mod_mcp_server_of(cmd->server)->issuers;
    mcpa_issuer_t *parsed = apr_pcalloc(cmd->pool, sizeof(*parsed));
    const mcpa_issuer_t *issuer = NULL;
    const char *error = cmd->path ? mod_mcp_enter_section(cmd, dir, MOD_MCP_ISSUER, true, &section) : NULL;

    if (error) {
        return error;
    }
    if (argc < 1) {
        return "MCPAuthIssuer: needs the issuer's URL, exactly as in the tokens' \"iss\"";
    }
    if (!mod_mcp_issuer_read(parsed, argv[0], (const char *const *)(argv + 1), (size_t)argc - 1, true, cmd->pool, &error)) {
        return apr_pstrcat(cmd->pool, "MCPAuthIssuer ", argv[0], ": ", error, NULL);
    }
    error = register_issuer(cmd, parsed, argc, argv, &issuer);
    if (error) {
        return error;
    }
    if (section) {
        list = &section->issuers;
    }
    for (int i = 0; *list && i < (*list)->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(*list, i, const mcpa_issuer_t *)->url, issuer->url)) {
            return apr_psprintf(cmd->pool, "MCPAuthIssuer: %s stands here twice; leave one of the two lines out", issuer->url);
        }
    }
    if (section) {
        dir->policy.issuers = (const mcpa_issuer_t *const *)(const void *)append(cmd, list, issuer);
    } else {
        (void)append(cmd, list, issuer);
    }
    return NULL;
}
