# SPDX-License-Identifier: Apache-2.0
"""The daemon is stopped, killed and frozen under traffic: requests go on, and every record arrives, once."""
import pytest
from harness import Load, wait_until


def stop(admind):
    admind.stop()


def kill(admind):
    admind.kill()


@pytest.mark.parametrize("end", [stop, kill])
def test_traffic_goes_on_without_the_daemon_and_its_records_arrive_later(world, mpm, end):
    stack = world.stack(mpm=mpm, workers=64 if mpm != "prefork" else 16)
    token = stack.token()
    with Load(stack.httpd.port, token=lambda: token, rate=200, threads=4) as load:
        wait_until(lambda: load.statuses[200] > 100, 20, "the load runs")
        end(stack.admind)
        without = load.statuses[200]
        wait_until(lambda: load.statuses[200] > without + 300, 20, lambda: f"traffic without the daemon: {load.statuses}")
        stack.admind.start()
        again = load.statuses[200]
        wait_until(lambda: load.statuses[200] > again + 100, 20, "traffic with the daemon again")
    assert set(load.statuses) == {200}, load.failures[:3]
    sent = load.statuses[200]
    lines = stack.admind.wait_journal(sent, timeout=30)
    assert sent <= len(lines) <= sent + load.reconnects
    assert len({(r["instance"], r["seq"]) for r in lines}) == len(lines), "no record stands twice"
    assert stack.admind.metric("mcpauth_requests_total") == len(lines), "the metrics count what the journal has"
    assert stack.admind.metric("mcpauth_audit_records_total") == len(lines)
    wait_until(lambda: stack.admind.ready()[0] == 200, 10, lambda: f"ready again: {stack.admind.ready()}")


def test_a_frozen_daemon_delays_records_and_nothing_else(world):
    stack = world.stack()
    token = stack.token()
    stack.admind.freeze()
    try:
        statuses = [stack.call(token=token).status for _ in range(50)]
    finally:
        stack.admind.thaw()
    assert set(statuses) == {200}
    assert len(stack.admind.wait_journal(50)) == 50


def test_records_of_a_whole_httpd_that_ended_without_the_daemon_are_taken_over(world):
    stack = world.stack()
    token = stack.token()
    stack.admind.stop()
    assert {stack.call(token=token).status for _ in range(20)} == {200}
    stack.httpd.stop()
    assert list(stack.world.dirs.spool.iterdir()), "the records wait in the spool"
    stack.admind.start()
    assert len(stack.admind.wait_journal(20)) == 20
    wait_until(lambda: not list(stack.world.dirs.spool.iterdir()), 15, lambda: f"the spool is emptied: {list(stack.world.dirs.spool.iterdir())}")
