# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl audit report: who used what and who was denied what. Known journals with exact numbers in all three forms, hostile ones, and a real
one whose numbers are those of the daemon's metrics."""
import base64
import gzip
import hashlib
import html
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import pytest

from daemon_child import Child, request
from harness import SOURCE, paths, wait_until

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


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


@pytest.fixture
def known(journal):
    # The final record of r1 comes behind its decision, as in a real journal.
    records = [*KNOWN[1:13], KNOWN[0], *KNOWN[13:]]
    return journal.write(OLD, records).write(NEXT, LATER)


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


# -- exact numbers ---------------------------------------------------------------------------------------------------------------------


def test_known_journal_in_json(known):
    found = known.report()
    assert {k: found[k] for k in ("complete", "requests", *DECISIONS)} == {"complete": True, "requests": 11, "allowed": 4, "denied": 4, "limited": 1, "errors": 1,
                                                                           "shadow_denied": 1, "other": 0}
    assert {k: found[k] for k in ("unfinished", "unfinished_more", "gap_records", "lost", "corrupt", "unreadable", "unknown_events", "untimed")} == {
        "unfinished": 1, "unfinished_more": False, "gap_records": 1, "lost": 3, "corrupt": 1, "unreadable": 0, "unknown_events": 0, "untimed": 0}
    assert {k: found[k] for k in ("seals", "first_seal", "last_seal", "last_seal_at")} == {
        "seals": 2, "first_seal": "4:" + "cd" * 32, "last_seal": "5:" + "ef" * 32, "last_seal_at": "2026-01-02T12:00:00.000Z"}
    assert (found["first"], found["last"]) == ("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z") and "since" not in found and "until" not in found
    full = ("requests", *DECISIONS[:5])
    assert rows(found["locations"], "location", *full) == [("/mcp", 9, 4, 4, 1, 0, 0), ("/files", 2, 0, 0, 0, 1, 1)]
    assert rows(found["subjects"], "subject", *full) == [("alice", 5, 3, 0, 1, 0, 1), (None, 4, 0, 3, 0, 1, 0), ("bob", 2, 1, 1, 0, 0, 0)]
    assert rows(found["clients"], "client", *full) == [("cli", 6, 3, 1, 1, 0, 1), (None, 4, 0, 3, 0, 1, 0), ("ide", 1, 1, 0, 0, 0, 0)]
    assert rows(found["operations"], "method", "tool", *full) == [("tools/call", "search", 7, 3, 3, 0, 0, 1), ("tools/call", "delete", 1, 0, 1, 0, 0, 0),
                                                                  ("tools/list", None, 1, 1, 0, 0, 0, 0)]
    assert rows(found["uses"], "subject", "location", "method", "tool", "allowed") == [("alice", "/mcp", "tools/call", "search", 3), ("bob", "/mcp", "tools/list", None, 1)]
    assert rows(found["refusals"], "subject", "location", "method", "tool", "reason", "refused", "shadow_denied") == [
        (None, "/mcp", "tools/call", "search", "signature_bad", 2, 0), (None, "/files", None, None, "keys_missing", 1, 0),
        (None, "/mcp", "tools/call", "search", "no_token", 1, 0), ("alice", "/files", "tools/call", "search", "expired", 1, 1),
        ("alice", "/mcp", None, None, "rate_limited_subject", 1, 0), ("bob", "/mcp", "tools/call", "delete", "scope_missing", 1, 0)]
    assert rows(found["reasons"], "reason", "refused", "denied", "limited", "errors", "shadow_denied") == [
        ("signature_bad", 2, 2, 0, 0, 0), ("expired", 1, 0, 0, 0, 1), ("keys_missing", 1, 0, 0, 1, 0), ("no_token", 1, 1, 0, 0, 0),
        ("rate_limited_subject", 1, 0, 1, 0, 0), ("scope_missing", 1, 1, 0, 0, 0)]
    assert rows(found["addresses"], "address", "failures", "guesses") == [("192.0.2.7", 2, 1), ("192.0.2.1", 1, 0), ("192.0.2.8", 1, 1)]
    hours = {t["from"]: t["requests"] for t in found["times"] if t["requests"]}
    assert found["step_hours"] == 1 and len(found["times"]) == 25 and hours == {
        f"2026-01-{h}:00:00.000Z": n for h, n in {"01T00": 1, "01T10": 2, "01T11": 1, "01T12": 3, "01T13": 1, "01T14": 1, "01T23": 1, "02T00": 1}.items()}
    for name in ("locations", "subjects", "clients", "operations", "uses", "refusals", "reasons", "addresses"):
        assert found[name]["distinct"] == len(found[name]["rows"]) and not found[name]["more"] and found[name]["missed_max"] == 0
        assert set(found[name]["others"].values()) == {0}


