#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions that one request costs, counted by callgrind: the figure to trust where time is too coarse. See README.md.

httpd runs as one process under callgrind. Blocks of N and 2N requests go over one connection, each closed by a request that makes callgrind write
down what it has counted since the last; the difference of two blocks over N is one request, whatever start, connection and the closing request cost.

As a library: measure(["known", ...], n=100) gives a list of Counted, rows(...) what the table and the JSON show."""
import argparse
import dataclasses
import json
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness import call_tool, paths  # noqa: E402
from harness.httpd import Httpd  # noqa: E402
from harness.process import Process, port_answers, wait_until  # noqa: E402
from harness.world import World  # noqa: E402

N = 100
PAIRS = 3  # of blocks, N and 2N; the median of their differences counts
TOKEN_BYTES = 800
FILE = "/1k.txt"
MCP = "/mcp"
# Called for If-None-Match and nothing else: callgrind is told to write when it meets it.
MARK = "ap_find_etag_weak"
OURS = "mod_mcp_auth.so"
# Callgrind has whole program runs under these names.
WHOLE = re.compile(r"__libc_start_main|\(below main\)|main \[|ap_run_mpm|ap_run_process_connection|ap_process_connection|clone|start_thread|0x\w+ \[(mod_mpm|ld-linux)")
GUARDED = ("bare", "known", "known-in-turn", "new")
# What libc and OpenSSL choose their functions by.
CPU_FLAGS = ("avx2", "avx512f", "bmi2", "sha_ni")
BASELINE = Path(__file__).with_name("baseline.json")
ON = "MCPAuth On\nMCPAuthResource {resource}\n"
OFF = ON + "MCPAuthInspect Off\n"
BODY = ON + "MCPAuthInspect Body\n"  # said, because the harness turns it off where nothing is said
PROXY = "ProxyPass {upstream}/mcp\n"


@dataclasses.dataclass(frozen=True)
class Variant:
    """location: lines in the Location of the path, None: a server without the module. over: the variant that it is compared with. tokens: "one" for
    all requests, "two" in turn, "new" for each its own, "bad": the same with a wrong signature. issuers: MCPAuthIssuer lines, ours the last."""
    about: str
    over: str = None
    location: str = None
    path: str = FILE
    tokens: str = "one"
    status: int = 200
    issuers: int = 1


VARIANTS = {
    "bare": Variant("file of 1 KB, no module, the same Authorization header"),
    "known": Variant("known token, file of 1 KB", "bare", OFF),
    "known-in-turn": Variant("two known tokens in turn: each is hashed, as a connection's first one is", "bare", OFF, tokens="two"),
    "known-audit-off": Variant("the same without audit", "bare", OFF + "MCPAuthAudit Off\n"),
    "known-required": Variant("the same with MCPAuthAudit Required", "bare", OFF + "MCPAuthAudit Required\n"),
    "known-limits": Variant("the same with a limit for subject, client and address", "bare",
                            OFF + "".join(f"MCPAuthRateLimit {key} 1000000/s\n" for key in ("subject", "client", "address"))),
    "known-100-issuers": Variant("the same, the token's issuer the last of 100", "bare", OFF, issuers=100),
    "new": Variant("token never seen before, RS256", "bare", OFF, tokens="new"),
    "bad-signature": Variant("bad signature, RS256", "bare", OFF, tokens="bad", status=401),
    "bare-proxy": Variant("tools/call of 1 KB to a backend, no module", path=MCP),
    "proxy": Variant("known token, tools/call of 1 KB to a backend", "bare-proxy", BODY + PROXY, path=MCP),
    "proxy-inspect-off": Variant("the same with MCPAuthInspect Off", "bare-proxy", OFF + PROXY, path=MCP),
}


@dataclasses.dataclass
class Counted:
    name: str
    per_request: float
    spread: float     # of the pairs' own figures: greatest less least
    own: dict         # function [object] -> instructions a request in it alone
    inclusive: dict   # the module's own functions -> instructions a request in them and what they call


class CountedHttpd(Httpd):
    """One process, never root: callgrind could not write its file any more after a change of user."""

    def _argv(self, *more):
        return [paths.need("setpriv"), "--reuid=www-data", "--regid=www-data", "--init-groups", paths.need("valgrind"), "--tool=callgrind",
                "--separate-threads=yes", f"--dump-before={MARK}", f"--callgrind-out-file={self.folder}/count", paths.need("apache2"), "-X", "-f",
                str(self.conf_path)]

    def start(self, timeout=60):
        for folder in (self.folder, self.dirs.state):
            shutil.chown(folder, "www-data", "www-data")
        self.process = Process(self._argv(), self.folder / "stdout.log", env=self._env(), cwd=self.folder)
        wait_until(lambda: port_answers(self.port) or not self.process.alive, timeout, lambda: "httpd answers\n" + self.said())
        if not self.process.alive:
            raise RuntimeError("httpd did not start:\n" + self.said())
        return self


class Connection:
    """One for all requests: what a connection costs is nobody's question here."""

    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request, status):
        self.socket.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._more(got)
        head, _, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: *(\d+)", head, re.I)
        while length and len(body) < int(length.group(1)):
            body += self._more(got)
        if int(head.split()[1]) != status:
            raise RuntimeError(f"{status} was expected: {head.decode('latin-1')}\n{body[:400]!r}")

    def _more(self, got):
        data = self.socket.recv(65536)
        if not data:
            raise RuntimeError(f"httpd closed the connection after {got[:400]!r}")
        return data

    def mark(self):
        self.ask(f'GET /index.html HTTP/1.1\r\nHost: localhost:{self.port}\r\nIf-None-Match: "mark"\r\n\r\n'.encode(), 200)


