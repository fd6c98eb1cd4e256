# SPDX-License-Identifier: Apache-2.0
"""Ways round the gate that a review tried."""
import pytest

from module_parts import fixed_stack, key_file


@pytest.fixture(scope="module")
def two_lines(module_world):
    """One issuer, written twice: /lax takes what /mcp must refuse."""
    issuer = module_world.issuer()
    keys = f"jwks=file:{key_file(module_world, issuer)}"
    section = "MCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/mcp\nMCPAuthIssuer %s %s " % (issuer.url, keys)
    return fixed_stack(module_world, issuer=issuer, locations={
        "/lax/typ": section + "typ=any",
        "/lax/skew": section + "skew=300",
        "/lax/roles": section + "roles-claim=groups",
        "/lax/subject": section + "subject-claim=email",
        "/strict/require": section + "require=amr",
        "/strict/alg": section + "alg=ES256",
        "/strict/scope": section + "roles-claim=groups\nMCPAuthScope mcp:admin",
        "/plain/scope": section + "\nMCPAuthScope mcp:admin",
    })


@pytest.mark.parametrize("first, then, claims", [
    ("/lax/typ", "/mcp", {"header": {"typ": "JWT"}}),
    ("/lax/skew", "/mcp", {"expires_in": -120}),
    ("/mcp", "/strict/require", {}),
    ("/mcp", "/strict/alg", {}),
    ("/strict/scope", "/plain/scope", {"groups": ["mcp:admin"]}),
])
def test_a_known_token_is_known_to_its_own_rules_only(two_lines, first, then, claims):
    token = two_lines.token(**claims)
    refused = two_lines.call(path=then, token=token).status
    assert refused in (401, 403)
    for _ in range(40):  # whichever child
        assert two_lines.call(path=first, token=token).status == 200
        assert two_lines.call(path=then, token=token).status == refused


def test_a_known_token_names_whom_this_location_means(two_lines):
    token = two_lines.token(sub="alice", email="root@example.com")
    for path, subject in (("/lax/subject", "root@example.com"), ("/mcp", "alice")) * 20:
        assert two_lines.call(path=path, token=token).status == 200
        assert two_lines.upstream.last.header("X-MCP-Subject") == subject


def test_merged_trailers_are_refused(world):
    """They come after the gate, and mod_proxy_fcgi spools a chunked body before it passes the headers on: X-MCP-Subject in a trailer would
    stand in the place of the gate's own."""
    s = fixed_stack(world, modules=["proxy", "proxy_http", "proxy_fcgi"])
    before = s.httpd.config
    for place in ("%s", '<VirtualHost 127.0.0.1:{port}>\n%s\n</VirtualHost>', "<IfModule core.c>\n%s\n</IfModule>"):
        for value, started in (("On", False), ("on", False), ("Off", True)):
            s.httpd.config = before + "\n" + place % f"MergeTrailers {value}"
            s.httpd.write_config()
            status, said = s.httpd.configtest()
            assert (status == 0) is started, said
            assert started or f"httpd.conf:{s.httpd.line_of('MergeTrailers')}: MergeTrailers On lets a client replace" in said, said
