# SPDX-License-Identifier: Apache-2.0
"""The journal sent on to syslog and OpenTelemetry: everything arrives, whatever the daemon and the journal's files go through; and its configuration."""
import json
import os
import random
import time

import pytest

from forward_parts import Source, arrived, forward, metric, secret_file
from harness.process import wait_until
from receivers import Collector, SyslogServer


@pytest.fixture
def syslog():
    server = SyslogServer()
    yield server
    server.stop()
    assert not server.faults, server.faults


@pytest.fixture
def collector():
    server = Collector()
    yield server
    server.stop()


# -- the daemon -------------------------------------------------------------------------------------------------------------------------


def test_kill_9_in_the_middle_loses_nothing_and_repetitions_are_recognisable(world, syslog, collector):
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port}\nForward otlp {collector.url}")
    source = Source(admind)
    for _ in range(6):
        source.write(700)
        time.sleep(random.uniform(0, 0.7))
        admind.kill()
        admind.start()
        source.resume(admind)
    source.write(1)
    arrived(syslog, source.ids(), 60)
    arrived(collector, source.ids(), 60)
    assert syslog.ids() == source.ids() == collector.ids()
    lines = {}
    for message in syslog.records():
        assert lines.setdefault((message["data"]["instance"], message["data"]["seq"]), message["line"]) == message["line"]


def test_a_reload_goes_on_and_a_new_receiver_starts_where_it_is_told(world, syslog, collector):
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port}")
    source = Source(admind)
    source.write(50)
    arrived(syslog, source.ids())
    late = SyslogServer()
    try:
        admind.config += f"\nForward otlp {collector.url} from=begin\nForward syslog tcp://127.0.0.1:{late.port} name=late"
        admind.write_config()
        admind.reload()
        wait_until(lambda: admind.log().count("MCPA2000") == 2, 10, admind.log)
        source.resume(admind)
        source.write(50)
        arrived(syslog, source.ids())
        arrived(collector, source.ids())
        arrived(late, source.ids(51))
        assert late.ids() == source.ids(51)
    finally:
        late.stop()


def test_the_cursor_is_kept_and_a_bad_one_means_everything_again(world, syslog):
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port}")
    source = Source(admind)
    source.write(50)
    arrived(syslog, source.ids())
    cursor = admind.dirs.journal / "forward-syslog.json"
    size = next(admind.dirs.journal.glob("audit-*.jsonl")).stat().st_size
    wait_until(lambda: json.loads(cursor.read_text())["offset"] > 0 and json.loads(cursor.read_text())["offset"] >= size - 2000, 20, cursor.read_text)
    assert cursor.stat().st_mode & 0o7777 == 0o640
    assert admind.stop() == 0
    syslog.messages.clear()
    admind.start()
    source.resume(admind)
    source.write(5)
    arrived(syslog, source.ids(51))
    assert syslog.ids() == source.ids(51)
    admind.kill()
    cursor.write_text("{")
    syslog.messages.clear()
    admind.start()
    arrived(syslog, source.ids())
    assert "MCPA2707" in admind.log()


def test_a_first_cursor_that_cannot_be_written_is_not_ready_and_tried_again(world, syslog):
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port}", start=False)
    in_the_way = admind.dirs.journal / "forward-syslog.json.tmp"
    in_the_way.mkdir()
    admind.start()
    ready = admind.get("/readyz")
    assert ready.status == 503 and ready.json()["audit"] == "failing"
    assert "MCPA2701" in admind.log() and metric(admind, "cursor_failing", "syslog") == 1
    assert "its cursor cannot be written" in admind.ctl("status").stdout
    in_the_way.rmdir()
    wait_until(lambda: admind.get("/readyz").json()["audit"] == "ok", 10, admind.log)
    assert json.loads((admind.dirs.journal / "forward-syslog.json").read_text())["version"] == 1 and metric(admind, "cursor_failing", "syslog") == 0


def test_files_rotated_and_compressed_while_the_receiver_is_down_arrive(world, syslog):
    """Three days of journal, of which two were closed, and compressed as the daemon does it, before the receiver comes back."""
    import gzip

    syslog.kill()
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port} from=begin")
    source = Source(admind)
    source.write(400)
    assert admind.stop() == 0
    today = next(admind.dirs.journal.glob("audit-*.jsonl"))
    lines = today.read_bytes().splitlines(keepends=True)
    first, second = today.with_name("audit-2026-01-02.jsonl"), today.with_name("audit-2026-01-02.1.jsonl")
    owner = today.stat()
    with gzip.open(str(first) + ".gz", "wb") as out:
        out.write(b"".join(lines[:150]))
    second.write_bytes(b"".join(lines[150:300]))
    today.write_bytes(b"".join(lines[300:]))
    for path in (first.with_name(first.name + ".gz"), second):
        os.chown(path, owner.st_uid, owner.st_gid)
    (admind.dirs.journal / "checkpoint.json").unlink()
    admind.config += "\nJournalRetentionDays 3650"
    admind.write_config()
    admind.start()
    assert forward(admind, "syslog")["backlog_bytes"] == sum(len(line) for line in today.read_bytes().splitlines(keepends=True)) + sum(map(len, lines[:300]))
    source.resume(admind)
    source.write(20)
    syslog.start()
    arrived(syslog, source.ids(), 60)


