# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl gates: what is deployed as it should be passes, and a planted fault is told by its own gate and by no other."""
import json

import pytest

from module_parts import fixed_stack

# -- AuthType, as httpd writes it into the policy snapshot -------------------------------------------------------------------------------------


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
    "in one that matches": ("<LocationMatch ^/m.p>\nAuthType Basic\n</LocationMatch>", "", "", "<LocationMatch ~ ^/m.p>", None),
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


def test_auth_type_of_another_virtual_host_is_none_of_a_virtual_hosts_location(world):
    host = "<VirtualHost 127.0.0.1:{port}>\nServerName %s\n<Location /mcp>\n%s\n</Location>\n</VirtualHost>\n"
    httpd = world.httpd(modules=HTTPD, config="MCPAuthIssuer https://as.example\n" + host % ("one", "MCPAuth On\nMCPAuthResource https://one.example/mcp") +
                        host % ("two", "AuthType Basic") + host % ("three", "MCPAuth On\nMCPAuthResource https://three.example/mcp\nAuthType Basic"))
    assert httpd.process.alive
    policy = json.loads((world.dirs.state / "policy.json").read_text())
    assert {p["vhost"]: p["auth_type"] for p in policy["locations"]} == {"one": "None", "three": "Basic"}
