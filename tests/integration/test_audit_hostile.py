# SPDX-License-Identifier: Apache-2.0
"""Bad input to the audit trail, from all sides: clear error, nothing lost for the honest, daemon up, memory flat.

Where each case is proven (unit: tests/unit, link: test_daemon_link.py, journal: test_daemon_journal.py, faults: test_audit_faults.py, here: below, and
from the directories on in test_audit_hostile_places.py):

  the socket   wrong uid                      link: anybody_else_is_turned_away        garbage, half frames, giant lengths   link: GARBAGE, half_a_frame
               RECORDS before HELLO           link: GARBAGE                            HELLO twice, seq jumps, lying count   link: after_hello
               replayed instance              link: second_connection_of_a_living      seq repetitions                       link: not_taken_twice
               never reads its answers, acks  link: does_not_read; here                slow drip                             here
               thousands of connections       link: a_thousand; here (memory, honest)  any sequence of frames                fuzz_admind_peer
  the spool    truncated, zeroes, torn        journal: garbage; fuzz_admind_adopt      symlink, hard link, FIFO, owner       journal: no_segment; here
               sparse, huge, directory,       here                                     header of another instance            unit: admind_adopt; here
               open to all, names, seq        here                                     grows or shrinks while read           here
               20,000 of them                 here; unit: admind_adopt
  directories  before the start               daemon_config; here (mounts)             while running                         here, faults
  the clock    back and forth                 here
  the client   every byte in a record         journal: whatever_bytes                  every string of a request             here
"""
import contextlib
import os
import shutil
import socket
import struct
import threading
import time

import pytest

from daemon_child import SEGMENT_BYTES, Child, Segment, crc32c, envelope, frame, hello, records, request
from harness import paths
from harness.admind import PEER
from harness.process import wait_until
from test_daemon_journal import Writer, join, seqs


class Flat:
    """The daemon's memory and descriptors before and after: growth in KiB at the most, printed."""

    def __init__(self, admind, limit_kib):
        self.admind, self.limit = admind, limit_kib

    def __enter__(self):
        self.before = self.admind.process.rss_kib(), self.admind.process.descriptors()
        return self

    def __exit__(self, kind, *_):
        after = self.admind.process.rss_kib(), self.admind.process.descriptors()
        print(f"resident KiB, descriptors: {self.before} -> {after}")
        if kind is None and not paths.SANITIZE:
            assert after[0] - self.before[0] <= self.limit


def honest(admind, count=3):
    child = Child(admind.dirs.socket)
    assert child.hello() == 0
    child.records(1, [request(sub="honest") for _ in range(count)])
    assert child.acked(count) == count
    child.close()
    assert seqs(admind, child.instance) == list(range(1, count + 1))


# -- the socket ---------------------------------------------------------------------------------------------------------------------------


def test_who_never_reads_its_acknowledgements_is_hung_up_on_and_loses_nothing(world):
    admind = world.admind()
    deaf = Child(admind.dirs.socket)
    sent = 0
    with Flat(admind, 8192):
        deaf.send(hello(deaf.instance))
        try:
            while sent < 100000:  # each of its own frame, so that most rounds of the daemon have something to acknowledge
                deaf.send(records(deaf.instance, sent + 1, [request()]))
                sent += 1
        except (BrokenPipeError, ConnectionResetError):
            pass
        honest(admind)
    assert sent < 100000 and "does not read what it is sent" in admind.log()
    deaf.close()
    again = Child(admind.dirs.socket, instance=deaf.instance)
    have = again.hello()
    assert 0 < have <= sent
    again.records(have + 1, [request()])
    again.acked(have + 1)
    again.close()
    assert seqs(admind, deaf.instance) == list(range(1, have + 2))


def test_a_drip_before_hello_is_cut_off_although_it_never_pauses(world):
    admind = world.admind()
    child = Child(admind.dirs.socket)
    began = time.monotonic()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for byte in hello(child.instance) * 100:
            child.send(bytes([byte]))
            if time.monotonic() - began < 60 * paths.PATIENCE:
                time.sleep(0.4)
    assert "does not say HELLO in time" in admind.log()


def test_many_slow_drips_cost_nothing(world):
    admind = world.admind()
    drips = [Child(admind.dirs.socket) for _ in range(100)]
    for drip in drips:
        assert drip.hello() == 0
    data = [records(drip.instance, 1, [request()]) for drip in drips]
    with Flat(admind, 4096):
        for at in range(len(data[0]) - 1):
            for drip, text in zip(drips, data):
                drip.send(text[at:at + 1])
        honest(admind)
        assert admind.metric("mcpauth_audit_records_total") == 3
    for drip, text in zip(drips, data):
        drip.send(text[-1:])
        assert drip.acked(1) == 1
        drip.close()


