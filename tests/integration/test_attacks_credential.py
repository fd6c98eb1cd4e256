# SPDX-License-Identifier: Apache-2.0
"""Attacks 59 to 64: how the credential travels, and who else claims to be somebody.

Where the list leaves a choice, or httpd decides before any module is asked:
59  one header with two credentials, in whatever form, is 400.
61  a token in a body is not looked at: 401 without error=.
62  what is no "Bearer", blanks and a token68 is 400; another scheme alone is no credential of ours, 401.
64  a line folded between the scheme and the token is one blank (RFC 9112 section 5.2; httpd unfolds before modules see it); folded inside the
    token it is 400."""
import pytest

from harness import h2_request, send
from transport_parts import MANAGED, bearer, folded, request, statuses, transport_attacks, variants


@pytest.fixture(scope="module")
def attacks(module_world):
    yield from transport_attacks(module_world)


# -- 59: more than one credential ---------------------------------------------------------------------------------------------------------------

def doubles(one, two):
    return {
        "the same header twice": ([bearer(one), bearer(one)], "two_credentials"), "two tokens in two headers": ([bearer(one), bearer(two)], "two_credentials"),
        "a bad one first": ([bearer("x.y.z"), bearer(one)], "two_credentials"), "a bad one last": ([bearer(one), bearer("x.y.z")], "two_credentials"),
        "two in one header": ([f"Authorization: Bearer {one}, Bearer {two}"], "two_credentials"), "two in one header without a blank": ([f"Authorization: Bearer {one},Bearer {two}"], "two_credentials"),
        "lower case": ([f"Authorization: bearer {one}", f"authorization: bearer {one}"], "two_credentials"), "Bearer and DPoP": ([bearer(one), f"Authorization: DPoP {one}"], "two_credentials"),
        "DPoP and Bearer": ([f"Authorization: DPoP {one}", bearer(one)], "two_credentials"), "Basic and Bearer": (["Authorization: Basic YTpi", bearer(one)], "two_credentials"),
        "Bearer and Basic": ([bearer(one), "Authorization: Basic YTpi"], "authorization_malformed"), "an empty one first": (["Authorization:", bearer(one)], "authorization_malformed"),
        "an empty one last": ([bearer(one), "Authorization:"], "authorization_malformed"), "two tokens, one scheme": ([f"Authorization: Bearer {one} {two}"], "authorization_malformed"),
        "two tokens with a comma": ([f"Authorization: Bearer {one},{two}"], "authorization_malformed"), "Digest with one inside": ([f'Authorization: Digest username="x", Bearer {one}'], "two_credentials"),
    }


@pytest.mark.parametrize("name", [pytest.param(n, id=f"59 {n}") for n in doubles("", "")])
def test_more_than_one_credential_is_refused(attacks, name):
    lines, reason = doubles(attacks.stack.token(), attacks.stack.token())[name]
    attacks.refuse(headers=[line.split(":", 1) if ": " not in line else line.split(": ", 1) for line in lines], reason=reason, attack=f"59 {name}")


def test_59_over_http2_too(attacks):
    token = attacks.stack.token()
    agent = attacks.new_agent("59 HTTP/2", "two_credentials")
    with attacks.stack.upstream.untouched():
        answer = h2_request(attacks.stack.httpd.port, "POST", "/mcp", [("user-agent", agent), ("authorization", f"Bearer {token}")], b"{}", token)
    assert answer.status == 400 and answer.challenge["error"] == "invalid_request", answer


# -- 60, 61: tokens in the wrong place ------------------------------------------------------------------------------------------------------------

QUERIES = ["?access_token=%s", "?a=b&access_token=%s", "?access_token=%s&a=b", "?%%61ccess_token=%s", "?access%%5Ftoken=%s", "?a;access_token=%s", "?access_token=x&access_token=%s", "?access+token=%s"]


def in_query(attacks, query):
    """A real token, to be looked for in the logs, where the parameter's name is written as itself."""
    return attacks.remember(attacks.stack.token()) if "access_token=%" in query else "eyJhbGciOiJub25lIn0.e30.x"


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: f"60 {q}")
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_token_in_the_query_is_no_credential(attacks, query, method):
    token = in_query(attacks, query)
    attacks.refuse(reason="no_token", attack=f"60 {method} {query}", path="/mcp" + query % token, method=method)


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: f"60 {q}")
def test_a_token_in_the_query_beside_a_good_one_is_one_too_many(attacks, query):
    token = attacks.stack.token()
    attacks.refuse(token, "two_credentials", attack=f"60 both {query}", path="/mcp" + query % in_query(attacks, query))


@pytest.mark.parametrize("query", ["?access_tokens=%s", "?xaccess_token=%s", "?Access_Token=%s", "?token=%s"], ids=lambda q: f"60 {q}")
def test_60_another_parameter_is_the_upstreams_business(attacks, query):
    attacks.accept(attacks.stack.token(), f"60 {query}", path="/mcp" + query % "x")
    attacks.refuse(reason="no_token", attack=f"60 alone {query}", path="/mcp" + query % "x")


