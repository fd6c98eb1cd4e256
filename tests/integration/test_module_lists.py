# SPDX-License-Identifier: Apache-2.0
"""Lists show only what the caller may use, byte for byte as the server wrote it; what cannot be understood is withheld."""
import gzip
import json
import socket
import threading

import pytest

from harness import h2_request, rpc
from harness.client import parse_answer
from module_parts import fixed_stack

MODERN = "2026-07-28"
JSON = ("Content-Type", "application/json")
STREAM = ("Content-Type", "text/event-stream")
RULES = ("MCPAuthInspect Body\nMCPAuthOperation tools/call:public* granted\nMCPAuthOperation tools/call:secret* denied\n"
         "MCPAuthOperation tools/call:purge mcp:admin\nMCPAuthOperation prompts/get:hidden denied\nMCPAuthOperation resources/read:file:///etc/* denied")
READ, EXEC, ADMIN = "mcp:tools.read", "mcp:tools.exec", "mcp:admin"


def tool(name):
    return b'{ "name" :"%s",  "description":"\\u00e4 %s", "inputSchema":{"type":"object", "properties":{} , "x":[1.0,1e5]} }' % (name, name)


def listing(*elements, member=b"tools", more=b""):
    return b' {"jsonrpc":"2.0" ,"id":1,"result":{"%s" : [' % member + b" ,\n".join(elements) + b'],"nextCursor":"c\\/1"%s}} \n' % more


ALL_TOOLS = [tool(n) for n in (b"public1", b"secret1", b"other", b"purge")]
FULL = listing(*ALL_TOOLS)
CUT = listing(ALL_TOOLS[0])  # for READ


def build(world, **options):
    guarded = "MCPAuth On\nMCPAuthResource {resource}\n" + RULES + "\nProxyPass {upstream}/mcp\n"
    return fixed_stack(world, modules=["proxy", "proxy_http", "headers", "deflate"] + ["http2"] * (options.get("mpm") != "prefork"), location=RULES, config="" if options.get("mpm") == "prefork" else "Protocols h2c http/1.1", locations={
        "/deflated": guarded + "SetOutputFilter DEFLATE", "/inflated": guarded + "SetOutputFilter INFLATE", "/scoped": guarded + "MCPAuthScope files:use",
        "/shadow": guarded.replace("On", "Shadow", 1), "/off": guarded.replace(RULES, "MCPAuthInspect Off"),
    }, **options)


@pytest.fixture(scope="module")
def lists(module_world):
    return build(module_world)


@pytest.fixture(autouse=True)
def no_script(request):
    yield
    if "lists" in request.fixturenames:
        request.getfixturevalue("lists").upstream.script = None


def ask(s, method="tools/list", scope=READ, path="/mcp", headers=None, era=None, id=1, **more):
    params = {"_meta": {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}} if era == MODERN else {}
    mirrors = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method} if era == MODERN else {"MCP-Protocol-Version": "2025-11-25"}
    return s.call(path=path, body=rpc(method, params, id), token=s.token(scope=scope), headers={**mirrors, **(headers or {})}, **more)


def names(answer):
    return [t["name"] for t in answer.json()["result"]["tools"]]


def withheld(answer, id=1):
    assert answer.status == 502 and answer.header("Content-Type") == "application/json", answer
    error = answer.json()
    assert error["id"] == id and error["error"]["code"] == 502 and error["error"]["data"]["error"] == "bad_gateway"
    for word in (b"secret", b"public", b"purge", b"Leak"):
        assert word not in answer.body and word.decode() not in str(answer.headers)
    assert answer.header("X-Frame-Options") == "DENY" and answer.header("Cache-Control") == "no-store"
    return True


# -- who sees what -------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("scope, seen", [(READ, ["public1"]), (EXEC, ["public1", "other"]), (ADMIN, ["public1", "other", "purge"])])
@pytest.mark.parametrize("era", ["2025-11-25", MODERN])
@pytest.mark.parametrize("kind", [JSON, STREAM])
def test_a_list_shows_what_its_reader_may_call(lists, scope, seen, era, kind):
    s = lists
    s.upstream.script = (200, [kind], [FULL if kind == JSON else b"data: " + FULL.strip().replace(b"\n", b"") + b"\n\n"])
    answer = ask(s, scope=scope, era=era)
    assert answer.status == 200
    if kind == STREAM:
        answer.body = answer.body.removeprefix(b"data: ")
    assert names(answer) == seen
    assert answer.json()["result"].get("cacheScope") == ("private" if era == MODERN else None)


