# SPDX-License-Identifier: Apache-2.0
"""The journal sent on to syslog and OpenTelemetry: everything arrives, whatever the receivers, the daemon and the journal's files go through."""
import json
import os
import pwd
import random
import re
import ssl
import time

import pytest

from daemon_child import Child, record, request
from harness import paths
from harness.admind import USER
from harness.process import wait_until
from receivers import Collector, Rsyslog, SyslogServer


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


class Source:
    """A child of httpd; remembers what it was told is durable."""

    def __init__(self, admind):
        self.child = Child(admind.dirs.socket)
        assert self.child.hello() == 0
        self.seq = 0

    def write(self, count=1, **more):
        payloads = [request(sub=f"s{self.seq + i}", **more) for i in range(1, count + 1)]
        for i in range(0, count, 50):
            self.child.records(self.seq + i + 1, payloads[i:i + 50])
        self.seq += count
        self.child.acked(self.seq)

    def ids(self, first=1):
        return {(self.child.instance.hex(), seq) for seq in range(first, self.seq + 1)}

    def resume(self, admind):
        """After the daemon died."""
        self.child.close()
        self.child = Child(admind.dirs.socket, self.child.instance)
        assert self.child.hello(self.seq + 1) == self.seq


def arrived(receiver, wanted, timeout=20):
    wait_until(lambda: wanted <= receiver.ids(), timeout, lambda: f"{len(wanted - receiver.ids())} of {len(wanted)} are missing")


def forward(admind, name):
    return next(f for f in admind.get("/status").json()["forwards"] if f["name"] == name)


def metric(admind, what, name):
    return admind.metrics().get((f"mcpauth_forward_{what}", frozenset({("name", name)})), 0)


def secret_file(world, name, text):
    path = world.scratch / name
    path.write_text(text)
    os.chmod(path, 0o600)
    os.chown(path, pwd.getpwnam(USER).pw_uid, -1)
    return path


def tls_ca(world):
    path = world.scratch / "receiver-ca.pem"
    path.write_bytes(world.tls.certificate.read_bytes())
    os.chmod(path, 0o644)
    return path


# -- what arrives -----------------------------------------------------------------------------------------------------------------------


def test_syslog_messages_are_rfc_5424_and_say_what_the_line_says(world, syslog):
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port} facility=local3")
    source = Source(admind)
    source.child.records(1, [request(sub='al"i]ce\\', request_id="r-1"), request(decision="deny", reason="signature_bad", status=401),
                             request(decision="limit", reason="rate_limited_subject", status=429), request(decision="error", reason="internal", status=500),
                             request(sub="käthe\n\x1b[2J"), record(event="gap", lost=3), record(event="decision", decision="allow", request_id="r-2"), b"\x07junk"])
    source.child.acked(8)
    wait_until(lambda: len(syslog.records()) >= 8, 10, "eight messages")
    got = sorted(syslog.records(), key=lambda m: int(m["data"]["seq"]))
    assert [m["severity"] for m in got] == [6, 5, 4, 3, 6, 3, 6, 3]
    assert [m["kind"] for m in got] == ["request"] * 5 + ["gap", "decision", "corrupt"]
    assert {m["facility"] for m in got} == {19}
    lines = admind.journal_lines(instance=source.child.instance.hex())
    assert [m["line"] for m in got] == lines
    assert [m["time"] for m in got] == [line["ts"] for line in lines]
    assert got[0]["data"]["sub"] == 'al"i]ce\\' and got[0]["data"]["request_id"] == "r-1" and got[1]["data"]["status"] == "401"
    assert got[4]["data"]["sub"] == "käthe??[2J"
    assert [m["marked"] for m in got] == [False] * 4 + [True] + [False] * 3
    assert got[5]["data"]["lost"] == "3"


