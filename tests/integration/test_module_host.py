# SPDX-License-Identifier: Apache-2.0
"""Host against DNS rebinding: what is for this machine alone is asked for by a name of this machine; of a public resource Host decides nothing."""
import json

import pytest

from harness import h2_request, list_tools, send
from module_parts import fixed_stack

APP = "https://app.example.com"
OWN = ["localhost", "LOCALHOST:{port}", "127.0.0.1:{port}", "127.0.0.1", "[::1]:{port}", "localhost.", "127.3.2.1:1"]
FOREIGN = ["evil.example", "evil.example:{port}", "localhost.evil.example", "evil.localhost", "127.0.0.1.evil.example", "0.0.0.0:{port}", "10.0.0.1", "mcp.example.com"]


@pytest.fixture(scope="module")
def s(module_world):
    public = "MCPAuth On\nMCPAuthResource https://mcp.example.com/public\nMCPAuthAudience {resource}\nMCPAuthInspect Body\nProxyPass {upstream}/mcp\n"
    return module_world.stack(
        modules=["proxy", "proxy_http", "http2"], config="Protocols h2c http/1.1\n", location=f"MCPAuthInspect Body\nMCPAuthOrigin {APP}",
        locations={"/public": public, "/shadow": public.replace("On", "Shadow", 1).replace("https://mcp.example.com/public", "http://localhost/shadow"),
                   "/off": public.replace("Body", "Off").replace("https://mcp.example.com/public", "http://[::1]/off")})


def ask(s, host, path="/mcp", token=True, **more):
    headers = [("Host", host.replace("{port}", str(s.httpd.port)))] + ([("Authorization", f"Bearer {s.token(scope='mcp:admin')}")] if token else [])
    return send(s.httpd.port, "POST", path, headers + [("Content-Type", "application/json"), *more.pop("headers", ())], list_tools(), **more)


@pytest.mark.parametrize("path", ["/mcp", "/off"])
def test_names_of_this_machine_are_let_in(s, path):
    for host in OWN:
        assert ask(s, host, path).status == 200, host
        assert ask(s, host, path, token=False).status == 401, host


@pytest.mark.parametrize("path", ["/mcp", "/off"])
def test_another_name_is_refused_with_and_without_a_token(s, path):
    with s.upstream.untouched():
        for host in FOREIGN:
            for token in (True, False):
                answer = ask(s, host, path, token=token)
                assert answer.status == 403 and answer.json() == {"error": "forbidden", "message": "This host is not served here"}, (host, answer)
                assert answer.header("WWW-Authenticate") is None and answer.header("Access-Control-Allow-Origin") is None
    assert s.admind.wait_journal(1, reason="host_denied", status=403, location=path)


def test_a_rebound_page_is_refused_whatever_it_says_of_its_origin(s):
    """To its browser it asks the server that it came from: Origin and Host name the same place, or there is no Origin."""
    port = s.httpd.port
    with s.upstream.untouched():
        for headers in ([], [("Origin", f"http://evil.example:{port}")], [("Origin", APP)], [("Origin", "null")]):
            assert ask(s, f"evil.example:{port}", headers=headers).status == 403
        preflight = [("Origin", APP), ("Access-Control-Request-Method", "POST")]
        assert send(port, "OPTIONS", "/mcp", [("Host", "evil.example"), *preflight]).status == 403
        assert send(port, "GET", "/mcp", [("Host", "evil.example"), ("Accept", "text/event-stream")]).status == 403
        assert send(port, "DELETE", "/mcp", [("Host", "evil.example"), ("Mcp-Session-Id", "x")]).status == 403
    assert send(port, "OPTIONS", "/mcp", [("Host", "localhost"), *preflight]).status == 204


def test_the_name_of_an_absolute_target_is_the_one_that_counts(s):
    port = s.httpd.port
    with s.upstream.untouched():
        for target, host in (("http://evil.example/mcp", "localhost"), ("http://evil.example/mcp", "evil.example")):
            assert ask(s, host, path=target).status == 403, (target, host)
    assert ask(s, "evil.example", path=f"http://localhost:{port}/mcp").status == 200


