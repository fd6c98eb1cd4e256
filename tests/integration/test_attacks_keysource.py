# SPDX-License-Identifier: Apache-2.0
"""Attacks 33 to 42: where keys come from. Tokens that bring their own key or point to one, hostile key ids, keys of another issuer, and
providers that answer with something else than a sound key set. A trap listens where tokens and providers point to: nobody may call there."""
import base64
import datetime
import gzip
import json
import secrets
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.x509.oid import NameOID

from attack_parts import Attacks, Trap, header_of, plain, signed
from harness import HmacKey, Issuer, Key, World, paths, send, wait_until
from harness.issuer import b64url
from harness.process import free_port


@pytest.fixture(scope="module")
def mallory():
    """The attacker's own key."""
    return Key("RS256", kid="mallory")


@pytest.fixture(scope="module")
def attacks(module_world):
    w, big = module_world, free_port()
    main, other, shared, twins, kinds, several, lone, rotating = (w.issuer(alg=a) for a in ["RS256", "RS256", *["ES256"] * 6])
    shared.keys = [Key("RS256", kid=main.key.kid)]
    twins.keys = [Key("RS256", kid="twin"), Key("RS256", kid="twin"), Key("RS256", kid="single")]
    kinds.keys = [Key("RS256", kid="one name"), Key("ES256", kid="one name"), Key("EdDSA", kid="one name")]
    several.keys = [Key("RS256", kid="first"), Key("RS256", kid="second"), Key("ES256", kid="third")]
    lone.keys = [Key("RS256", kid=""), Key("ES256", kid="")]
    others = (other, shared, twins, kinds, several, lone, rotating)
    stack = w.stack(issuer=main, log_level="trace8", config="\n".join(f"MCPAuthIssuer {i.url}" for i in others) + f"""
Listen 127.0.0.1:{big}
<VirtualHost 127.0.0.1:{big}>
  LimitRequestFieldSize 2097152
</VirtualHost>
""")
    stack.big = big
    for issuer in others:
        issuer.audience = stack.resource
        wait_until(lambda issuer=issuer: stack.admind.metric("mcpauth_jwks_keys", issuer=issuer.url) > 0, 15, lambda: stack.admind.log())
    found = Attacks(stack, *others)
    found.other, found.shared, found.twins, found.kinds, found.several, found.lone, found.rotating = others
    for issuer in (main, other, shared, kinds, rotating):
        wait_until(lambda issuer=issuer: stack.call(token=issuer.mint()).status == 200, 5, "a good token is let in")
    found.fetches_at_start = found.fetches()
    yield found
    found.stop()


# -- 33 to 35: the token brings its key ---------------------------------------------------------------------------------------------------

def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.utcnow()
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.private.public_key()).serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1)).sign(key.private, hashes.SHA256()))
    return made.public_bytes(ser.Encoding.DER)


def pointers(trap):
    return {
        "the trap": f"{trap.url}/jwks", "the trap by https": f"https://127.0.0.1:{trap.port}/jwks", "the trap with a user": f"http://a:b@127.0.0.1:{trap.port}/",
        "the trap by name": f"http://localhost:{trap.port}/jwks", "the trap in decimal": f"http://2130706433:{trap.port}/", "the trap in IPv6": f"http://[::ffff:127.0.0.1]:{trap.port}/",
        "cloud metadata": "http://169.254.169.254/latest/meta-data/", "a file": "file:///etc/passwd", "gopher": f"gopher://127.0.0.1:{trap.port}/_GET", "nothing": "", "a number": 7,
    }


POINTERS = list(pointers(type("Any", (), {"url": "", "port": 0})()))
SIGNERS = ["own key, own kid", "own key, no kid", "own key, the issuer's kid"]


def by(attacks, mallory, signer, **header):
    """A token that Mallory signed, with these header members. Without a kid the issuer's only key is meant."""
    kid = {"own key, own kid": "mallory", "own key, no kid": None, "own key, the issuer's kid": attacks.stack.issuer.key.kid}[signer]
    reason = "key_unknown" if kid == "mallory" else "signature_bad"
    return attacks.stack.issuer.mint(key=mallory, header={**header, "kid": kid}), reason


