# SPDX-License-Identifier: Apache-2.0
"""Attacks 1 to 7, 10 to 13, 16 to 19 and 94: the structure of tokens. Each token but for the one thing named is good and properly signed.

Where the list leaves a choice: what is no token68 at all (an empty one, braces, quotes, blanks, '?', '=' before the end) is a malformed
header, 400, as contract 7.2 says; everything else is 401."""
import json
import zlib

import pytest

from attack_parts import Attacks, claims_with, header_of, plain, signed
from harness.issuer import b64url


@pytest.fixture(scope="module")
def attacks(module_world):
    stack = module_world.stack(log_level="trace8")
    found = Attacks(stack)
    found.accept(stack.token())
    yield found
    found.stop()


def good(i):
    return i.mint()


def parts(i):
    return i.mint().split(".")


# -- 1 ----------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer  ", "bearer", "", "Bearer .", "Bearer ..", "Bearer ...", "Bearer ="],
                         ids=lambda v: f"1 {v!r}")
def test_an_empty_credential_is_refused(attacks, value):
    reason = "authorization_malformed" if "." not in value else "token_malformed"
    attacks.refuse(headers=[("Authorization", value)], reason=reason, attack=f"1 {value!r}")


# -- 2 to 6, 10 to 13, 16 to 19 -----------------------------------------------------------------------------------------------------------

def none_token(alg, signature=b""):
    def make(i):
        head, body = b64url(plain(header_of(i, alg=alg))), parts(i)[1]
        return f"{head}.{body}.{b64url(signature)}"
    return make


def with_header(raw):
    """raw: the header's text, {alg} and {kid} filled in."""
    def make(i):
        text = raw if isinstance(raw, bytes) else raw.replace("{kid}", i.key.kid).replace("{alg}", i.key.alg).encode("utf-8", "surrogatepass")
        return signed(i, b64url(text), parts(i)[1])
    return make


def with_payload(make_payload):
    def make(i):
        payload = make_payload(i) if callable(make_payload) else make_payload
        return signed(i, b64url(plain(header_of(i))), b64url(payload))
    return make


def with_extra(**members):
    return lambda i: i.mint(header=members)


def with_claim(name, raw):
    return with_payload(lambda i: claims_with(i, name, raw))


def twice(name, first, second=None):
    """The claim stands twice; the good value first or last."""
    def payload(i):
        text = plain(i.claims()).decode()
        value = json.dumps(i.claims()[name])
        bad = json.dumps(first)
        extra = f'"{second or name}":'
        return ("{" + extra + bad + "," + text[1:]).encode() if first != "last" else (text[:-1] + "," + extra + value + "}").encode()
    return with_payload(payload)


