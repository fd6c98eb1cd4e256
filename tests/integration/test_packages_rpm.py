# SPDX-License-Identifier: Apache-2.0
"""The RPM spec, built by rpmbuild from the tarball of `make dist`. There is no Enterprise Linux here: what its apxs and its macros for systemd answer is
put in their place, and what it requires for a build is not asked for. So this shows that the spec builds and packs what is installed, not that it installs
there."""
import os
import subprocess

import pytest

from harness import SOURCE, paths

pytestmark = [pytest.mark.alone, pytest.mark.slow]
APXS = """#!/bin/sh
# As httpd-devel's answers.
[ "$1" = -q ] && case "$2" in
LIBEXECDIR) echo /usr/lib64/httpd/modules; exit ;;
PROGNAME) echo httpd; exit ;;
esac
exec "%s" "$@"
"""
MACROS = {
    "_libdir": "/usr/lib64", "_unitdir": "/usr/lib/systemd/system", "_tmpfilesdir": "/usr/lib/tmpfiles.d", "_sysusersdir": "/usr/lib/sysusers.d",
    **{f"{name}()": "true" for name in ("tmpfiles_create", "systemd_post", "systemd_preun", "systemd_postun_with_restart")}}
PACKED = {
    "mcpauth": {
        "/usr/sbin/mcpauth-admind", "/usr/bin/mcpauthctl", "/usr/lib/systemd/system/mcpauth-admind.service", "/usr/lib/tmpfiles.d/mcpauth.conf",
        "/usr/lib/sysusers.d/mcpauth.conf", "/etc/mcpauth/mcpauth-admind.conf", "/usr/share/mcpauth/prometheus/mcpauth.rules.yml",
        "/usr/share/mcpauth/grafana/mcpauth.json", "/usr/share/doc/mcpauth-{version}/README.md", "/usr/share/doc/mcpauth-{version}/docs/operations.md"},
    "mod_mcp_auth": {
        "/usr/lib64/httpd/modules/mod_mcp_auth.so", "/etc/httpd/conf.modules.d/90-mcp_auth.conf", "/usr/lib/systemd/system/httpd.service.d/mcpauth.conf"},
}


def run(*argv, **more):
    return subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)


@pytest.fixture(scope="module")
def rpms(tmp_path_factory):
    """{package: its file}"""
    if paths.SANITIZE or paths.VALGRIND:
        pytest.skip("packages are made of no instrumented build")
    top = tmp_path_factory.mktemp("rpm")
    (top / "SOURCES").mkdir()
    (top / "bin").mkdir()
    apxs = top / "bin/apxs"
    apxs.write_text(APXS % paths.need("apxs"))
    apxs.chmod(0o755)
    done = run("make", "-C", paths.BUILD, "dist", timeout=600)
    assert done.returncode == 0, done.stdout[-3000:]
    tarball = max(paths.BUILD.glob("mcpauth-*.tar.gz"), key=lambda p: p.stat().st_mtime)
    (top / "SOURCES" / tarball.name).write_bytes(tarball.read_bytes())
    defines = [part for name, value in {"_topdir": top, **MACROS}.items() for part in ("--define", f"{name} {value}")]
    done = run(paths.need("rpmbuild"), "-bb", "--nodeps", *defines, SOURCE / "conf/packaging/mcpauth.spec", timeout=900,
               env={**os.environ, "PATH": f"{top / 'bin'}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stdout[-4000:]
    return {file.name.rsplit("-", 2)[0]: file for file in top.glob("RPMS/*/*.rpm")}


def test_the_packages_hold_what_is_installed(rpms):
    assert set(rpms) >= set(PACKED)
    for package, wanted in PACKED.items():
        version = rpms[package].name.rsplit("-", 2)[1]
        said = run("rpm", "-qlp", rpms[package]).stdout.splitlines()
        assert {path.format(version=version) for path in wanted} <= set(said), said
        assert not [path for path in said if path.endswith(".la")]


def test_the_daemon_is_told_the_user_that_httpd_has_there(rpms):
    done = run("sh", "-c", 'rpm2cpio "$0" | cpio -i --quiet --to-stdout "*/etc/mcpauth/mcpauth-admind.conf" "*/usr/lib/tmpfiles.d/mcpauth.conf"', rpms["mcpauth"])
    assert "apache" in done.stdout and "www-data" not in done.stdout, done.stdout
