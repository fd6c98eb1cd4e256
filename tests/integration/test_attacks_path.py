# SPDX-License-Identifier: Apache-2.0
"""Attack 67: spellings of a path that lead around the gate, through each way of putting a server behind it."""
import pytest

from harness import h2_request
from transport_parts import HOST_NAMES, request, statuses, transport_attacks


@pytest.fixture(scope="module")
def attacks(module_world):
    yield from transport_attacks(module_world)


# -- 67: paths ------------------------------------------------------------------------------------------------------------------------------------

PATHS = ["/mcp", "/mcp/", "/mcp?", "/mcp?x=y", "//mcp", "///mcp", "/./mcp", "/.//mcp", "/mcp/.", "/mcp/..", "/mcp/../mcp", "/x/../mcp", "/x/y/../../mcp", "/../mcp", "/mcp//x", "/mcp/x", "/mcp/..;/", "/mcp/..;/mcp",
         "/mcp/..;/x", "/..;/mcp", "/x/..;/mcp", "/;/mcp", "/mcp;", "/mcp;x", "/mcp;jsessionid=1", "/mcp;/x", "/mcp;/../mcp", "/mcp%3b", "/mcp%3bx", "/MCP", "/Mcp", "/mCP/x", "/%4dcp", "/mcp.", "/mcp..", "/mcp./", "/mcp%2e",
         "/mcp%20", "/mcp%09", "/mcp+", "/mcp%2f", "/mcp%2F", "/mcp%2fx", "/mcp%2f..%2fmcp", "/mcp%252f", "/%2fmcp", "/%2f/mcp", "/..%2fmcp", "/x%2f..%2fmcp", "/x/..%2fmcp", "/%2e/mcp", "/%2e%2e/mcp", "/x/%2e%2e/mcp",
         "/x/.%2e/mcp", "/%6dcp", "/%6Dcp", "/%6d%63%70", "/mc%70", "/%256dcp", "/mcp%00", "/mcp%00.html", "/mcp%0a", "/mcp%0d%0aX:y", "/mcp%3f", "/mcp%23", "/mcp#x", "/mcp%5c", "/mcp%5c..%5c", "/mcp\\", "/mcp\\x",
         "/\\mcp", "/x\\..\\mcp", "/mcp%c0%af", "/mcp%c0%ae", "/mcp%e2%80%8b", "/\u006dcp", "/mcp%", "/mcp%zz", "/mcp%u002f", "mcp", "*", "http://x/mcp", "http://evil.example/mcp", "HTTP://x/mcp", "http://x//mcp",
         "http://user:pass@x/mcp", "https://x/mcp", "ftp://x/mcp", "x:/mcp", "/http://x/mcp", "/mcp/sse", "/mcp/echo", "/mcp/status/200", "/" + "./" * 500 + "mcp", "/" + "x/../" * 300 + "mcp", "/" + "/" * 2000 + "mcp"]


def knocks(attacks, host, path, method="POST", lines=()):
    """(status, paths that reached the upstream) of a request without a token."""
    before = len(attacks.stack.upstream.requests)
    received = attacks.stack.httpd.raw(request(attacks, [*lines, "Content-Length: 2"], b"{}", target=path, method=method, host=host))
    found = statuses(received)
    return found[0] if found else None, [r.path for r in attacks.stack.upstream.requests[before:]]


@pytest.mark.parametrize("host", [h for h in HOST_NAMES if h != "catch-all.test"], ids=lambda h: f"67 {h}")
@pytest.mark.parametrize("path", PATHS, ids=lambda p: p if len(p) < 30 else p[:24] + "..." + p[-5:])
def test_no_spelling_of_the_path_leads_around_the_gate(attacks, host, path):
    """Guarded or not there; never at the upstream without a token."""
    status, reached = knocks(attacks, host, path)
    assert reached == [], reached
    assert status in (400, 401, 403, 404), status


SAME = [p for p in PATHS if p in ("/mcp", "/mcp/", "/mcp?", "/mcp?x=y", "//mcp", "///mcp", "/./mcp", "/.//mcp", "/mcp/.", "/mcp/../mcp", "/x/../mcp", "/x/y/../../mcp", "/mcp//x", "/mcp/x", "/mcp/..;/", "/mcp/..;/mcp", "/mcp/..;/x",
                                  "/%2e/mcp", "/x/%2e%2e/mcp", "/x/.%2e/mcp", "/%6dcp", "/%6Dcp", "/%6d%63%70", "/mc%70", "http://x/mcp", "http://evil.example/mcp", "HTTP://x/mcp", "http://x//mcp",
                                  "/mcp/sse", "/mcp/echo", "/mcp/status/200") or len(p) > 100]


@pytest.mark.parametrize("path", SAME, ids=lambda p: p if len(p) < 30 else p[:24] + "..." + p[-5:])
def test_67_behind_a_catch_all_proxy_every_spelling_of_the_guarded_path_is_guarded(attacks, path):
    """ProxyPass / takes what the Location leaves; what is the guarded path by RFC 3986 is left by none of these."""
    status, reached = knocks(attacks, "catch-all.test", path)
    assert (status, reached) == (401, []), (status, reached)


def test_67_other_paths_of_that_host_stay_open(attacks):
    """So the test before means something."""
    assert knocks(attacks, "catch-all.test", "/open") == (200, ["/open"])
    assert knocks(attacks, "catch-all.test", "/mcpx") == (200, ["/mcpx"])
    assert knocks(attacks, "pass.test", "/open") == (200, ["/open"])


@pytest.mark.parametrize("name, value", [
    ("X-Original-URL", "/open"), ("X-Rewrite-URL", "/open"), ("X-Forwarded-Uri", "/open"), ("X-Envoy-Original-Path", "/open"), ("X-Forwarded-Path", "/open"), ("X-Original-URI", "/.well-known/oauth-protected-resource"),
    ("X-Forwarded-Prefix", "/open"), ("X-Accel-Redirect", "/open"), ("Destination", "/open"), ("Referer", "http://x/open"), ("User-Agent", "kube-probe/1.0"), ("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"),
], ids=lambda v: f"67 {v}" if v[0].isupper() else "")
def test_no_header_moves_the_request_elsewhere(attacks, name, value):
    for host in HOST_NAMES:
        status, reached = knocks(attacks, host, "/mcp", lines=[f"{name}: {value}"])
        assert (status, reached) == (401, [])


@pytest.mark.parametrize("path", ["/mcp", "//mcp", "/%6dcp", "/x/../mcp", "/mcp/..;/", "/mcp;x", "/mcp%2f", "/MCP"], ids=lambda p: f"67 HTTP/2 {p}")
def test_paths_over_http2(attacks, path):
    with attacks.stack.upstream.untouched():
        answer = h2_request(attacks.stack.httpd.port, "POST", path, (), b"{}")
    assert answer.status in (400, 401, 404), answer


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
