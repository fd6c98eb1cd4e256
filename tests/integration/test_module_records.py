# SPDX-License-Identifier: Apache-2.0
"""One record for one client request, whatever became of it (7.3), seen where it ends up: in the daemon's journal."""
import json

import pytest

from harness import HmacKey, wait_until
from module_parts import fixed_stack


@pytest.fixture(scope="module")
def recorded(module_world):
    s = module_world.stack(
        modules=["proxy", "proxy_http", "include", "mime", "alias"], config="TypesConfig /dev/null\nAddOutputFilter INCLUDES .shtml\n<Directory {folder}/htdocs>\nOptions +Includes\n</Directory>",
        locations={
            "/require": "MCPAuth On\nMCPAuthResource {resource}\nRequire mcp-scope mcp:admin",
            "/claim": "MCPAuth On\nMCPAuthResource {resource}\nRequire mcp-claim dept exists",
            "/shadow": "MCPAuth Shadow\nMCPAuthResource {resource}\nProxyPass {upstream}/shadow",
            "/moved": "MCPAuth On\nMCPAuthResource {resource}\nErrorDocument 404 /moved/page.txt",
            "/part": "MCPAuth On\nMCPAuthResource {resource}",
            "/silent": "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthAudit Off\nProxyPass {upstream}/silent",
            "/limited": "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthRateLimit client 1/day\nProxyPass {upstream}/limited",
        })
    root = s.httpd.document_root
    for name, text in (("moved/page.txt", "instead"), ("part/p.txt", "part"), ("require/f.txt", "f"), ("claim/f.txt", "f"), ("page.shtml", '<!--#include virtual="/part/p.txt" -->')):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return s


def one(s, **want):
    """The only record with these members; it must be the only one, so every test has a User-Agent of its own."""
    found = s.admind.wait_journal(1, **want)
    s.call(headers={"User-Agent": "fence"})
    assert len(found) == 1 and len(s.admind.journal_lines(**want)) == 1, found
    return found[0]


def test_a_good_call(recorded):
    s = recorded
    token = s.token(jti="j-good", scope="mcp:tools.read mcp:tools.exec")
    assert s.call(token=token, path="/mcp?secret=1", headers={"User-Agent": "good"}).status == 200
    r = one(s, user_agent="good")
    assert {k: r[k] for k in ("sub", "jti", "aud", "iss", "client_id", "scope", "method", "path", "status", "ip", "auth_method", "decision", "reason", "location", "vhost")} == {
        "sub": "alice", "jti": "j-good", "aud": s.resource, "iss": s.issuer.url, "client_id": "harness", "scope": "mcp:tools.read mcp:tools.exec", "method": "POST",
        "path": "/mcp", "status": 200, "ip": "127.0.0.1", "auth_method": "jwt", "decision": "allow", "reason": "ok", "location": "/mcp", "vhost": "localhost"}
    assert r["bytes_in"] > 50 and r["bytes_out"] > 50 and r["latency_ms"] > 0 and len(r["token_hash"]) == 16 and len(r["request_id"]) == 16
    assert r["ts"].endswith("Z") and "secret" not in json.dumps(r)


def test_the_clients_name_of_a_request_is_recorded_beside_ours(recorded):
    s = recorded
    answer = s.call(token=s.token(), headers={"User-Agent": "named", "X-Request-ID": "job-7"})
    r = one(s, user_agent="named")
    assert answer.header("X-Request-ID") == r["correlation_id"] == "job-7" != r["request_id"]
    answer = s.call(headers={"User-Agent": "unnamed"})
    r = one(s, user_agent="unnamed")
    assert answer.header("X-Request-ID") == r["request_id"] and "correlation_id" not in r


def test_refusals(recorded):
    s = recorded
    s.call(headers={"User-Agent": "none"})
    r = one(s, user_agent="none")
    assert (r["decision"], r["reason"], r["status"], r["auth_method"]) == ("deny", "no_token", 401, "none") and "sub" not in r and "token_hash" not in r
    s.call(token=s.token(aud="https://other.example"), headers={"User-Agent": "aud"})
    r = one(s, user_agent="aud")
    assert (r["decision"], r["reason"], r["auth_method"], r["iss"]) == ("deny", "audience_wrong", "jwt", s.issuer.url) and "sub" not in r
    s.call(headers={"User-Agent": "origin", "Origin": "https://evil.example"})
    r = one(s, user_agent="origin")
    assert (r["reason"], r["origin"], r["status"]) == ("origin_denied", "https://evil.example", 403)


def test_a_refusal_by_require(recorded):
    s = recorded
    assert s.httpd.get("/require/f.txt", token=s.token(), headers={"User-Agent": "require"}).status == 403
    r = one(s, user_agent="require")
    assert (r["decision"], r["reason"], r["status"], r["sub"]) == ("deny", "scope_missing", 403, "alice")
    assert s.httpd.get("/claim/f.txt", token=s.token(), headers={"User-Agent": "claim"}).status == 403
    assert one(s, user_agent="claim")["reason"] == "claim_denied"
    assert s.httpd.get("/claim/f.txt", token=s.token(dept="x"), headers={"User-Agent": "claim2"}).status == 200
    assert one(s, user_agent="claim2")["decision"] == "allow"


