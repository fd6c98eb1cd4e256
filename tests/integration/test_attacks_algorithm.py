# SPDX-License-Identifier: Apache-2.0
"""Attacks 20 to 22, 25, 26 and 31: algorithms, and what they go with. Here real keys are published by a provider, fetched by the daemon and used by
httpd; the vectors of Wycheproof for the pure functions are in tests/unit."""
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from algorithm_parts import SECRET, SHORT_SECRET, algorithm_attacks
from attack_parts import header_of, plain, signed
from harness import HmacKey, Key
from harness.issuer import HASHES, b64url, b64url_decode


@pytest.fixture(scope="module")
def attacks(module_world):
    yield from algorithm_attacks(module_world)


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
