# SPDX-License-Identifier: Apache-2.0
"""Who is measured: httpd with nothing, with us, with each peer's module; nginx; HAProxy. Each checks issuer, audience, times and signature where it can.

In all texts {name} is filled in: issuer, audience, jwks_url (http), jwks_tls_url, pem, jwk, and whatever a server adds of its own."""
from dataclasses import dataclass, field

STATIC, PROXY, RPC, LIMITED = "/static/1k.json", "/proxy", "/mcp", "/limited/1k.json"
# The folder or path that is guarded in front of each.
PLACES = {"/static": None, "/proxy": "{backend}/answer", "/mcp": "{backend}/answer", "/limited": None}


@dataclass(frozen=True)
class Variant:
    """
    name       in the table
    kind       "httpd", "nginx" or "haproxy"
    guards     whether it looks at tokens; verifies: only at their signatures; limits: whether it refuses what is over a limit
    modules    of httpd, beyond what all variants load
    server     lines at server level; guard: lines for each Location; more: {place: lines}
    daemon     whether mcpauth-admind runs beside it
    """
    name: str
    kind: str = "httpd"
    guards: bool = False
    verifies: bool = False
    limits: bool = False
    modules: tuple = ()
    server: str = ""
    guard: str = ""
    more: dict = field(default_factory=dict)
    daemon: bool = False


def mcpauth(name, guard="", server="", limit="", **more):
    return Variant(
        name, guards=True, limits=bool(limit), modules=("mcp_auth",), daemon=True,
        server=f"MCPAuthMode development\nMCPAuthIssuer {{issuer}}\n{server}",
        guard=f"MCPAuth On\nMCPAuthResource http://127.0.0.1:{{port}}{{place}}\nMCPAuthAudience {{audience}}\n{guard}",
        more={"/static": "MCPAuthInspect Off", "/proxy": "MCPAuthInspect Off", "/mcp": "MCPAuthInspect Body",
              "/limited": f"MCPAuthInspect Off\n{limit}", **more})


def openidc(name, server):
    return Variant(
        name, guards=True, modules=("authz_user", "auth_openidc"), server=f"{server}\nOIDCOAuthRemoteUserClaim sub",
        guard="AuthType oauth20\n<RequireAll>\nRequire claim iss:{issuer}\nRequire claim aud:{audience}\n</RequireAll>")


def oauth2(name, verify):
    return Variant(
        name, guards=True, modules=("authz_user", "oauth2"),
        guard=f"AuthType oauth2\nOAuth2TokenVerify {verify}\n"
              "<RequireAll>\nRequire oauth2_claim iss:{issuer}\nRequire oauth2_claim aud:{audience}\n</RequireAll>")


HAPROXY_JWT = """
http-request set-var(txn.bearer) http_auth_bearer
http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')
http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')
http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
http-request set-var(txn.now) date()
http-request deny deny_status 401 unless { var(txn.alg) -m str {alg} }
http-request deny deny_status 401 unless { var(txn.iss) -m str {issuer} }
http-request deny deny_status 401 unless { var(txn.aud) -m str {audience} }
http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }
http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"{pem}") 1 }
"""

BARE, AGAIN = "httpd", "httpd again (control)"
# What a module takes that has mcpauth's effects and decides nothing (../mod_floor.c); where tokens are verified, with the verification.
FLOOR, FLOOR_VERIFIES = "floor: a module that decides nothing", "floor, and OpenSSL's verification"
US = "mcpauth"
VARIANTS = {v.name: v for v in (
    Variant(BARE),
    Variant(AGAIN),
    Variant(FLOOR, modules=("floor",), guard="Floor On"),
    Variant(FLOOR_VERIFIES, verifies=True, modules=("floor",), guard="Floor {pem}"),
    mcpauth(US),
    mcpauth("mcpauth, audit off", "MCPAuthAudit Off"),
    mcpauth("mcpauth, body not inspected", **{"/mcp": "MCPAuthInspect Off"}),
    # So small that no token of 10,000 is still there when it comes again: each is verified, kept, and puts another out.
    mcpauth("mcpauth, never seen", server="MCPAuthTokenCache 64"),
    mcpauth("mcpauth, subject limit", limit="MCPAuthRateLimit subject 1/min burst=1"),
    mcpauth("mcpauth, address limit", limit="MCPAuthRateLimit address 1/min burst=1"),
    openidc("mod_auth_openidc, key file", "OIDCOAuthVerifyCertFiles {kid}#{pem}"),
    openidc("mod_auth_openidc, JWKS", "OIDCOAuthVerifyJwksUri {jwks_tls_url}/{name}\nOIDCOAuthSSLValidateServer Off"),
    oauth2("mod_oauth2, key", 'jwk "{jwk_escaped}"'),
    oauth2("mod_oauth2, JWKS", "jwks_uri {jwks_url}/{name}"),
    Variant("nginx", kind="nginx"),
    Variant("nginx, limit_req", kind="nginx", limits=True),
    Variant("haproxy", kind="haproxy"),
    Variant("haproxy, jwt_verify", kind="haproxy", guards=True, guard=HAPROXY_JWT),
)}
