# SPDX-License-Identifier: Apache-2.0
""".ci/setup in a Debian of its own: what it installs for the tests changes nothing of the Apache and the services that are there."""
import os
import shutil
from pathlib import Path

import pytest

from harness import SOURCE
from harness.debroot import make_root

pytestmark = [pytest.mark.alone, pytest.mark.slow]
# Makes a link of its own while apt is at work, as somebody else may.
APT = """#!/bin/sh
ln -sf /lib/systemd/system/getty@.service /etc/systemd/system/meanwhile.service
exec /usr/bin/apt-get "$@"
"""


@pytest.fixture(scope="module")
def root():
    # The packages of test_packages.py, so that its tarball does for both.
    with make_root(Path("/tmp") / f"mcpauth-setup-{os.getpid()}", ["apache2", "systemd", "systemd-sysv"]) as made:
        yield made


def links(root):
    return set(root.run(["find", "/etc/apache2", "/etc/systemd/system", "/etc/rc2.d", "-type", "l"]).stdout.split())


def test_what_the_tests_need_is_installed_and_not_enabled(root):
    shutil.copytree(SOURCE / ".ci", root.path / "srv/.ci")
    (root.path / "srv/.ci/packages").write_text("check libapache2-mod-auth-openidc\ncheck rsyslog\n")
    for name, text in {"apt-get": APT, "npm": "#!/bin/sh\n"}.items():
        (root.path / "usr/local/bin" / name).write_text(text)
        (root.path / "usr/local/bin" / name).chmod(0o755)
    before = links(root)
    root.run(["/srv/.ci/setup", "check"], network=True, env={"MCPAUTH_LOGS": "/srv/logs"})
    assert (root.path / "etc/apache2/mods-available/auth_openidc.load").exists() and (root.path / "usr/sbin/rsyslogd").exists()
    assert "auth_openidc.load" in (root.path / "srv/logs/apt-leave.log").read_text()
    assert links(root) - before == {"/etc/systemd/system/meanwhile.service"}
    assert before <= links(root)
