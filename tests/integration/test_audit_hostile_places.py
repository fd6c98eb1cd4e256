# SPDX-License-Identifier: Apache-2.0
"""Bad input to the audit trail, second half: directories that cannot be written, clocks that run wrong, and what clients say of themselves. The table of all
cases stands in test_audit_hostile.py."""
import gzip
import json
import os
import re
import shutil
import struct
import subprocess
import time

import pytest

from daemon_child import Child, Segment, request
from harness import paths
from harness.process import wait_until
from test_audit_hostile import honest
from test_daemon_journal import Writer, join, seqs


# -- directories that cannot be written ---------------------------------------------------------------------------------------------------


@pytest.fixture
def mounted(request, world):
    """One of the directories is a file system of its own, which can be made read-only."""
    path = getattr(world.dirs, request.param)
    before = path.stat()
    keys = world.dirs.keys.stat()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(path)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"NOT TESTED: a directory that turns read-only needs root and mount: {done.stderr.strip()}")
    os.chown(path, before.st_uid, before.st_gid)
    os.chmod(path, before.st_mode & 0o7777)
    if request.param == "state":
        world.dirs.keys.mkdir()
        os.chown(world.dirs.keys, keys.st_uid, keys.st_gid)
    try:
        yield world, request.param, lambda how: subprocess.run(["mount", "-o", f"remount,{how}", str(path)], check=True)
    finally:
        for part in world.parts:
            part.stop()
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.parametrize("mounted", ["journal", "spool", "state"], indirect=True)
def test_read_only_before_the_start_is_refused_with_its_name(mounted):
    world, what, remount = mounted
    remount("ro")
    admind = world.admind(start=False)
    status, said = admind.check_config()
    assert status == 1 and str(getattr(world.dirs, what)) in said and "may not write here" in said
    with pytest.raises(AssertionError, match="may not write here"):
        admind.start(timeout=5)
    remount("rw")
    admind.start()
    honest(admind)


@pytest.mark.parametrize("mounted", ["spool", "state"], indirect=True)
def test_read_only_while_running_loses_and_doubles_nothing(mounted):
    world, what, remount = mounted
    admind = world.admind()
    honest(admind)
    before = admind.metric("mcpauth_audit_records_total")
    segment = Segment(world.dirs.spool, os.urandom(16), 0, 1, [request() for _ in range(20)]).die()
    remount("ro")
    writer = Writer(admind.dirs.socket, 200)
    writer.start()
    join([writer])
    wait_until(lambda: admind.metric("mcpauth_audit_records_total") >= before + 220, 15, admind.log)
    time.sleep(2.5)  # a segment that could not be removed is looked at again
    remount("rw")
    wait_until(lambda: not segment.path.exists(), 20, admind.log)
    assert seqs(admind, writer.instance) == list(range(1, 201))
    assert seqs(admind, bytes.fromhex(segment.path.name[:32])) == list(range(1, 21))
    assert admind.metric("mcpauth_audit_records_total") == before + 220
    assert len(admind.log().splitlines()) < 100


# -- the clock ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clocked(world):
    """A daemon whose wall clock is shifted by what set(seconds) says."""
    if paths.SANITIZE or paths.VALGRIND:
        pytest.skip("the shim and a sanitizer both take malloc's place")
    tests = paths.BUILD / "tests"
    subprocess.run(["make", "-C", str(tests), "faults.la"], stdout=subprocess.DEVNULL, check=True)
    shim, clock = world.scratch / "faults.so", world.scratch / "clock"
    shutil.copy(tests / ".libs" / "faults.so", shim)
    os.chmod(shim, 0o755)
    clock.write_bytes(bytes(8))
    os.chmod(clock, 0o644)

    def shift(seconds):
        with open(clock, "r+b") as f:
            f.write(struct.pack("<q", seconds))

    yield world, shift, {"LD_PRELOAD": str(shim), "MCPA_FAULTS_CLOCK": str(clock)}


def file_order(path):
    found = re.match(r"audit-(\d{4}-\d\d-\d\d)(?:\.(\d+))?\.jsonl(?:\.gz)?$", path.name)
    return found.group(1), int(found.group(2) or 0)


def in_order(admind, instance):
    """The numbers of this instance's records as the order of the files' names has them."""
    found = []
    for path in sorted(admind.dirs.journal.glob("audit-*.jsonl*"), key=file_order):
        data = path.read_bytes()
        for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines():
            read = json.loads(line)
            if read.get("instance") == instance.hex():
                found.append(read["seq"])
    return found


DAY, HOUR = 86400, 3600


