#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a flood of tokens with random key ids costs the good traffic beside it: p99 of good requests in rounds that alternate between
quiet, flood, and (for comparison) as many requests without any token. See README.md."""
import argparse
import base64
import contextlib
import json
import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.world import World  # noqa: E402

BAR = 1.10
PATH = "/1k.txt"  # served by httpd itself: nothing behind the gate adds to what is measured
KINDS = QUIET, FLOOD, PLAIN = "quiet", "random kids", "no token"

GOOD_LUA = """
%(delay)s
done = function(summary, latency, requests)
  io.write(string.format("p50=%%d p99=%%d n=%%d bad=%%d\\n", latency:percentile(50), latency:percentile(99), summary.requests,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""
# Each connection sends, has its answer, and waits: the rate is what CONNECTIONS and the pause give.
FLOOD_LUA = """
local tokens, at = {}, 0
for line in io.lines("%(tokens)s") do tokens[#tokens + 1] = line end
request = function()
  if #tokens == 0 then return wrk.format("GET", "%(path)s") end
  at = at %% #tokens + 1
  return wrk.format("GET", "%(path)s", { Authorization = "Bearer " .. tokens[at] })
end
delay = function() return %(pause)d end
local threads = {}
setup = function(thread) threads[#threads + 1] = thread end
refused, others = 0, 0 -- each thread's own; wrk's count of error statuses is wrong with a delay
response = function(status)
  if status == 401 then refused = refused + 1 else others = others + 1 end
end
done = function(summary)
  io.write(string.format("n=%%d refused=%%d others=%%d\\n", summary.requests, threads[1]:get("refused"), threads[1]:get("others")))
end
"""
CONNECTIONS = 8


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def random_kid(claims):
    """The key is nobody's, so the signature is never looked at."""
    header = json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": secrets.token_hex(8)})
    return ".".join((b64(header.encode()), claims, b64(secrets.token_bytes(256))))


class Bench:
    def __init__(self, world, rate, seconds, good_rate):
        self.seconds, self.rate = seconds, rate
        # 0: one connection that asks again at once, which keeps a core busy and so measures the fight for cores as well.
        self.good_connections = CONNECTIONS if good_rate else 1
        delay = f"delay = function() return {1000 * CONNECTIONS // good_rate} end" if good_rate else ""
        self.issuer = world.issuer(max_age=3600)
        self.admind = world.admind()
        self.httpd = world.httpd(start=False, modules=[], workers=64, log_level="notice")
        self.url = self.httpd.url + PATH
        self.issuer.audience = self.url
        self.httpd.config = f"MCPAuthIssuer {self.issuer.url}\n"
        self.httpd.locations = {PATH: f"MCPAuth On\nMCPAuthResource {self.url}\n"}
        self.httpd.write_config()
        self.httpd.start()
        self.scratch = world.scratch
        self.good_lua = self.write("good.lua", GOOD_LUA % {"delay": delay})
        self.token = self.issuer.mint(exp=int(time.time()) + 86400)
        deadline = time.monotonic() + 15
        while self.httpd.get(PATH, token=self.token).status != 200:
            if time.monotonic() > deadline:
                raise SystemExit("a good token is not let in:\n" + self.admind.log())
            time.sleep(0.1)

    def write(self, name, text):
        path = self.scratch / name
        path.write_text(text)
        return path

    def wrk(self, script, connections, *more):
        return ["wrk", "-t1", f"-c{connections}", f"-d{self.seconds}s", "-s", str(script), *more, self.url]

    @contextlib.contextmanager
    def flooding(self, kind):
        """Yields a dict that has the flood's own numbers afterwards."""
        told = {"n": 0, "refused": 0, "others": 0}
        if kind == QUIET:
            yield told
            return
        claims = b64(json.dumps(self.issuer.claims()).encode())
        tokens = [random_kid(claims) for _ in range(self.rate * (self.seconds + 2))] if kind == FLOOD else []
        script = self.write("flood.lua", FLOOD_LUA % {"tokens": self.write("tokens", "".join(t + "\n" for t in tokens)), "path": PATH,
                                                      "pause": 1000 * CONNECTIONS // self.rate})
        flood = subprocess.Popen(self.wrk(script, CONNECTIONS), stdout=subprocess.PIPE, text=True)
        try:
            yield told
        finally:
            told.update(numbers(flood.communicate()[0]))

    def round(self, kind):
        fetches = self.issuer.count("jwks")
        with self.flooding(kind) as flood:
            good = self.wrk(self.good_lua, self.good_connections, "--latency", "-H", f"Authorization: Bearer {self.token}")
            found = numbers(subprocess.run(good, stdout=subprocess.PIPE, text=True, check=True).stdout)
        return {"kind": kind, **found, "flood": flood["n"], "others": flood["others"], "fetches": self.issuer.count("jwks") - fetches}


def numbers(text):
    return {name: int(value) for name, value in re.findall(r"\b(\w+)=(\d+)", text.splitlines()[-1])}


def report(rows, seconds):
    of = {kind: [r for r in rows if r["kind"] == kind] for kind in KINDS}
    p99 = {kind: [r["p99"] for r in of[kind]] for kind in KINDS}
    print("\n             rounds  good/s  p50 us  p99 us (least, most)   refused good  flood/s  not 401  fetches")
    for kind in KINDS:
        def total(name):
            return sum(r[name] for r in of[kind])

        def middle(name):
            return statistics.median(r[name] for r in of[kind])

        spread = f"({min(p99[kind])}, {max(p99[kind])})"
        print(f"{kind:12} {len(of[kind]):6}  {middle('n') / seconds:6.0f}  {middle('p50'):6.0f}  {middle('p99'):6.0f} {spread:15} "
              f"{total('bad'):12}  {middle('flood') / seconds:7.0f}  {total('others'):7}  {total('fetches'):7}")
    for kind, remark in ((FLOOD, f"bar: {BAR:.2f}"), (PLAIN, "what the same number of refusals costs that ask for no key")):
        ratio = statistics.median(p99[kind]) / statistics.median(p99[QUIET])
        own = statistics.median(f / q for f, q in zip(p99[kind], p99[QUIET]))
        print(f"p99, {kind} over quiet: {ratio:.3f}, median of the rounds' own ratios {own:.3f} ({remark})")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=18)
    arguments.add_argument("--seconds", type=int, default=3, help="of each round")
    arguments.add_argument("--rate", type=int, default=250, help="of the flood, requests a second")
    arguments.add_argument("--good-rate", type=int, default=500, help="of the good traffic, requests a second; 0: as fast as one connection can")
    options = arguments.parse_args()
    if os.geteuid() != 0 or not shutil.which("wrk"):
        raise SystemExit("kid_flood.py: run this as root, with wrk installed (Debian: wrk)")
    world = World("kid-flood")
    rows = []
    try:
        bench = Bench(world, options.rate, options.seconds, options.good_rate)
        bench.round(QUIET)  # warms up
        started = time.monotonic()
        for number in range(options.rounds):
            turn = number % 3  # each kind is first, second and third equally often
            for kind in (KINDS * 2)[turn:turn + 3]:
                rows.append(bench.round(kind))
                row = rows[-1]
                print(f"{number + 1:3} {kind:12} p50 {row['p50']:5} p99 {row['p99']:6} us, {row['n']:6} good, {row['flood']:5} flood, "
                      f"{row['fetches']} fetches", flush=True)
        print(f"\n{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {time.monotonic() - started:.0f} s; questions of children: "
              f"{bench.admind.metric('mcpauth_unknown_kid_total'):.0f}")
        report(rows, options.seconds)
    finally:
        world.close()


main()