def test_60_the_access_log_and_the_journal_have_no_token_of_a_query(attacks):
    assert "access_token=***" in attacks.stack.httpd.access_log()
    attacks.stack.admind.wait_journal(1, user_agent=attacks.expected[-1][1])
    assert "access_token=ey" not in attacks.stack.admind.journal_text()


@pytest.mark.parametrize("kind, text", [
    ("application/x-www-form-urlencoded", "access_token=%s"), ("application/x-www-form-urlencoded; charset=utf-8", "a=b&access_token=%s"), ("application/json", '{"access_token":"%s"}'),
    ("multipart/form-data; boundary=x", '--x\r\nContent-Disposition: form-data; name="access_token"\r\n\r\n%s\r\n--x--\r\n'), ("text/plain", "Authorization: Bearer %s"),
], ids=lambda v: f"61 {v}" if "/" in v and "%" not in v else "")
def test_a_token_in_the_body_is_no_credential(attacks, kind, text):
    attacks.refuse(reason="no_token", attack=f"61 {kind}", headers=[("Content-Type", kind)], body=(text % attacks.stack.token()).encode())


@pytest.mark.parametrize("name", ["Proxy-Authorization", "X-Forwarded-Authorization", "X-Original-Authorization", "X-Authorization", "X-Auth-Token", "X-Access-Token", "X-Api-Key", "Authentication", "Access-Token",
                                  "X_Authorization", "HTTP_AUTHORIZATION", "Authorization_", "Cookie", "Sec-WebSocket-Protocol", "X-Remote-User", "Remote-User", "X-Forwarded-User", "X-MCP-Subject"], ids=lambda n: f"63 {n}")
def test_a_token_or_name_in_another_header_is_no_credential(attacks, name):
    # No real token: httpd's modules may log headers they know.
    for value in ("Bearer eyJhbGciOiJub25lIn0.e30.x", "admin"):
        attacks.refuse(reason="no_token", attack=f"63 {name}", headers=[(name, value)])


# -- 62, 64: the header's form --------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("form", ["bearer %s", "BEARER %s", "bEaReR %s", "Bearer  %s", "Bearer      %s", "Bearer %s ", "Bearer %s\t", " Bearer %s", "\tBearer %s"], ids=lambda f: f"62 {f!r}")
def test_the_scheme_has_no_case_and_blanks_around_do_not_count(attacks, form):
    agent = attacks.new_agent(f"62 {form!r}", "ok")
    answer = send(attacks.stack.httpd.port, "POST", "/mcp", [("User-Agent", agent), ("Authorization", form % attacks.stack.token())], b"{}")
    assert answer.status == 200, answer


@pytest.mark.parametrize("form, reason", [
    ("Bearer%s", "no_token"), ("Bearer:%s", "authorization_malformed"), ("Bearer=%s", "authorization_malformed"), ("Bearer,%s", "authorization_malformed"), ("Bearer %s x", "authorization_malformed"),
    ("Bearer x %s", "authorization_malformed"), ("Bearer %s,", "authorization_malformed"), ("Bearer %s;x=y", "authorization_malformed"), ('Bearer "%s"', "authorization_malformed"),
    ("Bearer token=%s", "authorization_malformed"), ("Bearer Bearer %s", "authorization_malformed"), ("Token %s", "no_token"), ("JWT %s", "no_token"), ("Basic %s", "no_token"), ("Negotiate %s", "no_token"),
    ("Bearers %s", "no_token"), ("Beare %s", "no_token"), ("%s", "no_token"), ("DPoP %s", "token_malformed"), ("Bearer %s\u00e9", "authorization_malformed"), ("B\u00e9arer %s", "authorization_malformed"),
    ("Bearer\t%s", "authorization_malformed"), ("Bearer \t%s", "authorization_malformed"), ("Bearer\u00a0%s", "authorization_malformed"),
], ids=lambda v: f"62 {v!r}" if "%" in v else "")
def test_another_form_is_refused(attacks, form, reason):
    token = attacks.remember(attacks.stack.token())
    attacks.refuse(headers=[("Authorization", form % token)], reason=reason, attack=f"62 {form!r}")


