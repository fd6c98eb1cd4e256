# SPDX-License-Identifier: Apache-2.0
"""Attacks 84 to 86 and 89 to 91: what belongs to another, what takes all for itself, and what was allowed once.

86 the gate does not know whose a task is; it tells the server behind it, beyond doubt, who asks.
89 slow bodies are mod_reqtimeout's to end, and slow readers wait for nobody but themselves.
90 is left open by the protocol; here MCPAuthStreamUntilExpiry says it."""
import re
import socket
import time
import uuid

import pytest

from harness import call_tool, initialize, list_tools, paths, rpc, wait_until
from module_parts import fixed_stack

LEGACY = ("MCP-Protocol-Version", "2025-11-25")
GUARD = "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthInspect Body\n"


@pytest.fixture(scope="module")
def gate(module_world):
    return fixed_stack(module_world, modules=["proxy", "proxy_http", "reqtimeout"], location="MCPAuthInspect Body", issuer_options="skew=0", workers=32, locations={
        "/ends": GUARD + "MCPAuthStreamUntilExpiry On\nProxyPass {upstream}/sse flushpackets=on",
        "/stays": GUARD + "ProxyPass {upstream}/sse flushpackets=on",
        "/big": GUARD + "ProxyPass {upstream}/big/50000000",
    }, config="RequestReadTimeout header=0 body=2")


def token(gate, sub, scope="mcp:admin", **claims):
    return gate.token(sub=sub, scope=scope, **claims)


def ask(gate, who, method="POST", session=None, body=None, headers=()):
    sent = [LEGACY, *([("Mcp-Session-Id", session)] if session else []), *headers]
    return gate.call(token=token(gate, who), method=method, body=body or (list_tools(7) if method == "POST" else None), headers=sent)


def open_session(gate, who, given=None, **more):
    gate.upstream.extra_headers = [("Mcp-Session-Id", given or str(uuid.uuid4()))]
    try:
        return gate.call(token=token(gate, who), body=initialize(), **more)
    finally:
        gate.upstream.extra_headers = []


# -- 84, 85: sessions -------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", [pytest.param(m, id=f"84 {m}") for m in ("POST", "GET", "DELETE")])
def test_anothers_session_is_none(gate, method):
    mine = open_session(gate, "alice").header("Mcp-Session-Id")
    for who, claims in (("mallory", {}), ("alice", {"client_id": "another-app"}), ("mallory", {"client_id": "alice"})):
        with gate.upstream.untouched():
            answer = gate.call(token=token(gate, who, **claims), method=method, body=list_tools() if method == "POST" else None, headers=[LEGACY, ("Mcp-Session-Id", mine)])
        assert answer.status == 404 and mine not in answer.text + str(answer.headers), answer
    assert ask(gate, "alice", session=mine).status == 200, "nobody ended it"
    unknown = ask(gate, "mallory", session=str(uuid.uuid4()))
    assert unknown.text == ask(gate, "mallory", session=mine).text, "nobody learns whether it exists"


def test_84_a_flood_of_ones_own_ends_nobody_elses(gate):
    mine = open_session(gate, "alice").header("Mcp-Session-Id")
    assert [open_session(gate, "mallory").status for _ in range(70)] == [200] * 70
    assert ask(gate, "alice", session=mine).status == 200


@pytest.mark.parametrize("name", [pytest.param(n, id=f"85 {n}") for n in ("Mcp-Session-Id", "mcp-session-id", "Mcp_Session_Id", "MCP_SESSION-ID")])
def test_an_id_that_a_client_brings_to_initialize_is_not_taken(gate, name):
    chosen = str(uuid.uuid4())
    answer = gate.call(token=token(gate, "mallory"), body=initialize(), headers=[(name, chosen)])
    if "_" in name:  # another header by its name, which no server behind may take for this one
        assert answer.status == 200 and chosen not in str(gate.upstream.last.headers)
    else:
        assert answer.status == 404 and chosen not in str([r.headers for r in gate.upstream.requests])
    for who in ("mallory", "alice"):
        with gate.upstream.untouched():
            assert ask(gate, who, session=chosen).status == 404


def test_85_an_id_known_before_does_not_become_the_attackers_too(gate):
    """Whoever gets a server to hand an id out again gets nothing; and who was first keeps it."""
    known = str(uuid.uuid4())
    assert open_session(gate, "alice", known).status == 200
    answer = open_session(gate, "mallory", known)
    assert answer.status == 404 and answer.header("Mcp-Session-Id") is None and "serverInfo" not in answer.text
    assert ask(gate, "mallory", session=known).status == 404 and ask(gate, "alice", session=known).status == 200


# -- 86: handles of another -------------------------------------------------------------------------------------------------------------------

TASKS = ["tasks/get", "tasks/result", "tasks/cancel", "tasks/update"]


@pytest.mark.parametrize("method", [pytest.param(m, id=f"86 {m}") for m in TASKS])
def test_the_server_learns_who_asks_for_a_task(gate, method):
    forged = [("X-MCP-Subject", "alice"), ("X_MCP_Subject", "alice"), ("X-MCP-Client-ID", "trusted"), ("X-MCP-Issuer", "https://evil.example"), ("Connection", "close, X-MCP-Subject")]
    for who in ("alice", "mallory"):
        answer = ask(gate, who, body=rpc(method, {"taskId": "alice-1"}), headers=forged)
        assert answer.status == 200, answer
        seen = gate.upstream.last
        told = {name: [v for n, v in seen.headers if n.lower().replace("_", "-") == name] for name in ("x-mcp-subject", "x-mcp-client-id", "x-mcp-issuer")}
        assert told["x-mcp-subject"] == [who] and told["x-mcp-issuer"] == [gate.issuer.url] and "trusted" not in told["x-mcp-client-id"], told


