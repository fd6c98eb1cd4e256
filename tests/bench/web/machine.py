# SPDX-License-Identifier: Apache-2.0
"""Where and with what a run was made."""
import os
import platform
import re
import subprocess
import time
from pathlib import Path

from harness.paths import SOURCE

PACKAGES = ("apache2-bin", "libssl3", "libapache2-mod-auth-openidc", "libapache2-mod-oauth2", "nginx", "haproxy", "wrk")


def _output(argv):
    try:
        return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def describe():
    model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    names = re.search(r'^PRETTY_NAME="(.*)"$', Path("/etc/os-release").read_text(), re.M)
    versions = dict(line.split() for line in _output(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES]).splitlines() if len(line.split()) == 2)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "cpu": model.group(1) if model else platform.machine(), "cpus": os.cpu_count(),
        "kernel": platform.release(), "system": names.group(1) if names else platform.system(), "versions": versions,
        "commit": _output(["git", "-C", str(SOURCE), "rev-parse", "--short", "HEAD"]), "load_before": os.getloadavg()[0],
    }


def programs(machine):
    """The packages that were measured, with their versions."""
    return ", ".join(f"{name} {version}" for name, version in sorted(machine["versions"].items()))


def line(machine):
    """One line for a title."""
    return f"{machine['date']}, {machine['cpu']}, {machine['cpus']} CPUs, {machine['system']}, Linux {machine['kernel']}"
