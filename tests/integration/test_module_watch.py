# SPDX-License-Identifier: Apache-2.0
"""A stream on which the server says nothing ends when its client leaves, and when the token it was opened with expires; the server sees that at once."""
import contextlib
import re
import socket
import ssl
import threading
import time

import pytest

from harness import h2_request, paths, wait_until
from module_parts import fixed_stack

BRIEF = 3 * paths.PATIENCE  # seconds that a token lives, for its stream to be open by then

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Silent:
    """An upstream on kept-alive connections: GETs get a stream with one event and then nothing, other requests an answer. ended: streams whose connection was closed."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.opened, self.ended, self.connections, self.busy, self.sent = [], [], 0, False, 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        stream, data = None, b""
        with connection:
            while True:
                try:
                    more = connection.recv(65536)
                except OSError:
                    more = b""
                if not more:
                    break
                data += more
                if stream or b"\r\n\r\n" not in data:
                    continue
                head, rest = data.split(b"\r\n\r\n", 1)
                length = re.search(rb"(?mi)^content-length: (\d+)", head)
                if len(rest) < (int(length[1]) if length else 0):
                    continue
                line, data = head.split(b"\r\n", 1)[0].decode(), b""
                if line.startswith("GET"):
                    stream = line.split()[1]
                    self.opened.append(stream)
                    connection.sendall(HEAD + b"a\r\ndata: one\n\r\n")
                    if self.busy:
                        self._talk(connection)
                        break
                else:
                    connection.sendall(PLAIN)
        if stream:
            self.ended.append(stream)

    def _talk(self, connection):
        more = b"100\r\n" + b": " + b"x" * 253 + b"\n\r\n"
        with contextlib.suppress(OSError):
            for _ in range(1000000):
                connection.sendall(more * 64)
                self.sent += 64 * len(more)

    def stop(self):
        self._listener.close()


@pytest.fixture(params=["event", "worker", "prefork"])
def quiet(world, request):
    upstream = Silent()
    guarded = "MCPAuth On\nMCPAuthResource {resource}\n"
    yield fixed_stack(world, mpm=request.param, upstream=upstream, tls=world.tls, issuer_options="skew=0", modules=["proxy", "proxy_http", "http2"][:2 if request.param == "prefork" else 3],
                      location="MCPAuthStreamUntilExpiry On", config="" if request.param == "prefork" else "Protocols h2 h2c http/1.1",
                      locations={"/brief": guarded + "ProxyPass {upstream}/brief timeout=2", "/long": guarded + "ProxyPass {upstream}/long",
                                 "/shadow": guarded.replace("On", "Shadow", 1) + "ProxyPass {upstream}/shadow"})
    upstream.stop()


def open_stream(s, path, token, tls=None):
    client = socket.create_connection(("127.0.0.1", s.httpd.tls_port if tls else s.httpd.port), timeout=30)
    if tls:
        client = tls.wrap_socket(client, server_hostname="localhost")
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    received = b""
    while not re.search(rb"data: one\n(\r\n|:)", received):
        more = client.recv(65536)
        assert more, received
        received += more
    return client


def trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_server_learns_at_once_that_the_client_left(quiet):
    s = quiet
    for tls in (None, trusting()):
        # The connection to the server was used before: a filter of this request's alone would not be there.
        assert s.call(token=s.token()).status == 200
        path = f"/mcp/left{bool(tls)}"
        client = open_stream(s, path, s.token(), tls)
        time.sleep(0.3)  # for a stream that ends by itself to have done so; were it too short, less would be tested
        assert path in s.upstream.opened and path not in s.upstream.ended
        client.close()
        wait_until(lambda path=path: path in s.upstream.ended, 10, "the server to see the end")
    assert "error reading" not in s.httpd.error_log() and s.call(token=s.token()).status == 200


def test_a_client_that_stays_keeps_its_stream(quiet):
    s = quiet
    with open_stream(s, "/long/stays", s.token(expires_in=BRIEF)) as client:
        client.settimeout(BRIEF + 2)
        with pytest.raises(TimeoutError):
            client.recv(1)
    wait_until(lambda: "/long/stays" in s.upstream.ended, 10, "the end")


def test_a_stream_ends_with_its_token(quiet):
    s = quiet
    with open_stream(s, "/mcp/expires", s.token(expires_in=BRIEF)) as client:
        client.settimeout(30)
        rest = client.recv(65536)
        assert rest == b""  # no last chunk: a client can tell that this is not the stream's own end
    wait_until(lambda: "/mcp/expires" in s.upstream.ended, 10, "the server to see the end")
    assert "error reading" not in s.httpd.error_log()


def test_a_stream_that_never_pauses_ends_with_its_token_too(quiet):
    s = quiet
    s.upstream.busy = True
    with open_stream(s, "/mcp/busy", s.token(expires_in=BRIEF)) as client:
        client.settimeout(30)
        while client.recv(65536):
            pass
    wait_until(lambda: "/mcp/busy" in s.upstream.ended, 10, "the server to see the end")


def test_proxys_own_timeout_holds(quiet):
    s = quiet
    with open_stream(s, "/brief/timeout", s.token()) as client:
        client.settimeout(30)
        assert client.recv(65536) == b""
    wait_until(lambda: "/brief/timeout" in s.upstream.ended, 10, "the end")


def test_http2_streams_end_alike(quiet):
    s = quiet
    if "http2" not in s.httpd.modules:
        return  # mod_http2 does not go with prefork
    with pytest.raises((TimeoutError, OSError, AssertionError, ConnectionError)):
        h2_request(s.httpd.port, path="/mcp/h2", token=s.token(), timeout=5)
    wait_until(lambda: "/mcp/h2" in s.upstream.ended, 15, "the server to see the end")
