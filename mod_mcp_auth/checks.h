/* SPDX-License-Identifier: Apache-2.0 */
/* What one line alone cannot tell: whether all of the configuration together is complete and safe. Runs at every start, graceful
 * restart and configtest, before anything is created; also prepares what requests then only read: scope models, fixed keys,
 * documents, ids. */
#ifndef MOD_MCP_CHECKS_H
#define MOD_MCP_CHECKS_H

#include "config.h"

/* One problem: "file:line: vhost X: <Location /mcp>: what is wrong; what to write". All problems are told, then the start is
 * refused. */
typedef struct mod_mcp_checks {
    apr_pool_t *pool; /* of the configuration */
    server_rec *main;
    unsigned problems;
    bool is_quiet; /* httpd reads its configuration twice at a start; warnings are for the second time */
} mod_mcp_checks_t;

__attribute__((format(printf, 5, 6))) void mod_mcp_problem(mod_mcp_checks_t *checks, const char *id, const char *file, int line,
                                                           const char *format, ...);
__attribute__((format(printf, 3, 4))) void mod_mcp_warning(const mod_mcp_checks_t *checks, const char *id, const char *format,
                                                           ...);
/* The same with vhost and section in front. where: the line, or NULL for the section's first. */
__attribute__((format(printf, 5, 6))) void mod_mcp_section_problem(mod_mcp_checks_t *checks, const char *id,
                                                                   const mod_mcp_section_t *section, const ap_directive_t *where,
                                                                   const char *format, ...);

/* httpd's check_config hook. */
int mod_mcp_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);

#endif
