# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl probe: our gate passes, and a planted fault is told by its own check and by no other."""
import json

import pytest

from harness import paths
from probe_parts import BAD, GOOD, INSPECTED, body, challenge, document, empty, failed, header, let_in, probe, run, said, status, token_files
from resource_server import PAGE, STRANGER, Answer, ResourceServer, make_token


# -- our gate ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gate(module_world):
    return module_world.stack(location=f"MCPAuthInspect Body\nMCPAuthScope mcp:tools.exec\nMCPAuthOrigin {PAGE}\nMCPAuthRateLimit subject 1/min burst=60\nMCPAuthRateLimit address 200/s")


def gate_tokens(gate):
    return {"good": gate.token(scope="mcp:tools.exec"), "low": gate.token(sub="low", scope="mcp:tools.read"),
            "expired": gate.token(sub="old", scope="mcp:tools.exec", expires_in=-3600),
            "audience": gate.token(sub="other", scope="mcp:tools.exec", aud="https://other.example/mcp")}


def test_our_gate_passes_every_check(gate, module_world):
    done = run(gate.resource, "--json", *token_files(module_world.scratch, gate_tokens(gate)), "--origin", PAGE, "--limit", "80")
    assert {n: (c["outcome"], c["seen"]) for n, c in said(done).items() if c["outcome"] != "pass"} == {}
    assert done.returncode == GOOD and done.stderr == b""


def test_gate_of_the_older_revisions_alone_passes(world, tmp_path):
    stack = world.stack(location="MCPAuthInspect Body\nMCPAuthProtocol 2025-06-18 2025-11-25\nMCPAuthScope mcp:tools.read")
    done = run(stack.resource, "--json", *token_files(tmp_path, gate_tokens(stack)))
    assert done.returncode == GOOD and failed(said(done)) == set(), done.stdout


def test_gate_that_does_not_look_into_bodies_is_told(world, tmp_path):
    stack = world.stack(location="MCPAuthInspect Off\nMCPAuthScope mcp:tools.exec")
    done = run(stack.resource, "--json", *token_files(tmp_path, gate_tokens(stack)))
    checks = said(done)
    assert done.returncode == BAD and failed(checks) == INSPECTED
    assert all("MCPAuthInspect Body" in checks[name]["mend"] for name in INSPECTED)


@pytest.mark.parametrize("said_size, holds", [(None, False), ("4m", False), ("8m", True), ("9m", True)])
def test_a_gate_that_takes_more_than_the_default_is_told_so_unless_that_is_said(world, tmp_path, said_size, holds):
    stack = world.stack(location="MCPAuthInspect Body\nMCPAuthMaxBody 8m")
    done = run(stack.resource, "--json", *token_files(tmp_path, {"good": gate_tokens(stack)["good"]}), *(["--max-body", said_size] if said_size else []))
    check = said(done)["mcp-body-too-large"]
    assert check["outcome"] == ("pass" if holds else "fail"), check
    assert str({"8m": 8, "9m": 9}.get(said_size, 4) * 1048576 + 1) in check["seen"] and (holds or "--max-body" in check["mend"])


def test_without_tokens_our_gate_passes_what_can_be_judged(gate):
    done = run(gate.resource, "--json")
    checks = said(done)
    assert done.returncode == GOOD and failed(checks) == set(), done.stdout
    skipped = {name: check["seen"] for name, check in checks.items() if check["outcome"] == "skip"}
    assert set(skipped) == INSPECTED | {"mcp-authenticated-call", "auth-token-signature-stripped", "auth-token-signature-changed", "auth-token-expired",
                                        "auth-token-wrong-audience", "auth-token-insufficient-scope", "cors-preflight", "rate-limit"}
    assert all("--" in seen for seen in skipped.values()), "each says which option it needs"
    assert json.loads(done.stdout)["skipped"] == len(skipped)


def test_what_is_refused_of_a_probe_reaches_no_server(gate):
    with gate.upstream.untouched():
        run(gate.resource)


