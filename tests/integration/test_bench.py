# SPDX-License-Identifier: Apache-2.0
"""The comparison of tests/bench/run: that its smallest slice works, and that wrong answers become errors and not figures. No figure is judged."""
import base64
import json
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from harness import BUILD, SOURCE, client

sys.path.insert(0, str(SOURCE / "tests" / "bench"))

import instructions  # noqa: E402
import where  # noqa: E402
from web import callgrind, cases, counts, cpu, figures, parts, rounds, table, tokens, variants, wrk  # noqa: E402

MCPAUTH, LIMIT = "mcpauth", "mcpauth, subject limit"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU is the servers', one the load's (cpu.share)")
def test_the_smallest_slice_has_its_rows_and_statuses(tmp_path):
    done = subprocess.run([str(SOURCE / "tests/bench/run"), "--no-install", "--no-instructions", "--groups", "1", "--cases", "static,static-over", "--variants",
                           f"{MCPAUTH};{LIMIT}", "--rounds", "1", "--out", str(tmp_path)], env={**os.environ, "MCPAUTH_BUILD": str(BUILD)},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    run = json.loads((tmp_path / "run.json").read_text())
    found = {(r["case"], c["variant"]): c["figures"] for r in run["results"] for c in r["cells"]}
    assert set(found) == {("static", "httpd"), ("static", MCPAUTH), ("static-over", "httpd"), ("static-over", LIMIT)}
    statuses = {key: f["statuses"] for key, f in found.items()}
    assert all(set(statuses[key]) == {"200"} for key in found if key[1] != LIMIT), statuses
    over = statuses["static-over", LIMIT]
    assert set(over) <= {"429", "200"} and over["429"] > over.get("200", 0), statuses
    assert all(f["rate"] > 0 and f["cpu_us"] > 0 for f in found.values())
    assert found["static", MCPAUTH]["daemon_us"] > 0 and found["static", "httpd"]["daemon_us"] == 0
    text = (tmp_path / "table.md").read_text()
    assert text in done.stdout or text.split("\n", 1)[1] in done.stdout
    assert run["complete"] and "stopped before its end" not in text
    assert f"| {MCPAUTH} |" in text and f"| {LIMIT} |" in text and "**1 KB file, over the limit**" in text


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU is the servers', one the load's (cpu.share)")
def test_a_run_that_is_told_to_end_leaves_what_it_has(tmp_path):
    command = [str(SOURCE / "tests/bench/run"), "--out", str(tmp_path)]
    run = subprocess.Popen([*command, "--no-install", "--no-instructions", "--groups", "1", "--cases", "static", "--variants", MCPAUTH, "--rounds", "100"],
                           env={**os.environ, "MCPAUTH_BUILD": str(BUILD)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = []
        for line in run.stdout:
            said.append(line)
            if line.startswith("  round 1 of"):
                run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 1, said
    finally:
        run.kill()
        run.wait()
        run.stdout.close()
    kept = json.loads((tmp_path / "run.json").read_text())
    assert not kept["complete"] and {c["variant"] for c in kept["results"][0]["cells"]} == {"httpd", MCPAUTH}
    assert all(1 <= c["figures"]["rounds"] < 100 for c in kept["results"][0]["cells"])
    subprocess.run([*command, "--from", str(tmp_path / "run.json")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60, check=True)
    assert "This run was stopped before its end" in (tmp_path / "table.md").read_text()


def told(statuses=None, n=1000, denied=0, faults=0):
    return {"requests": n, "statuses": statuses or {}, "denied": denied, "faults": faults}


@pytest.mark.parametrize("case, variant, answers, counted", [
    ("static", "httpd", told(denied=1), False),
    ("static", "mcpauth", told(faults=1), False),
    ("static", "mcpauth", told(n=0), False),
    ("static", "mcpauth", told({200: 999, 503: 1}), True),
    ("static-bad", "mcpauth", told({401: 999, 200: 1}), True),
    ("static-bad", "mcpauth", told({403: 1000}), True),
    ("static-over", "nginx, limit_req", told({429: 900, 200: 100}), True),
    ("static-over", "nginx, limit_req", told({429: 999, 503: 1}), True),
])
def test_wrong_answers_are_an_error(case, variant, answers, counted):
    with pytest.raises(rounds.WrongAnswers):
        rounds.look_over(cases.CASES[case], variants.VARIANTS[variant], answers, counted)


@pytest.mark.parametrize("case, variant, answers, counted", [
    ("static", "mcpauth", told(), False),
    ("static", "mcpauth", told({200: 1000}), True),
    ("static-bad", "mcpauth", told({401: 1000}), True),
    ("static-bad", "httpd", told({200: 1000}), True),
    ("static-over", "nginx, limit_req", told({429: 999, 200: 1}), True),
])
def test_right_answers_are_none(case, variant, answers, counted):
    rounds.look_over(cases.CASES[case], variants.VARIANTS[variant], answers, counted)


def a_cell(monkeypatch, answers, statuses=(200,) * 9):
    """Of a server that is not there: wrk tells these answers, and single requests are answered with these statuses."""
    answers, statuses = iter(answers), iter(statuses)
    monkeypatch.setattr(wrk, "run", lambda *_: {"us": 1_000_000, "p50": 1, "p99": 2, **next(answers)})
    monkeypatch.setattr(client, "send", lambda *_, **__: SimpleNamespace(status=next(statuses)))
    server = SimpleNamespace(port=1, settle=lambda: None, threads_ns=dict, daemon_ns=dict, log_bytes=lambda: 0, said=lambda: "")
    farm = SimpleNamespace(servers={MCPAUTH: server}, refused={}, group=cases.GROUPS[0], load_cpus="0", apart=True, script=lambda *_: "", fetches=lambda _: 0, request=lambda _: {},
                           tokens=SimpleNamespace(wrong=lambda: {"expired": "x", "not signed": "y"}))
    return rounds.Cell(farm, cases.CASES["static"], MCPAUTH)


def test_a_wrong_token_that_is_let_in_is_an_error(monkeypatch):
    good = a_cell(monkeypatch, [told({200: 1000})], [401, 401])
    good.warm_up(1)
    assert good.error is None
    lax = a_cell(monkeypatch, [told({200: 1000})], [401, 200])
    lax.warm_up(1)
    assert lax.error == "a token that is wrong (not signed) is answered 200"


def test_a_second_without_any_answer_is_tried_once_more(monkeypatch):
    once = a_cell(monkeypatch, [told(n=0), told()])
    once.measure(1, 1, 0)
    assert once.error is None and len(once.rows) == 1
    twice = a_cell(monkeypatch, [told(n=0), told(n=0), told()])
    twice.measure(1, 1, 0)
    assert twice.error and not twice.rows


def test_what_wrk_does_not_tell_apart_is_asked_before_and_after(monkeypatch):
    good = a_cell(monkeypatch, [told()], [200, 200])
    good.measure(1, 1, 0)
    assert good.error is None and good.rows[0]["statuses"] == {200: 1000}
    for statuses in ([302], [200, 204]):
        wrong = a_cell(monkeypatch, [told()], statuses)
        wrong.measure(1, 1, 0)
        assert wrong.error == f"round 1: expected 200: one request is answered {statuses[-1]}" and not wrong.rows


def test_a_server_that_hangs_up_is_an_error_of_its_cell(monkeypatch):
    cell = a_cell(monkeypatch, [told()])

    def hang_up(*_, **__):
        raise ConnectionError("closed")

    monkeypatch.setattr(client, "send", hang_up)
    cell.measure(1, 1, 0)
    assert cell.error == "round 1: one request failed: closed"


def signed_by(key, head, body, signature):
    signed, raw = f"{head}.{body}".encode(), base64.urlsafe_b64decode(signature + "==")
    if key.alg != "ES256":
        return key.sign(signed) == raw
    try:
        pair = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key.private.public_key().verify(pair, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("alg", sorted({group.alg for group in cases.GROUPS}))
def test_one_wrong_token_differs_by_its_key_alone(tmp_path, alg):
    made = tokens.Tokens(tmp_path, alg)
    head, body, signature = made.wrong()["signed by another key"].split(".")
    good = made.issuer.mint(exp=made.expires).split(".")
    assert head == good[0] and len(signature) == len(good[2])
    assert not signed_by(made.issuer.key, head, body, signature) and signed_by(made.issuer.key, *good)


def row(number, rate, cpu_us):
    return {"round": number, "requests": 10, "rate": rate, "p50_us": 1, "p99_us": 2, "cpu_us": cpu_us, "daemon_us": 0, "log_bytes": 0, "fetches": 0,
            "statuses": {200: 10}}


def a_run():
    cells = [{"variant": variants.BARE, "rounds": [row(1, 100, 10), row(2, 200, 20), row(3, 400, 5)], "unsupported": None, "error": None},
             {"variant": MCPAUTH, "rounds": [row(1, 50, 13), row(2, 180, 24), row(3, 300, 10)], "unsupported": None, "error": None},
             {"variant": "nginx", "rounds": [row(1, 900, 3), row(2, 900, 3)], "unsupported": None, "error": "round 3: expected 200: 3 of 9 were denied"},
             {"variant": "mod_oauth2, key", "rounds": [], "unsupported": "answers 401 to good tokens: no key", "error": None}]
    group = {"group": "event, 1 core, RS256", "mpm": "event", "cores": 1, "alg": "RS256", "case": "static", "title": "files"}
    results = figures.add_figures([{**group, "cells": cells}])
    about = {"date": "2026-01-01", "cpu": "a CPU", "cpus": 2, "system": "a system", "kernel": "6", "commit": "abc", "load_before": 0.0,
             "versions": {"nginx": "1.22.1-9", "haproxy": "2.6.12-1"}}
    return {"machine": about, "rounds": 3, "seconds": 1, "token_bytes": 800, "remark": "Not quiet.", "results": results}


def test_a_ratio_is_one_of_its_round():
    """The medians of the rates alone would say 0.9 too, the median of the CPU times alone 13 - 10."""
    found = figures.find_cell(a_run()["results"], "static", MCPAUTH)["figures"]
    assert (found["ratio"], found["ratio_least"], found["ratio_most"]) == (0.75, 0.5, 0.9)
    assert found["over_us"] == 4
    assert figures.bars(a_run()["results"]) == [("static", MCPAUTH, "ratio", 0.90, 0.75, False, None), ("static", MCPAUTH, "over_us", 4, 4, True, None),
                                                 ("static", MCPAUTH, "instructions_over", 40_000, None, None, None)]


def test_a_difference_of_two_variants_is_one_of_its_round():
    results = a_run()["results"]
    off = {"variant": "mcpauth, audit off", "rounds": [row(1, 1, 12), row(2, 1, 20), row(3, 1, 8)], "unsupported": None, "error": None}
    results[0]["cells"].append(off)
    figures.add_figures(results)
    assert figures.between_us(results, "static", MCPAUTH, "mcpauth, audit off") == 2
    assert figures.bars(results)[-1] == ("static", "mcpauth, less: mcpauth, audit off", "pair_us", None, 2, None, None)
    off["rounds"] = [row(4, 1, 12)]
    assert figures.bars(results)[-1] == ("static", "mcpauth, less: mcpauth, audit off", "pair_us", None, None, None, None)
    assert "sending |  | not measured | |  |\n" in table.markdown({**a_run(), "results": results})


def test_a_bar_without_a_figure_is_not_measured_and_never_held():
    results = a_run()["results"]
    cell = figures.find_cell(results, "static", MCPAUTH)
    cell["error"] = "round 3: 1 of 9 was denied"
    figures.add_figures(results)
    assert [(bar.value, bar.holds) for bar in figures.bars(results)] == [(None, None)] * 3


MICRO = """                                             ns      least  x reference
(making a name)                           70.00      65.58       0.4115
limit decision, and a name               371.00     200.68       1.4866
JSON-RPC scan, 100 KB tools/call           0.08       0.06       0.0005 a byte
audit commit, durability=process        1499.00    1206.42       9.1650
"""


def test_a_bar_on_a_part_is_held_by_the_part_alone():
    found = {"micro": parts.parse_micro(MICRO)}
    held = figures.bars([], found)
    assert [(bar.variant, bar.limit, bar.value, bar.holds) for bar in held] == [
        ("audit commit, durability=process", 1500, 1499, True), ("limit decision, and a name", 300, 301, False), ("JSON-RPC scan, 100 KB tools/call", 3, 0.08, True)]
    text = table.markdown({**a_run(), "parts": found})
    assert "| a part | limit decision, and a name | CPU ns, alone | ≤ 300 | 301.00 | **no** |  |\n" in text


def test_the_floor_is_of_the_same_case_and_verifies_where_tokens_are_verified():
    run = a_run()
    results = run["results"]
    floor = {"variant": variants.FLOOR, "rounds": [row(1, 80, 11), row(2, 180, 23), row(3, 380, 8)], "unsupported": None, "error": None,
             "instructions_over": 6000}
    verifies = {"variant": variants.FLOOR_VERIFIES, "rounds": [row(1, 60, 21), row(2, 120, 33), row(3, 240, 18)], "unsupported": None, "error": None}
    results.append({**results[0], "case": "static-bad", "title": "bad", "cells": [*results[0]["cells"], verifies]})
    results[0]["cells"].append(floor)
    figures.add_figures(results)
    held = {(bar.case, bar.figure): bar.floor for bar in figures.bars(results, {"micro": parts.parse_micro(MICRO)})}
    assert held["static", "ratio"] == 0.9 and held["static", "over_us"] == 3 and held["static", "instructions_over"] == 6000
    assert held["static-bad", "over_us"] == 13 and held["static-bad", "fetches"] == 0 and held["", "part_ns"] is None
    assert "| ≥ 0.9 | 0.75 | **no** | 0.90 |\n" in table.markdown(run)
    floor["error"] = "round 3: 1 of 9 was denied"
    figures.add_figures(results)
    assert {bar.floor for bar in figures.bars(results) if bar.case == "static"} == {None}


def test_nothing_is_compared_with_a_bare_server_that_answered_wrong():
    results = a_run()["results"]
    figures.find_cell(results, "static", variants.BARE)["error"] = "round 4: 1 of 9 was denied"
    figures.add_figures(results)
    assert figures.find_cell(results, "static", variants.BARE)["figures"] is None
    assert "ratio" not in figures.find_cell(results, "static", MCPAUTH)["figures"]


def test_what_the_control_differs_by_is_what_cannot_be_claimed():
    run = a_run()
    assert "No control was measured" in re.sub(r"\s+", " ", table.markdown(run))
    run["results"][0]["cells"].append({"variant": variants.AGAIN, "rounds": [row(1, 98, 10.5), row(2, 190, 23), row(3, 440, 5)], "unsupported": None,
                                       "error": None})
    figures.add_figures(run["results"])
    found = figures.control(run["results"])
    assert [round(found[name], 6) for name in ("ratio", "over_us", "cases", "ratio_of_a_round")] == [0.02, 0.5, 1, 0.1]
    text = re.sub(r"\s+", " ", table.markdown(run))
    assert "by up to 2.0% of throughput and 0.5 µs of CPU (1 cases), in a single round by up to 10%" in text


def test_the_daemons_cpu_has_its_own_column_and_the_programs_their_versions():
    run = a_run()
    figures.find_cell(run["results"], "static", MCPAUTH)["figures"]["daemon_us"] = 5.25
    text = table.markdown(run)
    assert "| CPU µs | over bare | daemon µs |" in text and "| 13.0 | +4.0 | 5.2 |" in text
    assert "Programs: haproxy 2.6.12-1, nginx 1.22.1-9." in re.sub(r"\s+", " ", text)
    rows = [line for line in text.split("**What mcpauth")[0].splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {table.HEAD.splitlines()[0].count("|")}


def test_errors_and_what_is_not_supported_stand_in_the_table():
    text = table.markdown(a_run())
    assert "| nginx | **error:** round 3: expected 200: 3 of 9 were denied |" in text
    assert "| mod_oauth2, key | not supported: answers 401 to good tokens |" in text
    assert "**Not quiet.**" in text and "2026-01-01, a CPU, 2 CPUs" in text and "| 0.750 (0.50–0.90) |" in text


def test_the_readme_keeps_what_stands_around_the_table(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{table.BEGIN}\nof last week\n{table.END}\nafter\n")
    table.write_readme(a_run(), path)
    text = path.read_text()
    assert text.startswith(f"before\n{table.BEGIN}\n") and text.endswith(f"{table.END}\nafter\n") and "of last week" not in text and "| mcpauth |" in text


def test_the_projects_readme_has_a_place_for_the_table():
    text = (SOURCE / "README.md").read_text()
    assert text.count(table.BEGIN) == 1 and text.count(table.END) == 1


REPORT = """# Overhead|     Samples  |Shared Object     |Symbol
#
    25.00%|           30  |[kernel.kallsyms]  |[k] do_syscall_64
    20.00%|           20  |mod_mcp_auth.so  |[.] mcpa_decide
     5.00%|            5  |mod_headers.so  |[.] 0x000000000000193a
     5.00%|            5  |libapr-1.so.0.7.2  |[.] apr_palloc
"""


def test_samples_are_told_by_whose_code_they_hit():
    found = where.parse(REPORT)
    assert sum(found.values()) == 60 and found["mod_mcp_auth.so", "[.] mcpa_decide"] == 20
    assert [where.place_of(file) for file, _ in found] == ["kernel", "mcpauth's module", "httpd's modules", "APR"]
    text = where.show({"httpd": {("apache2", "f"): 2.0}, "mcpauth": {("apache2", "f"): 2.5, ("mod_mcp_auth.so", "g"): 1.0}}, {"httpd": 2.1, "mcpauth": 3.6}, 1)
    assert "| mcpauth's module | 0.00 | 1.00 |\n" in text and "| **all** | 2.00 | 3.50 |\n| as the kernel counted it | 2.10 | 3.60 |\n" in text
    assert text.endswith("|---|--:|--:|\n| g (mcpauth's module) | 0.00 | 1.00 |")


def test_what_is_counted_exists():
    """instructions.py names its variants itself."""
    assert all(name in instructions.VARIANTS and variant in cases.CASES[case].variants for (case, variant), name in counts.NAMES.items())
    assert all(case in cases.CASES for case in callgrind.CASES_OF)
    # The harness turns off what a guarded Location does not say.
    inspects = {name: re.findall(r"^MCPAuthInspect (\w+)$", v.location, re.M) for name, v in instructions.VARIANTS.items() if v.location}
    assert inspects.pop("proxy") == ["Body"] and all(found == ["Off"] for found in inspects.values())
    assert {bar[2] for bar in figures.BARS} | {bar[3] for bar in figures.PAIR_BARS} <= set(table.UNITS)


def test_a_thread_that_has_ended_spoils_the_sum():
    assert cpu.spent_us({"1": 1000}, {"1": 5000, "2": 2000}) == 6
    with pytest.raises(RuntimeError):
        cpu.spent_us({"1": 1000, "2": 1}, {"1": 5000})


def test_a_body_is_as_long_as_it_says_and_survives_lua():
    from web.tokens import rpc_body
    for size in (1024, 102400):
        body = rpc_body(size)
        assert len(body.encode()) == size and json.loads(body)["method"] == "tools/call"
    assert wrk.quote('a"\\\n') == '"a\\034\\092\\010"'
