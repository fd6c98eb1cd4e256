#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How the cost of one request grows with what is configured: instructions by callgrind against the number of issuers, of an issuer's keys, of Locations, of
operation rules here and elsewhere, of tools by name; and CPU against the number of children. A plot each, and a table of slopes. See README.md."""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "integration")]

import instructions  # noqa: E402
from harness import paths, wait_until  # noqa: E402
from harness.world import World  # noqa: E402
from instructions import FILE, MCP, OFF, ON, PROXY, Connection, CountedHttpd, Rig, Variant, count_of  # noqa: E402
from web import machine  # noqa: E402

ROUNDS = 3  # with wrk
PLAIN = "LimitRequestBody 1000000\n"  # a directive that is not ours
INSPECTED = ON + "MCPAuthInspect Body\n" + PROXY
STEPS = {"issuers": (1, 3, 10, 30, 100), "keys": (1, 4, 16, 32, 64), "locations": (1, 10, 100, 300, 1000), "rules": (1, 10, 100, 300, 1000)}
PLOT = """
set terminal svg size 760,420 enhanced font "DejaVu Sans,12" background "#ffffff"
set output "%(output)s"
set title "{/:Bold %(title)s}\\n{/*0.8 %(machine)s}"
set xlabel "%(xlabel)s"
set ylabel "%(ylabel)s"
set format y "%%'.0f"
set yrange [0:*]
set grid lc rgb "#dddddd"
set border 3
set tics nomirror out
set key below
%(blocks)s
plot %(lines)s
"""
COLOURS = ("#1B6CA8", "#C9772B", "#8A8A8A")


class Grown(Rig):
    """A variant's httpd with so many issuers, keys, Locations or rules."""

    def __init__(self, world, name, variant, keys=0, more_locations="", count=0):
        instructions.VARIANTS[name] = variant
        super().__init__(world, name)
        self.add_keys(world, name, keys)
        if more_locations:
            self.httpd.config += "".join(f'<Location "/other{i}">\n{more_locations}</Location>\n'.replace("{n}", str(i)) for i in range(count))
        self.httpd.write_config()

    def add_keys(self, world, name, keys):
        """Others of the same kind in front of the issuer's own, which is the last."""
        path = world.scratch / f"{name}.jwks"
        own = json.loads(path.read_text())["keys"]
        others = [{**own[0], "kid": f"other-{i}"} for i in range(keys - len(own))]
        path.write_text(json.dumps({"keys": others + own}))


def measure(world, name, variant, n, **more):
    """Instructions of one request."""
    rig = Grown(world, name, variant, **more)
    rig.httpd.start()
    connection = Connection(rig.httpd.port)
    rig.block(connection, 10)
    rig.block(connection, n)
    rig.block(connection, 2 * n)
    connection.socket.close()
    rig.httpd.stop()
    counts = [count_of(rig.httpd.folder / f"count.{part}-01") for part in (2, 3)]
    return (counts[1] - counts[0]) / n


def rules(count, last):
    return "".join(f"MCPAuthOperation {'tools/call:tool-' + str(i) if last == 'tool' else 'x-method-' + str(i)} granted\n" for i in range(count - 1)) + \
        "MCPAuthOperation tools/call:echo granted\n"


# Axis -> (title, unit on x, [(line, steps, what to measure for x)]); what to measure: (variant, more for Grown).
def other(**more):
    return {"more_locations": more.get("inside", ""), "count": more["count"]}


AXES = {
    "issuers": ("Trusted issuers, the token's the last", "issuers", [
        ("known token", "issuers", lambda x: (Variant("", None, OFF, issuers=x), {})),
        ("token never seen", "issuers", lambda x: (Variant("", None, OFF, tokens="new", issuers=x), {}))]),
    "keys": ("Keys of one issuer, the token's the last (the ceiling is 64)", "keys", [
        ("known token", "keys", lambda x: (Variant("", None, OFF), {"keys": x})),
        ("token never seen", "keys", lambda x: (Variant("", None, OFF, tokens="new"), {"keys": x}))]),
    "locations": ("Locations, this one and others", "Locations", [
        ("guarded, known token", "locations", lambda x: (Variant("", None, OFF), other(
            count=x - 1, inside="MCPAuth On\nMCPAuthInspect Off\nMCPAuthResource http://127.0.0.1/other{n}\n"))),
        ("httpd without the module", "locations", lambda x: (Variant("", None, None), other(count=x - 1, inside=PLAIN)))]),
    "rules": ("Operation rules in this Location, the last one decides", "rules", [
        ("rules of other methods", "rules", lambda x: (Variant("", None, INSPECTED + rules(x, "method"), path=MCP), {})),
        ("rules of other tools", "rules", lambda x: (Variant("", None, INSPECTED + rules(x, "tool"), path=MCP), {}))]),
    "other-rules": ("Operation rules in another Location", "rules", [
        ("tools/call", "rules", lambda x: (Variant("", None, INSPECTED, path=MCP), other(
            count=1, inside="MCPAuth On\nMCPAuthResource http://127.0.0.1/other{n}\n" + rules(x, "tool"))))]),
}


