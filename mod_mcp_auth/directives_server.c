/* SPDX-License-Identifier: Apache-2.0 */
/* Directives of a server. Some exist once in a whole server; they may stand in any virtual host, but not with two values. */
#include "directives.h"

#include "apr_strings.h"

#include "base/text.h"

#define KEY_WAIT_MAX_MS     60000
#define ENTRIES_MAX         (UINT64_C(16) * 1024 * 1024) /* 2 GiB of buckets: more is a slip of the pen */
#define LIMIT_ENTRIES_MIN   1024
#define CACHE_ENTRIES_MIN   64
#define SESSION_ENTRIES_MIN 1024
#define SESSION_ENTRIES_MAX (UINT64_C(1) << 20) /* each initialize looks through all of them: some milliseconds */
#define SECOND_US           INT64_C(1000000)
#define SESSION_IDLE_MAX_US (30 * 24 * 3600 * SECOND_US)
#define SPOOL_MIN_BYTES     (2 * UINT64_C(1024) * 1024) /* two segments */
#define SOCKET_PATH_MAX     100                         /* sun_path has 108 */

static const char *enter_server(cmd_parms *cmd)
{
    if (cmd->path || ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT | NOT_IN_HTACCESS)) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           ": belongs to the server or a <VirtualHost>; write it outside of sections such as "
                           "<Location>",
                           NULL);
    }
    return NULL;
}

const char *mod_mcp_set_server_mode(cmd_parms *cmd, void *conf __attribute__((unused)), const char *arg)
{
    mod_mcp_server_t *server = mod_mcp_server_of(cmd->server);
    const char *error = enter_server(cmd);

    if (error) {
        return error;
    }
    server->development = !ap_cstr_casecmp(arg, "development");
    server->mode_set = true;
    if (!server->development && ap_cstr_casecmp(arg, "production")) {
        return apr_psprintf(cmd->pool, "MCPAuthMode: must be production or development, not \"%s\"", arg);
    }
    return NULL;
}

static const char *add_pair(cmd_parms *cmd, bool is_alias, const char *first, const char *second)
{
    const char *error = enter_server(cmd);
    mod_mcp_scope_pair_t *pair;

    if (error) {
        return error;
    }
    if (!mcpa_text_is_scope_token(mcpa_str(first)) || !mcpa_text_is_scope_token(mcpa_str(second))) {
        return apr_psprintf(cmd->pool, "%s: \"%s %s\" are not two scopes; write words as in the tokens, with blanks between them",
                            cmd->cmd->name, first, second);
    }
    pair = apr_array_push(mod_mcp_server_of(cmd->server)->pairs);
    *pair = (mod_mcp_scope_pair_t){ is_alias, apr_pstrdup(cmd->pool, first), apr_pstrdup(cmd->pool, second),
                                    cmd->directive->filename, cmd->directive->line_num };
    return NULL;
}

const char *mod_mcp_set_scope_implies(cmd_parms *cmd, void *conf __attribute__((unused)), const char *broad, const char *narrow)
{
    return add_pair(cmd, false, broad, narrow);
}

const char *mod_mcp_set_scope_alias(cmd_parms *cmd, void *conf __attribute__((unused)), const char *legacy, const char *current)
{
    return add_pair(cmd, true, legacy, current);
}

const char *mod_mcp_set_security_txt(cmd_parms *cmd, void *conf __attribute__((unused)), const char *arg)
{
    mod_mcp_single_t *line = &mod_mcp_server_of(cmd->server)->security_txt;
    const char *error = enter_server(cmd);

    if (error) {
        return error;
    }
    if (arg[0] != '/' || !mcpa_text_is_printable(mcpa_str(arg))) {
        return apr_psprintf(cmd->pool, "MCPAuthSecurityTxt: must be an absolute path, not \"%s\"", arg);
    }
    *line = (mod_mcp_single_t){ apr_pstrdup(cmd->pool, arg), cmd->directive->filename, cmd->directive->line_num };
    return NULL;
}

static const char *set_single(cmd_parms *cmd, mod_mcp_single_t *single, const char *text)
{
    const char *error = enter_server(cmd);

    if (error) {
        return error;
    }
    if (single->file && strcmp(single->text, text) != 0) {
        return apr_psprintf(cmd->pool,
                            "%s: is \"%s\" at %s:%d, and there is only one for the whole server; leave one of the two lines out",
                            cmd->cmd->name, single->text, single->file, single->line);
    }
    *single = (mod_mcp_single_t){ apr_pstrdup(cmd->pool, text), cmd->directive->filename, cmd->directive->line_num };
    return NULL;
}

static const char *set_path(cmd_parms *cmd, mod_mcp_single_t *single, const char *path)
{
    if (path[0] != '/' || path[1] == '\0' || !mcpa_text_is_printable(mcpa_str(path))) {
        return apr_psprintf(cmd->pool, "%s: must be an absolute path, not \"%s\"", cmd->cmd->name, path);
    }
    return set_single(cmd, single, path);
}

const char *mod_mcp_set_socket(cmd_parms *cmd, void *conf __attribute__((unused)), const char *arg)
{
    if (strlen(arg) > SOCKET_PATH_MAX) {
        return apr_psprintf(cmd->pool,
                            "MCPAuthSocket: a socket's path has at most %d characters; move it to a shorter one, as in "
                            "/run/mcpauth/mcpauth.sock",
                            SOCKET_PATH_MAX);
    }
    return set_path(cmd, &mod_mcp_global()->socket, arg);
}

