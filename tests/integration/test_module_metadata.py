# SPDX-License-Identifier: Apache-2.0
"""Protected resource metadata (RFC 9728; mcp-authorization 1.5): where it is, what is in it, and that nothing hides it."""
import pytest

from module_parts import fixed_stack, key_file

PREFIX = "/.well-known/oauth-protected-resource"


@pytest.mark.parametrize("config", [
    "ProxyPass / http://127.0.0.1:1/",
    "RewriteEngine On\nRewriteRule ^ - [F]",
    "RewriteEngine On\nRewriteRule ^/(.*) http://127.0.0.1:1/$1 [P]",
    "<Location />\nRequire all denied\n</Location>",
    "RedirectMatch 301 ^/ https://elsewhere.example/",
    "AliasMatch ^/.well-known/(.*) /nowhere/$1",
    "<Location />\nAuthType Basic\nAuthName x\nAuthUserFile /nowhere\nRequire valid-user\n</Location>",
])
def test_nothing_hides_the_document(world, config):
    s = fixed_stack(world, config=config, modules=["proxy", "proxy_http", "rewrite", "alias", "auth_basic"])
    answer = s.httpd.get(PREFIX + "/mcp")
    assert answer.status == 200, answer
    assert answer.header("Content-Type") == "application/json"
    assert answer.json() == {"resource": s.resource, "authorization_servers": [s.issuer.url], "bearer_methods_supported": ["header"]}
    assert answer.header("Access-Control-Allow-Origin") == "*" and answer.header("Cache-Control") == "public, max-age=3600"
    assert answer.header("WWW-Authenticate") is None


