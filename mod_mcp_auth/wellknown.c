/* SPDX-License-Identifier: Apache-2.0 */
#include "wellknown.h"

#include <stdlib.h>

#include "apr_strings.h"

#include "context.h"
#include "policy/metadata.h"
#include "respond.h"
#include "securitytxt.h"

/* Room for the longest one there can be; given back as soon as its text is copied. */
#define DOCUMENT_BYTES ((MCPA_ISSUERS_MAX + 2) * (MCPA_CLAIM_MAX_BYTES + 8) + MCPA_ISSUERS_MAX * MCPA_SCOPE_TEXT_MAX_BYTES)
#define METHODS_HERE   "GET, HEAD, OPTIONS"
#define PREFIX_LEN     (sizeof(MCPA_METADATA_PREFIX) - 1)

typedef struct document {
    const char *resource, *path, *text;
} document_t;

struct mod_mcp_documents {
    size_t n;
    document_t *all;
    const document_t *root; /* what the path without a suffix shows; NULL: nothing */
};

/* Several sections may guard parts of one resource; its document tells of the issuers of all of them. */
static void join(apr_pool_t *pool, mcpa_policy_t *sum, const mcpa_policy_t *add)
{
    apr_array_header_t *issuers = apr_array_make(pool, 4, sizeof(void *));

    for (int round = 0; round < 2; round++) {
        const mcpa_issuer_t *const *from = round == 0 ? sum->issuers : add->issuers;

        for (size_t i = 0; from && from[i]; i++) {
            bool is_new = true;

            for (int k = 0; k < issuers->nelts; k++) {
                is_new = is_new && strcmp(APR_ARRAY_IDX(issuers, k, const mcpa_issuer_t *)->url, from[i]->url) != 0;
            }
            if (is_new) {
                *(const mcpa_issuer_t **)apr_array_push(issuers) = from[i];
            }
        }
    }
    *(void **)apr_array_push(issuers) = NULL;
    sum->issuers = (const mcpa_issuer_t *const *)(void *)issuers->elts;
}

static const char *print(apr_pool_t *pool, void (*fn)(mcpa_out_t *out, const void *ctx), const void *ctx)
{
    char *memory = malloc(DOCUMENT_BYTES);
    const char *text = NULL;
    mcpa_out_t out;

    if (memory) {
        mcpa_out_init(&out, memory, DOCUMENT_BYTES);
        fn(&out, ctx);
        text = mcpa_out_status(&out) == MCPA_OK ? apr_pstrmemdup(pool, out.ptr, out.len) : NULL;
        free(memory);
    }
    return text;
}

static void print_path(mcpa_out_t *out, const void *ctx)
{
    const mcpa_policy_t *policy = ctx;

    mcpa_metadata_path_print(out, mcpa_str(policy->resource));
}

/* The policies of one resource, of which this is the first. */
typedef struct same_resource {
    const mcpa_policy_t *policies;
    size_t n;
} same_resource_t;

static void print_scopes(mcpa_out_t *out, const void *ctx)
{
    const same_resource_t *same = ctx;

    for (size_t i = 0; i < same->n; i++) {
        if (!strcmp(same->policies[i].resource, same->policies[0].resource)) {
            mcpa_metadata_scopes_add(out, &same->policies[i]);
        }
    }
}

static void print_document(mcpa_out_t *out, const void *ctx)
{
    mcpa_metadata_print(out, ctx);
    mcpa_out_char(out, '\n');
}

mod_mcp_documents_t *mod_mcp_documents_new(apr_pool_t *pool, const mcpa_policy_t *policies, size_t n_policies)
{
    mod_mcp_documents_t *documents = apr_pcalloc(pool, sizeof(*documents));

    if (!n_policies) {
        return NULL;
    }
    documents->all = apr_pcalloc(pool, n_policies * sizeof(document_t));
    for (size_t i = 0; i < n_policies; i++) {
        same_resource_t same = { policies + i, n_policies - i };
        mcpa_policy_t sum = policies[i];
        document_t *document = &documents->all[documents->n];
        bool is_new = true;

        for (size_t k = 0; k < documents->n; k++) {
            is_new = is_new && strcmp(documents->all[k].resource, sum.resource) != 0;
        }
        if (!is_new) {
            continue;
        }
        for (size_t k = i; k < n_policies; k++) {
            if (!strcmp(policies[k].resource, sum.resource)) {
                join(pool, &sum, &policies[k]);
            }
        }
        sum.scopes = print(pool, print_scopes, &same);
        document->resource = sum.resource;
        document->path = print(pool, print_path, &sum);
        document->text = sum.scopes ? print(pool, print_document, &sum) : NULL;
        if (document->path && document->text) {
            documents->n++;
            /* A path that is the prefix alone: the resource is the origin. */
            documents->root = document->path[PREFIX_LEN] == '\0' ? document : documents->root;
        }
    }
    if (documents->n == 1) {
        documents->root = &documents->all[0];
    }
    return documents;
}

static const document_t *find(const mod_mcp_documents_t *documents, const char *path)
{
    if (path[PREFIX_LEN] == '\0') {
        return documents->root;
    }
    for (size_t i = 0; i < documents->n; i++) {
        if (!strcmp(documents->all[i].path, path)) {
            return &documents->all[i];
        }
    }
    return NULL;
}

static int serve(request_rec *r, const document_t *document)
{
    apr_table_t *headers = r->err_headers_out;

    apr_table_setn(headers, "Access-Control-Allow-Origin", "*");
    apr_table_setn(headers, "X-Content-Type-Options", "nosniff");
    if (!document) {
        return mod_mcp_respond_send(r, HTTP_NOT_FOUND, "{\"error\":\"not_found\",\"message\":\"No such resource\"}\n");
    }
    if (r->method_number == M_OPTIONS) {
        apr_table_setn(headers, "Access-Control-Allow-Methods", METHODS_HERE);
        apr_table_setn(headers, "Access-Control-Allow-Headers", "MCP-Protocol-Version");
        apr_table_setn(headers, "Access-Control-Max-Age", "3600");
        return mod_mcp_respond_send(r, HTTP_NO_CONTENT, NULL);
    }
    if (r->method_number != M_GET) {
        apr_table_setn(headers, "Allow", METHODS_HERE);
        return mod_mcp_respond_send(r, HTTP_METHOD_NOT_ALLOWED,
                                    "{\"error\":\"method_not_allowed\",\"message\":\"This HTTP method is not allowed here\"}\n");
    }
    apr_table_setn(headers, "Cache-Control", "public, max-age=3600");
    return mod_mcp_respond_send(r, HTTP_OK, document->text);
}

int mod_mcp_wellknown_handle(request_rec *r, int lookup)
{
    const mod_mcp_documents_t *documents;

    if (lookup || r->main || r->prev) {
        return DECLINED;
    }
    mod_mcp_show_credential(r);
    if (!r->proxyreq && mod_mcp_securitytxt_wanted(r)) {
        return mod_mcp_securitytxt_serve(r);
    }
    documents = mod_mcp_server_of(r->server)->documents;
    /* r->uri is the path as sent: nothing was decoded or folded yet. */
    if (!documents || r->proxyreq || !r->uri || strncmp(r->uri, MCPA_METADATA_PREFIX, PREFIX_LEN) != 0 ||
        (r->uri[PREFIX_LEN] != '\0' && r->uri[PREFIX_LEN] != '/')) {
        return DECLINED;
    }
    return serve(r, find(documents, r->uri));
}
