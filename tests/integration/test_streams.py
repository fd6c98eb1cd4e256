# SPDX-License-Identifier: Apache-2.0
"""A thousand streams that say nothing, and then one event on each."""
import re

import pytest

from harness import SOURCE
from harness.streams import memory_kib

COUNT = 1000
# What operators are told to write for so many.
MPM = re.search(r"^```apache\n(.*?)^```$", (SOURCE / "docs/streams.md").read_text(), re.M | re.S)[1]


@pytest.fixture
def gate(world):
    s = world.stack(upstream=world.streams(), config=MPM, location="MCPAuthInspect Body\nMCPAuthScope mcp:tools.read\nMCPAuthMaxStreams 1000\n")
    yield s, s.upstream, s.token(scope="mcp:admin", expires_in=3600)
    s.upstream.close()  # first of all: httpd would wait for its threads


def test_a_thousand_silent_streams_then_an_event_on_each(gate):
    s, streams, token = gate
    children = s.httpd.children()
    before = memory_kib(children)
    streams.open(s.httpd.port, "/mcp", COUNT, token)
    streams.wait_open(COUNT)
    assert len(streams.streams) == COUNT and all(streams.body(n) == b"" for n in range(COUNT)) and not streams.ended
    after = memory_kib(children)
    assert s.httpd.children() == children
    print(f"{COUNT} silent streams: httpd has {after - before} KiB more, {(after - before) / COUNT:.1f} KiB each")

    # Nothing follows an event and no stream ends: a client that has its event has it unbuffered.
    for number in range(COUNT):
        streams.send(number, f"event of {number}")
        streams.pump(0)

    def late():
        return [n for n in range(COUNT) if b"data: event of %d\n\n" % n not in streams.body(n)]

    streams.pump_until(lambda: not late(), 60, lambda: f"no event on {late()[:20]}")
    assert all(streams.body(n).count(b"data: ") == 1 for n in range(COUNT)) and not streams.ended
