# SPDX-License-Identifier: Apache-2.0
"""The torture's judge, on journals made by hand: it must pass what is whole and notice every single thing that is not. And its witness, the client
of the load, which must know a whole answer from one that lacks its last byte. Whether the programs pass is tests/torture's own business."""
import gzip
import json
import socket
import subprocess
import sys

import pytest

from harness import paths
from harness.process import free_port, wait_until

sys.path.insert(0, str(paths.SOURCE / "tests" / "torture"))
from oracle import BEGUN, COMPLETE, SENT, Journal, Verdict  # noqa: E402  pylint: disable=wrong-import-position
from rig import Hammer  # noqa: E402  pylint: disable=wrong-import-position
from shapes import SHAPES  # noqa: E402  pylint: disable=wrong-import-position

# What the clients saw: kind, outcome, status, by number.
REQUIRED, ON, REFUSED_ON = ([s.name for s in SHAPES].index(name) for name in ("file", "file-on", "unknown-on"))
SEEN = [(REQUIRED, COMPLETE, 200), (ON, COMPLETE, 200), (REFUSED_ON, COMPLETE, 401), (REQUIRED, BEGUN, 200), (ON, BEGUN, 200), (ON, SENT, 0)]
CHILD = "0123456789abcdef" * 2


def record(number, path, status=200, **more):
    return {"path": f"/{path}/file/{number}", "status": status, "request_id": f"r{number}", **more}


def whole():
    """The journal of SEEN: the children of 3 and 4 died while they sent the answer, 5's before it read the request."""
    return [record(0, "mcp", event="decision"), record(0, "mcp"), record(1, "on"), {"event": "seal", "ts": "2026-11-21T00:00:00.000Z"},
            record(2, "on", 401), record(3, "mcp", event="decision")]


def judged(folder, lines, open_limit=2, seen=None, no_room=False):
    seq = 0
    text = ""
    for line in lines:
        if isinstance(line, dict) and line.get("event") != "seal":
            seq = line.setdefault("seq", seq + 1)
            line.setdefault("instance", CHILD)
        text += (line if isinstance(line, str) else json.dumps(line)) + "\n"
    (folder / "audit-2026-11-21.jsonl").write_text(text)
    return Verdict(Journal(folder, len(SEEN)), seen or SEEN, open_limit, no_room)


def test_a_whole_journal_passes(tmp_path):
    verdict = judged(tmp_path, whole())
    assert verdict.faults == {}
    assert (verdict.counts["in flight"], verdict.counts["requests"], verdict.answers["file", 200]) == (2, 6, 1)


def without(n):
    return lambda lines: lines[:n] + lines[n + 1:]


def twice(n):
    return lambda lines: lines + [dict(lines[n])]


def more(line):
    return lambda lines: lines + [line]


@pytest.mark.parametrize("damage, fault", [
    (without(0), "lost"),                                                  # handled, and no decision
    (without(1), "lost"),                                                  # answered to the last byte, and no record of the end
    (without(2), "lost"),                                                  # the same where no decision is asked for
    (without(4), "lost"),                                                  # the same of a refusal
    (without(5), "lost"),                                                  # the answer broke off, but the handler ran
    (twice(0), "duplicated"), (twice(2), "duplicated"),
    (more(record(5, "on", seq=7)), "holes in seq"), (more(record(5, "on", seq=5)), "holes in seq"),
    (more({"event": "gap", "lost": 3}), "lost as gaps"), (more({"event": "corrupt"}), "corrupt"),
    (more('{"half a li'), "lines that are no record"),
    (more(record(77, "on")), "records of no request"), (more(record(4, "on", 503)), "records of no request"),
    (more(record(3, "mcp", request_id="other")), "records of no request"), (more(record(4, "on", event="decision")), "records of no request"),
    (more(record(4, "on", request_id="r1")), "records of no request"),
])
def test_each_damage_is_noticed(tmp_path, damage, fault):
    assert fault in judged(tmp_path, damage(whole())).faults


def test_a_broken_answer_may_have_its_record(tmp_path):
    verdict = judged(tmp_path, whole() + [record(3, "mcp"), record(5, "on")])
    assert verdict.faults == {} and (verdict.counts["in flight"], verdict.counts["unanswered"]) == (1, 2)


def test_more_in_flight_than_the_dead_can_have_had(tmp_path):
    assert judged(tmp_path, whole(), open_limit=1).faults == {"more in flight than dead children had threads": 1}


def test_a_decision_alone_is_in_flight_too(tmp_path):
    seen = SEEN[:3] + [(REQUIRED, SENT, 0), (ON, SENT, 0), SEEN[5]]
    assert judged(tmp_path, whole(), open_limit=0, seen=seen).faults == {"more in flight than dead children had threads": 1}


