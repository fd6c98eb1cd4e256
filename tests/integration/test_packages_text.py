# SPDX-License-Identifier: Apache-2.0
"""What packages are made from, as far as it can be seen without making them."""
import re
import subprocess

from harness import SOURCE
from harness.paths import need

PACKAGING = SOURCE / "conf/packaging"
SPEC = PACKAGING / "mcpauth.spec"


def said(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120)


def test_all_packages_have_the_programs_version():
    version = re.search(r"^AC_INIT\(\[mcpauth\], \[(.*?)\]\)", (SOURCE / "configure.ac").read_text(), re.M).group(1)
    assert re.match(rf"mcpauth \({re.escape(version)}-\d+\) ", (PACKAGING / "debian/changelog").read_text())
    assert re.search(rf"^Version: +{re.escape(version)}$", SPEC.read_text(), re.M)
    assert re.search(rf"^\* .* - {re.escape(version)}-\d+$", SPEC.read_text(), re.M)


def test_rpmlint_finds_nothing_in_the_spec():
    done = said(need("rpmlint"), "--strict", "-r", PACKAGING / "mcpauth.rpmlintrc", SPEC)
    assert done.returncode == 0 and " 0 errors, 0 warnings" in done.stdout, done.stdout


def test_rpm_reads_the_spec_and_makes_two_packages():
    done = said(need("rpmspec"), "--query", "--queryformat", "%{NAME}\n", SPEC)
    assert done.returncode == 0 and set(done.stdout.split()) >= {"mcpauth", "mod_mcp_auth"}, done.stdout


def test_the_spec_packs_whatever_is_installed_for_systemd_and_prometheus():
    """Each file that `make install` puts there has its line, with the directories the spec asks for."""
    files = SPEC.read_text().split("%files", 1)[1]
    for line in ("%{_datadir}/mcpauth", "%{_unitdir}/mcpauth-admind.service", "%{_unitdir}/httpd.service.d/mcpauth.conf", "%{_tmpfilesdir}/mcpauth.conf", "%{_sysusersdir}/mcpauth.conf"):
        assert f"\n{line}\n" in files


def test_ansibles_role_finds_the_module_where_the_spec_loads_it():
    """Under another name it would load the module a second time, or refuse a host whose module is loaded from elsewhere."""
    known = re.search(r"^__mcpauth_load_files: \[(\S+)\]$", (SOURCE / "ansible/roles/mcpauth/vars/RedHat.yml").read_text(), re.M).group(1)
    assert set(re.findall(r"%\{_sysconfdir\}(/httpd/conf\.modules\.d/\S+)", SPEC.read_text())) == {known.removeprefix("/etc")}


def test_users_and_groups_are_the_same_everywhere():
    """README's commands, sysusers and the spec make one user; README's directories are those of tmpfiles."""
    readme = (SOURCE / "README.md").read_text()
    made = {}
    for owner, group, mode, places in re.findall(r"install -d -o (\S+) +-g (\S+) +-m (\d+) (.*)", readme):
        made.update({path: (mode, owner, group) for path in places.split()})
    rows = [line.split() for line in (SOURCE / "conf/mcpauth.tmpfiles").read_text().splitlines() if line.startswith("d ")]
    assert {path: (mode, user, group) for _, path, mode, user, group, _ in rows} == made
    assert "useradd --system --user-group" in readme and " mcpauth\n" in readme
    assert re.search(r'^u mcpauth - "mcpauth daemon" - -$', (SOURCE / "conf/mcpauth.sysusers").read_text(), re.M)
    assert '-c "mcpauth daemon" mcpauth' in SPEC.read_text()
