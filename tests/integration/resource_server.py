# SPDX-License-Identifier: Apache-2.0
"""A resource server without any of our code, that does everything right, but for one change where a test wants it; and servers that are not friendly."""
import base64
import contextlib
import json
import secrets
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.process import free_port

PRM = "/.well-known/oauth-protected-resource"
AS = "/.well-known/oauth-authorization-server"
PAGE = "https://app.example"
STRANGER = "mcpauthctl-probe.invalid"
MAX_BODY = 4194304
SECURITY = [("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
            ("Referrer-Policy", "no-referrer")]


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_token(**claims):
    """Looks like a JWT; the server below knows its tokens by heart."""
    return ".".join([_b64(b'{"alg":"ES256","typ":"at+jwt"}'), _b64(json.dumps({"jti": secrets.token_hex(16), **claims}).encode()), _b64(secrets.token_bytes(64))])


class Answer:
    def __init__(self, status, body=b"", headers=(), content_type="application/json"):
        self.status, self.body = status, body
        self.headers = [*([("Content-Type", content_type)] if body else []), *headers]

    def get(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def without(self, name):
        self.headers = [(n, v) for n, v in self.headers if n.lower() != name.lower()]
        return self

    def with_(self, name, value):
        self.without(name).headers.append((name, value))
        return self


def error(status, word, headers=()):
    return Answer(status, json.dumps({"error": word, "message": "No"}).encode(), [("Cache-Control", "no-store"), *headers])


def result(value, id=1):
    return Answer(200, json.dumps({"jsonrpc": "2.0", "id": id, "result": value}).encode(), [("Cache-Control", "private")])


class ResourceServer:
    """
    wrong          {kind: change}: change(answer) changes the answer to requests of this kind, or returns another one; the kinds stand in _decide()
    limit          so many requests with the good token are answered, and after those every second one
    metadata_path  where the metadata is, if not at its well-known place
    kinds          of the requests so far
    """

    def __init__(self, tls=None, wrong=None, limit=None, metadata_path=PRM + "/mcp"):
        self.port, self.tls, self.wrong, self.limit, self.metadata_path = free_port(), tls, wrong or {}, limit, metadata_path
        self.issuer = f"{self.origin}/as"
        self.kinds = []
        self.tokens = {name: make_token(sub=name) for name in ("good", "low", "expired", "audience")}
        self._lock = threading.Lock()

    @property
    def origin(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    @property
    def url(self):
        return self.origin + "/mcp"

    # -- what is right ----------------------------------------------------------------------------------------------------------------

    def _challenge(self, error=None, scope="files:read"):
        middle = f'error="{error}", error_description="No", ' if error else ""
        return ("WWW-Authenticate", f'Bearer realm="x", {middle}scope="{scope}", resource_metadata="{self.origin}{self.metadata_path}"')

    def _refuse(self):
        return error(401, "unauthorized", [self._challenge("invalid_token")])

    def _decide(self, request, body):
        """(kind, answer)"""
        path, _, query = request.path.partition("?")
        origin, tokens = request.headers.get("Origin"), request.headers.get_all("Authorization") or []
        if path == self.metadata_path:
            return "metadata", self._metadata()
        if path.startswith(PRM):
            return "absent", error(404, "not_found")
        if path == f"{AS}/as":
            return "issuer", Answer(200, json.dumps({"issuer": f"{self.origin}/as"}).encode())
        if path != "/mcp":
            return "nothing", error(404, "not_found")
        if request.command == "OPTIONS" and origin == PAGE:
            return "preflight", Answer(204, headers=[("Access-Control-Allow-Origin", PAGE), ("Access-Control-Allow-Methods", "POST, GET, DELETE"),
                                                     ("Access-Control-Allow-Headers", request.headers["Access-Control-Request-Headers"])])
        if origin not in (None, PAGE):
            return ("preflight foreign" if request.command == "OPTIONS" else "foreign"), error(403, "forbidden")
        if request.command not in ("POST", "DELETE"):
            return request.command, error(405, "method_not_allowed", [("Allow", "POST, DELETE")])
        if len(tokens) > 1:
            return "twice", error(400, "invalid_request", [self._challenge("invalid_request")])
        if not tokens:
            kind = "query" if "access_token" in query else "spoofed" if STRANGER in request.headers["Host"] else "no token"
            return kind, error(401, "unauthorized", [self._challenge()])
        return self._with_token(request, tokens[0].partition(" ")[2], body)

    def _metadata(self):
        document = {"resource": self.url, "authorization_servers": [self.issuer], "bearer_methods_supported": ["header"]}
        return Answer(200, json.dumps(document).encode(), [("Access-Control-Allow-Origin", "*")])

    def _with_token(self, request, token, body):
        head, claims, signature = (token.split(".") + ["", ""])[:3]
        known = {v: k for k, v in self.tokens.items()}.get(token)
        if known in ("expired", "audience"):
            return known, self._refuse()
        if known == "low":
            return "low", error(403, "forbidden", [self._challenge("insufficient_scope", "files:write")])
        if known == "good":
            return self._call(request, body)
        if base64.urlsafe_b64decode(head + "===").startswith(b'{"alg":"none"'):
            return "none", self._refuse()
        if [head, claims] == self.tokens["good"].split(".")[:2]:
            return ("changed" if signature else "stripped"), self._refuse()
        return "garbage", self._refuse()

    def _call(self, request, body):
        with self._lock:
            if self.limit is not None:
                self.limit -= 1
                if self.limit < 0 and self.limit % 2:
                    return "limited", error(429, "rate_limit_exceeded", [("Retry-After", "1")])
        if request.command == "DELETE":
            return "end", Answer(204)
        if request.headers.get_content_type() != "application/json":
            return "media", error(415, "unsupported_media_type")
        if int(request.headers["Content-Length"]) > MAX_BODY:
            return "large", error(413, "payload_too_large")
        members = json.loads(body, object_pairs_hook=lambda pairs: pairs)
        if isinstance(members[0], list):
            return "batch", error(400, "invalid_request")
        if len({name for name, _ in members}) < len(members):
            return "duplicate", error(400, "invalid_request")
        method = dict(members)["method"]
        if request.headers.get("Mcp-Method", method) != method:
            return "mismatch", Answer(400, json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": -32020, "message": "HeaderMismatch"}}).encode())
        if method == "initialize":
            return "initialize", result({"protocolVersion": "2025-11-25"}).with_("Mcp-Session-Id", "s-1")
        if method == "server/discover":
            return "discover", result({"supportedVersions": ["2026-07-28"]})
        if method == "tools/list":
            return "list", result({"tools": []})
        return "unknown", error(404, "not_found")

    # -- serving ----------------------------------------------------------------------------------------------------------------------

    def _answer(self, request):
        length = int(request.headers.get("Content-Length") or 0)
        body = b"" if length > MAX_BODY else request.rfile.read(length)
        kind, answer = self._decide(request, body)
        for name, value in SECURITY + ([("Strict-Transport-Security", "max-age=31536000")] if self.tls else []):
            answer.with_(name, value)
        with self._lock:
            self.kinds.append(kind)
        if kind in self.wrong:
            answer = self.wrong[kind](answer) or answer
        request.send_response(answer.status)
        for name, value in answer.headers:
            request.send_header(name, value)
        if answer.status != 204:
            request.send_header("Content-Length", str(len(answer.body)))
        if length > MAX_BODY:
            request.close_connection = True
            request.send_header("Connection", "close")
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(answer.body)

    def __enter__(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 60

            def log_message(self, *_):
                pass

            def handle_expect_100(self):
                return int(self.headers["Content-Length"]) > MAX_BODY or super().handle_expect_100()

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return lambda: server._answer(self)
                raise AttributeError(name)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        if self.tls:
            self._server.socket = self.tls.server().wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class Unfriendly:
    """behave(server, connection) is called for each connection, after the head of its first request was read (the last of .heads); it sends what it
    likes, and whatever it waits for has to end with .over."""

    def __init__(self, behave, tls=None):
        self.port, self.behave, self.tls, self.heads, self.over = free_port(), behave, tls, [], threading.Event()

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/mcp"

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(30)
            if self.tls:
                connection = self.tls.server().wrap_socket(connection, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(65536)
                if not data:
                    return
                head += data
            self.heads.append(head.decode("latin-1"))
            self.behave(self, connection)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
