# SPDX-License-Identifier: Apache-2.0
"""The Debian packages in a Debian of their own: built, looked at by lintian, installed by apt, run by systemd in the unit's sandbox, upgraded, removed
and purged. The tests stand in that order, for each goes on where the one before it left the root."""
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import SOURCE, paths, wait_until
from harness.debboot import Booted
from harness.debroot import make_root

pytestmark = [pytest.mark.alone, pytest.mark.slow]
UNIT = "mcpauth-admind.service"
GUARD = """ServerName mcp.example.com
MCPAuthIssuer https://login.example.com/
<Location "/">
    MCPAuth         On
    MCPAuthResource https://mcp.example.com/
    MCPAuthScope    mcp:tools.read
    MCPAuthInspect  Off
</Location>
"""
# Status and one header of an answer; in there nothing but python3 of this machine speaks HTTP.
ASK = """
import sys, urllib.request, urllib.error
try:
    answer = urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers=dict(h.split(": ") for h in sys.argv[2:])), timeout=20)
except urllib.error.HTTPError as e:
    answer = e
print(answer.status, answer.headers.get("WWW-Authenticate"))
"""


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    """{package: file}"""
    if paths.SANITIZE or paths.VALGRIND:
        pytest.skip("packages are made of no instrumented build")
    done = subprocess.run(["make", "-C", str(paths.BUILD), "deb"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=1200)
    assert done.returncode == 0, done.stdout[-4000:]
    found = {Path(name).name.split("_")[0]: Path(name) for name in re.findall(r"^\S+\.deb$", done.stdout, re.M)}
    assert {"mcpauth", "libapache2-mod-mcp-auth"} <= set(found)
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory, debs):
    folder = Path("/tmp") / f"mcpauth-deb-{os.getpid()}"
    with make_root(folder, ["apache2", "systemd", "systemd-sysv"]) as made:
        made.before = everything(made)
        yield made


def everything(root):
    """Every path in the root but what apt, dpkg and other programs' logs keep."""
    said = root.run(["find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/tmp", "-o", "-path", "/var/lib/dpkg", "-o", "-path", "/var/lib/apt",
                     "-o", "-path", "/var/cache", "-o", "-path", "/var/log/apt", "-o", "-path", "/var/log/journal", ")", "-prune", "-o", "-print"]).stdout
    return set(said.splitlines())


def install(root, *files, options=()):
    for file in files:
        shutil.copy(file, root.path / "tmp")
    return root.apt("install", *options, *(f"/tmp/{file.name}" for file in files))


def ours(debs):
    return debs["mcpauth"], debs["libapache2-mod-mcp-auth"]


def test_the_tarball_has_what_the_tests_read(debs):
    """./check works from the tarball too."""
    [tarball] = paths.BUILD.glob("mcpauth-*.tar.gz")
    with tarfile.open(tarball) as packed:
        names = {name.split("/", 1)[1] for name in packed.getnames() if "/" in name}
    wanted = {str(path.relative_to(SOURCE)) for part in ("bench", "torture") for path in (SOURCE / "tests" / part).rglob("*.py")}
    wanted |= {str(path.relative_to(SOURCE)) for part in ("conf/prometheus", "conf/grafana", "conf/kubernetes", "docs/man") for path in (SOURCE / part).rglob("*.*")}
    assert len(wanted) > 20 and not (wanted | {"tests/bench/baseline.json", "tests/unit/valgrind.supp"}) - names


def test_rules_and_dashboard_are_packed_as_they_are(debs):
    """Where docs/metrics.md takes the rules from, and not compressed."""
    files = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(debs["mcpauth"])], stdout=subprocess.PIPE, check=True, timeout=60).stdout
    with tarfile.open(fileobj=io.BytesIO(files)) as packed:
        for name in ("prometheus/mcpauth.rules.yml", "prometheus/scrape.yml", "grafana/mcpauth.json"):
            assert packed.extractfile(f"./usr/share/mcpauth/{name}").read() == (SOURCE / "conf" / name).read_bytes()
    assert "/usr/share/mcpauth/prometheus/mcpauth.rules.yml" in (SOURCE / "docs/metrics.md").read_text()


