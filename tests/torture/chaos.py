# SPDX-License-Identifier: Apache-2.0
"""What is done to the programs from outside while they work, and how likely they are to die by themselves inside."""
import collections
import os
import re
import signal
import time

from harness import paths
from harness.process import wait_until

# How often a point is passed decides how likely it has to kill there so that all of them do: thousands of times a second for each record,
# hundreds for each batch, less often where the daemon gathers batches, and a few times in a life. A name that no row knows is taken for one
# of a few times.
RECORD, BATCH, ROUND, SELDOM = 0.00015, 0.0015, 0.01, 0.05
RATES = {
    "audit.answering": RECORD, "audit.recorded": RECORD, "audit.answered": RECORD,
    "spool.committing": RECORD, "spool.written": RECORD, "spool.committed": RECORD, "segment.torn": RECORD, "ingest.taken": 2 * RECORD,
    "link.sending": BATCH, "link.sent": BATCH, "segment.syncing": BATCH, "segment.synced": BATCH, "spool.acked": ROUND,
    "journal.torn": ROUND, "journal.written": ROUND, "journal.synced": ROUND, "daemon.committed": ROUND, "daemon.acked": ROUND,
    "file.written": 0.2, "journal.opened": 0.1, "shelf.slice": 0.003, "shelf.packed": 0.1, "shelf.renamed": 0.1, "shelf.synced": 0.1,
    "shelf.unlinked": 0.1,
}
MOODS = (0.2, 0.5, 1, 1, 2)  # every life has its own: who always dies young never meets what comes late
POINT = re.compile(r'MCPA_CRASH(?:_DUE)?\("([\w.]+)"\)')
# How often each is done, against the others.
EVENTS = {"kill child": 8, "kill daemon": 4, "kill httpd": 1, "stop daemon": 3, "graceful": 2, "remove socket": 1, "journal full": 2, "step clock": 2}
PACE_S = (0.2, 1.0)  # between two of them
DAY = 86400


def points():
    """Every crash point of the sources, those of planted faults aside: they exist in mutants only."""
    found = set()
    for folder in ("shared", "mod_mcp_auth", "mcpauth-admind"):
        for path in (paths.SOURCE / folder).rglob("*.c"):
            found.update(POINT.findall(path.read_text(encoding="utf-8")))
    return {name: RATES.get(name, SELDOM) for name in sorted(found) if not name.endswith("early")}


