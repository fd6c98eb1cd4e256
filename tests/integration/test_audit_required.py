# SPDX-License-Identifier: Apache-2.0
"""MCPAuthAudit Required: the decision is on record before the handler runs, and what was let in is recorded to its end."""
import os
import signal
import socket
import subprocess
import threading

import pytest

from harness import wait_until
from module_parts import fixed_stack

REQUIRED = "MCPAuthAudit Required"
SAME = ("request_id", "ts", "instance", "method", "path", "ip", "user_agent", "sub", "client_id", "scope", "iss", "jti", "aud", "token_hash", "location", "vhost", "decision", "reason", "auth_method")
AT_THE_END = {"status", "latency_ms", "bytes_in", "bytes_out"}


def agent(name):
    return {"User-Agent": name}


def records(stack, name):
    """(decisions, ends) of a request with this User-Agent. Its end is its last record: when that has arrived, all have."""
    wait_until(lambda: any("event" not in r for r in stack.admind.journal_lines(user_agent=name)), what=f"the end of {name}")
    found = stack.admind.journal_lines(user_agent=name)
    return [r for r in found if r.get("event") == "decision"], [r for r in found if "event" not in r]


def pair(stack, name):
    decisions, ends = records(stack, name)
    assert (len(decisions), len(ends)) == (1, 1), (decisions, ends)
    return decisions[0], ends[0]


def test_what_is_let_in_has_a_decision_and_an_end_and_a_refusal_only_an_end(world, mpm):
    s = world.stack(mpm=mpm, location=REQUIRED + "\nMCPAuthScope mcp:tools.exec")
    assert s.call(token=s.token(jti="one", scope="mcp:tools.exec"), headers=agent("good")).status == 200
    assert s.call(headers=agent("none")).status == 401
    assert s.call(token=s.token(scope="other"), headers=agent("scope")).status == 403
    decision, end = pair(s, "good")
    assert {k: decision.get(k) for k in SAME} == {k: end.get(k) for k in SAME}
    assert decision["sub"] == "alice" and decision["decision"] == "allow" and decision["location"] == "/mcp" and decision["jti"] == "one"
    assert not AT_THE_END & set(decision) and AT_THE_END <= set(end)
    assert decision["seq"] < end["seq"] and end["status"] == 200
    for name, status in (("none", 401), ("scope", 403)):
        decisions, ends = records(s, name)
        assert not decisions and [r["status"] for r in ends] == [status]
    s.admind.wait_journal(4)  # counted, too
    total = s.admind.metric("mcpauth_requests_total", location="/mcp", method="POST", code="200", decision="allow")
    assert total == 1


@pytest.fixture(scope="module")
def pages(module_world):
    """Sections of every kind around files of httpd's own."""
    guarded = "MCPAuth On\nMCPAuthResource {resource}\n"
    s = module_world.stack(
        modules=["proxy", "proxy_http", "include", "mime", "dir", "alias", "rewrite"], location=REQUIRED,
        config="TypesConfig /dev/null\nAddOutputFilter INCLUDES .shtml\nDirectoryIndex index.txt\n<Directory {folder}/htdocs>\nOptions +Includes\n</Directory>\n"
               "RewriteEngine On\nRewriteRule ^/rewritten/(.*)$ /dir/$1 [PT]",
        locations={
            "/dir": guarded + REQUIRED,
            "/moved": guarded + REQUIRED + "\nErrorDocument 404 /moved/page.txt",
            "/part": guarded + REQUIRED,
            "/silent": guarded + "MCPAuthAudit Off",
            "/denied": guarded + REQUIRED + "\nRequire mcp-scope mcp:admin",
            "/shadow": guarded.replace("On", "Shadow", 1) + REQUIRED,
            "/plain": guarded,
            "/refused": guarded + REQUIRED + "\nErrorDocument 403 /part/p.txt\nMCPAuthScope mcp:admin",
        })
    root = s.httpd.document_root
    twice = '<!--#include virtual="/part/p.txt" --><!--#include virtual="/part/q.txt" -->'
    for name, text in {"dir/index.txt": "index", "moved/page.txt": "instead", "part/p.txt": "p", "part/q.txt": "q", "part/both.shtml": twice, "open.shtml": twice,
                       "silent/page.shtml": twice, "silent/plain.shtml": '<!--#include virtual="/plain/f.txt" -->', "denied/f.txt": "f", "shadow/f.txt": "f", "plain/f.txt": "f", "refused/f.txt": "f"}.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return s


