# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl: tables for people, JSON for programs, exit statuses for scripts."""
import json
import os
import pwd
import subprocess

import pytest

from harness.admind import USER
from harness.process import free_port, socket_answers, wait_until

GOOD, BAD, USAGE, UNREACHABLE = 0, 1, 2, 3


@pytest.fixture(scope="module")
def guarded(module_world):
    return module_world.stack(location="MCPAuthScope mcp:tools.exec\nMCPAuthOrigin https://app.example")


def ctl(stack, *arguments, **more):
    return stack.admind.ctl(*arguments, **more)


# -- the daemon ----------------------------------------------------------------------------------------------------------------------------


def test_status_shows_health_and_children_and_is_good_when_ready(guarded):
    done = ctl(guarded, "status")
    assert done.returncode == GOOD, done.stderr
    for word in ("version", "server", "keys", "audit", "link", "children", "policy", "PID"):
        assert word in done.stdout, done.stdout
    assert "\033" not in done.stdout, "no colours where there is no terminal"
    document = json.loads(ctl(guarded, "status", "--json").stdout)
    assert document["health"] == {"server": "ok", "keys": "ok", "audit": "ok", "link": "ok"}


def test_status_of_a_daemon_that_is_not_ready_is_a_bad_answer(world):
    admind = world.admind()  # nobody is linked to it
    assert admind.ctl("status").returncode == BAD
    assert admind.ctl("status", "--json").returncode == BAD


def test_keys_are_shown_with_their_issuers(guarded):
    done = ctl(guarded, "keys")
    assert done.returncode == GOOD and guarded.issuer.url in done.stdout and guarded.issuer.key.kid in done.stdout and "2048" in done.stdout
    assert json.loads(ctl(guarded, "keys", "--json").stdout)["issuers"][0]["issuer"] == guarded.issuer.url


def test_alerts_are_shown_and_quiet_is_said(world):
    stack = world.stack(admind_config="Alert auth_failures window=5min\n")
    assert "no alerts" in ctl(stack, "alerts").stdout
    for i in range(11):
        assert stack.call(token=stack.token(sub=str(i))[:-8] + "AAAAAAAA").status == 401
    wait_until(lambda: stack.admind.firing("auth_failures"), 10, "the alert")
    done = ctl(stack, "alerts")
    assert done.returncode == GOOD and "auth_failures" in done.stdout and "firing" in done.stdout and "address=127.0.0.1" in done.stdout
    assert json.loads(ctl(stack, "alerts", "--json").stdout)["alerts"][0]["name"] == "auth_failures"


def test_metrics_by_prefix_and_as_json(guarded):
    done = ctl(guarded, "metrics", "mcpauth_jwks")
    assert done.returncode == GOOD and done.stdout.splitlines() and all(line.startswith("mcpauth_jwks") for line in done.stdout.splitlines())
    samples = json.loads(ctl(guarded, "metrics", "--json").stdout)["metrics"]
    assert {"name": "mcpauth_jwks_keys", "labels": {"issuer": guarded.issuer.url}, "value": 1} in samples
    assert len(samples) == len([line for line in guarded.admind.metrics_text().splitlines() if line and not line.startswith("#")])


def test_unreachable_daemon_is_told_apart(guarded):
    for command in ("status", "keys", "alerts", "metrics"):
        done = ctl(guarded, command, "--url", f"http://127.0.0.1:{free_port()}")
        assert done.returncode == UNREACHABLE and "cannot reach" in done.stderr and done.stdout == ""
    assert ctl(guarded, "status", "--url", "unix:/nonexistent/sock").returncode == UNREACHABLE


def test_what_is_not_the_daemon_is_a_bad_answer(guarded):
    assert ctl(guarded, "status", "--url", guarded.upstream.url).returncode == BAD


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["status", "extra"], ["status", "--subject", "x"], ["status", "--nonsense"], ["audit"], ["audit", "nonsense"],
                                       ["keys", "--url"], ["explain"], ["audit", "search", "--limit", "many"], ["audit", "search", "--since", "yesterday"],
                                       ["status", "-x"], ["probe"], ["token"], ["status", "--json=yes"]])
