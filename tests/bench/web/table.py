# SPDX-License-Identifier: Apache-2.0
"""The table: Markdown of all figures, the whole as JSON, and the part of the project's README."""
import json
import os
import re
import textwrap

from . import figures, machine
from .variants import BARE

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
HEAD = ("| | requests/s | of bare (least–most) | CPU µs | over bare | daemon µs | p50 / p99 µs | answers | instructions |\n"
        "|---|--:|--:|--:|--:|--:|--:|---|--:|\n")


def _statuses(found):
    total = sum(found.values())
    return ", ".join(status if count == total or count / total > 0.99 else f"{status}: {count}" for status, count in
                     sorted(found.items(), key=lambda item: -item[1]))


def _row(cell):
    f, name = cell["figures"], cell["variant"]
    if not f:
        why = "not measured"
        if cell["unsupported"]:
            why = f"not supported: {cell['unsupported'].split(':')[0]}"
        elif cell["error"]:
            why = f"**error:** {cell['error'].splitlines()[0]}"
        return f"| {name} | {why} | | | | | | | |\n"
    of = over = ""
    if "ratio" in f and name != BARE:
        of = f"{f['ratio']:.3f} ({f['ratio_least']:.2f}–{f['ratio_most']:.2f})"
        over = f"{f['over_us']:+.1f}"
    daemon = f"{f['daemon_us']:.1f}" if f["daemon_us"] else ""
    said = _statuses(f["statuses"])
    if f["log_bytes"] >= 1:
        said += f"; log {f['log_bytes']:.0f} B each"
    if f["fetches"]:
        said += f"; keys fetched {f['fetches']:,} times"
    counted, more = cell.get("instructions"), cell.get("instructions_over")
    counted = "" if counted is None else f"{counted:,}" if more is None else f"{more:+,}"
    return (f"| {name} | {f['rate']:,.0f} | {of} | {f['cpu_us']:.1f} | {over} | {daemon} | {f['p50_us']:,.0f} / {f['p99_us']:,.0f} | {said} "
            f"| {counted} |\n")


def _rows(results):
    lines = [HEAD]
    for result in results:
        lines += [f"| **{result['title']}** ({result['group']}) | | | | | | | | |\n", *map(_row, result["cells"])]
    return "".join(lines).rstrip() if results else ""


def _chance(results):
    found = figures.control(results)
    if not found:
        return "No control was measured, so only of instructions can a small difference be told from chance."
    return (f"The control, a second bare httpd, differs from the first in a case's medians by up to {found['ratio']:.1%} of throughput and "
            f"{found['over_us']:.1f} µs of CPU ({found['cases']} cases), in a single round by up to {found['ratio_of_a_round']:.0%}: of differences that are "
            "smaller, only those in instructions say anything.")


def markdown(run, folded=False):
    """All figures; run: what run.json holds. folded: only the first case is seen at once."""
    results = run["results"]
    parts = [textwrap.fill(
        f"{machine.line(run['machine'])}; commit {run['machine']['commit']}; {run['rounds']} rounds of {run['seconds']} s, in turn; medians. "
        f"Programs: {machine.programs(run['machine'])}. Tokens of {run['token_bytes']} bytes. Load of the machine by others before: "
        f"{run['machine']['load_before']:.1f}. CPU and what is over bare: of all processes of the server (with mcpauth: httpd's alone), a request; daemon: what "
        "mcpauth-admind takes beside that, on another CPU with one core. Answers: the status of all, or how many. Instructions: by callgrind, of a request to "
        f"bare httpd, and what others take more. {_chance(results)}", 150)]
    if not run.get("complete", True):
        parts.append("**This run was stopped before its end: some cells have fewer rounds, or none.**")
    if run["remark"]:
        parts.append(f"**{run['remark']}**")
    if folded:
        parts += [_rows(results[:1]), _bars(run)]
        if results[1:]:
            parts += [f"<details><summary>{len(results) - 1} more: other tokens, reverse proxy, tools/call, algorithms, cores, prefork</summary>",
                      _rows(results[1:]), "</details>"]
    else:
        parts += [_rows(results), _bars(run)]
    return "\n\n".join(p for p in parts if p) + "\n"


UNITS = {"ratio": "throughput of bare", "over_us": "CPU µs over bare, without the daemon's", "instructions_over": "instructions over bare", "fetches": "fetches of keys",
         "pair_us": "CPU µs: audit record, commit, sending", "ns_byte": "CPU ns a byte: scan of the message", "part_ns": "CPU ns, alone"}
BAR_FOOT = textwrap.fill(
    "Floor: of the same rounds, a module that has mcpauth's effects (headers for the upstream and in the answer, a record of the same length before its end) and "
    "decides nothing; where signatures are verified, OpenSSL verifies each for it, too. A part: by `tests/bench/micro`, in the same run.", 150)
BAR_HEAD = ["| case | | | limit | measured | holds | floor |", "|---|---|---|--:|--:|---|--:|"]


def _bar(bar, titles):
    sign = "≥" if bar.figure == "ratio" else "≤"
    limit = "" if bar.limit is None else f"{sign} {bar.limit:,}"
    measured = "not measured | |" if bar.value is None else f"{bar.value:,.2f} | {'' if bar.holds is None else 'yes' if bar.holds else '**no**'} |"
    low = "" if bar.floor is None else f"{bar.floor:,.2f}"
    return f"| {titles.get(bar.case, 'a part')} | {bar.variant} | {UNITS[bar.figure]} | {limit} | {measured} {low} |"


def _bars(run):
    titles = {r["case"]: r["title"] for r in run["results"]}
    rows = [_bar(bar, titles) for bar in figures.bars(run["results"], run.get("parts"))]
    return "\n".join(["**What mcpauth is to keep**", "", *BAR_HEAD, *rows, "", BAR_FOOT]) if rows else ""


def _replace(path, text):
    """Whole or not at all: a signal that ends the run may come in between."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    os.replace(new, path)


def write(run, folder):
    """table.md and run.json in this folder; returns the text of the table."""
    text = markdown(run)
    _replace(folder / "run.json", json.dumps(run, indent=1, ensure_ascii=False) + "\n")
    _replace(folder / "table.md", "<!-- SPDX-License-Identifier: Apache-2.0 -->\n" + text)
    return text


def write_readme(run, path):
    """The table between the marks of the project's README, instead of what stood there."""
    text = path.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"{path} has no place for the table: {BEGIN} … {END}")
    path.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{markdown(run, folded=True)}{END}", text, flags=re.S))