@pytest.mark.parametrize("path, status, text", [
    ("/dir/", 200, "index"),          # mod_dir's fast redirect
    ("/dir/index.txt", 200, "index"),
    ("/rewritten/index.txt", 200, "index"),
    ("/moved/nothing", 404, "instead"),  # an error document: an internal redirect
    ("/part/both.shtml", 200, "pq"),  # parts in the same section
    ("/open.shtml", 200, "pq"),       # two guarded parts of a page that is not
    ("/silent/page.shtml", 200, "pq"),
])
def test_one_decision_and_one_end_whatever_httpd_makes_of_a_request(pages, path, status, text):
    answer = pages.httpd.get(path, token=pages.token(), headers=agent("pages " + path))
    assert (answer.status, answer.text) == (status, text)
    decision, end = pair(pages, "pages " + path)
    assert decision["request_id"] == end["request_id"] and decision["seq"] < end["seq"] and end["status"] == status


@pytest.mark.parametrize("path, status", [("/denied/f.txt", 403), ("/shadow/f.txt", 200), ("/plain/f.txt", 200)])
def test_no_decision_where_no_handler_of_a_required_section_runs(pages, path, status):
    assert pages.httpd.get(path, token=pages.token(), headers=agent("none " + path)).status == status
    decisions, ends = records(pages, "none " + path)
    assert not decisions and len(ends) == 1


def test_an_outer_section_without_audit_does_not_silence_an_inner_one(pages):
    answer = pages.httpd.get("/silent/plain.shtml", token=pages.token(), headers=agent("inner"))
    assert (answer.status, answer.text) == (200, "f")
    decisions, ends = records(pages, "inner")
    assert not decisions and [(r["location"], r["path"], r["decision"]) for r in ends] == [("/plain", "/silent/plain.shtml", "allow")]


def test_a_refusals_own_page_is_a_handler_that_was_let_in(pages):
    answer = pages.httpd.get("/refused/f.txt", token=pages.token(), headers=agent("refused"))
    assert (answer.status, answer.text) == (403, "p")
    decision, end = pair(pages, "refused")
    assert [(r["decision"], r["location"]) for r in (decision, end)] == [("allow", "/part"), ("deny", "/refused")]
    assert decision["request_id"] == end["request_id"]


def test_a_client_that_leaves_has_its_end(pages):
    with socket.create_connection(("127.0.0.1", pages.httpd.port)) as client:
        client.sendall(f"GET /mcp/slow/1 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: left\r\nAuthorization: Bearer {pages.token()}\r\n\r\n".encode())
        wait_until(lambda: any(r.path.endswith("/slow/1") for r in pages.upstream.requests), what="the upstream to have it")
    pair(pages, "left")


def test_a_child_killed_at_work_leaves_the_decision(world, mpm):
    world.allow_crashes = True
    s = world.stack(mpm=mpm, location=REQUIRED)
    token = s.token()
    assert s.call(token=token, headers=agent("before")).status == 200

    def ask():
        with pytest.raises((OSError, AssertionError, EOFError)):
            answer = s.call(token=token, path="/mcp/slow/60", headers=agent("killed"), timeout=50)
            assert answer.status == 200

    client = threading.Thread(target=ask, daemon=True)
    client.start()
    wait_until(lambda: any(r.path.endswith("/slow/60") for r in s.upstream.requests), what="the upstream to have it")
    # On record before the upstream had it: already in the spool, whatever the link did since.
    for child in s.httpd.children():
        os.kill(child, signal.SIGKILL)
    client.join(60)
    assert not client.is_alive()
    s.admind.wait_journal(1, user_agent="killed", timeout=30)
    # A dead child's records are adopted in their order: what the new one wrote afterwards is the fence.
    wait_until(lambda: s.call(headers=agent("again")).status == 401, what="new children")
    s.admind.wait_journal(1, user_agent="again")
    found = s.admind.journal_lines(user_agent="killed")
    assert [r.get("event") for r in found] == ["decision"] and found[0]["path"] == "/mcp/slow/60"
    pair(s, "before")


