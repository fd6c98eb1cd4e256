# SPDX-License-Identifier: Apache-2.0
"""A small Debian in a folder: debootstrap's, of the release and from the mirrors that this machine's apt uses. What is to be installed, upgraded and
removed for real is tried in there.

    with make_root(path, ["apache2"]) as root:
        root.apt("install", "./mcpauth.deb")            # apt-get, with the machine's network
        root.run(["apachectl", "-t"])                   # alone on a loopback network of its own
        subprocess.run([*root.enter(), "ansible-playbook", ...])   # the machine's files, the root's namespaces

Mounts, processes and network of a root live in namespaces of its own, which end with the `with` block, and with the tests however those end:
nothing is ever mounted for the rest of the machine. No service starts by itself (policy-rc.d)."""
import atexit
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from . import paths

# What runs as the first process of the root's namespaces: reaps what others leave, and leaves when the test is gone.
HOLDER = """
import fcntl, signal, socket, struct, subprocess, sys
root, archives = sys.argv[1:]
for argv in (["-t", "proc", "proc", root + "/proc"], ["--bind", archives, root + "/var/cache/apt/archives"]):
    subprocess.run(["mount", *argv], check=True)
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS: up and running
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
sys.stdin.read()
"""
NAMESPACES = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=SIGKILL"]
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
_cache = []


def cache():
    """The folder of tarballs and downloaded packages: this session's, or MCPAUTH_ROOTS, which stays."""
    if not _cache:
        kept = os.environ.get("MCPAUTH_ROOTS")
        folder = Path(kept or tempfile.mkdtemp(prefix="mcpauth-roots-", dir="/tmp"))
        (folder / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        if not kept:
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _cache.append(folder)
    return _cache[0]


def _said(argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout


def _sources():
    """(code name, [(address, suite)]) of this machine's own release, as apt was told; its other sources are left out."""
    facts = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    name = facts.get("VERSION_CODENAME", "").strip('"')
    targets = _said(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]).split("\n")
    found = [tuple(t.split()[:2]) for t in targets if t.endswith(" main") and t.split()[1].split("-")[0] == name]
    return name, list(dict.fromkeys(found))


def need_root_permission():
    """Skips loudly where a root cannot be made."""
    why = None
    if os.geteuid() != 0:
        why = "needs root"
    elif not shutil.which("debootstrap", path=ENVIRONMENT["PATH"]):
        why = "needs debootstrap"
    else:
        with tempfile.TemporaryDirectory(prefix="mcpauth-may-", dir="/tmp") as place:
            done = subprocess.run([*NAMESPACES, "--net", "sh", "-c", f"mkdir {place}/proc && mount -t proc proc {place}/proc && mknod {place}/null c 1 3 && : > {place}/null"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
            why = f"needs namespaces, mount and mknod: {done.stdout.strip()}" if done.returncode else None
    if why is None and not _sources()[1]:
        why = "needs an apt that knows where this release comes from"
    if why:
        pytest.skip(f"NOT TESTED: a Debian root of its own {why}")


def _bootstrap(folder):
    name, sources = _sources()
    secure = ["--include=ca-certificates"] if any(uri.startswith("https:") for uri, _ in sources) else []
    uri = next(uri for uri, suite in sources if suite == name)
    done = subprocess.run([*NAMESPACES, "debootstrap", "--variant=minbase", *secure, name, str(folder), uri], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, timeout=900, env={**os.environ, **ENVIRONMENT})
    if done.returncode:
        if "Failed getting release file" in done.stdout or "Couldn't download" in done.stdout:
            pytest.skip("NOT TESTED: a Debian root of its own: the mirror of this machine's apt does not answer")
        raise RuntimeError(f"debootstrap: {done.stdout[-2000:]}")
    (folder / "etc/apt/sources.list").write_text("".join(f"deb {uri} {suite} main\n" for uri, suite in sources))
    # Proxies, if there are any.
    (folder / "etc/apt/apt.conf.d/90host").write_text(_said(["apt-config", "dump", "--no-empty", "Acquire::http", "Acquire::https"]))
    (folder / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
    policy = folder / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


def _pack(folder, tarball):
    half = f"{tarball}.{os.getpid()}"
    subprocess.run(["tar", "--one-file-system", "--exclude=./var/cache/apt/archives/*.deb", "-C", str(folder), "-cf", half, "."], check=True, timeout=300)
    os.replace(half, tarball)


class Root:
    """One Debian root; use it as a context. run() is alone on its own loopback network unless network=True."""

    def __init__(self, path):
        self.path = Path(path)
        for name in ("resolv.conf", "hosts"):
            shutil.copyfile(f"/etc/{name}", self.path / "etc" / name)
        self._holder = subprocess.Popen([*NAMESPACES, "--net", "/usr/bin/python3", "-c", HOLDER, str(self.path), str(cache() / "archives")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._holder.stdout.readline() != "ready\n":
            self.close()
            raise RuntimeError("the root's namespaces could not be set up")
        inner = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text(encoding="ascii").split()
        self._first = inner[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def enter(self, network=False):
        """The beginning of a command line that stays on the machine's own files, but in the root's namespaces: its processes, mounts, loopback."""
        return ["nsenter", "--target", self._first, "--mount", "--pid", *([] if network else ["--net"]), "--"]

    def run(self, argv, network=False, check=True, stdin="", timeout=600, env=None):
        """Runs argv in the root and returns what subprocess.run does; stdout has stderr too."""
        done = subprocess.run([*self.enter(network), "chroot", str(self.path), *map(str, argv)], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False, timeout=timeout * paths.PATIENCE, env={**ENVIRONMENT, **(env or {})})
        assert not check or done.returncode == 0, f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout[-4000:]}"
        return done

    def spawn(self, argv, output, env=None):
        """Starts argv in the root, its output in a file of the machine's; it ends with the root at the latest."""
        with open(output, "ab") as sink:
            return subprocess.Popen([*self.enter(), "chroot", str(self.path), *map(str, argv)], stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
                                    env={**ENVIRONMENT, **(env or {})})

    def apt(self, *arguments, check=True):
        """apt-get with these arguments, with the machine's network and without questions."""
        return self.run(["apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3", *arguments], network=True, check=check)

    def close(self):
        """Ends every process in the root and its mounts, and removes the folder."""
        self._holder.stdin.close()
        try:
            self._holder.wait(10)
        except subprocess.TimeoutExpired:
            self._holder.kill()
            self._holder.wait()
        self._holder.stdout.close()
        if not paths.KEEP:
            shutil.rmtree(self.path, ignore_errors=True)


def make_root(path, packages=()):
    """A Root in the new folder `path`, with these packages installed. The second of the same kind in a session is unpacked from a tarball."""
    need_root_permission()
    packages = sorted(packages)
    base, tarball = cache() / "base.tar", cache() / f"{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:16]}.tar"
    path = Path(path)
    path.mkdir(mode=0o755)
    try:
        ready = next((t for t in (tarball, base) if t.exists()), None)
        if ready:
            subprocess.run(["tar", "-C", str(path), "-xpf", str(ready)], check=True, timeout=300)
        else:
            _bootstrap(path)
        root = Root(path)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    try:
        if not ready:
            root.apt("update")
            _pack(path, base)
        if ready != tarball and packages:
            root.apt("install", *packages)
            _pack(path, tarball)
    except BaseException:
        root.close()
        raise
    return root
