# SPDX-License-Identifier: Apache-2.0
"""Nothing in httpd's own rules, and no detour through its phases, leads around the gate (peers-and-apache 4.1)."""
import os

import pytest

from module_parts import fixed_stack


def page(stack, path, text):
    """A file in the document root."""
    file = stack.httpd.document_root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.chmod(file.parent, 0o755)
    return file


# A guarded part of the document root, so that httpd's own handlers answer.
FILES = "MCPAuth On\nMCPAuthResource {httpd}/files"


@pytest.fixture(scope="module")
def traps(module_world):
    s = fixed_stack(
        module_world, log_level="trace8",
        modules=["proxy", "proxy_http", "access_compat", "auth_basic", "dir", "include", "rewrite", "alias", "headers", "mime", "autoindex", "negotiation"],
        config="""
TypesConfig /dev/null
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
DirectoryIndex index.html
<Directory "{folder}/htdocs">
  Options +Includes +Indexes +FollowSymLinks +MultiViews
  AllowOverride None
</Directory>
Alias /files2 "{folder}/htdocs/files"
RewriteEngine On
RewriteRule ^/shortcut$ /files/secret.txt [PT]
RewriteRule ^/mcp-rewritten$ /mcp [PT]
""",
        locations={
            "/files": FILES + "\nRequire all granted",
            "/satisfy": "MCPAuth On\nMCPAuthResource {httpd}/satisfy\nRequire all denied\nOrder allow,deny\nAllow from all\nSatisfy Any",
            "/valid": "MCPAuth On\nMCPAuthResource {httpd}/valid\nRequire valid-user",
            "/basic": "MCPAuth On\nMCPAuthResource {httpd}/basic\nAuthType Basic\nAuthName x\nAuthUserFile {folder}/htpasswd\nRequire valid-user",
            "/denied": "MCPAuth On\nMCPAuthResource {httpd}/denied\nRequire all denied",
            "/scope": "MCPAuth On\nMCPAuthResource {httpd}/scope\nMCPAuthScope mcp:tools.read\nRequire mcp-scope mcp:admin",
            "/any": "MCPAuth On\nMCPAuthResource {httpd}/any\n<RequireAny>\nRequire mcp-scope mcp:admin\nRequire mcp-claim dept = sales\n</RequireAny>",
            "/claim": "MCPAuth On\nMCPAuthResource {httpd}/claim\nRequire mcp-claim /realm_access/roles has operator",
            "/open-scope": "Require mcp-scope mcp:tools.read",
            "/errdoc": "MCPAuth On\nMCPAuthResource {httpd}/errdoc\nErrorDocument 401 /errors/401.html\nErrorDocument 403 \"your 403\"",
            "/errself": "MCPAuth On\nMCPAuthResource {httpd}/errself\nErrorDocument 401 /errself/401.html",
            "/files/inner": "MCPAuthScope mcp:admin",
            "/files/open": "MCPAuth Off",
            "/dir/index.html": "MCPAuth On\nMCPAuthResource {httpd}/dir",
            "/redirected": "MCPAuth On\nMCPAuthResource {httpd}/redirected\nMCPAuthRateLimit subject 2/day\nErrorDocument 404 /redirected/exists.txt",
        })
    audiences = [s.httpd.url + p for p in ("/files", "/satisfy", "/valid", "/basic", "/denied", "/scope", "/any", "/claim", "/errdoc", "/errself", "/dir", "/redirected", "/mcp")]
    s.issuer.audience = audiences
    for name in ("files", "satisfy", "valid", "basic", "denied", "scope", "any", "claim", "errdoc", "errself", "open-scope", "files/inner", "files/open"):
        page(s, f"{name}/secret.txt", f"the secret of {name}\n")
    page(s, "errors/401.html", "my own page for 401\n")
    page(s, "errself/401.html", "the page within\n")
    page(s, "dir/index.html", "the index\n")
    page(s, "redirected/exists.txt", "instead of 404\n")
    page(s, "ssi/page.shtml", 'before [<!--#include virtual="/files/secret.txt" -->] after\n')
    page(s, "nego/doc.html.en", "english\n")
    return s


@pytest.mark.parametrize("where", ["files", "satisfy", "valid", "basic", "scope", "any", "claim", "files/inner"])
def test_no_rule_lets_a_request_without_token_in(traps, where):
    answer = traps.httpd.get(f"/{where}/secret.txt")
    assert answer.status == 401 and answer.json()["error"] == "unauthorized", answer
    assert answer.challenge and "secret" not in answer.text


