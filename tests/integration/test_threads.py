# SPDX-License-Identifier: Apache-2.0
"""What httpd's threads share, under ThreadSanitizer: the tables by their unit tests, built anew with it, and the module in the event MPM with sessions and
event streams. No race, and still every check holds. The daemon: test_threads_daemon.py."""
import json
import os
import socket
import subprocess
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Upstream, call_tool, initialize, list_tools, paths, wait_until
from thread_parts import FOLDER, RACE, Reports, changed, compile_c, point_to_build

CORE = ["base/bytes.c", "base/status.c", "state/siphash.c", "state/gcra.c"]
TABLES = {"tokencache_shared": ["state/tokencache.c"], "ratetable_shared": ["state/ratetable.c"]}


def build(folder, table, source=None):
    """The test's program with ThreadSanitizer. source: instead of the table's own."""
    program = folder / table
    sources = [paths.SOURCE / "shared" / name for name in CORE + TABLES[table]]
    if source:
        sources[-1] = source
    done = subprocess.run(["gcc", "-std=gnu11", "-g", "-O1", "-fsanitize=thread", "-D_GNU_SOURCE", "-I", paths.SOURCE / "shared", "-I", paths.SOURCE / "tests" / "unit",
                           *sources, paths.SOURCE / "tests" / "unit" / f"test_state_{table}.c", "-lcmocka", "-lcrypto", "-lpthread", "-o", program],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return program


def run(program):
    done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120 * paths.PATIENCE,
                          env={**os.environ, "TSAN_OPTIONS": "exitcode=66"})
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_threads_do_not_race(tmp_path, table):
    status, said = run(build(tmp_path, table))
    assert status == 0 and not RACE.search(said) and "[  PASSED  ]" in said, said


@pytest.mark.slow
def test_a_race_would_be_seen(tmp_path):
    """The same with a reader that copies without any order."""
    text = (paths.SOURCE / "shared" / "state" / "tokencache.c").read_text()
    plain = "uint64_t word = *(const uint64_t *)(const void *)&entry->facts[i];"
    broken = text.replace("uint64_t word = atomic_load_explicit(&entry->facts[i], memory_order_acquire);", plain)
    assert broken != text
    source = tmp_path / "broken.c"
    source.write_text(broken)
    status, said = run(build(tmp_path, "tokencache_shared", source))
    assert status != 0 and RACE.search(said), said


# ---- the module

SUBJECTS, THREADS, ROUNDS = 4, 24, 8
GUARDED = "MCPAuthInspect Body\nMCPAuthMaxStreams 3\nMCPAuthRateLimit subject 100000/min\n"
EVENTS = [("Content-Type", "text/event-stream")]


def answer(request):
    """An MCP server's that has sessions; every GET and every tools/call is answered by a short event stream."""
    if request.method == "DELETE":
        return 200, [("Content-Length", "0")], []
    if request.method == "GET":
        return 200, EVENTS, [b"data: {}\n\n"] * 3
    status, message = Upstream._mcp(request.body)
    text = json.dumps(message).encode()
    if json.loads(request.body)["method"] == "tools/call":
        return status, EVENTS, [b"data: " + text + b"\n\n"]
    session = [("Mcp-Session-Id", str(uuid.uuid4()))] if "initialize" in request.body.decode() else []
    return status, [("Content-Type", "application/json"), ("Content-Length", str(len(text))), *session], [text]


def leave_a_stream(s, token):
    """The status of a stream that never ends by itself; its client goes away."""
    with socket.create_connection(("127.0.0.1", s.httpd.port), timeout=60) as client:
        client.sendall(f"GET /sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n".encode())
        return int(client.recv(65536).split()[1])


def live(s, number):
    """One client: opens sessions, uses and ends them, with streams in between. Counter of (what, status)."""
    seen = Counter()
    for turn in range(ROUNDS):
        token = s.token(sub=f"subject-{number % SUBJECTS}", scope="mcp:admin", key=s.issuer.keys[-1 - turn % len(s.issuer.keys)])
        opened = s.call(token=token, body=initialize())
        seen["open", opened.status] += 1
        mine = {"MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": opened.header("Mcp-Session-Id") or "none"}
        stream = {**mine, "Accept": "application/json, text/event-stream"}
        seen["use", s.call(token=token, body=list_tools(turn), headers=mine).status] += 1
        seen["foreign", s.call(token=s.token(sub="mallory", scope="mcp:admin"), body=list_tools(turn), headers=mine).status] += 1
        seen["stream", s.call(token=token, body=call_tool(message="hello"), headers=stream).status] += 1
        seen["stream", s.call(token=token, method="GET", headers=stream).status] += 1
        seen["stream", leave_a_stream(s, token)] += 1
        ended = s.call(token=token, method="DELETE", headers=mine).status
        seen["end", ended] += 1
        if ended == 200:
            seen["over", s.call(token=token, body=list_tools(turn), headers=mine).status] += 1
    return seen


def lives(world):
    """(what the clients saw, the daemon's exit status, Reports) of many clients at once. The issuer's keys turn meanwhile, and httpd and the daemon, which is
    under the sanitizer too, read their configurations again."""
    reports = Reports(world.scratch)
    admind = world.admind(env=reports.env())
    s = world.stack(admind=False, env=reports.httpd_env(), location=GUARDED,
                    config=f"MCPAuthSpoolDir {world.dirs.spool} durability=sync tmpfs=allow",
                    locations={"/sse": "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthAudit Required\n" + GUARDED + "ProxyPass {upstream}/sse flushpackets=on"})
    s.admind = admind
    s.wait_keys()
    s.upstream.script = answer
    with ThreadPoolExecutor(THREADS) as pool:
        clients = [pool.submit(live, s, number) for number in range(THREADS)]
        s.issuer.rotate()
        wait_until(lambda: admind.metric("mcpauth_jwks_keys", issuer=s.issuer.url) > 1, 20, "the new key")
        s.httpd.graceful()
        admind.reload()
        seen = sum((client.result() for client in clients), Counter())
    s.httpd.stop()
    return seen, admind.stop(), reports


@pytest.mark.slow
def test_sessions_and_streams_do_not_race(world, monkeypatch):
    point_to_build(monkeypatch)
    seen, status, reports = lives(world)
    assert status == 0 and not reports.found(), "\n".join(reports.found())
    # A key that the daemon has not fetched yet, or not while it reloads, costs a 401, a stream too many a 429, a disk that is too slow for Required a 503.
    assert {status for _, status in seen} <= {200, 401, 404, 429, 503} and not {("foreign", 200), ("over", 200)} & set(seen), seen
    assert all(seen[what, 200] > THREADS * ROUNDS / 3 for what in ("open", "use", "stream", "end")), seen


@pytest.mark.slow
def test_a_race_of_requests_would_be_seen(world, monkeypatch, tmp_path):
    """The same with a module that counts streams without any order."""
    point_to_build(monkeypatch)
    plain = "uint64_t word = *(const uint64_t *)(const void *)&table->word[place];"
    copy = changed(tmp_path, "shared/state/streams.c", "uint64_t word = atomic_load(&table->word[place]);", plain)
    module = world.scratch / "mod_mcp_auth.so"  # where the sanitizer of httpd's children finds the names of functions, too
    compile_c(module, "-shared", "-fPIC", copy, *(FOLDER / "mod_mcp_auth" / ".libs").glob("*.o"), FOLDER / "shared" / ".libs" / "libmcpauth.a", "-lcrypto")
    monkeypatch.setattr(paths, "MODULE", module)
    _, _, reports = lives(world)
    assert any("streams.c" in report for report in reports.found()), reports.found()
