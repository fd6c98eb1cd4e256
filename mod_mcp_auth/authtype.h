/* SPDX-License-Identifier: Apache-2.0 */
/* httpd's own AuthType in guarded sections: what is left of it beside ours would ask clients for a password. Told as far as the
 * written configuration shows it, and rather too much than too little: a <Directory> or <Files> counts for a <Location> unless
 * ProxyPass leads all of that elsewhere, a <Proxy> where ProxyPass leads to it or nobody can tell. Not seen are .htaccess, and of
 * two patterns that differ whether they meet. A type ends another one only where it holds in all of the section, in every virtual
 * host that has it, and httpd is sure to merge it later; of those that are left the worst is told. */
#ifndef MOD_MCP_AUTHTYPE_H
#define MOD_MCP_AUTHTYPE_H

#include "checks.h"

/* Sets auth_type and auth_type_in of every section that is guarded, once these are known. */
void mod_mcp_note_auth_types(mod_mcp_checks_t *checks);

#endif
