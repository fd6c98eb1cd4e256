# SPDX-License-Identifier: Apache-2.0
"""Attacks 20 to 32: algorithms, keys and signatures. The vectors of Wycheproof for the pure functions are in tests/unit; here real keys are
published by a provider, fetched by the daemon and used by httpd."""
import json
import math
import secrets

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from attack_parts import Attacks, header_of, plain, signed
from harness import HmacKey, Key, wait_until
from harness.issuer import HASHES, b64url, b64url_decode, number

SHORT_SECRET = "forty bytes that are no secret any longer"[:40]
SECRET = "correct horse battery staple, thirty-two bytes and more of it: 0123456789abcdef"
ORDERS = {
    "ES256": 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551,
    "ES384": int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16),
    "ES512": int("01" + "ff" * 32 + "fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409", 16),
}
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


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


DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def sha256(data):
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()


def pkcs1_block(data, size=256):
    info = DIGEST_INFO + sha256(data)
    return b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info


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
    w = module_world
    main, curves, bare, weak = w.issuer(), w.issuer(keys=[Key(a) for a in ("ES256", "ES384", "ES512", "EdDSA")]), w.issuer(), w.issuer()
    only_weak = w.issuer(keys=[Key("RS256", bits=1024)])
    hmac, short = w.issuer(keys=[HmacKey(SECRET, kid="hs")]), w.issuer(keys=[HmacKey(SHORT_SECRET)])
    # Its key names no algorithm: only the issuer's own list decides.
    bare.jwks = lambda: {"keys": [bare.key.public_jwk(alg=None)]}
    weak.keys += [Key("PS256"), *(make(kid) for kid, make in WEAK.items())]
    for name, secret in (("hmac", SECRET), ("short", SHORT_SECRET)):
        (w.scratch / f"{name}.secret").write_text(secret)
        (w.scratch / f"{name}.secret").chmod(0o600)
    stack = w.stack(issuer=main, log_level="trace8", config=f"""
MCPAuthIssuer {curves.url}
MCPAuthIssuer {bare.url} alg=RS256
MCPAuthIssuer {weak.url}
MCPAuthIssuer {only_weak.url}
MCPAuthIssuer {hmac.url} secret=file:{w.scratch}/hmac.secret
MCPAuthIssuer {short.url} secret=file:{w.scratch}/short.secret alg=HS256,HS384,HS512
""")
    for issuer in (curves, bare, weak, only_weak, hmac, short):
        issuer.audience = stack.resource
    for issuer in (curves, bare, weak):
        wait_until(lambda issuer=issuer: stack.admind.metric("mcpauth_jwks_keys", issuer=issuer.url) > 0, 15, lambda: stack.admind.log())
    wait_until(lambda: only_weak.count("jwks") > 0, 15, "the set of weak keys was fetched")
    found = Attacks(stack, curves, bare, weak, hmac, short)
    found.curves, found.bare, found.weak, found.only_weak, found.hmac, found.short = curves, bare, weak, only_weak, hmac, short
    for issuer in (main, curves, bare, weak, hmac):
        for key in issuer.keys[:2] if issuer is weak else issuer.keys:
            wait_until(lambda issuer=issuer, key=key: stack.call(token=issuer.mint(key=key)).status == 200, 5, f"a good token of {key.alg}")
            found.accept(issuer.mint(key=key), f"{key.alg} good")
    found.fetches_at_start = found.fetches()
    yield found
    found.stop()


# -- 20 to 22: HMAC with something public -----------------------------------------------------------------------------------------------------

