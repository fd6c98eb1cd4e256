#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the gate adds to the delay of events on many Server-Sent Event streams, and what a silent stream costs in memory: straight from the server,
through httpd that only proxies, and through httpd with the module. See README.md."""
import argparse
import contextlib
import statistics
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.streams import event_mpm, memory_kib  # noqa: E402
from harness.world import World  # noqa: E402

CHILDREN = 5


class Place:
    """Somewhere to ask for streams: a port, and the httpd behind it or None."""

    def __init__(self, name, port, path, httpd=None, token=None):
        self.name, self.port, self.path, self.httpd, self.token = name, port, path, httpd, token
        self.memory = None
        self.single, self.burst = [], []

    def kib(self):
        return memory_kib(self.httpd.children()) if self.httpd else 0

    def measure(self, streams, count, rounds):
        """Opens count streams; an event on one of them, again and again; then one on each at once."""
        before = self.kib()
        streams.open(self.port, self.path, count, self.token)
        streams.wait_open(count)
        # What httpd once allocated it keeps: the first round shows what streams take.
        self.memory = self.memory or (self.kib() - before) / count
        for number in range(0, count, max(1, count // 200)):
            self.single += self.delays(streams, [number], "one")
        for burst in range(rounds):
            self.burst += self.delays(streams, range(count), f"burst {burst}")
        streams.close()

    @staticmethod
    def delays(streams, numbers, text):
        """Milliseconds from sending to having, for an event on each of these streams."""
        sent = {n: len(streams.received[n]) for n in numbers}
        left = set(numbers)
        times = {}
        for n in numbers:
            times[n] = streams.send(n, text)

        def all_there():
            left.difference_update([n for n in left if len(streams.received[n]) > sent[n]])
            return not left

        streams.pump_until(all_there, 60, lambda: f"{len(left)} events are missing")
        return [(streams.arrived[n] - times[n]) * 1000 for n in numbers]


def quantiles(values):
    cuts = statistics.quantiles(values, n=100)
    return f"{cuts[49]:8.3f} {cuts[98]:8.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5, help="how often each place is measured, in turn")
    options = parser.parse_args()
    world = World("streams")
    with contextlib.closing(world):
        mpm = event_mpm(options.streams + options.streams // 4, CHILDREN)
        s = world.stack(upstream=world.streams(), config=mpm, location=f"MCPAuthInspect Body\nMCPAuthScope mcp:tools.read\nMCPAuthMaxStreams {options.streams}\n")
        streams = s.upstream
        bare = world.httpd(module=False, config=mpm, locations={"/mcp": f"ProxyPass {streams.url}/mcp flushpackets=on"})
        places = [Place("server", streams.port, "/mcp"), Place("httpd alone", bare.port, "/mcp", bare),
                  Place("with the module", s.httpd.port, "/mcp", s.httpd, s.token(scope="mcp:admin", expires_in=36000))]
        for _ in range(options.rounds):
            for place in places:
                place.measure(streams, options.streams, 1)
    print(f"{options.streams} streams; delay of an event in ms\n{'':16} {'one event':>17} {'one on each':>17}  KiB a stream\n"
          f"{'':16} {'p50':>8} {'p99':>8} {'p50':>8} {'p99':>8}")
    for place in places:
        print(f"{place.name:16} {quantiles(place.single)} {quantiles(place.burst)}  {place.memory:.1f}")


if __name__ == "__main__":
    main()
