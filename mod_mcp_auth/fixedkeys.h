/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that stand in files of the administrator's, jwks=file: and secret=file:, read by httpd's parent at start. */
#ifndef MOD_MCP_FIXEDKEYS_H
#define MOD_MCP_FIXEDKEYS_H

#include "config.h"
#include "jose/jwks.h"

/* Reads the keys of a FILE or SECRET issuer; freed with the pool. NULL with a sentence that names the file and the mend. A secret
 * must belong to root or to who starts httpd, and nobody else may read it. A line end behind a secret of text is not part of it.
 */
mcpa_jwks_t *mod_mcp_fixed_keys_read(const mcpa_issuer_t *issuer, apr_pool_t *pool, const char **error);
/* Any other file of the administrator's, of 'max' bytes at most and nobody else's to write; not NUL-terminated. NULL: *error is a phrase for behind its
 * name. */
const char *mod_mcp_plain_file_read(const char *path, apr_size_t max, apr_pool_t *pool, apr_size_t *len, const char **error);

#endif
