/* SPDX-License-Identifier: Apache-2.0 */
/* The floor of the comparison (web/variants.py): what any module has to do that has mcpauth's effects on a request of the bench.
 * It decides nothing, and has constants for what mcpauth finds out. Never installed.
 *
 *   Floor On     headers for the upstream in the token's place, headers in the answer, a record before the answer's end
 *   Floor FILE   and OpenSSL verifies each token's RS256 signature with this public key (PEM, 2,048 bits); 401 where it is bad */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"
#include "util_filter.h"

/* mcpauth's records in the bench, with their envelopes. */
#define PASS_BYTES      300
#define REFUSAL_BYTES   204
#define FILE_BYTES      (1024 * 1024)
#define SIGNATURE_BYTES 256
#define SIGNATURE_CHARS 342 /* in base64url, without padding */
#define BEARER          "Bearer "
#define CHALLENGE                                                                                                                \
    "Bearer realm=\"mcpauth\", error=\"invalid_token\", error_description=\"The access token is not valid\", "                   \
    "resource_metadata=\"http://127.0.0.1:12345/.well-known/oauth-protected-resource/static\""
#define REFUSAL "{\"error\":\"unauthorized\",\"message\":\"The access token is not valid\"}\n"

module AP_MODULE_DECLARE_DATA floor_module;

typedef struct header {
    const char *name, *value;
} header_t;

static const header_t identity[] = {
    { "X-MCP-Subject", "subject-0" },
    { "X-MCP-Client-ID", "harness" },
    { "X-MCP-Scopes", "mcp:tools.read mcp:tools.exec" },
    { "X-MCP-Issuer", "http://127.0.0.1:12345" },
    { "X-MCP-Token-ID", "0000000000000000" },
    { NULL, NULL },
};
static const header_t answered[] = {
    { "X-Content-Type-Options", "nosniff" },
    { "X-Frame-Options", "DENY" },
    { "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'" },
    { "Referrer-Policy", "no-referrer" },
    { NULL, NULL },
};
static const header_t refused[] = {
    { "WWW-Authenticate", CHALLENGE },
    { "Cache-Control", "no-store" },
    { NULL, NULL },
};

static ap_filter_rec_t *record_filter;
static char record[PASS_BYTES]; /* constant from child_init on */
static EVP_MD_CTX *prepared;    /* written while the configuration is read; copies of it verify. NULL: nothing is verified */
static int record_fd = -1;      /* the child's file */
static off_t record_at;         /* under the mutex: where the next record goes */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void set_all(apr_table_t *table, const header_t *headers)
{
    for (; headers->name; headers++) {
        apr_table_setn(table, headers->name, headers->value);
    }
}

