# SPDX-License-Identifier: Apache-2.0
"""Attacks 23, 24 and 28 to 30: signatures that nobody made, and that a careless check takes."""
import secrets

import pytest

from algorithm_parts import DIGEST_INFO, SECRET, algorithm_attacks, pkcs1_block, sha256
from attack_parts import header_of, plain, signed
from harness.issuer import b64url, b64url_decode

ORDERS = {
    "ES256": 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551,
    "ES384": int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16),
    "ES512": int("01" + "ff" * 32 + "fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409", 16),
}
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.fixture(scope="module")
def attacks(module_world):
    yield from algorithm_attacks(module_world)


# -- 23, 24: ECDSA ----------------------------------------------------------------------------------------------------------------------------

CURVES = [pytest.param(0, id="ES256"), pytest.param(1, id="ES384"), pytest.param(2, id="ES512")]


def with_signature(issuer, key, change):
    """A good token whose signature was changed by change(bytes)."""
    head, body, signature = issuer.mint(key=key).split(".")
    return f"{head}.{body}.{b64url(change(b64url_decode(signature)))}"


@pytest.mark.parametrize("index", CURVES)
def test_23_psychic_signatures_are_refused(attacks, index):
    key = attacks.curves.keys[index]
    n, size = ORDERS[key.alg], (key.private.key_size + 7) // 8
    good_r, good_s = (int.from_bytes(x, "big") for x in (lambda s: (s[:size], s[size:]))(key.sign(b"anything")))
    edges = {"0": 0, "1": 1, "n": n, "n-1": n - 1, "n+1": n + 1, "2^k-1": (1 << 8 * size) - 1}
    pairs = [(f"r={a} s={b}", edges[a], edges[b]) for a in edges for b in edges] + [("r=0", 0, good_s), ("s=0", good_r, 0), ("r=n", n, good_s), ("s=n", good_r, n)]
    for words, r, s in pairs:
        token = with_signature(attacks.curves, key, lambda _, r=r, s=s: r.to_bytes(size, "big") + s.to_bytes(size, "big"))
        attacks.refuse(token, "signature_bad", attack=f"23 {key.alg} {words}")


@pytest.mark.parametrize("index", CURVES)
def test_23_numbers_shifted_by_the_order_are_refused(attacks, index):
    """r + n and s + n stand for the same numbers: the second spelling of a good signature, where it fits."""
    key = attacks.curves.keys[index]
    n, size = ORDERS[key.alg], (key.private.key_size + 7) // 8
    tried = 0
    for _ in range(40):
        head, body, signature = attacks.curves.mint(key=key).split(".")
        raw = b64url_decode(signature)
        r, s = int.from_bytes(raw[:size], "big"), int.from_bytes(raw[size:], "big")
        for r2, s2 in ((r + n, s), (r, s + n)):
            if max(r2, s2) < 1 << 8 * size:
                attacks.refuse(f"{head}.{body}.{b64url(r2.to_bytes(size, 'big') + s2.to_bytes(size, 'big'))}", "signature_bad", attack=f"23 {key.alg} + n")
                tried += 1
        if tried >= 4:
            break
    assert tried or key.alg != "ES512"  # of 521 bits in 66 bytes there is always room; with the other two hardly ever


@pytest.mark.parametrize("index", CURVES)
def test_24_only_the_raw_form_of_exact_length_is_a_signature(attacks, index):
    key = attacks.curves.keys[index]
    size = (key.private.key_size + 7) // 8

    def der(raw):
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
        return encode_dss_signature(int.from_bytes(raw[:size], "big"), int.from_bytes(raw[size:], "big"))

    for words, change in {
        "DER": der, "one byte short": lambda s: s[:-1], "one byte long": lambda s: s + b"\0", "a zero byte in front": lambda s: b"\0" + s,
        "zero bytes in front of both": lambda s: b"\0" + s[:size] + b"\0" + s[size:], "only r": lambda s: s[:size], "only s": lambda s: s[size:],
        "swapped": lambda s: s[size:] + s[:size], "twice": lambda s: s + s, "one byte": lambda s: s[:1], "little-endian": lambda s: s[:size][::-1] + s[size:][::-1],
    }.items():
        attacks.refuse(with_signature(attacks.curves, key, change), "signature_bad", attack=f"24 {key.alg} {words}")