def slope(points):
    """Least squares: instructions for each one more."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def draw(folder, name, title, xlabel, ylabel, lines):
    if not shutil.which("gnuplot"):
        return
    blocks = "".join(f"$line{i} << END\n" + "".join(f"{x} {y}\n" for x, y in points) + "END\n" for i, (_, points) in enumerate(lines))
    plots = ", ".join(f'$line{i} using 1:2 with linespoints pt 7 ps 0.6 lw 2 lc rgb "{COLOURS[i]}" title "{about}" noenhanced'
                      for i, (about, _) in enumerate(lines))
    text = PLOT % {"output": folder / f"growth-{name}.svg", "title": title, "machine": machine.line(machine.describe()),
                   "xlabel": xlabel, "ylabel": ylabel, "blocks": blocks, "lines": plots}
    subprocess.run(["gnuplot", "-"], input=text, text=True, check=True, timeout=60)


def grow(name, n, quick):
    title, unit, lines = AXES[name]
    found = []
    for about, steps, what in lines:
        points = []
        for x in STEPS[steps][::4] if quick else STEPS[steps]:
            world = World("growth")
            try:
                variant, more = what(x)
                points.append((x, round(measure(world, "counted", variant, n, **more))))
            finally:
                world.close()
            print(f"{name}, {about}, {x}: {points[-1][1]}", file=sys.stderr, flush=True)
        found.append((about, points))
    return title, unit, found


# ---- children: what shared memory costs when many processes write it

def cpu_us(pids):
    """Of these processes' threads, from the scheduler."""
    return sum(int((task / "schedstat").read_text().split()[0]) for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()) / 1e3


KINDS = {"guarded": ("", True), "guarded, without audit": ("MCPAuthAudit Off\n", True), "httpd without the module": ("", False)}


def cpu_of_a_request(world, count, seconds, inside, module):
    """Microseconds of CPU, of so many processes with one thread each that are all asked with one token, under limits of three kinds."""
    issuer = world.issuer(start=False)
    jwks = world.scratch / "growth.jwks"
    jwks.write_text(json.dumps(issuer.jwks()))
    httpd = world.httpd(start=False, mpm="prefork", workers=count, module=module, log_level="notice", name=f"children{count}{module}{len(world.parts)}")
    issuer.audience = httpd.url + FILE
    httpd.config = f"MaxKeepAliveRequests 0\nStartServers {count}\n" + (f"MCPAuthIssuer {issuer.url} jwks=file:{jwks}\n" if module else "")
    if module:
        limits = "".join(f"MCPAuthRateLimit {key} 1000000/s\n" for key in ("subject", "client", "address"))
        httpd.locations = {FILE: OFF.replace("{resource}", httpd.url + FILE) + limits + inside}
    httpd.write_config()
    httpd.start()
    token = issuer.mint(expires_in=3600)
    wait_until(lambda: len(httpd.children()) == count, 10, "all children run")
    children, before = httpd.children(), cpu_us(httpd.children())
    done = subprocess.run(["wrk", "-t1", f"-c{count}", f"-d{seconds}s", "-H", f"Authorization: Bearer {token}", httpd.url + FILE], stdout=subprocess.PIPE,
                          text=True, check=True)
    assert "Non-2xx" not in done.stdout and httpd.children() == children, done.stdout
    spent = (cpu_us(children) - before) / int(re.search(r"(\d+) requests in", done.stdout)[1])
    httpd.stop()
    return spent


def grow_children(seconds, quick):
    lines = {about: [] for about in KINDS}
    for count in (1, 8) if quick else (1, 2, 3, 4, 6, 8):
        world = World("growth")
        try:
            world.admind()
            rounds = [[cpu_of_a_request(world, count, seconds, *kind) for kind in KINDS.values()] for _ in range(ROUNDS)]
            for (about, points), measured in zip(lines.items(), zip(*rounds)):
                points.append((count, round(min(measured), 1)))  # what others on the machine disturbed least
                print(f"children, {about}, {count}: {points[-1][1]}", file=sys.stderr, flush=True)
        finally:
            world.close()
    return "Children (prefork), known token, limits of three kinds", "children", list(lines.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("axes", nargs="*", choices=[[], *AXES, "children"], help="all, where none is named")
    parser.add_argument("-n", type=int, default=30, help="requests of the smaller block")
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement with wrk")
    parser.add_argument("--quick", action="store_true", help="the ends of each axis alone")
    parser.add_argument("--out", type=Path, default=paths.BUILD / "bench", help="folder for the plots and growth.json")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table, found = [], {}
    for name in options.axes or [*AXES, "children"]:
        counted = name != "children"
        title, unit, lines = grow(name, options.n, options.quick) if counted else grow_children(options.seconds, options.quick)
        found[name] = lines
        draw(options.out, name, title, unit, "instructions a request" if counted else "microseconds of CPU a request", lines)
        for about, points in lines:
            ends = f"{points[0][1]:,} to {points[-1][1]:,}"
            unit_of_y = "instructions" if counted else "µs of CPU"
            table.append(f"| {title} | {about} | {points[0][0]} to {points[-1][0]} | {ends} {unit_of_y} | {slope(points):,.1f} |")
    (options.out / "growth.json").write_text(json.dumps(found, indent=1) + "\n")
    print("\n| what grows | measured | from, to | a request costs | for each one more |\n|---|---|---|---|---|")
    print("\n".join(table))


if __name__ == "__main__":
    if os.geteuid() != 0:
        raise SystemExit("growth.py: run this as root")
    main()