def test_files_that_retention_took_are_told_and_the_rest_goes_on(world, syslog):
    syslog.kill()
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port} from=begin")
    source = Source(admind)
    source.write(20)
    assert admind.stop() == 0
    today = next(admind.dirs.journal.glob("audit-*.jsonl"))
    (admind.dirs.journal / "forward-syslog.json").write_text(json.dumps({"version": 1, "file": "audit-2020-01-01.jsonl", "offset": 10}))
    assert today.exists()
    admind.start()
    source.resume(admind)
    source.write(1)
    syslog.start()
    arrived(syslog, source.ids(), 60)
    assert metric(admind, "skipped_total", "syslog") == 1 and "MCPA2704" in admind.log()


# -- configuration and status --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line, said", [
    ("Forward", "has no value"),
    ("Forward smoke https://x.example/v1/logs", "Forward syslog ADDRESS or Forward otlp URL"),
    ("Forward syslog", "syslog tls://HOST:PORT"),
    ("Forward syslog tls://logs.example.com", "tls://HOST:PORT"),
    ("Forward syslog tls://logs.example.com:6514/x", "tls://HOST:PORT"),
    ("Forward syslog tcp://logs.example.com:514", "insecure=allow"),
    ("Forward syslog tcp://127.0.0.1:514 ca=/etc/ssl/certs/ca-certificates.crt", "tls:// where there are certificates"),
    ("Forward syslog tls://logs.example.com:6514 cert=/etc/x.pem", "cert=FILE and key=FILE"),
    ("Forward syslog tls://logs.example.com:6514 ca=x.pem", "an absolute path"),
    ("Forward syslog tls://logs.example.com:6514 name=Logs", "ID of at most 31"),
    ("Forward syslog tls://logs.example.com:6514 facility=loud", "facility=local0"),
    ("Forward syslog tls://logs.example.com:6514 from=tomorrow", "from=begin or from=now"),
    ("Forward syslog tls://logs.example.com:6514 header-file=/x", "name=, ca=, cert="),
    ("Forward syslog tls://logs.example.com:6514 ca=/no/such/file.pem", "name a readable PEM file"),
    ("Forward otlp http://logs.example.com/v1/logs", "insecure=allow"),
    ("Forward otlp ftp://logs.example.com/v1/logs", "https://HOST/v1/logs"),
    ("Forward otlp https://logs.example.com/v1/logs facility=local0", "name=, header-file="),
    ("Forward otlp https://logs.example.com/v1/logs insecure=yes", "insecure=allow"),
    ("Forward otlp https://logs.example.com/v1/logs header-file=/no/such", "umask 077"),
    ("Forward otlp https://a.example/v1/logs\nForward otlp https://b.example/v1/logs", "write name=ID"),
    ("\n".join(f"Forward otlp https://a.example/v1/logs name=n{i}" for i in range(9)), "at most 8"),
])
def test_bad_lines_are_refused_with_file_line_and_mend(world, line, said):
    admind = world.admind(line, start=False)
    status, words = admind.check_config()
    assert status != 0 and said in words
    last = line.splitlines()[-1]
    number = admind.conf_path.read_text().splitlines().index(last) + 1
    assert f"{admind.conf_path}:{number}: Forward" in words, words


@pytest.mark.parametrize("text, mode, said", [
    ("Authorization: Bearer abc\n", 0o644, "chmod 0600"), ("", 0o600, "is empty"), ("no header\n", 0o600, "no header"), ("A: b\x01c\n", 0o600, "no header"),
    ("Content-Length: 3\n", 0o600, "no header"), ("".join(f"A{i}: b\n" for i in range(9)), 0o600, "at most 8"),
])
def test_a_header_file_must_be_tight_and_hold_headers(world, text, mode, said):
    path = secret_file(world, "headers", text)
    os.chmod(path, mode)
    admind = world.admind(f"Forward otlp https://logs.example.com/v1/logs header-file={path}", start=False)
    status, words = admind.check_config()
    assert status != 0 and said in words and f"{path}" in words


def test_plain_tcp_does_not_leave_loopback_whatever_the_name_resolves_to(world):
    """'localhost' is let in by name; the address decides."""
    admind = world.admind("Forward syslog tcp://localhost:1 name=plain\nForward syslog tcp://192.0.2.1:514 name=told insecure=allow")
    Source(admind).write(1)
    wait_until(lambda: forward(admind, "plain")["failures"] >= 1, 15, admind.log)
    assert "refused" not in forward(admind, "told")["last_error"]


def test_status_shows_who_gets_what(world, syslog):
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port} name=siem\nForward otlp http://127.0.0.1:1/v1/s3cret?key=s3cret name=otel")
    source = Source(admind)
    source.write(7)
    arrived(syslog, source.ids())
    wait_until(lambda: forward(admind, "otel")["failures"] >= 1 and forward(admind, "siem")["records"] >= 7, 10, admind.log)
    said = admind.ctl("status").stdout
    rows = {line.split()[0]: line for line in said.splitlines() if line.split() and line.split()[0] in ("siem", "otel", "FORWARD")}
    assert "LAST SUCCESS" in rows["FORWARD"]
    assert rows["siem"].split()[1] == f"tcp://127.0.0.1:{syslog.port}" and rows["siem"].rstrip().endswith("ok")
    assert "http://127.0.0.1:1 " in rows["otel"] and not rows["otel"].rstrip().endswith("ok")
    assert "s3cret" not in said + admind.log() + admind.get("/status").text + admind.get("/metrics").text
