# SPDX-License-Identifier: Apache-2.0
"""What children share, what outlives a graceful restart, and what is recorded."""
import os

from harness import wait_until
from module_parts import fixed_stack

STATUS = "<Location /status>\nSetHandler server-status\n</Location>\nExtendedStatus On"


def status(stack):
    text = stack.httpd.get("/status?auto").text
    return {line.split(": ")[0]: line.split(": ")[1] for line in text.splitlines() if line.startswith("MCPAuth")}


def test_limits_are_one_budget_over_all_children_and_restarts(world, mpm):
    s = fixed_stack(world, mpm=mpm, location="MCPAuthRateLimit subject 20/day")
    token = s.token()
    codes = [s.call(token=token).status for _ in range(10)]
    s.httpd.graceful()
    codes += [s.call(token=token).status for _ in range(10)]
    s.httpd.graceful()
    assert codes == [200] * 20
    assert [s.call(token=token).status for _ in range(3)] == [429] * 3
    assert s.call(token=s.token(sub="bob")).status == 200


def test_another_size_makes_a_new_table(world):
    s = fixed_stack(world, location="MCPAuthRateLimit subject 1/day")
    token = s.token()
    assert [s.call(token=token).status for _ in range(2)] == [200, 429]
    s.httpd.config += "\nMCPAuthLimitTable 2048\nMCPAuthTokenCache 0"
    s.httpd.write_config()
    s.httpd.graceful()
    wait_until(lambda: s.call(token=token).status == 200, what="the new table")
    assert s.call(token=token).status == 429


def test_address_limit_counts_before_the_token_is_looked_at(world):
    s = fixed_stack(world, location="MCPAuthRateLimit address 5/day\nMCPAuthRateLimit client 100/day")
    assert [s.call().status for _ in range(3)] == [401] * 3
    assert [s.call(token=s.token()).status for _ in range(3)] == [200, 200, 429]


def test_remoteip_decides_whose_budget_it_is(world):
    s = fixed_stack(world, modules=["proxy", "proxy_http", "remoteip"], config="RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1", location="MCPAuthRateLimit address 1/day")
    codes = [s.call(headers={"X-Forwarded-For": ip}).status for ip in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")]
    assert codes == [401, 429, 401, 401, 429, 401]


def test_forwarded_for_is_not_believed_without_remoteip(world):
    s = fixed_stack(world, location="MCPAuthRateLimit address 1/day")
    assert [s.call(headers={"X-Forwarded-For": ip}).status for ip in ("192.0.2.1", "192.0.2.2")] == [401, 429]


def test_mod_status_tells(world):
    s = fixed_stack(world, modules=["proxy", "proxy_http", "status"], config=STATUS, location="MCPAuthRateLimit subject 2/day")
    token = s.token()
    for t in (token, token, token, None, "garbage"):
        s.call(token=t)
    # Each is counted by the thread that answered it, when the answer was sent.
    wait_until(lambda: sum(int(status(s)[f"MCPAuthDecisions_{d}"]) for d in ("allow", "deny", "limit", "error")) >= 5, what="the counters")
    found = status(s)
    assert [found[f"MCPAuthDecisions_{d}"] for d in ("allow", "deny", "limit", "error")] == ["2", "2", "1", "0"]
    assert (found["MCPAuthTokenCacheHits"], found["MCPAuthTokenCacheMisses"]) == ("2", "2")
    assert found["MCPAuthLimitEntries"] == "1" and int(found["MCPAuthLimitCapacity"]) >= 65536 and found["MCPAuthIssuers"] == "1"
    page = s.httpd.get("/status").text
    assert "MCP authorization" in page and "no_token" in page
    s.httpd.graceful()
    assert status(s)["MCPAuthDecisions_allow"] == "2"


def test_audit_required_refuses_what_cannot_be_recorded(world):
    spool = world.scratch / "spool2"
    spool.mkdir()
    os.chown(spool, 33, 33)
    world.dirs.spool = f"{spool} max=2m"
    s = fixed_stack(world, mpm="prefork", workers=1, location="MCPAuthAudit Required",
                    locations={"/free": "MCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/free"})
    token = s.token()
    assert s.call(token=token).status == 200
    # Refusals are recorded too, and cost no round trip to the upstream.
    request = b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + b"u" * 1000 + b"\r\n"
    for _ in range(100):
        assert b" 401 " in s.httpd.raw((request + b"\r\n") * 40 + request + b"Connection: close\r\n\r\n")
        answer = s.call(token=token)
        if answer.status != 200:
            break
    assert answer.status == 503 and answer.json()["error"] == "temporarily_unavailable" and answer.header("Retry-After")
    with s.upstream.untouched():
        assert s.call(token=token).status == 503
        assert s.call().status == 401
    assert s.call(path="/free", token=token).status == 200


def test_audit_off_writes_nothing(world):
    s = fixed_stack(world, mpm="prefork", workers=1, location="MCPAuthAudit Off")
    s.call(), s.call(token=s.token())
    data = b"".join(p.read_bytes() for p in world.dirs.spool.iterdir())
    assert b"/mcp" not in data
    assert b"no_token" not in data


def test_records_are_in_the_spool_when_the_answer_is_logged(world):
    s = fixed_stack(world, mpm="prefork", workers=1)
    s.call(headers={"User-Agent": "canary-agent"})
    data = b"".join(p.read_bytes() for p in world.dirs.spool.iterdir())
    assert b"canary-agent" in data and b"no_token" in data
