# SPDX-License-Identifier: Apache-2.0
"""The journal is sealed by a real daemon over kills, rotation and compression, and mcpauthctl tells whoever tampered with it."""
import gzip
import json
import os
import re
import shutil
import stat

import pytest

from daemon_child import Child, request
from harness import wait_until

GOOD, BAD, USAGE, UNREADABLE = 0, 1, 2, 3


def send(admind, count, sub="alice"):
    child = Child(admind.dirs.socket)
    child.hello()
    for first in range(1, count + 1, 100):
        child.records(first, [request(sub=sub) for _ in range(min(100, count + 1 - first))])
    child.acked(count)
    child.close()


def verify(admind, *arguments):
    """(exit status, document), and the same in words."""
    done = admind.ctl("audit", "verify", "--config", admind.conf_path, "--json", *arguments)
    words = admind.ctl("audit", "verify", "--config", admind.conf_path, *arguments)
    assert done.returncode == words.returncode and not done.stderr, done.stderr + words.stderr
    document = json.loads(done.stdout)
    return done.returncode, document, words.stdout


def newest(admind):
    done = admind.ctl("audit", "seal", "--config", admind.conf_path)
    assert done.returncode == GOOD, done.stderr
    return done.stdout.strip()


@pytest.fixture
def sealed(world, tmp_path):
    """A stopped daemon's journal of two files and four seals, its origin key moved away, and the newest seal."""
    admind = world.admind("JournalFileSize 64k\nLogLevel info")
    for n in range(4):
        send(admind, 100, sub=f"user{n}")
        admind.stop()
        if n < 3:
            admind.start()
    key = tmp_path / "origin.key"
    shutil.move(admind.dirs.journal / "seal-origin.key", key)
    return admind, key, newest(admind)


def test_daemon_seals_and_the_origin_key_proves_it(sealed):
    admind, key, anchor = sealed
    assert [s["epoch"] for s in admind.seals()] == list(range(len(admind.seals()))) and len(admind.seals()) >= 4
    status, document, words = verify(admind, "--key", key, "--seal", anchor)
    assert status == GOOD and document["whole"] and document["fault_count"] == 0
    assert document["seals"] == document["proven"] == len(admind.seals()) and document["records"] == 400 and document["unsealed_lines"] == 0
    assert document["seal"] == anchor and anchor.endswith(admind.seals()[-1]["mac"])
    assert "Up to its newest seal nothing was edited" in words and "without --seal" not in words
    status, _, words = verify(admind)
    assert status == GOOD and "Without --key this does not show" in words and "without --seal of an end that was cut off" in words
    assert re.search(r"MCPA2133: journal: seal " + anchor, admind.log())


def test_key_files_are_the_daemons_alone(sealed):
    admind, key, _ = sealed
    for path in (admind.dirs.journal / "seal.key", key):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert key.read_text().split()[4] not in (admind.dirs.journal / "seal.key").read_text()


def test_seals_survive_kills_and_a_lost_checkpoint(world):
    admind = world.admind("LogLevel info")
    world.allow_crashes = True
    for n in range(6):
        send(admind, 700 if n % 2 else 3)
        admind.kill()
        if n == 3:
            (admind.dirs.journal / "checkpoint.json").unlink(missing_ok=True)
        admind.start()
    admind.stop()
    status, document, _ = verify(admind, "--key", admind.dirs.journal / "seal-origin.key")
    assert status == GOOD and document["seals"] >= 2 and document["records"] == 3 * 703 and document["unsealed_lines"] == 0
    assert not list(admind.dirs.journal.glob("seal-origin-*")) and "does not fit" not in admind.log()


