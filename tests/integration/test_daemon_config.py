# SPDX-License-Identifier: Apache-2.0
"""mcpauth-admind -n: every key's refusals, word for word enough to act on: file, line, what is wrong, what to write instead."""
import os
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "mcpauth-admind" / "config.c"

REFUSED = {
    "Listen": [("0.0.0.0:9860", "no loopback address"), ("9860", "no loopback address"), ("127.0.0.1:0", "no loopback"), ("unix:relative", "no loopback"),
               ("localhost:9860", "no loopback"), ("[::]:9860", "no loopback"), ("127.0.0.1:99999", "no loopback")],
    "Socket": [("run/mcpauth.sock", "no absolute path"), ("/" + "x" * 120, "too long for a socket")],
    "StateDir": [("state", "no absolute path"), ("/nonexistent", "No such file or directory; make it: install -d")],
    "SpoolDir": [("spool", "no absolute path"), ("/nonexistent", "No such file or directory; make it"), ("/etc/passwd", "is no directory")],
    "JournalDir": [("journal", "no absolute path"), ("/nonexistent", "No such file or directory"), ("/", "belongs to uid 0")],
    "JournalFileSize": [("1k", "out of range; write a size from 64k"), ("5g", "out of range"), ("64x", "out of range"), ("lots", "out of range"), ("-1", "out of range")],
    "JournalRetentionDays": [("0", "out of range; write a number of days from 1"), ("ninety", "out of range"), ("-1", "out of range"), ("4000", "out of range")],
    "PeerUser": [("no-such-user", "there is no such user; name the user")],
    "KeyRefresh": [("0", "out of range; write a duration"), ("2weeks", "out of range"), ("25h", "out of range")],
    "KeyMaxStale": [("0s", "out of range"), ("31d", "out of range"), ("1min", "KeyMaxStale is shorter than KeyRefresh")],
    "Alert": [("coffee threshold=1", "is not built in; write auth_failures"), ("auth_failures", "says nothing"), ("auth_failures threshold=many", "more than N"),
              ("auth_failures window=0", "a duration from 1s"), ("auth_failures by=subject", "by=address"), ("auth_failures by=", "by=address"),
              ("auth_failures severity=loud", "severity=critical"), ("keys_stale threshold=3", "write window= severity="), ("keys_stale of", "write window="),
              ("module_silent window", "write window=")],
    "Alertmanager": [("alertmanager:9093", "no http or https URL"), ("ftp://x/", "no http or https URL")],
    "Webhook": [("hooks.example.com secret-file=/x", "no http or https URL"), ("https://hooks.example.com/", "no secret-file=PATH"),
                ("https://hooks.example.com/ secret-file=x", "no secret-file=PATH"), ("https://hooks.example.com/ secret-file=/nonexistent", "openssl rand")],
    "Forward": [("fax 555-1234", "write Forward syslog ADDRESS"), ("syslog logs.example.com:6514", "tls://HOST:PORT"), ("otlp https://x.example/ colour=red", "name=, header-file="),
                ("otlp https://x.example/ ca=/nonexistent", "name a readable PEM file")],
    "Issuer": [("auth.example.com", "write the https URL"), ("http://auth.example.com", "write the https URL"), ("https://a.example alg=HS256", "write alg=RS256"),
               ("https://a.example alg=none", "write alg=RS256"), ("https://a.example rotate=1h", "duration from 24h"), ("https://a.example rotate=soon", "duration from 24h"),
               ("https://a.example overlap=23h", "from 24h, for so long may tokens live"), ("https://a.example overlap=15d", "to 14d"),
               ("https://a.example bits=1024", "write bits=2048"), ("https://a.example alg=ES256 bits=4096", "alg=RS256 only"), ("https://a.example colour=red", "write alg=, rotate=")],
    "IssuerKeyDir": [("keys", "no absolute path")],
    "AdminTokenFile": [("token", "no absolute path"), ("/nonexistent", "No such file or directory; make it: (umask 077"), ("/etc/passwd", "chmod 0600")],
    "LogLevel": [("loud", "is no level; write err, warning")],
    "AllowInsecureFetch": [("on", "loopback addresses only"), ("everywhere", "loopback addresses only")],
    "KeyCAFile": [("ca.pem", "no absolute path"), ("/nonexistent", "name a readable PEM file")],
    "AllowPrivateFetch": [("maybe", "neither on nor off")],
}


def test_every_key_of_the_table_is_refused_somewhere():
    keys = re.findall(r'^    \{ "(\w+)", set_', SOURCE.read_text(), re.M)
    assert sorted(keys) == sorted(REFUSED) and len(keys) > 10


@pytest.fixture(scope="module")
def admind(module_world):
    return module_world.admind(start=False)


def check(admind, text):
    admind.config = text
    admind.write_config()
    return admind.check_config()


def line_of(admind, text):
    for number, line in enumerate(admind.conf_path.read_text().splitlines(), 1):
        if line.startswith(text):
            return number
    raise AssertionError(text)


