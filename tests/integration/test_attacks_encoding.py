# SPDX-License-Identifier: Apache-2.0
"""Attacks 8, 9, 14 and 15: the encoding and size of tokens. Each token but for the one thing named is good and properly signed.

What is no token68 at all is a malformed header, 400, as contract 7.2 says; everything else is 401. A header field over httpd's own limit is
httpd's 400, before any module."""
import time

import pytest

from attack_parts import Attacks, claims_with, header_of, plain, signed
from harness import raw_exchange, send
from harness.issuer import b64url
from harness.process import free_port

BIG_FIELDS = """
Listen 127.0.0.1:{big}
<VirtualHost 127.0.0.1:{big}>
  LimitRequestFieldSize 2097152
</VirtualHost>
"""


@pytest.fixture(scope="module")
def attacks(module_world):
    big = free_port()
    stack = module_world.stack(log_level="trace8", config=BIG_FIELDS.replace("{big}", str(big)))
    stack.big = big
    found = Attacks(stack)
    found.accept(stack.token())
    yield found
    found.stop()


def parts(i):
    return i.mint().split(".")


# -- 8 ----------------------------------------------------------------------------------------------------------------------------------

def respelled(part, change):
    """The part's text changed, then signed as it stands."""
    def make(i):
        texts = [b64url(plain(header_of(i))), b64url(plain(i.claims(note="\u00bf\u00ff?>~" * 8))), None]
        if part < 2:
            texts[part] = change(texts[part])
            return signed(i, texts[0], texts[1])
        head, body, signature = signed(i, texts[0], texts[1]).split(".")
        return f"{head}.{body}.{change(signature)}"
    return make


def standard(text):
    # Every token has some of the two characters in a part of this length; where not, one is put in.
    changed = text.replace("-", "+").replace("_", "/")
    return changed if changed != text else text[:-4] + "+/AA"


