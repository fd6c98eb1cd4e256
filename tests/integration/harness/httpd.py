# SPDX-License-Identifier: Apache-2.0
"""Debian's apache2 with a configuration of the test's own: root parent, children as www-data, like a real one."""
import glob
import os
import re
import signal
import subprocess
from pathlib import Path

from . import client, paths
from .process import Process, free_port, listen_on, port_answers, wait_until

# What a module needs loaded before it.
NEEDS = {
    "proxy_http": ["proxy"], "proxy_wstunnel": ["proxy"], "proxy_balancer": ["proxy", "slotmem_shm"], "lbmethod_byrequests": ["proxy_balancer"],
    "proxy_http2": ["proxy"], "ssl": ["socache_shmcb"], "auth_basic": ["authn_file", "authz_user"], "authn_file": ["authn_core"],
    "authz_user": ["authz_core"], "authz_host": ["authz_core"], "security2": ["unique_id"], "auth_openidc": ["authn_core", "authz_user"],
    "deflate": ["filter"],
}
CORE = ["authn_core", "authz_core", "authz_host"]
FILES = {"security2": "mod_security2.so"}
CRASH = re.compile(r"exit signal (Segmentation fault|Abort|Aborted|Bus error|Illegal instruction|Floating point|.*\(6\)|.*\(11\))|AddressSanitizer|runtime error:")
STACK = re.compile(r"^CRASH (\d+) signal \d+ begin$(.*?)^CRASH \1 end$", re.M | re.S)  # as mod_crash_trace.c writes it
READY = re.compile(r"resuming normal operations")


class HttpdFailed(AssertionError):
    """httpd did not start; str() is what it said."""