def test_otlp_requests_say_what_the_line_says(world, collector):
    token = "otel-" + os.urandom(16).hex()
    world.canaries.remember_text(token)
    headers = secret_file(world, "otel.headers", f"Authorization: Bearer {token}\nX-Scope-OrgID: one\n")
    admind = world.admind(f"Forward otlp {collector.url} header-file={headers}")
    source = Source(admind)
    source.child.records(1, [request(sub="alice"), request(decision="limit", reason="rate_limited_subject", status=429), record(event="gap", lost=3)])
    source.child.acked(3)
    arrived(collector, {(source.child.instance.hex(), n) for n in (1, 2, 3)})
    sent, document = collector.requests[0]
    assert sent["Content-Type"] == "application/json" and sent["Authorization"] == f"Bearer {token}" and sent["X-Scope-OrgID"] == "one"
    resource = {a["key"]: a["value"]["stringValue"] for a in document["resourceLogs"][0]["resource"]["attributes"]}
    assert resource["service.name"] == "mcpauth" and resource["host.name"] == os.uname().nodename
    records = [r for r in collector.log_records() if "seal" not in str(r["attributes"][0])]
    assert [(r["severityNumber"], r["severityText"]) for r in records] == [(9, "info"), (13, "warning"), (17, "err")]
    lines = admind.journal_lines(instance=source.child.instance.hex())
    assert [json.loads(r["body"]["stringValue"]) for r in records] == lines
    attributes = {a["key"]: a["value"] for a in records[0]["attributes"]}
    assert attributes["enduser.id"] == {"stringValue": "alice"} and attributes["http.response.status_code"] == {"intValue": "200"}
    assert attributes["client.address"] == {"stringValue": "192.0.2.1"} and attributes["url.path"] == {"stringValue": "/mcp"}
    assert attributes["mcpauth.decision"] == {"stringValue": "allow"} and attributes["mcpauth.seq"] == {"intValue": "1"}
    assert abs(int(records[0]["timeUnixNano"]) / 1e9 - time.time()) < 600 and int(records[0]["observedTimeUnixNano"]) >= int(records[0]["timeUnixNano"])


def test_tls_receivers_are_verified(world):
    ca, context = tls_ca(world), world.tls.server()
    good, other = SyslogServer(context), SyslogServer(context)
    collector = Collector(context)
    try:
        admind = world.admind(f"Forward syslog tls://127.0.0.1:{good.port} name=good ca={ca}\nForward syslog tls://127.0.0.1:{other.port} name=bad\n"
                              f"Forward otlp {collector.url} name=otel ca={ca}\nForward otlp {collector.url} name=otel-bad")
        source = Source(admind)
        source.write(20)
        arrived(good, source.ids())
        arrived(collector, source.ids())
        wait_until(lambda: all(metric(admind, "failures_total", n) >= 1 for n in ("bad", "otel-bad")), 10, admind.log)
        assert other.messages == [] and other.refused_handshakes >= 1
        for name in ("bad", "otel-bad"):
            assert metric(admind, "records_total", name) == 0 and "certificate" in forward(admind, name)["last_error"]
            assert metric(admind, "backlog_bytes", name) > 0
    finally:
        for server in (good, other, collector):
            server.stop()


def test_a_certificate_for_another_host_is_refused(world):
    server = SyslogServer(world.tls.server(), host="127.0.0.2")
    try:
        admind = world.admind(f"Forward syslog tls://127.0.0.2:{server.port} ca={tls_ca(world)}")
        Source(admind).write(1)
        wait_until(lambda: metric(admind, "failures_total", "syslog") >= 1, 10, admind.log)
        assert server.messages == []
    finally:
        server.stop()


