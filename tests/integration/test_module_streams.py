# SPDX-License-Identifier: Apache-2.0
"""Event streams that one subject may have open (MCPAuthMaxStreams): no more than that, nobody else's, and none that is not open any more."""
import contextlib
import json
import os
import re
import signal
import socket
import threading

import pytest

from harness import call_tool, free_port, h2_request, wait_until
from module_parts import fixed_stack

STATUS = "<Location /status>\nSetHandler server-status\n</Location>\nExtendedStatus On"
MODULES = ["proxy", "proxy_http", "status"]
GUARDED = "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthInspect Body\nMCPAuthMaxStreams 3\n"


class Client:
    """A connection with one request on it."""

    def __init__(self, s, method="GET", path="/sse", sub="alice", accept="text/event-stream", **claims):
        body = b"" if method == "GET" else call_tool("slow", 7)
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {s.token(sub=sub, scope='mcp:admin', **claims)}"]
        head += [f"Accept: {accept}"] if accept else []
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
        self.socket = socket.create_connection(("127.0.0.1", s.httpd.port), timeout=60)
        self.socket.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            more = self.socket.recv(65536)
            assert more, self.data
            self.data += more
        self.status = int(self.data.split()[1])
        self.head = self.data.split(b"\r\n\r\n")[0].decode()

    def read_to_end(self):
        """Of the answer; the connection stays."""
        length = re.search(r"(?i)content-length: (\d+)", self.head)
        while not (len(self.data) >= len(self.head) + 4 + int(length[1]) if length else self.data.endswith(b"0\r\n\r\n")):
            more = self.socket.recv(65536)
            assert more, self.data
            self.data += more
        return self.data[len(self.head) + 4:]

    def close(self):
        self.socket.close()


def open_now(s):
    return int(re.search(r"MCPAuthStreams: (\d+)", s.httpd.get("/status?auto").text)[1])


def wait_open(s, count):
    wait_until(lambda: open_now(s) == count, 20, f"{count} open streams")


def end(s, clients):
    """Closes them, and waits until nobody counts them any more."""
    for client in clients:
        client.close()
    wait_open(s, 0)
    wait_until(lambda: s.upstream.open_streams == 0, 20, "the upstream to see the end")


def streams_stack(make, world, **options):
    config = options.pop("config", "")
    return make(world, modules=options.pop("modules", MODULES), config=f"{STATUS}\n{config}", location="MCPAuthInspect Body\nMCPAuthMaxStreams 3", **options, locations={
        "/sse": GUARDED + "ProxyPass {upstream}/sse flushpackets=on",
        "/other": GUARDED.replace("{resource}", "{resource}/other") + "MCPAuthAudience {resource}\nProxyPass {upstream}/sse flushpackets=on",
        "/many": GUARDED.replace("3", "unlimited") + "ProxyPass {upstream}/sse flushpackets=on",
        "/usual": GUARDED.replace("MCPAuthMaxStreams 3\n", "") + "ProxyPass {upstream}/sse flushpackets=on",
        "/shadow": GUARDED.replace("On", "Shadow", 1) + "ProxyPass {upstream}/sse flushpackets=on",
        "/required": GUARDED + "MCPAuthAudit Required\nProxyPass {upstream}/sse flushpackets=on",
        "/plain": GUARDED + "ProxyPass {upstream}/status/405",
        "/dead": GUARDED + f"ProxyPass http://127.0.0.1:{free_port()}/ retry=0",
    })


@pytest.fixture(scope="module")
def streams(module_world):
    return streams_stack(fixed_stack, module_world)


def is_refused(client, method):
    assert client.status == 429 and re.search(r"(?im)^retry-after: [1-9]\d*\r?$", client.head), client.head
    assert "text/event-stream" not in client.head
    document = json.loads(client.read_to_end())
    if method == "POST":
        assert document.get("id") == 7 and document["error"]["code"] == 429, document
        document = document["error"]["data"]
    assert document["error"] == "rate_limit_exceeded" and document["message"] == "Too many open streams"
    return True


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_a_subject_has_so_many_and_others_theirs(world, mpm, method):
    s = streams_stack(fixed_stack, world, mpm=mpm)
    mine = [Client(s, m) for m in ("GET", "POST", method)]
    assert [c.status for c in mine] == [200] * 3
    for claims in ({}, {"client_id": "another-app"}):
        refused = Client(s, method, **claims)
        assert is_refused(refused, method)
        refused.close()
    others = [Client(s, method, sub="bob") for _ in range(3)] + [Client(s, method, path="/other")]
    assert [c.status for c in others] == [200] * 4
    # The upstream's side of what was refused is closed.
    wait_until(lambda: s.upstream.open_streams == 7, 20, "the refused streams to end")
    s.upstream.push("one")
    assert all(b"data: one" in c.socket.recv(65536) for c in mine + others)
    end(s, mine + others)
    again = [Client(s, method) for _ in range(3)]
    assert [c.status for c in again] == [200] * 3 and is_refused(Client(s, method), method)
    end(s, again)
    assert not re.search(r":(error|warn|crit)\].*\[client ", s.httpd.error_log())


