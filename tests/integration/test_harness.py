# SPDX-License-Identifier: Apache-2.0
"""The harness itself, without the module and the daemon: a test of mcpauth is worth what its parts are."""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest
import requests

from harness import HmacKey, Httpd, HttpdFailed, Issuer, Key, Load, Upstream, call_tool, h2_request, promtool_check, wait_until
from harness.admind import parse_metrics
from harness.canary import Canaries
from harness.httpd import foreign_crash
from harness.issuer import b64url_decode
from harness.process import free_port, take_port, thread_as


@pytest.fixture
def issuer():
    issuer = Issuer(audience="http://resource/mcp").start()
    yield issuer
    issuer.stop()


@pytest.fixture
def upstream():
    upstream = Upstream().start()
    yield upstream
    upstream.stop()


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"])
def test_issuer_mints_what_another_library_accepts(alg):
    issuer = Issuer(audience="http://resource/mcp", alg=alg)
    key = jwt.PyJWK(issuer.jwks()["keys"][0], algorithm=alg).key
    claims = jwt.decode(issuer.mint(sub="bob"), key, algorithms=[alg], audience="http://resource/mcp", issuer=issuer.url)
    assert claims["sub"] == "bob" and claims["canary"].startswith("canary-")


def test_issuer_mints_with_a_secret():
    issuer = Issuer(audience="a")
    token = issuer.mint(key=HmacKey("s" * 32))
    assert jwt.decode(token, "s" * 32, algorithms=["HS256"], audience="a")["aud"] == "a"


def test_issuer_mints_malformed_tokens(issuer):
    head, body, signature = issuer.mint(alg="none", signature=b"").split(".")
    assert json.loads(b64url_decode(head))["alg"] == "none" and signature == ""
    head, body, _ = issuer.mint(payload=b'{"aud":1,"aud":2}', drop_header=["typ"], header={"jku": "http://evil/"}).split(".")
    assert b64url_decode(body) == b'{"aud":1,"aud":2}'
    fields = json.loads(b64url_decode(head))
    assert "typ" not in fields and fields["jku"] == "http://evil/"
    claims = json.loads(b64url_decode(issuer.mint(jti=None, expires_in=-10).split(".")[1]))
    assert "jti" not in claims and claims["exp"] < claims["iat"]


def test_issuer_serves_and_counts(issuer):
    for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"):
        assert requests.get(issuer.url + path).json()["jwks_uri"] == issuer.jwks_url
    assert requests.get(issuer.jwks_url).json()["keys"][0]["kid"] == issuer.key.kid
    assert (issuer.count("jwks"), issuer.count("oauth"), issuer.count("openid"), issuer.count()) == (1, 1, 1, 3)
    issuer.rotate()
    assert len(requests.get(issuer.jwks_url).json()["keys"]) == 2
    issuer.rotate(overlap=False)
    assert len(requests.get(issuer.jwks_url).json()["keys"]) == 1


def test_issuer_misbehaves(issuer):
    issuer.behave("jwks", status=500)
    assert requests.get(issuer.jwks_url).status_code == 500
    issuer.behave("jwks", redirect="http://127.0.0.1:1/")
    assert requests.get(issuer.jwks_url, allow_redirects=False).headers["Location"] == "http://127.0.0.1:1/"
    issuer.behave("jwks", size=5_000_000)
    assert len(requests.get(issuer.jwks_url).content) == 5_000_000
    issuer.behave("jwks", body=b"not json")
    assert requests.get(issuer.jwks_url).text == "not json"
    issuer.behave("jwks", close=True)
    with pytest.raises(requests.ConnectionError):
        requests.get(issuer.jwks_url)
    issuer.behave("jwks", delay=5)
    with pytest.raises(requests.Timeout):
        requests.get(issuer.jwks_url, timeout=0.3)
    issuer.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(issuer.jwks_url)
    issuer.behave("jwks")
    issuer.start()
    assert requests.get(issuer.jwks_url).status_code == 200


def test_issuer_speaks_https(world):
    issuer = world.issuer(tls=True)
    assert issuer.url.startswith("https://")
    assert requests.get(issuer.jwks_url, verify=str(world.tls.certificate)).status_code == 200


def test_issuer_below_a_path():
    issuer = Issuer(path="/realms/r").start()
    try:
        base = issuer.url[: -len("/realms/r")]
        assert requests.get(issuer.url + "/.well-known/openid-configuration").json()["issuer"] == issuer.url
        assert requests.get(base + "/.well-known/oauth-authorization-server/realms/r").json()["issuer"] == issuer.url
        assert requests.get(issuer.jwks_url).status_code == 200
    finally:
        issuer.stop()