class Chaos:
    """Keeps the programs running while it kills them. rates: {point: probability}; events: names of EVENTS."""

    def __init__(self, rig, random, rates, server_rates=None, events=tuple(EVENTS), moods=MOODS):
        self.rig, self.random, self.rates, self.events, self.moods = rig, random, rates, events, moods
        self.server_rates = rates if server_rates is None else server_rates
        self.done = collections.Counter()   # outside events
        self.inside = collections.Counter()  # self-inflicted deaths of children, of daemons, by point
        self.open_limit = 0                 # requests that dead children can have had open
        self.children_killed = 0            # from outside
        self.durability = "process"
        self.in_sync = collections.Counter()  # kills, requests: of the whole those with durability=sync
        self.due = time.monotonic()         # when the next event is
        self.undo = []                      # [(when, what)]
        self.daemons = set()
        self.seen_crashes = 0
        self.failed_since = None
        self.next_try = 0

    def _mood(self, rates):
        mood = self.random.choice(self.moods)
        return {name: min(1, p * mood) for name, p in rates.items()}

    # -- keeping alive ------------------------------------------------------------------------------------------------------------------

    def start_server(self, mpm, durability="process"):
        self.durability = durability
        self.rig.start_server(mpm, durability, self._mood(self.server_rates))

    def start_daemon(self):
        self.rig.start_daemon(self._mood(self.rates))
        self.daemons.add(self.rig.daemon.process.pid)

    def _tend_daemon(self, now):
        process = self.rig.daemon.process
        if process.alive:
            if self.failed_since and now - self.failed_since > 1 and (self.rig.dirs.socket).exists():
                self.failed_since = None
            return
        if process.popen.returncode != -signal.SIGKILL:
            if process.popen.returncode < 0:
                raise AssertionError(f"the daemon was ended by signal {-process.popen.returncode}:\n{self.rig.daemon.log()[-3000:]}")
            # It may have to wait for a full disk; it may not give up for good.
            self.failed_since = self.failed_since or now
            if now - self.failed_since > 20:
                raise AssertionError(f"the daemon ends with {process.popen.returncode}:\n{self.rig.daemon.log()[-3000:]}")
            if now < self.next_try:
                return
            self.next_try = now + 0.5
            self.done["daemon gave up"] += 1
        self.start_daemon()

    def tend(self):
        now = time.monotonic()
        for item in [i for i in self.undo if i[0] <= now]:
            self.undo.remove(item)
            item[1]()
        server = self.rig.server.process
        if server is not None and not server.alive:
            raise AssertionError("httpd's parent ended by itself:\n" + self.rig.server.said())
        self._tend_daemon(now)

    def kills(self):
        return sum(self.inside.values()) + self.children_killed + self.done["kill daemon"] + self.done["kill httpd"]

    def stretch(self, mpm, durability, seconds):
        """A server of its own, from its start to its end."""
        kills, first = self.kills(), self.rig.hammer.get("next") if self.rig.hammer else 0
        self.start_server(mpm, durability)
        if self.rig.hammer is None:
            self.rig.start_hammer()
        self.rig.hammer.go()
        self.run(seconds)
        self.settle()
        if durability == "sync":
            self.in_sync.update({"kills": self.kills() - kills, "requests": self.rig.hammer.get("next") - first})

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step()
            time.sleep(0.01)

    def step(self):
        """Keeps all alive, and now and then does something to them."""
        self.tend()
        now = time.monotonic()
        if now < self.due or not self.events:
            return
        name = self.random.choices(self.events, [EVENTS[e] for e in self.events])[0]
        if getattr(self, name.replace(" ", "_"))() is not False:
            self.done[name] += 1
        self.due = now + self.random.uniform(*PACE_S)

    def settle(self):
        """The load pauses, what was begun is undone, and httpd leaves in peace."""
        self.rig.hammer.pause()
        for _, what in self.undo:
            what()
        self.undo = []
        self.rig.server.stop()
        self.count()

    def rest(self, seconds):
        """No load and no httpd. Then the daemon gets round to the closed files of its journal, and may die at that alone."""
        rates, self.rates = self.rates, {name: p for name, p in self.rates.items() if name.startswith("shelf.")}
        events, self.events = self.events, ()
        self.kill_daemon()
        self.run(seconds)
        self.rates, self.events = rates, events

    def count(self):
        """Deaths inside since the last time; children's are of the current MPM."""
        lines = self.rig.crash_log.read_text(encoding="ascii").splitlines()
        for line in lines[self.seen_crashes:]:
            name, pid = line.split()
            if int(pid) not in self.daemons:
                self.open_limit += self.rig.server.threads
            self.inside[name] += 1
        self.seen_crashes = len(lines)

    # -- events: False when there was nothing to do ----------------------------------------------------------------------------------------

    def _later(self, seconds, what):
        self.undo.append((time.monotonic() + seconds, what))

    def kill_child(self):
        children = self.rig.server.children()
        if not children:
            return False
        try:
            os.kill(self.random.choice(children), signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.children_killed += 1
        self.open_limit += self.rig.server.threads
        return True

    def kill_daemon(self):
        if not self.rig.daemon.process.alive:
            return False
        self.rig.daemon.process.kill()
        return True

    def kill_httpd(self):
        """The parent and all its children, at once."""
        server = self.rig.server
        children = server.children()
        server.process.kill()
        for pid in children:  # nobody else's any more
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass
        self.children_killed += len(children)
        # One may have come after the look.
        self.open_limit += (len(children) + 2) * server.threads
        self.count()
        self.start_server(server.mpm, self.durability)

    def stop_daemon(self):
        process = self.rig.daemon.process
        if not process.alive:
            return False
        process.send_signal(signal.SIGSTOP)
        self._later(self.random.uniform(0.1, 2), lambda: process.send_signal(signal.SIGCONT))
        return True

    def graceful(self):
        self.rig.server.process.send_signal(signal.SIGUSR1)

    def remove_socket(self):
        """Children that are linked stay so; for new ones the daemon is restarted, as an administrator would."""
        path = self.rig.dirs.socket
        if not path.exists():
            return False
        path.unlink()
        self._later(1, lambda: path.exists() or self.kill_daemon())
        return True

    def journal_full(self):
        self.rig.journal.fill(leave_bytes=self.random.choice((0, 0, 5000, 100000)))
        self._later(self.random.uniform(0.5, 2), self.rig.journal.free)

    def step_clock(self):
        self.rig.step_clock(self.random.choice((DAY, -DAY, 0, 3600)))

    def fill_spool(self, seconds):
        """Again and again, because acknowledged segments make room."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step()
            self.rig.spool.fill()
            time.sleep(0.05)
        self.rig.spool.free()


def wait_told(hammer, seconds=30):
    """Until the load has passed a few requests more, so that every child has had a moment."""
    start = hammer.get("next")
    wait_until(lambda: hammer.get("next") > start + 500, seconds, "the load goes on")