def test_a_get_over_the_cap_does_not_reach_the_upstream(streams):
    s = streams
    mine = [Client(s) for _ in range(3)]
    with s.upstream.untouched():
        refused = Client(s)
        assert is_refused(refused, "GET")
    # The connection is as good as after any other answer.
    refused.socket.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert refused.socket.recv(100).startswith(b"HTTP/1.1 200 ")
    refused.close()
    end(s, mine)


def test_a_post_over_the_cap_leaves_its_connection_as_it_was(streams):
    s = streams
    mine = [Client(s, "POST") for _ in range(3)]
    refused = Client(s, "POST")
    assert is_refused(refused, "POST")
    refused.socket.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert refused.socket.recv(100).startswith(b"HTTP/1.1 200 ")
    refused.close()
    end(s, mine)


@contextlib.contextmanager
def answered_with(s, pieces, content_type="Text/Event-Stream; charset=utf-8"):
    s.upstream.script = (200, [("Content-Type", content_type)], pieces)
    try:
        yield
    finally:
        s.upstream.script = None


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stream_that_the_server_ends_is_over_before_its_client_knows(streams, method):
    """One after the other, as many as one likes: each on a connection of its own, begun when the one before was just read to its end."""
    s = streams
    mine, kept = [Client(s, method) for _ in range(2)], []
    with answered_with(s, [b"data: {}\n\n"]):
        for _ in range(50):
            kept.append(Client(s, method, path="/mcp"))
            assert kept[-1].status == 200 and b"data: {}" in kept[-1].read_to_end()
    end(s, mine + kept)


def test_what_is_no_stream_takes_no_place(streams):
    s = streams
    mine = [Client(s) for _ in range(2)]
    kept = [Client(s, path="/plain") for _ in range(5)] + [Client(s, "POST", path="/plain", accept="application/json, text/event-stream") for _ in range(5)]
    # Not even while it lasts.
    rest = threading.Event()
    with answered_with(s, [b"some", rest.wait, b"more"], "text/plain"):
        kept.append(Client(s, path="/mcp"))
        assert kept[-1].status == 200 and open_now(s) == 2
        rest.set()
        assert b"more" in kept.pop().read_to_end()
    assert [c.status for c in kept] == [405] * 10 and all(c.read_to_end() == b"{}" for c in kept)
    assert open_now(s) == 2
    mine.append(Client(s))
    assert mine[-1].status == 200
    # A server that would say that it has no streams is not asked any more; nor is a GET without this Accept known for one.
    assert is_refused(Client(s, path="/plain"), "GET") and Client(s, path="/plain", accept=None).status == 405
    assert is_refused(Client(s, accept=None), "GET")
    end(s, mine + kept)


def test_a_stream_that_breaks_off_keeps_no_place(streams):
    s = streams
    mine = [Client(s) for _ in range(2)]

    def break_off():
        raise ConnectionAbortedError

    with answered_with(s, [b"data: {}\n\n", break_off]):
        for method in ("GET", "POST") * 2:
            broken = Client(s, method, path="/mcp")
            assert broken.status == 200
            with contextlib.suppress(OSError):
                while broken.socket.recv(65536):
                    pass
            wait_open(s, 2)
    end(s, mine)


def test_a_server_that_cannot_be_reached_takes_no_place(streams):
    failed = [Client(streams, path="/dead") for _ in range(5)]
    assert [c.status for c in failed] == [503] * 5
    end(streams, failed)


def test_default_and_unlimited(streams):
    s = streams
    many = [Client(s, path="/many") for _ in range(6)]
    assert [c.status for c in many] == [200] * 6 and open_now(s) == 0  # not even counted
    usual = [Client(s, path="/usual") for _ in range(6)]
    assert [c.status for c in usual] == [200] * 6 and open_now(s) == 6
    assert is_refused(Client(s), "GET")  # of the same resource
    for client in many:
        client.close()
    end(s, usual)


def test_shadow_notes_and_lets_in(world):
    s = streams_stack(lambda world, **options: world.stack(**options), world)
    mine = [Client(s, path="/shadow") for _ in range(5)]
    assert [c.status for c in mine] == [200] * 5
    s.upstream.end_streams()
    end(s, mine)
    s.admind.wait_journal(2, reason="stream_limit", decision="shadow_deny")
    s.admind.wait_journal(3, reason="ok", location="/shadow")
    required = [Client(s, m, path="/required") for m in ("GET", "POST", "GET")]
    assert is_refused(Client(s, "GET", path="/required"), "GET") and is_refused(Client(s, "POST", path="/required"), "POST")
    end(s, required)
    for method, status in (("GET", 429), ("POST", 429)):
        line, = s.admind.wait_journal(1, reason="stream_limit", decision="limit", method=method)
        assert line["status"] == status and line["sub"] == "alice" and line["location"] == "/required"
    # A GET is refused before its record is promised.
    assert len(s.admind.wait_journal(2, event="decision", location="/required", method="GET")) == 2
    assert s.admind.metric("mcpauth_denials_total", location="/required", reason="stream_limit") == 2


