# SPDX-License-Identifier: Apache-2.0
"""The daemon's HTTP: what is shown to whom, in which form, and that nobody can tie it up."""
import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import time

import pytest

from daemon_child import Child, request
from harness import client
from harness.process import Deadline, socket_answers, wait_until

PATHS = ["/healthz", "/readyz", "/metrics", "/alerts", "/keys", "/status"]
ADMIN = PATHS[2:]
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def admind(module_world):
    return module_world.admind()


@pytest.fixture(scope="module")
def child(admind):
    child = Child(admind.dirs.socket)
    child.hello()
    child.records(1, [request(rpc_method="tools/call", rpc_name="x", verify_ms=30, token_cache="miss"), request(token_cache="hit"),
                      request("signature_bad", "deny", 401), request("rate_limited_subject", "limit", 429), request("scope_missing", "shadow_deny"),
                      request("ok\"\\\n", "odd\n", 200)])
    child.acked(6)
    yield child
    child.close()


def test_healthz_is_ok_at_once(admind):
    answer = admind.get("/healthz")
    assert (answer.status, answer.text) == (200, "ok")


def test_readyz_tells_each_part(admind, child):
    status, document = admind.ready()
    assert status == 200
    assert list(document) == ["server", "keys", "audit", "link", "timestamp"]
    assert {document[k] for k in ("server", "keys", "audit", "link")} == {"ok"}


@pytest.mark.parametrize("path", PATHS)
def test_answers_are_typed_and_not_kept(admind, path):
    answer = admind.get(path)
    assert answer.header("Content-Type").startswith("text/plain" if path in ("/healthz", "/metrics") else "application/json")
    assert answer.header("X-Content-Type-Options") == "nosniff" and answer.header("Cache-Control") == "no-store"
    if answer.header("Content-Type") == "application/json":
        answer.json()


