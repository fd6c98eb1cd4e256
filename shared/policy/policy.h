/* SPDX-License-Identifier: Apache-2.0 */
/* What one Location demands: the rules a request is decided by. Filled by the module from its directives, or by mcpauthctl from the
 * policy snapshot. Constant once the server runs; every pointer lives as long as the configuration. */
#ifndef MCPA_POLICY_POLICY_H
#define MCPA_POLICY_POLICY_H

#include "base/bytes.h"
#include "base/lengths.h"
#include "base/limits.h"
#include "jose/alg.h"
#include "mcp/revision.h"
#include "policy/operation.h"
#include "policy/scope.h"

typedef enum mcpa_mode { MCPA_MODE_OFF = 0, MCPA_MODE_ON, MCPA_MODE_SHADOW } mcpa_mode_t;
typedef enum mcpa_audit_mode { MCPA_AUDIT_ON = 0, MCPA_AUDIT_OFF, MCPA_AUDIT_REQUIRED } mcpa_audit_mode_t;

/* Where a request's operation is read from. */
typedef enum mcpa_inspect {
    MCPA_INSPECT_OFF = 0, /* nowhere: no MCP endpoint, the Location's scopes alone decide */
    MCPA_INSPECT_BODY,    /* the message itself; the mirrored headers must agree with it */
    MCPA_INSPECT_HEADERS  /* the mirrored headers, only in revisions whose servers hold them against the body */
} mcpa_inspect_t;

typedef enum mcpa_key_source {
    MCPA_KEYS_DISCOVER = 0, /* RFC 8414 / OpenID discovery at the issuer, by the daemon */
    MCPA_KEYS_URL,          /* a configured https URL, by the daemon */
    MCPA_KEYS_FILE,         /* a JWKS file, read at start */
    MCPA_KEYS_SECRET        /* an HMAC secret in a file, read at start */
} mcpa_key_source_t;

/* One trusted issuer (MCPAuthIssuer). Strings are NUL-terminated. */
typedef struct mcpa_issuer {
    const char *url;               /* compared with 'iss' code point by code point */
    const char *preset;            /* "auth0"... or NULL */
    mcpa_key_source_t key_source;
    const char *jwks;              /* URL or file path; NULL for DISCOVER. For SECRET the path, which never leaves the server */
    mcpa_algs_t algs;              /* allowed; never 0 */
    bool any_typ;                  /* typ=any: a 'typ' of JWT or none is taken too; at+jwt is always fine */
    int skew_s;                    /* 0..MCPA_SKEW_MAX_S, on exp, nbf and iat */
    const char *scope_claim;       /* "scope", "scp", ... */
    const char *subject_claim;     /* "sub" */
    const char *client_claim;      /* "client_id", "azp", "appid", "cid" */
    const char *audience_claim;    /* "aud"; Cognito access tokens carry "client_id" instead */
    const char *roles_claim;       /* JSON pointer or member whose strings count as scopes too; NULL: none */
    const char *const *require;    /* claims that must be present, besides iss, exp and the audience; NULL-terminated; may be NULL */
    const char *token_use;         /* required value of the claim "token_use" (Cognito); NULL: not checked */
} mcpa_issuer_t;

typedef enum mcpa_limit_key { MCPA_LIMIT_SUBJECT = 0, MCPA_LIMIT_CLIENT, MCPA_LIMIT_ADDRESS, MCPA_LIMIT_TOOL } mcpa_limit_key_t;

/* One MCPAuthRateLimit. */
typedef struct mcpa_limit {
    mcpa_limit_key_t key;
    uint64_t interval_ns;  /* emission interval: period / N */
    uint32_t burst;        /* requests that may come at once, >= 1 */
    uint64_t id;           /* of (vhost, location, rule text): stable over restarts, so buckets are never shared nor lost */
    const char *text;      /* "subject 100/min burst=20", for status and explain */
} mcpa_limit_t;

#define MCPA_STREAMS_UNLIMITED UINT32_MAX

typedef struct mcpa_policy {
    mcpa_mode_t mode;
    const char *vhost;             /* ServerName, for records */
    const char *location;          /* as written: "/mcp"; metrics label */
    const char *resource;          /* canonical URL; NULL: no policy */
    const char *const *audiences;  /* accepted 'aud' values, NULL-terminated; NULL: {resource} */
    const mcpa_issuer_t *const *issuers; /* NULL-terminated */
    const char *scopes;            /* space-delimited, all needed; "" or NULL: none */
    const mcpa_scope_model_t *scope_model;
    const mcpa_limit_t *limits;
    size_t n_limits;
    mcpa_inspect_t inspect;
    uint64_t max_body;             /* bytes of one message, with MCPA_INSPECT_BODY; longer ones are refused */
    mcpa_lengths_t lengths;        /* of the token, and of what messages name */
    const mcpa_operations_t *operations; /* NULL: the defaults alone */
    uint32_t protocols;            /* MCPA_REVISION_BIT of those let in; 0: all that are known */
    const char *const *origins;    /* allowed, as written by browsers, NULL-terminated; NULL: none */
    bool identity_headers;
    bool forward_token;
    bool security_headers;
    bool stream_until_expiry;      /* a stream ends with the token it was opened with */
    uint32_t max_streams;          /* event streams that one subject may have open */
    mcpa_audit_mode_t audit;
    const char *auth_type;         /* httpd's own AuthType that holds here besides, or may, as written; "None"; NULL: nobody looked */
    const char *auth_type_in;      /* the section that says so, as "<Directory /srv>"; NULL without such a type */
    uint64_t generation;           /* of the whole configuration; part of the token cache's key */
    /* Made by mcpa_policy_digest; what merges policies takes each along with what it stands for. 0: not made, and no token is cached. */
    uint64_t resource_digest, audiences_digest, issuers_digest;
    size_t n_issuers;              /* goes with issuers_digest */
} mcpa_policy_t;

/* Reads resource, audiences and issuers once, when they are complete, so that no request has to. Equal for equal contents, wherever they lie in
 * memory: the token cache outlives a configuration. */
void mcpa_policy_digest(mcpa_policy_t *policy);

/* "100/min" and "burst=20" or "20" (the words after the key; burst {NULL,0} when absent). Sets interval_ns and burst. error: a static sentence when false. N 1..1000000,
 * units s, min, hour, day; burst default N, 1..MCPA_BURST_MAX. */
bool mcpa_limit_parse(mcpa_limit_t *limit, mcpa_str_t rate, mcpa_str_t burst, const char **error);
const char *mcpa_limit_key_word(mcpa_limit_key_t key); /* "subject"... */
bool mcpa_limit_key_find(mcpa_limit_key_t *key, mcpa_str_t word);
const char *mcpa_mode_word(mcpa_mode_t mode);           /* "off", "on", "shadow" */
const char *mcpa_inspect_word(mcpa_inspect_t inspect);  /* "off", "body", "headers" */
bool mcpa_inspect_find(mcpa_inspect_t *inspect, mcpa_str_t word);
const char *mcpa_key_source_word(mcpa_key_source_t source); /* "discover", "url", "file", "secret" */
/* An Origin as browsers send it (RFC 6454): scheme://host[:port], lower case, no default port, no path; never "null" or "*". */
bool mcpa_origin_is_valid(mcpa_str_t origin);

#endif
