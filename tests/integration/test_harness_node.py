# SPDX-License-Identifier: Apache-2.0
"""The programs from npm by themselves, with a small gate of Python where ours will stand."""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
import requests

from harness import free_port

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def provider(module_world):
    return module_world.provider()


@pytest.fixture(scope="module")
def everything(module_world):
    return module_world.everything()


@pytest.fixture
def gate(provider, everything):
    """A resource server in miniature: 401 with a challenge, the metadata document, and a proxy for who has a token."""
    port = free_port()
    resource = f"http://127.0.0.1:{port}/mcp"

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def reply(self, status, headers, body):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/.well-known/oauth-protected-resource/mcp":
                document = {"resource": resource, "authorization_servers": [provider.url], "scopes_supported": ["mcp:tools.read", "mcp:tools.exec"]}
                return self.reply(200, {"Content-Type": "application/json"}, json.dumps(document).encode())
            if self.path.startswith("/.well-known/"):
                return self.reply(404, {}, b"")
            return self.forward()

        def forward(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.headers.get("Authorization"):
                challenge = f'Bearer resource_metadata="http://127.0.0.1:{port}/.well-known/oauth-protected-resource/mcp", scope="mcp:tools.exec"'
                return self.reply(401, {"WWW-Authenticate": challenge}, b"{}")
            if self.command == "GET":
                return self.reply(405, {}, b"")
            keep = {n: v for n, v in self.headers.items() if n.lower() in ("accept", "content-type", "mcp-session-id", "mcp-protocol-version")}
            answer = requests.request(self.command, everything.url + "/mcp", headers=keep, data=body, timeout=20)
            back = {n: v for n, v in answer.headers.items() if n.lower() in ("content-type", "mcp-session-id")}
            return self.reply(answer.status_code, back, answer.content)

        do_POST = do_DELETE = forward

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield resource
    server.shutdown()
    server.server_close()


def test_provider_mints_access_tokens(provider):
    token = provider.token("http://resource/mcp")
    head = jwt.get_unverified_header(token)
    assert (head["alg"], head["typ"], head["kid"]) == ("RS256", "at+jwt", provider.kids()[0])
    key = jwt.PyJWK(requests.get(provider.url + "/jwks").json()["keys"][0]).key
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="http://resource/mcp", issuer=provider.url)
    assert claims["scope"] == "mcp:tools.read mcp:tools.exec" and claims["client_id"] == "machine"


def test_provider_rotates(provider):
    before = provider.kids()
    kid = provider.rotate()
    assert provider.kids() == [kid, *before]
    assert jwt.get_unverified_header(provider.token("http://resource/mcp"))["kid"] == kid
    kid = provider.rotate(overlap=False)
    assert provider.kids() == [kid]


def test_provider_counts_and_misbehaves(provider):
    before = provider.count()
    provider.behave(status=500)
    assert requests.get(provider.url + "/jwks").status_code == 500
    provider.behave(size=100000)
    assert len(requests.get(provider.url + "/jwks").content) >= 100000
    provider.behave()
    answer = requests.get(provider.url + "/jwks")
    assert answer.status_code == 200 and "d" not in answer.json()["keys"][0]
    assert provider.count() == before + 3


def test_everything_listens_on_loopback_only(everything):
    with open(f"/proc/{everything.process.pid}/net/tcp", encoding="ascii") as f:
        listeners = [line.split()[1] for line in f if line.split()[3] == "0A"]
    assert "0100007F:%04X" % everything.port in listeners
    assert "00000000:%04X" % everything.port not in listeners
    with open(f"/proc/{everything.process.pid}/net/tcp6", encoding="ascii") as f:
        assert not any(line.split()[1].endswith(":%04X" % everything.port) for line in f if line.split()[3] == "0A")


@pytest.mark.parametrize("script", ["sdk-v1-client.mjs", "sdk-v2-client.mjs"])
def test_sdk_clients_find_their_way(module_world, gate, script):
    result = module_world.node.run(script, gate)
    assert result["ok"], result
    assert result["steps"] == ["registered", "authorize", "401", "token"] and "echo" in result["tools"]
    assert result["asked"][0]["resource"] == gate and "mcp:tools.exec" in result["asked"][0]["scope"].split()
    assert result["result"]["content"][0]["text"] == "Echo: hello"


def test_node_reports_failures(module_world):
    result = module_world.node.run("sdk-v1-client.mjs", "http://127.0.0.1:9/mcp")
    assert not result["ok"] and result["error"]
