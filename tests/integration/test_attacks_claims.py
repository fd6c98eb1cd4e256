# SPDX-License-Identifier: Apache-2.0
"""Attacks 43 to 57: what stands in the claims. Every token here is properly signed by its issuer.

Not here: 58 (revoked jti, subject, session) has no feature to attack yet; its tests come with the revocation list.

Where the list leaves a choice: of times only whole numbers from 0 to the year 9999 are taken; an array of audiences may hold others beside
ours (49); scopes are one string with blanks, an array only where scope-claim= names another claim."""
import json
import time

import pytest

from attack_parts import Attacks, claims_with, header_of, plain, signed
from harness import wait_until
from harness.issuer import b64url

AGES = 253402300799  # 9999-12-31T23:59:59Z


@pytest.fixture(scope="module")
def attacks(module_world):
    """Issuers: main is strict; exact has no leeway; lax takes typ JWT and scp; picky wants more claims."""
    w = module_world
    main, exact, lax, picky = (w.issuer(alg="ES256") for _ in range(4))
    guard = "MCPAuth On\nMCPAuthResource {httpd}%s\nProxyPass {upstream}%s\n%s"
    stack = w.stack(
        issuer=main, log_level="trace8",
        config=f"MCPAuthIssuer {exact.url} skew=0\nMCPAuthIssuer {lax.url} typ=any scope-claim=scp\nMCPAuthIssuer {picky.url} require=jti,tenant,/realm/name\n"
               'LogFormat "%{User-Agent}i|%u|%{MCP_SUBJECT}e|%{MCP_CLIENT_ID}e" who\nCustomLog {folder}/who.log who',
        locations={"/files": guard % ("/files", "/files", "MCPAuthScope files:read"), "/both": guard % ("/both", "/both", "MCPAuthScope files:read files:write"),
                   "/exec": guard % ("/exec", "/exec", "MCPAuthScope mcp:tools.exec"), "/limited": guard % ("/limited", "/limited", "MCPAuthRateLimit subject 1/day"),
                   "/named": guard % ("/named", "/named", "MCPAuthAudience https://one.example/mcp api://two")})
    everywhere = [stack.httpd.url + p for p in ("/files", "/both", "/exec", "/limited")]
    for issuer in (exact, lax, picky):
        issuer.audience = stack.resource
        wait_until(lambda issuer=issuer: stack.admind.metric("mcpauth_jwks_keys", issuer=issuer.url) > 0, 15, lambda: stack.admind.log())
    found = Attacks(stack, exact, lax, picky)
    found.exact, found.lax, found.picky, found.everywhere = exact, lax, picky, everywhere
    for issuer in (main, exact, lax):
        wait_until(lambda issuer=issuer: stack.call(token=issuer.mint()).status == 200, 5, "a good token is let in")
    found.fetches_at_start = found.fetches()
    yield found
    found.stop()


def raw(issuer, name, text, **changes):
    """A good token in which this claim's value is this text."""
    return signed(issuer, b64url(plain(header_of(issuer))), b64url(claims_with(issuer, name, text, **changes)))


def now():
    return int(time.time())


# -- 43 to 46: times --------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("ago", [61, 62, 120, 3600, 10**6], ids=lambda n: f"43 expired {n} s ago")
def test_an_expired_token_is_refused_beyond_the_leeway(attacks, ago):
    attacks.refuse(attacks.stack.token(expires_in=-ago), "expired", attack=f"43 {ago} s ago")


def test_43_leeway_is_a_minute_unless_configured(attacks):
    attacks.accept(attacks.stack.token(expires_in=-30), "43 within the leeway")
    attacks.refuse(attacks.exact.mint(expires_in=-1), "expired", attack="43 no leeway")


def test_43_at_the_very_second_it_is_over(attacks):
    """"The current time MUST be before exp"."""
    attacks.refuse(attacks.exact.mint(exp=now()), "expired", attack="43 boundary")
    attacks.refuse(attacks.exact.mint(exp=0), "expired", attack="43 exp 0")
    attacks.refuse(attacks.exact.mint(exp=1), "expired", attack="43 exp 1")
    attacks.accept(attacks.exact.mint(exp=now() + 5), "43 in time")