@pytest.mark.parametrize("path, scope, seen", [("/scoped", READ + " files:use", ["public1"]), ("/shadow", READ, None), ("/off", READ, None)])
def test_other_locations(lists, path, scope, seen):
    s = lists
    s.upstream.script = (200, [JSON, ("ETag", '"x"')], [FULL])
    answer = ask(s, path=path, scope=scope, headers={"Accept-Encoding": "br", "Range": "bytes=1-"})
    assert (names(answer) == seen and answer.header("ETag") is None) if seen else (answer.body == FULL and answer.header("ETag"))
    assert s.upstream.last.header("Accept-Encoding") == ("identity" if seen else "br")


@pytest.mark.parametrize("method, member, name, hidden, shown", [
    ("prompts/list", b"prompts", b"name", b"hidden", b"other"), ("resources/list", b"resources", b"uri", b"file:///etc/passwd", b"file:///x"),
    ("resources/templates/list", b"resourceTemplates", b"uriTemplate", b"file:///etc/{name}", b"file:///{name}"),
])
def test_the_other_lists(lists, method, member, name, hidden, shown):
    s = lists
    one, two = (b'{"title":"t","%s":"%s"}' % (name, n) for n in (hidden, shown))
    s.upstream.script = (200, [JSON], [listing(one, two, member=member)])
    assert ask(s, method=method).body == listing(two, member=member)


# -- byte for byte -------------------------------------------------------------------------------------------------------------------------

def test_what_stays_stays_as_it_was(lists):
    s = lists
    s.upstream.script = (200, [JSON, ("X-Other", "stays")], [FULL])
    answer = ask(s)
    assert answer.body == CUT and answer.header("Content-Length") == str(len(CUT)) and answer.header("X-Other") == "stays"
    assert answer.header("Cache-Control") == "private"
    assert ask(s, scope=ADMIN).body == listing(ALL_TOOLS[0], ALL_TOOLS[2], ALL_TOOLS[3])
    for whole in (b'{"id":1,"result":{"tools":[]}}', b'{"id":1,"result":{"tools":[ ]}}', b'{"id":1,"error":{"code":-32603,"message":"x"}}', b'{"id":1,"result":{}}'):
        s.upstream.script = (200, [JSON], [whole])
        assert ask(s).body == whole
    s.upstream.script = (200, [JSON], [listing(ALL_TOOLS[1])])
    assert ask(s).body == listing()


def test_pieces_of_any_length(lists):
    s = lists
    short = b'{"id":1,"result":{"tools":[{"name":"public"},{"name":"secret"}]}}'
    event = b"\xef\xbb\xbf: hi\r\nid: 1\r\ndata: " + short + b"\r\n\r\ndata: {}\n\n"
    cut = short.replace(b',{"name":"secret"}', b"")
    for kind, text, wanted in ((JSON, short, cut), (STREAM, event, b"\xef\xbb\xbf: hi\r\nid: 1\r\ndata: " + cut + b"\n\r\ndata: {}\n\n")):
        token = s.token(scope=READ)
        for at in range(len(text) + 1):
            s.upstream.script = (200, [kind], [text[:at], text[at:]])
            answer = s.call(body=rpc("tools/list", {}), token=token)
            assert (answer.status, answer.body) == (200, wanted), at
        s.upstream.script = (200, [kind], [text[i:i + 1] for i in range(len(text))])
        assert s.call(body=rpc("tools/list", {}), token=token).body == wanted


def test_long_lists(lists):
    s = lists
    pad = b'{"name":"%s%05d","description":"' + b"d" * 200 + b'"}'
    every = [pad % (b"public" if i % 2 else b"secret", i) for i in range(5000)]
    full, cut = listing(*every), listing(*every[1::2])
    assert len(full) > 1000000
    for told in ([], [("Content-Length", str(len(full)))]):
        s.upstream.script = (200, [JSON, *told], [full])
        answer = ask(s)
        assert answer.body.split() == cut.split() and answer.header("Content-Length") == str(len(answer.body))
    line = full.strip().replace(b"\n", b"")
    s.upstream.script = (200, [STREAM], [b"data: " + line + b"\n\n"] * 2)
    seen = ask(s).body.strip().split(b"\n\n")
    assert len(seen) == 2 and all(json.loads(one[6:]) == json.loads(cut) for one in seen)