def test_a_clock_that_runs_backwards_and_forwards(clocked):
    world, shift, env = clocked
    admind = world.admind("JournalRetentionDays 30", start=False, env=env)
    young = admind.dirs.journal / time.strftime("audit-%Y-%m-%d.jsonl", time.gmtime(time.time() - 28 * DAY))
    young.write_bytes(b"")
    os.chown(young, admind.dirs.journal.stat().st_uid, -1)
    admind.start()
    child = Child(admind.dirs.socket)
    assert child.hello() == 0
    seq = 0
    for seconds in (0, -HOUR, -DAY, 0, DAY, 0, -HOUR, DAY, -DAY, 0):
        shift(seconds)
        for _ in range(20):
            child.records(seq + 1, [request()])
            seq += 1
            child.acked(seq)
        assert admind.ready()[1]["audit"] == "ok"
    child.close()
    assert in_order(admind, child.instance) == list(range(1, seq + 1))
    files = list(admind.dirs.journal.glob("audit-*.jsonl*"))
    assert len(files) <= 4, files  # the young one, today, tomorrow: a step back makes none
    shift(DAY)
    assert admind.stop() == 0
    admind.start()
    shift(0)
    admind.reload()
    wait_until(lambda: admind.log().count("MCPA2000") == 3, 10, admind.log)  # start, start, and behind the reload
    assert any(path.exists() for path in (young, young.with_name(young.name + ".gz")))
    again = Child(admind.dirs.socket, instance=child.instance)
    assert again.hello(next_seq=seq + 1) == seq
    again.close()


def test_a_journal_that_cannot_get_its_next_file_takes_nothing_until_it_can(clocked):
    world, shift, env = clocked
    admind = world.admind(env=env)
    honest(admind)
    os.chmod(admind.dirs.journal, 0o550)
    shift(DAY)
    writer = Writer(admind.dirs.socket, 100)
    writer.start()
    wait_until(lambda: admind.ready()[1]["audit"] == "failing", 15, admind.log)
    assert writer.acked == 0 and admind.log().count("MCPA2101") == 1
    os.chmod(admind.dirs.journal, 0o750)
    join([writer])
    assert in_order(admind, writer.instance) == list(range(1, 101))
    wait_until(lambda: admind.ready()[1]["audit"] == "ok", 15, admind.log)


# -- the client ---------------------------------------------------------------------------------------------------------------------------

ODD = ["\x1b[2J\x07", 'a"b\\c', "\x7f\x80\x9b31m", "\u2028\u2029", "\u202e\u2066evil", "\ufffe\ufdd0\U0010ffff", "\x01\x1f", '"}\n{"seq":9,"x":"', "x" * 3000]


def strict(text):
    """One JSON object a line, nothing that ends a line anywhere else, no duplicate members, no bare control characters."""
    def pairs(found):
        assert len({key for key, _ in found}) == len(found), found
        return dict(found)

    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        assert not re.search("[\x00-\x1f\x7f\u2028\u2029]", line), line
        yield json.loads(line, object_pairs_hook=pairs, strict=True)


def test_every_string_of_a_request_stays_inside_its_record(stack):
    count = 0
    for odd in ODD:
        for claim in ("sub", "client_id", "jti", "scope"):
            stack.call(token=stack.token(**{claim: odd}))
            count += 1
        for claim in ("iss", "aud"):
            stack.call(token=stack.token(**{claim: "https://" + odd}))
            count += 1
    raw = json.dumps(stack.issuer.claims()).encode()
    for bytes_ in (b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\\ud800", b"\\u0000", b"\x00"):
        stack.call(token=stack.token(payload=raw.replace(b'"sub": "', b'"sub": "' + bytes_)))
        count += 1
    for odd in (b"\xff\xfe", b"\xe2\x80\xa8", b"\xed\xa0\x80", b'"}\\', b"\x80\x9b31m", b"\xf4\x90\x80\x80", b"%00%0a%1b"):
        for header in (b"User-Agent", b"Origin", b"X-Request-Id", b"Mcp-Session-Id", b"Mcp-Method", b"X-Forwarded-For"):
            stack.httpd.raw(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n" + header + b": " + odd + b"\r\n\r\n")
        stack.httpd.raw(b"GET /mcp/%ff%0a%1b%22" + odd.replace(b"%00", b"") + b"?q=" + odd + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    honest(stack.admind)
    wait_until(lambda: len(stack.admind.journal_lines()) > count + 20, 20, stack.admind.log)
    time.sleep(1)  # what is still on its way
    wait_until(lambda: stack.admind.metric("mcpauth_audit_records_total") == len(stack.admind.journal_lines()), 20, "all that stands there is counted, and nothing else")
    lines = list(strict(stack.admind.journal_text()))
    shown = stack.admind.ctl("audit", "search", "--journal", stack.admind.dirs.journal, "--limit", "0")
    assert shown.returncode == 0 and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown.stdout)
    assert len(shown.stdout.splitlines()) >= len(lines)