def test_limits(recorded):
    s = recorded
    token = s.token(client_id="limited")
    s.call(path="/limited", token=token)
    assert s.call(path="/limited", token=token, headers={"User-Agent": "limit"}).status == 429
    r = one(s, user_agent="limit")
    assert (r["decision"], r["reason"], r["status"], r["client_id"]) == ("limit", "rate_limited_client", 429, "limited")


def test_shadow(recorded):
    s = recorded
    assert s.call(path="/shadow", headers={"User-Agent": "shadow"}).status == 200
    r = one(s, user_agent="shadow")
    assert (r["decision"], r["reason"], r["status"]) == ("shadow_deny", "no_token", 200)
    assert s.call(path="/shadow", token=s.token(), headers={"User-Agent": "shadow2"}).status == 200
    r = one(s, user_agent="shadow2")
    assert (r["decision"], r["reason"], r["sub"]) == ("allow", "ok", "alice")


def test_an_internal_redirect_is_one_record(recorded):
    s = recorded
    assert s.httpd.get("/moved/nothing", token=s.token(), headers={"User-Agent": "moved"}).text == "instead"
    r = one(s, user_agent="moved")
    assert (r["decision"], r["status"], r["path"], r["location"], r["bytes_out"]) == ("allow", 404, "/moved/nothing", "/moved", 7)


def test_an_included_part_is_recorded(recorded):
    s = recorded
    assert s.httpd.get("/page.shtml", headers={"User-Agent": "part"}).status == 200
    r = one(s, user_agent="part")
    assert (r["decision"], r["reason"], r["location"], r["path"]) == ("deny", "no_token", "/part", "/page.shtml")


def test_an_unguarded_request_is_not_recorded(recorded):
    s = recorded
    assert s.httpd.get("/1k.txt", headers={"User-Agent": "unguarded"}).status == 200
    assert s.call(path="/silent", token=s.token(), headers={"User-Agent": "silent"}).status == 200
    s.call(headers={"User-Agent": "after"})
    one(s, user_agent="after")
    assert not s.admind.journal_lines(user_agent="unguarded") and not s.admind.journal_lines(user_agent="silent")


def test_the_length_of_a_chunked_body_is_counted(recorded):
    s = recorded
    raw = f"POST /mcp/echo HTTP/1.1\r\nHost: localhost\r\nUser-Agent: chunked\r\nConnection: close\r\nAuthorization: Bearer {s.token()}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    raw += b"".join(b"%x\r\n%s\r\n" % (1000, b"y" * 1000) for _ in range(50)) + b"0\r\n\r\n"
    assert s.httpd.raw(raw).startswith(b"HTTP/1.1 200")
    assert one(s, user_agent="chunked")["bytes_in"] == 50000


def test_a_known_token_is_marked(recorded):
    s = recorded
    token = s.token()
    for n in range(2):
        s.call(token=token, headers={"User-Agent": f"known{n}"})
    assert "verify_ms" in one(s, user_agent="known0")
    r = one(s, user_agent="known1")
    assert r["token_cache"] == "hit" and "verify_ms" not in r and r["sub"] == "alice" and r["scope"]


def test_unique_id_is_taken_over(world):
    s = world.stack(modules=["proxy", "proxy_http", "unique_id"], config='LogFormat "%{UNIQUE_ID}e" id\nCustomLog {folder}/id.log id')
    s.call(token=s.token())
    record = s.admind.wait_journal(1)[0]
    assert record["request_id"] == (s.httpd.folder / "id.log").read_text().splitlines()[-1]


def test_client_strings_cannot_break_a_record(recorded):
    s = recorded
    s.call(path="/mcp/%0d%0a\"\\", headers=[(b"User-Agent", b"odd \"\\\xff\xfe" + b"z" * 3000)])
    s.call(headers={"User-Agent": "after odd"})
    one(s, user_agent="after odd")
    # Another child may have written that one: the two come in any order.
    odd = wait_until(lambda: [r for r in s.admind.journal_lines() if r.get("user_agent", "").startswith("odd ")], what="the odd one")
    assert len(odd) == 1 and len(odd[0]["user_agent"]) < 1100


def test_a_declared_secret_verifies(world):
    secret = world.scratch / "secret"
    secret.write_text("s" * 48 + "\n")
    secret.chmod(0o600)
    s = fixed_stack(world, location="MCPAuthIssuer https://hs.example secret=file:%s alg=HS256" % secret)
    key = HmacKey("s" * 48)
    assert s.call(token=s.token(key=key, iss="https://hs.example")).status == 200
    assert s.call(token=s.token(key=HmacKey("s" * 48 + "\n"), iss="https://hs.example")).status == 401
    assert s.call(token=s.token(key=HmacKey("s" * 48, alg="HS384"), iss="https://hs.example")).status == 401
    assert s.call(token=s.token()).status == 401  # the inner list of issuers replaces the outer one