def test_a_client_certificate_is_presented(world):
    context = world.tls.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(str(world.tls.certificate))
    key = secret_file(world, "client.key", world.tls.key.read_text())
    server = SyslogServer(context)
    try:
        ca = tls_ca(world)
        admind = world.admind(f"Forward syslog tls://localhost:{server.port} name=with ca={ca} cert={ca} key={key}\n"
                              f"Forward syslog tls://localhost:{server.port} name=without ca={ca}")
        source = Source(admind)
        source.write(5)
        arrived(server, source.ids())
        wait_until(lambda: forward(admind, "without")["failures"] >= 1, 10, admind.log)
        assert forward(admind, "with")["failures"] == 0
    finally:
        server.stop()


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_rsyslog_takes_every_record_even_when_it_is_killed(world, tls):
    rsyslog = Rsyslog(world.scratch, world.tls if tls else None).start()
    try:
        address = f"tls://localhost:{rsyslog.port} ca={tls_ca(world)}" if tls else f"tcp://localhost:{rsyslog.port}"
        admind = world.admind(f"Forward syslog {address}")
        source = Source(admind)
        source.write(200, rpc_name='a"]', user_agent="käthe")
        arrived(rsyslog, source.ids())
        line = admind.journal_lines(instance=source.child.instance.hex())[0]
        got = next(text for text in rsyslog.lines() if ' seq="1" ' in text)
        assert re.search(r'rpc_name="a\\"\\\]".*\] request 6 16 ', got), got
        assert json.loads(got[got.index("{"):]) == line
        for _ in range(3):
            source.write(300)
            rsyslog.kill()
            source.write(100)
            rsyslog.start()
            arrived(rsyslog, source.ids(), 60)
    finally:
        rsyslog.stop()


# -- outages ----------------------------------------------------------------------------------------------------------------------------


def test_a_receiver_that_is_down_gets_everything_later(world, syslog, collector):
    syslog.kill()
    collector.stop()
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port}\nForward otlp {collector.url}")
    source = Source(admind)
    for _ in range(4):
        source.write(500)
        time.sleep(0.3)
    wait_until(lambda: all(forward(admind, n)["failures"] >= 2 for n in ("syslog", "otlp")), 20, admind.log)
    assert forward(admind, "syslog")["backlog_bytes"] > 100000 and forward(admind, "syslog")["last_success"] is None
    syslog.start()
    collector.start()
    arrived(syslog, source.ids(), 90)
    arrived(collector, source.ids(), 90)
    wait_until(lambda: admind.metric("mcpauth_forward_backlog_bytes") == 0, 10, admind.log)
    sizes = [len(document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]) for _, document in collector.requests]
    assert max(sizes) == 512, sizes
    assert "MCPA2703" in admind.log() and forward(admind, "otlp")["last_error"] == ""
    assert metric(admind, "last_success_timestamp_seconds", "otlp") > time.time() - 600


def test_a_receiver_killed_with_unread_data_loses_nothing(world, syslog):
    """TCP said that all of it was there; nobody had read it."""
    syslog.kill()
    syslog.room = 4 * 1024 * 1024
    syslog.start()
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port}")
    source = Source(admind)
    source.write(10)
    arrived(syslog, source.ids())
    for _ in range(3):
        syslog.reading.clear()
        time.sleep(0.1)
        before = admind.metric("mcpauth_forward_records_total")
        source.write(300)
        wait_until(lambda: admind.metric("mcpauth_forward_records_total") >= before + 300, 10, admind.log)
        time.sleep(6)  # past the 5 s that are always sent again (forward/): what is safe now is safe by the reset alone
        assert not source.ids() <= syslog.ids()
        syslog.kill()
        syslog.reading.set()
        syslog.start()
        arrived(syslog, source.ids(), 30)


def test_a_receiver_that_closes_again_and_again_loses_nothing(world, syslog):
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port}")
    source = Source(admind)
    for _ in range(10):
        source.write(100)
        time.sleep(random.uniform(0.0, 0.6))
        syslog.hang_up()
    arrived(syslog, source.ids(), 60)


