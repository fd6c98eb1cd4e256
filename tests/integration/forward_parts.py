# SPDX-License-Identifier: Apache-2.0
"""What the tests of sending the journal on share."""
import os
import pwd

from daemon_child import Child, request
from harness.admind import USER
from harness.process import wait_until


class Source:
    """A child of httpd; remembers what it was told is durable."""

    def __init__(self, admind):
        self.child = Child(admind.dirs.socket)
        assert self.child.hello() == 0
        self.seq = 0

    def write(self, count=1, **more):
        payloads = [request(sub=f"s{self.seq + i}", **more) for i in range(1, count + 1)]
        for i in range(0, count, 50):
            self.child.records(self.seq + i + 1, payloads[i:i + 50])
        self.seq += count
        self.child.acked(self.seq)

    def ids(self, first=1):
        return {(self.child.instance.hex(), seq) for seq in range(first, self.seq + 1)}

    def resume(self, admind):
        """After the daemon died."""
        self.child.close()
        self.child = Child(admind.dirs.socket, self.child.instance)
        assert self.child.hello(self.seq + 1) == self.seq


def arrived(receiver, wanted, timeout=20):
    wait_until(lambda: wanted <= receiver.ids(), timeout, lambda: f"{len(wanted - receiver.ids())} of {len(wanted)} are missing")


def forward(admind, name):
    return next(f for f in admind.get("/status").json()["forwards"] if f["name"] == name)


def metric(admind, what, name):
    return admind.metrics().get((f"mcpauth_forward_{what}", frozenset({("name", name)})), 0)


def secret_file(world, name, text):
    path = world.scratch / name
    path.write_text(text)
    os.chmod(path, 0o600)
    os.chown(path, pwd.getpwnam(USER).pw_uid, -1)
    return path


def tls_ca(world):
    path = world.scratch / "receiver-ca.pem"
    path.write_bytes(world.tls.certificate.read_bytes())
    os.chmod(path, 0o644)
    return path
