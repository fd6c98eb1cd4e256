# SPDX-License-Identifier: Apache-2.0
"""A child of httpd as the daemon sees it, honest or not: frames over its socket (shared/wire/frame.h) and segments in the spool."""
import fcntl
import os
import pwd
import select
import socket
import struct
import time

from harness import paths
from harness.admind import PEER
from harness.process import Deadline, thread_as

HELLO, RECORDS, GAUGES, KID, BYE, RESUME, ACK, KEYS, KID_DONE = 1, 2, 3, 4, 5, 16, 17, 18, 19
ACTIVE, SPOOL_BYTES, LIMIT_ENTRIES, LIMIT_CAPACITY, LOST = 1, 2, 3, 4, 5
SEGMENT_BYTES = 1024 * 1024

STR = {"sub": 2, "jti": 3, "aud": 4, "method": 5, "path": 6, "ip": 11, "user_agent": 12, "auth_method": 13, "iss": 14, "client_id": 15, "scope": 16,
       "decision": 17, "reason": 18, "location": 19, "vhost": 20, "rpc_method": 21, "rpc_name": 22, "request_id": 23, "token_hash": 24,
       "token_cache": 26, "event": 27, "origin": 29, "correlation_id": 30}
NUM = {"ts": 1, "status": 7, "latency_ms": 8, "bytes_in": 9, "bytes_out": 10, "verify_ms": 25, "lost": 28}


def _table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_CRC = _table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def record(**fields):
    """The compact form of shared/wire/record.c; numbers in the units of the wire (microseconds)."""
    fields.setdefault("ts", int(time.time() * 1e6))
    ids = sorted([(STR[n], v.encode() if isinstance(v, str) else v) for n, v in fields.items() if n in STR]
                 + [(NUM[n], v.to_bytes(8, "little").rstrip(b"\0")) for n, v in fields.items() if n in NUM])
    return b"\x01" + b"".join(struct.pack("<BH", i, len(v)) + v for i, v in ids)


def request(reason="ok", decision="allow", status=200, **more):
    return record(method="POST", path="/mcp", location="/mcp", vhost="example", status=status, decision=decision, reason=reason, ip="192.0.2.1",
                  auth_method="jwt", latency_ms=1500, bytes_in=100, bytes_out=200, **more)


def envelope(instance, seq, payload):
    body = struct.pack("<Q", seq) + payload
    return struct.pack("<II", len(payload), crc32c(instance + body)) + body


def frame(kind, body=b"", version=1):
    return struct.pack("<IBBH", 4 + len(body), kind, version, 0) + body


def hello(instance, next_seq=1, policy=0, pid=None):
    return frame(HELLO, instance + struct.pack("<IQQ", pid or os.getpid(), next_seq, policy))


def records(instance, first_seq, payloads):
    return frame(RECORDS, struct.pack("<I", len(payloads)) + b"".join(envelope(instance, first_seq + i, p) for i, p in enumerate(payloads)))


def gauges(**values):
    ids = {"active": ACTIVE, "spool": SPOOL_BYTES, "entries": LIMIT_ENTRIES, "capacity": LIMIT_CAPACITY, "lost": LOST}
    return frame(GAUGES, struct.pack("<I", len(values)) + b"".join(struct.pack("<HQ", ids[n], v) for n, v in values.items()))


def kid(ask, issuer, key):
    return frame(KID, struct.pack("<QH", ask, len(issuer)) + issuer.encode() + key.encode())


class Child:
    """One connection. instance: random unless given; user: who the daemon sees at the other end."""

    def __init__(self, path, instance=None, user=PEER):
        self.instance = instance or os.urandom(16)
        self.buffer = b""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10 * paths.PATIENCE)
        with thread_as(user):
            self.socket.connect(str(path))

    def send(self, data):
        self.socket.sendall(data)

    def read(self, kind=None, timeout=10):
        """(type, body) of the next frame (of this type); None when the daemon closed."""
        deadline = Deadline(timeout * paths.PATIENCE)
        while True:
            while len(self.buffer) >= 8 and len(self.buffer) >= 4 + struct.unpack_from("<I", self.buffer)[0]:
                length, found, version, _ = struct.unpack_from("<IBBH", self.buffer)
                assert version == 1
                body, self.buffer = self.buffer[8:4 + length], self.buffer[4 + length:]
                if kind in (None, found):
                    return found, body
            if deadline.is_over():
                raise AssertionError(f"no frame {kind} within {deadline.seconds:g} s")
            if not select.select([self.socket], [], [], min(timeout, 0.1))[0]:
                continue
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.buffer += data

    def hello(self, next_seq=1, policy=0):
        """The number up to which the daemon has this instance's records; None when it hung up."""
        self.send(hello(self.instance, next_seq, policy))
        answer = self.read(RESUME)
        return None if answer is None else struct.unpack("<16sQ", answer[1])[1]

    def records(self, first_seq, payloads):
        self.send(records(self.instance, first_seq, payloads))

    def acked(self, seq, timeout=10):
        """Waits until everything up to seq is acknowledged."""
        while True:
            answer = self.read(ACK, timeout)
            assert answer is not None, "the daemon hung up"
            got = struct.unpack("<Q", answer[1])[0]
            if got >= seq:
                return got

    def closed(self, timeout=10):
        """Whether the daemon hangs up, whatever it said before."""
        try:
            while self.read(timeout=timeout) is not None:
                pass
        except AssertionError:
            return False
        return True

    def close(self):
        self.socket.close()


class Segment:
    """A segment file as a child leaves it; locked while its owner lives."""

    def __init__(self, spool, instance, number, first_seq, payloads, tail=b""):
        self.path = spool / f"{instance.hex()}.{number:08d}"
        header = b"MCPASEG1" + instance + struct.pack("<QQQ", first_seq, int(time.time() * 1e6), SEGMENT_BYTES) + bytes(12)
        data = header + struct.pack("<I", crc32c(header)) + b"".join(envelope(instance, first_seq + i, p) for i, p in enumerate(payloads)) + tail
        entry = pwd.getpwnam(PEER)
        temporary = spool / f".tmp-{self.path.name}"
        self.file = open(temporary, "wb")
        self.file.write(data)
        self.file.truncate(SEGMENT_BYTES)
        self.file.flush()
        os.fchown(self.file.fileno(), entry.pw_uid, -1)
        os.fchmod(self.file.fileno(), 0o660)
        fcntl.flock(self.file, fcntl.LOCK_EX)
        os.rename(temporary, self.path)

    def die(self):
        """The owner is gone: its lock is."""
        self.file.close()
        return self
