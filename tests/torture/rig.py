# SPDX-License-Identifier: Apache-2.0
"""One leg's world: httpd and the daemon of the crash-point build on two small disks of their own, and the load. All of it lives in the
namespaces that `alone` makes, so that nothing outlives the driver."""
import ctypes
import json
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import shapes
from harness import paths
from harness.admind import Admind, Dirs
from harness.httpd import Httpd
from harness.issuer import Issuer
from harness.process import Process, free_port, wait_until

CLONE_NEWNS, CLONE_NEWPID, PR_SET_PDEATHSIG = 0x20000, 0x20000000, 1
MIB = 1024 * 1024
SERVERS, THREADS = 4, 6  # of event and worker; prefork gets SERVERS * 3 processes


def run(*argv):
    subprocess.run([str(a) for a in argv], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def alone(main):
    """Runs main() as the first process of its own namespaces of processes and mounts and returns its exit status: when it ends, however
    it ends, the kernel ends everything it has started and takes its mounts away. Ctrl-C and SIGTERM reach it as KeyboardInterrupt."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), "unshare; the torture must run as root")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            run("mount", "--make-rprivate", "/")
            run("mount", "-t", "proc", "proc", "/proc")
            status = main()
        except KeyboardInterrupt:
            print("torture: interrupted", file=sys.stderr)
        except BaseException:  # pylint: disable=broad-except  # said here, because nobody is above
            import traceback
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.kill(child, signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


class Server(Httpd):
    """httpd with many small children, all of which are to be there at once again after one has died."""

    def _mpm_lines(self):
        if self.mpm == "prefork":
            n = SERVERS * 3
            return [f"ServerLimit {n}", f"StartServers {n}", f"MinSpareServers {n}", f"MaxSpareServers {n + 1}", f"MaxRequestWorkers {n}"]
        n = SERVERS * THREADS
        return [f"ServerLimit {SERVERS * 2}", f"StartServers {SERVERS}", f"ThreadsPerChild {THREADS}", f"ThreadLimit {THREADS}", f"MaxRequestWorkers {n}",
                f"MinSpareThreads {n}", f"MaxSpareThreads {n + THREADS}"]

    @property
    def threads(self):
        """Requests that one child can have open."""
        return 1 if self.mpm == "prefork" else THREADS

    def spawn(self, timeout=30):
        """Starts; children may die at once, so only the listening port is waited for."""
        self.process = Process(self._argv(), self.folder / "stdout.log", env=self._env(), cwd=self.folder)
        wait_until(lambda: not self.process.alive or self.process.children(), timeout, lambda: "httpd has children\n" + self.said())
        if not self.process.alive:
            raise AssertionError("httpd ended:\n" + self.said())


class Daemon(Admind):
    def spawn(self):
        self.process = Process(self._argv(), self.log_path, env=self._env(), cwd=self.folder)


class Disk:
    """A file system of `mib` MiB at `path`, in memory, which can be filled to the brim and freed again."""

    def __init__(self, images, path, mib):
        try:
            self._mount_ext4(images / f"{path.name}.img", path, mib)
        except (OSError, subprocess.CalledProcessError) as error:
            why = (getattr(error, "stderr", None) or str(error).encode()).decode(errors="replace").strip()
            print(f"NOTE: a tmpfs for the {path.name}, because there can be no ext4: {why}", flush=True)
            run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", path)
        self.path = path
        self.ballast = path / "ballast"

    @staticmethod
    def _mount_ext4(image, path, mib):
        """Some containers have no loop devices."""
        with open(image, "wb") as f:
            f.truncate(mib * MIB)
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", image)
        run("mount", "-o", "loop", image, path)
        (path / "lost+found").rmdir()

    def fill(self, leave_bytes=0):
        """Until nothing is left; with leave_bytes, so much is given back."""
        fd = os.open(self.ballast, os.O_CREAT | os.O_WRONLY, 0o600)
        at, step = os.fstat(fd).st_size, 64 * MIB
        while step >= 4096:
            try:
                os.posix_fallocate(fd, at, step)
                at += step
            except OSError:
                step //= 2
        os.ftruncate(fd, max(0, at - leave_bytes))
        os.close(fd)

    def free(self):
        self.ballast.unlink(missing_ok=True)


class Hammer:
    """The load, see hammer.c: numbers, outcomes and the words that steer it lie in one mapped file."""

    HEADER, ENTRY = 4096, struct.Struct("<BBH")
    WORDS = {name: i for i, name in enumerate(("next", "stop", "pause", "agent_bytes", "busy", "refused", "timeouts", "strange"))}

    def __init__(self, folder, ports, words, rate, threads=16, ids=4_000_000):
        """ports: httpd's and the one to serve proxied requests on; words: the kinds of requests."""
        self.path = folder / "map"
        with open(self.path, "wb") as f:
            f.truncate(self.HEADER + ids * self.ENTRY.size)
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)
        self.set("agent_bytes", 20)
        self.process = Process([paths.BUILD / "tests" / "hammer", *ports, self.path, ids, threads, rate, *words], folder / "hammer.log")

    def get(self, word):
        return struct.unpack_from("<I", self.map, 4 * self.WORDS[word])[0]

    def set(self, word, value):
        struct.pack_into("<I", self.map, 4 * self.WORDS[word], value)

    def pause(self):
        """Returns when no request is under way."""
        self.set("pause", 1)
        wait_until(lambda: self.get("busy") == 0, 30, "the load's requests end")

    def go(self):
        self.set("pause", 0)

    def entries(self):
        """[(kind, outcome, status)] of all numbers so far."""
        n = self.get("next")
        return list(self.ENTRY.iter_unpack(self.map[self.HEADER:self.HEADER + n * self.ENTRY.size]))