def members(document):
    """Every member's name in it, at any depth."""
    if isinstance(document, list):
        return set().union(*map(members, document))
    return set(document).union(*map(members, document.values())) if isinstance(document, dict) else set()


def test_shape_is_as_documented(known):
    page = (SOURCE / "docs/mcpauthctl.md").read_text().split("## `audit report`")[1].split("\n## ")[0]
    table = page.split("| member |")[1]
    assert set(re.findall(r"`([a-z_]+)`", table)) == members(known.report("--since", "2026-01-01", "--until", "2027-01-01"))


TABLES = {"locations": "Locations", "subjects": "Subjects", "clients": "Clients", "operations": "Operations and tools", "uses": "Who used what",
          "refusals": "Who was denied what", "reasons": "Denials by reason", "addresses": "Failed authentication by address"}


def filled(found, name):
    """The same with '-' where a part is absent."""
    parts = {"locations": ["location"], "subjects": ["subject"], "clients": ["client"], "operations": ["method", "tool"], "reasons": ["reason"], "addresses": ["address"],
             "uses": ["subject", "location", "method", "tool"], "refusals": ["subject", "location", "method", "tool", "reason"]}[name]
    return [[*(row.get(p, "-") for p in parts), *(str(v) for k, v in row.items() if k not in parts and k != "missed_max")] for row in found[name]["rows"]]


def test_text_says_the_same(known):
    found, done = known.report(), known.run()
    assert done.returncode == GOOD and not done.stderr
    text = done.stdout
    assert "Audit journal from its begin to its end (UTC)\n11 requests, the first at 2026-01-01 00:00, the last at 2026-01-02 00:00\n" in text
    said = dict(re.findall(r"^  (\w[\w ]*?)  +(\d+)", text.split("\n\n")[0], re.M))
    assert said == {"allowed": "4", "denied": "4", "limited": "1", "errors": "1", "shadow denied": "1", "unfinished": "1", "lost": "3", "corrupt": "1", "seals": "2"}
    assert "3 records, told by 1 gap record\n" in text and "5:" + "ef" * 32 in text
    sections = {s.split("\n")[0]: s.split("\n")[2:] for s in text.split("\n\n")[1:]}
    for name, title in TABLES.items():
        assert [line.split() for line in sections[title] if line] == filled(found, name), title
    bars = [line.split() for line in sections["Requests by the hour"] if line]
    assert [(f"{b[0]}T{b[1]}", b[2]) for b in bars] == [(t["from"][:16], str(t["requests"])) for t in found["times"]]
    assert bars[12][3:] == ["3", "x" * 40] and bars[10][3:] == ["0", "#" * 27]
    assert all(len(line) <= 100 and line.isascii() for line in text.splitlines())


def test_page_says_the_same(known):
    found, page = known.report(), known.page()
    parsed = Parsed(page)
    for name, title in TABLES.items():
        assert parsed.tables[title][1:] == filled(found, name), title
    sums = {row[0]: row[1] for row in parsed.tables["Sums"]}
    assert sums == {"Requests": "11", "Allowed": "4", "Denied": "4", "Limited": "1", "Errors": "1", "Shadow denied": "1", "Unfinished": "1", "Lost": "3",
                    "Gap records": "1", "Corrupt": "1", "Seals": "2"}
    assert "5:" + "ef" * 32 in page
    assert [row[1] for row in parsed.tables["Requests by the hour"][1:]] == [str(t["requests"]) for t in found["times"]]


