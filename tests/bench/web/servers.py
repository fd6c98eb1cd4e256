# SPDX-License-Identifier: Apache-2.0
"""The programs that are measured, each started with a configuration of the bench's own, and the backend behind them."""
import json
import os
import shutil

from harness import paths
from harness.admind import Admind, Dirs
from harness.process import Process, free_port, port_answers, wait_until

from . import cpu
from .made import made
from .variants import PLACES

ANSWER = json.dumps({"jsonrpc": "2.0", "id": 7, "result": {"content": [{"type": "text", "text": "x" * 934}]}}).ljust(1024)
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}


class Refused(RuntimeError):
    """A server did not start; str() is what it said."""


def fill(text, values):
    for name, value in values.items():
        text = text.replace("{%s}" % name, str(value))
    return text


class Server:
    """argv() of a program with its configuration in .folder, listening at .port."""
    START_SECONDS = 20

    def __init__(self, folder, cpus, values):
        self.folder, self.cpus = folder, cpus
        folder.mkdir(mode=0o755)
        self.port = free_port()
        self.values = {**values, "port": self.port, "folder": folder, "name": folder.name}
        self.log_path = folder / "error.log"
        self.process = None

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self):
        self.process = Process(["taskset", "-c", self.cpus, *self.argv()], self.folder / "stdout.log", env=ENV, cwd=self.folder)
        wait_until(lambda: not self.process.alive or port_answers(self.port), self.START_SECONDS, f"{self.folder.name} answers")
        if not self.process.alive:
            raise Refused(self.said() or f"ended with {self.process.popen.returncode}")
        return self

    def stop(self):
        if self.process:
            self.process.stop()

    def said(self):
        log = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join((self.process.read_output() + log).strip().splitlines()[-6:])

    def log_bytes(self):
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def threads_ns(self):
        return cpu.threads_ns(self.process.pid)

    def daemon_ns(self):
        return {}

    def settle(self):
        """Until what it began is done, so that it falls into nobody else's time."""
        if not cpu.wait_idle(self.process.pid):
            raise RuntimeError(f"{self.folder.name} was still at work after 10 s")


class Backend(Server):
    """nginx with a 1 KB answer, and the keys over http and https at /jwks/NAME; each fetch of the keys is a line in fetches.log."""

    def __init__(self, folder, cpus, values, tls):
        super().__init__(folder, cpus, values)
        self.tls, self.tls_port = tls, free_port()
        self.fetches_path = folder / "fetches.log"

    def argv(self):
        conf = nginx_conf(self.folder, 1, f"""
log_format line "$request_uri";
server {{
  listen 127.0.0.1:{self.port};
  listen 127.0.0.1:{self.tls_port} ssl;
  ssl_certificate {self.tls.certificate};
  ssl_certificate_key {self.tls.key};
  location /answer {{ default_type application/json; client_max_body_size 0; return 200 '{ANSWER}'; }}
  location ~ ^/jwks/ {{ access_log {self.fetches_path} line; default_type application/json; alias {self.values["jwks_path"]}; }}
}}""")
        return ["nginx", "-c", self.write("nginx.conf", conf)]

    def fetches(self, name):
        """How often the keys were asked for under this name."""
        return self.fetches_path.read_text().split("\n").count(f"/jwks/{name}") if self.fetches_path.exists() else 0


def nginx_conf(folder, workers, inside):
    for name in ("body", "proxy"):
        (folder / name).mkdir(exist_ok=True)
        shutil.chown(folder / name, "www-data")
    return f"""daemon off;
user www-data;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  client_body_buffer_size 256k;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/proxy;
  uwsgi_temp_path {folder}/proxy;
  scgi_temp_path {folder}/proxy;
{inside}
}}
"""


class Nginx(Server):
    def __init__(self, folder, cpus, values, variant, cores):
        super().__init__(folder, cpus, values)
        self.variant, self.cores = variant, cores

    def argv(self):
        limit = "limit_req zone=all; limit_req_status 429;" if self.variant.limits else ""
        conf = nginx_conf(self.folder, self.cores, fill(f"""
limit_req_zone $binary_remote_addr zone=all:1m rate=1r/m;
upstream backend {{ server 127.0.0.1:{{backend_port}}; keepalive 64; keepalive_requests 1000000000; }}
server {{
  listen 127.0.0.1:{{port}};
  root {{htdocs}};
  default_type application/json;
  location /limited {{ {limit} }}
  location = /proxy {{ proxy_pass http://backend/answer; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  location = /mcp {{ proxy_pass http://backend/answer; proxy_http_version 1.1; proxy_set_header Connection ""; }}
}}""", self.values))
        return ["nginx", "-c", self.write("nginx.conf", conf)]


