# SPDX-License-Identifier: Apache-2.0
"""Beside the modules people have, in any LoadModule order."""
import pytest

from harness import h2_request
from module_parts import fixed_stack

ALL = ["ssl", "http2", "proxy", "proxy_http", "proxy_wstunnel", "remoteip", "headers", "deflate", "filter", "security2", "auth_openidc", "auth_basic", "rewrite",
       "setenvif", "unique_id", "status", "cache", "cache_disk", "expires", "access_compat", "dir", "alias", "request"]
CONFIG = """
SecRuleEngine On
SecRequestBodyAccess On
SecAuditEngine Off
OIDCOAuthVerifyJwksUri https://as.invalid/jwks
OIDCOAuthClientID x
ExpiresActive On
ExpiresDefault "access plus 1 hour"
AddOutputFilterByType DEFLATE application/json
SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=seen
CacheQuickHandler off
Protocols h2c http/1.1
RemoteIPHeader X-Forwarded-For
"""


@pytest.mark.parametrize("order", ["first", "last", "before:http2", "before:security2", "before:auth_openidc"])
def test_beside_all_of_them(world, order):
    s = fixed_stack(world, modules=ALL, order=order, config=CONFIG, locations={
        "/oidc": "AuthType oauth20\nRequire valid-user\nMCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/oidc"})
    with s.upstream.untouched():
        assert s.call().status == 401
        assert s.call(path="/oidc").status == 401
        assert h2_request(s.httpd.port, "POST", "/mcp", body=b"{}").status == 401
    for answer in (s.call(token=s.token()), s.call(path="/oidc", token=s.token()), h2_request(s.httpd.port, "POST", "/mcp", body=b"{}", token=s.token())):
        assert answer.status == 200, answer
        assert s.upstream.last.header("X-MCP-Subject") == "alice" and s.upstream.last.header("Authorization") is None
    assert s.httpd.get("/.well-known/oauth-protected-resource/mcp").status == 200
    assert not [line for line in s.httpd.error_log().splitlines() if ":crit]" in line or "AH00027" in line or "AH01627" in line]


def test_expect_continue_is_refused_without_a_body(world):
    s = fixed_stack(world)
    received = s.httpd.raw(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n", timeout=3)
    assert received.startswith(b"HTTP/1.1 401 ") and b"100 Continue" not in received


def test_http_1_0(world):
    s = fixed_stack(world, resource="https://mcp.example.com/mcp")
    assert s.httpd.raw(b"GET /mcp HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 401 ")
    assert s.httpd.raw(f"GET /mcp HTTP/1.0\r\nAuthorization: Bearer {s.token()}\r\n\r\n".encode()).startswith(b"HTTP/1.1 200 ")
