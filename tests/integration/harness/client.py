# SPDX-License-Identifier: Apache-2.0
"""HTTP clients that send exactly what a test says: repeated headers, odd bytes, HTTP/2."""
import io
import json as jsonlib
import re
import socket
import ssl
import time

from . import paths


class Answer:
    """status; headers: list of (name, value) as received; body: bytes."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def header(self, name, default=None):
        """The values of this header, joined as a client would join them."""
        values = self.all(name)
        return ", ".join(values) if values else default

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return jsonlib.loads(self.body)

    @property
    def challenge(self):
        """The parameters of the Bearer challenge, or None."""
        value = self.header("WWW-Authenticate")
        if value is None or not value.startswith("Bearer"):
            return None
        return dict(re.findall(r'([a-z_]+)="([^"]*)"', value))

    def __repr__(self):
        return f"<Answer {self.status} {self.headers} {self.body[:200]!r}>"


class _Buffered:
    """Lets http.client parse bytes that were already received."""

    def __init__(self, data):
        self.data = data

    def makefile(self, *_):
        return io.BytesIO(self.data)


def parse_answer(data, method="GET"):
    import http.client
    answer = http.client.HTTPResponse(_Buffered(data), method=method)
    answer.begin()
    try:
        body = answer.read()
    except http.client.IncompleteRead as e:
        body = e.partial
    return Answer(answer.status, list(answer.getheaders()), body)


def raw_exchange(port, data, timeout=20, host="127.0.0.1", half_close=False):
    """Sends these bytes, reads until the server closes (or the deadline passes), returns all bytes received. b'' is a closed connection."""
    received = b""
    deadline = time.monotonic() + timeout * paths.PATIENCE
    with socket.create_connection((host, port), timeout=timeout * paths.PATIENCE) as s:
        try:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            while time.monotonic() < deadline:
                s.settimeout(max(0.01, deadline - time.monotonic()))
                chunk = s.recv(65536)
                if not chunk:
                    break
                received += chunk
        except (ConnectionResetError, BrokenPipeError, socket.timeout):
            pass
    return received


def send(port, method="GET", path="/", headers=(), body=None, token=None, timeout=20, host="127.0.0.1", tls=None, authority=None):
    """One request on a connection of its own. headers: dict or list of pairs (repeats allowed). token: sent as Bearer.
    tls: an ssl.SSLContext. A str in headers is sent as latin-1, bytes as they are."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    names = {(n.decode("latin-1") if isinstance(n, bytes) else n).lower() for n, _ in pairs}
    lines = [f"{method} {path} HTTP/1.1".encode("latin-1")]
    if "host" not in names:
        lines.append(f"Host: {authority or f'{host}:{port}'}".encode())
    if token is not None:
        lines.append(b"Authorization: Bearer " + (token if isinstance(token, bytes) else token.encode("latin-1")))
    for name, value in pairs:
        name = name if isinstance(name, bytes) else name.encode("latin-1")
        value = value if isinstance(value, bytes) else value.encode("latin-1")
        lines.append(name + b": " + value)
    if body is not None:
        if isinstance(body, str):
            body = body.encode()
        if "content-length" not in names and "transfer-encoding" not in names:
            lines.append(b"Content-Length: %d" % len(body))
        if "content-type" not in names:
            lines.append(b"Content-Type: application/json")
    if "connection" not in names:
        lines.append(b"Connection: close")
    data = b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")
    if tls is None:
        received = raw_exchange(port, data, timeout, host)
    else:
        received = b""
        with socket.create_connection((host, port), timeout=timeout * paths.PATIENCE) as plain, tls.wrap_socket(plain, server_hostname="localhost") as s:
            s.sendall(data)
            try:
                while chunk := s.recv(65536):
                    received += chunk
            except (ssl.SSLError, OSError):
                pass
    if not received:
        raise ConnectionError("the server closed the connection without an answer")
    return parse_answer(received, method)


def h2_request(port, method="GET", path="/", headers=(), body=None, token=None, timeout=20, host="127.0.0.1", tls=None, authority=None):
    """One request over HTTP/2: with prior knowledge on a plain port, or with ALPN when tls is given."""
    import h2.config
    import h2.connection
    import h2.events
    # The library's own checks are off, so that a test can send what a well-behaved client would not.
    config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False,
                                       normalize_outbound_headers=False)
    connection = h2.connection.H2Connection(config)
    plain = socket.create_connection((host, port), timeout=timeout * paths.PATIENCE)
    s = plain
    if tls is not None:
        tls.set_alpn_protocols(["h2"])
        s = tls.wrap_socket(plain, server_hostname="localhost")
        assert s.selected_alpn_protocol() == "h2", "the server does not speak h2"
    with s:
        connection.initiate_connection()
        pairs = [(":method", method), (":path", path), (":scheme", "http" if tls is None else "https"), (":authority", authority or f"{host}:{port}")]
        if token is not None:
            pairs.append(("authorization", "Bearer " + token))
        pairs += [(n.lower(), v) for n, v in (headers.items() if isinstance(headers, dict) else headers)]
        if body is not None and not any(n == "content-type" for n, _ in pairs):
            pairs.append(("content-type", "application/json"))
        stream = connection.get_next_available_stream_id()
        connection.send_headers(stream, pairs, end_stream=body is None)
        if body is not None:
            connection.send_data(stream, body, end_stream=True)
        s.sendall(connection.data_to_send())
        status, answer_headers, received = None, [], b""
        while True:
            data = s.recv(65536)
            if not data:
                break
            done = False
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    answer_headers = [(n, v) for n, v in event.headers if not n.startswith(":")]
                    status = int(dict(event.headers)[":status"])
                elif isinstance(event, h2.events.DataReceived):
                    received += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)) and event.stream_id == stream:
                    done = True
            s.sendall(connection.data_to_send())
            if done:
                break
    if status is None:
        raise ConnectionError("the server closed the connection without an answer")
    return Answer(status, answer_headers, received)