@pytest.mark.parametrize("where", ["files", "satisfy", "valid", "basic"])
def test_a_good_token_is_let_in_and_is_the_user(traps, where):
    answer = traps.httpd.get(f"/{where}/secret.txt", token=traps.token())
    assert answer.status == 200 and answer.text == f"the secret of {where}\n", answer
    assert " alice [" in traps.httpd.access_log().splitlines()[-1]
    assert answer.header("WWW-Authenticate") is None


def test_a_rule_of_httpds_own_still_denies(traps):
    answer = traps.httpd.get("/denied/secret.txt", token=traps.token())
    assert answer.status == 403 and answer.header("WWW-Authenticate") is None
    assert traps.httpd.get("/denied/secret.txt").status == 401


def test_require_mcp_scope_denies_with_our_answer(traps):
    answer = traps.httpd.get("/scope/secret.txt", token=traps.token())
    assert answer.status == 403 and answer.header("Content-Type") == "application/json", answer
    assert answer.json() == {"error": "forbidden", "message": "The access token lacks a scope this operation needs"}
    assert answer.challenge["error"] == "insufficient_scope" and answer.challenge["scope"] == "mcp:tools.read mcp:admin"
    assert answer.header("X-Content-Type-Options") == "nosniff" and answer.all("Content-Length") == [str(len(answer.body))]
    answer = traps.httpd.get("/scope/secret.txt", token=traps.token(scope="mcp:admin"))
    assert answer.status == 200 and answer.header("WWW-Authenticate") is None


def test_require_any_leaves_no_challenge_on_success(traps):
    token = traps.token(dept="sales")
    answer = traps.httpd.get("/any/secret.txt", token=token)
    assert answer.status == 200 and answer.header("WWW-Authenticate") is None, answer
    answer = traps.httpd.get("/any/secret.txt", token=traps.token(dept="it"))
    assert answer.status == 403 and answer.challenge["scope"] == "mcp:admin"


def test_require_mcp_claim(traps):
    answer = traps.httpd.get("/claim/secret.txt", token=traps.token(realm_access={"roles": ["operator"]}))
    assert answer.status == 200
    answer = traps.httpd.get("/claim/secret.txt", token=traps.token(realm_access={"roles": ["operators"]}))
    assert answer.status == 403 and answer.json()["error"] == "forbidden" and answer.header("WWW-Authenticate") is None
    assert "operator" not in answer.text


def test_claims_are_there_for_a_cached_token_too(traps):
    token = traps.token(realm_access={"roles": ["operator"]})
    assert [traps.httpd.get("/claim/secret.txt", token=token).status for _ in range(5)] == [200] * 5


def test_require_mcp_scope_without_a_guard_denies(traps):
    assert traps.httpd.get("/open-scope/secret.txt").status == 403
    assert traps.httpd.get("/open-scope/secret.txt", token=traps.token()).status == 403


def test_an_inner_section_replaces_what_it_sets_and_inherits_the_rest(traps):
    answer = traps.httpd.get("/files/inner/secret.txt", token=traps.token())
    assert answer.status == 403 and answer.challenge["scope"] == "mcp:admin"
    assert answer.challenge["resource_metadata"].endswith("/.well-known/oauth-protected-resource/files")
    assert traps.httpd.get("/files/inner/secret.txt", token=traps.token(scope="mcp:admin")).status == 200
    assert traps.httpd.get("/files/open/secret.txt").status == 200


def test_a_rewrite_leads_to_the_gate(traps):
    assert traps.httpd.get("/shortcut").status == 401
    assert traps.httpd.get("/shortcut", token=traps.token()).text == "the secret of files\n"
    with traps.upstream.untouched():
        assert traps.httpd.post("/mcp-rewritten").status == 401


@pytest.mark.parametrize("path", [
    "/files/../files/secret.txt", "//files/secret.txt", "/files//secret.txt", "/./files/secret.txt", "/%66iles/secret.txt", "/files/./secret.txt",
    "/files/%2e/secret.txt", "/x/%2e%2e/files/secret.txt", "/files/secret.txt/", "/files/secret.txt?x=1",
])
def test_spellings_of_a_guarded_path_are_guarded(traps, path):
    answer = traps.httpd.get(path)
    assert answer.status in (400, 401, 403, 404) and "secret" not in answer.text, answer


def test_an_include_of_a_guarded_part(traps):
    answer = traps.httpd.get("/ssi/page.shtml")
    assert answer.status == 200 and "the secret" not in answer.text and "before [" in answer.text
    answer = traps.httpd.get("/ssi/page.shtml", token=traps.token())
    assert answer.status == 200 and "before [the secret of files\n] after" in answer.text