@pytest.mark.parametrize("signer", SIGNERS)
def test_33_a_key_in_the_header_is_not_used(attacks, mallory, signer):
    for words, jwk in {"jwk": mallory.public_jwk(), "jwk with the issuer's kid": mallory.public_jwk(kid=attacks.stack.issuer.key.kid), "private jwk": {
            **mallory.public_jwk(), "d": b64url(secrets.token_bytes(32))}, "jwk oct": {"kty": "oct", "k": "AAAA"}, "jwk is a string": "x", "jwk is null": None}.items():
        token, reason = by(attacks, mallory, signer, jwk=jwk)
        attacks.refuse(token, reason, attack=f"33 {words}, {signer}", fetches=1)


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("member", ["jku", "x5u"])
@pytest.mark.parametrize("to", POINTERS)
def test_34_nobody_follows_a_pointer_to_keys(attacks, mallory, signer, member, to):
    token, reason = by(attacks, mallory, signer, **{member: pointers(attacks.trap)[to]})
    attacks.refuse(token, reason, attack=f"34 {member} to {to}, {signer}", fetches=1)


@pytest.mark.parametrize("signer", SIGNERS)
def test_35_a_certificate_chain_in_the_header_is_not_used(attacks, mallory, signer):
    der = certificate(mallory)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    for words, header in {
        "x5c": {"x5c": [base64.b64encode(der).decode()]}, "x5c twice": {"x5c": [base64.b64encode(der).decode()] * 2}, "x5c no list": {"x5c": base64.b64encode(der).decode()},
        "x5c and thumbprint": {"x5c": [base64.b64encode(der).decode()], "x5t#S256": b64url(digest.finalize())}, "x5c of garbage": {"x5c": ["AAAA", 5, None]},
    }.items():
        token, reason = by(attacks, mallory, signer, **header)
        attacks.refuse(token, reason, attack=f"35 {words}, {signer}", fetches=1)


def test_33_to_35_these_members_are_ignored_in_a_good_token(attacks, mallory):
    """They change nothing in either direction."""
    for header in ({"jwk": mallory.public_jwk()}, {"jku": f"{attacks.trap.url}/jwks"}, {"x5u": f"{attacks.trap.url}/cert"}, {"x5c": [base64.b64encode(certificate(mallory)).decode()]}):
        attacks.accept(attacks.stack.token(header=header), f"33 good token with {list(header)}")
    assert attacks.trap.said == []


# -- 36: hostile key ids ---------------------------------------------------------------------------------------------------------------------

UNKNOWN = ("key_unknown",)
MALFORMED = ("token_malformed",)
KIDS = [
    ("a path upwards", "../../../../dev/null", UNKNOWN), ("/dev/null", "/dev/null", UNKNOWN), ("/proc/self/environ", "/proc/self/environ", UNKNOWN),
    ("a path in our own key directory", "../keys/../../etc/passwd", UNKNOWN), ("a file URL", "file:///etc/passwd", UNKNOWN), ("a web address", "http://169.254.169.254/", UNKNOWN),
    ("SQL", "' OR '1'='1' --", UNKNOWN), ("SQL union", "x' UNION SELECT 'secret';--", UNKNOWN), ("LDAP", "*)(uid=*))(|(uid=*", UNKNOWN), ("shell", "$(id);`id`|id&id", UNKNOWN),
    ("format string", "%n%n%s%x%08x{0}${jndi:ldap://x}", UNKNOWN), ("JSON", '"},{"kid":"x"', UNKNOWN), ("markup", "<script>alert(1)</script>", UNKNOWN),
    ("256 bytes", "k" * 256, UNKNOWN), ("empty", "", UNKNOWN), ("a blank", " ", UNKNOWN), ("non-ASCII", "schl\u00fcssel \u4e2d", UNKNOWN + MALFORMED),
    ("right-to-left override", "\u202egnissel", UNKNOWN + MALFORMED),
    ("257 bytes", "k" * 257, MALFORMED), ("5000 bytes", "k" * 5000, MALFORMED), ("CRLF", "x\r\n[mcp_auth:notice] kid-injected line", MALFORMED), ("line feed", "x\nkid-injected", MALFORMED),
    ("NUL", "mallory\0", MALFORMED), ("escape", "\x1b[31mkid-injected", MALFORMED), ("DEL", "x\x7f", MALFORMED), ("tab", "a\tb", MALFORMED),
    ("a number", 1, MALFORMED), ("null", "@null@", MALFORMED), ("true", True, MALFORMED), ("a list", ["x"], MALFORMED), ("an object", {"x": 1}, MALFORMED), ("a float", 1.5, MALFORMED),
]