def test_lintian_finds_nothing(debs):
    done = subprocess.run(["lintian", "--fail-on=error,warning", "--tag-display-limit", "0", "--allow-root", *map(str, ours(debs))], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=300 * paths.PATIENCE)
    assert done.returncode == 0, done.stdout


def test_apt_installs_them_and_the_module_is_enabled(root, debs):
    install(root, *ours(debs))
    assert "enabled by" in root.run(["a2query", "-m", "mcp_auth"]).stdout
    assert root.run(["apachectl", "-t"]).stdout.splitlines()[-1] == "Syntax OK"
    assert "mcp_auth_module" in root.run(["apachectl", "-M"]).stdout


def test_user_and_directories_are_those_of_sysusers_and_tmpfiles(root):
    assert re.fullmatch(r"mcpauth:x:\d+:\d+:mcpauth daemon:/:/usr/sbin/nologin\n", root.run(["getent", "passwd", "mcpauth"]).stdout)
    rows = [line.split() for line in (SOURCE / "conf/mcpauth.tmpfiles").read_text().splitlines() if line.startswith("d ")]
    assert len(rows) == 7
    for _, path, mode, user, group, _ in rows:
        assert root.run(["stat", "-c", "%04a %U %G", path]).stdout.split() == [mode, user, group], path


def test_the_daemons_check_is_content(root):
    assert root.run(["runuser", "-u", "mcpauth", "--", "/usr/sbin/mcpauth-admind", "-n"]).stdout == "OK\n"


def test_systemd_finds_nothing_in_the_unit(root):
    assert root.run(["systemd-analyze", "verify", UNIT]).stdout == ""
    said = root.run(["systemd-analyze", "security", "--offline=yes", "--threshold=15", f"/lib/systemd/system/{UNIT}"]).stdout
    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said).group(1)) <= 1.5


# -- booted ----------------------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def configured(root):
    """apache2 with a guarded Location, in a sandbox stricter than Debian's own; the daemon with a secret from systemd and an impatient watchdog. What
    the tests after it cannot do with is taken away however it ends, also where nothing boots."""
    guard = root.path / "etc/apache2/conf-enabled/guard.conf"
    folders = {unit: root.path / f"etc/systemd/system/{unit}.service.d" for unit in ("apache2", "mcpauth-admind")}
    try:
        configure(root, guard, folders)
        yield
    finally:
        guard.unlink(missing_ok=True)
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)


def configure(root, guard, folders):
    guard.write_text(GUARD)
    secret = root.path / "etc/mcpauth/credentials/admin.token"
    secret.write_text("6c1f2a0d9b8e7c5a4f3d\n")
    secret.chmod(0o600)
    with open(root.path / "etc/mcpauth/mcpauth-admind.conf", "a", encoding="ascii") as f:
        f.write("AdminTokenFile credential:mcpauth_admin.token\nLogLevel info\n")
    for unit, lines in {"apache2": "ProtectSystem=strict\nReadWritePaths=/var/log/apache2 /run /var/lock", "mcpauth-admind": "WatchdogSec=3"}.items():
        folders[unit].mkdir()
        (folders[unit] / "test.conf").write_text(f"[Service]\n{lines}\n")


@pytest.fixture(scope="class")
def machine(root, tmp_path_factory):
    with configured(root), Booted(root, tmp_path_factory.mktemp("boot") / "console.log") as booted:
        yield booted
        booted.run(["systemctl", "stop", "apache2", UNIT])  # as at a shutdown, with what it tidies up


def test_where_nothing_boots_apache_is_left_as_it_was(tmp_path):
    """What could not be booted is skipped, and must not fail the tests that stand after it."""
    kept = [tmp_path / name for name in ("etc/apache2/conf-enabled", "etc/mcpauth/credentials", "etc/systemd/system")]
    for folder in kept:
        folder.mkdir(parents=True)
    with pytest.raises(pytest.skip.Exception), configured(SimpleNamespace(path=tmp_path)):
        assert len(list(tmp_path.rglob("*.conf"))) == 4
        pytest.skip("as Booted does")
    assert not any((*kept[0].iterdir(), *kept[2].iterdir()))


