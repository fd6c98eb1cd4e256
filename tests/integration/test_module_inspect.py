# SPDX-License-Identifier: Apache-2.0
"""MCPAuthInspect Body: what is let in is decided by the message itself, and the message reaches the upstream as it came."""
import gzip
import json
import os

import pytest

from harness import call_tool, initialize, list_tools, rpc
from module_parts import fixed_stack

MODERN = "2026-07-28"
ALL = "mcp:admin"


def meta(params=None, version=MODERN):
    return {**(params or {}), "_meta": {"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {}}}


def modern(method, params=None):
    """(body, headers) of a request of the newer era, mirrors and all."""
    mirrors = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    if params:
        mirrors["Mcp-Name"] = params["name"]
    return rpc(method, meta(params)), mirrors


@pytest.fixture(scope="module")
def inspected(module_world):
    guarded = "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthInspect Body\n"
    return fixed_stack(
        module_world, modules=["proxy", "proxy_http", "headers", "alias"],
        location="MCPAuthInspect Body\nMCPAuthMaxBody 256k\nMCPAuthOperation tools/call:public granted\nMCPAuthOperation tools/call:secret* denied\n"
                 "MCPAuthOperation tools/call:delete* mcp:delete mcp:admin\nMCPAuthRateLimit tool 2/day",
        locations={
            "/mcp/inner": guarded + "ProxyPass {upstream}/mcp\nMCPAuthOperation * granted",
            "/modern": guarded + "MCPAuthProtocol 2026-07-28\nProxyPass {upstream}/mcp",
            "/older": guarded + "MCPAuthProtocol 2025-06-18 2025-11-25\nProxyPass {upstream}/mcp",
            "/scoped": guarded + "MCPAuthScope files:use\nProxyPass {upstream}/mcp",
            "/headers": guarded.replace("Body", "Headers") + "ProxyPass {upstream}/mcp",
            "/shadow": guarded.replace("On", "Shadow", 1) + "MCPAuthMaxBody 1k\nProxyPass {upstream}/echo",
            "/off": guarded.replace("Body", "Off") + "ProxyPass {upstream}/echo",
        })


def post(s, body, path="/mcp", scope=ALL, headers=None, **more):
    return s.call(path=path, body=body, token=s.token(scope=scope, sub=more.pop("sub", "alice")), headers={**(headers or {})}, **more)


def code(answer):
    return answer.json()["error"]["code"]


# -- what comes through -------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 100, 16000, 16385, 100000, 200000])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_bytes_reach_the_upstream_as_they_came_with_a_true_length(inspected, size, chunked):
    s = inspected
    body = (b' {"jsonrpc" : "2.0", "id":"7", "method":"tools/call","params":{"name":"public","arguments":{"text":"%s", "a":1, "a":2}}}\n' % (b"x" * size))
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    sent = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [body[i:i + 7000] for i in range(0, len(body), 7000)]) + b"0\r\n\r\n" if chunked else body
    s.upstream.clear()
    assert post(s, sent, headers=headers, sub=f"{size}{chunked}").status == 200
    seen = s.upstream.requests[-1]
    assert seen.body == body and seen.header("Content-Length") == str(len(body)) and seen.header("Transfer-Encoding") is None


def test_both_eras_on_one_location(inspected):
    s = inspected
    for body, headers in ((initialize(), {}), (list_tools(), {"MCP-Protocol-Version": "2025-11-25"}), (rpc("notifications/initialized", id=None), {}),
                          modern("tools/list"), modern("tools/call", {"name": "public"})):
        answer = post(s, body, headers=headers, sub="eras")
        assert answer.status in (200, 202), answer


def test_expect_continue_is_answered_once_the_token_is_good(inspected):
    s = inspected
    body = call_tool("public")
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    answer = s.httpd.raw((head + f"Authorization: Bearer {s.token(scope=ALL, sub='expects')}\r\n\r\n").encode() + body)
    assert answer.startswith(b"HTTP/1.1 100 ") and b"HTTP/1.1 200 " in answer
    assert s.httpd.raw((head + "\r\n").encode() + body).startswith(b"HTTP/1.1 401 ")


# -- scopes and rules ----------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("body, scope, status, needed", [
    (list_tools(), "mcp:tools.read", 200, None),
    (list_tools(), "other", 403, "mcp:tools.read"),
    (rpc("ping"), "mcp:tools.read", 200, None),
    (call_tool("echo"), "mcp:tools.exec", 200, None),
    (call_tool("echo"), "mcp:tools.read", 403, "mcp:tools.exec"),
    (call_tool("public"), "other", 200, None),
    (call_tool("secret1"), ALL, 403, None),
    (call_tool("delete_all"), "mcp:admin", 403, "mcp:delete mcp:admin"),
    (call_tool("delete_all"), "mcp:admin mcp:delete", 200, None),
    (rpc("no/such"), ALL, 403, None),
])
def test_scopes_are_those_of_the_operation(inspected, body, scope, status, needed):
    s = inspected
    with s.upstream.untouched() if status != 200 else open(os.devnull):
        answer = post(s, body, scope=scope, sub=f"scopes {scope}")
    assert answer.status == status, answer
    if status == 403:
        assert code(answer) == 403 and answer.json()["id"] == 1 and answer.json()["error"]["data"]["error"] == "forbidden"
        assert (answer.challenge or {}).get("scope") == needed
        assert needed is None or (answer.challenge["error"] == "insufficient_scope" and answer.challenge["resource_metadata"].startswith("http"))