def answers(s):
    with contextlib.suppress(OSError):
        return s.httpd.get("/status?auto").status == 200


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_what_killed_children_held_comes_back(world, mpm):
    world.allow_crashes = True
    s = streams_stack(fixed_stack, world, mpm=mpm)
    for _ in range(2):
        mine = [Client(s) for _ in range(3)]
        bobs = Client(s, sub="bob")
        assert [c.status for c in mine] == [200] * 3 and is_refused(Client(s), "GET")
        for pid in s.httpd.children():
            os.kill(pid, signal.SIGKILL)
        for client in [*mine, bobs]:
            assert client.socket.recv(100) == b""
            client.close()
        wait_until(lambda: answers(s), 30, "new children")
        # Nobody looked for them so far. The one that has too few left looks, and only then.
        assert open_now(s) == 4
        mine = [Client(s) for _ in range(3)]
        assert [c.status for c in mine] == [200] * 3 and open_now(s) == 3 and is_refused(Client(s), "GET")
        end(s, mine)


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_streams_of_children_that_finish_still_count(world, mpm):
    s = streams_stack(fixed_stack, world, mpm=mpm)
    mine = [Client(s) for _ in range(3)]
    for _ in range(2):
        s.httpd.graceful()
        assert open_now(s) == 3 and is_refused(Client(s), "GET") and is_refused(Client(s, "POST"), "POST")
    s.upstream.push("still there")
    assert all(b"still there" in c.socket.recv(65536) for c in mine)
    mine.pop().close()
    wait_open(s, 2)
    mine.append(Client(s))
    assert mine[-1].status == 200 and is_refused(Client(s), "GET")
    end(s, mine)


class Multiplexed:
    """One connection of HTTP/2 with streams on it."""

    def __init__(self, s, token):
        import h2.config
        import h2.connection
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.socket, self.token, self.answered, self.ended = socket.create_connection(("127.0.0.1", s.httpd.port), timeout=60), token, {}, set()
        self.h2.initiate_connection()

    def ask(self, path="/sse"):
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "localhost"),
                                      ("authorization", "Bearer " + self.token), ("accept", "text/event-stream")], end_stream=True)
        self.socket.sendall(self.h2.data_to_send())
        return stream

    def _pump(self, condition):
        import h2.events
        while not condition():
            data = self.socket.recv(65536)
            assert data, self.answered
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    self.answered[event.stream_id] = int(dict(event.headers)[":status"])
                elif isinstance(event, h2.events.StreamEnded):
                    self.ended.add(event.stream_id)
            self.socket.sendall(self.h2.data_to_send())

    def status(self, stream):
        self._pump(lambda: stream in self.answered)
        return self.answered[stream]

    def wait_end(self, stream):
        self._pump(lambda: stream in self.ended)

    def reset(self, stream):
        self.h2.reset_stream(stream)
        self.socket.sendall(self.h2.data_to_send())


@pytest.fixture(params=["event", "worker"])
def http2(world, request):
    return streams_stack(fixed_stack, world, mpm=request.param, modules=[*MODULES, "http2"], config="Protocols h2 h2c http/1.1")


def test_over_http2(http2):
    s, token = http2, http2.token(sub="alice", scope="mcp:admin")
    mine = [Client(s) for _ in range(3)]
    for method, body in (("GET", None), ("POST", call_tool("slow", 7))):
        answer = h2_request(s.httpd.port, method, "/sse", token=token, body=body, headers={"accept": "text/event-stream"})
        assert answer.status == 429 and answer.header("Retry-After")
    wait_until(lambda: s.upstream.open_streams == 3, 20, "the refused stream to end")
    end(s, mine)
    connection = Multiplexed(s, token)
    asked = [connection.ask() for _ in range(5)]
    assert sorted(connection.status(a) for a in asked) == [200] * 3 + [429] * 2
    assert open_now(s) == 3 and is_refused(Client(s), "GET")
    for stream in asked:
        if connection.status(stream) == 200:
            connection.reset(stream)
    wait_open(s, 0)
    assert connection.status(connection.ask()) == 200
    end(s, [connection.socket])


def test_over_http2_one_after_the_other(http2):
    s = http2
    mine, connection = [Client(s) for _ in range(2)], Multiplexed(s, s.token(sub="alice", scope="mcp:admin"))
    with answered_with(s, [b"data: {}\n\n"]):
        for _ in range(100):
            stream = connection.ask("/mcp")
            assert connection.status(stream) == 200
            connection.wait_end(stream)
    end(s, [*mine, connection.socket])


def test_a_redirect_takes_one_place(world):
    rewrite = "RewriteEngine On\nRewriteRule ^/jump$ /sse [PT]\nErrorDocument 404 /sse\n"
    s = streams_stack(fixed_stack, world, modules=[*MODULES, "rewrite"], config=rewrite)
    mine = [Client(s, path="/jump"), Client(s, path="/missing"), Client(s)]
    assert [c.status for c in mine] == [200] * 3 and open_now(s) == 3
    assert is_refused(Client(s, path="/jump"), "GET")
    end(s, mine)