def test_44_a_token_without_end_is_refused(attacks):
    for issuer in (attacks.stack.issuer, attacks.exact, attacks.lax):
        attacks.refuse(issuer.mint(exp=None), "claim_missing", attack="44 no exp")


TIMES = [
    ("a string", '"%d"' % (time.time() + 600)), ("a date", '"2030-01-01T00:00:00Z"'), ("an empty string", '""'), ("true", "true"), ("null", "null"), ("an array", "[%d]" % (time.time() + 600)),
    ("an object", "{}"), ("negative", "-1"), ("very negative", "-9223372036854775808"), ("2^63 - 1", "9223372036854775807"),
    ("a year after the last", str(AGES + 1)), ("milliseconds", str(int(time.time() * 10**6))), ("a fraction", "%d.5" % (time.time() + 600)), ("1e300", "1e300"), ("-1e300", "-1e300"),
    ("negative fraction", "-0.5"),
]
NO_JSON = [("2^63", "9223372036854775808"), ("2^64 + 600", "18446744073709552216"), ("1e400", "1e400"), ("NaN", "NaN"), ("Infinity", "Infinity"), ("hexadecimal", "0x7fffffff"), ("a leading zero", "0%d" % (time.time() + 600)), ("a plus sign", "+%d" % (time.time() + 600)),
           ("a hundred thousand digits cut to fit", "9" * 3000)]


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("text, reason", [pytest.param(t, "claim_malformed", id=f"45 {n}") for n, t in TIMES] + [pytest.param(t, "token_malformed", id=f"45 {n}") for n, t in NO_JSON])
def test_a_time_is_a_whole_number_in_range(attacks, request, claim, text, reason):
    attacks.refuse(raw(attacks.stack.issuer, claim, text), reason, attack=f"{claim} {request.node.callspec.id}")


def test_45_a_whole_number_may_be_written_as_a_float(attacks):
    attacks.refuse(raw(attacks.stack.issuer, "exp", "1.7e9"), "expired", attack="45 exp 1.7e9")
    attacks.accept(attacks.remember(raw(attacks.stack.issuer, "exp", f"{now() + 600}.0")), "45 exp .0")
    attacks.accept(attacks.remember(raw(attacks.stack.issuer, "exp", str(AGES))), "45 the last second there is")


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_46_a_token_of_the_future_is_refused(attacks, claim):
    for ahead in (90, 3600, 10**8):
        attacks.refuse(attacks.stack.token(**{claim: now() + ahead, "exp": now() + 2 * 10**8}), "not_yet_valid", attack=f"46 {claim} {ahead} s ahead")
    attacks.accept(attacks.stack.token(**{claim: now() + 30}), f"46 {claim} within the leeway")
    attacks.refuse(attacks.exact.mint(**{claim: now() + 5}), "not_yet_valid", attack=f"46 {claim} no leeway")


# -- 47: issuer -------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("change", [
    pytest.param(lambda u: None, id="47 absent"), pytest.param(lambda u: "https://as.example", id="47 different"), pytest.param(lambda u: u + "/", id="47 trailing slash"),
    pytest.param(lambda u: u.replace("http", "HTTP"), id="47 scheme in upper case"), pytest.param(lambda u: u + ".evil", id="47 ours is a prefix"), pytest.param(lambda u: u[:-1], id="47 a prefix of ours"),
    pytest.param(lambda u: u + "@evil.example", id="47 ours as user"), pytest.param(lambda u: u.replace("127.0.0.1", "localhost"), id="47 another name"), pytest.param(lambda u: [u], id="47 a list"),
    pytest.param(lambda u: [u, "https://evil.example"], id="47 a list of two"), pytest.param(lambda u: {"url": u}, id="47 an object"), pytest.param(lambda u: " " + u, id="47 a blank in front"),
    pytest.param(lambda u: u + "\n", id="47 a line feed behind"), pytest.param(lambda u: "", id="47 empty"), pytest.param(lambda u: True, id="47 true"), pytest.param(lambda u: u + "#x", id="47 fragment"),
    pytest.param(lambda u: u + "?x", id="47 query"), pytest.param(lambda u: u.replace("http://", ""), id="47 no scheme"), pytest.param(lambda u: u.replace("http:", "https:"), id="47 https"),
])
def test_the_issuer_is_one_exact_string(attacks, request, change):
    issuer = attacks.stack.issuer
    attacks.refuse(issuer.mint(iss=change(issuer.url)), "issuer_unknown", attack=request.node.callspec.id)