def test_answers_over_the_ceiling_are_withheld(lists):
    s = lists
    too_long = listing(tool(b"public"), more=b',"x":"' + b"x" * (4 << 20) + b'"')
    s.upstream.script = (200, [JSON], [too_long])
    assert withheld(ask(s))
    s.upstream.script = (200, [STREAM], [b"data: {}\n\ndata: " + too_long.strip(), b"\n\ndata: {\"secret\":1}\n\n"])
    answer = ask(s)
    assert answer.status == 200 and answer.body.startswith(b"data: {}\n\ndata: {") and len(answer.body) < 1000 and b"secret" not in answer.body
    assert json.loads(answer.body.split(b"data: ")[2])["error"]["code"] == 502


# -- hostile shapes ------------------------------------------------------------------------------------------------------------------------

HOSTILE = {
    "no JSON": b"secret", "blank": b" ", "cut off": FULL[:-10], "a batch": b"[" + FULL + b"]", "a byte order mark": b"\xef\xbb\xbf" + FULL, "UTF-16": FULL.decode().encode("utf-16"),
    "two documents": FULL + FULL, "a list twice": listing(*ALL_TOOLS, more=b',"tools":[{"name":"secret"}]'), "an escaped list": listing(*ALL_TOOLS, more=b',"too\\u006cs":[{"name":"secret"}]'),
    "a result twice": b'{"id":1,"result":{"tools":[]},"result":{"tools":[{"name":"secret"}]}}', "an escaped result": b'{"id":1,"\\u0072esult":{"tools":[{"name":"secret"}]}}',
    "an object": b'{"id":1,"result":{"tools":{"name":"secret"}}}', "invalid UTF-8": listing(b'{"name":"public\xff"}'), "a stream": b"data: " + FULL.replace(b"\n", b"") + b"\n\n",
    "a call and a result": b'{"id":1,"method":"x","result":{"tools":[{"name":"secret"}]}}', "deep": listing(b'{"name":"secret","x":' + b"[" * 100 + b"]" * 100 + b"}"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_what_is_not_understood_is_withheld(lists, name, status):
    s = lists
    s.upstream.script = (status, [JSON, ("X-Leak", "secret"), ("Set-Cookie", "secret=1"), ("ETag", '"secret"')], [HOSTILE[name]])
    assert withheld(ask(s, id="text"), id="text")


ELEMENTS = [b"1", b'"secret"', b"null", b'[{"name":"public"}]', b"{}", b'{"Name":"public"}', b'{"name":["public"]}', b'{"name":"public","name":"secret"}',
            b'{"name":"secret","name":"public"}', b'{"name":"public","n\\u0061me":"secret"}', b'{"name":"Public"}', b'{"name":"secre\\u0074"}', b'{"name":" public"}',
            b'{"name":"public\\u0001"}', b'{"name":"public' + b"x" * 250 + b'"}', b'{"name":""}']


@pytest.mark.parametrize("element", ELEMENTS)
def test_elements_without_a_plain_name_are_not_shown(lists, element):
    s = lists
    s.upstream.script = (200, [JSON], [b'{"id":1,"result":{"tools":[%s,{"name":"public"},%s]}}' % (element, element)])
    assert ask(s).body == b'{"id":1,"result":{"tools":[{"name":"public"}]}}'


@pytest.mark.parametrize("kind, understood", [
    ("application/json", True), ("Application/JSON;charset=utf-8", True), ("application/json ; a=b", True), ("APPLICATION/JSON", True),
    ("text/plain", False), ("text/html", False), ("application/jsonp", False), ("application/json, text/plain", False), ("application/x-ndjson", False),
    ("text/event-streams", False), (None, False), ("", False), ("json", False),
])
def test_only_what_is_called_json_or_a_stream_is_read(lists, kind, understood):
    s = lists
    s.upstream.script = (200, [("Content-Type", kind)] if kind is not None else [], [FULL])
    answer = ask(s)
    assert answer.body == CUT if understood else withheld(answer)


def test_encoded_answers_are_withheld_unless_httpd_decodes_them(lists):
    s = lists
    for encoding in ("gzip", "br", "x-unknown"):
        s.upstream.script = (200, [JSON, ("Content-Encoding", encoding)], [gzip.compress(FULL)])
        assert withheld(ask(s, headers={"Accept-Encoding": "gzip"}))
        assert s.upstream.last.all("Accept-Encoding") == ["identity"]
    s.upstream.script = (200, [STREAM, ("Content-Encoding", "gzip")], [gzip.compress(b"data: " + FULL)])
    assert withheld(ask(s))
    s.upstream.script = (200, [JSON, ("Content-Encoding", "Identity")], [FULL])
    assert ask(s).body == CUT
    s.upstream.script = (200, [JSON, ("Content-Encoding", "gzip")], [gzip.compress(FULL)])
    assert ask(s, path="/inflated").body == CUT


def test_what_was_said_of_the_uncut_list_is_not_repeated(lists):
    s = lists
    stale = [("ETag", '"x"'), ("Content-MD5", "x"), ("Accept-Ranges", "bytes"), ("Digest", "x"), ("Content-Digest", "x"), ("Repr-Digest", "x"), ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")]
    s.upstream.script = (200, [JSON, *stale, ("Cache-Control", "public, max-age=60"), ("Content-Length", str(len(FULL)))], [FULL])
    answer = ask(s, headers={"Range": "bytes=0-10", "If-Range": '"x"'})
    assert (answer.status, answer.body) == (200, CUT) and s.upstream.last.header("Range") is None and s.upstream.last.header("If-Range") is None
    for name, _ in stale:
        assert answer.header(name) is None, name
    assert answer.header("Cache-Control") == "private"


def test_other_answers_pass(lists):
    s = lists
    for status in (400, 404, 429, 500, 503):
        s.upstream.script = (status, [("Content-Type", "text/plain"), ("ETag", '"x"')], [b"no list"])
        answer = ask(s)
        assert (answer.status, answer.body, answer.header("ETag")) == (status, b"no list", '"x"')
    for status, headers in ((202, [("Content-Length", "0")]), (204, []), (200, [("Content-Length", "0"), JSON]), (202, [("Content-Length", "0"), ("Content-Type", "text/plain")])):
        s.upstream.script = (status, headers, [])
        answer = ask(s)
        assert (answer.status, answer.body) == (status, b"")
    s.upstream.script = (200, [("Content-Type", "text/plain"), ("ETag", '"x"')], [FULL])
    answer = s.call(body=rpc("ping"), token=s.token(scope=READ), headers={"Accept-Encoding": "br"})
    assert answer.body == FULL and answer.header("ETag") == '"x"' and s.upstream.last.header("Accept-Encoding") == "br"


def test_a_server_that_breaks_off(lists):
    s = lists
    s.upstream.script = (200, [JSON, ("Content-Length", str(len(FULL) + 10)), ("Connection", "close")], [FULL])
    assert withheld(ask(s))
    s.upstream.stop()
    try:
        assert ask(s).status in (502, 503)
    finally:
        s.upstream.start()


# -- streams -------------------------------------------------------------------------------------------------------------------------------

SHORT = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"public"},{"name":"secret"}]}}'
SHORT_CUT = SHORT.replace(b',{"name":"secret"}', b"")
NOTE = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"tools":[{"name":"secret"}], "a" : 1}}'