def test_a_good_configuration_is_ok(admind):
    status, output = check(admind, "# a comment\n\n  LogLevel\tdebug # another\nAlert auth_failures threshold=3 window=1min by=address severity=critical\n"
                                   "Alert keys_stale off\nalertmanager http://127.0.0.1:9093\nAlertmanager https://am.example/\nKeyRefresh 30s\n")
    assert (status, output) == (0, "OK\n")


@pytest.mark.parametrize("key, value, words", [(k, v, w) for k, rows in REFUSED.items() for v, w in rows])
def test_refusals_name_the_line_and_the_mend(admind, key, value, words):
    status, output = check(admind, f"{key} {value}\n")
    assert status == 1
    assert words in output
    assert output.startswith(f"{admind.conf_path}:{line_of(admind, key)}: ") and output.count("\n") == 1 and "; " in output


@pytest.mark.parametrize("key", REFUSED)
def test_a_key_without_a_value_is_refused(admind, key):
    status, output = check(admind, f"{key}\n")
    assert status == 1 and f"{key} has no value; write " in output


@pytest.mark.parametrize("key", [k for k in REFUSED if k not in ("Alert", "Webhook", "Forward", "Issuer")])
def test_a_value_too_many_is_refused(admind, key):
    status, output = check(admind, f"{key} a b\n")
    assert status == 1 and f"{key} takes no 'b'; write " in output


@pytest.mark.parametrize("key", [k for k in REFUSED if k not in ("Alert", "Webhook", "Alertmanager", "Forward", "PeerUser")])
def test_a_key_stands_once(admind, key):
    good = {"Listen": f"127.0.0.1:{admind.port}", "Socket": admind.dirs.socket, "StateDir": admind.dirs.state, "SpoolDir": admind.dirs.spool,
            "JournalDir": admind.dirs.journal, "JournalRetentionDays": 1, "JournalFileSize": "1m", "KeyRefresh": "1min", "KeyMaxStale": "1h", "AdminTokenFile": "/x",
            "LogLevel": "info", "Issuer": "https://a.example", "IssuerKeyDir": "/x", "AllowInsecureFetch": "loopback", "KeyCAFile": "/x", "AllowPrivateFetch": "on"}[key]
    status, output = check(admind, f"{key} {good}\n{key} {good}\n")
    assert status == 1 and re.search(rf"{key} stands in line \d+ already; keep one", output)


@pytest.mark.parametrize("wrong, right", [("Listn", "Listen"), ("journaldir_", "JournalDir"), ("Alertmanger", "Alertmanager"), ("AdminToken", "AdminTokenFile")])
def test_an_unknown_key_suggests_the_nearest(admind, wrong, right):
    status, output = check(admind, f"{wrong} x\n")
    assert status == 1 and f"unknown key '{wrong}'; did you mean {right}?" in output


@pytest.mark.parametrize("text, words", [("LogLevel in\x01fo", "control character"), ("LogLevel in\0fo", "NUL byte"), ("Alert " + "x " * 40, "more than 16 words")])
def test_bytes_that_do_not_belong_are_refused(admind, text, words):
    status, output = check(admind, text + "\n")
    assert status == 1 and words in output


def test_a_missing_and_an_endless_file_are_refused(admind):
    check(admind, "#" * 70000)
    assert "longer than 64 KiB" in admind.check_config()[1]
    admind.conf_path.unlink()
    status, output = admind.check_config()
    assert status == 1 and "No such file or directory; give a readable file with -c" in output


@pytest.fixture
def fresh(world):
    return world.admind(start=False)


def mode(path, bits):
    os.chmod(path, os.stat(path).st_mode | bits)


@pytest.mark.parametrize("name, where, change, words", [
    ("StateDir", "state", 0o002, "is open to others (mode 0757); close it: chmod 0755"),
    ("StateDir", "state", 0o020, "is open to others (mode 0775)"),
    ("StateDir", "keys", 0o002, "is open to others"),
    ("SpoolDir", "spool", 0o002, "may be written to by everybody; chmod o-w"),
    ("JournalDir", "journal", 0o004, "is open to others (mode 0754); close it: chmod 0750"),
    ("JournalDir", "journal", 0o020, "is open to others"),
    ("Socket", "run", 0o020, "is open to others"),
    ("Socket", "run", 0o002, "is open to others"),
])
def test_a_directory_that_others_may_write_to_stops_the_start(fresh, name, where, change, words):
    assert fresh.check_config() == (0, "OK\n")
    mode(getattr(fresh.dirs, where), change)
    status, output = fresh.check_config()
    assert status == 1 and words in output and re.search(rf"conf:\d+: {name} ", output)


@pytest.mark.parametrize("where, words", [("state", "belongs to uid 33"), ("keys", "belongs to uid 33"), ("journal", "belongs to uid 33"), ("run", "belongs to uid 33")])
def test_a_directory_of_somebody_else_stops_the_start(fresh, where, words):
    os.chown(getattr(fresh.dirs, where), 33, -1)
    status, output = fresh.check_config()
    assert status == 1 and words in output and "chown " in output


def test_a_spool_that_is_not_peer_users_stops_the_start(fresh):
    os.chown(fresh.dirs.spool, 0, -1)
    assert "belongs to uid 0, not to PeerUser www-data; chown www-data" in fresh.check_config()[1]


