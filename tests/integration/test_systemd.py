# SPDX-License-Identifier: Apache-2.0
"""The daemon under a service manager: what it tells it, and the secrets it is handed. test_systemd_unit.py has the unit's own tests."""
import os
import pwd
import re
import secrets
import shutil
import socket
import time

import pytest

from harness import wait_until
from harness.admind import USER


class Manager:
    """The receiving end of sd_notify(3)."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(20)

    def next(self, *skip):
        """The next message as a dictionary, without those that have a member of `skip`."""
        while True:
            message = dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))
            if not set(skip) & set(message):
                return message


@pytest.fixture
def abstract():
    name = "mcpauth-test-" + secrets.token_hex(8)
    manager = Manager("\0" + name)
    manager.name = "@" + name
    yield manager
    manager.socket.close()


def test_an_abstract_socket_is_told_as_well(world, abstract):
    admind = world.admind(env={"NOTIFY_SOCKET": abstract.name})
    assert abstract.next() == {"READY": "1", "STATUS": f"serving {world.dirs.socket} and 127.0.0.1:{admind.port}"}
    admind.stop()
    assert abstract.next()["STOPPING"] == "1"


def test_ready_is_said_when_both_doors_are_open(world, abstract):
    """At that moment, not a little later: what starts after the daemon connects at once."""
    admind = world.admind(start=False, env={"NOTIFY_SOCKET": abstract.name})
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        admind.start_unasked()
        assert abstract.next()["READY"] == "1"
        peer.connect(str(world.dirs.socket))
        assert admind.get("/healthz").status == 200
        assert any(world.dirs.journal.iterdir())
    finally:
        peer.close()
        admind.stop()


def test_a_reload_is_framed_by_reloading_and_ready(world, abstract):
    """Also one whose configuration is refused: the old one goes on, and the manager must not wait for ever."""
    admind = world.admind(env={"NOTIFY_SOCKET": abstract.name})
    abstract.next()
    for config in ("", "Nonsense 1\n"):
        before = time.monotonic_ns() // 1000
        admind.config = config
        admind.write_config()
        admind.reload()
        reloading = abstract.next()
        assert reloading["RELOADING"] == "1" and before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert abstract.next()["READY"] == "1"


def test_a_daemon_that_cannot_start_never_says_ready(world, abstract):
    admind = world.admind(start=False, config="Listen 127.0.0.1:1\n", env={"NOTIFY_SOCKET": abstract.name})
    with pytest.raises(AssertionError):
        admind.start()
    abstract.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        abstract.next()


def test_the_watchdog_of_another_process_is_not_fed(world, abstract):
    """WATCHDOG_USEC may be inherited from a service that starts the daemon by hand."""
    admind = world.admind(env={"NOTIFY_SOCKET": abstract.name, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"})
    assert abstract.next()["READY"] == "1"
    admind.stop()  # the first would have come at once
    assert abstract.next() == {"STOPPING": "1", "STATUS": "leaving"}


def test_a_daemon_that_hangs_does_not_feed_its_watchdog(world, abstract):
    admind = world.admind(env={"NOTIFY_SOCKET": abstract.name, "WATCHDOG_USEC": "100000"})
    assert [abstract.next("READY")["WATCHDOG"] for _ in range(3)] == ["1"] * 3
    admind.freeze()
    # The stop is seen by the process's state; what was sent before it is read away.
    wait_until(lambda: re.search(r"^State:\s+T", open(f"/proc/{admind.process.pid}/status", encoding="ascii").read(), re.M), 10, "the daemon to be stopped")
    abstract.socket.settimeout(0)
    with pytest.raises(BlockingIOError):
        while True:
            abstract.next()
    abstract.socket.settimeout(1)
    with pytest.raises(TimeoutError):
        abstract.next()
    abstract.socket.settimeout(20)
    admind.thaw()
    assert abstract.next()["WATCHDOG"] == "1"


# -- secrets that are handed over -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def handed(world):
    """As systemd does it: a directory for this service alone, the file root's, and the service's user let in by an ACL (which shows as 0440)."""
    folder = world.dirs.run.parent / "credentials"
    folder.mkdir(mode=0o755)
    token = secrets.token_hex(16)
    world.canaries.remember_text(token)
    file = folder / "mcpauth_admin.token"
    file.write_text(token + "\n")
    os.chown(file, 0, pwd.getpwnam(USER).pw_gid)
    file.chmod(0o440)
    yield folder, token
    shutil.rmtree(folder)


CONFIG = "AdminTokenFile credential:mcpauth_admin.token\n"


def test_the_admin_token_may_be_a_credential(world, handed):
    folder, token = handed
    admind = world.admind(CONFIG, env={"CREDENTIALS_DIRECTORY": str(folder)})
    assert admind.get("/metrics").status == 401
    assert admind.get("/metrics", headers=[("Authorization", f"Bearer {token}")]).status == 200


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o640, 0o550])
def test_a_credential_that_others_may_use_is_refused(world, handed, mode):
    folder, _ = handed
    (folder / "mcpauth_admin.token").chmod(mode)
    admind = world.admind(CONFIG, start=False, env={"CREDENTIALS_DIRECTORY": str(folder)})
    status, said = admind.check_config()
    if mode == 0o640:  # root's own right to write is not used against us
        assert status == 0
    else:
        assert status == 1 and f"AdminTokenFile {folder}/mcpauth_admin.token: may be used by others (mode {mode:04o})" in said


def test_a_file_elsewhere_with_the_same_mode_is_refused(world, handed, tmp_path):
    folder, _ = handed
    admind = world.admind(CONFIG.replace("credential:", f"{folder}/"), start=False, env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    status, said = admind.check_config()
    assert status == 1 and "may be used by others (mode 0440)" in said


def test_a_credential_nobody_handed_over_stops_the_start_but_not_the_check(world):
    admind = world.admind(CONFIG, start=False)
    status, said = admind.check_config()
    assert status == 0 and said.splitlines()[-1] == "OK" and "credential:NAME was not looked at" in said
    with pytest.raises(AssertionError, match=r"AdminTokenFile credential:mcpauth_admin\.token: nobody hands over credentials here; let systemd start"):
        admind.start()


def test_a_credential_that_is_not_among_them_is_named(world, handed):
    folder, _ = handed
    admind = world.admind("AdminTokenFile credential:other\n", start=False, env={"CREDENTIALS_DIRECTORY": str(folder)})
    status, said = admind.check_config()
    assert status == 1 and f"AdminTokenFile {folder}/other: No such file" in said