def test_gate_that_is_off_or_only_watches_is_told(world):
    for mode in ("Off", "Shadow"):
        stack = world.stack(admind=False, locations={"/open": f"MCPAuth {mode}\nMCPAuthResource {{httpd}}/open\nProxyPass {{upstream}}/mcp"},
                            location="MCPAuthScope mcp:tools.read")
        done = run(stack.httpd.url + "/open", "--json")
        checks = said(done)
        assert done.returncode == BAD and "auth-401-response" in failed(checks) and "auth-token-garbage" in failed(checks), done.stdout
        assert "MCPAuth On" in checks["auth-401-response"]["mend"]


# -- one fault, one check ----------------------------------------------------------------------------------------------------------------


DEFECTS = [
    ("auth-401-response", "no token", let_in), ("auth-401-response", "no token", status(403)), ("auth-401-response", "no token", status(302)),
    ("auth-www-authenticate-header", "no token", header("WWW-Authenticate")), ("auth-www-authenticate-header", "no token", challenge("Bearer ", 'Basic realm="y", Bearer ')),
    ("auth-challenge-syntax", "no token", challenge('realm="', 'realm = "')), ("auth-challenge-syntax", "no token", challenge('realm="x"', 'realm="x", realm="y"')),
    ("auth-challenge-syntax", "no token", challenge('realm="x"', r'realm="\x"')), ("auth-challenge-syntax", "no token", challenge('"x"', '"\x7f"')), ("auth-challenge-syntax", "no token", challenge('"x"', '"x" y z')),
    ("auth-challenge-syntax", "no token", challenge("scope=", 'SCOPE="b", scope=')),
    ("auth-no-error-without-token", "no token", challenge("scope", 'error="invalid_token", scope')),
    ("auth-resource-metadata-param", "no token", challenge("resource_metadata", "metadata")),
    ("auth-resource-metadata-param", "no token", challenge("http://127.0.0.1", "https://127.0.0.2")),
    ("auth-resource-metadata-param", "no token", challenge("http://", "//")), ("auth-resource-metadata-param", "no token", challenge("http://127.0.0.1:", "http://localhost:")),
    ("auth-challenge-scope", "no token", challenge("files:read", "")), ("auth-challenge-scope", "no token", challenge("files:read", "files:read offline_access")),
    ("auth-host-spoofed", "spoofed", challenge("//127.0.0.1", f"//{STRANGER}")), ("auth-host-spoofed", "spoofed", let_in),
    ("auth-host-spoofed", "spoofed", challenge('realm="x"', f'realm="{STRANGER}"')),
    ("auth-host-spoofed", "spoofed", challenge("protected-resource/", "protected-resource/x")),
    ("auth-prm-discovery", "metadata", status(401)), ("auth-prm-discovery", "metadata", header("Content-Type", "text/html")),
    ("auth-prm-discovery", "metadata", body(b"[]")), ("auth-prm-discovery", "metadata", body(b'{"resource":"a","resource":"b"}')), ("auth-prm-discovery", "metadata", body(b"")),
    ("auth-prm-resource", "metadata", document(resource="http://127.0.0.1/")), ("auth-prm-resource", "metadata", document(resource=None)),
    ("auth-prm-authorization-servers", "metadata", document(authorization_servers=None)), ("auth-prm-authorization-servers", "metadata", document(authorization_servers=[])),
    ("auth-prm-authorization-servers", "metadata", document(authorization_servers=["http://as.example"])),
    ("auth-prm-authorization-servers", "metadata", document(authorization_servers=[1])),
    ("auth-prm-bearer-methods", "metadata", document(bearer_methods_supported=None)), ("auth-prm-bearer-methods", "metadata", document(bearer_methods_supported=["header", "query"])),
    ("auth-prm-cors", "metadata", header("Access-Control-Allow-Origin")), ("auth-prm-cors", "metadata", header("Access-Control-Allow-Origin", PAGE)),
    ("auth-prm-absent", "absent", status(401)), ("auth-prm-absent", "absent", status(200)), ("auth-prm-absent", "absent", status(500)),
    ("auth-as-metadata-discovery", "issuer", status(404)), ("auth-as-metadata-discovery", "issuer", document(issuer="http://127.0.0.1/other")),
    ("auth-token-garbage", "garbage", let_in), ("auth-token-garbage", "garbage", challenge("invalid_token", "invalid_request")), ("auth-token-garbage", "garbage", status(403)),
    ("auth-token-alg-none", "none", let_in), ("auth-token-signature-stripped", "stripped", let_in), ("auth-token-signature-changed", "changed", let_in),
    ("auth-token-expired", "expired", let_in), ("auth-token-wrong-audience", "audience", let_in), ("auth-token-expired", "expired", header("WWW-Authenticate")),
    ("auth-token-constant-words", "expired", body(b'{"error":"unauthorized","message":"It is over"}')),
    ("auth-token-constant-words", "changed", challenge('description="No"', 'description="Bad signature"')),
    ("auth-token-insufficient-scope", "low", let_in), ("auth-token-insufficient-scope", "low", status(401)),
    ("auth-token-insufficient-scope", "low", challenge("insufficient_scope", "invalid_token")), ("auth-token-insufficient-scope", "low", challenge(' scope="files:write",', "")),
    ("auth-token-insufficient-scope", "low", challenge("resource_metadata", "x")),
    ("auth-token-in-query", "query", let_in), ("auth-token-in-query", "query", challenge("scope", 'error="invalid_token", scope')),
    ("auth-token-two-headers", "twice", let_in), ("auth-token-two-headers", "twice", status(401)),
    ("cors-preflight", "preflight", status(401)), ("cors-preflight", "preflight", header("Access-Control-Allow-Origin", "*")),
    ("cors-preflight", "preflight", header("Access-Control-Allow-Methods", "GET")), ("cors-preflight", "preflight", header("Access-Control-Allow-Headers", "*")),
    ("cors-preflight", "preflight", lambda a: a.headers.append(("Access-Control-Allow-Origin", PAGE))),
    ("cors-preflight-foreign", "preflight foreign", empty), ("cors-preflight-foreign", "preflight foreign", header("Access-Control-Allow-Origin", "*")),
    ("origin-foreign", "foreign", let_in), ("origin-foreign", "foreign", header("Access-Control-Allow-Origin", f"https://{STRANGER}")),
    ("http-method-head", "HEAD", status(200)), ("http-method-trace", "TRACE", status(200)), ("http-method-put", "PUT", status(201)),
    *(("security-headers", "no token", header(name)) for name in ("X-Content-Type-Options", "X-Frame-Options", "Content-Security-Policy", "Referrer-Policy")),
    ("cache-control", "no token", header("Cache-Control")), ("cache-control", "list", header("Cache-Control", "max-age=60")),
    ("cache-control", "list", header("Cache-Control", "public, no-store")),
    ("mcp-batch", "batch", let_in), ("mcp-duplicate-member", "duplicate", let_in), ("mcp-header-mismatch", "mismatch", let_in),
    ("mcp-header-mismatch", "mismatch", body(b'{"error":"invalid_request"}')), ("mcp-unknown-method", "unknown", let_in), ("mcp-body-too-large", "large", let_in),
    ("mcp-media-type", "media", let_in), ("rate-limit", "limited", let_in), ("rate-limit", "limited", header("Retry-After")),
    ("rate-limit", "limited", header("Retry-After", "soon")), ("rate-limit", "limited", header("Retry-After", "0")),
]