# -- 28: RSA padding ----------------------------------------------------------------------------------------------------------------------------

def blocks(data):
    digest = sha256(data)
    good = pkcs1_block(data)
    info = DIGEST_INFO + digest
    no_null = bytes.fromhex("302f300b0609608648016503040201") + b"\4\x20" + digest
    sha1_info = bytes.fromhex("3021300906052b0e03021a05000414") + digest[:20]

    def padded(tail, head=b"\0\1", fill=b"\xff"):
        return head + fill * (256 - len(tail) - len(head) - 1) + b"\0" + tail

    return {
        "short padding, garbage behind": b"\0\1" + b"\xff" * 8 + b"\0" + info + bytes(256 - 11 - len(info)),
        "garbage in the middle": b"\0\1" + b"\xff" * 100 + b"\0" + info + secrets.token_bytes(256 - 103 - len(info)),
        "one byte of garbage behind": b"\0\1" + b"\xff" * (256 - len(info) - 4) + b"\0" + info + b"\0",
        "no padding": bytes(256 - len(info)) + info,
        "block type 2": padded(info, b"\0\2"), "block type 0": padded(info, b"\0\0", b"\0"), "first byte 1": b"\1" + good[1:],
        "padding with zeros": padded(info, fill=b"\0"), "padding with one wrong byte": good[:50] + b"\xfe" + good[51:],
        "no separator": good.replace(b"\xff\0" + DIGEST_INFO, b"\xff\xff" + DIGEST_INFO, 1), "no DigestInfo": padded(digest), "no NULL parameter": padded(no_null),
        "SHA-1's name": padded(sha1_info), "long form of length": padded(bytes.fromhex("308131300d060960864801650304020105000420") + digest),
        "parameters with garbage": padded(bytes.fromhex("3035301106096086480165030402010504deadbeef0420") + digest),
        "digest of something else": padded(DIGEST_INFO + sha256(data + b"x")), "zero": bytes(256), "one": bytes(255) + b"\1",
    }


BLOCK_NAMES = list(blocks(b""))


@pytest.mark.parametrize("name", [pytest.param(b, id=f"28 {b}") for b in BLOCK_NAMES])
def test_rsa_padding_is_checked_to_the_last_byte(attacks, name):
    """Made with the private key itself, so that nothing but the padding is wrong."""
    key = attacks.stack.issuer.key
    numbers = key.private.private_numbers()

    class Padded:
        def sign(self, data, _=None):
            block = int.from_bytes(blocks(data)[name], "big") % numbers.public_numbers.n
            return pow(block, numbers.d, numbers.public_numbers.n).to_bytes(256, "big")

    token = signed(attacks.stack.issuer, b64url(plain(header_of(attacks.stack.issuer))), b64url(plain(attacks.stack.issuer.claims())), Padded())
    attacks.refuse(token, "signature_bad", attack=f"28 {name}")


def test_28_the_same_way_done_right_is_let_in(attacks):
    key = attacks.stack.issuer.key
    numbers = key.private.private_numbers()

    class Right:
        def sign(self, data, _=None):
            return pow(int.from_bytes(pkcs1_block(data), "big"), numbers.d, numbers.public_numbers.n).to_bytes(256, "big")

    token = signed(attacks.stack.issuer, b64url(plain(header_of(attacks.stack.issuer))), b64url(plain(attacks.stack.issuer.claims())), Right())
    attacks.accept(attacks.remember(token))


def test_28_rsa_signatures_have_one_length_and_one_number(attacks):
    issuer, n = attacks.stack.issuer, attacks.stack.issuer.key.private.public_key().public_numbers().n
    for words, change in {
        "a zero byte in front": lambda s: b"\0" + s, "one byte short": lambda s: s[:-1], "one byte long": lambda s: s + b"\0", "without its first byte": lambda s: s[1:],
        "plus the modulus": lambda s: (int.from_bytes(s, "big") + n).to_bytes(257, "big"), "one byte": lambda s: s[:1], "8192 bits": lambda s: bytes(1024 - 256) + s,
        "over the longest key": lambda s: bytes(1025 - 256) + s,
    }.items():
        attacks.refuse(with_signature(issuer, None, change), "signature_bad", attack=f"28 {words}")


