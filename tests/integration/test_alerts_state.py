# SPDX-License-Identifier: Apache-2.0
"""Alerts about ourselves: a module that is silent, records that were lost, keys that nobody can fetch."""
import pytest

from daemon_child import Child, gauges
from harness.process import wait_until


def test_silent_module_is_told_and_a_child_that_comes_back_ends_it(world):
    stack = world.stack(admind_config="Alert module_silent window=2s\n")
    wait_until(lambda: not stack.admind.firing("module_silent"), 15, lambda: stack.admind.get("/alerts").text)  # httpd may take longer than that to come
    stack.httpd.stop()
    wait_until(lambda: stack.admind.firing("module_silent"), 15, lambda: stack.admind.get("/alerts").text)
    assert stack.admind.ready()[0] == 503
    stack.httpd.start()
    wait_until(lambda: not stack.admind.firing("module_silent"), 15, lambda: stack.admind.get("/alerts").text)


def test_daemon_without_a_policy_does_not_miss_the_module(world):
    admind = world.admind("Alert module_silent window=1s\n")
    child = Child(admind.dirs.socket)
    child.hello()
    child.close()
    wait_until(lambda: admind.metric("mcpauth_links") == 0, 5, "nobody is linked")
    with pytest.raises(AssertionError):
        wait_until(lambda: admind.alerts("module_silent"), 4, "an alert")


def test_lost_records_are_told(world):
    admind = world.admind("Alert audit_lost window=3s\n")
    child = Child(admind.dirs.socket)
    child.hello()
    wait_until(lambda: admind.metric("mcpauth_links") == 1, 5, "the child is linked")
    assert admind.alerts("audit_lost") == []
    child.send(gauges(lost=7))
    alert, = wait_until(lambda: admind.firing("audit_lost"), 10, lambda: admind.get("/alerts").text)
    assert alert["severity"] == "critical" and alert["value"] == 7 and "7 audit records" in alert["summary"]
    wait_until(lambda: not admind.firing("audit_lost"), 15, lambda: admind.get("/alerts").text)
    child.close()


def test_issuer_nobody_can_reach_is_critical_and_named(world):
    issuer = world.issuer(start=False)
    stack_issuer = world.issuer()
    stack = world.stack(issuer=stack_issuer, admind_config="KeyRefresh 1s\nAlert keys_stale window=2s\n", config=f"MCPAuthIssuer {issuer.url}\n",
                        location=f"MCPAuthIssuer {stack_issuer.url}\nMCPAuthIssuer {issuer.url}\n")
    alert, = wait_until(lambda: stack.admind.firing("keys_stale"), 20, lambda: stack.admind.get("/alerts").text)
    assert alert["labels"] == {"issuer": issuer.url} and alert["severity"] == "critical" and "503" in alert["summary"]
    assert stack.call(token=stack.token()).status == 200, "the other issuer's tokens go on"
    issuer.start()
    wait_until(lambda: not stack.admind.firing("keys_stale"), 30, lambda: stack.admind.get("/alerts").text)
