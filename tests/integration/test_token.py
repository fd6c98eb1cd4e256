# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl token: the local issuer's tokens from the key to the upstream, over a rotation and its end; and what may be told of any token."""
import base64
import json
import os
import pwd
import shutil
import subprocess
import time
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from harness import paths, wait_until
from harness.admind import USER
from harness.world import Stack

GOOD, BAD, USAGE, UNREACHABLE = 0, 1, 2, 3
pytestmark = pytest.mark.sanitize
ISSUER = "https://auth.example.com"
JWKS = "/.well-known/jwks.json"
HOUR = 3600


def own_stack(world, options="", env=None):
    """httpd that trusts the daemon's own issuer, whose keys the daemon fetches from itself like any others'."""
    s = Stack()
    s.world, s.path, s.issuer = world, "/mcp", SimpleNamespace(url=ISSUER)
    s.upstream = world.upstream()
    s.admind = world.admind(f"Issuer {ISSUER} {options}\nKeyRefresh 1s\n", env=env)
    s.httpd = world.httpd(start=False, config=f"MCPAuthIssuer {ISSUER} jwks={s.admind.url}{JWKS}")
    s.resource = s.httpd.url + s.path
    s.httpd.locations = {s.path: f"MCPAuth On\nMCPAuthResource {s.resource}\nMCPAuthScope mcp:tools.exec\nProxyPass {s.upstream.url}{s.path}"}
    s.httpd.write_config()
    s.httpd.start()
    s.wait_keys()
    return s


def ctl(stack, *arguments, **more):
    return stack.admind.ctl(*arguments, "--config", stack.admind.conf_path, **more)


def mint(stack, *arguments):
    done = ctl(stack, "token", "mint", "--subject", "alice", "--audience", stack.resource, "--scope", "mcp:tools.exec", *arguments)
    assert done.returncode == GOOD and done.stderr == "", done.stderr
    token = done.stdout.strip()
    stack.world.canaries.remember(token)
    return token


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def part(token, n):
    return json.loads(decoded(token.split(".")[n]))


def verified_elsewhere(token, jwk):
    """With the published members alone, by code that is not ours; raises when it is not."""
    number = {name: int.from_bytes(decoded(jwk[name]), "big") for name in ("n", "e", "x", "y") if name in jwk}
    signed, signature = token.rsplit(".", 1)[0].encode(), decoded(token.rsplit(".", 1)[1])
    if jwk["kty"] == "RSA":
        rsa.RSAPublicNumbers(number["e"], number["n"]).public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    elif jwk["kty"] == "EC":
        assert len(signature) == 64
        both = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        ec.EllipticCurvePublicNumbers(number["x"], number["y"], ec.SECP256R1()).public_key().verify(both, signed, ec.ECDSA(hashes.SHA256()))
    else:
        ed25519.Ed25519PublicKey.from_public_bytes(decoded(jwk["x"])).verify(signature, signed)


@pytest.fixture(scope="module")
def own(module_world):
    return own_stack(module_world, "alg=ES256")


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_what_is_minted_is_let_in(world, alg):
    stack = own_stack(world, f"alg={alg}")
    token = mint(stack, "--client", "ops", "--claim", "tenant=blue")
    header, claims = part(token, 0), part(token, 1)
    jwk = stack.admind.get(JWKS).json()["keys"][1]
    assert header == {"alg": alg, "typ": "at+jwt", "kid": jwk["kid"]}
    verified_elsewhere(token, jwk)
    assert claims["exp"] - claims["iat"] == HOUR and claims["iss"] == ISSUER and claims["tenant"] == "blue" and len(claims["jti"]) == 32
    answer = stack.call(token=token)
    assert answer.status == 200, answer.text
    assert stack.upstream.last.header("X-MCP-Subject") == "alice" and stack.upstream.last.header("X-MCP-Client-ID") == "ops"
    assert stack.call(token=token[:-8] + "AAAAAAAA").status == 401


def test_a_rotation_lets_both_in_and_its_end_only_the_new_one(world, clock):
    env, step = clock
    stack = own_stack(world, "alg=ES256 rotate=7d overlap=24h", env)
    old = mint(stack, "--lifetime", "24h")
    done = ctl(stack, "token", "rotate")
    assert done.returncode == GOOD and done.stdout.endswith(" signs now\n"), done.stderr
    new = mint(stack, "--lifetime", "24h")
    assert part(new, 0)["kid"] == done.stdout.split()[0] != part(old, 0)["kid"]
    for token in (new, old):
        assert stack.call(token=token).status == 200
    wait_until(lambda: len(stack.admind.get(JWKS).json()["keys"]) == 3, 15, stack.admind.log)
    stack.admind.stop()
    step(25 * HOUR)  # for the daemon the overlap is over; httpd's clock says that both tokens live
    stack.admind.start()
    wait_until(lambda: stack.call(token=old).status == 401, 30, lambda: stack.admind.log() + stack.admind.get("/keys").text)
    assert part(old, 0)["kid"] not in stack.admind.get(JWKS).text
    assert stack.call(token=new).status == 200
    stack.admind.wait_journal(1, reason="key_unknown")