# -- 29: Ed25519 ----------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, change", [
    ("S + L", lambda s: s[:32] + (int.from_bytes(s[32:], "little") + ED25519_ORDER).to_bytes(32, "little")),
    ("S = L", lambda s: s[:32] + ED25519_ORDER.to_bytes(32, "little")),
    ("S = 0", lambda s: s[:32] + bytes(32)),
    ("S all ones", lambda s: s[:32] + b"\xff" * 32),
    ("S with the top bit", lambda s: s[:63] + bytes([s[63] | 0x80])),
    ("R = 0", lambda s: bytes(32) + s[32:]),
    ("R not on the curve", lambda s: b"\2" + bytes(31) + s[32:]),
    ("R with the other sign", lambda s: s[:31] + bytes([s[31] ^ 0x80]) + s[32:]),
    ("one byte short", lambda s: s[:-1]),
    ("one byte long", lambda s: s + b"\0"),
    ("empty but one byte", lambda s: b"\0"),
], ids=lambda v: f"29 {v}" if isinstance(v, str) else "")
def test_an_ed25519_signature_has_one_form(attacks, words, change):
    attacks.refuse(with_signature(attacks.curves, attacks.curves.keys[3], change), "signature_bad", attack=f"29 {words}")


# -- 30 -------------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("part", [0, 1, 2], ids=["30 header", "30 payload", "30 signature"])
def test_one_bit_is_enough(attacks, part):
    """Bits all over the part, on a token that is in the cache."""
    anything = ("token_malformed", "alg_denied", "issuer_unknown", "key_unknown", "signature_bad")
    for issuer, key in ((attacks.stack.issuer, None), (attacks.curves, attacks.curves.keys[0])):
        token = issuer.mint(key=key)
        attacks.accept(token, "30 unchanged")
        texts = token.split(".")
        raw = b64url_decode(texts[part])
        step = max(1, len(raw) * 8 // 60) | 1
        for bit in [0, 7, *range(1, len(raw) * 8, step), len(raw) * 8 - 1]:
            flipped = bytearray(raw)
            flipped[bit // 8] ^= 0x80 >> bit % 8
            changed = [*texts[:part], b64url(bytes(flipped)), *texts[part + 1:]]
            attacks.refuse(".".join(changed), anything, attack=f"30 bit {bit} of part {part}", fetches=1)
        attacks.accept(token, "30 unchanged")


def test_30_parts_of_two_good_tokens_do_not_go_together(attacks):
    one, two = attacks.stack.token(sub="alice").split("."), attacks.stack.token(sub="bob").split(".")
    attacks.refuse(".".join([one[0], one[1], two[2]]), "signature_bad", attack="30 signature of another token")
    attacks.refuse(".".join([one[0], two[1], one[2]]), "signature_bad", attack="30 payload of another token")


# -- what holds for all of them -----------------------------------------------------------------------------------------------------------------

def test_a_good_token_of_every_algorithm_is_still_let_in(attacks):
    for issuer in (attacks.stack.issuer, attacks.curves, attacks.bare, attacks.weak, attacks.hmac):
        for key in issuer.keys[:2] if issuer is attacks.weak else issuer.keys:
            attacks.accept(issuer.mint(key=key), f"{key.alg} good")
    assert attacks.stack.httpd.crashes() == []


def test_the_journal_has_the_reason_of_every_attack(attacks):
    attacks.check_journal()


def test_only_the_budget_for_unknown_keys_was_spent(attacks):
    attacks.check_fetches()


def test_no_part_of_these_tokens_and_no_secret_is_in_any_log(attacks):
    attacks.stack.world.canaries.remember_text(SECRET)
    attacks.check_logs()
