# SPDX-License-Identifier: Apache-2.0
"""mcpauth-admind as an unprivileged user, on directories with the owners a real installation gives them."""
import gzip
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from . import client, paths
from .httpd import sanitizer_env, valgrind_wrapper
from .process import Process, free_port, wait_until

USER = "daemon"
PEER = "www-data"


class Dirs:
    """The directories that httpd and the daemon share. Made even where no daemon runs: httpd wants them too."""

    def __init__(self, scratch):
        scratch = Path(scratch)
        daemon, peer = pwd.getpwnam(USER), pwd.getpwnam(PEER)
        self.run, self.state, self.spool, self.journal = (scratch / name for name in ("run", "state", "spool", "journal"))
        self.keys = self.state / "keys"
        self.socket = self.run / "mcpauth.sock"
        self._make(self.run, daemon.pw_uid, peer.pw_gid, 0o2755)
        self._make(self.state, 0, 0, 0o755)
        self._make(self.keys, daemon.pw_uid, daemon.pw_gid, 0o755)
        self._make(self.spool, peer.pw_uid, daemon.pw_gid, 0o2770)
        self._make(self.journal, daemon.pw_uid, daemon.pw_gid, 0o750)

    @staticmethod
    def _make(path, uid, gid, mode):
        path.mkdir(exist_ok=True)
        os.chown(path, uid, gid)
        os.chmod(path, mode)


