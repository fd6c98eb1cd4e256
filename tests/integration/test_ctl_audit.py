# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl audit: the journal searched and followed, without the daemon's help."""
import gzip
import json
import os
import signal
import subprocess
import time

import pytest

from daemon_child import Child, request
from harness import paths, wait_until

GOOD, BAD, USAGE = 0, 1, 2


@pytest.fixture(scope="module")
def journal(module_world):
    admind = module_world.admind()
    child = Child(admind.dirs.socket)
    child.hello()
    child.records(1, [request(sub="alice", client_id="one"), request("signature_bad", "deny", 401, sub="bob"), request("scope_missing", "deny", 403, sub="alice"),
                      request(sub='odd "\\\n\x1b[31m', client_id="two"), request("rate_limited_subject", "limit", 429, sub="carol")])
    child.acked(5)
    child.close()
    return admind


def search(admind, *arguments):
    done = admind.ctl("audit", "search", "--journal", admind.dirs.journal, "--json", *arguments)
    assert done.returncode == GOOD, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_search_filters_exactly(journal):
    assert [r["seq"] for r in search(journal)] == [1, 2, 3, 4, 5]
    assert [r["seq"] for r in search(journal, "--subject", "alice")] == [1, 3]
    assert [r["seq"] for r in search(journal, "--subject", "ali")] == []
    assert [r["seq"] for r in search(journal, "--subject", "alice", "--decision", "deny")] == [3]
    assert [r["seq"] for r in search(journal, "--reason", "signature_bad")] == [2]
    assert [r["seq"] for r in search(journal, "--client", "two")] == [4]
    assert [r["seq"] for r in search(journal, "--address", "192.0.2.1", "--location", "/mcp")] == [1, 2, 3, 4, 5]
    assert [r["seq"] for r in search(journal, "--subject", 'odd "\\\n\x1b[31m')] == [4]
    assert [r["seq"] for r in search(journal, "--limit", "2")] == [4, 5]
    assert [r["seq"] for r in search(journal, "--limit", "0")] == [1, 2, 3, 4, 5]


def test_search_in_time(journal):
    assert len(search(journal, "--since", "1h")) == 5
    assert search(journal, "--until", "1h") == []
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert search(journal, "--since", tomorrow) == []
    assert len(search(journal, "--since", today + "T00:00:00Z", "--until", tomorrow + "T23:59:59+00:00")) == 5


def test_search_as_a_table_shows_no_control_characters(journal):
    done = journal.ctl("audit", "search", "--journal", journal.dirs.journal)
    assert done.returncode == GOOD and "\x1b" not in done.stdout and "\\x1b[31m" in done.stdout and "\\x0a" in done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) == 6 and lines[0].split()[0] == "TIME" and "signature_bad" in lines[2]


def test_search_reads_the_journal_that_the_configuration_names(journal):
    done = journal.ctl("audit", "search", "--json", "--config", journal.conf_path, "--reason", "signature_bad")
    assert [json.loads(line)["sub"] for line in done.stdout.splitlines()] == ["bob"]
    assert journal.ctl("audit", "search", "--journal", "/nonexistent").returncode == BAD


def test_follow_shows_what_comes_and_stops_at_its_limit(journal):
    argv = [str(paths.built_program("mcpauthctl")), "audit", "follow", "--json", "--journal", str(journal.dirs.journal), "--subject", "dave", "--limit", "2"]
    follower = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=journal._env())
    child = Child(journal.dirs.socket)
    child.hello()
    try:
        seq = 1
        deadline = time.monotonic() + 20
        while follower.poll() is None and time.monotonic() < deadline:
            child.records(seq, [request(sub="dave"), request(sub="erin")])
            child.acked(seq + 1)
            seq += 2
            time.sleep(0.3)
        assert follower.wait(5) == GOOD
        assert [json.loads(line)["sub"] for line in follower.stdout.read().splitlines()] == ["dave", "dave"]
    finally:
        follower.kill()
        child.close()


# -- files of known content, compressed ones too ----------------------------------------------------------------------------------------

DAYS = ["2026-01-01", "2026-01-02", "2026-01-03"]


def line(seq, day, **members):
    members = {"ts": f"{day}T09:00:00.000Z", "sub": "alice", "method": "POST", "status": 200, "decision": "allow", "reason": "ok", **members, "instance": "01" * 16, "seq": seq}
    return json.dumps({k: v for k, v in members.items() if v is not None}, separators=(",", ":")) + "\n"


SEAL = json.dumps({"ts": "2026-01-02T10:00:00.000Z", "event": "seal", "epoch": 1, "mac": "ab" * 32}) + "\n"


