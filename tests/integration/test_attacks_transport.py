# SPDX-License-Identifier: Apache-2.0
"""Attacks 59 to 71, and 78's headers: how the credential travels, and how a request may be dressed up to get around the gate.

Where the list leaves a choice, or httpd decides before any module is asked:
59  one header with two credentials, in whatever form, is 400.
61  a token in a body is not looked at: 401 without error=.
62  what is no "Bearer", blanks and a token68 is 400; another scheme alone is no credential of ours, 401.
64  a line folded between the scheme and the token is one blank (RFC 9112 section 5.2; httpd unfolds before modules see it); folded inside the
    token it is 400.
65  Content-Length beside Transfer-Encoding: chunked counts, the length is dropped, the connection ends (RFC 9112 section 6.3); every other
    disguise is 400.
66  a repeated pseudo header is answered by resetting the stream; a Host that contradicts :authority is dropped by mod_http2.
httpd itself writes header lines that it cannot read, and mod_http2 all of them, into its log; so core and http2 are at info here."""
import re
import ssl
import time

import pytest

from attack_parts import Attacks
from harness import h2_request, send, wait_until
from harness.issuer import b64url
from harness.tls import Tls

# Of what is on loopback another Host would be refused for its name: test_module_host.py.
PUBLIC = "https://mcp.example.com"
GUARD = "MCPAuth On\nMCPAuthResource {httpd}%s\nProxyPass {upstream}%s\n%s"
# Each way of putting a server behind the gate, as a name-based host of its own. Every one of them guards /mcp.
HOSTS = """
<VirtualHost 127.0.0.1:{port}>
  ServerName inside.test
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName encoded.test
  AllowEncodedSlashes On
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName nodecode.test
  AllowEncodedSlashes NoDecode
  MergeSlashes Off
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName pass.test
  ProxyPass /mcp {upstream}/mcp
  ProxyPass /open {upstream}/open
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName pass-raw.test
  AllowEncodedSlashes NoDecode
  MergeSlashes Off
  ProxyPass /mcp {upstream}/mcp nocanon
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName match.test
  <LocationMatch "^/mcp">
    MCPAuth On
    MCPAuthResource {resource}
    ProxyPassMatch {upstream}/mcp
  </LocationMatch>
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName rewrite.test
  RewriteEngine On
  RewriteRule ^/+(mcp.*)$ {upstream}/$1 [P,NC]
  <Proxy "*">
    MCPAuth On
    MCPAuthResource {resource}
  </Proxy>
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName all.test
  AllowEncodedSlashes NoDecode
  MergeSlashes Off
  ProxyPass / {upstream}/ nocanon
  <Location />
    MCPAuth On
    MCPAuthResource {resource}
  </Location>
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName catch-all.test
  ProxyPass / {upstream}/
</VirtualHost>
"""
HOST_NAMES = re.findall(r"ServerName (\S+)", HOSTS)


@pytest.fixture(scope="module")
def attacks(module_world):
    w = module_world
    main, exact = w.issuer(alg="ES256"), w.issuer(alg="ES256")
    stack = w.stack(
        issuer=main, resource=PUBLIC + "/mcp", log_level="trace8 core:info http2:info", modules=["proxy", "proxy_http", "http2", "rewrite"], tls=True,
        tls_config="SSLVerifyClient optional_no_ca\nSSLOptions +StdEnvVars +ExportCertData",
        config=f"Protocols h2c http/1.1\nMCPAuthIssuer {exact.url} skew=0\n{HOSTS}",
        locations={"/cors": GUARD % ("/cors", "/cors", "MCPAuthOrigin https://good.example http://localhost:6274"),
                   "/quiet": GUARD % ("/quiet", "/quiet", "MCPAuthIdentityHeaders Off")})
    exact.audience = stack.resource
    wait_until(lambda: stack.admind.metric("mcpauth_jwks_keys", issuer=exact.url) > 0, 15, lambda: stack.admind.log())
    found = Attacks(stack, exact)
    found.exact = exact
    main.audience = [stack.resource, stack.httpd.url + "/cors", stack.httpd.url + "/quiet"]
    for issuer in (main, exact):
        wait_until(lambda issuer=issuer: stack.call(token=issuer.mint()).status == 200, 5, "a good token is let in")
    found.fetches_at_start = found.fetches()
    yield found
    found.stop()


def request(attacks, lines, body=b"", target="/mcp", method="POST", close=True, host="x"):
    """A request as bytes: these header lines as they are."""
    head = [f"{method} {target} HTTP/1.1".encode("latin-1"), f"Host: {host}".encode(), *[line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]]
    if close:
        head.append(b"Connection: close")
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def statuses(received):
    return [int(s) for s in re.findall(rb"(?:^|\n|[^\n])HTTP/1\.1 (\d{3}) ", received)]


def bearer(token):
    return "Authorization: Bearer " + token


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

MANAGED = ["X-MCP-Subject", "X-MCP-Client-ID", "X-MCP-Scopes", "X-MCP-Issuer", "X-MCP-Token-ID"]


def variants(name):
    return {name, name.lower(), name.upper(), name.replace("-", "_"), name.replace("-", "_").upper(), name.replace("-", "_", 1), name[:2] + name[2:].replace("-", "_"), name.swapcase()}


