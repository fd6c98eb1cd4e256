# SPDX-License-Identifier: Apache-2.0
"""The daemon under ThreadSanitizer: its loop takes records and reloads, a thread answers HTTP in turn with it, another makes keys."""
import shutil
import subprocess
import threading
from collections import Counter

import pytest

from harness import paths, wait_until
from harness.admind import PEER
from thread_parts import FOLDER, Reports, changed, command, compile_c, point_to_build

PATHS = ["/metrics", "/status", "/keys", "/alerts", "/readyz", "/healthz", "/.well-known/jwks.json"]
CONFIG = "Issuer https://auth.example.com alg=RS256"
ROUNDS, RECORDS, LOCATIONS = 4, 5000, 50


class Daemon:
    """Started, with the sanitizer's reports."""

    def __init__(self, world, program=None):
        self.reports = Reports(world.scratch)
        self.admind = world.admind(CONFIG, start=False, env=self.reports.env())
        if program:
            shutil.copy2(program, self.admind.program)
        self.admind.start()

    def feed(self, rate=0):
        """Records as a child of httpd sends them; rate 0: as fast as they are taken."""
        return subprocess.Popen(["setpriv", f"--reuid={PEER}", f"--regid={PEER}", "--clear-groups", FOLDER / "tests" / "feed", self.admind.dirs.socket,
                                 str(RECORDS), str(LOCATIONS), "1", str(rate)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def take(self):
        """All that a feed has; what it said."""
        return self.feed().communicate(timeout=120 * paths.PATIENCE)[0]

    def reload_amid(self):
        """While records come, whose connection ends with it."""
        done, taken = self.admind.log().count("MCPA2000"), self.admind.metric("mcpauth_audit_records_total")
        load = self.feed(rate=RECORDS // 5)
        wait_until(lambda: self.admind.metric("mcpauth_audit_records_total") != taken, what="the first records")
        self.admind.reload()
        wait_until(lambda: self.admind.log().count("MCPA2000") > done, 20, self.admind.log)
        load.communicate(timeout=120 * paths.PATIENCE)


class Askers:
    """Threads that ask for every path in turn until the block ends. answered: Counter of (path, status)."""

    def __init__(self, admind, threads=4):
        self.admind, self.answered, self.stop = admind, Counter(), threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def _ask(self):
        while not self.stop.is_set():
            for path in PATHS:
                try:
                    status = self.admind.get(path).status
                except OSError:
                    status = None  # a reload waits for a slow client so long and no longer
                self.answered[path, status] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def built(monkeypatch):
    point_to_build(monkeypatch)


@pytest.mark.slow
def test_threads_do_not_race(world, built):
    daemon = Daemon(world)
    with Askers(daemon.admind) as askers:
        for _ in range(ROUNDS):
            said = daemon.take()
            assert said.startswith(f"records={RECORDS} "), said + daemon.admind.log()
            daemon.reload_amid()
    assert {path for path, status in askers.answered if status == 200} == set(PATHS), askers.answered
    assert {status for _, status in askers.answered} <= {200, 503, None}, askers.answered  # 503: keys are still made, or a child has just left
    assert len(daemon.admind.journal_lines()) > ROUNDS * RECORDS
    status = daemon.admind.stop()
    assert status == 0 and not daemon.reports.found(), "\n".join(daemon.reports.found())


@pytest.mark.slow
def test_a_race_would_be_seen(world, built, tmp_path):
    """The same daemon whose threads do not wait for their turn."""
    copy = changed(tmp_path, "mcpauth-admind/turn.c", "turn.has_begun = true;", "turn.has_begun = false;")
    compile_c(tmp_path / "turn.o", "-c", "-I", paths.SOURCE / "mcpauth-admind", copy)
    command(["make", "-C", FOLDER / "mcpauth-admind", "EXEEXT=.unturned", f"mcpauth_admind_OBJECTS=main.o {tmp_path}/turn.o", "mcpauth-admind.unturned"])
    daemon = Daemon(world, FOLDER / "mcpauth-admind" / "mcpauth-admind.unturned")
    load = daemon.feed()
    with Askers(daemon.admind):
        wait_until(daemon.reports.found, 60, "a report")
    load.kill()
    load.communicate()
