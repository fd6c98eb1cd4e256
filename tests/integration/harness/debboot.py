# SPDX-License-Identifier: Apache-2.0
"""A root of debroot.py booted: its own systemd is the first process of its own namespaces, so that units are tried as they are, sandbox and all.

    with Booted(root, log) as machine:      # the packages systemd and systemd-sysv are in the root
        machine.run(["systemctl", "is-active", "x.service"])

What it could do to the machine is taken from it: the kernel's settings and devices are read-only or not there, the network is a loopback of its own,
and its control groups are below one that is removed at the end."""
import itertools
import os
import subprocess
import time
from pathlib import Path

import pytest

from . import paths
from .debroot import ENVIRONMENT

# In a mount namespace of its own. $1: the root.
INIT = r"""
set -eu
cd "$1"
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --bind proc/sys proc/sys && mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
if [ "$2" = unified ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do : >dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
pivot_root . mnt
umount -l /mnt
# As a systemd that thinks itself in a container expects it: credentials come in by propagation.
mount --make-rshared /
exec env -i container=mcpauth-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio,-syslog /lib/systemd/systemd --show-status=0 </dev/null
"""
SPACES = ["unshare", "--cgroup", "--mount", "--propagation", "private", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL"]
# What systemctl is-system-running says of one that has come up, and of one that still starts its units.
BOOTED = ("running", "degraded")
BOOTING = ("initializing", "starting", "maintenance")
_numbers = itertools.count()


def _groups():
    """(kind, folders): a control group for us alone in each hierarchy that systemd keeps its units in."""
    base, name = Path("/sys/fs/cgroup"), f"mcpauth-test-{os.getpid()}-{next(_numbers)}"
    own = dict((kind, path) for _, kind, path in (line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()))
    if (base / "cgroup.controllers").exists():
        return "unified", [base / own[""].lstrip("/") / name]
    if (base / "systemd").is_dir() and (base / "unified").is_dir():
        return "hybrid", [base / "systemd" / own["name=systemd"].lstrip("/") / name, base / "unified" / own[""].lstrip("/") / name]
    pytest.skip("NOT TESTED: systemd in a root of its own needs control groups as systemd has them")


class Booted:
    def __init__(self, root, log):
        self.log = Path(log)
        kind, self._folders = _groups()
        try:
            for folder in self._folders:
                folder.mkdir()
        except OSError as e:
            self._remove_groups()
            pytest.skip(f"NOT TESTED: systemd in a root of its own: {e}")
        join = "".join(f"echo $$ >{folder}/cgroup.procs && " for folder in self._folders)
        with open(self.log, "wb") as sink:
            self._outer = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "sh", "-c", join + 'exec "$@"', "sh", *SPACES, "sh", "-c", INIT, "sh", str(root.path), kind],
                                           stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
        state = self._wait_booted()
        if state in BOOTED:
            return
        jobs = self.run(["systemctl", "--no-pager", "list-jobs"], check=False).stdout if state in BOOTING and self._outer.poll() is None else ""
        self.close()
        said = f"systemd does not come up in a root of its own ({state}): {self.log.read_text(errors='replace')[-500:]}"
        # It is there and waits for a unit: that is the unit's fault, and no lack of this machine.
        assert state not in BOOTING, f"{said}\n{jobs}"
        pytest.skip(f"NOT TESTED: {said}")

    def _wait_booted(self):
        begun = time.monotonic()
        state = "nothing"
        while self._outer.poll() is None and state not in BOOTED and time.monotonic() < begun + (300 if state in BOOTING else 60) * paths.PATIENCE:
            time.sleep(0.2)
            inner = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text(encoding="ascii").split()
            # Not before it is systemd: until then its namespaces are still being furnished.
            if inner and Path(f"/proc/{inner[0]}/comm").read_text(encoding="ascii") == "systemd\n":
                self._first = inner[0]
                state = self.run(["systemctl", "is-system-running"], check=False).stdout.strip().splitlines()[-1:]
                state = state[0] if state else "silence"
        return state

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def run(self, argv, check=True, timeout=120):
        done = subprocess.run(["nsenter", "--target", self._first, "--all", "--", *map(str, argv)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout * paths.PATIENCE, env=ENVIRONMENT)
        assert not check or done.returncode == 0, f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout[-4000:]}"
        return done

    def python(self, code, *arguments):
        """Runs this machine's python with the booted one's network, as the root has none. Returns what it prints."""
        return subprocess.run(["nsenter", "--target", self._first, "--net", "--", "/usr/bin/python3", "-c", code, *map(str, arguments)], stdout=subprocess.PIPE,
                              text=True, check=True, timeout=120 * paths.PATIENCE).stdout

    def show(self, unit, member):
        return self.run(["systemctl", "show", "--value", "--property", member, unit]).stdout.strip()

    def _remove_groups(self):
        for top in self._folders:
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass

    def close(self):
        if self._outer.poll() is None:
            self._outer.kill()  # and with it everything in there
        self._outer.wait()
        deadline = time.monotonic() + 20
        while any(folder.exists() for folder in self._folders) and time.monotonic() < deadline:
            self._remove_groups()
            time.sleep(0.1)