def test_one_challenge_names_what_location_and_operation_need(inspected):
    answer = post(inspected, call_tool("echo"), path="/scoped", scope="other")
    assert answer.status == 403 and answer.challenge["scope"] == "files:use mcp:tools.exec"


def test_an_inner_section_cannot_undo_what_the_outer_one_denies(inspected):
    s = inspected
    assert post(s, call_tool("echo"), path="/mcp/inner", scope="other").status == 200
    assert post(s, call_tool("secret1"), path="/mcp/inner", scope=ALL).status == 403
    assert post(s, rpc("no/such"), path="/mcp/inner", scope="other").status == 200


def test_an_unknown_method_is_404_in_the_newer_era(inspected):
    body, headers = modern("no/such")
    answer = post(inspected, body, headers=headers)
    assert answer.status == 404 and code(answer) == -32601


def test_get_and_delete_are_operations(inspected):
    s = inspected
    for method in ("GET", "DELETE"):
        assert s.httpd.send(method, "/mcp", token=s.token(scope="mcp:tools.read")).status == 200
        answer = s.httpd.send(method, "/mcp", token=s.token(scope="other"))
        assert answer.status == 403 and answer.challenge["scope"] == "mcp:tools.read"
        assert s.httpd.send(method, "/mcp", token=s.token(scope=ALL), body="{}").status == 400


def test_limits_per_tool(inspected):
    s = inspected
    for _ in range(2):
        assert post(s, call_tool("one"), sub="limited").status == 200
    answer = post(s, call_tool("one", id="text"), sub="limited")
    assert answer.status == 429 and code(answer) == 429 and answer.json()["id"] == "text"
    assert int(answer.header("Retry-After")) > 1000 and answer.json()["error"]["data"]["retry_after"] == int(answer.header("Retry-After"))
    assert post(s, call_tool("two"), sub="limited").status == 200
    assert post(s, call_tool("one"), sub="another").status == 200
    assert post(s, list_tools(), sub="limited").status == 200


# -- bad bodies ----------------------------------------------------------------------------------------------------------------------------

BAD = {
    "empty": b"", "blank": b"  ", "no JSON": b"hello", "batch": b"[" + list_tools() + b"]", "trailing data": list_tools() + b"{}", "two lines": list_tools() + b"\n" + list_tools(),
    "byte order mark": b"\xef\xbb\xbf" + list_tools(), "UTF-16": list_tools().decode().encode("utf-16"), "invalid UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xff"}}',
    "NUL": list_tools() + b"\0", "a member twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}',
    "an escaped name": b'{"jsonrpc":"2.0","id":1,"\\u006dethod":"tools/list"}', "a name twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"public","name":"secret"}}',
    "another case": b'{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call"}', "null id": b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    "long id": b'{"jsonrpc":"2.0","id":"%s","method":"ping"}' % (b"i" * 256), "long method": rpc("m" * 256), "dots": rpc("tools/../list"), "no name": rpc("tools/call", {}),
    "long name": call_tool("n" * 256), "deep": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + b"[" * 1000 + b"]" * 1000 + b"}}",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_message_is_refused(inspected, name):
    s = inspected
    with s.upstream.untouched():
        answer = post(s, BAD[name])
    assert answer.status == 400 and answer.header("Content-Type") == "application/json", answer
    error = answer.json()
    assert error.get("error") == "invalid_request" or (error["error"]["data"]["error"] == "invalid_request" and error["error"]["code"] < -32000)


