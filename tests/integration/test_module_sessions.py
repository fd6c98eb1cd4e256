# SPDX-License-Identifier: Apache-2.0
"""Sessions of the older era belong to who opened them: attacks 84 and 85, floods, restarts, and how sessions end."""
import re
import uuid

import pytest

from harness import initialize, list_tools, rpc, wait_until
from module_parts import fixed_stack

ALL = "mcp:admin"
HEADERS = {"MCP-Protocol-Version": "2025-11-25"}
INSPECT = "MCPAuthInspect Body"
STATUS = "<Location /status>\nSetHandler server-status\n</Location>\nExtendedStatus On"


class Client:
    """One subject with one client id."""

    def __init__(self, stack, sub="alice", **claims):
        self.stack, self.session = stack, None
        self.token = stack.token(sub=sub, scope=ALL, **claims)

    def open(self, session=None, **options):
        """initialize; the upstream gives the session this id. Returns the answer."""
        given = session or str(uuid.uuid4())
        self.stack.upstream.extra_headers = [("Mcp-Session-Id", given)]
        try:
            answer = self.stack.call(token=self.token, body=initialize(), **options)
        finally:
            self.stack.upstream.extra_headers = []
        self.session = answer.header("Mcp-Session-Id")
        return answer

    def call(self, method="POST", session=None, headers=None, **options):
        sent = {**HEADERS, "Mcp-Session-Id": session or self.session, **(headers or {})}
        body = options.pop("body", list_tools(7) if method == "POST" else None)
        return self.stack.call(token=self.token, method=method, body=body, headers=sent, **options)


@pytest.fixture(scope="module")
def sessions(module_world):
    guarded = "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthInspect Body\n"
    return fixed_stack(module_world, modules=["proxy", "proxy_http", "status"], config=STATUS, location=INSPECT, locations={
        "/other": guarded.replace("{resource}", "{resource}/other") + "MCPAuthAudience {resource}\nProxyPass {upstream}/mcp",
        "/gone": guarded.replace("{resource}", "{httpd}/gone") + "MCPAuthAudience {resource}\nProxyPass {upstream}/gone",
        "/other-gone": guarded.replace("{resource}", "{httpd}/gone") + "MCPAuthAudience {resource}\nProxyPass {upstream}/other-gone",
        "/shadow": guarded.replace("On", "Shadow") + "ProxyPass {upstream}/mcp",
        "/off": guarded.replace("Body", "Off") + "ProxyPass {upstream}/echo",
    })


def refused(answer, method="POST"):
    assert answer.status == 404, answer
    if method == "POST":
        document = answer.json()
        assert document["id"] == 7 and document["error"]["data"]["error"] == "not_found", document
    return True


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_a_session_is_its_owners_over_children_and_restarts(world, mpm):
    s = fixed_stack(world, mpm=mpm, location=INSPECT)
    alice, bob, other = Client(s), Client(s, "bob"), Client(s, client_id="another-app")
    assert alice.open().status == 200 and bob.open().status == 200
    for _ in range(2):
        for client, session in ((bob, alice.session), (alice, bob.session), (other, alice.session), (alice, "never-opened")):
            with s.upstream.untouched():
                assert all(refused(client.call(method, session), method) for method in ("POST", "GET", "DELETE"))
        assert [alice.call().status, bob.call().status, alice.call("GET").status] == [200] * 3
        s.httpd.graceful()
    assert s.upstream.last.header("Mcp-Session-Id") == alice.session


def test_foreign_and_unknown_are_one_answer(sessions):
    alice, bob = Client(sessions), Client(sessions, "bob")
    alice.open()
    foreign, unknown = bob.call(session=alice.session), bob.call(session="never-opened")

    def shown(answer):
        return answer.status, answer.text, sorted((n, v) for n, v in answer.headers if n.lower() not in ("date", "x-request-id"))
    assert shown(foreign) == shown(unknown)


def test_delete_ends_it_for_its_owner_alone(sessions):
    alice, bob = Client(sessions), Client(sessions, "bob")
    alice.open()
    assert refused(bob.call("DELETE", alice.session), "DELETE")
    assert alice.call().status == 200
    assert alice.call("DELETE").status == 200
    with sessions.upstream.untouched():
        assert refused(alice.call())


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_what_the_upstream_forgot_is_forgotten(sessions, method):
    alice = Client(sessions)
    assert alice.open(path="/gone").status == 200
    sessions.upstream.script = (404, [], [b"no such session"])
    try:
        assert alice.call(method, path="/gone").status == 404 and sessions.upstream.last.path == "/gone"
    finally:
        sessions.upstream.script = None
    with sessions.upstream.untouched():
        assert refused(alice.call(path="/gone"))