def test_thousands_of_connections_do_not_touch_a_linked_child(world):
    admind = world.admind()
    writer = Writer(admind.dirs.socket, 3000)
    linked = Child(admind.dirs.socket)
    assert linked.hello() == 0
    writer.start()
    crowd = []
    with Flat(admind, 60 * 1024):  # at most 1024 connections; each has 80 KiB, of which only touched pages count
        for _ in range(3000):
            crowd.append(Child(admind.dirs.socket))
        linked.records(1, [request()])
        assert linked.acked(1) == 1
    for one in crowd:
        one.close()
    linked.close()
    join([writer])
    assert seqs(admind, writer.instance) == list(range(1, 3001))
    assert admind.log().count("MCPA2401") <= 30 and "one connection too many" in admind.log()
    wait_until(lambda: admind.process.descriptors() < 40, 10, lambda: f"{admind.process.descriptors()} descriptors")
    honest(admind)


def attack(path, stop):
    """Whoever is cut off comes again with something else."""
    number = 0
    while not stop.is_set():
        number += 1
        instance = os.urandom(16) if number % 3 else b"h" * 16
        said = [os.urandom(200), hello(instance) + hello(instance), hello(instance) + records(instance, 1 + number, [request()]),
                hello(instance, next_seq=number * 10), hello(instance) + struct.pack("<IBBH", 2**32 - 1, 2, 1, 0),
                hello(instance) + frame(2, struct.pack("<I", 2**31) + envelope(instance, 1, request())), hello(instance)[:9]][number % 7]
        try:
            child = Child(path)
            child.send(said)
            child.closed(timeout=0.02)
            child.close()
        except OSError:
            pass


def test_attackers_that_come_again_and_again_do_not_hold_up_the_honest(world):
    admind = world.admind()
    honest(admind)
    stop = threading.Event()
    attackers = [threading.Thread(target=attack, args=(admind.dirs.socket, stop), daemon=True) for _ in range(4)]
    writers = [Writer(admind.dirs.socket, 3000, batch) for batch in (1, 40)]
    with Flat(admind, 8192):
        for thread in attackers + writers:
            thread.start()
        try:
            join(writers)
        finally:
            stop.set()
        for thread in attackers:
            thread.join()
    for writer in writers:
        assert seqs(admind, writer.instance) == list(range(1, 3001))
    lines = admind.log().splitlines()
    assert sum("MCPA2401" in line for line in lines) <= 30 and sum("MCPA2201" in line for line in lines) <= 30
    assert all(len(line) < 400 for line in lines)


def test_a_child_that_lost_records_again_and_again_does_not_flood_the_log(world):
    admind = world.admind()
    instance = os.urandom(16)
    for number in range(60):
        child = Child(admind.dirs.socket, instance=instance)
        assert child.hello(next_seq=1 + 10 * number) is not None
        child.records(1 + 10 * number, [request()])
        child.acked(1 + 10 * number)
        child.close()
    assert admind.metric("mcpauth_audit_lost_total") == 59 * 9
    assert 1 <= admind.log().count("MCPA2201") <= 20  # ten a minute


# -- the spool ----------------------------------------------------------------------------------------------------------------------------


def place(spool, name, data, mode=0o660, user=PEER, size=None):
    path = spool / name
    path.write_bytes(data)
    if size is not None:
        os.truncate(path, size)
    shutil.chown(path, user)
    os.chmod(path, mode)
    return path


def segment_bytes(instance, *numbered):
    header = b"MCPASEG1" + instance + struct.pack("<QQQ", 1, int(time.time() * 1e6), SEGMENT_BYTES) + bytes(12)
    return header + struct.pack("<I", crc32c(header)) + b"".join(envelope(instance, seq, request(sub="forged")) for seq in numbered)


