# SPDX-License-Identifier: Apache-2.0
"""Every kind of section can be guarded; .htaccess, <If> and <Files> cannot say a word about it."""
import pytest

from module_parts import fixed_stack, key_file


def guarded(world, config, modules=(), start=True):
    issuer = world.issuer()
    httpd = world.httpd(modules=list(modules), start=False)
    httpd.config = f"MCPAuthIssuer {issuer.url} jwks=file:{key_file(world, issuer)}\n" + config.replace("{on}", "MCPAuth On\nMCPAuthResource https://x.example/mcp\nMCPAuthInspect Off")
    httpd.mode = "development"
    httpd.write_config()
    for name in ("in/deep/file.txt", "out/file.txt", "in/file.txt", "in.txt"):
        file = httpd.document_root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    issuer.audience = "https://x.example/mcp"
    return (httpd.start() if start else httpd), issuer


@pytest.mark.parametrize("section", [
    '<Location "/in">\n{on}\n</Location>', '<LocationMatch "^/in(/|$)">\n{on}\n</LocationMatch>', '<Location ~ "^/in/">\n{on}\n</Location>',
    '<Directory "{folder}/htdocs/in">\n{on}\n</Directory>', '<DirectoryMatch "/htdocs/in/">\n{on}\n</DirectoryMatch>', '<Location "/i*">\n{on}\n</Location>',
    '<IfModule core.c>\n<Location "/in">\n<IfDefine !NO>\n{on}\n</IfDefine>\n</Location>\n</IfModule>',
])
def test_kinds_of_sections(world, section):
    httpd, issuer = guarded(world, section)
    paths = ("/in/file.txt", "/in/deep/file.txt") if "i*" not in section else ("/in.txt",)
    for path in paths:
        assert httpd.get(path).status == 401
        assert httpd.get(path, token=issuer.mint()).status == 200
    assert httpd.get("/out/file.txt").status == 200


def test_a_proxy_section(world):
    s = fixed_stack(world, config='<Proxy "{upstream}/px">\nMCPAuth On\nMCPAuthResource {resource}\n</Proxy>\nProxyPass /px {upstream}/px')
    with s.upstream.untouched():
        assert s.call(path="/px").status == 401
    assert s.call(path="/px", token=s.token()).status == 200


def test_directories_inherit_from_the_outer_one(world):
    httpd, issuer = guarded(world, '<Directory "{folder}/htdocs/in/deep">\nMCPAuthScope mcp:admin\n</Directory>\n<Directory "{folder}/htdocs/in">\n{on}\n</Directory>')
    assert httpd.get("/in/file.txt", token=issuer.mint()).status == 200
    answer = httpd.get("/in/deep/file.txt", token=issuer.mint())
    assert answer.status == 403 and answer.challenge["scope"] == "mcp:admin"


def test_a_location_overrides_a_directory(world):
    httpd, issuer = guarded(world, '<Directory "{folder}/htdocs/in">\n{on}\n</Directory>\n<Location "/in/deep">\nMCPAuth Off\n</Location>')
    assert httpd.get("/in/file.txt").status == 401 and httpd.get("/in/deep/file.txt").status == 200


@pytest.mark.parametrize("line", ["MCPAuth Off", "MCPAuthScope x", "MCPAuthForwardToken On", "MCPAuthAudit Off"])
def test_htaccess_has_no_say(world, line):
    httpd, issuer = guarded(world, '{on}'.join(['<Directory "{folder}/htdocs">\nAllowOverride All\n</Directory>\n<Location "/in">\n', '\n</Location>']))
    (httpd.document_root / "in" / ".htaccess").write_text(line + "\n")
    assert httpd.get("/in/file.txt", token=issuer.mint()).status == 500  # httpd's own answer to a directive that may not stand there
    assert "not allowed here" in httpd.error_log()


def test_require_in_htaccess_works(world):
    httpd, issuer = guarded(world, '{on}'.join(['<Directory "{folder}/htdocs">\nAllowOverride All\n</Directory>\n<Location "/in">\n', '\n</Location>']))
    (httpd.document_root / "in" / ".htaccess").write_text("Require mcp-scope mcp:admin\n")
    assert httpd.get("/in/file.txt").status == 401
    answer = httpd.get("/in/file.txt", token=issuer.mint())
    assert answer.status == 403 and answer.challenge["scope"] == "mcp:admin"
    assert httpd.get("/in/file.txt", token=issuer.mint(scope="mcp:admin")).status == 200


@pytest.mark.parametrize("section", ["<If \"true\">\nMCPAuth Off\n</If>", "<Files file.txt>\nMCPAuth Off\n</Files>", "<Limit POST>\nMCPAuth Off\n</Limit>"])
def test_conditions_have_no_say(world, section):
    httpd, _ = guarded(world, '<Location "/in">\n{on}\n</Location>\n' + (section if "Files" in section else f'<Location "/in/deep">\n{section}\n</Location>'), start=False)
    status, said = httpd.configtest()
    assert status != 0 and "write it directly in the <Location>" in said, said


def test_a_main_servers_section_serves_all_virtual_hosts(world):
    httpd, issuer = guarded(world, '<Location "/in">\n{on}\n</Location>\n<VirtualHost 127.0.0.1:{port}>\nServerName one\nDocumentRoot "{folder}/htdocs"\n</VirtualHost>\n'
                            '<VirtualHost 127.0.0.1:{port}>\nServerName two\nDocumentRoot "{folder}/htdocs"\nMCPAuthIssuer https://other.example\n</VirtualHost>')
    token = issuer.mint()
    assert httpd.get("/in/file.txt", headers={"Host": "one"}).status == 401
    assert httpd.get("/in/file.txt", headers={"Host": "one"}, token=token).status == 200
    assert httpd.get("/in/file.txt", headers={"Host": "two"}, token=token).status == 401  # another issuer is trusted there
    prefix = "/.well-known/oauth-protected-resource/mcp"
    assert httpd.get(prefix, headers={"Host": "one"}).json()["authorization_servers"] == [issuer.url]
    assert httpd.get(prefix, headers={"Host": "two"}).json()["authorization_servers"] == ["https://other.example"]


def test_scope_models_belong_to_their_virtual_host(world):
    httpd, issuer = guarded(world, '<Location "/in">\n{on}\nMCPAuthScope files:read\n</Location>\nMCPAuthScopeAlias old files:read\n'
                            '<VirtualHost 127.0.0.1:{port}>\nServerName one\nDocumentRoot "{folder}/htdocs"\nMCPAuthScopeImplies files:all files:read\n</VirtualHost>\n'
                            '<VirtualHost 127.0.0.1:{port}>\nServerName two\nDocumentRoot "{folder}/htdocs"\n</VirtualHost>')
    status = {(host, scope): httpd.get("/in/file.txt", headers={"Host": host}, token=issuer.mint(scope=scope)).status for host in ("one", "two") for scope in ("files:all", "old")}
    assert status == {("one", "files:all"): 200, ("one", "old"): 200, ("two", "files:all"): 403, ("two", "old"): 200}




def test_an_alias_of_a_require_rule(world):
    httpd, issuer = guarded(world, '<AuthzProviderAlias mcp-scope admins "mcp:admin">\n</AuthzProviderAlias>\n<Location "/in">\n{on}\nRequire admins\n</Location>')
    assert httpd.get("/in/file.txt", token=issuer.mint()).status == 403
    assert httpd.get("/in/file.txt", token=issuer.mint(scope="mcp:admin")).status == 200
