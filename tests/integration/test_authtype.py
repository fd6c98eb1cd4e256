# SPDX-License-Identifier: Apache-2.0
"""AuthType, as httpd writes it into the policy snapshot: which one may hold in a guarded section, and where it stands."""
import json

import pytest

from module_parts import fixed_stack

HTTPD = ["proxy", "proxy_http", "auth_basic", "rewrite"]
LOCAL = "MCPAuth On\nMCPAuthResource {httpd}/local"

# What stands beside the guarded Locations, and inside /mcp (proxied) and /local (files), then where an AuthType holds in these two.
AUTH_TYPES = {
    "none": ("", "", "", None, None),
    "in the Location": ("", "AuthType Basic\nAuthName x", "", "<Location /mcp>", None),
    "None in the Location": ("<Location />\nAuthType Basic\n</Location>\n<Proxy *>\nAuthType Basic\n</Proxy>", "AuthType None", "AuthType None", None, None),
    "another type": ("", "AuthType oauth20", "", ("oauth20", "<Location /mcp>"), None),
    "in one that encloses": ("<Location />\nAuthType basic\n</Location>", "", "", ("basic", "<Location />"), ("basic", "<Location />")),
    "in one below": ("<Location /mcp/old>\nAuthType Basic\n</Location>", "", "", "<Location /mcp/old>", None),
    "in one beside": ("<Location /mcpother>\nAuthType Basic\n</Location>\n<LocationMatch ^/other>\nAuthType Basic\n</LocationMatch>", "", "", None, None),
    "in one that matches": ("<LocationMatch ^/m.p>\nAuthType Basic\n</LocationMatch>", "", "", "<LocationMatch ^/m.p>", None),
    "in one that matches, with a tilde": ("<Location ~ ^/m.p>\nAuthType Basic\n</Location>", "", "", "<Location ~ ^/m.p>", None),
    "in a ProxyMatch": ("<ProxyMatch ^http://127>\nAuthType Basic\n</ProxyMatch>", "", "AuthType None", "<ProxyMatch ^http://127>", None),
    "of what is proxied at server level": ("ProxyPass /local http://127.0.0.9/\n<Directory />\nAuthType Basic\n</Directory>", "", "", None, None),
    "in a wildcard": ('<Location "/*cal">\nAuthType Basic\n</Location>', "", "", None, "<Location /*cal>"),
    "inside IfModule and Limit": ("<IfModule proxy_module>\n<Location /mcp/x>\n<Limit GET>\nAuthType Basic\n</Limit>\n</Location>\n</IfModule>", "", "",
                                  "<Location /mcp/x>", None),
    "in a Directory": ("<Directory {folder}/htdocs>\nAuthType Basic\n</Directory>", "", "", None, "<Directory {folder}/htdocs>"),
    "in the root Directory, and Files": ("<Directory />\nAuthType Basic\n</Directory>", "", "", None, "<Directory />"),
    "in Files": ('<Files "*.txt">\nAuthType Basic\n</Files>', "", "", None, "<Files>"),
    "in a Directory of what is proxied but for a part": ("ProxyPass /mcp/static !\n<Directory {folder}/htdocs>\nAuthType Basic\n</Directory>", "", "AuthType None",
                                                         "<Directory {folder}/htdocs>", None),
    "in every Proxy": ("<Proxy *>\nAuthType Basic\n</Proxy>", "", "AuthType None", "<Proxy *>", None),
    "in its Proxy": ("<Proxy {upstream}>\nAuthType Basic\n</Proxy>", "", "AuthType None", "<Proxy {upstream}>", None),
    "in its Proxy with a wildcard": ("<Proxy {upstream}/mcp/*>\nAuthType Basic\n</Proxy>", "", "AuthType None", "<Proxy {upstream}/mcp/*>", None),
    "in another Proxy": ("<Proxy http://127.0.0.9/>\nAuthType Basic\n</Proxy>", "", "AuthType None", None, None),
    "in an If": ("<If \"%{HTTP_USER_AGENT} == 'x'\">\nAuthType Basic\n</If>", "AuthType None", "AuthType None", "<If>", "<If>"),
    "Basic goes before others": ("<Location /mcp/a>\nAuthType Basic\n</Location>\n<Location /mcp/b>\nAuthType Form\n</Location>", "", "", "<Location /mcp/a>", None),
    "Digest goes before harmless ones": ("<Location /mcp/a>\nAuthType Digest\n</Location>\n<Location /mcp/b>\nAuthType oauth20\n</Location>", "", "",
                                         ("Digest", "<Location /mcp/a>"), None),
    "an expression goes before harmless ones": ("<Location /mcp/a>\nAuthType %{env:X}\n</Location>\n<Location /mcp/b>\nAuthType oauth20\n</Location>", "", "",
                                                ("%{env:X}", "<Location /mcp/a>"), None),
    "None in another virtual host": ("<VirtualHost 127.0.0.1:1>\nServerName other\n<Location />\nAuthType None\n</Location>\n<Location /mcp>\nAuthType None\n</Location>\n"
                                     "</VirtualHost>", "AuthType Basic\nAuthName x", "", "<Location /mcp>", None),
    "in a Directory of what another virtual host proxies": ("<VirtualHost 127.0.0.1:1>\nServerName other\nProxyPass /local http://127.0.0.9/\n<Location /local>\n"
                                                            "ProxyPass http://127.0.0.9/\n</Location>\n</VirtualHost>\n<Directory />\nAuthType Basic\n</Directory>", "", "", None,
                                                            "<Directory />"),
    "in a Proxy of what another virtual host proxies": ("<VirtualHost 127.0.0.1:1>\nServerName other\nProxyPass /local http://127.0.0.9/\n</VirtualHost>\n"
                                                        "<Proxy http://127.0.0.8/>\nAuthType Basic\n</Proxy>", "", "", None, "<Proxy http://127.0.0.8/>"),
    "in a Directory of what a virtual host does not proxy": ("ProxyPass /local http://127.0.0.9/\n<VirtualHost 127.0.0.1:1>\nServerName other\nProxyPassInherit Off\n</VirtualHost>\n"
                                                             "<Directory />\nAuthType Basic\n</Directory>", "", "", None, "<Directory />"),
    "in another virtual host": ("<VirtualHost 127.0.0.1:1>\nServerName other\n<Location /mcp>\nAuthType Basic\n</Location>\n</VirtualHost>", "", "", "<Location /mcp>", None),
}