@contextlib.contextmanager
def opened_directory(path):
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def test_hostile_files_in_the_spool(world):
    admind = world.admind(start=False)
    spool = admind.dirs.spool
    one = [os.urandom(16) for _ in range(16)]
    name = [instance.hex() + ".00000000" for instance in one]
    stay = [
        place(spool, name[0], segment_bytes(one[0], 1, 2), size=17 * 2**20),          # larger than any segment, and sparse
        place(spool, name[1], segment_bytes(one[1], 1, 2), size=2**40),               # a terabyte of nothing
        place(spool, name[2], segment_bytes(one[2], 1, 2), mode=0o666),               # anybody may have written it
        place(spool, name[3], segment_bytes(one[3], 1, 2), user="nobody"),
        place(spool, name[4], segment_bytes(one[5], 1, 2)),                           # the header, and the records, of another
        place(spool, one[6].hex() + ".0000000a", segment_bytes(one[6], 1)),
        place(spool, one[6].hex() + ".000000001", segment_bytes(one[6], 1)),
        place(spool, one[6].hex() + ".-0000001", segment_bytes(one[6], 1)),
        place(spool, one[6].hex() + ".0000000\n", segment_bytes(one[6], 1)),
        place(spool, one[6].hex()[:-1] + "g.00000000", segment_bytes(one[6], 1)),
        place(spool, one[6].hex() + ".00000000 ", segment_bytes(one[6], 1)),
    ]
    (spool / name[7]).mkdir()
    os.symlink("/etc/passwd", spool / name[8])
    os.symlink(name[9], spool / (one[9].hex() + ".00000007"))
    server = socket.socket(socket.AF_UNIX)
    with opened_directory(spool) as directory:
        server.bind(f"/proc/self/fd/{directory}/{name[10]}")  # a socket's path is short
    stay += [spool / name[7], spool / name[8], spool / name[10], spool / (one[9].hex() + ".00000007")]
    gone = [
        place(spool, name[11], b""),
        place(spool, name[12], bytes(100)),
        place(spool, name[13], segment_bytes(one[13], 1, 2)[:-5]),                    # the second record is cut off
        place(spool, name[14], segment_bytes(one[14], 2**63, 2**64 - 1, 1, 1, 2)),    # impossible numbers, then a repetition
        place(spool, name[15], segment_bytes(one[15], 1), size=2**20),                # all but its begin is a hole in the file
    ]
    good = Segment(spool, os.urandom(16), 0, 1, [request() for _ in range(100)]).die()
    admind.start()
    wait_until(lambda: not any(path.exists() for path in [good.path, *gone]), 20, admind.log)
    time.sleep(2.5)  # and another look at them
    server.close()
    assert [path for path in stay if not os.path.lexists(path)] == []
    assert seqs(admind, bytes.fromhex(good.path.name[:32])) == list(range(1, 101))
    assert (seqs(admind, one[13]), seqs(admind, one[14]), seqs(admind, one[15])) == ([1], [1, 2], [1])
    assert admind.metric("mcpauth_audit_records_total") == 104
    assert 5 <= admind.log().count("MCPA2301") <= 20


def test_a_file_that_grows_and_shrinks_while_it_is_read(world):
    admind = world.admind()
    instance = os.urandom(16)
    whole = segment_bytes(instance, *range(1, 4001))
    stop = threading.Event()
    with Flat(admind, 8192):
        path = place(admind.dirs.spool, ".tmp-x", whole)
        os.rename(path, admind.dirs.spool / (instance.hex() + ".00000000"))
        path = admind.dirs.spool / (instance.hex() + ".00000000")

        def shake():
            size = 0
            while not stop.is_set():
                size = (size * 5 + 12345) % len(whole)
                try:
                    os.truncate(path, size)
                    with open(path, "r+b") as f:
                        f.write(whole[:size * 7 % len(whole)])
                except FileNotFoundError:
                    return

        thread = threading.Thread(target=shake)
        thread.start()
        try:
            honest(admind, 500)
            wait_until(lambda: not path.exists(), 20, admind.log)
        finally:
            stop.set()
            thread.join()
    found = [n for n in seqs(admind, instance)]
    assert found == sorted(set(found))


def test_twenty_thousand_odd_files_do_not_hide_an_honest_one(world):
    admind = world.admind()
    honest(admind)
    with Flat(admind, 8192):  # two looks' names are some 1.4 MiB
        for number in range(20000):
            path = admind.dirs.spool / f"{number:032x}.00000000"
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # root's
        good = Segment(admind.dirs.spool, b"\xff" * 16, 0, 1, [request() for _ in range(2000)]).die()
        wait_until(lambda: not good.path.exists(), 60, admind.log)
        honest(admind)
    assert seqs(admind, b"\xff" * 16) == list(range(1, 2001))
    assert admind.log().count("MCPA2301") <= 40
    assert admind.get("/healthz").status == 200