def test_wrong_usage_is_status_2_and_told(guarded, arguments):
    done = ctl(guarded, *arguments)
    assert done.returncode == USAGE and done.stderr and done.stdout == ""


def test_help_lists_every_command_and_version_is_one_line(guarded):
    done = ctl(guarded, "--help")
    assert done.returncode == GOOD
    for command in ("status", "keys", "alerts", "metrics", "audit search|follow|report|verify", "explain"):
        assert f"mcpauthctl {command}" in done.stdout
    assert ctl(guarded, "--version").stdout.startswith("mcpauthctl ")


def test_configuration_of_the_daemon_tells_where_it_listens_and_its_token(world):
    secret = "0123456789abcdef0123456789abcdef"
    world.canaries.remember_text(secret)
    token = world.scratch / "admin.token"
    token.write_text(secret + "\n")
    os.chmod(token, 0o600)
    os.chown(token, pwd.getpwnam(USER).pw_uid, -1)
    admind = world.admind(f"Listen unix:{world.dirs.run}/admin.sock\nAdminTokenFile {token}\n", start=False)
    admind.process = None
    listen = world.dirs.run / "admin.sock"
    argv = admind._argv()
    daemon = subprocess.Popen(argv, env=admind._env(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: socket_answers(listen), 10, "the socket")
        done = admind.ctl("alerts", "--config", admind.conf_path)
        assert done.returncode == GOOD and "no alerts" in done.stdout, done.stderr
        refused = admind.ctl("alerts", "--url", f"unix:{listen}")
        assert refused.returncode == BAD and "--token-file" in refused.stderr
        assert admind.ctl("alerts", "--url", f"unix:{listen}", "--token-file", token).returncode == GOOD
        assert admind.ctl("alerts", "--url", f"unix:{listen}", "--token-file", "-", stdin=secret + "\n").returncode == GOOD
        assert secret not in done.stdout + done.stderr + refused.stderr
        handed = world.dirs.run / "handed.conf"
        handed.write_text(admind.conf_path.read_text().replace(f"AdminTokenFile {token}", "AdminTokenFile credential:token"))
        untold = admind.ctl("alerts", "--config", handed)
        assert untold.returncode == 2 and "credential:token: only the daemon is handed that; give --token-file FILE" in untold.stderr
        assert admind.ctl("alerts", "--config", handed, "--token-file", token).returncode == GOOD
    finally:
        daemon.terminate()
        daemon.wait()


# -- explain -----------------------------------------------------------------------------------------------------------------------------------


def explain(stack, token, *more, **options):
    return ctl(stack, "explain", "--config", stack.admind.conf_path, "--location", "/mcp", "--token-file", "-", *more, stdin=(token or "") + "\n", **options)


def test_explain_shows_each_stage_of_a_good_token(guarded):
    token = guarded.token(sub="alice", scope="mcp:tools.exec")
    done = explain(guarded, token)
    assert done.returncode == GOOD, done.stdout + done.stderr
    assert "allowed" in done.stdout and "✘" not in done.stdout and done.stdout.count("✔") > 10 and "alice" in done.stdout
    document = json.loads(explain(guarded, token, "--json").stdout)
    assert document["decision"] == "allow" and document["principal"]["subject"] == "alice" and {"stage": "scopes", "reason": "ok"} in document["stages"]


CASES = {
    "expired": (dict(expires_in=-3600), "expired", 401, "the token's exp"),
    "audience": (dict(aud="https://other.example"), "audience_wrong", 401, "https://other.example"),
    "scope": (dict(scope="mcp:tools.read"), "scope_missing", 403, "needed here"),
    "issuer": (dict(iss="https://evil.example"), "issuer_unknown", 401, "trusted here"),
    "type": (dict(header={"typ": "JWT"}), "type_wrong", 401, "the token's typ"),
    "kid": (dict(header={"kid": "unheard-of"}), "key_unknown", 401, "unheard-of"),
    "claim": (dict(client_id=None), "claim_missing", 401, "client_id"),
}


@pytest.mark.parametrize("token,reason,status,words", CASES.values(), ids=CASES.keys())
def test_explain_says_why_a_token_is_refused_as_httpd_refuses_it(guarded, token, reason, status, words):
    minted = guarded.token(**{"scope": "mcp:tools.exec", **token})
    done = explain(guarded, minted)
    assert done.returncode == BAD and f"refused: {reason}, {status}" in done.stdout and "✘" in done.stdout and words in done.stdout, done.stdout
    document = json.loads(explain(guarded, minted, "--json").stdout)
    assert document["reason"] == reason and document["status"] == status and document["why"]
    assert guarded.call(token=minted).status == status, "the very same function decided"


def test_explain_never_shows_the_token(guarded):
    for token in (guarded.token(), guarded.token(expires_in=-5), guarded.token()[:-8] + "AAAAAAAA", "nonsense.nonsense.nonsense"):
        for more in ([], ["--json"]):
            done = explain(guarded, token, *more)
            for part in token.split("."):
                assert part not in done.stdout + done.stderr


def test_explain_takes_no_token_on_the_command_line(guarded):
    token = guarded.token()
    for option in ("--token", "--token-file"):
        done = ctl(guarded, "explain", "--config", guarded.admind.conf_path, "--location", "/mcp", option, token)
        assert done.returncode == USAGE and "everybody on this machine" in done.stderr and token not in done.stderr + done.stdout
    done = ctl(guarded, "explain", "--config", guarded.admind.conf_path, "--location", "/mcp", "--token", "-", stdin=guarded.token(scope="mcp:tools.exec"))
    assert done.returncode == GOOD


def test_explain_without_a_token_with_origin_method_and_time(guarded):
    def run(*more, **options):
        return json.loads(ctl(guarded, "explain", "--config", guarded.admind.conf_path, "--location", "/mcp", "--json", *more, **options).stdout)

    assert run()["reason"] == "no_token"
    assert run("--origin", "https://evil.example")["reason"] == "origin_denied"
    assert run("--origin", "https://app.example", "--method", "OPTIONS")["reason"] == "preflight"
    assert run("--method", "TRACE")["reason"] == "method_not_allowed"
    token = guarded.token(scope="mcp:tools.exec", expires_in=-3600)
    assert run("--token-file", "-", "--at", "2h", stdin=token)["reason"] in ("not_yet_valid", "ok")


def test_explain_names_the_locations_there_are(guarded):
    done = ctl(guarded, "explain", "--config", guarded.admind.conf_path, "--location", "/nowhere")
    assert done.returncode == USAGE and "--location /mcp" in done.stderr


def call(tool, **more):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, **more}})


