# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl audit: the journal searched and followed, without the daemon's help."""
import json
import subprocess
import time

import pytest

from daemon_child import Child, request
from harness import paths

GOOD, BAD = 0, 1


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