def log(machine):
    return machine.run(["journalctl", "--no-pager", "-o", "cat", "-u", UNIT, "-u", "apache2"], check=False).stdout


def ask(machine, url, *headers):
    status, challenge = machine.python(ASK, url, *headers).split(None, 1)
    return int(status), challenge


def status(machine):
    done = machine.run(["mcpauthctl", "status", "--json", "--token-file", "/etc/mcpauth/credentials/admin.token"], check=False)
    return json.loads(done.stdout) if done.stdout.startswith("{") else {}  # its exit status tells of health, and there are no keys here


def linked(machine):
    return wait_until(lambda: status(machine).get("links"), 60, lambda: "children of httpd at the daemon\n" + log(machine))


def main_pid(machine):
    return int(machine.show(UNIT, "MainPID"))


class TestBooted:
    """The installed root, for as long as its systemd runs."""

    def test_both_run_in_their_sandboxes(self, machine):
        for unit in (UNIT, "apache2.service"):
            wait_until(lambda unit=unit: machine.show(unit, "ActiveState") == "active", 60, lambda: log(machine) + machine.log.read_text(errors="replace")[-3000:])
        assert machine.show(UNIT, "StatusText").endswith("journal ok") or machine.show(UNIT, "StatusText").startswith("serving ")
        said = machine.run(["cat", f"/proc/{main_pid(machine)}/status"]).stdout
        assert re.search(r"^Seccomp:\s+2$", said, re.M) and re.search(r"^NoNewPrivs:\s+1$", said, re.M)
        assert re.search(r"^CapBnd:\s+0+$", said, re.M)

    def test_httpd_does_not_wait_for_the_daemon(self, machine):
        """One that reads its whole journal takes minutes until it is ready, and httpd can do without."""
        assert UNIT in machine.show("apache2.service", "Wants").split()
        assert UNIT not in machine.show("apache2.service", "After").split()

    def test_children_are_let_in_and_their_records_are_journalled(self, machine):
        """The peer's user is seen as it is, the socket is for httpd's group, and spool and policy can be written from httpd's sandbox."""
        assert linked(machine)
        assert machine.run(["stat", "-c", "%a %U %G", "/run/mcpauth/mcpauth.sock"]).stdout.split() == ["660", "mcpauth", "www-data"]
        code, challenge = ask(machine, "http://127.0.0.1/")
        assert code == 401 and challenge.startswith("Bearer ")
        search = ["mcpauthctl", "audit", "search", "--json", "--journal", "/var/log/mcpauth", "--reason", "no_token"]
        wait_until(lambda: '"no_token"' in machine.run(search, check=False).stdout, 60, lambda: "the record in the journal\n" + log(machine))

    def test_the_admin_token_came_by_systemd(self, machine):
        token = "6c1f2a0d9b8e7c5a4f3d"
        assert ask(machine, "http://127.0.0.1:9860/metrics")[0] == 401
        assert ask(machine, "http://127.0.0.1:9860/metrics", f"Authorization: Bearer {token}")[0] == 200
        assert token not in log(machine)

    def test_a_reload_keeps_the_process(self, machine):
        pid, linked_before = main_pid(machine), linked(machine)
        machine.run(["systemctl", "reload", UNIT])
        wait_until(lambda: "read again" in log(machine) and machine.show(UNIT, "SubState") == "running", 60, lambda: log(machine))
        assert main_pid(machine) == pid
        wait_until(lambda: linked(machine) == linked_before, 60, "the children to come back")

    def test_one_that_hangs_and_one_that_is_killed_are_started_again(self, machine):
        for number, result in (("STOP", "watchdog"), ("KILL", "signal")):
            pid = main_pid(machine)
            machine.run(["kill", f"-{number}", str(pid)])
            wait_until(lambda pid=pid: main_pid(machine) not in (0, pid) and machine.show(UNIT, "ActiveState") == "active", 60,
                       lambda number=number: f"another daemon after SIG{number}\n" + log(machine))
            assert f"Failed with result '{result}'" in machine.run(["journalctl", "--no-pager", "-o", "cat", "-u", UNIT]).stdout
        assert linked(machine)

    def test_a_stop_leaves_the_sockets_directory_and_httpd_goes_on(self, machine):
        machine.run(["systemctl", "stop", UNIT])
        assert machine.show(UNIT, "Result") == "success"
        assert machine.run(["stat", "-c", "%04a", "/run/mcpauth"]).stdout == "2755\n"
        assert ask(machine, "http://127.0.0.1/")[0] == 401
        machine.run(["systemctl", "start", UNIT])
        assert linked(machine)


