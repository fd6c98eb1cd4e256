# SPDX-License-Identifier: Apache-2.0
"""Nothing is lost and nothing is there twice, whatever ends the daemon or the disk; the counters say what the journal says."""
import json
import os
import random
import subprocess
import threading
import time

import pytest

from daemon_child import Child, Segment, envelope, record, request
from harness import paths
from harness.process import wait_until

DENIED = {"reason": "signature_bad", "decision": "deny", "status": 401}


class Writer(threading.Thread):
    """A child that holds its records until they are acknowledged, and connects again as often as it must."""

    def __init__(self, path, count, batch=50):
        super().__init__(daemon=True)
        self.path, self.count, self.batch = path, count, batch
        self.instance = os.urandom(16)
        self.acked = 0
        self.failure = None

    def payload(self, seq):
        return request(sub=f"s{seq}", **(DENIED if seq % 3 == 0 else {}))

    def run(self):
        try:
            while self.acked < self.count:
                self.session()
        except Exception as failure:  # told by the test, not by the thread
            self.failure = failure

    def session(self):
        try:
            child = Child(self.path, self.instance)
        except (FileNotFoundError, ConnectionRefusedError, PermissionError):  # the last: its socket is bound, and not yet opened to us
            time.sleep(0.02)
            return
        try:
            resumed = child.hello(next_seq=self.acked + 1)
            if resumed is None:
                time.sleep(0.02)
                return
            assert resumed >= self.acked, "the daemon forgot what it acknowledged"
            self.acked = resumed
            while self.acked < self.count:
                last = min(self.acked + self.batch, self.count)
                child.records(self.acked + 1, [self.payload(seq) for seq in range(self.acked + 1, last + 1)])
                self.acked = child.acked(last, timeout=300)  # as a real child: it comes back when it is hung up on, not before
        except (OSError, AssertionError) as failure:
            if "forgot" in str(failure):
                raise
        finally:
            child.close()


def seqs(admind, instance):
    return [line["seq"] for line in admind.journal_lines(instance=instance.hex())]


