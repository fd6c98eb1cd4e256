/* SPDX-License-Identifier: Apache-2.0 */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/json.h"
#include "base/limits.h"

/* A JWK Set of the greatest size, and what stands around it: the issuer's URL and two numbers. */
#define FILE_MAX_BYTES (MCPA_JWKS_MAX_BYTES + 16 * 1024)
#define FILE_MAX_DEPTH (MCPA_JWKS_MAX_DEPTH + 1)

/* *memory: malloc'd. */
static mcpa_status_t read_all(char **memory, size_t *len, int fd)
{
    struct stat info;
    char *text;
    size_t at = 0;
    ssize_t got;

    if (fstat(fd, &info) != 0) {
        return MCPA_EIO;
    }
    if (!S_ISREG(info.st_mode) || (info.st_mode & S_IWOTH) != 0) {
        return MCPA_EUNSUPPORTED;
    }
    text = malloc(FILE_MAX_BYTES + 1);
    if (text == NULL) {
        return MCPA_ENOMEM;
    }
    do {
        got = read(fd, text + at, FILE_MAX_BYTES + 1 - at);
        at += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && at <= FILE_MAX_BYTES) || (got < 0 && errno == EINTR));
    if (got < 0 || at > FILE_MAX_BYTES) {
        free(text);
        return got < 0 ? MCPA_EIO : MCPA_ETOOBIG;
    }
    *memory = text;
    *len = at;
    return MCPA_OK;
}

static mcpa_status_t read_path(char **memory, size_t *len, const char *path)
{
    mcpa_status_t status;
    /* O_NONBLOCK: a FIFO in its place is refused by its type, not waited for. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        return errno == ENOENT ? MCPA_ENOTFOUND : errno == ELOOP ? MCPA_EUNSUPPORTED : MCPA_EIO;
    }
    status = read_all(memory, len, fd);
    close(fd);
    return status;
}

apr_uint64_t mod_mcp_keyfile_digest(const char *issuer_url, mcpa_str_t text)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    apr_uint64_t digest = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    /* The NUL between the two keeps them apart. */
    if (ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
        EVP_DigestUpdate(ctx, issuer_url, strlen(issuer_url) + 1) == 1 && EVP_DigestUpdate(ctx, text.ptr, text.len) == 1 &&
        EVP_DigestFinal_ex(ctx, sum, NULL) == 1) {
        memcpy(&digest, sum, sizeof(digest));
    }
    EVP_MD_CTX_free(ctx);
    return digest;
}

static mcpa_status_t take_keys(mod_mcp_keyfile_t *out, const mcpa_json_t *jwks, const char *issuer_url, apr_uint64_t known)
{
    mcpa_jwks_report_t report;
    mcpa_status_t status = MCPA_OK;
    mcpa_jwks_t *set = NULL;
    apr_uint64_t digest;
    char *text;

    text = mcpa_json_print(jwks);
    if (text == NULL) {
        return MCPA_ENOMEM;
    }
    digest = mod_mcp_keyfile_digest(issuer_url, mcpa_str(text));
    if (digest == 0 || digest != known) {
        status = mcpa_jwks_read(&set, jwks, &report);
    }
    if (status == MCPA_OK) {
        out->set = set;
        out->digest = digest;
    } else if (status == MCPA_ENOTFOUND) {
        status = MCPA_EMALFORMED; /* a file without one usable key is no missing file */
    }
    free(text);
    return status;
}

mcpa_status_t mod_mcp_keyfile_read(mod_mcp_keyfile_t *out, const char *path, const char *issuer_url, apr_uint64_t known)
{
    mcpa_json_t *json = NULL;
    const mcpa_json_t *jwks;
    char *memory;
    size_t len;
    int64_t fetched_s;
    int64_t expires_s;
    mcpa_status_t status;

    status = read_path(&memory, &len, path);
    if (status != MCPA_OK) {
        return status;
    }
    status = mcpa_json_parse(&json, (mcpa_str_t){ memory, len }, FILE_MAX_DEPTH, MCPA_JSON_MAX_VALUES);
    if (status == MCPA_OK) {
        jwks = mcpa_json_member(json, "jwks");
        if (!mcpa_json_is(jwks, MCPA_JSON_OBJECT) ||
            !mcpa_str_eqz(mcpa_json_string(mcpa_json_member(json, "issuer")), issuer_url) ||
            !mcpa_json_integer(mcpa_json_member(json, "fetched"), &fetched_s) ||
            !mcpa_json_integer(mcpa_json_member(json, "expires"), &expires_s) || expires_s < fetched_s ||
            expires_s > MCPA_TIME_MAX_S) {
            status = MCPA_EMALFORMED;
        } else {
            status = take_keys(out, jwks, issuer_url, known);
        }
    }
    if (status == MCPA_OK) {
        out->expires_s = expires_s;
    }
    mcpa_json_free(&json);
    free(memory);
    return status;
}