OPERATIONS = [[["tools/call:get_*", "tools:get"], ["tools/call:free", "granted"]], [["tools/call:drop_*", "denied"]]]
MODERN = "2026-07-28"
META = {"_meta": {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}}

MESSAGES = {  # body, headers, reason, status, what is said
    "nothing": (None, [], "ok", 0, "ping"),
    "granted": (call("free"), [], "ok", 0, "tools/call:free granted"),
    "default": (call("other"), [], "ok", 0, "tools/call mcp:tools.exec (default)"),
    "scope": (call("get_x"), [], "scope_missing", 403, "tools:get"),
    "denied": (call("drop_x"), [], "operation_denied", 403, "tools/call:drop_* denied"),
    "unknown": ('{"jsonrpc":"2.0","id":1,"method":"tools/purge"}', [], "operation_unknown", 403, "(none)"),
    "unknown, newer era": (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/purge", "params": META}),
                           [f"MCP-Protocol-Version: {MODERN}", "Mcp-Method: tools/purge"], "operation_unknown", 404, "(none)"),
    "no message": ("[]", [], "message_malformed", 400, "batches"),
    "no name": ('{"jsonrpc":"2.0","id":1,"method":"tools/call"}', [], "message_malformed", 400, "not named"),
    "lie": (call("drop_x"), ["mcp-method:  tools/list"], "mirror_mismatch", 400, "tools/list"),
    "two": (call("free"), ["MCP-Protocol-Version: 2025-11-25", "MCP-Protocol-Version: 2025-11-25"], "mirror_mismatch", 400, "said twice"),
    "revision": (call("free"), ["MCP-Protocol-Version: 2025-06-18"], "protocol_denied", 400, "2025-03-26, 2025-11-25, 2026-07-28"),
    "no revision": (call("free"), ["MCP-Protocol-Version: 1"], "protocol_unknown", 400, "2025-11-25"),
    "type": (call("free"), ["Content-Type: text/plain"], "media_type", 415, "text/plain"),
    "long id": (json.dumps({"jsonrpc": "2.0", "id": "x" * 256, "method": "ping"}), [], "message_malformed", 400, "255 bytes (MCPAuthMaxLength id)"),
    "long name": (call("get_" + "x" * 97), [], "message_malformed", 400, "100 bytes (MCPAuthMaxLength name)"),
    "long": (call("free", arguments={"x": "x" * 5000}), [], "body_too_large", 413, "4096 bytes"),
}


