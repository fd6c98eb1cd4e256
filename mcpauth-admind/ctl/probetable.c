/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/probe.h"

#define MUST   CTL_PROBE_MUST
#define SHOULD CTL_PROBE_SHOULD

/* MUST: the specification demands it, or a hole is open without. SHOULD: some clients, or browsers, do better with it. What later
 * checks need is found out by earlier ones; the limit comes last, because nothing is answered behind it. */
const ctl_probe_check_t ctl_probe_checks[] = {
    /* without a token */
    { "auth-401-response", MUST, ctl_probe_no_token, "MCPAuth On in this Location; Shadow changes no answer" },
    { "auth-www-authenticate-header", MUST, ctl_probe_bearer_first,
      "nothing but mcpauth may set WWW-Authenticate: look for Header and AuthType" },
    { "auth-challenge-syntax", MUST, ctl_probe_challenge_syntax,
      "nothing but mcpauth may set WWW-Authenticate: look for Header edit" },
    { "auth-no-error-without-token", MUST, ctl_probe_no_error,
      "nothing on the way may add an Authorization header: look for RequestHeader" },
    { "auth-resource-metadata-param", MUST, ctl_probe_metadata_param,
      "MCPAuthResource is the https URL that clients use, here the one that is probed" },
    { "auth-challenge-scope", SHOULD, ctl_probe_scope_param, "MCPAuthScope names what this Location needs" },
    { "auth-host-spoofed", MUST, ctl_probe_host_spoofed,
      "nothing but mcpauth may set WWW-Authenticate; what proxies to the MCP server has MCPAuth On in every virtual host" },
    /* metadata */
    { "auth-prm-discovery", MUST, ctl_probe_metadata,
      "/.well-known/oauth-protected-resource reaches mcpauth: no other module, proxy or Require before it" },
    { "auth-prm-well-known", SHOULD, ctl_probe_metadata_path,
      "/.well-known/oauth-protected-resource reaches mcpauth also with the resource's path behind it" },
    { "auth-prm-resource", MUST, ctl_probe_metadata_resource, "MCPAuthResource is exactly the URL that clients use" },
    { "auth-prm-authorization-servers", MUST, ctl_probe_metadata_servers, "MCPAuthIssuer names an https URL" },
    { "auth-prm-bearer-methods", SHOULD, ctl_probe_metadata_methods, "nothing but mcpauth may serve the metadata" },
    { "auth-prm-cors", SHOULD, ctl_probe_metadata_cors, "Header may not unset Access-Control-Allow-Origin below /.well-known" },
    { "auth-prm-absent", MUST, ctl_probe_metadata_absent,
      "nothing may guard or rewrite /.well-known: no Require, no RewriteRule" },
    { "auth-as-metadata-discovery", SHOULD, ctl_probe_issuer,
      "MCPAuthIssuer is the issuer as it calls itself, and reachable from here; --no-issuer when not" },
    /* with a token */
    { "mcp-authenticated-call", MUST, ctl_probe_call,
      "mcpauthctl explain says why a token is refused; ProxyPass leads to the MCP server" },
    { "auth-token-garbage", MUST, ctl_probe_token_garbage,
      "MCPAuth On in this Location, and no Satisfy or RequireAny that lets others in" },
    { "auth-token-alg-none", MUST, ctl_probe_token_none, "MCPAuth On; MCPAuthIssuer alg= names signatures only" },
    { "auth-token-signature-stripped", MUST, ctl_probe_token_stripped,
      "MCPAuth On: what is in front must not decide by the claims alone" },
    { "auth-token-signature-changed", MUST, ctl_probe_token_changed,
      "MCPAuth On: what is in front must not decide by the claims alone" },
    { "auth-token-expired", MUST, ctl_probe_token_expired, "MCPAuthIssuer skew= is not above 300, and the clock is right" },
    { "auth-token-wrong-audience", MUST, ctl_probe_token_audience,
      "MCPAuthAudience lists nothing but this resource's own names" },
    { "auth-token-constant-words", MUST, ctl_probe_token_words,
      "no ErrorDocument and no Header may depend on why a token was refused" },
    { "auth-token-insufficient-scope", MUST, ctl_probe_token_scope, "MCPAuthScope or MCPAuthOperation names what a call needs" },
    { "auth-token-in-query", MUST, ctl_probe_token_query,
      "MCPAuth takes none from there: no RewriteRule may make a header of the query" },
    { "auth-token-two-headers", MUST, ctl_probe_token_twice, "what is in front of httpd must pass on both, not choose one" },
    /* browsers */
    { "cors-preflight", MUST, ctl_probe_preflight, "MCPAuthOrigin lists this origin, and nothing else answers OPTIONS" },
    { "cors-preflight-foreign", MUST, ctl_probe_preflight_foreign,
      "MCPAuthOrigin lists no origin but your own; nothing else answers OPTIONS" },
    { "origin-foreign", MUST, ctl_probe_origin_foreign, "MCPAuthOrigin lists no origin but your own" },
    /* HTTP */
    { "http-method-head", MUST, ctl_probe_method_head, "MCPAuth On for every method: no Limit or LimitExcept around it" },
    { "http-method-trace", MUST, ctl_probe_method_trace, "MCPAuth On; TraceEnable Off for the rest of the server" },
    { "http-method-put", MUST, ctl_probe_method_put, "MCPAuth On for every method: no Limit or LimitExcept around it" },
    { "security-headers", SHOULD, ctl_probe_security_headers, "MCPAuthSecurityHeaders On, and no Header unset" },
    { "cache-control", MUST, ctl_probe_cache_control, "no Header and no ExpiresActive may set Cache-Control in this Location" },
    /* MCP */
    { "mcp-batch", MUST, ctl_probe_batch, "MCPAuthInspect Body" },
    { "mcp-duplicate-member", MUST, ctl_probe_duplicate, "MCPAuthInspect Body" },
    { "mcp-header-mismatch", MUST, ctl_probe_mirror, "MCPAuthInspect Body" },
    { "mcp-unknown-method", MUST, ctl_probe_unknown, "MCPAuthInspect Body, and no MCPAuthOperation * granted" },
    { "mcp-body-too-large", MUST, ctl_probe_too_large, "MCPAuthInspect Body; where MCPAuthMaxBody is not 4m, --max-body says what it is" },
    { "mcp-media-type", MUST, ctl_probe_media_type, "MCPAuthInspect Body" },
    { "rate-limit", MUST, ctl_probe_limit, "MCPAuthRateLimit, with a burst below --limit" },
};
const size_t ctl_probe_n_checks = sizeof(ctl_probe_checks) / sizeof(ctl_probe_checks[0]);
_Static_assert(sizeof(ctl_probe_checks) / sizeof(ctl_probe_checks[0]) <= CTL_PROBE_CHECKS_MAX, "findings have room");