class Rig:
    """rate: requests a second; failed: the folder for what there is to look at after a failure; mutant: the planted fault, on both sides. A context:
    ends all it has started."""

    def __init__(self, rate, failed, mutant=None, spool_mib=160, journal_mib=1536):
        self.scratch = Path(tempfile.mkdtemp(prefix="torture-"))
        os.chmod(self.scratch, 0o755)
        self.failed, self.mutant = failed, mutant
        self.server = self.daemon = self.hammer = None
        self.upstream_port = free_port()
        images = self.scratch / "images"
        images.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={spool_mib + journal_mib + 64}m", "tmpfs", images)
        dirs = Dirs(self.scratch)
        self.spool, self.journal = Disk(images, dirs.spool, spool_mib), Disk(images, dirs.journal, journal_mib)
        self.dirs = Dirs(self.scratch)  # the mounted directories get the owners, too
        self.crash_log = self._shared_file("crashes", b"")
        self.clock = self._shared_file("clock", struct.pack("<q", 0))
        self.shim = self.scratch / "clockshim.so"
        shutil.copy2(paths.BUILD / "tests" / ".libs" / "clockshim.so", self.shim)
        self._make_server()
        self.daemon = Daemon(self.scratch, self.dirs, "JournalFileSize 1m")  # many files: closed, compressed, begun
        self.rate = rate

    def _shared_file(self, name, content):
        path = self.scratch / name
        path.write_bytes(content)
        os.chmod(path, 0o666)
        return path

    def _make_server(self):
        issuer = Issuer(audience="https://torture.example.com/mcp")
        keys = self.scratch / "jwks.json"
        keys.write_text(json.dumps(issuer.jwks()))
        os.chmod(keys, 0o644)
        self.token = issuer.mint(expires_in=86400)
        self.server = Server(self.scratch, modules=shapes.MODULES, daemon_dirs=self.dirs, log_level="notice",
                             config=f"MCPAuthIssuer {issuer.url} jwks=file:{keys}\n{shapes.config(self.upstream_port)}", locations=shapes.LOCATIONS)
        (self.server.document_root / "big").write_text("x" * 40000)
        self.server.access_log_path = Path("/dev/null")
        self.server_config = self.server.config

    # -- what crashes where ---------------------------------------------------------------------------------------------------------------

    def _crash_env(self, points):
        env = {"MCPA_CRASH": ",".join(f"{name}:{p:.7f}" for name, p in points.items()), "MCPA_CRASH_LOG": str(self.crash_log)} if points else {}
        return {**env, "MCPA_MUTANT": self.mutant} if self.mutant else env

    def _daemon_env(self, points):
        return {**self._crash_env(points), "LD_PRELOAD": str(self.shim), "TORTURE_CLOCK": str(self.clock)}

    def start_server(self, mpm, durability, points):
        self.server.mpm = mpm
        self.server.config = f"{self.server_config}MCPAuthSpoolDir {self.dirs.spool} durability={durability}\n"
        self.server.extra_env = self._crash_env(points)
        self.server.write_config()
        self.server.spawn()

    def start_daemon(self, points):
        self.daemon.extra_env = self._daemon_env(points)
        self.daemon.spawn()

    def start_hammer(self):
        self.hammer = Hammer(self.scratch, (self.server.port, self.upstream_port), shapes.words(self.token), self.rate)

    def step_clock(self, seconds):
        with open(self.clock, "r+b") as f:
            f.write(struct.pack("<q", seconds))

    def crashes(self):
        """{point: times}"""
        found = {}
        for line in self.crash_log.read_text().splitlines():
            name = line.split()[0]
            found[name] = found.get(name, 0) + 1
        return found

    # -- the end of a leg -----------------------------------------------------------------------------------------------------------------

    def segments(self):
        return [p for p in self.dirs.spool.iterdir() if len(p.name) == 41 and p.name[32] == "."]

    def drain(self, timeout=60):
        """httpd is gone, and the daemon, unhurt, takes what the spool holds. False when it does not get it done."""
        if self.daemon.process:
            self.daemon.kill()
        self.journal.free()
        self.spool.free()
        self.daemon.extra_env = self._daemon_env({})
        self.daemon.start(timeout=60)  # at work, and past the torn tail that a kill may have left: that is what a start cuts off
        deadline = time.monotonic() + timeout
        while self.segments() and time.monotonic() < deadline and self.daemon.process.alive:
            time.sleep(0.05)
        done = not self.segments()
        self.daemon.stop()
        return done

    def ctl(self, *arguments):
        """mcpauthctl, its clock a day ahead as the daemon's may have been: files of tomorrow are no fault then."""
        self.step_clock(86400)
        env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "LD_PRELOAD": str(self.shim), "TORTURE_CLOCK": str(self.clock)}
        return subprocess.run([str(paths.built_program("mcpauthctl")), *map(str, arguments)], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)

    def keep(self):
        """For who looks at the failure."""
        shutil.rmtree(self.failed, ignore_errors=True)
        self.failed.mkdir(parents=True)
        for path in (self.dirs.journal, self.dirs.spool):
            shutil.copytree(path, self.failed / path.name, ignore=shutil.ignore_patterns("ballast"))
        for path in (self.crash_log, self.scratch / "map", self.daemon.log_path, self.server.error_log_path):
            if path.exists():
                shutil.copy2(path, self.failed / path.name)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self._end()
        if kind is not None:
            self.keep()
        for path in (self.dirs.spool, self.dirs.journal, self.scratch / "images"):
            subprocess.run(["umount", "-l", str(path)], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _end(self):
        for part in (self.hammer, self.server, self.daemon):
            if part is not None and part.process is not None:
                part.process.kill()
