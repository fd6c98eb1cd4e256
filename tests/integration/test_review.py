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
        for value, started in (("On", False), ("on", False), ('"On"', False), ("'on'", False), ("Off", True)):
            s.httpd.config = before + "\n" + place % f"MergeTrailers {value}"
            s.httpd.write_config()
            status, said = s.httpd.configtest()
            assert (status == 0) is started, said
            assert started or f"httpd.conf:{s.httpd.line_of('MergeTrailers')}: MergeTrailers On lets a client replace" in said, said


# How a request comes to another place after its phases: mod_dir asks a subrequest and puts its place upon the request that asked.
DETOURS = """
<Directory "{folder}/htdocs/d">
DirectoryIndex /px/index
FallbackResource /px/fallback
</Directory>
<Location "/px">
MCPAuth On
MCPAuthResource {resource}
ProxyPass {upstream}/px
</Location>
<Location "/backend">
MCPAuth On
MCPAuthResource {resource}
ProxyPass {upstream}/backend
RequestHeader set Authorization "Basic b3VyczpvdXJz"
</Location>
"""


@pytest.fixture(scope="module")
def detours(module_world):
    s = fixed_stack(module_world, modules=["proxy", "proxy_http", "dir", "headers"], config=DETOURS)
    (s.httpd.document_root / "d").mkdir()
    return s


@pytest.mark.parametrize("path", ["/d/", "/d/nothing"])
def test_an_index_and_a_fallback_have_the_identity_of_the_gate(detours, path):
    with detours.upstream.untouched():
        assert detours.call(path=path, method="GET").status == 401
    answer = detours.call(path=path, method="GET", token=detours.token(), headers=[("X-MCP-Subject", "root"), ("X_MCP_Scopes", "mcp:admin")])
    seen = detours.upstream.last
    assert answer.status == 200 and seen.all("X-MCP-Subject") == ["alice"] and "mcp:admin" not in str(seen.headers)
    assert seen.header("Authorization") is None


@pytest.mark.parametrize("path", ["/d/", "/d/nothing"])
@pytest.mark.parametrize("method, status", [("POST", 200), ("DELETE", 200), ("PUT", 405), ("PATCH", 405), ("HEAD", 405), ("FOO", 405)])
def test_an_index_and_a_fallback_are_judged_by_the_clients_method(detours, path, method, status):
    detours.upstream.clear()
    assert detours.call(path=path, method=method, token=detours.token()).status == status
    assert [r.method for r in detours.upstream.requests] == ([method] if status == 200 else [])


def test_the_backends_own_credentials_stay(detours):
    """What an administrator sets after the gate is not taken out by the gate's last look."""
    assert detours.call(path="/backend", token=detours.token()).status == 200
    assert detours.upstream.last.header("Authorization") == "Basic b3VyczpvdXJz" and detours.upstream.last.header("X-MCP-Subject") == "alice"


def test_a_guard_that_a_later_section_turns_off_is_refused(world):
    """httpd takes Locations in the order written: the last word opens /mcp, whatever the narrower section says."""
    s = fixed_stack(world)
    for mode, started in (("Off", False), ("On\nMCPAuthResource https://x.example/", True)):
        s.httpd.locations["/"] = f"MCPAuth {mode}"
        s.httpd.write_config()
        status, said = s.httpd.configtest()
        assert (status == 0) is started and started is not ("<Location /mcp>: is not guarded, because" in said), said
    s.httpd.locations = {"/": "MCPAuth Off", **{path: lines for path, lines in s.httpd.locations.items() if path != "/"}}
    s.httpd.write_config()
    assert s.httpd.configtest()[0] == 0
    s.httpd.graceful()
    assert s.call().status == 401