@pytest.mark.parametrize("path", PATHS)
def test_head_has_no_body(admind, path):
    answer = client.send(admind.port, "HEAD", path)
    assert answer.status == admind.get(path).status and answer.body == b"" and int(answer.header("Content-Length")) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_only_get_and_head(admind, method):
    answer = client.send(admind.port, method, "/metrics")
    assert answer.status == 405 and answer.header("Allow") == "GET, HEAD" and answer.json()["error"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/", "/metrics/", "//metrics", "/METRICS", "/../metrics", "/metrics%00", "/%6detrics/x", "/" + "x" * 2000])
def test_other_paths_are_not_found(admind, path):
    assert admind.get(path).status == 404


def test_a_body_is_refused_unread(admind):
    with socket.create_connection(("127.0.0.1", admind.port), timeout=10) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        answer = s.recv(65536)
        assert answer.startswith(b"HTTP/1.1 400 ")
        while answer:
            answer = s.recv(65536)


@pytest.mark.parametrize("path", ADMIN)
@pytest.mark.parametrize("host, status", [("localhost", 200), ("LOCALHOST:1", 200), ("127.0.0.1:9860", 200), ("[::1]:80", 200), ("evil.example", 403),
                                          ("127.0.0.1.evil.example", 403), ("localhost.", 403), ("localhost:x", 403), ("", 403), ("127.0.0.1:99999", 403)])
def test_a_name_that_was_made_to_point_here_shows_nothing(admind, path, host, status):
    assert client.send(admind.port, "GET", path, [("Host", host)]).status == status


def test_the_open_paths_are_open_under_any_name(admind):
    assert client.send(admind.port, "GET", "/healthz", [("Host", "evil.example")]).status == 200


def test_two_hosts_are_malformed(admind):
    assert client.send(admind.port, "GET", "/healthz", [("Host", "localhost"), ("Host", "evil.example")]).status == 400


def test_a_connection_serves_many_requests(admind):
    with socket.create_connection(("127.0.0.1", admind.port), timeout=10) as s:
        for _ in range(5):
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"\r\n\r\nok" in s.recv(65536)


# -- metrics

def promtool(text):
    return subprocess.run([shutil.which("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False)


def test_metrics_please_promtool(admind, child):
    done = promtool(admind.metrics_text())
    assert done.returncode == 0, done.stdout + done.stderr


def test_records_become_metrics(admind, child):
    assert admind.metric("mcpauth_requests_total", location="/mcp", method="POST", code="200", decision="allow") == 2
    assert admind.metric("mcpauth_requests_total", decision="shadow_deny") == 1
    assert admind.metric("mcpauth_requests_total", decision="other") == 1
    assert admind.metric("mcpauth_denials_total", location="/mcp", reason="signature_bad") == 1
    assert admind.metric("mcpauth_denials_total", reason="scope_missing") == 0  # Shadow turned nobody away
    assert admind.metric("mcpauth_rate_limited_total", location="/mcp", key="subject") == 1
    assert admind.metric("mcpauth_auth_attempts_total", method="jwt") == 6
    assert admind.metric("mcpauth_auth_failures_total", method="jwt", reason="signature_bad") == 1
    assert admind.metric("mcpauth_token_cache_lookups_total") == 2
    assert admind.metric("mcpauth_token_cache_hits_total") == 1
    assert admind.metric("mcpauth_token_verify_duration_seconds_count") == 1
    assert admind.metric("mcpauth_operations_total", operation="tools/call", tool="other", decision="allow") == 1
    assert admind.metric("mcpauth_request_bytes_sum") == 600 and admind.metric("mcpauth_response_bytes_sum") == 1200
    assert admind.metric("mcpauth_links") == 1
    for component in ("server", "keys", "audit", "link"):
        assert admind.metric("mcpauth_health_status", component=component) == 1
    assert admind.metric("process_resident_memory_bytes") > 1e6
    assert abs(admind.metric("process_start_time_seconds") - time.time()) < 120
    assert 5 < admind.metric("process_open_fds") < admind.metric("process_max_fds")


PROMETHEUS_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"


@pytest.mark.parametrize("accept, is_open", [(None, False), ("*/*", False), ("text/plain", False), ("application/openmetrics-text", True),
                                             (PROMETHEUS_ACCEPT, True), ("application/openmetrics-text; version=1.0.0; q=0.2, text/plain; q=0.9", False),
                                             ("application/openmetrics-text;version=0.0.1", False), ("application/openmetrics-text;q=0", False),
                                             ("application/json", False), (";;,,;q=,", False)])
def test_the_form_follows_accept(admind, accept, is_open):
    answer = admind.get("/metrics", [("Accept", accept)] if accept else [])
    assert answer.header("Content-Type") == ("application/openmetrics-text; version=1.0.0; charset=utf-8" if is_open else "text/plain; version=0.0.4; charset=utf-8")
    assert answer.text.endswith("# EOF\n") == is_open


def test_prometheus_itself_can_scrape(world):
    admind = world.admind()
    prometheus = world.prometheus(f"127.0.0.1:{admind.port}")
    wait_until(lambda: prometheus.query("up") == 1 or prometheus.query("up"), 20, "a scrape")


def test_status_shows_the_children(admind, child):
    status = admind.get("/status").json()
    assert status["links"] == 1 and status["records"] >= 6
    assert [c["instance"] for c in status["children"]] == [child.instance.hex()]
    assert status["journal"]["file"].startswith("audit-") and status["health"]["audit"] == "ok"


# -- the admin token

@pytest.fixture(scope="module")
def guarded(module_world):
    secret = module_world.scratch / "admin-token"
    secret.write_text(TOKEN + "\n")
    os.chmod(secret, 0o600)
    os.chown(secret, pwd.getpwnam("daemon").pw_uid, -1)
    dirs = module_world.dirs
    for name in ("state2/keys", "spool2", "journal2"):
        (dirs.state.parent / name).mkdir(parents=True)
    os.chmod(dirs.state.parent / "state2", 0o755)
    os.chown(dirs.state.parent / "state2/keys", pwd.getpwnam("daemon").pw_uid, -1)
    os.chown(dirs.state.parent / "spool2", 33, pwd.getpwnam("daemon").pw_gid)
    os.chmod(dirs.state.parent / "spool2", 0o2770)
    os.chown(dirs.state.parent / "journal2", pwd.getpwnam("daemon").pw_uid, -1)
    os.chmod(dirs.state.parent / "journal2", 0o750)
    base = dirs.state.parent
    return module_world.admind(f"AdminTokenFile {secret}\nSocket {dirs.run}/guarded.sock\nStateDir {base}/state2\nSpoolDir {base}/spool2\n"
                               f"JournalDir {base}/journal2\nLogLevel debug", name="guarded")


@pytest.mark.parametrize("path", ADMIN)
def test_admin_paths_want_the_token(guarded, path):
    for value in (None, TOKEN, "Bearer", "Bearer ", "Bearer x", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Bearer  {TOKEN}", f"Basic {TOKEN}"):
        answer = guarded.get(path, [("Authorization", value)] if value is not None else [])
        assert answer.status == 401 and answer.header("WWW-Authenticate") == 'Bearer realm="mcpauth-admind"', value
        assert "mcpauth_" not in answer.text
    assert guarded.get(path, [("Authorization", f"Bearer {TOKEN}")]).status == 200


def test_health_and_readiness_need_no_token(guarded):
    assert guarded.get("/healthz").status == 200
    assert guarded.get("/readyz").status == 503


def test_the_token_is_in_no_log(guarded):
    guarded.get("/metrics", [("Authorization", f"Bearer {TOKEN}")])
    assert TOKEN not in guarded.log()


# -- limits

def ended_within(admind, least, most, begin=b"", drip=b""):
    """A connection on which this is said twice a second is ended, neither earlier nor later."""
    with socket.create_connection(("127.0.0.1", admind.port), timeout=20) as s:
        s.sendall(begin)
        s.settimeout(0.5)
        started, late = time.monotonic(), Deadline(most)
        with contextlib.suppress(ConnectionError):
            while not late.is_over():
                with contextlib.suppress(TimeoutError):
                    if s.recv(100) == b"":
                        break
                s.sendall(drip)
    assert time.monotonic() - started > least and not late.is_over()


def test_a_slow_request_is_ended(world):
    ended_within(world.admind(), 25, 36, b"GET /healthz HTTP/1.1\r\n", b"X")  # less than the idle time-out apart


def test_an_idle_connection_is_ended(world):
    ended_within(world.admind(), 8, 14)


def test_a_crowd_of_idle_connections_ends_by_itself(world):
    admind = world.admind()
    child = Child(admind.dirs.socket)
    crowd = [socket.create_connection(("127.0.0.1", admind.port), timeout=5) for _ in range(200)]
    try:
        child.hello()
        child.records(1, [request()])
        assert child.acked(1) == 1  # children are not held up
        wait_until(lambda: probe(admind), 20, "an answer")
    finally:
        for s in crowd:
            s.close()
        child.close()


def probe(admind):
    try:
        return admind.get("/healthz", timeout=2).status == 200
    except OSError:
        return False


@pytest.mark.parametrize("data", [b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"".join(b"H%d: x\r\n" % n for n in range(20000)) + b"\r\n",
                                  b"\0" * 1000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 1000, os.urandom(5000)], ids=["uri", "headers", "nul", "short", "version", "lines", "random"])
def test_malformed_requests_hurt_nobody(admind, data):
    with socket.create_connection(("127.0.0.1", admind.port), timeout=20) as s:  # longer than the idle time-out
        try:
            s.sendall(data)
            assert not s.recv(65536).startswith(b"HTTP/1.1 2")
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert probe(admind)


# -- the policy snapshot

def put_policy(admind, text, mode=0o644, uid=0):
    path = admind.dirs.state / "policy.json"
    fresh = path.with_name("policy.new")
    fresh.write_text(text)
    os.chmod(fresh, mode)
    os.chown(fresh, uid, -1)
    os.rename(fresh, path)


def policy_text(generation, *issuers):
    return json.dumps({"version": 1, "generation": f"{generation:016x}", "written": "2026-11-21T09:00:00.000Z", "mode": "production", "issuers": list(issuers),
                       "scope_implies": [], "scope_aliases": [], "locations": []})


@pytest.mark.parametrize("bad, why", [("{", "is no policy"), ('{"version":9}', "is no policy"), ("mode", "only root may write"), ("owner", "only root may write"),
                                      ("link", "only root may write"), ("big", "cannot be read")])
def test_a_bad_policy_is_refused_and_told(world, bad, why):
    admind = world.admind()
    assert admind.ready()[1]["server"] == "ok"
    if bad == "mode":
        put_policy(admind, policy_text(1), mode=0o666)
    elif bad == "owner":
        put_policy(admind, policy_text(1), uid=33)
    elif bad == "link":
        (world.scratch / "elsewhere").write_text(policy_text(1))
        (admind.dirs.state / "policy.json").symlink_to(world.scratch / "elsewhere")
    elif bad == "big":
        put_policy(admind, " " * (9 * 1024 * 1024))
    else:
        put_policy(admind, bad)
    wait_until(lambda: admind.ready()[1]["server"] == "policy_refused", 5, admind.log)
    policy = admind.get("/status").json()["policy"]
    assert why in policy["error"] and "generation" not in policy
    assert admind.log().count("MCPA2502") == 1


def test_a_policy_is_taken_and_a_bad_one_does_not_replace_it(world):
    admind = world.admind()
    put_policy(admind, policy_text(7))
    wait_until(lambda: admind.get("/status").json()["policy"].get("generation") == f"{7:016x}", 5, lambda: admind.get("/status").text)
    put_policy(admind, "{")
    wait_until(lambda: admind.ready()[1]["server"] == "policy_refused", 5, admind.log)
    assert admind.get("/status").json()["policy"]["generation"] == f"{7:016x}"
    put_policy(admind, policy_text(8))
    wait_until(lambda: admind.ready()[1]["server"] == "ok", 5, admind.log)
    assert admind.get("/status").json()["policy"]["generation"] == f"{8:016x}"


# -- a Unix socket instead of a port

def test_a_unix_listener_serves_too(world):
    path = world.dirs.run / "admin.sock"
    admind = world.admind(f"Listen unix:{path}", start=False)
    admind.start_unasked()
    wait_until(lambda: socket_answers(path), 15, admind.log)
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(path))
        s.sendall(b"GET /status HTTP/1.1\r\nHost: anything\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert path.stat().st_mode & 0o007 == 0
