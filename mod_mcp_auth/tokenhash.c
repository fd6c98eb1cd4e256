/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenhash.h"

#define KEPT_MIN_BYTES 1024 /* most tokens */
#define KEPT_MAX_BYTES 4096 /* longer ones are hashed each time: idle connections are many */

/* In the connection's memory; it doubles when a longer token comes, so that all of them together are less than twice the greatest. */
typedef struct kept {
    char *token;
    size_t len, cap;
    unsigned char hash[MCPA_SHA256_BYTES];
} kept_t;

/* In a time that says nothing of where two tokens differ: somebody's proxy may send several clients' over one connection. */
static bool is_same(const char *a, const char *b, size_t len)
{
    uint64_t differ = 0, left, right;
    size_t i = 0;

    for (; len - i >= sizeof(left); i += sizeof(left)) {
        memcpy(&left, a + i, sizeof(left));
        memcpy(&right, b + i, sizeof(right));
        differ |= left ^ right;
    }
    for (; i < len; i++) {
        differ |= (unsigned char)(a[i] ^ b[i]);
    }
    return differ == 0;
}

static kept_t *kept_of(conn_rec *c)
{
    kept_t *kept = ap_get_module_config(c->conn_config, &mcp_auth_module);

    if (!kept) {
        kept = apr_pcalloc(c->pool, sizeof(*kept));
        ap_set_module_config(c->conn_config, &mcp_auth_module, kept);
    }
    return kept;
}

static void keep(conn_rec *c, kept_t *kept, const unsigned char *hash, mcpa_str_t token)
{
    size_t cap = kept->cap ? kept->cap : KEPT_MIN_BYTES;

    while (cap < token.len) {
        cap *= 2;
    }
    if (cap > kept->cap) {
        kept->token = apr_palloc(c->pool, cap);
        kept->cap = cap;
    }
    memcpy(kept->token, token.ptr, token.len);
    memcpy(kept->hash, hash, MCPA_SHA256_BYTES);
    kept->len = token.len;
}

bool mod_mcp_token_hash(conn_rec *c, unsigned char hash[MCPA_SHA256_BYTES], mcpa_str_t token)
{
    kept_t *kept;

    if (c->master || token.len > KEPT_MAX_BYTES) {
        return mcpa_sha256(hash, token);
    }
    kept = kept_of(c);
    if (kept->len == token.len && is_same(kept->token, token.ptr, token.len)) {
        memcpy(hash, kept->hash, MCPA_SHA256_BYTES);
        return true;
    }
    if (!mcpa_sha256(hash, token)) {
        return false;
    }
    keep(c, kept, hash, token);
    return true;
}