def test_keys_are_for_their_owner_and_root(own):
    arguments = ["token", "mint", "--subject", "a", "--audience", "https://x.example", "--config", str(own.admind.conf_path)]
    program = own.admind.folder / "mcpauthctl"
    shutil.copy(paths.built_program("mcpauthctl"), program)
    os.chmod(program, 0o755)

    def by(user):
        return subprocess.run(["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups", program, *arguments], env=own.admind._env(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30 * paths.PATIENCE, check=False)

    assert by(USER).returncode == GOOD
    for user in ("nobody", "www-data"):
        done = by(user)
        assert done.returncode == USAGE and done.stdout == "" and "keys are for the daemon's user and root" in done.stderr
        assert "run this as root" in done.stderr and "chown" not in done.stderr  # which would shut the daemon out
    keys = own.admind.dirs.keys / "issuer"
    os.chmod(keys, 0o750)
    try:
        done = ctl(own, *arguments[:-2])
        assert done.returncode == USAGE and done.stdout == "" and "chmod 0700" in done.stderr
    finally:
        os.chmod(keys, 0o700)
    for name, act, undo, words in (
        ("mode", lambda path: os.chmod(path, 0o640), lambda path: os.chmod(path, 0o600), "may be used by others; what it holds may be known"),
        ("gone", lambda path: path.rename(f"{path}.away"), lambda path: path.with_name(f"{path.name}.away").rename(path), "is not there; the daemon makes it"),
    ):
        act(keys / "issuer.keys")
        try:
            done = ctl(own, *arguments[:-2])
            assert done.returncode == USAGE and done.stdout == "" and words in done.stderr, name
        finally:
            undo(keys / "issuer.keys")


@pytest.mark.parametrize("arguments, words", [
    (["--audience", "https://x.example"], "write --subject"), (["--subject", "a"], "write --audience"),
    (["--subject", "a", "--audience", "x", "--lifetime", "25h"], "from 1s to 24h"), (["--subject", "a", "--audience", "x", "--lifetime", "0"], "from 1s to 24h"),
    (["--subject", "a", "--audience", "x", "--claim", "exp:=1"], "have options of their own"), (["--subject", "a", "--audience", "x", "--claim", "x"], "NAME=TEXT"),
    (["--subject", "a", "--audience", "x", "--claim", "x=1", "--claim", "x=2"], "each --claim once"), (["--subject", "a", "--audience", "x", "--scope", "a\tb"], "write --scope"),
])
def test_what_makes_no_token_is_usage(own, arguments, words):
    done = ctl(own, "token", "mint", *arguments)
    assert done.returncode == USAGE and words in done.stderr and done.stdout == ""


def test_without_an_issuer_there_is_nothing_to_mint_with(world):
    admind = world.admind()
    for command in (["mint", "--subject", "a", "--audience", "x"], ["rotate"]):
        done = admind.ctl("token", *command, "--config", admind.conf_path)
        assert done.returncode == USAGE and "has no Issuer" in done.stderr


def test_json_is_what_programs_want(own):
    done = ctl(own, "token", "mint", "--subject", "a", "--audience", own.resource, "--lifetime", "5min", "--json")
    document = json.loads(done.stdout)
    own.world.canaries.remember(document["access_token"])
    assert set(document) == {"access_token", "token_type", "expires_in", "expires", "jti", "kid"} and document["expires_in"] == 300
    assert part(document["access_token"], 1)["jti"] == document["jti"] and document["token_type"] == "Bearer"


def test_inspect_shows_what_is_said_and_never_the_token(own):
    token = mint(own, "--claim", "evil=\x1b[31mred", "--claim", "roles:=[\"a\"]")
    done = ctl(own, "token", "inspect", "--token-file", "-", stdin=token + "\n")
    assert done.returncode == GOOD and "not verified" in done.stdout.splitlines()[0]
    for words in ("alg: ES256", "typ: at+jwt", "sub: alice", "evil: \\x1b[31mred", 'roles: ["a"]', "Z, in 59 min)"):
        assert words in done.stdout or words == "Z, in 59 min)" and "Z, in 60 min)" in done.stdout, done.stdout
    assert "\x1b" not in done.stdout and not any(piece in done.stdout for piece in token.split("."))
    document = json.loads(ctl(own, "token", "inspect", "--token-file", "-", "--json", stdin=token).stdout)
    assert document["verified"] is False and document["header"] == part(token, 0) and document["claims"] == part(token, 1)
    assert set(document["times"]) == {"iat", "exp"} and document["times"]["exp"].endswith("Z")


def crafted(header, claims):
    def encode(value):
        return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode().rstrip("=")

    return f"{encode(header)}.{encode(claims)}."


@pytest.mark.parametrize("token, status, words", [
    (crafted({"alg": "none"}, {"sub": "root", "exp": 10**18}), GOOD, "alg: none"), (crafted({"alg": "HS256"}, {"exp": -1}) + "AAAA", GOOD, "exp: -1\n"),
    ("opaque", BAD, "no JWT"), ("a.b", BAD, "no JWT"), ("a.b.c.d.e", BAD, "encrypted"), ("!.e30.x", BAD, "header is no base64url"), ("e30.W10.x", BAD, "claims are no"),
    ("e30=.e30.x", BAD, "header is no base64url"), (crafted({}, b'{"a":1,"a":2}') + "x", BAD, "claims are no"), ("x" * 20000, BAD, "16 KiB"),
    (crafted({}, b"[" * 9000) + "x", BAD, "claims are no"),
])
def test_inspect_takes_anything(own, token, status, words):
    done = ctl(own, "token", "inspect", "--token-file", "-", stdin=token + "\n")
    assert done.returncode == status and words in done.stdout + done.stderr, (done.stdout, done.stderr)


@pytest.mark.parametrize("command", [["inspect"], ["verify", "--location", "/mcp"]])
def test_a_token_in_the_command_line_is_refused(own, command):
    for place in (mint(own), "--token-file"):
        done = ctl(own, "token", *command, *([] if place == "--token-file" else ["--token-file", place]))
        assert done.returncode == USAGE and done.stdout == "" and (place == "--token-file" or place not in done.stderr)


def test_verify_says_whether_a_location_takes_it(own):
    token, poor = mint(own), ctl(own, "token", "mint", "--subject", "bob", "--audience", own.resource).stdout.strip()
    elsewhere = ctl(own, "token", "mint", "--subject", "bob", "--audience", "https://other.example/mcp").stdout.strip()
    for canary in (poor, elsewhere):
        own.world.canaries.remember(canary)

    def verify(text, *more):
        return ctl(own, "token", "verify", "--location", "/mcp", "--token-file", "-", *more, stdin=text)

    done = verify(token)
    assert done.returncode == GOOD and done.stdout.startswith("good for Location /mcp\n") and "subject: alice" in done.stdout and "scopes: mcp:tools.exec" in done.stdout
    document = json.loads(verify(token, "--json").stdout)
    assert document["good"] is True and document["subject"] == "alice" and document["issuer"] == ISSUER and document["reason"] == "pass"
    assert verify(poor).returncode == GOOD and own.call(token=poor).status == 403, "too little scope makes no token bad"
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2 * HOUR))
    bad = {"audience_wrong": (elsewhere, []), "signature_bad": (token[:-8] + "AAAAAAAA", []), "expired": (token, ["--at", later])}
    for reason, (text, more) in bad.items():
        done = verify(text, *more)
        assert done.returncode == BAD and done.stdout.startswith("bad for Location /mcp: "), done.stdout
        document = json.loads(verify(text, "--json", *more).stdout)
        assert document["good"] is False and document["reason"] == reason and document["why"], document
        assert not any(piece in done.stdout for piece in text.split("."))
    assert ctl(own, "token", "verify", "--token-file", "-", stdin=token).returncode == USAGE
    assert ctl(own, "token", "verify", "--location", "/none", "--token-file", "-", stdin=token).returncode == USAGE