@pytest.mark.parametrize("status, path", [(404, "/gone/favicon.ico"), (404, "/gone/"), (404, "/other-gone"), (405, "/gone"), (410, "/gone"), (500, "/gone")])
def test_another_answer_or_path_ends_no_session(sessions, status, path):
    alice = Client(sessions)
    assert alice.open(path="/gone").status == 200
    for method in ("POST", "GET"):
        sessions.upstream.script = (status, [], [b"no such file"])
        try:
            assert alice.call(method, path=path).status == status and sessions.upstream.last.path == path
        finally:
            sessions.upstream.script = None
    assert alice.call(path="/gone").status == 200


def test_a_session_is_of_one_resource(sessions):
    alice = Client(sessions)
    alice.open()
    assert refused(alice.call(path="/other"))
    assert alice.call().status == 200


@pytest.mark.parametrize("id_", ["", "a b", "a\tb", "\u00e9", "x" * 256])
def test_an_id_of_another_shape_is_refused(sessions, id_):
    with sessions.upstream.untouched():
        assert Client(sessions).call(session=None, headers={"Mcp-Session-Id": id_}).status == 400


def test_two_headers_are_refused(sessions):
    alice = Client(sessions)
    alice.open()
    body = list_tools()
    head = (f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {alice.token}\r\nContent-Type: application/json\r\nMCP-Protocol-Version: 2025-11-25\r\n"
            f"Mcp-Session-Id: {alice.session}\r\n")
    tail = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    assert b" 200 " in sessions.httpd.raw(head.encode() + tail.encode() + body).split(b"\r\n")[0]
    with sessions.upstream.untouched():
        for second in (alice.session, "other"):
            answer = sessions.httpd.raw(head.encode() + f"mcp-session-id: {second}\r\n".encode() + tail.encode() + body)
            assert b" 400 " in answer.split(b"\r\n")[0]


def test_a_second_spelling_does_not_reach_the_upstream(sessions):
    alice, bob = Client(sessions), Client(sessions, "bob")
    alice.open(), bob.open()
    assert bob.call(headers={"Mcp_Session_Id": alice.session, "MCP_SESSION-ID": alice.session}).status == 200
    assert [v for n, v in sessions.upstream.last.headers if n.lower().replace("_", "-") == "mcp-session-id"] == [bob.session]


def test_in_the_newer_era_the_header_is_taken_out(sessions):
    alice = Client(sessions)
    alice.open()
    params = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}
    answer = sessions.call(token=Client(sessions, "bob").token, body=rpc("tools/list", params),
                           headers={"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list", "Mcp-Session-Id": alice.session})
    assert answer.status == 200 and sessions.upstream.last.header("Mcp-Session-Id") is None


def test_without_inspection_the_header_is_the_upstreams(sessions):
    assert Client(sessions).call(session="of-no-matter", path="/off").status == 200
    assert sessions.upstream.last.header("Mcp-Session-Id") == "of-no-matter"


def test_an_id_brought_to_initialize_is_not_trusted(sessions):
    with sessions.upstream.untouched():
        answer = sessions.call(token=Client(sessions).token, body=initialize(), headers={"Mcp-Session-Id": "chosen"})
    assert answer.status == 404


@pytest.mark.parametrize("id_", ["x" * 256, "a b"])
def test_an_answer_with_an_unusable_id_is_withheld(sessions, id_):
    answer = Client(sessions).open(id_)
    assert answer.status == 404 and answer.header("Mcp-Session-Id") is None and "serverInfo" not in answer.text


def test_an_id_that_is_given_twice_stays_its_first_owners(sessions):
    alice, bob = Client(sessions), Client(sessions, "bob")
    alice.open("same")

    def denials():
        return int(re.search(r"MCPAuthDecisions_deny: (\d+)", sessions.httpd.get("/status?auto").text)[1])
    before = denials()
    answer = bob.open("same")
    wait_until(lambda: denials() > before, what="the decision's count")
    assert answer.status == 404 and answer.header("Mcp-Session-Id") is None and "serverInfo" not in answer.text
    assert answer.json()["id"] == 0 and int(answer.header("Content-Length")) == len(answer.text)
    assert alice.call(session="same").status == 200 and refused(bob.call(session="same"))
    assert alice.open("same").status == 200


