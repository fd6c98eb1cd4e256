# SPDX-License-Identifier: Apache-2.0
"""MCPAuthMaxLength: exactly as long as allowed is let in, one byte more is refused with what and how long, in both eras, in body and headers."""
import base64
import json

import pytest

from harness import list_tools, rpc
from module_parts import fixed_stack

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
META = {"_meta": {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}}
WHAT = {"id": "request id", "method": "method", "name": "name of the tool, prompt or task", "uri": "URI of the resource"}
USUAL = {"id": 255, "method": 255, "name": 255, "uri": 2048}
SET = {"id": 100, "method": 70, "name": 80, "uri": 300}
GUARDED = "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthInspect Body\nMCPAuthOperation * granted\nProxyPass {upstream}/mcp\n"


@pytest.fixture(scope="module")
def s(module_world):
    lines = "".join(f"MCPAuthMaxLength {kind} {n}\n" for kind, n in SET.items())
    return fixed_stack(module_world, location="MCPAuthInspect Body\nMCPAuthOperation * granted", config="LimitRequestFieldSize 17000\n", locations={
        "/set": GUARDED + lines,
        "/set/inner": GUARDED + "MCPAuthMaxLength name 90\n",
        "/headers": GUARDED.replace("Body", "Headers") + "MCPAuthMaxLength name 80\nMCPAuthMaxLength uri 300\nMCPAuthMaxLength method 70\n",
        "/long": GUARDED + "MCPAuthMaxLength token 16k\n",
        "/short": GUARDED + "MCPAuthMaxLength token 1k\n",
        "/off": GUARDED.replace("Body\nMCPAuthOperation * granted", "Off\nMCPAuthMaxLength token 1k"),
    })


def requests(kind, text):
    """(what, body, headers) of every place where something of this kind may stand."""
    modern = {"MCP-Protocol-Version": MODERN}
    named = {"name": [("tools/call", "name"), ("prompts/get", "name"), ("tasks/get", "taskId")], "uri": [("resources/read", "uri")]}.get(kind, [])
    if kind == "id":
        yield "id", rpc("ping", id=text), {}
        yield "id, newer era", rpc("tools/list", META, id=text), {**modern, "Mcp-Method": "tools/list"}
    if kind == "method":
        yield "method", rpc(text), {}
        yield "notification", rpc(text, id=None), {}
        yield "method, newer era", rpc(text, META), {**modern, "Mcp-Method": text}
    for method, member in named:
        yield method, rpc(method, {member: text}), {}
        yield f"{method}, newer era", rpc(method, {member: text, **META}), {**modern, "Mcp-Method": method, "Mcp-Name": text}
    ref = {"name": {"type": "ref/prompt", "name": text}, "uri": {"type": "ref/resource", "uri": text}}.get(kind)
    if ref:
        yield "completion", rpc("completion/complete", {"ref": ref, "argument": {"name": "a", "value": "b"}}), {}
    if kind == "uri":
        yield "listen", rpc("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["a://b", text]}, **META}), {**modern, "Mcp-Method": "subscriptions/listen"}


def thing(kind, n):
    return ("x" if kind == "method" else "x:") + "y" * (n - (1 if kind == "method" else 2))


def refused(answer, kind, most, has_id=True):
    assert answer.status == 400, answer
    document = answer.json()
    said = f"The {WHAT[kind]} is longer than {most} bytes, the most that is taken here"
    if has_id:
        assert document["error"] == {"code": -32602 if kind in ("name", "uri") else -32600, "message": said, "data": {"error": "invalid_request", "message": said}}
    else:
        assert document == {"error": "invalid_request", "message": said}


@pytest.mark.parametrize("path, most", [("/mcp", USUAL), ("/set", SET), ("/set/inner", {**SET, "name": 90})], ids=["default", "set", "inner"])
@pytest.mark.parametrize("kind", WHAT)
def test_one_byte_more_is_refused_with_the_ceiling(s, path, most, kind):
    token = s.token()
    for what, body, headers in requests(kind, thing(kind, most[kind])):
        answer = s.call(path=path, body=body, headers=headers, token=token)
        assert answer.status != 400 and "longer" not in answer.text, (what, answer)
    with s.upstream.untouched():
        for what, body, headers in requests(kind, thing(kind, most[kind] + 1)):
            print(what)
            # What was refused before its id was read is answered without; the harness writes the method first.
            refused(s.call(path=path, body=body, headers=headers, token=token), kind, most[kind], has_id=kind in ("name", "uri"))


def test_what_is_written_with_escapes_counts_as_what_it_says(s):
    token = s.token()

    def call(name, escaped):
        text = "".join(f"\\u{ord(c):04x}" for c in name) if escaped else name
        return s.call(path="/set", token=token, body=('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s"}}' % text).encode())

    for escaped in (False, True):
        for letter, size in (("x", 1), ("ä", 2), ("€", 3)):
            most = SET["name"] // size
            assert call(letter * most, escaped).status == 200, (letter, escaped)
            refused(call(letter * most + "xxx", escaped), "name", SET["name"])


def test_an_id_counts_as_it_is_written(s):
    token = s.token()

    def ping(raw):
        return s.call(path="/set", token=token, body=('{"jsonrpc":"2.0","id":"%s","method":"ping"}' % raw).encode())

    assert ping("\\u0061" * 16).status == 200
    refused(ping("\\u0061" * 17), "id", SET["id"], has_id=False)
    assert ping("ä" * 50).status == 200
    refused(ping("ä" * 50 + "x"), "id", SET["id"], has_id=False)


@pytest.mark.parametrize("kind, method", [("name", "tools/call"), ("uri", "resources/read"), ("method", None)])
def test_headers_that_decide_alone_keep_to_the_same(s, kind, method):
    token = s.token()

    def ask(text):
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method or text, **({"Mcp-Name": text} if method else {})}
        return s.call(path="/headers", body=list_tools(), headers=headers, token=token)

    assert ask(thing(kind, SET[kind])).status == 200
    refused(ask(thing(kind, SET[kind] + 1)), kind, SET[kind], has_id=False)
    if method:
        def encode(n):
            return "=?base64?" + base64.b64encode(thing(kind, n).encode()).decode() + "?="
        assert ask(encode(SET[kind])).status == 200
        for n in (SET[kind] + 1, 6000):
            refused(ask(encode(n)), kind, SET[kind], has_id=False)