def account(admind, writers):
    """Every record once, in order, and counted once."""
    total = sum(w.count for w in writers)
    for writer in writers:
        assert seqs(admind, writer.instance) == list(range(1, writer.count + 1))
    assert admind.metric("mcpauth_audit_records_total") == total
    assert admind.metric("mcpauth_requests_total") == total
    assert admind.metric("mcpauth_auth_failures_total", reason="signature_bad") == sum(w.count // 3 for w in writers)
    assert admind.metric("mcpauth_request_duration_seconds_count") == total
    assert admind.metric("mcpauth_audit_lost_total") == 0


def join(writers, timeout=60):
    for writer in writers:
        writer.join(timeout * paths.PATIENCE)
        assert writer.failure is None, writer.failure
        assert not writer.is_alive(), f"{writer.acked} of {writer.count}"


def test_kill_9_at_any_moment_loses_and_doubles_nothing(world):
    admind = world.admind()
    writers = [Writer(admind.dirs.socket, 3000, batch) for batch in (7, 60)]
    for writer in writers:
        writer.start()
    for _ in range(8):
        time.sleep(random.uniform(0.05, 0.5))
        admind.kill()
        admind.start()
    join(writers)
    account(admind, writers)
    admind.kill()
    admind.start()
    account(admind, writers)


def test_an_orderly_restart_and_a_reload_keep_the_counters(world):
    admind = world.admind()
    writers = [Writer(admind.dirs.socket, 4000)]
    writers[0].start()
    time.sleep(0.2)
    admind.reload()
    wait_until(lambda: admind.log().count("MCPA2000") == 2, 15, admind.log)
    time.sleep(0.2)
    assert admind.stop() == 0
    admind.start()
    join(writers)
    account(admind, writers)
    admind.reload()
    wait_until(lambda: admind.log().count("MCPA2000") == 4, 5, admind.log)  # two starts, and one behind each reload
    account(admind, writers)


@pytest.mark.parametrize("damage", ["gone", "empty", "no json", "another version", "impossible file"])
def test_without_a_usable_checkpoint_the_journal_tells_everything(world, damage):
    admind = world.admind()
    writers = [Writer(admind.dirs.socket, 500)]
    writers[0].start()
    join(writers)
    assert admind.stop() == 0
    checkpoint = admind.dirs.journal / "checkpoint.json"
    good = json.loads(checkpoint.read_text())
    if damage == "gone":
        checkpoint.unlink()
    else:
        checkpoint.write_text({"empty": "", "no json": "{", "another version": json.dumps({**good, "version": 2}),
                               "impossible file": json.dumps({**good, "file": "../../etc/passwd"})}[damage])
    admind.start()
    account(admind, writers)
    again = Child(admind.dirs.socket, writers[0].instance)
    assert again.hello(next_seq=501) == 500
    again.close()


TAILS = {
    "half a line": b'{"ts":"2026-11-21T09:00:00.123Z","method":"POS',
    "zeroes": bytes(5000),
    "a line of something else": b"hello\n",
    "a line, then half a one": b'{"no":"record"}\n{"ts',
}


@pytest.mark.parametrize("what", TAILS)
def test_a_torn_tail_is_cut_at_the_start(world, what):
    admind = world.admind()
    writer = Writer(admind.dirs.socket, 100)
    writer.start()
    join([writer])
    admind.kill()
    journal = next(admind.dirs.journal.glob("*.jsonl"))
    before = journal.read_bytes()
    with open(journal, "ab") as f:
        f.write(TAILS[what])
    admind.start()
    assert journal.read_bytes() == before
    damaged = journal.with_name(journal.name + ".damaged")
    assert damaged.exists() == (b"\n" in TAILS[what])
    account(admind, [writer])
    child = Child(admind.dirs.socket, writer.instance)
    assert child.hello(next_seq=101) == 100
    child.records(101, [request(sub="on")])
    child.acked(101)
    child.close()
    assert len(seqs(admind, writer.instance)) == 101


def test_lines_written_but_never_acknowledged_are_not_doubled(world):
    """Killed between the sync and the acknowledgement: the child sends again what the journal has."""
    admind = world.admind()
    writer = Writer(admind.dirs.socket, 10)
    writer.start()
    join([writer])
    admind.kill()
    admind.start()
    child = Child(admind.dirs.socket, writer.instance)
    assert child.hello(next_seq=6) == 10  # the child saw no acknowledgement after 5
    child.records(6, [writer.payload(n) for n in range(6, 13)])
    child.acked(12)
    child.close()
    assert seqs(admind, writer.instance) == list(range(1, 13))


def test_whatever_bytes_a_record_holds_it_is_read_back(world):
    """A line that the daemon writes and cannot read again would be cut off as damage, and what follows with it."""
    admind = world.admind()
    child = Child(admind.dirs.socket)
    child.hello()
    odd = [b"\0", b"a\0b", b"\xff\xfe", b"\xed\xa0\x80", b'"\\u0000', b"\x01\x1f\x7f", b"\xe2\x80\xa8\n\r\n", bytes(range(256)), b"\0" * 1024, b""]
    numbers = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]
    payloads = [request(sub=text, user_agent=text, rpc_method=text) for text in odd] + [record(ts=n, latency_ms=n, verify_ms=n, lost=n, bytes_in=n) for n in numbers]
    child.records(1, payloads + [request(sub="last")])
    child.acked(len(payloads) + 1)
    child.close()
    before = admind.journal_text()
    admind.kill()
    (admind.dirs.journal / "checkpoint.json").unlink(missing_ok=True)
    admind.start()
    assert admind.journal_text() == before
    assert admind.metric("mcpauth_audit_records_total") == len(payloads) + 1
    again = Child(admind.dirs.socket, child.instance)
    assert again.hello() == len(payloads) + 1
    again.close()