def test_no_host_and_two_hosts(s):
    assert b" 403 " in s.httpd.raw(b"POST /mcp HTTP/1.0\r\nContent-Length: 0\r\n\r\n").split(b"\r\n")[0]
    assert b" 401 " in s.httpd.raw(b"POST /mcp HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").split(b"\r\n")[0]
    for hosts in (b"", b"Host:\r\n", b"Host: localhost\r\nHost: evil.example\r\n", b"Host: localhost\r\nHost: localhost\r\n", b"Host: localhost, evil.example\r\n"):
        with s.upstream.untouched():
            status = s.httpd.raw(b"POST /mcp HTTP/1.1\r\n" + hosts + b"Connection: close\r\nContent-Length: 0\r\n\r\n").split(b"\r\n")[0]
        assert b" 400 " in status or b" 403 " in status, (hosts, status)


def test_over_http2_the_authority_counts(s):
    token = s.token(scope="mcp:admin")
    fields = [("content-type", "application/json")]
    assert h2_request(s.httpd.port, "POST", "/mcp", fields, list_tools(), token, authority=f"localhost:{s.httpd.port}").status == 200
    with s.upstream.untouched():
        assert h2_request(s.httpd.port, "POST", "/mcp", fields, list_tools(), token, authority="evil.example").status == 403
        assert h2_request(s.httpd.port, "POST", "/mcp", [*fields, ("host", "localhost")], list_tools(), token, authority="evil.example").status == 403
    # Beside :authority a host is nobody's name: httpd takes it for nothing, and no server behind sees it.
    assert h2_request(s.httpd.port, "POST", "/mcp", [*fields, ("host", "evil.example")], list_tools(), token, authority="localhost").status == 200
    assert "evil" not in str(s.upstream.last.headers)


def test_of_a_public_resource_host_decides_nothing(s):
    for host in OWN + FOREIGN:
        assert ask(s, host, "/public").status == 200, host


def test_shadow_records_and_lets_in(s):
    assert ask(s, "evil.example", "/shadow").status == 200
    assert s.admind.wait_journal(1, reason="host_denied", decision="shadow_deny", location="/shadow")


def test_the_metadata_document_is_public_under_any_name(s):
    for host in ("localhost", "evil.example"):
        answer = send(s.httpd.port, "GET", "/.well-known/oauth-protected-resource/mcp", [("Host", host)])
        assert answer.status == 200 and answer.json()["resource"] == s.resource


def test_explain_says_what_a_host_would_have_got(s):
    def explain(location, *more):
        done = s.admind.ctl("explain", "--config", s.admind.conf_path, "--location", location, "--token-file", "-", "--json", *more, stdin=s.token(scope="mcp:admin") + "\n")
        return json.loads(done.stdout)

    assert explain("/mcp")["reason"] == "ok"
    assert explain("/mcp", "--header", "Host: localhost")["reason"] == "ok"
    refused = explain("/mcp", "--header", "Host: evil.example")
    assert refused["reason"] == "host_denied" and refused["status"] == 403 and "evil.example" in json.dumps(refused)
    assert explain("/public", "--header", "Host: evil.example")["reason"] == "ok"


@pytest.mark.parametrize("strict, status", [("", 200), ("StrictHostCheck On", 400)])
def test_what_the_page_says_of_strict_host_checks(world, strict, status):
    s = fixed_stack(world, config=f"ServerName mcp.example.com\n{strict}\n", location="MCPAuthInspect Off",
                    locations={"/p": "MCPAuth On\nMCPAuthResource https://mcp.example.com/p\nMCPAuthAudience {resource}\nMCPAuthInspect Off\nProxyPass {upstream}/mcp"})
    token = s.token()
    assert s.call(path="/p", token=token, headers={"Host": "mcp.example.com"}).status == 200
    assert s.call(path="/p", token=token, headers={"Host": "evil.example"}).status == status