@pytest.fixture(scope="module")
def files(module_world):
    """A stack of which the tests below change the configuration."""
    return fixed_stack(module_world, modules=HTTPD)


@pytest.mark.parametrize("beside, inside, local, at_mcp, at_local", AUTH_TYPES.values(), ids=AUTH_TYPES)
def test_auth_type_that_may_hold_is_in_the_snapshot(files, beside, inside, local, at_mcp, at_local):
    httpd = files.httpd
    before = httpd.config, dict(httpd.locations)
    try:
        httpd.config += "\n" + beside.replace("{upstream}", files.upstream.url)
        httpd.locations["/mcp"] += "\n" + inside
        httpd.locations["/local"] = LOCAL + "\n" + local
        httpd.write_config()
        httpd.graceful()
    finally:
        httpd.config, httpd.locations = before
    policy = json.loads((files.world.dirs.state / "policy.json").read_text())
    found = {p["location"]: (p["auth_type"], p.get("auth_type_in")) for p in policy["locations"]}

    def expected(where):
        kind, where = where if isinstance(where, tuple) else ("Basic", where)
        return ("None", None) if where is None else (kind, httpd._fill(where.replace("{upstream}", files.upstream.url)))
    assert found == {"/mcp": expected(at_mcp), "/local": expected(at_local)}


def test_auth_type_of_guarded_sections_of_other_kinds(world):
    httpd = world.httpd(modules=HTTPD, config="""MCPAuthIssuer https://as.example
<LocationMatch "^/api/v[0-9]">
MCPAuth On
MCPAuthResource https://mcp.example.com/api
</LocationMatch>
<Location "/api/v2">
AuthType Basic
</Location>
<Directory "{folder}/htdocs">
MCPAuth On
MCPAuthResource https://mcp.example.com/files
</Directory>
<Directory "{folder}/htdocs/old">
AuthType Basic
</Directory>
<Directory "/srv">
AuthType Basic
</Directory>
<Proxy "http://127.0.0.9/">
MCPAuth On
MCPAuthResource https://mcp.example.com/proxied
AuthType None
</Proxy>
<Proxy "http://127.0.0.9/old">
AuthType Digest
</Proxy>""")
    policy = json.loads((world.dirs.state / "policy.json").read_text())
    assert [(p["auth_type"], p.get("auth_type_in")) for p in policy["locations"]] == [
        ("Basic", "<Location /api/v2>"), ("Basic", f"<Directory {httpd.folder}/htdocs/old>"), ("Digest", "<Proxy http://127.0.0.9/old>")]