def test_seal_comes_by_itself_and_is_shown(world):
    admind = world.admind("LogLevel info")
    assert admind.ctl("audit", "seal", "--config", admind.conf_path).returncode == BAD
    send(admind, 3)
    assert admind.get("/status").json()["journal"]["unsealed_lines"] == 3 and admind.metric("mcpauth_audit_unsealed_lines") == 3
    wait_until(admind.seals, 60, "the seal of three lines")
    anchor = newest(admind)
    wait_until(lambda: "seal" in admind.get("/status").json()["journal"], 10, "the daemon tells of it")  # its line stands there before it is on disk
    journal = admind.get("/status").json()["journal"]
    assert journal["seal"] == anchor and journal["unsealed_lines"] == 0 and len(journal["seal_key"]) == 16
    assert admind.metric("mcpauth_audit_seal_epoch") == 0 and admind.metric("mcpauth_audit_seal_timestamp_seconds") > 1.7e9
    shown = json.loads(admind.ctl("audit", "seal", "--config", admind.conf_path, "--json").stdout)
    assert shown["seal"] == anchor and shown["key"] == journal["seal_key"]
    assert admind.metric("mcpauth_audit_records_total") == 3, "a seal is no record"
    assert admind.metric("mcpauth_audit_seal_breaks_total") == 0


def edit(path, change):
    data = path.read_bytes()
    changed = change(gzip.decompress(data) if path.suffix == ".gz" else data)
    assert changed != data
    path.write_bytes(gzip.compress(changed) if path.suffix == ".gz" else changed)


def drop_lines(count):
    return lambda data: b"".join(data.splitlines(keepends=True)[:-count])


HURT = {
    "value edited": lambda data: data.replace(b"user1", b"user9", 1),
    "line deleted": lambda data: data.replace(data.splitlines(keepends=True)[1], b"", 1),
    "line twice": lambda data: data.replace(data.splitlines(keepends=True)[1], 2 * data.splitlines(keepends=True)[1], 1),
    "lines swapped": lambda data: b"".join([data.splitlines(keepends=True)[i] for i in (1, 0)] + data.splitlines(keepends=True)[2:]),
    "line put in": lambda data: b'{"ts":"2026-01-01T00:00:00.000Z","instance":"' + 32 * b"0" + b'","seq":1}\n' + data,
    "seal deleted": lambda data: b"".join(line for line in data.splitlines(keepends=True) if b'"epoch":1,' not in line),
    "seal edited": lambda data: re.sub(rb'"epoch":1,"file":"(\S+?)","offset":(\d+),"lines":\d+', rb'"epoch":1,"file":"\1","offset":\2,"lines":7', data),
}


@pytest.mark.parametrize("change", HURT.values(), ids=HURT.keys())
def test_each_change_is_told(sealed, change):
    admind, key, anchor = sealed
    edit(sorted(admind.dirs.journal.glob("audit-*.jsonl*"), key=lambda p: len(p.name.removesuffix(".gz")))[0], change)
    status, document, words = verify(admind, "--key", key, "--seal", anchor)
    assert status == BAD and document["fault_count"] > 0 and "not whole" in words
    assert any(f["fault"].startswith("seal_") for f in document["faults"])


def cut_last_block(admind):
    last = sorted(admind.dirs.journal.glob("audit-*.jsonl"), key=lambda p: len(p.name))[-1]
    lines = last.read_bytes().splitlines(keepends=True)
    seals = [i for i, line in enumerate(lines) if b'"event":"seal"' in line]
    last.write_bytes(b"".join(lines[:seals[-2] + 1] if len(seals) > 1 else []))


def last_lines(admind):
    return sorted(admind.dirs.journal.glob("audit-*.jsonl"), key=lambda p: len(p.name))[-1].read_bytes().splitlines()


