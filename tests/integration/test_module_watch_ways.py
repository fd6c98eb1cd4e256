# SPDX-License-Identifier: Apache-2.0
"""Streams that end with their client or token on other ways to the server than ProxyPass over HTTP/1.1, and with clients that read slowly."""
import contextlib
import re
import socket
import threading
import time

import pytest

from harness import wait_until
from module_parts import fixed_stack
from test_module_watch import BRIEF, Silent, open_stream

GUARDED = "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthStreamUntilExpiry On\n"


class SilentH2:
    """An upstream of HTTP/2 with prior knowledge: each GET gets a stream with one event and then nothing. ended: streams that were reset, or whose connection was closed."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.opened, self.ended = [], []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, sock):
        import h2.config
        import h2.connection
        import h2.events
        h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        streams = {}
        h2c.initiate_connection()
        with sock, contextlib.suppress(OSError):
            sock.sendall(h2c.data_to_send())
            while data := sock.recv(65536):
                for event in h2c.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        path = streams[event.stream_id] = dict(event.headers)[":path"]
                        self.opened.append(path)
                        h2c.send_headers(event.stream_id, [(":status", "200"), ("content-type", "text/event-stream")])
                        h2c.send_data(event.stream_id, b"data: one\n")
                    elif isinstance(event, h2.events.StreamReset):
                        self.ended.append(streams.pop(event.stream_id, None))
                sock.sendall(h2c.data_to_send())
        self.ended += streams.values()

    def stop(self):
        self._listener.close()


@pytest.fixture(params=["event", "worker"])
def over_h2(world, request):
    upstream = SilentH2()
    yield fixed_stack(world, mpm=request.param, upstream=upstream, issuer_options="skew=0", modules=["proxy", "proxy_http", "proxy_http2"], locations={
        "/h2": GUARDED + f"ProxyPass h2c://127.0.0.1:{upstream.port}/h2"})
    upstream.stop()


def leaves(s, path, tls=None):
    client = open_stream(s, path, s.token(), tls)
    stream = s.upstream.opened[-1]
    time.sleep(0.3)  # for a stream that ends by itself to have done so; were it too short, less would be tested
    assert not s.upstream.ended
    client.close()
    wait_until(lambda: s.upstream.ended == [stream], 10, "the server to see the end")
    assert not re.search(r":(error|warn|crit)\].*\[client ", s.httpd.error_log())


def expires(s, path):
    with open_stream(s, path, s.token(expires_in=BRIEF)) as client:
        client.settimeout(30)
        assert client.recv(65536) == b""  # neither a last chunk nor anything that was not the server's
    wait_until(lambda: s.upstream.ended == s.upstream.opened, 10, "the server to see the end")
    assert not re.search(r":(error|warn|crit)\].*\[client ", s.httpd.error_log())


def test_over_http2_the_server_learns_that_the_client_left(over_h2):
    leaves(over_h2, "/h2/left")


def test_over_http2_a_stream_ends_with_its_token(over_h2):
    expires(over_h2, "/h2/expires")


@pytest.fixture(params=["event", "prefork"])
def handled(world, request):
    upstream = Silent()
    yield fixed_stack(world, mpm=request.param, upstream=upstream, issuer_options="skew=0", modules=["proxy", "proxy_http"], locations={
        "/handled": GUARDED + f'SetHandler "proxy:http://127.0.0.1:{upstream.port}"'})
    upstream.stop()


def test_by_sethandler_the_server_learns_that_the_client_left(handled):
    leaves(handled, "/handled/left")


def test_by_sethandler_a_stream_ends_with_its_token(handled):
    expires(handled, "/handled/expires")


@pytest.fixture(params=["event", "worker", "prefork"])
def busy(world, request):
    upstream = Silent()
    upstream.busy = True
    log = 'LogMessage "the request is over" hook=log_transaction'
    yield fixed_stack(world, mpm=request.param, upstream=upstream, issuer_options="skew=0", modules=["proxy", "proxy_http", "log_debug"], locations={
        "/busy": GUARDED + "ProxyPass {upstream}/busy\n" + log})
    upstream.stop()


def test_a_client_that_reads_nothing_gets_nothing_that_was_said_later(busy):
    """httpd waits until it can send; what the server says after the token's end stays unread."""
    s = busy
    with open_stream(s, "/busy/slow", s.token(expires_in=BRIEF)) as client:
        time.sleep(BRIEF + 1)
        sent, received = s.upstream.sent, 0
        client.settimeout(60)
        with contextlib.suppress(ConnectionError):
            while data := client.recv(65536):
                received += len(data)
                assert not data.endswith(b"\r\n0\r\n\r\n")
        assert 0 < received < sent + 65536  # a little more than what was sent whole
    wait_until(lambda: s.upstream.ended == ["/busy/slow"], 10, "the server to see the end")
    # What others log of such a request is there.
    wait_until(lambda: "the request is over" in s.httpd.error_log(), 10, "the line")
    assert not re.search(r":(error|warn|crit)\].*\[client ", s.httpd.error_log())


def test_a_client_that_reads_nothing_and_leaves_is_seen_to_leave(busy):
    s = busy
    client = open_stream(s, "/busy/left", s.token())
    time.sleep(1)  # until all buffers are full; were it too short, less would be tested
    assert not s.upstream.ended
    client.close()
    wait_until(lambda: s.upstream.ended == ["/busy/left"], 10, "the server to see the end")
