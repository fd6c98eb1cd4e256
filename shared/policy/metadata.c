/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/metadata.h"

#include "base/json.h"
#include "base/text.h"

static bool has_byte(mcpa_str_t s, char c)
{
    return s.len && memchr(s.ptr, c, s.len) != NULL;
}

bool mcpa_resource_check(mcpa_str_t resource, bool development, const char **error)
{
    bool is_https = false;

    /* These bytes would end the quoted string of a challenge, or the header itself. */
    for (size_t i = 0; i < resource.len; i++) {
        if (resource.ptr[i] <= ' ' || resource.ptr[i] > '~' || resource.ptr[i] == '"' || resource.ptr[i] == '\\') {
            *error = "the resource URL has a blank, a quote, a backslash, a control character or a character that is not ASCII";
            return false;
        }
    }
    if (has_byte(resource, '#') || has_byte(resource, '?')) {
        *error = "the resource URL must have neither query nor fragment (RFC 9728 section 1.2)";
        return false;
    }
    if (!mcpa_text_is_url(resource, &is_https)) {
        *error = "the resource must be an absolute URL such as https://mcp.example.com/mcp, without user or password";
        return false;
    }
    if (!is_https && !(development && mcpa_text_url_is_loopback(resource))) {
        *error = "the resource URL must be https; http is for a loopback address and MCPAuthMode development only";
        return false;
    }
    return true;
}

/* Splits "https://host/path" before the path; the path of a URL that is its root only counts as empty (section 3.1). */
static void split(mcpa_str_t resource, mcpa_str_t *origin, mcpa_str_t *path)
{
    size_t at = 0;

    while (at + 2 < resource.len && memcmp(resource.ptr + at, "://", 3) != 0) {
        at++;
    }
    at = at + 3 < resource.len ? at + 3 : resource.len;
    while (at < resource.len && resource.ptr[at] != '/') {
        at++;
    }
    *origin = (mcpa_str_t){ resource.ptr, at };
    *path = (mcpa_str_t){ resource.ptr + at, resource.len - at };
    if (path->len == 1) {
        path->len = 0;
    }
}

void mcpa_metadata_url_print(mcpa_out_t *out, mcpa_str_t resource)
{
    mcpa_str_t origin, path;

    split(resource, &origin, &path);
    mcpa_out_str(out, origin);
    mcpa_out_z(out, MCPA_METADATA_PREFIX);
    mcpa_out_str(out, path);
}

void mcpa_metadata_path_print(mcpa_out_t *out, mcpa_str_t resource)
{
    mcpa_str_t origin, path;

    split(resource, &origin, &path);
    mcpa_out_z(out, MCPA_METADATA_PREFIX);
    mcpa_out_str(out, path);
}

/* What a client does before anything else, and with which revisions. */
static const struct {
    const char *method;
    uint32_t revisions;
} opening[] = {
    { "initialize", MCPA_REVISIONS_ALL & ~MCPA_REVISIONS_MODERN },
    { "notifications/initialized", MCPA_REVISIONS_ALL & ~MCPA_REVISIONS_MODERN },
    { "server/discover", MCPA_REVISIONS_MODERN },
    { "tools/list", MCPA_REVISIONS_ALL },
};

void mcpa_metadata_scopes_add(mcpa_out_t *out, const mcpa_policy_t *policy)
{
    uint32_t revisions = policy->protocols ? policy->protocols : MCPA_REVISIONS_ALL;

    (void)mcpa_scope_text_add(out, policy->scopes);
    if (policy->inspect == MCPA_INSPECT_OFF) {
        return;
    }
    if (policy->inspect == MCPA_INSPECT_HEADERS) {
        revisions &= MCPA_REVISIONS_MODERN;
    }
    for (size_t i = 0; i < sizeof(opening) / sizeof(opening[0]); i++) {
        if (revisions & opening[i].revisions) {
            (void)mcpa_scope_text_add(out,
                                      mcpa_operation_rule(policy->operations, mcpa_str(opening[i].method), MCPA_STR_NONE).scopes);
        }
    }
}

static void print_scopes(mcpa_jsonw_t *w, const char *scopes)
{
    mcpa_str_t rest = mcpa_str(scopes), word;
    bool opened = false;

    while (rest.len && mcpa_text_next_word(&rest, &word)) {
        if (mcpa_str_eqz(word, "offline_access")) {
            continue;
        }
        if (!opened) {
            mcpa_jsonw_open_array(w, "scopes_supported");
        }
        opened = true;
        mcpa_jsonw_str(w, NULL, word);
    }
    if (opened) {
        mcpa_jsonw_close_array(w);
    }
}

void mcpa_metadata_print(mcpa_out_t *out, const mcpa_policy_t *policy)
{
    mcpa_jsonw_t w;

    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_z(&w, "resource", policy->resource);
    if (policy->issuers && policy->issuers[0]) {
        mcpa_jsonw_open_array(&w, "authorization_servers");
        for (size_t i = 0; policy->issuers[i]; i++) {
            mcpa_jsonw_z(&w, NULL, policy->issuers[i]->url);
        }
        mcpa_jsonw_close_array(&w);
    }
    print_scopes(&w, policy->scopes);
    mcpa_jsonw_open_array(&w, "bearer_methods_supported");
    mcpa_jsonw_z(&w, NULL, "header");
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_close_object(&w);
}
