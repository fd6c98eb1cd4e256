# SPDX-License-Identifier: Apache-2.0
"""What the tests of mcpauthctl audit report share: a known journal, and its pages read."""
import gzip
import json
import subprocess
from html.parser import HTMLParser

from harness import paths

GOOD, BAD, USAGE = 0, 1, 2
ONE = "01" * 16
OLD, NEXT = "audit-2026-01-01.jsonl", "audit-2026-01-02.jsonl"
ARGV = [str(paths.built_program("mcpauthctl")), "audit", "report"]
DECISIONS = ("allowed", "denied", "limited", "errors", "shadow_denied", "other")


def record(ts, decision="allow", reason="ok", **members):
    return {"ts": f"2026-01-{ts}.000Z", "sub": "alice", "method": "POST", "status": 200, "ip": "192.0.2.1", "auth_method": "jwt", "client_id": "cli",
            "decision": decision, "reason": reason, "location": "/mcp", "rpc_method": "tools/call", "rpc_name": "search", **members}


# Two days: what each record is there for stands behind it.
KNOWN = [
    record("01T00:00:00", request_id="r1"),
    record("01T10:00:00", request_id="r2"),
    record("01T10:59:59", sub="bob", client_id="ide", rpc_method="tools/list", rpc_name=None),
    record("01T11:00:00", "deny", "scope_missing", sub="bob", rpc_name="delete"),
    record("01T12:00:00", "deny", "no_token", sub=None, client_id=None, auth_method="none", ip="192.0.2.7"),
    record("01T12:00:01", "deny", "signature_bad", sub=None, client_id=None, ip="192.0.2.7"),
    record("01T12:00:02", "deny", "signature_bad", sub=None, client_id=None, ip="192.0.2.8"),
    record("01T13:00:00", "limit", "rate_limited_subject", rpc_method=None, rpc_name=None),
    record("01T14:00:00", "error", "keys_missing", sub=None, client_id=None, location="/files", rpc_method=None, rpc_name=None),
    record("01T23:59:59", "shadow_deny", "expired", location="/files"),
    {"ts": "2026-01-01T15:00:00.000Z", "event": "gap", "lost": 3},
    {"ts": "2026-01-01T15:00:00.000Z", "event": "corrupt"},
    record("01T16:00:00", event="decision", request_id="r1"),  # its final record stands above, as that of another order of time
    record("01T16:00:01", event="decision", request_id="never ends"),
    record("01T23:59:59", event="decision", request_id="ends on the next day"),
    {"ts": "2026-01-01T23:59:59.500Z", "event": "seal", "key": "ab" * 8, "epoch": 4, "mac": "cd" * 32},
]
LATER = [record("02T00:00:00", request_id="ends on the next day"), {"ts": "2026-01-02T12:00:00.000Z", "event": "seal", "key": "ab" * 8, "epoch": 5, "mac": "ef" * 32}]


def lines(records, first=1):
    """As the daemon writes them: absent values are absent members, a seal is of no instance."""
    text = ""
    for seq, members in enumerate(records, first):
        envelope = {} if members.get("event") == "seal" else {"instance": ONE, "seq": seq}
        text += json.dumps({k: v for k, v in {**members, **envelope}.items() if v is not None}, ensure_ascii=False, separators=(",", ":")) + "\n"
    return text


class Journal:
    def __init__(self, folder):
        self.folder = folder

    def write(self, name, records, compressed=False):
        data = lines(records).encode()
        (self.folder / (name + (".gz" if compressed else ""))).write_bytes(gzip.compress(data) if compressed else data)
        return self

    def run(self, *arguments):
        return subprocess.run([*ARGV, "--journal", self.folder, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=120 * paths.PATIENCE, check=False)

    def report(self, *arguments, status=GOOD):
        done = self.run("--json", *arguments)
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    def page(self, *arguments):
        done = self.run("--html", self.folder / "report.html", *arguments)
        assert done.returncode == GOOD and done.stdout == "", done.stderr
        return (self.folder / "report.html").read_text()


def rows(table, *members):
    return [tuple(row.get(m) for m in members) for row in table["rows"]]


class Parsed(HTMLParser):
    """Tables as rows of cells under their heading; every element and attribute seen."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tables, self.elements, self.open, self.heading, self.cell = {}, [], [], None, None
        self.feed(text)
        assert self.open == [], "elements left open"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.tables.setdefault(self.heading, []).append([])
        if tag in ("td", "th", "h1", "h2"):
            self.cell = ""
        if tag not in ("meta", "line", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.tables[self.heading][-1].append(self.cell)
        if tag in ("h1", "h2"):
            self.heading = self.cell
        if tag in ("td", "th", "h1", "h2"):
            self.cell = None