const char *mod_mcp_set_state_dir(cmd_parms *cmd, void *conf __attribute__((unused)), const char *arg)
{
    return set_path(cmd, &mod_mcp_global()->state_dir, arg);
}

static bool set_spool_max(mod_mcp_global_t *global, const char *value)
{
    apr_uint64_t bytes = 0;

    if (!mcpa_text_size(mcpa_str(value), &bytes) || bytes < SPOOL_MIN_BYTES) {
        return false;
    }
    global->spool_max_bytes = bytes;
    return true;
}

static bool set_spool_durability(mod_mcp_global_t *global, const char *value)
{
    global->spool_sync = !strcmp(value, "sync");
    return global->spool_sync || !strcmp(value, "process");
}

static bool set_spool_tmpfs(mod_mcp_global_t *global, const char *value)
{
    global->spool_allows_tmpfs = !strcmp(value, "allow");
    return global->spool_allows_tmpfs || !strcmp(value, "refuse");
}

static bool set_spool_option(mod_mcp_global_t *global, const char *word)
{
    static const struct {
        const char *name;
        bool (*set)(mod_mcp_global_t *global, const char *value);
    } rows[] = {
        { "max=", set_spool_max },
        { "durability=", set_spool_durability },
        { "tmpfs=", set_spool_tmpfs },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].name);

        if (!strncmp(word, rows[i].name, len)) {
            return rows[i].set(global, word + len);
        }
    }
    return false;
}

const char *mod_mcp_set_spool_dir(cmd_parms *cmd, void *conf __attribute__((unused)), int argc, char *const argv[])
{
    if (argc < 1) {
        return "MCPAuthSpoolDir: needs a directory, as in MCPAuthSpoolDir /var/spool/mcpauth";
    }
    for (int i = 1; i < argc; i++) {
        if (!set_spool_option(mod_mcp_global(), argv[i])) {
            return apr_psprintf(cmd->pool,
                                "MCPAuthSpoolDir: \"%s\" is not understood; write max=SIZE with at least 2m, as in max=1g, "
                                "durability=process or durability=sync, tmpfs=refuse or tmpfs=allow",
                                argv[i]);
        }
    }
    return set_path(cmd, &mod_mcp_global()->spool_dir, argv[0]);
}

/* A whole number within bounds; zero_is_off lets 0 through below them. */
static const char *set_number(cmd_parms *cmd, mod_mcp_single_t *single, const char *arg, apr_uint64_t min, apr_uint64_t max,
                              bool zero_is_off, apr_uint64_t *value)
{
    if (!mcpa_text_u64(mcpa_str(arg), value) || *value > max || (*value < min && !(zero_is_off && *value == 0))) {
        return apr_psprintf(cmd->pool, "%s: must be a number from %" APR_UINT64_T_FMT " to %" APR_UINT64_T_FMT "%s, not \"%s\"",
                            cmd->cmd->name, min, max, zero_is_off ? ", or 0 for none" : "", arg);
    }
    return set_single(cmd, single, arg);
}

const char *mod_mcp_set_key_wait(cmd_parms *cmd, void *conf __attribute__((unused)), const char *arg)
{
    apr_uint64_t value = 0;
    const char *error = set_number(cmd, &mod_mcp_global()->key_wait, arg, 0, KEY_WAIT_MAX_MS, false, &value);

    if (!error) {
        mod_mcp_global()->key_wait_ms = (int)value;
    }
    return error;
}

const char *mod_mcp_set_token_cache(cmd_parms *cmd, void *conf __attribute__((unused)), const char *arg)
{
    apr_uint64_t value = 0;
    const char *error = set_number(cmd, &mod_mcp_global()->token_cache, arg, CACHE_ENTRIES_MIN, ENTRIES_MAX, true, &value);

    if (!error) {
        mod_mcp_global()->token_cache_entries = value;
    }
    return error;
}

const char *mod_mcp_set_limit_table(cmd_parms *cmd, void *conf __attribute__((unused)), const char *arg)
{
    apr_uint64_t value = 0;
    const char *error = set_number(cmd, &mod_mcp_global()->limit_table, arg, LIMIT_ENTRIES_MIN, ENTRIES_MAX, false, &value);

    if (!error) {
        mod_mcp_global()->limit_table_entries = value;
    }
    return error;
}

const char *mod_mcp_set_session_table(cmd_parms *cmd, void *conf __attribute__((unused)), const char *arg)
{
    apr_uint64_t value = 0;
    const char *error =
        set_number(cmd, &mod_mcp_global()->session_table, arg, SESSION_ENTRIES_MIN, SESSION_ENTRIES_MAX, false, &value);

    if (!error) {
        mod_mcp_global()->session_table_entries = value;
    }
    return error;
}

const char *mod_mcp_set_session_timeout(cmd_parms *cmd, void *conf __attribute__((unused)), const char *arg)
{
    apr_int64_t value = 0;
    const char *error;

    if (!mcpa_text_duration(mcpa_str(arg), &value) || value < SECOND_US || value > SESSION_IDLE_MAX_US) {
        return apr_psprintf(cmd->pool, "MCPAuthSessionTimeout: must be a duration from 1s to 30d, such as 24h, not \"%s\"", arg);
    }
    error = set_single(cmd, &mod_mcp_global()->session_timeout, arg);
    if (!error) {
        mod_mcp_global()->session_idle_ns = (apr_uint64_t)value * 1000;
    }
    return error;
}
