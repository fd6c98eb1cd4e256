# SPDX-License-Identifier: Apache-2.0
"""What tests/bench/run measures with, run for real: the floor's module, and a load that does not sleep."""
import itertools
import os
import shutil
import struct
import sys
from pathlib import Path

import pytest

from harness import SOURCE, Upstream, client

sys.path.insert(0, str(SOURCE / "tests" / "bench"))

from web import cases, farm, figures, tokens, variants, wrk  # noqa: E402

MCPAUTH = "mcpauth"

FLOOR_OF = {case.name: next(v for v in case.variants if v in (variants.FLOOR, variants.FLOOR_VERIFIES))
            for case in cases.CASES.values() if {variants.FLOOR, variants.FLOOR_VERIFIES} & set(case.variants)}


def test_every_bar_on_cpu_has_a_floor_that_answers_as_we_do():
    barred = {bar[0] for bar in figures.BARS if bar[2] == "over_us"}
    assert barred <= set(FLOOR_OF)
    for name, floor in FLOOR_OF.items():
        assert cases.CASES[name].expected(variants.VARIANTS[floor]) == cases.CASES[name].expected(variants.VARIANTS[MCPAUTH]), name
        assert "floor" in floor and floor in variants.VARIANTS


def names_of(headers):
    return sorted(name.lower() for name, _ in headers)


def target_of(link):
    """Of a descriptor; a connection may be closed meanwhile."""
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""


def bytes_of_floor(server):
    """What its children have written so far: each to a file of a MiB that has no name any more, in which all else is zero."""
    held = [path for child in server.process.children() for path in Path(f"/proc/{child}/fd").iterdir() if "/mcpauth-floor-" in target_of(path)]
    assert len(held) == len(server.process.children()) and all((path.stat().st_size, path.stat().st_nlink) == (1 << 20, 0) for path in held)
    return sum(len(path.read_bytes()) - path.read_bytes().count(0) for path in held)


def records_of_spool(folder):
    """The lengths of all records, with their envelopes (shared/wire/segment.h)."""
    found = []
    for content in (path.read_bytes() for path in folder.iterdir()):
        assert content.startswith(b"MCPASEG1")
        at = 64
        while length := struct.unpack_from("<I", content, at)[0]:
            found.append(16 + length)
            at += found[-1]
    return sorted(found)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU is the servers', one the load's (cpu.share)")
def test_the_floor_has_the_effects_it_claims(monkeypatch):
    echo = Upstream()
    echo.tls_port = 0
    monkeypatch.setattr(farm, "Backend", lambda *_: echo)
    floors, asked = (variants.FLOOR, variants.FLOOR_VERIFIES), ((variants.STATIC, tokens.KNOWN), (variants.PROXY, tokens.KNOWN), (variants.STATIC, tokens.BAD))
    got, reached, written = {}, {}, {}
    with farm.Farm(cases.GROUPS[0], [cases.CASES["proxy"]], [variants.BARE, *floors, MCPAUTH]) as all_servers:
        assert not all_servers.refused
        for name, server in all_servers.servers.items():
            for what in asked:
                echo.clear()
                before = bytes_of_floor(server) if name in floors else 0
                got[name, *what] = client.send(server.port, path=what[0], token=all_servers.tokens.one(what[1]))
                written[name, *what] = bytes_of_floor(server) - before if name in floors else 0
                reached[name, *what] = [request.headers for request in echo.requests]
        records = records_of_spool(all_servers.servers[MCPAUTH].admind.dirs.spool)
    assert len(records) == len(asked)
    for name, (path, kind) in itertools.product(floors, asked):
        ours, floors_own, bare = (got[one, path, kind] for one in (MCPAUTH, name, variants.BARE))
        if kind == tokens.BAD and name == variants.FLOOR:
            assert floors_own.status == 200
            continue
        assert floors_own.status == ours.status == (401 if kind == tokens.BAD else 200) and bare.status == 200
        assert names_of(floors_own.headers) == names_of(ours.headers) != names_of(bare.headers)
        assert abs(written[name, path, kind] - (records[0] if kind == tokens.BAD else records[-1])) < 20, (name, path, kind, written, records)
        if kind == tokens.BAD:
            assert len(floors_own.body) == len(ours.body) and abs(len(floors_own.header("WWW-Authenticate")) - len(ours.header("WWW-Authenticate"))) <= 1
        for mine, its, without in zip(*(reached[one, path, kind] for one in (MCPAUTH, name, variants.BARE)), strict=True):
            assert names_of(its) == names_of(mine) and "authorization" in names_of(without) and "authorization" not in names_of(its)
            added = set(names_of(its)) - set(names_of(without))
            assert len(added) == 6 and all(abs(len(dict(its)[key]) - len(value)) <= 1 for key, value in mine if key.lower() in added), (mine, its)


# In place of wrk: waits 20 times for an event that does not come, tells how often it was put to sleep meanwhile, and waits 1,000 times for one that is there.
WAITER = """#!/usr/bin/python3
import json, os, resource, select, time
here, there = os.pipe()
poll = select.epoll()
poll.register(here, select.EPOLLIN)
poll.poll(0)
slept = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
began, before = time.monotonic(), slept()
late = [event for _ in range(20) for event in poll.poll(0.01)]
slept, waited = slept() - before, time.monotonic() - began
os.write(there, b"x")
began = time.monotonic()
found = [event for _ in range(1000) for event in poll.poll()]
took = time.monotonic() - began
print("TOLD", json.dumps({"statuses": {}, "late": len(late), "found": len(found), "slept": slept, "waited": waited, "took": took}))
"""


@pytest.mark.parametrize("apart", [True, False])
def test_the_load_does_not_sleep_while_it_waits_on_a_cpu_of_its_own(tmp_path, monkeypatch, apart):
    waiter = tmp_path / "wrk"
    waiter.write_text(WAITER)
    waiter.chmod(0o755)
    assert b"\0epoll_wait\0" in Path(shutil.which("wrk")).read_bytes(), "wrk waits otherwise"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    told = wrk.run(",".join(map(str, os.sched_getaffinity(0))), 1, "", 1, 0, apart)
    assert (told["late"], told["found"]) == (0, 1000) and told["waited"] >= 0.2
    # (waited: 20 timeouts of 10 ms are kept, too.) Asleep it is put to sleep each of 20 times; awake hardly ever, and then by something else than its waiting.
    assert told["slept"] < 10 if apart else told["slept"] >= 20
    # 999 times 100 us from one answer to the next look. Without that the 1,000 take some milliseconds, which a busy machine may make more of.
    assert told["took"] >= 0.0999 or not apart
