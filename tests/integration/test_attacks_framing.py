# SPDX-License-Identifier: Apache-2.0
"""Attacks 65 and 66: where a request ends, in HTTP/1.1 and in HTTP/2.

65  Content-Length beside Transfer-Encoding: chunked counts, the length is dropped, the connection ends (RFC 9112 section 6.3); every other
    disguise is 400.
66  a repeated pseudo header is answered by resetting the stream; a Host that contradicts :authority is dropped by mod_http2."""
import pytest

from harness import h2_request
from transport_parts import MANAGED, bearer, request, statuses, transport_attacks, variants


@pytest.fixture(scope="module")
def attacks(module_world):
    yield from transport_attacks(module_world)


# -- 65: request smuggling --------------------------------------------------------------------------------------------------------------------------

HIDDEN = b"GET /mcp/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"0\r\n\r\n"


@pytest.mark.parametrize("with_token", [False, True], ids=["no token", "good token"])
@pytest.mark.parametrize("lines", [
    ["Transfer-Encoding: xchunked"], ["Transfer-Encoding : chunked"], ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], ["Transfer-Encoding: identity"], ["Transfer-Encoding: chunked, identity"],
    ["Transfer-Encoding: gzip"], ["Transfer-Encoding: \x0bchunked"], ["Transfer-Encoding: chunked\x0b"], ["Transfer-Encoding: chunke\u00e4d"], ['Transfer-Encoding: "chunked"'], ["Transfer-Encoding:\0chunked"],
    ["Transfer-Encoding: "], ["Content-Length: 5", "Content-Length: 6"], ["Content-Length: 5, 5"], ["Content-Length: +5"], ["Content-Length: -1"], ["Content-Length: 0x5"], ["Content-Length: 5 "[:-1] + "x"],
    ["Content-Length: 99999999999999999999"], ["Content-Length: 5\x0b"], ["Content-Length: "], ["Content-Length : 5"], ["Content-Length: 1e1"], ["Content-Length: 5", "Transfer-Encoding: xchunked"],
    ["\x0bTransfer-Encoding: chunked"], ["Transfer\x00-Encoding: chunked"],
], ids=lambda lines: "65 " + " | ".join(lines).encode("unicode_escape").decode())
def test_a_length_in_disguise_is_refused_and_the_connection_closed(attacks, lines, with_token):
    """What follows is never taken for a request."""
    count = len(attacks.stack.upstream.requests)
    data = request(attacks, [*lines, *([bearer(attacks.stack.token())] if with_token else [])], CHUNKED + HIDDEN, close=False)
    received = attacks.stack.httpd.raw(data)
    assert statuses(received) == [400], received[:300]
    assert len(attacks.stack.upstream.requests) == count


