# SPDX-License-Identifier: Apache-2.0
"""Where the daemon forwards the journal to: a syslog server (TCP or TLS, octet counting) and an OTLP/HTTP collector, without any of our code."""
import contextlib
import json
import re
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness import paths
from harness.process import Process, free_port, port_answers, wait_until

HEADER = re.compile(rb"<(\d{1,3})>1 (\S+) (\S+) mcpauth-admind (\d+) ([\x21-\x7e]{1,32}) ")
PARAM = re.compile(r' ([\x21-\x7e]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"')


def parse_message(message):
    """One RFC 5424 message as an object; an assertion where the grammar is broken."""
    head = HEADER.match(message)
    assert head, message[:200]
    rest, data = message[head.end():], {}
    if rest.startswith(b"- "):
        text = rest[2:]
    else:
        assert rest.startswith(b"[mcpauth@32473"), rest[:80]
        at = len(b"[mcpauth@32473")
        decoded = rest.decode("utf-8")
        while decoded[at] != "]":
            param = PARAM.match(decoded, at)
            assert param, decoded[at:at + 120]
            data[param.group(1)] = re.sub(r"\\(.)", r"\1", param.group(2))
            at = param.end()
        assert decoded[at + 1] == " "
        text = decoded[at + 2:].encode()
    marked = text.startswith(b"\xef\xbb\xbf")
    priority = int(head.group(1))
    return {"facility": priority >> 3, "severity": priority & 7, "time": head.group(2).decode(), "host": head.group(3).decode(), "kind": head.group(5).decode(),
            "data": data, "marked": marked, "line": json.loads(text[3:] if marked else text)}


SO_RCVBUFFORCE = 33  # Linux; the module socket does not name it


class SyslogServer:
    """.messages: all that was read whole, over all connections. reading.clear() leaves what comes in the sockets; delay: seconds before each read;
    room: bytes that connections from the next start() on take without anybody reading, instead of what the kernel sees fit."""

    def __init__(self, tls=None, host="127.0.0.1"):
        self.tls, self.host = tls, host
        self.messages = []
        self.connections = 0
        self.refused_handshakes = 0
        self.reading = threading.Event()
        self.reading.set()
        self.delay = 0
        self.chunk = 65536
        self.room = 0
        self.faults = []
        self.port = free_port()  # of nobody else's choice: it is shut and opened again
        self.listener = None
        self.open = []
        self.start()

    def start(self):
        self.stopped = threading.Event()
        self.listener = socket.create_server((self.host, self.port), backlog=16)
        if self.room:
            self.listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, self.room)
        threading.Thread(target=self._accept, args=(self.listener, self.stopped), daemon=True).start()
        return self

    def _accept(self, listener, stopped):
        while not stopped.is_set():
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, stopped), daemon=True).start()

    def _serve(self, connection, stopped):
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
        except (OSError, ssl.SSLError):
            self.refused_handshakes += 1
            connection.close()
            return
        self.connections += 1
        self.open.append(connection)
        buffer = b""
        try:
            while not stopped.is_set():
                if not self.reading.wait(0.05):
                    continue
                if self.delay:
                    time.sleep(self.delay)
                data = connection.recv(self.chunk)
                if not data or stopped.is_set():
                    return
                buffer = self._take(buffer + data)
        except OSError:
            pass
        except Exception as fault:  # told by the test
            self.faults.append(repr(fault))

    def _take(self, buffer):
        while True:
            count = re.match(rb"([1-9]\d*) ", buffer)
            if not count:
                assert re.match(rb"[1-9]?\d*$", buffer), buffer[:40]
                return buffer
            end = count.end() + int(count.group(1))
            if len(buffer) < end:
                return buffer
            self.messages.append(parse_message(buffer[count.end():end]))
            buffer = buffer[end:]

    def hang_up(self):
        """Every connection is closed in order, from the side that reads."""
        open_now, self.open = self.open, []
        for connection in open_now:
            with contextlib.suppress(OSError):  # the other side was first
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def kill(self):
        """As a process dies: the port is shut and what lies unread in sockets is gone."""
        self.stopped.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        open_now, self.open = self.open, []
        for connection in open_now:
            # Another thread may sit in recv: closing alone would keep the socket until it returns.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            connection.close()

    def records(self):
        return [m for m in self.messages if m["kind"] != "seal"]

    def ids(self):
        return {(m["data"]["instance"], int(m["data"]["seq"])) for m in self.records()}

    stop = kill


