# SPDX-License-Identifier: Apache-2.0
"""Attacks 79 to 83, 87 and 88: a message that says one thing to the gate and another to the server behind it.

80 is a matrix: what the three headers say, in every revision, against what the body says. The rule is one line (`agrees`); nothing is let in by a header,
and nothing that lies is let in at all."""
import base64
import gzip
import json
import zlib

import pytest

from attack_parts import Attacks
from harness import call_tool, list_tools, rpc, wait_until

MODERN = "2026-07-28"
OLDER = [None, "2025-03-26", "2025-06-18", "2025-11-25"]
MAX_BODY = 65536


@pytest.fixture(scope="module")
def attacks(module_world):
    stack = module_world.stack(
        issuer=module_world.issuer(alg="ES256"), log_level="trace8",
        location=f"MCPAuthInspect Body\nMCPAuthMaxBody {MAX_BODY}\nMCPAuthOperation tools/call:secret denied\nMCPAuthOperation * granted")
    found = Attacks(stack)
    found.token = stack.token(sub="alice")
    wait_until(lambda: stack.call(token=found.token).status == 200, 5, "a good token is let in")
    found.fetches_at_start = found.fetches()
    yield found
    found.stop()


def mirrors(version=None, method=None, name=None):
    return [(n, v) for n, v in (("MCP-Protocol-Version", version), ("Mcp-Method", method), ("Mcp-Name", name)) if v is not None]


def message(method, params, version):
    """As a client of that revision writes it."""
    if version == MODERN:
        params = {**params, "_meta": {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}}
    return rpc(method, params)


def refuse(attacks, attack, body, headers=(), status=400, reason="message_malformed", code=None, **more):
    """Sent by somebody who may do everything else; nothing of it reaches the server."""
    agent = attacks.new_agent(attack, reason)
    with attacks.stack.upstream.untouched():
        answer = attacks.stack.call(token=attacks.token, body=body, headers=[*headers, ("User-Agent", agent)], **more)
    assert answer.status == status, (attack, answer)
    assert answer.all("Content-Type") == ["application/json"] and answer.header("WWW-Authenticate") is None, answer
    if code is not None:
        assert answer.json()["error"]["code"] == code, (attack, answer)
    return answer


def accept(attacks, attack, body, headers=()):
    agent = attacks.new_agent(attack, "ok")
    answer = attacks.stack.call(token=attacks.token, body=body, headers=[*headers, ("User-Agent", agent)])
    assert answer.status == 200 and attacks.stack.upstream.last.body == body, (attack, answer)


# -- 79: batches ------------------------------------------------------------------------------------------------------------------------------

BATCHES = {
    "allowed and forbidden": b"[%s,%s]" % (list_tools(), call_tool("secret")), "forbidden first": b"[%s,%s]" % (call_tool("secret"), list_tools()),
    "one allowed": b"[%s]" % list_tools(), "none": b"[]", "in a batch": b"[[%s]]" % list_tools(), "blanks in front": b"\r\n\t [%s]" % call_tool("secret"),
    "behind a message": list_tools() + b"[%s]" % call_tool("secret"), "two in lines": list_tools() + b"\n" + call_tool("secret"),
}


@pytest.mark.parametrize("version", [*OLDER, MODERN])
@pytest.mark.parametrize("name", [pytest.param(n, id=f"79 {n}") for n in BATCHES])
def test_a_batch_is_refused_in_every_revision(attacks, name, version):
    for method in (None, "tools/list"):
        refuse(attacks, f"79 {name} {version}", BATCHES[name], mirrors(version, method))


# -- 80: headers that lie ---------------------------------------------------------------------------------------------------------------------

def sentinel(text):
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


METHODS = {"tools/call": ("name", "secre", "list"), "prompts/get": ("name", "greet", "Greet"), "resources/read": ("uri", "file:///open", "file:///secret"),
           "tasks/get": ("taskId", "t-1", "t-2"), "tools/list": (None, None, "secret")}


def agrees(version, method, true, told_method, told_name):
    """Whether all that is told is true, and a revision of the newer era is told all of it."""
    if told_method not in (None, method) or told_name not in (None, true, sentinel(true or "")) or (told_name is not None and true is None):
        return False
    return version != MODERN or (told_method is not None and (told_name is not None or true is None))


