# SPDX-License-Identifier: Apache-2.0
"""From rounds to figures: medians, each ratio and each difference taken within its round."""
import statistics
from typing import NamedTuple

from .variants import AGAIN, BARE, FLOOR, FLOOR_VERIFIES, US

# The bars: case, variant, figure, limit, whether more is better. All in the group that runs event on one core with RS256.
BARS = (
    ("static", US, "ratio", 0.90, True), ("static", US, "over_us", 4, False), ("static", US, "instructions_over", 40_000, False),
    ("static-new", "mcpauth, never seen", "over_us", 30, False),
    ("static-bad", US, "over_us", 28, False), ("static-bad", US, "fetches", 0, False),
)
# On what one variant takes more CPU than another, over a divisor: the scan of 102,400 bytes in ns a byte. And what has no limit: an audit record with all
# that is done for it.
PAIR_BARS = (
    ("static", US, "mcpauth, audit off", "pair_us", None, 1), ("rpc-100k", US, "mcpauth, body not inspected", "ns_byte", 3, 102.4),
)
# On a part alone, by ../micro.c: name, what is no part of it, limit in ns.
PART_BARS = (
    ("audit commit, durability=process", None, 1500), ("limit decision, and a name", "(making a name)", 300), ("JSON-RPC scan, 100 KB tools/call", None, 3),
)


class Bar(NamedTuple):
    """value, holds: None where there is no figure. floor: the same of the module that decides nothing."""
    case: str
    variant: str
    figure: str
    limit: float
    value: float
    holds: bool
    floor: float = None


def median(rows, name):
    return statistics.median(r[name] for r in rows)


def cell_figures(cell, bare_rows):
    """None where there are no rounds, and where answers went wrong in one: whatever the others were, what it did is not what the case is about."""
    rows = cell["rounds"]
    if cell["error"] or not rows:
        return None
    bare = {r["round"]: r for r in bare_rows}
    pairs = [(r, bare[r["round"]]) for r in rows if r["round"] in bare]
    ratios = [r["rate"] / b["rate"] for r, b in pairs]
    over = [r["cpu_us"] - b["cpu_us"] for r, b in pairs]
    statuses = {}
    for r in rows:
        for status, count in r["statuses"].items():
            statuses[str(status)] = statuses.get(str(status), 0) + count
    found = {name: median(rows, name) for name in ("rate", "p50_us", "p99_us", "cpu_us", "daemon_us", "log_bytes")}
    found.update(rounds=len(rows), statuses=statuses, fetches=sum(r["fetches"] for r in rows))
    if pairs:
        found.update(ratio=statistics.median(ratios), ratio_least=min(ratios), ratio_most=max(ratios), over_us=statistics.median(over),
                     over_least=min(over), over_most=max(over))
    return found


def add_figures(results):
    for result in results:
        bare = next((c["rounds"] for c in result["cells"] if c["variant"] == BARE and not c["error"]), [])
        for cell in result["cells"]:
            cell["figures"] = cell_figures(cell, bare)
    return results


def control(results):
    """What chance did, by the second bare httpd: (share of throughput, CPU us, cases), the most that a case's medians differ from the first's, and the
    most of throughput in a single round. None where no control was measured."""
    cells = [c["figures"] for r in results for c in r["cells"] if c["variant"] == AGAIN and c["figures"] and "ratio" in c["figures"]]
    if not cells:
        return None
    return {"ratio": max(abs(f["ratio"] - 1) for f in cells), "over_us": max(abs(f["over_us"]) for f in cells), "cases": len(cells),
            "ratio_of_a_round": max(abs(f[end] - 1) for f in cells for end in ("ratio_least", "ratio_most"))}


def find_cell(results, case, variant):
    """Of the group that the bars are about; None where it is not in the run."""
    for r in results:
        if (r["case"], r["mpm"], r["cores"], r["alg"]) == (case, "event", 1, "RS256"):
            for cell in r["cells"]:
                if cell["variant"] == variant:
                    return cell
    return None


def between_us(results, case, variant, other):
    """What CPU a request takes more with the one than with the other, the median over rounds; None where they have no figures or no round in common."""
    cells = [find_cell(results, case, name) for name in (variant, other)]
    if not all(cell and cell["figures"] for cell in cells):
        return None
    one, two = ({r["round"]: r["cpu_us"] for r in cell["rounds"]} for cell in cells)
    both = [one[n] - two[n] for n in one if n in two]
    return statistics.median(both) if both else None


def floor(results, case, figure):
    """The figure of the case's floor; None where that was not measured."""
    cells = [find_cell(results, case, variant) for variant in (FLOOR, FLOOR_VERIFIES)]
    return next(({**cell["figures"], **cell}.get(figure) for cell in cells if cell and cell["figures"]), None)


def _part_bars(parts):
    for name, less, limit in PART_BARS:
        value = parts["micro"][name] - (parts["micro"][less] if less else 0)
        yield Bar("", name, "part_ns", limit, value, value <= limit)


def bars(results, parts=None):
    """[Bar] of what is in the run; parts: of parts.measure()."""
    found = []
    for case, variant, figure, limit, more in BARS:
        if cell := find_cell(results, case, variant):
            value = {**cell["figures"], **cell}.get(figure) if cell["figures"] else None
            found.append(Bar(case, variant, figure, limit, value, None if value is None else value >= limit if more else value <= limit,
                             floor(results, case, figure)))
    for case, variant, other, figure, limit, divisor in PAIR_BARS:
        if find_cell(results, case, variant) and find_cell(results, case, other):
            more_us = between_us(results, case, variant, other)
            value = None if more_us is None else more_us / divisor
            found.append(Bar(case, f"{variant}, less: {other}", figure, limit, value, None if None in (value, limit) else value <= limit))
    return found + list(_part_bars(parts) if parts else ())
