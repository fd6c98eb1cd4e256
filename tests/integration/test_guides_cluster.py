# SPDX-License-Identifier: Apache-2.0
"""docs/cluster.md: what two nodes with one configuration share, and what not; its rules for Prometheus and its balancer work as they stand."""
import re
import shutil
import subprocess

import pytest

from guide_parts import blocks, page
from harness import SOURCE, initialize, list_tools, paths
from harness.client import send
from harness.process import Process, free_port, port_answers, wait_until
from harness.world import World

TEXT = page("cluster.md")
RESOURCE = "https://mcp.example.com/mcp"
OLD = {"MCP-Protocol-Version": "2025-11-25"}


@pytest.fixture(scope="module")
def nodes(module_world):
    """Two stacks that share the provider and the server behind, and nothing else."""
    other = World("node2")
    try:
        first = module_world.stack(location="MCPAuthInspect Body\nMCPAuthRateLimit client 2/day", resource=RESOURCE)
        second = other.stack(location="MCPAuthInspect Body\nMCPAuthRateLimit client 2/day", resource=RESOURCE, issuer=first.issuer, upstream=first.upstream)
        yield first, second
    finally:
        other.close()


def opened(node, token, name):
    node.upstream.extra_headers = [("Mcp-Session-Id", name)]
    try:
        return node.call(token=token, body=initialize()).status
    finally:
        node.upstream.extra_headers = []


def test_nodes_alike_show_the_same_policy(nodes):
    told = [node.admind.get("/status").json()["policy"]["generation"] for node in nodes]
    assert told[0] == told[1] and int(told[0], 16) > 0
    first = nodes[0].httpd
    first.locations["/mcp"] += "\nMCPAuthMaxBody 1m"
    first.write_config()
    first.graceful()
    wait_until(lambda: nodes[0].admind.get("/status").json()["policy"]["generation"] != told[1], 10, "another policy has another number")
    first.locations["/mcp"] = first.locations["/mcp"].replace("\nMCPAuthMaxBody 1m", "")
    first.write_config()
    first.graceful()
    wait_until(lambda: nodes[0].admind.get("/status").json()["policy"]["generation"] == told[1], 10, "and the same policy the same number again")


def test_a_limit_holds_for_each_node_by_itself(nodes):
    token = nodes[0].token(client_id="limited")
    assert [node.call(token=token, body=list_tools(1)).status for node in (*nodes, *nodes, *nodes)] == [200, 200, 200, 200, 429, 429]


def test_a_session_belongs_to_the_node_that_saw_it_begin(nodes):
    first, second = nodes
    assert opened(first, first.token(client_id="c1"), "kept-by-the-first") == 200
    sent = {**OLD, "Mcp-Session-Id": "kept-by-the-first"}
    token = first.token(client_id="c1")
    assert second.call(token=token, body=list_tools(1), headers=sent).status == 404
    assert first.call(token=token, body=list_tools(1), headers=sent).status == 200


def test_each_has_a_journal_of_its_own(nodes):
    """Its instances are nobody else's."""
    for node in nodes:
        assert node.call(token=node.token(client_id="j" + str(node.httpd.port)), body=list_tools(1)).status == 200
    seen = [{record["instance"] for record in node.admind.wait_journal(1)} for node in nodes]
    assert not seen[0] & seen[1]


def test_the_balancer_brings_sessions_back(nodes, tmp_path):
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
    if not program:
        pytest.skip("NOT TESTED: haproxy is not installed: apt-get install haproxy")
    port, text = free_port(), blocks(TEXT, "haproxy")[0]
    config, front = tmp_path / "haproxy.cfg", f"defaults\n    mode http\n    timeout connect 10s\n    timeout client 60s\n    timeout server 60s\nfrontend in\n    bind 127.0.0.1:{port}\n    default_backend gates\n"
    config.write_text(front + text)
    done = subprocess.run([program, "-c", "-f", config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "WARNING" not in done.stdout, done.stdout
    for number, node in enumerate(nodes, 1):
        text = re.sub(rf"server node{number} \S+ .*$", f"server node{number} 127.0.0.1:{node.httpd.port}", text, flags=re.M)
    config.write_text(front + text)
    balancer = Process([program, "-db", "-f", config], tmp_path / "haproxy.log")
    try:
        wait_until(lambda: port_answers(port), 20, lambda: balancer.read_output())
        for number in range(4):
            name, token = f"balanced-{number}", nodes[0].token(client_id=f"b{number}")
            nodes[0].upstream.extra_headers = [("Mcp-Session-Id", name)]
            assert send(port, "POST", "/mcp", (), initialize(), token).status == 200
            nodes[0].upstream.extra_headers = []
            assert send(port, "POST", "/mcp", list({**OLD, "Mcp-Session-Id": name}.items()), list_tools(1), token).status == 200
    finally:
        nodes[0].upstream.extra_headers = []
        balancer.stop()


def test_prometheus_takes_the_rules(tmp_path):
    rules = tmp_path / "rules.yml"
    rules.write_text(blocks(TEXT, "yaml")[0])
    done = subprocess.run([paths.need("promtool"), "check", "rules", rules], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "2 rules" in done.stdout, done.stdout


def test_what_is_guessing_is_the_same_over_all_nodes():
    """Clients with old tokens or wrong clocks are none of it, neither here nor in the rules for one node."""
    left_out = [set(re.findall(r'mcpauth_auth_failures_total\{[^}]*reason!~"([^"]*)"', text)) for text in (TEXT, (SOURCE / "conf/prometheus/mcpauth.rules.yml").read_text())]
    assert left_out[0] and left_out[0] == left_out[1]
