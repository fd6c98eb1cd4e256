/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/discovery.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

#define OAUTH_SUFFIX        "/.well-known/oauth-authorization-server"
#define OPENID_SUFFIX       "/.well-known/openid-configuration"
#define DOCUMENT_MAX_DEPTH  8 /* metadata is a flat object of strings and lists; mTLS aliases are one level deeper */
#define DOCUMENT_MAX_VALUES 2048

/* Providers whose own documents point to another host. Each was read from the provider's published metadata. */
static const struct key_host {
    const char *issuer_host;
    const char *keys_host;
} key_hosts[] = {
    { "accounts.google.com", "www.googleapis.com" },    /* https://accounts.google.com/.well-known/openid-configuration */
    { "sts.windows.net", "login.microsoftonline.com" }, /* Entra ID's v1 tokens */
    { "sts.windows.net", "login.windows.net" },
};

/* Splits "https://host:port/path" into the part before the path and the path (empty or beginning with '/'). */
static bool split(mcpa_str_t url, mcpa_str_t *origin, mcpa_str_t *path)
{
    size_t at;
    bool is_https;

    if (!mcpa_text_is_url(url, &is_https) || memchr(url.ptr, '?', url.len) != NULL) {
        return false;
    }
    at = is_https ? strlen("https://") : strlen("http://");
    while (at < url.len && url.ptr[at] != '/') {
        at++;
    }
    *origin = (mcpa_str_t){ url.ptr, at };
    *path = (mcpa_str_t){ url.ptr + at, url.len - at };
    return true;
}

bool admind_discovery_url(mcpa_out_t *out, mcpa_str_t issuer, size_t index)
{
    mcpa_str_t origin, path;

    if (!split(issuer, &origin, &path)) {
        return false;
    }
    /* Both documents: a terminating '/' goes before anything is inserted or appended. */
    if (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    if (index >= ADMIND_DISCOVERY_TRIES || (index == 2 && path.len == 0)) {
        return false;
    }
    mcpa_out_str(out, origin);
    if (index == 1) {
        mcpa_out_str(out, path);
        mcpa_out_z(out, OPENID_SUFFIX);
    } else {
        mcpa_out_z(out, index == 0 ? OAUTH_SUFFIX : OPENID_SUFFIX);
        mcpa_out_str(out, path);
    }
    return !out->truncated;
}

mcpa_str_t admind_discovery_host(mcpa_str_t url)
{
    mcpa_str_t origin, path, host;
    size_t at = 0;

    if (!split(url, &origin, &path)) {
        /* A jwks_uri may have a query; an issuer may not. */
        const char *query = url.len > 0 ? memchr(url.ptr, '?', url.len) : NULL;

        if (query == NULL || !split((mcpa_str_t){ url.ptr, (size_t)(query - url.ptr) }, &origin, &path)) {
            return MCPA_STR_NONE;
        }
    }
    host.ptr = (const char *)memchr(origin.ptr, ':', origin.len) + 3; /* after "://" */
    host.len = origin.len - (size_t)(host.ptr - origin.ptr);
    if (host.len > 0 && host.ptr[0] == '[') {
        while (at < host.len && host.ptr[at] != ']') {
            at++;
        }
        host.len = at < host.len ? at + 1 : at;
        return host;
    }
    while (at < host.len && host.ptr[at] != ':') {
        at++;
    }
    host.len = at;
    return host;
}

static bool may_hold_keys_of(mcpa_str_t issuer_host, mcpa_str_t keys_host)
{
    if (issuer_host.len == 0 || keys_host.len == 0) {
        return false;
    }
    if (mcpa_str_ieq(issuer_host, keys_host)) {
        return true;
    }
    for (size_t i = 0; i < sizeof(key_hosts) / sizeof(key_hosts[0]); i++) {
        if (mcpa_str_ieq(issuer_host, mcpa_str(key_hosts[i].issuer_host)) &&
            mcpa_str_ieq(keys_host, mcpa_str(key_hosts[i].keys_host))) {
            return true;
        }
    }
    return false;
}

static const char *check_jwks_uri(mcpa_str_t uri, mcpa_str_t issuer, bool insecure_loopback)
{
    bool is_https, issuer_https;

    if (uri.ptr == NULL) {
        return "the metadata has no jwks_uri; configure jwks= for this issuer";
    }
    if (!mcpa_text_is_url(uri, &is_https) || !mcpa_text_is_url(issuer, &issuer_https)) {
        return "the metadata's jwks_uri is not a URL";
    }
    if (!is_https && !(insecure_loopback && !issuer_https && mcpa_text_url_is_loopback(uri))) {
        return "the metadata's jwks_uri is not https";
    }
    if (!may_hold_keys_of(admind_discovery_host(issuer), admind_discovery_host(uri))) {
        return "the metadata's jwks_uri is on another host than the issuer; if that is right, configure it with jwks=";
    }
    return NULL;
}

bool admind_discovery_read(mcpa_out_t *jwks_uri, mcpa_str_t document, mcpa_str_t issuer, bool insecure_loopback,
                           const char **error)
{
    mcpa_json_t *json = NULL;
    mcpa_str_t uri;

    if (mcpa_json_parse(&json, document, DOCUMENT_MAX_DEPTH, DOCUMENT_MAX_VALUES) != MCPA_OK) {
        *error = "the metadata is not a JSON document";
        return false;
    }
    uri = mcpa_json_string(mcpa_json_member(json, "jwks_uri"));
    *error = !mcpa_json_is(json, MCPA_JSON_OBJECT) ? "the metadata is not a JSON object"
             : !mcpa_str_eq(mcpa_json_string(mcpa_json_member(json, "issuer")), issuer)
                 ? "the metadata is another issuer's: its \"issuer\" differs from the configured URL"
                 : check_jwks_uri(uri, issuer, insecure_loopback);
    if (*error == NULL) {
        mcpa_out_str(jwks_uri, uri);
        if (jwks_uri->truncated) {
            *error = "the metadata's jwks_uri is too long";
        }
    }
    mcpa_json_free(&json);
    return *error == NULL;
}
