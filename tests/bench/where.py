#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Where the CPU time of a request goes, by sampling (perf): in which program's or library's code, and in which functions more than with bare httpd. The
variants have their turn in each round; µs are samples over answers. See README.md."""
import argparse
import collections
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "integration")]

from web import cases, cpu, variants, wrk  # noqa: E402
from web.farm import Farm  # noqa: E402

HERTZ = 1999
SECONDS = 1
DEFAULT = (variants.BARE, variants.FLOOR, "mcpauth, audit off", variants.US)
# How it is shown: the first that the name of the file begins with.
PLACES = (("mod_mcp_auth", "mcpauth's module"), ("[kernel", "kernel"), ("apache2", "httpd"), ("mod_floor", "the floor's module"),
          ("mod_", "httpd's modules"), ("libapr", "APR"), ("libc.", "libc"), ("libcrypto", "OpenSSL"), ("", "other"))


def parse(report):
    """{(file, function): samples} of `perf report -t '|' -n --sort dso,sym`."""
    found = collections.Counter()
    for line in report.splitlines():
        columns = [column.strip() for column in line.split("|")]
        if len(columns) >= 4 and columns[1].isdigit():
            found[columns[2], columns[3]] += int(columns[1])
    return found


def place_of(file):
    return next(place for start, place in PLACES if file.startswith(start))


def sample(farm, case, server, path):
    """(samples, answers, µs by the kernel's count) of one measurement, of this server's processes."""
    pids = ",".join(map(str, cpu.family(server.process.pid)))
    with subprocess.Popen(["perf", "record", "-e", "cpu-clock", "-F", str(HERTZ), "-C", farm.server_cpus, "-o", str(path)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as perf:
        time.sleep(0.5)  # until it looks
        before = server.threads_ns()
        told = wrk.run(farm.load_cpus, server.port, farm.script(case, False), SECONDS, 0)
        perf.send_signal(signal.SIGINT)
    if not path.exists():
        raise SystemExit("perf record failed: is the package linux-perf installed, and may it look (root, kernel.perf_event_paranoid)?")
    server.settle()
    spent_us = cpu.spent_us(before, server.threads_ns())
    report = subprocess.run(["perf", "report", "-i", str(path), "--no-children", "--pid", pids, "-n", "--sort", "dso,sym", "-t", "|"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    path.unlink()
    return parse(report), told["requests"], spent_us


def measure(case, names, rounds):
    """{variant: {(file, function): µs of a request}}, {variant: µs of a request as the kernel counted them}"""
    samples, answers, spent = {name: collections.Counter() for name in names}, collections.Counter(), collections.Counter()
    with Farm(cases.GROUPS[0], [case], names) as farm:
        if farm.refused:
            raise SystemExit(str(farm.refused))
        for number in range(rounds + 1):  # the first warms up
            for name in random.sample(names, len(names)):
                found, answered, spent_us = sample(farm, case, farm.servers[name], farm.scratch / "perf.data")
                if number:
                    samples[name] += found
                    answers[name] += answered
                    spent[name] += spent_us
            print(f"  round {number} of {rounds}", file=sys.stderr, flush=True)
    return ({name: {what: count * 1e6 / HERTZ / answers[name] for what, count in samples[name].items()} for name in names},
            {name: spent[name] / answers[name] for name in names})


def table(title, names, rows):
    """Markdown; rows: [(words, {variant: µs})]"""
    lines = [f"| {title} | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    return "\n".join(lines + [f"| {words} | {' | '.join(f'{us.get(name, 0):.2f}' for name in names)} |" for words, us in rows])


def show(found, counted, most):
    """Two tables: by place, and the functions that the last variant spends most more in than the first."""
    names = list(found)
    places = {place: {name: sum(us for (file, _), us in found[name].items() if place_of(file) == place) for name in names} for _, place in PLACES}
    rows = [*places.items(), ("**all**", {name: sum(found[name].values()) for name in names}), ("as the kernel counted it", counted)]
    functions = {what: {name: found[name].get(what, 0) for name in names} for what in {what for name in names for what in found[name]}}
    more = sorted(functions.items(), key=lambda item: item[1][names[0]] - item[1][names[-1]])[:most]
    return "\n\n".join([table("CPU µs of a request, in", names, rows),
                        table("more than with the first", names, [(f"{function} ({place_of(file)})", us) for (file, function), us in more])])


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/where.py", description=__doc__)
    parser.add_argument("--case", default="static", choices=cases.CASES)
    parser.add_argument("--variants", default=";".join(DEFAULT), help="of httpd, separated by semicolons; tests/bench/run --list has them")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--functions", type=int, default=25, help="how many are shown")
    options = parser.parse_args()
    print(show(*measure(cases.CASES[options.case], options.variants.split(";"), options.rounds), options.functions))


if __name__ == "__main__":
    main()