@pytest.mark.parametrize("kid, reasons", [pytest.param(kid, reasons, id=f"36 kid is {name}") for name, kid, reasons in KIDS])
def test_a_hostile_kid_is_only_a_name(attacks, request, mallory, kid, reasons):
    """Signed by the attacker and, worse, properly by the issuer: the name alone must refuse it."""
    issuer = attacks.stack.issuer
    head = json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": kid}).replace('"@null@"', "null").encode()
    for key in (mallory, issuer.key):
        attacks.refuse(signed(issuer, b64url(head), b64url(plain(issuer.claims())), key), reasons, attack=request.node.callspec.id, fetches=1)


def test_36_a_kid_of_64_kilobytes(attacks):
    issuer = attacks.stack.issuer
    token = signed(issuer, b64url(plain(header_of(issuer, kid="k" * 65536))), b64url(plain(issuer.claims())))
    attacks.remember(token)
    agent = attacks.new_agent("36 kid of 64 KiB", "token_too_long")
    with attacks.stack.upstream.untouched():
        attacks.check_answer(send(attacks.stack.big, "POST", "/mcp", [("User-Agent", agent)], b"{}", token), "token_too_long")


@pytest.mark.parametrize("path", ["/dev/null", "../../../../../../dev/null", "/proc/sys/kernel/randomize_va_space"])
def test_36_the_content_of_a_file_is_no_secret(attacks, path):
    content = b"" if "null" in path else open(path, "rb").read()
    for secret in (content, content.strip()):
        attacks.refuse(attacks.stack.issuer.mint(key=HmacKey(secret, "HS256", path)), "alg_denied", attack=f"36 HMAC with {path}")


def test_36_no_kid_left_a_trace(attacks):
    """No file, no line of its own in a log."""
    stack = attacks.stack
    assert not [p for p in stack.world.scratch.rglob("*") if "dev/null" in str(p) or "passwd" in str(p)]
    assert len(list(stack.admind.dirs.keys.iterdir())) == 8
    stack.admind.wait_journal(1, user_agent=attacks.expected[-1][1])
    assert "kid-injected" not in stack.admind.journal_text()
    for text in (stack.httpd.error_log(), stack.admind.log()):
        assert not [line for line in text.splitlines() if line.startswith(("kid-injected", "[mcp_auth:notice] kid-injected"))]
        assert "\x1b" not in text


# -- 37 ---------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.alone
def test_37_a_flood_of_random_kids_causes_one_fetch_at_most(attacks):
    attacks.refuse(attacks.stack.token(header={"kid": secrets.token_hex(8)}), "key_unknown", attack="37 first", fetches=1)
    before, started = attacks.fetches(), time.monotonic()
    for n in range(300):
        attacks.refuse(attacks.stack.token(header={"kid": secrets.token_hex(16)}), "key_unknown", attack=f"37 number {n}", fetches=1)
    took = time.monotonic() - started
    assert attacks.fetches() - before <= 1 + took / 30
    assert took < 15, took
    started = time.monotonic()
    attacks.accept(attacks.stack.token(), "37 good")
    assert time.monotonic() - started < 0.5


def test_37_a_dead_token_waits_for_no_key(attacks):
    """Of the second unknown issuer no key was asked for yet: an expired token with an unknown kid does not begin with it."""
    for token in (attacks.other.mint(header={"kid": "nobody"}, expires_in=-3600), attacks.other.mint(header={"kid": "nobody"}, exp=None), attacks.other.mint(header={"kid": "nobody"}, exp="soon")):
        attacks.refuse(token, "key_unknown", attack="37 dead, unknown kid")
    for token in (attacks.other.mint(key=Key("RS256", kid=attacks.other.key.kid)), attacks.other.mint(header={"kid": ""}, key=Key("RS256", kid=""))):
        attacks.refuse(token, "signature_bad", attack="37 a bad signature asks for no key")


