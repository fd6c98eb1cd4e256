/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that httpd and an upstream read differently. To httpd /mcp;x, /MCP and /mcp%2f are other paths than /mcp; to servlet containers and many
 * frameworks they are not. Where everything is proxied ("ProxyPass /") and only a <Location "/mcp"> is guarded, such a path would reach the
 * upstream's /mcp without a token. */
#ifndef MOD_MCP_LOOSE_H
#define MOD_MCP_LOOSE_H

#include "mod_mcp_auth.h"

/* Reads a path as the loosest of upstreams might, into memory of at least strlen(path) + 2 bytes: escapes decoded (three times over), case
 * folded, backslashes as slashes, parameters and trailing dots and blanks of each segment dropped, empty and dot segments resolved. */
void mod_mcp_loose_fold(char *memory, const char *path);

/* Hook, before every handler: a proxied request outside of guarded Locations whose loose reading lies in one is answered 404. */
int mod_mcp_loose_handler(request_rec *r);

#endif