# -- 48, 49: audience -------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("change, reason", [
    pytest.param(lambda s, r: None, "claim_missing", id="48 absent"), pytest.param(lambda s, r: "https://other.example/mcp", "audience_wrong", id="48 another resource"),
    pytest.param(lambda s, r: r + "-evil", "audience_wrong", id="48 ours is a prefix"), pytest.param(lambda s, r: r + "/sub", "audience_wrong", id="48 a path below"),
    pytest.param(lambda s, r: r[:-4], "audience_wrong", id="48 the origin"), pytest.param(lambda s, r: r[:-1], "audience_wrong", id="48 a prefix of ours"),
    pytest.param(lambda s, r: r[:-3] + "MCP", "audience_wrong", id="48 path in upper case"), pytest.param(lambda s, r: r.replace("http", "HTTP"), "audience_wrong", id="48 scheme in upper case"),
    pytest.param(lambda s, r: r + "/", "audience_wrong", id="48 trailing slash"), pytest.param(lambda s, r: r + "?x", "audience_wrong", id="48 query"), pytest.param(lambda s, r: "x " + r, "audience_wrong", id="48 inside a text"),
    pytest.param(lambda s, r: r + " https://x.example", "audience_wrong", id="48 two in one string"), pytest.param(lambda s, r: "*", "audience_wrong", id="48 star"), pytest.param(lambda s, r: "", "audience_wrong", id="48 empty"),
    pytest.param(lambda s, r: [], "audience_wrong", id="48 empty array"), pytest.param(lambda s, r: [r, 1], "claim_malformed", id="48 array with a number behind"), pytest.param(lambda s, r: [None, r], "claim_malformed", id="48 array with null in front"),
    pytest.param(lambda s, r: [[r]], "claim_malformed", id="48 array in an array"), pytest.param(lambda s, r: [{"aud": r}], "claim_malformed", id="48 array of objects"), pytest.param(lambda s, r: {r: r}, "claim_malformed", id="48 an object"),
    pytest.param(lambda s, r: 1, "claim_malformed", id="48 a number"), pytest.param(lambda s, r: True, "claim_malformed", id="48 true"), pytest.param(lambda s, r: s.issuer.url, "audience_wrong", id="48 the authorization server"),
    pytest.param(lambda s, r: "harness", "audience_wrong", id="48 the client"), pytest.param(lambda s, r: ["harness", s.issuer.url], "audience_wrong", id="48 client and authorization server"),
    pytest.param(lambda s, r: s.httpd.url + "/files", "audience_wrong", id="48 another Location's resource"),
])
def test_the_audience_must_be_ours(attacks, request, change, reason):
    stack = attacks.stack
    attacks.refuse(stack.token(aud=change(stack, stack.resource)), reason, attack=request.node.callspec.id)


def test_48_null_is_no_audience(attacks):
    attacks.refuse(raw(attacks.stack.issuer, "aud", "null"), "claim_malformed", attack="48 null")


def test_48_only_the_configured_audiences_count(attacks):
    named = attacks.stack.httpd.url + "/named"
    for audience in ("https://one.example/mcp", "api://two"):
        attacks.accept(attacks.stack.token(aud=audience), f"48 {audience}", path="/named")
        attacks.refuse(attacks.stack.token(aud=audience), "audience_wrong", attack=f"48 {audience} elsewhere")
    for audience in (named, "https://one.example/mcp/", "api://", "api://two/x"):
        attacks.refuse(attacks.stack.token(aud=audience), "audience_wrong", attack=f"48 {audience}", path="/named", resource=named)


