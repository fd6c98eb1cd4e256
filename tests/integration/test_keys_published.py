# SPDX-License-Identifier: Apache-2.0
"""Keys: where they are looked for, what of them is published, and what survives."""
import hashlib
import json
import os
import time

import pytest

from harness import Key
from harness.process import wait_until


def key_file(world, issuer):
    return world.dirs.keys / (hashlib.sha256(issuer.url.encode()).hexdigest() + ".json")


def entry(admind, issuer):
    found = [i for i in admind.keys()["issuers"] if i["issuer"] == issuer.url]
    return found[0] if found else {"keys": [], "last_error": ""}


@pytest.mark.sanitize
def test_published_file_holds_public_keys_and_their_times(world):
    stack = world.stack()
    path = key_file(world, stack.issuer)
    assert path.stat().st_mode & 0o7777 == 0o644
    document = json.loads(path.read_text())
    assert document["issuer"] == stack.issuer.url
    assert abs(document["fetched"] - time.time()) < 60 and document["expires"] - document["fetched"] == 24 * 3600
    key, = document["jwks"]["keys"]
    assert key["kid"] == stack.issuer.key.kid and key["kty"] == "RSA" and not set(key) & {"d", "p", "q", "k"}
    shown, = entry(stack.admind, stack.issuer)["keys"]
    assert shown == {"kid": key["kid"], "alg": "RS256", "kty": "RSA", "bits": 2048}


def test_daemon_that_starts_while_the_provider_is_down_has_the_keys_of_before(world):
    stack = world.stack()
    token = stack.token()
    stack.issuer.stop()
    stack.admind.kill()
    stack.admind.start()
    stack.wait_keys()
    assert stack.admind.ready()[1]["keys"] == "ok"
    stack.httpd.stop()
    stack.httpd.start()
    wait_until(lambda: stack.call(token=token).status == 200, 10, "children of a restarted httpd take the published file")
    wait_until(lambda: entry(stack.admind, stack.issuer)["last_error"], 20, "the failure is told")


def test_httpd_goes_on_with_the_published_file_while_the_daemon_is_down(world):
    stack = world.stack()
    token = stack.token()
    stack.admind.stop()
    stack.httpd.graceful()
    assert stack.call(token=token).status == 200


def test_issuer_that_leaves_the_policy_takes_its_file_along(world):
    stack = world.stack()
    path = key_file(world, stack.issuer)
    assert path.exists()
    other = world.issuer()
    stack.httpd.config = f"MCPAuthIssuer {other.url}\n"
    stack.httpd.write_config()
    stack.httpd.graceful()
    wait_until(lambda: entry(stack.admind, other)["keys"], 15, lambda: stack.admind.log())
    assert not path.exists()
    assert [i["issuer"] for i in stack.admind.keys()["issuers"]] == [other.url]
    assert f'issuer="{stack.issuer.url}"' not in "".join(line for line in stack.admind.metrics_text().splitlines() if line.startswith("mcpauth_jwks_keys"))


@pytest.mark.parametrize("well_known", ["oauth", "openid"])
@pytest.mark.parametrize("path", ["", "/realms/one"])
def test_either_kind_of_metadata_is_found_also_below_a_path(world, well_known, path):
    issuer = world.issuer(path=path)
    issuer.behave("openid" if well_known == "oauth" else "oauth", status=404, body="no")
    stack = world.stack(issuer=issuer)
    assert stack.call(token=stack.token()).status == 200


LIES = {
    "another issuer": (lambda i: {"issuer": "https://evil.example"}, "another issuer"),
    "keys elsewhere": (lambda i: {"jwks_uri": "https://evil.example/keys"}, "another host"),
    "keys inside": (lambda i: {"jwks_uri": "http://169.254.169.254/latest/meta-data"}, "not https"),
    "keys in a file": (lambda i: {"jwks_uri": "file:///etc/passwd"}, "not a URL"),
    "no keys": (lambda i: {"jwks_uri": None}, "no jwks_uri"),
}


