# SPDX-License-Identifier: Apache-2.0
"""Everything one test starts: made here, stopped here, and looked over at the end."""
import gzip
import os
import re
import shutil
import tempfile
from pathlib import Path

from . import paths
from .admind import Admind, Dirs
from .canary import Canaries
from .httpd import Httpd
from .issuer import Issuer
from .monitoring import Alertmanager, Prometheus
from .node import ConformanceServer, Everything, Node, ParseServer, Provider
from .process import wait_until
from .rpc import call_tool
from .streams import Streams
from .tls import Tls
from .upstream import Upstream

VALGRIND_ERROR = re.compile(r"^==\d+== (Invalid (read|write|free)|Conditional jump|Use of uninit|Syscall param|Mismatched free|Source and destination overlap|Jump to the invalid).*", re.M)


class World:
    def __init__(self, name="world"):
        # Short, because a Unix socket's path has 107 characters; not pytest's own, which is 0700 and shut to www-data.
        self.scratch = Path(tempfile.mkdtemp(prefix="mcpauth-" + re.sub(r"\W+", "-", name)[:24] + "-"))
        os.chmod(self.scratch, 0o755)
        self.canaries = Canaries()
        self.dirs = Dirs(self.scratch)
        self.parts = []
        self.allow_crashes = False  # a test that kills children on purpose says so
        self._tls = None
        self._node = None

    def _add(self, part):
        self.parts.append(part)
        return part

    @property
    def tls(self):
        if self._tls is None:
            self._tls = Tls(self.scratch)
        return self._tls

    # -- parts: made and started, unless start=False --------------------------------------------------------------------------------------

    def issuer(self, start=True, tls=False, **options):
        part = self._add(Issuer(canaries=self.canaries, tls=self.tls if tls else None, **options))
        return part.start() if start else part

    def upstream(self):
        return self._add(Upstream()).start()

    def streams(self):
        """An upstream of event streams together with their clients."""
        return self._add(Streams())

    def httpd(self, start=True, tls=False, **options):
        names = {p.folder.name for p in self.parts if isinstance(p, Httpd)}
        options.setdefault("name", "httpd" if "httpd" not in names else f"httpd{len(names) + 1}")
        part = self._add(Httpd(self.scratch, daemon_dirs=self.dirs, tls=self.tls if tls else None, **options))
        return part.start() if start else part

    def admind(self, config="", start=True, **options):
        part = self._add(Admind(self.scratch, self.dirs, config, **options))
        return part.start() if start else part

    def prometheus(self, *targets, **options):
        return self._add(Prometheus(self.scratch, targets, **options)).start()

    def alertmanager(self):
        return self._add(Alertmanager(self.scratch)).start()

    @property
    def node(self):
        if self._node is None:
            self._node = Node(self.scratch)
        return self._node

    def provider(self, **options):
        """oidc-provider, the certified one."""
        return self._add(Provider(self.node, self.canaries, **options))

    def everything(self):
        """server-everything, the MCP project's own."""
        return self._add(Everything(self.node))

    def parse_server(self):
        """An upstream that tells what Node's parser finds in a body."""
        return self._add(ParseServer(self.node))

    def conformance_server(self, careless=False):
        """Ours, with what the scenarios of the conformance tool call."""
        return self._add(ConformanceServer(self.node, careless))

    def stack(self, location="", admind=True, admind_config="", issuer_options="", issuer=None, upstream=None, path="/mcp", config="", locations=None, resource=None, **httpd_options):
        """Issuer, upstream, daemon and httpd with one guarded Location that proxies to the upstream. issuer, upstream: others than the harness's own
        (world.provider(), world.everything()).
        location: more lines for it; locations: more Locations; resource: its URL, where it is not to be the httpd's own, on loopback. In all texts {issuer}, {upstream} and {resource} are filled in too."""
        s = Stack()
        s.world = self
        s.upstream = upstream or self.upstream()
        s.issuer = issuer or self.issuer()
        s.admind = self.admind(admind_config) if admind else None
        s.path = path
        options = dict(httpd_options)
        httpd = self.httpd(start=False, **options)
        s.httpd = httpd
        s.resource = resource or httpd.url + path
        s.issuer.audience = s.issuer.audience or s.resource

        def fill(text):
            for key, value in {"issuer": s.issuer.url, "upstream": s.upstream.url, "resource": s.resource}.items():
                text = text.replace("{%s}" % key, value)
            return text

        httpd.config = fill(f"MCPAuthIssuer {{issuer}} {issuer_options}\n" + config)
        httpd.locations = {path: fill(f"MCPAuth On\nMCPAuthResource {{resource}}\nProxyPass {{upstream}}{path} flushpackets=on\n" + location)}
        httpd.locations.update({p: fill(t) for p, t in (locations or {}).items()})
        httpd.write_config()
        httpd.start()
        if s.admind:
            s.wait_keys()
        return s

    # -- the end ------------------------------------------------------------------------------------------------------------------------

    def faults(self):
        """What must never be, whatever the test was about: crashes, sanitizer findings, tokens in logs."""
        found = []
        for part in self.parts:
            if isinstance(part, Httpd) and not self.allow_crashes:
                found += [f"crash: {line}" for line in part.crashes()]
            if isinstance(part, (Httpd, Admind)):
                for path in part.log_paths():
                    data = path.read_bytes()
                    if path.suffix == ".gz":
                        data = gzip.decompress(data)
                    found += [f"token in {path}: {needle!r} in {line!r}" for needle, line in self.canaries.find(data.decode("utf-8", "replace"))[:5]]
        for path in (self.scratch / "sanitizer").glob("*") if (self.scratch / "sanitizer").exists() else ():
            found.append(f"sanitizer: {path.read_text(errors='replace')[:4000]}")
        for path in (self.scratch / "valgrind").glob("*") if (self.scratch / "valgrind").exists() else ():
            text = path.read_text(errors="replace")
            for m in VALGRIND_ERROR.finditer(text):
                around = text[m.start():m.start() + 2500]
                if "mcp" in around:
                    found.append(f"valgrind: {around}")
        return found

    def _metrics_faults(self):
        found = []
        for part in self.parts:
            if isinstance(part, Admind) and part.process and part.process.alive:
                try:
                    text = "".join(part.get(p).text for p in ("/metrics", "/alerts", "/keys", "/status"))
                except (OSError, AssertionError):
                    continue
                found += [f"token in the daemon's HTTP: {needle!r} in {line!r}" for needle, line in self.canaries.find(text)[:5]]
        return found

    def close(self, failed=False):
        found = self._metrics_faults()
        for part in reversed(self.parts):
            part.stop()
        found += self.faults()
        if paths.KEEP or failed or found:
            print(f"scratch directory kept: {self.scratch}")
        else:
            shutil.rmtree(self.scratch, ignore_errors=True)
        assert not found, "\n".join(found)


class Stack:
    """world, issuer, upstream, admind, httpd, resource (URL), path."""

    def token(self, **options):
        return self.issuer.mint(**options)

    def wait_keys(self, timeout=15):
        """Until the daemon has the issuer's keys and every child of httpd is linked to it. Sends no request through the gate, so that counters,
        limits and the journal start empty."""
        wait_until(lambda: self.admind.metric("mcpauth_jwks_keys", issuer=self.issuer.url) > 0, timeout,
                   lambda: f"the daemon has the keys of {self.issuer.url}\n{self.admind.log()}\n{self.httpd.said()}")
        def every_child_has_keys():
            linked = self.admind.get("/status").json()["children"]
            children = set(self.httpd.children())
            return children and children <= {child["pid"] for child in linked if child["issuers_with_keys"]}

        wait_until(every_child_has_keys, timeout, lambda: f"{len(self.httpd.children())} children have keys\n{self.admind.log()}\n{self.httpd.said()}")

    def call(self, token=None, body=None, headers=(), method="POST", path=None, **more):
        return self.httpd.send(method, path or self.path, headers=headers, body=call_tool(message="hello") if body is None and method == "POST" else body, token=token, **more)