def middle(piece):
    return lambda text: text[: len(text) // 2] + piece + text[len(text) // 2:]


PARTS = ["header", "payload", "signature"]
SPELLINGS = []
for number, part_name in enumerate(PARTS):
    for words, change, why in [
        ("in standard base64", standard, "token_malformed"),
        ("with one '=' behind", lambda t: t + "=", "token_malformed" if number == 2 else "authorization_malformed"),
        ("with '==' behind", lambda t: t + "==", "token_malformed" if number == 2 else "authorization_malformed"),
        ("with '=' in the middle", middle("="), "authorization_malformed"),
        ("with a blank in the middle", middle(" "), "authorization_malformed"),
        ("with '?' in the middle", middle("?"), "authorization_malformed"),
        ("with '%2B' in the middle", middle("%2B"), "authorization_malformed"),
        ("with a byte over 127 in the middle", middle("\xe9"), "authorization_malformed"),
        ("with '~' in the middle", middle("~"), "token_malformed"),
        ("with '/' in the middle", middle("/"), "token_malformed"),
        ("one character short", lambda t: t[:len(t) // 4 * 4 - 3], "token_malformed"),
    ]:
        SPELLINGS.append(pytest.param(respelled(number, change), why, id=f"8 {part_name} {words}"))


@pytest.mark.parametrize("make, reason", SPELLINGS)
def test_base64url_has_one_alphabet(attacks, request, make, reason):
    attacks.refuse(make(attacks.stack.issuer), reason, attack=request.node.callspec.id)


# -- 9 ----------------------------------------------------------------------------------------------------------------------------------

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def other_spellings(text):
    """All texts that a careless decoder reads as the same bytes."""
    free = {2: 4, 3: 2}[len(text) % 4]
    value = ALPHABET.index(text[-1])
    return [text[:-1] + ALPHABET[value | bits] for bits in range(1, 1 << free)]


def of_length(text, want, pad):
    while len(b64url(text())) % 4 != want:
        pad.append("x")
    return b64url(text())


@pytest.mark.parametrize("remainder", [2, 3])
@pytest.mark.parametrize("part", [0, 1], ids=["header", "payload"])
def test_9_a_part_has_one_spelling(attacks, part, remainder):
    """Signed as it stands, so that nothing but the spelling refuses it."""
    i, pad, claims = attacks.stack.issuer, [], attacks.stack.issuer.claims()
    head = of_length(lambda: plain({**header_of(i), "pad": "".join(pad)}), remainder, pad) if part == 0 else b64url(plain(header_of(i)))
    pad.clear()
    body = of_length(lambda: plain({**claims, "pad": "".join(pad)}), remainder, pad) if part == 1 else b64url(plain(claims))
    attacks.accept(attacks.remember(signed(i, head, body)))
    for text in other_spellings([head, body][part]):
        token = signed(i, text, body) if part == 0 else signed(i, head, text)
        attacks.refuse(token, "token_malformed", attack=f"9 {PARTS[part]} ends in {text[-1]}")


def test_9_a_signature_has_one_spelling_even_for_a_token_that_is_cached(attacks):
    token = attacks.stack.token()
    for _ in range(2):
        attacks.accept(token)
    head, body, signature = token.split(".")
    others = other_spellings(signature)
    assert len(others) == 15
    for text in others:
        attacks.refuse(f"{head}.{body}.{text}", "token_malformed", attack=f"9 signature ends in {text[-1]}")
    attacks.accept(token)


# -- 14 ---------------------------------------------------------------------------------------------------------------------------------

NESTED = 5500


@pytest.mark.alone
@pytest.mark.parametrize("make", [
    pytest.param(lambda i: signed(i, b64url(b"[" * NESTED), "e30"), id="14 header of brackets only"),
    pytest.param(lambda i: signed(i, b64url(b'{"a":' * (NESTED // 5)), "e30"), id="14 header of open objects"),
    pytest.param(lambda i: signed(i, parts(i)[0], b64url(b"[" * NESTED)), id="14 payload of brackets only"),
    pytest.param(lambda i: signed(i, parts(i)[0], b64url(b"[" * (NESTED // 2) + b"]" * (NESTED // 2))), id="14 payload of balanced brackets"),
    pytest.param(lambda i: signed(i, parts(i)[0], b64url(claims_with(i, "x", "[" * 2000 + "]" * 2000))), id="14 a claim nested 2000 deep"),
    pytest.param(lambda i: signed(i, parts(i)[0], b64url(claims_with(i, "x", '{"a":' * 400 + "1" + "}" * 400))), id="14 a claim of nested objects"),
    pytest.param(lambda i: signed(i, parts(i)[0], b64url(claims_with(i, "x", "[" * 16 + "]" * 16))), id="14 a claim nested one too deep"),
    pytest.param(lambda i: signed(i, parts(i)[0], b64url(claims_with(i, "x", "[" + "1," * 2400 + "1]"))), id="14 a claim of 2400 values"),
    pytest.param(lambda i: signed(i, b64url(plain(header_of(i))[:-1] + b',"x":[' + b"1," * 2400 + b"1]}"), parts(i)[1]), id="14 a header of 2400 values"),
])
def test_deep_or_crowded_json_is_refused_at_once(attacks, request, make):
    started = time.monotonic()
    attacks.refuse(make(attacks.stack.issuer), "token_malformed", attack=request.node.callspec.id)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("where", [0, 1], ids=["header", "payload"])
def test_14_a_hundred_thousand_brackets_do_not_even_reach_the_parser(attacks, where):
    i = attacks.stack.issuer
    texts = [parts(i)[0], parts(i)[1]]
    texts[where] = b64url(b"[" * 100_000)
    refuse_big(attacks, signed(i, *texts), f"14 10^5 brackets in part {where}")


# -- 15 ---------------------------------------------------------------------------------------------------------------------------------

def refuse_big(attacks, token, attack):
    """On the port that lets long header fields in."""
    agent = attacks.new_agent(attack, "token_too_long")
    attacks.remember(token)
    before = attacks.fetches()
    with attacks.stack.upstream.untouched():
        answer = send(attacks.stack.big, "POST", "/mcp", [("User-Agent", agent)], b"{}", token)
    attacks.check_answer(answer, "token_too_long")
    assert attacks.fetches() == before


def of_size(i, size):
    """A good token of exactly this many bytes. Base64url has no texts of 4n + 1, so the header may have to give way too."""
    claims = i.claims()
    for more in range(4):
        head = b64url(plain({**header_of(i), "pad": "x" * more}))
        rest = size - len(head) - len(".." + "s" * 342)
        if rest % 4 != 1:
            empty = len(plain({**claims, "pad": ""}))
            token = signed(i, head, b64url(plain({**claims, "pad": "p" * (rest * 3 // 4 - empty)})))
            if len(token) == size:
                return token
    raise AssertionError(f"no padding makes {size} bytes")


@pytest.mark.parametrize("size", [8193, 16 * 1024 + 1, 100_000, 1_000_000], ids=lambda n: f"15 {n} bytes")
def test_an_oversized_token_is_refused_before_any_crypto(attacks, size):
    i = attacks.stack.issuer
    refuse_big(attacks, of_size(i, size), f"15 {size} bytes")
    record = attacks.stack.admind.wait_journal(1, user_agent=attacks.expected[-1][1])[0]
    assert "verify_ms" not in record and "token_cache" not in record, record


def test_15_the_longest_token_that_may_be(attacks):
    answer = send(attacks.stack.big, "POST", "/mcp", (), b"{}", of_size(attacks.stack.issuer, 8192))
    assert answer.status == 200, answer


@pytest.mark.parametrize("size", [8192, 16 * 1024, 1_000_000], ids=lambda n: f"15 {n} bytes over LimitRequestFieldSize")
def test_a_header_over_httpds_limit_is_httpds_400(attacks, size):
    # Not a real token: what httpd cannot read as a header it writes into its log at core:debug, before any module is asked.
    token = "eyJhbGciOiJSUzI1NiJ9.e30." + "A" * size
    with attacks.stack.upstream.untouched():
        received = raw_exchange(attacks.stack.httpd.port, b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token.encode() + b"\r\nContent-Length: 0\r\n\r\n")
    assert received == b"" or received.startswith(b"HTTP/1.1 400 "), received[:200]
    assert b"eyJhbGciOiJSUzI1NiJ9" not in received


# -- what holds for all of them -----------------------------------------------------------------------------------------------------------

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