def test_lists_show_nothing_that_could_not_be_called(s):
    tools = [{"name": "x" * n} for n in (80, 81)]
    s.upstream.script = (200, [("Content-Type", "application/json")], [json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).encode()])
    try:
        for path, shown in (("/set", 1), ("/mcp", 2)):
            assert len(s.call(path=path, body=list_tools(), token=s.token()).json()["result"]["tools"]) == shown
    finally:
        s.upstream.script = None


def of_size(s, size):
    """A good token of exactly this size."""
    pad = size // 2
    while True:
        token = s.token(pad="x" * pad)
        if len(token) == size:
            return token
        if len(token) > size and len(s.token(pad="x" * (pad - 1))) < size:  # base64 leaves gaps, which another claim moves
            for more in range(1, 4):
                for k in range(pad - 8, pad + 2):
                    token = s.token(pad="x" * k, p="y" * more)
                    if len(token) == size:
                        return token
            raise AssertionError(size)
        pad += max(1, (size - len(token)) * 3 // 4) if len(token) < size else -1


@pytest.mark.parametrize("path, most", [("/mcp", 8192), ("/long", 16384), ("/short", 1024), ("/off", 1024)])
def test_a_token_as_long_as_allowed_is_let_in_and_one_byte_more_is_not(s, path, most):
    body = list_tools() if path != "/off" else b"x"
    assert s.call(path=path, body=body, token=of_size(s, most)).status == 200
    with s.upstream.untouched():
        answer = s.call(path=path, body=body, token=of_size(s, most + 1))
    said = f"The access token is longer than {most} bytes, the most that is taken here"
    assert answer.status == 401 and answer.json() == {"error": "unauthorized", "message": said}
    assert answer.challenge["error"] == "invalid_token" and answer.challenge["error_description"] == said


@pytest.mark.parametrize("field, warned", [(None, True), (9000, True), (9022, False)])
def test_a_header_that_httpd_refuses_first_is_warned_of(world, field, warned):
    # "Authorization: Bearer " and 9000 bytes.
    s = fixed_stack(world, location="MCPAuthInspect Body\nMCPAuthMaxLength token 9000", config=f"LimitRequestFieldSize {field}\n" if field else "")
    status, said = s.httpd.configtest()
    line = s.httpd.line_of("MCPAuthMaxLength")
    assert status == 0 and ("MCPA0133" in said) == warned and (f":{line}: MCPAuthMaxLength token 9000" in said) == warned
    assert not warned or "write LimitRequestFieldSize 9022" in said
    assert s.call(body=list_tools(), token=of_size(s, 9000)).status == (400 if warned else 200)


def test_what_was_let_in_by_one_section_is_asked_again_by_a_shorter_one(world):
    """A subrequest into a section that differs in nothing but a ceiling."""
    s = fixed_stack(world, modules=["proxy", "proxy_http", "include", "mime"], locations={
        "/files": "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthInspect Off\nRequire all granted", "/files/short": "MCPAuthMaxLength token 512"},
        config='TypesConfig /dev/null\nAddType text/html .shtml\nAddOutputFilter INCLUDES .shtml\n<Directory "{folder}/htdocs">\nOptions +Includes\n</Directory>\n')
    for name, text in (("page.shtml", '[<!--#include virtual="/files/open.txt" -->][<!--#include virtual="/files/short/secret.txt" -->]'), ("open.txt", "open"), ("short/secret.txt", "secret")):
        path = s.httpd.document_root / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    token = s.token()
    assert len(token) > 512
    answer = s.httpd.get("/files/page.shtml", token=token)
    assert answer.status == 200 and "[open]" in answer.text and "secret" not in answer.text, answer
    assert s.httpd.get("/files/short/secret.txt", token=token).status == 401
