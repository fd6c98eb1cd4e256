# SPDX-License-Identifier: Apache-2.0
"""What is remembered of tokens, by a connection and by the cache that all processes share, spares work and decides nothing."""
import socket

import pytest

from harness.client import parse_answer
from harness.process import wait_until

SPELLINGS = {
    "padded": lambda t: t + "=", "padded twice": lambda t: t + "==", "each part padded": lambda t: "=.".join(t.split(".")) + "=",
    "plus and slash": lambda t: t.replace("-", "+").replace("_", "/"), "plus": lambda t: t.replace("-", "+"), "slash": lambda t: t.replace("_", "/"),
    "one more character": lambda t: t + "A", "a dot at the end": lambda t: t + ".",
    "a comma at the end": lambda t: t + ",", "a part more": lambda t: t + ".AAAA", "junk behind a blank": lambda t: t + " x", "a tab inside": lambda t: t[:40] + "\t" + t[40:],
    "a blank inside": lambda t: t[:-9] + " " + t[-9:], "the signature twice": lambda t: t + t.rpartition(".")[2], "last character gone": lambda t: t[:-1],
    "first character gone": lambda t: t[1:], "an escape": lambda t: t.replace(".", "%2E", 1), "in quotes": lambda t: f'"{t}"',
}


class Kept:
    """One connection for several requests."""

    def __init__(self, stack):
        self.stack = stack
        self.socket = socket.create_connection(("127.0.0.1", stack.httpd.port), timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def get(self, token, path="/mcp/echo", agent="kept"):
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < int(parse_head(received).get("content-length", 0)):
            chunk = self.socket.recv(65536)
            assert chunk, f"closed after {received!r}"
            received += chunk
        return parse_answer(received)


def parse_head(received):
    lines = received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def with_dash_and_underline(stack):
    """A token whose signature has both letters that base64 writes otherwise."""
    while True:
        token = stack.token()
        if {"-", "_"} <= set(token.rpartition(".")[2]):
            return token


def test_a_connections_tokens_keep_their_owners(stack):
    """Of one length and alike but for a few letters, shorter, longer, and too long to be kept: whatever came before on this connection."""
    alice, carol, bob = (stack.token(sub=sub) for sub in ("alice", "carol", "bob"))
    long = stack.token(sub="dave", pad="x" * 3500)
    assert len(alice) == len(carol) and len(long) > 4096
    forged = alice[:-20] + ("A" if alice[-20] != "A" else "B") + alice[-19:]
    swapped = alice.rpartition(".")[0] + "." + carol.rpartition(".")[2]
    with Kept(stack) as connection:
        for token, sub in [(alice, "alice"), (alice, "alice"), (forged, None), (carol, "carol"), (swapped, None), (alice, "alice"), (bob, "bob"), (long, "dave"),
                           (alice, "alice"), (alice[:-1], None), (alice, "alice"), (alice + "A", None), (forged, None), (alice, "alice"), (long, "dave")]:
            answer = connection.get(token)
            assert answer.status == (200 if sub else 401), (sub, answer)
            if sub:
                assert stack.upstream.last.header("X-MCP-Subject") == sub


@pytest.mark.parametrize("name", SPELLINGS)
def test_another_spelling_is_refused_before_and_after_the_token_is_known(stack, name):
    token = with_dash_and_underline(stack)
    other = SPELLINGS[name](token)
    assert other != token
    stack.world.canaries.remember(other)
    for known in (False, True, True):
        with Kept(stack) as connection:
            if known:
                assert connection.get(token).status == 200
            with stack.upstream.untouched():
                answer = connection.get(other)
            assert answer.status in (400, 401), (known, answer)
            assert stack.call(token=other).status == answer.status
            if answer.status == 401:  # httpd closes the connection after a 400
                assert connection.get(token).status == 200
        assert stack.call(token=token).status == 200


def test_a_merged_sections_tokens_are_known_and_no_other_sections(world):
    """Issuers from the server, the audience from the outer section or the inner one: merged for each request."""
    stack = world.stack(location="MCPAuthAudience https://outer.example {resource}\n",
                        locations={"/mcp/echo": "MCPAuthScope mcp:tools.read\n", "/mcp/echo/inner": "MCPAuthAudience https://inner.example\n"})
    token = stack.token()
    for n in range(2):
        assert stack.call(token=token, path="/mcp/echo/x", headers={"User-Agent": f"outer{n}"}).status == 200
        assert stack.call(token=token, path="/mcp/echo/inner/x", headers={"User-Agent": f"inner{n}"}).status == 401
    records = {agent: stack.admind.wait_journal(1, user_agent=agent)[0] for agent in ("outer0", "outer1", "inner0", "inner1")}
    assert [records[f"outer{n}"]["token_cache"] for n in range(2)] == ["miss", "hit"]
    assert [records[f"inner{n}"]["token_cache"] for n in range(2)] == ["miss", "miss"] and records["inner1"]["reason"] == "audience_wrong"


def test_a_restart_with_the_same_configuration_knows_the_token_and_with_another_judges_anew(world):
    stack = world.stack()
    token = stack.token()
    assert stack.call(token=token).status == 200
    stack.httpd.graceful()
    wait_until(lambda: stack.call(token=token, headers={"User-Agent": "same"}).status == 200, 10, "the new children have the keys")
    assert stack.admind.wait_journal(1, user_agent="same", status=200)[0]["token_cache"] == "hit"
    stack.httpd.locations["/mcp"] += "\nMCPAuthAudience https://elsewhere.example"
    stack.httpd.write_config()
    stack.httpd.graceful()
    fresh = stack.token(aud="https://elsewhere.example")
    wait_until(lambda: stack.call(token=fresh).status == 200, 10, "the new children have the keys")
    for n in range(4):
        assert stack.call(token=token, headers={"User-Agent": f"other{n}"}).status == 401
    assert stack.admind.wait_journal(1, user_agent="other0")[0]["reason"] == "audience_wrong"


def test_a_known_token_ends_with_its_key(world):
    """The key is withdrawn, and the daemon is told to look: who knew the token has forgotten it."""
    stack = world.stack(issuer=world.issuer(max_age=1), admind_config="KeyRefresh 1s")
    token = stack.token()
    assert stack.call(token=token).status == 200 and stack.call(token=token).status == 200
    stack.issuer.rotate(overlap=False)
    wait_until(lambda: stack.call(token=stack.token()).status == 200, 60, "the new key is known")
    wait_until(lambda: stack.call(token=token).status == 401, 60, "the old key's token is over")
    assert stack.admind.wait_journal(1, reason="key_unknown")