def test_an_index_that_is_guarded_alone(traps):
    answer = traps.httpd.get("/dir/")
    assert answer.status in (401, 403) and "the index" not in answer.text
    answer = traps.httpd.get("/dir/", token=traps.token())
    assert answer.status == 200 and answer.text == "the index\n"


def test_an_error_document_is_shown_in_our_place(traps):
    answer = traps.httpd.get("/errdoc/secret.txt")
    assert answer.status == 401 and answer.text == "my own page for 401\n"
    assert answer.challenge["resource_metadata"].endswith("/errdoc")
    answer = traps.httpd.send("GET", "/errdoc/secret.txt", headers={"Origin": "https://evil.example"})
    assert answer.status == 403 and answer.text == "your 403"


def test_an_error_document_behind_the_same_gate_ends_in_our_answer(traps):
    answer = traps.httpd.get("/errself/secret.txt")
    assert answer.status == 401 and answer.json()["error"] == "unauthorized" and answer.challenge


def test_an_internal_redirect_is_charged_once(traps):
    token = traps.token(sub="redirected")
    answers = [traps.httpd.get("/redirected/missing.txt", token=token) for _ in range(3)]
    assert [a.status for a in answers] == [404, 404, 429]
    assert answers[0].text == "instead of 404\n"


@pytest.mark.parametrize("method", ["TRACE", "HEAD", "PUT", "PATCH", "OPTIONS", "PROPFIND", "FOO"])
def test_other_methods_are_refused(traps, method):
    with traps.upstream.untouched():
        answer = traps.httpd.send(method, "/mcp", token=traps.token())
    assert answer.status == 405 and answer.header("Allow") == "POST, GET, DELETE, OPTIONS", answer
    assert "Authorization" not in answer.text


def test_nothing_of_a_token_is_in_any_log(traps):
    """At trace8; httpd's own dump of the headers included."""
    token = traps.token()
    assert traps.httpd.get("/files/secret.txt", token=token).status == 200
    assert traps.call(token=token).status == 200
    assert traps.httpd.get("/files/secret.txt", token=token[:-4] + "AAAA").status == 401
    log = traps.httpd.error_log()
    assert "Authorization: [hidden]" in log
    assert token.rsplit(".", 1)[1] not in log and token.split(".")[1] not in log


def test_a_token_in_the_query_is_no_credential_and_is_not_logged(world):
    """httpd prints the request line at core:trace5 before any module sees the request; everything behind that is ours to keep clean."""
    s = fixed_stack(world, log_level="trace8 core:trace4")
    token = s.token()
    with s.upstream.untouched():
        answer = s.call(path=f"/mcp?access_token={token}")
        assert answer.status == 401 and "error" not in answer.challenge
        answer = s.call(path=f"/mcp?access_token={token}", token=token)
        assert answer.status == 400 and answer.json()["error"] == "invalid_request"
    signature = token.rsplit(".", 1)[1]
    assert "access_token=***" in s.httpd.access_log()
    assert signature not in s.httpd.access_log() and signature not in s.httpd.error_log()


def test_a_client_that_acts_for_itself_has_a_name_no_user_can_have(world):
    s = fixed_stack(world, issuer_options="typ=any", config='LogFormat "%u|%{MCP_SUBJECT}e|%{MCP_CLIENT_ID}e" who\nCustomLog {folder}/who.log who')
    assert s.call(token=s.token(sub=None, client_id="alice")).status == 200
    assert s.call(token=s.token()).status == 200
    lines = (s.httpd.folder / "who.log").read_text().splitlines()
    assert lines == ["clientid:alice|-|alice", "alice|alice|harness"]
    assert s.upstream.requests[0].header("X-MCP-Subject") is None and s.upstream.requests[0].header("X-MCP-Client-ID") == "alice"


@pytest.mark.parametrize("order", ["first", "last", "before:proxy", "before:rewrite"])
def test_the_order_of_modules_does_not_matter(world, order):
    s = fixed_stack(world, order=order, modules=["proxy", "proxy_http", "rewrite", "headers", "access_compat", "auth_basic", "remoteip", "deflate"],
                    location="Require all granted\nSatisfy Any")
    with s.upstream.untouched():
        assert s.call().status == 401
        assert s.call(token=s.token(expires_in=-3600)).status == 401
    assert s.call(token=s.token()).status == 200
    assert s.upstream.last.header("X-MCP-Subject") == "alice" and s.upstream.last.header("Authorization") is None
    assert s.httpd.get("/.well-known/oauth-protected-resource/mcp").status == 200


def test_every_mpm(world, mpm):
    s = fixed_stack(world, mpm=mpm)
    assert s.call().status == 401 and s.call(token=s.token()).status == 200
    s.httpd.graceful()
    assert s.call().status == 401 and s.call(token=s.token()).status == 200