# -- 38, 39 -----------------------------------------------------------------------------------------------------------------------------------

def test_38_without_a_kid_only_the_one_key_that_fits_is_tried(attacks):
    several, lone = attacks.several, attacks.lone
    for key in several.keys[:2]:
        attacks.refuse(several.mint(key=key, drop_header=["kid"]), "key_unknown", attack="38 two keys fit")
        attacks.accept(several.mint(key=key), "38 named")
    attacks.accept(several.mint(key=several.keys[2], drop_header=["kid"]), "38 one key fits")
    attacks.refuse(several.mint(key=Key("ES256"), drop_header=["kid"]), "signature_bad", attack="38 one key fits, another signed")
    attacks.refuse(several.mint(key=Key("EdDSA"), drop_header=["kid"]), "key_unknown", attack="38 no key fits")
    for key in lone.keys:
        attacks.accept(lone.mint(key=key), "38 neither token nor key has a kid")
    attacks.refuse(lone.mint(header={"kid": "named"}), "key_unknown", attack="38 the token names a key, the key has no name", fetches=1)


def test_39_two_keys_of_one_kind_under_one_kid_are_both_left_out(attacks):
    for key in attacks.twins.keys[:2]:
        attacks.refuse(attacks.twins.mint(key=key), "key_unknown", attack="39 twins", fetches=1)
    attacks.accept(attacks.twins.mint(key=attacks.twins.keys[2]), "39 the third key of the set")
    assert attacks.stack.admind.metric("mcpauth_jwks_keys", issuer=attacks.twins.url) == 1


def test_39_keys_of_different_kinds_under_one_kid_are_told_apart_by_algorithm(attacks):
    rsa, ec, ed = attacks.kinds.keys
    for key in (rsa, ec, ed):
        attacks.accept(attacks.kinds.mint(key=key), f"39 {key.alg}")
    attacks.refuse(attacks.kinds.mint(key=rsa, header={"alg": "ES256"}), "signature_bad", attack="39 RSA signature called ES256")
    attacks.refuse(attacks.kinds.mint(key=ed, header={"alg": "ES256"}), "signature_bad", attack="39 Ed25519 signature called ES256")
    attacks.refuse(attacks.kinds.mint(key=HmacKey(b"one name", "HS256", "one name")), "alg_denied", attack="39 HMAC")


# -- 40 ---------------------------------------------------------------------------------------------------------------------------------------

def test_40_a_key_belongs_to_its_issuer(attacks):
    main, other, shared = attacks.stack.issuer, attacks.other, attacks.shared
    attacks.refuse(main.mint(key=other.key), "key_unknown", attack="40 iss of one, key and kid of the other", fetches=1)
    attacks.refuse(main.mint(key=other.key, header={"kid": main.key.kid}), "signature_bad", attack="40 iss and kid of one, key of the other")
    attacks.refuse(main.mint(key=other.key, header={"kid": None}), "signature_bad", attack="40 no kid, key of the other")
    attacks.refuse(main.mint(key=shared.key), "signature_bad", attack="40 two issuers use one kid: key of the other")
    attacks.refuse(shared.mint(key=main.key), "signature_bad", attack="40 two issuers use one kid: the other way")
    attacks.refuse(main.mint(key=other.key, header={"iss": other.url, "kid": main.key.kid}), "signature_bad", attack="40 another iss in the header")
    attacks.refuse(other.mint(iss=main.url), "key_unknown", attack="40 the other's token with our iss", fetches=1)
    for issuer in (main, shared, other):
        attacks.accept(issuer.mint(), "40 good")


# -- 42 ---------------------------------------------------------------------------------------------------------------------------------------

def test_42_a_new_key_is_fetched_once_and_let_in_at_once(attacks):
    issuer = attacks.rotating
    old_token, old_key, before = issuer.mint(), issuer.key, issuer.count("jwks")
    attacks.accept(old_token, "42 before")
    issuer.rotate(overlap=False)
    for _ in range(5):
        attacks.accept(issuer.mint(), "42 the new key")
    assert issuer.count("jwks") - before == 1
    attacks.refuse(issuer.mint(key=old_key), "key_unknown", attack="42 the old key is gone")
    attacks.refuse(old_token, "key_unknown", attack="42 a token of the old key that was let in before")
    assert issuer.count("jwks") - before == 1