# -- 89: slowness ---------------------------------------------------------------------------------------------------------------------------

def connect(gate, method, path, bearer, body_bytes=0, receive=None):
    client = socket.socket()
    if receive:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    client.settimeout(60)
    client.connect(("127.0.0.1", gate.httpd.port))
    length = f"Content-Type: application/json\r\nContent-Length: {body_bytes}\r\n" if body_bytes else ""
    client.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n{length}\r\n".encode())
    return client


def received(client, text):
    """What comes up to this text, or to the connection's end."""
    data = b""
    while text not in data and (more := client.recv(4096)):
        data += more
    return data


def test_89_slow_bodies_hold_the_workers_for_a_bounded_time(gate):
    """Twice as many as there are workers, of one who is let in: they are ended, their requests reach nobody, and others are served."""
    bearer = token(gate, "mallory")
    clients = [connect(gate, "POST", "/mcp", bearer, 1000) for _ in range(64)]
    with gate.upstream.untouched():
        for client in clients[:8]:
            client.sendall(b'{"jsonrpc":')
        for client in clients:
            answer = received(client, b"\r\n\r\n")
            assert re.match(rb"HTTP/1\.1 (400|408) ", answer), answer
            client.close()
    assert ask(gate, "alice").status == 200


def test_89_nobody_waits_for_the_body_of_who_is_not_let_in(gate):
    client = connect(gate, "POST", "/mcp", "x.y.z", 1000)
    assert client.recv(4096).startswith(b"HTTP/1.1 401 ")
    client.close()


def test_89_readers_that_do_not_read_stop_nobody_else(gate):
    bearer = token(gate, "mallory")
    clients = [connect(gate, "GET", "/big", bearer, receive=4096) for _ in range(8)] + [connect(gate, "GET", "/stays", bearer, receive=4096) for _ in range(8)]
    wait_until(lambda: gate.upstream.open_streams >= 8, 10, "the streams are open")
    for n in range(50):
        gate.upstream.push("x" * 20000)
        assert ask(gate, "alice", body=call_tool("echo", message=str(n))).status == 200
    for client in clients:
        client.close()
    gate.upstream.end_streams()
    assert ask(gate, "alice").status == 200


# -- 90: time -------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", [pytest.param("/ends", id="90 until expiry"), pytest.param("/stays", id="90 as long as it likes")])
def test_a_stream_outlives_its_token_only_where_it_may(gate, path):
    wait_until(lambda: gate.upstream.open_streams == 0, 20, "the streams of the tests before are gone")
    end = int(time.time() + 4 * paths.PATIENCE)
    with connect(gate, "GET", path, token(gate, "alice", exp=end)) as client:
        wait_until(lambda: gate.upstream.open_streams == 1, 10, "the stream is open")
        gate.upstream.push("early")
        assert b"early" in received(client, b"early")
        wait_until(lambda: time.time() > end + 1, 60, "the token's end")
        gate.upstream.push("late")
        rest = received(client, b"late")
        assert (b"late" in rest) == (path == "/stays") and not rest.endswith(b"0\r\n\r\n"), rest
    with gate.upstream.untouched():
        assert gate.call(token=gate.token(sub="alice", exp=end), method="GET", path=path).status == 401
    gate.upstream.push("to see that nobody reads any more")
    gate.upstream.end_streams()


# -- 91: what was allowed once ------------------------------------------------------------------------------------------------------------------

def test_91_a_token_with_fewer_scopes_calls_no_more(gate):
    """Nothing of the first token is remembered for the second; the first still does what it says."""
    full, less = token(gate, "alice", "mcp:tools.exec"), token(gate, "alice", "mcp:tools.read")
    for _ in range(3):
        assert gate.call(token=full, body=call_tool()).status == 200
        with gate.upstream.untouched():
            answer = gate.call(token=less, body=call_tool())
        assert answer.status == 403 and answer.challenge["error"] == "insufficient_scope" and answer.challenge["scope"] == "mcp:tools.exec", answer
        assert gate.call(token=less, body=list_tools()).status == 200


@pytest.mark.parametrize("rule, denied", [pytest.param("MCPAuthOperation tools/call:echo denied", 403, id="91 a rule denies"), pytest.param("MCPAuthScope files:all", 403, id="91 a scope more"),
                                          pytest.param("MCPAuthAudience https://elsewhere.example/mcp", 401, id="91 another audience"), pytest.param("MCPAuthProtocol 2026-07-28", 400, id="91 another revision")])
def test_what_an_administrator_takes_back_is_gone_with_the_next_request(world, rule, denied):
    """The same token, known from before, in a session from before."""
    s = fixed_stack(world, location="MCPAuthInspect Body")
    bearer, first = s.token(sub="alice", scope="mcp:admin"), s.httpd.locations["/mcp"]
    session = open_session(s, "alice").header("Mcp-Session-Id")

    def call():
        return s.call(token=bearer, body=call_tool(), headers=[LEGACY, ("Mcp-Session-Id", session)])

    def configure(lines):
        before = set(s.httpd.children())
        s.httpd.locations["/mcp"] = lines
        s.httpd.write_config()
        s.httpd.graceful()
        wait_until(lambda: not before & set(s.httpd.children()), 30, "the children with the old rules are gone")

    assert [call().status for _ in range(5)] == [200] * 5
    configure(first + "\n" + rule)
    with s.upstream.untouched():
        assert [call().status for _ in range(10)] == [denied] * 10
    configure(first)
    assert call().status == 200