@pytest.mark.parametrize("headers, body, status", [
    ({"Content-Type": "text/plain"}, list_tools(), 415),
    ({"Content-Type": "application/json; charset=utf-16"}, list_tools(), 415),
    ({"Content-Type": "multipart/form-data; boundary=x"}, list_tools(), 415),
    ({"Content-Type": ""}, list_tools(), 415),
    ({"Content-Encoding": "gzip"}, gzip.compress(list_tools(), mtime=0), 415),
    ({"Content-Encoding": "gzip"}, list_tools(), 415),
    ({"Content-Type": "application/json; charset=UTF-8"}, list_tools(), 200),
])
def test_only_plain_json_is_read(inspected, headers, body, status):
    s = inspected
    with s.upstream.untouched() if status != 200 else open(os.devnull):
        answer = post(s, body, headers=headers)
    assert answer.status == status, answer


@pytest.mark.parametrize("chunked", [False, True])
def test_too_long_a_body_is_refused_and_nothing_of_it_forwarded(inspected, chunked):
    s = inspected
    body = call_tool("public", text="x" * 262144)
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    with s.upstream.untouched():
        answer = post(s, b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body, headers=headers)
    assert answer.status == 413 and answer.json()["error"] == "payload_too_large"
    fits = call_tool("public", text="x" * (262144 - len(call_tool("public", text=""))))
    assert len(fits) == 262144 and post(s, fits, sub=f"fits {chunked}").status == 200


def test_nothing_is_read_of_a_body_before_the_token_is_good(inspected):
    """The refusal comes although the body never does."""
    s = inspected
    head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n"
    assert s.httpd.raw(head.encode(), timeout=15).startswith(b"HTTP/1.1 401 ")


def test_a_client_that_breaks_off_reaches_nobody(inspected):
    s = inspected
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {s.token(scope=ALL)}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with s.upstream.untouched():
        s.httpd.raw(head.encode() + call_tool("public"), half_close=True)


