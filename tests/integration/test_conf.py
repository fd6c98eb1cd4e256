# SPDX-License-Identifier: Apache-2.0
"""The examples in conf/ are loaded as they stand: only paths, and where the programs listen, are put in."""
import re

import pytest

from harness import SOURCE, paths

CONF = SOURCE / "conf"


def example(name, world, port=None):
    text = (CONF / name).read_text()
    for old, new in {
        "/usr/lib/apache2/modules/mod_mcp_auth.so": str(paths.MODULE), "/usr/lib/apache2/modules": str(paths.APACHE_MODULES),
        "/run/mcpauth/mcpauth.sock": str(world.dirs.socket), "/var/lib/mcpauth": str(world.dirs.state), "/var/spool/mcpauth": str(world.dirs.spool),
        "/var/log/mcpauth": str(world.dirs.journal), "tmpfs=refuse": "tmpfs=allow",
    }.items():
        text = text.replace(old, new)
    return text if port is None else text.replace("127.0.0.1:9860", f"127.0.0.1:{port}")


def start(world, name, **options):
    # The example brings the proxy's and our LoadModule lines itself.
    httpd = world.httpd(start=False, module=False, modules=[], config=example(name, world), **options)
    text = httpd.conf_path.read_text()
    if "MCPAuthSpoolDir" not in text:
        httpd.config += f"\nMCPAuthSocket {world.dirs.socket}\nMCPAuthStateDir {world.dirs.state}\nMCPAuthSpoolDir {world.dirs.spool} tmpfs=allow\n"
        httpd.write_config()
    return httpd.start()


def test_minimal_example_has_twelve_lines_and_guards(world):
    assert len((CONF / "httpd-minimal.conf").read_text().splitlines()) == 12
    httpd = start(world, "httpd-minimal.conf")
    answer = httpd.post("/mcp")
    assert answer.status == 401
    assert answer.challenge["resource_metadata"] == "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
    assert answer.challenge["scope"] == "mcp:tools.read"


def test_complete_example_guards(world):
    httpd = start(world, "httpd-complete.conf")
    for path in ("/mcp", "/reports", "/mcpauth/metrics"):
        assert httpd.get(path).status == 401, path


def test_complete_example_shows_every_directive():
    """Those that README's reference has; the reference itself is held against the module's table by another test."""
    reference = (SOURCE / "README.md").read_text()
    named = set(re.findall(r"^\| `(MCPAuth\w+)", reference, re.M))
    shown = set(re.findall(r"\b(MCPAuth\w*)\b", (CONF / "httpd-complete.conf").read_text()))
    assert named and named <= shown, named - shown


@pytest.mark.parametrize("name", ["mcpauth-admind.conf", "mcpauth-admind-complete.conf"])
def test_daemon_example_is_accepted(world, name):
    admind = world.admind(start=False)
    admind.config = example(name, world, admind.port)
    admind.write_config()
    status, said = admind.check_config()
    assert status == 0, said
    admind.start()
    assert admind.get("/healthz").text.strip() == "ok"


def test_complete_daemon_example_shows_every_key():
    """Every key that the daemon's table has a row for."""
    table = "".join(p.read_text() for p in (SOURCE / "mcpauth-admind").glob("config*.c"))
    keys = set(re.findall(r'\{\s*"([A-Z]\w+)",\s*set_', table))
    shown = set(re.findall(r"^#?\s*([A-Z]\w+)\s", (CONF / "mcpauth-admind-complete.conf").read_text(), re.M))
    assert keys and keys <= shown, keys - shown