@pytest.mark.parametrize("status", [503, 429, 400, 301])
def test_otlp_answers_other_than_2xx_are_tried_again(world, collector, status):
    collector.status = status
    collector.headers = {"Location": collector.url + "/elsewhere"} if status == 301 else {}
    admind = world.admind(f"Forward otlp {collector.url}")
    source = Source(admind)
    source.write(600)
    wait_until(lambda: collector.asked >= 3, 30, admind.log)
    assert collector.requests == [] and str(status) in forward(admind, "otlp")["last_error"]
    source.write(100)
    collector.status = 200
    arrived(collector, source.ids(), 40)
    assert len(collector.log_records()) <= len(source.ids()) + 50, "only the standing batch is repeated, and it was not taken"


def test_retry_after_is_kept(world, collector):
    collector.status, collector.headers = 503, {"Retry-After": "5"}
    admind = world.admind(f"Forward otlp {collector.url}")
    source = Source(admind)
    source.write(3)
    wait_until(lambda: collector.asked == 1, 10, admind.log)
    collector.status = 200
    arrived(collector, source.ids(), 30)
    assert collector.times[1] - collector.times[0] >= 5


def test_partial_success_is_counted_and_not_sent_again(world, collector):
    collector.answer = {"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "too old"}}
    admind = world.admind(f"Forward otlp {collector.url}")
    source = Source(admind)
    source.write(5)
    arrived(collector, source.ids())
    wait_until(lambda: metric(admind, "rejected_total", "otlp") >= 2, 10, admind.log)
    assert "MCPA2705" in admind.log() and "too old" in admind.log()
    time.sleep(1)
    assert len([r for r in collector.log_records() if r["attributes"][0]["value"]["stringValue"] == "request"]) == 5


def test_a_long_answer_is_no_reason_to_send_again(world, collector):
    collector.answer = {"partialSuccess": {"errorMessage": "x" * 200_000}}
    admind = world.admind(f"Forward otlp {collector.url}")
    source = Source(admind)
    source.write(5)
    arrived(collector, source.ids())
    wait_until(lambda: admind.metric("mcpauth_forward_records_total") >= 5, 10, admind.log)
    source.write(5)
    arrived(collector, source.ids())
    assert metric(admind, "failures_total", "otlp") == 0
    assert len([r for r in collector.log_records() if r["attributes"][0]["value"]["stringValue"] == "request"]) == 10


def test_a_stalled_receiver_stops_nobody_else(world, syslog, collector):
    stalled = SyslogServer()
    stalled.reading.clear()
    try:
        admind = world.admind(f"Forward syslog tcp://127.0.0.1:{stalled.port} name=stalled\nForward syslog tcp://127.0.0.1:{syslog.port} name=quick\nForward otlp {collector.url}")
        source = Source(admind)
        for _ in range(30):
            source.write(1000)
        arrived(syslog, source.ids(), 60)
        arrived(collector, source.ids(), 60)
        assert stalled.messages == [] and metric(admind, "backlog_bytes", "stalled") > 0
        wait_until(lambda: metric(admind, "lag_seconds", "stalled") > 3, 20, admind.log)
        wait_until(lambda: metric(admind, "lag_seconds", "quick") == 0, 20, admind.log)
        assert forward(admind, "stalled")["lag_s"] >= 3
        assert admind.get("/healthz").status == 200
        stalled.reading.set()
        arrived(stalled, source.ids(), 60)
    finally:
        stalled.stop()


def test_a_backlog_costs_no_memory(world, syslog):
    syslog.kill()
    admind = world.admind(f"Forward syslog tcp://127.0.0.1:{syslog.port}")
    source = Source(admind)
    source.write(500)
    time.sleep(1)
    before = admind.process.rss_kib()
    for _ in range(40):
        source.write(1000, user_agent="x" * 400)
    assert admind.metric("mcpauth_forward_backlog_bytes") > 20_000_000
    assert paths.SANITIZE or admind.process.rss_kib() - before < 8192
    syslog.start()
    arrived(syslog, source.ids(), 120)
    assert paths.SANITIZE or admind.process.rss_kib() - before < 8192


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