# -- mirrors and revisions -----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mirrors, body, status, error", [
    ({"Mcp-Method": "tools/list"}, call_tool("secret1"), 400, -32020),
    ({"Mcp-Method": "tools/list", "MCP-Protocol-Version": "2025-11-25"}, call_tool("secret1"), 400, -32020),
    ({"Mcp-Name": "public"}, call_tool("secret1"), 400, -32020),
    ({"MCP-Protocol-Version": "1999-01-01"}, list_tools(), 400, -32022),
    ({"MCP-Protocol-Version": MODERN}, rpc("tools/list", meta()), 400, -32020),
    ({"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/list"}, list_tools(), 400, -32602),
    ({"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/list"}, rpc("tools/list", meta(version="2025-11-25")), 400, -32020),
    ({"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "=?base64?cHVibGlj?="}, rpc("tools/call", meta({"name": "public"})), 200, None),
    ({"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "=?base64?!!?="}, rpc("tools/call", meta({"name": "public"})), 400, -32020),
])
def test_headers_must_say_what_the_body_says(inspected, mirrors, body, status, error):
    s = inspected
    with s.upstream.untouched() if status != 200 else open(os.devnull):
        answer = post(s, body, headers=mirrors, sub="mirrors")
    assert answer.status == status and (error is None or code(answer) == error), answer


def test_a_location_may_let_in_some_revisions_only(inspected):
    s = inspected
    body, headers = modern("tools/list")
    assert post(s, body, path="/modern", headers=headers).status == 200
    assert post(s, body, path="/older", headers=headers).status == 400
    old = {"MCP-Protocol-Version": "2025-11-25"}
    assert post(s, list_tools(), path="/older", headers=old).status == 200
    answer = post(s, list_tools(), path="/modern", headers=old)
    assert answer.status == 400 and code(answer) == -32022 and answer.json()["error"]["data"]["supported"] == [MODERN]


def test_headers_are_believed_only_where_servers_compare_them(inspected):
    s = inspected
    body, headers = modern("tools/list")
    assert post(s, body, path="/headers", headers=headers).status == 200
    for wrong in ({}, {"Mcp-Method": "tools/list"}, {**headers, "MCP-Protocol-Version": "2025-11-25"}):
        with s.upstream.untouched():
            assert post(s, body, path="/headers", headers=wrong).status == 400


@pytest.mark.parametrize("body", [rpc("notifications/cancelled", meta({"requestId": 1}), id=None), rpc("tools/call", meta({"name": "public"}))], ids=["honest", "lying"])
def test_headers_of_a_notification_are_never_believed(inspected, body):
    """No revision makes servers compare those: whatever came with them would reach the server unlooked at."""
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "notifications/cancelled"}
    with inspected.upstream.untouched():
        assert post(inspected, body, path="/headers", headers=headers).status == 403


DECIDING = ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Content-Type", "Mcp-Param-Region"]


@pytest.mark.parametrize("path", ["/mcp", "/headers"])
@pytest.mark.parametrize("name", DECIDING)
def test_connection_cannot_take_away_what_was_decided_by(inspected, path, name):
    """mod_proxy drops what Connection names: the server would see another request than the gate."""
    s = inspected
    body, headers = modern("tools/call", {"name": "public"})
    headers["Mcp-Param-Region"] = "here"
    answer = post(s, body, path=path, headers={**headers, "Connection": f"close, {name.lower()}"}, sub=f"strips {name}")
    assert answer.status == 200 and s.upstream.last.header(name), s.upstream.last.headers


@pytest.mark.parametrize("name", DECIDING)
def test_there_is_one_spelling_of_what_was_decided_by(inspected, name):
    s = inspected
    body, headers = modern("tools/call", {"name": "public"})
    assert post(s, body, headers={**headers, name.replace("-", "_"): "other"}, sub=f"spells {name}").status == 200
    assert "other" not in str(s.upstream.last.headers)


def test_each_included_part_is_decided_by_its_own_rules(world):
    """What is merged for one subrequest is gone when the next one asks."""
    guarded = "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthInspect Body\n"
    s = fixed_stack(world, modules=["proxy", "proxy_http", "include", "mime"],
                    config="TypesConfig /dev/null\nAddOutputFilter INCLUDES .shtml\n<Directory {folder}/htdocs>\nOptions +Includes\n</Directory>",
                    locations={"/tree": guarded + "MCPAuthOperation ping denied", "/tree/a": "MCPAuthOperation GET granted", "/tree/b": "MCPAuthOperation GET denied",
                               "/tree/c": "MCPAuthOperation GET granted"})
    for name in "abc":
        (s.httpd.document_root / "tree" / name).mkdir(parents=True)
        (s.httpd.document_root / "tree" / name / "part.txt").write_text(f"part of {name}")
    page = "".join(f'<!--#include virtual="/tree/{name}/part.txt" -->;' for name in "abcabc")
    (s.httpd.document_root / "page.shtml").write_text('<!--#config errmsg="no" -->' + page)
    token = s.token(scope="other")
    for _ in range(20):
        assert s.httpd.get("/page.shtml", token=token).text == "part of a;no;part of c;part of a;no;part of c;"


def test_made_up_tools_fill_no_table(inspected):
    """Who names a thousand tools has as many buckets at the most, and another user's limits hold."""
    s = inspected
    assert {post(s, call_tool(f"made-up-{n}"), sub="inventor").status for n in range(200)} <= {200, 429}
    assert post(s, call_tool("echo"), sub="bystander").status == 200


# -- other modes ---------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("body", [call_tool("x"), b"no message", call_tool("x", text="y" * 200000)], ids=["good", "bad", "long"])
def test_shadow_changes_nothing(inspected, body, chunked):
    s = inspected
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    assert post(s, sent, path="/shadow", headers=headers, scope="other").status == 200
    assert s.upstream.requests[-1].body == body


def test_off_is_what_it_was(inspected):
    s = inspected
    assert post(s, b"anything", path="/off", scope="other", headers={"Content-Type": "text/plain"}).status == 200
    assert s.upstream.requests[-1].body == b"anything"


def test_method_and_tool_are_recorded(world):
    s = world.stack(location="MCPAuthInspect Body\nMCPAuthOperation tools/call:echo mcp:tools.exec")
    assert post(s, call_tool("echo"), headers={"User-Agent": "tool"}).status == 200
    record = s.admind.wait_journal(1, user_agent="tool")[0]
    assert (record["rpc_method"], record["rpc_name"], record["decision"]) == ("tools/call", "echo", "allow")
    assert post(s, call_tool("echo"), scope="mcp:tools.read", headers={"User-Agent": "denied"}).status == 403
    record = s.admind.wait_journal(1, user_agent="denied")[0]
    assert (record["rpc_method"], record["rpc_name"], record["reason"]) == ("tools/call", "echo", "scope_missing")
    assert "arguments" not in json.dumps(record)
    for body in (call_tool("unheard_of"), rpc("prompts/get", {"name": "echo"}), list_tools()):
        assert post(s, body, headers={"User-Agent": "more"}).status == 200
    s.admind.wait_journal(3, user_agent="more")

    def counted(**labels):
        return s.admind.metric("mcpauth_operations_total", location="/mcp", **labels)
    assert counted(operation="tools/call", tool="echo", decision="allow") == counted(operation="tools/call", tool="echo", decision="deny") == 1
    assert counted(operation="tools/call", tool="other", decision="allow") == 1
    assert counted(operation="prompts/get", tool="", decision="allow") == counted(operation="tools/list", tool="", decision="allow") == 1
