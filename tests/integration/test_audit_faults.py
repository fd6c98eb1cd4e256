# SPDX-License-Identifier: Apache-2.0
"""Fault sweeps: the first, second, third... call of one kind fails, until a whole life has not met the fault (tests/torture/faults). Whatever fails,
what was committed is in the journal once, nothing is acknowledged before it is synced, nobody crashes, hangs or spins, and an auditor finds the journal
whole."""
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from harness import paths

TESTS = paths.BUILD / "tests"
SHIM = TESTS / ".libs" / "faults.so"
DONE = re.compile(r"^(\S+): (\d+) lives, the last with call (\d+), (\d+) wrong$", re.M)

# What each life meets, and how many calls at the least: a sweep that finds nothing to break proves nothing.
DAEMON = {
    "memory-enomem": 60, "memory-enomem-onward": 60, "write-enospc": 8, "write-enospc-onward": 6, "write-eio": 8, "write-eintr": 8, "write-short": 8, "sync-eio": 8,
    "sync-enospc-onward": 6, "sync-eio-no-way-back": 8, "send-eintr": 4, "send-enobufs": 4, "send-reset-onward": 4, "send-short": 4, "open-emfile": 8,
    "open-emfile-onward": 8, "open-eio": 8, "rename-eio": 2, "rename-enospc-onward": 2, "unlink-eio": 4, "unlink-eio-onward": 4, "read-eio": 8, "read-eintr": 8,
    "write-die": 8, "sync-die": 8, "send-die": 4, "open-die": 8, "rename-die": 2, "unlink-die": 4,
}
CHILD = {
    "memory-enomem": 5, "memory-enomem-onward": 4, "write-enospc": 200, "write-enospc-onward": 150, "write-eio": 200, "write-eintr": 200, "write-short": 200, "write-die": 200,
    "send-eintr": 20, "send-enobufs": 20, "send-reset-onward": 20, "send-short": 20, "send-die": 20, "open-emfile": 8, "open-emfile-onward": 8, "open-eio": 8,
    "open-die": 8, "rename-eio": 4, "rename-enospc-onward": 4, "rename-die": 4, "allocate-enospc": 4, "allocate-enospc-onward": 4, "allocate-eintr": 4,
    "unlink-eio": 2, "unlink-eio-onward": 2, "unlink-die": 2, "read-eio": 100, "read-eintr": 100,
    "sync-eio": 30, "sync-enospc-onward": 30, "sync-die": 30,
}
# A fault planted into a build with crash points, and the sweep that must notice it.
PLANTED = {
    "ack_before_sync": ("faults_admind", "sync-eio"), "unlink_before_sync": ("faults_admind", "write-eio"), "broken_dedup": ("faults_admind", "unlink-die"),
    "publish_before_copy": ("faults_spool", "write-die"),
}
HAS_PLANTS = "-DMCPA_CRASH_POINTS" in (paths.BUILD / "Makefile").read_text()


@pytest.fixture(scope="module")
def programs():
    if paths.SANITIZE or paths.VALGRIND:
        pytest.skip("the shim and a sanitizer both take malloc's place")
    done = subprocess.run(["make", "-C", str(TESTS), "faults.la", "faults_admind", "faults_spool"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.fixture
def place():
    """In memory, where there is such a file system: thousands of syncs of a real disk prove nothing more."""
    folder = tempfile.mkdtemp(prefix="mcpauth-faults-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def run(program, fault, tmp, **env):
    """(exit status, what it said). Every call in turn; MCPAUTH_FAULTS=--full leaves none out."""
    env = {**os.environ, "LD_PRELOAD": str(SHIM), "TMPDIR": tmp, "MCPAUTHCTL": str(paths.built_program("mcpauthctl")), **env}
    done = subprocess.run([str(TESTS / program), fault, *os.environ.get("MCPAUTH_FAULTS", "").split()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=1200, check=False, env=env)
    return done.returncode, done.stdout


def sweep(program, fault, least, tmp):
    status, said = run(program, fault, tmp)
    found = DONE.search(said)
    assert status == 0 and found, said[-4000:]
    print(found.group(0))
    assert int(found.group(3)) >= least, f"the fault was met {int(found.group(3)) - 1} times: {said}"


@pytest.mark.parametrize("fault", DAEMON)
def test_the_daemon_loses_nothing_when_a_call_fails(programs, place, fault):
    sweep("faults_admind", fault, DAEMON[fault], place)


@pytest.mark.parametrize("fault", CHILD)
def test_a_child_counts_exactly_what_it_loses_when_a_call_fails(programs, place, fault):
    sweep("faults_spool", fault, CHILD[fault], place)


if HAS_PLANTS:
    @pytest.mark.parametrize("planted", PLANTED)
    def test_what_is_planted_is_noticed(programs, place, planted):
        status, said = run(*PLANTED[planted], place, MCPA_MUTANT=planted)
        assert status in (1, 2) and "WRONG" in said, said[-4000:]
