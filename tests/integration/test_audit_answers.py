# SPDX-License-Identifier: Apache-2.0
"""Whoever has a whole answer has a record: each of these children is killed after the last byte of the answer, before httpd logs the request."""
import os

import pytest

from harness import wait_until
from harness.world import World

DIE = {"X-Test-Die": "yes"}
CGI = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n%s\\r\\n'
printf one; sleep 0.2; printf two
"""
# name: (path, method, status, the body's length or None, options)
SHAPES = {
    "file": ("/files/page.txt", "GET", 200, 4, {}),
    "an empty file": ("/files/empty.txt", "GET", 200, 0, {}),
    "a large file": ("/files/large.bin", "GET", 200, 3000000, {}),
    "no such file": ("/files/none", "GET", 404, None, {}),
    "an error document": ("/moved/none", "GET", 404, 4, {}),
    "a page with a guarded part": ("/page.shtml", "GET", 200, 10, {}),
    "compressed": ("/files/large.txt", "GET", 200, None, {"headers": {"Accept-Encoding": "gzip"}}),
    "proxied, with its length": ("/mcp/big/200000", "GET", 200, 200000, {}),
    "proxied call": ("/mcp", "POST", 200, None, {"body": '{"jsonrpc":"2.0","id":1,"method":"ping"}'}),
    "proxied, without content": ("/mcp/status/204", "GET", 204, 0, {}),
    "proxied, an error": ("/mcp/status/500", "GET", 500, None, {}),
    "no token": ("/mcp", "POST", 401, None, {"token": None, "body": "x" * 100000}),
    "not enough": ("/admin/x", "GET", 403, None, {}),
    "not enough for Require": ("/require/x", "GET", 403, None, {}),
    "over the limit": ("/limited/x", "GET", 429, None, {}),
    "HEAD": ("/mcp", "HEAD", 405, 0, {}),
    "preflight": ("/mcp", "OPTIONS", 204, 0, {"token": None, "headers": {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}}),
    "two credentials": ("/mcp?access_token=x", "GET", 400, None, {}),
}

PROGRAMS = {"program": "/cgi/plain", "program that tells its length": "/cgi/told"}


def whole(answer, method, length):
    told = answer.header("Content-Length")
    return (told is None or method == "HEAD" or int(told) == len(answer.body)) and length in (None, len(answer.body))


@pytest.fixture(scope="module", params=["event", "worker", "prefork"])
def dying(request):
    world = World(f"answers_{request.param}")
    world.allow_crashes = True
    try:
        yield stack_of(world, request.param)
    finally:
        world.close(failed=getattr(request.node, "failed_once", False))


def stack_of(world, mpm):
    guarded = "MCPAuth On\nMCPAuthResource {resource}\n"
    s = world.stack(
        mpm=mpm, modules=["proxy", "proxy_http", "mime", "deflate", "alias", "include"] + ["cgi"] * (mpm == "prefork"),
        location="MCPAuthAudit Required\nMCPAuthOrigin https://app.example",
        config="TypesConfig /dev/null\nAddType text/plain .txt\nAddType text/html .shtml\nAddOutputFilter INCLUDES .shtml\n<Directory {folder}/htdocs>\nOptions +Includes\n</Directory>\nAddOutputFilterByType DEFLATE text/plain\nScriptAlias /cgi {folder}/cgi\n<Directory {folder}/cgi>\nRequire all granted\n</Directory>",
        locations={
            "/files": guarded, "/moved": guarded + "ErrorDocument 404 /moved/page.txt", "/cgi": guarded, "/admin": guarded + "MCPAuthScope mcp:admin",
            "/require": guarded + "Require mcp-scope mcp:admin", "/limited": guarded + "MCPAuthRateLimit client 1/day\nMCPAuthAudit Required",
        })
    folder = s.httpd.document_root
    for name, text in {"files/page.txt": "page", "files/empty.txt": "", "page.shtml": 'one <!--#include virtual="/files/page.txt" --> 2', "files/large.bin": "x" * 3000000, "files/large.txt": "text" * 100000, "moved/page.txt": "page",
                       "require/x": "x", "limited/x": "x", "admin/x": "x"}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    programs = folder.parent / "cgi"
    programs.mkdir(exist_ok=True)
    for name, header in {"plain": "", "told": "Content-Length: 6\\r\\n"}.items():
        (programs / name).write_text(CGI % header)
        os.chmod(programs / name, 0o755)
    assert s.httpd.get("/limited/x", token=s.token()).status == 200
    return s


@pytest.mark.parametrize("shape", SHAPES)
def test_a_whole_answer_is_on_record_whatever_happens_then(dying, shape):
    check(dying, shape, *SHAPES[shape])


def test_so_is_that_of_a_program(world):
    """mod_cgi: the length of what comes is not known, and the end of the answer comes with its beginning."""
    world.allow_crashes = True
    s = stack_of(world, "prefork")
    took = {name: check(s, name, path, "GET", 200, 6, {})["latency_ms"] for name, path in PROGRAMS.items()}
    assert took["program"] >= 200  # it slept so long between its first byte and its last one


def check(s, shape, path, method, status, length, options):
    agent = f"{s.httpd.port} {shape}"
    options = {"token": s.token(), **options}
    answer = s.httpd.send(method, path, **{**options, "headers": {"User-Agent": agent, **DIE, **options.get("headers", {})}})
    assert answer.status == status and whole(answer, method, length), answer
    s.admind.wait_journal(1, user_agent=agent, status=status, timeout=30)
    wait_until(lambda: s.httpd.send("GET", "/mcp", headers={"User-Agent": f"{agent} fence"}).status == 401, what="new children")
    s.admind.wait_journal(1, user_agent=f"{agent} fence", timeout=30)
    ends = [r for r in s.admind.journal_lines(user_agent=agent) if "event" not in r]
    assert len(ends) == 1 and ends[0]["status"] == status and ends[0]["method"] == method and ends[0]["latency_ms"] > 0
    assert ends[0]["bytes_out"] == len(answer.body), (ends[0], len(answer.body))
    return ends[0]
