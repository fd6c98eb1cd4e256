# SPDX-License-Identifier: Apache-2.0
"""Attacks 25, 27, 29 and 32: keys that must not be used, published by the provider among good ones."""
import json
import math
import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from algorithm_parts import SECRET, algorithm_attacks, pkcs1_block
from harness import Key
from harness.issuer import b64url, number


class Weak(Key):
    """A key of ours under a kid of its own, published as jwk says."""

    def __init__(self, kid, private, alg="RS256", jwk=None):
        self.kid, self.alg, self.private, self.jwk = kid, alg, private, jwk or {}

    def public_jwk(self, **changes):
        return super().public_jwk(**{**self.jwk, **changes})


class Forged(Key):
    """A public key nobody has the private part of, and what an attacker signs with instead."""

    def __init__(self, kid, alg, jwk, forge):
        self.kid, self.alg, self.jwk, self.forge = kid, alg, jwk, forge

    def public_jwk(self, **changes):
        return {**self.jwk, "alg": self.alg, "kid": self.kid, "use": "sig"}

    def sign(self, data, alg=None):
        return self.forge(data)


def is_prime(n, rounds=16):
    if any(n % p == 0 for p in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)):
        return False
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for _ in range(rounds):
        x = pow(secrets.randbelow(n - 3) + 2, d, n)
        if x in (1, n - 1):
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def rsa_private(p, q, e=65537):
    d = pow(e, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q)).private_key()


def roca_key():
    """As Infineon's library made them (CVE-2017-15361): each prime is k * M + (65537^a mod M), M the product of the first 126 primes."""
    primes, n = [2], 3
    while len(primes) < 126:
        if all(n % p for p in primes):
            primes.append(n)
        n += 2
    m = math.prod(primes)

    def prime():
        while True:
            k = secrets.randbits(1024 - m.bit_length() + 1)
            candidate = k * m + pow(65537, secrets.randbits(256), m)
            if candidate.bit_length() == 1024 and candidate >> 1022 == 3 and math.gcd(candidate - 1, 65537) == 1 and is_prime(candidate):
                return candidate

    return rsa_private(prime(), prime())


IDENTITY = b"\1" + bytes(31)


def of_size(bits, e=65537):
    return lambda kid: Weak(kid, rsa.generate_private_key(e, bits))


def with_numbers(n=None, e="AQAB", forge=pkcs1_block):
    """An RSA key of these numbers. With e = 1 the padded hash is its own signature."""
    return lambda kid: Forged(kid, "RS256", {"kty": "RSA", "n": n or number(rsa.generate_private_key(65537, 2048).public_key().public_numbers().n), "e": e}, forge)


def at_point(change):
    """A P-256 key whose JWK was changed; signed with the private part it had."""
    def make(kid):
        curve = ec.generate_private_key(ec.SECP256R1())
        xy = curve.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "x": number(xy.x, 32), "y": number(xy.y, 32), **change(xy)}
        return Forged(kid, "ES256", jwk, Weak("", curve, "ES256").sign)
    return make


def ed25519(x):
    """With a key of small order the signature (identity, 0) holds for every message."""
    return lambda kid: Forged(kid, "EdDSA", {"kty": "OKP", "crv": "Ed25519", "x": b64url(x)}, lambda data: IDENTITY + bytes(32))


def called(**members):
    """A sound RSA key that its own JWK keeps from verifying."""
    return lambda kid: Weak(kid, rsa.generate_private_key(65537, 2048), "RS256", members)