@pytest.mark.parametrize("stream, seen", [
    (b"data: " + SHORT + b"\n\n", b"data: " + SHORT_CUT + b"\n\n"),
    (b"event:message\rid:5\rdata:" + SHORT + b"\r\r", b"event:message\rid:5\rdata: " + SHORT_CUT + b"\n\r"),
    (b": keep\n\nid: 0\ndata:\n\ndata: " + NOTE + b"\n\n:\r\n\r\n", b": keep\n\nid: 0\ndata:\n\ndata: " + NOTE + b"\n\n:\r\n\r\n"),
    (b'data: {"id":1,"result":\ndata: {"tools":[\ndata:  {"name":"secret"},\ndata:  {"name":"public"}]}}\n\n', b'data: {"id":1,"result":\ndata: {"tools":[{"name":"public"}]}}\n\n'),
    (b'data: {"id":1,"result":{"tools":[{"name":"secret"}]}}\nretry: 5\n: c\n\n', b'data: {"id":1,"result":{"tools":[]}}\nretry: 5\n: c\n\n'),
    (b"event: endpoint\ndata: /messages?id=1\n\n", b"event: endpoint\ndata: /messages?id=1\n\n"),
    (b"event: other\ndata: " + SHORT + b"\n\n", b"event: other\ndata: " + SHORT_CUT + b"\n\n"),
    (b"data: " + SHORT, b"data: " + SHORT_CUT + b"\n"),
    (b"data: " + NOTE, b"data: " + NOTE),
    (b"data: " + SHORT.replace(b"tools", b"prompts") + b"\n\n", b"data: " + SHORT.replace(b"tools", b"prompts") + b"\n\n"),
    (b"", b""),
])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_events_are_cut_one_by_one(lists, stream, seen, method):
    s = lists
    s.upstream.script = (200, [STREAM, ("ETag", '"x"')], [stream] if stream else [])
    answer = ask(s) if method == "POST" else s.httpd.send("GET", "/mcp", token=s.token(scope=READ))
    assert (answer.status, answer.body) == (200, seen) and answer.header("ETag") is None