@pytest.mark.parametrize("make, expected", [
    pytest.param(lambda t: bearer(t[:40]) + "\r\n " + t[40:], 400, id="64 folded inside the token"), pytest.param(lambda t: bearer(t[:40]) + "\r\n\t" + t[40:], 400, id="64 folded with a tab inside the token"),
    pytest.param(lambda t: bearer(t) + "\r\n x", 400, id="64 folded behind the token"), pytest.param(lambda t: "Authorization: Bearer\r\n " + t, 200, id="64 folded before the token: one blank"),
    pytest.param(lambda t: bearer(t) + "\nX-Other: y", 400, id="64 a bare line feed behind"), pytest.param(lambda t: bearer(t) + "\rX-Other: y", 400, id="64 a bare carriage return behind"),
    pytest.param(lambda t: bearer(t[:40]) + "\r" + t[40:], 400, id="64 a carriage return inside"), pytest.param(lambda t: bearer(t[:40]) + "\n" + t[40:], 400, id="64 a line feed inside"),
    pytest.param(lambda t: bearer(t[:40]) + "\0" + t[40:], 400, id="64 NUL inside"), pytest.param(lambda t: bearer(t) + "\0", 400, id="64 NUL behind"), pytest.param(lambda t: "Authorization: \0Bearer " + t, 400, id="64 NUL in front"),
    pytest.param(lambda t: "Authorization\0: Bearer " + t, 400, id="64 NUL in the name"), pytest.param(lambda t: "Authorization : Bearer " + t, 400, id="64 a blank before the colon"),
    pytest.param(lambda t: "Authorization\t: Bearer " + t, 400, id="64 a tab before the colon"), pytest.param(lambda t: "\u00a0Authorization: Bearer " + t, 400, id="64 another byte before the name"),
    pytest.param(lambda t: " Authorization: Bearer eyJhbGciOiJub25lIn0.e30.x", 401, id="64 the header folded into the one before it"), pytest.param(lambda t: bearer(t[:40]) + "\x0b" + t[40:], 400, id="64 vertical tab inside"),
    pytest.param(lambda t: bearer(t[:40]) + "\x7f" + t[40:], 400, id="64 DEL inside"), pytest.param(lambda t: bearer(t[:40]) + "\x1b" + t[40:], 400, id="64 escape inside"),
    pytest.param(lambda t: "Authorization Bearer " + t, 400, id="64 no colon"), pytest.param(lambda t: ": Bearer " + t, 400, id="64 no name"),
])
def test_control_characters_in_the_header_are_refused(attacks, make, expected):
    token = attacks.stack.token()
    count = len(attacks.stack.upstream.requests)
    received = attacks.stack.httpd.raw(request(attacks, ["X-First: x", make(token), "Content-Length: 0"]))
    assert statuses(received) == [expected], received[:300]
    assert len(attacks.stack.upstream.requests) - count == (expected == 200)
    assert token[50:].encode() not in received


# -- 63: spoofed identity ---------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", MANAGED, ids=lambda n: f"63 {n}")
@pytest.mark.parametrize("path", ["/mcp", "/quiet"])
def test_identity_headers_of_the_client_never_reach_the_upstream(attacks, name, path):
    for spelled in sorted(variants(name)):
        headers = [(spelled, "mallory"), (spelled, ""), (spelled, "mallory"), ("Connection", f"close, {spelled}")]
        attacks.accept(attacks.stack.token(), f"63 {spelled}", headers=headers, path=path)
        seen = [(n, v) for n, v in attacks.stack.upstream.last.headers if folded(n) == folded(name)]
        assert len(seen) == (path == "/mcp") and "mallory" not in str(seen), seen


def test_63_the_connection_header_takes_no_identity_away(attacks):
    for value in ("close, X-MCP-Subject", "X-MCP-Subject, X-MCP-Client-ID,X-MCP-Scopes, X-MCP-Issuer, X-MCP-Token-ID", "x-mcp-subject", "close,\tx_mcp_subject ,,X-MCP-SUBJECT", "keep-alive, X-Mcp-Subject"):
        attacks.accept(attacks.stack.token(), f"63 Connection: {value}", headers=[("Connection", value)] + ([("Connection", "close")] if "close" not in value else []))
        assert [n for n, _ in attacks.stack.upstream.last.headers if n.startswith("X-MCP-")] == MANAGED


def test_63_an_absent_claim_has_no_header(attacks):
    """The client's own must not stand in the gap."""
    attacks.accept(attacks.stack.token(scope=None), "63 no scope", headers=[("X-MCP-Scopes", "mcp:admin"), ("x_mcp_scopes", "mcp:admin")])
    assert attacks.stack.upstream.last.header("X-MCP-Scopes") is None and "mcp:admin" not in str(attacks.stack.upstream.last.headers)


def test_63_many_copies_are_all_taken_out(attacks):
    headers = [(f"{'x' if n % 2 else 'X'}{'-_'[n % 2]}mcp{'_-'[n % 2]}subject", f"mallory{n}") for n in range(90)]
    attacks.accept(attacks.stack.token(), "63 90 copies", headers=headers)
    assert "mallory" not in str(attacks.stack.upstream.last.headers)


def test_63_a_claim_cannot_write_a_second_header(attacks):
    for sub in ("alice%0d%0aX-MCP-Scopes: mcp:admin", "alice, admin", "\u00e4lice", "alice;admin=1", "a" * 2048):
        attacks.accept(attacks.stack.token(sub=sub), f"63 sub {sub[:20]}")
        seen = attacks.stack.upstream.last
        assert len(seen.all("X-MCP-Subject")) == 1 and seen.header("X-MCP-Scopes") == "mcp:tools.read mcp:tools.exec"
        assert all(32 <= ord(c) < 127 for c in seen.header("X-MCP-Subject"))


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
