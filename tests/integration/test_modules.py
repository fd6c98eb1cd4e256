# SPDX-License-Identifier: Apache-2.0
"""The module beside the modules people have, under every MPM, wherever its LoadModule line stands. Keys from a file, so no daemon is needed."""
import json

import pytest

from harness import h2_request

OTHERS = ["ssl", "http2", "proxy", "proxy_http", "proxy_wstunnel", "remoteip", "headers", "rewrite", "deflate", "status", "security2", "auth_openidc",
          "auth_basic"]


def guarded(world, **options):
    issuer, upstream = world.issuer(), world.upstream()
    jwks = world.scratch / "keys.jwks"
    jwks.write_text(json.dumps(issuer.jwks()))
    httpd = world.httpd(start=False, modules=OTHERS, **options)
    issuer.audience = httpd.url + "/mcp"
    httpd.config += f"\nMCPAuthIssuer {issuer.url} jwks=file:{jwks}\n"
    httpd.locations["/mcp"] = f"MCPAuth On\nMCPAuthResource {issuer.audience}\nMCPAuthScope mcp:tools.read\nProxyPass {upstream.url}/mcp flushpackets=on"
    httpd.write_config()
    return httpd.start(), issuer, upstream


@pytest.mark.sanitize
@pytest.mark.parametrize("order", ["last", "first", "before:proxy", "before:headers"])
def test_guards_whatever_the_order_of_modules(world, mpm, order):
    httpd, issuer, upstream = guarded(world, mpm=mpm, order=order, log_level="trace8")
    with upstream.untouched():
        assert httpd.post("/mcp").status == 401
        assert httpd.post("/mcp", token=issuer.mint(aud="other")).status == 401
        assert httpd.post("/mcp", token=issuer.mint(scope="other")).status == 403
    answer = httpd.post("/mcp/echo", token=issuer.mint(sub="alice"))
    assert answer.status == 200, answer
    names = {n.lower() for n, _ in upstream.last.headers}
    assert upstream.last.header("X-MCP-Subject") == "alice" and "authorization" not in names


@pytest.mark.sanitize
def test_guards_http2_as_http1(world):
    httpd, issuer, upstream = guarded(world, config="Protocols h2 h2c http/1.1", tls=True, log_level="trace8 http2:info ssl:info")
    for port, tls in ((httpd.port, None), (httpd.tls_port, world.tls.client())):
        with upstream.untouched():
            answer = h2_request(port, "POST", "/mcp", body=b"{}", tls=tls)
            assert answer.status == 401 and answer.challenge["scope"] == "mcp:tools.read", answer
            assert h2_request(port, "POST", "/mcp", body=b"{}", tls=tls, token=issuer.mint(key=type(issuer.key)(kid=issuer.key.kid))).status == 401
        assert h2_request(port, "POST", "/mcp/echo", body=b"{}", tls=tls, token=issuer.mint()).status == 200


@pytest.mark.valgrind
def test_guards_under_valgrind_too(world):
    httpd, issuer, _ = guarded(world, workers=2, mpm="worker")
    for token, status in ((None, 401), (issuer.mint(), 200), (issuer.mint(scope="other"), 403), (issuer.mint(signature=b"x" * 256), 401)):
        assert httpd.post("/mcp/echo", token=token).status == status
    httpd.graceful()
    assert httpd.post("/mcp/echo", token=issuer.mint()).status == 200
