# SPDX-License-Identifier: Apache-2.0
"""What the attack tests share: one attack sent and looked over from all sides, and raw signing for tokens that no library would make.

The numbers in the tests' names are those of the attack list (mcp-authorization 4.3). Its outcome "R" is: 401, a challenge with
error="invalid_token", the same words whatever was wrong, no connection to the upstream, no fetch of anything."""
import contextlib
import json
import re
import socket
import threading
import time

from harness.issuer import b64url
from harness.process import free_port, wait_until

# status, "error" of the body, error= of the challenge (None: a challenge without one; False: no challenge), the fixed words
REFUSED = (401, "unauthorized", "invalid_token", "The access token is not valid")
ANSWERS = {
    "no_token": (401, "unauthorized", None, "An access token is required"),
    "two_credentials": (400, "invalid_request", "invalid_request", "The request must carry exactly one credential"),
    "authorization_malformed": (400, "invalid_request", "invalid_request", "The Authorization header is malformed"),
    "token_too_long": (401, "unauthorized", "invalid_token", "The access token is longer than 8192 bytes, the most that is taken here"),
    "origin_denied": (403, "forbidden", False, "This origin is not allowed"),
    "method_not_allowed": (405, "method_not_allowed", False, "This HTTP method is not allowed here"),
    "scope_missing": (403, "forbidden", "insufficient_scope", "The access token lacks a scope this operation needs"),
    "rate_limited_subject": (429, "rate_limit_exceeded", False, "Too many requests"),
    "keys_missing": (503, "temporarily_unavailable", False, "Access tokens cannot be checked at the moment"),
}
FORCED_FETCH_GAP_S = 30


