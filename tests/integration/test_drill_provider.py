# SPDX-License-Identifier: Apache-2.0
"""The identity provider is down, slow, huge, redirecting, lying: good tokens go on, and the operator is told."""
import json

import pytest
from harness import Key, Load, wait_until

MISBEHAVIOURS = {
    "slow": dict(delay=30),
    "drip": dict(drip=0.2),
    "huge": dict(size=4 << 20),
    "redirect": dict(redirect="http://127.0.0.1:9/jwks"),
    "error": dict(status=500),
    "closing": dict(close=True),
    "html": dict(body="<html>sign in</html>", content_type="text/html"),
    "empty set": dict(body='{"keys":[]}'),
    "private key": dict(body=json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI", "kid": "x"}]})),
    "deep": dict(body="[" * 100000),
}
# Keys are asked for again after a second, and are stale after two; the alert's window likewise.
EAGER = "KeyRefresh 1s\nAlert keys_stale window=3s\n"


@pytest.mark.parametrize("how", MISBEHAVIOURS.values(), ids=MISBEHAVIOURS.keys())
def test_good_tokens_go_on_whatever_the_provider_does(world, how):
    stack = world.stack(admind_config=EAGER)
    assert stack.admind.ready()[0] == 200
    token = stack.token()
    failures = stack.admind.metric("mcpauth_jwks_refresh_failures_total")
    stack.issuer.behave("jwks", **how)
    with Load(stack.httpd.port, token=lambda: token, rate=50, threads=4) as load:
        wait_until(lambda: stack.admind.metric("mcpauth_jwks_refresh_failures_total") > failures, 40, lambda: f"a failed refresh\n{stack.admind.log()}")
        wait_until(lambda: stack.admind.firing("keys_stale"), 30, lambda: f"the alert\n{stack.admind.get('/alerts').text}\n{stack.admind.log()}")
        assert stack.token(sub="bob") and stack.call(token=stack.token(sub="bob")).status == 200, "a token never seen before goes on too"
    assert set(load.statuses) == {200}, load.failures[:3]
    entry = next(i for i in stack.admind.keys()["issuers"] if i["issuer"] == stack.issuer.url)
    assert entry["last_error"], "the operator is told what is wrong"
    stack.issuer.behave("jwks")
    wait_until(lambda: not stack.admind.firing("keys_stale"), 90, lambda: f"the alert ends\n{stack.admind.get('/alerts').text}\n{stack.admind.log()[-3000:]}")


def test_daemon_is_not_ready_and_requests_are_503_while_there_are_no_keys_at_all(world):
    issuer = world.issuer(start=False)
    upstream = world.upstream()
    admind = world.admind("KeyRefresh 1s\n")
    httpd = world.httpd(start=False)
    issuer.audience = httpd.url + "/mcp"
    httpd.config = f"MCPAuthIssuer {issuer.url}"
    httpd.locations = {"/mcp": f"MCPAuth On\nMCPAuthResource {httpd.url}/mcp\nProxyPass {upstream.url}/mcp"}
    httpd.write_config()
    httpd.start()
    token = issuer.mint()
    wait_until(lambda: admind.ready()[0] == 503 and admind.ready()[1]["keys"] != "ok", 10, lambda: f"{admind.ready()}")
    answer = httpd.post(token=token)
    assert answer.status == 503 and int(answer.header("Retry-After")) > 0 and answer.json()["error"] == "temporarily_unavailable"
    assert answer.challenge is None, "a challenge would send clients round in circles"
    assert upstream.requests == []
    issuer.start()
    wait_until(lambda: httpd.post(token=token).status == 200, 90, lambda: f"keys come back\n{admind.log()}")
    wait_until(lambda: admind.ready()[0] == 200, 10, lambda: f"{admind.ready()}")


def test_keys_too_old_are_not_used_any_more(world):
    stack = world.stack(admind_config="KeyRefresh 1s\nKeyMaxStale 12s\n")
    token = stack.token()
    assert stack.call(token=token).status == 200
    stack.issuer.stop()
    assert stack.call(token=token).status == 200, "an outage does not end at once what the keys allow"
    wait_until(lambda: stack.call(token=token).status == 503, 30, "stale keys are given up")
    wait_until(lambda: stack.admind.ready()[0] == 503, 5, lambda: f"{stack.admind.ready()}")


def test_memory_of_the_daemon_is_flat_under_a_lying_provider(world):
    stack = world.stack(admind_config="KeyRefresh 1s\n")
    stack.issuer.max_age = 0
    many = {"keys": [Key("ES256").public_jwk() for _ in range(60)]}
    bodies = [json.dumps(many), '{"keys":[]}', "x" * 300000, json.dumps({**many, "padding": "y" * 200000}), '{"keys":[{"kty":"RSA","n":"AA","e":"AQAB"}]}']

    def rounds(count):
        for i in range(count):
            before = stack.issuer.count("jwks")
            stack.issuer.behave("jwks", body=bodies[i % len(bodies)])
            stack.admind.reload()
            wait_until(lambda: stack.issuer.count("jwks") > before, 90, lambda: f"a fetch\n{stack.admind.log()[-1500:]}")

    rounds(30)  # until the allocator has taken what it keeps
    settled = stack.admind.process.rss_kib()
    rounds(60)
    grown = stack.admind.process.rss_kib() - settled
    print(f"\ndaemon RSS after 30 bad answers {settled} KiB, after 90: +{grown} KiB")
    assert grown < 256