# -- 41: the provider lies --------------------------------------------------------------------------------------------------------------------

def nested(key):
    return b'{"keys":[' + plain(key.public_jwk())[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"


def with_jwk(key, jwk):
    return plain({"keys": [key.public_jwk(), jwk]})


def private_jwk(key):
    numbers = key.private.private_numbers()
    return {**key.public_jwk(), "kid": "private", "d": b64url(numbers.d.to_bytes(256, "big")), "p": b64url(numbers.p.to_bytes(128, "big")), "q": b64url(numbers.q.to_bytes(128, "big"))}


# name: how its key set is answered. Mallory's key is in what could be taken by mistake.
LIES = {
    "huge": lambda m, t: {"size": 300_000}, "huge and endless": lambda m, t: {"size": 2_000_000}, "deep": lambda m, t: {"body": nested(m)},
    "deep without end": lambda m, t: {"body": b"[" * 200_000}, "slow-loris": lambda m, t: {"drip": 0.2}, "silent": lambda m, t: {"delay": 30},
    "redirect to the trap": lambda m, t: {"redirect": t.url}, "redirect to cloud metadata": lambda m, t: {"redirect": "http://169.254.169.254/latest/"},
    "redirect to a file": lambda m, t: {"redirect": "file:///etc/passwd"}, "redirect to itself": lambda m, t: {"redirect": "/jwks"},
    "HTML": lambda m, t: {"body": "<html>sign in</html>", "content_type": "text/html"}, "empty": lambda m, t: {"body": b""}, "an error": lambda m, t: {"status": 500},
    "an error with a key set": lambda m, t: {"status": 404, "body": plain({"keys": [m.public_jwk()]})}, "a list": lambda m, t: {"body": plain([m.public_jwk()])},
    "keys is an object": lambda m, t: {"body": plain({"keys": m.public_jwk()})}, "keys twice": lambda m, t: {"body": b'{"keys":[],"keys":[' + plain(m.public_jwk()) + b"]}"},
    "cut off": lambda m, t: {"body": plain({"keys": [m.public_jwk()]})[:-2]}, "garbage behind": lambda m, t: {"body": plain({"keys": [m.public_jwk()]}) + b"x"},
    "UTF-16": lambda m, t: {"body": plain({"keys": [m.public_jwk()]}).decode().encode("utf-16")}, "no keys": lambda m, t: {"body": b'{"keys":[]}'},
    "a private key": lambda m, t: {"body": with_jwk(m, private_jwk(m))}, "a symmetric key": lambda m, t: {"body": with_jwk(m, {"kty": "oct", "kid": "s", "k": b64url(b"x" * 64)})},
    "65 keys": lambda m, t: {"body": plain({"keys": [m.public_jwk(kid=f"{n}") for n in range(65)]})}, "closing": lambda m, t: {"close": True},
    "gzip": lambda m, t: {"body": gzip.compress(plain({"keys": [m.public_jwk()]})), "headers": {"Content-Encoding": "gzip"}},
}
# name: what its metadata says once its key set fails
METADATA_LIES = {
    "keys at the trap": lambda i, t: {**i.metadata(), "jwks_uri": t.elsewhere + "/jwks"}, "keys at the trap by name": lambda i, t: {**i.metadata(), "jwks_uri": f"http://localhost:{t.port}/jwks"},
    "keys in a file": lambda i, t: {**i.metadata(), "jwks_uri": "file:///etc/passwd"}, "keys at cloud metadata": lambda i, t: {**i.metadata(), "jwks_uri": "http://169.254.169.254/jwks"},
    "keys on a private network": lambda i, t: {**i.metadata(), "jwks_uri": "http://10.0.0.1/jwks"}, "another issuer": lambda i, t: {**i.metadata(), "issuer": i.url + "/", "jwks_uri": t.url},
    "issuer twice": lambda i, t: None,
}


@pytest.fixture(scope="module")
def liars(request, mallory):
    """Many providers that were honest at first: each lies in its own way, at the same time."""
    world, trap = World("attacks-liars"), Trap()
    try:
        issuers = {name: world.issuer(alg="ES256") for name in (*LIES, *METADATA_LIES)}
        never = world.issuer(alg="ES256")
        never.behave("jwks", body=with_jwk(never.key, private_jwk(mallory)))
        stack = world.stack(issuer=world.issuer(), admind_config="KeyRefresh 1s", config="\n".join(f"MCPAuthIssuer {i.url}" for i in (*issuers.values(), never)))
        stack.never, stack.issuers, stack.trap = never, issuers, trap
        for issuer in (*issuers.values(), never):
            issuer.audience = stack.resource
        failures = lambda issuer: stack.admind.metric("mcpauth_jwks_refresh_failures_total", issuer=issuer.url)  # noqa: E731
        for issuer in issuers.values():
            wait_until(lambda issuer=issuer: stack.admind.metric("mcpauth_jwks_keys", issuer=issuer.url) == 1, 15, lambda: stack.admind.log())
        stack.before = {name: failures(i) for name, i in issuers.items()}
        stack.rss = stack.admind.process.rss_kib()
        for name, how in LIES.items():
            issuers[name].behave("jwks", **how(mallory, trap))
        for name, how in METADATA_LIES.items():
            document = how(issuers[name], trap)
            body = plain(document) if document else b'{"issuer":' + json.dumps(issuers[name].url).encode() + b"," + plain({**issuers[name].metadata(), "jwks_uri": trap.url})[1:]
            for where in ("oauth", "openid"):
                issuers[name].behave(where, body=body)
            issuers[name].behave("jwks", status=500)
        for name, issuer in issuers.items():
            wanted = stack.before[name] + (2 if name in METADATA_LIES else 1)
            wait_until(lambda: failures(issuer) >= wanted, 30, lambda: f"{name} failed\n{stack.admind.log()[-3000:]}")
        yield stack
    finally:
        trap.stop()
        world.close(failed=getattr(request.node, "failed_once", False))


@pytest.mark.parametrize("name", [pytest.param(n, id=f"41 {n}") for n in (*LIES, *METADATA_LIES)])
def test_a_lying_provider_changes_nothing(liars, mallory, name):
    issuer: Issuer = liars.issuers[name]
    assert liars.call(token=issuer.mint()).status == 200, "the old keys are kept"
    with liars.upstream.untouched():
        for key in (mallory, Key("RS256", kid="private"), HmacKey(b"x" * 64, "HS256", "s")):
            answer = liars.call(token=issuer.mint(key=key))
            assert answer.status == 401 and answer.challenge["error"] == "invalid_token", answer
    assert liars.admind.metric("mcpauth_jwks_keys", issuer=issuer.url) == 1


def test_41_a_provider_that_was_never_honest_lets_nobody_in(liars):
    with liars.upstream.untouched():
        answer = liars.call(token=liars.never.mint())
    assert answer.status == 503 and answer.header("Retry-After") and answer.header("WWW-Authenticate") is None, answer


def test_41_no_lie_led_anywhere(liars):
    assert liars.trap.said == []
    assert liars.admind.process.alive
    if not paths.SANITIZE:  # AddressSanitizer keeps what was freed
        assert liars.admind.process.rss_kib() - liars.rss < 16 * 1024
    assert "private or symmetric" in liars.admind.log()


def test_41_honest_again_and_all_is_well(liars):
    for issuer in liars.issuers.values():
        for where in ("jwks", "oauth", "openid"):
            issuer.behave(where)
    chosen = [liars.issuers[n] for n in ("huge", "HTML", "a private key", "redirect to the trap", "keys at the trap")]
    for issuer in chosen:
        issuer.rotate()
    for issuer in chosen:
        wait_until(lambda issuer=issuer: liars.call(token=issuer.mint()).status == 200, 30, "the new key is let in")
    assert liars.trap.said == []


# -- what holds for all of them -----------------------------------------------------------------------------------------------------------------

def test_a_good_token_is_still_let_in(attacks):
    attacks.accept(attacks.stack.token())
    assert attacks.stack.httpd.crashes() == []


def test_the_journal_has_the_reason_of_every_attack(attacks):
    attacks.check_journal()


def test_only_the_budget_for_unknown_keys_was_spent(attacks):
    attacks.check_fetches()


def test_no_part_of_these_tokens_is_in_any_log(attacks):
    attacks.check_logs()