WEAK = {
    "27 RSA 1024": of_size(1024), "27 RSA 1536": of_size(1536), "27 RSA 2040": of_size(2040), "27 RSA e=3": of_size(2048, 3),
    "27 RSA e=1": with_numbers(e="AQ"), "27 RSA e=0": with_numbers(e="AA"), "27 RSA e even": with_numbers(e=number(65536)),
    "27 RSA e over 32 bits": with_numbers(e=number((1 << 40) + 1)), "27 RSA n even": with_numbers(n=number((1 << 2047) | 2)),
    "27 RSA n is zero": with_numbers(n="AA", forge=lambda data: bytes(256)), "27 RSA 9000 bits": with_numbers(n=number((1 << 8999) | 1)),
    "27 RSA ROCA": lambda kid: Weak(kid, roca_key()),
    "25 point off the curve": at_point(lambda xy: {"y": number(xy.y ^ 1, 32)}),
    "25 point at infinity": at_point(lambda xy: {"x": b64url(bytes(32)), "y": b64url(bytes(32))}),
    "25 coordinate over the field": at_point(lambda xy: {"x": b64url(b"\xff" * 32)}),
    "25 coordinate cut short": at_point(lambda xy: {"x": b64url(xy.x.to_bytes(32, "big")[:31])}),
    "25 coordinates of another curve": at_point(lambda xy: {"crv": "P-384"}),
    "25 P-256 key that says ES384": lambda kid: Weak(kid, ec.generate_private_key(ec.SECP256R1()), "ES256", {"alg": "ES384"}),
    "25 secp256k1": lambda kid: Key("ES256K", kid=kid),
    "25 secp256k1 that says P-256": lambda kid: Weak(kid, ec.generate_private_key(ec.SECP256K1()), "ES256K", {"alg": "ES256", "crv": "P-256"}),
    "29 Ed25519 identity": ed25519(IDENTITY), "29 Ed25519 of order 2": ed25519(b"\xec" + b"\xff" * 30 + b"\x7f"), "29 Ed25519 of order 4": ed25519(bytes(32)),
    "29 Ed25519 of order 8": ed25519(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")),
    "29 Ed25519 identity, not canonical": ed25519(b"\xee" + b"\xff" * 30 + b"\x7f"), "29 Ed25519 identity with the sign": ed25519(b"\1" + bytes(30) + b"\x80"),
    "32 use enc": called(use="enc"), "32 use of an unknown kind": called(use="Sig"), "32 use is a list": called(use=["sig"]),
    "32 key_ops sign only": called(use=None, key_ops=["sign"]), "32 key_ops encrypt": called(use=None, key_ops=["encrypt", "wrapKey"]),
    "32 key_ops without verify beside use sig": called(key_ops=["sign"]), "32 key_ops empty": called(key_ops=[]), "32 key_ops is a string": called(key_ops="verify"),
    "32 alg RSA-OAEP": called(alg="RSA-OAEP"),
}


@pytest.fixture(scope="module")
def attacks(module_world):
    yield from algorithm_attacks(module_world, WEAK)


# -- 25, 27, 29, 32: keys that must not be used -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", WEAK)
def test_a_key_that_must_not_be_used_is_left_out_and_its_tokens_refused(attacks, name):
    """It is published among good ones by the provider itself; what it signs is refused as if it were not there."""
    key = next(k for k in attacks.weak.keys if k.kid == name)
    attacks.refuse(attacks.weak.mint(key=key), ("key_unknown", "alg_denied"), attack=name, fetches=1)


def test_27_the_daemon_published_only_the_good_keys(attacks):
    issuers = attacks.stack.admind.keys()
    text = json.dumps(issuers)
    assert attacks.weak.key.kid in text
    for name in WEAK:
        assert name not in text, name
    on_disk = "".join(p.read_text() for p in attacks.stack.admind.dirs.keys.iterdir())
    assert attacks.weak.key.kid in on_disk and not any(name in on_disk for name in WEAK)


def test_27_a_set_of_weak_keys_only_lets_nobody_in(attacks):
    """No key to check with is no fault of the token: 503, so that clients do not ask for tokens again and again."""
    attacks.refuse(attacks.only_weak.mint(), "keys_missing", attack="27 only a weak key")
    assert attacks.stack.admind.metric("mcpauth_jwks_keys", issuer=attacks.only_weak.url) == 0
    assert "shorter than 2048" in attacks.stack.admind.log()


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
