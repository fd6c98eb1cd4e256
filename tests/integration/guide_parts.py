# SPDX-License-Identifier: Apache-2.0
"""What the tests of the guides share: the pages, their sections, and the blocks in them."""
import json
import re

import pytest

from harness import SOURCE, paths
from harness.admind import USER
from module_parts import key_file

GUIDES = ["providers.md", "clients.md", "migrating.md", "hardening.md", "cluster.md", "kubernetes.md"]
UPSTREAM = "http://127.0.0.1:3000/mcp"


def page(name):
    return (SOURCE / "docs" / name).read_text()


def blocks(text, kind):
    return re.findall(rf"^ *```{kind}\n(.*?)^ *```$", text, re.M | re.S)


def sections(name):
    """{heading: text} of the second level."""
    parts = re.split(r"^## (.*)$", page(name), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


# The modules that a block needs besides the proxy, by what stands in it.
NEEDED = {"OAuth2": ["authz_user", "oauth2"], "OIDC": ["authz_user", "auth_openidc"], "AuthType     Basic": ["auth_basic"], "RequestHeader": ["headers"], "RemoteIP": ["remoteip"]}


def modules(text):
    found = ["proxy", "proxy_http", *dict.fromkeys(name for word, names in NEEDED.items() if word in text for name in names)]
    if "oauth2" in found and not (paths.APACHE_MODULES / "mod_oauth2.so").exists():
        pytest.skip("NOT TESTED: mod_oauth2 is not installed: apt-get install libapache2-mod-oauth2")
    return found


def served(world, issuer, upstream, text):
    """A block as it stands, in production mode, with our keys for every issuer and a real server behind it. On, so that it decides."""
    text = re.sub(r"^(\s*MCPAuth +)Shadow$", r"\1On", text, flags=re.M)
    text = re.sub(r"^(\s*MCPAuthIssuer .*)$", rf"\1 jwks=file:{key_file(world, issuer)}", text, flags=re.M)
    return world.httpd(mode="production", modules=modules(text), config=text.replace(UPSTREAM, upstream.url + "/mcp"))


def call(method, **params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def commands(name):
    """What a page tells to type: for each block of shell its lines, continued ones as one."""
    return [[re.sub(r"\s+#.*$", "", line) for line in block.replace("\\\n", "").splitlines() if line and not line.startswith("#")] for block in blocks(page(name), "sh")]


def typed_in(stack, folder):
    """Programs as a page names them, for a scratch deployment: a PATH with wrappers, and the environment to go with it."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    ctl, admind = paths.built_program("mcpauthctl"), paths.built_program("mcpauth-admind")
    httpd, conf = stack.httpd, stack.admind.conf_path
    apache = f"{paths.need('apache2')} -f {httpd.conf_path}"
    for program, script in {
        "mcpauthctl": f'if [ "$1" = probe ]; then exec {ctl} "$@"; fi\nexec {ctl} "$@" --config {conf}',
        "runuser": f'[ "$4" = mcpauth-admind ] && shift 4 && exec setpriv --reuid={USER} --regid={USER} --init-groups {admind} "$@" -c {conf}',
        "apachectl": f'case "$1" in -t) exec {apache} -t;; graceful) exec kill -USR1 {httpd.process.popen.pid};; *) exit 9;; esac',
    }.items():
        path = bin_folder / program
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    for name in ("mcp.conf", "mcp.conf.before"):
        (folder / name).write_text(httpd.conf_path.read_text())
    (folder / "token.txt").write_text(stack.token() + "\n")
    return {"PATH": f"{bin_folder}:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": str(folder)}


def here(stack, line):
    """The same line, with the names that the scratch deployment has."""
    for shown, real in {"https://mcp.example.com/mcp": stack.resource, "https://mcp.example.com": stack.httpd.url, "/var/lib/mcpauth": str(stack.world.dirs.state),
                        "/var/log/mcpauth": str(stack.world.dirs.journal), "/var/spool/mcpauth": str(stack.world.dirs.spool), "/etc/mcpauth": str(stack.admind.conf_path.parent)}.items():
        line = line.replace(shown, real)
    return line