def test_rotate_waits_for_the_daemon_and_says_when_it_is_too_early(world):
    admind = world.admind(f"Issuer {ISSUER} alg=ES256\n")

    def rotate(*more):
        return admind.ctl("token", "rotate", *more, "--config", admind.conf_path)

    before = admind.get(JWKS).json()["keys"]
    document = json.loads(rotate("--json").stdout)
    assert document == {"kid": before[0]["kid"], "signs": True}
    wait_until(lambda: len(admind.get(JWKS).json()["keys"]) == 3, 15, admind.log)
    done = rotate()  # the next key was published a moment ago
    assert done.returncode == GOOD and done.stdout.split()[0] == admind.get(JWKS).json()["keys"][0]["kid"] and "signs from 20" in done.stdout
    document = json.loads(rotate("--json").stdout)
    assert document["signs"] is False and document["signs_from"].endswith("Z")
    assert (admind.dirs.keys / "issuer" / "rotate").exists(), "it is done when it can be"


def test_rotate_tells_that_nobody_does_it(world):
    admind = world.admind(f"Issuer {ISSUER} alg=ES256\n")
    following = admind.get(JWKS).json()["keys"][0]["kid"]
    admind.stop()
    done = admind.ctl("token", "rotate", "--config", admind.conf_path)
    assert done.returncode == UNREACHABLE and "when it runs" in done.stderr
    wish = admind.dirs.keys / "issuer" / "rotate"
    assert wish.read_text() == following and wish.stat().st_mode & 0o044, "the daemon can read whose turn root wants"
    admind.start()
    wait_until(lambda: "MCPA2805" in admind.log(), 15, admind.log)


@pytest.mark.parametrize("arguments", [["token"], ["token", "print"], ["token", "mint", "extra"], ["token", "mint", "--body", "x"]])
def test_usage(own, arguments):
    assert ctl(own, *arguments).returncode == USAGE