@pytest.mark.parametrize("version", [*OLDER, MODERN])
@pytest.mark.parametrize("method", [pytest.param(m, id=f"80 {m}") for m in METHODS])
def test_what_headers_say_of_a_body_is_true_or_refused(attacks, method, version):
    member, true, lie = METHODS[method]
    body = message(method, {member: true} if member else {}, version)
    for told_method in (None, method, method.upper(), method + "x", "tools/list" if method != "tools/list" else "tools/call", "", sentinel(method)):
        for told_name in (None, true, lie, lie.upper(), true and sentinel(true), sentinel(lie), ""):
            attack = f"80 {version} {method} told {told_method} {told_name}"
            if agrees(version, method, true, told_method, told_name):
                accept(attacks, attack, body, mirrors(version, told_method, told_name))
            else:
                refuse(attacks, attack, body, mirrors(version, told_method, told_name), reason="mirror_mismatch", code=-32020)


@pytest.mark.parametrize("version", [*OLDER, "1999-01-01", MODERN])
@pytest.mark.parametrize("body_version", ["2025-11-25", MODERN, "1999-01-01"])
def test_80_header_and_body_name_one_revision(attacks, version, body_version):
    meta = {"io.modelcontextprotocol/protocolVersion": body_version, "io.modelcontextprotocol/clientCapabilities": {}}
    body, headers = rpc("tools/list", {"_meta": meta}), mirrors(version, "tools/list")
    if version == body_version != "1999-01-01":
        accept(attacks, f"80 {version} {body_version}", body, headers)
    else:
        known = version != "1999-01-01"
        refuse(attacks, f"80 {version} {body_version}", body, headers, reason="mirror_mismatch" if known else "protocol_unknown", code=-32020 if known else -32022)


@pytest.mark.parametrize("version", [*OLDER, MODERN])
def test_80_what_is_denied_is_denied_whatever_a_header_says(attacks, version):
    """The decision is the body's: with the truth in the headers as with a lie, and without any."""
    body = message("tools/call", {"name": "secret"}, version)
    for told in ({}, {"method": "tools/list"}, {"method": "tools/call", "name": "echo"}, {"method": "tools/call"}):
        lies = told.get("method") == "tools/list" or "name" in told or version == MODERN
        refuse(attacks, f"80 denied {version} {told}", body, mirrors(version, **told), *((400, "mirror_mismatch") if lies else (403, "operation_denied")))
    refuse(attacks, f"80 denied {version}", body, mirrors(version, "tools/call", "secret"), 403, "operation_denied")


# -- 81: headers that come twice ----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
@pytest.mark.parametrize("name, lie", [("MCP-Protocol-Version", "2025-06-18"), ("Mcp-Method", "tools/list"), ("Mcp-Name", "secret")], ids=lambda v: f"81 {v}" if "-" in v[:4] else "")
def test_a_mirror_that_comes_twice_is_refused(attacks, name, lie, version):
    body, good = message("tools/call", {"name": "echo"}, version), mirrors(version, "tools/call", "echo")
    true = dict(good)[name]
    rest = [pair for pair in good if pair[0] != name]
    # httpd joins them before any module looks, and a joined revision is one that nobody knows.
    reason, code = ("protocol_unknown", -32022) if name == "MCP-Protocol-Version" else ("mirror_mismatch", -32020)
    accept(attacks, f"81 {name} once", body, good)
    for pair in ((true, true), (true, lie), (lie, true), (true, ""), ("", true)):
        for second in (name, name.lower(), name.upper()):
            refuse(attacks, f"81 {name} {pair}", body, [*rest, (name, pair[0]), (second, pair[1])], reason=reason, code=code)
    for joined in (f"{true}, {lie}", f"{true},{true}", f"{true} {lie}"):
        refuse(attacks, f"81 {name} {joined}", body, [*rest, (name, joined)], reason=reason, code=code)


# -- 82: what two parsers read differently --------------------------------------------------------------------------------------------------------

def wrapped(params):
    return b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%s}' % params