@pytest.mark.parametrize("lie,words", LIES.values(), ids=LIES.keys())
def test_metadata_that_lies_brings_no_keys_and_is_named(world, lie, words):
    issuer = world.issuer()
    body = json.dumps({**issuer.metadata(), **lie(issuer)})
    for kind in ("oauth", "openid"):
        issuer.behave(kind, body=body)
    admind = world.admind("KeyRefresh 1s\n")
    httpd = world.httpd(start=False)
    httpd.config = f"MCPAuthIssuer {issuer.url}\n"
    httpd.locations = {"/mcp": f"MCPAuth On\nMCPAuthResource {httpd.url}/mcp"}
    httpd.write_config()
    httpd.start()
    wait_until(lambda: words in entry(admind, issuer)["last_error"], 15, lambda: f"{admind.keys()}\n{admind.log()}")
    assert issuer.count("jwks") == 0 and entry(admind, issuer)["keys"] == []
    assert not key_file(world, issuer).exists()


def test_https_provider_needs_a_certificate_we_trust(world):
    issuer = world.issuer(tls=True)
    httpd = world.httpd(start=False)
    issuer.audience = httpd.url + "/mcp"
    httpd.config = f"MCPAuthIssuer {issuer.url}\n"
    httpd.locations = {"/mcp": f"MCPAuth On\nMCPAuthResource {httpd.url}/mcp"}
    httpd.write_config()
    httpd.start()
    distrusting = world.admind("KeyRefresh 1s\n")
    wait_until(lambda: "certificate" in entry(distrusting, issuer)["last_error"], 15, lambda: f"{distrusting.keys()}")
    assert issuer.count() == 0
    distrusting.stop()
    ca = world.scratch / "ca.pem"
    ca.write_bytes(world.tls.certificate.read_bytes())
    os.chmod(ca, 0o644)
    trusting = world.admind(f"KeyRefresh 1s\nKeyCAFile {ca}\n", name="trusting")
    wait_until(lambda: entry(trusting, issuer)["keys"], 15, lambda: f"{trusting.keys()}\n{trusting.log()}")


def test_unchanged_keys_are_asked_for_conditionally(world):
    issuer = world.issuer()
    issuer.behave("jwks", headers={"ETag": '"one"'})
    stack = world.stack(issuer=issuer, admind_config="KeyRefresh 1s\n")
    wait_until(lambda: any(dict(h).get("If-None-Match") == '"one"' for name, _, h, _ in issuer.requests if name == "jwks"), 10, lambda: f"{issuer.requests}")
    before = json.loads(key_file(world, issuer).read_text())["expires"]
    issuer.behave("jwks", status=304, body="")
    wait_until(lambda: json.loads(key_file(world, issuer).read_text())["expires"] >= before + 2, 15, "a 304 renews the time keys may be used")
    assert stack.call(token=stack.token()).status == 200


def test_weak_and_foreign_keys_beside_good_ones_are_left_out(world):
    issuer = world.issuer()
    weak, other = Key("RS256", bits=1024), Key("ES256K")
    good = issuer.key
    issuer.behave("jwks", body=json.dumps({"keys": [weak.public_jwk(), other.public_jwk(), good.public_jwk(), {"kty": "new", "kid": "x"}]}))
    stack = world.stack(issuer=issuer)
    assert [k["kid"] for k in entry(stack.admind, issuer)["keys"]] == [good.kid]
    assert stack.call(token=issuer.mint()).status == 200
    assert stack.call(token=issuer.mint(key=weak)).status == 401


def test_provider_that_reuses_a_kid_for_a_new_key_is_followed_at_the_next_refresh(world):
    issuer = world.issuer()
    stack = world.stack(issuer=issuer, admind_config="KeyRefresh 1s\n")
    old = stack.token()
    issuer.keys = [Key("RS256", kid=issuer.key.kid)]
    wait_until(lambda: stack.call(token=stack.token()).status == 200, 10, lambda: stack.admind.log())
    wait_until(lambda: stack.call(token=old).status == 401, 10, "the key that was replaced opens no longer")