@pytest.mark.parametrize("lost, open_limit, faults", [
    (0, 0, {"records missing that no gap tells of": 1}), (1, 0, {}), (2, 0, {"gaps that tell of more than can be missing": 1}),
    (0, 9, {"records missing that no gap tells of": 1}), (10, 9, {}), (11, 9, {"gaps that tell of more than can be missing": 1}),
])
def test_gaps_must_tell_the_exact_number(tmp_path, lost, open_limit, faults):
    seen = [*SEEN[:3], (ON, COMPLETE, 200)]
    verdict = judged(tmp_path, whole()[:5] + [{"event": "gap", "lost": lost}] * (lost > 0), open_limit, seen, no_room=True)
    assert verdict.faults == faults


def test_a_gap_does_not_excuse_the_end_of_a_request_that_was_let_in(tmp_path):
    lines = [line for line in whole()[:5] if line != record(0, "mcp")] + [{"event": "gap", "lost": 1}]
    assert judged(tmp_path, lines, 0, SEEN[:3], no_room=True).faults == {"lost": 1, "gaps that tell of more than can be missing": 1}


def test_compressed_files_are_read_and_none_twice(tmp_path):
    judged(tmp_path, whole())
    plain = tmp_path / "audit-2026-11-21.jsonl"
    with gzip.open(tmp_path / "audit-2026-11-21.jsonl.gz", "wb") as f:
        f.write(plain.read_bytes())
    assert Verdict(Journal(tmp_path, len(SEEN)), SEEN, 2).faults == {}
    plain.unlink()
    assert Verdict(Journal(tmp_path, len(SEEN)), SEEN, 2).faults == {}


OK = b"HTTP/1.1 200 OK\r\n"
LENGTH, CHUNKED = OK + b"Content-Length: 12\r\n\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n"
TOO_LONG = b"c\r\nsome letters!"  # the one answer that a client can see to be none before its end, so it does not stay for the rest
ANSWERS = [  # and the connection ends
    (LENGTH + b"x" * 12, COMPLETE), (LENGTH + b"x" * 11, BEGUN), (LENGTH, BEGUN), (LENGTH[:-1], BEGUN),
    (OK + b"Content-Length: 0\r\n\r\n", COMPLETE), (OK + b"\r\n", BEGUN), (b"HTTP/1.1 200", BEGUN), (b"HTTP/1.1 20", SENT), (b"", SENT),
    (CHUNKED + b"c\r\nsome letters\r\n0\r\n\r\n", COMPLETE), (CHUNKED + b"c\r\nsome letters\r\n0\r\nLast: one\r\n\r\n", COMPLETE),
    (CHUNKED + b"c\r\nsome letters\r\n0\r\n\r", BEGUN), (CHUNKED + b"c\r\nsome letters\r\n", BEGUN), (CHUNKED + b"1C\r\nsome letters\r\n0\r\n\r\n", BEGUN),
    (CHUNKED + TOO_LONG + b"\r\n0\r\n\r\n", BEGUN),
    (b"HTTP/1.1 204 No Content\r\n\r\n", COMPLETE), (b"HTTP/1.1 204 No Content\r\n\r", BEGUN),
]


def witnessed(folder, method, answers, step):
    """[(outcome, status)] of requests that were answered so, in pieces of `step` bytes, each on a connection of its own. There are more requests than
    that: the client learns that a connection is over by using it."""
    subprocess.run(["make", "-C", paths.BUILD / "tests", "hammer"], check=True, stdout=subprocess.DEVNULL)
    with socket.create_server(("127.0.0.1", free_port())) as server:
        server.settimeout(30)
        hammer = Hammer(folder, (server.getsockname()[1], free_port()), (1, method, "/x", "Accept: */*\r\n"), 2000, threads=1, ids=1000)
        numbers = []
        try:
            for text in answers:
                peer, _ = server.accept()
                with peer:
                    request = peer.recv(4096)
                    assert request.startswith(method.encode() + b" /x/") and request.endswith(b"\r\nAccept: */*\r\n\r\n")
                    numbers.append(int(request.split()[1].split(b"/")[-1]))
                    for at in range(0, len(text), step):
                        try:
                            peer.sendall(text[at:at + step])
                        except (BrokenPipeError, ConnectionResetError):
                            assert TOO_LONG in text[:at], "it hangs up before it can know"
                            break
            server.close()
            hammer.set("stop", 1)
            wait_until(lambda: not hammer.process.alive, 30, "the client ends")
        finally:
            hammer.process.kill()
        entries = hammer.entries()
        return [entries[number][1:] for number in numbers]


@pytest.mark.parametrize("step", [1, 7, 4096])
def test_the_witness_knows_the_last_byte(tmp_path, step):
    seen = witnessed(tmp_path, "GET", [text for text, _ in ANSWERS], step)
    assert seen == [(outcome, 0 if outcome == SENT else int(text[9:12])) for text, outcome in ANSWERS]


def test_a_byte_too_many_is_no_complete_answer(tmp_path):
    # In one piece: of one that came later, nobody knows.
    assert witnessed(tmp_path, "GET", [LENGTH + b"x" * 13], 4096) == [(BEGUN, 200)]


def test_an_answer_to_head_ends_with_its_head(tmp_path):
    assert witnessed(tmp_path, "HEAD", [LENGTH, CHUNKED, LENGTH[:-1]], 4096) == [(COMPLETE, 200), (COMPLETE, 200), (BEGUN, 200)]
