# SPDX-License-Identifier: Apache-2.0
"""docs/migrating.md: old and new beside each other decide as it says, and so does the new alone."""
import base64
import json
import os
import re
import subprocess

import pytest

from guide_parts import blocks, call, modules, page, sections, served
from harness import paths, wait_until

PAGE = sections("migrating.md")
JSON = [("Content-Type", "application/json")]
AUDIENCE, ISSUER = "https://mcp.example.com/mcp", "https://login.example.com/"


def ours(issuer, text):
    """The old module's keys are our issuer's."""
    jwk = json.dumps(issuer.jwks()["keys"][0]).replace('"', '\\"')
    text = re.sub(r"OAuth2TokenVerify jwks_uri .*", lambda _: f'OAuth2TokenVerify jwk "{jwk}"', text)
    return re.sub(r"OIDCOAuthVerifyJwksUri .*", f"OIDCOAuthVerifyJwksUri {issuer.url}/jwks\nOIDCOAuthSSLValidateServer Off", text)


@pytest.fixture(scope="module")
def parts(module_world):
    return module_world.issuer(tls=True), module_world.upstream()


def start(world, parts, text):
    """As it stands: Shadow stays Shadow."""
    issuer, upstream = parts
    return served(world, issuer, upstream, ours(issuer, text).replace("Shadow", "shadow"))


def status(httpd, token=None):
    return httpd.post("/mcp", call("tools/list"), headers=JSON, token=token).status


def tokens(issuer):
    good = {"iss": ISSUER, "aud": AUDIENCE}
    return issuer.mint(**good), issuer.mint(**good, scope=None), issuer.mint(**{**good, "aud": "https://other.example.com"})


@pytest.mark.parametrize("name", ["From mod_oauth2", "From mod_auth_openidc"])
def test_beside_it_the_old_module_decides_and_ours_records(world, parts, name):
    good, less, other = tokens(parts[0])
    before, beside = blocks(PAGE[name], "apache")[:2]
    assert "MCPAuth " not in before and set(before.splitlines()) < set(beside.splitlines())
    for text in (before, beside):
        httpd = start(world, parts, text)
        assert [status(httpd, token) for token in (good, less, other, None)] == [200, 200, 401, 401], httpd.error_log()
        if text is before:
            httpd.stop()
    wait_until(lambda: "denied: scope_missing (shadow)" in httpd.error_log(), 10, "what ours would have refused")
    assert status(httpd, good) == 200 and httpd.error_log().count("scope_missing (shadow)") == 1


def test_after_it_ours_decides(world, parts):
    good, less, other = tokens(parts[0])
    after = blocks(PAGE["From mod_oauth2"], "apache")[2]
    assert modules(after) == ["proxy", "proxy_http"]
    assert [status(start(world, parts, after), token) for token in (good, less, other, None)] == [200, 403, 401, 401]


def test_passwords_and_tokens_have_ways_of_their_own(world, parts):
    issuer, upstream = parts
    users = world.scratch / "users"
    users.write_text("bob:" + subprocess.run(["openssl", "passwd", "-apr1", "secret"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    os.chmod(users, 0o644)
    httpd = start(world, parts, blocks(PAGE["From Basic authentication"], "apache")[0].replace("/etc/apache2/mcp.users", str(users)))
    password = [("Authorization", "Basic " + base64.b64encode(b"bob:secret").decode())]
    answer = httpd.post("/mcp", call("tools/list"), headers=JSON + password)
    assert answer.status == 401 and answer.all("WWW-Authenticate") and not [value for value in answer.all("WWW-Authenticate") if "basic" in value.lower()]
    assert status(httpd, tokens(issuer)[0]) == 200
    claims = [(f"X-MCP-{name}", "mallory") for name in ("Subject", "Client-ID", "Scopes", "Issuer", "Token-ID")]
    assert httpd.post("/old", call("tools/list"), headers=JSON + password + claims).status == 200
    assert not [name for name, value in upstream.last.headers if name.lower().startswith("x-mcp-") or name == "Authorization" or value == "mallory"]
    assert httpd.post("/old", call("tools/list"), headers=JSON, token=tokens(issuer)[0]).status == 401


def test_directives_of_the_other_modules_exist(world):
    text = page("migrating.md")
    httpd = world.httpd(start=False, modules=modules(text))
    known = subprocess.run(httpd._argv("-L"), env=httpd._env(), stdout=subprocess.PIPE, text=True, timeout=60 * paths.PATIENCE, check=True).stdout
    named = set(re.findall(r"\b(?:OAuth2|OIDC)[A-Z]\w+", text))
    assert len(named) > 10 and named <= set(re.findall(r"^(\w+) \(", known, re.M))