AMBIGUOUS = {
    "method twice": b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"secret"}}',
    "method twice, the good one last": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"secret"},"method":"ping"}',
    "params twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"params":{"name":"secret"}}',
    "name twice": wrapped(b'{"name":"echo","name":"secret"}'), "the same name twice": wrapped(b'{"name":"echo","name":"echo"}'),
    "id twice": b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', "jsonrpc twice": b'{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}',
    "method escaped": b'{"jsonrpc":"2.0","id":1,"m\\u0065thod":"ping"}', "method and its escape": b'{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"tools/call"}',
    "params escaped": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","par\\u0061ms":{"name":"secret"}}', "name escaped": wrapped(b'{"n\\u0061me":"secret"}'),
    "name and its escape": wrapped(b'{"name":"echo","n\\u0061me":"secret"}'), "_meta escaped": wrapped(b'{"name":"echo","_\\u006deta":{}}'),
    "Method": b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}', "METHOD": b'{"jsonrpc":"2.0","id":1,"METHOD":"tools/call","params":{"name":"secret"}}',
    "Params": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"Params":{"name":"secret"}}', "Name": wrapped(b'{"name":"echo","Name":"secret"}'),
    "NAME alone": wrapped(b'{"NAME":"secret"}'), "ID": b'{"jsonrpc":"2.0","ID":1,"method":"ping"}', "a long s": wrapped('{"name":"echo","param\u017f":1}'.encode()).replace(b"params", "param\u017f".encode(), 1),
    "a byte order mark": b"\xef\xbb\xbf" + list_tools(), "UTF-16": list_tools().decode().encode("utf-16"), "UTF-16 without a mark": list_tools().decode().encode("utf-16-le"),
    "UTF-32": list_tools().decode().encode("utf-32"), "a comment": b"/* */" + list_tools(), "NaN": wrapped(b'{"name":"echo","arguments":NaN}'), "single quotes": b"{'jsonrpc':'2.0','id':1,'method':'ping'}",
    "a NUL behind": list_tools() + b"\0", "a NUL escaped": wrapped(b'{"name":"echo\\u0000secret"}'), "a lone surrogate": wrapped(b'{"name":"\\ud800"}'), "overlong UTF-8": wrapped(b'{"name":"\xc0\xaf"}'),
    "a comma too many": b'{"jsonrpc":"2.0","id":1,"method":"ping",}', "__proto__": b'{"jsonrpc":"2.0","id":1,"method":"ping","__proto__":{"method":"tools/call"}}',
}


@pytest.mark.parametrize("name", [pytest.param(n, id=f"82 {n}") for n in AMBIGUOUS])
def test_what_parsers_differ_about_is_refused(attacks, name):
    for version in (None, "2025-11-25", MODERN):
        error = refuse(attacks, f"82 {name} {version}", AMBIGUOUS[name], mirrors(version)).json()["error"]
        assert error == "invalid_request" or error["code"] in (-32700, -32600, -32602), error


def test_82_what_they_read_alike_comes_through_byte_for_byte(attacks):
    for body in (wrapped(b'{ "name" : "\\u0065cho", "arguments" : {"name":"secret","name":"x","Name":"y"} }'), list_tools() + b"\r\n ", b"\t" + list_tools()):
        accept(attacks, "82 alike", body)


# -- 83: names in base64 --------------------------------------------------------------------------------------------------------------------------

def encoded(raw):
    return base64.b64encode(raw).decode()


BROKEN = {
    "no base64": "=?base64?!!!!?=", "nothing": "=?base64??=", "padding missing": "=?base64?ZWNobw?=", "padding too long": "=?base64?ZWNobw===?=", "only padding": "=?base64?====?=",
    "free bits": "=?base64?ZWNobx==?=", "base64url": f"=?base64?{encoded(b'a?>b').replace('/', '_').replace('+', '-')}?=", "blanks inside": "=?base64?ZWNo bw==?=", "something behind the padding": "=?base64?ZWNobw==ZWNobw==?=",
    "NUL": f"=?base64?{encoded(bytes(4))}?=", "NUL behind": f"=?base64?{encoded(b'echo' + bytes(1))}?=", "CRLF": f"=?base64?{encoded(b'echo' + bytes([13, 10]) + b'X: y')}?=", "no UTF-8": f"=?base64?{encoded(bytes([0xff, 0xfe]))}?=",
    "overlong UTF-8": f"=?base64?{encoded(bytes([0xc0, 0xaf]))}?=", "encoded twice": sentinel(sentinel("echo")), "too long": sentinel("e" * 5000), "another": sentinel("secret"), "two of them": sentinel("ec") + sentinel("ho"),
}
LITERAL = ["=?BASE64?ZWNobw==?=", "=?Base64?ZWNobw==?=", "=?base64?ZWNobw==", "=?base64?ZWNobw==?", "?base64?ZWNobw==?=", "=?base32?ZWNobw==?=", "=?utf-8?B?ZWNobw==?="]


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
@pytest.mark.parametrize("name", [pytest.param(n, id=f"83 {n}") for n in BROKEN])
def test_a_name_that_cannot_be_decoded_to_the_bodys_is_refused(attacks, name, version):
    for tool in ("echo", BROKEN[name][:255]):
        refuse(attacks, f"83 {name}", message("tools/call", {"name": tool}, version), mirrors(version, "tools/call", BROKEN[name]), reason="mirror_mismatch", code=-32020)


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
@pytest.mark.parametrize("literal", [pytest.param(x, id=f"83 {x}") for x in LITERAL])
def test_what_is_no_sentinel_is_the_name_itself(attacks, literal, version):
    accept(attacks, f"83 {literal}", message("tools/call", {"name": literal}, version), mirrors(version, "tools/call", literal))
    refuse(attacks, f"83 {literal} for echo", message("tools/call", {"name": "echo"}, version), mirrors(version, "tools/call", literal), reason="mirror_mismatch", code=-32020)


