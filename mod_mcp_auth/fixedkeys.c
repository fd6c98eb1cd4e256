/* SPDX-License-Identifier: Apache-2.0 */
#include "fixedkeys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "apr_strings.h"

#include "base/limits.h"
#include "base/text.h"

static const char *check_file(const struct stat *info, bool is_secret)
{
    if (!S_ISREG(info->st_mode)) {
        return "is no regular file; name the file itself";
    }
    if (!is_secret) {
        return info->st_mode & S_IWOTH ? "may be written by everybody; chmod o-w" : NULL;
    }
    if (info->st_uid != 0 && info->st_uid != geteuid()) {
        return "belongs to another user; chown root, or to the user that starts httpd";
    }
    return info->st_mode & (S_IRWXG | S_IRWXO) ? "may be read by others; chmod 0600" : NULL;
}

/* The whole file, at most 'max' bytes of it. */
static char *read_file(const char *path, size_t max, bool is_secret, apr_pool_t *pool, size_t *len, const char **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat info;
    char *text = NULL;
    size_t at = 0;
    ssize_t n = 1;

    if (fd < 0 || fstat(fd, &info) != 0) {
        *error = strerror(errno);
    } else {
        *error = check_file(&info, is_secret);
    }
    if (!*error) {
        text = apr_palloc(pool, max + 1);
        while (at <= max && (n = read(fd, text + at, max + 1 - at)) > 0) {
            at += (size_t)n;
        }
        if (n < 0) {
            *error = strerror(errno);
        } else if (at > max) {
            *error = apr_psprintf(pool, "is longer than %lu bytes", (unsigned long)max);
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    *len = at;
    return *error ? NULL : text;
}

const char *mod_mcp_plain_file_read(const char *path, apr_size_t max, apr_pool_t *pool, apr_size_t *len, const char **error)
{
    return read_file(path, max, false, pool, len, error);
}

static mcpa_str_t without_line_end(const char *text, size_t len)
{
    size_t end = len;

    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == '\r')) {
        end--;
    }
    /* In a secret of random bytes a last 0x0a is a part of it. */
    return mcpa_text_is_printable((mcpa_str_t){ text, end }) ? (mcpa_str_t){ text, end } : (mcpa_str_t){ text, len };
}

static apr_status_t release(void *set)
{
    mcpa_jwks_t *keys = set;

    mcpa_jwks_release(&keys);
    return APR_SUCCESS;
}

mcpa_jwks_t *mod_mcp_fixed_keys_read(const mcpa_issuer_t *issuer, apr_pool_t *pool, const char **error)
{
    bool is_secret = issuer->key_source == MCPA_KEYS_SECRET;
    mcpa_jwks_t *keys = NULL;
    mcpa_jwks_report_t report = { 0 };
    mcpa_status_t status;
    size_t len = 0;
    char *text = read_file(issuer->jwks, is_secret ? MCPA_SECRET_MAX_BYTES : MCPA_JWKS_MAX_BYTES, is_secret, pool, &len, error);

    if (!text) {
        *error = apr_psprintf(pool, "%s: %s", issuer->jwks, *error);
        return NULL;
    }
    if (is_secret) {
        status = mcpa_jwks_from_secret(&keys, without_line_end(text, len), issuer->algs);
        OPENSSL_cleanse(text, len);
        if (status != MCPA_OK) {
            *error =
                apr_psprintf(pool,
                             "%s: the secret is shorter than the hash of its algorithm; make one of at least 32 bytes for HS256, "
                             "48 for HS384, 64 for HS512",
                             issuer->jwks);
            return NULL;
        }
    } else {
        status = mcpa_jwks_parse(&keys, (mcpa_str_t){ text, len }, &report);
        if (status != MCPA_OK) {
            *error = apr_psprintf(pool, "%s: has no usable set of public keys (%s%s%s); write a JWK Set, {\"keys\":[...]}",
                                  issuer->jwks, mcpa_status_word(status), report.why[0] ? ": " : "", report.why);
            return NULL;
        }
    }
    apr_pool_cleanup_register(pool, keys, release, apr_pool_cleanup_null);
    return keys;
}