class Admind:
    """
    config    more lines of mcpauth-admind.conf; a key that is given here is not written by the harness
    The configuration is at .conf_path, the output at .log_path.
    """

    def __init__(self, scratch, dirs, config="", name="admind", env=None):
        self.scratch = Path(scratch)
        self.folder = self.scratch / name
        self.folder.mkdir(mode=0o755, exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.dirs = dirs
        self.config = config
        self.port = free_port()
        self.extra_env = dict(env or {})
        self.process = None
        self.conf_path = self.folder / "mcpauth-admind.conf"
        self.log_path = self.folder / "admind.log"
        # A copy, because the build directory may lie where the daemon's user may not look (/root).
        self.program = self.folder / "mcpauth-admind"
        source = paths.built_program("mcpauth-admind")
        if source.exists():
            shutil.copy2(source, self.program)
            os.chmod(self.program, 0o755)
        self.write_config()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def write_config(self):
        given = {line.split()[0] for line in self.config.splitlines() if line.strip() and not line.lstrip().startswith("#")}
        lines = [f"{key} {value}" for key, value in {
            "Listen": f"127.0.0.1:{self.port}", "Socket": self.dirs.socket, "StateDir": self.dirs.state, "SpoolDir": self.dirs.spool,
            "JournalDir": self.dirs.journal, "PeerUser": PEER, "LogLevel": "info", "AllowInsecureFetch": "loopback",
        }.items() if key not in given]
        self.conf_path.write_text("\n".join(lines) + "\n" + self.config + "\n")
        os.chmod(self.conf_path, 0o644)

    def _env(self):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", **self.extra_env}
        if paths.SANITIZE:
            env.update(sanitizer_env(self.scratch))
        return env

    def _argv(self, *more):
        wrapper = valgrind_wrapper(self.scratch) if paths.VALGRIND and not more else []
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", *wrapper, str(self.program), "-c", str(self.conf_path), *(more or ["-f"])]

    def check_config(self):
        """(exit status, output) of `mcpauth-admind -n`."""
        done = subprocess.run(self._argv("-n"), env=self._env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=30 * paths.PATIENCE, check=False)
        return done.returncode, done.stdout

    def start(self, timeout=15):
        """Starts and waits for /healthz. After stop() or kill() it may be started again, on the same directories."""
        if not self.program.exists():
            raise AssertionError(f"{paths.built_program('mcpauth-admind')} is not built")
        self.start_unasked()

        def healthy():
            if not self.process.alive:
                raise AssertionError(f"mcpauth-admind ended with {self.process.popen.returncode}:\n{self.log()}\n--- {self.conf_path}:\n{self.conf_path.read_text()}")
            try:
                return client.send(self.port, path="/healthz", timeout=2).status == 200
            except OSError:
                return False

        try:
            wait_until(healthy, timeout, lambda: "the daemon's /healthz\n" + self.log())
        except AssertionError:
            self.process.kill()
            raise
        return self

    def start_unasked(self):
        """Starts and waits for nothing: it may listen elsewhere, or be meant to fail."""
        self.process = Process(self._argv(), self.log_path, env=self._env(), cwd=self.folder)

    def stop(self):
        if self.process:
            status = self.process.stop()
            self.process = None
            return status
        return None

    def kill(self):
        """SIGKILL: the crash that must lose nothing."""
        self.process.kill()
        self.process = None

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def get(self, path, headers=(), **more):
        return client.send(self.port, "GET", path, headers, **more)

    def ready(self):
        """(status, document) of /readyz."""
        answer = self.get("/readyz")
        return answer.status, answer.json()

    def metrics_text(self):
        answer = self.get("/metrics")
        assert answer.status == 200, answer
        return answer.text

    def metrics(self):
        """{(name, frozenset of (label, value) pairs): number}; see metric()."""
        return parse_metrics(self.metrics_text())

    def metric(self, name, **labels):
        """The sum of all samples of this name that have these labels; 0 when there are none."""
        wanted = set(labels.items())
        return sum(v for (n, have), v in self.metrics().items() if n == name and wanted <= have)

    def alerts(self, name=None):
        found = self.get("/alerts").json()["alerts"]
        return [a for a in found if name is None or a["name"] == name]

    def firing(self, name):
        return [a for a in self.alerts(name) if a["state"] == "firing"]

    def keys(self):
        return self.get("/keys").json()

    def journal_text(self):
        """Every line of the journal so far, oldest file first, compressed ones too."""
        named = [(re.fullmatch(r"audit-([\d-]+)(?:\.(\d+))?\.jsonl(?:\.gz)?", p.name), p) for p in self.dirs.journal.iterdir() if p.is_file()]
        text = ""
        for path in (p for name, p in sorted(named, key=lambda n: n[0] and (n[0][1], int(n[0][2] or 0)) or ("", 0)) if name):
            data = path.read_bytes()
            text += (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
        return text

    def journal_lines(self, **want):
        """The records as objects (a torn last line is left out), only those whose members equal `want`."""
        found = []
        for line in self.journal_text().splitlines(keepends=True):
            if line.endswith("\n") and line.strip():
                record = json.loads(line)
                if "instance" in record and all(record.get(k) == v for k, v in want.items()):  # the daemon's own lines, seals, have none
                    found.append(record)
        return found

    def seals(self):
        """The journal's seals as objects, oldest first."""
        lines = [json.loads(line) for line in self.journal_text().splitlines(keepends=True) if line.endswith("\n") and line.strip()]
        return [line for line in lines if "instance" not in line]

    def wait_journal(self, count, timeout=10, **want):
        """Polls until the journal has at least this many such records; returns them."""
        wait_until(lambda: len(self.journal_lines(**want)) >= count, timeout, lambda: f"{count} records with {want}, there are {len(self.journal_lines(**want))}:\n{self.log()[-2000:]}")
        self._wait_counted()
        return self.journal_lines(**want)

    def _wait_counted(self, seconds=2):
        """A line stands in its file before it is on disk and counted, and the daemon answers HTTP meanwhile. Not longer than this, because there are tests
        whose journal holds what this daemon never counted, or which ask for no metrics; an assertion about a metric fails all the same."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end and self.metric("mcpauth_audit_records_total") < len(self.journal_lines()):
                time.sleep(0.02)
        except (OSError, AssertionError):
            pass

    def log(self):
        try:
            return self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def ctl(self, *arguments, stdin=None):
        """Runs mcpauthctl against this daemon; returns the finished process (text)."""
        return subprocess.run([str(paths.built_program("mcpauthctl")), *map(str, arguments)], env={**self._env(), "MCPAUTH_URL": self.url},
                              input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30 * paths.PATIENCE, check=False)

    def log_paths(self):
        found = [self.log_path] if self.log_path.exists() else []
        return found + [p for p in self.dirs.journal.rglob("*") if p.is_file()]


SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


def parse_metrics(text):
    samples = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        m = SAMPLE.match(line)
        if not m:
            raise AssertionError(f"not a sample: {line!r}")
        samples[m.group(1), frozenset(LABEL.findall(m.group(2) or ""))] = float(m.group(3))
    return samples