static const char *request_id(request_rec *r)
{
    static atomic_uint_fast64_t requests;
    uint64_t number = atomic_fetch_add_explicit(&requests, 1, memory_order_relaxed);
    char *id = apr_pcalloc(r->pool, 17);

    for (unsigned i = 0; i < 16; i++) {
        id[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    }
    return id;
}

static bool verify(const char *authorization)
{
    unsigned char base64[SIGNATURE_CHARS + 2], signature[SIGNATURE_BYTES + 2];
    const char *dot = authorization ? strrchr(authorization, '.') : NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = dot && strlen(dot + 1) == SIGNATURE_CHARS && !strncmp(authorization, BEARER, strlen(BEARER));

    for (size_t i = 0; good && i < sizeof(base64); i++) {
        char c = i < SIGNATURE_CHARS ? dot[1 + i] : '=';

        base64[i] = c == '-' ? '+' : c == '_' ? '/' : (unsigned char)c;
    }
    good = good && EVP_DecodeBlock(signature, base64, sizeof(base64)) == (int)sizeof(signature) && ctx &&
           EVP_MD_CTX_copy_ex(ctx, prepared) == 1 &&
           EVP_DigestVerify(ctx, signature, SIGNATURE_BYTES, (const unsigned char *)authorization + strlen(BEARER),
                            (size_t)(dot - authorization) - strlen(BEARER)) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

static int refuse(request_rec *r)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);

    r->status = HTTP_UNAUTHORIZED;
    set_all(r->err_headers_out, refused);
    ap_set_content_type(r, "application/json");
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_immortal_create(REFUSAL, strlen(REFUSAL), alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    (void)ap_pass_brigade(r->output_filters, bb);
    return DONE;
}

static int see_request(request_rec *r)
{
    const char *id;

    if (!*(const bool *)ap_get_module_config(r->per_dir_config, &floor_module)) {
        return DECLINED;
    }
    id = request_id(r);
    set_all(r->err_headers_out, answered);
    apr_table_setn(r->err_headers_out, "X-Request-ID", id);
    ap_add_output_filter_handle(record_filter, NULL, r, r->connection);
    if (prepared && !verify(apr_table_get(r->headers_in, "Authorization"))) {
        return refuse(r);
    }
    apr_table_setn(r->err_headers_out, "Cache-Control", "private");
    set_all(r->headers_in, identity);
    apr_table_setn(r->headers_in, "X-Request-ID", id);
    apr_table_unset(r->headers_in, "Authorization");
    r->no_cache = 1;
    return DECLINED;
}

/* An answer whose record cannot be written breaks off, which the load counts. */
static apr_status_t filter_record(ap_filter_t *f, apr_bucket_brigade *bb)
{
    size_t bytes = f->r->status == HTTP_UNAUTHORIZED ? REFUSAL_BYTES : PASS_BYTES;
    bool written = true;

    if (!APR_BRIGADE_EMPTY(bb) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb))) {
        (void)pthread_mutex_lock(&mutex);
        record_at = record_at + (off_t)bytes > FILE_BYTES ? 0 : record_at;
        written = pwrite(record_fd, record, bytes, record_at) == (ssize_t)bytes;
        record_at += (off_t)bytes;
        (void)pthread_mutex_unlock(&mutex);
        ap_remove_output_filter(f);
    }
    f->c->aborted |= !written;
    return written ? ap_pass_brigade(f->next, bb) : APR_ECONNABORTED;
}

static void make_file(apr_pool_t *pool __attribute__((unused)), server_rec *s __attribute__((unused)))
{
    char path[] = "/tmp/mcpauth-floor-XXXXXX";

    memset(record, 'r', sizeof(record));
    record_fd = mkstemp(path);
    if (record_fd < 0 || unlink(path) != 0 || posix_fallocate(record_fd, 0, FILE_BYTES) != 0) {
        exit(APEXIT_CHILDFATAL);
    }
}

static const char *set_floor(cmd_parms *cmd __attribute__((unused)), void *conf, const char *arg)
{
    FILE *file = strcmp(arg, "On") != 0 ? fopen(arg, "re") : NULL;
    EVP_PKEY *key = file ? PEM_read_PUBKEY(file, NULL, NULL, NULL) : NULL;
    bool good = !strcmp(arg, "On");

    *(bool *)conf = true;
    if (key) {
        EVP_MD_CTX_free(prepared);
        prepared = EVP_MD_CTX_new();
        good = EVP_DigestVerifyInit_ex(prepared, NULL, "SHA256", NULL, NULL, key, NULL) == 1;
    }
    EVP_PKEY_free(key); /* the context keeps its own reference */
    if (file) {
        (void)fclose(file);
    }
    return good ? NULL : "Floor takes On, or a file with a PEM public key";
}

static void *new_dir(apr_pool_t *pool, char *path __attribute__((unused)))
{
    return apr_pcalloc(pool, sizeof(bool));
}

static void register_hooks(apr_pool_t *pool __attribute__((unused)))
{
    ap_hook_child_init(make_file, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_header_parser(see_request, NULL, NULL, APR_HOOK_MIDDLE);
    record_filter = ap_register_output_filter("FLOOR_RECORD", filter_record, NULL, (ap_filter_type)(AP_FTYPE_PROTOCOL - 1));
}

static const command_rec commands[] = {
    AP_INIT_TAKE1("Floor", set_floor, NULL, ACCESS_CONF, "On, or a file with a PEM public key"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL },
};

module floor_module = { STANDARD20_MODULE_STUFF, new_dir, NULL, NULL, NULL, commands, register_hooks, AP_MODULE_FLAG_NONE };