class Files:
    def __init__(self, folder):
        self.folder = folder

    def write(self, name, *content, compressed=False):
        data = "".join(content).encode()
        (self.folder / (name + (".gz" if compressed else ""))).write_bytes(gzip.compress(data) if compressed else data)
        return self

    def append(self, name, *content):
        with open(self.folder / name, "a") as f:
            f.write("".join(content))

    def argv(self, *arguments):
        return [str(paths.built_program("mcpauthctl")), "audit", *arguments, "--json", "--journal", str(self.folder)]

    def run(self, *arguments):
        return subprocess.run(self.argv("search", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60 * paths.PATIENCE, check=False)

    def seqs(self, *arguments):
        done = self.run(*arguments)
        assert done.returncode == GOOD and not done.stderr, done.stderr
        return [json.loads(text).get("seq") for text in done.stdout.splitlines()]


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@pytest.fixture
def three_days(files):
    """The first day compressed."""
    files.write(f"audit-{DAYS[0]}.jsonl", line(1, DAYS[0], rpc_method="tools/call", rpc_name="search", request_id="r1"), line(2, DAYS[0], status=403, sub="bob"), compressed=True)
    files.write(f"audit-{DAYS[1]}.jsonl", line(3, DAYS[1], event="gap", lost=2, sub=None), SEAL, line(4, DAYS[1], token_hash="abcd", method="GET"))
    return files.write(f"audit-{DAYS[2]}.jsonl", line(5, DAYS[2], event="decision", request_id="r2"), line(6, DAYS[2], request_id="r2", ip="192.0.2.9"), line(7, DAYS[0]))


ASKED = {
    "--tool search": [1], "--method tools/call": [1], "--method GET": [4], "--status 403": [2], "--request-id r2": [5, 6], "--token-hash abcd": [4], "--event gap": [3],
    "--event decision": [5], "--event request": [1, 2, 4, 6, 7], "--request-id r2 --event request": [6], "--subject alice --status 403": [], "--status 0403": [2],
    "--event seal": [None], "--subject bob --since 2026-01-01 --until 2026-01-02": [2], "--since 2026-01-03": [5, 6], "--until 2026-01-02": [1, 2, 7], "": [1, 2, 3, 4, 5, 6, 7],
    "--limit 3": [5, 6, 7], "--all": [1, 2, 3, 4, 5, 6, 7], "--all --address 192.0.2.9": [6],
}


@pytest.mark.parametrize("asked,seqs", ASKED.items(), ids=ASKED.keys())
def test_search_by_every_member_over_compressed_files_too(three_days, asked, seqs):
    assert three_days.seqs(*asked.split()) == seqs


def test_search_shows_lines_as_they_are(three_days):
    first = gzip.decompress((three_days.folder / f"audit-{DAYS[0]}.jsonl.gz").read_bytes()).decode()
    assert three_days.run("--all", "--until", "2026-01-02").stdout == first + line(7, DAYS[0])


@pytest.mark.parametrize("asked", [["--status", "abc"], ["--status", "-1"], ["--all", "--limit", "3"], ["--html", "x"], ["--period", "day"]])
def test_search_refuses_what_makes_no_sense(three_days, asked):
    done = three_days.run(*asked)
    assert done.returncode == USAGE and done.stderr and done.stdout == ""


def test_damaged_file_is_told_and_the_rest_searched(three_days):
    place = three_days.folder / f"audit-{DAYS[0]}.jsonl.gz"
    place.write_bytes(place.read_bytes()[:-20])
    done = three_days.run()
    assert done.returncode == BAD and f"audit-{DAYS[0]}.jsonl: damaged" in done.stderr
    assert [json.loads(text)["seq"] for text in done.stdout.splitlines()][-5:] == [3, 4, 5, 6, 7]
    assert three_days.seqs("--since", "2026-01-03") == [5, 6], "a file that is older than what is asked for is not opened"


def test_all_of_many_is_shown_as_aligned_tables(files):
    files.write("audit-2026-01-01.jsonl", *(line(seq, DAYS[0], sub=f"subject-{seq}") for seq in range(1, 1001)))
    argv = [a for a in files.argv("search", "--all") if a != "--json"]
    shown = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=60 * paths.PATIENCE).stdout.splitlines()
    assert len(shown) == 1001 and shown[0].split()[0] == "TIME" and shown[1000].split()[4] == "subject-1000"
    assert len({text.index("subject-") for text in shown[1:]}) == 1


# -- follow -------------------------------------------------------------------------------------------------------------------------------