@pytest.fixture(scope="module")
def right(module_world):
    """What the server that does everything right is told, and its kinds of requests."""
    with ResourceServer(limit=40) as server:
        return probe(server, module_world.scratch, "--origin", PAGE, "--limit", "60"), server.kinds


def test_server_that_does_everything_right_passes_every_check(right):
    done, kinds = right
    assert done.returncode == GOOD and {c["outcome"] for c in said(done).values()} == {"pass"}, done.stdout
    assert kinds.count("end") == 1, "the session of initialize is ended"
    assert done.stderr == b""


def test_every_check_has_a_fault_here(right):
    assert {name for name, _, _ in DEFECTS} | {"auth-prm-well-known", "mcp-authenticated-call"} == set(said(right[0]))
    assert {kind for _, kind, _ in DEFECTS} <= set(right[1])


@pytest.mark.parametrize("name,kind,change", DEFECTS, ids=[f"{name}-{i}" for i, (name, _, _) in enumerate(DEFECTS)])
def test_fault_is_told_by_its_own_check_and_no_other(name, kind, change, tmp_path):
    with ResourceServer(wrong={kind: change}, limit=40) as server:
        done = probe(server, tmp_path, "--origin", PAGE, *(["--limit", "60"] if name == "rate-limit" else []))
    checks = said(done)
    assert failed(checks) == {name}, done.stdout
    assert checks[name]["mend"] and checks[name]["seen"]
    assert done.returncode == (BAD if checks[name]["level"] == "must" else GOOD)
    assert json.loads(done.stdout)["good"] is (done.returncode == GOOD)