def test_a_spool_for_a_strange_group_stops_the_start(fresh):
    os.chown(fresh.dirs.spool, -1, 4242)
    status, output = fresh.check_config()
    assert status == 1 and "may be written to by group 4242" in output


def test_a_configuration_that_others_may_change_is_refused(fresh):
    mode(fresh.conf_path, 0o002)
    assert "may be changed by others; chown root" in fresh.check_config()[1]


@pytest.mark.parametrize("content, bits, owner, words", [
    ("short\n", 0o600, "daemon", "no secret of at least 16"), ("a" * 20 + " b\n", 0o600, "daemon", "no secret of at least 16"),
    ("a" * 2000, 0o600, "daemon", "cannot be read"), ("a" * 32, 0o640, "daemon", "chmod 0600"), ("a" * 32, 0o604, "daemon", "chmod 0600"),
    ("a" * 32, 0o600, "www-data", "is no file of the daemon's user"), ("a" * 32, 0o600, "root", "cannot be read"),
])
@pytest.mark.parametrize("key", ["AdminTokenFile", "Webhook"])
def test_a_loose_secret_stops_the_start(fresh, key, content, bits, owner, words):
    import pwd
    secret = fresh.folder / "secret"
    secret.write_text(content)
    os.chmod(secret, bits)
    os.chown(secret, pwd.getpwnam(owner).pw_uid, -1)
    status, output = check(fresh, f"AdminTokenFile {secret}\n" if key == "AdminTokenFile" else f"Webhook https://x.example/ secret-file={secret}\n")
    assert status == 1 and words in output and content.strip() not in output


def test_a_reload_with_a_bad_file_changes_nothing(world):
    from harness.process import wait_until
    admind = world.admind()
    admind.config = "LogLevel loud"
    admind.write_config()
    admind.reload()
    wait_until(lambda: "the old configuration stays in use" in admind.log(), 5, admind.log)
    assert admind.get("/healthz").status == 200


def test_a_reload_that_cannot_start_goes_back(world):
    import socket
    from harness.process import free_port, wait_until
    admind = world.admind()
    with socket.socket() as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        admind.config = f"Listen 127.0.0.1:{port}"
        admind.write_config()
        admind.reload()
        wait_until(lambda: "going on with the old configuration" in admind.log(), 5, admind.log)
    wait_until(lambda: admind.get("/healthz").status == 200, 5)


def test_a_reload_takes_every_key(world):
    from harness.process import free_port, wait_until
    from harness import client
    admind = world.admind()
    port = free_port()
    admind.config = f"Listen 127.0.0.1:{port}"
    admind.write_config()
    admind.reload()

    def moved():
        try:
            return client.send(port, path="/healthz", timeout=2).status == 200
        except OSError:
            return False

    wait_until(moved, 5, admind.log)
    with pytest.raises(OSError):
        admind.get("/healthz")


def test_usage_and_version(admind):
    import subprocess
    run = lambda *a: subprocess.run([str(admind.program), *a], capture_output=True, text=True, check=False, timeout=20)  # noqa: E731
    assert re.fullmatch(r"mcpauth-admind \d+\.\d+\.\d+\n", run("-V").stdout)
    assert run("-x").returncode == 2 and "usage: mcpauth-admind" in run("-x").stderr
    assert run("extra").returncode == 2
    assert run("-h").returncode == 0


def test_the_background_start_tells_whether_it_worked(world):
    import subprocess
    from harness.process import wait_until
    admind = world.admind(start=False)
    argv = admind._argv()[:-1]  # without -f
    done = subprocess.run(argv, env=admind._env(), capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    status = admind.get("/status").json()
    try:
        failed = subprocess.run(argv, env=admind._env(), capture_output=True, text=True, check=False, timeout=30)
        assert failed.returncode == 1 and "another mcpauth-admind writes here" in failed.stderr
    finally:
        os.kill(status["pid"], 15)
    wait_until(lambda: not os.path.exists(f"/proc/{status['pid']}"), 10, "the daemon to leave")


def test_systemd_is_told_what_happens(world):
    import socket
    path = world.dirs.run / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        os.chmod(path, 0o666)
        systemd.settimeout(10)
        admind = world.admind(env={"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "2000000"})  # not so often that a slow reader's queue is full
        seen = [systemd.recv(4096).decode()]
        assert seen == [f"READY=1\nSTATUS=serving {world.dirs.socket} and 127.0.0.1:{admind.port}"]
        message = systemd.recv(4096).decode()
        assert message.startswith("WATCHDOG=1\nSTATUS=0 children linked, journal ok")

        def next_but_watchdog():
            while True:
                text = systemd.recv(4096).decode()
                if not text.startswith("WATCHDOG"):
                    return text

        admind.reload()
        assert re.fullmatch(r"RELOADING=1\nSTATUS=reloading\nMONOTONIC_USEC=\d+", next_but_watchdog())
        assert next_but_watchdog() == seen[0]
        assert admind.stop() == 0
        assert next_but_watchdog() == "STOPPING=1\nSTATUS=leaving"
