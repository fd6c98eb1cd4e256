# SPDX-License-Identifier: Apache-2.0
"""Shadow decides and counts, and changes nothing: neither in the request nor in the answer."""
import pytest

from module_parts import fixed_stack


@pytest.fixture(scope="module")
def shadow(module_world):
    return fixed_stack(
        module_world, modules=["proxy", "proxy_http", "headers", "status"],
        config='LogFormat "%s %{MCP_DECISION}e %{MCP_REASON}e" who\nCustomLog {folder}/who.log who\n<Location /status>\nSetHandler server-status\n</Location>',
        locations={
            "/shadow": "MCPAuth Shadow\nMCPAuthResource {resource}\nMCPAuthScope mcp:admin\nMCPAuthRateLimit subject 2/day\nProxyPass {upstream}/shadow",
            "/bare": "ProxyPass {upstream}/bare",
        })


CASES = [
    ("POST", {}, None), ("POST", {"Origin": "https://evil.example"}, None), ("POST", {"X-MCP-Subject": "mallory", "X_MCP_Scopes": "all"}, "good"),
    ("POST", {"Connection": "close, X-MCP-Subject", "X-MCP-Subject": "x"}, "good"), ("POST", {}, "garbage"), ("PUT", {}, None), ("DELETE", {}, "good"),
    ("OPTIONS", {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, None), ("GET", {"X-HTTP-Method-Override": "DELETE"}, None),
]


@pytest.mark.parametrize("method,headers,token", CASES)
def test_shadow_is_as_if_it_were_not_there(shadow, method, headers, token):
    s = shadow
    token = s.token() if token == "good" else token
    seen = []
    for path in ("/bare", "/shadow"):
        s.upstream.extra_headers = [("Access-Control-Allow-Origin", "*"), ("X-From", "upstream")]
        answer = s.httpd.send(method, path, headers=headers, token=token, body=b"{}" if method == "POST" else None)
        request = s.upstream.last
        seen.append((answer.status, [(n, v) for n, v in answer.headers if n not in ("Date", "Content-Length")], [h for h in request.headers]))
    s.upstream.extra_headers = []
    assert seen[0] == seen[1]
    assert seen[1][0] == 200


def test_shadow_tells_what_it_would_have_done(shadow):
    s = shadow
    assert s.call(path="/shadow").status == 200
    assert s.call(path="/shadow", token=s.token(sub="shadowed")).status == 200
    lines = (s.httpd.folder / "who.log").read_text().splitlines()
    assert lines[-2:] == ["200 shadow_deny no_token", "200 shadow_deny scope_missing"]
    admin = [s.call(path="/shadow", token=s.token(sub="limited", scope="mcp:admin")).status for _ in range(3)]
    assert admin == [200, 200, 200]
    lines = (s.httpd.folder / "who.log").read_text().splitlines()
    assert lines[-3:] == ["200 allow ok", "200 allow ok", "200 shadow_deny rate_limited_subject"]
    status = s.httpd.get("/status?auto").text
    assert int(status.split("MCPAuthShadowDenials: ")[1].split()[0]) >= 3


def test_environment_in_shadow_is_for_logs_only(world):
    s = fixed_stack(world, modules=["proxy", "proxy_http", "include", "mime", "rewrite"], config="TypesConfig /dev/null\nAddOutputFilter INCLUDES .shtml\n<Directory {folder}/htdocs>\nOptions +Includes\n</Directory>",
                    locations={"/page.shtml": "MCPAuth Shadow\nMCPAuthResource {resource}"})
    (s.httpd.document_root / "page.shtml").write_text('[<!--#echo var="MCP_SUBJECT" --> <!--#echo var="MCP_REASON" --> <!--#echo var="REMOTE_USER" -->]')
    answer = s.httpd.get("/page.shtml", token=s.token())
    assert answer.text == "[(none) (none) (none)]"