def test_a_full_spool_refuses_the_next_and_records_those_at_work_to_their_end(world):
    held = 5
    s = world.stack(mpm="event", workers=16, location=REQUIRED, config=f"MCPAuthSpoolDir {world.dirs.spool} max=4m",
                    locations={"/free": "MCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/free"})
    token = s.token()
    s.admind.stop()
    clients = []
    for n in range(held):
        client = socket.create_connection(("127.0.0.1", s.httpd.port))
        client.sendall(f"GET /mcp/sse HTTP/1.1\r\nHost: localhost\r\nUser-Agent: held {n}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        clients.append(client)
    wait_until(lambda: s.upstream.open_streams == held, what="requests at work")

    refusal = b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + b"u" * 1000 + b"\r\n"
    answers = []
    for _ in range(400):
        s.httpd.raw((refusal + b"\r\n") * 50 + refusal + b"Connection: close\r\n\r\n")
        answers.append(s.call(token=token, headers=agent("late")))
        if len(answers) > 10 and all(a.status == 503 for a in answers[-10:]):
            break
    assert [a.status for a in answers[-10:]] == [503] * 10
    assert answers[-1].json()["error"] == "temporarily_unavailable" and answers[-1].header("Retry-After")
    with s.upstream.untouched():
        assert s.call(token=token).status == 503
        assert s.call().status == 401
    assert s.call(path="/free", token=token).status == 200

    s.upstream.push("the end")
    s.upstream.end_streams()
    for client in clients:
        text = b""
        while data := client.recv(65536):
            text += data
        client.close()
        assert text.startswith(b"HTTP/1.1 200") and b"the end" in text
    s.admind.start()
    for n in range(held):
        decision, end = pair(s, f"held {n}")
        assert decision["request_id"] == end["request_id"] and end["status"] == 200
    wait_until(lambda: s.call(token=token).status == 200, what="room again", timeout=20)


def test_shadow_is_served_from_a_full_spool(world):
    spool = world.scratch / "spool2"
    spool.mkdir()
    os.chown(spool, 33, 33)
    world.dirs.spool = f"{spool} max=2m"
    s = fixed_stack(world, mpm="prefork", workers=1, location=REQUIRED,
                    locations={"/shadow": "MCPAuth Shadow\nMCPAuthResource {resource}\nMCPAuthAudit Required\nProxyPass {upstream}/shadow"})
    token = s.token()
    refusal = b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + b"u" * 1000 + b"\r\n"
    for _ in range(200):
        s.httpd.raw((refusal + b"\r\n") * 50 + refusal + b"Connection: close\r\n\r\n")
        if s.call(token=token).status == 503:
            break
    assert s.call(token=token).status == 503
    assert s.call(path="/shadow", token=token).status == 200


def test_sync_durability_serves_and_records(world, mpm):
    s = world.stack(mpm=mpm, location=REQUIRED, config=f"MCPAuthSpoolDir {world.dirs.spool} durability=sync")
    token = s.token()
    for n in range(10):
        assert s.call(token=token, headers=agent(f"sync {n}")).status == 200
    s.httpd.graceful()
    for n in range(10, 15):
        assert s.call(token=token, headers=agent(f"sync {n}")).status == 200
    for n in range(15):
        pair(s, f"sync {n}")
    s.httpd.stop()
    ends = [r for r in s.admind.journal_lines() if "event" not in r]
    assert len({r["request_id"] for r in ends}) == len(ends)
    assert not s.admind.journal_lines(event="gap")


@pytest.fixture
def in_memory(world):
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(world.dirs.spool)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"NOT TESTED: a spool on tmpfs needs root and mount: {done.stderr.strip()}")
    os.chown(world.dirs.spool, 33, 33)
    os.chmod(world.dirs.spool, 0o2770)
    try:
        yield world
    finally:
        for part in world.parts:
            part.stop()
        subprocess.run(["umount", "-l", str(world.dirs.spool)], check=True)


def test_a_spool_in_memory_is_refused_unless_it_is_allowed(in_memory):
    s = fixed_stack(in_memory, location=REQUIRED)
    assert s.call(token=s.token()).status == 200  # the harness writes tmpfs=allow
    s.httpd.stop()
    text = s.httpd.conf_path.read_text()
    for more in ("", " max=8m durability=sync tmpfs=refuse"):
        s.httpd.conf_path.write_text(text.replace(" tmpfs=allow", more))
        status, said = s.httpd.configtest()
        assert status != 0
        assert f"MCPA0127: {s.httpd.conf_path}:{s.httpd.line_of('MCPAuthSpoolDir')}: MCPAuthSpoolDir {in_memory.dirs.spool}: lies in memory" in said, said
        assert "tmpfs=allow" in said
        assert "MCPA0127" in s.httpd.try_start()
