# SPDX-License-Identifier: Apache-2.0
"""Guessing raises an alert: at /alerts, in a real Alertmanager and at a signed webhook; it resolves by itself and survives the daemon."""
import json

import pytest

from harness.process import wait_until
from webhook import Hook

# Of eleven failures all must fall into one window, on a busy machine too.
RULE = "Alert auth_failures threshold=10 window=10s by=address,location\n"


@pytest.fixture
def hook(world):
    hook = Hook(world)
    yield hook
    hook.stop()


def firing_metric(admind):
    return admind.metrics()["mcpauth_alerts_firing", frozenset({("name", "auth_failures"), ("severity", "warning")})]


def opened(stack):
    """The daemon has the keys before the children have read them: a moment of 503s that would be no guesses."""
    wait_until(lambda: stack.call(token=stack.token()).status == 200, 10, lambda: stack.httpd.said())
    return stack


def guess(stack, times):
    for i in range(times):
        assert stack.call(token=stack.token(sub=f"guess{i}")[:-8] + "AAAAAAAA").status == 401


@pytest.mark.sanitize
def test_eleven_failures_are_told_everywhere_and_resolve_by_themselves(world, hook):
    alertmanager = world.alertmanager()
    stack = opened(world.stack(admind_config=RULE + f"Alertmanager {alertmanager.url}\n" + hook.line()))
    admind = stack.admind
    guess(stack, 10)
    admind.wait_journal(10, reason="signature_bad")
    assert admind.firing("auth_failures") == []
    guess(stack, 1)
    alert, = wait_until(lambda: admind.firing("auth_failures"), 10, lambda: admind.get("/alerts").text)
    assert alert["labels"] == {"address": "127.0.0.1", "location": "/mcp"}
    assert alert["severity"] == "warning" and alert["value"] >= 11 and alert["startsAt"] and alert["endsAt"] is None
    assert firing_metric(admind) == 1
    wait_until(lambda: hook.of("auth_failures", "firing"), 10, lambda: f"{hook.messages}")
    told, = wait_until(lambda: alertmanager.alerts("auth_failures"), 10, "Alertmanager has it")
    assert told["labels"]["address"] == "127.0.0.1" and told["labels"]["location"] == "/mcp" and told["status"]["state"] == "active"
    assert told["annotations"]["summary"] == alert["summary"] and told["startsAt"] == alert["startsAt"]
    # Five left in the window after ten seconds or so, and ten more of quiet.
    wait_until(lambda: not admind.firing("auth_failures"), 40, lambda: admind.get("/alerts").text)
    wait_until(lambda: hook.of("auth_failures", "resolved"), 10, lambda: f"{hook.messages}")
    wait_until(lambda: not [a for a in alertmanager.alerts("auth_failures") if a["status"]["state"] == "active"], 10, "Alertmanager lets go of it")
    resolved, = hook.of("auth_failures", "resolved")
    assert resolved["fingerprint"] == alert["fingerprint"] and resolved["startsAt"] == alert["startsAt"] and resolved["endsAt"] > alert["startsAt"]
    assert firing_metric(admind) == 0
    assert all(m["good"] for m in hook.messages)
    assert admind.metric("mcpauth_notification_failures_total") == 0


def test_missing_and_expired_tokens_raise_nothing(world):
    stack = opened(world.stack(admind_config=RULE))
    for _ in range(15):
        assert stack.call(token=None).status == 401
        assert stack.call(token=stack.token(expires_in=-3600)).status == 401
    stack.admind.wait_journal(15, reason="expired")
    assert stack.admind.alerts("auth_failures") == []


def test_locations_are_counted_apart(world):
    stack = opened(world.stack(admind_config=RULE, locations={"/other": "MCPAuth On\nMCPAuthResource {resource}\nProxyPass {upstream}/mcp"}))
    for path in ("/mcp", "/other"):
        for i in range(7):
            assert stack.call(token=stack.token(sub=str(i))[:-8] + "AAAAAAAA", path=path).status == 401
    stack.admind.wait_journal(14, reason="signature_bad")
    assert stack.admind.firing("auth_failures") == []