def test_48_a_cached_token_is_still_only_for_its_own_resource(attacks):
    token = attacks.stack.token()
    attacks.accept(token, "48 cached")
    attacks.accept(token, "48 cached")
    for path in ("/files", "/exec", "/limited", "/named"):
        attacks.refuse(token, "audience_wrong", attack=f"48 cached, at {path}", path=path, resource=attacks.stack.httpd.url + path, scope={"/files": "files:read", "/exec": "mcp:tools.exec"}.get(path))


def test_49_others_beside_ours_are_fine(attacks):
    for audience in ([attacks.stack.resource, "https://other.example"], ["https://other.example", attacks.stack.resource], [attacks.stack.resource] * 2):
        attacks.accept(attacks.stack.token(aud=audience), "49")


# -- 50 to 52: other kinds of tokens ------------------------------------------------------------------------------------------------------------

ID_TOKEN = {"nonce": "n-0S6_WzA2Mj", "at_hash": "77QmUPtjPfzWtF2AnpK9RQ", "auth_time": 1}


def test_50_an_id_token_is_no_access_token(attacks):
    for aud in ("harness", attacks.stack.resource):
        attacks.refuse(attacks.stack.token(header={"typ": "JWT"}, aud=aud, **ID_TOKEN), "type_wrong", attack="50 ID token, strict")
        attacks.refuse(attacks.lax.mint(header={"typ": "JWT"}, aud=aud, **ID_TOKEN), "type_wrong", attack="50 ID token, typ=any")
    for mark in ({"nonce": "x"}, {"at_hash": "x"}, {"c_hash": "x"}, {"typ": "ID"}, {"typ": "Refresh"}, {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}):
        attacks.refuse(attacks.lax.mint(header={"typ": "JWT"}, **mark), "type_wrong", attack=f"50 {mark}, typ=any")


@pytest.mark.parametrize("typ", ["oauth-id-jag+jwt", "dpop+jwt", "token-introspection+jwt", "logout+jwt", "secevent+jwt", "client-authentication+jwt", "id+jwt", "JOSE", "JOSE+JSON", "at+jwt+x", "xat+jwt",
                                 "application/", "text/at+jwt", "application/application/at+jwt", "at+jwt;q=1", "at+jwt ", " at+jwt", "at jwt", "", "at", "jwt+at", "application/jwt+at"], ids=lambda t: f"51 typ {t!r}")
def test_another_kind_of_token_is_refused_everywhere(attacks, typ):
    for issuer in (attacks.stack.issuer, attacks.lax):
        attacks.refuse(issuer.mint(header={"typ": typ}), "type_wrong", attack=f"51 {typ}")


@pytest.mark.parametrize("typ", ["JWT", "jwt", "application/jwt", None], ids=lambda t: f"52 typ {t!r}")
def test_an_untyped_token_passes_only_where_configured(attacks, typ):
    header, drop = ({"typ": typ}, ()) if typ else ({}, ["typ"])
    attacks.refuse(attacks.stack.token(header=header, drop_header=drop), "type_wrong", attack=f"52 {typ}, strict")
    attacks.accept(attacks.lax.mint(header=header, drop_header=drop), f"52 {typ}, typ=any")


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/AT+JWT"], ids=lambda t: f"52 typ {t!r}")
def test_an_access_tokens_type_has_no_case(attacks, typ):
    attacks.accept(attacks.stack.token(header={"typ": typ}), f"52 {typ}")


@pytest.mark.parametrize("text", ["null", "1", "true", '["at+jwt"]', "{}"], ids=lambda t: f"52 typ is {t}")
def test_a_type_that_is_no_string_is_refused(attacks, text):
    i = attacks.stack.issuer
    for issuer in (i, attacks.lax):
        head = plain(header_of(issuer, typ="@")).decode().replace('"@"', text)
        attacks.refuse(signed(issuer, b64url(head), b64url(plain(issuer.claims()))), "token_malformed", attack=f"52 typ is {text}")


# -- 53 -------------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("claim", ["sub", "client_id", "iat", "jti"], ids=lambda c: f"53 no {c}")
def test_rfc_9068s_claims_must_be_there(attacks, claim):
    attacks.refuse(attacks.stack.token(**{claim: None}), "claim_missing", attack=f"53 no {claim}")