@pytest.fixture(scope="module")
def inspected(guarded, tmp_path_factory):
    """The policy of the stack, with a Location that inspects."""
    policy = json.loads((guarded.admind.dirs.state / "policy.json").read_text())
    policy["locations"][0].update(inspect="body", max_body=4096, protocols=["2025-03-26", "2025-11-25", MODERN], operations=OPERATIONS, scopes="", max_length={"name": 100, "token": 2048})
    path = tmp_path_factory.mktemp("inspected") / "policy.json"
    path.write_text(json.dumps(policy))
    return path


@pytest.mark.parametrize("body,headers,reason,status,words", MESSAGES.values(), ids=MESSAGES.keys())
def test_explain_decides_a_message(guarded, inspected, tmp_path, body, headers, reason, status, words):
    more = ["--policy", inspected] + [word for header in headers for word in ("--header", header)] + (["--body", body] if body else [])
    token = guarded.token(scope="mcp:tools.exec")
    done = explain(guarded, token, *more)
    assert done.returncode == (BAD if status else GOOD) and words in done.stdout, done.stdout + done.stderr
    if body:
        path = tmp_path / "body"
        path.write_text(body)
        more[-1] = f"@{path}"
    document = json.loads(explain(guarded, token, "--json", *more).stdout)
    assert (document["reason"], document["status"]) == (reason, status) and words in json.dumps(document, ensure_ascii=False)
    stages = [stage["stage"] for stage in document["stages"]]
    assert status or stages[-9:] == ["media type", "body", "message", "mirrors", "protocol", "operation", "scopes", "session", "tool limit"]


def test_explain_keeps_to_the_length_of_tokens(guarded, inspected):
    token = guarded.token(scope="mcp:tools.exec", pad="x" * 2000)
    assert explain(guarded, token).returncode == GOOD
    done = explain(guarded, token, "--policy", inspected)
    assert done.returncode == BAD and "token_too_long" in done.stdout and "2048 bytes (MCPAuthMaxLength token)" in done.stdout and "access token" in done.stdout


def test_explain_names_no_message_where_none_may_be(guarded, inspected):
    token = guarded.token(scope="mcp:tools.exec")
    assert "GET" in explain(guarded, token, "--policy", inspected, "--method", "GET").stdout
    assert "request_malformed" in explain(guarded, token, "--policy", inspected, "--method", "GET", "--body", call("free")).stdout
    for more in (["--header", "Authorization: Bearer x"], ["--header", "Mcp-Metod: x"], ["--header", "x"], ["--header", ": x"],
                 ["--header", "Content-Type: a", "--header", "content-type: b"], ["--body", "@/nowhere"]):
        done = explain(guarded, token, "--policy", inspected, *more)
        assert done.returncode == USAGE and done.stderr and not done.stdout, more


def test_explain_works_from_copies_without_a_daemon(guarded, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_bytes((guarded.admind.dirs.state / "policy.json").read_bytes())
    keys = tmp_path / "keys"
    keys.mkdir()
    for path in guarded.admind.dirs.keys.glob("*.json"):
        (keys / path.name).write_bytes(path.read_bytes())
    token = guarded.token(scope="mcp:tools.exec")
    arguments = ["explain", "--policy", policy, "--keys", keys, "--location", "/mcp", "--token-file", "-"]
    assert ctl(guarded, *arguments, stdin=token).returncode == GOOD
    for path in keys.glob("*.json"):
        path.unlink()
    done = ctl(guarded, *arguments, stdin=token)
    assert done.returncode == BAD and "keys_missing" in done.stdout and "no keys of" in done.stdout