def test_a_session_without_an_id_needs_none(sessions):
    alice = Client(sessions)
    assert sessions.call(token=alice.token, body=initialize()).status == 200
    assert sessions.call(token=alice.token, body=list_tools(), headers=HEADERS).status == 200


def test_shadow_refuses_nothing_and_binds(sessions):
    alice, bob = Client(sessions), Client(sessions, "bob")
    assert alice.open(path="/shadow").status == 200 and alice.session
    assert bob.call(session=alice.session, path="/shadow").status == 200
    assert bob.open(alice.session, path="/shadow").status == 200 and bob.session == alice.session
    assert alice.call(session=alice.session).status == 200 and refused(bob.call(session=alice.session))


def shown_sessions(stack):
    return int(re.search(r"MCPAuthSessions: (\d+)", stack.httpd.get("/status?auto").text)[1])


def test_a_flood_of_one_subject_costs_nobody_else_his_session(world):
    s = fixed_stack(world, location=INSPECT, config="MCPAuthSessionTable 1024\n" + STATUS, modules=["proxy", "proxy_http", "status"])
    alice = Client(s)
    alice.open()
    floods = [Client(s, "mallory"), Client(s, "mallory", client_id="another-app")]
    opened = [floods[i % 2].open() for i in range(80)]
    assert [a.status for a in opened] == [200] * 80
    ids = [a.header("Mcp-Session-Id") for a in opened]
    assert [floods[i % 2].call(session=ids[i]).status for i in range(80)] == [404] * 16 + [200] * 64, "the oldest gave way"
    assert alice.call().status == 200 and Client(s, "bob").open().status == 200
    assert shown_sessions(s) == 66 and "66 open" in s.httpd.get("/status").text


def test_what_was_used_last_stays(world):
    s = fixed_stack(world, location=INSPECT)
    alice = Client(s)
    ids = [alice.open().header("Mcp-Session-Id") for _ in range(64)]
    assert alice.call(session=ids[0]).status == 200
    assert alice.open().status == 200
    with s.upstream.untouched():
        assert refused(alice.call(session=ids[1]))
    assert [alice.call(session=i).status for i in (ids[0], ids[2], alice.session)] == [200] * 3


def test_a_table_full_of_others_refuses_newcomers(world):
    """The least table has 2048 places. Nobody who is in loses his session to who is not."""
    s = fixed_stack(world, location=INSPECT, config="MCPAuthSessionTable 1024\nMCPAuthSessionTimeout 1h\n" + STATUS, modules=["proxy", "proxy_http", "status"])
    first, owners, refusals = Client(s), [], []
    first.open()
    while shown_sessions(s) < 2048 and len(owners) < 100:
        owners.append(Client(s, f"owner-{len(owners)}"))
        refusals += [a for a in (owners[-1].open() for _ in range(64)) if a.status != 200]
    assert shown_sessions(s) == 2048 and first.call().status == 200
    for answer in refusals:  # its set was full, and none in it his
        assert answer.status == 429 and answer.header("Mcp-Session-Id") is None and "serverInfo" not in answer.text, answer
        assert 1 <= int(answer.header("Retry-After")) <= 3601
    late = Client(s, "late")
    with s.upstream.untouched():
        answer = late.open()
    assert answer.status == 429 and 3000 < int(answer.header("Retry-After")) <= 3601, "until the first of them ends"
    assert re.search(r"session_limit\D+\d", s.httpd.get("/status").text)
    assert first.call("DELETE").status == 200
    for _ in range(500):  # in the one place that is free now, or in a full set
        answer = late.open()
        assert answer.status == 200 or answer.header("Retry-After") == "1", answer
        if answer.status == 200:
            break
    assert late.call().status == 200


def test_an_idle_session_is_over(world):
    s = fixed_stack(world, location=INSPECT, config="MCPAuthSessionTimeout 1s\n" + STATUS, modules=["proxy", "proxy_http", "status"])
    alice = Client(s)
    alice.open()
    wait_until(lambda: "MCPAuthSessions: 0\n" in s.httpd.get("/status?auto").text, what="the idle time")
    with s.upstream.untouched():
        assert refused(alice.call())
    assert alice.open().status == 200
