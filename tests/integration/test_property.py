# SPDX-License-Identifier: Apache-2.0
"""Whatever a client sends: no 5xx (but httpd's 505 to a version there is none of), no child ends, nothing reaches the upstream without a good token, and the next good request is served.

Requests are put together at random from parts that are mostly right, so that they get far, and then often damaged. The seed is printed when a
test fails and may be given: MCPAUTH_SEED=123."""
import os
import random
import re
import socket
import time

import pytest

from harness import rpc, wait_until
from harness.issuer import b64url, b64url_decode

SEED = int(os.environ.get("MCPAUTH_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
ENOUGH = 1000  # requests, for every kind of answer to be among them
ODD = [b"\0", b"\t", b"\x0b", b"\x7f", b"\x80", b"\xff", b"\xc3\xa9", b"\xe2\x80\xae", b"%00", b"%0d%0a", b"\"", b"\\", b"{}", b"<x>", b";", b",", b"=", b"  ", b"\x1b[31m", b"$(id)", b"%n%s", b"../", b"'"]
METHODS = [b"POST"] * 24 + [b"GET"] * 12 + [b"DELETE"] * 6 + [b"OPTIONS", b"HEAD", b"PUT", b"TRACE", b"PATCH", b"get", b"CONNECT", b"", b"X" * 300, b"PO ST", b"\xff"]
PATHS = [b"/mcp"] * 30 + [b"/mcp/", b"/mcp/sse/x", b"/mcp?access_token=x", b"/mcp?a=b;c", b"//mcp", b"/%6dcp", b"/mcp/..;/", b"/mcp/%2e%2e/x", b"/cors", b"/scoped", b"/mcp?" + b"x=y&" * 200, b"/" + b"a" * 7000, b"*", b"", b"mcp",
                        b"http://x/mcp", b"/mcp#x", b"/.well-known/oauth-protected-resource/mcp", b"/.well-known/oauth-protected-resource", b"/.well-known/oauth-protected-resource/\xff", b"/mcp%", b"/mcp%00"]
VERSIONS = [b"HTTP/1.1"] * 80 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"", b"HTTP/1.1 x"]
BODIES = [rpc("tools/call", {"name": "echo", "arguments": {}}), b"{}", b"", b"[" * 5000, b"\0" * 100, b"access_token=x", b"x" * 20000, rpc("tools/list")[:-3], "\u00fc".encode("utf-16"), b'{"jsonrpc":"2.0","id":' + b"9" * 4000 + b"}"]
HEADERS = [
    b"Origin: null", b"Origin: https://good.example", b"Origin: https://evil.example", b"Origin:", b"Connection: keep-alive", b"Connection: X-MCP-Subject, Authorization", b"Connection: " + b"a," * 500, b"Connection: upgrade",
    b"Upgrade: websocket", b"Upgrade: h2c", b"Expect: 100-continue", b"Expect: 200-maybe", b"Range: bytes=0-1,5-", b"If-None-Match: *", b"Content-Type: application/json", b"Content-Type: " + b"x/" * 200, b"Content-Encoding: gzip",
    b"Accept: text/event-stream", b"Accept-Encoding: gzip, br;q=9", b"X-MCP-Subject: mallory", b"x_mcp_scopes: mcp:admin", b"X-HTTP-Method-Override: OPTIONS", b"MCP-Protocol-Version: 2026-07-28", b"Mcp-Method: tools/list",
    b"Mcp-Session-Id: " + b"s" * 3000, b"Access-Control-Request-Method: POST", b"Access-Control-Request-Headers: " + b"Mcp-Param-X," * 200, b"Access-Control-Request-Headers: Mcp-Param-\xff, ,,", b"Cookie: a=b", b"Host: evil.example", b"Host:",
    b"X-Forwarded-For: 1.2.3.4", b"Forwarded: for=x", b"Via: x", b"Proxy-Authorization: Basic x", b"TE: trailers", b"Trailer: Authorization", b"Max-Forwards: 0", b"User-Agent: " + b"u" * 4000, b"User-Agent: \xff\xfe\x1b[0m\"\\",
    b"Referer: " + b"r" * 2000, b"Last-Event-ID: x", b"Sec-WebSocket-Key: x", b"Sec-WebSocket-Version: 13", b"X: " + b"y" * 8000, b"X: " + b"y" * 9000, b"DPoP: x", b"Transfer-Encoding: chunked", b"Content-Length: 7",
]
MANY = [b"X-%d: y" % n for n in range(120)]
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


def damage(rng, data):
    """A few bytes changed, left out, doubled or put in."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5, 20])):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(6)
        if what == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif what == 1:
            data[at:at] = rng.choice(ODD)
        elif what == 2:
            del data[at:at + rng.choice([1, 1, 4, 40])]
        elif what == 3:
            data[at:at] = data[max(0, at - rng.randrange(1, 60)):at]
        elif what == 4:
            del data[at:]
        else:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 8)))
    return bytes(data)


class Requests:
    """Makes requests; knows which of them carry a token that is good."""

    def __init__(self, stack, rng):
        self.rng, self.stack = rng, stack
        i = stack.issuer
        # Damaged requests carry parts of these into the request line, which is logged as it came: nothing to look for afterwards.
        i.canaries = None
        self.good = i.mint(jti="good").encode()
        self.numbers = {}  # of every request, in a header of its own: whether it may reach the upstream. No damage makes one of them into another
        self.here = []     # those of the connection of now
        claims = [{"exp": None}, {"aud": "x"}, {"iss": "https://x.example"}, {"sub": "\n"}, {"scope": ["x"]}, {"cnf": {}}, {"exp": 1}, {"exp": "x"}, {"nbf": 2**40}, {"aud": [None]}, {"sub": "x" * 3000}, {"iss": i.url + "/"}]
        heads = [{"alg": "none"}, {"alg": "HS256"}, {"kid": "x"}, {"kid": ["x"]}, {"typ": "JWT"}, {"crit": ["x"]}, {"alg": None}, {"zip": "DEF"}]
        self.bad = [i.mint(**c).encode() for c in claims] + [i.mint(header=h).encode() for h in heads] + [b"", b".", b"..", b"a.b.c", b"x" * 8000]
        self.parts = [part for token in [self.good, *self.bad] for part in token.split(b".")]

    def number(self, may):
        self.here.append(f"{self.rng.getrandbits(64):016x}")
        self.numbers[self.here[-1]] = may
        return b"X-Number: " + self.here[-1].encode()

    def forgive(self):
        """What is damaged may take the head of the next request into its own, number and all: here a good token may have any number."""
        self.numbers.update(dict.fromkeys(self.here, any(self.numbers[number] for number in self.here)))

    def batch(self, sizes):
        """Requests for one connection, as bytes."""
        self.here = []
        made = [self.make() for _ in range(self.rng.choice(sizes))]
        sent = [damage(self.rng, data) if self.rng.random() < 0.25 else data for data in made]
        if sent != made:
            self.forgive()
        return sent

    def check(self, arrived, story):
        """Of what arrived, each was let in for its good token. A request may arrive late, when its client is already gone, so the number tells which it was;
        where damage took the number away, the identity that the gate wrote still tells."""
        for seen in arrived:
            assert self.numbers.get(seen.header("X-Number"), True), f"{story}: reached the upstream: {seen}"
            assert seen.all("X-MCP-Token-ID") == ["good"] and "mallory" not in str(seen.headers), f"{story}: reached the upstream: {seen}"

    def token(self):
        """(token, whether it is good)."""
        rng, kind = self.rng, self.rng.randrange(10)
        if kind < 3:
            return self.good, True
        if kind < 6:
            return rng.choice(self.bad), False
        if kind == 6:
            token = b".".join(rng.choice(self.parts) for _ in range(rng.choice([1, 2, 3, 3, 3, 3, 4, 5])))
        elif kind == 7:
            head, body, signature = self.good.split(b".")
            texts = [head, body, signature]
            at = rng.randrange(3)
            texts[at] = b64url(damage(rng, b64url_decode(texts[at].decode()))).encode()
            token = b".".join(texts)
        else:
            token = damage(rng, rng.choice([self.good, self.good, rng.choice(self.bad)]))
        return token, token.strip(b" \t") == self.good

    def authorization(self):
        """([header lines], whether they carry a good token and nothing else)."""
        rng = self.rng
        if rng.random() < 0.15:
            return [], False
        token, good = self.token()
        scheme = rng.choice([b"Bearer "] * 12 + [b"bearer ", b"BEARER  ", b"Basic ", b"DPoP ", b"Bearer\t", b"", b"Bearer"])
        lines = [b"Authorization: " + scheme + token]
        if rng.random() < 0.06:
            lines.append(b"Authorization: " + rng.choice([b"Bearer x", b"Basic x", b"", b"Bearer " + self.good]))
            good = False
        return lines, good and scheme.lower().rstrip(b" ") == b"bearer" and scheme.endswith(b" ")

    def make(self):
        """One request as bytes."""
        rng = self.rng
        lines, good = self.authorization()
        lines += rng.sample(HEADERS, rng.choice([0, 0, 0, 1, 1, 2, 3, 8]))
        if rng.random() < 0.02:
            lines += MANY
        body = rng.choice(BODIES) if rng.random() < 0.6 else b""
        if rng.random() < 0.95:
            lines.append(b"Host: x")
        if rng.random() < 0.9:
            lines.append(b"Content-Length: %d" % len(body))
        # The good token may stand elsewhere or survive damage: only what has it nowhere can be said to be shut out.
        lines.append(self.number(good or self.good in b"\r\n".join(lines)))
        rng.shuffle(lines)
        return b"\r\n".join([b" ".join([rng.choice(METHODS), rng.choice(PATHS), rng.choice(VERSIONS)]), *lines]) + b"\r\n\r\n" + body


def talk(port, requests, rng, timeout=0.1):
    """Sends a few requests on one connection, reads what comes; all statuses."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        try:
            for data in requests:
                cut = rng.randrange(len(data) + 1) if rng.random() < 0.1 else len(data)
                s.sendall(data[:cut])
                s.sendall(data[cut:])
            if rng.random() < 0.7:
                s.shutdown(socket.SHUT_WR)
            s.settimeout(timeout)
            while chunk := s.recv(65536):
                received += chunk
        except (ConnectionError, socket.timeout):
            pass
    return [int(x) for x in STATUS.findall(received)], received


def check_alive(stack, children):
    assert stack.httpd.children() == children, "a child ended"
    assert not re.search(r"exit signal|AH00052|Assertion|\bfatal\b", stack.httpd.error_log())
    assert stack.httpd.crashes() == []


def settle(stack, made):
    """Until every child has the keys: their first moments answer 503, and rightly so."""
    wait_until(lambda: [stack.call(token=made.good.decode()).status for _ in range(10)] == [200] * 10, 10, "good requests are served")
    stack.upstream.clear()


def run(stack, seconds, count):
    """So many requests, or as many as fit into the time; but never fewer than must have been sent."""
    rng = random.Random(SEED)
    made = Requests(stack, rng)
    settle(stack, made)
    children = wait_until(stack.httpd.children, 5, "children")
    seen, sent, checked, deadline = {}, 0, 0, time.monotonic() + seconds
    while sent < count and (time.monotonic() < deadline or sent <= ENOUGH):
        batch = made.batch([1, 1, 2, 3, 5])
        statuses, received = talk(stack.httpd.port, batch, rng)
        sent += len(batch)
        for status in statuses:
            seen[status] = seen.get(status, 0) + 1
        story = f"seed {SEED}, request {sent}: {[d[:600] for d in batch]}"
        assert not [s for s in statuses if s >= 500 and s != 505], f"{story}: {received[:500]}"
        made.check(stack.upstream.requests[checked:], story)
        checked = len(stack.upstream.requests)
        if sent % 500 < 3:
            check_alive(stack, children)
            assert stack.call(token=made.good.decode()).status == 200, story
    return seen, sent, children


# The whole server is guarded, so that httpd's own handler for files, which answers unknown methods with 501, is behind the gate too.
LOCATIONS = {
    "/": "MCPAuth On\nMCPAuthResource {resource}",
    "/cors": "MCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/mcp\nMCPAuthOrigin https://good.example",
    "/scoped": "MCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/mcp\nMCPAuthScope mcp:admin",
}


@pytest.mark.sanitize
@pytest.mark.slow
def test_no_request_breaks_the_server_or_gets_through(world):
    stack = world.stack(locations=LOCATIONS, resource="https://mcp.example.com/mcp", config="Timeout 3\nKeepAliveTimeout 1\nMaxKeepAliveRequests 0\n", issuer_options="alg=RS256")
    seen, sent, children = run(stack, 16, 4000)
    print(f"seed {SEED}: {sent} requests, answers {dict(sorted(seen.items()))}")
    # They were not all of one kind.
    assert sent > ENOUGH and {200, 400, 401, 403, 404, 405} <= set(seen), seen
    check_alive(stack, children)
    for _ in range(10):
        assert stack.call(token=stack.token()).status == 200
    status, document = stack.admind.ready()
    assert status == 200, document


def frames(rng, made):
    """One HTTP/2 request: pseudo headers mostly right, headers odd."""
    headers = [(b":method", rng.choice([b"POST", b"POST", b"GET", b"DELETE", b"OPTIONS", b"HEAD", b"TRACE", b"x", b""])), (b":scheme", rng.choice([b"http"] * 6 + [b"https", b"ftp", b""])),
               (b":path", rng.choice([p for p in PATHS if len(p) < 4000])), (b":authority", rng.choice([b"x", b"evil.example", b"", b"a b", b"x:99999"]))]
    if rng.random() < 0.15:
        headers.insert(rng.randrange(len(headers)), rng.choice(headers))
    lines, good = made.authorization()
    lines += [rng.choice(HEADERS) for _ in range(rng.choice([0, 0, 1, 3]))]
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name.lower(), value.strip()))
    number = made.number(good or any(made.good in v for _, v in headers)).partition(b":")
    headers.append((number[0].lower(), number[2].strip()))
    return headers, rng.choice([b"", *BODIES[:6]])


