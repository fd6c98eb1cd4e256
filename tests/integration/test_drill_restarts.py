# SPDX-License-Identifier: Apache-2.0
"""Fifty graceful restarts under load: where C modules lose counters, leak segments and crash."""
import re
from pathlib import Path

from harness import Load, wait_until

RESTARTS = 50
BETWEEN = 6    # requests that must be answered between two restarts
SETTLED = 10  # restarts after which allocators and pools have taken what they keep


def shared_segments(pid):
    """Shared anonymous and named mappings of a process: what a restart must neither add to nor replace."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return len([line for line in maps.splitlines() if re.match(r"\S+ rw-s ", line)])


def test_fifty_graceful_restarts_cost_nobody_anything(world, mpm):
    stack = world.stack(mpm=mpm, location="MCPAuthRateLimit subject 3/day", workers=128 if mpm != "prefork" else 24,
                        locations={"/free": "MCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/mcp"})
    parent = stack.httpd.process
    spent = stack.token(sub="spent")
    assert [stack.call(token=spent).status for _ in range(4)] == [200, 200, 200, 429]
    token = stack.token(sub="busy")
    settled = None
    with Load(stack.httpd.port, path="/free", token=lambda: token, rate=300, threads=2) as load:
        for i in range(RESTARTS):
            stack.httpd.graceful()
            before = load.statuses[200]
            wait_until(lambda: load.statuses[200] >= before + BETWEEN, 30, lambda: f"traffic after restart {i + 1}: {load.statuses}")
            assert stack.call(token=spent).status == 429, f"the limit was forgotten at restart {i + 1}"
            if i + 1 == SETTLED:
                settled = (parent.rss_kib(), parent.descriptors(), shared_segments(parent.pid))
    after = (parent.rss_kib(), parent.descriptors(), shared_segments(parent.pid))
    print(f"\n{mpm}: {dict(load.statuses)}, reconnects {load.reconnects}; RSS KiB, descriptors, shared segments after {SETTLED}: {settled}, after {RESTARTS}: {after}")
    assert set(load.statuses) == {200}, load.failures[:3]
    assert after[1] <= settled[1] and after[2] <= settled[2]
    assert after[0] - settled[0] < 1024, "KiB that the parent grew by"
    # Every request of every generation is in the journal, once.
    requests = sum(load.statuses.values()) + 4 + RESTARTS
    wait_until(lambda: len(stack.admind.journal_lines()) >= requests, 30, lambda: f"{requests} records, there are {len(stack.admind.journal_lines())}")
    lines = stack.admind.journal_lines()
    assert len({(r["instance"], r["seq"]) for r in lines}) == len(lines)
    # A request that was sent again may have been answered on the connection that broke.
    assert requests <= len(lines) <= requests + load.reconnects
    wait_until(lambda: stack.admind.metric("mcpauth_links") == len(stack.httpd.children()), 30, "only living children are linked")