def test_rsa_key_of_another_size():
    assert Key("RS256", bits=1024).private.key_size == 1024


@pytest.mark.sanitize
def test_httpd_starts_under_every_mpm(world, mpm):
    httpd = world.httpd(mpm=mpm, module=False)
    assert httpd.get("/index.html").text == "it works\n"
    before = set(httpd.children())
    assert before
    httpd.graceful()
    assert httpd.get("/index.html").status == 200
    wait_until(lambda: not before & set(httpd.children()), 15, "the old children are gone")
    assert '"GET /index.html HTTP/1.1" 200' in httpd.access_log()
    assert httpd.stop() == 0


def test_httpd_loads_what_people_have(world):
    httpd = world.httpd(module=False, modules=[
        "ssl", "http2", "proxy", "proxy_http", "proxy_wstunnel", "remoteip", "headers", "rewrite", "deflate", "status", "security2", "auth_openidc",
        "auth_basic"])
    assert httpd.get("/index.html").status == 200


def test_httpd_that_refuses_says_why(world):
    httpd = world.httpd(module=False, start=False, config="NoSuchDirective On")
    status, said = httpd.configtest()
    assert status != 0 and "NoSuchDirective" in said and f"line {httpd.line_of('NoSuchDirective')}" in said
    with pytest.raises(HttpdFailed, match="NoSuchDirective"):
        httpd.start()


def test_httpd_proxies_and_the_upstream_records(world):
    upstream = world.upstream()
    httpd = world.httpd(module=False, config=f"ProxyPass /mcp {upstream.url}/mcp")
    answer = httpd.send("POST", "/mcp", [("X-A", "1"), ("X-A", "2")], call_tool(message="hi"), token="t")
    assert answer.json()["result"]["content"][0]["text"] == "Echo: hi"
    assert upstream.last.header("Authorization") == "Bearer t" and upstream.last.method == "POST"
    assert upstream.connections == 1
    with upstream.untouched():
        assert httpd.get("/index.html").status == 200
    with pytest.raises(AssertionError, match="contacted"):
        with upstream.untouched():
            httpd.get("/mcp")


def test_httpd_speaks_http2(world):
    httpd = world.httpd(module=False, tls=True, modules=["http2", "ssl"], config="Protocols h2 h2c http/1.1")
    assert h2_request(httpd.port, path="/index.html").text == "it works\n"
    assert h2_request(httpd.tls_port, path="/index.html", tls=world.tls.client()).text == "it works\n"
    assert httpd.send(path="/index.html").status == 200
    assert requests.get(httpd.tls_url + "/index.html", verify=str(world.tls.certificate)).status_code == 200


def test_upstream_streams_without_buffering(upstream):
    with requests.get(upstream.url + "/sse", stream=True, timeout=10) as answer:
        lines = answer.iter_lines(chunk_size=1)
        for word in ("one", "two"):
            wait_until(lambda: upstream.open_streams == 1)
            upstream.push(word)
            assert next(line for line in lines if line) == b"data: " + word.encode()
        upstream.end_streams()


def test_upstream_speaks_websocket(upstream):
    import websocket
    ws = websocket.create_connection(f"ws://127.0.0.1:{upstream.port}/ws", timeout=10)
    ws.send("hello")
    assert ws.recv() == "hello"
    ws.send("y" * 70000)
    assert ws.recv() == "y" * 70000
    ws.close()