class Trap:
    """Addresses that nobody has a reason to contact: one port of 127.0.0.1 and of 127.0.0.2. said: what callers sent."""

    def __init__(self):
        self.port = free_port()
        self.said = []
        self._sockets = [socket.create_server((host, self.port)) for host in ("127.0.0.1", "127.0.0.2")]
        for server in self._sockets:
            threading.Thread(target=self._listen, args=(server,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def elsewhere(self):
        return f"http://127.0.0.2:{self.port}"

    @property
    def connections(self):
        return len(self.said)

    def _listen(self, server):
        try:
            while True:
                connection, _ = server.accept()
                self.said.append("")
                connection.settimeout(1)
                try:
                    self.said[-1] = connection.recv(200).decode("latin-1")
                except OSError:
                    pass
                connection.close()
        except OSError:
            pass

    def stop(self):
        for server in self._sockets:
            server.close()


class Attacks:
    """One file's attacks on one stack. What the journal must say of each is asked at the end, by check_journal(), for all at once."""

    def __init__(self, stack, *more_issuers):
        self.stack = stack
        self.issuers = [stack.issuer, *more_issuers]
        self.trap = Trap()
        self.expected = []  # (attack, User-Agent, reasons)
        self.started = time.monotonic()
        self.fetches_at_start = self.fetches()

    def fetches(self):
        return sum(issuer.count() for issuer in self.issuers)

    def stop(self):
        self.trap.stop()

    def new_agent(self, attack, reasons):
        agent = f"attack-{len(self.expected)}"
        self.expected.append((attack, agent, (reasons,) if isinstance(reasons, str) else tuple(reasons)))
        return agent

    def remember(self, secret):
        self.stack.world.canaries.remember(secret)
        return secret

    def check_answer(self, answer, reason, resource=None, scope=None):
        """The one answer this kind of refusal has, to the last byte."""
        status, error, bearer_error, words = ANSWERS.get(reason, REFUSED)
        assert answer.status == status, answer
        assert answer.all("Content-Type") == ["application/json"] and answer.all("Content-Length") == [str(len(answer.body))], answer
        assert answer.all("Cache-Control") == ["no-store"] and answer.all("X-Content-Type-Options") == ["nosniff"], answer
        body = answer.json()
        if status in (429, 503):
            assert int(answer.header("Retry-After")) == body.pop("retry_after") > 0
        assert body == {"error": error, "message": words}, answer
        if bearer_error is False:
            assert answer.header("WWW-Authenticate") is None, answer
            return answer
        origin, path = re.fullmatch(r"(https?://[^/]+)(/.*)?", resource or self.stack.resource).groups()
        challenge = 'Bearer realm="mcpauth"'
        if bearer_error:
            challenge += f', error="{bearer_error}", error_description="{words}"'
        if scope:
            challenge += f', scope="{scope}"'
        challenge += f', resource_metadata="{origin}/.well-known/oauth-protected-resource{path or ""}"'
        assert answer.all("WWW-Authenticate") == [challenge], answer
        return answer

    def refuse(self, token=None, reason="token_malformed", attack=None, headers=(), resource=None, scope=None, fetches=0, **more):
        """Sends it and sees it refused. reason: the journal's word, or several that are equally right (all with one answer).
        fetches: how many the budget for unknown keys may allow; the sum of them is looked at in check_fetches()."""
        reasons = (reason,) if isinstance(reason, str) else reason
        agent = self.new_agent(attack or (f"{token}"[:60]), reasons)
        if token is not None:
            self.remember(token)
        before, trapped = self.fetches(), self.trap.connections
        pairs = [*(headers.items() if isinstance(headers, dict) else headers), ("User-Agent", agent)]
        with self.stack.upstream.untouched():
            answer = self.stack.call(token=token, headers=pairs, **more)
        self.check_answer(answer, reasons[0], resource, scope)
        assert self.fetches() - before <= fetches, [issuer.requests[-1] for issuer in self.issuers]
        assert self.trap.connections == trapped, self.trap.said
        return answer

    def accept(self, token, attack="", headers=(), **more):
        """The counterpart: the same thing done right is let in, so that the refusals tell something."""
        agent = self.new_agent(attack or "accepted", "ok")
        count = len(self.stack.upstream.requests)
        answer = self.stack.call(token=token, headers=[*headers, ("User-Agent", agent)], **more)
        assert answer.status == 200, answer
        assert len(self.stack.upstream.requests) == count + 1 and self.stack.upstream.last.header("Authorization") is None
        return answer

    def check_journal(self):
        """Every attack has one record, with the right reason, and nothing that a refused token said of its owner."""
        assert self.expected
        last = self.expected[-1][1]
        self.stack.admind.wait_journal(1, user_agent=last)
        wanted = {agent: (attack, reasons) for attack, agent, reasons in self.expected}

        def records():
            found = {}
            for record in self.stack.admind.journal_lines():
                if record.get("user_agent") in wanted:
                    found.setdefault(record["user_agent"], []).append(record)
            return found

        with contextlib.suppress(AssertionError):  # which are missing is told below
            wait_until(lambda: len(records()) >= len(wanted), 10)
        found, wrong = records(), []
        for agent, (attack, reasons) in wanted.items():
            got = [r.get("reason") for r in found.get(agent, [])]
            if len(got) != 1 or got[0] not in reasons:
                wrong.append(f"{attack}: expected {' or '.join(reasons)}, the journal has {got}")
                continue
            record = found[agent][0]
            if record["decision"] == "deny" and record["status"] == 401:
                facts = {k: record[k] for k in ("sub", "jti", "client_id", "scope", "aud") if k in record}
                if facts:
                    wrong.append(f"{attack}: unproven claims in the record: {facts}")
                known = [issuer.url for issuer in self.issuers]
                if record.get("iss") not in (None, *known):
                    wrong.append(f"{attack}: an issuer we do not know in the record: {record['iss']}")
        assert not wrong, "\n".join(wrong)

    def check_fetches(self):
        """All attacks together caused no more than what unknown key ids may: one fetch an issuer in 30 seconds."""
        allowed = sum(1 + int((time.monotonic() - self.started) / FORCED_FETCH_GAP_S) for _ in self.issuers)
        assert self.fetches() - self.fetches_at_start <= allowed
        assert self.trap.said == []

    def check_logs(self):
        """No part of any token in any log, not even in the lines that httpd writes itself. That the search sees these tokens is shown by planting one."""
        canaries = self.stack.world.canaries
        token = self.stack.issuer.mint()
        assert len(canaries) > 3 * len([1 for _, _, reasons in self.expected if "no_token" not in reasons]) / 4
        for piece in (token, token.split(".")[1], token.split(".")[2]):
            assert canaries.find(f"[mcp_auth:trace8] planted {piece}"), "the search is blind"
        for path in self.stack.httpd.log_paths() + self.stack.admind.log_paths():
            text = path.read_bytes().decode("utf-8", "replace")
            # The exemption for httpd's own lines is not needed here: the module hides the header from them.
            found = canaries.find(text.replace("[http:trace", "[http-trace"))
            assert not found, f"{path}: {found[:3]}"


def plain(value):
    """JSON without blanks, as bytes."""
    return json.dumps(value, separators=(",", ":")).encode()


def header_of(issuer, key=None, **changes):
    key = key or issuer.key
    fields = {"alg": key.alg, "typ": "at+jwt", "kid": key.kid, **changes}
    return {k: v for k, v in fields.items() if v is not None}


def signed(issuer, head, body, key=None, alg=None):
    """A token over exactly these two texts: what is wrong with them is the only thing wrong."""
    head = head if isinstance(head, str) else head.decode("latin-1")
    body = body if isinstance(body, str) else body.decode("latin-1")
    signature = (key or issuer.key).sign(f"{head}.{body}".encode("latin-1"), alg)
    return f"{head}.{body}.{b64url(signature)}"


def claims_with(issuer, name, raw, **changes):
    """The payload of a good token in which the claim's value is this raw text."""
    payload = plain(issuer.claims(**{**changes, name: "@raw@"})).decode()
    assert payload.count('"@raw@"') == 1
    return payload.replace('"@raw@"', raw).encode("utf-8", "surrogatepass")
