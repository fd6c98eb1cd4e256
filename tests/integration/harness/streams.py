# SPDX-License-Identifier: Apache-2.0
"""Both ends of many Server-Sent Event streams, in one thread: the server behind the gate and its clients before it."""
import contextlib
import re
import resource
import selectors
import socket
import time

from . import paths
from .process import Deadline, free_port

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n"
# A thousand streams through a gate are four thousand sockets, two thousand of them ours.
DESCRIPTORS = 8192


def event_mpm(threads, children):
    """Lines for so many threads of the event MPM, all there from the start: each open stream holds one."""
    each = -(-threads // children)
    return (f"ServerLimit {children}\nStartServers {children}\nThreadLimit {each}\nThreadsPerChild {each}\nMaxRequestWorkers {each * children}\n"
            f"MinSpareThreads {each}\nMaxSpareThreads {each * children}\n")


def memory_kib(pids):
    """Pages that these processes have, those they share divided among them."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total


class Streams:
    """
    An upstream that answers each GET with an event stream on which nothing comes until send() or send_all(), and the clients of those streams.
    One selector moves all of them, so nothing here waits for a thread of ours when it is timed. World knows it as an upstream: url, port, stop().
    """

    def __init__(self):
        self.port = free_port()
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.streams = {}   # number -> the server's socket, until the other side ends it
        self.clients = {}   # number -> the client's
        self.received = {}  # number -> bytes that the client has
        self.ended = set()  # numbers of the clients whose connection ended
        self.arrived = {}   # number -> when the last bytes came, time.perf_counter()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, DESCRIPTORS), hard), hard))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.close()
        self.selector.close()
        self.listener.close()

    def close(self):
        """Ends every stream, from both ends."""
        for sock in [*self.clients.values(), *self.streams.values()]:
            with contextlib.suppress(KeyError):
                self.selector.unregister(sock)
            sock.close()
        for each in (self.streams, self.clients, self.received, self.ended, self.arrived):
            each.clear()

    # -- the server --------------------------------------------------------------------------------------------------------------------------

    def _accept(self, listener):
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setblocking(False)
                # A request without a body comes as one piece, loopback being what it is.
                self.selector.register(sock, selectors.EVENT_READ, self._serve)

    def _serve(self, sock):
        try:
            asked = sock.recv(65536)
        except ConnectionError:
            asked = b""
        found = re.match(rb"GET \S*\?stream=(\d+) HTTP/1\.1\r\n.*\r\n\r\n\Z", asked, re.S)
        if found:
            self.streams[int(found[1])] = sock
            sock.send(HEAD)
        else:
            self.selector.unregister(sock)
            sock.close()
            self.streams = {n: other for n, other in self.streams.items() if other is not sock}

    def send(self, number, text):
        """One event; returns when it was sent, time.perf_counter()."""
        data = b"data: " + text.encode() + b"\n\n"
        now = time.perf_counter()
        self.streams[number].send(b"%x\r\n%s\r\n" % (len(data), data))
        return now

    # -- the clients -------------------------------------------------------------------------------------------------------------------------

    def open(self, port, path, count, token=None):
        """Clients 0 to count-1, each with its request sent."""
        for number in range(count):
            sock = socket.create_connection(("127.0.0.1", port), timeout=30)
            fields = f"Host: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")
            sock.sendall(f"GET {path}?stream={number} HTTP/1.1\r\n{fields}\r\n".encode())
            sock.setblocking(False)
            self.clients[number], self.received[number] = sock, b""
            self.selector.register(sock, selectors.EVENT_READ, lambda s, n=number: self._receive(s, n))
            self.pump(0)

    def _receive(self, sock, number):
        try:
            data = sock.recv(65536)
        except ConnectionError:
            data = b""
        self.arrived[number] = time.perf_counter()
        self.received[number] += data
        if not data:
            self.ended.add(number)
            self.selector.unregister(sock)

    def body(self, number):
        """What the client has of the answer's body, its chunks still in their frames; None before the head is complete."""
        _, blank, body = self.received[number].partition(b"\r\n\r\n")
        return body if blank else None

    # -- both --------------------------------------------------------------------------------------------------------------------------------

    def pump(self, timeout):
        for key, _ in self.selector.select(timeout):
            key.data(key.fileobj)

    def pump_until(self, condition, timeout, what):
        deadline = Deadline(timeout * paths.PATIENCE)
        while not condition():
            assert not deadline.is_over(), f"not within {deadline.seconds:g} s: {what()}"
            self.pump(0.05)

    def wait_open(self, count, timeout=60):
        """Until every client has the head of its answer: 200 and an event stream."""
        def opened():
            return sum(1 for n in self.received if self.body(n) is not None)

        self.pump_until(lambda: opened() >= count, timeout, lambda: f"{opened()} of {count} clients have an answer, the server has {len(self.streams)} streams")
        for data in self.received.values():
            assert data.startswith(b"HTTP/1.1 200 ") and b"\r\nContent-Type: text/event-stream\r\n" in data, data[:500]