def test_page_stands_alone(known):
    page = known.page()
    parsed = Parsed(page)
    style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": f"default-src 'none'; style-src 'sha256-{digest}'"}) in parsed.elements
    names = {tag for tag, _ in parsed.elements}
    attributes = {name for _, attrs in parsed.elements for name in attrs}
    assert not names & {"script", "link", "img", "iframe", "object", "a", "form", "base"} and not attributes & {"src", "href", "style", "xlink:href"}
    assert not any(name.startswith("on") for name in attributes) and "url(" not in page and "@import" not in page and "//" not in page
    assert "prefers-color-scheme:dark" in style and "@media print" in style
    plots = [attrs for tag, attrs in parsed.elements if tag == "svg"]
    assert len(plots) == 3
    for attrs in plots:  # each is named by its own title and description, which are there
        ids = attrs["aria-labelledby"].split()
        assert attrs["role"] == "img" and [t for t, a in parsed.elements if a.get("id") in ids] == ["title", "desc"]
    ids = [a["id"] for _, a in parsed.elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_page_is_its_owners_and_comes_whole_or_not_at_all(known):
    known.page()
    place = known.folder / "report.html"
    assert place.stat().st_mode & 0o777 == 0o600
    os.chmod(place, 0o644)
    before = place.stat().st_ino
    known.page()
    assert place.stat().st_mode & 0o777 == 0o600 and place.stat().st_ino != before
    done = known.run("--html", known.folder / "nowhere" / "report.html")
    assert done.returncode == BAD and "nowhere/report.html" in done.stderr
    assert sorted(p.name for p in known.folder.iterdir()) == [OLD, NEXT, "report.html"]


def test_rows_and_others_add_up(known):
    found = known.report("--limit", "1")
    assert rows(found["subjects"], "subject", "requests") == [("alice", 5)] and found["subjects"]["others"] == {
        "requests": 6, "allowed": 1, "denied": 4, "limited": 0, "errors": 1, "shadow_denied": 0}
    assert found["subjects"]["distinct"] == 3 and "  2 others  " in known.run("--limit", "1").stdout and "2 others" in known.page("--limit", "1")


# -- periods ----------------------------------------------------------------------------------------------------------------------------


def test_period_begins_with_its_first_moment_and_ends_before_its_last(known):
    found = known.report("--since", "2026-01-01", "--until", "2026-01-02")
    assert found["requests"] == 10 and (found["since"], found["until"]) == ("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z")
    assert found["unfinished"] == 1, "what began in the period may end behind it"
    assert found["seals"] == 1 and len(found["times"]) == 24
    assert known.report("--since", "2026-01-02")["requests"] == 1
    assert known.report("--since", "2026-01-01T10:00:00Z", "--until", "2026-01-01T10:59:59Z")["requests"] == 1
    assert known.report("--until", "2026-01-01T00:00:00Z")["requests"] == 0


def test_records_that_came_days_late_are_counted(journal):
    journal.write("audit-2026-01-09.jsonl", [record("01T12:00:00"), record("09T12:00:00")])
    assert journal.report("--since", "2026-01-01", "--until", "2026-01-02")["requests"] == 1


def test_files_older_than_the_period_are_not_opened(known):
    (known.folder / "audit-2025-12-01.jsonl.gz").write_bytes(b"no gzip")
    assert known.report("--since", "2026-01-01")["requests"] == 11
    assert known.report(status=BAD)["complete"] is False


def test_named_periods_are_whole_ones(journal):
    now = time.time()
    day = time.strftime("%Y-%m-%d", time.gmtime(now))
    yesterday = time.strftime("%Y-%m-%d", time.gmtime(now - 86400))
    journal.write(f"audit-{day}.jsonl", [{**record("01T00:00:00"), "ts": ts} for ts in (f"{yesterday}T00:00:00.000Z", f"{yesterday}T23:59:59.999Z", f"{day}T00:00:00.000Z")])
    found = journal.report("--period", "day")
    if time.strftime("%Y-%m-%d", time.gmtime()) == day:  # else midnight has just passed
        assert found["requests"] == 2 and (found["since"][:10], found["until"][:10]) == (yesterday, day)
    week, month = journal.report("--period", "week"), journal.report("--period", "month")
    assert time.strptime(week["since"][:10], "%Y-%m-%d").tm_wday == 0 and month["since"].endswith("-01T00:00:00.000Z") and month["until"].endswith("-01T00:00:00.000Z")


@pytest.mark.parametrize("arguments", [["--period", "year"], ["--period", "day", "--since", "1h"], ["--since", "2026-01-02", "--until", "2026-01-01"], ["--limit", "0"],
                                       ["--limit", "1001"], ["--json", "--html", "x"], ["--subject", "alice"], ["--all"], ["--since", "soon"]])
def test_what_makes_no_sense_is_refused(known, arguments):
    done = known.run(*arguments)
    assert done.returncode == USAGE and done.stderr and done.stdout == ""


# -- journals that are not as one would like --------------------------------------------------------------------------------------------


def test_compressed_files_count_the_same(known):
    plain = known.report()
    data = (known.folder / OLD).read_bytes()
    (known.folder / (OLD + ".gz")).write_bytes(gzip.compress(data))
    (known.folder / OLD).unlink()
    assert known.report() == plain


def test_damaged_file_is_named_and_the_rest_counted(known):
    data = gzip.compress((known.folder / OLD).read_bytes())
    (known.folder / OLD).unlink()
    (known.folder / (OLD + ".gz")).write_bytes(data[:len(data) // 2])
    done = known.run("--json")
    found = json.loads(done.stdout)
    assert done.returncode == BAD and f"{OLD}: damaged" in done.stderr and found["complete"] is False
    assert rows(found["subjects"], "subject")[0] == ("alice",) and found["last"] == "2026-01-02T00:00:00.000Z"
    assert "Not all of the journal could be read" in known.run().stdout


def test_file_that_cannot_be_opened_is_named_and_the_rest_counted(known):
    program = known.folder / "mcpauthctl"  # a copy: the build may lie where the other user may not look
    shutil.copy(paths.built_program("mcpauthctl"), program)
    known.write("audit-2026-01-03.jsonl", [record("03T00:00:00")])
    for path, mode in {known.folder: 0o755, known.folder / OLD: 0o644, known.folder / NEXT: 0o600, known.folder / "audit-2026-01-03.jsonl": 0o644}.items():
        os.chmod(path, mode)
    for folder in known.folder.parents:
        if folder.name.startswith(("pytest-", "popen-")):  # pytest's own, one more in a parallel run
            os.chmod(folder, 0o755)
    done = subprocess.run(["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", program, "audit", "report", "--json", "--journal", known.folder],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60 * paths.PATIENCE, check=False)
    assert done.returncode == BAD and done.stderr == f"mcpauthctl: {known.folder}/{NEXT}: Permission denied; it is passed over\n"
    assert json.loads(done.stdout)["requests"] == 11 and json.loads(done.stdout)["last"] == "2026-01-03T00:00:00.000Z"


def test_lines_that_hold_no_record_are_counted_as_such(known):
    with open(known.folder / NEXT, "a") as f:
        f.write('nonsense\n{"ts":"2026-01-02T00:00:00.000Z"}\n')
    found = known.report(status=BAD)
    assert found["unreadable"] == 2 and found["requests"] == 11 and found["complete"] is False


@pytest.mark.parametrize("content", [None, ""])
def test_empty_journal_is_a_report_of_nothing(journal, content):
    if content is not None:
        (journal.folder / OLD).write_text(content)
    found = journal.report()
    assert found["requests"] == 0 and found["times"] == [] and found["subjects"]["rows"] == [] and found["complete"]
    assert "0 requests\n" in journal.run().stdout
    assert Parsed(journal.page()).tables["Sums"][0][:2] == ["Requests", "0"]


def test_no_journal_at_all_is_an_error(journal):
    done = Journal(journal.folder / "nowhere").run()
    assert done.returncode == BAD and "--journal" in done.stderr


HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror='alert(1)'>", "\x1b[2J\x1b]0;title\x07", "\u202egnp.exe", "a\u0085b\u009bc", "&lt;b&gt;", "</td></table>", "=cmd|' /C calc'!A0",
           "\n\nSums\n", "é" * 600]


def test_hostile_names_stay_text_everywhere(journal):
    journal.write(OLD, [record("01T00:00:00", "deny", word, sub=word, client_id=word, location=word, rpc_method=word, rpc_name=word, ip=word) for word in HOSTILE])
    found = journal.report()
    assert {row["subject"] for row in found["subjects"]["rows"]} == {w[:512] for w in HOSTILE}  # as long as a record may have them: 1024 bytes
    text = journal.run().stdout
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]", text) and "\\x1b[2J\\x1b]0;title\\x07" in text and text.count("\n\nSums\n") == 0
    page = journal.page()
    parsed = Parsed(page)
    assert not {tag for tag, _ in parsed.elements} & {"script", "img", "b"} and not re.search(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]", page)
    shown = {row[0] for row in parsed.tables["Subjects"][1:]}
    assert {"<script>alert(1)</script>", "\"><img src=x onerror='alert(1)'>", "\\x1b[2J\\x1b]0;title\\x07", "&lt;b&gt;", "</td></table>"} <= shown
    assert html.escape("<script>alert(1)</script>") in page
    assert "\u202e" not in text + page and "\\xe2\\x80\\xaegnp.exe" in text


def read_terminal(primary):
    """All that is written to it, until nobody has it open."""
    text = b""
    try:
        while data := os.read(primary, 65536):
            text += data
    except OSError:  # how a terminal says that it was its end
        pass
    os.close(primary)
    return text.decode()


def has_open(process, name):
    folder = f"/proc/{process.pid}/fd"
    try:
        return any(os.path.basename(os.readlink(f"{folder}/{n}")) == name for n in os.listdir(folder))
    except FileNotFoundError:  # closed meanwhile
        return False


def test_page_of_text_fits_the_terminal(journal):
    """Names that fit stand in their row; longer ones on a line of their own, so that the numbers stay in their columns."""
    long = "service-account-of-the-nightly-build@ci.example.com"
    journal.write(OLD, [record("01T00:00:00"), record("01T00:00:00", sub=long)])
    primary, secondary = pty.openpty()
    subprocess.run(["stty", "cols", "80"], stdin=secondary, check=True)
    done = subprocess.Popen([*ARGV, "--journal", journal.folder], stdout=secondary, env={**os.environ, "NO_COLOR": "1"})
    os.close(secondary)
    shown = read_terminal(primary).replace("\r\n", "\n").splitlines()
    assert done.wait(30 * paths.PATIENCE) == GOOD
    assert max(len(line) for line in shown) <= 80
    at = shown.index("Subjects")
    assert shown[at + 2].startswith("  alice  ") and shown[at + 3].strip() == long and shown[at + 4].split()[0] == "1"
    assert len(shown[at + 2]) == len(shown[at + 4]) == len(shown[at + 1])
    at = shown.index("Who used what")
    assert shown[at + 2].startswith("  alice  ") and shown[at + 3].strip() == long
    assert shown[at + 4] == shown[at + 2].replace("alice", "     ") and shown[at + 4].split() == ["/mcp", "tools/call", "search", "1"]


@pytest.mark.alone
def test_bar_is_shown_after_a_second_and_goes(journal):
    journal.write(OLD, [record("01T00:00:00")] * 100000)
    (journal.folder / (NEXT + ".gz")).write_bytes(b"no gzip")
    primary, secondary = pty.openpty()
    argv = [*ARGV, "--journal", journal.folder, "--json"]
    shower = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=secondary)
    os.close(secondary)
    wait_until(lambda: has_open(shower, OLD), 20, "it reads")
    shower.send_signal(signal.SIGSTOP)
    time.sleep(1.2)
    shower.send_signal(signal.SIGCONT)
    with ThreadPoolExecutor(1) as pool:  # a terminal that nobody reads fills up
        said = pool.submit(read_terminal, primary)
        assert json.loads(shower.communicate(timeout=60 * paths.PATIENCE)[0])["requests"] == 100000
        bars, rest = said.result().rsplit("\r\x1b[K", 1)
    assert re.search(r"\r\[#*\.+\] +\d+%  [\d.]+ MB/s  [\d:]+ left", bars) and "\n" not in bars
    assert re.fullmatch(rf"mcpauthctl: .*{NEXT}: damaged.*\r\n", rest), "the bar is gone before anything else is said"
    quiet = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60 * paths.PATIENCE)
    assert quiet.stderr.decode() == rest.replace("\r\n", "\n")


