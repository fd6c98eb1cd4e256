# SPDX-License-Identifier: Apache-2.0
"""Streams that do not come as mod_proxy_http brings them: a program's output, whose end comes with its beginning, and an answer that is withheld though it never
ends. And a child that can serve nobody."""
import os
import resource
import socket
import threading

from harness import initialize, wait_until
from module_parts import fixed_stack
from test_module_streams import STATUS, Client, open_now, wait_open

PROGRAM = """#!/bin/sh
printf 'Content-Type: text/event-stream\\r\\n\\r\\ndata: {}\\n\\n'
n=0
while [ ! -e %s ] && [ $n -lt 600 ]; do n=$((n + 1)); sleep 0.1; done
"""
CGI = """ScriptAlias /cgi {folder}/cgi
<Directory {folder}/cgi>
Require all granted
</Directory>
"""


def test_a_programs_stream_counts_until_it_ends(world):
    guarded = "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthInspect Off\nMCPAuthMaxStreams 2\n"
    s = fixed_stack(world, mpm="prefork", modules=["proxy", "proxy_http", "cgi", "alias", "status"], config=f"{STATUS}\n{CGI}", locations={"/cgi": guarded})
    folder = s.httpd.document_root.parent / "cgi"
    folder.mkdir(exist_ok=True)
    program, over = folder / "stream", folder.parent / "over"
    program.write_text(PROGRAM % over)
    os.chmod(program, 0o755)
    for method in ("POST", "GET"):
        mine = [Client(s, method, "/cgi/stream") for _ in range(2)]
        assert [c.status for c in mine] == [200, 200] and open_now(s) == 2
        refused = Client(s, method, "/cgi/stream")
        assert refused.status == 429
        refused.close()
        over.write_text("")
        for client in mine:
            client.read_to_end()
        wait_open(s, 0)
        over.unlink()
        for client in mine:
            client.close()


def test_a_withheld_stream_is_not_read_to_an_end_that_never_comes(world):
    s = fixed_stack(world, location="MCPAuthInspect Body\nMCPAuthMaxStreams 2", modules=["proxy", "proxy_http", "status"], config=STATUS)
    over = threading.Event()
    s.upstream.script = (200, [("Content-Type", "text/event-stream"), ("Mcp-Session-Id", "x" * 300)], [b"data: {}\n\n", lambda: over.wait(60)] * 5)
    body = initialize()
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {s.token(scope='mcp:admin')}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    try:
        for _ in range(3):
            client = socket.create_connection(("127.0.0.1", s.httpd.port), timeout=30)
            client.sendall(head.encode() + body)
            assert client.recv(100).startswith(b"HTTP/1.1 404 ")
            client.close()
            wait_until(lambda: open_now(s) == 0, 20, "the place to be given back")
    finally:
        over.set()
        s.upstream.script = None


def test_a_child_without_a_link_refuses_and_does_not_fall(world):
    """No thread can be started: MCPA0124 is in the log, and each guarded request is answered."""
    world.allow_crashes = True  # as they would be if it fell; the assertion below is about that
    limit = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, limit[1]))
    try:
        s = fixed_stack(world, mpm="prefork")
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, limit)
    for _ in range(3):
        answer = s.httpd.send("POST", "/mcp")
        assert answer.status == 503 and answer.header("X-Request-ID")
    assert "MCPA0124" in s.httpd.error_log() and "Segmentation" not in s.httpd.error_log()
