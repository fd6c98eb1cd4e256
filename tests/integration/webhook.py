# SPDX-License-Identifier: Apache-2.0
"""A webhook receiver that checks signatures as Standard Webhooks says, without any of our code."""
import base64
import hashlib
import hmac
import json
import os
import pwd
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.admind import USER


class Hook:
    """messages: [{"id", "timestamp", "good", "alerts"}] of all requests; .status: what is answered from now on."""

    def __init__(self, world, secret=None):
        self.secret = secret or secrets.token_hex(24)
        self.status = 200
        self.headers = {}
        self.messages = []
        self.secret_file = world.scratch / f"webhook-{secrets.token_hex(4)}.secret"
        self.secret_file.write_text(self.secret + "\n")
        os.chmod(self.secret_file, 0o600)
        os.chown(self.secret_file, pwd.getpwnam(USER).pw_uid, -1)
        world.canaries.remember_text(self.secret)
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.take(self.headers, body)
                self.send_response(hook.status)
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/in"

    def key(self):
        return base64.b64decode(self.secret[6:]) if self.secret.startswith("whsec_") else self.secret.encode()

    def take(self, headers, body):
        stamp = headers["webhook-timestamp"]
        signed = b".".join((headers["webhook-id"].encode(), stamp.encode(), body))
        wanted = "v1," + base64.b64encode(hmac.new(self.key(), signed, hashlib.sha256).digest()).decode()
        good = hmac.compare_digest(wanted, headers["webhook-signature"]) and abs(time.time() - int(stamp)) < 60
        self.messages.append({"id": headers["webhook-id"], "timestamp": int(stamp), "good": good, "alerts": json.loads(body)["alerts"]})

    def of(self, name, state):
        return [a for m in self.messages for a in m["alerts"] if a["name"] == name and a["state"] == state]

    def line(self):
        return f"Webhook {self.url} secret-file={self.secret_file}\n"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
