# SPDX-License-Identifier: Apache-2.0
"""The journal sent on to syslog and OpenTelemetry: everything arrives, whatever the receivers go through."""
import json
import os
import random
import re
import ssl
import time

import pytest

from daemon_child import record, request
from forward_parts import Source, arrived, forward, metric, secret_file, tls_ca
from harness import paths
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
        wait_until(lambda: other.refused_handshakes >= 1, 10, "the other end to see it")
        assert other.messages == []
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
    wait_until(lambda: collector.asked >= 1, 10, admind.log)
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