def public_forms(key):
    public = key.private.public_key()
    spki = ser.PublicFormat.SubjectPublicKeyInfo
    pem, der = public.public_bytes(ser.Encoding.PEM, spki), public.public_bytes(ser.Encoding.DER, spki)
    forms = {
        "PEM": pem, "PEM without the last line feed": pem.rstrip(b"\n"), "PEM with CRLF": pem.replace(b"\n", b"\r\n"), "DER": der,
        "JWK": json.dumps(key.public_jwk()).encode(), "JWK without blanks": plain(key.public_jwk()), "JWKS": plain({"keys": [key.public_jwk()]}),
        "nothing": b"", "kid": key.kid.encode(), "NUL bytes": bytes(32),
    }
    if key.alg == "RS256":
        modulus = b64url_decode(key.public_jwk()["n"])
        forms.update({"PKCS 1 PEM": public.public_bytes(ser.Encoding.PEM, ser.PublicFormat.PKCS1), "PKCS 1 DER": public.public_bytes(ser.Encoding.DER, ser.PublicFormat.PKCS1),
                      "modulus": modulus, "modulus as text": key.public_jwk()["n"].encode(), "modulus with sign byte": b"\0" + modulus})
    else:
        raw = b64url_decode(key.public_jwk()["x"]) + b64url_decode(key.public_jwk().get("y", ""))
        forms.update({"point": raw, "point uncompressed": b"\4" + raw, "x": raw[:len(raw) // 2]})
    return forms


RSA_FORMS = list(public_forms(Key("RS256")))
EC_FORMS = list(public_forms(Key("ES256")))


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", [pytest.param(f, id=f"20 RSA, HMAC with {f}") for f in RSA_FORMS])
def test_a_public_rsa_key_is_no_secret(attacks, form, alg):
    key = attacks.stack.issuer.key
    mac = HmacKey(public_forms(key)[form], alg, key.kid)
    for header in ({}, {"kid": None}):
        attacks.refuse(attacks.stack.issuer.mint(key=mac, header=header), "alg_denied", attack=f"20 {alg} with {form}")


@pytest.mark.parametrize("number_of_key, name", [(0, "ES256"), (1, "ES384"), (2, "ES512"), (3, "EdDSA")], ids=lambda v: f"21 {v}" if isinstance(v, str) else "")
def test_a_public_curve_key_is_no_secret(attacks, number_of_key, name):
    key = attacks.curves.keys[number_of_key]
    for form, secret in public_forms(key).items():
        attacks.refuse(attacks.curves.mint(key=HmacKey(secret, "HS256", key.kid)), "alg_denied", attack=f"21 {name} {form}")


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_22_a_correct_mac_counts_only_for_the_issuer_that_declared_the_secret(attacks, alg):
    mac = HmacKey(SECRET, alg, "hs")
    attacks.remember(attacks.hmac.mint(key=mac))
    attacks.accept(attacks.hmac.mint(key=mac), f"22 {alg} where it is declared")
    for issuer in (attacks.stack.issuer, attacks.bare, attacks.curves):
        attacks.refuse(issuer.mint(key=mac), "alg_denied", attack=f"22 {alg} elsewhere")
        attacks.refuse(issuer.mint(key=HmacKey(SECRET, alg, issuer.key.kid)), "alg_denied", attack=f"22 {alg} elsewhere, its kid")


def test_22_an_issuer_with_a_secret_takes_nothing_else(attacks):
    for alg in ("RS256", "ES256", "EdDSA"):
        key = Key(alg, kid="hs")
        attacks.refuse(attacks.hmac.mint(key=key), "alg_denied", attack=f"22 {alg} at an HMAC issuer")
    for secret in ("", "secret", SECRET[:-1], SECRET + "\n", SECRET.upper()):
        attacks.refuse(attacks.hmac.mint(key=HmacKey(secret, "HS256", "hs")), "signature_bad", attack="22 another secret")
    good = attacks.hmac.mint()
    head, body, signature = good.split(".")
    for cut in (b64url(b64url_decode(signature)[:-1]), b64url(b64url_decode(signature)[:1]), b64url(b64url_decode(signature) + b"\0"), "AA"):
        attacks.refuse(f"{head}.{body}.{cut}", "signature_bad", attack="22 a cut MAC")


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


# -- 25, 26: the algorithm must be the key's ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("key_index, alg, digest", [
    pytest.param(1, "ES256", "256", id="25 ES256 with a P-384 key"), pytest.param(0, "ES384", "384", id="25 ES384 with a P-256 key"),
    pytest.param(0, "ES512", "512", id="25 ES512 with a P-256 key"), pytest.param(2, "ES256", "256", id="25 ES256 with a P-521 key"),
    pytest.param(0, "ES256K", "256", id="25 ES256K with a P-256 key"), pytest.param(0, "es256", "256", id="25 es256 in lower case"),
    pytest.param(0, "ES256 ", "256", id="25 ES256 and a blank"),
])
def test_a_curve_goes_with_one_algorithm(attacks, request, key_index, alg, digest):
    key = attacks.curves.keys[key_index]
    size = (key.private.key_size + 7) // 8

    class Wrong:
        def sign(self, data, _=None):
            r, s = decode_dss_signature(key.private.sign(data, ec.ECDSA(HASHES[digest]())))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    token = signed(attacks.curves, b64url(plain(header_of(attacks.curves, key, alg=alg))), b64url(plain(attacks.curves.claims())), Wrong())
    attacks.refuse(token, "alg_denied", attack=request.node.callspec.id)


@pytest.mark.parametrize("alg", ["PS256", "PS384", "PS512", "RS384", "RS512"], ids=lambda a: f"26 {a} with a key for RS256")
def test_an_rsa_key_goes_with_the_algorithm_it_names(attacks, alg):
    key = attacks.stack.issuer.key
    attacks.refuse(attacks.stack.issuer.mint(header={"alg": alg}, signing_alg=alg), "alg_denied", attack=f"26 {alg}")
    attacks.refuse(attacks.stack.issuer.mint(header={"alg": alg, "kid": ""}, signing_alg=alg), ("key_unknown", "alg_denied"), attack=f"26 {alg}, no kid")
    attacks.refuse(attacks.stack.issuer.mint(signing_alg=alg), "signature_bad", attack=f"26 {alg} called {key.alg}")
    attacks.refuse(attacks.bare.mint(header={"alg": alg}, signing_alg=alg), "alg_denied", attack=f"26 {alg}, by the issuer's list")


def test_26_algorithms_of_another_kind_of_key(attacks):
    for issuer, algs in ((attacks.stack.issuer, ("ES256", "EdDSA", "Ed25519", "Ed448")), (attacks.curves, ("RS256", "PS256", "EdDSA"))):
        for alg in algs:
            attacks.refuse(issuer.mint(header={"alg": alg}), "alg_denied", attack=f"26 {alg} with {issuer.key.alg}")


@pytest.mark.parametrize("salt", [0, 20, 31, 33, "max"], ids=lambda s: f"26 PSS salt {s}")
def test_pss_has_one_length_of_salt(attacks, salt):
    """On a key for PS256 the salt is as long as the hash."""
    issuer, key = attacks.weak, attacks.weak.keys[1]
    attacks.accept(issuer.mint(key=key), "26 PSS salt 32")

    class Salted:
        def sign(self, data, _=None):
            length = padding.PSS.MAX_LENGTH if salt == "max" else salt
            return key.private.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), length), hashes.SHA256())

    token = signed(issuer, b64url(plain(header_of(issuer, key))), b64url(plain(issuer.claims())), Salted())
    attacks.refuse(token, "signature_bad", attack=f"26 PSS salt {salt}")


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


