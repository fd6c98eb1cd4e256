# SPDX-License-Identifier: Apache-2.0
"""The journal's closed files: compressed while the daemon works, and still the whole journal, whatever ends the daemon; a start reads what lies
behind its checkpoint, and nothing of it is for others' eyes."""
import gzip
import json
import os
import random
import time
from pathlib import Path

import pytest

from daemon_child import Child, request
from harness.process import wait_until

SMALL = "JournalFileSize 64k"  # some 150 records a file
PADDING = "x" * 200


def write(admind, count, instance=None, first=1):
    """That many acknowledged records; returns their instance."""
    child = Child(admind.dirs.socket, instance)
    assert child.hello(next_seq=first) == first - 1
    for at in range(first, first + count, 50):
        n = min(50, first + count - at)
        child.records(at, [request(sub=f"s{seq}", user_agent=PADDING) for seq in range(at, at + n)])
        child.acked(at + n - 1)
    child.close()
    return child.instance


def files(admind):
    return sorted(p.name for p in admind.dirs.journal.glob("audit-*"))


def plain(admind):
    return [name for name in files(admind) if name.endswith(".jsonl")]


def settle(admind):
    """Until every closed file is compressed: the checkpoint reached the current one, which alone is left."""
    wait_until(lambda: len(plain(admind)) == 1 and not list(admind.dirs.journal.glob(".tmp-audit-*")), 60, lambda: f"{files(admind)}\n{admind.log()}")


def assert_whole(admind, instance, count):
    text = admind.journal_text()
    assert text.endswith("\n")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["seq"] for line in lines if line.get("instance") == instance.hex()] == list(range(1, count + 1))


def order(name):
    stem = name.removesuffix(".gz").removesuffix(".jsonl").split(".")
    return stem[0], int(stem[1]) if len(stem) > 1 else 0


def test_damage_that_cannot_be_kept_stops_the_start_and_stays(world):
    admind = world.admind()
    instance = write(admind, 5)
    admind.kill()
    journal = next(admind.dirs.journal.glob("audit-*.jsonl"))
    keep = journal.with_name(journal.name + ".damaged")
    keep.mkdir()
    with journal.open("ab") as out:
        out.write(b"somebody was here\n")
    text = journal.read_bytes()
    with pytest.raises(AssertionError, match="mcpauth-admind ended with"):
        admind.start()
    assert "MCPA2107" in admind.log() and f"cannot be copied to {keep.name}" in admind.log() and journal.read_bytes() == text
    keep.rmdir()
    admind.start()
    assert keep.read_bytes() == b"somebody was here\n"
    assert_whole(admind, instance, 5)


def test_closed_files_are_compressed_and_the_current_is_not(world):
    admind = world.admind(SMALL)
    instance = write(admind, 2000)
    settle(admind)
    names = sorted(files(admind), key=order)
    assert len(names) > 8 and len({order(name) for name in names}) == len(names)
    assert names[-1].endswith(".jsonl") and all(name.endswith(".gz") for name in names[:-1])
    assert_whole(admind, instance, 2000)
    done = admind.ctl("audit", "search", "--journal", admind.dirs.journal, "--limit", "100000", "--json")
    assert done.returncode == 0, done.stderr
    assert sum('"seq"' in line for line in done.stdout.splitlines()) >= 2000
    for name in names:
        text = (admind.dirs.journal / name).read_bytes()
        text = gzip.decompress(text) if name.endswith(".gz") else text
        assert text.endswith(b"\n") and len(text) < 2 * 65536 + 100000, name


def test_no_byte_of_the_journal_is_for_everybody(world):
    """At no moment, and not by the copies either, though the daemon's umask would allow it."""
    old = os.umask(0)
    try:
        admind = world.admind(SMALL)
    finally:
        os.umask(old)
    instance = os.urandom(16)
    write(admind, 500, instance)
    first = sorted(plain(admind), key=order)[0]
    os.chmod(admind.dirs.journal / first, 0o644)  # somebody's mistake
    seen = set()

    def look():
        for path in admind.dirs.journal.iterdir():
            try:
                mode = path.stat().st_mode
            except FileNotFoundError:
                continue
            seen.add(path.name.split("-")[0] + path.suffix)
            assert mode & 0o007 == 0 or path.name == first, f"{path.name} {mode:o}"
        return len(plain(admind)) <= 2

    write(admind, 1000, instance, 501)
    wait_until(look, 60, admind.log)
    look()
    assert ".tmp.json" not in seen and "audit.gz" in seen
    assert (admind.dirs.journal / f"{first}.gz").stat().st_mode & 0o777 == 0o640
    assert admind.dirs.journal.stat().st_mode & 0o007 == 0