def test_segments_of_dead_children_are_adopted_in_order(world):
    admind = world.admind(start=False)
    instance = os.urandom(16)
    files = [Segment(admind.dirs.spool, instance, n, 1 + 40 * n, [request(sub=f"n{n}") for _ in range(40)], tail=b"\x10\x00\x00\x00torn").die()
             for n in (2, 0, 1)]
    admind.start()
    admind.wait_journal(120, instance=instance.hex())
    assert seqs(admind, instance) == list(range(1, 121))
    wait_until(lambda: not any(f.path.exists() for f in files), 5, "the segments to be removed")
    wait_until(lambda: admind.metric("mcpauth_audit_backlog_bytes") == 0, 10, "the backlog to be gone")
    assert "event" not in json.dumps(admind.journal_lines(instance=instance.hex())[:40])


def test_a_living_child_keeps_its_segment_until_it_dies(world):
    admind = world.admind()
    segment = Segment(admind.dirs.spool, os.urandom(16), 0, 1, [request() for _ in range(3)])
    time.sleep(2.5)
    assert segment.path.exists() and admind.metric("mcpauth_audit_records_total") == 0
    segment.die()
    wait_until(lambda: admind.metric("mcpauth_audit_records_total") == 3, 10, admind.log)


def test_what_a_child_sent_before_it_died_is_not_adopted_again(world):
    admind = world.admind()
    child = Child(admind.dirs.socket)
    payloads = [request(sub=f"s{n}") for n in range(1, 11)]
    segment = Segment(admind.dirs.spool, child.instance, 0, 1, payloads)
    child.hello()
    child.records(1, payloads[:6])
    child.acked(6)
    child.close()
    segment.die()
    wait_until(lambda: not segment.path.exists(), 10, admind.log)
    assert seqs(admind, child.instance) == list(range(1, 11))


def test_kill_9_while_adopting_doubles_nothing(world):
    admind = world.admind(start=False)
    instances = [os.urandom(16) for _ in range(6)]
    for instance in instances:
        for number in range(3):
            Segment(admind.dirs.spool, instance, number, 1 + 500 * number, [request() for _ in range(500)]).die()
    for _ in range(10):
        admind.start()
        time.sleep(random.uniform(0, 0.05))
        admind.kill()
    admind.start()
    wait_until(lambda: not list(admind.dirs.spool.glob("*.0000000?")), 20, admind.log)
    for instance in instances:
        assert seqs(admind, instance) == list(range(1, 1501))
    assert admind.metric("mcpauth_audit_records_total") == 9000


def test_what_is_no_segment_is_left_alone(world):
    admind = world.admind(start=False)
    spool = admind.dirs.spool
    instance = os.urandom(16)
    secret = world.scratch / "secret"
    secret.write_bytes(b"MCPASEG1" + bytes(100))
    link = spool / f"{instance.hex()}.00000000"
    link.symlink_to(secret)
    fifo = spool / f"{instance.hex()}.00000001"
    os.mkfifo(fifo)
    foreign = spool / f"{instance.hex()}.00000002"  # root's, not PeerUser's
    foreign.write_bytes(bytes(64) + envelope(instance, 1, request()))
    hard = Segment(spool, os.urandom(16), 0, 1, [request()]).die().path
    os.link(hard, world.scratch / "second-name")
    odd = [spool / name for name in ("core", f"{instance.hex()}.1", f"{instance.hex().upper()}.00000000")]
    for path in odd:
        path.write_bytes(b"x")
    old, fresh = spool / ".tmp-old", spool / ".tmp-fresh"
    for path in (old, fresh):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    admind.start()
    good = Segment(spool, os.urandom(16), 0, 1, [request()]).die()
    wait_until(lambda: not good.path.exists() and not old.exists(), 10, admind.log)
    assert all(os.path.lexists(path) for path in [link, fifo, foreign, hard, fresh, *odd])
    assert admind.metric("mcpauth_audit_records_total") == 1


