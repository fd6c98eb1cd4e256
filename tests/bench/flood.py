#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What httpd's children and the daemon keep of requests that are all different: each with a token, a subject, a key id or an address of its own. After a
warm-up their memory and the number of metric series stay as they are. See README.md.

As a library: Flood(world).send(n) sends n requests, and Flood.sizes() is what was kept."""
import argparse
import base64
import json
import os
import secrets
import socket
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness import wait_until  # noqa: E402
from harness.world import World  # noqa: E402

PATH = "/1k.txt"
BATCH = 50  # requests of one connection, sent at once
CONFIG = """
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
MaxKeepAliveRequests 0
"""
LIMITS = "MCPAuthRateLimit subject 100/min\nMCPAuthRateLimit client 1000000/s\nMCPAuthRateLimit address 100/min\n"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def anonymous_kib(pid):
    """Memory of its own; the tables in shared memory are of fixed size, and are only touched little by little."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("RssAnon:"))


class Flood:
    """failing_addresses: where those without a good token come from; the daemon counts failures for each, in a table of fixed size."""

    def __init__(self, world, failing_addresses):
        self.issuer = world.issuer(alg="EdDSA")
        self.issuer.canaries = None  # nobody looks for a hundred thousand tokens in the logs
        self.failing_addresses = failing_addresses
        self.admind = world.admind("LogLevel warning")
        self.httpd = world.httpd(start=False, modules=["remoteip"], workers=16, log_level="crit", config=CONFIG)
        self.httpd.config += f"MCPAuthIssuer {self.issuer.url}\nMCPAuthKeyWait 0\n"
        self.httpd.locations = {PATH: f"MCPAuth On\nMCPAuthResource {self.httpd.url}{PATH}\n{LIMITS}"}
        self.issuer.audience = self.httpd.url + PATH
        self.httpd.write_config()
        self.httpd.start()
        self.number = 0
        self.sent = 0
        wait_until(lambda: self.httpd.get(PATH, token=self.issuer.mint()).status == 200, 15, "a good token is let in")
        self.before = self.records()

    def records(self):
        return self.admind.metric("mcpauth_audit_records_total")

    def token(self):
        """By turns: a good one of somebody new, twice; a key that nobody has; no token of any kind."""
        kind = self.number % 4
        if kind < 2:
            return self.issuer.mint(sub=f"user-{self.number:09}", jti=secrets.token_hex(12), expires_in=3600)
        header = b64(json.dumps({"alg": "EdDSA", "typ": "at+jwt", "kid": secrets.token_hex(8)}).encode())
        if kind == 2:
            claims = b64(json.dumps(self.issuer.claims(sub=secrets.token_hex(8))).encode())
            return ".".join((header, claims, b64(secrets.token_bytes(64))))
        return secrets.token_hex(40)

    def request(self):
        self.number += 1
        good = self.number % 4 < 2
        who = self.number if good else self.number % self.failing_addresses
        address = f"10.{who >> 16 & 255}.{who >> 8 & 255}.{who & 255}" if good else f"172.{16 + (who >> 16 & 15)}.{who >> 8 & 255}.{who & 255}"
        return (f"GET {PATH}?{secrets.token_hex(8)} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\nUser-Agent: {secrets.token_hex(12)}\r\n"
                f"Authorization: Bearer {self.token()}\r\n\r\n").encode(), (200,) if good else (401, 429)

    def send(self, count):
        """Each batch over a connection of its own, so that every child has its share."""
        for _ in range(0, count, BATCH):
            requests = [self.request() for _ in range(BATCH)]
            with socket.create_connection(("127.0.0.1", self.httpd.port), timeout=60) as connection:
                connection.sendall(b"".join(r[0] for r in requests))
                with connection.makefile("rb") as answers:
                    for _, expected in requests:
                        status = read_answer(answers)
                        assert status in expected, (status, expected)
            self.sent += BATCH

    def sizes(self):
        """{what: KiB or series}, when all that was sent has come to the daemon."""
        wait_until(lambda: self.records() >= self.before + self.sent, 60, "all records are counted")
        series = sum(1 for line in self.admind.metrics_text().splitlines() if line and not line.startswith("#"))
        children = self.httpd.children()
        return {"children": len(children), "series": series, "daemon KiB": anonymous_kib(self.admind.process.pid),
                "child KiB": max(anonymous_kib(pid) for pid in children), "pids": sorted(children)}


def read_answer(answers):
    status, length = int(answers.readline().split()[1]), 0
    for line in iter(answers.readline, b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    answers.read(length)
    return status


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200000, help="after the warm-up")
    parser.add_argument("--warm-up", type=int, default=50000)
    options = parser.parse_args()
    world = World("flood")
    try:
        flood = Flood(world, failing_addresses=1 << 20)
        flood.send(options.warm_up)
        rows = [(flood.sent, flood.sizes())]
        for _ in range(5):
            flood.send(options.requests // 5)
            rows.append((flood.sent, flood.sizes()))
            print(f"{rows[-1][0]}: {rows[-1][1]}", file=sys.stderr, flush=True)
    finally:
        world.close()
    print("\n| requests, all different | largest child, KiB | daemon, KiB | series in /metrics |\n|---|---|---|---|")
    for sent, sizes in rows:
        print(f"| {sent} | {sizes['child KiB']} | {sizes['daemon KiB']} | {sizes['series']} |")
    for what in ("child KiB", "daemon KiB"):
        print(f"{what.split()[0]}: {(rows[-1][1][what] - rows[0][1][what]) * 1024 / (rows[-1][0] - rows[0][0]):.1f} bytes more for each request")


if __name__ == "__main__":
    if os.geteuid() != 0:
        raise SystemExit("flood.py: run this as root")
    main()