def test_restart_of_the_daemon_neither_forgets_nor_repeats(world, hook):
    stack = opened(world.stack(admind_config="Alert auth_failures threshold=10 window=5min by=address,location\n" + hook.line()))
    guess(stack, 11)
    wait_until(lambda: hook.of("auth_failures", "firing"), 10, lambda: stack.admind.get("/alerts").text)
    before, = stack.admind.firing("auth_failures")
    for end in (stack.admind.stop, stack.admind.kill):
        end()
        stack.admind.start()
        after, = stack.admind.firing("auth_failures")
        assert {k: after[k] for k in ("labels", "startsAt", "fingerprint", "severity", "summary")} == {
            k: before[k] for k in ("labels", "startsAt", "fingerprint", "severity", "summary")}
    assert firing_metric(stack.admind) == 1


def test_failures_counted_before_a_crash_count_after_it(world):
    stack = opened(world.stack(admind_config="Alert auth_failures threshold=10 window=5min by=address,location\n"))
    guess(stack, 8)
    stack.admind.wait_journal(8, reason="signature_bad")
    stack.admind.kill()
    guess(stack, 2)  # spooled meanwhile
    stack.admind.start()
    stack.admind.wait_journal(10, reason="signature_bad")
    assert stack.admind.firing("auth_failures") == []
    guess(stack, 1)
    wait_until(lambda: stack.admind.firing("auth_failures"), 10, lambda: stack.admind.get("/alerts").text + stack.admind.log())


def test_message_to_a_webhook_that_was_away_arrives_once_it_is_back_under_one_id(world, hook):
    hook.status = 503
    stack = opened(world.stack(admind_config=RULE + hook.line()))
    guess(stack, 11)
    wait_until(lambda: len(hook.messages) >= 2, 15, lambda: f"{hook.messages}")
    hook.status = 200
    seen = len(hook.messages)
    wait_until(lambda: len(hook.messages) > seen, 30, lambda: f"{hook.messages}")
    first = [m for m in hook.messages if m["id"] == hook.messages[0]["id"]]
    assert len(first) >= 3 and all(m["good"] for m in hook.messages)
    assert first[0]["alerts"] == first[-1]["alerts"] and first[0]["alerts"][0]["state"] == "firing"


def test_webhook_that_refuses_for_good_is_given_up_and_counted(world, hook):
    hook.status = 410
    stack = opened(world.stack(admind_config=RULE + hook.line()))
    guess(stack, 11)
    wait_until(lambda: hook.messages, 10, "the message")
    wait_until(lambda: stack.admind.metric("mcpauth_notification_failures_total") == 1, 5, lambda: stack.admind.metrics_text())
    assert len({m["id"] for m in hook.messages}) == len(hook.messages)


def test_encoded_secrets_sign_with_the_bytes_they_stand_for(world):
    hook = Hook(world, secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    stack = opened(world.stack(admind_config=RULE + hook.line()))
    guess(stack, 11)
    wait_until(lambda: hook.messages, 10, "the message")
    assert all(m["good"] for m in hook.messages)
    hook.stop()


def test_alertmanager_that_starts_late_gets_the_state_of_now(world):
    alertmanager = world.alertmanager()
    url = alertmanager.url
    alertmanager.stop()
    stack = opened(world.stack(admind_config=f"Alert auth_failures window=5min\nAlertmanager {url}\n"))
    guess(stack, 11)
    wait_until(lambda: stack.admind.firing("auth_failures"), 10, lambda: stack.admind.get("/alerts").text)
    wait_until(lambda: stack.admind.metric("mcpauth_notification_failures_total") >= 1, 10, "a failed try")
    alertmanager.start()
    wait_until(lambda: alertmanager.alerts("auth_failures"), 90, lambda: stack.admind.log()[-2000:])
    assert json.dumps(alertmanager.alerts("auth_failures")).count("127.0.0.1") >= 1