class Haproxy(Server):
    def __init__(self, folder, cpus, values, variant, cores):
        super().__init__(folder, cpus, values)
        self.variant, self.cores = variant, cores

    def argv(self):
        conf = fill(f"""global
  nbthread {self.cores}
  maxconn 1000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend here
  bind 127.0.0.1:{{port}}
{self.variant.guard}
  http-request set-path /answer
  default_backend there
backend there
  http-reuse always
  server one 127.0.0.1:{{backend_port}}
""", self.values)
        return ["haproxy", "-W", "-f", self.write("haproxy.cfg", conf)]


class PinnedAdmind(Admind):
    """Beside the load, not beside httpd: what it takes is told apart from what a request takes."""
    cpus = None

    def _argv(self, *more):
        return ["taskset", "-c", self.cpus, *super()._argv(*more)]


class Httpd(Server):
    """Debian's apache2: no access log, no limit on keep-alive, children that neither come nor go while they are measured."""

    def __init__(self, folder, cpus, values, variant, mpm, load_cpus):
        super().__init__(folder, cpus, values)
        self.variant, self.mpm = variant, mpm
        self.admind = None
        if variant.daemon:
            self.admind = PinnedAdmind(folder, Dirs(folder))
            self.admind.cpus = load_cpus

    # More workers than connections in every child: event closes kept-alive connections while all workers of one child are busy.
    MPM = {
        "event": "ServerLimit 2\nStartServers 2\nThreadsPerChild 64\nThreadLimit 64\nMaxRequestWorkers 128\nMinSpareThreads 1\nMaxSpareThreads 128",
        "prefork": "ServerLimit 48\nStartServers 48\nMaxRequestWorkers 48\nMinSpareServers 1\nMaxSpareServers 48",
    }

    def _modules(self):
        ours = {"mcp_auth": paths.MODULE, **({"floor": made("mod_floor.la")} if "floor" in self.variant.modules else {})}
        return [f"LoadModule {name}_module {ours.get(name, paths.APACHE_MODULES / f'mod_{name}.so')}"
                for name in (f"mpm_{self.mpm}", "authn_core", "authz_core", "authz_host", "mime", "proxy", "proxy_http", *self.variant.modules)]

    def _locations(self):
        lines = []
        for place, behind in PLACES.items():
            inside = [self.variant.guard.replace("{place}", place), self.variant.more.get(place, ""), f"ProxyPass {behind}" if behind else ""]
            lines += [f'<Location "{place}">', *filter(None, inside), "</Location>"]
        return lines

    def argv(self):
        lines = [
            "ServerRoot {folder}", "ServerName localhost", "PidFile {folder}/httpd.pid", "DefaultRuntimeDir {folder}", "Listen 127.0.0.1:{port}",
            "User www-data", "Group www-data", f"ErrorLog {self.log_path}", "LogLevel warn", *self._modules(), self.MPM[self.mpm],
            "TypesConfig /dev/null", "AddType application/json .json", "KeepAlive On", "MaxKeepAliveRequests 0", "KeepAliveTimeout 60",
            "DocumentRoot {htdocs}", '<Directory "{htdocs}">', "AllowOverride None", "Require all granted", "</Directory>"]
        if self.admind:
            dirs = self.admind.dirs
            lines += [f"MCPAuthSocket {dirs.socket}", f"MCPAuthStateDir {dirs.state}", f"MCPAuthSpoolDir {dirs.spool} tmpfs=allow"]
        lines += [self.variant.server, *self._locations()]
        return [paths.need("apache2"), "-DFOREGROUND", "-f", self.write("httpd.conf", fill("\n".join(lines) + "\n", self.values))]

    def start(self):
        if not self.admind:
            return super().start()
        self.admind.start()
        super().start()
        wait_until(self._every_child_has_keys, 20, lambda: f"{self.folder.name} has its keys\n{self.admind.log()}")
        return self

    def _every_child_has_keys(self):
        linked = self.admind.get("/status").json()["children"]
        return len(linked) >= len(self.process.children()) and all(child["issuers_with_keys"] for child in linked)

    def stop(self):
        super().stop()
        if self.admind:
            self.admind.stop()

    def settle(self):
        super().settle()
        if self.admind and not cpu.wait_idle(self.admind.process.pid):
            raise RuntimeError("the daemon was still at work after 10 s")

    def daemon_ns(self):
        return cpu.threads_ns(self.admind.process.pid) if self.admind else {}


def write_htdocs(folder):
    for name in ("static", "limited"):
        (folder / name).mkdir(parents=True)
        (folder / name / "1k.json").write_text(ANSWER)
        os.chmod(folder / name, 0o755)
    (folder / "index.html").write_text("it works\n")
    os.chmod(folder, 0o755)
    return folder