# -- what becomes of it ------------------------------------------------------------------------------------------------------------------------


def later(deb, folder):
    """The same package with the next revision."""
    inside = folder / deb.stem
    subprocess.run(["dpkg-deb", "-R", str(deb), str(inside)], check=True, timeout=60)
    control = inside / "DEBIAN/control"
    control.write_text(control.read_text().replace("0.1.0-1", "0.1.0-2"))
    subprocess.run(["dpkg-deb", "-b", str(inside), str(folder)], check=True, stdout=subprocess.DEVNULL, timeout=60)
    return folder / deb.name.replace("0.1.0-1", "0.1.0-2")


def test_an_upgrade_keeps_what_was_configured_and_written(root, debs, tmp_path):
    conf = root.path / "etc/mcpauth/mcpauth-admind.conf"
    conf.write_text("# mine\nPeerUser www-data\n")
    kept = {path: path.read_bytes() for path in (conf, root.path / "var/log/mcpauth/note", root.path / "etc/mcpauth/credentials/mine")
            if path.exists() or path.write_text("kept\n")}
    root.run(["a2dismod", "mcp_auth"])
    install(root, *(later(deb, tmp_path) for deb in ours(debs)))
    assert root.run(["dpkg-query", "-W", "-f", "${Version}\n", "mcpauth", "libapache2-mod-mcp-auth"]).stdout == "0.1.0-2\n" * 2
    assert {path: path.read_bytes() for path in kept} == kept and len(kept) == 3
    assert root.run(["a2query", "-m", "mcp_auth"], check=False).returncode != 0, "who has switched it off must not find it on again"
    root.run(["a2enmod", "mcp_auth"])


def test_removed_it_leaves_configuration_and_journal_and_a_working_httpd(root):
    root.apt("remove", "libapache2-mod-mcp-auth", "mcpauth")
    assert root.run(["apachectl", "-t"]).stdout.splitlines()[-1] == "Syntax OK"
    assert not (root.path / "etc/apache2/mods-enabled/mcp_auth.load").is_symlink()
    assert (root.path / "etc/mcpauth/mcpauth-admind.conf").exists() and (root.path / "var/log/mcpauth/note").exists()


def test_purged_it_leaves_nothing_but_the_user(root):
    """A spool that is a file system of its own is emptied, and its mount point told of; the user stays, so that nobody inherits its files elsewhere."""
    spool = "/var/spool/mcpauth"
    root.run(["find", spool, "-mindepth", "1", "-delete"])
    root.run(["mount", "-t", "tmpfs", "tmpfs", spool])
    root.run(["touch", f"{spool}/note"])
    said = root.apt("purge", "libapache2-mod-mcp-auth", "mcpauth").stdout
    assert f"mcpauth: {spool} cannot be removed and stays" in said
    assert root.run(["ls", "-A", spool]).stdout == ""
    root.run(["umount", spool])
    root.run(["rmdir", spool])
    root.apt("autoremove", "--purge")
    left = {path for path in everything(root) - root.before if "mcp" in path}
    assert not left
    assert root.run(["getent", "passwd", "mcpauth"]).stdout.endswith(":/usr/sbin/nologin\n")
    assert root.run(["apachectl", "-t"]).stdout.splitlines()[-1] == "Syntax OK"
