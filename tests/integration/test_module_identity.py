# SPDX-License-Identifier: Apache-2.0
"""What the upstream learns of the caller comes from the verified token alone (attack cases 63 and 68; peers-and-apache 4.6)."""
import pytest

from module_parts import fixed_stack

OURS = ["X-MCP-Subject", "X-MCP-Client-ID", "X-MCP-Scopes", "X-MCP-Issuer", "X-MCP-Token-ID"]


@pytest.fixture(scope="module")
def identity(module_world):
    s = fixed_stack(module_world, modules=["proxy", "proxy_http", "headers"], locations={
        "/plain": "MCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/plain\nMCPAuthIdentityHeaders Off",
        "/forward": "MCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/forward\nMCPAuthForwardToken On",
        "/open": "ProxyPass {upstream}/open",
    }, issuer_options="typ=any")
    return s


def ours(request):
    return {n: v for n, v in request.headers if n.lower().replace("_", "-").startswith("x-mcp-")}


def test_the_upstream_sees_who_it_is_and_no_token(identity):
    assert identity.call(token=identity.token(jti="t1")).status == 200
    assert ours(identity.upstream.last) == {
        "X-MCP-Subject": "alice", "X-MCP-Client-ID": "harness", "X-MCP-Scopes": "mcp:tools.read mcp:tools.exec", "X-MCP-Issuer": identity.issuer.url,
        "X-MCP-Token-ID": "t1"}
    assert identity.upstream.last.header("Authorization") is None


@pytest.mark.parametrize("name", OURS + [n.lower() for n in OURS] + [n.replace("-", "_") for n in OURS] + ["x_mcp-SUBJECT", "X_MCP_subject"])
def test_a_clients_own_identity_headers_are_gone(identity, name):
    assert identity.call(token=identity.token(), headers=[(name, "mallory"), (name, "eve")]).status == 200
    seen = identity.upstream.last
    assert "mallory" not in str(seen.headers) and "eve" not in str(seen.headers)
    assert seen.header("X-MCP-Subject") == "alice"


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "x_http_method_override"])
def test_method_overrides_are_gone(identity, name):
    assert identity.call(token=identity.token(), headers={name: "DELETE"}).status == 200
    assert "DELETE" not in str(identity.upstream.last.headers)


@pytest.mark.parametrize("connection", ["close, X-MCP-Subject", "X-MCP-Subject", "x-mcp-subject,X_MCP_Scopes , close", ",X-MCP-Subject,,",
                                        "close;X-MCP-Subject", "X-MCP-Subject;", ";x-mcp-subject; X_MCP_Scopes", "te;X-MCP-Scopes,close", "X-MCP-Subject\t;"])
def test_connection_cannot_strip_the_identity(identity, connection):
    """mod_proxy drops what Connection names, after the gate has added its headers; a semicolon ends a name, too, when it reads the list."""
    answer = identity.httpd.raw(
        f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {identity.token()}\r\nConnection: {connection}\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
        half_close=True)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert identity.upstream.last.header("X-MCP-Subject") == "alice" and identity.upstream.last.header("X-MCP-Scopes")


def test_connection_cannot_strip_a_forwarded_token(identity):
    token = identity.token()
    answer = identity.httpd.raw(
        f"POST /forward HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close, authorization\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
        half_close=True)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert identity.upstream.last.header("Authorization") == f"Bearer {token}"


def test_absent_claims_are_absent_headers(identity):
    token = identity.token(jti=None, scope=None, sub=None)
    assert identity.call(token=token, headers=[(n, "mallory") for n in OURS]).status == 200
    assert ours(identity.upstream.last) == {"X-MCP-Client-ID": "harness", "X-MCP-Issuer": identity.issuer.url}


def test_values_are_plain_ascii(identity):
    assert identity.call(token=identity.token(sub="zoë 100%")).status == 200
    assert identity.upstream.last.header("X-MCP-Subject") == "zo%C3%AB 100%25"


@pytest.mark.parametrize("subject", ["a\r\nX-MCP-Scopes: mcp:admin", "a\nb", "a\u0000b", "a\u007fb"])
def test_control_characters_in_claims_never_reach_a_header(identity, subject):
    with identity.upstream.untouched():
        assert identity.call(token=identity.token(sub=subject)).status == 401


def test_identity_headers_off_means_none_at_all(identity):
    assert identity.call(path="/plain", token=identity.token(), headers=[(n, "mallory") for n in OURS]).status == 200
    assert ours(identity.upstream.last) == {} and identity.upstream.last.header("Authorization") is None


def test_the_token_goes_upstream_where_that_is_wanted(identity):
    token = identity.token()
    assert identity.call(path="/forward", token=token).status == 200
    assert identity.upstream.last.header("Authorization") == "Bearer " + token


def test_an_unguarded_location_is_left_alone(identity):
    assert identity.call(path="/open", token="x", headers={"X-MCP-Subject": "whoever", "X-HTTP-Method": "PUT"}).status == 200
    seen = identity.upstream.last
    assert seen.header("X-MCP-Subject") == "whoever" and seen.header("Authorization") == "Bearer x" and seen.header("X-HTTP-Method") == "PUT"


def test_logs_can_name_the_caller(world):
    s = fixed_stack(world, config='LogFormat "%{MCP_SUBJECT}e|%{MCP_CLIENT_ID}e|%{MCP_SCOPES}e|%{MCP_ISSUER}e|%{MCP_TOKEN_ID}e|%{MCP_DECISION}e|%{MCP_REASON}e" who\nCustomLog {folder}/who.log who')
    assert s.call(token=s.token(jti="j1")).status == 200
    assert s.call().status == 401
    assert (s.httpd.folder / "who.log").read_text().splitlines() == [
        f"alice|harness|mcp:tools.read mcp:tools.exec|{s.issuer.url}|j1|allow|ok", "-|-|-|-|-|deny|no_token"]