@pytest.mark.parametrize("event", [b"data: secret\n", b"data: [" + SHORT + b"]\n", b"data: " + SHORT[:-1] + b"\n", b"Data: " + SHORT + b"\n", b" data: " + SHORT + b"\n", SHORT + b"\n",
                                   b"event: x\ndata: {secret\n", b"data: \xef\xbb\xbf" + SHORT + b"\n", b"data: " + SHORT + b"\ndata: " + SHORT + b"\n", b"\xef\xbb\xbfdata: " + SHORT + b"\n"])
@pytest.mark.parametrize("ends", [b"\n", b"\r", b""])
def test_events_that_are_not_understood_are_replaced(lists, event, ends):
    s = lists
    s.upstream.script = (200, [STREAM], [b": hi\n\nid: 7\n" + event + ends + (b"data: {}\n\n" if ends == b"\n" else b"")])
    seen = ask(s, id="text").body
    assert b"secret" not in seen and b"public" not in seen and b"id: 7\n" in seen
    error = json.loads(seen.split(b"data: ")[1].split(b"\n")[0])
    assert (error["id"], error["error"]["code"]) == ("text", 502) and (seen.endswith(b"\n\ndata: {}\n\n") or ends != b"\n")
    answer = s.httpd.send("GET", "/mcp", token=s.token(scope=READ))
    if event == b"data: secret\n":  # where no list was asked for, what does not look like JSON is not looked at
        assert event in answer.body
        return
    assert b"secret" not in answer.body and b"public" not in answer.body and b"502" not in answer.body and b"id: 7\n" in answer.body


def test_a_stream_that_is_taken_up_again_is_cut_too(lists):
    s = lists
    s.upstream.script = (200, [STREAM], [b"data: " + SHORT + b"\n\n"])
    for answer in (s.httpd.send("GET", "/mcp", token=s.token(scope=READ), headers={"Last-Event-ID": "1"}),
                   s.call(body=rpc("ping"), token=s.token(scope=READ), headers={"Last-Event-ID": "1"})):
        assert answer.body == b"data: " + SHORT_CUT + b"\n\n"
    s.upstream.script = (200, [JSON], [FULL])
    assert s.httpd.send("GET", "/mcp", token=s.token(scope=READ)).body == CUT
    s.upstream.script = (200, [("Content-Type", "text/html")], [b"<p>a page"])
    assert s.httpd.send("GET", "/mcp", token=s.token(scope=READ)).body == b"<p>a page"


