#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the daemon costs: CPU of each audit record that it takes, journals and counts, how many it takes a second, how /metrics and /healthz answer
meanwhile, and how fast what it wrote is searched and verified. The records come over its socket from a program that sends what httpd's children send (feed.c). See README.md."""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness import paths  # noqa: E402
from harness.admind import Admind, Dirs, PEER  # noqa: E402

BAR_CPU_US = 5
BAR_METRICS_MS = 20
# Locations and codes of the records, for some ten thousand series as Prometheus counts them (a histogram's buckets are one each), and for ten
# thousand label sets, which are more than twice as many.
SHAPES = {"few": (4, 3), "10 k series": (205, 1), "10 k label sets": (240, 40)}


def cpu_us(pid):
    """Of all its threads, from the scheduler: nanoseconds on a CPU."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e3


def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def feed(admind, program, records, shape, rate=0):
    """(records a second, microseconds of the daemon's CPU a record, bytes a record)"""
    before = cpu_us(admind.process.pid)
    done = subprocess.run(["setpriv", f"--reuid={PEER}", f"--regid={PEER}", "--clear-groups", program, str(admind.dirs.socket), str(records),
                           *map(str, SHAPES[shape]), str(rate)], stdout=subprocess.PIPE, text=True, check=True)
    spent = cpu_us(admind.process.pid) - before
    told = dict(re.findall(r"(\w+)=([\d.]+)", done.stdout))
    return records / float(told["seconds"]), spent / records, int(told["bytes"]) / records


def times_ms(admind, path, stop=None, rounds=0, pause=0.02):
    """How long so many answers took, or as many as there were until 'stop' was set."""
    taken = []
    while len(taken) < rounds if stop is None else not stop.is_set():
        begun = time.perf_counter()
        answer = admind.get(path, timeout=60)
        taken.append((time.perf_counter() - begun) * 1e3)
        assert answer.status == 200, answer
        time.sleep(pause)
    return taken


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def asked_while_feeding(admind, program, path, records, shape, rate):
    """(times of the answers, records a second) while records come."""
    stop, times = threading.Event(), []
    asker = threading.Thread(target=lambda: times.extend(times_ms(admind, path, stop)))
    asker.start()
    try:
        taken, _, _ = feed(admind, program, records, shape, rate)
    finally:
        stop.set()
        asker.join()
    return times, taken


def journal_bytes(admind):
    return sum(path.stat().st_size for path in admind.dirs.journal.glob("audit-*"))


def ingest(admind, program, options):
    before = journal_bytes(admind)
    rows = [feed(admind, program, options.records, "few") for _ in range(options.rounds)]
    a_record = (journal_bytes(admind) - before) / (options.rounds * options.records)
    cpu, rate = (statistics.median(row[i] for row in rows) for i in (1, 0))
    print(f"| CPU a record of {rows[0][2]:.0f} bytes, as fast as they come; median, least and most | {cpu:.2f} us, {min(r[1] for r in rows):.2f} and "
          f"{max(r[1] for r in rows):.2f} (bar: {BAR_CPU_US}) |")
    print(f"| records a second, one link | {rate:.0f} |")
    print(f"| bytes of the journal a record | {a_record:.0f} |")
    print(f"| journal written, meanwhile | {a_record * rate / 1e6:.0f} MB/s |")
    for slow in (1000, 10000):
        print(f"| CPU a record, {slow} a second | {feed(admind, program, 5 * slow, 'few', rate=slow)[1]:.1f} us |")
    return cpu


def read_back(admind):
    """What mcpauthctl takes for the journal that the daemon has just written."""
    size = journal_bytes(admind) / 1e6
    for what, arguments in (("verify, with its origin key", ["verify", "--key", str(admind.dirs.journal / "seal-origin.key")]),
                            ("search that finds nothing", ["search", "--subject", "nobody", "--json"])):
        begun, before = time.perf_counter(), os.times()
        done = subprocess.run([paths.built_program("mcpauthctl"), "audit", arguments[0], "--journal", admind.dirs.journal, *arguments[1:]],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        print(f"| {what}, of {size:.0f} MB | {size / (time.perf_counter() - begun):.0f} MB/s, {size / cpu:.0f} MB for each second of CPU |")


def answers(admind, program, options):
    worst = 0
    for shape in SHAPES:
        feed(admind, program, 20000, shape)
        lines = sum(1 for line in admind.metrics_text().splitlines() if not line.startswith("#"))
        idle = times_ms(admind, "/metrics", rounds=200)
        for name, rate in (("25,000 records a second", 25000), ("as many as it takes", 0)):
            busy, taken = asked_while_feeding(admind, program, "/metrics", options.records, shape, rate)
            print(f"| /metrics, {lines} series, p50 and p99 of {len(busy)} | idle {quantile(idle, .5):.1f} and {quantile(idle, .99):.1f} ms; "
                  f"{name} ({taken:.0f}): {quantile(busy, .5):.1f} and {quantile(busy, .99):.1f} ms |")
            worst = max(worst, quantile(busy, .99)) if shape == "10 k series" else worst
    busy, taken = asked_while_feeding(admind, program, "/healthz", options.records, "few", 0)
    idle = times_ms(admind, "/healthz", rounds=200)
    print(f"| /healthz, p50 and p99 of {len(busy)} | idle {quantile(idle, .5):.1f} and {quantile(idle, .99):.1f} ms; "
          f"{taken:.0f} records a second: {quantile(busy, .5):.1f} and {quantile(busy, .99):.1f} ms |")
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=300000, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", help="where the journal is made (default: the system's directory for temporary files)")
    options = parser.parse_args()
    source = paths.BUILD / "tests/feed"
    if os.geteuid() != 0 or not source.exists():
        raise SystemExit(f"daemon.py: run this as root, after 'make -C {paths.BUILD}/tests feed'")
    scratch = Path(tempfile.mkdtemp(prefix="mcpauth-bench-", dir=options.dir))
    os.chmod(scratch, 0o755)
    program = shutil.copy2(source, scratch)  # the build may lie where the peer's user may not look
    # No file gets full: compressing closed ones is journal.py's question.
    admind = Admind(scratch, Dirs(scratch), "LogLevel notice\nJournalFileSize 4g")
    try:
        admind.start()
        feed(admind, program, 20000, "few")
        print(f"\n{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n\n| what | measured |\n|---|---|")
        cpu = ingest(admind, program, options)
        read_back(admind)
        metrics = answers(admind, program, options)
        print(f"| memory (RSS) after all that | {rss_kib(admind.process.pid) / 1024:.0f} MiB |")
        return 0 if cpu <= BAR_CPU_US and metrics <= BAR_METRICS_MS else 1
    finally:
        if admind.process:
            admind.kill()
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