class Httpd:
    """
    mpm          "event", "worker", "prefork"
    modules      besides the MPM and authn_core, authz_core, authz_host: names without "mod_" and ".so"; what they need comes along
    order        where our LoadModule line stands: "last", "first" (right after the MPM), or "before:NAME"; "none" leaves it out
    config       lines at server level; {port}, {tls_port}, {scratch} and {httpd} (http://127.0.0.1:port) are filled in
    locations    dict path -> lines inside that <Location>. Where MCPAuth is On or Shadow and no MCPAuthInspect is written, it is Off: most tests ask for files and
                 echoes, which are no MCP.
    mode         MCPAuthMode; None leaves the line out
    log_level    default "info"; canary tests take "trace8"
    tls          True: also listens with TLS on tls_port, certificate of world.tls
    """

    def __init__(self, scratch, mpm="event", modules=("proxy", "proxy_http"), order="last", config="", locations=None, mode="development",
                 log_level="info", workers=None, tls=None, daemon_dirs=None, server_name="localhost", port=None, env=None, wrapper=(), name="httpd",
                 module=True, tls_config=""):
        self.folder = Path(scratch) / name
        self.folder.mkdir(mode=0o755, exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.scratch = Path(scratch)
        self.port = port or free_port()
        self.tls = tls
        self.tls_port = free_port() if tls else None
        self.mpm = mpm
        self.modules = list(modules) + (["ssl"] if tls and "ssl" not in modules else [])
        self.order = order if module else "none"
        self.config = config
        self.tls_config = tls_config
        self.locations = dict(locations or {})
        self.mode = mode
        self.log_level = log_level
        self.workers = workers
        self.dirs = daemon_dirs
        self.server_name = server_name
        self.extra_env = dict(env or {})
        self.wrapper = list(wrapper)
        self.process = None
        self.conf_path = self.folder / "httpd.conf"
        self.error_log_path = self.folder / "error.log"
        self.access_log_path = self.folder / "access.log"
        self.document_root = self.folder / "htdocs"
        self.document_root.mkdir(exist_ok=True)
        (self.document_root / "index.html").write_text("it works\n")
        (self.document_root / "1k.txt").write_text("x" * 1023 + "\n")
        self.write_config()

    # -- the configuration -------------------------------------------------------------------------------------------------------------

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self):
        return f"https://localhost:{self.tls_port}"

    def _fill(self, text):
        for key, value in {"port": self.port, "tls_port": self.tls_port, "scratch": self.scratch, "folder": self.folder, "httpd": self.url}.items():
            text = text.replace("{%s}" % key, str(value))
        return text

    def _load_lines(self):
        names = []

        def add(name):
            for needed in NEEDS.get(name, []):
                add(needed)
            if name not in names:
                names.append(name)

        for name in CORE + self.modules:
            add(name)
        line = {n: f"LoadModule {n.split('/')[-1]}_module {paths.APACHE_MODULES / FILES.get(n, 'mod_%s.so' % n)}" for n in names}
        ours = f"LoadModule mcp_auth_module {paths.MODULE}"
        lines = [line[n] for n in names]
        if self.order == "last":
            lines.append(ours)
        elif self.order == "first":
            lines.insert(0, ours)
        elif self.order.startswith("before:"):
            lines.insert(names.index(self.order.split(":", 1)[1]), ours)
        return [f"LoadModule mpm_{self.mpm}_module {paths.APACHE_MODULES / ('mod_mpm_%s.so' % self.mpm)}",
                f"LoadModule crash_trace_module {paths.CRASH_TRACE}"] + lines

    def _mpm_lines(self):
        if self.mpm == "prefork":
            n = self.workers or 8
            return [f"ServerLimit {n}", f"StartServers {min(n, 4)}", "MinSpareServers 1", f"MaxSpareServers {n}", f"MaxRequestWorkers {n}"]
        n = self.workers or 64
        per_child = max(1, min(n, 32))
        servers = max(1, n // per_child)
        return [f"ServerLimit {servers * 4}", f"StartServers {servers}", f"ThreadsPerChild {per_child}", f"ThreadLimit {per_child}",
                f"MaxRequestWorkers {servers * per_child}", f"MinSpareThreads {per_child}", f"MaxSpareThreads {servers * per_child}"]

    def write_config(self):
        """Writes httpd.conf anew; call it after changing an attribute, then graceful()."""
        lines = [
            f"ServerRoot {self.folder}", f"ServerName {self.server_name}", f"PidFile {self.folder}/httpd.pid", f"DefaultRuntimeDir {self.folder}",
            f"Listen 127.0.0.1:{self.port}", "User www-data", "Group www-data",
            f"ErrorLog {self.error_log_path}", f"LogLevel {self.log_level}",
            'ErrorLogFormat "[%{cu}t] [%-m:%l] [pid %P:tid %T] %7F: %E: [client\\ %a] %M"',
            'LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{User-Agent}i\\"" combined', f"CustomLog {self.access_log_path} combined",
            *self._load_lines(), *self._mpm_lines(),
            f"DocumentRoot {self.document_root}", f"<Directory {self.document_root}>", "  Require all granted", "</Directory>", "EnableSendfile Off",
            "KeepAliveTimeout 5", "GracefulShutdownTimeout 5",
        ]
        if self.order != "none":
            if self.mode:
                lines.append(f"MCPAuthMode {self.mode}")
            if self.dirs:
                lines += [f"MCPAuthSocket {self.dirs.socket}", f"MCPAuthStateDir {self.dirs.state}", f"MCPAuthSpoolDir {self.dirs.spool} tmpfs=allow"]
        lines.append(self._fill(self.config))
        for path, inside in self.locations.items():
            guarded = re.search(r"^\s*MCPAuth\s+(On|Shadow)\b", inside, re.M | re.I) and "MCPAuthInspect" not in inside
            lines += [f'<Location "{path}">', self._fill(inside)] + ["MCPAuthInspect Off"] * bool(guarded) + ["</Location>"]
        if self.tls:
            lines += [f"Listen 127.0.0.1:{self.tls_port}", f"<VirtualHost 127.0.0.1:{self.tls_port}>", f"  ServerName {self.server_name}",
                      f"  DocumentRoot {self.document_root}", "  SSLEngine on", f"  SSLCertificateFile {self.tls.certificate}",
                      f"  SSLCertificateKeyFile {self.tls.key}", self._fill(self.tls_config), "</VirtualHost>"]
        self.conf_path.write_text("\n".join(lines) + "\n")

    def line_of(self, text):
        """The number of the first line of httpd.conf that contains this: what refusals name."""
        for number, line in enumerate(self.conf_path.read_text().splitlines(), 1):
            if text in line:
                return number
        raise AssertionError(f"no line of {self.conf_path} has {text!r}")

    # -- running ----------------------------------------------------------------------------------------------------------------------

    def _env(self):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", **self.extra_env}
        if paths.SANITIZE:
            env.update(sanitizer_env(self.scratch))
            env["LD_PRELOAD"] = sanitizer_preload()
        return env

    def _argv(self, *more):
        wrapper = self.wrapper
        if paths.VALGRIND and not wrapper and not more:
            wrapper = valgrind_wrapper(self.scratch)
        return [*wrapper, paths.need("apache2"), *(more or ["-DFOREGROUND"]), "-f", str(self.conf_path)]

    def configtest(self):
        """(exit status, what httpd said) of `apache2 -t`: for refusals of directives."""
        done = subprocess.run(self._argv("-t"), env=self._env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60 * paths.PATIENCE, start_new_session=True, check=False)
        return done.returncode, done.stdout

    def try_start(self, timeout=20):
        """Starts and returns None, or ends and returns everything httpd said: for refusals at start, which only a real start shows."""
        seen = len(self.error_log())
        self.process = Process(self._argv(), self.folder / "stdout.log", env=self._env(), cwd=self.folder)

        def up_or_gone():
            return not self.process.alive or (READY.search(self.error_log()[seen:]) and port_answers(self.port))

        try:
            wait_until(up_or_gone, timeout, lambda: "httpd answers\n" + self.said())
        except AssertionError:
            self.process.kill()
            raise
        if self.process.alive:
            return None
        return self.process.read_output() + self.error_log()[seen:]

    def start(self, timeout=20):
        said = self.try_start(timeout)
        if said is not None:
            raise HttpdFailed(f"httpd ended with {self.process.popen.returncode}:\n{said}\n--- {self.conf_path}:\n{self.conf_path.read_text()}")
        return self

    def graceful(self, timeout=30):
        """SIGUSR1; returns when the new generation has said so and answers, and no child of the old one takes a connection any more."""
        before, old = len(READY.findall(self.error_log())), self.children()
        self.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: not self.process.alive or len(READY.findall(self.error_log())) > before, timeout, lambda: "graceful restart\n" + self.said())
        if not self.process.alive:
            raise HttpdFailed("httpd ended at the graceful restart:\n" + self.said())
        wait_until(lambda: port_answers(self.port) and not listen_on(old, self.port), timeout, "the new children alone answer after the graceful restart")

    def stop(self):
        if self.process:
            status = self.process.stop()
            self.process = None
            return status
        return None

    def children(self):
        return self.process.children() if self.process and self.process.alive else []

    # -- talking ----------------------------------------------------------------------------------------------------------------------

    def send(self, method="GET", path="/", headers=(), body=None, token=None, **more):
        return client.send(self.port, method, path, headers, body, token, **more)

    def get(self, path="/", **more):
        return self.send("GET", path, **more)

    def post(self, path="/mcp", body=b"{}", **more):
        return self.send("POST", path, body=body, **more)

    def raw(self, data, **more):
        return client.raw_exchange(self.port, data, **more)

    # -- reading ----------------------------------------------------------------------------------------------------------------------

    def error_log(self):
        try:
            return self.error_log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def access_log(self):
        try:
            return self.access_log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def said(self):
        out = self.process.read_output() if self.process else ""
        return "\n".join((out + self.error_log()).splitlines()[-40:])

    def crashes(self):
        """Lines that tell of a dead child or a sanitizer's finding, the first with the child's call stack.

        One crash is none of ours and left out: Debian's event MPM (2.4.71), told to stop at once, walks the sockets its workers are just closing
        and follows one too far (close_worker_sockets, apr_os_sock_get). It happens without our module too, and only its own stack excuses it."""
        text = self.error_log() + (self.process.read_output() if self.process else "")
        stacks = {pid: stack for pid, stack in STACK.findall(text)}
        found = []
        for line in text.splitlines():
            if CRASH.search(line):
                stack = stacks.get((re.findall(r"child pid (\d+) exit signal", line) or [""])[0], "")
                if not foreign_crash(stack):
                    found.append(f"{line}\n{stack}")
        return found

    def log_paths(self):
        return [Path(p) for p in glob.glob(str(self.folder / "*.log"))]