class Rig:
    """One variant's httpd with all that it needs."""

    def __init__(self, world, name):
        self.variant = variant = VARIANTS[name]
        self.issuer = world.issuer(start=False)
        jwks = world.scratch / f"{name}.jwks"
        jwks.write_text(json.dumps(self.issuer.jwks()))
        upstream = world.upstream().url if variant.path == MCP else ""
        if upstream and world.parts[-1].script is None:
            answer = b"x" * 1024
            world.parts[-1].script = (200, [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))], [answer])
        self.httpd = world._add(CountedHttpd(world.scratch, daemon_dirs=world.dirs, mpm="prefork", module=variant.location is not None, workers=1,
                                             log_level="notice", name=name))
        resource = self.httpd.url + variant.path
        self.issuer.audience = resource
        issuers = [f"https://issuer{i}.example/realm" for i in range(variant.issuers - 1)] + [self.issuer.url]
        inside = variant.location if variant.location is not None else PROXY if upstream else ""
        self.httpd.config = "MaxKeepAliveRequests 0\nKeepAliveTimeout 600\nTimeout 600\n"
        if variant.location is not None:
            self.httpd.config += "".join(f"MCPAuthIssuer {url} jwks=file:{jwks}\n" for url in issuers)
        if inside:
            self.httpd.locations = {variant.path: inside.replace("{resource}", resource).replace("{upstream}", upstream)}
        self.httpd.write_config()
        self.body = call_tool("echo", text="x" * 900) if variant.path == MCP else b""
        self.number = 0
        self.tokens = [self.mint() for _ in range(2 if variant.tokens == "two" else 1)]

    def mint(self):
        """Of one length, and no two alike."""
        self.number += 1
        token = self.issuer.mint(jti=f"{self.number:08}", canary=None, pad="")
        short = TOKEN_BYTES - len(token)
        return self.issuer.mint(jti=f"{self.number:08}", canary=None, pad="x" * (short * 3 // 4)) if short > 0 else token

    def request(self):
        if self.variant.tokens in ("one", "two"):
            token = self.tokens[0]
            self.tokens.reverse()
        else:
            token = self.mint()
        if self.variant.tokens == "bad":
            head, _, signature = token.rpartition(".")
            token = f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
        lines = [f"{'POST' if self.body else 'GET'} {self.variant.path} HTTP/1.1", f"Host: localhost:{self.httpd.port}", f"Authorization: Bearer {token}",
                 "User-Agent: bench/1.0"]
        if self.body:
            lines += ["Accept: application/json, text/event-stream", "Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body

    def block(self, connection, n):
        for request in [self.request() for _ in range(n)]:
            connection.ask(request, self.variant.status)
        connection.mark()


def count_of(path):
    return int(re.search(r"^totals: (\d+)", path.read_text(), re.M).group(1))


def functions(path, requests, *options):
    """{function [object]: instructions a request} as callgrind_annotate has them."""
    done = subprocess.run([paths.need("callgrind_annotate"), "--threshold=100", "--show-percs=no", *options, str(path)], stdout=subprocess.PIPE, text=True,
                          check=True)
    found = {}
    for count, name, of in re.findall(r"^\s*([\d,]+)\s+\S*?:(\S.*?)(?: \[(.*)\])?$", done.stdout, re.M):
        key = f"{name.split('@')[0]} [{Path(of).name}]"
        found[key] = found.get(key, 0) + int(count.replace(",", "")) / requests
    return found


def measure_one(world, name, n, profile):
    rig = Rig(world, name)
    rig.httpd.start()
    connection = Connection(rig.httpd.port)
    rig.block(connection, 20)  # the cache has the token, pools have their size
    for _ in range(PAIRS):
        rig.block(connection, n)
        rig.block(connection, 2 * n)
    connection.socket.close()
    rig.httpd.stop()
    # Of the first thread, which answers; the module's other one has its own pace, whatever requests come.
    files = [rig.httpd.folder / f"count.{part}-01" for part in range(1, 2 + 2 * PAIRS)]
    counts = [count_of(f) for f in files][1:]
    each = [(twice - once) / n for once, twice in zip(counts[::2], counts[1::2])]
    own = functions(files[2], 2 * n) if profile else {}
    inclusive = functions(files[2], 2 * n, "--inclusive=yes") if profile else {}
    return Counted(name, statistics.median(each), max(each) - min(each), own, {k[:-len(OURS) - 3]: v for k, v in inclusive.items() if k.endswith(f"[{OURS}]")})


def measure(names, n=N, profile=False, told=lambda counted: None):
    """Counts these variants, each told as soon as it is known."""
    world = World("instructions")
    try:
        counted = []
        for name in names:
            counted.append(measure_one(world, name, n, profile))
            told(counted[-1])
        return counted
    finally:
        world.close()


def cpu_of(cpuinfo):
    """The machine's kind, and which of CPU_FLAGS it has."""
    has = re.search(r"^flags\s*:(.*)$", cpuinfo, re.M)
    return " ".join([platform.machine(), *(flag for flag in CPU_FLAGS if has and flag in has.group(1).split())])


def versions():
    """Of what the figures depend on besides our own code."""
    def said(*command):
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout

    compilers = re.findall(r"((?:GCC|clang)\S*.*?)$", said("readelf", "-p", ".comment", str(paths.MODULE)), re.M)
    return {"httpd": said(paths.need("apache2"), "-v").split("/", 1)[1].split()[0], "openssl": said("openssl", "version").split()[1],
            "valgrind": said("valgrind", "--version").strip().split("-")[-1], "libc": said("ldd", "--version").splitlines()[0].split()[-1],
            "compiler": ", ".join(compilers), "cpu": cpu_of(Path("/proc/cpuinfo").read_text())}


def more_by_function(counted, bare):
    """What each function costs more than in the bare server; the module's own also with what they call. Small ones are left out."""
    names = {name for name in {**counted.own, **bare.own} if not WHOLE.match(name)}
    own = {name: round(counted.own.get(name, 0) - bare.own.get(name, 0)) for name in names}
    return {"own": {name: more for name, more in sorted(own.items(), key=lambda item: -item[1]) if more >= 50},
            "inclusive": {name: round(cost) for name, cost in sorted(counted.inclusive.items(), key=lambda item: -item[1]) if cost >= 50}}


def baseline(counted):
    """What the guard (test_cost.py) compares with."""
    found = {c.name: c for c in counted}
    return {"versions": versions(), "variants": {
        c.name: {"more": round(c.per_request - found[VARIANTS[c.name].over].per_request), **more_by_function(c, found[VARIANTS[c.name].over])}
        for c in counted if VARIANTS[c.name].over in found}}


def rows(counted):
    found = {c.name: c for c in counted}
    return [{"name": c.name, "about": VARIANTS[c.name].about, "instructions": round(c.per_request), "spread": round(c.spread),
             "over": VARIANTS[c.name].over,
             "more": round(c.per_request - found[VARIANTS[c.name].over].per_request) if VARIANTS[c.name].over in found else None} for c in counted]


def print_table(counted):
    print(f"\n{'variant':20} {'instructions':>12} {'over bare':>10} {'spread':>7}")
    for row in rows(counted):
        more = "" if row["more"] is None else f"+{row['more']}"
        print(f"{row['name']:20} {row['instructions']:12} {more:>10} {row['spread']:7}  {row['about']}")


def print_profile(counted, top):
    def show(title, table):
        print(f"  {title}")
        for name, instructions in sorted(table.items(), key=lambda item: -item[1])[:top]:
            print(f"    {instructions:10.0f}  {name}")

    for c in counted:
        print(f"\n{c.name}:")
        show("the module's functions, with what they call", c.inclusive)
        show("all functions, each alone", c.own)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("variants", nargs="*", choices=[[], *VARIANTS], help="all, where none is named")
    arguments.add_argument("-n", type=int, default=N, help="requests of the smaller block")
    arguments.add_argument("--json", type=Path, help="file for the figures")
    arguments.add_argument("--baseline", action="store_true", help=f"writes {BASELINE.name} anew, which the guard compares with")
    arguments.add_argument("--profile", type=int, nargs="?", const=40, default=0, metavar="TOP", help="the costliest functions, too")
    options = arguments.parse_args()
    counted = measure(GUARDED if options.baseline else options.variants or list(VARIANTS), options.n, bool(options.profile or options.baseline),
                      lambda c: print(f"{c.name}: {c.per_request:.0f}", file=sys.stderr, flush=True))
    print_table(counted)
    if options.profile:
        print_profile(counted, options.profile)
    if options.baseline:
        BASELINE.write_text(json.dumps(baseline(counted), indent=1) + "\n")
    if options.json:
        options.json.write_text(json.dumps({"versions": versions(), "variants": rows(counted)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
