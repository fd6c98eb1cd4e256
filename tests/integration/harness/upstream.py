# SPDX-License-Identifier: Apache-2.0
"""The server behind the gate: records what reaches it, answers MCP, echoes, streams, speaks WebSocket."""
import base64
import contextlib
import hashlib
import json
import queue
import select
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .process import free_port

WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Recorded:
    """One request as it arrived: method, path, headers (pairs in order), body."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body, self.time = method, path, headers, body, time.time()

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def header(self, name):
        values = self.all(name)
        return values[0] if values else None

    def __repr__(self):
        return f"<{self.method} {self.path} {self.headers} {self.body[:100]!r}>"


class Upstream:
    """
    connections, requests   everything since start() or clear(); `with upstream.untouched():` asserts that a block causes no connection
    /sse        Server-Sent Events: push(text) sends one, end_streams() ends them; nothing is sent ahead of the first push
    /ws         WebSocket echo
    /status/N   that status; /slow/S: answers after S seconds; /big/N: N bytes; /echo: what came, as JSON
    script      while set, what everything else is answered with: (status, headers, pieces), or a function of the request that gives that. The
                pieces go out one by one, chunked unless the headers have a Content-Length; a piece may be a function, called in its turn
    POST with a JSON-RPC body elsewhere: initialize, ping, tools/list, tools/call (echo) as an MCP server would; everything else as /echo
    """

    def __init__(self):
        self.port = free_port()
        self.connections = 0
        self.requests = []
        self.extra_headers = []
        self.script = None
        self._streams = []
        self._lock = threading.Lock()
        self._server = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes: without this each answer waits for a delayed acknowledgement
            timeout = 60

            def log_message(self, *_):
                pass

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return lambda: upstream._answer(self)
                raise AttributeError(name)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 512

            def get_request(self):
                accepted = super().get_request()
                with upstream._lock:
                    upstream.connections += 1
                return accepted

            def handle_error(self, *_):
                traceback.print_exc()  # clients that leave are no errors (handle_one_request); shown with the test that fails

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        self.end_streams()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def clear(self):
        with self._lock:
            self.connections = 0
            self.requests = []

    @property
    def last(self):
        return self.requests[-1]

    def untouched(self):
        upstream = self

        class Untouched:
            def __enter__(self):
                self.before = (upstream.connections, len(upstream.requests))

            def __exit__(self, kind, *_):
                if kind is None:
                    after = (upstream.connections, len(upstream.requests))
                    assert after == self.before, f"the upstream was contacted: {upstream.requests[self.before[1]:]} ({after[0] - self.before[0]} connections)"

        return Untouched()

    # -- streams ----------------------------------------------------------------------------------------------------------------------

    def push(self, text):
        with self._lock:
            for stream in self._streams:
                stream.put(text)

    def end_streams(self):
        with self._lock:
            for stream in self._streams:
                stream.put(None)

    @property
    def open_streams(self):
        return len(self._streams)

    # -- answers ----------------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _read_body(handler):
        if "chunked" in (handler.headers.get("Transfer-Encoding") or "").lower():
            body = b""
            while True:
                size = int(handler.rfile.readline().split(b";")[0], 16)
                if size == 0:
                    while handler.rfile.readline().strip():
                        pass
                    return body
                body += handler.rfile.read(size)
                handler.rfile.readline()
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))

    def _send(self, handler, status, body, content_type="application/json", headers=()):
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in [*headers, *self.extra_headers]:
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def _answer(self, handler):
        body = self._read_body(handler)
        recorded = Recorded(handler.command, handler.path, list(handler.headers.items()), body)
        with self._lock:
            self.requests.append(recorded)
        path = handler.path.split("?")[0]
        words = path.strip("/").split("/")
        if handler.headers.get("Upgrade", "").lower() == "websocket":
            self._websocket(handler)
        elif words[-1] == "sse":
            self._sse(handler)
        elif self.script is not None:
            self._scripted(handler, *(self.script(recorded) if callable(self.script) else self.script))
        elif "status" in words[:-1]:
            self._send(handler, int(words[-1]), b"{}")
        elif "slow" in words[:-1]:
            time.sleep(float(words[-1]))
            self._send(handler, 200, b"{}")
        elif "big" in words[:-1]:
            self._send(handler, 200, b"x" * int(words[-1]), "text/plain")
        else:
            answer = self._mcp(body) if handler.command == "POST" and words[-1] != "echo" else None
            if answer is not None:
                status, message = answer
                self._send(handler, status, json.dumps(message).encode() if message is not None else b"")
            else:
                self._send(handler, 200, json.dumps({
                    "method": recorded.method, "path": recorded.path, "headers": recorded.headers, "body": body.decode("latin-1"),
                }).encode())

    @staticmethod
    def _mcp(body):
        try:
            message = json.loads(body)
            method = message["method"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if "id" not in message:
            return 202, None
        params = message.get("params") or {}
        tool = {"name": "echo", "description": "Says it again", "inputSchema": {"type": "object", "properties": {"message": {"type": "string"}}}}
        result = {
            "initialize": {"protocolVersion": params.get("protocolVersion", "2025-11-25"), "capabilities": {"tools": {}},
                           "serverInfo": {"name": "harness-upstream", "version": "1"}},
            "ping": {}, "tools/list": {"tools": [tool]},
            "tools/call": {"content": [{"type": "text", "text": "Echo: " + str((params.get("arguments") or {}).get("message", ""))}]},
        }.get(method)
        if result is None:
            return 200, {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}}
        return 200, {"jsonrpc": "2.0", "id": message["id"], "result": result}

    @staticmethod
    def _scripted(handler, status, headers, pieces):
        told = any(name.lower() == "content-length" for name, _ in headers)
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        if not told and pieces:
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.flush()
        for piece in pieces:
            if callable(piece):
                piece()
            elif piece:
                handler.wfile.write(piece if told else b"%x\r\n%s\r\n" % (len(piece), piece))
                handler.wfile.flush()
        if pieces and not told:
            handler.wfile.write(b"0\r\n\r\n")
        elif not told:
            handler.close_connection = True  # nothing else tells where such an answer ends

    def _sse(self, handler):
        stream = queue.Queue()
        with self._lock:
            self._streams.append(stream)
        try:
            handler.send_response(200)
            handler.send_header("Content-Type", "text/event-stream")
            handler.send_header("Cache-Control", "no-cache")
            handler.send_header("X-Accel-Buffering", "no")
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.flush()
            while (text := self._next(stream, handler.connection)) is not None:
                data = f"data: {text}\n\n".encode()
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                handler.wfile.flush()
            handler.wfile.write(b"0\r\n\r\n")
        except OSError:
            handler.close_connection = True
        finally:
            with self._lock:
                self._streams.remove(stream)

    @staticmethod
    def _next(stream, connection):
        """What is pushed next, unless the other side ends the connection before."""
        while not select.select([connection], [], [], 0)[0]:
            with contextlib.suppress(queue.Empty):
                return stream.get(timeout=0.05)
        raise ConnectionError("the other side has left")

    @staticmethod
    def _websocket(handler):
        accept = base64.b64encode(hashlib.sha1((handler.headers["Sec-WebSocket-Key"] + WEBSOCKET_GUID).encode()).digest()).decode()
        handler.send_response(101)
        handler.send_header("Upgrade", "websocket")
        handler.send_header("Connection", "Upgrade")
        handler.send_header("Sec-WebSocket-Accept", accept)
        handler.end_headers()
        handler.wfile.flush()
        handler.close_connection = True
        while True:
            head = handler.rfile.read(2)
            if len(head) < 2:
                return
            opcode, length = head[0] & 15, head[1] & 127
            if length == 126:
                length = int.from_bytes(handler.rfile.read(2), "big")
            elif length == 127:
                length = int.from_bytes(handler.rfile.read(8), "big")
            mask = handler.rfile.read(4) if head[1] & 128 else b"\0\0\0\0"
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(handler.rfile.read(length)))
            if opcode == 8:
                handler.wfile.write(bytes([0x88, len(data)]) + data)
                return
            if opcode in (1, 2):
                n = len(data)
                size = bytes([n]) if n < 126 else b"\x7e" + n.to_bytes(2, "big") if n < 65536 else b"\x7f" + n.to_bytes(8, "big")
                handler.wfile.write(bytes([0x80 | opcode]) + size + data)
                handler.wfile.flush()
