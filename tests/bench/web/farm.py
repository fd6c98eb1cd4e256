# SPDX-License-Identifier: Apache-2.0
"""All servers of one group, started together and stopped together, in a scratch directory that goes with them."""
import os
import shutil
import tempfile
from pathlib import Path

from harness.tls import Tls

from . import cpu, wrk
from .servers import Backend, Haproxy, Httpd, Nginx, Refused, write_htdocs
from .tokens import AUDIENCE, BAD, DISTINCT, Tokens, rpc_body
from .variants import PROXY, RPC, VARIANTS

RPC_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"), ("MCP-Protocol-Version", "2025-11-25"))
BEHIND = (PROXY, RPC)


class Farm:
    """
    servers    {variant name: server}
    refused    {variant name: what it said}: those that did not start
    apart      servers and load share no CPU
    httpd      the class of all httpds
    """

    def __init__(self, group, cases, variants, httpd=Httpd):
        self.group, self._httpd = group, httpd
        self.server_cpus, self.load_cpus = cpu.share(group.cores)
        self.apart = not set(self.server_cpus.split(",")) & set(self.load_cpus.split(","))
        # Short, because a Unix socket's path has 107 characters; open to www-data.
        self.scratch = Path(tempfile.mkdtemp(prefix="mcpauth-bench-", dir="/tmp"))
        os.chmod(self.scratch, 0o755)
        self.tokens = Tokens(self.scratch, group.alg)
        self.servers, self.refused, self.backend = {}, {}, None
        self._scripts = {}
        self._wanted = [VARIANTS[name] for name in variants]
        # ./check measures only what needs no backend, and so no nginx.
        self._alone = all(v.kind == "httpd" and (v.daemon or not v.guards) for v in self._wanted) and not any(c.path in BEHIND for c in cases)

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in [*self.servers.values(), self.backend, self.tokens.issuer]:
            if server:
                server.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _start(self):
        tokens = self.tokens
        tokens.issuer.start()
        values = {
            "issuer": tokens.issuer.url, "audience": AUDIENCE, "pem": tokens.pem_path, "kid": tokens.issuer.key.kid, "alg": tokens.alg,
            "jwks_path": tokens.jwks_path, "jwk_escaped": tokens.jwk().replace('"', '\\"'), "htdocs": write_htdocs(self.scratch / "htdocs"),
            "backend": "http://127.0.0.1:9",
        }
        if not self._alone:
            self.backend = Backend(self.scratch / "backend", self.load_cpus, values, Tls(self.scratch)).start()
            values.update(backend=f"http://127.0.0.1:{self.backend.port}", backend_port=self.backend.port,
                          jwks_url=f"http://127.0.0.1:{self.backend.port}/jwks", jwks_tls_url=f"https://localhost:{self.backend.tls_port}/jwks")
        for number, variant in enumerate(self._wanted):
            server = self._server(f"v{number}", variant, values)
            self.servers[variant.name] = server
            try:
                server.start()
            except (Refused, AssertionError) as refused:
                self.refused[variant.name] = str(refused)

    def _server(self, name, variant, values):
        where = (self.scratch / name, self.server_cpus, values, variant)
        if variant.kind == "httpd":
            return self._httpd(*where, self.group.mpm, self.load_cpus)
        return {"nginx": Nginx, "haproxy": Haproxy}[variant.kind](*where, self.group.cores)

    def request(self, case):
        """One such as the case is about."""
        headers, body = (RPC_HEADERS, rpc_body(case.body)) if case.body else ((), None)
        return {"method": "POST" if body else "GET", "path": case.path, "headers": headers, "body": body, "token": self.tokens.one(case.tokens)}

    def script(self, case, count):
        """The file of the script that loads this case; count: with the statuses."""
        key = case.name, count
        if key not in self._scripts:
            asked = self.request(case)
            if case.tokens in (DISTINCT, BAD):
                asked.update(token=None, tokens=self.tokens.path(case.tokens))
            path = self.scratch / f"{case.name}-{count}.lua"
            path.write_text(wrk.script(**asked, count=count))
            self._scripts[key] = path
        return self._scripts[key]

    def fetches(self, server):
        """How often this server, or the daemon beside it, has fetched keys so far. Only our daemons ask the issuer itself."""
        return self.tokens.issuer.count("jwks") if server.variant.daemon else self.backend.fetches(server.folder.name) if self.backend else 0