HEADER = '"typ":"at+jwt","kid":"{kid}"'
CASES = [
    ("2 alg none, empty signature", none_token("none"), "token_malformed"),
    ("2 alg none, some signature", none_token("none", b"x" * 32), "alg_denied"),
    ("2 alg none, the good signature", lambda i: i.mint(header={"alg": "none"}), "alg_denied"),
    *[(f"3 alg {a}", none_token(a, b"x" * 32), "alg_denied") for a in ("None", "NONE", "nOnE", "noNE", "none ", " none", "", "null")],
    *[(f"3 alg {a}, empty signature", none_token(a), "token_malformed") for a in ("None", "NONE", "nOnE")],
    ("3 alg is null", with_header("{\"alg\":null," + HEADER + "}"), "token_malformed"),
    ("3 alg is false", with_header("{\"alg\":false," + HEADER + "}"), "token_malformed"),
    ("3 alg is a list", with_header("{\"alg\":[\"{alg}\"]," + HEADER + "}"), "token_malformed"),
    ("3 alg is missing", with_header("{" + HEADER + "}"), "token_malformed"),
    ("3 alg in lower case", with_extra(alg="rs256"), "alg_denied"),
    ("4 signature stripped, dot left", lambda i: ".".join(parts(i)[:2]) + ".", "token_malformed"),
    ("4 signature stripped, no dot", lambda i: ".".join(parts(i)[:2]), "token_malformed"),
    ("4 only the header", lambda i: parts(i)[0], "token_malformed"),
    ("4 header and signature, no payload", lambda i: "{0}..{2}".format(*parts(i)), "token_malformed"),
    ("4 no header", lambda i: ".{1}.{2}".format(*parts(i)), "token_malformed"),
    ("5 a fourth part", lambda i: good(i) + ".x", "token_malformed"),
    ("5 a fourth part that is empty", lambda i: good(i) + ".", "token_malformed"),
    ("5 the signature twice", lambda i: good(i) + "." + parts(i)[2], "token_malformed"),
    ("5 a dot in front", lambda i: "." + good(i), "token_malformed"),
    ("6 JWE in five parts", lambda i: ".".join([b64url(plain({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": i.key.kid})), *["QUFBQUFBQUFBQUFB"] * 4]),
     "token_malformed"),
    ("6 JWE with direct key, empty encrypted key", lambda i: ".".join([b64url(plain({"alg": "dir", "enc": "A256GCM"})), "", "QUFB", "QUFB", "QUFB"]),
     "token_malformed"),
    ("6 JWE's header on three parts", lambda i: i.mint(header={"alg": "RSA-OAEP", "enc": "A256GCM"}), "alg_denied"),
    ("10 header is an array", with_header('["{alg}"]'), "token_malformed"),
    ("10 header is a number", with_header("256"), "token_malformed"),
    ("10 header is a string", with_header('"{alg}"'), "token_malformed"),
    ("10 header is null", with_header("null"), "token_malformed"),
    ("10 header is empty text", with_header(" "), "token_malformed"),
    ("10 header is an empty object", with_header("{}"), "token_malformed"),
    ("10 header is cut off", with_header('{"alg":"{alg}",' + HEADER), "token_malformed"),
    ("10 header with garbage behind", with_header('{"alg":"{alg}",' + HEADER + "}x"), "token_malformed"),
    ("10 header with a second object behind", with_header('{"alg":"{alg}",' + HEADER + '}{"alg":"none"}'), "token_malformed"),
    ("10 header with a comma too many", with_header('{"alg":"{alg}",' + HEADER + ",}"), "token_malformed"),
    ("10 header with single quotes", with_header("{'alg':'{alg}'}"), "token_malformed"),
    ("10 header with a comment", with_header('{/**/"alg":"{alg}",' + HEADER + "}"), "token_malformed"),
    ("10 header with NaN", with_header('{"alg":"{alg}","x":NaN,' + HEADER + "}"), "token_malformed"),
    ("11 alg twice, none first", with_header('{"alg":"none","alg":"{alg}",' + HEADER + "}"), "token_malformed"),
    ("11 alg twice, none last", with_header('{"alg":"{alg}","alg":"none",' + HEADER + "}"), "token_malformed"),
    ("11 alg twice, the same", with_header('{"alg":"{alg}","alg":"{alg}",' + HEADER + "}"), "token_malformed"),
    ("11 alg twice, one escaped", with_header('{"\\u0061lg":"none","alg":"{alg}",' + HEADER + "}"), "token_malformed"),
    ("11 kid twice", with_header('{"alg":"{alg}","kid":"other",' + HEADER + "}"), "token_malformed"),
    ("11 a member twice deep inside", with_header('{"alg":"{alg}","x":{"y":1,"y":2},' + HEADER + "}"), "token_malformed"),
    ("12 aud twice, a foreign one first", twice("aud", "https://other.example"), "token_malformed"),
    ("12 aud twice, the same", twice("aud", "last"), "token_malformed"),
    ("12 sub twice", twice("sub", "mallory"), "token_malformed"),
    ("12 exp twice", twice("exp", 1), "token_malformed"),
    ("12 iss twice", twice("iss", "https://other.example"), "token_malformed"),
    ("12 aud twice, one escaped", twice("aud", "https://other.example", "\\u0061ud"), "token_malformed"),
    ("12 sub twice, wholly escaped", twice("sub", "mallory", "\\u0073\\u0075\\u0062"), "token_malformed"),
    ("12 a member twice deep inside", with_claim("deep", '{"roles":[{"a":1,"a":2}]}'), "token_malformed"),
    ("13 invalid UTF-8 in sub", with_payload(lambda i: claims_with(i, "sub", '"al@ice"').replace(b"@", b"\xff")), "token_malformed"),
    ("13 overlong UTF-8 in sub", with_payload(lambda i: claims_with(i, "sub", '"al@ice"').replace(b"@", b"\xc0\xaf")), "token_malformed"),
    ("13 cut UTF-8 in iss", with_payload(lambda i: claims_with(i, "sub", '"alice@"').replace(b"@", b"\xe2\x82")), "token_malformed"),
    ("13 surrogate in UTF-8", with_payload(lambda i: claims_with(i, "sub", '"al@ice"').replace(b"@", b"\xed\xa0\x80")), "token_malformed"),
    ("13 code point above the last", with_payload(lambda i: claims_with(i, "sub", '"al@ice"').replace(b"@", b"\xf4\x90\x80\x80")), "token_malformed"),
    ("13 payload in UTF-16 with BOM", with_payload(lambda i: plain(i.claims()).decode().encode("utf-16")), "token_malformed"),
    ("13 payload in UTF-16LE", with_payload(lambda i: plain(i.claims()).decode().encode("utf-16-le")), "token_malformed"),
    ("13 payload in UTF-32", with_payload(lambda i: plain(i.claims()).decode().encode("utf-32-be")), "token_malformed"),
    ("13 BOM before the payload", with_payload(lambda i: b"\xef\xbb\xbf" + plain(i.claims())), "token_malformed"),
    ("13 BOM before the header", lambda i: signed(i, b64url(b"\xef\xbb\xbf" + plain(header_of(i))), parts(i)[1]), "token_malformed"),
    ("13 header in UTF-16", lambda i: signed(i, b64url(plain(header_of(i)).decode().encode("utf-16")), parts(i)[1]), "token_malformed"),
    ("13 lone high surrogate escape in sub", with_claim("sub", '"alice\\ud800"'), "token_malformed"),
    ("13 lone low surrogate escape in sub", with_claim("sub", '"alice\\udc00"'), "token_malformed"),
    ("13 NUL escape in sub", with_claim("sub", '"alice\\u0000admin"'), "token_malformed"),
    ("13 NUL escape in iss", with_payload(lambda i: claims_with(i, "iss", json.dumps(i.url)[:-1] + '\\u0000.evil"')), "token_malformed"),
    ("13 NUL escape in scope", with_claim("scope", '"mcp:tools.read\\u0000mcp:admin"'), "token_malformed"),
    ("13 NUL escape in a member's name", with_payload(lambda i: b'{"au\\u0000d":1,' + plain(i.claims())[1:]), "token_malformed"),
    ("13 raw NUL in sub", with_payload(lambda i: claims_with(i, "sub", '"alice@"').replace(b"@", b"\0")), "token_malformed"),
    ("13 NUL behind the payload", with_payload(lambda i: plain(i.claims()) + b"\0"), "token_malformed"),
    ("13 raw line feed in sub", with_payload(lambda i: claims_with(i, "sub", '"al@ice"').replace(b"@", b"\n")), "token_malformed"),
    ("13 CRLF escape in sub", with_claim("sub", '"alice\\r\\nX-MCP-Subject: admin"'), "claim_malformed"),
    ("13 DEL in sub", with_claim("sub", '"alice\\u007f"'), "claim_malformed"),
    ("13 ESC in client_id", with_claim("client_id", '"\\u001b[2Jclient"'), "claim_malformed"),
    ("13 line feed in jti", with_claim("jti", '"a\\nb"'), "claim_malformed"),
    ("13 line feed in scope", with_claim("scope", '"mcp:tools.read\\nmcp:admin"'), "claim_malformed"),
    ("16 payload is an array", with_payload(lambda i: plain([i.claims()])), "token_malformed"),
    ("16 payload is a string", with_payload(lambda i: plain(plain(i.claims()).decode())), "token_malformed"),
    ("16 payload is a number", with_payload(b"1"), "token_malformed"),
    ("16 payload is null", with_payload(b"null"), "token_malformed"),
    ("16 payload is true", with_payload(b"true"), "token_malformed"),
    ("16 payload is no JSON", with_payload(b"alice"), "token_malformed"),
    ("16 payload is an empty object", with_payload(b"{}"), "issuer_unknown"),
    ("16 payload with garbage behind", with_payload(lambda i: plain(i.claims()) + b"}"), "token_malformed"),
    ("16 two payloads", with_payload(lambda i: plain(i.claims()) * 2), "token_malformed"),
    ("16 payload is missing, signed so", lambda i: signed(i, parts(i)[0], ""), "token_malformed"),
    ("17 b64 false with crit", lambda i: signed(i, b64url(plain(header_of(i, b64=False, crit=["b64"]))), parts(i)[1]), "alg_denied"),
    ("17 b64 false alone", with_extra(b64=False), "alg_denied"),
    ("17 b64 true", with_extra(b64=True, crit=["b64"]), "alg_denied"),
    ("17 b64 false over an unencoded payload", lambda i: signed(i, b64url(plain(header_of(i, b64=False, crit=["b64"]))), "alice-is"), "alg_denied"),
    ("18 crit with an unknown name", with_extra(crit=["http://example.com/UNDEFINED"], **{"http://example.com/UNDEFINED": True}), "alg_denied"),
    ("18 crit with a name that is not there", with_extra(crit=["x"]), "alg_denied"),
    ("18 crit empty", with_extra(crit=[]), "alg_denied"),
    ("18 crit is a string", with_extra(crit="exp"), "alg_denied"),
    ("18 crit is null", with_header('{"alg":"{alg}","crit":null,' + HEADER + "}"), "alg_denied"),
    ("18 crit is an object", with_extra(crit={}), "alg_denied"),
    ("18 crit with a name twice", with_extra(crit=["exp", "exp"], exp=1), "alg_denied"),
    ("18 crit lists registered names", with_extra(crit=["alg", "kid"]), "alg_denied"),
    ("19 zip", with_extra(zip="DEF"), "alg_denied"),
    ("19 zip, payload deflated", lambda i: signed(i, b64url(plain(header_of(i, zip="DEF"))), b64url(zlib.compress(plain(i.claims()), 9)[2:-4])),
     "alg_denied"),
    ("19 cty JWT", with_extra(cty="JWT"), "alg_denied"),
    ("19 cty jwt in lower case", with_extra(cty="jwt"), "alg_denied"),
    ("19 cty application/jwt", with_extra(cty="application/JWT"), "alg_denied"),
    ("19 a token in a token", lambda i: signed(i, b64url(plain(header_of(i, cty="JWT"))), b64url(good(i))), "alg_denied"),
    ("19 a token in a token without cty", lambda i: signed(i, b64url(plain(header_of(i))), b64url(good(i))), "token_malformed"),
    ("19 cty is no string", with_extra(cty=["JWT"]), "token_malformed"),
]


@pytest.mark.parametrize("make, reason", [pytest.param(make, reason, id=name) for name, make, reason in CASES])
def test_a_token_of_wrong_structure_is_refused(attacks, request, make, reason):
    attacks.refuse(make(attacks.stack.issuer), reason, attack=request.node.callspec.id)


def test_the_same_by_hand_and_right_is_let_in(attacks):
    """The helpers above sign properly: without this, everything would be refused for its signature."""
    i = attacks.stack.issuer
    for token in (with_header('{"alg":"{alg}",' + HEADER + "}")(i), with_payload(lambda i: plain(i.claims()))(i), with_claim("sub", '"alice"')(i),
                  with_extra(x=1)(i), with_extra(cty="other")(i), with_claim("deep", '{"a":[{"b":[]}]}')(i)):
        attacks.remember(token)
        attacks.accept(token)


# -- 7 ----------------------------------------------------------------------------------------------------------------------------------

def flattened(i):
    head, body, signature = parts(i)
    return json.dumps({"protected": head, "payload": body, "signature": signature}, separators=(",", ":"))


def general(i):
    head, body, signature = parts(i)
    return json.dumps({"payload": body, "signatures": [{"protected": head, "signature": signature}]}, separators=(",", ":"))


@pytest.mark.parametrize("make", [
    pytest.param(flattened, id="7 flattened JSON serialization"),
    pytest.param(general, id="7 general JSON serialization"),
    pytest.param(lambda i: "{" + good(i) + "}", id="7 braces around"),
    pytest.param(lambda i: '"' + good(i) + '"', id="7 quotes around"),
    pytest.param(lambda i: '{"' + good(i) + '":1}', id="7 polyglot of both"),
    pytest.param(lambda i: good(i) + '"', id="7 a quote behind"),
    pytest.param(lambda i: "[" + good(i) + "]", id="7 brackets around"),
    pytest.param(lambda i: "<" + good(i) + ">", id="7 angle brackets around"),
    pytest.param(lambda i: good(i).replace(".", "{}.", 1), id="7 braces inside"),
])
def test_a_token_with_json_around_is_no_token_at_all(attacks, request, make):
    attacks.refuse(make(attacks.stack.issuer), "authorization_malformed", attack=request.node.callspec.id)


# -- what holds for all of them -----------------------------------------------------------------------------------------------------------

def test_94_all_refusals_look_the_same(attacks):
    """Nothing tells a prober how far his token came."""
    i = attacks.stack.issuer
    seen = set()
    for token, reason in [(good(i) + ".", "token_malformed"), (none_token("none", b"x" * 32)(i), "alg_denied"), (i.mint(aud="https://x.example"), "audience_wrong"),
                          (good(i)[:-6] + "AAAAAA", ("signature_bad", "token_malformed")), (i.mint(sub=None), "claim_missing"), (i.mint(expires_in=-900), "expired"),
                          (i.mint(iss="https://x.example"), "issuer_unknown"), (i.mint(header={"typ": "JWT"}), "type_wrong")]:
        answer = attacks.refuse(token, reason, attack=f"94 {reason}")
        seen.add((answer.status, tuple((n, v) for n, v in answer.headers if n not in ("Date", "X-Request-ID")), answer.body))  # that names the request, not the token
    assert len(seen) == 1, seen


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