@pytest.mark.sanitize
def test_no_http2_request_breaks_the_server_or_gets_through(world):
    import h2.config
    import h2.connection
    import h2.events
    import h2.exceptions

    stack = world.stack(locations=LOCATIONS, resource="https://mcp.example.com/mcp", modules=["proxy", "proxy_http", "http2"], config="Protocols h2c http/1.1\nTimeout 3\n")
    rng = random.Random(SEED + 1)
    made = Requests(stack, rng)
    settle(stack, made)
    children, seen, checked, deadline = stack.httpd.children(), {}, 0, time.monotonic() + 5
    wanted = {200, 401, 405}
    for number in range(400):
        if time.monotonic() > deadline and wanted <= set(seen):
            break
        made.here = []
        batch = [frames(rng, made) for _ in range(rng.choice([1, 2, 4]))]
        connection = h2.connection.H2Connection(config=h2.config.H2Configuration(client_side=True, header_encoding=None, validate_outbound_headers=False,
                                                                                normalize_outbound_headers=False, validate_inbound_headers=False))
        story = f"seed {SEED}, connection {number}: {batch}"
        with socket.create_connection(("127.0.0.1", stack.httpd.port), timeout=5) as s:
            try:
                connection.initiate_connection()
                open_streams = set()
                for headers, body in batch:
                    stream = connection.get_next_available_stream_id()
                    connection.send_headers(stream, headers, end_stream=not body)
                    if body:
                        connection.send_data(stream, body[:16000], end_stream=True)
                    open_streams.add(stream)
                out = connection.data_to_send()
                if rng.random() < 0.1:
                    out = damage(rng, out)
                    made.forgive()
                s.sendall(out)
                s.settimeout(0.5)
                while open_streams and (data := s.recv(65536)):
                    for event in connection.receive_data(data):
                        if isinstance(event, h2.events.ResponseReceived):
                            status = int(dict(event.headers)[b":status"])
                            seen[status] = seen.get(status, 0) + 1
                            assert status < 500, f"{story}: {event.headers}"
                        if isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                            open_streams.discard(event.stream_id)
                        if isinstance(event, h2.events.ConnectionTerminated):
                            open_streams.clear()
                    s.sendall(connection.data_to_send())
            except (h2.exceptions.ProtocolError, ConnectionError, socket.timeout):
                pass
        made.check(stack.upstream.requests[checked:], story)
        checked = len(stack.upstream.requests)
    print(f"seed {SEED}: HTTP/2 answers {dict(sorted(seen.items()))}")
    assert wanted <= set(seen), seen
    check_alive(stack, children)
    assert stack.call(token=stack.token()).status == 200