@pytest.mark.parametrize("claim", ["sub", "client_id", "jti"])
@pytest.mark.parametrize("text", ['""', "null", "1", "true", "[]", '["alice"]', "{}", '"' + "x" * 2049 + '"', '"a\\tb"', '"\\u0080"', '"\\u2028"'], ids=lambda t: f"53 {t[:20]}")
def test_who_it_is_about_must_be_fit_for_headers_and_records(attacks, claim, text):
    token = raw(attacks.stack.issuer, claim, text)
    if "\\u2028" in text or "\\u0080" in text:
        # Not ASCII, and not a control character of ASCII: let in, and carried on in escaped form only.
        answer = attacks.stack.call(token=attacks.remember(token))
        assert answer.status in (200, 401)
        if answer.status == 200:
            assert all(32 <= ord(c) < 127 for _, v in attacks.stack.upstream.last.headers for c in v)
        return
    attacks.refuse(token, "claim_malformed", attack=f"53 {claim} {text[:20]}")


def test_53_what_the_operator_requires_must_be_there(attacks):
    good = {"tenant": "t", "realm": {"name": "r"}}
    attacks.accept(attacks.picky.mint(**good), "53 all required claims")
    for missing in ({**good, "tenant": None}, {**good, "realm": {}}, {**good, "realm": {"name": None}}, {**good, "realm": "name"}, {**good, "jti": None}):
        attacks.refuse(attacks.picky.mint(**missing), "claim_missing", attack=f"53 {missing}")


# -- 54, 55: scopes -----------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", [
    '["files:read"]', '{"files:read":true}', "1", "true", "null", '"files:read\\tfiles:write"', '"files:read\\nfiles:write"', '"files:read\\u0007"', '"files:\\"read\\""', '"a\\\\b"', '"\\u00fcber"',
    '"' + " ".join(f"s{n}" for n in range(200)) + '"', '"' + "x" * 4097 + '"', '"' + " ".join("y" * 900 for _ in range(1)) + " " + " ".join(f"z{n}{'z' * 800}" for n in range(4)) + '"',
], ids=lambda t: f"54 scope {t[:24]}")
def test_a_malformed_scope_refuses_the_token(attacks, text):
    """Half of it is not granted: whoever wrote it may have meant something else."""
    attacks.refuse(raw(attacks.stack.issuer, "scope", text), "claim_malformed", attack=f"54 {text[:24]}")


def test_54_scopes_are_words_between_blanks(attacks):
    for scope in ("files:read", " files:read ", "a  files:read   b", "files:read files:read files:read"):
        attacks.accept(attacks.stack.token(scope=scope, aud=attacks.everywhere), f"54 {scope!r}", path="/files")
    assert attacks.stack.upstream.last.header("X-MCP-Scopes") == "files:read"


def test_54_another_claim_grants_nothing_unless_configured(attacks):
    files = attacks.stack.httpd.url + "/files"
    for claim in ({"scp": "files:read"}, {"scp": ["files:read"]}, {"scopes": "files:read"}, {"Scope": "files:read"}, {"permissions": ["files:read"]}, {"roles": ["files:read"]}):
        attacks.refuse(attacks.stack.token(scope=None, aud=attacks.everywhere, **claim), "scope_missing", attack=f"54 {claim}", path="/files", resource=files, scope="files:read")
    attacks.refuse(attacks.lax.mint(scope="files:read", aud=attacks.everywhere), "scope_missing", attack="54 scope where scp is configured", path="/files", resource=files, scope="files:read")
    for scp in ("files:read", ["files:read"], ["x", "files:read"]):
        attacks.accept(attacks.lax.mint(scope=None, scp=scp, aud=attacks.everywhere), f"54 scp {scp}", path="/files")
    for scp in ([1], ["files:read", None], {"files:read": 1}, [["files:read"]], True):
        attacks.refuse(attacks.lax.mint(scope=None, scp=scp, aud=attacks.everywhere), "claim_malformed", attack=f"54 scp {scp}", path="/files", resource=files, scope="files:read")