@pytest.mark.parametrize("order", [["Content-Length: 5", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked", "Content-Length: 5"], ["Content-Length: 44", "Transfer-Encoding: chunked"],
                                   ["Content-Length: 0", "Transfer-Encoding: CHUNKED"]], ids=lambda o: f"65 {o[0]} | {o[1]}")
def test_65_both_lengths_end_the_connection(attacks, order):
    """Nobody is asked to agree on where the request ends: there is no second one."""
    with attacks.stack.upstream.untouched():
        received = attacks.stack.httpd.raw(request(attacks, order, CHUNKED + HIDDEN, close=False))
    assert statuses(received) == [401] and b"Connection: close" in received, received[:300]
    count = len(attacks.stack.upstream.requests)
    received = attacks.stack.httpd.raw(request(attacks, [*order, bearer(attacks.stack.token())], CHUNKED + HIDDEN, close=False))
    assert statuses(received) == [200] and b"Connection: close" in received, received[:300]
    assert len(attacks.stack.upstream.requests) == count + 1
    assert attacks.stack.upstream.last.path == "/mcp" and attacks.stack.upstream.last.body == b""


def test_65_a_second_request_on_the_connection_needs_its_own_token(attacks):
    """Pipelined behind a good one, hidden in its body or behind its last chunk: each is judged by itself."""
    token = attacks.stack.token()
    stack = attacks.stack
    one = request(attacks, [bearer(token), "Content-Length: 2"], b"{}", close=False)
    two = request(attacks, ["Content-Length: 2"], b"{}")
    stack.upstream.clear()
    assert statuses(stack.httpd.raw(one + two)) == [200, 401] and len(stack.upstream.requests) == 1
    assert statuses(stack.httpd.raw(request(attacks, ["Content-Length: 2"], b"{}", close=False) + request(attacks, [bearer(token), "Content-Length: 2"], b"{}"))) == [401, 200]
    stack.upstream.clear()
    hidden = request(attacks, [bearer(token), f"Content-Length: {len(HIDDEN)}"], HIDDEN)
    assert statuses(stack.httpd.raw(hidden)) == [200] and [(r.path, r.body) for r in stack.upstream.requests] == [("/mcp", HIDDEN)]
    stack.upstream.clear()
    chunked = request(attacks, [bearer(token), "Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n" + two, close=False)
    assert statuses(stack.httpd.raw(chunked)) == [200, 401] and len(stack.upstream.requests) == 1


@pytest.mark.parametrize("body", [b"5\r\nabc\r\n0\r\n\r\n", b"-1\r\n\r\n", b"+5\r\nabcde\r\n0\r\n\r\n", b"0x5\r\nabcde\r\n0\r\n\r\n", b"fffffffffffffffff\r\nx", b"ffffffffffffffff\r\nx", b"5;" + b"x" * 9000 + b"\r\nabcde\r\n0\r\n\r\n",
                                  b"zz\r\n\r\n", b"\r\n", b"5\r\nabcdeX0\r\n\r\n", b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\nX-MCP-Subject: mallory\r\n\r\n"], ids=lambda b: f"65 chunks {b[:24]!r}")
def test_a_broken_chunked_body_hides_nothing(attacks, body):
    """Without a token nothing reaches the upstream; with one, whatever httpd makes of it, the request behind it is no second one."""
    stack = attacks.stack
    with stack.upstream.untouched():
        received = stack.httpd.raw(request(attacks, ["Transfer-Encoding: chunked"], body + HIDDEN, close=False))
    assert statuses(received)[0] in (400, 401) and set(statuses(received)) <= {400, 401}, received[:300]
    before = len(stack.upstream.requests)
    received = stack.httpd.raw(request(attacks, [bearer(stack.token()), "Transfer-Encoding: chunked"], body + HIDDEN, close=False))
    assert not [s for s in statuses(received) if s >= 500], received[:300]
    assert not [r for r in stack.upstream.requests[before:] if "hidden" in r.path or "mallory" in str(r.headers)]


@pytest.mark.parametrize("data", [
    b"GET /mcp HTTP/1.1\nHost: x\n\n", b"GET /mcp\r\n\r\n", b"GET /mcp HTTP/0.9\r\n\r\n", b"GET /mcp HTTP/1.2\r\nHost: x\r\n\r\n", b"GET /mcp HTTP/2.0\r\nHost: x\r\n\r\n", b"GET  /mcp HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET\t/mcp\tHTTP/1.1\r\nHost: x\r\n\r\n", b" GET /mcp HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /mcp HTTP/1.1\r\n\r\n", b"GET /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /mcp HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET /mcp HTTP/1.1\r\nHost: a/b\r\n\r\n", b"GET /mcp HTTP/1.1 x\r\nHost: x\r\n\r\n", b"GET /mcp\x0bHTTP/1.1\r\nHost: x\r\n\r\n", b"\0", b"\r\n" * 50, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\x00\x00",
    b"GET /mcp HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
], ids=lambda d: f"65 {d[:40]!r}")
def test_an_odd_request_line_opens_no_way(attacks, data):
    with attacks.stack.upstream.untouched():
        received = attacks.stack.httpd.raw(data, timeout=1)
    assert not [s for s in statuses(received) if s < 400 and s != 101 or s >= 500], received[:300]


# -- 66: HTTP/2 ---------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("headers", [
    [(":path", "/other")], [(":path", "/mcp")], [(":method", "GET")], [(":method", "POST")], [(":authority", "evil.example")], [(":scheme", "https")], [(":status", "200")], [(":unknown", "x")],
    [("connection", "close")], [("transfer-encoding", "chunked")], [("te", "gzip")], [("bad name", "x")], [("x-nul", "a\0b")], [("x-crlf", "a\r\nb")],
    [("content-length", "99")], [("content-length", "2"), ("content-length", "3")],
], ids=lambda h: f"66 {h[0][0]}: {h[0][1]!r}")
def test_a_malformed_http2_request_does_not_get_through(attacks, headers):
    """Even with a good token. mod_http2 resets such a stream or answers 400."""
    with attacks.stack.upstream.untouched():
        try:
            status = h2_request(attacks.stack.httpd.port, "POST", "/mcp", headers, b"{}", attacks.stack.token()).status
        except ConnectionError:
            status = "reset"
    assert status in (400, "reset"), status


def test_66_a_host_that_contradicts_authority_counts_for_nothing(attacks):
    port = attacks.stack.httpd.port
    with attacks.stack.upstream.untouched():
        answer = h2_request(port, "POST", "/mcp", [("host", "evil.example")], b"{}")
    assert answer.status == 401 and "evil" not in str(answer.headers) + answer.text
    answer = h2_request(port, "POST", "/mcp", [("host", "evil.example")], b"{}", attacks.stack.token())
    assert answer.status == 200 and "evil" not in str(attacks.stack.upstream.last.headers)


def test_66_identity_headers_over_http2(attacks):
    spoofed = [(spelled.lower(), "mallory") for name in MANAGED for spelled in variants(name)]
    answer = h2_request(attacks.stack.httpd.port, "POST", "/mcp", spoofed, b"{}", attacks.stack.token())
    assert answer.status == 200 and "mallory" not in str(attacks.stack.upstream.last.headers)


# -- what holds for all of them -----------------------------------------------------------------------------------------------------------------------

def test_a_good_token_is_still_let_in(attacks):
    attacks.accept(attacks.stack.token())
    assert attacks.stack.httpd.crashes() == []


def test_the_journal_has_the_reason_of_every_attack(attacks):
    attacks.check_journal()


def test_no_attack_caused_a_fetch(attacks):
    assert attacks.fetches() == attacks.fetches_at_start
    attacks.check_fetches()


def test_no_part_of_these_tokens_is_in_any_log(attacks):
    attacks.check_logs()