def auth_type_of_files(world, beside, place="<Directory {folder}/htdocs>", inside="AuthType None"):
    """Where an AuthType holds, of a Directory that is guarded."""
    httpd = world.httpd(modules=HTTPD, config=f"MCPAuthIssuer https://as.example\n{beside}\n{place}\nMCPAuth On\nMCPAuthResource https://mcp.example.com/files\n{inside}\n"
                        f"</{place[1:].split()[0]}>\n")
    found, = json.loads((world.dirs.state / "policy.json").read_text())["locations"]
    assert (found["auth_type"] == "None") == ("auth_type_in" not in found)
    return found.get("auth_type_in", "").replace(str(httpd.folder), "{folder}")


BASIC = "AuthType Basic\nAuthName x\n"


@pytest.mark.parametrize("beside, where", [
    (f"<Directory {{folder}}/htdocs/old/>\n{BASIC}</Directory>", "<Directory {folder}/htdocs/old>"),
    (f'<Files "*.txt">\n{BASIC}</Files>', "<Files>"),
    (f'<Directory {{folder}}>\n<Files "*.txt">\n{BASIC}</Files>\n</Directory>', "<Directory {folder}>"),
    (f"<DirectoryMatch ^{{folder}}/htdocs/?$>\n{BASIC}</DirectoryMatch>", "<DirectoryMatch ^{folder}/htdocs/?$>"),
    (f"<Directory {{folder}}/htd*>\n{BASIC}</Directory>", "<Directory {folder}/htd*>"),
    (f"<VirtualHost 127.0.0.1:1>\nServerName other\n<Directory {{folder}}/htdocs>\n{BASIC}</Directory>\n</VirtualHost>", "<Directory {folder}/htdocs>"),
    (f"<Location /x>\n{BASIC}</Location>\n<Location />\n{BASIC}</Location>", "<Location />"),
    (f"<Directory {{folder}}>\n{BASIC}</Directory>", ""),
    (f"<Directory />\n{BASIC}</Directory>", ""),
    (f"<Directory {{folder}}/htdocs>\n{BASIC}</Directory>", ""),
    (f"<Directory {{folder}}//htdocs/./>\n{BASIC}</Directory>", ""),
    (f"<Directory {{folder}}/other>\n{BASIC}</Directory>", ""),
])
def test_auth_type_none_in_a_guarded_directory_ends_only_what_httpd_is_sure_to_take_before(world, beside, where):
    assert auth_type_of_files(world, beside) == where


@pytest.mark.parametrize("place", ["<Directory {folder}/htdocs/>", "<Directory {folder}//htdocs>", '<Directory "{folder}/htd*">'])
def test_auth_type_none_is_believed_however_the_directory_is_written(world, place):
    assert auth_type_of_files(world, "", place, BASIC + "AuthType None") == ""


def test_shorter_directory_is_taken_first_wherever_it_is_written(world):
    last = auth_type_of_files(world, f"<Directory {{folder}}/htdocs>\n{BASIC}</Directory>", "<Directory {folder}>")
    assert last == "<Directory {folder}/htdocs>"


@pytest.mark.parametrize("place", ["<DirectoryMatch ^{folder}/htdocs/>", '<Directory "{folder}/htd*/">', '<Directory ~ ^{folder}/htdocs/>'])
def test_auth_type_in_the_guarded_directory_is_seen_for_every_kind_of_path(world, place):
    assert auth_type_of_files(world, "", place, BASIC) and auth_type_of_files(world, "", place) == ""


def test_location_none_ends_what_holds_in_directories_and_files(world):
    assert auth_type_of_files(world, f'<Files "*.txt">\n{BASIC}</Files>\n<Location />\nAuthType None\n</Location>', inside=BASIC) == ""


def test_auth_type_of_another_virtual_host_is_none_of_a_virtual_hosts_location(world):
    host = "<VirtualHost 127.0.0.1:{port}>\nServerName %s\n<Location /mcp>\n%s\n</Location>\n</VirtualHost>\n"
    httpd = world.httpd(modules=HTTPD, config="MCPAuthIssuer https://as.example\n" + host % ("one", "MCPAuth On\nMCPAuthResource https://one.example/mcp") +
                        host % ("two", "AuthType Basic") + host % ("three", "MCPAuth On\nMCPAuthResource https://three.example/mcp\nAuthType Basic"))
    assert httpd.process.alive
    policy = json.loads((world.dirs.state / "policy.json").read_text())
    assert {p["vhost"]: p["auth_type"] for p in policy["locations"]} == {"one": "None", "three": "Basic"}