def test_the_challenge_points_to_the_document(world):
    s = fixed_stack(world, location="MCPAuthScope mcp:tools.read mcp:admin", resource="https://mcp.example.com/mcp")
    for headers in ({}, {"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}):
        answer = s.call(headers=headers)
        assert answer.status == 401 and answer.challenge["resource_metadata"] == "https://mcp.example.com" + PREFIX + "/mcp"
        assert answer.challenge["scope"] == "mcp:tools.read mcp:admin"
    answer = s.httpd.get(answer.challenge["resource_metadata"][len("https://mcp.example.com"):], headers={"Host": "evil.example"})
    assert answer.json()["resource"] == s.resource and answer.json()["scopes_supported"] == ["mcp:tools.read", "mcp:admin"]
    assert "evil" not in answer.text


@pytest.mark.parametrize("path,status", [
    (PREFIX + "/mcp", 200), (PREFIX, 200), (PREFIX + "/", 404), (PREFIX + "/mcp/", 404), (PREFIX + "/MCP", 404), (PREFIX + "/other", 404),
    (PREFIX + "/%6dcp", 404), (PREFIX + "/./mcp", 404), (PREFIX + "/mcp?x=1", 200), (PREFIX + "x", "404 not ours"), ("/.well-known/", "404 not ours"),
])
def test_paths(stack_one, path, status):
    answer = stack_one.httpd.get(path)
    if isinstance(status, str):
        assert answer.status == 404 and "json" not in answer.header("Content-Type")
    else:
        assert answer.status == status and answer.header("Content-Type") == "application/json" and answer.header("Access-Control-Allow-Origin") == "*"
        assert answer.status == 200 or answer.json()["error"] == "not_found"


@pytest.fixture(scope="module")
def stack_one(module_world):
    return fixed_stack(module_world)


def test_methods(stack_one):
    head = stack_one.httpd.send("HEAD", PREFIX + "/mcp")
    assert head.status == 200 and head.body == b"" and int(head.header("Content-Length")) > 100
    preflight = stack_one.httpd.send("OPTIONS", PREFIX + "/mcp", headers={
        "Origin": "https://app.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "mcp-protocol-version"})
    assert preflight.status == 204 and preflight.header("Access-Control-Allow-Headers") == "MCP-Protocol-Version"
    assert preflight.header("Access-Control-Allow-Origin") == "*" and "GET" in preflight.header("Access-Control-Allow-Methods")
    for method in ("POST", "PUT", "DELETE", "FOO"):
        answer = stack_one.httpd.send(method, PREFIX + "/mcp", body=b"{}")
        assert answer.status == 405 and answer.header("Allow") == "GET, HEAD, OPTIONS" and answer.json()["error"] == "method_not_allowed"


def test_a_token_is_neither_needed_nor_looked_at(stack_one):
    assert stack_one.httpd.get(PREFIX + "/mcp", token="rubbish").status == 200
    assert stack_one.httpd.get(PREFIX + "/mcp", headers={"Origin": "null"}).status == 200


def test_several_resources_have_no_root_document_but_the_origin_has(world):
    issuer = world.issuer()
    line = f"MCPAuthIssuer {issuer.url} jwks=file:{key_file(world, issuer)}\n"
    two = world.httpd(config=line, locations={p: f"MCPAuth On\nMCPAuthResource {{httpd}}{p}" for p in ("/a", "/b")})
    assert [two.get(PREFIX + p).status for p in ("/a", "/b", "", "/c")] == [200, 200, 404, 404]
    origin = world.httpd(config=line, locations={"/": "MCPAuth On\nMCPAuthResource {httpd}", "/b": "MCPAuth On\nMCPAuthResource {httpd}/b"})
    assert origin.get(PREFIX).json()["resource"] == origin.url and origin.get(PREFIX + "/b").json()["resource"] == origin.url + "/b"


def test_parts_of_one_resource_make_one_document(world):
    s = fixed_stack(world, location="MCPAuthScope mcp:tools.read", locations={"/mcp/admin": "MCPAuthScope mcp:admin", "/mcp/open": "MCPAuth Off"})
    assert s.httpd.get(PREFIX).json()["scopes_supported"] == ["mcp:tools.read", "mcp:admin"]


def inspecting(*lines):
    return "\n".join(("MCPAuthInspect Body", *lines))


# Lines of the Location, and what clients are told to ask for. Those without a challenge's scope ask for all of it: only what nobody can do without.
@pytest.mark.parametrize("lines, told", [
    (inspecting(), ["mcp:tools.read"]),
    (inspecting("MCPAuthScope mcp:access"), ["mcp:access", "mcp:tools.read"]),
    (inspecting("MCPAuthScope mcp:tools.read mcp:tools.read"), ["mcp:tools.read"]),
    (inspecting("MCPAuthOperation tools/call:drop mcp:admin", "MCPAuthOperation tools/call:* jobs:run", "MCPAuthOperation prompts/* prompts:all", "MCPAuthOperation logging/* mcp:admin"), ["mcp:tools.read"]),
    (inspecting("MCPAuthOperation initialize open:old", "MCPAuthOperation server/discover open:new", "MCPAuthOperation tools/list list:tools list:all"),
     ["open:old", "mcp:tools.read", "open:new", "list:tools", "list:all"]),
    (inspecting("MCPAuthProtocol 2026-07-28", "MCPAuthOperation initialize open:old", "MCPAuthOperation server/discover open:new", "MCPAuthOperation tools/list open:new"), ["open:new"]),
    (inspecting("MCPAuthProtocol 2025-11-25", "MCPAuthOperation server/discover open:new", "MCPAuthOperation tools/list granted"), ["mcp:tools.read"]),
    (inspecting("MCPAuthOperation * granted"), None),
    (inspecting("MCPAuthOperation tools/call mcp:tools.exec", "MCPAuthOperation * denied"), None),
    (inspecting("MCPAuthOperation initialize offline_access", "MCPAuthOperation tools/* a", "MCPAuthOperation * granted"), ["a"]),
    ("MCPAuthInspect Headers\nMCPAuthOperation initialize open:old\nMCPAuthOperation server/discover open:new", ["open:new", "mcp:tools.read"]),
    ("MCPAuthInspect Off", None),
    ("MCPAuthInspect Off\nMCPAuthScope files:read", ["files:read"]),
])
def test_the_document_lists_what_every_client_needs_and_no_more(world, lines, told):
    s = fixed_stack(world, location=lines)
    assert s.httpd.get(PREFIX).json().get("scopes_supported") == told


def test_sections_of_one_resource_list_what_opening_each_needs(world):
    s = fixed_stack(world, location=inspecting("MCPAuthOperation initialize a", "MCPAuthOperation tools/list b", "MCPAuthOperation * granted"), locations={
        "/mcp/inner": inspecting("MCPAuthScope c", "MCPAuthOperation tools/list d b"), "/mcp/more": "MCPAuthInspect Off\nMCPAuthScope a c e"})
    assert s.httpd.get(PREFIX).json()["scopes_supported"] == ["a", "b", "c", "d", "e"]


def test_a_document_belongs_to_its_virtual_host(world):
    issuer = world.issuer()
    line = f"MCPAuthIssuer {issuer.url} jwks=file:{key_file(world, issuer)}"
    httpd = world.httpd(config=line + """
<VirtualHost 127.0.0.1:{port}>
ServerName one.example.com
<Location /mcp>
MCPAuth On
MCPAuthResource https://one.example.com/mcp
</Location>
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
ServerName two.example.com
<Location /mcp>
MCPAuth Shadow
MCPAuthResource https://two.example.com/mcp
</Location>
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
ServerName three.example.com
</VirtualHost>
""")
    for name in ("one", "two"):
        answer = httpd.get(PREFIX + "/mcp", headers={"Host": f"{name}.example.com"})
        assert answer.status == 200 and answer.json()["resource"] == f"https://{name}.example.com/mcp"
    answer = httpd.get(PREFIX + "/mcp", headers={"Host": "three.example.com"})
    assert answer.status == 404 and "json" not in answer.header("Content-Type")


def test_security_txt_is_served_to_everybody(world):
    text = "Contact: mailto:security@example.com\nExpires: 2099-01-01T00:00:00Z\n"
    path = world.scratch / "security.txt"
    path.write_text(text)
    inside = f"MCPAuthSecurityTxt {path}\nProxyPass / http://127.0.0.1:1/\n<VirtualHost 127.0.0.1:{{port}}>\nServerName a.example\n</VirtualHost>\n"
    s = fixed_stack(world, config=inside + "<VirtualHost 127.0.0.1:{port}>\nServerName b.example\n<Location />\nRequire all denied\n</Location>\n</VirtualHost>")
    place = "/.well-known/security.txt"
    for host in ("a.example", "b.example"):
        answer = s.httpd.get(place, headers={"Host": host})
        assert (answer.status, answer.header("Content-Type"), answer.text) == (200, "text/plain; charset=utf-8", text)
    assert s.httpd.send("HEAD", place).status == 200
    assert s.httpd.send("POST", place, body="x").status == 405
    assert s.httpd.get(place + "/", headers={"Host": "b.example"}).status == 403 and s.httpd.get("/.well-known/security.txt2", headers={"Host": "b.example"}).status == 403


def test_without_a_line_there_is_no_security_txt(world):
    s = fixed_stack(world)
    assert s.httpd.get("/.well-known/security.txt").status == 404
