# SPDX-License-Identifier: Apache-2.0
"""Attacks 68 to 70: methods, and what makes an answer say or allow more than it should."""
import pytest

from harness import h2_request, send
from transport_parts import PUBLIC, bearer, folded, request, statuses, transport_attacks


@pytest.fixture(scope="module")
def attacks(module_world):
    yield from transport_attacks(module_world)


# -- 68: methods ----------------------------------------------------------------------------------------------------------------------------------

METHODS = ["HEAD", "TRACE", "TRACK", "PUT", "PATCH", "PROPFIND", "MKCOL", "COPY", "MOVE", "LOCK", "SEARCH", "DEBUG", "OPTIONS", "INVALID", "get", "post", "Get", "POST_", "A" * 200]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: f"68 {m[:12]}")
def test_other_methods_are_refused_with_and_without_a_token(attacks, method):
    for token in (None, attacks.stack.token()):
        agent = attacks.new_agent(f"68 {method[:12]}", "method_not_allowed")
        with attacks.stack.upstream.untouched():
            answer = send(attacks.stack.httpd.port, method, "/mcp", [("User-Agent", agent)], token=token)
        assert answer.status == 405 and answer.header("Allow") == "POST, GET, DELETE, OPTIONS" and answer.header("WWW-Authenticate") is None, answer
        assert "Authorization" not in answer.text and agent not in answer.text, "TRACE shows nothing"


@pytest.mark.parametrize("target", ["/mcp", "x:443", "*"])
def test_68_connect_and_the_server_as_a_whole(attacks, target):
    for method in ("CONNECT", "OPTIONS", "TRACE"):
        with attacks.stack.upstream.untouched():
            received = attacks.stack.httpd.raw(request(attacks, [bearer(attacks.stack.token())], method=method, target=target))
        status = statuses(received)[0]
        assert status in (400, 405) or (method, target) == ("OPTIONS", "*") and status == 200, received[:300]
        assert b"WWW-Authenticate" not in received and b"Bearer" not in received


OVERRIDES = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "x_http_method_override"]


@pytest.mark.parametrize("name", OVERRIDES, ids=lambda n: f"68 {n}")
def test_a_method_in_a_header_counts_for_nothing(attacks, name):
    for method in ("POST", "GET", "DELETE"):
        attacks.refuse(reason="no_token", attack=f"68 {name}", method=method, headers=[(name, "OPTIONS")])
        attacks.accept(attacks.stack.token(), f"68 {name}", method=method, headers=[(name, "DELETE")])
        seen = attacks.stack.upstream.last
        assert seen.method == method and not [n for n, _ in seen.headers if folded(n) == folded(name)]
    attacks.refuse(reason="method_not_allowed", attack=f"68 {name}", method="PUT", headers=[(name, "POST")])
    attacks.refuse(reason="no_token", attack="68 _method", path="/mcp?_method=OPTIONS")


def preflight(origin="https://good.example", method="POST", **more):
    return [("Origin", origin), ("Access-Control-Request-Method", method), *more.items()]


def test_68_a_preflight_ends_at_the_gate(attacks):
    for token in (None, attacks.stack.token()):
        for wanted in ("POST", "DELETE", "PUT", "x"):
            agent = attacks.new_agent("68 preflight", "preflight")
            with attacks.stack.upstream.untouched():
                answer = send(attacks.stack.httpd.port, "OPTIONS", "/cors", [*preflight(method=wanted), ("User-Agent", agent)], token=token)
            assert answer.status == 204 and answer.body == b"" and answer.all("Access-Control-Allow-Origin") == ["https://good.example"], answer
            assert answer.header("Access-Control-Allow-Credentials") is None and "*" not in str(answer.headers)


def test_68_only_a_preflight_is_one(attacks):
    cors = attacks.stack.httpd.url + "/cors"
    attacks.refuse(reason="method_not_allowed", attack="68 no origin", path="/cors", method="OPTIONS", headers=[("Access-Control-Request-Method", "POST")])
    attacks.refuse(reason="method_not_allowed", attack="68 no method", path="/cors", method="OPTIONS", headers=[("Origin", "https://good.example")])
    attacks.refuse(reason="origin_denied", attack="68 foreign", path="/cors", method="OPTIONS", headers=preflight("https://evil.example"))
    attacks.refuse(reason="origin_denied", attack="68 none configured", method="OPTIONS", headers=preflight())
    attacks.refuse(reason="no_token", attack="68 POST with a preflight's headers", path="/cors", headers=preflight(), resource=cors)


# -- 69: what an answer says of us ------------------------------------------------------------------------------------------------------------------

