# SPDX-License-Identifier: Apache-2.0
"""What is all different leaves nothing behind: thousands of tokens, subjects, key ids and addresses make no child and no daemon larger, and no series more.
And what is configured elsewhere costs a request nothing: instructions by callgrind, the same on a busy machine. tests/bench has both at full length."""
import sys
import time

import pytest

from harness import SOURCE
from harness.paths import SANITIZE, VALGRIND

sys.path.insert(0, str(SOURCE / "tests" / "bench"))

from flood import Flood  # noqa: E402
from growth import AXES, measure  # noqa: E402

WARM_UP, MORE = 2000, 4000
MOST_BYTES = 200  # for each request: half of what an audit record is, a fifth of a token
ODD_KIB = 300     # allocators take in pieces, and threads that come late take theirs

instruments = pytest.mark.skipif(SANITIZE or VALGRIND, reason="allocators of instruments keep what was freed")


@instruments
def test_thousands_of_everything_leave_nothing_behind(world):
    began = time.monotonic()
    flood = Flood(world, failing_addresses=64)
    flood.send(WARM_UP)
    before = flood.sizes()
    flood.send(MORE)
    after = flood.sizes()
    most = ODD_KIB + MORE * MOST_BYTES // 1024
    assert after["pids"] == before["pids"], "a child that was replaced tells nothing"
    assert after["series"] == before["series"], (before, after)
    assert after["child KiB"] - before["child KiB"] < most, (before, after)
    assert after["daemon KiB"] - before["daemon KiB"] < most, (before, after)
    assert flood.issuer.count("jwks") <= 2 + (time.monotonic() - began) // 30, "invented key ids cost no fetch but one in 30 seconds"


@instruments
def test_rules_of_other_locations_cost_a_request_nothing(world):
    variant = dict(zip((1, 1000), (AXES["other-rules"][2][0][2](count) for count in (1, 1000))))
    counts = {count: measure(world, f"other{count}", what, 10, **more) for count, (what, more) in variant.items()}
    assert counts[1000] < counts[1] * 1.05, counts  # a look at each would be half as much again