def test_end_cut_off_is_told_by_the_seal_kept_elsewhere(sealed):
    admind, key, anchor = sealed
    epoch = int(anchor.split(":")[0])
    before = f"{epoch - 1}:{admind.seals()[-2]['mac']}"
    cut_last_block(admind)
    assert verify(admind, "--key", key, "--seal", before)[0] == GOOD
    status, document, words = verify(admind, "--key", key, "--seal", before, "--seal", anchor)
    assert status == BAD and [f["fault"] for f in document["faults"]] == ["seal_missing"] and f"seal {epoch}, which was looked for" in words
    # And the daemon itself sees that its key has gone further than the journal.
    (admind.dirs.journal / "checkpoint.json").unlink()
    admind.start()
    assert "MCPA2132" in admind.log() and admind.metric("mcpauth_audit_seal_breaks_total") == 1
    send(admind, 2)
    admind.stop()
    second = list(admind.dirs.journal.glob("seal-origin-*.key"))
    assert len(second) == 1
    assert verify(admind, "--key", key)[0] == BAD
    # Both origin keys do not say what was cut off before the second: whoever did it can have made that one.
    status, document, words = verify(admind, "--key", key, "--key", second[0])
    assert status == BAD and [f["fault"] for f in document["faults"]] == ["seal_anew"] and document["seal_keys"] == 2
    assert "sealing began anew" in words and document["faults"][0]["line"] == len(last_lines(admind))
    assert [f["fault"] for f in verify(admind)[1]["faults"]] == ["seal_anew"]
    assert [f["fault"] for f in verify(admind, "--key", key, "--key", second[0], "--seal", anchor)[1]["faults"]] == ["seal_missing"]
    for kept in (newest(admind), before):  # behind the place, and the last one before it
        assert verify(admind, "--key", key, "--key", second[0], "--seal", kept)[0] == GOOD


def test_end_cut_off_under_a_checkpoint_stays_seen(sealed):
    """The chain goes on from the seal that is gone: nobody can close the hole."""
    admind, key, anchor = sealed
    cut_last_block(admind)
    admind.start()
    assert "MCPA2138" in admind.log() and admind.metric("mcpauth_audit_seal_breaks_total") == 1
    send(admind, 2)
    admind.stop()
    status, document, _ = verify(admind, "--key", key)
    assert status == BAD and {"seal_epoch", "seal_previous"} == {f["fault"] for f in document["faults"]}
    assert int(newest(admind).split(":")[0]) == int(anchor.split(":")[0]) + 1


def test_lost_key_stops_no_record(sealed):
    admind, key, _ = sealed
    (admind.dirs.journal / "seal.key").write_text("garbage")
    admind.start()
    send(admind, 5)
    admind.stop()
    assert "MCPA2132" in admind.log()
    status, document, _ = verify(admind, "--key", key, "--key", next(admind.dirs.journal.glob("seal-origin-*.key")), "--seal", newest(admind))
    assert status == GOOD and document["records"] == 405 and document["unsealed_lines"] == 0


def test_upgrade_seals_from_the_open_file_on(world):
    """A journal and a checkpoint from before sealing."""
    admind = world.admind()
    send(admind, 4)
    admind.stop()
    for path in admind.dirs.journal.glob("audit-*.jsonl"):
        path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(keepends=True) if b'"event":"seal"' not in line))
        size = path.stat().st_size
    for path in admind.dirs.journal.glob("seal*.key"):
        path.unlink()
    checkpoint = json.loads((admind.dirs.journal / "checkpoint.json").read_text())
    del checkpoint["block"], checkpoint["seal"]
    checkpoint["offset"] = size
    (admind.dirs.journal / "checkpoint.json").write_text(json.dumps(checkpoint, separators=(",", ":")))
    admind.start()
    send(admind, 2)
    admind.stop()
    status, document, _ = verify(admind, "--key", admind.dirs.journal / "seal-origin.key")
    assert status == GOOD and document["seals"] == 1 and document["records"] == 6 and document["before_sealing"] == 0
    assert admind.seals()[0]["lines"] == 6


def test_usage(sealed, tmp_path):
    admind, key, anchor = sealed
    (tmp_path / "other").write_text("no key")
    run = lambda *arguments: admind.ctl("audit", *arguments, "--config", admind.conf_path)
    for arguments in (["verify", "--key", tmp_path / "missing"], ["verify", "--key", tmp_path / "other"], ["verify", "--key", admind.dirs.journal / "seal.key"],
                      ["verify", "--seal", "7"], ["verify", "--seal", anchor[:-1]], ["verify", *(65 * ["--seal", anchor])],
                      ["search", "--key", key], ["follow", "--seal", anchor], ["seal", "--limit", "1"]):
        done = run(*arguments)
        assert done.returncode == USAGE and done.stderr and done.stdout == "", arguments