LIES = [["Host: evil.example"], ["Host: evil.example:80"], ["Host: x", "X-Forwarded-Host: evil.example"], ["Host: x", "Forwarded: host=evil.example;proto=https"], ["Host: x", "X-Forwarded-Proto: https", "X-Forwarded-Port: 444"],
        ["Host: x", "X-Forwarded-Server: evil.example"], ["Host: x", "X-Original-Host: evil.example"], ["Host: x", "X-Host: evil.example"], ["Host: x", "Front-End-Https: on"], ["Host: x", "X-Forwarded-Prefix: /evil.example"]]


@pytest.mark.parametrize("lines", LIES, ids=lambda ls: f"69 {ls[-1]}")
def test_nothing_of_an_answer_comes_from_the_request(attacks, lines):
    port = attacks.stack.httpd.port
    genuine = attacks.stack.httpd.get("/.well-known/oauth-protected-resource/mcp")
    for target in ("/mcp", "http://evil.example/mcp"):
        answer = send(port, "POST", target, [tuple(line.split(": ", 1)) for line in lines], b"{}")
        assert answer.status == 401 and answer.challenge["resource_metadata"] == f"{PUBLIC}/.well-known/oauth-protected-resource/mcp"
        assert "evil" not in str(answer.headers) + answer.text
    document = send(port, "GET", "/.well-known/oauth-protected-resource/mcp", [tuple(line.split(": ", 1)) for line in lines])
    assert document.status == 200 and document.body == genuine.body and document.json()["resource"] == attacks.stack.resource


def test_69_http_1_0_without_a_host(attacks):
    received = attacks.stack.httpd.raw(b"POST /mcp HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
    assert b" 401 " in received.split(b"\r\n")[0] and f'resource_metadata="{PUBLIC}/'.encode() in received


def test_69_over_http2(attacks):
    answer = h2_request(attacks.stack.httpd.port, "POST", "/mcp", (), b"{}", authority="evil.example")
    assert answer.status == 401 and "evil" not in str(answer.headers) and answer.challenge["resource_metadata"].startswith(PUBLIC)


# -- 70: origins ------------------------------------------------------------------------------------------------------------------------------------

ORIGINS = ["null", "https://good.example.evil", "https://good.example.", "https://good.exampl", "https://evilgood.example", "https://evil.example", "http://good.example", "https://good.example:81", "https://good.example:443",
           "https://good.example/", "https://good.example/x", "https://GOOD.example", "HTTPS://good.example", "https://good.example https://evil.example", "https://good.example, https://evil.example", "https://evil.example,https://good.example",
           "https://good.example@evil.example", "https://user@good.example", "https://xn--god-wna.example", "https://go\u00f6d.example", "https://good.example\u00a0", "good.example", "//good.example", "https:good.example", "*", "",
           "file://", "chrome-extension://abc", "http://localhost:6275", "http://localhost", "http://127.0.0.1:6274", "https://localhost:6274", "https://good.example?", "https://good.example#", "https://%67ood.example"]


@pytest.mark.parametrize("origin", ORIGINS, ids=lambda o: f"70 {o!r}")
def test_an_origin_is_one_exact_string(attacks, origin):
    for headers in ([("Origin", origin)], [("Origin", origin)] * 2):
        for token in (None, attacks.stack.token()):
            answer = attacks.refuse(token, "origin_denied", attack=f"70 {origin}", path="/cors", headers=headers)
            assert answer.header("Access-Control-Allow-Origin") is None and answer.header("Vary") == "Origin"
    attacks.refuse(attacks.stack.token(), "origin_denied", attack=f"70 {origin}, none configured", headers=[("Origin", origin)])


def test_70_two_origins_are_none(attacks):
    for pair in (("https://good.example", "https://evil.example"), ("https://evil.example", "https://good.example"), ("https://good.example", "https://good.example"), ("https://good.example", "http://localhost:6274")):
        attacks.refuse(attacks.stack.token(), "origin_denied", attack=f"70 {pair}", path="/cors", headers=[("Origin", o) for o in pair])


def test_70_the_listed_ones_are_let_in_and_may_read_refusals(attacks):
    cors = attacks.stack.httpd.url + "/cors"
    for origin in ("https://good.example", "http://localhost:6274"):
        attacks.accept(attacks.stack.token(), f"70 {origin}", path="/cors", headers=[("Origin", origin)])
        answer = attacks.refuse(reason="no_token", attack=f"70 {origin}", path="/cors", headers=[("Origin", origin)], resource=cors)
        assert answer.all("Access-Control-Allow-Origin") == [origin] and "WWW-Authenticate" in answer.header("Access-Control-Expose-Headers")
    attacks.refuse(reason="origin_denied", attack="70 over HTTP/1.1 with odd case of the name", path="/cors", headers=[("oRiGiN", "https://evil.example")])


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
