# SPDX-License-Identifier: Apache-2.0
"""Steady traffic beside a test: so many requests a second on kept-alive connections, every answer counted."""
import http.client
import socket
import threading
import time
from collections import Counter

from .rpc import call_tool


class Load:
    """
    with Load(httpd.port, token=lambda: token, rate=500) as load: ...
    load.statuses      Counter of HTTP statuses; "error" for a request that got no answer
    load.reconnects    kept connections that the server had closed: the request went again on a new one, as every client does
    load.samples       [(when, status, seconds)]; load.since(t), load.quantile(0.99)
    token, body, headers may be functions: asked for every request
    """

    def __init__(self, port, path="/mcp", token=None, rate=200, threads=8, body=None, headers=None, method="POST", timeout=30, host="127.0.0.1"):
        self.port, self.path, self.token, self.rate, self.threads = port, path, token, rate, threads
        self.body = call_tool(message="load") if body is None and method == "POST" else body
        self.headers, self.method, self.timeout, self.host = headers or {}, method, timeout, host
        self.samples, self.failures, self.reconnects = [], [], 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = []

    def __enter__(self):
        start = time.monotonic()
        for i in range(self.threads):
            thread = threading.Thread(target=self._work, args=(start + i / self.rate,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(self.timeout + 5)

    def _connect(self):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _once(self, connection):
        headers = dict(self.headers() if callable(self.headers) else self.headers)
        token = self.token() if callable(self.token) else self.token
        if token:
            headers["Authorization"] = "Bearer " + token
        body = self.body() if callable(self.body) else self.body
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(self.method, self.path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer

    def _work(self, due):
        connection, used = None, False
        step = self.threads / self.rate
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + step, time.monotonic() - 1)  # a stall is not made up for with more than a second's worth
            from_time = time.monotonic()
            status = "error"
            for _ in range(2):
                try:
                    if connection is None:
                        connection, used = self._connect(), False
                    answer = self._once(connection)
                    status = answer.status
                    used = True
                    if answer.will_close:
                        connection.close()
                        connection = None
                    break
                except (http.client.HTTPException, OSError) as e:
                    if connection is not None:
                        connection.close()
                    connection = None
                    if not used:
                        with self._lock:
                            self.failures.append(repr(e))
                        break
                    used = False
                    with self._lock:
                        self.reconnects += 1
            with self._lock:
                self.samples.append((from_time, status, time.monotonic() - from_time))
        if connection is not None:
            connection.close()

    # -- what came of it --------------------------------------------------------------------------------------------------------------

    @property
    def statuses(self):
        with self._lock:
            return Counter(status for _, status, _ in self.samples)

    def since(self, moment):
        """Counter of the statuses of requests begun after this time.monotonic()."""
        with self._lock:
            return Counter(status for when, status, _ in self.samples if when >= moment)

    def quantile(self, q, since=0.0, until=float("inf")):
        """Seconds."""
        with self._lock:
            times = sorted(s for when, _, s in self.samples if since <= when < until)
        return times[min(len(times) - 1, int(q * len(times)))] if times else None