class Rsyslog:
    """Debian's rsyslogd with imtcp; writes structured data, kind, severity and the message of each record to a file."""

    TEMPLATE = "%structured-data% %msgid% %syslogseverity% %syslogfacility% %msg%\\n"

    def __init__(self, scratch, tls=None):
        self.folder = Path(scratch) / "rsyslog"
        self.folder.mkdir()
        self.out, self.port, self.process = self.folder / "out.log", free_port(), None
        driver = certificates = ""
        if tls:
            certificates = "".join(f' defaultNetstreamDriver{name}="{path}"' for name, path in
                                   {"CAFile": tls.certificate, "CertFile": tls.certificate, "KeyFile": tls.key}.items())
            driver = ' StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"'
        self.config = self.folder / "rsyslog.conf"
        self.config.write_text(f'''global(workDirectory="{self.folder}" maxMessageSize="256k"{certificates})
module(load="imtcp"{driver})
template(name="all" type="string" string="{self.TEMPLATE}")
input(type="imtcp" address="127.0.0.1" port="{self.port}")
action(type="omfile" file="{self.out}" template="all")
''')

    def start(self):
        self.process = Process([paths.need("rsyslogd"), "-n", "-f", str(self.config), "-i", str(self.folder / "pid")], self.folder / "output.log", cwd=self.folder)
        wait_until(lambda: port_answers(self.port), 20, lambda: "rsyslogd\n" + self.process.read_output())
        return self

    def kill(self):
        self.process.kill()

    def stop(self):
        if self.process and self.process.alive:
            self.process.kill()

    def lines(self):
        """What was written so far, which may end in the middle of a letter."""
        return self.out.read_text(errors="replace").splitlines() if self.out.exists() else []

    def ids(self):
        """Of the messages that stand there whole. One may stand behind the half of another that rsyslogd was killed over."""
        return {(m.group(1), int(m.group(2))) for m in (re.match(r'.*\[mcpauth@32473 instance="(\w+)" seq="(\d+)".*\}$', line) for line in self.lines()) if m}


class Collector:
    """OTLP/HTTP logs. .status, .headers, .answer: what is answered from now on; .delay: seconds before; .requests: [(headers, document)]."""

    def __init__(self, tls=None):
        self.tls = tls
        self.status, self.headers, self.answer, self.delay = 200, {}, {"partialSuccess": {}}, 0
        self.asked = 0
        self.requests = []  # taken ones
        self.times = []
        self.server = None
        self.port = free_port()
        self.start()

    def start(self):
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.asked += 1
                collector.times.append(time.monotonic())
                status, answer = collector.status, json.dumps(collector.answer).encode()
                if collector.delay:
                    time.sleep(collector.delay)
                if 200 <= status < 300:
                    collector.requests.append((dict(self.headers), json.loads(body)))
                self.send_response(status)
                for name, value in collector.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/v1/logs"

    def log_records(self):
        return [r for _, document in list(self.requests) for resource in document["resourceLogs"] for scope in resource["scopeLogs"] for r in scope["logRecords"]]

    def ids(self):
        found = set()
        for record in self.log_records():
            attributes = {a["key"]: next(iter(a["value"].values())) for a in record["attributes"]}
            if attributes["mcpauth.kind"] != "seal":
                found.add((attributes["mcpauth.instance"], int(attributes["mcpauth.seq"])))
        return found