@pytest.mark.parametrize("scope", ["files:readx", "files:rea", "FILES:READ", "Files:Read", "files:read,files:write", "files:read;", "xfiles:read", "files", "files:", "files:*", "*", "files:read/sub", "read", "files:write",
                                   "", " ", None, "mcp:admin", "openid profile"], ids=lambda s: f"55 {s!r}")
def test_a_scope_is_one_exact_word(attacks, scope):
    attacks.refuse(attacks.stack.token(scope=scope, aud=attacks.everywhere), "scope_missing", attack=f"55 {scope}", path="/files", resource=attacks.stack.httpd.url + "/files", scope="files:read")


def test_55_all_scopes_are_needed_and_all_are_named(attacks):
    both = attacks.stack.httpd.url + "/both"
    for scope in ("files:read", "files:write", "files:readfiles:write", "files:read_files:write"):
        attacks.refuse(attacks.stack.token(scope=scope, aud=attacks.everywhere), "scope_missing", attack=f"55 {scope} of two", path="/both", resource=both, scope="files:read files:write")
    attacks.accept(attacks.stack.token(scope="files:write files:read", aud=attacks.everywhere), "55 both", path="/both")


def test_55_a_broader_scope_implies_the_narrower_and_never_the_other_way(attacks):
    exec_ = attacks.stack.httpd.url + "/exec"
    for scope in ("mcp:tools.exec", "mcp:admin"):
        attacks.accept(attacks.stack.token(scope=scope, aud=attacks.everywhere), f"55 {scope}", path="/exec")
    for scope in ("mcp:tools.read", "mcp:tools", "mcp:tools.exe", "mcp:Admin", "mcp:admins", "mcp:tools.exec.x", "mcp:"):
        attacks.refuse(attacks.stack.token(scope=scope, aud=attacks.everywhere), "scope_missing", attack=f"55 {scope}", path="/exec", resource=exec_, scope="mcp:tools.exec")


# -- 56 -------------------------------------------------------------------------------------------------------------------------------------------

def test_56_a_client_named_like_a_user_is_not_that_user(attacks):
    """Budgets, the user's name and the headers of both are kept apart."""
    limited = attacks.stack.httpd.url + "/limited"

    def user():
        return attacks.lax.mint(sub="carol", client_id="app", aud=attacks.everywhere)

    def client():
        return attacks.lax.mint(sub=None, client_id="carol", aud=attacks.everywhere)

    attacks.accept(client(), "56 the client", path="/limited")
    last = attacks.stack.upstream.last
    assert last.header("X-MCP-Subject") is None and last.header("X-MCP-Client-ID") == "carol"
    attacks.accept(user(), "56 the user of that name", path="/limited")
    last = attacks.stack.upstream.last
    assert last.header("X-MCP-Subject") == "carol" and last.header("X-MCP-Client-ID") == "app"
    attacks.refuse(user(), "rate_limited_subject", attack="56 the user again", path="/limited", resource=limited)
    # The same subject at another issuer is somebody else, too.
    attacks.accept(attacks.stack.token(sub="carol", aud=attacks.everywhere), "56 the same name at another issuer", path="/limited")
    names = [line.split("|")[1:] for line in (attacks.stack.httpd.folder / "who.log").read_text().splitlines() if "carol" in line]
    assert names[0] == ["clientid:carol", "-", "carol"] and names[1] == ["carol", "carol", "app"]


# -- 57 -------------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", [
    '{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}', '{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}', '{"jkt":"x","x5t#S256":"y"}', '{"jwk":{"kty":"RSA"}}', '{"kid":"x"}', '{"unknown":1}', "{}",
    "null", '""', "1", "true", "[]", '{"jkt":null}', '{"jkt":5}',
], ids=lambda t: f"57 cnf {t[:20]}")
def test_a_bound_token_is_never_a_plain_one(attacks, text):
    for issuer in (attacks.stack.issuer, attacks.lax):
        attacks.refuse(raw(issuer, "cnf", text), "binding_unsupported", attack=f"57 {text[:30]}")


# -- what holds for all of them -------------------------------------------------------------------------------------------------------------------

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
