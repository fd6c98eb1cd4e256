# SPDX-License-Identifier: Apache-2.0
"""What every answer of a guarded Location carries, whoever made it: CORS for the origins that are let in, security headers, word to caches;
and that streams and upgrades pass."""
import base64
import os
import socket
import threading

import pytest

from harness import h2_request, wait_until
from harness.client import parse_answer
from module_parts import fixed_stack

APP = "https://app.example.com"
SECURITY = {
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
CORS = [
    "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers", "Access-Control-Max-Age",
]


@pytest.fixture(scope="module")
def answers(module_world):
    return fixed_stack(
        module_world, location=f"MCPAuthOrigin {APP} http://localhost:6274", modules=["proxy", "proxy_http", "headers", "deflate", "alias"],
        locations={
            "/gone": f"MCPAuth On\nMCPAuthResource {{resource}}\nMCPAuthOrigin {APP}\nProxyPass http://127.0.0.1:1/",
            "/bare": "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthSecurityHeaders Off\nProxyPass {upstream}/bare",
            "/limited": f"MCPAuth On\nMCPAuthResource {{resource}}\nMCPAuthOrigin {APP}\nMCPAuthRateLimit subject 1/hour\nProxyPass {{upstream}}/limited",
            "/missing": f"MCPAuth On\nMCPAuthResource {{resource}}\nMCPAuthOrigin {APP}",
            "/own": "MCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/own\nHeader always set X-Frame-Options SAMEORIGIN\nHeader always set X-Always yes",
        })


def once(answer, name):
    values = answer.all(name)
    assert len(values) == 1, (name, answer.headers)
    return values[0]


# -- origins ------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("origin", [APP, "http://localhost:6274"])
def test_an_allowed_origin_may_read_the_answer(answers, origin):
    for answer, status in ((answers.call(token=answers.token(), headers={"Origin": origin}), 200), (answers.call(headers={"Origin": origin}), 401)):
        assert answer.status == status
        assert once(answer, "Access-Control-Allow-Origin") == origin and "Origin" in answer.header("Vary")
        exposed = once(answer, "Access-Control-Expose-Headers")
        for name in ("WWW-Authenticate", "Mcp-Session-Id", "MCP-Protocol-Version", "Retry-After"):
            assert name in exposed


@pytest.mark.parametrize("origin", [
    "null", "https://app.example.com.evil.example", "https://app.example.com:8443", "https://APP.example.com", "http://app.example.com", "*", "",
    f"{APP} https://evil.example", f"{APP}, https://evil.example", f"{APP}/", "https://xn--app-example.com", "https://evil.example#" + APP,
])
def test_other_origins_are_refused(answers, origin):
    with answers.upstream.untouched():
        answer = answers.call(token=answers.token(), headers={"Origin": origin})
    assert answer.status == 403 and answer.json()["error"] == "forbidden", answer
    assert answer.header("Access-Control-Allow-Origin") is None and answer.header("WWW-Authenticate") is None


def test_two_origin_headers_are_refused(answers):
    with answers.upstream.untouched():
        assert answers.call(token=answers.token(), headers=[("Origin", APP), ("Origin", APP)]).status == 403


def test_no_origin_no_cors(answers):
    answer = answers.call(token=answers.token())
    assert answer.status == 200 and [n for n in CORS if answer.header(n)] == []
    assert "Origin" in answer.header("Vary")


def test_the_upstreams_own_cors_is_replaced(answers):
    answers.upstream.extra_headers = [(n, "*") for n in CORS] + [("Vary", "Origin, Accept")]
    try:
        answer = answers.call(token=answers.token(), headers={"Origin": APP})
        assert once(answer, "Access-Control-Allow-Origin") == APP and answer.header("Access-Control-Allow-Credentials") is None
        assert answer.header("Vary").count("Origin") == 1
        assert answers.call(token=answers.token()).header("Access-Control-Allow-Origin") is None
    finally:
        answers.upstream.extra_headers = []


def test_preflight_is_answered_without_token_and_upstream(answers):
    with answers.upstream.untouched():
        answer = answers.httpd.send("OPTIONS", "/mcp", headers={
            "Origin": APP, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,mcp-param-city,Mcp-Param-a-b,mcp-param-\"x,x-evil, mcp-param-"})
    assert answer.status == 204 and answer.body == b""
    assert once(answer, "Access-Control-Allow-Origin") == APP
    assert answer.header("Access-Control-Allow-Methods") == "POST, GET, DELETE, OPTIONS" and answer.header("Access-Control-Max-Age") == "600"
    allowed = [n.strip() for n in answer.header("Access-Control-Allow-Headers").split(",")]
    for name in ("Authorization", "Content-Type", "Accept", "MCP-Protocol-Version", "Mcp-Session-Id", "Mcp-Method", "Mcp-Name", "Last-Event-ID", "mcp-param-city", "Mcp-Param-a-b"):
        assert name in allowed
    assert not [n for n in allowed if "evil" in n or '"' in n or n.lower() == "mcp-param-"]


def test_preflight_of_another_origin_is_refused(answers):
    answer = answers.httpd.send("OPTIONS", "/mcp", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"})
    assert answer.status == 403 and answer.header("Access-Control-Allow-Origin") is None


# -- errors -------------------------------------------------------------------------------------------------------------------------------

def test_errors_of_others_can_be_read_too(answers):
    token = answers.token()
    for path, status in (("/gone", 503), ("/missing/x", 404)):
        answer = answers.httpd.get(path, token=token, headers={"Origin": APP})
        assert answer.status == status and once(answer, "Access-Control-Allow-Origin") == APP, answer
        for name, value in SECURITY.items():
            assert once(answer, name) == value


def test_over_the_limit(answers):
    token = answers.token(sub="hurry")
    assert answers.call(path="/limited", token=token).status == 200
    answer = answers.call(path="/limited", token=token, headers={"Origin": APP})
    assert answer.status == 429 and answer.json()["error"] == "rate_limit_exceeded"
    assert 3590 <= int(answer.header("Retry-After")) <= 3600 and answer.json()["retry_after"] == int(answer.header("Retry-After"))
    assert once(answer, "Access-Control-Allow-Origin") == APP and answer.header("WWW-Authenticate") is None


def test_a_refusal_keeps_the_connection_usable(answers):
    two = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}" + b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    received = answers.httpd.raw(two)
    assert received.count(b"HTTP/1.1 401 ") == 2, received


def test_a_refusal_does_not_wait_for_the_body(answers):
    with socket.create_connection(("127.0.0.1", answers.httpd.port), timeout=30) as s:
        s.sendall(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{")
        assert s.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_head_of_a_refusal_has_no_body(answers):
    received = answers.httpd.raw(b"HEAD /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 405 ") and received.endswith(b"\r\n\r\n")


# -- security headers and caches ----------------------------------------------------------------------------------------------------------

def test_security_headers_on_every_answer(answers):
    for answer in (answers.call(token=answers.token()), answers.call()):
        for name, value in SECURITY.items():
            assert once(answer, name) == value
        assert answer.header("Strict-Transport-Security") is None
    answer = answers.call(path="/bare", token=answers.token())
    assert answer.status == 200 and not [n for n in SECURITY if answer.header(n)]


def test_what_upstream_or_admin_set_stays(answers):
    answers.upstream.extra_headers = [("Content-Security-Policy", "default-src 'self'"), ("Cache-Control", "no-cache")]
    try:
        answer = answers.call(path="/own", token=answers.token())
        assert once(answer, "Content-Security-Policy") == "default-src 'self'" and once(answer, "Cache-Control") == "no-cache"
        assert once(answer, "X-Frame-Options") == "SAMEORIGIN"
        answer = answers.call(path="/own")
        assert answer.status == 401 and once(answer, "X-Frame-Options") == "SAMEORIGIN" and once(answer, "X-Always") == "yes"
    finally:
        answers.upstream.extra_headers = []


def test_caches_are_told_to_keep_away(answers):
    assert answers.call(token=answers.token()).header("Cache-Control") == "private"
    assert answers.call().header("Cache-Control") == "no-store"


def test_hsts_over_tls_and_http2(world):
    s = fixed_stack(world, tls=True, modules=["proxy", "proxy_http", "http2"], config="Protocols h2 h2c http/1.1", location=f"MCPAuthOrigin {APP}")
    tls = world.tls.client()
    answer = h2_request(s.httpd.tls_port, "POST", "/mcp", body=b"{}", tls=tls)
    assert answer.status == 401 and answer.header("strict-transport-security") == "max-age=31536000"
    assert answer.challenge is not None and answer.json()["error"] == "unauthorized"
    answer = h2_request(s.httpd.port, "POST", "/mcp", body=b"{}", token=s.token(), headers={"Origin": APP})
    assert answer.status == 200 and answer.header("access-control-allow-origin") == APP and answer.header("strict-transport-security") is None
    assert s.upstream.last.header("X-MCP-Subject") == "alice" and s.upstream.last.header("Authorization") is None


def test_mod_cache_never_keeps_a_guarded_answer(world):
    (world.scratch / "cache").mkdir()
    os.chmod(world.scratch / "cache", 0o777)
    s = fixed_stack(world, modules=["proxy", "proxy_http", "cache", "cache_disk"], config="CacheRoot {scratch}/cache\nCacheEnable disk /\nCacheIgnoreCacheControl On\nCacheStorePrivate On\nCacheStoreNoStore On\nCacheDefaultExpire 3600\n",
                    locations={"/open": "ProxyPass {upstream}/open"})
    s.upstream.extra_headers = [("Cache-Control", "public, max-age=3600"), ("Last-Modified", "Sat, 21 Nov 2020 10:00:00 GMT")]
    assert s.httpd.get("/open/x").status == 200 and s.httpd.get("/open/x").status == 200
    assert len(s.upstream.requests) == 1  # the cache works
    assert s.call(method="GET", path="/mcp/x", token=s.token()).status == 200
    assert s.call(method="GET", path="/mcp/x").status == 401
    assert s.call(method="GET", path="/mcp/x", token=s.token()).status == 200
    assert len(s.upstream.requests) == 3


# -- streams and upgrades -----------------------------------------------------------------------------------------------------------------

class Reader:
    """Collects what a socket receives."""

    def __init__(self, s):
        self.s, self.data = s, b""
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while chunk := self.s.recv(65536):
                self.data += chunk
        except OSError:
            pass


def test_events_flow_unbuffered(answers):
    s = socket.create_connection(("127.0.0.1", answers.httpd.port))
    s.sendall(f"GET /mcp/sse HTTP/1.1\r\nHost: localhost\r\nOrigin: {APP}\r\nAuthorization: Bearer {answers.token()}\r\n\r\n".encode())
    reader = Reader(s)
    wait_until(lambda: answers.upstream.open_streams == 1, what="the stream is open")
    for n in range(3):
        answers.upstream.push(f"event {n}")
        wait_until(lambda: f"data: event {n}".encode() in reader.data, what=f"event {n} arrives before the next is sent")
    head = reader.data.split(b"\r\n\r\n")[0].decode()
    assert f"Access-Control-Allow-Origin: {APP}" in head and "X-Content-Type-Options: nosniff" in head and "text/event-stream" in head
    answers.upstream.end_streams()
    s.close()


def test_websocket_is_guarded_at_the_handshake(world):
    s = fixed_stack(world, modules=["proxy", "proxy_http", "proxy_wstunnel"], locations={
        "/ws": "MCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/ws upgrade=websocket"})
    key = base64.b64encode(os.urandom(16)).decode()

    def handshake(token):
        c = socket.create_connection(("127.0.0.1", s.httpd.port))
        c.sendall((f"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
                   + (f"Authorization: Bearer {token}\r\n" if token else "") + "\r\n").encode())
        return c, Reader(c)

    with s.upstream.untouched():
        c, reader = handshake(None)
        wait_until(lambda: b"\r\n\r\n" in reader.data)
        assert parse_answer(reader.data).status == 401
    c, reader = handshake(s.token())
    wait_until(lambda: b"\r\n\r\n" in reader.data)
    assert reader.data.startswith(b"HTTP/1.1 101 "), reader.data
    reader.data = b""
    c.sendall(b"\x81\x85\0\0\0\0hello")
    wait_until(lambda: b"\x81\x05hello" in reader.data, what="the echo")
    assert s.upstream.last.header("X-MCP-Subject") == "alice" and s.upstream.last.header("Authorization") is None
    c.close()


# -- correlation --------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("sent, taken", [
    ("trace-1", True), ("a" * 128, True), ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True), ("AZaz09-._~:/+=@", True),
    (None, False), ("", False), ("a" * 129, False), ("two words", False), ('quo"te', False), ("a,b", False), ("tab\there", False), ("<b>", False), ("\xff", False), ("%0d%0a", False),
])
def test_a_request_has_one_name_for_all(answers, sent, taken):
    headers = {"X-Request-ID": sent} if sent is not None else {}
    answers.upstream.extra_headers = [("X-Request-ID", "the upstream's")]
    try:
        passed = answers.call(token=answers.token(), headers=headers)
    finally:
        answers.upstream.extra_headers = []
    name = once(passed, "X-Request-ID")
    assert passed.status == 200 and answers.upstream.last.all("X-Request-ID") == [name]
    assert (name == sent) == taken and (taken or len(name) >= 16)
    refused = answers.call(headers=headers)
    assert refused.status == 401 and (once(refused, "X-Request-ID") == sent) == taken


def test_two_names_are_none(answers):
    answer = answers.call(token=answers.token(), headers=[("X-Request-ID", "one"), ("X-Request-ID", "two")])
    assert answer.status == 200 and once(answer, "X-Request-ID") not in ("one", "two", "one, two")


def test_a_body_reaches_the_upstream_with_its_length(answers):
    body = b"x" * 300000
    answer = answers.call(path="/mcp/echo", token=answers.token(), body=body)
    assert answer.status == 200 and answers.upstream.last.header("Content-Length") == "300000" and answers.upstream.last.header("Transfer-Encoding") is None
    assert answers.upstream.last.body == body


def test_a_chunked_body_reaches_the_upstream(answers):
    raw = (f"POST /mcp/echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {answers.token()}\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
    raw += b"".join(b"%x\r\n%s\r\n" % (1000, b"y" * 1000) for _ in range(50)) + b"0\r\n\r\n"
    assert parse_answer(answers.httpd.raw(raw)).status == 200
    assert answers.upstream.last.body == b"y" * 50000