def foreign_crash(stack):
    """Whether this call stack is the known crash of the event MPM: apr_os_sock_get called by it, with no frame of ours."""
    return re.search(r"apr_os_sock_get\S*\n(?:\[.*\n)*\S*mod_mpm_event\.so", stack) is not None and "mod_mcp_auth" not in stack


def sanitizer_preload():
    """libasan must be first in a program that was not built with it."""
    found = [subprocess.run(["gcc", f"-print-file-name={lib}"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip() for lib in ("libasan.so", "libubsan.so")]
    return ":".join(found)


def sanitizer_env(scratch):
    folder = Path(scratch) / "sanitizer"
    folder.mkdir(exist_ok=True)
    os.chmod(folder, 0o1777)  # parent, children and daemon all write here
    return {
        "ASAN_OPTIONS": f"detect_leaks=0:abort_on_error=0:exitcode=99:log_path={folder}/asan",
        "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={folder}/ubsan",
    }


def valgrind_wrapper(scratch):
    folder = Path(scratch) / "valgrind"
    folder.mkdir(exist_ok=True)
    os.chmod(folder, 0o1777)
    command = [paths.need("valgrind"), "--trace-children=yes", "--leak-check=no", "--error-exitcode=0", f"--log-file={folder}/%p.log"]
    suppressions = paths.SOURCE / "tests" / "integration" / "valgrind.supp"
    if suppressions.exists():
        command.append(f"--suppressions={suppressions}")
    return command