def test_events_and_comments_flow(lists):
    """Each piece is seen by the client before the server sends the next one."""
    s = lists
    pieces = [b": hi", b"\n\n", b"data: " + NOTE + b"\n\n", b"data: " + SHORT + b"\r\r"]
    wanted = [pieces[0], pieces[1], pieces[2], b"data: " + SHORT_CUT + b"\n\r"]
    go = [threading.Event() for _ in pieces]
    gates = [lambda e=e: e.wait(60) for e in go]
    s.upstream.script = (200, [STREAM], [x for pair in zip(gates, pieces) for x in pair])
    body = rpc("tools/list", {})
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer {s.token(scope=READ)}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", s.httpd.port), timeout=60) as client:
        client.sendall(head.encode() + body)
        received = b""
        for i, event in enumerate(go):
            event.set()
            while wanted[i] + b"\r\n" not in received:
                data = client.recv(65536)
                assert data, received
                received += data
        while data := client.recv(65536):
            received += data
    assert parse_answer(received).body == b"".join(wanted)


# -- httpd around it -----------------------------------------------------------------------------------------------------------------------

def test_deflate_in_front(lists):
    s = lists
    s.upstream.script = (200, [JSON], [FULL])
    answer = ask(s, path="/deflated", headers={"Accept-Encoding": "gzip"})
    assert answer.header("Content-Encoding") == "gzip" and gzip.decompress(answer.body) == CUT
    assert s.upstream.last.all("Accept-Encoding") == ["identity"]
    assert ask(s, path="/deflated").body == CUT
    s.upstream.script = (200, [JSON], [b"secret"])
    answer = ask(s, path="/deflated", headers={"Accept-Encoding": "gzip"})
    assert answer.status == 502 and b"withheld" in (gzip.decompress(answer.body) if answer.header("Content-Encoding") else answer.body)


@pytest.mark.parametrize("kind, text, wanted", [(JSON, FULL, CUT), (STREAM, b"data: " + SHORT + b"\n\n", b"data: " + SHORT_CUT + b"\n\n")])
def test_over_http_2(lists, kind, text, wanted):
    s = lists
    s.upstream.script = (200, [kind], [text])
    answer = h2_request(s.httpd.port, "POST", "/mcp", token=s.token(scope=READ), body=rpc("tools/list", {}))
    assert (answer.status, answer.body) == (200, wanted)
    s.upstream.script = (200, [JSON], [b"secret"])
    answer = h2_request(s.httpd.port, "POST", "/mcp", token=s.token(scope=READ), body=rpc("tools/list", {}))
    assert answer.status == 502 and answer.json()["error"]["code"] == 502


def test_connections_go_on(lists):
    """What was withheld leaves nothing behind on a connection that is kept."""
    s = lists
    body = rpc("tools/list", {})
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer {s.token(scope=READ)}\r\nContent-Length: {len(body)}\r\n"
    answers = iter([(200, [JSON], [b"secret"]), (200, [("Content-Type", "text/plain")], [FULL, FULL]), (200, [JSON], [FULL])])
    s.upstream.script = lambda recorded: next(answers)
    received = s.httpd.raw((head + "\r\n").encode() + body + (head + "\r\n").encode() + body + (head + "Connection: close\r\n\r\n").encode() + body)
    assert received.count(b"HTTP/1.1 502 ") == 2 and received.count(b"HTTP/1.1 200 ") == 1 and received.endswith(CUT) and b"secret" not in received


def test_under_every_mpm(world, mpm):
    s = build(world, mpm=mpm)
    for kind, text, wanted in ((JSON, FULL, CUT), (STREAM, b"data: " + SHORT + b"\n\n", b"data: " + SHORT_CUT + b"\n\n")):
        s.upstream.script = (200, [kind], [text])
        assert ask(s).body == wanted
    s.upstream.script = (200, [JSON], [b"secret"])
    assert withheld(ask(s))
    assert s.httpd.error_log().count("MCPA0320") >= 1


def test_the_record_is_that_of_the_request(world):
    s = world.stack(location=RULES)
    s.upstream.script = (200, [JSON], [FULL])
    assert ask(s, headers={"User-Agent": "cut"}).status == 200
    record = s.admind.wait_journal(1, user_agent="cut")[0]
    assert (record["rpc_method"], record["decision"], record["status"]) == ("tools/list", "allow", 200)
    s.upstream.script = (200, [JSON], [b"no"])
    assert ask(s, headers={"User-Agent": "withheld"}).status == 502
    record = s.admind.wait_journal(1, user_agent="withheld")[0]
    assert (record["decision"], record["status"]) == ("allow", 502)
