# SPDX-License-Identifier: Apache-2.0
"""Fixtures; README.md tells how to use them."""
import ctypes
import os
import shutil
import subprocess
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import paths  # noqa: E402
from harness.world import World  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--keep", action="store_true", help="keep every scratch directory")
    parser.addoption("--part", choices=["all", "together", "alone"], default="all", help="the tests that may run beside others, or those marked alone")


def pytest_configure(config):
    if config.getoption("--keep"):
        paths.KEEP = True
    if os.geteuid() != 0:
        raise pytest.UsageError("the integration tests start httpd as root, as a real one is; run them as root")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.failed_once = True
        item.parent.failed_once = True


# Files whose tests all run against the sanitizer build too; others mark single tests.
SANITIZED = ("test_attacks_", "test_module_", "test_daemon_link", "test_daemon_journal", "test_property", "test_review", "test_keys_", "test_alerts_")


# What takes longest begins first, so that no process is left with it at the end.
LONGEST = ("test_ansible_hosts.py", "test_drill_restarts.py", "test_audit_forward.py", "test_daemon_http.py", "test_audit_faults.py", "test_drill_provider.py",
           "test_audit_shelf.py", "test_audit_hostile.py", "test_attacks_keysource.py", "test_audit_required.py")
# Each test of these files may go to another process; of all others a file stays together, because its tests share a World.
DIVISIBLE = {"test_drill_restarts.py"}


def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.path.name.startswith(SANITIZED) and item.path.name != "test_module_config.py":
            item.add_marker("sanitize")
    part = config.getoption("--part")
    if part != "all":
        parts = {"together": [], "alone": []}
        for item in items:
            parts["alone" if item.get_closest_marker("alone") else "together"].append(item)
        items[:] = parts.pop(part)
        config.hook.pytest_deselected(items=[item for others in parts.values() for item in others])
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With -n: a file's tests go to one process, in the order of collection."""
    from xdist.scheduler import LoadFileScheduling  # only where it is asked for

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            name = super()._split_scope(nodeid)
            return nodeid if name in DIVISIBLE else name

    return Scheduling(config, log)


def _worlds(request, name):
    world = World(name)
    try:
        yield world
    finally:
        world.close(failed=getattr(request.node, "failed_once", False))


@pytest.fixture
def world(request):
    """A World of this test's own: world.httpd(), world.admind(), world.issuer(), world.upstream(), world.stack()."""
    yield from _worlds(request, request.node.name)


@pytest.fixture(scope="module")
def module_world(request):
    """The same for all tests of a file."""
    yield from _worlds(request, request.node.name.rsplit("/", 1)[-1].replace("test_", "").replace(".py", ""))


@pytest.fixture(scope="module")
def stack(module_world):
    """Issuer, upstream, daemon and httpd (event) with a guarded /mcp, shared by the file's tests."""
    return module_world.stack()


@pytest.fixture
def clock(world):
    """(environment, set): the daemon's wall clock stands so many seconds ahead."""
    if paths.SANITIZE or paths.VALGRIND:
        pytest.skip("the shim stands before a sanitizer's own library")
    tests = paths.BUILD / "tests"
    subprocess.run(["make", "-C", str(tests), "clockshim.la"], stdout=subprocess.DEVNULL, check=True)
    shim, place = world.scratch / "clockshim.so", world.scratch / "clock"
    shutil.copy(tests / ".libs" / "clockshim.so", shim)
    os.chmod(shim, 0o755)
    place.write_bytes(bytes(ctypes.c_int64(0)))
    os.chmod(place, 0o644)

    def step(seconds):
        with place.open("r+b") as f:
            f.write(bytes(ctypes.c_int64(seconds)))

    return {"LD_PRELOAD": str(shim), "TORTURE_CLOCK": str(place)}, step


@pytest.fixture(params=["event", "worker", "prefork"])
def mpm(request):
    return request.param
