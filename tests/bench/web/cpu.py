# SPDX-License-Identifier: Apache-2.0
"""Who runs on which CPU, and what CPU time programs took."""
import os
import time
from pathlib import Path


class TooFewCpus(RuntimeError):
    pass


def share(cores):
    """(CPUs of the servers, CPUs of the load and of the backend) as taskset takes them. With one core the two never meet; with two, they share where the
    machine has no more."""
    have = sorted(os.sched_getaffinity(0))
    if len(have) < 2:
        raise TooFewCpus("two CPUs are needed: one for the servers, one for the load")
    return ",".join(map(str, have[:cores])), ",".join(map(str, have[cores:] or have))


def family(pid):
    """This process and all below it."""
    found, ahead = [], [pid]
    while ahead:
        one = ahead.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                ahead += map(int, task.read_text().split())
            except OSError:
                pass
    return found


def threads_ns(pid):
    """{thread: nanoseconds on a CPU so far, user and system}, of this process and all below it."""
    found = {}
    for one in family(pid):
        for stat in Path(f"/proc/{one}/task").glob("*/schedstat"):
            try:
                found[stat.parent.name] = int(stat.read_text().split()[0])
            except (OSError, IndexError):
                pass
    return found


def spent_us(before, after):
    """Between two calls of threads_ns. What a thread took that has ended since is not known, so the result would be too small."""
    gone = [tid for tid in before if tid not in after]
    if gone:
        raise RuntimeError(f"{len(gone)} threads ended while they were measured")
    return sum(ns - before.get(tid, 0) for tid, ns in after.items()) / 1000


def wait_idle(pid, limit=10.0, pause=0.02):
    """Until this process works no more: at most 5 % of a CPU, which timers of many children come near to. Tells whether it came to that."""
    last = threads_ns(pid)
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        time.sleep(pause)
        now = threads_ns(pid)
        if spent_us(last, now) < pause * 50_000:
            return True
        last = now
    return False
