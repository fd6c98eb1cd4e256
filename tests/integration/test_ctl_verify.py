# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl audit verify: whether a journal is whole. Somebody who can write to it takes a line away, moves it, or writes one twice."""
import json
import os
import subprocess
import time

import pytest

from daemon_child import Child, request
from harness import paths

GOOD, BAD, USAGE, UNREADABLE = 0, 1, 2, 3
ONE, TWO = "01" * 16, "02" * 16
OLD, NEXT, NEWEST = "audit-2026-01-01.jsonl", "audit-2026-01-01.1.jsonl", "audit-2026-01-02.jsonl"


def line(seq, instance=ONE, **members):
    return json.dumps({"ts": f"2026-01-01T00:00:{seq % 60:02}.000Z", "decision": "allow", "status": 200, **members, "instance": instance, "seq": seq})


def lines(*seqs, instance=ONE):
    return [line(seq, instance) for seq in seqs]


class Journal:
    def __init__(self, folder):
        self.folder = folder

    def write(self, name, content, end="\n"):
        (self.folder / name).write_text("\n".join(content) + end)
        return self

    def run(self, *arguments):
        return subprocess.run([paths.built_program("mcpauthctl"), "audit", "verify", "--journal", self.folder, *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60 * paths.PATIENCE, check=False)

    def verify(self):
        """(exit status, document); the faults as (file, line, fault)."""
        done = self.run("--json")
        document = json.loads(done.stdout)
        assert self.run().returncode == done.returncode and not done.stderr
        assert document["whole"] == (done.returncode == GOOD) == (document["fault_count"] == 0)
        return done.returncode, document, [(f["file"], f.get("line", 0), f["fault"]) for f in document["faults"]]


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


def test_journal_of_a_daemon_is_whole(world):
    admind = world.admind()
    for _ in range(2):
        child = Child(admind.dirs.socket)
        child.hello()
        child.records(1, [request(sub="alice"), request("signature_bad", "deny", 401, sub='odd "\\\n\x1b[31m'), request()])
        child.acked(3)
        child.close()
    done = Journal(admind.dirs.journal).run()
    assert done.returncode == GOOD, done.stdout + done.stderr
    for words in ("files      1,", "records    6,", "instances  2, 0 of them begin behind seq 1", "lost       0,", "whole: no record is missing", "does not show whether a value was edited"):
        assert words in done.stdout
    assert "\x1b" not in done.stdout
    by_config = admind.ctl("audit", "verify", "--config", admind.conf_path, "--json")
    assert by_config.returncode == GOOD and json.loads(by_config.stdout)["records"] == 6, by_config.stderr


def test_whole_journal_over_files_and_instances(journal):
    journal.write(OLD, [*lines(1, 2, 3), line(7, TWO)]).write(NEXT, [line(8, TWO), *lines(4, 5)]).write(NEWEST, [line(6), line(9, TWO)])
    status, document, faults = journal.verify()
    assert status == GOOD and faults == []
    assert {k: document[k] for k in ("files", "records", "instances", "begun_earlier", "lost", "first", "last", "first_file", "last_file")} == {
        "files": 3, "records": 9, "instances": 2, "begun_earlier": 1, "lost": 0, "first": "2026-01-01T00:00:01.000Z", "last": "2026-01-01T00:00:09.000Z",
        "first_file": OLD, "last_file": NEWEST}


HURT = {
    "line deleted": (lines(1, 2, 4, 5), [(3, "seq_hole")]),
    "line twice": (lines(1, 2, 2, 3), [(3, "seq_repeated")]),
    "old line again": (lines(1, 2, 3, 1, 4), [(4, "seq_back"), (5, "seq_hole")]),
    "lines swapped": (lines(1, 3, 2, 4), [(2, "seq_hole"), (3, "seq_back"), (4, "seq_hole")]),
    "seq edited": (lines(1, 2, 30, 4, 5), [(3, "seq_hole"), (4, "seq_back")]),
    "instance edited": ([line(1), line(2, TWO), line(3)], [(3, "seq_hole")]),
    "JSON broken": ([line(1), line(2)[:-1], line(3)], [(2, "not_json"), (3, "seq_hole")]),
    "no object": ([line(1), "[1]"], [(2, "not_json")]),
    "empty line": ([line(1), "", line(2)], [(2, "not_json")]),
    "member twice": ([line(1), line(2)[:-1] + ', "status": 401}'], [(2, "not_json")]),
    "behind the object": ([line(1), line(2) + " {}"], [(2, "not_json")]),
    "unknown member": ([line(1), line(2, seal="x")], [(2, "member_unknown")]),
    "member of another type": ([line(1), line(2, status="200")], [(2, "member_wrong")]),
    "no ts": ([line(1), json.dumps({"instance": ONE, "seq": 2})], [(2, "member_missing")]),
    "no such time": ([line(1), line(2, ts="2026-02-31T00:00:00.000Z")], [(2, "member_wrong")]),
    "time without milliseconds": ([line(1), line(2, ts="2026-01-01T00:00:00Z")], [(2, "member_wrong")]),
    "no instance": ([line(1), json.dumps({"ts": "2026-01-01T00:00:00.000Z", "seq": 2})], [(2, "member_missing")]),
    "no seq": ([line(1), json.dumps({"ts": "2026-01-01T00:00:00.000Z", "instance": ONE})], [(2, "member_missing")]),
    "short instance": ([line(1), line(2, ONE[:-1])], [(2, "member_wrong")]),
    "seq zero": ([line(0), line(1)], [(1, "member_wrong")]),
    "gap record that tells of fewer": ([line(1), line(5, event="gap", lost=3)], [(2, "seq_hole")]),
    "no gap record": ([line(1), line(5, event="corrupt", lost=4)], [(2, "seq_hole")]),
    "line longer than any record": ([line(1), line(2, sub="x" * 400000), line(2)], [(2, "line_long")]),
}


@pytest.mark.parametrize("content,expected", HURT.values(), ids=HURT.keys())
def test_damage_is_told_with_its_line(journal, content, expected):
    status, _, faults = journal.write(OLD, content).verify()
    assert status == BAD and faults == [(OLD, *fault) for fault in expected]
    shown = journal.run().stdout
    assert f"{OLD}:{expected[0][0]}: " in shown and f"not whole: {len(expected)} fault" in shown


def test_hole_at_a_boundary_of_files_is_found(journal):
    assert journal.write(OLD, lines(1, 2)).write(NEXT, lines(4)).verify()[2] == [(NEXT, 1, "seq_hole")]
    assert f"{NEXT}:1: instance {ONE}: seq 3 to 3 missing" in journal.run().stdout


def test_torn_tail_of_the_newest_file_is_no_damage(journal):
    status, document, _ = journal.write(OLD, lines(1)).write(NEXT, [*lines(2), '{"ts": "20'], end="").verify()
    assert status == GOOD and document["torn_bytes"] == 10 and document["records"] == 2
    assert f"10 bytes at the end of {NEXT}" in journal.run().stdout
    status, document, _ = journal.write(NEXT, [*lines(2), "\0" * 1000000], end="").verify()  # larger than what is read at once
    assert status == GOOD and document["torn_bytes"] == 1000000


def test_torn_line_in_an_older_file_is_damage(journal):
    assert journal.write(OLD, [*lines(1), '{"ts": "20'], end="").write(NEXT, lines(2)).verify()[2] == [(OLD, 2, "line_torn")]


def test_gap_records_are_summed_and_are_no_fault(journal):
    journal.write(OLD, [line(1), line(2, event="gap", lost=40), line(3), line(7, event="gap", lost=4), line(8), line(1, TWO, event="corrupt")])
    status, document, _ = journal.verify()
    assert status == GOOD and (document["lost"], document["gap_records"], document["corrupt"]) == (44, 2, 1)
    assert "44, told by 2 gap records" in journal.run().stdout


def test_gap_of_a_real_child_is_accepted(world):
    """A child whose spool lost records in between: the daemon's own gap record stands for their seqs."""
    admind = world.admind()
    child = Child(admind.dirs.socket)
    child.hello()
    child.records(1, [request(), request()])
    child.acked(2)
    child.close()
    again = Child(admind.dirs.socket, instance=child.instance)
    again.hello(6)
    again.records(6, [request()])
    again.acked(6)
    again.close()
    status, document, _ = Journal(admind.dirs.journal).verify()
    assert status == GOOD and document["lost"] == 3 and document["records"] == 4


def test_missing_file_between_two_is_found(journal):
    journal.write("audit-2026-01-01.3.jsonl", lines(1)).write("audit-2026-01-01.5.jsonl", lines(2)).write("audit-2026-01-04.1.jsonl", lines(3))
    assert journal.verify()[2] == [("audit-2026-01-01.5.jsonl", 0, "file_missing"), ("audit-2026-01-04.1.jsonl", 0, "file_missing")]


def test_numbers_within_a_day_are_in_the_order_of_numbers(journal):
    for number in range(12):
        journal.write(f"audit-2026-01-01.{number}.jsonl" if number else OLD, lines(number + 1))
    assert journal.verify()[0] == GOOD


def test_file_of_a_day_to_come_is_a_fault(journal):
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 2 * 86400))
    assert journal.write(f"audit-{day}.jsonl", lines(1)).verify()[2] == [(f"audit-{day}.jsonl", 0, "file_future")]


