# SPDX-License-Identifier: Apache-2.0
"""Where the spool may lie: an overlay lies where its upper layer lies, and one that cannot be seen is told of."""
import os
import subprocess

import pytest

from module_parts import fixed_stack


def mount(kind, where, options):
    done = subprocess.run(["mount", "-t", kind, "-o", options, kind, str(where)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"NOT TESTED: a spool on an overlay needs root, mount and overlayfs: {done.stderr.strip()}")


@pytest.fixture
def overlay(world):
    """The spool on an overlay whose upper layer is in memory; its folder is yielded."""
    base, mounted = world.scratch / "base", []
    base.mkdir()
    try:
        mount("tmpfs", base, "size=16m")
        mounted.append(base)
        for name in ("lower", "upper", "work"):
            (base / name).mkdir()
        mount("overlay", world.dirs.spool, f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work")
        mounted.append(world.dirs.spool)
        os.chown(world.dirs.spool, 33, 33)
        os.chmod(world.dirs.spool, 0o2770)
        yield base
    finally:
        for part in world.parts:
            part.stop()
        for where in reversed(mounted):
            subprocess.run(["umount", "-l", str(where)], check=False, stderr=subprocess.DEVNULL)


def test_a_spool_on_an_overlay_in_memory_is_refused_and_one_on_a_hidden_layer_is_warned_of(world, overlay):
    s = fixed_stack(world)
    s.httpd.stop()
    s.httpd.conf_path.write_text(s.httpd.conf_path.read_text().replace(" tmpfs=allow", ""))  # the harness writes it
    status, said = s.httpd.configtest()
    assert status != 0
    assert f"MCPA0127: {s.httpd.conf_path}:{s.httpd.line_of('MCPAuthSpoolDir')}: MCPAuthSpoolDir {world.dirs.spool}: lies in memory" in said, said
    # As inside a container: the path of the upper layer leads nowhere.
    subprocess.run(["umount", "-l", str(overlay)], check=True)
    status, said = s.httpd.configtest()
    assert status == 0, said
    s.httpd.start()
    assert "MCPA0130" in s.httpd.error_log()
    assert s.call(token=s.token()).status == 200