# -- against the daemon ------------------------------------------------------------------------------------------------------------------


def sums(admind, name, label):
    found = {}
    for (metric, pairs), value in admind.metrics().items():
        if metric == name:
            found[dict(pairs)[label]] = found.get(dict(pairs)[label], 0) + int(value)
    return found


def test_numbers_are_those_of_the_metrics(stack):
    """Requests through httpd, and such of other children, with lost and unreadable ones."""
    good = stack.token(sub="alice")
    for token in (good, good, None, stack.token(sub="bob", signature=b"x" * 256), stack.token(sub="carol", expires_in=-3600), stack.token(sub="dave", scope="other")):
        stack.call(token=token)
    stack.admind.wait_journal(6)
    child = Child(stack.admind.dirs.socket)
    child.hello()
    child.records(1, [request(sub="erin", rpc_method="tools/list"), request("rate_limited_subject", "limit", 429), request("expired", "shadow_deny"),
                      request("keys_missing", "error", 503), b"\xff", request("scope_missing", "deny", 403, event="decision", request_id="x")])
    child.acked(6)
    child.close()
    again = Child(stack.admind.dirs.socket, instance=child.instance)
    again.hello(10)
    again.records(10, [request(sub="erin")])
    again.acked(10)
    again.close()
    report = Journal(stack.admind.dirs.journal).report()
    decisions = {"allowed": "allow", "denied": "deny", "limited": "limit", "errors": "error", "shadow_denied": "shadow_deny", "other": "other"}
    counted = sums(stack.admind, "mcpauth_requests_total", "decision")
    assert report["requests"] == sum(counted.values()) == 11
    assert {d: report[k] for k, d in decisions.items() if report[k]} == counted
    assert {row["location"]: row["requests"] for row in report["locations"]["rows"]} == sums(stack.admind, "mcpauth_requests_total", "location")
    refused = {row["reason"]: row["denied"] + row["limited"] + row["errors"] for row in report["reasons"]["rows"]}
    assert {k: v for k, v in refused.items() if v} == sums(stack.admind, "mcpauth_denials_total", "reason")
    assert sum(row["failures"] for row in report["addresses"]["rows"]) == sum(sums(stack.admind, "mcpauth_auth_failures_total", "reason").values()) > 3
    operations = {}
    for row in report["operations"]["rows"]:
        operations[row["method"]] = operations.get(row["method"], 0) + row["requests"]
    assert operations == sums(stack.admind, "mcpauth_operations_total", "operation")
    assert report["lost"] == stack.admind.metric("mcpauth_audit_lost_total") == 3
    assert (report["corrupt"], report["unfinished"]) == (1, 1)