def test_a_segment_of_garbage_does_not_stop_the_others(world):
    admind = world.admind()
    bad = Segment(admind.dirs.spool, b"\0" * 16, 0, 1, [], tail=os.urandom(100000)).die()
    holes = os.urandom(16)
    holey = Segment(admind.dirs.spool, holes, 0, 5, [request()], tail=envelope(holes, 9, request())).die()
    good = Segment(admind.dirs.spool, b"\xff" * 16, 0, 1, [request() for _ in range(2000)]).die()
    wait_until(lambda: not any(s.path.exists() for s in (bad, holey, good)), 10, admind.log)
    assert seqs(admind, b"\xff" * 16) == list(range(1, 2001))
    assert [(line["seq"], line.get("lost")) for line in admind.journal_lines(instance=holes.hex())] == [(5, None), (8, 3), (9, None)]


@pytest.fixture
def small_disk(world):
    """A journal on a file system of two megabytes."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(world.dirs.journal)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no tmpfs here: {done.stderr.strip()}")
    subprocess.run(["chown", "daemon:daemon", str(world.dirs.journal)], check=True)
    os.chmod(world.dirs.journal, 0o750)
    try:
        yield world
    finally:
        for part in world.parts:
            part.stop()
        subprocess.run(["umount", "-l", str(world.dirs.journal)], check=True)


def test_a_full_disk_delays_but_loses_nothing(small_disk):
    admind = small_disk.admind()
    hog = admind.dirs.journal / "hog"
    writer = Writer(admind.dirs.socket, 3000)
    with open(hog, "wb") as f:
        try:
            for _ in range(64):
                f.write(bytes(32768))
                f.flush()
        except OSError:
            pass
    writer.start()
    wait_until(lambda: admind.ready() [1]["audit"] == "failing", 10, admind.log)
    assert admind.ready()[0] == 503 and admind.metric("mcpauth_health_status", component="audit") == 0
    stuck = writer.acked
    time.sleep(3)
    assert writer.acked == stuck < 3000
    assert admind.log().count("MCPA2101") == 1
    hog.unlink()
    join([writer])
    wait_until(lambda: admind.ready()[1]["audit"] == "ok", 10, admind.log)
    account(admind, [writer])
    admind.kill()
    admind.start()
    account(admind, [writer])


def test_keys_are_still_answered_while_the_disk_is_full(small_disk):
    from daemon_child import KID_DONE, kid
    admind = small_disk.admind()
    with pytest.raises(OSError), open(admind.dirs.journal / "hog", "wb", buffering=0) as f:
        while True:
            if f.write(bytes(4096)) < 4096:
                raise OSError
    child = Child(admind.dirs.socket)
    assert child.hello() == 0
    child.records(1, [request()])
    wait_until(lambda: admind.ready()[1]["audit"] == "failing", 10, admind.log)
    child.send(kid(5, "https://nobody.example/", "k"))
    assert child.read(KID_DONE) is not None
    child.close()


def test_old_files_are_removed_and_today_is_kept(world):
    admind = world.admind("JournalRetentionDays 30", start=False)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    recent = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 29 * 86400))
    names = ["audit-2020-01-01.jsonl", "audit-2020-01-01.3.jsonl", f"audit-{recent}.jsonl", f"audit-{today}.jsonl", "audit-2020-01-01.jsonl.bak", "notes"]
    for name in names:
        path = admind.dirs.journal / name
        path.touch()
        os.chown(path, admind.dirs.journal.stat().st_uid, -1)
    admind.start()
    wait_until(lambda: not (admind.dirs.journal / names[1]).exists(), 5, admind.log)
    assert [(admind.dirs.journal / n).exists() for n in names] == [False, False, True, True, True, True]


def test_two_daemons_do_not_share_a_journal(world):
    first = world.admind()
    second = world.admind(f"Socket {world.dirs.run}/second.sock", start=False, name="admind2")
    with pytest.raises(AssertionError, match="another mcpauth-admind writes here"):
        second.start(timeout=5)
    assert first.get("/healthz").status == 200


def test_the_journal_is_for_the_daemon_alone(world):
    admind = world.admind()
    child = Child(admind.dirs.socket)
    child.hello()
    child.records(1, [record(method="GET")])
    child.acked(1)
    child.close()
    for path in admind.dirs.journal.glob("*"):
        assert path.stat().st_mode & 0o037 == 0, path
