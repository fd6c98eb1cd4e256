# SPDX-License-Identifier: Apache-2.0
"""Key rotation under load, with a real OpenID provider: the commonest outage of gateways of this kind, and its use as an amplifier."""
import secrets
import threading
import time

import pytest
from harness import Load, wait_until

pytestmark = pytest.mark.node
RATE = 500


class Tokens:
    """What the clients send: the newest token, the same one for all."""

    def __init__(self, token):
        self.now = token

    def __call__(self):
        return self.now


def drill_stack(world):
    # max-age beyond the drill, so that no scheduled refresh hides what a rotation costs.
    return world.stack(issuer=world.provider(maxAge=3600), workers=128)


def test_rotation_with_overlap_refuses_nobody_and_costs_one_fetch(world):
    stack = drill_stack(world)
    tokens = Tokens(stack.issuer.mint())
    fetches = stack.issuer.count()
    with Load(stack.httpd.port, token=tokens, rate=RATE, threads=16) as load:
        wait_until(lambda: load.statuses[200] > RATE, 20, "the load runs")
        stack.issuer.rotate(overlap=True)
        tokens.now = stack.issuer.mint()
        rotated = time.monotonic()
        wait_until(lambda: load.since(rotated)[200] > 3 * RATE, 30, lambda: f"traffic after the rotation: {load.since(rotated)}")
    print(f"\noverlap: {dict(load.statuses)} at {RATE}/s, fetches {stack.issuer.count() - fetches}")
    assert set(load.statuses) == {200}, load.failures[:3]
    assert stack.issuer.count() - fetches == 1


@pytest.mark.alone
def test_hard_cut_refuses_good_tokens_for_a_second_at_the_most_and_costs_one_fetch(world):
    stack = drill_stack(world)
    old = stack.issuer.mint()
    tokens = Tokens(old)
    fetches = stack.issuer.count()
    with Load(stack.httpd.port, token=tokens, rate=RATE, threads=16) as load:
        wait_until(lambda: load.statuses[200] > RATE, 20, "the load runs")
        stack.issuer.rotate(overlap=False)
        tokens.now = stack.issuer.mint()
        cut = time.monotonic()
        wait_until(lambda: load.since(cut + 1)[200] > 3 * RATE, 30, lambda: f"traffic after the cut: {load.since(cut)}")
    refused = load.since(cut) - load.since(cut + 1)
    print(f"\nhard cut: first second {dict(refused)}, after it {dict(load.since(cut + 1))}, fetches {stack.issuer.count() - fetches}")
    assert set(load.since(cut + 1)) == {200}, load.failures[:3]
    assert stack.issuer.count() - fetches == 1
    assert stack.call(token=old).status == 401, "a key that was cut off no longer opens"


def test_flood_of_random_kids_costs_one_fetch_in_30_seconds_and_no_good_request(world):
    stack = drill_stack(world)
    good = stack.issuer.mint()
    issuer = world.issuer()  # signs the flood: its keys are nobody's
    flood = [issuer.mint(iss=stack.issuer.url, aud=stack.resource, header={"kid": secrets.token_hex(8)}) for _ in range(400)]
    fetches, lock = stack.issuer.count(), threading.Lock()
    position = [0]

    def next_bad():
        with lock:
            position[0] = (position[0] + 1) % len(flood)
            return flood[position[0]]

    with Load(stack.httpd.port, token=lambda: good, rate=200, threads=8) as load, Load(stack.httpd.port, token=next_bad, rate=300, threads=16) as bad:
        wait_until(lambda: load.statuses[200] > 1500 and sum(bad.statuses.values()) > 1500, 60, lambda: f"{load.statuses} {bad.statuses}")
    print(f"\nflood: good {dict(load.statuses)}, random kids {dict(bad.statuses)}, fetches {stack.issuer.count() - fetches}")
    assert set(load.statuses) == {200}
    assert set(bad.statuses) == {401}
    assert stack.issuer.count() - fetches <= 1
