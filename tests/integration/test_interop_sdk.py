# SPDX-License-Identifier: Apache-2.0
"""The official SDK's clients, a certified OpenID provider and the MCP project's own server, with our gate between them."""
import pytest

from harness import list_tools, promtool_check

pytestmark = [pytest.mark.node, pytest.mark.sanitize]


@pytest.fixture(scope="module")
def real(module_world):
    return module_world.stack(issuer=module_world.provider(), upstream=module_world.everything(), location="MCPAuthInspect Body\nMCPAuthScope mcp:tools.exec",
                              locations={"/bare": "MCPAuth On\nMCPAuthResource {httpd}/bare\nMCPAuthInspect Body\nProxyPass {upstream}/mcp flushpackets=on",
                                         "/step": "MCPAuth On\nMCPAuthResource {httpd}/step\nMCPAuthInspect Body\nMCPAuthScope mcp:tools.read\nProxyPass {upstream}/mcp flushpackets=on"})


CLIENTS = pytest.mark.parametrize("client", [("sdk-v1-client.mjs",), ("sdk-v2-client.mjs",), ("sdk-v2-client.mjs", "echo", '{"message":"hello"}', "auto")],
                                  ids=["v1", "v2", "v2-auto"])


@CLIENTS
def test_client_finds_its_way_from_401_to_a_tool_call(module_world, real, client):
    script, *arguments = client
    result = module_world.node.run(script, real.resource, *arguments)
    assert result["ok"], result
    module_world.canaries.remember(result.pop("token"))
    assert result["steps"] == ["registered", "authorize", "401", "token"]
    (asked,) = result["asked"]
    assert asked["resource"] == real.resource and "mcp:tools.exec" in asked["scope"].split()
    assert result["result"]["content"][0]["text"] == "Echo: hello"


@CLIENTS
def test_client_steps_up_when_a_tool_needs_more(module_world, real, client):
    """The Location asks for read, the tool for exec: the client gets one token, is refused, gets another, and the call goes through."""
    script, *arguments = client
    result = module_world.node.run(script, real.httpd.url + "/step", *arguments)
    assert result["ok"], result
    module_world.canaries.remember(result.pop("token"))
    assert result["steps"] == ["registered", "authorize", "401", "token", "authorize", "403", "token"]
    first, second = (set(asked["scope"].split()) & {"mcp:tools.read", "mcp:tools.exec"} for asked in result["asked"])
    assert first == {"mcp:tools.read"} and second == {"mcp:tools.read", "mcp:tools.exec"}
    assert result["result"]["content"][0]["text"] == "Echo: hello"


@CLIENTS
def test_client_asks_for_no_more_than_the_document_lists(module_world, real, client):
    """No scope in the challenge, read in the document: the client asks for that alone, and for exec when it calls a tool."""
    script, *arguments = client
    result = module_world.node.run(script, real.httpd.url + "/bare", *arguments)
    assert result["ok"], result
    module_world.canaries.remember(result.pop("token"))
    first, second = (set(asked["scope"].split()) & {"mcp:tools.read", "mcp:tools.exec", "mcp:admin"} for asked in result["asked"])
    assert first == {"mcp:tools.read"} and "mcp:tools.exec" in second and "mcp:admin" not in second
    assert result["result"]["content"][0]["text"] == "Echo: hello"


def test_machine_with_client_credentials_is_let_in(real):
    accept = {"Accept": "application/json, text/event-stream"}
    answer = real.call(token=real.token(), body=list_tools(), headers=accept)
    # server-everything wants a session for tools/list; that it says so shows that the request was handed over.
    assert answer.status in (200, 400) and "jsonrpc" in answer.text
    assert real.call(token=real.token(scope="mcp:tools.read"), body=list_tools(), headers=accept).status == 403


def test_journal_and_metrics_tell_of_the_visit(real):
    assert real.admind.wait_journal(1, decision="allow", sub="alice")
    assert real.admind.wait_journal(1, reason="no_token")
    assert promtool_check(real.admind.metrics_text()) == (0, "")
