/* SPDX-License-Identifier: Apache-2.0 */
/* The functions behind the directive table, one a directive: what a line says alone, put into the structs of config.h. Each
 * returns NULL or a sentence that names the mend. */
#ifndef MOD_MCP_DIRECTIVES_H
#define MOD_MCP_DIRECTIVES_H

#include "config.h"
#include "policy/issuer.h"

/* Registers a line of a section; an error when it may not stand here, or stands here already and cannot be repeated. */
const char *mod_mcp_enter_section(cmd_parms *cmd, mod_mcp_dir_t *dir, mod_mcp_setting_t setting, bool repeatable,
                                  mod_mcp_section_t **section);

/* In a section. */
const char *mod_mcp_set_mode(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_resource(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_audience(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_issuer(cmd_parms *cmd, void *conf, int argc, char *const argv[]); /* also in a server */
const char *mod_mcp_set_scope(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_rate_limit(cmd_parms *cmd, void *conf, const char *key, const char *rate, const char *burst);
const char *mod_mcp_set_origin(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_identity_headers(cmd_parms *cmd, void *conf, int on);
const char *mod_mcp_set_forward_token(cmd_parms *cmd, void *conf, int on);
const char *mod_mcp_set_security_headers(cmd_parms *cmd, void *conf, int on);
const char *mod_mcp_set_stream_until_expiry(cmd_parms *cmd, void *conf, int on);
const char *mod_mcp_set_max_streams(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_audit(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_inspect(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_max_body(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_max_length(cmd_parms *cmd, void *conf, const char *kind, const char *size);
const char *mod_mcp_set_operation(cmd_parms *cmd, void *conf, int argc, char *const argv[]);
const char *mod_mcp_set_protocol(cmd_parms *cmd, void *conf, const char *arg);

/* In a server or virtual host. */
const char *mod_mcp_set_server_mode(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_scope_implies(cmd_parms *cmd, void *conf, const char *broad, const char *narrow);
const char *mod_mcp_set_scope_alias(cmd_parms *cmd, void *conf, const char *legacy, const char *current);

const char *mod_mcp_set_security_txt(cmd_parms *cmd, void *conf, const char *arg);

/* One value for the whole server, wherever it is written. */
const char *mod_mcp_set_key_wait(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_socket(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_state_dir(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_spool_dir(cmd_parms *cmd, void *conf, int argc, char *const argv[]);
const char *mod_mcp_set_token_cache(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_limit_table(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_session_table(cmd_parms *cmd, void *conf, const char *arg);
const char *mod_mcp_set_session_timeout(cmd_parms *cmd, void *conf, const char *arg);

/* A Require mcp-scope or mcp-claim stands in this section. */
void mod_mcp_note_require(cmd_parms *cmd);

/* mcpa_issuer_parse with memory of a pool. */
bool mod_mcp_issuer_read(mcpa_issuer_t *issuer, const char *url, const char *const *words, size_t n_words, bool development,
                         apr_pool_t *pool, const char **error);

#endif
