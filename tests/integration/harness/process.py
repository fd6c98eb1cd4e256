# SPDX-License-Identifier: Apache-2.0
"""Processes, ports and waiting. Nothing here sleeps for luck: everything polls a condition until a deadline."""
import contextlib
import ctypes
import fcntl
import os
import platform
import pwd
import random
import signal
import socket
import subprocess
import time

from . import paths

# One byte for each port, locked for as long as this process lives: tests run in several processes at once, and between the choice of a port and
# its use nothing else holds it. Children do not inherit these locks. The file is never closed, because closing it would let all of them go.
_locks = os.open("/tmp/mcpauth-ports", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
_taken = set()


def take_port(port):
    """Whether this port was nobody's and is ours now, until the process ends."""
    if port in _taken:  # a process's own locks never refuse it
        return False
    try:
        fcntl.lockf(_locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    _taken.add(port)
    return True


def free_port():
    """A loopback port below the kernel's range for outgoing connections, so that no client of ours can sit on it."""
    for _ in range(400):
        port = random.SystemRandom().randrange(20000, 32000)
        if not take_port(port):
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("no free port")


class Deadline:
    """So many seconds. What lies between two looks counts as one at the most: a machine that stands still for ten has given nobody ten."""

    def __init__(self, seconds):
        self.seconds = self._left = seconds
        self._looked = time.monotonic()

    def is_over(self):
        now = time.monotonic()
        self._left, self._looked = self._left - min(now - self._looked, 1), now
        return self._left < 0


def wait_until(condition, timeout=10.0, what="the condition", interval=0.02):
    """Polls until condition() is true and returns its value; AssertionError with `what` (text or function) after the deadline."""
    deadline = Deadline(timeout * paths.PATIENCE)
    while True:
        value = condition()
        if value:
            return value
        if deadline.is_over():
            raise AssertionError(f"not within {deadline.seconds:g} s: {what() if callable(what) else what}")
        time.sleep(interval)


def port_answers(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def socket_answers(path):
    """Whether somebody listens on this Unix socket: its name is there a moment earlier."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(1)
        try:
            s.connect(str(path))
        except OSError:
            return False
        return True


def listen_on(pids, port):
    """Those of these processes that have a socket open that listens on this port."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        sockets = {f"socket:[{words[9]}]" for words in map(str.split, f) if words[3] == "0A" and int(words[1].split(":")[1], 16) == port}
    found = set()
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            for n in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):  # it closed that one
                    if os.readlink(f"/proc/{pid}/fd/{n}") in sockets:
                        found.add(pid)
    return found


# setresuid, setresgid, setgroups by number: libc's own change every thread of the process, and others of ours are at work.
_NUMBERS = {"x86_64": (117, 119, 116), "aarch64": (147, 149, 159)}
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def thread_as(user):
    """This thread alone is somebody else meanwhile: for sockets whose other end looks at the peer's credentials."""
    setresuid, setresgid, setgroups = _NUMBERS[platform.machine()]
    entry = pwd.getpwnam(user)

    def call(number, *arguments):
        if _libc.syscall(ctypes.c_long(number), *arguments) != 0:
            raise OSError(ctypes.get_errno(), "a thread's credentials")

    keep = ctypes.c_long(-1)
    groups = os.getgroups()
    call(setgroups, ctypes.c_long(1), (ctypes.c_uint32 * 1)(entry.pw_gid))
    call(setresgid, keep, ctypes.c_long(entry.pw_gid), keep)
    call(setresuid, keep, ctypes.c_long(entry.pw_uid), keep)
    try:
        yield
    finally:
        call(setresuid, keep, ctypes.c_long(0), keep)
        call(setresgid, keep, ctypes.c_long(0), keep)
        call(setgroups, ctypes.c_long(len(groups)), (ctypes.c_uint32 * max(1, len(groups)))(*groups))


class Process:
    """A program in a session (and process group) of its own, its output in a file."""

    def __init__(self, argv, output, env=None, cwd=None):
        self.argv = [str(a) for a in argv]
        self.output = output
        with open(output, "ab") as sink:
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=env, cwd=cwd,
                                          start_new_session=True)
        self.pid = self.popen.pid

    @property
    def alive(self):
        return self.popen.poll() is None

    def send_signal(self, number):
        if self.alive:
            os.kill(self.pid, number)

    def wait(self, timeout=20):
        return self.popen.wait(timeout * paths.PATIENCE)

    def stop(self, timeout=20, number=signal.SIGTERM):
        """Ends the program politely, then its whole group. Returns its exit status."""
        if self.alive:
            os.kill(self.pid, number)
            try:
                self.popen.wait(timeout * paths.PATIENCE)
            except subprocess.TimeoutExpired:
                pass
        self.kill()
        return self.popen.returncode

    def kill(self):
        """SIGKILL for whatever is left of the group this program led."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.popen.wait()

    def read_output(self):
        with open(self.output, encoding="utf-8", errors="replace") as f:
            return f.read()

    # What a process costs, for the tests that want it flat.
    def rss_kib(self, pid=None):
        with open(f"/proc/{pid or self.pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0

    def descriptors(self, pid=None):
        return len(os.listdir(f"/proc/{pid or self.pid}/fd"))

    def children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as f:
            return [int(x) for x in f.read().split()]