def test_kill_9_while_it_compresses_loses_and_doubles_nothing(world):
    admind = world.admind(SMALL)
    instance, count = os.urandom(16), 0
    for _ in range(6):
        write(admind, 700, instance, count + 1)
        count += 700
        wait_until(lambda: list(admind.dirs.journal.glob(".tmp-audit-*")) or len(plain(admind)) <= 2, 60, admind.log)
        time.sleep(random.uniform(0, 0.05))
        admind.kill()
        assert_whole_on_disk(admind, instance, count)
        admind.start()
        assert admind.metric("mcpauth_audit_records_total") == count
    settle(admind)
    assert_whole(admind, instance, count)


def assert_whole_on_disk(admind, instance, count):
    """As a reader sees it: the plain form counts where both stand."""
    names = {name.removesuffix(".gz") for name in files(admind)}
    seqs = []
    for name in sorted(names, key=order):
        path = admind.dirs.journal / name
        text = path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())
        seqs += [line["seq"] for line in map(json.loads, text.splitlines()) if line.get("instance") == instance.hex()]
    assert seqs == list(range(1, count + 1))


def test_without_a_checkpoint_compressed_files_are_counted_too(world):
    admind = world.admind(SMALL)
    instance = write(admind, 1500)
    settle(admind)
    admind.kill()
    (admind.dirs.journal / "checkpoint.json").unlink()
    admind.start()
    assert admind.metric("mcpauth_audit_records_total") == 1500
    write(admind, 10, instance, 1501)  # and is known still: nothing is taken twice
    assert_whole(admind, instance, 1510)


def test_damage_in_a_compressed_file_is_told_and_does_not_stop_a_start(world):
    admind = world.admind(SMALL)
    instance = write(admind, 1500)
    settle(admind)
    admind.kill()
    (admind.dirs.journal / "checkpoint.json").unlink()
    victim = sorted((p for p in admind.dirs.journal.glob("audit-*.gz")), key=lambda p: order(p.name))[0]
    whole = victim.read_bytes()
    victim.write_bytes(whole[:len(whole) // 2])
    admind.start()
    assert "MCPA2120" in admind.log() and victim.name.removesuffix(".gz") in admind.log()
    assert 0 < admind.metric("mcpauth_audit_records_total") < 1500
    write(admind, 5, instance, 1501)
    victim.write_bytes(whole)
    admind.kill()
    assert_whole_on_disk(admind, instance, 1505)


def test_what_a_kill_left_half_compressed_is_swept(world):
    admind = world.admind(SMALL, start=False)
    leftover = admind.dirs.journal / ".tmp-audit-2026-01-01.jsonl.gz"
    leftover.write_bytes(b"half")
    os.chown(leftover, admind.dirs.journal.stat().st_uid, -1)
    admind.start()
    assert not leftover.exists()


def test_a_start_reads_what_lies_behind_its_checkpoint(world):
    """Counted in bytes, not in seconds: 24 MB of journal, and the program's own start."""
    admind = world.admind(SMALL)
    write(admind, 300)
    assert admind.stop() == 0
    uid = admind.dirs.journal.stat().st_uid
    source = (admind.dirs.journal / sorted(plain(admind), key=order)[0]).read_bytes()
    for number in range(400):
        path = admind.dirs.journal / f"audit-2026-01-01.{number + 1}.jsonl"
        path.write_bytes(source)
        os.chown(path, uid, -1)
    size = 400 * len(source)
    assert size > 20e6
    admind.config += "\nJournalRetentionDays 3650"
    admind.write_config()
    admind.start()
    io = dict(line.split(": ") for line in Path(f"/proc/{admind.process.pid}/io").read_text().splitlines())
    assert int(io["rchar"]) < size / 4, io
    assert admind.metric("mcpauth_audit_records_total") == 300


@pytest.mark.parametrize("plain_too", [True, False])
def test_retention_takes_compressed_files_too(world, plain_too):
    admind = world.admind("JournalRetentionDays 30", start=False)
    uid = admind.dirs.journal.stat().st_uid
    old, young = "audit-2020-01-01.jsonl", time.strftime("audit-%Y-%m-%d.jsonl", time.gmtime(time.time() - 29 * 86400))
    today = time.strftime("audit-%Y-%m-%d.jsonl", time.gmtime())
    for name in [old] * plain_too + [old + ".gz", old + ".damaged", young + ".gz", today]:
        path = admind.dirs.journal / name
        path.write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
        os.chown(path, uid, -1)
    admind.start()
    wait_until(lambda: not (admind.dirs.journal / f"{old}.gz").exists(), 10, admind.log)
    wait_until(lambda: f"{old} removed after 30 days" in admind.log(), 10, admind.log)
    assert files(admind) == sorted([young + ".gz", today])