class Follower:
    def __init__(self, argv):
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = b""

    def wait(self, count, timeout=20):
        """Until so many lines were shown; all of them."""
        def enough():
            self.text += self.process.stdout.read() or b""
            return self.text.count(b"\n") >= count

        wait_until(enough, timeout * paths.PATIENCE, lambda: f"{count} lines: {self.text}")
        return [json.loads(text)["seq"] for text in self.text.decode().splitlines()]

    def end(self, sig=signal.SIGINT):
        self.process.send_signal(sig)
        status = self.process.wait(20 * paths.PATIENCE)
        assert self.process.stderr.read() == b""
        return status


@pytest.fixture
def follow(files):
    followers = []

    def start(*arguments):
        followers.append(Follower(files.argv("follow", *arguments)))
        return followers[-1]

    yield start
    for follower in followers:
        follower.process.kill()
        follower.process.wait()


def test_follow_goes_on_over_rotation_and_compression(files, follow):
    first, second, third = (f"audit-{name}.jsonl" for name in ("2026-01-01", "2026-01-01.1", "2026-01-02"))
    files.write(first, line(1, DAYS[0]))
    follower = follow("--since", "2026-01-01")
    assert follower.wait(1) == [1]
    files.append(first, line(2, DAYS[0])[:20])
    time.sleep(0.5)  # half a line is none
    files.append(first, line(2, DAYS[0])[20:], line(3, DAYS[0]))
    assert follower.wait(3) == [1, 2, 3]
    files.append(first, line(4, DAYS[0]))
    files.write(second, line(5, DAYS[0]))
    data = (files.folder / first).read_bytes()
    (files.folder / (first + ".gz")).write_bytes(gzip.compress(data))
    (files.folder / first).unlink()
    assert follower.wait(5) == [1, 2, 3, 4, 5]
    # While it stands still two files are closed and compressed.
    follower.process.send_signal(signal.SIGSTOP)
    files.append(second, line(6, DAYS[0]))
    files.write(third, line(7, DAYS[1]), compressed=True)
    files.write("audit-2026-01-03.jsonl", SEAL, line(8, DAYS[2]))
    (files.folder / (second + ".gz")).write_bytes(gzip.compress((files.folder / second).read_bytes()))
    (files.folder / second).unlink()
    follower.process.send_signal(signal.SIGCONT)
    assert follower.wait(8) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert follower.end() == GOOD


def test_follow_begins_now_and_filters(files, follow):
    files.write("audit-2026-01-01.jsonl", line(1, DAYS[0], sub="dave"), line(2, DAYS[0], sub="dave"))
    follower = follow("--subject", "dave")
    seq = 2

    def shown():
        nonlocal seq
        seq += 2
        files.append("audit-2026-01-01.jsonl", line(seq - 1, DAYS[0]), line(seq, DAYS[0], sub="dave"))
        follower.text += follower.process.stdout.read() or b""
        return follower.text.count(b"\n") >= 3

    wait_until(shown, 20 * paths.PATIENCE, lambda: str(follower.text))
    found = follower.wait(3)
    assert found == list(range(found[0], found[0] + 2 * len(found), 2)) and found[0] > 2 and found[0] % 2 == 0
    assert follower.end(signal.SIGTERM) == GOOD


def test_follow_begins_with_a_journal_that_is_not_there_yet(files, follow):
    follower = follow()
    time.sleep(0.5)
    files.write("audit-2026-01-01.jsonl", line(1, DAYS[0]))
    assert follower.wait(1) == [1]


def test_follow_ends_when_nobody_reads(files, follow):
    files.write("audit-2026-01-01.jsonl", line(1, DAYS[0]))
    follower = follow("--since", "2026-01-01")
    follower.wait(1)
    follower.process.stdout.close()
    assert follower.process.wait(20 * paths.PATIENCE) == GOOD and follower.process.stderr.read() == b""


def test_follow_survives_the_daemons_restart(world):
    admind = world.admind()
    child = Child(admind.dirs.socket)
    child.hello()
    child.records(1, [request()])
    child.acked(1)
    follower = Follower([str(paths.built_program("mcpauthctl")), "audit", "follow", "--json", "--journal", str(admind.dirs.journal), "--since", "1h", "--event", "request"])
    try:
        assert follower.wait(1) == [1]
        child.close()
        admind.kill()
        admind.start()
        again = Child(admind.dirs.socket, instance=child.instance)
        assert again.hello(2) == 1
        again.records(2, [request(), request()])
        again.acked(3)
        again.close()
        assert follower.wait(3) == [1, 2, 3]
        assert follower.end() == GOOD
    finally:
        follower.process.kill()
        follower.process.wait()
