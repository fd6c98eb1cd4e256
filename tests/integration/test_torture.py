# SPDX-License-Identifier: Apache-2.0
"""The torture's judge, on journals made by hand: it must pass what is whole and notice every single thing that is not. Whether the
programs pass is tests/torture's own business."""
import gzip
import json
import sys

import pytest

from harness import paths

sys.path.insert(0, str(paths.SOURCE / "tests" / "torture"))
from oracle import BEGUN, COMPLETE, FOLLOWED, ON, REFUSED_ON, REQUIRED, SENT, Journal, Verdict  # noqa: E402  pylint: disable=wrong-import-position

# What the clients saw: kind, outcome, status, by number.
SEEN = [(REQUIRED, FOLLOWED, 200), (ON, FOLLOWED, 200), (REFUSED_ON, FOLLOWED, 401), (REQUIRED, BEGUN, 200), (ON, COMPLETE, 200), (ON, SENT, 0)]
CHILD = "0123456789abcdef" * 2


def record(number, path, status=200, **more):
    return {"path": f"/{path}/{number}", "status": status, "request_id": f"r{number}", **more}


def whole():
    """The journal of SEEN: request 3's child died after the decision, 4's before its record was written, 5's before it was read."""
    return [record(0, "mcp", event="decision"), record(0, "mcp"), record(1, "on"), {"event": "seal", "ts": "2026-11-21T00:00:00.000Z"},
            record(2, "on", 401), record(3, "mcp", event="decision")]


def judged(folder, lines, open_limit=2, seen=None, unhurt=range(0)):
    seq = 0
    text = ""
    for line in lines:
        if isinstance(line, dict) and line.get("event") != "seal":
            seq = line.setdefault("seq", seq + 1)
            line.setdefault("instance", CHILD)
        text += (line if isinstance(line, str) else json.dumps(line)) + "\n"
    (folder / "audit-2026-11-21.jsonl").write_text(text)
    return Verdict(Journal(folder, len(SEEN)), seen or SEEN, open_limit, unhurt)


def test_a_whole_journal_passes(tmp_path):
    verdict = judged(tmp_path, whole())
    assert verdict.faults == {}
    assert (verdict.counts["in flight"], verdict.counts["unfinished"], verdict.counts["requests"]) == (1, 1, 6)


def without(n):
    return lambda lines: lines[:n] + lines[n + 1:]


def twice(n):
    return lambda lines: lines + [dict(lines[n])]


def more(line):
    return lambda lines: lines + [line]


@pytest.mark.parametrize("damage, fault", [
    (without(0), "lost"),                                                  # handled, and no decision
    (without(1), "more decisions without a record than dead children had threads"),
    (without(2), "lost"),                                                  # MCPAuthAudit On: over, and no record
    (without(4), "lost"),                                                  # the same of a refusal
    (without(5), "lost"),                                                  # the answer broke off, but the handler ran
    (twice(0), "duplicated"), (twice(2), "duplicated"),
    (more(record(5, "on", seq=7)), "holes in seq"), (more(record(5, "on", seq=5)), "holes in seq"),
    (more({"event": "gap", "lost": 3}), "lost as gaps"), (more({"event": "corrupt"}), "corrupt"),
    (more('{"half a li'), "lines that are no record"),
    (more(record(77, "on")), "records of no request"), (more(record(4, "on", 503)), "records of no request"),
    (more(record(3, "mcp", request_id="other")), "records of no request"), (more(record(4, "on", event="decision")), "records of no request"),
])
def test_each_damage_is_noticed(tmp_path, damage, fault):
    limit = 1 if "more" in fault else 2
    assert fault in judged(tmp_path, damage(whole()), open_limit=limit).faults


def test_more_in_flight_than_the_dead_can_have_had(tmp_path):
    assert judged(tmp_path, whole(), open_limit=0).faults == {"more in flight than dead children had threads": 1, "more decisions without a record than dead children had threads": 1}


@pytest.mark.parametrize("lost, faults", [(1, {}), (2, {"records missing, and gaps told of another number": 1})])
def test_gaps_must_tell_the_exact_number(tmp_path, lost, faults):
    verdict = judged(tmp_path, whole() + [{"event": "gap", "lost": lost}], unhurt=range(len(SEEN)))
    assert verdict.faults == faults


def test_compressed_files_are_read_and_none_twice(tmp_path):
    judged(tmp_path, whole())
    plain = tmp_path / "audit-2026-11-21.jsonl"
    with gzip.open(tmp_path / "audit-2026-11-21.jsonl.gz", "wb") as f:
        f.write(plain.read_bytes())
    assert Verdict(Journal(tmp_path, len(SEEN)), SEEN, 2).faults == {}
    plain.unlink()
    assert Verdict(Journal(tmp_path, len(SEEN)), SEEN, 2).faults == {}
