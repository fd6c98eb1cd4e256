# SPDX-License-Identifier: Apache-2.0
"""What the tests of mcpauthctl gates share: the documents that gates reads, and the faults that are planted in them."""
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import paths
from harness.process import free_port
from probe_parts import ENV, header, let_in, status

SNAPSHOT = ["policy-snapshot", "policy-complete", "enforced", "production-mode", "no-basic-fallback", "tls", "rate-limits", "audit"]
DAEMON = ["metrics", "policy-current", "keys"]
GATES = [*SNAPSHOT, *DAEMON, "rules", "tls-hsts", "probe"]


def gates(*arguments, **more):
    env = {**ENV, **more.pop("env", {})}
    return subprocess.run([paths.built_program("mcpauthctl"), "gates", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                          timeout=120 * paths.PATIENCE, check=False, **more)


def judged(done):
    """{id: gate} of --json."""
    document = json.loads(done.stdout)
    found = {gate["id"]: gate for gate in document["gates"]}
    assert list(found) == GATES and [document[n] for n in ("passed", "failed", "skipped")] == [
        sum(g["outcome"] == o for g in found.values()) for o in ("pass", "fail", "skip")] and document["good"] == (document["failed"] == 0)
    assert all(("mend" in g) == (g["outcome"] == "fail") and g["seen"] for g in found.values())
    return found


def outcomes(done):
    return {name: gate["outcome"] for name, gate in judged(done).items()}


# -- documents, right ones ----------------------------------------------------------------------------------------------------------------------


def alert(name, query, **more):
    return {"type": "alerting", "name": name, "query": query, "health": "ok", **more}


ALERTS = [alert("NotReady", "mcpauth_health_status == 0"), alert("Stale", "time() - mcpauth_jwks_last_success_timestamp_seconds > 3600"), alert("Other", "up == 0"),
          alert("Lost", "increase(mcpauth_audit_lost_total[5m]) > 0"), alert("Failing", "instance:mcpauth_auth_guesses:rate5m > 1"),
          {"type": "recording", "name": "r", "query": "rate(mcpauth_requests_total[5m])", "health": "err"}]


class Front:
    """Answers as daemon and Prometheus do, from documents; each may be a status instead. token: what the daemon's answers need."""

    def __init__(self, documents):
        self.documents, self.seen, front = documents, [], self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                given = self.headers.get("Authorization")
                front.seen.append((self.path, given))
                name = self.path.rsplit("/", 1)[-1]
                document = front.documents.get(name, 404)
                if name != "rules" and "token" in front.documents and given != f"Bearer {front.documents['token']}":
                    document = 401
                body = document if isinstance(document, str) else json.dumps(document)
                self.send_response(document if isinstance(document, int) else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def gates(self, *more):
        return gates("--json", "--url", self.url, *more)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def base_documents(deployed):
    admind = deployed.admind
    return {"policy": json.loads((deployed.world.dirs.state / "policy.json").read_text()), "status": admind.get("/status").json(), "keys": admind.get("/keys").json(),
            "metrics": admind.metrics_text(), "rules": {"status": "success", "data": {"groups": [{"name": "a", "rules": ALERTS[:2]}, {"name": "b", "rules": ALERTS[2:]}]}}}


# -- planted faults ------------------------------------------------------------------------------------------------------------------------------


def location(**members):
    """Other members in a Location of the policy; None takes one out."""
    def change(documents):
        found = documents["policy"]["locations"][0]
        found.update(members)
        documents["policy"]["locations"][0] = {k: v for k, v in found.items() if v is not None}
    return change


def of(name, **members):
    def change(documents):
        documents[name].update(members)
    return change


def inside(name, member, **members):
    """The same in the first element of a list."""
    def change(documents):
        documents[name][member][0].update(members)
    return change


def instead(name, value):
    def change(documents):
        documents[name] = value
    return change


def rules(*kept):
    return instead("rules", {"status": "success", "data": {"groups": [{"rules": [*kept]}]}})


def no_children(documents):
    documents["status"]["children"] = []


def development(documents, **members):
    documents["policy"]["mode"] = "development"
    location(**members)(documents)


def broken(change):
    """A snapshot that cannot be read: everything about it is skipped."""
    return change, {name: "skip" for name in [*SNAPSHOT[1:], "policy-current", "keys", "tls-hsts", "probe"]}


# The gate that must close, what it must say, the change, and what else changes (outcomes); a dict of changes is for the resource itself.
FAULTS = [
    ("policy-snapshot", "not the JSON", *broken(instead("policy", "{"))), ("policy-snapshot", "not the JSON", *broken(instead("policy", ""))),
    ("policy-snapshot", "resource", *broken(location(resource=None))), ("policy-snapshot", "version", *broken(of("policy", version=2))),
    ("policy-snapshot", "https", *broken(location(resource="http://mcp.example.com/mcp"))),
    ("policy-complete", "no Location is guarded", of("policy", locations=[]), {"tls-hsts": "skip"}),
    ("policy-complete", "localhost /mcp: trusts no issuer", location(issuers=[]), {}),
    ("policy-complete", "needs no scope", location(scopes="", inspect=None), {}),
    ("policy-complete", "needs no scope", location(scopes="", operations=[[["*", "granted"]]]), {}),
    *(("policy-complete", "may call tools", location(scopes="", operations=[rules]), {}) for rules in (
        [["tools/list", "some:list"], ["*", "granted"]], [["tools/call", "granted"]], [["tools/call:safe", "some:call"], ["tools/*", "granted"]], [["tools/call:*", "granted"]],
        [["tools/call:?*", "granted"]])),
    ("enforced", "localhost /mcp: is Shadow", location(mode="shadow"), {}),
    ("production-mode", "development", development, {}),
    ("no-basic-fallback", "localhost /mcp: AuthType Basic holds there, or may, by <Proxy *>", location(auth_type="Basic", auth_type_in="<Proxy *>"), {}),
    *(("no-basic-fallback", f"AuthType {word}", location(auth_type=word), {}) for word in ("basic", "Digest", "form", "%{env:X}")),
    ("rate-limits", "localhost /mcp: has no rate limit", location(limits=[]), {}), ("rate-limits", "no rate limit", location(limits=None), {}),
    ("audit", "localhost /mcp: MCPAuthAudit is Off", location(audit="off"), {}),
    ("metrics", "answered 500", instead("metrics", 500), {}), ("metrics", "answered 404", instead("metrics", 404), {}),
    ("metrics", "no metrics of mcpauth", instead("metrics", "node_mcpauth_build_info 1\n"), {}), ("metrics", "no metrics", instead("metrics", ""), {}),
    ("policy-current", "answered 503", instead("status", 503), {}), ("policy-current", "not the daemon", instead("status", {}), {}),
    ("policy-current", "no JSON", instead("status", "[" * 50), {}),
    ("policy-current", "another policy", of("policy", generation="0123456789abcdef"), {}),
    ("policy-current", "cannot use the policy: no place", of("status", policy={"error": "no place"}), {}),
    ("policy-current", "another policy", of("status", policy={"generation": "0123456789abcdef", "error": ""}), {}),
    ("policy-current", "no child", no_children, {}), ("policy-current", "none of httpd's", lambda d: [c.update(policy="0" * 16) for c in d["status"]["children"]], {}),
    ("keys", "does not know", of("keys", issuers=[]), {}), ("keys", "no keys: refused", inside("keys", "issuers", keys=[], last_error="refused"), {}),
    ("keys", "too old", inside("keys", "issuers", expires="2026-01-01T00:00:00.000Z"), {}), ("keys", "too old", inside("keys", "issuers", expires=None), {}),
    ("keys", "last fetch of its keys failed: timed out\\x1b", inside("keys", "issuers", last_error="timed out\x1b"), {}), ("keys", "answered 500", instead("keys", 500), {}),
    ("rules", "no alert rule that asks", rules(), {}), ("rules", "no alert rule that asks", rules(ALERTS[2], ALERTS[5]), {}), ("rules", "no alert rule that asks", instead("rules", {"data": {}}), {}),
    *(("rules", what, rules(*(a for a in ALERTS if a["name"] != name)), {})
      for name, what in (("NotReady", "not ready"), ("Stale", "stale"), ("Lost", "lost"), ("Failing", "failed authentication"))),
    ("rules", "cannot evaluate its alert rule Bad", rules(*ALERTS, alert("Bad", "mcpauth_x", health="err")), {}), ("rules", "answered 404", instead("rules", 404), {}),
    ("rules", "not Prometheus", instead("rules", "<html>"), {}),
    ("tls-hsts", "without Strict-Transport-Security", {"GET": header("Strict-Transport-Security")}, {}),
    *(("tls-hsts", "without Strict-Transport-Security", {"GET": header("Strict-Transport-Security", value)}, {}) for value in ("max-age=0", "includeSubDomains", "max-age=", 'max-age="0"')),
    ("probe", "auth-401-response", {"no token": let_in}, {}), ("probe", "auth-token-garbage", {"garbage": let_in}, {}), ("probe", "http-method-put", {"PUT": status(201)}, {}),
]
