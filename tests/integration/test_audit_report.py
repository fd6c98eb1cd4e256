# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl audit report: who used what and who was denied what. Known journals with exact numbers in all three forms."""
import base64
import hashlib
import os
import re
import time

import pytest

from harness import SOURCE
from report_parts import BAD, DECISIONS, GOOD, KNOWN, LATER, NEXT, OLD, USAGE, Journal, Parsed, record, rows


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


@pytest.fixture
def known(journal):
    # The final record of r1 comes behind its decision, as in a real journal.
    records = [*KNOWN[1:13], KNOWN[0], *KNOWN[13:]]
    return journal.write(OLD, records).write(NEXT, LATER)


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
