# SPDX-License-Identifier: Apache-2.0
"""The guides in docs/: their blocks of Apache configuration are loaded, their tokens sent, their commands run or held against the programs' help."""
import json
import re
import subprocess

import pytest

from guide_parts import GUIDES, blocks, call, commands, here, modules, page, sections, served, typed_in
from harness import SOURCE, paths
from test_docs import DIRECTIVES, METRIC_ROWS, config_rows, source

PROVIDERS = {name: text for name, text in sections("providers.md").items() if blocks(text, "json")}
PRESETS = {"Auth0": "auth0", "Okta": "okta", "Keycloak": "keycloak", "Entra ID": "entra", "Cognito": "cognito", "Google": "google", "Supabase": "supabase"}
# httpd's own directives that the pages name in their text.
HTTPDS = {"AuthType", "StrictHostCheck", "LogLevel", "ForensicLog", "LogFormat", "ProxyPass", "GracefulShutdownTimeout"}
SNIPPETS = [(name, i, text) for name in GUIDES for i, text in enumerate(blocks(page(name), "apache"))]


@pytest.mark.parametrize("name,i,text", SNIPPETS, ids=[f"{name}-{i}" for name, i, _ in SNIPPETS])
def test_configuration_is_accepted_in_production(world, name, i, text):
    status, said = world.httpd(start=False, mode="production", modules=modules(text), config=text).configtest()
    assert status == 0 and "MCPA0" not in said, said


def test_every_preset_has_its_section():
    assert list(PROVIDERS) == list(PRESETS)
    for name, preset in PRESETS.items():
        assert f"preset={preset}" in blocks(PROVIDERS[name], "apache")[0]


@pytest.fixture(scope="module")
def parts(module_world):
    return module_world.issuer(), module_world.upstream()


def mint(issuer, shown, **changes):
    claims = {**dict.fromkeys(("client_id", "scope", "jti", "nbf", "canary", "aud"), None), **shown, **changes}
    return issuer.mint(header={"typ": "JWT"}, **claims)


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_token_that_is_shown_is_let_in_by_the_lines_beside_it(world, parts, name):
    issuer, upstream = parts
    token, = map(json.loads, blocks(PROVIDERS[name], "json"))
    for text in blocks(PROVIDERS[name], "apache"):
        httpd = served(world, issuer, upstream, text)

        def ask(body, **changes):
            return httpd.post("/mcp", body, headers=[("Content-Type", "application/json")], token=mint(issuer, token, **changes)).status

        assert [ask(call(*what)) for what in (("initialize",), ("tools/list",), ("prompts/list",))] == [200] * 3 and ask(call("tools/call", name="search")) == 200
        who = "client_id" if name == "Cognito" else "aud"
        assert ask(call("tools/list"), **{who: "https://other.example.com/mcp"}) == 401
        assert ask(call("tools/list"), iss=token["iss"].rstrip("/") + ("" if token["iss"].endswith("/") else "/")) == 401, "the slash counts"
        assert ask(call("tools/list"), nonce="n-0S6_WzA2Mj") == 401, "an ID token"
        asked = re.findall(r"^\s*MCPAuthScope +(.*)$", text, re.M)
        assert httpd.post("/mcp").challenge.get("scope") == (asked[0] if asked else None)
        assert httpd.get("/.well-known/oauth-protected-resource/mcp").json().get("scopes_supported", []) == asked, "what the provider knows, and nothing else"


@pytest.mark.parametrize("name,changes", [("Google", {"sub": "999999999999999999999"}), ("Supabase", {"role": "anon"}), ("Keycloak", {"realm_access": {}}),
                                          ("Entra ID", {"scp": "mcp:tools.read"}), ("Cognito", {"scope": "mcp/tools.read"}), ("Okta", {"scp": ["mcp:tools.read"]})])
def test_who_has_less_may_not_call_tools(world, parts, name, changes):
    token, = map(json.loads, blocks(PROVIDERS[name], "json"))
    httpd = served(world, *parts, blocks(PROVIDERS[name], "apache")[0])
    answer = httpd.post("/mcp", call("tools/call", name="search"), headers=[("Content-Type", "application/json")], token=mint(parts[0], token, **changes))
    assert answer.status == 403 and answer.challenge["error"] == "insufficient_scope"


@pytest.mark.parametrize("name", GUIDES)
def test_what_is_named_exists(name):
    text = page(name)
    assert set(re.findall(r"\bMCPAuth[A-Z]\w*", text)) <= set(DIRECTIVES)
    assert set(re.findall(r"\bmcpauth_[a-z_]+\b", text)) <= {row[0] for row in METRIC_ROWS}
    keys = {key for key, _ in config_rows()} | {"Alert", "Forward"}
    assert set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)(?: \w+)?`", text)) - set(DIRECTIVES) <= keys | HTTPDS


def test_clients_see_what_is_shown(world):
    httpd = world.httpd(mode="production", config=(SOURCE / "conf/httpd-minimal.conf").read_text().split("so\n")[-1])
    shown = page("clients.md")
    assert f'WWW-Authenticate: {httpd.post("/mcp").header("WWW-Authenticate")}\n' == blocks(shown, "text")[0].lstrip()
    assert httpd.get("/.well-known/oauth-protected-resource/mcp").json() == json.loads(blocks(shown, "json")[0])
    assert json.loads(blocks(shown, "json")[1])


@pytest.mark.parametrize("name", GUIDES)
def test_reasons_that_are_told_exist(name):
    told = set(re.findall(r"^\| `([a-z_]+)`", page(name), re.M))
    assert told <= set(re.findall(r'^MCPA_REASON\(\w+, "(\w+)"', source("shared/policy/reason.def"), re.M))


# -- commands ------------------------------------------------------------------------------------------------------------------------------------

# Commands that no test can type here, and why; the part that is ours is held against the program's help all the same.
NOT_RUN = {
    "claude mcp add --transport http tools https://mcp.example.com/mcp": "a program of somebody else, which logs in with a browser",
    "make -C build deb": "test_packages.py makes the packages",
    **dict.fromkeys((line for block in commands("kubernetes.md") for line in block if line.startswith(("kubectl ", "podman "))),
                    "there is no cluster and no network here; test_kubernetes.py runs what they would start, and looks whether the files are there"),
}
TYPED = [(name, lines) for name in GUIDES for block in commands(name) if (lines := [line for line in block if line not in NOT_RUN])]


@pytest.fixture(scope="module")
def deployed(module_world):
    stack = module_world.stack(location="MCPAuthInspect Body\nMCPAuthScope mcp:tools.read")
    assert stack.call(token=stack.token()).status == 200
    stack.admind.wait_journal(1)
    stack.admind.stop()  # which seals the journal at once
    stack.admind.start()
    stack.wait_keys()  # and the children, whom `mcpauthctl status` wants to see
    return stack


@pytest.mark.parametrize("name,lines", TYPED, ids=[f"{name}: {lines[0]}"[:70] for name, lines in TYPED])
def test_commands_work_as_they_stand(deployed, tmp_path, name, lines):
    env = typed_in(deployed, tmp_path)
    for line in (here(deployed, line) for line in lines):
        done = subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=240 * paths.PATIENCE, check=False)
        assert done.returncode == 0, f"{name}: {line}\n{done.stdout}"


def test_what_is_not_run_is_still_told():
    told = {line for name in GUIDES for block in commands(name) for line in block}
    assert set(NOT_RUN) <= told and all(NOT_RUN.values())
