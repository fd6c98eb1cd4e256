# SPDX-License-Identifier: Apache-2.0
"""Attacks that use two readings of one thing: a parameter's name, a path, a user's name, a body's framing."""
import pytest

from harness import raw_exchange


@pytest.mark.parametrize("query", ["?%%61ccess_token=%s", "?access%%5Ftoken=%s", "?access+token=%s", "?a;access%%5ftoken=%s"], ids=lambda q: f"60 {q}")
def test_a_token_in_the_query_is_not_logged_however_the_parameter_is_spelled(world, query):
    """Whatever the gate takes for the parameter, the access log must not show."""
    s = world.stack()
    token = s.token()
    assert s.call(token=token, path="/mcp" + query % token).status == 400
    assert s.call(path="/mcp" + query % token).status == 401
    assert token.rsplit(".", 1)[1] not in s.httpd.access_log()


@pytest.mark.parametrize("path", ["/mcp;x", "/mcp;jsessionid=1", "/..;/mcp", "/x/..;/mcp", "/mcp%2f", "/MCP", "/%4dcp", "/mcp.", "/mcp%3b", "/mcp%20", "/mcp%252f", "/mcp%5c", "/x%2f..%2fmcp", "/%2fmcp"], ids=lambda p: f"67 {p}")
def test_behind_a_catch_all_proxy_no_loose_reading_of_the_path_is_open(world, path):
    """ProxyPass / with a guarded <Location /mcp>: httpd takes these for other paths, Tomcat, IIS and many frameworks for /mcp."""
    s = world.stack(config="<VirtualHost 127.0.0.1:{port}>\nServerName catch-all.test\nAllowEncodedSlashes NoDecode\nProxyPass / {upstream}/ nocanon\n</VirtualHost>")
    with s.upstream.untouched():
        raw_exchange(s.httpd.port, f"POST {path} HTTP/1.1\r\nHost: catch-all.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())


def test_56_a_user_whose_name_is_that_of_a_client_is_not_the_client(world):
    """r->user of a client without a user is clientid:NAME; a sub of that very text is another principal."""
    s = world.stack(issuer_options="typ=any", config='LogFormat "%u" who\nCustomLog {folder}/who.log who')
    assert s.call(token=s.token(sub=None, client_id="alice")).status == 200
    answer = s.call(token=s.token(sub="clientid:alice"))
    names = (s.httpd.folder / "who.log").read_text().splitlines()
    assert answer.status == 401 or names[0] != names[1], names


@pytest.mark.parametrize("te", ["chunked, chunked", "gzip, chunked", "chunked\r\nTransfer-Encoding: chunked"], ids=lambda t: f"65 {t!r}")
def test_an_odd_transfer_encoding_is_the_clients_fault(world, te):
    """httpd's core lets it pass because it ends in chunked, and mod_proxy_http would answer 500."""
    s = world.stack()
    with s.upstream.untouched():
        for line in ("", f"Authorization: Bearer {s.token()}\r\n"):
            received = raw_exchange(s.httpd.port, f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{line}Transfer-Encoding: {te}\r\nConnection: close\r\n\r\n0\r\n\r\n".encode())
            assert received.startswith(b"HTTP/1.1 400 "), received[:100]


def test_a_place_that_is_open_by_configuration_stays_open(world):
    """Only a loose reading is refused: what an inner section opens, and what has nothing to do with the guarded path, is nobody's business."""
    s = world.stack(locations={"/mcp/open": "MCPAuth Off"},
                    config="<VirtualHost 127.0.0.1:{port}>\nServerName open.test\nProxyPass / {upstream}/\n</VirtualHost>")
    for path in ("/mcp/open/x", "/MCPs", "/other;x", "/docs/mcp", "/%2525"):
        received = raw_exchange(s.httpd.port, f"POST {path} HTTP/1.1\r\nHost: open.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
        assert b" 404 " not in received.split(b"\r\n")[0] and s.upstream.last.path.startswith(path.split(";")[0][:5]), (path, received[:200])


def test_a_refused_reading_is_in_the_journal(world):
    s = world.stack(config="<VirtualHost 127.0.0.1:{port}>\nServerName catch-all.test\nProxyPass / {upstream}/\n</VirtualHost>")
    received = raw_exchange(s.httpd.port, b"POST /MCP HTTP/1.1\r\nHost: catch-all.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    assert received.startswith(b"HTTP/1.1 404 ") and b'{"error":"not_found"' in received
    assert s.admind.wait_journal(1, reason="path_ambiguous", status=404, location="/mcp")