# -- 31 -------------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("secret, alg", [
    pytest.param("", "", id="31 empty"), pytest.param("secret", "", id="31 a word"), pytest.param("x" * 31, "alg=HS256", id="31 31 bytes for HS256"),
    pytest.param("x" * 47, "alg=HS384", id="31 47 bytes for HS384"),
    pytest.param("x" * 63, "alg=HS512", id="31 63 bytes for HS512"), pytest.param("x" * 31 + "\n", "alg=HS256", id="31 31 bytes and a line feed"),
])
def test_a_weak_secret_keeps_httpd_from_starting(world, secret, alg):
    path = world.scratch / "weak.secret"
    path.write_text(secret)
    path.chmod(0o600)
    httpd = world.httpd(start=False, config=f"MCPAuthIssuer http://127.0.0.1:1 secret=file:{path} {alg}",
                        locations={"/mcp": "MCPAuth On\nMCPAuthResource {httpd}/mcp"})
    said = httpd.try_start()
    assert said is not None, "httpd started"
    assert str(path) in said and str(httpd.line_of("MCPAuthIssuer http://127.0.0.1:1")) in said and "shorter than the hash" in said, said
    assert len(secret) < 16 or secret.strip() not in said


def test_31_a_secret_that_is_too_short_for_one_algorithm_does_not_serve_it(attacks):
    """40 bytes are enough for HS256. A right MAC of HS384 or HS512 is refused, though the issuer's list has them."""
    short = SHORT_SECRET
    attacks.accept(attacks.remember(attacks.short.mint(key=HmacKey(short, "HS256"))), "31 HS256")
    for alg in ("HS384", "HS512"):
        attacks.refuse(attacks.short.mint(key=HmacKey(short, alg)), ("key_unknown", "alg_denied"), attack=f"31 {alg}")


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