def test_83_a_name_that_looks_like_a_sentinel_comes_encoded(attacks):
    """As the revision has it; and the rule for the name is asked for what was decoded."""
    for tool in ("=?base64?ZWNobw==?=", "gr\u00fc\u00dfen", "a b"):
        accept(attacks, f"83 {tool}", message("tools/call", {"name": tool}, MODERN), mirrors(MODERN, "tools/call", sentinel(tool)))
    refuse(attacks, "83 secret", message("tools/call", {"name": "secret"}, MODERN), mirrors(MODERN, "tools/call", sentinel("secret")), 403, "operation_denied")


# -- 87, 88: what is not read ---------------------------------------------------------------------------------------------------------------------

ENCODINGS = {"gzip": gzip.compress(call_tool("secret"), mtime=0), "x-gzip": gzip.compress(call_tool("secret"), mtime=0), "deflate": zlib.compress(call_tool("secret")), "br": call_tool("secret"),
             "zstd": call_tool("secret"), "compress": call_tool("secret"), "GZIP": call_tool("echo"), "identity, gzip": call_tool("echo"), "gzip, identity": call_tool("echo"), "": call_tool("echo"), "x": call_tool("echo")}


@pytest.mark.parametrize("coding", [pytest.param(c, id=f"87 {c or 'empty'}") for c in ENCODINGS])
def test_an_encoded_body_is_refused(attacks, coding):
    """Whatever is in it: the gate does not unpack, and the server might."""
    for body in (ENCODINGS[coding], list_tools()):
        refuse(attacks, f"87 {coding}", body, [("Content-Encoding", coding)], 415, "media_type")
    refuse(attacks, f"87 {coding}, twice", list_tools(), [("Content-Encoding", "identity"), ("Content-Encoding", coding)], 415, "media_type")


def test_87_an_encoded_transfer_is_refused(attacks):
    for coding in ("gzip, chunked", "gzip", "chunked, gzip"):
        with attacks.stack.upstream.untouched():
            answer = attacks.stack.call(token=attacks.token, body=b"0\r\n\r\n", headers=[("Transfer-Encoding", coding)])
        assert answer.status in (400, 501), answer


def long_body(size):
    body = call_tool("echo", message="")
    return call_tool("echo", message="x" * (size - len(body)))


@pytest.mark.parametrize("size", [pytest.param(MAX_BODY + 1, id="88 one byte"), pytest.param(8 * MAX_BODY, id="88 much")])
def test_a_body_over_the_cap_is_refused_unread(attacks, size):
    body = long_body(size)
    assert len(body) == size
    refuse(attacks, "88 its length told", body, (), 413, "body_too_large")
    refuse(attacks, "88 chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (size, body), [("Transfer-Encoding", "chunked")], 413, "body_too_large")
    refuse(attacks, "88 in small chunks", b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 999]), body[i:i + 999]) for i in range(0, size, 999)) + b"0\r\n\r\n", [("Transfer-Encoding", "chunked")], 413, "body_too_large")
    refuse(attacks, "88 blanks", b" " * (size - len(list_tools())) + list_tools(), (), 413, "body_too_large")


def test_88_as_long_as_may_be_is_read_to_its_end(attacks):
    accept(attacks, "88 fits", long_body(MAX_BODY))
    hidden = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"message":"%s"},"name":"secret"}}'
    refuse(attacks, "88 the name at its end", hidden % (b"x" * (MAX_BODY - len(hidden) + 2)), (), 403, "operation_denied")


# -- what holds for all of them -------------------------------------------------------------------------------------------------------------------

def test_a_good_message_is_still_let_in(attacks):
    accept(attacks, "good", call_tool("echo", message="x"))
    assert json.loads(attacks.stack.upstream.last.body)["params"]["name"] == "echo" and attacks.stack.httpd.crashes() == []


def test_the_journal_has_the_reason_of_every_attack(attacks):
    attacks.check_journal()


def test_no_part_of_these_tokens_is_in_any_log(attacks):
    attacks.check_fetches()
    for path in attacks.stack.httpd.log_paths() + attacks.stack.admind.log_paths():
        assert not attacks.stack.world.canaries.find(path.read_bytes().decode("utf-8", "replace")), path
