/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's published keys of one issuer, as this child may read them; the format is drawn in keys.h. Called by one thread at a time. */
#ifndef MOD_MCP_KEYFILE_H
#define MOD_MCP_KEYFILE_H

#include "apr.h"
#include "jose/jwks.h"

typedef struct mod_mcp_keyfile {
    mcpa_jwks_t *set;        /* own reference; NULL when the keys are those of 'known' */
    apr_int64_t expires_s;   /* wall clock; not to be used from then on */
    apr_uint64_t digest;     /* of issuer and keys: the same keys have the same digest in every child */
} mod_mcp_keyfile_t;

/* known: digest of the set the caller has, 0 for none; the same keys are not parsed again. MCPA_ENOTFOUND: no such file. MCPA_EUNSUPPORTED: not a
 * regular file, or others may write to it. MCPA_ETOOBIG, MCPA_EMALFORMED (also: another issuer's), MCPA_EIO, MCPA_ENOMEM. Untouched on failure. */
mcpa_status_t mod_mcp_keyfile_read(mod_mcp_keyfile_t *out, const char *path, const char *issuer_url, apr_uint64_t known) MCPA_MUST_CHECK;
/* Of a set that came another way. */
apr_uint64_t mod_mcp_keyfile_digest(const char *issuer_url, mcpa_str_t text);

#endif
