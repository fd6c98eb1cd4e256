# SPDX-License-Identifier: Apache-2.0
"""conf/mcpauth-admind.service held against systemd's own analysis, and against what the daemon really asks of the kernel.
test_packages.py runs the unit under systemd where a machine allows that."""
import re
import stat
import subprocess

import pytest

from harness import SOURCE, paths, wait_until
from harness.paths import need

UNIT = SOURCE / "conf/mcpauth-admind.service"
TMPFILES = [line.split() for line in (SOURCE / "conf/mcpauth.tmpfiles").read_text().splitlines() if line.startswith("d ")]


def settings(text):
    """{key: [values]}, comments and sections left out."""
    found = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.M):
        found.setdefault(key, []).append(value)
    return found


def analyze(*argv):
    return subprocess.run([need("systemd-analyze"), *map(str, argv)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=60 * paths.PATIENCE)


def test_systemd_finds_nothing_in_it(tmp_path):
    """Where it is not installed the program is this build's."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/sbin/mcpauth-admind", str(paths.built_program("mcpauth-admind"))))
    done = analyze("verify", unit)
    assert done.returncode == 0 and UNIT.name not in done.stdout, done.stdout


def test_a_mistake_in_it_would_be_found(tmp_path):
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/sbin/mcpauth-admind", "/bin/true").replace("ProtectClock=yes", "ProtectClok=yes"))
    assert "ProtectClok" in analyze("verify", unit).stdout


def test_its_exposure_is_low():
    done = analyze("security", "--offline=yes", "--threshold=15", UNIT)
    assert done.returncode == 0, done.stdout
    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout).group(1)) <= 1.5


def test_the_peers_user_is_seen():
    """In a user namespace every other user is "nobody", and httpd's children would be turned away."""
    assert "PrivateUsers" not in settings(UNIT.read_text())


def test_it_may_write_where_the_daemons_defaults_are_and_nowhere_else():
    unit = settings(UNIT.read_text())
    writable = {path.lstrip("-") for line in unit["ReadWritePaths"] for path in line.split()}
    daemons = {path for _, path, mode, user, group, _ in TMPFILES if user == "mcpauth" or (group == "mcpauth" and int(mode, 8) & stat.S_IWGRP)}
    assert unit["ProtectSystem"] == ["strict"] and writable == daemons
    defaults = dict(re.findall(r'\{ "(\w+)", set_\w+, AT\(\w+\), "(/[^"]+)"', (SOURCE / "mcpauth-admind/config.c").read_text()))
    assert len(defaults) == 4
    for key, path in defaults.items():
        where = path + "/keys" if key == "StateDir" else path.rsplit("/", 1)[0] if key == "Socket" else path
        assert where in writable, key


def test_httpds_drop_in_lets_it_write_its_part():
    """Spool and state, which belong to httpd's user and to root; never the journal or the keys' own directory above."""
    assert settings((SOURCE / "conf/apache2-mcpauth.conf").read_text())["ReadWritePaths"] == ["-/var/lib/mcpauth -/var/spool/mcpauth"]


def test_httpd_does_not_wait_for_the_daemon():
    """In either file an order would do: with Type=notify it lasts until the whole journal is read."""
    drop_in, unit = settings((SOURCE / "conf/apache2-mcpauth.conf").read_text()), settings(UNIT.read_text())
    assert drop_in["Wants"] == [UNIT.name] and "After" not in drop_in and not {"Before", "RequiredBy"} & set(unit)


# -- system calls --------------------------------------------------------------------------------------------------------------------------------


def groups():
    """{name: members}, as systemd has them; members may be groups."""
    found, current = {}, None
    for line in analyze("syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            current = found.setdefault(line.strip(), set())
        elif line.startswith("    ") and current is not None and not line.strip().startswith("#"):
            current.add(line.strip())
    return found


def expand(names, table):
    calls = set()
    for name in names:
        calls |= expand(table[name], table) if name.startswith("@") else {name}
    return calls


def allowed():
    """As systemd reads the lines: the first allows, those with "~" take away again."""
    table, calls = groups(), set()
    for line in settings(UNIT.read_text())["SystemCallFilter"]:
        if line.startswith("~"):
            calls -= expand(line[1:].split(), table)
        else:
            calls |= expand(line.split(), table)
    return calls


def test_the_filter_is_read_as_systemd_reads_it():
    calls = allowed()
    assert {"epoll_wait", "openat", "sendto", "accept4"} <= calls and not {"mount", "ptrace", "setuid", "chown", "setrlimit", "bpf"} & calls


@pytest.mark.skipif(paths.SANITIZE or paths.VALGRIND, reason="an instrumented program asks for more")
def test_the_daemon_starts_where_limits_may_not_be_set(world):
    """As under a stricter filter than the unit's own."""
    admind = world.admind(start=False)
    traced = admind.folder / "traced"
    traced.write_text(f'#!/bin/sh\nexec {need("strace")} -D -f -qq -o /dev/null -e trace=prlimit64 -e inject=prlimit64:error=EPERM {admind.program} "$@"\n')
    traced.chmod(0o755)
    admind.program = traced
    admind.start(timeout=60)
    assert admind.get("/healthz").status == 200


@pytest.mark.skipif(paths.SANITIZE or paths.VALGRIND, reason="an instrumented program asks for more")
def test_the_daemon_gets_along_with_the_filter(world):
    """A life: it starts, fetches keys over TLS, serves a child and HTTP, resolves a name, is reloaded, writes and seals its journal, and leaves."""
    issuer = world.issuer(tls=True)
    stack = world.stack(issuer=issuer, admind=False)
    admind = stack.admind = world.admind(start=False, config=f"KeyCAFile {world.tls.certificate}\nAllowPrivateFetch on\n"
                                         "Forward otlp https://receiver.invalid/v1/logs from=begin\n")
    trace, traced = world.scratch / "trace", admind.folder / "traced"
    trace.touch()
    trace.chmod(0o666)
    traced.write_text(f'#!/bin/sh\nexec {need("strace")} -D -f -qq -o {trace} {admind.program} "$@"\n')
    traced.chmod(0o755)
    admind.program = traced
    admind.start(timeout=60)
    stack.wait_keys()
    assert stack.call(token=stack.token()).status == 200
    admind.wait_journal(1, decision="allow")
    assert admind.get("/metrics").status == 200
    admind.reload()
    wait_until(lambda: admind.log().count("MCPA2000") == 2, 30, "the reload")
    stack.wait_keys()
    wait_until(lambda: " clone3(" in trace.read_text(errors="replace"), 30, "the thread that resolves a name")
    admind.stop()
    wait_until(lambda: "exit_group(0)" in trace.read_text(errors="replace"), 30, "the end of the trace")
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.M))
    assert {"epoll_wait", "fdatasync", "connect", "clone3"} <= made, "it did not do what it was to do"
    assert made - allowed() == set()
