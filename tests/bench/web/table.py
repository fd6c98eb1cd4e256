# SPDX-License-Identifier: Apache-2.0
"""The table: Markdown of all figures, the whole as JSON, and the part of the project's README."""
import json
import re
import textwrap

from . import figures, machine
from .variants import BARE

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
HEAD = ("| | requests/s | of bare (least–most) | CPU µs | over bare | p50 / p99 µs | answers | instructions |\n"
        "|---|--:|--:|--:|--:|--:|---|--:|\n")


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
        return f"| {name} | {why} | | | | | | |\n"
    of = over = ""
    if "ratio" in f and name != BARE:
        of = f"{f['ratio']:.3f} ({f['ratio_least']:.2f}–{f['ratio_most']:.2f})"
        over = f"{f['over_us']:+.1f}"
    spent = f"{f['cpu_us']:.1f}" + (f" + {f['daemon_us']:.1f}" if f["daemon_us"] else "")
    said = _statuses(f["statuses"])
    if f["log_bytes"] >= 1:
        said += f"; log {f['log_bytes']:.0f} B each"
    if f["fetches"]:
        said += f"; keys fetched {f['fetches']:,} times"
    counted, more = cell.get("instructions"), cell.get("instructions_over")
    counted = "" if counted is None else f"{counted:,}" if more is None else f"{more:+,}"
    return (f"| {name} | {f['rate']:,.0f} | {of} | {spent} | {over} | {f['p50_us']:,.0f} / {f['p99_us']:,.0f} | {said} "
            f"| {counted} |\n")


def _rows(results):
    lines = [HEAD]
    for result in results:
        lines += [f"| **{result['title']}** ({result['group']}) | | | | | | | |\n", *map(_row, result["cells"])]
    return "".join(lines).rstrip() if results else ""


def markdown(run, folded=False):
    """All figures; run: what run.json holds. folded: only the first case is seen at once."""
    results = run["results"]
    parts = [textwrap.fill(
        f"{machine.line(run['machine'])}; commit {run['machine']['commit']}; {run['rounds']} rounds of {run['seconds']} s, in turn; medians. "
        f"Tokens of {run['token_bytes']} bytes. Load of the machine by others before: {run['machine']['load_before']:.1f}. CPU: of all the server's "
        "processes, a request; \"+\": that of mcpauth-admind. Answers: the status of all, or how many. Instructions: by callgrind, of a request to bare httpd, "
        "and what others take more. Below 3 % or 1 µs only they say anything.", 150)]
    if run["remark"]:
        parts.append(f"**{run['remark']}**")
    if folded:
        parts += [_rows(results[:1]), _bars(results)]
        if results[1:]:
            parts += [f"<details><summary>{len(results) - 1} more: other tokens, reverse proxy, tools/call, algorithms, cores, prefork</summary>",
                      _rows(results[1:]), "</details>"]
    else:
        parts += [_rows(results), _bars(results)]
    return "\n\n".join(p for p in parts if p) + "\n"


UNITS = {"ratio": "throughput of bare", "over_us": "CPU µs over bare", "instructions_over": "instructions over bare", "fetches": "fetches of keys",
         "pair_us": "CPU µs: audit record, commit, sending", "ns_byte": "CPU ns a byte: scan of the message"}


def _bars(results):
    titles = {r["case"]: r["title"] for r in results}
    rows = [f"| {titles[case]} | {variant} | {UNITS[figure]} | {'≥' if figure == 'ratio' else '≤'} {limit:,} | {value:,.2f} "
            f"| {'yes' if holds else '**no**'} |" for case, variant, figure, limit, value, holds in figures.bars(results)]
    return "\n".join(["**What mcpauth is to keep**", "", "| case | | | limit | measured | holds |", "|---|---|---|--:|--:|---|", *rows]) if rows else ""


def write(run, folder):
    """table.md and run.json in this folder; returns the text of the table."""
    text = markdown(run)
    (folder / "table.md").write_text("<!-- SPDX-License-Identifier: Apache-2.0 -->\n" + text)
    (folder / "run.json").write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n")
    return text


def write_readme(run, path):
    """The table between the marks of the project's README, instead of what stood there."""
    text = path.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"{path} has no place for the table: {BEGIN} … {END}")
    path.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{markdown(run, folded=True)}{END}", text, flags=re.S))