def folded(name):
    return name.lower().replace("_", "-")


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
    received = attacks.stack.httpd.raw(data, timeout=1.5)
    assert statuses(received) == [400], received[:300]
    assert len(attacks.stack.upstream.requests) == count


@pytest.mark.parametrize("order", [["Content-Length: 5", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked", "Content-Length: 5"], ["Content-Length: 44", "Transfer-Encoding: chunked"],
                                   ["Content-Length: 0", "Transfer-Encoding: CHUNKED"]], ids=lambda o: f"65 {o[0]} | {o[1]}")
def test_65_both_lengths_end_the_connection(attacks, order):
    """Nobody is asked to agree on where the request ends: there is no second one."""
    with attacks.stack.upstream.untouched():
        received = attacks.stack.httpd.raw(request(attacks, order, CHUNKED + HIDDEN, close=False), timeout=1.5)
    assert statuses(received) == [401] and b"Connection: close" in received, received[:300]
    count = len(attacks.stack.upstream.requests)
    received = attacks.stack.httpd.raw(request(attacks, [*order, bearer(attacks.stack.token())], CHUNKED + HIDDEN, close=False), timeout=1.5)
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
        received = stack.httpd.raw(request(attacks, ["Transfer-Encoding: chunked"], body + HIDDEN, close=False), timeout=1.5)
    assert statuses(received)[0] in (400, 401) and set(statuses(received)) <= {400, 401}, received[:300]
    before = len(stack.upstream.requests)
    received = stack.httpd.raw(request(attacks, [bearer(stack.token()), "Transfer-Encoding: chunked"], body + HIDDEN, close=False), timeout=1.5)
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


# -- 71: replay -------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.alone
def test_71_a_cached_token_ends_with_its_exp_and_restarts_change_nothing(attacks):
    """Known from before, over a graceful restart and over a full one."""
    stack, issuer = attacks.stack, attacks.exact
    end = int(time.time()) + 5
    short, long = issuer.mint(exp=end), issuer.mint(expires_in=600)
    for token in (short, long):
        for _ in range(3):
            attacks.accept(token, "71 cached")
    stack.httpd.graceful()
    wait_until(lambda: stack.call(token=long).status == 200, 5, "the new generation knows the keys")
    assert time.time() < end, "this machine is too slow for this test"
    attacks.accept(short, "71 after a graceful restart")
    wait_until(lambda: time.time() >= end, 6, "it is over")
    for _ in range(8):
        attacks.refuse(short, "expired", attack="71 from the cache, past exp")
    attacks.accept(long, "71 the long one")
    stack.httpd.graceful()
    for _ in range(4):
        attacks.refuse(short, "expired", attack="71 past exp, after a graceful restart")
    stack.admind.wait_journal(1, user_agent=attacks.expected[-1][1])
    stack.httpd.stop()
    stack.httpd.start()
    for _ in range(4):
        attacks.refuse(short, "expired", attack="71 past exp, after a restart")
    attacks.accept(long, "71 the long one after a restart")


# -- 78: a certificate in a header --------------------------------------------------------------------------------------------------------------------

FORGED = ["SSL_CLIENT_CERT", "SSL-Client-Cert", "X-SSL-Client-Cert", "X-SSL-CERT", "X-Client-Cert", "Client-Cert", "X-Forwarded-Client-Cert", "X-ARR-ClientCert", "SSL_CLIENT_VERIFY", "X-Amzn-Mtls-Clientcert"]


@pytest.fixture(scope="module")
def client_certificate(module_world):
    from cryptography.hazmat.primitives import hashes
    folder = module_world.scratch / "client"
    folder.mkdir()
    made = Tls(folder)
    der = ssl.PEM_cert_to_DER_cert(made.certificate.read_text())
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return made, b64url(digest.finalize())


@pytest.mark.parametrize("name", FORGED, ids=lambda n: f"78 {n}")
def test_a_certificate_in_a_header_proves_nothing(attacks, client_certificate, name):
    certificate_of, thumbprint = client_certificate
    pem = certificate_of.certificate.read_text().replace("\n", " ")
    for value in (pem, pem.replace(" ", "%20"), "SUCCESS", thumbprint):
        attacks.refuse(attacks.stack.token(cnf={"x5t#S256": thumbprint}), "binding_unsupported", attack=f"78 {name}", headers=[(name, value)])


def test_78_no_certificate_and_the_wrong_certificate(attacks, client_certificate):
    """Over TLS, where there could be one. No binding is supported yet, so the right one is refused too: never taken for a plain token."""
    certificate_of, thumbprint = client_certificate
    world = attacks.stack.world
    for bound in (thumbprint, b64url(b"x" * 32), ""):
        for shown in (False, True):
            context = world.tls.client()
            if shown:
                context.load_cert_chain(certificate_of.certificate, certificate_of.key)
            agent = attacks.new_agent(f"78 TLS, shown: {shown}", "binding_unsupported")
            token = attacks.stack.token(cnf={"x5t#S256": bound})
            with attacks.stack.upstream.untouched():
                answer = send(attacks.stack.httpd.tls_port, "POST", "/mcp", [("User-Agent", agent)], b"{}", token, tls=context)
            assert answer.status == 401 and answer.challenge["error"] == "invalid_token", answer


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
