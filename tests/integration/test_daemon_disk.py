# SPDX-License-Identifier: Apache-2.0
"""A disk that does not answer: HTTP goes on, and says so."""
import subprocess

import pytest

from daemon_child import Child, request
from harness import paths
from harness.process import wait_until

# While the file stands there, a sync does not return.
SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static int held(const char *name, int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    while (access(getenv("HOLD_SYNCS"), F_OK) == 0) usleep(10000);
    return real(fd);
}
int fsync(int fd) { return held("fsync", fd); }
int fdatasync(int fd) { return held("fdatasync", fd); }
"""


@pytest.fixture
def held(world, tmp_path):
    """(the daemon, the file that holds its syncs)"""
    if paths.SANITIZE or paths.VALGRIND:
        pytest.skip("the shim and a sanitizer both want to be loaded first")
    source, shim, hold = tmp_path / "hold.c", world.scratch / "hold.so", world.scratch / "hold"
    source.write_text(SHIM)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(shim), str(source), "-ldl"], check=True)
    shim.chmod(0o755)
    yield world.admind(env={"LD_PRELOAD": str(shim), "HOLD_SYNCS": str(hold)}), hold
    hold.unlink(missing_ok=True)


def audit(admind):
    return admind.get("/readyz").json()["audit"]


def test_http_goes_on_while_a_sync_hangs_and_says_so_after_ten_seconds(held):
    admind, hold = held
    child = Child(admind.dirs.socket)
    child.hello()
    child.records(1, [request()])
    assert child.acked(1) == 1
    hold.touch()
    child.records(2, [request()])
    # Each of these would wait for ever if the thread that syncs had to answer.
    for path in ("/healthz", "/metrics", "/status", "/keys", "/alerts") * 3:
        assert admind.get(path).status == 200
    assert audit(admind) == "ok"
    wait_until(lambda: audit(admind) == "failing", 30, "nobody is told of a disk that hangs")
    assert admind.get("/readyz").status == 503
    assert [line["seq"] for line in admind.journal_lines(instance=child.instance.hex())][:1] == [1]
    hold.unlink()
    assert child.acked(2) == 2
    wait_until(lambda: audit(admind) == "ok", 30, "the disk answers again")
    child.close()