def test_metadata_that_only_the_challenge_names_is_used_and_told(tmp_path):
    with ResourceServer(metadata_path="/metadata") as server:
        checks = said(probe(server, tmp_path, "--origin", PAGE))
    assert failed(checks) == {"auth-prm-well-known"} and checks["auth-prm-well-known"]["level"] == "should"
    assert checks["auth-prm-resource"]["outcome"] == "pass"


def test_server_that_lets_in_but_never_answers_is_told(tmp_path):
    with ResourceServer(wrong=dict.fromkeys(("initialize", "discover", "list"), status(502))) as server:
        checks = said(probe(server, tmp_path, "--origin", PAGE))
    assert failed(checks) == {"mcp-authenticated-call"} and "502" in checks["mcp-authenticated-call"]["seen"]


@pytest.mark.parametrize("wrong", [
    {"initialize": status(400)}, {"initialize": status(400), "discover": status(404)},
    {"initialize": lambda a: Answer(200, b"id: 1\ndata: \n\nevent: message\r\ndata: " + a.body + b"\n\n", content_type="text/event-stream; charset=utf-8")},
], ids=["only the newer revision", "only the newer revision, without discover", "events"])
def test_either_era_and_either_form_of_an_answer_will_do(wrong, tmp_path):
    with ResourceServer(wrong=wrong) as server:
        checks = said(probe(server, tmp_path))
    assert checks["mcp-authenticated-call"]["outcome"] == "pass", checks


def test_revision_that_is_not_spoken_leaves_its_headers_unjudged(tmp_path):
    with ResourceServer(wrong={"mismatch": body(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"UnsupportedProtocolVersion"}}')}) as server:
        checks = said(probe(server, tmp_path))
    assert checks["mcp-header-mismatch"]["outcome"] == "skip" and failed(checks) == set()


def test_foreign_host_may_lead_elsewhere(tmp_path):
    """To the server's default host, which need not know of tokens, as long as it does not lead to the resource."""
    with ResourceServer(wrong={"spoofed": lambda answer: Answer(200, b"<p>It works", content_type="text/html")}) as server:
        assert failed(said(probe(server, tmp_path))) == set()


def test_good_token_that_is_refused_proves_nothing_about_others(tmp_path):
    with ResourceServer() as server:
        checks = said(probe(server, tmp_path, tokens={"good": make_token()}))
    assert failed(checks) == {"mcp-authenticated-call"}
    for name in INSPECTED | {"auth-token-signature-stripped", "auth-token-signature-changed"}:
        assert checks[name]["outcome"] == "skip", name


def test_limit_that_comes_in_between_is_waited_for(tmp_path):
    with ResourceServer(limit=5) as server:
        done = probe(server, tmp_path, "--origin", PAGE)
    assert done.returncode == GOOD and b"rate limit" in done.stderr and failed(said(done)) == set(), done.stdout


def test_authorization_server_is_not_asked_when_told_so(tmp_path):
    with ResourceServer(wrong={"issuer": status(500)}) as server:
        checks = said(probe(server, tmp_path, "--no-issuer"))
        assert checks["auth-as-metadata-discovery"]["outcome"] == "skip" and "issuer" not in server.kinds


def test_page_lists_every_check_with_its_level(right):
    text = (paths.SOURCE / "docs" / "mcpauthctl.md").read_text().split("\n## `probe`", 1)[1]
    told = dict(line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `") and line.count("|") == 4)
    assert {k.strip(" `"): v.strip() for k, v in told.items()} == {name: check["level"] for name, check in said(right[0]).items()}