def test_raw_bytes_reach_the_server(world):
    httpd = world.httpd(module=False)
    assert httpd.raw(b"BOGUS\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_httpd_writes_no_token_that_the_canary_misses(world):
    """httpd's own trace of request headers is known and left out; everything else is found."""
    httpd = world.httpd(module=False, log_level="trace8")
    token = Issuer(audience="x", canaries=world.canaries).mint()
    assert httpd.get("/index.html", token=token).status == 200
    wait_until(lambda: "Authorization: Bearer" in httpd.error_log())
    assert world.faults() == []
    assert httpd.get("/index.html?access_token=" + token).status == 200
    wait_until(lambda: world.faults(), what="the token in the access log is found")
    world.canaries.__init__()


def test_canary_finds_pieces_of_a_token():
    canaries = Canaries()
    issuer = Issuer(audience="x", canaries=canaries)
    token = issuer.mint()
    claims = json.loads(b64url_decode(token.split(".")[1]))
    for leak in (token, token.split(".")[2], token.split(".")[1], claims["canary"]):
        assert canaries.find(f"something {leak} something"), leak
    assert not canaries.find("nothing here, not even " + issuer.mint.__name__)


def test_metrics_are_parsed():
    text = '# HELP a_total x\n# TYPE a_total counter\na_total{l="x",r="a\\"b"} 3\nb 1.5\n'
    assert parse_metrics(text) == {("a_total", frozenset({("l", "x"), ("r", 'a\\"b')})): 3.0, ("b", frozenset()): 1.5}


def test_promtool_judges():
    assert promtool_check("# HELP a_total A.\n# TYPE a_total counter\na_total 1\n") == (0, "")
    assert promtool_check("a_total{ 1\n")[0] != 0


@pytest.mark.slow
def test_prometheus_and_alertmanager_start(world):
    prometheus, alertmanager = world.prometheus("127.0.0.1:1"), world.alertmanager()
    wait_until(lambda: prometheus.query("up") and prometheus.query("up")[0][1] == 0, 20, "a scrape")
    requests.post(alertmanager.url + "/api/v2/alerts", json=[{"labels": {"alertname": "a"}}]).raise_for_status()
    wait_until(lambda: alertmanager.alerts("a"), 10, "the alert")


def test_ports_are_bindable(world):
    httpd = Httpd(world.scratch, name="unused", module=False)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", httpd.port))


def test_a_port_is_one_process_s_until_it_ends():
    script = "import sys; from harness.process import free_port, take_port; print(free_port(), take_port(int(sys.argv[1])), flush=True); input()"
    ours = free_port()
    with subprocess.Popen([sys.executable, "-c", script, str(ours)], cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        theirs, took_ours = other.stdout.readline().split()
        assert took_ours == "False" and not take_port(int(theirs))
        other.communicate("\n")
    assert take_port(int(theirs)) and not take_port(int(theirs))


@pytest.mark.alone
def test_load_keeps_its_rate_over_a_graceful_restart(world):
    httpd = world.httpd(module=False)
    with Load(httpd.port, "/index.html", method="GET", rate=300) as load:
        wait_until(lambda: load.statuses[200] >= 100)
        moment = time.monotonic()
        httpd.graceful()
        wait_until(lambda: load.since(moment)[200] >= 300)
        took = time.monotonic() - moment
    assert set(load.statuses) == {200}, (load.statuses, load.failures)
    assert took < 5 and load.quantile(0.5) < 0.1


def test_one_thread_alone_is_somebody_else(world):
    path = world.scratch / "s"
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client, ThreadPoolExecutor(1) as other:
        assert other.submit(os.geteuid).result() == 0  # started before, as a real one would be
        server.bind(str(path))
        path.chmod(0o777)
        server.listen()
        with thread_as("www-data"):
            client.connect(str(path))
            assert os.geteuid() == 33 and other.submit(os.geteuid).result() == 0
        assert os.geteuid() == 0
        _, uid, gid = struct.unpack("3i", server.accept()[0].getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        assert (uid, gid) == (33, 33)


def test_a_crash_is_told_with_its_stack(world):
    world.allow_crashes = True
    h = world.httpd()
    for signal_number in (signal.SIGSEGV, signal.SIGABRT):
        child = h.children()[0]
        # Its threads start behind child_init, where the handlers are set.
        wait_until(lambda: len(os.listdir(f"/proc/{child}/task")) > 2, what="the child is at work")
        os.kill(child, signal_number)
        wait_until(lambda: f"child pid {child} exit signal" in h.error_log(), what="httpd tells of the dead child")
        crash = next(c for c in h.crashes() if f"child pid {child} " in c)
        assert crash.count("[0x") >= 3 and "libc.so" in crash  # of whichever thread the signal met


def test_only_the_known_crash_of_the_event_mpm_is_excused():
    known = "x.so(+0x1)[0x1]\nlibapr-1.so.0(apr_os_sock_get+0x0)[0x2]\n[2026-11-21] [info] between\n/m/mod_mpm_event.so(+0x606c)[0x3]\n"
    assert foreign_crash(known)
    assert not foreign_crash("")
    assert not foreign_crash(known + "/b/mod_mcp_auth.so(+0x12)[0x4]\n")
    assert not foreign_crash(known.replace("mod_mpm_event", "mod_mpm_worker"))
    assert not foreign_crash(known.replace("apr_os_sock_get", "apr_palloc"))