def test_first_twenty_faults_are_shown(journal):
    _, document, faults = journal.write(OLD, ["nonsense\x1b[31m"] * 50).verify()
    assert len(faults) == 20 and document["fault_count"] == 50 and document["broken_lines"] == 50
    shown = journal.run().stdout
    assert f"{OLD}:20: " in shown and f"{OLD}:21: " not in shown and "and 30 more\n" in shown and "\x1b" not in shown


def test_member_names_are_shown_without_control_characters(journal):
    journal.write(OLD, [line(1, **{"\x1b[31m" + "é" * 300: 1})])
    assert "\x1b" not in journal.run().stdout and journal.verify()[0] == BAD


def test_what_cannot_be_read_is_told_apart(journal):
    for arguments in ([], ["--json"]):
        empty = journal.run(*arguments)
        assert empty.returncode == UNREADABLE and "no journal file" in empty.stderr and empty.stdout == ""
    missing = Journal(journal.folder / "nowhere").run()
    assert missing.returncode == UNREADABLE and "--journal" in missing.stderr and missing.stdout == ""
    journal.write(OLD, lines(1))
    os.mkfifo(journal.folder / NEXT)
    done = journal.run()
    assert done.returncode == UNREADABLE and f"{NEXT} is no regular file" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("arguments", [["--since", "1h"], ["--subject", "alice"], ["--limit", "3"], ["everything"], ["--json=yes"]])
def test_verify_takes_no_filters(journal, arguments):
    done = journal.write(OLD, lines(1)).run(*arguments)
    assert done.returncode == USAGE and done.stderr and done.stdout == ""
